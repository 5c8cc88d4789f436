//! The lines of the channel between the operator and an edge.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{EdgeConfig, Epoch, OriginTarget, SequenceNumber};

/// What the operator tells an edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromOperator {
    /// Serve this; answered by [`FromEdge::ConfigAccepted`] or [`FromEdge::ConfigRejected`].
    Config(EdgeConfig),
    /// Where a Service's pods are now. Apart from the configuration: no revision, no answer.
    Endpoints(Endpoints),
    /// Which edges stand before origins now. Apart from the configuration, as endpoints are.
    Shields(Shields),
    /// What this edge proves itself with to other edges of its Distribution; a newer one replaces it.
    Certificate(EdgeCertificate),
    /// Drop what matches; answered by [`FromEdge::Acknowledged`].
    Order(PurgeOrder),
    /// The log ends here.
    Head(Head),
    /// Are you there; answered by [`FromEdge::Pong`]. Carries the head once the first was sent.
    #[serde(rename_all = "camelCase")]
    Ping {
        /// Repeated in the answer.
        n: u64,
        /// The newest head, in case the last one got lost with a stream.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        head: Option<Head>,
    },
    /// The certificates that the operator may show from now on, as PEM: beside those of the mounted bundle. Answered by
    /// [`FromEdge::Trusted`], so that a new authority serves only once it is known everywhere.
    #[serde(rename_all = "camelCase")]
    Trust {
        /// Rises with each change of the bundle.
        #[serde(default)]
        version: u64,
        /// One or more CA certificates.
        bundle: String,
    },
    /// This replica does not lead: dial that one. The stream ends after it.
    NotLeader {
        /// `IP:port` of the leader, if one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// Something of a newer operator, that an edge which does not know it can do without.
    #[serde(other)]
    Unknown,
}

/// What an edge answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromEdge {
    /// The first line of a stream.
    Hello(Hello),
    /// This revision serves now.
    ConfigAccepted {
        /// The counter's life.
        epoch: Epoch,
        /// The revision that serves.
        revision: u64,
    },
    /// This revision was refused whole; the one before it goes on serving.
    ConfigRejected {
        /// The counter's life.
        epoch: Epoch,
        /// The revision that was refused.
        revision: u64,
        /// In the edge's words, for the user.
        reason: String,
    },
    /// Every order up to this number is applied, on every worker thread.
    #[serde(rename_all = "camelCase")]
    Acknowledged {
        /// The counter's life.
        epoch: Epoch,
        /// The number up to which all is applied.
        sequence: SequenceNumber,
        /// The uid of the order at that number, absent for a bare head.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order_uid: Option<String>,
        /// Stored responses that the order at that number dropped so far.
        removed: u64,
    },
    /// This bundle of authorities is trusted from now on.
    Trusted {
        /// The version that [`FromOperator::Trust`] gave it.
        version: u64,
    },
    /// What only the edge can see; sent when it changes.
    #[serde(rename_all = "camelCase")]
    Observed {
        /// Mounted things that are missing or unusable.
        references: Vec<ReferenceState>,
        /// What became of each origin.
        origins: Vec<OriginState>,
        /// What the newest configuration needs and this edge does not have: until then the one before it serves.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        waits_for: Vec<ReferenceState>,
    },
    /// The answer to a ping.
    Pong {
        /// The ping's number.
        n: u64,
    },
    /// The listeners are closed and the last response has ended: this start serves nothing any more.
    #[serde(rename_all = "camelCase")]
    Goodbye {
        /// Which start of the container says so.
        boot_id: String,
    },
    /// Something of a newer edge, that an operator which does not know it can do without.
    #[serde(other)]
    Unknown,
}

/// Who an edge is and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// The newest contract it speaks.
    pub contract: u32,
    /// The pod's name; checked against the token.
    pub pod: String,
    /// The pod's uid; checked against the token.
    pub uid: String,
    /// Random for each start of the process.
    pub boot_id: String,
    /// The epoch of its purge log; absent until its first head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The number up to which it has applied that log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<SequenceNumber>,
    /// The uid of the order it holds at that number, absent when a bare head brought it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_uid: Option<String>,
    /// The epoch of the configuration that serves, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_epoch: Option<Epoch>,
    /// The revision of the configuration that serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// An Invalidation on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PurgeOrder {
    /// The life of the counter that `sequence` counts in.
    pub epoch: Epoch,
    /// Its place in the log.
    pub sequence: SequenceNumber,
    /// The uid of the object that holds that number.
    pub uid: String,
    /// What it drops: at least one.
    pub scopes: Vec<Scope>,
}

/// What one path of an order covers, as the user wrote it: the edge normalises it as it does request paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "path", rename_all = "camelCase")]
pub enum Scope {
    /// Everything of the distribution: `/*`.
    Everything,
    /// One path with its query, in all its variants.
    Exact(String),
    /// Every path, query included, that begins so: the path's text without its trailing `*`.
    Prefix(String),
}

