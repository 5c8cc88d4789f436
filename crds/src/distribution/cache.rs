//! How responses are cached: for how long, what tells one from another, and what may be shown when it is no longer fresh.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cookies, QueryStrings};
use crate::duration::Duration;
use crate::rules::{OF_THE_CONNECTION, OF_THE_EDGES_REQUESTS, distinct, within, without};

/// How responses are cached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = within("staleWhileRevalidate", "0s", "8760h"),
    validation = within("staleIfError", "0s", "8760h"),
    validation = within("staleIfUnreachable", "0s", "8760h")
)]
pub struct CachePolicy {
    /// How long responses stay fresh: what the origin says, within these bounds. All of them `0s`: nothing is cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// What tells one response from another, beside the path. Everything in the key is sent to the origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<CacheKey>,
    /// What becomes of responses that set cookies: `Bypass` passes them on and stores none of them, `Store` stores them with
    /// their cookies, which every viewer then gets, `Strip` stores and shows them without their cookies. Default: `Bypass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SetCookie", default = "bypass")]
    pub set_cookie: Option<SetCookie>,
    /// Whether viewers have a say in caching, by the `Cache-Control` and `Pragma` of their requests, as a browser's reload sends
    /// them: `Ignore` or `Respect`. Default: `Ignore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ViewerControls", default = "ignore")]
    pub viewer_controls: Option<ViewerControls>,
    /// How long past its time a response is shown at once while an edge validates it in the background. The origin's own
    /// `stale-while-revalidate` counts where it is longer. Default: 0s. Example: `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_while_revalidate: Option<Duration>,
    /// How long past its time a response is shown where the origin answers 500, 502, 503 or 504. The origin's own
    /// `stale-if-error` takes its place. Default: 0s. Example: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_if_error: Option<Duration>,
    /// How long past its time a response is shown where the origin gives no answer at all. The origin's own `stale-if-error`
    /// takes its place; `must-revalidate`, `proxy-revalidate`, `s-maxage` and `no-cache` forbid it. Default: 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_if_unreachable: Option<Duration>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field is an option")]
fn bypass() -> Option<SetCookie> {
    Some(SetCookie::Bypass)
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field is an option")]
fn ignore() -> Option<ViewerControls> {
    Some(ViewerControls::Ignore)
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
    /// What comes before `default` where the origin says nothing: `Off` is nothing, `LastModified` a tenth of the response's age
    /// by its `Last-Modified`, at most 24h. Default: `Off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Heuristic")]
    pub heuristic: Option<Heuristic>,
}

/// A time for responses whose origin names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Heuristic {
    /// None but the default.
    #[default]
    Off,
    /// A tenth of the time since `Last-Modified`.
    LastModified,
}

/// What tells one response from another, beside the path. Everything in the key is sent to the origin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheKey {
    /// Which query parameters tell one response from another, by order and repetition too. Those that do not count are not sent
    /// to the origin either, unless `forward` says so. Default: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_strings: Option<QueryStrings>,
    /// Header fields of the request that tell one response from another, in any case. `Host` among them is the viewer's.
    /// Default: none. Example: `["Accept-Language"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 10),
        inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))
    )]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = distinct(),
        validation = without(
            &[&OF_THE_CONNECTION, &OF_THE_EDGES_REQUESTS],
            "key.headers names a field that an edge reads or writes itself; for Cookie use key.cookies"
        )
    )]
    pub headers: Vec<String>,
    /// Which cookies tell one response from another. Those that do not count are not sent to the origin either, unless `forward`
    /// says so. Default: none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookies: Option<Cookies>,
}

/// What becomes of responses that set cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SetCookie {
    /// They are passed on and not stored.
    #[default]
    Bypass,
    /// They are stored with their cookies.
    Store,
    /// They are stored and shown without them.
    Strip,
}

/// Whether viewers have a say in caching.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ViewerControls {
    /// No.
    #[default]
    Ignore,
    /// Yes.
    Respect,
}
