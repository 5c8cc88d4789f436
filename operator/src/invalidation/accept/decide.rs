//! What one look sees of numbers into the next write that they need: the first of the walk's steps that does not stand yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use crds::distribution::{InvalidationCounters, Member, PendingOrder};
use crds::{Distribution, DistributionStatus, Invalidation};
use edge_contract::{Epoch, Sequence};
use kube::ResourceExt;

use crate::counters::{self, Applied, BATCH, Contradiction, Holder, Log, Traces};
use crate::edges::Conflict;
use crate::invalidation::content_version;
use crate::invalidation::observed::Observed;
use crate::invalidation::order::{self, Paths};

/// A write, or a read, that is owed before anything else may happen.
#[derive(Debug)]
pub enum Step {
    /// This status in place of the one that was read.
    Write(Box<DistributionStatus>, &'static str),
    /// A new epoch: this status in place of the one that was read.
    NewEpoch(Box<DistributionStatus>, Contradiction),
    /// These numbers on these Invalidations.
    Record(Vec<(Arc<Invalidation>, Sequence)>),
    /// Whether the Invalidations that took these numbers are still there.
    Ask(Vec<PendingOrder>),
    /// Nothing: every number is settled, nobody waits for one who could have it, and every hello is kept.
    Nothing,
}

/// What is owed first. `epoch` is the next one, should it be needed; `gone` and `stopped` are Invalidations and pods that are
/// proved to be no more.
pub fn next(
    observed: &Observed,
    distribution: &Distribution,
    gone: &BTreeSet<String>,
    stopped: &BTreeSet<String>,
    epoch: Epoch,
) -> Step {
    let status = distribution.status.clone().unwrap_or_default();
    let own = distribution.metadata.uid.as_deref().unwrap_or_default();
    let Some(counters) = &status.invalidation else {
        return Step::Write(Box::new(begun(observed, distribution, epoch)), "the log begins");
    };
    let holders: Vec<Holder> = living(observed, gone).map(|invalidation| order::holder(invalidation)).collect();
    let log = Log::new(counters, own, &holders);
    if let Some(contradiction) = log.contradiction(&applied(observed)) {
        return Step::NewEpoch(Box::new(renewed(&status, own, epoch)), contradiction);
    }
    let (record, ask) = unsettled(observed, counters, &log, gone);
    if !record.is_empty() {
        return Step::Record(record);
    }
    if !ask.is_empty() {
        return Step::Ask(ask);
    }
    let mut next = status.clone();
    let floor = log.floor(gone);
    if let Some(counters) = &mut next.invalidation {
        counters.floor = floor;
    }
    if let Some(members) = counters::members(&status.members, &hellos(observed), stopped) {
        next.members = members;
    }
    content_version::follow(&mut next, distribution.spec.content_version.as_deref());
    content_version::note(&mut next, own, distribution.spec.content_version.as_deref());
    content_version::number(&mut next, distribution, own);
    take(&mut next, own, &queue(observed, counters, gone));
    if next == status { Step::Nothing } else { Step::Write(Box::new(next), "numbers or members changed") }
}

/// The Invalidations that are not known to be gone.
fn living<'a>(observed: &'a Observed, gone: &'a BTreeSet<String>) -> impl Iterator<Item = &'a Arc<Invalidation>> {
    observed.invalidations.iter().filter(|invalidation| !gone.contains(order::uid(invalidation)))
}

/// The first status that holds counters.
fn begun(observed: &Observed, distribution: &Distribution, epoch: Epoch) -> DistributionStatus {
    let status = distribution.status.clone().unwrap_or_default();
    let own = distribution.metadata.uid.as_deref().unwrap_or_default();
    let traces = Traces {
        numbers: observed.invalidations.iter().any(|invalidation| order::sequence(invalidation).is_some())
            || observed.edges.iter().any(|edge| edge.held.is_some()),
        edges: !observed.edges.is_empty() || !observed.pods.is_empty() || !status.members.is_empty(),
        status: status.programmed_generation.is_some(),
    };
    let mut counters = counters::begin(epoch, traces);
    let asked = distribution.spec.content_version.as_deref();
    // Where the status was lost, a change of contentVersion may have been lost with it.
    if (traces.numbers || traces.status) && asked.is_some() {
        counters.pending.push(content_version::noted(own, asked));
    }
    let content_version = if counters.pending.is_empty() { distribution.spec.content_version.clone() } else { None };
    DistributionStatus { invalidation: Some(counters), content_version, ..status }
}

/// The status with a new epoch in it. Who said hello is still there.
fn renewed(status: &DistributionStatus, own: &str, epoch: Epoch) -> DistributionStatus {
    let traces = Traces { numbers: true, ..Traces::default() };
    let mut counters = counters::begin(epoch, traces);
    counters.pending.extend(status.invalidation.as_ref().and_then(|old| content_version::carried(old, own)));
    DistributionStatus { invalidation: Some(counters), ..status.clone() }
}

/// What the edges say they have applied.
fn applied(observed: &Observed) -> Vec<Applied> {
    let said = observed.edges.iter().flat_map(|edge| {
        let contested = edge.conflict.as_ref().map(|conflict| match conflict {
            Conflict::Ahead { edge, .. } | Conflict::OtherOrder { edge, .. } => edge,
        });
        [edge.held.as_ref(), edge.acknowledged.as_ref(), contested].into_iter().flatten()
    });
    let applied = said.map(|position| Applied {
        sequence: Sequence { epoch: position.epoch, number: position.sequence },
        order_uid: position.order_uid.clone(),
    });
    applied.collect()
}

/// The numbers that were taken and do not stand: those to record, and those whose Invalidations are to be asked for.
fn unsettled(
    observed: &Observed,
    counters: &InvalidationCounters,
    log: &Log<'_>,
    gone: &BTreeSet<String>,
) -> (Vec<(Arc<Invalidation>, Sequence)>, Vec<PendingOrder>) {
    let (mut record, mut ask) = (vec![], vec![]);
    for taken in log.unrecorded().filter(|taken| !gone.contains(&taken.uid)) {
        let sequence = Sequence { epoch: Epoch(counters.epoch), number: taken.sequence };
        match living(observed, gone).find(|invalidation| order::uid(invalidation) == taken.uid) {
            Some(invalidation) => record.push((invalidation.clone(), sequence)),
            None => ask.push(taken.clone()),
        }
    }
    (record, ask)
}

/// The edges that are connected, and whose pod is known to run somewhere.
fn hellos(observed: &Observed) -> Vec<Member> {
    let connected = observed.edges.iter().filter(|edge| edge.connected);
    let member = connected.filter_map(|edge| {
        let pod = observed.pods.iter().find(|pod| pod.metadata.uid.as_deref() == Some(&edge.uid))?;
        let node = pod.spec.as_ref()?.node_name.clone()?;
        Some(Member { pod_uid: edge.uid.clone(), pod: edge.pod.clone(), node })
    });
    member.collect()
}

/// The Invalidations whose turn it is, as far as there is room in flight. Nobody overtakes.
fn queue(observed: &Observed, counters: &InvalidationCounters, gone: &BTreeSet<String>) -> Vec<Arc<Invalidation>> {
    let open: Vec<_> =
        living(observed, gone).filter(|invalidation| order::finished_at(invalidation).is_none()).collect();
    let numbered = |invalidation: &Invalidation| order::number_in(counters.epoch, invalidation).is_some();
    let mut in_flight = open.iter().filter(|it| numbered(it)).fold(Paths::default(), |sum, it| sum.and(Paths::of(it)));
    let mut waiting: Vec<_> =
        open.into_iter().filter(|it| !numbered(it) && it.metadata.deletion_timestamp.is_none()).collect();
    waiting.sort_by_key(|invalidation| order::turn(invalidation));
    let fits = |invalidation: &&Arc<Invalidation>| {
        in_flight = in_flight.and(Paths::of(invalidation));
        in_flight.fit()
    };
    waiting.into_iter().take(BATCH).take_while(fits).cloned().collect()
}

/// Gives the queue its numbers. What was pending before is settled, so it is forgotten.
fn take(status: &mut DistributionStatus, own: &str, queue: &[Arc<Invalidation>]) {
    let Some(counters) = status.invalidation.as_mut().filter(|_| !queue.is_empty()) else { return };
    counters::forget_settled(counters, own);
    for invalidation in queue {
        let taken = PendingOrder {
            uid: order::uid(invalidation).to_owned(),
            name: invalidation.name_any(),
            ..PendingOrder::default()
        };
        counters::take(counters, taken, order::flushes(invalidation));
    }
}
