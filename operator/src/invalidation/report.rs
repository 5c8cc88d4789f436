//! Progress into the statuses of Invalidations, and into the `contentVersion` that every edge has: the only place that writes
//! them, `accept` aside.
//!
//! Guarantees: nothing is written that stands there already; while an order is under way its status is written twice a second
//! at most, and its end at once. Every write has the version that it was decided on as its precondition, so a leader of old
//! overwrites nothing.

use std::time::Duration;

use crds::distribution::InvalidationCounters;
use crds::{Distribution, Invalidation};
use futures::stream::{StreamExt, iter};
use kube::ResourceExt;
use kube::api::{Api, PostParams};

use super::accept::is_overtaken;
use super::memory::Memory;
use super::observed::{self, Observed};
use super::plan::{Plan, Report};
use super::{content_version, observe, order};
use crate::context::Context;
use crate::counters::{Holder, Log};
use crate::wake::Wake;

/// How long a status that says how far work has come stands at least.
const PAUSE: Duration = Duration::from_millis(500);

/// How many statuses are written at once.
const AT_ONCE: usize = 8;

/// What was attempted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status of an Invalidation.
    #[error("could not write the status of Invalidation {0}")]
    WriteStatus(String, #[source] kube::Error),
    /// The `contentVersion` in the Distribution's status.
    #[error("could not write status.contentVersion")]
    WriteContentVersion(#[source] kube::Error),
    /// What stands, read after a conflict.
    #[error("could not read what stands")]
    Read(#[source] Box<observe::Error>),
}

/// Writes what the plan says; when to look again.
pub async fn report(
    context: &Context,
    observed: &mut Observed,
    memory: &mut Memory,
    plan: Plan,
) -> Result<Wake, Error> {
    let mut wake = plan.due.map_or(Wake::ON_CHANGE, |(at, why)| Wake::at(at, why));
    let mut now = vec![];
    for report in plan.statuses {
        match memory.written.get(order::uid(&report.invalidation)).map(|at| *at + PAUSE) {
            Some(next) if report.in_passing && next > observed.at => {
                wake = wake.or(Wake::at(next, "more progress is to be told"));
            }
            _ => now.push(report),
        }
    }
    let writes = now.into_iter().map(|report| write(context, report));
    for outcome in iter(writes).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await {
        match outcome? {
            Outcome::Same => {}
            Outcome::Written(uid) => drop(memory.written.insert(uid, observed.at)),
            Outcome::Overtaken => wake = wake.or(Wake::at(observed.at, "a status was written by another")),
        }
    }
    if let Some(number) = plan.content_version {
        complete(context, observed, memory, number).await?;
        wake = wake.or(Wake::at(observed.at, "an order of contentVersion is complete"));
    }
    Ok(wake)
}

/// What became of a report.
enum Outcome {
    /// It stands already.
    Same,
    /// It stands now.
    Written(String),
    /// Another write came first; what stands is in the stores.
    Overtaken,
}

async fn write(context: &Context, report: Report) -> Result<Outcome, Error> {
    let Report { invalidation, status, .. } = report;
    if invalidation.status.as_ref() == Some(&status) {
        return Ok(Outcome::Same);
    }
    let (name, namespace) = (invalidation.name_any(), invalidation.namespace().unwrap_or_default());
    let api: Api<Invalidation> = Api::namespaced(context.client.clone(), &namespace);
    let next = Invalidation { status: Some(status), ..(*invalidation).clone() };
    context.metrics.wrote("update", "Invalidation/status");
    match api.replace_status(&name, &PostParams::default(), &next).await {
        Ok(written) => {
            observed::learn(&context.stores, written);
            return Ok(Outcome::Written(order::uid(&invalidation).to_owned()));
        }
        Err(error) if is_overtaken(&error) => {}
        Err(error) => return Err(Error::WriteStatus(name, error)),
    }
    // The watch may be behind; what stands is better learned now than waited for.
    let found = observe::invalidation(&context.client, &namespace, &name).await;
    if let Some(found) = found.map_err(|error| Error::Read(Box::new(error)))? {
        observed::learn(&context.stores, found);
        return Ok(Outcome::Overtaken);
    }
    Ok(Outcome::Same)
}

/// Says that every edge has what the order at this number is for; the number is then no one's, so the floor covers it.
async fn complete(context: &Context, observed: &mut Observed, memory: &Memory, number: u64) -> Result<(), Error> {
    let Some(distribution) = &observed.distribution else { return Ok(()) };
    let mut next = distribution.status.clone().unwrap_or_default();
    content_version::complete(&mut next, observed.own(), number);
    if let Some(counters) = next.invalidation.clone() {
        let holders: Vec<Holder> = observed.invalidations.iter().map(|it| order::holder(it)).collect();
        let floor = Log::new(&counters, observed.own(), &holders).floor(&memory.gone);
        next.invalidation = Some(InvalidationCounters { floor, ..counters });
    }
    let api: Api<Distribution> = Api::namespaced(context.client.clone(), &observed.key.namespace);
    let next = Distribution { status: Some(next), ..(**distribution).clone() };
    context.metrics.wrote("update", "Distribution/status");
    match api.replace_status(&observed.key.name, &PostParams::default(), &next).await {
        Ok(written) => observed.stands(&context.stores, written),
        Err(error) if is_overtaken(&error) => {
            let found = observe::distribution(&context.client, &observed.key).await;
            if let Some(found) = found.map_err(|error| Error::Read(Box::new(error)))? {
                observed.stands(&context.stores, found);
            }
        }
        Err(error) => return Err(Error::WriteContentVersion(error)),
    }
    Ok(())
}
