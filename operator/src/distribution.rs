//! A Distribution into edges that serve it: observe, resolve, plan, accept, apply, report.
//!
//! Produces: its children, what its edges are told, its status. Everything that it looks at wakes it again (`controllers`).

pub mod accept;
pub mod ailing;
pub mod altered;
pub mod apply;
pub mod observe;
pub mod observed;
pub mod plan;
pub mod report;
pub mod resolve;
pub mod resolved;
pub mod taken;
pub mod taken_numbers;
pub mod told_endpoints;
pub mod told_origins;
pub mod told_shields;
pub mod turns;

use std::time::Duration;

use crate::context::Context;
use crate::names::DistributionKey;
use crate::wake::Wake;
use report::Outcome;

/// Which step failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Looking.
    #[error("could not look at the Distribution")]
    Observe(#[from] observe::ObserveError),
    /// Taking a number for the configuration.
    #[error("could not number the configuration")]
    Accept(#[from] accept::AcceptError),
    /// Writing objects. The status tells of it.
    #[error("could not carry out the plan ({others} more failures)")]
    Apply {
        /// How many more objects could not be written.
        others: usize,
        /// The first one.
        #[source]
        source: crate::server_side_apply::WriteError,
    },
    /// Writing the status.
    #[error("could not report")]
    Report(#[from] report::ReportError),
}

/// Brings the cluster and the edges to what the Distribution asks for, as far as it goes now.
pub async fn reconcile(context: &Context, key: &DistributionKey) -> Result<Wake, Error> {
    let Some(distribution) = context.stores.distributions.find(&key.namespace, &key.name) else {
        forget(context, key);
        return Ok(Wake::ON_CHANGE);
    };
    if distribution.metadata.deletion_timestamp.is_some() {
        context.turns.leave(key);
        // Its children go with it; its edges drain and say goodbye.
        return Ok(Wake::ON_CHANGE);
    }
    let observed = observe::observe(context, distribution).await?;
    let resolution = resolve::resolve(&observed);
    let upgrade = resolution.resolved.as_ref().map(|resolved| plan::upgrade(&observed, resolved)).unwrap_or_default();
    context.turns.enter(&context.leadership.borrow(), &context.stores);
    let turn = context.turns.ask(key, upgrade);
    let Some(resolved) = &resolution.resolved else {
        let outcome = Outcome { observed: &observed, resolution: &resolution, carried_out: None };
        return Ok(report::report(context, outcome).await?);
    };
    let plan = plan::plan(&observed, resolved, &turn);
    let accepted = accept::accept(context, &observed, &plan.configuration).await?;
    let applied = apply::apply(context, &observed, &accepted, plan).await;
    let carried_out = Some((&accepted, &applied));
    let wake = report::report(context, Outcome { observed: &observed, resolution: &resolution, carried_out }).await?;
    let mut failures = applied.failures.into_iter();
    match failures.next() {
        Some(source) => Err(Error::Apply { others: failures.len(), source }),
        // What the API made of an object may count as planned, and then others need not wait for it.
        None if applied.altered => Ok(wake.or(Wake::after(Duration::ZERO, "the API made something else of an object"))),
        None => Ok(wake),
    }
}

/// Kubernetes removes the children of a Distribution that is gone; here only memory is left of it. One that cannot be read
/// is not gone: it serves on.
fn forget(context: &Context, key: &DistributionKey) {
    context.turns.leave(key);
    if context.stores.distributions.unreadable(&key.namespace, &key.name).is_none() {
        context.interests.note(key, std::collections::BTreeSet::new());
        context.altered.forget(key);
        context.told.forget(key);
        context.told_shields.forget(key);
        context.told_origins.forget(key);
        context.taken.forget(key);
        context.edges.forget(key);
    }
}

#[cfg(test)]
mod tests;
