//! What viewers get in place of an error.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::rules::within;

/// What viewers get in place of an error: a page of this Distribution, a status, and for how long the error is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = within("cacheTTL", "0s", "8760h"),
    validation = Rule::new("has(self.cacheTTL) || has(self.responsePath)")
        .message("give cacheTTL, or responsePath and responseCode: without them nothing changes"),
    validation = Rule::new("has(self.responsePath) == has(self.responseCode)")
        .message("responsePath and responseCode go together"),
    validation = Rule::new("!has(self.responseCode) || self.responseCode == 200 || self.responseCode >= 400")
        .message("responseCode must be 200 or from 400 to 599").field_path(".responseCode"),
    validation = Rule::new(r"!has(self.responsePath) || !self.responsePath.matches('/([.]|%2[eE]){1,2}(/|$)')")
        .message("responsePath must not hold the segments . and ..").field_path(".responsePath")
)]
pub struct ErrorResponse {
    /// The status, from 400 to 599, that the origin answers with, or the edge in its place: 502 where it cannot be reached, 504
    /// where it is too slow. Example: `404`.
    #[schemars(range(min = 400, max = 599))]
    pub code: u16,
    /// For how long at least edges remember the error, and do not ask the origin again; an error that itself says `no-store` or
    /// `private` is not stored. Default: as `cache` of the behavior says, and at most 10s where the origin says nothing.
    #[serde(rename = "cacheTTL", default, skip_serializing_if = "Option::is_none")]
    pub cache_ttl: Option<Duration>,
    /// The page that is shown: a path of this Distribution, asked by the behavior that matches it. Example: `/errors/404.html`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^/([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*$"))]
    pub response_path: Option<String>,
    /// The status that the page is shown with: 200, or one from 400 to 599. Goes with `responsePath`. Example: `404`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u16", range(min = 200, max = 599))]
    pub response_code: Option<u16>,
}
