//! A changed `contentVersion` into the order for `/*` that it owes, kept in the Distribution's own status.
//!
//! Flow: change → noted, with the value and no number → numbered once that generation serves → complete, and the value is
//! `status.contentVersion`. Both wait in `pending` under the Distribution's own uid.
//! Guarantees: every change that was seen makes an order that began after it, a change back to an old value too. One that
//! cannot be sent yet holds no number, so that no Invalidation waits behind a generation that never serves.
//! Assumptions: changes faster than the API shows them are one change.

use crds::condition::ConditionType;
use crds::distribution::{InvalidationCounters, PendingOrder};
use crds::{Distribution, DistributionStatus};
use edge_contract::SequenceNumber;

use crate::counters;

/// How many orders of one Distribution's `contentVersion` are on their way at once; later changes wait noted.
const IN_FLIGHT: usize = 16;

/// The orders that are on their way, oldest first, and what each is for.
pub fn in_flight<'a>(
    counters: &'a InvalidationCounters,
    own: &'a str,
) -> impl Iterator<Item = (SequenceNumber, Option<&'a str>)> {
    let numbered = counters.pending.iter().filter(move |order| order.uid == own && order.sequence > 0);
    numbered.map(|order| (order.sequence, order.content_version.as_deref()))
}

/// Whether every order that the spec's `contentVersion` made is complete.
pub fn is_complete(distribution: &Distribution) -> bool {
    let Some(status) = &distribution.status else { return distribution.spec.content_version.is_none() };
    let own = distribution.metadata.uid.as_deref().unwrap_or_default();
    let waiting = status.invalidation.as_ref().is_some_and(|counters| counters.pending.iter().any(|o| o.uid == own));
    !waiting && status.content_version == distribution.spec.content_version
}

/// Takes the value that a Distribution is created with: nothing was served before it. Where an older status was lost, which
/// the floor shows, something may have been.
pub fn follow(status: &mut DistributionStatus, asked: Option<&str>) {
    let new = status.programmed_generation.is_none() && status.content_version.is_none();
    if new && status.invalidation.as_ref().is_some_and(|counters| counters.floor == 0 && counters.pending.is_empty()) {
        status.content_version = asked.map(ToOwned::to_owned);
    }
}

/// Notes that the spec asks for something else than the newest order is for.
pub fn note(status: &mut DistributionStatus, own: &str, asked: Option<&str>) {
    let Some(counters) = &mut status.invalidation else { return };
    let newest = counters.pending.iter_mut().rfind(|order| order.uid == own);
    let known = newest.as_ref().map_or(status.content_version.as_deref(), |order| order.content_version.as_deref());
    if known == asked {
        return;
    }
    match newest.filter(|order| order.sequence == 0) {
        Some(noted) => noted.content_version = asked.map(ToOwned::to_owned),
        None => counters.pending.push(noted(own, asked)),
    }
}

/// Gives the noted order its number, once what the spec asks for serves everywhere.
pub fn number(status: &mut DistributionStatus, distribution: &Distribution, own: &str) {
    if !serves(distribution) {
        return;
    }
    let Some(counters) = &mut status.invalidation else { return };
    let room = in_flight(counters, own).count() < IN_FLIGHT;
    let Some(at) = counters.pending.iter().position(|order| room && order.uid == own && order.sequence == 0) else {
        return;
    };
    let order = counters.pending.remove(at);
    counters::take(counters, order, true);
}

/// Takes an order, and those before it, as complete.
pub fn complete(status: &mut DistributionStatus, own: &str, number: SequenceNumber) {
    let Some(counters) = &mut status.invalidation else { return };
    let done = |order: &PendingOrder| order.uid == own && (1..=number).contains(&order.sequence);
    if let Some(last) = counters.pending.iter().rfind(|order| done(order)) {
        status.content_version.clone_from(&last.content_version);
    }
    counters.pending.retain(|order| !done(order));
}

/// What is left of the orders when a new epoch begins: one, noted, if any was there. What the edges drop with the old epoch
/// may come back before the generation serves.
pub fn carried(counters: &InvalidationCounters, own: &str) -> Option<PendingOrder> {
    let newest = counters.pending.iter().rfind(|order| order.uid == own)?;
    Some(noted(own, newest.content_version.as_deref()))
}

/// An order that waits for its number.
pub fn noted(own: &str, content_version: Option<&str>) -> PendingOrder {
    let content_version = content_version.map(ToOwned::to_owned);
    PendingOrder { uid: own.to_owned(), name: String::new(), sequence: 0, content_version }
}

/// Whether the newest generation serves on every live edge.
fn serves(distribution: &Distribution) -> bool {
    let generation = distribution.metadata.generation;
    let Some(status) = &distribution.status else { return false };
    let programmed = ConditionType::Programmed.of(&status.conditions);
    status.programmed_generation >= generation
        && programmed.is_some_and(|it| it.status == "True" && it.observed_generation >= generation)
}
