//! Which Distributions replace their pods for the operator's own sake: a new release reaches only so many of them at once.
//!
//! Flow: what a look finds owed → [`Turns::ask`] → [`Turn`] → plan; a turn that ends is another one's, which is called.
//! Guarantees: no more Distributions than allowed have their turn, and one has it until all its pods are new: an edge that does
//! not work stops at them, and at one more. For one Distribution whose new pods do not come up may be at fault itself (a pull secret
//! that is gone, a node that is full) and holds up nobody; two are not, unless the release runs elsewhere: then all are. Whose pods
//! did not come up before is the last to get its turn. Who asks for nothing, because the user wants it or nothing differs, waits for
//! nobody.
//! Assumptions: every look asks, until the Distribution is left. All of this is of one leadership. The next one begins with
//! those whose pods are being replaced then, and gives up on the stuck ones among them, which may be anybody's doing: losing
//! it costs only time.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::distribution::plan::{self, Progress, Release, Turn, Upgrade};
use crate::leader::Leadership;
use crate::names::DistributionKey;
use crate::stores::Stores;
use crate::table::Group;

/// Whose turn it is.
pub struct Turns {
    at_most: NonZeroUsize,
    queue: Mutex<Queue>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// The leadership that all of this is of.
    term: Option<Instant>,
    /// Those who have their turn, and what their pods show of the release.
    rolling: BTreeMap<DistributionKey, Release>,
    /// The release runs in some Distribution.
    works: bool,
    /// Those whose pods were being replaced when the leadership began.
    found: BTreeSet<DistributionKey>,
    /// Those who asked in vain, and how far their pods had come.
    waiting: BTreeMap<DistributionKey, Progress>,
    /// Those of them whose turn has come, until they are called.
    called: Vec<DistributionKey>,
}

impl Turns {
    /// Turns for this many at once.
    pub fn new(at_most: NonZeroUsize) -> Self {
        Self { at_most, queue: Mutex::default(), news: Notify::new() }
    }

    /// Begins anew if this is another leadership.
    pub(super) fn enter(&self, leadership: &Leadership, stores: &Stores) {
        let term = match *leadership {
            Leadership::Leading { since } => Some(since),
            Leadership::Following { .. } => None,
        };
        let mut queue = self.queue.lock();
        if queue.term != term {
            *queue = Queue { term, found: rolling(stores), ..Queue::default() };
        }
    }

    /// Takes how far a Distribution has come: whether it has its turn.
    pub(super) fn ask(&self, key: &DistributionKey, upgrade: Upgrade) -> Turn {
        let turn = self.queue.lock().ask(key, upgrade, self.at_most);
        self.news.notify_one();
        turn
    }

    /// Forgets a Distribution that is deleted.
    pub(super) fn leave(&self, key: &DistributionKey) {
        self.queue.lock().ask(key, Upgrade::default(), self.at_most);
        self.news.notify_one();
    }

    /// The next Distribution whose turn has come since it asked; for one listener.
    pub async fn called(&self) -> DistributionKey {
        loop {
            if let Some(key) = self.queue.lock().called.pop() {
                return key;
            }
            self.news.notified().await;
        }
    }
}

impl Queue {
    fn ask(&mut self, key: &DistributionKey, upgrade: Upgrade, at_most: NonZeroUsize) -> Turn {
        let Upgrade { owed, progress, release } = upgrade;
        self.works |= release == Release::Works;
        if owed && self.found.remove(key) {
            self.rolling.insert(key.clone(), release);
        }
        if progress != Progress::Rolling {
            self.found.remove(key);
        }
        if !owed && progress == Progress::Through {
            self.rolling.remove(key);
        }
        if let Some(known) = self.rolling.get_mut(key) {
            *known = release;
        }
        if owed && !self.rolling.contains_key(key) {
            self.waiting.insert(key.clone(), progress);
        } else {
            self.waiting.remove(key);
        }
        self.fill(at_most);
        self.called.retain(|called| called != key);
        let comes_on = self.rolling.iter().filter(|(_, release)| **release != Release::Fails).map(|(key, _)| key);
        let mut ahead = comes_on.chain(&self.found).chain(self.rolling.keys());
        let ahead = ahead.next().filter(|_| self.waiting.contains_key(key));
        ahead.map_or(Turn::Ours, |ahead| Turn::After(ahead.clone()))
    }

