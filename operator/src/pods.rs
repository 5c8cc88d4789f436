//! A pod into what its kubelet says of it.

use k8s_openapi::api::core::v1::Pod;

/// Whether its kubelet says that it is ready. The word of a kubelet lags, so nothing that must not be wrong hangs on it.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
