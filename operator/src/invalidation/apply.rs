//! The plan into the edges' log, closed streams, owners and removals.

use std::sync::Arc;

use futures::stream::{StreamExt, iter};

use super::memory::Memory;
use super::observed::Observed;
use super::plan::{Plan, log};
use crate::context::Context;
use crate::server_side_apply::WriteError;

/// How many objects are written at once.
const AT_ONCE: usize = 8;

/// What was attempted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Distribution as an Invalidation's owner.
    #[error("could not name the owner of an Invalidation")]
    Adopt(#[source] WriteError),
    /// A finished Invalidation whose time is over.
    #[error("could not remove a finished Invalidation")]
    Remove(#[source] WriteError),
}

/// Has the edges follow the log as it stands now. It is said at every look, because what was wanted of edges is forgotten when
/// their Distribution is away for a moment.
pub fn serve(context: &Context, observed: &Observed, memory: &mut Memory) {
    let Some(log) = log(observed, memory) else { return };
    let log = Arc::new(log);
    context.edges.serve_log(&observed.key, log.clone());
    memory.served = Some(log);
}

/// Carries out what the plan says of objects, all of it: one that fails holds up no other. An object that went meanwhile needs
/// nothing.
pub async fn apply(context: &Context, observed: &Observed, plan: &Plan) -> Result<(), Error> {
    plan.close.iter().for_each(|uid| context.edges.close(&observed.key, uid));
    let silent = observed.edges.iter().filter(|edge| !edge.connected && plan.forget.contains(&edge.uid));
    silent.for_each(|edge| context.edges.forget_edge(&observed.key, &edge.uid));
    let mut outcomes = Vec::new();
    if let Some(distribution) = &observed.distribution {
        let adoptions = plan.adopt.iter().map(async |invalidation| {
            match context.writer.own(invalidation.as_ref(), distribution.as_ref()).await {
                Ok(adopted) => context.stores.invalidations.learn(adopted),
                Err(error) if super::accept::is_overtaken(error.cause()) => {}
                Err(error) => return Err(Error::Adopt(error)),
            }
            Ok(())
        });
        outcomes.extend(iter(adoptions).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
    }
    let removals = plan
        .remove
        .iter()
        .map(async |invalidation| context.writer.delete(invalidation.as_ref()).await.map_err(Error::Remove));
    outcomes.extend(iter(removals).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
    outcomes.into_iter().collect()
}
