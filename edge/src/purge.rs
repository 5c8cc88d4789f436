//! Purge orders into what may no longer be served, at once, and into bytes freed, soon after.
//!
//! Flow: an order → the ledger, under its lock → the stamp, for all threads to see → acknowledgement; beside that a sweep that
//! drops what is refused, counts it for its order, and lets the ledger forget what has been checked everywhere.
//! Guarantees: once [`Purge::apply`] has returned, every later [`Purge::admits`] on any thread knows the order (rules 3 and 5).
//! The sweep only frees memory; nothing depends on how far it has come.
//! Assumptions: one task applies orders and heads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use edge_cache::coding::Accepted;
use edge_cache::invalidation::{HeadTaken, NormalScope, NormalScopes, Stamp, Taken, rules_differ};
use edge_cache::{Admission, CacheKey, Label, Ledger, key};
use edge_contract::{Head, PurgeOrder, Scope, SequenceNumber, Site};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};

use crate::live::Applied;
use crate::store::Store;
use crate::store::held::Held;

/// For so many orders it is remembered how much they dropped.
const COUNTED_ORDERS: usize = 1_024;
/// From so many remembered paths on, the ledger forgets those that everything stored was checked against.
const FORGET_FROM: usize = 4_096;

/// The purge log of this edge, at work.
#[derive(Debug, Default)]
pub struct Purge {
    ledger: RwLock<Ledger>,
    stamp: AtomicU64,
    /// The newest stamp that is worth a look through the store.
    wanted: AtomicU64,
    counts: Mutex<BTreeMap<SequenceNumber, Counted>>,
    work: Notify,
    swept: watch::Sender<u64>,
    settled: Mutex<Option<Head>>,
}

/// What an order has dropped.
#[derive(Debug, Default)]
struct Counted {
    /// What it names, as long as something stored may be dropped by it.
    covers: Vec<NormalScope>,
    dropped: u64,
    learnt: u64,
}

impl Purge {
    /// What an origin read that begins now carries.
    pub fn label(&self) -> Label {
        self.ledger.read().label()
    }

    /// Rule 3, the one place where it is asked: may this be used for its key now?
    pub fn admits(&self, key: &CacheKey, held: &Held) -> Admission {
        let checked = held.checked();
        // An order that was acknowledged was published here before; so a hit compares two integers.
        if checked.0 == self.stamp.load(Ordering::Acquire) && checked != Stamp::default() {
            return Admission::Admitted(checked);
        }
        let admission = self.ledger.read().admits(held.stored.label, checked, key.target());
        if let Admission::Admitted(stamp) = admission {
            held.admitted(stamp);
        }
        admission
    }

    /// What [`Purge::admits`] would say, without remembering that it was asked.
    pub fn would_admit(&self, key: &CacheKey, held: &Held) -> Admission {
        self.ledger.read().admits(held.stored.label, held.checked(), key.target())
    }

    /// The same for a read that is still under way.
    pub fn admits_read(&self, key: &CacheKey, label: Label) -> bool {
        self.ledger.read().admits(label, Stamp::default(), key.target()).is_admitted()
    }

    /// Rule 3 for a 304: may what is stored live on, by a validation that began at `validated`?
    pub fn revives(&self, key: &CacheKey, held: &Held, validated: Label) -> bool {
        self.ledger.read().revives(held.stored.label, held.checked(), validated, key.target()).is_admitted()
    }

    /// Applies an order under the key rules of `site`.
    pub fn apply(&self, order: &PurgeOrder, site: Option<&Site>) -> Taken {
        // Before its first configuration an edge has stored nothing, so what the order names in particular does not matter.
        let everything = || NormalScopes { covers: vec![NormalScope::Everything], by_rules: false };
        let scopes = site.map_or_else(everything, |site| NormalScopes::of(&order.scopes, site));
        *self.settled.lock() = None;
        // Held until the order is known here: a sweep that runs already may drop for it at once.
        let mut counts = self.counts.lock();
        let taken = self.change(|ledger| ledger.apply(order, &scopes));
        if matches!(taken, Taken::Applied | Taken::Gap { .. }) {
            counts.insert(order.sequence, Counted { covers: scopes.covers, dropped: 0, learnt: self.learnt() });
            while counts.len() > COUNTED_ORDERS {
                counts.pop_first();
            }
        }
        taken
    }

