//! Numbers for Invalidations, a place among the members for every hello: what must stand in the API before anything that
//! relies on it is sent.
//!
//! Flow: [`decide::next`] → one write or read → what stands now → again, until nothing is owed.
//! Guarantees: every write has as its precondition the version that it was decided on, so it either follows from what stands or
//! does nothing. A write whose answer was lost is found as any other write that stands.
//! Errors: of the API. Conflicts are no errors: what stands is read, and the next step decided on that.

pub mod decide;

use std::sync::Arc;

use crds::distribution::PendingOrder;
use crds::{Distribution, DistributionStatus, Invalidation, InvalidationStatus};
use edge_contract::Sequence;
use futures::stream::{StreamExt, iter};
use kube::ResourceExt;
use kube::api::{Api, PostParams};

use super::memory::Memory;
use super::observe;
use super::observed::Observed;
use super::{order, plan, status};
use crate::context::Context;
use crate::dice;
use decide::Step;

/// How many steps one look may take: enough for an epoch, a few batches and some conflicts.
const STEPS: usize = 16;

/// How many Invalidations are written at once.
const AT_ONCE: usize = 8;

/// What was attempted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine gave no randomness.
    #[error("could not draw an epoch")]
    DrawEpoch(#[source] getrandom::Error),
    /// The counters or members.
    #[error("could not write the counters into the Distribution's status")]
    WriteCounters(#[source] kube::Error),
    /// A number on its Invalidation.
    #[error("could not record a number on Invalidation {0}")]
    RecordNumber(String, #[source] kube::Error),
    /// What stands, read after a conflict.
    #[error("could not read what stands")]
    Read(#[source] Box<observe::Error>),
}

/// Settles every number, keeps every hello, and gives numbers to those whose turn it is. What takes more than a few steps is
/// left to the next look, so that a burst of Invalidations keeps nobody from what is settled.
pub async fn accept(context: &Context, observed: &mut Observed, memory: &mut Memory) -> Result<(), Error> {
    for _ in 0..STEPS {
        let Some(distribution) = observed.distribution.clone() else { break };
        let epoch = dice::epoch().map_err(Error::DrawEpoch)?;
        let stopped = memory.witness.stopped();
        match decide::next(observed, &distribution, &memory.gone, &stopped, epoch) {
            Step::Nothing => {
                watch(observed, memory);
                return Ok(());
            }
            Step::Write(next, why) => {
                tracing::debug!(key = %observed.key, why, "writing counters");
                write(context, observed, &distribution, *next).await?;
            }
            Step::NewEpoch(next, why) => {
                tracing::warn!(key = %observed.key, %why, epoch = epoch.0, "the purge log's numbers were lost: a new epoch");
                write(context, observed, &distribution, *next).await?;
            }
            Step::Record(numbers) => record(context, observed, numbers).await?,
            Step::Ask(pending) => ask(context, observed, memory, pending).await?,
        }
    }
    watch(observed, memory);
    if observed.distribution.is_some() {
        memory.wake(Some(observed.at), "more numbers are to be given");
    }
    Ok(())
}

/// Takes up the orders whose number stands.
fn watch(observed: &Observed, memory: &mut Memory) {
    let Some(counters) = observed.counters() else { return };
    memory.watch(counters.epoch, &plan::running(observed), crate::clock::monotonic());
}

/// Puts this status in the place of the one that was read. If another one stands there, that one is what was observed.
async fn write(
    context: &Context,
    observed: &mut Observed,
    before: &Distribution,
    next: DistributionStatus,
) -> Result<(), Error> {
    let api: Api<Distribution> = Api::namespaced(context.client.clone(), &observed.key.namespace);
    let next = Distribution { status: Some(next), ..before.clone() };
    context.metrics.wrote("update", "Distribution/status");
    match api.replace_status(&observed.key.name, &PostParams::default(), &next).await {
        Ok(written) => observed.stands(&context.stores, written),
        Err(error) if is_overtaken(&error) => reread(context, observed).await?,
        Err(error) => return Err(Error::WriteCounters(error)),
    }
    Ok(())
}

/// Reads the Distribution anew.
async fn reread(context: &Context, observed: &mut Observed) -> Result<(), Error> {
    let found = observe::distribution(&context.client, &observed.key).await;
    match found.map_err(|error| Error::Read(Box::new(error)))? {
        Some(found) => observed.stands(&context.stores, found),
        None => observed.distribution = None,
    }
    Ok(())
}

/// Writes numbers on the Invalidations that took them.
async fn record(
    context: &Context,
    observed: &mut Observed,
    numbers: Vec<(Arc<Invalidation>, Sequence)>,
) -> Result<(), Error> {
    let now = observed.wall;
    let writes = numbers.into_iter().map(async |(invalidation, sequence)| {
        let accepted = status::accepted(&invalidation, sequence, now);
        write_invalidation(context, &invalidation, accepted).await
    });
    let written: Vec<_> = iter(writes).buffer_unordered(AT_ONCE).collect().await;
    for outcome in written {
        match outcome? {
            Written::Stands(invalidation) => observed.knows(&context.stores, *invalidation),
            Written::Gone(uid) => observed.invalidations.retain(|it| order::uid(it) != uid),
        }
    }
    Ok(())
}

/// What became of a write.
enum Written {
    /// This stands now, whoever wrote it.
    Stands(Box<Invalidation>),
    /// It was not found under its name: whether it is gone for certain is asked apart.
    Gone(String),
}

async fn write_invalidation(
    context: &Context,
    invalidation: &Invalidation,
    next: InvalidationStatus,
) -> Result<Written, Error> {
    let (name, namespace) = (invalidation.name_any(), invalidation.namespace().unwrap_or_default());
    let api: Api<Invalidation> = Api::namespaced(context.client.clone(), &namespace);
    let next = Invalidation { status: Some(next), ..invalidation.clone() };
    context.metrics.wrote("update", "Invalidation/status");
    match api.replace_status(&name, &PostParams::default(), &next).await {
        Ok(written) => return Ok(Written::Stands(Box::new(written))),
        Err(error) if is_overtaken(&error) => {}
        Err(error) => return Err(Error::RecordNumber(name, error)),
    }
    let found = observe::invalidation(&context.client, &namespace, &name).await;
    let found = found.map_err(|error| Error::Read(Box::new(error)))?;
    let same = found.filter(|found| order::uid(found) == order::uid(invalidation));
    Ok(same
        .map_or_else(|| Written::Gone(order::uid(invalidation).to_owned()), |found| Written::Stands(Box::new(found))))
}

/// Asks whether the Invalidations that took these numbers are still there. The numbers were read before, so one that is not
/// found now never gets its number.
async fn ask(
    context: &Context,
    observed: &mut Observed,
    memory: &mut Memory,
    pending: Vec<PendingOrder>,
) -> Result<(), Error> {
    let namespace = observed.key.namespace.clone();
    let reads = pending.into_iter().map(async |taken| {
        let found = observe::invalidation(&context.client, &namespace, &taken.name).await?;
        Ok((taken.uid.clone(), found.filter(|found| order::uid(found) == taken.uid)))
    });
    let found: Vec<Result<_, observe::Error>> = iter(reads).buffer_unordered(AT_ONCE).collect().await;
    for outcome in found {
        match outcome.map_err(|error| Error::Read(Box::new(error)))? {
            (_, Some(invalidation)) => observed.knows(&context.stores, invalidation),
            (uid, None) => drop(memory.gone.insert(uid)),
        }
    }
    Ok(())
}

/// Whether another write came first, or the object went: 409, or 404.
pub(super) fn is_overtaken(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 || status.code == 404)
}
