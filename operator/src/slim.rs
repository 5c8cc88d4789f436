//! Watched objects into what is worth keeping of them in memory.

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::Resource;

/// What `kubectl apply` leaves behind: a second copy of the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Drops who wrote which field, and kubectl's copy of the object: often the larger half of it.
pub fn meta<K: Resource>(object: &mut K) {
    let meta = object.meta_mut();
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

/// Of a pod's spec only where it runs and how long it may take to end.
pub fn pod(pod: &mut Pod) {
    meta(pod);
    if let Some(spec) = pod.spec.take() {
        pod.spec = Some(PodSpec {
            node_name: spec.node_name,
            termination_grace_period_seconds: spec.termination_grace_period_seconds,
            ..PodSpec::default()
        });
    }
}