    /// Takes a head in.
    pub fn take_head(&self, head: Head) -> HeadTaken {
        // Every ping repeats the head; only one that says something is worth a look through the store.
        if *self.settled.lock() == Some(head) {
            return HeadTaken::Known;
        }
        let taken = self.change(|ledger| ledger.take_head(head));
        *self.settled.lock() = Some(head).filter(|_| !matches!(taken, HeadTaken::Missing { .. }));
        if taken == HeadTaken::Began {
            self.counts.lock().clear();
        }
        taken
    }

    /// RFC 9111 §4.4: an unsafe request was answered without an error.
    ///
    /// What is stored of its target goes when the next response takes its place: a look through everything for each write would
    /// keep an edge busy that gets many. Only when too many are remembered is there one, so that they can be forgotten.
    pub fn overwritten(&self, target: &str) {
        let (remembered, stamp) = self.learn(|ledger| {
            ledger.overwritten(target);
            ledger.len()
        });
        if remembered >= FORGET_FROM {
            self.want(stamp);
        }
    }

    /// The key rules of the site changed from `old` to `new`, perhaps.
    pub fn rules_changed(&self, old: &Site, new: &Site) {
        if rules_differ(old, new) {
            self.change(Ledger::rules_changed);
        }
    }

    /// How far the log is applied.
    pub fn applied(&self) -> Applied {
        let ledger = self.ledger.read();
        let sequence = ledger.sequence();
        Applied {
            epoch: sequence.map(|sequence| sequence.epoch),
            sequence: sequence.map(|sequence| sequence.number),
            order_uid: ledger.order_uid().map(ToOwned::to_owned),
        }
    }

    /// How many stored responses an order has dropped so far.
    pub fn removed(&self, sequence: SequenceNumber) -> u64 {
        self.counts.lock().get(&sequence).map_or(0, |counted| counted.dropped)
    }

    /// The stamp of what was learnt last that a sweep must look through everything for.
    pub fn learnt(&self) -> u64 {
        self.wanted.load(Ordering::Acquire)
    }

    /// Up to which stamp a sweep has looked through everything, and every later such stamp.
    pub fn swept(&self) -> watch::Receiver<u64> {
        self.swept.subscribe()
    }

    /// The orders applied and the heads taken that a sweep has not yet looked through everything for.
    pub fn behind(&self) -> u64 {
        self.learnt().saturating_sub(*self.swept.borrow())
    }

    /// Drops what exact paths name without waiting for the sweep: their keys can be made from them.
    pub fn drop_exact(&self, order: &PurgeOrder, site: &Site, store: &Store) {
        let exact: Vec<Scope> = order.scopes.iter().filter(|scope| matches!(scope, Scope::Exact(_))).cloned().collect();
        for scope in NormalScopes::of(&exact, site).covers {
            let NormalScope::Exact(target) = scope else { continue };
            // Where more is keyed, only the sweep finds them all.
            let Some(plain) = key::of_target(site, &target) else { continue };
            for key in Accepted::ALL.map(|accepted| plain.accepting(accepted)) {
                store.sweep_key(&key, |held| self.keeps(&key, held));
            }
        }
    }

    /// Looks through the store whenever something was learnt; never ends.
    pub async fn sweep(&self, store: &Store) {
        loop {
            if self.behind() == 0 {
                self.work.notified().await;
                continue;
            }
            let stamp = self.stamp.load(Ordering::Acquire);
            for shard in 0..store.shards() {
                store.sweep(shard, |key, held| self.keeps(key, held));
                tokio::task::yield_now().await;
            }
            self.counted(stamp);
            self.swept.send_replace(stamp);
            self.forget(Stamp(stamp));
        }
    }

    /// Whether a stored response stays; one that goes is counted for the order that drops it.
    pub fn keeps(&self, key: &CacheKey, held: &Held) -> bool {
        let admitted = self.admits(key, held).is_admitted();
        if !admitted {
            self.count(key, held);
        }
        admitted
    }

    fn count(&self, key: &CacheKey, held: &Held) {
        let began = held.stored.label.log.map_or(0, |sequence| sequence.number);
        let mut counts = self.counts.lock();
        let mut newer = counts.range_mut(began + 1..);
        if let Some((_, counted)) = newer.find(|(_, order)| order.covers.iter().any(|s| s.covers(key.target()))) {
            counted.dropped += 1;
        }
    }

    /// A sweep has counted all that orders up to `stamp` drop: what they name is not needed any more.
    fn counted(&self, stamp: u64) {
        for counted in self.counts.lock().values_mut().filter(|counted| counted.learnt <= stamp) {
            counted.covers = Vec::new();
        }
    }

