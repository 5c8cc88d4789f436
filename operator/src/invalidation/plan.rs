//! What was observed and remembered into everything this look owes: the log for the edges, statuses, owners, removals.
//!
//! Pure: [`plan`] makes the same of the same, and nothing after it decides anything.

pub mod progress;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crds::condition::Reason;
use crds::distribution::InvalidationCounters;
use crds::{Distribution, Invalidation, InvalidationStatus};
use edge_contract::{Epoch, Head, PurgeOrder, Scope, Sequence, SequenceNumber};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::content_version;
use super::memory::Memory;
use super::observed::Observed;
use super::{order, status};
use crate::counters::{Holder, Log};
use crate::edges::PurgeLog;
use progress::Sights;

/// How long an Invalidation may be refused.
const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// What one look owes.
#[derive(Debug, Default)]
pub struct Plan {
    /// Statuses that are to stand.
    pub statuses: Vec<Report>,
    /// The newest order of the Distribution's `contentVersion` that is complete.
    pub content_version: Option<SequenceNumber>,
    /// Invalidations that do not name the Distribution as their owner yet.
    pub adopt: Vec<Arc<Invalidation>>,
    /// Finished Invalidations whose time is over.
    pub remove: Vec<Arc<Invalidation>>,
    /// Pods that are gone and whose stream is open: an edge that ends has said goodbye before its pod goes.
    pub close: Vec<String>,
    /// Pods that never serve again and are no members any more.
    pub forget: Vec<String>,
    /// When something is due though nothing changes, and what.
    pub due: Option<(Instant, &'static str)>,
}

/// A status that is to stand.
#[derive(Debug)]
pub struct Report {
    /// On which Invalidation.
    pub invalidation: Arc<Invalidation>,
    /// What it says.
    pub status: InvalidationStatus,
    /// Whether it is news of work that goes on, of which a little at a time will do.
    pub in_passing: bool,
}

/// The log that the edges are to follow: what is settled of it, and who may begin to follow it.
pub fn log(observed: &Observed, memory: &Memory) -> Option<PurgeLog> {
    let counters = observed.counters()?;
    let own = observed.own();
    let holders: Vec<Holder> = observed.invalidations.iter().map(|it| order::holder(it)).collect();
    let log = Log::new(counters, own, &holders);
    let epoch = Epoch(counters.epoch);
    let before = memory.served.as_deref().filter(|served| served.epoch == epoch);
    let orders = log.orders().filter_map(|(number, uid)| {
        let known = |served: &PurgeLog| served.orders.binary_search_by_key(&number, |order| order.sequence).ok();
        let known = before.and_then(|served| served.orders.get(known(served)?));
        known.cloned().or_else(|| order_at(observed, Sequence { epoch, number }, uid).map(Arc::new))
    });
    let sequence = log.settled();
    // A flush whose own order cannot be sent yet would drop what is read until then.
    let flush = if counters.flush > sequence { 0 } else { counters.flush };
    let head = Head { epoch, sequence, floor: counters.floor, flush };
    let reached = |from: Sequence| Sequence { epoch, number: sequence }.reaches(from);
    let admitted = memory.admitted.iter().filter(|(_, admission)| reached(admission.from));
    let admitted = admitted.map(|(boot, admission)| (boot.clone(), admission.hello_at)).collect();
    Some(PurgeLog { epoch, orders: orders.collect(), head, admitted })
}

fn order_at(observed: &Observed, at: Sequence, uid: &str) -> Option<PurgeOrder> {
    if uid == observed.own() {
        let scopes = vec![Scope::Everything];
        return Some(PurgeOrder { epoch: at.epoch, sequence: at.number, uid: uid.to_owned(), scopes });
    }
    let holder = observed.invalidations.iter().find(|invalidation| order::uid(invalidation) == uid)?;
    Some(order::purge_order(holder, at))
}

/// The numbers of the orders that are on their way.
pub fn running(observed: &Observed) -> BTreeSet<SequenceNumber> {
    let Some(counters) = observed.counters() else { return BTreeSet::new() };
    let open = observed.invalidations.iter().filter(|invalidation| order::finished_at(invalidation).is_none());
    let numbers = open.filter_map(|invalidation| order::number_in(counters.epoch, invalidation));
    numbers.chain(content_version::in_flight(counters, observed.own()).map(|(number, _)| number)).collect()
}

/// Everything that is owed but the log.
pub fn plan(observed: &Observed, memory: &Memory) -> Plan {
    let mut plan = Plan::default();
    let sights = Sights::new(observed, memory);
    for invalidation in &observed.invalidations {
        if let Some(distribution) = &observed.distribution {
            adopt(&mut plan, distribution, invalidation);
        }
        if order::finished_at(invalidation).is_some() {
            restate(&mut plan, invalidation);
            remove_in_time(&mut plan, observed, invalidation);
        } else if let Some((status, in_passing)) = report(observed, &sights, invalidation) {
            let invalidation = invalidation.clone();
            plan.statuses.push(Report { invalidation, status, in_passing });
        }
        expire_in_time(&mut plan, observed, invalidation);
    }
    let members = observed.status().map_or(&[][..], |status| &status.members);
    let over = |uid: &String| !members.iter().any(|member| member.pod_uid == *uid);
    plan.close = observed.unplaced().map(|edge| edge.uid.clone()).collect();
    plan.forget = memory.witness.stopped().into_iter().filter(over).collect();
    if let Some(counters) = observed.counters() {
        plan.content_version = complete(counters, observed.own(), &sights);
    }
    plan
}

/// The newest order of `contentVersion` that is complete; those before it are too, for they waited for the same edges.
fn complete(counters: &InvalidationCounters, own: &str, sights: &Sights<'_>) -> Option<SequenceNumber> {
    let complete = |number| sights.progress(number).is_some_and(|progress| progress.is_complete());
    content_version::in_flight(counters, own).map(|(number, _)| number).filter(|number| complete(*number)).last()
}

/// What its status should say, and whether it does so in passing; nothing where that is not known yet.
fn report(observed: &Observed, sights: &Sights<'_>, it: &Arc<Invalidation>) -> Option<(InvalidationStatus, bool)> {
    let now = observed.wall;
    if observed.unreadable {
        return Some((
            status::queued(it, "the Distribution cannot be read by this release of the operator", now),
            false,
        ));
    }
    if observed.distribution.is_none() {
        let given_up = refused_until(it).is_some_and(|until| until <= now);
        let status = if given_up { status::expired(it, now) } else { status::missing(it, now) };
        return Some((status, false));
    }
    let counters = observed.counters()?;
    let Some(number) = order::number_in(counters.epoch, it) else {
        let why = "others are on their way: at most 3,000 paths, and 15 with *, are for one Distribution at once";
        return Some((status::queued(it, why, now), false));
    };
    let progress = sights.progress(number)?;
    Some((status::running(it, &progress, now), !progress.is_complete()))
}

fn adopt(plan: &mut Plan, distribution: &Distribution, invalidation: &Arc<Invalidation>) {
    let owner = distribution.metadata.uid.as_deref();
    let mut owners = invalidation.metadata.owner_references.iter().flatten();
    let accepted = order::sequence(invalidation).is_some() && invalidation.metadata.deletion_timestamp.is_none();
    if accepted && !owners.any(|reference| Some(reference.uid.as_str()) == owner) {
        plan.adopt.push(invalidation.clone());
    }
}

/// Says that a finished one is finished in its newest generation too: who waits for it by its generation would wait for ever.
fn restate(plan: &mut Plan, invalidation: &Arc<Invalidation>) {
    let seen = invalidation.status.as_ref().and_then(|status| status.observed_generation);
    if seen != invalidation.metadata.generation {
        let (invalidation, status) = (invalidation.clone(), status::ended(invalidation));
        plan.statuses.push(Report { invalidation, status, in_passing: false });
    }
}

fn remove_in_time(plan: &mut Plan, observed: &Observed, invalidation: &Arc<Invalidation>) {
    let Some(until) = order::kept_until(invalidation) else { return };
    if invalidation.metadata.deletion_timestamp.is_some() {
        return;
    }
    if until <= observed.wall {
        plan.remove.push(invalidation.clone());
    } else {
        plan.wake(observed, until, "a finished Invalidation is to be removed");
    }
}

fn expire_in_time(plan: &mut Plan, observed: &Observed, invalidation: &Invalidation) {
    let Some(until) = refused_until(invalidation) else { return };
    if observed.distribution.is_none() && until > observed.wall {
        plan.wake(observed, until, "a refused Invalidation is to be given up");
    }
}

/// Until when one that was refused may still be taken, counted from when a leader first refused it.
fn refused_until(invalidation: &Invalidation) -> Option<Timestamp> {
    let since = order::refused(invalidation, Reason::DistributionNotFound)?.last_transition_time.0;
    since.checked_add(PATIENCE).ok()
}

impl Plan {
    /// Notes that something is due at this time of day.
    fn wake(&mut self, observed: &Observed, at: Timestamp, why: &'static str) {
        let wait = Duration::try_from(at.duration_since(observed.wall)).unwrap_or_default();
        self.due_at(observed.at + wait, why);
    }

