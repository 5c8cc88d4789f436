//! Requests for one key into one fill that they share while it runs.
//!
//! Flow: [`Collapse::join`] → lead, wait or go alone. The fill of the one who leads says once, to all who wait, what came of it; each
//! of them then asks the reuse verdict afresh (invalidation rule 3). Whoever finds that the response is not for sharing says so
//! ([`Collapse::go_alone`]), and for a while nobody waits for that key; those who go alone do so by a few at a time ([`places`]).
//! Guarantees: one fill per key at a time that newcomers can join; a fill that began before a matching order is not joined any more,
//! a new one takes its place. A fill that nobody wants any longer hears of it. The fills are bounded by the requests under way; of keys
//! that are not for sharing only a few bytes each are remembered, so long names cost nothing.
//! Errors: a fill that ends without a word counts as given up, and one of those who waited leads anew.

pub mod places;
pub mod wanted;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use edge_cache::{CacheKey, Label};
use parking_lot::Mutex;

use crate::forward::ForwardError;
use places::Crowd;
use wanted::{Fill, Interest, Outcome};

const SHARDS: usize = 64;
/// For how long a key that was found unshareable is remembered.
const ALONE_FOR: Duration = Duration::from_secs(10);
/// How many such keys one shard remembers.
const ALONE_LIMIT: usize = 1_024;

/// Fills under way, by key.
#[derive(Debug)]
pub struct Collapse {
    shards: Box<[Mutex<Shard>]>,
    names: RandomState,
}

#[derive(Debug, Default)]
struct Shard {
    fills: HashMap<CacheKey, Arc<Fill>>,
    /// By hash: two keys that share one go alone together, which harms neither.
    alone: HashMap<u64, Duration>,
    /// By hash as well: two keys that share one would share its places.
    crowds: HashMap<u64, Crowd>,
}

/// What a newcomer does.
#[derive(Debug)]
pub enum Joined {
    /// Begins the fill that others may join.
    Lead(Lead),
    /// Waits for one that is under way.
    Wait(Interest),
    /// Asks the origin for itself: answers to this key are not for sharing.
    Alone,
}

/// The duty to run a fill. Dropped, it leaves the table; a fill that has not said anything by then is given up.
#[derive(Debug)]
pub struct Lead {
    collapse: Arc<Collapse>,
    key: Option<CacheKey>,
    fill: Arc<Fill>,
}

impl Lead {
    /// The fill.
    pub fn fill(&self) -> &Arc<Fill> {
        &self.fill
    }

    /// Lets nobody join from here on; those who wait go on waiting.
    pub fn close(&mut self) {
        if let Some(key) = self.key.take() {
            self.collapse.remove(&key, &self.fill);
        }
    }

    /// Says that the origin gave no answer. Nobody can join any more when those who waited hear of it: else the next one that they look
    /// for would be this one again.
    pub fn fail(mut self, error: ForwardError) {
        self.close();
        self.fill.conclude(Outcome::Failed(Arc::new(error)));
    }

    /// Lets nobody join, and says whether nobody wants it even so: until this moment someone could have joined.
    pub fn abandon(&mut self) -> bool {
        self.close();
        !self.fill.is_wanted()
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.close();
        self.fill.conclude(Outcome::GivenUp);
    }
}

