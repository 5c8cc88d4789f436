//! Unsafe requests that this edge answered into which of its own reads are void (RFC 9111 §4.4), by a sub-sequence of its own.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::{Refused, Stamp};

/// So many targets are remembered apart; beyond, the oldest is forgotten, and what was not checked since is refused.
const LIMIT: usize = 8_192;

/// Which targets were written to, and when.
///
/// Targets are what viewers write, as long as they like: only their hashes are kept. Two that share one are void together.
#[derive(Clone, Debug, Default)]
pub(super) struct Local {
    counter: u64,
    newest: HashMap<u64, u64>,
    /// In the order they came, for forgetting; a target may be in it more than once.
    order: VecDeque<(u64, u64, Stamp)>,
    forgotten: (u64, Stamp),
    names: BuildHasherDefault<DefaultHasher>,
}

impl Local {
    pub(super) fn counter(&self) -> u64 {
        self.counter
    }

    pub(super) fn len(&self) -> usize {
        self.newest.len()
    }

    pub(super) fn mark(&mut self, target: &str, stamp: Stamp) {
        self.counter = self.counter.saturating_add(1);
        let name = self.names.hash_one(target);
        self.newest.insert(name, self.counter);
        self.order.push_back((name, self.counter, stamp));
        if self.order.len() > LIMIT {
            self.forget_oldest();
        }
    }

    pub(super) fn refuses(&self, label: u64, checked: Stamp, target: &str) -> Option<Refused> {
        let (forgotten, since) = self.forgotten;
        if label < forgotten && checked < since {
            return Some(Refused::TooOld);
        }
        self.newest.get(&self.names.hash_one(target)).filter(|newest| label < **newest).map(|_| Refused::Overwritten)
    }

    pub(super) fn forget(&mut self, stamp: Stamp) {
        while self.order.front().is_some_and(|(_, _, learnt)| *learnt <= stamp) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((name, number, stamp)) = self.order.pop_front() else { return };
        if self.newest.get(&name) == Some(&number) {
            self.newest.remove(&name);
            self.forgotten = (number, stamp);
        }
    }
}
