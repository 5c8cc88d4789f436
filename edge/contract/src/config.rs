//! What an edge serves: sites, their origins and behaviors, as the operator compiled them from Distributions.
//!
//! Everything is resolved: defaults are applied, references are addresses or names that DNS knows, order is meaning.

use serde::{Deserialize, Serialize};

use crate::{Behavior, Epoch};

/// The whole configuration of one edge process. It is taken whole or refused whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgeConfig {
    /// The contract this was compiled for.
    pub contract: u32,
    /// The life of the counter that `revision` counts in.
    pub epoch: Epoch,
    /// Rises with every change of the sites below; unique within the epoch.
    pub revision: u64,
    /// What to serve, by distribution. One today; a shared fleet has many.
    pub sites: Vec<Site>,
}

/// One distribution as an edge serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Site {
    /// The uid of the Distribution: every cache key starts with it, `CDN-Loop` carries it.
    pub id: String,
    /// `namespace/name`, for logs and metrics.
    pub name: String,
    /// The generation of the Distribution that this was compiled from.
    pub generation: i64,
    /// False: every request is answered 503 and nothing is filled.
    pub enabled: bool,
    /// Host names it serves, lower case, some with a leading `*.`. Empty: any `Host`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Names that match whatever the aliases say: the distribution's own Services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_names: Vec<String>,
    /// What viewers may speak on the port.
    pub protocols: Vec<Protocol>,
    /// Served for `/`, with a leading `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_root_object: Option<String>,
    /// Origins by name, in the order of the Distribution.
    pub origins: Vec<Origin>,
    /// The first that matches serves; the last one matches everything.
    pub behaviors: Vec<Behavior>,
    /// Networks (CIDR) whose `X-Forwarded-For` is believed and extended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_proxies: Vec<String>,
    /// What viewers get in place of an origin's error, by status code; each code once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub error_responses: Vec<ErrorResponse>,
    /// What is written of each request.
    pub logging: Logging,
}

/// What viewers get in place of an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorResponse {
    /// The status that the origin answered with, or the edge for it.
    pub code: u16,
    /// For how many seconds at least the error is stored, unless it forbids that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_ttl: Option<u64>,
    /// The page that is shown: a path of this site, asked by the behavior that matches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The status that the page is shown with; without it, the error's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_code: Option<u16>,
}

/// What is written of each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Logging {
    /// A line for each request.
    pub access: bool,
    /// The cookies that it brought, in that line.
    pub include_cookies: bool,
}

impl Default for Logging {
    /// A line without cookies.
    fn default() -> Self {
        Self { access: true, include_cookies: false }
    }
}

/// A protocol that viewers may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1 (RFC 9112).
    HTTP1,
    /// HTTP/2 with prior knowledge, or by ALPN where there is TLS (RFC 9113).
    HTTP2,
}

/// Where responses come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The name behaviors refer to it by.
    pub name: String,
    /// How it is reached; absent while what it names does not exist: its behaviors answer 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<OriginTarget>,
    /// Put before every path sent to it: no trailing slash, empty or with a leading one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base_path: String,
    /// What `Host` it is sent.
    pub host_header: HostHeader,
    /// Set on every request to it, over what a viewer sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// For one connection attempt, in milliseconds.
    pub connect_timeout_ms: u64,
    /// For a response head, and between two reads of a body, in milliseconds.
    pub response_timeout_ms: u64,
    /// How long an idle connection is kept, in milliseconds.
    pub keep_alive_ms: u64,
    /// Connection attempts before the origin counts as unreachable, the first included.
    pub attempts: u32,
}

/// How an origin is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum OriginTarget {
    /// A Service: by the endpoints sent beside the configuration, else by its own DNS name.
    #[serde(rename_all = "camelCase")]
    Service {
        /// The Service's fully qualified name, without a trailing dot.
        dns_name: String,
        /// The Service's port, for the DNS name; endpoints carry their own.
        port: u16,
    },
    /// A host name or IP address and a port.
    #[serde(rename_all = "camelCase")]
    Address {
        /// How the connection is opened.
        scheme: Scheme,
        /// A name for DNS or an IP literal without brackets.
        host: String,
        /// The port to connect to.
        port: u16,
        /// The name to verify and to send as SNI, where it differs from `host`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        server_name: Option<String>,
    },
}

/// With or without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS, verified against the platform's roots.
    Https,
}

/// What `Host` an origin is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", content = "value", rename_all = "camelCase")]
pub enum HostHeader {
    /// This value: the origin's own name, or one that the user fixed.
    Fixed(String),
    /// The viewer's, which then is part of the cache key.
    Viewer,
}

/// A header field to set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Lower case.
    pub name: String,
    /// As it is sent.
    pub value: String,
}