    /// How many of the turns that there are at once are taken.
    fn taken(&self) -> usize {
        let failing = self.rolling.values().filter(|release| **release == Release::Fails).count();
        let passed_over = if self.works { failing } else { failing.min(1) };
        self.rolling.len() - passed_over + self.found.len()
    }

    /// Gives the turns that are free to those who wait.
    fn fill(&mut self, at_most: NonZeroUsize) {
        while self.taken() < at_most.get() {
            let next = self.waiting.iter().min_by_key(|(_, progress)| **progress == Progress::Stuck);
            let Some(next) = next.map(|(key, _)| key.clone()) else { return };
            self.waiting.remove(&next);
            self.called.push(next.clone());
            self.rolling.insert(next, Release::Unknown);
        }
    }
}

/// The Distributions whose pods are being replaced now, and not in vain.
fn rolling(stores: &Stores) -> BTreeSet<DistributionKey> {
    let deployments = &stores.deployments;
    let rolls = |group: &Group| deployments.of(group).iter().any(|one| plan::progress(one) == Progress::Rolling);
    let groups = deployments.groups().into_iter().filter(rolls);
    let keys = groups.filter_map(|group| if let Group::Distribution(key) = group { Some(key) } else { None });
    keys.filter(|key| stores.distributions.find(&key.namespace, &key.name).is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWED: Upgrade = Upgrade { owed: true, ..NOTHING };
    const NOTHING: Upgrade = Upgrade { owed: false, progress: Progress::Through, release: Release::Unknown };
    const WORKS: Upgrade = Upgrade { release: Release::Works, ..NOTHING };
    const FAILS: Upgrade = Upgrade { progress: Progress::Stuck, release: Release::Fails, ..NOTHING };

    fn at(progress: Progress) -> Upgrade {
        Upgrade { progress, ..NOTHING }
    }

    fn key(name: &str) -> DistributionKey {
        DistributionKey::new("default", name)
    }

    /// A leadership that begins while these are rolling.
    fn beginning(found: &[&str]) -> Queue {
        Queue { found: found.iter().map(|name| key(name)).collect(), ..Queue::default() }
    }

    /// Asks in this order; each answer is nothing for a turn, or the name of the one that is waited for. Then who is called.
    #[track_caller]
    fn check(queue: &mut Queue, at_most: usize, asked: &[(&str, Upgrade, Option<&str>)], called: &[&str]) {
        let at_most = NonZeroUsize::new(at_most).expect("some");
        for (name, upgrade, expect) in asked {
            let turn = queue.ask(&key(name), *upgrade, at_most);
            assert_eq!(
                turn,
                expect.map_or(Turn::Ours, |other| Turn::After(key(other))),
                "{name} {upgrade:?} {queue:?}"
            );
        }
        let told: Vec<_> = queue.called.drain(..).map(|key| key.name).collect();
        assert_eq!(told, called, "{queue:?}");
    }

    #[test]
    fn one_rolls_until_all_its_pods_are_new_and_then_calls_the_next() {
        let mut queue = Queue::default();
        check(&mut queue, 1, &[("b", OWED, None), ("a", OWED, Some("b")), ("c", OWED, Some("b"))], &[]);
        check(&mut queue, 1, &[("b", at(Progress::Rolling), None), ("a", OWED, Some("b"))], &[]);
        check(&mut queue, 1, &[("b", at(Progress::Stuck), None), ("a", OWED, Some("b"))], &[]);
        check(&mut queue, 1, &[("b", OWED, None), ("b", NOTHING, None)], &["a"]);
        check(&mut queue, 1, &[("c", OWED, Some("a")), ("a", OWED, None), ("a", NOTHING, None)], &["c"]);
    }

    #[test]
    fn as_many_roll_at_once_as_may() {
        let mut queue = Queue::default();
        check(&mut queue, 2, &[("a", OWED, None), ("b", OWED, None), ("c", OWED, Some("a"))], &[]);
        check(&mut queue, 2, &[("b", NOTHING, None)], &["c"]);
    }

    #[test]
    fn who_needs_no_turn_waits_for_nobody_and_takes_none() {
        let mut queue = Queue::default();
        check(&mut queue, 1, &[("a", at(Progress::Rolling), None), ("b", OWED, None)], &[]);
        check(&mut queue, 1, &[("c", NOTHING, None), ("a", at(Progress::Stuck), None)], &[]);
    }

    #[test]
    fn who_waits_no_more_is_not_called() {
        let mut queue = Queue::default();
        check(&mut queue, 1, &[("a", OWED, None), ("b", OWED, Some("a")), ("c", OWED, Some("a"))], &[]);
        check(&mut queue, 1, &[("b", NOTHING, None), ("a", NOTHING, None)], &["c"]);
    }

    #[test]
    fn one_that_fails_is_passed_over_and_two_stop_the_rest() {
        let mut queue = Queue::default();
        check(&mut queue, 1, &[("a", OWED, None), ("b", OWED, Some("a")), ("c", OWED, Some("a"))], &[]);
        check(&mut queue, 1, &[("a", FAILS, None)], &["b"]);
        check(&mut queue, 1, &[("c", OWED, Some("b")), ("b", FAILS, None), ("c", OWED, Some("a"))], &[]);
        check(&mut queue, 1, &[("b", at(Progress::Rolling), None), ("b", NOTHING, None)], &["c"]);

        let mut queue = Queue::default();
        check(&mut queue, 2, &[("a", OWED, None), ("b", OWED, None), ("c", OWED, Some("a"))], &[]);
        check(&mut queue, 2, &[("a", FAILS, None), ("b", FAILS, None), ("d", OWED, Some("c"))], &["c"]);
    }

    #[test]
    fn where_a_release_works_elsewhere_those_that_fail_stop_nobody() {
        let mut queue = Queue::default();
        check(&mut queue, 1, &[("z", WORKS, None), ("a", OWED, None), ("b", OWED, Some("a"))], &[]);
        check(&mut queue, 1, &[("c", OWED, Some("a")), ("a", FAILS, None)], &["b"]);
        check(&mut queue, 1, &[("b", FAILS, None)], &["c"]);
        let half = Upgrade { owed: true, ..FAILS };
        check(&mut queue, 1, &[("c", OWED, None), ("a", half, None), ("d", OWED, Some("c"))], &[]);

        let mut late = Queue::default();
        check(&mut late, 1, &[("a", OWED, None), ("b", OWED, Some("a")), ("c", OWED, Some("a"))], &[]);
        check(&mut late, 1, &[("a", FAILS, None), ("b", FAILS, None)], &[]);
        check(&mut late, 1, &[("z", WORKS, None)], &["c"]);
    }

    #[test]
    fn whose_pods_did_not_come_up_before_is_the_last_to_get_its_turn() {
        let mut queue = Queue::default();
        let stuck = Upgrade { progress: Progress::Stuck, ..OWED };
        check(&mut queue, 1, &[("x", OWED, None), ("a", stuck, Some("x")), ("b", OWED, Some("x"))], &[]);
        check(&mut queue, 1, &[("x", NOTHING, None)], &["b"]);
        check(&mut queue, 1, &[("b", NOTHING, None)], &["a"]);
        check(&mut queue, 1, &[("a", stuck, None), ("c", OWED, Some("a")), ("a", FAILS, None)], &["c"]);
    }

    #[test]
    fn a_new_leadership_waits_for_those_that_roll_already() {
        let mut queue = beginning(&["a"]);
        check(&mut queue, 1, &[("b", OWED, Some("a")), ("a", at(Progress::Rolling), None)], &[]);
        check(&mut queue, 1, &[("a", NOTHING, None)], &["b"]);
        let mut more_to_come = beginning(&["a"]);
        let rolling = Upgrade { progress: Progress::Rolling, ..OWED };
        check(&mut more_to_come, 1, &[("b", OWED, Some("a")), ("a", rolling, None), ("a", OWED, None)], &[]);
        let mut stuck = beginning(&["a"]);
        check(&mut stuck, 1, &[("b", OWED, Some("a")), ("a", at(Progress::Stuck), None)], &["b"]);
    }
}
