//! What an edge serves: sites, their origins and behaviors, as the operator compiled them from Distributions.
//!
//! Everything is resolved: defaults are applied, references are addresses or names that DNS knows, order is meaning.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Behavior, CONTRACT, Epoch, Origin, OriginGroup, Walls};

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
    /// What of all that is mounted ([`crate::Mounted::path`]) no edge had before: one that starts with this is not ready before each of
    /// them was there once. No part of what the revision counts.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub new_mounts: BTreeSet<String>,
    /// What a pod starts with in which those cannot be. No part of what the revision counts, and only in what edges start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<Before>>,
}

impl EdgeConfig {
    /// A configuration of these sites in which nothing mounted is new.
    pub fn of(epoch: Epoch, revision: u64, sites: Vec<Site>) -> Self {
        Self { contract: CONTRACT, epoch, revision, sites, new_mounts: BTreeSet::new(), before: None }
    }
}

/// The configuration before one that wants something new mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Before {
    /// What is mounted in pods that are made for the newer one, by the operator's name for all of it. All other pods start with this one.
    pub not_with: String,
    /// It.
    pub config: EdgeConfig,
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
    /// Pairs of origins that stand in for one another; their names are apart from those of origins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origin_groups: Vec<OriginGroup>,
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
    /// Addresses at which none of its origins may be.
    #[serde(default, skip_serializing_if = "Walls::is_default")]
    pub walls: Walls,
}

impl Site {
    /// A site with the default of everything else: any `Host`, both protocols, and yet no origin and no behavior.
    pub fn plain(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            generation: 1,
            enabled: true,
            aliases: Vec::new(),
            own_names: Vec::new(),
            protocols: vec![Protocol::HTTP1, Protocol::HTTP2],
            default_root_object: None,
            origins: Vec::new(),
            origin_groups: Vec::new(),
            behaviors: Vec::new(),
            trusted_proxies: Vec::new(),
            error_responses: Vec::new(),
            logging: Logging::default(),
            walls: Walls::default(),
        }
    }
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

/// An alias that no viewer asks for (RFC 6761 §6.4): that of a site which has lost all of its own, because a site without aliases serves any
/// `Host`.
pub const NO_ALIAS: &str = "no-alias-held.invalid";

/// A header field to set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Lower case.
    pub name: String,
    /// As it is sent.
    pub value: String,
}
