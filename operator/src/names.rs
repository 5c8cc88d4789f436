//! A Distribution's name into the names of what belongs to it, and back.

use std::fmt;

use crds::Distribution;
use kube::ResourceExt;

/// Which Distribution: the key of every table of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DistributionKey {
    /// The namespace it lives in.
    pub namespace: String,
    /// Its own name.
    pub name: String,
}

impl DistributionKey {
    /// The key of `namespace/name`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// The key under which a Distribution is reconciled.
pub fn key_of(distribution: &Distribution) -> DistributionKey {
    DistributionKey::new(distribution.namespace().unwrap_or_default(), distribution.name_any())
}

impl fmt::Display for DistributionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Who owns the fields that the operator applies.
pub const FIELD_MANAGER: &str = "kubefront";

/// The label that names the Distribution on every child and every edge pod.
pub const DISTRIBUTION_LABEL: &str = "cdn.kubefront.io/distribution";

/// The label that names the location on what belongs to one.
pub const LOCATION_LABEL: &str = "cdn.kubefront.io/location";

/// The annotation that tells whether the applied fields of a child are those of the last plan, dropped ones included.
pub const APPLIED_ANNOTATION: &str = "cdn.kubefront.io/applied";

/// The annotation of a Deployment that tells whether its pod template is that of the last plan, dropped fields included.
pub const TEMPLATE_ANNOTATION: &str = "cdn.kubefront.io/template";

/// The annotation of a Deployment that tells whether its location is what the user asked for last.
pub const ASKED_ANNOTATION: &str = "cdn.kubefront.io/asked";

/// The annotation of the `ConfigMap` that tells whether its sites are those of the last plan.
pub const FINGERPRINT_ANNOTATION: &str = "cdn.kubefront.io/fingerprint";

/// The location of a Distribution that names none.
pub const DEFAULT_LOCATION: &str = "default";

/// What is put behind a Distribution's name to name what exists once for it.
const EDGE_SUFFIX: &str = "-edge";

/// The name of what exists once for a Distribution: Service, `ConfigMap`, `ServiceAccount`, `NetworkPolicy`.
pub fn edge(distribution: &str) -> String {
    format!("{distribution}{EDGE_SUFFIX}")
}

/// The name of what exists for each location: Deployment, Service, `PodDisruptionBudget`. Neither part holds a double
/// hyphen, so no two locations of any two Distributions share it, and none is the name of what exists once.
pub fn location(distribution: &str, location: &str) -> String {
    format!("{distribution}--{location}")
}

/// The `ServiceAccount` under which every edge of a Distribution runs.
pub fn service_account(distribution: &str) -> String {
    edge(distribution)
}

/// The Distribution whose edges run under this `ServiceAccount`, if it is named like one.
pub fn distribution_of_service_account(service_account: &str) -> Option<&str> {
    service_account.strip_suffix(EDGE_SUFFIX).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_account_names_exactly_one_distribution() {
        for name in ["shop", "shop-edge", "a"] {
            assert_eq!(distribution_of_service_account(&service_account(name)), Some(name));
        }
        assert_eq!(distribution_of_service_account("default"), None);
        assert_eq!(distribution_of_service_account("-edge"), None);
    }

    #[test]
    fn children_of_different_distributions_never_share_a_name() {
        let mut names = std::collections::BTreeSet::new();
        for distribution in ["shop", "shop-edge", "shop-edge-edge", "a", "a-b"] {
            assert!(names.insert(edge(distribution)), "{distribution}");
            for place in ["edge", "b", "b-edge", "default"] {
                assert!(names.insert(location(distribution, place)), "{distribution} {place}");
            }
        }
    }
}
