//! Expected pods, what the edges said and what is proved of them into how far each order has come, and who is suspect.

use std::collections::{BTreeMap, HashMap};

use crds::invalidation::WaitingFor;
use edge_contract::SequenceNumber;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::edges::EdgeSeen;
use crate::invalidation::memory::{Memory, Place, Watched};
use crate::invalidation::observed::Observed;
use crate::invalidation::status::Progress;
use crate::invalidation::witness::Suspect;
use crate::pods::is_ready;

/// The edges and pods of one look, by pod uid.
pub struct Sights<'a> {
    epoch: u64,
    memory: &'a Memory,
    edges: HashMap<&'a str, &'a EdgeSeen>,
    pods: HashMap<&'a str, &'a Pod>,
}

impl<'a> Sights<'a> {
    /// What there is to see.
    pub fn new(observed: &'a Observed, memory: &'a Memory) -> Self {
        let uid = |pod: &'a std::sync::Arc<Pod>| Some((pod.metadata.uid.as_deref()?, pod.as_ref()));
        Self {
            epoch: observed.counters().map_or(0, |counters| counters.epoch),
            memory,
            edges: observed.edges.iter().map(|edge| (edge.uid.as_str(), edge)).collect(),
            pods: observed.pods.iter().filter_map(uid).collect(),
        }
    }

    /// How far an order has come; nothing before it is known who must apply it.
    pub fn progress(&self, number: SequenceNumber) -> Option<Progress> {
        let order = self.memory.orders.get(&number).filter(|_| self.memory.epoch() == self.epoch)?;
        let expected = order.expected.as_ref()?;
        let open = expected.iter().filter(|(uid, _)| !self.is_settled(uid, number, order));
        let mut waiting: Vec<_> = open.map(|(uid, place)| self.waiting_for(uid, place)).collect();
        waiting.sort_by(|a, b| a.edge.cmp(&b.edge));
        Some(Progress { expected: expected.len(), waiting, removed: order.removed.values().sum() })
    }

    /// Settled: an acknowledgement from any start of the pod (earlier ones are dead, later ones read later), or proof that all
    /// that began before acceptance is over.
    fn is_settled(&self, uid: &str, number: SequenceNumber, order: &Watched) -> bool {
        let acknowledged = self.edges.get(uid).and_then(|edge| edge.acknowledged.as_ref());
        acknowledged.is_some_and(|at| at.epoch.0 == self.epoch && at.sequence >= number)
            || self.memory.witness.is_over(uid, order.accepted)
    }

    fn waiting_for(&self, uid: &str, place: &Place) -> WaitingFor {
        let reason = match self.edges.get(uid) {
            Some(edge) if edge.connected => "Applying",
            None if self.pods.get(uid).is_some_and(|pod| !is_ready(pod)) => "Starting",
            Some(_) | None => "Unreachable",
        };
        let since = self.memory.silent.get(uid).copied().filter(|_| reason != "Applying").map(Time);
        WaitingFor { edge: place.pod.clone(), since, reason: reason.to_owned() }
    }

    /// The pods that say nothing, and that an order waits for or that are remembered though the watch shows them no more.
    pub fn suspects(&self, observed: &Observed) -> Vec<Suspect> {
        let mut suspects: BTreeMap<&str, Suspect> = BTreeMap::new();
        let silent = |uid: &str| !self.edges.get(uid).is_some_and(|edge| edge.connected);
        let members = observed.status().map_or(&[][..], |status| &status.members);
        for member in members.iter().filter(|member| silent(&member.pod_uid)) {
            if !self.pods.contains_key(member.pod_uid.as_str()) {
                suspects.insert(&member.pod_uid, self.suspect(&member.pod_uid, &member.pod, &member.node, true));
            }
        }
        for (number, order) in &self.memory.orders {
            for (uid, place) in order.expected.iter().flat_map(|expected| expected.iter()) {
                if !silent(uid) || self.is_settled(uid, *number, order) {
                    continue;
                }
                let greeted = self.edges.contains_key(uid.as_str()) || members.iter().any(|it| it.pod_uid == *uid);
                let fresh = || self.suspect(uid, &place.pod, &place.node, greeted);
                let suspect = suspects.entry(uid).or_insert_with(fresh);
                // The oldest order's evidence comes first, and is asked for first: later ones may follow without end.
                suspect.accepted.get_or_insert(order.accepted);
            }
        }
        suspects.into_values().collect()
    }

    fn suspect(&self, uid: &str, pod: &str, node: &str, greeted: bool) -> Suspect {
        let watched = self.pods.contains_key(uid);
        Suspect { uid: uid.into(), pod: pod.into(), node: node.into(), accepted: None, watched, greeted }
    }
}