impl Collapse {
    /// Nothing is under way.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), names: RandomState::new() })
    }

    /// Joins the fill for a key if there is one that `admits` lets live, else begins one with the label that `label` gives.
    pub fn join(
        self: &Arc<Self>,
        key: &CacheKey,
        now: Duration,
        admits: impl Fn(Label) -> bool,
        label: impl Fn() -> Label,
    ) -> Joined {
        let name = self.names.hash_one(key);
        let Some(mut shard) = self.shard(name).map(Mutex::lock) else { return Joined::Alone };
        if let Some(until) = shard.alone.get(&name) {
            if *until > now {
                return Joined::Alone;
            }
            shard.alone.remove(&name);
        }
        if let Some(fill) = shard.fills.get(key).filter(|fill| admits(fill.label)) {
            return Joined::Wait(Interest::new(fill));
        }
        let fill = Fill::new(label());
        shard.fills.insert(key.clone(), Arc::clone(&fill));
        Joined::Lead(Lead { collapse: Arc::clone(self), key: Some(key.clone()), fill })
    }

    /// What those do who waited for a fill that failed: the first of them to come here joins or begins another, and all others come to
    /// the same one, however late they are and even if that has ended too. So a failure costs one fill more and no third.
    pub fn join_next(
        self: &Arc<Self>,
        failed: &Fill,
        key: &CacheKey,
        now: Duration,
        admits: impl Fn(Label) -> bool,
        label: impl Fn() -> Label,
    ) -> Joined {
        let mut next = failed.next.lock();
        if let Some(fill) = next.as_ref().filter(|fill| admits(fill.label)) {
            return Joined::Wait(Interest::new(fill));
        }
        let joined = self.join(key, now, admits, label);
        *next = match &joined {
            Joined::Lead(lead) => Some(Arc::clone(lead.fill())),
            Joined::Wait(interest) => Some(Arc::clone(interest.fill())),
            Joined::Alone => None,
        };
        joined
    }

    /// A fill that nobody can join.
    pub fn lead_alone(self: &Arc<Self>, label: Label) -> Lead {
        Lead { collapse: Arc::clone(self), key: None, fill: Fill::new(label) }
    }

    /// Answers to this key are not for sharing: nobody waits for them for a while.
    pub fn go_alone(&self, key: &CacheKey, now: Duration) {
        let name = self.names.hash_one(key);
        let Some(mut shard) = self.shard(name).map(Mutex::lock) else { return };
        if shard.alone.len() >= ALONE_LIMIT {
            shard.alone.retain(|_, until| *until > now);
        }
        if shard.alone.len() < ALONE_LIMIT {
            shard.alone.insert(name, now + ALONE_FOR);
        }
    }

    /// How many fills can be joined.
    pub fn fills(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().fills.len()).sum()
    }

    /// How many requests want one of them.
    pub fn interested(&self) -> usize {
        let wanted =
            |shard: &Mutex<Shard>| -> usize { shard.lock().fills.values().map(|fill| fill.interested()).sum() };
        self.shards.iter().map(wanted).sum()
    }

    fn remove(&self, key: &CacheKey, fill: &Arc<Fill>) {
        let Some(mut shard) = self.shard(self.names.hash_one(key)).map(Mutex::lock) else { return };
        if shard.fills.get(key).is_some_and(|known| Arc::ptr_eq(known, fill)) {
            shard.fills.remove(key);
        }
    }

    fn shard(&self, name: u64) -> Option<&Mutex<Shard>> {
        self.shards.get(usize::try_from(name % SHARDS as u64).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use edge_cache::NormalPath;
    use futures::FutureExt;
    use http::StatusCode;

    use super::*;

    const LABEL: Label = Label { log: None, local: 0 };

    fn key() -> CacheKey {
        CacheKey::new("s", None, &NormalPath::parse("/a").expect("is one"), None)
    }

    fn join(collapse: &Arc<Collapse>, at: u64, admitted: bool) -> Joined {
        collapse.join(&key(), Duration::from_secs(at), |_| admitted, || LABEL)
    }

    #[test]
    fn the_first_leads_and_the_others_wait_until_it_leaves_the_table() {
        let collapse = Collapse::new();
        let Joined::Lead(lead) = join(&collapse, 0, true) else { panic!("leads") };
        let Joined::Wait(waiter) = join(&collapse, 0, true) else { panic!("waits") };
        assert!(waiter.outcome().now_or_never().is_none());
        lead.fill().conclude(Outcome::ErrorStatus(StatusCode::BAD_GATEWAY));
        drop(lead);
        assert!(matches!(waiter.outcome().now_or_never(), Some(Outcome::ErrorStatus(_))));
        assert!(matches!(join(&collapse, 0, true), Joined::Lead(_)));
    }

    #[test]
    fn a_fill_that_began_before_an_order_is_not_joined_and_does_not_take_its_successor_along() {
        let collapse = Collapse::new();
        let Joined::Lead(before) = join(&collapse, 0, true) else { panic!("leads") };
        let Joined::Lead(after) = join(&collapse, 0, false) else { panic!("leads anew") };
        drop(before);
        assert!(matches!(join(&collapse, 0, true), Joined::Wait(_)));
        drop(after);
        assert_eq!(collapse.fills(), 0);
    }

    #[test]
    fn all_who_waited_for_one_that_failed_come_to_the_same_next_one_however_late() {
        let collapse = Collapse::new();
        let Joined::Lead(first) = join(&collapse, 0, true) else { panic!("leads") };
        let failed = Arc::clone(first.fill());
        first.fail(ForwardError::NoTarget);
        let next = |admitted| collapse.join_next(&failed, &key(), Duration::ZERO, |_| admitted, || LABEL);
        let Joined::Lead(second) = next(true) else { panic!("one leads") };
        let (same, Joined::Wait(early)) = (Arc::clone(second.fill()), next(true)) else { panic!("waits") };
        assert!(Arc::ptr_eq(early.fill(), &same));
        second.fail(ForwardError::NoTarget);
        let Joined::Wait(late) = next(true) else { panic!("waits for what has ended") };
        assert!(matches!(late.outcome().now_or_never(), Some(Outcome::Failed(_))));
        assert!(matches!(next(false), Joined::Lead(_)), "an order came meanwhile");
    }

    #[test]
    fn one_that_a_newcomer_began_meanwhile_is_the_next_one_for_those_who_waited() {
        let collapse = Collapse::new();
        let Joined::Lead(first) = join(&collapse, 0, true) else { panic!("leads") };
        let failed = Arc::clone(first.fill());
        first.fail(ForwardError::NoTarget);
        let Joined::Lead(newcomer) = join(&collapse, 0, true) else { panic!("leads") };
        let next = collapse.join_next(&failed, &key(), Duration::ZERO, |_| true, || LABEL);
        assert!(matches!(next, Joined::Wait(interest) if Arc::ptr_eq(interest.fill(), newcomer.fill())));
    }

    #[test]
    fn a_leader_that_ends_without_a_word_has_given_up() {
        let collapse = Collapse::new();
        let Joined::Lead(lead) = join(&collapse, 0, true) else { panic!("leads") };
        let waiter = Interest::new(lead.fill());
        drop(lead);
        assert!(matches!(waiter.outcome().now_or_never(), Some(Outcome::GivenUp)));
    }

    #[test]
    fn one_who_joins_a_fill_that_everyone_left_keeps_it_going() {
        let collapse = Collapse::new();
        let Joined::Lead(mut lead) = join(&collapse, 0, true) else { panic!("leads") };
        assert!(lead.fill().deserted().now_or_never().is_some());
        let Joined::Wait(late) = join(&collapse, 0, true) else { panic!("waits") };
        assert!(!lead.abandon());
        assert!(matches!(join(&collapse, 0, true), Joined::Lead(_)), "nobody else comes to it any more");
        drop(late);
        assert!(lead.abandon());
    }

    #[test]
    fn nobody_waits_for_a_key_that_is_not_for_sharing_until_ten_seconds_later() {
        let collapse = Collapse::new();
        collapse.go_alone(&key(), Duration::ZERO);
        assert!(matches!(join(&collapse, 9, true), Joined::Alone));
        assert!(matches!(join(&collapse, 10, true), Joined::Lead(_)));
    }
}
