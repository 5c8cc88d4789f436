//! Purge orders and labels into whether a response may still be used: what an edge holds of its distribution's purge log.
//!
//! Flow: [`NormalScopes::of`] → [`Ledger::apply`] and [`Ledger::take_head`] ⇢ acknowledgement; [`Ledger::label`] when an
//! origin read begins; [`Ledger::admits`] at every serve, commit, join, revival and stale use.
//! Guarantees: what began to be read before a matching order was applied is never admitted after it. Lookups cost the length of
//! the target, whatever the number of orders; a repeated hit compares two integers.
//! Assumptions: one ledger for each site, changed by one task, seen by all threads before an acknowledgement is sent.

mod local;
mod log;
mod marks;
mod scopes;

use edge_contract::{Epoch, Head, PurgeOrder, Sequence, SequenceNumber};

use local::Local;
use log::Log;
pub use scopes::{NormalScope, NormalScopes, rules_differ};

/// How often this edge has learnt something that may refuse more. Starts at one, so that zero means "never checked".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub u64);

/// Where an edge stood when an origin read began (rule 3). What comes of the read carries it for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// The place in the purge log; `None` is unknown, below every number: the read began before the first head.
    pub log: Option<Sequence>,
    /// The place among the unsafe requests that this edge has answered.
    pub local: u64,
}

/// Whether a response may be used. Only a [`Ledger`] says `Admitted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may, and it was checked at this stamp: kept with it, the next check is the comparison of two integers.
    Admitted(Stamp),
    /// It may never be served again.
    Refused(Refused),
}

impl Admission {
    /// Whether it may be used.
    pub fn is_admitted(self) -> bool {
        matches!(self, Self::Admitted(_))
    }
}

/// Why a response may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A matching order is newer than its label.
    Purged,
    /// Its label counts in another life of the counter.
    OtherEpoch,
    /// It is older than the floor or the flush, or than orders that were forgotten before it was checked against them.
    TooOld,
    /// An unsafe request for its target was answered after its read began (RFC 9111 §4.4).
    Overwritten,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was the next one: acknowledge its number.
    Applied,
    /// It, or all that it could drop, was applied before: acknowledge the number that stands.
    Repeated,
    /// It holds already, but numbers before it are missing: it counts once they come, or a head says that they never will.
    Gap {
        /// The first number that is missing.
        expected: SequenceNumber,
    },
    /// It is of an epoch that is not (yet) this edge's: kept aside until a head of that epoch comes.
    OtherEpoch,
    /// Another object's order stands at this number: never an acknowledgement. Say hello anew; the operator begins a new epoch.
    UidMismatch {
        /// The uid that this edge holds there.
        held: String,
    },
}

/// What became of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadTaken {
    /// It began this edge's log, its first or that of a new epoch: the edge is current.
    Began,
    /// It said something new, and the edge is current.
    Advanced,
    /// It said nothing new: a repetition, or older than what was applied.
    Known,
    /// Orders before it are missing: the edge is not current. Ask for the log again.
    Missing {
        /// The first number that is missing.
        expected: SequenceNumber,
    },
}

/// An edge's purge log.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The log that holds; none before the first head.
    log: Option<Log>,
    /// A log of another epoch whose head has not come yet.
    next: Option<Log>,
    local: Local,
    stamp: Stamp,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { log: None, next: None, local: Local::default(), stamp: Stamp(1) }
    }
}

impl Ledger {
    /// What a read that begins now carries.
    pub fn label(&self) -> Label {
        Label { log: self.sequence(), local: self.local.counter() }
    }

    /// How far the log is applied: what is acknowledged and said in `hello`. `None` until the first head.
    pub fn sequence(&self) -> Option<Sequence> {
        self.log.as_ref().map(|log| Sequence { epoch: log.epoch, number: log.applied })
    }

    /// The uid of the order at that number; absent when a bare head brought the edge there.
    pub fn order_uid(&self) -> Option<&str> {
        self.log.as_ref().and_then(|log| log.uid_at(log.applied))
    }

    /// Publish it beside the ledger: a response that was checked at this stamp needs no look at the ledger at all.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// How many paths are remembered.
    pub fn len(&self) -> usize {
        self.log.as_ref().map_or(0, Log::len) + self.local.len()
    }

