//! What scripts of other sites may do, in the words of the Fetch standard.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::rules::within;

/// What scripts of other sites may do (CORS).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = within("maxAge", "0s", "24h"),
    validation = Rule::new("!has(self.credentials) || !self.credentials || !('*' in self.origins || (has(self.exposeHeaders) && '*' in self.exposeHeaders))")
        .message("credentials goes with names only: browsers take no * among origins and exposeHeaders then").field_path(".credentials")
)]
pub struct Cors {
    /// Whose scripts: `*` for everybody's, or origins as browsers send them: a scheme, a host in lower case and perhaps a port; a
    /// leading `*.` stands for one or more labels. At most 64. Example:
    /// `["https://app.example.com", "https://*.example.com"]`.
    #[schemars(
        length(min = 1, max = 64),
        inner(
            length(min = 1, max = 280),
            regex(
                pattern = r"^(\*|https?://((\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?)$"
            )
        )
    )]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("!('*' in self) || self.size() == 1").message("* stands for every origin, so it stands alone")
    )]
    pub origins: Vec<String>,
    /// With which methods: of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE` and `OPTIONS`, or `*` for any. They also must pass by
    /// `methods` of the behavior. Default: GET and HEAD.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub methods: Vec<CorsMethod>,
    /// With which header fields of their requests, in any case; `*` for any. At most 32. Default: those that browsers always
    /// allow. Example: `["Content-Type", "X-Request-Id"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub headers: Vec<String>,
    /// Which header fields of responses they may read, in any case; `*` for any. At most 32. Default: those that browsers always
    /// show. Example: `["ETag"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub expose_headers: Vec<String>,
    /// For how long browsers may remember the answer to a preflight request, at most 24h. Default: 5s, which is the browsers' own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// Whether with cookies and other credentials of the viewer. Needs origins by name. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub credentials: Option<bool>,
}

/// A method that scripts of other sites may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the methods of RFC 9110, and a word for all of them")]
pub enum CorsMethod {
    #[serde(rename = "*")]
    Any,
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}
