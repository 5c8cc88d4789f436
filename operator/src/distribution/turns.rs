//! Which Distributions replace their pods for the operator's own sake: a new release reaches only so many of them at once.
//!
//! Flow: what a look finds owed → [`Turns::ask`] → [`Turn`] → plan; a turn that ends is another one's, which is called.
//! Guarantees: no more Distributions than allowed have their turn, and one has it until all its pods are new: an edge that does
//! not work stops at them. Who asks for nothing, because the user wants it or nothing differs, waits for nobody.
//! Assumptions: every look asks, until the Distribution is left. All of this is of one leadership. The next one begins with
//! those whose pods are being replaced then, and gives up on the stuck ones among them, which may be anybody's doing: losing
//! it costs only time.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::distribution::plan::{self, Progress, Turn, Upgrade};
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
    /// Those who have their turn.
    rolling: BTreeSet<DistributionKey>,
    /// Those whose pods were being replaced when the leadership began.
    found: BTreeSet<DistributionKey>,
    /// Those who asked in vain.
    waiting: BTreeSet<DistributionKey>,
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
        let Upgrade { owed, progress } = upgrade;
        if owed && self.found.remove(key) {
            self.rolling.insert(key.clone());
        }
        if progress != Progress::Rolling {
            self.found.remove(key);
        }
        if !owed && progress == Progress::Through {
            self.rolling.remove(key);
        }
        if owed && !self.rolling.contains(key) {
            self.waiting.insert(key.clone());
        } else {
            self.waiting.remove(key);
        }
        self.fill(at_most);
        self.called.retain(|called| called != key);
        let ahead = self.rolling.iter().chain(&self.found).next().filter(|_| self.waiting.contains(key));
        ahead.map_or(Turn::Ours, |ahead| Turn::After(ahead.clone()))
    }

    /// Gives the turns that are free to those who wait.
    fn fill(&mut self, at_most: NonZeroUsize) {
        while self.rolling.len() + self.found.len() < at_most.get() {
            let Some(next) = self.waiting.pop_first() else { return };
            self.called.push(next.clone());
            self.rolling.insert(next);
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

    const OWED: Upgrade = Upgrade { owed: true, progress: Progress::Through };
    const NOTHING: Upgrade = Upgrade { owed: false, progress: Progress::Through };

    fn at(progress: Progress) -> Upgrade {
        Upgrade { owed: false, progress }
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
    fn a_new_leadership_waits_for_those_that_roll_already() {
        let mut queue = beginning(&["a"]);
        check(&mut queue, 1, &[("b", OWED, Some("a")), ("a", at(Progress::Rolling), None)], &[]);
        check(&mut queue, 1, &[("a", NOTHING, None)], &["b"]);
        let mut more_to_come = beginning(&["a"]);
        let rolling = Upgrade { owed: true, progress: Progress::Rolling };
        check(&mut more_to_come, 1, &[("b", OWED, Some("a")), ("a", rolling, None), ("a", OWED, None)], &[]);
        let mut stuck = beginning(&["a"]);
        check(&mut stuck, 1, &[("b", OWED, Some("a")), ("a", at(Progress::Stuck), None)], &["b"]);
    }
}
