//! The counters of a purge log, and what objects and edges say of their numbers, into the counters' next state.
//!
//! Flow: status of a Distribution, Invalidations, what edges say they applied → [`Log`] → the next [`InvalidationCounters`],
//! which only a write with the old one's resourceVersion may put in its place.
//! Guarantees: with that precondition no number is given twice in an epoch; a number that is taken names who took it, so
//! whoever comes next can settle it; the floor never rises over an object that may still get its number.
//! Assumptions: an object's number is only ever replaced by one of another epoch.

use std::collections::{BTreeMap, BTreeSet};

use crds::distribution::{InvalidationCounters, Member, PendingOrder};
use edge_contract::{Epoch, Sequence, SequenceNumber};

/// How many finished orders the log keeps for edges that come back. More are cheap to hold and dear to send.
const FINISHED_KEPT: usize = 1_000;

/// How many Invalidations get their number in one write: the schema bounds `pending`, and the contentVersion's are in it.
pub const BATCH: usize = 64;

/// How many pods `members` holds: the schema's bound.
const MEMBERS: usize = 2_000;

/// What there is of a Distribution that has no counters: whether it lived before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// One of its Invalidations has a number.
    pub numbers: bool,
    /// It has edge pods, or had some that are remembered.
    pub edges: bool,
    /// An operator wrote a status into it before.
    pub status: bool,
}

/// An Invalidation, as far as numbers go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its uid.
    pub uid: String,
    /// The number on it, if one is.
    pub sequence: Option<Sequence>,
    /// Whether it has ended, so that the log may forget it.
    pub finished: bool,
}

/// How far an edge says it has applied a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The number up to which it has.
    pub sequence: Sequence,
    /// The uid of the order at that number, if one brought it there.
    pub order_uid: Option<String>,
}

/// Why the counters cannot be the ones that gave the numbers which are out there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The status was lost or put back to an older state.
    #[error("an Invalidation holds a number that was not given yet")]
    ObjectAhead,
    /// Both were given it in lives of the counter that are told apart by nothing else.
    #[error("two objects hold one number")]
    OneNumberTwice,
    /// The same, seen from the number that was taken last.
    #[error("a number that was taken stands on another object")]
    TakenByAnother,
    /// The status was lost or put back to an older state.
    #[error("an edge has applied a number that was not given yet")]
    EdgeAhead,
    /// What it has applied is not what the log holds there.
    #[error("an edge has applied another order at a number of the log")]
    OtherOrder,
}

/// The counters of a Distribution that has none. The very first have no floor; where anything lived before, all of it is to
/// be dropped, also what edges read before their first head: that is what the floor of 1 does.
pub fn begin(epoch: Epoch, traces: Traces) -> InvalidationCounters {
    let lost = traces.numbers || traces.edges || traces.status;
    let first = u64::from(lost);
    InvalidationCounters { epoch: epoch.0, sequence: first, floor: first, ..InvalidationCounters::default() }
}

/// The log as the counters and the objects make it.
#[derive(Debug)]
pub struct Log<'a> {
    counters: &'a InvalidationCounters,
    /// The Distribution's uid: the holder of its contentVersion's numbers.
    own: &'a str,
    held: BTreeMap<SequenceNumber, &'a str>,
    numbered: BTreeSet<&'a str>,
    unfinished: BTreeSet<SequenceNumber>,
    twice: bool,
}

impl<'a> Log<'a> {
    /// The log of the Distribution with the uid `own`.
    pub fn new(counters: &'a InvalidationCounters, own: &'a str, holders: &'a [Holder]) -> Self {
        let (held, numbered, unfinished) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let mut log = Self { counters, own, held, numbered, unfinished, twice: false };
        for holder in holders {
            let Some(number) = number_in(counters, holder.sequence) else { continue };
            log.hold(number, &holder.uid, holder.finished);
        }
        // The Distribution's own numbers stand on their object from the write that takes them.
        for order in counters.pending.iter().filter(|order| order.uid == own && order.sequence > 0) {
            log.hold(order.sequence, own, false);
        }
        log
    }

    fn hold(&mut self, number: SequenceNumber, uid: &'a str, finished: bool) {
        self.twice |= self.held.insert(number, uid).is_some_and(|other| other != uid);
        self.numbered.insert(uid);
        if !finished {
            self.unfinished.insert(number);
        }
    }

