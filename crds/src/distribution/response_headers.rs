//! What is changed in the head of a response: fields set and removed, what other sites' scripts may do, and security fields.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Cors;
use crate::duration::Duration;
use crate::rules::{NEVER_SET, OF_THE_CONNECTION, OF_THE_EDGES_RESPONSES, distinct, listed, within, without};

/// What is changed in the head of a response. First `remove`, then `security`, `set` and `cors`, each over what the origin sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.cors) || !has(self.set) || !self.set.exists(h, h.name.lowerAscii().startsWith('access-control-'))")
        .message("cors writes the Access-Control fields; leave them out of set").field_path(".set"),
    validation = Rule::new("!has(self.security) || !has(self.set) || !self.set.exists(h, (has(self.security.hsts) && h.name.lowerAscii() == 'strict-transport-security') || (has(self.security.contentTypeOptions) && h.name.lowerAscii() == 'x-content-type-options') || (has(self.security.frameOptions) && h.name.lowerAscii() == 'x-frame-options') || (has(self.security.referrerPolicy) && h.name.lowerAscii() == 'referrer-policy') || (has(self.security.contentSecurityPolicy) && h.name.lowerAscii() == 'content-security-policy'))")
        .message("set names a field that security writes; keep one of the two").field_path(".set")
)]
pub struct ResponseHeaders {
    /// Header fields that are set, over those of the same name that the origin sent. At most 20. Example:
    /// `[{name: Cache-Control, value: no-cache}]` for browsers, while edges cache as `cache` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.all(one, self.exists_one(other, other.name.lowerAscii() == one.name.lowerAscii()))")
            .message("the same field is set twice, its case aside; keep one")
    )]
    pub set: Vec<ResponseHeader>,
    /// Names of header fields that are taken away, in any case. At most 20. Example: `["Server", "X-Powered-By"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = distinct(),
        validation = without(&[&OF_THE_CONNECTION, &OF_THE_EDGES_RESPONSES], "remove names a field that belongs to the edge")
    )]
    pub remove: Vec<String>,
    /// What scripts of other sites may do. Edges then answer preflight requests themselves, and the origin's own answers about it
    /// are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// Fields by which browsers are told to be careful. Each is only sent if it is given here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,
}

/// A header field that is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = belongs_to_the_user())]
pub struct ResponseHeader {
    /// The field's name, not case-sensitive.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))]
    pub name: String,
    /// The field's value.
    #[schemars(length(max = 4096), regex(pattern = r"^([!-~]([ \t!-~]*[!-~])?)?$"))]
    pub value: String,
}

fn belongs_to_the_user() -> kube::core::Rule {
    let names = listed(&[&OF_THE_CONNECTION, &OF_THE_EDGES_RESPONSES, &NEVER_SET]);
    kube::core::Rule::new(format!("!(self.name.lowerAscii() in {names})"))
        .message("this field belongs to the edge")
        .field_path(".name")
}

/// Fields by which browsers are told to be careful.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Security {
    /// `Strict-Transport-Security`: browsers come back over HTTPS only. Browsers heed it in responses over HTTPS alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsts: Option<Hsts>,
    /// `X-Content-Type-Options`: `nosniff`, browsers believe the `Content-Type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ContentTypeOptions")]
    pub content_type_options: Option<ContentTypeOptions>,
    /// `X-Frame-Options`: who may show the page in a frame, nobody with `DENY`, pages of the same origin with `SAMEORIGIN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "FrameOptions")]
    pub frame_options: Option<FrameOptions>,
    /// `Referrer-Policy`: how much browsers tell others about where they come from. One of `no-referrer`,
    /// `no-referrer-when-downgrade`, `origin`, `origin-when-cross-origin`, `same-origin`, `strict-origin`,
    /// `strict-origin-when-cross-origin` and `unsafe-url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ReferrerPolicy")]
    pub referrer_policy: Option<ReferrerPolicy>,
    /// `Content-Security-Policy`: what a page may load and run. Example: `default-src 'self'`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096), regex(pattern = r"^[!-~]([ \t!-~]*[!-~])?$"))]
    pub content_security_policy: Option<String>,
}

/// `Strict-Transport-Security` (RFC 6797).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = within("maxAge", "0s", "87600h"),
    validation = Rule::new("!has(self.preload) || !self.preload || (has(self.includeSubDomains) && self.includeSubDomains && duration(self.maxAge) >= duration('8760h'))")
        .message("preload needs includeSubDomains and a maxAge of at least 8760h: browsers' lists take no others").field_path(".preload")
)]
pub struct Hsts {
    /// For how long browsers remember it, from 0s, which makes them forget it, to 87600h. Example: `8760h`.
    pub max_age: Duration,
    /// Whether it also holds for every name below this one. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub include_sub_domains: Option<bool>,
    /// Whether browsers may have the name in their lists before the first visit. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    pub preload: Option<bool>,
}

/// Whether browsers believe the `Content-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ContentTypeOptions {
    /// They do.
    #[serde(rename = "nosniff")]
    NoSniff,
}

/// Who may show a page in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum FrameOptions {
    /// Nobody.
    Deny,
    /// Pages of the same origin.
    SameOrigin,
}

/// How much browsers tell others about where they come from, in the words of the Referrer Policy specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the specification's words, which its readers know")]
pub enum ReferrerPolicy {
    NoReferrer,
    NoReferrerWhenDowngrade,
    Origin,
    OriginWhenCrossOrigin,
    SameOrigin,
    StrictOrigin,
    StrictOriginWhenCrossOrigin,
    UnsafeUrl,
}
