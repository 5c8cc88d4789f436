//! Path rules: which origin answers, for which methods, and how long its responses stay fresh.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;

/// What happens to requests whose path matches a pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// Which paths: `*` stands for any run of characters, `/` among them, `?` for exactly one. Case counts; the query
    /// string is not looked at; a pattern without a leading slash is the same pattern with one. Example: `/img/*`.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z0-9._~!$&'()*+,;=:@%/?-]+$"))]
    pub path_pattern: String,
    /// Everything else.
    #[serde(flatten)]
    pub policy: Policy,
}

/// What happens to requests that no other behavior matches.
pub type DefaultBehavior = Policy;

/// Which origin answers, for which methods, and how long its responses stay fresh.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// The origin that answers: the name of one of `origins`.
    #[schemars(length(min = 1, max = 63))]
    pub origin: String,
    /// Which methods pass: `ReadOnly` is GET and HEAD, `ReadOptions` adds OPTIONS, `All` adds PUT, POST, PATCH, DELETE and
    /// the rest. Others are answered 405. Default: `ReadOnly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Methods", default = "read_only")]
    pub methods: Option<Methods>,
    /// How responses are cached. Without it, as they say themselves, and for 24h where they say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CachePolicy>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field is an option")]
fn read_only() -> Option<Methods> {
    Some(Methods::ReadOnly)
}

/// Which methods pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Methods {
    /// GET and HEAD.
    #[default]
    ReadOnly,
    /// GET, HEAD and OPTIONS.
    ReadOptions,
    /// Every method but CONNECT and TRACE.
    All,
}

/// How responses are cached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CachePolicy {
    /// How long responses stay fresh: what the origin says, within these bounds. All of them `0s`: nothing is cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// What tells one response from another, beside the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<CacheKey>,
}

/// Bounds on how long responses stay fresh. The origin's `CDN-Cache-Control`, `Cache-Control` and `Expires` decide between
/// them. All of them `0s`: nothing is cached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.min) || !has(self.max) || duration(self.min) <= duration(self.max)")
        .message("ttl.min must not be above ttl.max"),
    validation = Rule::new("!has(self.min) || !has(self.default) || duration(self.min) <= duration(self.default)")
        .message("ttl.min must not be above ttl.default"),
    validation = Rule::new("!has(self.default) || !has(self.max) || duration(self.default) <= duration(self.max)")
        .message("ttl.default must not be above ttl.max")
)]
pub struct Ttl {
    /// The least time that a response stays fresh, whatever the origin says; above 0s it caches even what the origin forbids.
    /// Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Duration>,
    /// How long a response stays fresh whose origin says nothing. Default: 24h, or the nearest that `min` and `max` allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Duration>,
    /// The greatest time that a response stays fresh, whatever the origin says. Default: 8760h, or `min` or `default` where one
    /// is greater.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Duration>,
}

/// What tells one response from another, beside the path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheKey {
    /// Which query parameters tell one response from another, by order and repetition too. Those that do not count are not sent
    /// to the origin either. Default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_strings: Option<QueryStrings>,
}

/// Which query parameters tell one response from another. Their order and repetition count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.mode in ['Include', 'Exclude']) == has(self.names)")
        .message("names goes with mode Include or Exclude, and only with them")
)]
pub struct QueryStrings {
    /// `All`, `None`, `Include` (only those in `names`) or `Exclude` (all but those).
    pub mode: QueryStringMode,
    /// Names of parameters, case-sensitive. With mode `Include` or `Exclude` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Vec<String>,
}

/// How query parameters are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum QueryStringMode {
    /// Every one.
    #[default]
    All,
    /// None.
    None,
    /// Only those named.
    Include,
    /// All but those named.
    Exclude,
}
