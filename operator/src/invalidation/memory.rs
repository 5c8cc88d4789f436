//! What one leader remembers of a Distribution's orders from one look to the next; losing all of it costs only time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use edge_contract::{Sequence, SequenceNumber};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::observed::Observed;
use super::witness::Witness;
use crate::edges::{EdgeSeen, PurgeLog};
use crate::names::DistributionKey;
use crate::wake::Wake;

/// The memories of all Distributions.
#[derive(Debug, Default)]
pub struct Memories {
    by_key: Mutex<HashMap<DistributionKey, Arc<tokio::sync::Mutex<Memory>>>>,
}

/// What is remembered of one Distribution while this process leads.
#[derive(Debug, Default)]
pub struct Memory {
    /// The leadership that all of this is of.
    term: Option<Instant>,
    /// The epoch that `orders` and `admitted` are of.
    epoch: u64,
    /// Orders that have their number and are not complete.
    pub orders: BTreeMap<SequenceNumber, Watched>,
    /// Starts of edges that may get their first head, by boot id.
    pub admitted: BTreeMap<String, Admission>,
    /// Uids of Invalidations that a consistent read no longer found.
    pub gone: BTreeSet<String>,
    /// What was seen of pods that say nothing.
    pub witness: Witness,
    /// Since when edges are silent, by pod uid: for people.
    pub silent: HashMap<String, Timestamp>,
    /// When each status was written last, by uid.
    pub written: HashMap<String, Instant>,
    /// The log that the edges follow.
    pub served: Option<Arc<PurgeLog>>,
    /// When the next look is due though nothing changes.
    due: Option<Wake>,
}

/// An order on its way.
#[derive(Debug)]
pub struct Watched {
    /// When its number was first seen to stand on its object: it was accepted before.
    pub accepted: Instant,
    /// Who must apply it, by pod uid, once pods were listed after that.
    pub expected: Option<Arc<Expected>>,
    /// How many stored responses it dropped, by pod uid.
    pub removed: BTreeMap<String, u64>,
}

/// Pods that may serve, by uid.
pub type Expected = BTreeMap<String, Place>;

/// A pod and where it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub pod: String,
    /// Its Node.
    pub node: String,
}

/// The hello of a start that may get its first head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// When that hello arrived: another stream of the same start asks anew.
    pub hello_at: Instant,
    /// No head below this one is its first.
    pub from: Sequence,
}

impl Memories {
    /// What is remembered of this one.
    pub fn of(&self, key: &DistributionKey) -> Arc<tokio::sync::Mutex<Memory>> {
        self.by_key.lock().entry(key.clone()).or_default().clone()
    }

    /// Forgets a Distribution that nothing is left of.
    pub fn forget(&self, key: &DistributionKey) {
        self.by_key.lock().remove(key);
    }
}

impl Memory {
    /// Forgets all if this is another leadership: what happened between the two was not seen.
    pub fn enter(&mut self, term: Instant) {
        if self.term != Some(term) {
            *self = Self { term: Some(term), ..Self::default() };
        }
    }

    /// Takes up the orders that have a number of this epoch and are not complete.
    pub fn watch(&mut self, epoch: u64, running: &BTreeSet<SequenceNumber>, now: Instant) {
        if self.epoch != epoch {
            self.orders.clear();
            self.admitted.clear();
            self.epoch = epoch;
        }
        self.orders.retain(|number, _| running.contains(number));
        for number in running {
            let fresh = || Watched { accepted: now, expected: None, removed: BTreeMap::new() };
            self.orders.entry(*number).or_insert_with(fresh);
        }
    }

    /// The epoch that the orders are of.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Takes what a look saw of pods and edges.
    pub fn take_in(&mut self, observed: &Observed) {
        for pod in &observed.pods {
            let Some(uid) = &pod.metadata.uid else { continue };
            let grace = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
            let grace = grace.max(pod.metadata.deletion_grace_period_seconds);
            let grace = grace.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            let ending = pod.metadata.deletion_timestamp.is_some() || matches!(phase, Some("Failed" | "Succeeded"));
            self.witness.see(uid, grace, ending, observed.at);
        }
        for edge in &observed.edges {
            self.take_in_edge(edge, observed);
        }
        self.forget_pods(observed);
    }

    fn take_in_edge(&mut self, edge: &EdgeSeen, observed: &Observed) {
        for (number, order) in &mut self.orders {
            if let Some(removed) = edge.removed.get(number) {
                order.removed.insert(edge.uid.clone(), *removed);
            }
        }
        if edge.connected {
            self.witness.hear(&edge.uid);
            self.silent.remove(&edge.uid);
            return;
        }
        let ago = jiff::SignedDuration::try_from(observed.at.duration_since(edge.heard_at)).unwrap_or_default();
        let since = observed.wall - ago;
        // The API keeps whole seconds: anything finer would look like a change.
        let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
        self.silent.entry(edge.uid.clone()).or_insert(since);
        // A goodbye of an earlier start than the newest says nothing of the newest.
        if let Some(goodbye) = edge.goodbye.as_ref().filter(|goodbye| goodbye.boot_id == edge.boot_id) {
            self.witness.hear_goodbye(&edge.uid, goodbye.at);
        }
    }

    fn forget_pods(&mut self, observed: &Observed) {
        let members = observed.status().map_or(&[][..], |status| &status.members);
        let expected = self.orders.values().flat_map(|order| order.expected.iter().flat_map(|all| all.keys()));
        let mut asked_about: BTreeSet<String> = expected.cloned().collect();
        asked_about.extend(observed.pods.iter().filter_map(|pod| pod.metadata.uid.clone()));
        asked_about.extend(observed.edges.iter().map(|edge| edge.uid.clone()));
        asked_about.extend(members.iter().map(|member| member.pod_uid.clone()));
        self.witness.keep_only(&asked_about);
        self.silent.retain(|uid, _| asked_about.contains(uid));
        // A start that was followed by another one never calls again.
        let starts: BTreeSet<&str> = observed.edges.iter().map(|edge| edge.boot_id.as_str()).collect();
        self.admitted.retain(|boot, _| starts.contains(boot.as_str()));
    }

    /// Takes who must apply the orders that were accepted before the list began.
    pub fn expect(&mut self, expected: &Arc<Expected>, began: Instant) {
        let unlisted = self.orders.values_mut().filter(|order| order.expected.is_none() && order.accepted <= began);
        unlisted.for_each(|order| order.expected = Some(expected.clone()));
    }

    /// Notes that a look is due then.
    pub fn wake(&mut self, at: Option<Instant>, why: &'static str) {
        let at = at.map(|at| Wake::at(at, why));
        self.due = match (self.due.take(), at) {
            (Some(one), Some(other)) => Some(one.or(other)),
            (one, other) => one.or(other),
        };
    }

    /// When a look is due, asked once.
    pub fn take_wake(&mut self) -> Wake {
        self.due.take().unwrap_or(Wake::ON_CHANGE)
    }

    /// Lets the starts whose hello arrived before `read`, and whose pod was kept by then, have heads from `from` on.
    pub fn admit<'a>(&mut self, starts: impl Iterator<Item = &'a EdgeSeen>, read: Instant, from: Sequence) {
        for edge in starts.filter(|edge| edge.hello_at < read) {
            self.admitted.insert(edge.boot_id.clone(), Admission { hello_at: edge.hello_at, from });
        }
    }

    /// Whether this very hello was admitted.
    pub fn has_admitted(&self, edge: &EdgeSeen) -> bool {
        self.admitted.get(&edge.boot_id).is_some_and(|admission| admission.hello_at == edge.hello_at)
    }
}
