//! A resolved generation into the `ServiceAccount` of its edges, which has no rights: its token only says who a pod is.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::metadata;
use crate::distribution::resolved::Resolved;
use crate::names;

/// The `ServiceAccount` of every edge.
pub fn build(resolved: &Resolved) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(resolved, names::service_account(&resolved.key.name), None),
        // Only the projected token for the operator is mounted: an edge has nothing to say to the API.
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
