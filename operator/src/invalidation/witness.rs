//! What was seen of pods, Nodes and their Leases into proof that a pod serves nothing any more.
//!
//! Flow: [`Suspect`]s → [`Witness::due`] → reads of the API → [`Sighting`]s → [`Witness::learn`] → [`Witness::is_over`].
//! Guarantees: the clock of a node is never compared with ours. "Renewed after a moment" means that a read which began after
//! that moment still showed the old renewal and a later one showed another. Container ids, start times and phases prove nothing.
//! Assumptions, which the documentation names: a Node that was removed or is tainted out-of-service runs nothing; a kubelet that
//! renews its Lease has reported its pods as they were [`REPORTED`] before; a pod that is gone has ended after its grace period
//! (that of our own template where this leader never saw it: users cannot set it) and [`ENDED`] if its kubelet renews; a pod
//! that went before it ever said hello, and that no `EndpointSlice` holds, serves nobody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::objects::pod::LONGEST_GRACE;

/// How much older than its node's renewal what a kubelet reports of a pod may be.
const REPORTED: Duration = Duration::from_secs(20);

/// How long after its grace period a removed pod has ended for certain, where its kubelet renews.
const ENDED: Duration = Duration::from_mins(1);

/// How long a silent edge may take to call again before anybody asks its Node what became of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often anything is asked. Kubelets renew every 10 s.
const POLL: Duration = Duration::from_secs(5);

/// A pod that may serve and says nothing, and that is waited for: by an order, or only to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Its uid.
    pub uid: String,
    /// Its name.
    pub pod: String,
    /// Where it runs, or ran.
    pub node: String,
    /// When the oldest order that waits for it was accepted; nothing where none does.
    pub accepted: Option<Instant>,
    /// Whether the watch shows it.
    pub watched: bool,
    /// Whether it ever said hello.
    pub greeted: bool,
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Probe {
    /// The pod itself.
    Pod {
        /// Its uid.
        uid: String,
        /// Its name.
        pod: String,
    },
    /// A Node and its Lease.
    Node(String),
    /// The `EndpointSlices` of the Distribution's Service.
    Endpoints,
}

/// What a consistent read showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// A pod: whether its kubelet reports a container that runs; nothing if there is no pod of that uid.
    Pod {
        /// Which.
        uid: String,
        /// Whether anything runs.
        runs: Option<bool>,
    },
    /// A Node.
    Node {
        /// Which.
        node: String,
        /// When its Lease was renewed last, in its own words; nothing where there is no Lease.
        renewal: Option<String>,
        /// Whether it is there and not tainted out-of-service.
        in_service: bool,
    },
    /// The uids of the pods that `EndpointSlices` hold.
    Endpoints(BTreeSet<String>),
}

#[derive(Debug, Default)]
struct Pod {
    node: String,
    greeted: bool,
    grace: Option<Duration>,
    /// Since when it was seen to be deleted or to have failed: its kubelet starts nothing in it any more.
    ending: Option<Instant>,
    /// Since when a read finds none of its uid.
    absent: Option<Instant>,
    asked: Option<Instant>,
    /// What started before this moment is over.
    idle: Option<Instant>,
    /// All of it is over, for good.
    over: bool,
}

#[derive(Debug, Default)]
struct Node {
    asked: Option<Instant>,
    /// The renewal that was seen last.
    renewal: Option<String>,
    /// It renewed after this moment,
    renewed: Option<Instant>,
    /// as was known at this one.
    known: Option<Instant>,
}

/// What one leader has seen. Losing it costs only time.
#[derive(Debug, Default)]
pub struct Witness {
    pods: HashMap<String, Pod>,
    nodes: HashMap<String, Node>,
}

impl Witness {
    /// Notes a pod that the watch shows: how long it may take to end, and whether it is being deleted or has failed.
    pub fn see(&mut self, uid: &str, grace: Option<Duration>, ending: bool, now: Instant) {
        let pod = self.pods.entry(uid.to_owned()).or_default();
        pod.grace = grace.or(pod.grace);
        if ending {
            pod.ending.get_or_insert(now);
        }
    }

    /// Notes a goodbye of its newest start. It speaks for all later ones too if the pod was ending before it was said.
    pub fn hear_goodbye(&mut self, uid: &str, at: Instant) {
        let pod = self.pods.entry(uid.to_owned()).or_default();
        pod.idle = pod.idle.max(Some(at));
        pod.over |= pod.ending.is_some_and(|ending| ending < at);
    }

    /// Notes that it speaks: whatever was believed of it, it is there.
    pub fn hear(&mut self, uid: &str) {
        if let Some(pod) = self.pods.get_mut(uid) {
            let Pod { grace, ending, .. } = *pod;
            *pod = Pod { greeted: true, grace, ending, ..Pod::default() };
        }
    }

    /// Whether every start of the pod before `moment` is over.
    pub fn is_over(&self, uid: &str, moment: Instant) -> bool {
        self.pods.get(uid).is_some_and(|pod| pod.over || pod.idle >= Some(moment))
    }

    /// The pods that never serve again.
    pub fn stopped(&self) -> BTreeSet<String> {
        self.pods.iter().filter(|(_, pod)| pod.over).map(|(uid, _)| uid.clone()).collect()
    }

