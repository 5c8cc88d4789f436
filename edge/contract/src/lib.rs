//! What the operator may tell an edge, and what an edge answers: values and their JSON, no I/O.
//!
//! Flow: operator ⇢ [`FromOperator`] lines ⇢ edge ⇢ [`FromEdge`] lines ⇢ operator, one JSON object a line, over one HTTP/2
//! stream. The [`EdgeConfig`] of a `config` line is also what the mounted `ConfigMap` holds.
//! Guarantees: [`EdgeConfig::validate`] names every reason for which an edge would refuse a configuration, so the
//! operator can ask before it sends. A line of a newer contract parses here as long as it only adds fields; one of a kind that is not
//! known here is left aside, so what must not be is sent only to whom a `hello` says that they know it.
//! Assumptions: the operator compiles for its own [`CONTRACT`]. An edge serves what was compiled for its own or an older one, and refuses what
//! was for a newer one whole: it serves on as it did until its pod is replaced by one of the operator's release, as every upgrade does.
//! Errors: a line that does not parse is a [`serde_json::Error`]; the stream that carried it is closed.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod behavior;
mod channel;
mod config;
mod lines;
mod number;
mod origin;
mod references;
mod validate;
mod walls;

pub use behavior::{
    Behavior, Choice, Cors, Forward, Forwarded, Heuristic, Key, Methods, ResponseHeaders, SetCookie, Stale, Ttl,
    ViewerControls,
};
pub use channel::{
    EdgeCertificate, Endpoints, FromEdge, FromOperator, Head, Hello, OriginState, PurgeOrder, ReferenceState, Scope,
    ShieldEdge, Shields, decode_line, encode_line,
};
pub use config::{Before, EdgeConfig, ErrorResponse, Header, Logging, NO_ALIAS, Protocol, Site};
pub use lines::{LineTooLong, Lines};
pub use number::{Epoch, Sequence, SequenceNumber};
pub use origin::{
    HostHeader, Identity, Mounted, MountedKind, Origin, OriginGroup, OriginHeader, OriginHeaderValue, OriginTarget,
    OriginTls, S3, S3Credentials, Scheme,
};
pub use references::{Purpose, Reference};
pub use validate::{Invalid, OF_ONE_CONNECTION, is_edges_own, is_field_value};
pub use walls::{METADATA_IPV4, METADATA_IPV6, Walls};

/// The version of this contract. It rises when a line or field changes its meaning, and when a field is added that an edge must not leave aside, as
/// a wall or a signature: whoever does not know it would serve without. Other added fields do not raise it.
pub const CONTRACT: u32 = 1;

/// The path on the operator's channel port that an edge sends its request to.
pub const CHANNEL_PATH: &str = "/v1/edge";

/// The name in the operator's certificate, whatever address the edge dialled.
pub const OPERATOR_NAME: &str = "operator.kubefront";

/// The port of an edge on which other edges ask it, as they would ask an origin: TLS, with a certificate on both sides.
pub const EDGES_PORT: u16 = 8444;

/// The name in the certificate of one edge of a Distribution, by the uids of both.
pub fn edge_name(site: &str, pod_uid: &str) -> String {
    format!("{pod_uid}.{}", edges_name(site))
}

/// The name in the certificate of every edge of a Distribution.
pub fn edges_name(site: &str) -> String {
    format!("{site}.edges.kubefront")
}

/// The audience of the projected token by which an edge proves which pod it is.
pub const TOKEN_AUDIENCE: &str = "operator.kubefront";

/// The folder below which edges have everything that is mounted for them.
pub const MOUNTS: &str = "/var/run/kubefront/mounts";

/// How long either side waits between pings, in milliseconds.
pub const PING_INTERVAL_MS: u64 = 2_000;

/// A stream on which nothing has arrived for this long is dead, in milliseconds.
pub const SILENCE_LIMIT_MS: u64 = 6_000;

/// The longest line that either side accepts, in bytes; a configuration is at most 900 KiB.
pub const LINE_LIMIT: usize = 1_280 * 1024;

/// The largest compiled configuration, in bytes of JSON: a `ConfigMap` holds at most 1 MiB with everything else in it.
pub const CONFIG_LIMIT: usize = 900 * 1024;