    /// Notes that something is due at this moment.
    pub fn due_at(&mut self, at: Instant, why: &'static str) {
        if self.due.is_none_or(|(due, _)| at < due) {
            self.due = Some((at, why));
        }
    }
}

#[cfg(test)]
mod tests {
    use crds::invalidation::{DistributionReference, InvalidationSpec};

    use super::*;
    use crate::clock;
    use crate::names::DistributionKey;

    fn complete() -> Invalidation {
        let distribution_ref = DistributionReference { name: "shop".into() };
        let spec =
            InvalidationSpec { distribution_ref, paths: vec!["/a".into()], ttl_seconds_after_finished: Some(3_600) };
        let mut invalidation = Invalidation::new("shop-1", spec);
        invalidation.metadata.generate_name = Some("shop-".into());
        invalidation.metadata.generation = Some(1);
        let status = status::running(&invalidation, &status::Progress::default(), clock::wall());
        Invalidation { status: Some(status), ..invalidation }
    }

    fn planned(invalidation: Invalidation) -> Plan {
        let observed = Observed {
            key: DistributionKey::new("default", "shop"),
            distribution: None,
            unreadable: false,
            invalidations: vec![Arc::new(invalidation)],
            pods: vec![],
            edges: vec![],
            at: clock::monotonic(),
            wall: clock::wall(),
        };
        plan(&observed, &Memory::default())
    }

    #[test]
    fn one_that_has_ended_is_not_written_again() {
        assert!(planned(complete()).statuses.is_empty());
    }

    #[test]
    fn one_that_has_ended_is_said_to_have_ended_in_its_newest_generation_too() {
        let mut kept_longer = complete();
        kept_longer.metadata.generation = Some(2);
        let before = kept_longer.status.clone().expect("a status");
        let [Report { status: after, .. }] = &planned(kept_longer).statuses[..] else { panic!("one status is owed") };
        assert_eq!(after.observed_generation, Some(2));
        assert!(after.conditions.iter().all(|condition| condition.observed_generation == Some(2)));
        assert_eq!(after.completed_at, before.completed_at, "it ended when it ended");
        let times = |all: &InvalidationStatus| -> Vec<_> {
            all.conditions.iter().map(|condition| condition.last_transition_time.clone()).collect()
        };
        assert_eq!(times(after), times(&before));
    }
}
