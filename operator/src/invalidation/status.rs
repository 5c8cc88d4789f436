//! How far an Invalidation has come into the status that says so to people, scripts and kstatus.
//!
//! Guarantees: while anything is left to do Reconciling is True; Stalled is True only for one that was given up. A condition's
//! time moves with its status, and once more when a leader first says that there is no such Distribution.

use crds::condition::{ConditionType, Reason};
use crds::invalidation::{InvalidationEdges, SequenceStatus, WaitingFor};
use crds::{Invalidation, InvalidationStatus};
use edge_contract::Sequence;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::conditions::{Verdict, dated};
use crate::invalidation::order;

/// How many edges `waitingFor` names.
const NAMED: usize = 10;

/// How far an order has come on the edges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Edges that may serve.
    pub expected: usize,
    /// Those that have not applied it, in the order of their names.
    pub waiting: Vec<WaitingFor>,
    /// Stored responses that it dropped.
    pub removed: u64,
}

impl Progress {
    /// Whether nobody is waited for.
    pub fn is_complete(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// One that just got its number.
pub fn accepted(invalidation: &Invalidation, sequence: Sequence, now: Timestamp) -> InvalidationStatus {
    let on_it = SequenceStatus { epoch: sequence.epoch.0, number: sequence.number };
    let waits = "the edges are being told";
    InvalidationStatus {
        observed_generation: invalidation.metadata.generation,
        sequence: Some(on_it),
        accepted_at: Some(Time(now)),
        conditions: conditions(
            invalidation,
            now,
            [
                yes(in_the_log(sequence.number)),
                no(Reason::WaitingForEdges, waits),
                Verdict { holds: true, reason: Reason::WaitingForEdges, message: waits.to_owned() },
                no(Reason::Idle, ""),
            ],
        ),
        ..InvalidationStatus::default()
    }
}

/// One that is on its way to the edges, or has arrived everywhere.
pub fn running(invalidation: &Invalidation, progress: &Progress, now: Timestamp) -> InvalidationStatus {
    let before = invalidation.status.clone().unwrap_or_default();
    let number = before.sequence.map_or(0, |sequence| sequence.number);
    let applied = progress.expected.saturating_sub(progress.waiting.len());
    let summary = format!("{applied}/{}", progress.expected);
    let count = |edges: usize| u32::try_from(edges).unwrap_or(u32::MAX);
    let edges = InvalidationEdges { expected: count(progress.expected), acknowledged: count(applied), summary };
    let told = told(progress, applied);
    let (complete, reconciling) = if progress.is_complete() {
        (yes(told), no(Reason::Idle, ""))
    } else {
        let working = Verdict { holds: true, reason: Reason::WaitingForEdges, message: told.clone() };
        (no(Reason::WaitingForEdges, told), working)
    };
    let accepted = yes(in_the_log(number));
    InvalidationStatus {
        observed_generation: invalidation.metadata.generation,
        edges: Some(edges),
        waiting_for: progress.waiting.iter().take(NAMED).cloned().collect(),
        removed: Some(progress.removed),
        completed_at: progress.is_complete().then(|| before.completed_at.clone().unwrap_or(Time(now))),
        conditions: conditions(invalidation, now, [accepted, complete, reconciling, no(Reason::Idle, "")]),
        ..before
    }
}

/// One that waits for its place in the log. This never expires.
pub fn queued(invalidation: &Invalidation, why: &str, now: Timestamp) -> InvalidationStatus {
    let waits = || no(Reason::Queued, why);
    let working = Verdict { holds: true, reason: Reason::Queued, message: why.to_owned() };
    refused(invalidation, conditions(invalidation, now, [waits(), waits(), working, no(Reason::Idle, "")]))
}

/// One that names a Distribution which does not exist.
pub fn missing(invalidation: &Invalidation, now: Timestamp) -> InvalidationStatus {
    let name = &invalidation.spec.distribution_ref.name;
    let why = format!(
        "spec.distributionRef.name: there is no Distribution {name} in this namespace; create it, or delete this Invalidation; it is given up after an hour"
    );
    let fails = || no(Reason::DistributionNotFound, why.clone());
    let working = Verdict { holds: true, reason: Reason::DistributionNotFound, message: why.clone() };
    refused(invalidation, conditions(invalidation, now, [fails(), fails(), working, no(Reason::Idle, "")]))
}

/// One that was refused for an hour.
pub fn expired(invalidation: &Invalidation, now: Timestamp) -> InvalidationStatus {
    let name = &invalidation.spec.distribution_ref.name;
    let why = format!("there was no Distribution {name} for an hour; create this Invalidation again once there is");
    let fails = || no(Reason::Expired, why.clone());
    let stalled = Verdict { holds: true, reason: Reason::Expired, message: why.clone() };
    refused(invalidation, conditions(invalidation, now, [fails(), fails(), no(Reason::Expired, ""), stalled]))
}

/// One that has ended, as of its newest generation: how long it is kept may still change, and nothing else of it does.
pub fn ended(invalidation: &Invalidation) -> InvalidationStatus {
    let mut status = invalidation.status.clone().unwrap_or_default();
    let generation = invalidation.metadata.generation;
    status.observed_generation = generation;
    status.conditions.iter_mut().for_each(|condition| condition.observed_generation = generation);
    status
}

/// A status without a place in the log.
fn refused(invalidation: &Invalidation, conditions: Vec<Condition>) -> InvalidationStatus {
    let observed_generation = invalidation.metadata.generation;
    let sequence = invalidation.status.as_ref().and_then(|status| status.sequence);
    InvalidationStatus { observed_generation, sequence, conditions, ..InvalidationStatus::default() }
}

/// Accepted, Complete, Reconciling and Stalled, in this order.
fn conditions(invalidation: &Invalidation, now: Timestamp, verdicts: [Verdict; 4]) -> Vec<Condition> {
    let mut before = invalidation.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
    // The hour counts from when it was first said, also where it was queued before.
    let newly_missing = verdicts[0].reason == Reason::DistributionNotFound
        && order::refused(invalidation, Reason::DistributionNotFound).is_none();
    before.retain(|condition| !(newly_missing && condition.type_ == ConditionType::Accepted.as_str()));
    let generation = invalidation.metadata.generation.unwrap_or_default();
    let types = [ConditionType::Accepted, ConditionType::Complete, ConditionType::Reconciling, ConditionType::Stalled];
    let dated = |(type_, verdict)| dated(type_, verdict, generation, &before, &Time(now));
    types.into_iter().zip(verdicts).map(dated).collect()
}

fn yes(message: impl Into<String>) -> Verdict {
    Verdict::holds(message)
}

fn no(reason: Reason, message: impl Into<String>) -> Verdict {
    Verdict::fails(reason, message)
}

fn in_the_log(number: u64) -> String {
    format!("it is number {number} of the Distribution's purge log")
}

fn told(progress: &Progress, applied: usize) -> String {
    let expected = progress.expected;
    let mut told = match expected {
        0 => return "no edge runs that could hold content".to_owned(),
        _ if progress.is_complete() => return format!("every edge has applied it: {applied} of {expected}"),
        _ => format!("{applied} of {expected} edges have applied it; waiting for "),
    };
    let names: Vec<String> =
        progress.waiting.iter().take(NAMED).map(|edge| format!("{} ({})", edge.edge, edge.reason)).collect();
    told.push_str(&names.join(", "));
    match progress.waiting.len().saturating_sub(NAMED) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}
