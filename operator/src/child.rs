//! The kinds of objects that a Distribution is made of, and whose an object is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

/// The kinds of children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ChildKind {
    /// Holds the configuration.
    ConfigMap,
    /// Runs the edges of a location.
    Deployment,
    /// Says who may speak with the edges.
    NetworkPolicy,
    /// Lets one edge of a location go at a time.
    PodDisruptionBudget,
    /// Where viewers come in.
    Service,
    /// Who the edges are.
    ServiceAccount,
}

impl ChildKind {
    /// As it stands in `kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Deployment => "Deployment",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::Service => "Service",
            Self::ServiceAccount => "ServiceAccount",
        }
    }

    /// The kinds that exist once for a Distribution.
    pub const ONCE: [Self; 4] = [Self::ConfigMap, Self::NetworkPolicy, Self::Service, Self::ServiceAccount];

    /// The kinds that exist for each location.
    pub const FOR_EACH_LOCATION: [Self; 3] = [Self::Deployment, Self::PodDisruptionBudget, Self::Service];
}

/// Whether the Distribution of this uid controls the object.
pub fn is_owned(object: &ObjectMeta, uid: &str) -> bool {
    let owners = object.owner_references.as_deref().unwrap_or_default();
    owners.iter().any(|owner| owner.controller == Some(true) && owner.uid == uid)
}
