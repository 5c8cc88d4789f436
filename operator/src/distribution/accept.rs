//! A configuration into the number under which it goes out: the only place that takes one.
//!
//! Flow: the counters of the status, what the `ConfigMap` holds, what edges accepted → [`Next`] → one write of the status.
//! Guarantees: the number stands in the API before anything bearing it is written or sent, and names one configuration: two
//! leaders cannot both take it, because the write has the observed resourceVersion as its precondition. Counters that are behind
//! what is out there were lost, and begin a new epoch.
//! Errors: a conflict means that somebody wrote meanwhile: look again.

use std::sync::Arc;

use crds::distribution::{Distribution, DistributionStatus, InvalidationCounters};
use edge_contract::Epoch;
use kube::ResourceExt;
use kube::api::{Api, PostParams};

use crate::child::is_owned;
use crate::context::Context;
use crate::counters::{Traces, begin};
use crate::distribution::observed::Observed;
use crate::distribution::plan::Configuration;
use crate::distribution::taken_numbers::Number;
use crate::invalidation::content_version;
use crate::names::{self, key_of};
use crate::objects::config_map;
use crate::table::Group;
use crate::{dice, slim};

/// A configuration has its number.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The Distribution, with the number in its status.
    pub distribution: Arc<Distribution>,
    /// The number.
    pub number: Number,
}

/// What was attempted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The machine gave no randomness.
    #[error("could not begin an epoch")]
    BeginEpoch(#[source] getrandom::Error),
    /// The number could not be written into the status.
    #[error("could not write configRevision {revision} into the status")]
    TakeRevision {
        /// The revision.
        revision: u64,
        /// What the API said.
        #[source]
        source: Box<kube::Error>,
    },
}

/// What becomes of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// This configuration has this number.
    Keep(Number),
    /// It needs the next one.
    Take,
    /// The counters were lost, or there are none yet.
    Begin,
}

/// What there is to decide on.
#[derive(Clone, Debug, Default)]
struct Known {
    counters: Option<(Epoch, u64)>,
    /// The number of this very configuration, if it was given one.
    own: Option<Number>,
    /// Every other number that is out there.
    out_there: Vec<Number>,
}

/// Gives the configuration its number, unless it has one.
pub async fn accept(
    context: &Context,
    observed: &Observed,
    configuration: &Configuration,
) -> Result<Accepted, AcceptError> {
    let distribution = &observed.distribution;
    let key = &configuration.resolved.key;
    let mut status = distribution.status.clone().unwrap_or_default();
    let counters = match next(&known(context, observed, configuration, &status)) {
        Next::Keep(number) => return Ok(Accepted { distribution: distribution.clone(), number }),
        Next::Take => status.invalidation.clone().unwrap_or_default(),
        Next::Begin => {
            let epoch = dice::epoch().map_err(AcceptError::BeginEpoch)?;
            let mut counters = begin(epoch, traces(context, observed, &status));
            // An order of contentVersion that is not complete is owed in the new epoch too.
            let own = distribution.metadata.uid.as_deref().unwrap_or_default();
            counters.pending.extend(status.invalidation.as_ref().and_then(|old| content_version::carried(old, own)));
            counters
        }
    };
    let begins = status.invalidation.as_ref().is_none_or(|before| before.epoch != counters.epoch);
    let number = (Epoch(counters.epoch), status.config_revision.unwrap_or_default() + 1);
    status.config_revision = Some(number.1);
    status.invalidation = Some(counters);
    let distribution = write(context, distribution, status, number.1).await?;
    if begins {
        tracing::info!(%key, epoch = number.0.0, "a new epoch began");
    }
    context.taken.note(key, &configuration.fingerprint, number);
    Ok(Accepted { distribution, number })
}

fn next(known: &Known) -> Next {
    let Some((epoch, revision)) = known.counters else { return Next::Begin };
    let is_ahead = |number: &Number| number.0 == epoch && number.1 > revision;
    if known.own.iter().chain(&known.out_there).any(is_ahead) {
        return Next::Begin;
    }
    // An older number of the same configuration does not serve: a later one may be out there with another configuration.
    known.own.filter(|own| *own == (epoch, revision)).map_or(Next::Take, Next::Keep)
}