/// Where the log ends, and what is older than all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Head {
    /// The life of the counter.
    pub epoch: Epoch,
    /// The last number of the log that may be sent.
    pub sequence: SequenceNumber,
    /// Numbers at or below it may be missing from the log: an edge that had not applied them drops everything.
    pub floor: SequenceNumber,
    /// What began filling before this number is dropped, whatever its path.
    pub flush: SequenceNumber,
}

/// Where the pods of a Service are. A list is for the newest configuration: an edge that serves another one asks by it only where that
/// one has the origin at this very target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The uid of the Distribution whose origin it is.
    pub site: String,
    /// The origin's name.
    pub origin: String,
    /// The Service, as the configuration has it: what the list is of.
    pub target: OriginTarget,
    /// Rises with each change; only says which of two is newer on one stream.
    pub version: u64,
    /// `IP:port` of every ready endpoint, IPv6 in brackets.
    pub addresses: Vec<String>,
}

/// The edges of a location that stands before origins of a Distribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shields {
    /// The uid of the Distribution.
    pub site: String,
    /// The location's name.
    pub location: String,
    /// Rises with each change; only says which of two is newer on one stream.
    pub version: u64,
    /// Those that are ready. An edge that finds itself among them is one of them.
    pub edges: Vec<ShieldEdge>,
}

/// An edge that others ask in place of an origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShieldEdge {
    /// The uid of its pod: its certificate says it ([`crate::edge_name`]), and keys are spread by it.
    pub uid: String,
    /// `IP:port` of its door for other edges, IPv6 in brackets.
    pub address: String,
}

/// What an edge proves itself with to other edges: a certificate for [`crate::edge_name`] and [`crate::edges_name`], by the operator's
/// own authority.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeCertificate {
    /// PEM.
    pub certificate: String,
    /// Its private key, PEM.
    pub key: String,
}

impl std::fmt::Debug for EdgeCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgeCertificate").finish_non_exhaustive()
    }
}

/// A mounted thing that is missing or unusable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceState {
    /// The field of the Distribution that names it.
    pub field: String,
    /// What is wrong and what to do, without any secret.
    pub message: String,
}

/// What became of an origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginState {
    /// The uid of the Distribution.
    pub site: String,
    /// The origin's name.
    pub origin: String,
    /// Whether its breaker is closed.
    pub healthy: bool,
    /// Why not, for the user.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// One value as a line, its newline included.
pub fn encode_line<T: Serialize>(message: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// One line, with or without its newline, as a value.
pub fn decode_line<T: DeserializeOwned>(line: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &FromOperator, expect: &str) {
        let line = encode_line(message).expect("encodes");
        assert_eq!(String::from_utf8(line.clone()).expect("UTF-8"), format!("{expect}\n"));
        assert_eq!(&decode_line::<FromOperator>(&line).expect("decodes"), message);
    }

    #[test]
    fn lines_read_as_the_protocol_names_them() {
        let epoch = Epoch(7);
        check(&FromOperator::Ping { n: 3, head: None }, r#"{"type":"ping","n":3}"#);
        check(
            &FromOperator::Head(Head { epoch, sequence: 4, floor: 1, flush: 0 }),
            r#"{"type":"head","epoch":7,"sequence":4,"floor":1,"flush":0}"#,
        );
        check(
            &FromOperator::Order(PurgeOrder {
                epoch,
                sequence: 4,
                uid: "u".into(),
                scopes: vec![Scope::Everything, Scope::Exact("/a".into()), Scope::Prefix("/b/".into())],
            }),
            r#"{"type":"order","epoch":7,"sequence":4,"uid":"u","scopes":[{"kind":"everything"},{"kind":"exact","path":"/a"},{"kind":"prefix","path":"/b/"}]}"#,
        );
        check(&FromOperator::NotLeader { address: None }, r#"{"type":"not_leader"}"#);
    }

    #[test]
    fn a_line_of_a_newer_contract_that_only_adds_fields_is_read() {
        let line = br#"{"type":"pong","n":3,"later":true}"#;
        assert_eq!(decode_line::<FromEdge>(line).expect("decodes"), FromEdge::Pong { n: 3 });
    }

    #[test]
    fn a_line_of_a_kind_that_is_not_known_is_no_reason_to_part() {
        let line = br#"{"type":"later","what":{"ever":[1,2]}}"#;
        assert_eq!(decode_line::<FromOperator>(line).expect("decodes"), FromOperator::Unknown);
        assert_eq!(decode_line::<FromEdge>(line).expect("decodes"), FromEdge::Unknown);
    }

    #[test]
    fn what_an_edge_proves_itself_with_is_printed_nowhere() {
        let line = FromOperator::Certificate(EdgeCertificate { certificate: "public".into(), key: "marked".into() });
        assert!(!format!("{line:?}").contains("marked"));
    }
}
