//! A line of the operator into what this edge does, what it answers, and whether the stream goes on.
//!
//! Flow: bytes of a line → [`FromOperator`] → [`Live`] → [`Reply`]. Synchronous, without I/O or clock.
//! Guarantees: an answer is made only after what it says holds for every request that starts later; a sequence is
//! acknowledged only when nothing before it is missing.
//! Assumptions: one session for each start of the process, fed by one stream at a time.

use std::collections::VecDeque;

use edge_cache::invalidation::{HeadTaken, Taken};
use edge_contract::{
    CONTRACT, EdgeConfig, Epoch, FromEdge, FromOperator, Head, Hello, PurgeOrder, SequenceNumber, decode_line,
};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use thiserror::Error;

use super::trust;
use crate::live::Live;
use crate::observed::Observed;

/// For so many orders the final count of what they dropped is still to be said.
const COUNTING_LIMIT: usize = 1_024;

/// What this process is to the operator from its start to its end, whatever streams come and go.
#[derive(Debug)]
pub struct Session {
    pod: String,
    uid: String,
    boot_id: String,
    live: Live,
    /// The authorities that `trust` lines brought beside the mounted ones.
    authorities: Vec<CertificateDer<'static>>,
    counting: VecDeque<Counting>,
    /// The newest configuration, while something that it wants mounted is not there.
    waiting: Option<EdgeConfig>,
    /// What was said on this stream of what only this edge can see; nothing before its first answer.
    said: Option<Observed>,
}

/// An order whose sweep may not have ended when it was acknowledged.
#[derive(Debug)]
struct Counting {
    epoch: Epoch,
    sequence: SequenceNumber,
    uid: String,
    /// The sweep that has looked through everything for this order has come this far.
    done_at: u64,
    /// What was said of it, if anything.
    said: Option<u64>,
}

/// What becomes of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The answers, in order.
    pub answers: Vec<FromEdge>,
    /// Why the stream is to be left once they are sent.
    pub leave: Option<Leave>,
}

/// Why an edge leaves a stream that works.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Leave {
    /// Another replica leads.
    #[error("this replica of the operator does not lead")]
    NotLeader {
        /// Which one does, if it said so.
        address: Option<String>,
    },
    /// The head of the log arrived before its orders: a new hello asks for them.
    #[error("orders from {expected} on are missing below the head")]
    OrdersMissing {
        /// The first one that is missing.
        expected: SequenceNumber,
    },
    /// Two objects hold one number: a new hello says which one is held here, and the operator begins a new epoch.
    #[error("another order stands at {sequence}: {held} here, {sent} there")]
    OtherOrder {
        /// The number.
        sequence: SequenceNumber,
        /// The uid that this edge holds there.
        held: String,
        /// The uid that was sent.
        sent: String,
    },
}

/// As much of a configuration as must be read to refuse it.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Unreadable {
    Config { epoch: Epoch, revision: u64 },
}

impl Session {
    /// The session of this start of the process.
    pub fn new(pod: String, uid: String, boot_id: String, live: Live) -> Self {
        let (authorities, counting) = (Vec::new(), VecDeque::new());
        Self { pod, uid, boot_id, live, authorities, counting, waiting: None, said: Some(Observed::default()) }
    }

    /// The first line of a stream.
    pub fn hello(&self) -> FromEdge {
        let applied = self.live.applied();
        let (config_epoch, revision) = self.live.serving_revision().unzip();
        FromEdge::Hello(Hello {
            contract: CONTRACT,
            pod: self.pod.clone(),
            uid: self.uid.clone(),
            boot_id: self.boot_id.clone(),
            epoch: applied.epoch,
            sequence: applied.sequence,
            order_uid: applied.order_uid,
            config_epoch,
            revision,
        })
    }

    /// A stream begins: of what only this edge can see, nothing was said on it.
    pub fn begin(&mut self) {
        self.said = None;
    }

    /// What only this edge can see, where it is not what was said of it.
    pub fn observed(&mut self) -> Option<FromEdge> {
        let now = self.live.observing().now();
        if self.said.as_ref() == Some(&now) {
            return None;
        }
        self.said = Some(now.clone());
        Some(now.into())
    }

    /// The same once something was said on this stream: whoever sends it away may not read any more.
    pub fn observed_meanwhile(&mut self) -> Option<FromEdge> {
        self.said.is_some().then(|| self.observed()).flatten()
    }

    /// The last line: to be sent once the edge has drained.
    pub fn goodbye(&self) -> FromEdge {
        FromEdge::Goodbye { boot_id: self.boot_id.clone() }
    }

