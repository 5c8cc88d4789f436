//! Where responses come from, and how they are asked for.

use serde::{Deserialize, Serialize};

/// Where responses come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The name behaviors refer to it by.
    pub name: String,
    /// How it is reached; absent while what it names does not exist: its behaviors answer 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<OriginTarget>,
    /// Why it can never have a target as it is written, in words for people; then it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
    /// Put before every path sent to it: no trailing slash, empty or with a leading one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base_path: String,
    /// What `Host` it is sent.
    pub host_header: HostHeader,
    /// Set on every request to it, over what a viewer sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<OriginHeader>,
    /// For one connection attempt, in milliseconds.
    pub connect_timeout_ms: u64,
    /// For a response head, and between two reads of a body, in milliseconds.
    pub response_timeout_ms: u64,
    /// How long an idle connection is kept, in milliseconds.
    pub keep_alive_ms: u64,
    /// Connection attempts before the origin counts as unreachable, the first included.
    pub attempts: u32,
    /// How TLS is spoken with it, where its scheme asks for that.
    #[serde(default, skip_serializing_if = "OriginTls::is_default")]
    pub tls: OriginTls,
    /// Set where it is asked in the way of S3: paths are keys, requests are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3>,
    /// The location through whose edges all edges ask it; without it, each asks by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shield: Option<String>,
}

impl Origin {
    /// An origin that is sent this `Host`, with the default of everything else; it is nowhere yet.
    pub fn plain(name: impl Into<String>, host: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            target: None,
            invalid: None,
            base_path: String::new(),
            host_header: HostHeader::Fixed(host.into()),
            headers: Vec::new(),
            connect_timeout_ms: 3_000,
            response_timeout_ms: 30_000,
            keep_alive_ms: 60_000,
            attempts: 3,
            tls: OriginTls::default(),
            s3: None,
            shield: None,
        }
    }

    /// The same origin, to be found there.
    #[must_use]
    pub fn at(self, target: OriginTarget) -> Self {
        Self { target: Some(target), ..self }
    }
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
        /// What its port speaks.
        #[serde(default)]
        scheme: Scheme,
        /// It is on loan: somebody else lets it be asked, and may take that back.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        granted: bool,
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
    },
    /// Several host names or IP addresses of one server, as a load balancer may have: any of them will do.
    #[serde(rename_all = "camelCase")]
    Addresses {
        /// How connections are opened.
        scheme: Scheme,
        /// Names for DNS or IP literals without brackets: one at least.
        hosts: Vec<String>,
        /// The port to connect to.
        port: u16,
    },
}

impl OriginTarget {
    /// What is spoken with it.
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Service { scheme, .. } | Self::Address { scheme, .. } | Self::Addresses { scheme, .. } => *scheme,
        }
    }

    /// The names or addresses that its addresses are looked up by.
    pub fn hosts(&self) -> &[String] {
        match self {
            Self::Service { dns_name: host, .. } | Self::Address { host, .. } => std::slice::from_ref(host),
            Self::Addresses { hosts, .. } => hosts,
        }
    }

    /// The first of its names and addresses, by which it is verified and spoken of.
    pub fn host(&self) -> &str {
        self.hosts().first().map_or("", String::as_str)
    }

    /// The port to connect to, where no endpoint says another.
    pub fn port(&self) -> u16 {
        match self {
            Self::Service { port, .. } | Self::Address { port, .. } | Self::Addresses { port, .. } => *port,
        }
    }
}

/// What is spoken with an origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// HTTP/1.1 over TCP.
    #[default]
    Http,
    /// HTTP/2 with prior knowledge over TCP (RFC 9113 §3.3).
    H2c,
    /// HTTP/2 or HTTP/1.1 over TLS, as ALPN decides (RFC 7301).
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

/// How TLS is spoken with an origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginTls {
    /// The name to verify and to send as SNI, where it differs from the target's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Certificates of the authorities that are trusted, as PEM; without it, those of the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<Mounted>,
    /// What the edge proves itself with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Whoever answers is believed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure_skip_verify: bool,
}

impl OriginTls {
    /// Whether there is nothing to say: the target's own name, verified by the platform's roots.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A certificate and its key, both as PEM.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The certificate, with those that lead to its authority.
    pub certificate: Mounted,
    /// Its private key.
    pub key: Mounted,
}

/// The way of S3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct S3 {
    /// The region that requests are signed for.
    pub region: String,
    /// What they are signed with; without it, they are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<S3Credentials>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct S3Credentials {
    /// The id of the key.
    pub access_key_id: Mounted,
    /// The key.
    pub secret_access_key: Mounted,
    /// Beside a key that is lent for a while; a file that does not exist is no fault.
    pub session_token: Mounted,
}

/// A file that is mounted into the edge: one key of a Secret or `ConfigMap`. It may be missing, and may change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mounted {
    /// What holds it.
    pub kind: MountedKind,
    /// The name of the Secret or `ConfigMap`.
    pub name: String,
    /// The key in it.
    pub key: String,
    /// The field of the Distribution that names it, for reports.
    pub field: String,
}

impl Mounted {
    /// Where it is, below the folder of all that is mounted.
    pub fn path(&self) -> String {
        let Self { kind, name, key, .. } = self;
        format!("{}/{name}/{key}", kind.folder())
    }
}

/// What holds a mounted file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MountedKind {
    /// A Secret.
    Secret,
    /// A `ConfigMap`.
    ConfigMap,
}

impl std::fmt::Display for MountedKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        })
    }
}

impl MountedKind {
    fn folder(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::ConfigMap => "configmap",
        }
    }
}

/// A header field that an origin is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginHeader {
    /// Lower case.
    pub name: String,
    /// What it says.
    #[serde(flatten)]
    pub value: OriginHeaderValue,
}

impl OriginHeader {
    /// A field whose value is no secret.
    pub fn plain(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: OriginHeaderValue::Value(value.into()) }
    }
}

/// What a header field says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OriginHeaderValue {
    /// This.
    Value(String),
    /// What a mounted file holds, without the end of its last line.
    ValueFrom(Mounted),
}

/// Two origins of which one stands in for the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginGroup {
    /// The name that behaviors refer to it by.
    pub name: String,
    /// The origin that is asked.
    pub primary: String,
    /// The origin that is asked instead where the first gives no answer, or one of `failover_on`.
    pub secondary: String,
    /// Statuses of the first that are as good as no answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failover_on: Vec<u16>,
}
