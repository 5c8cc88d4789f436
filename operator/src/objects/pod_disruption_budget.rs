//! A location into the `PodDisruptionBudget` by which a drain takes one of its edges at a time.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{metadata, selector};
use crate::distribution::resolved::Resolved;
use crate::names;

/// The budget of a location.
pub fn build(resolved: &Resolved, location: &str) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: metadata(resolved, names::location(&resolved.key.name, location), Some(location)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector(resolved, Some(location))),
            // An edge that does not serve anyway never blocks the drain of its node.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}
