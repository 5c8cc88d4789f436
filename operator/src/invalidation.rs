//! An Invalidation into content that no edge of its Distribution serves any more, and into a status that says so.
//!
//! Flow: observe → accept (numbers) → plan → apply (the log goes to the edges) → plan → report. Run for each Distribution on
//! every change of its Invalidations, of itself, of its pods and of what its edges say.
//! Guarantees: Complete is only said once every pod that may serve content older than acceptance has applied the order or is
//! proved to serve nothing; whichever process dies at whichever write, and with two leaders at once, no number is used twice and
//! none blocks.
//! Assumptions: those of `witness`.
//! Errors: of the API, by step. A conflict means that the look was out of date; the next one begins with what stands.

pub mod accept;
pub mod apply;
pub mod content_version;
pub mod memory;
pub mod observe;
pub mod observed;
pub mod order;
pub mod plan;
pub mod report;
pub mod status;
mod witness;

use crate::context::Context;
use crate::leader::Leadership;
use crate::names::DistributionKey;
use crate::wake::Wake;

/// Which step failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something could not be read.
    #[error("could not observe")]
    Observe(#[from] observe::Error),
    /// A number could not be taken or settled.
    #[error("could not accept")]
    Accept(#[from] accept::Error),
    /// An Invalidation could not be given its owner, or removed.
    #[error("could not apply")]
    Apply(#[from] apply::Error),
    /// A status could not be written.
    #[error("could not report")]
    Report(#[from] report::Error),
}

/// Brings every Invalidation of one Distribution, and its `contentVersion`, as far as they can come now; when to look again.
pub async fn reconcile(context: &Context, key: &DistributionKey) -> Result<Wake, Error> {
    let Leadership::Leading { since } = *context.leadership.borrow() else { return Ok(Wake::ON_CHANGE) };
    let memory = context.orders.of(key);
    let memory = &mut *memory.lock().await;
    memory.enter(since);

    let mut observed = observe::observe(context, key, memory).await?;
    accept::accept(context, &mut observed, memory).await?;
    // Orders are on their way while the API is asked who must apply them.
    apply::serve(context, &observed, memory);
    observe::expect(context, &mut observed, memory).await?;
    apply::serve(context, &observed, memory);

    let plan = plan::plan(&observed, memory);
    let applied = apply::apply(context, &observed, &plan).await;
    // What edges have done is told also where an object could not be given its owner, or not be removed.
    let wake = report::report(context, &mut observed, memory, plan).await?;
    applied?;
    if observed.is_gone() {
        context.orders.forget(key);
    }
    Ok(wake.or(memory.take_wake()))
}

#[cfg(test)]
mod tests;