fn known(context: &Context, observed: &Observed, configuration: &Configuration, status: &DistributionStatus) -> Known {
    let key = &configuration.resolved.key;
    let of_counters = |counters: &InvalidationCounters| (Epoch(counters.epoch), status.config_revision.unwrap_or(0));
    let live = observed.children.config_maps.get(&names::edge(&key.name));
    let live = live.filter(|live| is_owned(&live.metadata, &configuration.resolved.uid));
    let own = live.and_then(|live| configuration.is_numbered_in(live));
    let written = live.and_then(|live| config_map::configuration(live)).map(|there| (there.epoch, there.revision));
    let accepted = context.edges.snapshot(key).into_iter().filter_map(|edge| edge.accepted);
    Known {
        counters: status.invalidation.as_ref().map(of_counters),
        own: own.or_else(|| context.taken.of(key, &configuration.fingerprint)),
        out_there: written.into_iter().chain(accepted).collect(),
    }
}

/// Whether the Distribution lived before: then what its edges hold is to be dropped.
fn traces(context: &Context, observed: &Observed, status: &DistributionStatus) -> Traces {
    let key = key_of(&observed.distribution);
    let invalidations = context.stores.invalidations.of(&Group::Distribution(key.clone()));
    let has_number = |status: &crds::InvalidationStatus| status.sequence.is_some();
    Traces {
        numbers: invalidations.iter().any(|invalidation| invalidation.status.as_ref().is_some_and(has_number)),
        edges: !observed.pods.is_empty() || !status.members.is_empty() || !context.edges.snapshot(&key).is_empty(),
        status: status.observed_generation.is_some_and(|generation| generation >= 0)
            || observed.children.config_maps.contains_key(&names::edge(&key.name)),
    }
}

async fn write(
    context: &Context,
    distribution: &Distribution,
    status: DistributionStatus,
    revision: u64,
) -> Result<Arc<Distribution>, AcceptError> {
    let namespace = distribution.namespace().unwrap_or_default();
    let api: Api<Distribution> = Api::namespaced(context.client.clone(), &namespace);
    let changed = Distribution { status: Some(status), ..distribution.clone() };
    context.metrics.wrote("update", "Distribution/status");
    let written = api.replace_status(&distribution.name_any(), &PostParams::default(), &changed).await;
    let mut written = written.map_err(|source| AcceptError::TakeRevision { revision, source: Box::new(source) })?;
    slim::meta(&mut written);
    context.stores.distributions.learn(written.clone());
    Ok(Arc::new(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Epoch = Epoch(7);

    #[track_caller]
    fn check(counters: Option<u64>, own: Option<Number>, out_there: &[Number], expect: Next) {
        let counters = counters.map(|revision| (NOW, revision));
        assert_eq!(next(&Known { counters, own, out_there: out_there.to_vec() }), expect);
    }

    #[test]
    fn a_configuration_keeps_its_number_while_it_is_the_newest() {
        check(Some(3), Some((NOW, 3)), &[(NOW, 3), (NOW, 2)], Next::Keep((NOW, 3)));
    }

    #[test]
    fn a_new_configuration_takes_the_next_number() {
        check(Some(3), None, &[(NOW, 3)], Next::Take);
        check(Some(0), None, &[], Next::Take);
    }

    #[test]
    fn a_configuration_that_comes_back_gets_a_new_number() {
        check(Some(4), Some((NOW, 3)), &[(NOW, 4)], Next::Take);
    }

    #[test]
    fn numbers_of_another_epoch_count_for_nothing() {
        check(Some(3), Some((Epoch(6), 3)), &[(Epoch(6), 9)], Next::Take);
    }

    #[test]
    fn counters_that_are_behind_what_is_out_there_were_lost() {
        check(None, Some((NOW, 3)), &[(NOW, 3)], Next::Begin);
        check(Some(2), Some((NOW, 3)), &[], Next::Begin);
        check(Some(2), None, &[(NOW, 3)], Next::Begin);
        check(None, None, &[], Next::Begin);
    }
}