    /// Whether no path is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes an order in (rule 2). Its marks hold at once, whatever comes of its number.
    pub fn apply(&mut self, order: &PurgeOrder, scopes: &NormalScopes) -> Taken {
        let stamp = self.next_stamp();
        if let Some(log) = self.log.as_mut().filter(|log| log.epoch == order.epoch) {
            return log.apply(order, scopes, stamp);
        }
        let kept = self.next.take().filter(|log| log.epoch == order.epoch);
        let next = self.next.insert(kept.unwrap_or_else(|| Log::begin(order.epoch)));
        match next.apply(order, scopes, stamp) {
            mismatch @ Taken::UidMismatch { .. } => mismatch,
            _ => Taken::OtherEpoch,
        }
    }

    /// Takes a head in: the end of a replay, or what a ping repeats (rule 2).
    pub fn take_head(&mut self, head: Head) -> HeadTaken {
        if let Some(log) = self.log.as_mut().filter(|log| log.epoch == head.epoch) {
            let taken = log.take_head(head);
            if taken != HeadTaken::Known {
                self.next_stamp();
            }
            return taken;
        }
        let mut log = self.next.take().filter(|log| log.epoch == head.epoch).unwrap_or_else(|| Log::begin(head.epoch));
        if let HeadTaken::Missing { expected } = log.take_head(head) {
            self.next = Some(log);
            return HeadTaken::Missing { expected };
        }
        log.current = true;
        self.log = Some(log);
        self.next_stamp();
        HeadTaken::Began
    }

    /// Rule 3: may a response with this label be used for this target now?
    ///
    /// `checked` is the stamp of its last [`Admission::Admitted`], or [`Stamp::default`] for a fill that is not stored yet.
    pub fn admits(&self, label: Label, checked: Stamp, target: &str) -> Admission {
        if checked == self.stamp {
            return Admission::Admitted(self.stamp);
        }
        let refused = match (&self.log, label.log) {
            // Before the first head an edge serves what it read itself: availability first.
            (None, None) => None,
            (None, Some(_)) => Some(Refused::OtherEpoch),
            (Some(log), Some(sequence)) if sequence.epoch != log.epoch => Some(Refused::OtherEpoch),
            (Some(log), sequence) => log.refuses(sequence.map_or(0, |s| s.number), checked, target),
        };
        match refused.or_else(|| self.local.refuses(label.local, checked, target)) {
            Some(refused) => Admission::Refused(refused),
            None => Admission::Admitted(self.stamp),
        }
    }

    /// Rule 3 for a 304: what is stored must be admitted by itself, and the validation must not have begun before an order.
    ///
    /// `validated` is the label of the validation, which the freshened response then carries.
    pub fn revives(&self, stored: Label, checked: Stamp, validated: Label, target: &str) -> Admission {
        match self.admits(stored, checked, target) {
            Admission::Admitted(_) => self.admits(validated, Stamp::default(), target),
            refused @ Admission::Refused(_) => refused,
        }
    }

    /// RFC 9111 §4.4: an unsafe request for this target was answered without an error. Reads that began before are void.
    pub fn overwritten(&mut self, target: &str) {
        let stamp = self.next_stamp();
        self.local.mark(target, stamp);
    }

    /// The behaviors' key rules or the default root object changed ([`rules_differ`]). To be told before the first request is keyed
    /// by the new ones, with no order taken in between.
    ///
    /// An order whose path was normalised under the old rules may mean other keys under the new ones, so what is older than it
    /// is dropped as a whole. Rare: only exact paths depend on rules, those with a query, `/`, and where rules drop parameters.
    pub fn rules_changed(&mut self) {
        self.next_stamp();
        for log in [&mut self.log, &mut self.next].into_iter().flatten() {
            log.rules_changed();
        }
    }

    /// A sweep has asked [`Self::admits`] for everything stored since `stamp` was [`Self::stamp`], and kept each answer: what was
    /// learnt up to then is forgotten. What was never checked since, a fill still under way say, is refused from now on.
    pub fn forget(&mut self, stamp: Stamp) {
        if let Some(log) = &mut self.log {
            log.forget(stamp);
        }
        self.local.forget(stamp);
        self.next_stamp();
    }

    /// The epoch whose orders are kept aside, if any.
    pub fn pending_epoch(&self) -> Option<Epoch> {
        self.next.as_ref().map(|log| log.epoch)
    }

    fn next_stamp(&mut self) -> Stamp {
        self.stamp = Stamp(self.stamp.0.saturating_add(1));
        self.stamp
    }
}

#[cfg(test)]
mod tests;
