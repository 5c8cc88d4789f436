//! What is done to the operator's replicas: how many there are, and their sudden deaths.
#![expect(clippy::missing_panics_doc, reason = "a test's means fail by panicking, and say why when they do")]

use std::fs;

use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{
    cluster::{eventually, until},
    product::{OPERATOR_NAMESPACE, run},
};

/// The name of the operator's Deployment, and of the Lease by which its replicas agree who leads.
const OPERATOR: &str = "kubefront-operator";

/// Has so many replicas of the operator run, and no other.
pub async fn scale(client: &Client, replicas: i32) {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let patch = json!({ "spec": { "replicas": replicas } });
    deployments.patch(OPERATOR, &PatchParams::default(), &Patch::Merge(patch)).await.expect("scales");
    until(&deployments, OPERATOR, "has so many replicas", |found| {
        let status = found.status.clone().unwrap_or_default();
        status.replicas.unwrap_or(0) == replicas && status.ready_replicas.unwrap_or(0) == replicas
    })
    .await;
    // A replica that is ending is not counted there, and works on for a while.
    let pods: Api<Pod> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let selector = ListParams::default().labels("app.kubernetes.io/name=kubefront-operator");
    eventually("those that end are gone", || async {
        let there = pods.list(&selector).await.expect("lists").items.len();
        there == usize::try_from(replicas).unwrap_or_default()
    })
    .await;
}

/// Waits until a replica leads that lives, and edges have somebody to call.
pub async fn somebody_leads(client: &Client) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    eventually("a living replica leads", || async {
        let lease = leases.get(OPERATOR).await.expect("reads");
        let Some(leader) = leader(&lease) else { return false };
        pods.get_opt(&leader).await.expect("reads").is_some_and(|pod| pod.metadata.deletion_timestamp.is_none())
    })
    .await;
}

/// The pod of the replica that holds the Lease.
fn leader(lease: &Lease) -> Option<String> {
    let holder = lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())?;
    Some(holder.rsplit_once('_').map_or(holder, |(pod, _)| pod).to_owned())
}

/// SIGKILL to the process of the replica that leads: it releases nothing and says goodbye to nobody. Its pod is deleted after
/// that, because the kubelet would let the container wait longer after each death. Needs root on the cluster's machine.
pub async fn kill_leader(client: &Client) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let lease = until(&leases, OPERATOR, "somebody leads", |lease| leader(lease).is_some()).await;
    let name = leader(&lease).unwrap_or_default();
    // Whoever held it may have died a moment ago: then the operator is without a leader anyway.
    let Some(pod) = pods.get_opt(&name).await.expect("reads") else { return };
    kill(&pod, "kubefront-oper").await;
    let _ = pods.delete(&name, &DeleteParams::default().grace_period(0)).await;
}

/// SIGKILL to the processes of a pod whose name begins so. Needs root on the cluster's machine.
pub async fn kill(pod: &Pod, program: &str) {
    for process in processes_of(&pod.uid().unwrap_or_default(), program) {
        run("kill", &["-KILL", &process]).await;
    }
}

/// The processes of a pod whose name begins so. Pods of this machine's cluster are in its process table.
pub(crate) fn processes_of(pod_uid: &str, program: &str) -> Vec<String> {
    let processes =
        fs::read_dir("/proc").expect("Linux").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let of_pod = |process: &String| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).unwrap_or_default();
        read("comm").starts_with(program) && read("cgroup").contains(pod_uid)
    };
    processes.filter(of_pod).collect()
}
