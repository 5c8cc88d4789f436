//! The aliases of a Distribution, and who else claims them, into those it holds.
//!
//! Guarantees: for one set of claims every Distribution comes to the same holder. Who has an alias keeps it; among those who
//! do not have it yet the older gets it, then the one whose namespace and name sort first.

use crds::condition::Reason;
use crds::{Distribution, DistributionSpec};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::distribution::observed::Observed;
use crate::finding::Finding;
use crate::names::{DistributionKey, key_of};

/// The aliases that are held, in the order of the spec, and a finding for each that is not.
pub(super) fn held(spec: &DistributionSpec, observed: &Observed) -> (Vec<String>, Vec<Finding>) {
    let distribution = &*observed.distribution;
    let own_key = key_of(distribution);
    let (mut held, mut findings) = (Vec::new(), Vec::new());
    for alias in &spec.aliases {
        let own = rank(has(distribution, alias), distribution.metadata.creation_timestamp.as_ref(), &own_key);
        let others = observed.claims.iter().filter(|claim| claim.alias == *alias && claim.by != own_key);
        let first = others.map(|claim| rank(claim.holds, claim.created.as_ref(), &claim.by)).min();
        match first.filter(|first| *first < own) {
            None => held.push(alias.clone()),
            Some((_, _, holder)) => findings.push(taken(alias, holder)),
        }
    }
    (held, findings)
}

fn has(distribution: &Distribution, alias: &String) -> bool {
    distribution.status.as_ref().is_some_and(|status| status.aliases.contains(alias))
}

/// Who goes first: holders, then the older, then by name.
fn rank<'a>(holds: bool, created: Option<&Time>, key: &'a DistributionKey) -> (bool, Timestamp, &'a DistributionKey) {
    (!holds, created.map_or(Timestamp::MAX, |time| time.0), key)
}

fn taken(alias: &str, holder: &DistributionKey) -> Finding {
    Finding::in_cluster(
        format!("spec.aliases[{alias}]"),
        Reason::AliasTaken,
        format!("Distribution {holder} holds {alias}, so it is not served here; remove it from one of the two"),
    )
}
