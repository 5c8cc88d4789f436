//! The running test cluster into a client, a namespace of its own for each test, and waits that say what they wait for.

use std::{fmt::Debug, future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use k8s_openapi::{
    api::core::v1::{Namespace, Pod},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, LogParams, ObjectMeta, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
    runtime::{
        wait::await_condition,
        watcher::{Config, watcher},
    },
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The longest that anything in a test may take before it counts as failed.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A client of the cluster that `make cluster-up` starts.
///
/// # Panics
/// If there is none: these tests prove nothing without it, so they fail.
pub async fn client() -> Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client =
        Client::try_default().await.expect("KUBECONFIG names a cluster: run `make cluster-up`, then its `env`");
    client.apiserver_version().await.expect("the cluster answers: run `make cluster-up`");
    client
}

/// Runs a test in a namespace of its own, which is removed whatever becomes of the test. Pods in it are held to
/// `PodSecurity` *restricted*.
///
/// # Panics
/// If the test does.
pub async fn in_namespace<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Client, String) -> F) {
    let client = client().await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = Namespace {
        metadata: ObjectMeta {
            generate_name: Some(format!("t-{name}-")),
            labels: Some([("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned())].into()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    let made = namespaces.create(&PostParams::default(), &namespace).await.expect("creates the namespace").name_any();
    let outcome = AssertUnwindSafe(Box::pin(test(client.clone(), made.clone()))).catch_unwind().await;
    if outcome.is_err() {
        explain(&client, &made).await;
    }
    namespaces.delete(&made, &DeleteParams::background()).await.expect("removes the namespace");
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// What a person would look at first when a test failed.
async fn explain(client: &Client, namespace: &str) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    for pod in pods.list(&ListParams::default()).await.into_iter().flatten() {
        let status = pod.status.clone().unwrap_or_default();
        eprintln!("pod {}: {:?} {:?}", pod.name_any(), status.phase, status.conditions.map(|all| brief(&all)));
        if let Ok(log) = pods.logs(&pod.name_any(), &LogParams::default()).await {
            log.lines().rev().take(15).for_each(|line| eprintln!("  {line}"));
        }
    }
}

fn brief(conditions: &[k8s_openapi::api::core::v1::PodCondition]) -> Vec<String> {
    conditions.iter().map(|condition| format!("{}={}", condition.type_, condition.status)).collect()
}

/// Applies every document of a manifest, as `kubectl apply --server-side` does.
///
/// # Panics
/// If the API server refuses one.
pub async fn apply(client: &Client, namespace: &str, manifest: &str) {
    for document in documents(manifest) {
        let (api, name) = dynamic(client, namespace, &document).await;
        api.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(&document))
            .await
            .unwrap_or_else(|error| panic!("applies {name}: {error}"));
    }
}

/// The documents of a manifest as plain values.
///
/// # Panics
/// If one is not YAML.
pub fn documents(manifest: &str) -> Vec<Value> {
    serde_saphyr::from_multiple::<Value>(manifest)
        .expect("the manifest is YAML")
        .into_iter()
        .filter(|value| !value.is_null())
        .collect()
}

async fn dynamic(client: &Client, namespace: &str, document: &Value) -> (Api<kube::api::DynamicObject>, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text(&document["apiVersion"]), text(&document["kind"]));
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let gvk = kube::api::GroupVersionKind::gvk(group, version, &kind);
    let (resource, _) =
        kube::discovery::pinned_kind(client, &gvk).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
    (Api::namespaced_with(client.clone(), namespace, &resource), text(&document["metadata"]["name"]))
}

/// Waits until `holds` of the object, and gives the object back.
///
/// # Panics
/// After [`PATIENCE`], with the object as it was last seen.
pub async fn until<K>(api: &Api<K>, name: &str, what: &str, holds: impl Fn(&K) -> bool + Send + Sync) -> K
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let condition = |object: Option<&K>| object.is_some_and(&holds);
    let found = tokio::time::timeout(PATIENCE, await_condition(api.clone(), name, condition)).await;
    let Ok(object) = found else {
        panic!("waited {PATIENCE:?} for {name}: {what}; it is {:#?}", api.get_opt(name).await);
    };
    object.expect("watches the object").expect("the condition saw one")
}

/// Waits until the object is gone.
///
/// # Panics
/// After [`PATIENCE`].
pub async fn until_gone<K>(api: &Api<K>, name: &str)
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let gone = await_condition(api.clone(), name, |object: Option<&K>| object.is_none());
    let in_time = tokio::time::timeout(PATIENCE, gone).await.is_ok();
    assert!(in_time, "waited {PATIENCE:?} for {name} to be gone; it is {:#?}", api.get_opt(name).await);
}

/// Waits until something that nobody announces is so, by asking again.
///
/// # Panics
/// After [`PATIENCE`].
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let asking = async {
        let mut again = tokio::time::interval(Duration::from_millis(100));
        loop {
            again.tick().await;
            if holds().await {
                return;
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, asking).await.is_ok(), "waited {PATIENCE:?}: {what}");
}

/// Whether a condition of this type has this status.
pub fn has(conditions: &[Condition], type_: &str, status: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == type_ && condition.status == status)
}

/// A watch of one kind in a namespace, for tests that follow a history.
pub fn history<K>(
    api: Api<K>,
) -> impl futures::Stream<Item = kube::runtime::watcher::Result<kube::runtime::watcher::Event<K>>>
where
    K: kube::Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    watcher(api, Config::default())
}
