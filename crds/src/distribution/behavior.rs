//! Path rules: which origin answers, for which methods, how its responses are cached, and how they are shown.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CachePolicy, Forward, ResponseHeaders};

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

/// Which origin answers, for which methods, how its responses are cached, and how they are shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.compress) && !self.compress) || !has(self.cache) || !has(self.cache.key) || !has(self.cache.key.headers) || !self.cache.key.headers.exists(name, name.lowerAscii() == 'accept-encoding')")
        .message("Accept-Encoding is in the key already where compress is on; leave it out of key.headers").field_path(".cache.key.headers")
)]
pub struct Policy {
    /// The origin that answers: the name of one of `origins`, or of one of `originGroups`.
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
    /// What of a viewer's request the origin is sent, beside what is in the cache key. Without it: nothing more where responses
    /// are cached, everything where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<Box<Forward>>,
    /// Whether edges compress text-like responses with Brotli or gzip, as the viewer accepts. Responses that the origin has
    /// compressed stay as they are. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", default = "compressed")]
    pub compress: Option<bool>,
    /// What is changed in the head of a response before a viewer gets it. What is stored stays as the origin sent it, so a
    /// change works at once, on what is cached too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_headers: Option<Box<ResponseHeaders>>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field is an option")]
fn read_only() -> Option<Methods> {
    Some(Methods::ReadOnly)
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field is an option")]
fn compressed() -> Option<bool> {
    Some(true)
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