    /// The edge whose session it is.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The authorities to trust beside the mounted ones.
    pub fn authorities(&self) -> &[CertificateDer<'static>] {
        &self.authorities
    }

    /// Takes the next line. One that cannot be read ends the stream, unless it is a configuration: that one is refused.
    pub fn hear(&mut self, line: &[u8]) -> Result<Reply, serde_json::Error> {
        match decode_line::<FromOperator>(line) {
            Ok(line) => {
                let mut reply = self.take(line);
                // Before the word that a configuration serves: what is wrong with it then is known by then.
                if reply.leave.is_none() && (self.said.is_none() || reply.says_what_serves()) {
                    reply.answers.splice(0..0, self.observed());
                }
                Ok(reply)
            }
            Err(error) => refuse_unreadable(line, &error).ok_or(error),
        }
    }

    fn take(&mut self, line: FromOperator) -> Reply {
        match line {
            FromOperator::Config(config) => {
                let answer = self.take_config(config);
                if let Some(waiting) = &self.waiting {
                    let lacks = self.live.observing().now().waits_for;
                    tracing::warn!(
                        revision = waiting.revision,
                        ?lacks,
                        "a configuration waits, because this pod does not have what it needs"
                    );
                }
                answer.into()
            }
            FromOperator::Endpoints(endpoints) => {
                self.live.take_endpoints(endpoints);
                Reply::default()
            }
            FromOperator::Order(order) => self.take_order(&order),
            FromOperator::Head(head) => self.take_head(head, true),
            FromOperator::Ping { n, head } => {
                let mut reply = head.map(|head| self.take_head(head, false)).unwrap_or_default();
                // As often as the operator asks whether this edge is there, it looks whether what it waits for is.
                if let Some(config) = self.waiting.take() {
                    reply.answers.extend(self.take_config(config));
                }
                reply.answers.push(FromEdge::Pong { n });
                reply
            }
            FromOperator::Trust { version, bundle } => self.take_trust(version, &bundle),
            FromOperator::NotLeader { address } => Leave::NotLeader { address }.into(),
            FromOperator::Shields(shields) => {
                self.live.peers().take_shields(shields);
                Reply::default()
            }
            FromOperator::Certificate(certificate) => {
                self.live.peers().take_certificate(certificate);
                Reply::default()
            }
            FromOperator::Unknown => Reply::default(),
        }
    }

    fn take_config(&mut self, config: EdgeConfig) -> Option<FromEdge> {
        let lacks = self.live.lacks(&config);
        if lacks.is_empty() {
            self.waiting = None;
            return Some(self.serve(config));
        }
        self.live.hold(&config, lacks);
        self.waiting = Some(config);
        None
    }

    fn serve(&self, config: EdgeConfig) -> FromEdge {
        let (epoch, revision) = (config.epoch, config.revision);
        match self.live.take_config(config) {
            Ok(()) => FromEdge::ConfigAccepted { epoch, revision },
            Err(reason) => rejected(epoch, revision, reason),
        }
    }

    fn take_trust(&mut self, version: u64, bundle: &str) -> Reply {
        match trust::certificates(bundle.as_bytes()) {
            Ok(authorities) => {
                self.live.peers().trust(&authorities);
                self.authorities = authorities;
                FromEdge::Trusted { version }.into()
            }
            // Without an answer the operator goes on showing what is trusted already.
            Err(error) => {
                tracing::error!(%error, version, "the operator's new authorities are not usable");
                Reply::default()
            }
        }
    }

    fn take_order(&mut self, order: &PurgeOrder) -> Reply {
        let taken = self.live.apply_order(order);
        if matches!(taken, Taken::Applied | Taken::Gap { .. }) {
            self.count(order);
        }
        match taken {
            Taken::Applied | Taken::Repeated => self.acknowledge().into(),
            // Usual in a replay: a head says later whether what is missing still comes.
            Taken::Gap { .. } | Taken::OtherEpoch => Reply::default(),
            Taken::UidMismatch { held } => {
                Leave::OtherOrder { sequence: order.sequence, held, sent: order.uid.clone() }.into()
            }
        }
    }

    /// `asked`: whether a head that says nothing new is answered too.
    fn take_head(&mut self, head: Head, asked: bool) -> Reply {
        match self.live.take_head(head) {
            HeadTaken::Began => {
                // Nothing is counted across the beginning of a log.
                self.counting.clear();
                self.acknowledge().into()
            }
            HeadTaken::Advanced => self.acknowledge().into(),
            HeadTaken::Known if asked => self.acknowledge().into(),
            HeadTaken::Known => Reply::default(),
            HeadTaken::Missing { expected } => Leave::OrdersMissing { expected }.into(),
        }
    }

