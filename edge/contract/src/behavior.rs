//! A path rule as an edge serves it: who answers, what tells responses apart, how long they stay, and how they are shown.

use serde::{Deserialize, Serialize};

use crate::config::Header;

/// A path rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// `*` is any run of characters, `?` exactly one; with a leading `/`, or `*` alone for the default.
    pub path_pattern: String,
    /// The name of an origin of the same site.
    pub origin: String,
    /// Which methods pass.
    pub methods: Methods,
    /// How long responses stay fresh.
    pub ttl: Ttl,
    /// What tells one response from another, beside the path.
    pub key: Key,
    /// What of a viewer's request an origin is sent.
    pub forward: Forward,
    /// What becomes of responses that set cookies.
    pub set_cookie: SetCookie,
    /// Whether viewers have a say in caching.
    pub viewer_controls: ViewerControls,
    /// How long past its freshness a response may be shown.
    pub stale: Stale,
    /// Whether an edge codes responses that are worth it, as the viewer accepts.
    pub compress: bool,
    /// What is changed in the head of a response.
    #[serde(default, skip_serializing_if = "ResponseHeaders::is_empty")]
    pub response_headers: ResponseHeaders,
}

impl Behavior {
    /// A rule with the default of everything else: reads, a day where an origin says nothing, keyed by path and query.
    pub fn plain(path_pattern: impl Into<String>, origin: impl Into<String>) -> Self {
        Self {
            path_pattern: path_pattern.into(),
            origin: origin.into(),
            methods: Methods::ReadOnly,
            ttl: Ttl::default(),
            key: Key::default(),
            forward: Forward::default(),
            set_cookie: SetCookie::default(),
            viewer_controls: ViewerControls::default(),
            stale: Stale::default(),
            compress: true,
            response_headers: ResponseHeaders::default(),
        }
    }
}

/// Which methods a behavior lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Methods {
    /// GET and HEAD.
    ReadOnly,
    /// GET, HEAD and OPTIONS.
    ReadOptions,
    /// Every method but CONNECT and TRACE.
    All,
}

/// The bounds put on what an origin says about freshness, in seconds. All zero: nothing is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ttl {
    /// The least freshness lifetime; above zero it overrides what the origin forbids.
    pub min: u64,
    /// For responses whose origin says nothing.
    pub default: u64,
    /// The greatest freshness lifetime; zero turns caching off.
    pub max: u64,
    /// What comes before the default where an origin says nothing.
    pub heuristic: Heuristic,
}

impl Default for Ttl {
    /// What origins say, a day where they say nothing, a year at most.
    fn default() -> Self {
        Self { min: 0, default: 24 * 3600, max: 8760 * 3600, heuristic: Heuristic::Off }
    }
}

/// A freshness lifetime for responses that name none (RFC 9111 §4.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Heuristic {
    /// None but the default.
    #[default]
    Off,
    /// A tenth of the time since `Last-Modified`, at most a day.
    LastModified,
}

/// What tells one response from another, beside the path. All of it is forwarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Query parameters; their order and repetition count.
    pub query_strings: Choice,
    /// Header fields, lower case, sorted. `host` among them is the viewer's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Cookies, by name; their order and repetition count.
    pub cookies: Choice,
}

impl Default for Key {
    /// All parameters of the query and nothing else.
    fn default() -> Self {
        Self { query_strings: Choice::All, headers: Vec::new(), cookies: Choice::None }
    }
}

/// Which parameters or cookies of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", content = "names", rename_all = "camelCase")]
pub enum Choice {
    /// Every one, as it came.
    All,
    /// None.
    None,
    /// Only those named.
    Include(Vec<String>),
    /// All but those named.
    Exclude(Vec<String>),
}

/// What of a viewer's request an origin is sent, beside what is keyed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forward {
    /// Header fields, lower case.
    pub headers: Forwarded,
    /// Cookies, by name.
    pub cookies: Forwarded,
    /// Query parameters, by name.
    pub query_strings: Forwarded,
}

/// Which of them. What is forwarded and not keyed is the owner's risk: `Vary` alone then guards what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", content = "names", rename_all = "camelCase")]
pub enum Forwarded {
    /// Only what is keyed where responses are cached, everything where they are not.
    #[default]
    Auto,
    /// Only what is keyed.
    None,
    /// Every one.
    All,
    /// Those named.
    Include(Vec<String>),
    /// All but those named.
    Exclude(Vec<String>),
}

/// What becomes of responses that set cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SetCookie {
    /// They are passed on and not stored.
    #[default]
    Bypass,
    /// They are stored with their cookies.
    Store,
    /// They are stored and shown without them.
    Strip,
}

/// Whether viewers have a say in caching, by `Cache-Control` and `Pragma` of their requests (RFC 9111 §5.2.1, §5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ViewerControls {
    /// No.
    #[default]
    Ignore,
    /// Yes.
    Respect,
}

/// How long past its freshness a response may be shown, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stale {
    /// While it is validated in the background; the longer of this and what the origin grants.
    pub while_revalidate: u64,
    /// When the origin answers 500, 502, 503 or 504; what the origin grants replaces it.
    pub if_error: u64,
    /// When the origin gives no answer at all; what the origin grants for errors replaces it.
    pub if_unreachable: u64,
}

impl Default for Stale {
    /// A day where no answer comes.
    fn default() -> Self {
        Self { while_revalidate: 0, if_error: 0, if_unreachable: 24 * 3600 }
    }
}

/// What is changed in the head of a response to a viewer, never in what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseHeaders {
    /// Fields that are taken away, lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Fields that are set, over what the origin sent and after what is removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Header>,
    /// What scripts of other sites may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
}

impl ResponseHeaders {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.cors.is_none()
    }
}

/// What scripts of other sites may do (the CORS protocol of the Fetch standard). The edge answers preflights itself, and its
/// fields replace the origin's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cors {
    /// Whose scripts: `*`, an origin as `https://app.example`, or one with a wildcard as `https://*.example`.
    pub origins: Vec<String>,
    /// With which methods.
    pub methods: Vec<String>,
    /// With which request header fields, lower case; `*` for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Which response header fields they may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,
    /// For how many seconds a browser may remember a preflight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<u64>,
    /// Whether with the viewer's cookies.
    pub credentials: bool,
}
