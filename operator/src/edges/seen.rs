//! The lines of an edge into what the operator knows of it.

use std::collections::BTreeMap;

use edge_contract::{Epoch, FromEdge, Hello, OriginState, ReferenceState, SequenceNumber};
use tokio::time::Instant;

use super::next::{Conflict, Position, PurgeLog};

/// The most counts of removed responses that are kept of one edge: more than may be in flight.
const REMOVED_LIMIT: usize = 4_096;

/// A configuration that an edge refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The life of the counter.
    pub epoch: Epoch,
    /// The revision that was refused.
    pub revision: u64,
    /// In the edge's words, for the user.
    pub reason: String,
}

/// What only an edge can see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Mounted things that are missing or unusable.
    pub references: Vec<ReferenceState>,
    /// What became of each origin.
    pub origins: Vec<OriginState>,
    /// What the newest configuration waits for there.
    pub waits_for: Vec<ReferenceState>,
}

/// An edge's word that a start of it serves nothing any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// The start that said so.
    pub boot_id: String,
    /// When it arrived here.
    pub at: Instant,
}

/// What is known of the edge in one pod, from all that it said since this process leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeSeen {
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
    /// The start of the container that said hello last.
    pub boot_id: String,
    /// The newest contract it speaks.
    pub contract: u32,
    /// Whether its stream is open.
    pub connected: bool,
    /// When its last hello arrived.
    pub hello_at: Instant,
    /// When its last line arrived, pongs included.
    pub heard_at: Instant,
    /// Where its last hello says it stands in the purge log; nothing before its first head.
    pub held: Option<Position>,
    /// The furthest acknowledgement of the newest epoch it spoke of, from any of its starts.
    pub acknowledged: Option<Position>,
    /// How many stored responses each order dropped there so far.
    pub removed: BTreeMap<SequenceNumber, u64>,
    /// The configuration that serves.
    pub accepted: Option<(Epoch, u64)>,
    /// The last configuration it refused, until it accepts one.
    pub rejected: Option<Rejected>,
    /// The version of the authorities it trusts.
    pub trusted: u64,
    /// What it said last of what only it can see; nothing before it has said anything.
    pub report: Option<Report>,
    /// The last goodbye of any of its starts.
    pub goodbye: Option<Goodbye>,
    /// What it said that cannot be true of the log: it is not served the log, and the controller begins a new epoch.
    pub conflict: Option<Conflict>,
}

/// What a line means for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Something to act on.
    News,
    /// Nothing new, but alive.
    Nothing,
    /// Its last word: the stream is to be closed.
    Last,
    /// A second hello, which only a broken edge sends.
    Unexpected,
}

impl EdgeSeen {
    /// The edge that says hello, with what is remembered of the same pod.
    pub fn greet(before: Option<Self>, hello: &Hello, now: Instant) -> Self {
        let same_start = before.as_ref().is_some_and(|before| before.boot_id == hello.boot_id);
        let fresh = Self {
            pod: hello.pod.clone(),
            uid: hello.uid.clone(),
            boot_id: hello.boot_id.clone(),
            contract: hello.contract,
            connected: true,
            hello_at: now,
            heard_at: now,
            held: position(hello),
            acknowledged: None,
            removed: BTreeMap::new(),
            accepted: hello.config_epoch.zip(hello.revision),
            rejected: None,
            trusted: 0,
            report: None,
            goodbye: None,
            conflict: None,
        };
        let Some(before) = before else { return fresh };
        // An acknowledgement and a goodbye hold for the pod: earlier starts are dead, later ones read later. So does a report, until the
        // next one: a stream begins with it, and what is mounted is mounted for the pod.
        let remembered = Self {
            acknowledged: before.acknowledged,
            removed: before.removed,
            report: before.report,
            goodbye: before.goodbye,
            conflict: before.conflict,
            ..fresh
        };
        if same_start { Self { trusted: before.trusted, ..remembered } } else { remembered }
    }

    /// Takes a line after the hello.
    pub fn hear(&mut self, line: FromEdge, log: Option<&PurgeLog>, now: Instant) -> Heard {
        self.heard_at = now;
        match line {
            FromEdge::Hello(_) => return Heard::Unexpected,
            FromEdge::Pong { .. } | FromEdge::Unknown => return Heard::Nothing,
            FromEdge::ConfigAccepted { epoch, revision } => {
                self.accepted = Some((epoch, revision));
                self.rejected = None;
            }
            FromEdge::ConfigRejected { epoch, revision, reason } => {
                self.rejected = Some(Rejected { epoch, revision, reason });
            }
            FromEdge::Acknowledged { epoch, sequence, order_uid, removed } => {
                self.acknowledge(Position { epoch, sequence, order_uid }, removed, log);
            }
            FromEdge::Trusted { version } => self.trusted = version,
            FromEdge::Observed { references, origins, waits_for } => {
                let report = Some(Report { references, origins, waits_for });
                if self.report == report {
                    return Heard::Nothing;
                }
                self.report = report;
            }
            FromEdge::Goodbye { boot_id } => {
                self.goodbye = Some(Goodbye { boot_id, at: now });
                return Heard::Last;
            }
        }
        Heard::News
    }

    /// How far it is known to have followed the log of this epoch.
    pub fn applied(&self, epoch: Epoch) -> Option<SequenceNumber> {
        let of = |position: &Option<Position>| {
            position.as_ref().filter(|position| position.epoch == epoch).map(|position| position.sequence)
        };
        of(&self.held).max(of(&self.acknowledged))
    }

    /// A mismatch is a conflict, never an acknowledgement; so is a number that the log has not reached.
    fn acknowledge(&mut self, position: Position, removed: u64, log: Option<&PurgeLog>) {
        let Some(log) = log.filter(|log| log.epoch == position.epoch) else { return };
        if let Some(conflict) = log.conflict(&position) {
            self.conflict = Some(conflict);
            return;
        }
        let counted = self.removed.entry(position.sequence).or_default();
        *counted = removed.max(*counted);
        while self.removed.len() > REMOVED_LIMIT {
            self.removed.pop_first();
        }
        let further = |held: &Position| held.epoch == position.epoch && held.sequence > position.sequence;
        if !self.acknowledged.as_ref().is_some_and(further) {
            self.acknowledged = Some(position);
        }
    }
}

/// Where a hello says that the edge stands: both numbers or neither.
pub fn position(hello: &Hello) -> Option<Position> {
    let (epoch, sequence) = hello.epoch.zip(hello.sequence)?;
    Some(Position { epoch, sequence, order_uid: hello.order_uid.clone() })
}

#[cfg(test)]
mod tests;