    /// How far everything is applied, and what the order there has dropped so far.
    fn acknowledge(&mut self) -> Option<FromEdge> {
        let applied = self.live.applied();
        let (epoch, sequence) = applied.epoch.zip(applied.sequence)?;
        let removed = self.live.removed(sequence);
        if let Some(counting) = self.counting.iter_mut().find(|order| order.sequence == sequence) {
            counting.said = Some(removed);
        }
        Some(FromEdge::Acknowledged { epoch, sequence, order_uid: applied.order_uid, removed })
    }

    fn count(&mut self, order: &PurgeOrder) {
        if self.counting.len() == COUNTING_LIMIT {
            self.counting.pop_front();
        }
        self.counting.push_back(Counting {
            epoch: order.epoch,
            sequence: order.sequence,
            uid: order.uid.clone(),
            done_at: self.live.purge().learnt(),
            said: None,
        });
    }

    /// A sweep has come this far: what the orders before it have dropped in the end, where that was not said yet.
    pub fn swept(&mut self, swept: u64) -> Vec<FromEdge> {
        let applied = self.live.applied();
        let Some((at, number)) = applied.epoch.zip(applied.sequence) else { return Vec::new() };
        let mut answers = Vec::new();
        self.counting.retain(|order| {
            // Behind a gap a number is not acknowledged, so its count waits.
            if order.epoch != at || order.sequence > number || order.done_at > swept {
                return order.epoch == at;
            }
            let removed = self.live.removed(order.sequence);
            if order.said != Some(removed) {
                answers.push(FromEdge::Acknowledged {
                    epoch: order.epoch,
                    sequence: order.sequence,
                    order_uid: Some(order.uid.clone()),
                    removed,
                });
            }
            false
        });
        answers
    }
}

/// A line that arrives when nothing is followed any more: it counts only if it says that whatever was said here was said in vain.
pub fn misdirected(line: &[u8]) -> Result<(), Leave> {
    match decode_line(line) {
        Ok(FromOperator::NotLeader { address }) => Err(Leave::NotLeader { address }),
        _ => Ok(()),
    }
}

/// A newer operator's configuration may hold what this edge cannot read: it is refused like any other it cannot serve.
fn refuse_unreadable(line: &[u8], error: &serde_json::Error) -> Option<Reply> {
    let Unreadable::Config { epoch, revision } = decode_line(line).ok()?;
    Some(rejected(epoch, revision, format!("this edge cannot read it: {error}")).into())
}

fn rejected(epoch: Epoch, revision: u64, reason: String) -> FromEdge {
    tracing::error!(reason, revision, "a configuration is refused; the one before it goes on serving");
    FromEdge::ConfigRejected { epoch, revision, reason }
}

impl Reply {
    fn says_what_serves(&self) -> bool {
        self.answers.iter().any(|answer| matches!(answer, FromEdge::ConfigAccepted { .. }))
    }
}

impl From<FromEdge> for Reply {
    fn from(answer: FromEdge) -> Self {
        Self { answers: vec![answer], leave: None }
    }
}

impl From<Option<FromEdge>> for Reply {
    fn from(answer: Option<FromEdge>) -> Self {
        Self { answers: answer.into_iter().collect(), leave: None }
    }
}

impl From<Leave> for Reply {
    fn from(leave: Leave) -> Self {
        Self { answers: Vec::new(), leave: Some(leave) }
    }
}

#[cfg(test)]
mod tests {
    use edge_contract::{EdgeCertificate, ShieldEdge, Shields, encode_line};

    use super::*;

    #[test]
    fn what_is_said_of_other_edges_is_taken_without_an_answer() {
        let edge = Live::new();
        let mut session = Session::new("pod".into(), "uid".into(), "boot".into(), edge.clone());
        session.said = Some(Observed::default());
        let edges = vec![ShieldEdge { uid: "other".into(), address: "10.0.0.1:8444".into() }];
        for line in [
            FromOperator::Shields(Shields { site: "s".into(), location: "near".into(), version: 1, edges }),
            FromOperator::Certificate(EdgeCertificate { certificate: "c".into(), key: "k".into() }),
            FromOperator::Unknown,
        ] {
            let bytes = encode_line(&line).expect("encodes");
            assert_eq!(session.hear(&bytes).expect("is read"), Reply::default());
        }
        assert_eq!(edge.peers().before("s", "near").map(|edges| edges.len()), Some(1));
    }
}
