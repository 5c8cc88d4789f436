//! Choices among the query parameters, cookies and header fields of a request: a mode, and names where it needs them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules::{OF_THE_CONNECTION, OF_THE_EDGES_REQUESTS, distinct, without};

/// Which query parameters tell one response from another. Their order and repetition count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = names_go_with_mode())]
pub struct QueryStrings {
    /// `All`, `None`, `Include` (only those in `names`) or `Exclude` (all but those).
    pub mode: ChoiceMode,
    /// Names of parameters, case-sensitive. With mode `Include` or `Exclude` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Vec<String>,
}

/// Which cookies tell one response from another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = names_go_with_mode())]
pub struct Cookies {
    /// `All`, `None`, `Include` (only those in `names`) or `Exclude` (all but those).
    pub mode: ChoiceMode,
    /// Names of cookies, case-sensitive. With mode `Include` or `Exclude` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 20),
        inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Vec<String>,
}

/// How parameters or cookies are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChoiceMode {
    /// Every one.
    All,
    /// None.
    None,
    /// Only those named.
    Include,
    /// All but those named.
    Exclude,
}

/// What of a viewer's request the origin is sent, beside what is in the cache key, which it is always sent. What it is sent and the
/// key does not hold may change a response that others then get: only the origin's `Vary` guards against that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forward {
    /// Header fields, cookies aside. Default: mode `Auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<ForwardedHeaders>,
    /// Cookies. Default: mode `Auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookies: Option<ForwardedCookies>,
    /// Query parameters. Default: mode `Auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_strings: Option<ForwardedQueryStrings>,
}

/// Which header fields the origin is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = names_go_with_mode())]
pub struct ForwardedHeaders {
    /// `Auto` (only what is in the key where responses are cached, all where they are not), `None` (only what is in the key),
    /// `All`, `Include` (also those in `names`) or `Exclude` (all but those).
    pub mode: ForwardMode,
    /// Names of header fields, in any case. With mode `Include` or `Exclude` only. Example: `["User-Agent"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 20),
        inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))
    )]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = distinct(),
        validation = without(
            &[&OF_THE_CONNECTION, &OF_THE_EDGES_REQUESTS, &["host"]],
            "forward.headers names a field that an edge reads or writes itself; for Cookie use forward.cookies, for Host the origin's hostHeader"
        )
    )]
    pub names: Vec<String>,
}

/// Which cookies the origin is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = names_go_with_mode())]
pub struct ForwardedCookies {
    /// `Auto` (only what is in the key where responses are cached, all where they are not), `None` (only what is in the key),
    /// `All`, `Include` (also those in `names`) or `Exclude` (all but those).
    pub mode: ForwardMode,
    /// Names of cookies, case-sensitive. With mode `Include` or `Exclude` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 20),
        inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Vec<String>,
}

/// Which query parameters the origin is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = names_go_with_mode())]
pub struct ForwardedQueryStrings {
    /// `Auto` (only what is in the key where responses are cached, all where they are not), `None` (only what is in the key),
    /// `All`, `Include` (also those in `names`) or `Exclude` (all but those).
    pub mode: ForwardMode,
    /// Names of parameters, case-sensitive. With mode `Include` or `Exclude` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Vec<String>,
}

/// How what is forwarded is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ForwardMode {
    /// Only what is in the key where responses are cached, all where they are not.
    Auto,
    /// Only what is in the key.
    None,
    /// Every one.
    All,
    /// Also those named.
    Include,
    /// All but those named.
    Exclude,
}

fn names_go_with_mode() -> kube::core::Rule {
    kube::core::Rule::new("(self.mode in ['Include', 'Exclude']) == has(self.names)")
        .message("names goes with mode Include or Exclude, and only with them")
}