    fn forget(&self, stamp: Stamp) {
        if self.ledger.read().len() < FORGET_FROM {
            return;
        }
        let mut ledger = self.ledger.write();
        ledger.forget(stamp);
        self.stamp.store(ledger.stamp().0, Ordering::Release);
    }

    fn change<T>(&self, by: impl FnOnce(&mut Ledger) -> T) -> T {
        let (outcome, stamp) = self.learn(by);
        self.want(stamp);
        outcome
    }

    fn learn<T>(&self, by: impl FnOnce(&mut Ledger) -> T) -> (T, u64) {
        let mut ledger = self.ledger.write();
        let outcome = by(&mut ledger);
        let stamp = ledger.stamp().0;
        self.stamp.store(stamp, Ordering::Release);
        (outcome, stamp)
    }

    fn want(&self, stamp: u64) {
        self.wanted.fetch_max(stamp, Ordering::AcqRel);
        self.work.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use edge_cache::{NormalPath, Stored};
    use edge_contract::Epoch;
    use futures::FutureExt;
    use http::{HeaderMap, Response};

    use super::*;
    use crate::clock::Clock;
    use crate::fill::received;
    use crate::respond::body::nothing;
    use crate::store::held::Content;
    use crate::testing::site;

    /// A log that has begun, and a store of responses that were read before every order of a test.
    fn begun(responses: u64) -> (Purge, Store) {
        let (purge, store) = (Purge::default(), Store::new(64 * 1024 * 1024));
        purge.take_head(Head { epoch: Epoch(7), sequence: 1, floor: 1, flush: 0 });
        (0..responses).for_each(|n| fill(&purge, &store, n));
        (purge, store)
    }

    /// Stores `/n`, read at this moment.
    fn fill(purge: &Purge, store: &Store, n: u64) {
        let (now, (parts, ())) = (Clock::standing().now(), Response::new(()).into_parts());
        let stored = Stored::new(&parts, &HeaderMap::new(), received(now, now), purge.label());
        let room = store.hold(1_024).expect("there is room");
        let held = Held::new(stored, Content::Whole(nothing()), Arc::new(room));
        let path = NormalPath::parse(&format!("/{n}")).expect("is one");
        store.insert(&CacheKey::new("s", None, &path, None), Arc::new(held), |_| true);
    }

    fn apply(purge: &Purge, sequence: SequenceNumber, scopes: Vec<Scope>) {
        let order = PurgeOrder { epoch: Epoch(7), sequence, uid: format!("uid-{sequence}"), scopes };
        assert_eq!(purge.apply(&order, Some(&site("s"))), Taken::Applied);
    }

    #[test]
    fn an_order_that_comes_while_a_sweep_forgets_older_ones_is_swept_for_too() {
        let (purge, store) = begun(2_000);
        apply(&purge, 2, (0..FORGET_FROM).map(|n| Scope::Exact(format!("/other/{n}"))).collect());
        let mut sweep = std::pin::pin!(purge.sweep(&store));
        // One part of the store is done.
        assert!(sweep.as_mut().now_or_never().is_none());
        apply(&purge, 3, vec![Scope::Prefix("/".into())]);
        for _ in 0..2 * store.shards() {
            assert!(sweep.as_mut().now_or_never().is_none());
        }
        assert_eq!((store.responses(), purge.removed(3), purge.behind()), (0, 2_000, 0));
    }

    #[test]
    fn writes_are_looked_through_everything_for_only_once_they_are_many() {
        let (purge, store) = begun(10);
        let mut sweep = std::pin::pin!(purge.sweep(&store));
        let mut go_on = || (0..2 * store.shards()).for_each(|_| assert!(sweep.as_mut().now_or_never().is_none()));
        go_on();
        purge.overwritten("/1");
        assert_eq!((purge.behind(), store.responses()), (0, 10));
        for n in 0..FORGET_FROM {
            purge.overwritten(&format!("/{n}"));
        }
        assert!(purge.behind() > 0);
        go_on();
        assert_eq!((purge.behind(), store.responses(), purge.ledger.read().len()), (0, 0, 0));
    }

    #[test]
    fn what_an_order_names_is_let_go_once_it_has_dropped_everything() {
        let (purge, store) = begun(10);
        apply(&purge, 2, vec![Scope::Exact("/1".into()), Scope::Exact("/never".into())]);
        let mut sweep = std::pin::pin!(purge.sweep(&store));
        for _ in 0..2 * store.shards() {
            assert!(sweep.as_mut().now_or_never().is_none());
        }
        assert_eq!((purge.removed(2), store.responses()), (1, 9));
        assert!(purge.counts.lock().values().all(|counted| counted.covers.is_empty()));
    }
}
