//! The origin groups of a spec into pairs of origins as edges ask them.

use crds::distribution;
use edge_contract::OriginGroup;

/// What is as good as no answer where a user does not say.
const FAILOVER_ON: [u16; 4] = [500, 502, 503, 504];

/// Every group, in the order of the spec.
pub(super) fn compile(groups: &[distribution::OriginGroup]) -> Vec<OriginGroup> {
    groups.iter().map(group).collect()
}

fn group(given: &distribution::OriginGroup) -> OriginGroup {
    let mut failover_on = given.failover_on.clone();
    // As a set: the order in which they are written means nothing.
    failover_on.sort_unstable();
    OriginGroup {
        name: given.name.clone(),
        primary: given.primary.clone(),
        secondary: given.secondary.clone(),
        failover_on: if failover_on.is_empty() { FAILOVER_ON.into() } else { failover_on },
    }
}