    /// Who holds this number.
    pub fn holder(&self, number: SequenceNumber) -> Option<&'a str> {
        self.held.get(&number).copied()
    }

    /// Why these counters need a new epoch, if they do. A view that is out of date may see a reason where there is none: the
    /// write of the new epoch then fails on its precondition.
    pub fn contradiction(&self, edges: &[Applied]) -> Option<Contradiction> {
        if self.held.last_key_value().is_some_and(|(last, _)| *last > self.counters.sequence) {
            return Some(Contradiction::ObjectAhead);
        }
        if self.twice {
            return Some(Contradiction::OneNumberTwice);
        }
        let by_another = |order: &PendingOrder| self.holder(order.sequence).is_some_and(|uid| uid != order.uid);
        if self.counters.pending.iter().any(by_another) {
            return Some(Contradiction::TakenByAnother);
        }
        edges.iter().find_map(|edge| self.contradicts(edge))
    }

    fn contradicts(&self, edge: &Applied) -> Option<Contradiction> {
        let number = number_in(self.counters, Some(edge.sequence))?;
        if number > self.counters.sequence {
            return Some(Contradiction::EdgeAhead);
        }
        if number <= self.counters.floor {
            return None;
        }
        let taken = self.counters.pending.iter().find(|order| order.sequence == number).map(|order| order.uid.as_str());
        let holder = self.holder(number).or(taken)?;
        // Only a floor brings an edge to a number without an order, and no floor ever falls: it was there in another life.
        (Some(holder) != edge.order_uid.as_deref()).then_some(Contradiction::OtherOrder)
    }

    /// The numbers that were taken and are not known to stand on the Invalidations that took them. One that was taken for an
    /// Invalidation which turns out to have a number already is void.
    pub fn unrecorded(&self) -> impl Iterator<Item = &'a PendingOrder> {
        let open = |order: &&PendingOrder| order.uid != self.own && order.sequence > self.counters.floor;
        self.counters.pending.iter().filter(open).filter(|order| !self.numbered.contains(order.uid.as_str()))
    }

    /// Up to where every number is settled: what may be sent.
    pub fn settled(&self) -> SequenceNumber {
        let mut end = self.counters.floor;
        while self.held.contains_key(&(end + 1)) {
            end += 1;
        }
        end.min(self.counters.sequence)
    }

    /// Whether every number that was given is settled.
    pub fn is_settled(&self) -> bool {
        self.settled() == self.counters.sequence
    }

    /// The orders of the log that may be sent, by number and holder.
    pub fn orders(&self) -> impl Iterator<Item = (SequenceNumber, &'a str)> {
        let sent = self.counters.floor + 1..=self.settled().max(self.counters.floor + 1);
        self.held.range(sent).map(|(number, uid)| (*number, *uid)).filter(|(number, _)| *number <= self.settled())
    }

    /// Where the floor belongs: over every number that no living object holds, and over finished orders that are too many.
    /// It stays while an Invalidation that may live waits for a number of its own; `gone` are those which a consistent read,
    /// begun after their number was seen taken, no longer found.
    pub fn floor(&self, gone: &BTreeSet<String>) -> SequenceNumber {
        let floor = self.counters.floor;
        if self.unrecorded().any(|order| !gone.contains(&order.uid)) {
            return floor;
        }
        let unheld = (floor + 1..=self.counters.sequence).rev().find(|number| !self.held.contains_key(number));
        floor.max(unheld.unwrap_or(floor)).max(self.compacted())
    }

    fn compacted(&self) -> SequenceNumber {
        let floor = self.counters.floor;
        let above: Vec<_> = self.held.range(floor + 1..).map(|(number, _)| *number).collect();
        let finished = above.iter().take_while(|number| !self.unfinished.contains(*number)).count();
        let surplus = above.len().saturating_sub(FINISHED_KEPT).min(finished);
        // Half of what may stay goes at once, so that the floor does not rise with every order.
        let surplus = if surplus == 0 { 0 } else { (surplus + FINISHED_KEPT / 2).min(finished) };
        surplus.checked_sub(1).and_then(|last| above.get(last).copied()).unwrap_or(floor)
    }
}

/// The number, if it counts in the counters' own epoch.
pub fn number_in(counters: &InvalidationCounters, sequence: Option<Sequence>) -> Option<SequenceNumber> {
    sequence.filter(|sequence| sequence.epoch.0 == counters.epoch).map(|sequence| sequence.number)
}

/// The counters with the next number given to `order`. What was pending before must be settled.
pub fn take(counters: &mut InvalidationCounters, order: PendingOrder, flush: bool) {
    counters.sequence += 1;
    if flush {
        counters.flush = counters.sequence;
    }
    counters.pending.push(PendingOrder { sequence: counters.sequence, ..order });
}

/// The counters without the numbers that Invalidations took, once all of them are settled.
pub fn forget_settled(counters: &mut InvalidationCounters, own: &str) {
    counters.pending.retain(|order| order.uid == own);
}

/// The members once those `stopped` are gone and those who said `hello` are there; nothing where that is no change.
pub fn members(now: &[Member], hello: &[Member], stopped: &BTreeSet<String>) -> Option<Vec<Member>> {
    let mut next: Vec<Member> = now.iter().filter(|member| !stopped.contains(&member.pod_uid)).cloned().collect();
    for member in hello {
        if next.len() < MEMBERS && !next.iter().any(|kept| kept.pod_uid == member.pod_uid) {
            next.push(member.clone());
        }
    }
    next.sort();
    (next != now).then_some(next)
}

#[cfg(test)]
mod tests;