    /// Forgets the pods that nobody asks about, and their nodes.
    pub fn keep_only(&mut self, uids: &BTreeSet<String>) {
        self.pods.retain(|uid, _| uids.contains(uid));
        let nodes: BTreeSet<&str> = self.pods.values().map(|pod| pod.node.as_str()).collect();
        self.nodes.retain(|node, _| nodes.contains(node.as_str()));
    }

    /// What to read now about these, and when to ask again at the latest.
    pub fn due(&mut self, suspects: &[Suspect], now: Instant) -> (Vec<Probe>, Option<Instant>) {
        let mut dues: BTreeMap<Probe, Instant> = BTreeMap::new();
        for suspect in suspects {
            let pod = self.pods.entry(suspect.uid.clone()).or_default();
            pod.node.clone_from(&suspect.node);
            pod.greeted |= suspect.greeted;
            let Some((probe, at)) = self.question(suspect, now) else { continue };
            let due = dues.entry(probe).or_insert(at);
            *due = at.min(*due);
        }
        let later = dues.values().map(|at| *at.max(&(now + POLL))).min();
        (dues.into_iter().filter(|(_, at)| *at <= now).map(|(probe, _)| probe).collect(), later)
    }

    /// What is to be known next about a suspect, and from when on it makes sense to ask.
    fn question(&self, suspect: &Suspect, now: Instant) -> Option<(Probe, Instant)> {
        let pod = self.pods.get(&suspect.uid)?;
        let node = self.nodes.get(&suspect.node);
        let again = |asked: Option<Instant>, first: Instant| asked.map_or(first, |asked| first.max(asked + POLL));
        let itself = Probe::Pod { uid: suspect.uid.clone(), pod: suspect.pod.clone() };
        let its_node = |first| (Probe::Node(suspect.node.clone()), again(node.and_then(|node| node.asked), first));
        if pod.over || suspect.accepted.is_some_and(|accepted| pod.idle >= Some(accepted)) {
            return None;
        }
        if let Some(absent) = pod.absent {
            let endpoints = (Probe::Endpoints, again(pod.asked.filter(|asked| *asked > absent), now));
            return Some(if suspect.greeted { its_node(absent + PATIENCE) } else { endpoints });
        }
        if !suspect.watched {
            return Some((itself, again(pod.asked, now)));
        }
        let accepted = suspect.accepted?;
        let fresh = node.is_some_and(|node| node.renewed >= Some(accepted + REPORTED));
        Some(if fresh {
            (itself, again(pod.asked.filter(|at| node.is_some_and(|node| node.known < Some(*at))), now))
        } else {
            its_node(accepted + PATIENCE)
        })
    }

    /// Takes what a read showed that began and ended at these moments.
    pub fn learn(&mut self, sighting: Sighting, began: Instant, ended: Instant) {
        match sighting {
            Sighting::Pod { uid, runs } => self.learn_pod(&uid, runs, began),
            Sighting::Node { node, renewal, in_service } => {
                self.learn_renewal(&node, renewal, began, ended);
                self.learn_node(&node, in_service, began);
            }
            Sighting::Endpoints(held) => {
                let unseen = |uid: &str, pod: &Pod| !pod.greeted && pod.absent < Some(began) && !held.contains(uid);
                for (uid, pod) in &mut self.pods {
                    pod.over |= pod.absent.is_some() && unseen(uid, pod);
                    pod.asked = pod.asked.max(pod.absent.map(|_| began));
                }
            }
        }
    }

    fn learn_pod(&mut self, uid: &str, runs: Option<bool>, began: Instant) {
        let Some(pod) = self.pods.get_mut(uid) else { return };
        pod.asked = Some(began);
        let Some(runs) = runs else {
            pod.absent.get_or_insert(began);
            return;
        };
        // The watch was behind: it is there after all.
        pod.absent = None;
        let node = self.nodes.get(&pod.node).filter(|node| node.known < Some(began));
        let Some(reported) = node.and_then(|node| node.renewed?.checked_sub(REPORTED)) else { return };
        if !runs {
            pod.idle = pod.idle.max(Some(reported));
            pod.over |= pod.ending.is_some_and(|ending| ending <= reported);
        }
    }

    fn learn_renewal(&mut self, node: &str, renewal: Option<String>, began: Instant, ended: Instant) {
        let node = self.nodes.entry(node.to_owned()).or_default();
        if renewal.is_some() && node.renewal.is_some() && renewal != node.renewal {
            node.renewed = node.asked;
            node.known = Some(ended);
        }
        node.asked = Some(began);
        node.renewal = renewal.or(node.renewal.take());
    }

    fn learn_node(&mut self, node: &str, in_service: bool, began: Instant) {
        let renewed = self.nodes.get(node).and_then(|node| node.renewed);
        for pod in self.pods.values_mut().filter(|pod| pod.node == node) {
            if !in_service {
                pod.idle = pod.idle.max(Some(began));
                pod.over |= pod.absent.is_some_and(|absent| absent <= began);
            }
            let ends = pod.absent.map(|absent| absent + pod.grace.unwrap_or(LONGEST_GRACE) + ENDED);
            pod.over |= ends.is_some() && renewed >= ends;
        }
    }
}

#[cfg(test)]
mod tests;
