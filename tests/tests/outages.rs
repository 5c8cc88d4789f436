//! What viewers and users see while parts are away: the operator killed, scaled to nothing, edges replaced, origins restarted.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crds::{Distribution, Invalidation};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;
use tests::{
    cluster::{apply, eventually, in_namespace, until, until_gone},
    product::{
        OPERATOR_NAMESPACE, complete, distribution, edges, installed, invalidation, is, origin, ready, service_address,
        status, until_ready,
    },
    viewer,
};

/// Viewers that ask through the Service until they are stopped, half for pages that are stored and half for new ones.
struct Viewers {
    asked: Arc<AtomicU64>,
    failed: Arc<std::sync::Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Viewers {
    /// Begins, at this many requests a second.
    fn at(address: SocketAddr, a_second: u32) -> Self {
        let (asked, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let failed = Arc::new(std::sync::Mutex::new(Vec::new()));
        let task = tokio::spawn(drive(address, a_second, (asked.clone(), failed.clone(), stop.clone())));
        Self { asked, failed, stop, task }
    }

    /// Ends them, and tells how many asked and what failed.
    async fn stopped(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the viewers end");
        let failed = self.failed.lock().expect("nobody panicked").clone();
        (self.asked.load(Ordering::Relaxed), failed)
    }

    /// Waits until so many more have asked: time as viewers see it.
    async fn ask_more(&self, count: u64) {
        let until = self.asked.load(Ordering::Relaxed) + count;
        eventually("viewers go on asking", || async { self.asked.load(Ordering::Relaxed) >= until }).await;
    }
}

type Tally = (Arc<AtomicU64>, Arc<std::sync::Mutex<Vec<String>>>, Arc<AtomicBool>);

async fn drive(address: SocketAddr, a_second: u32, (asked, failed, stop): Tally) {
    let mut due = tokio::time::interval(Duration::from_secs(1) / a_second);
    let mut running = tokio::task::JoinSet::new();
    while !stop.load(Ordering::Relaxed) {
        due.tick().await;
        let number = asked.fetch_add(1, Ordering::Relaxed);
        let path = if number.is_multiple_of(2) { "/stored".to_owned() } else { format!("/new/{number}") };
        let failed = failed.clone();
        running.spawn(async move {
            let fault = match viewer::get(address, "shop-edge", &path).await {
                Ok(seen) if seen.status.is_success() => return,
                Ok(seen) => format!("{path}: {} {}", seen.status, seen.field("cache-status")),
                Err(error) => format!("{path}: {error}"),
            };
            failed.lock().expect("nobody panicked").push(fault);
        });
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
}

async fn scale_operator(client: &Client, replicas: i32) {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let name = "kubefront-operator";
    let patch = json!({ "spec": { "replicas": replicas } });
    deployments.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("scales");
    until(&deployments, name, "has so many replicas", |found| {
        let status = found.status.clone().unwrap_or_default();
        status.replicas.unwrap_or(0) == replicas && status.ready_replicas.unwrap_or(0) == replicas
    })
    .await;
}

async fn kill_operator(client: &Client) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let selector = ListParams::default().labels("app.kubernetes.io/name=kubefront-operator");
    let listed = pods.list(&selector).await.expect("lists the operator's pods");
    assert!(!listed.items.is_empty(), "the operator runs");
    for pod in listed {
        pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await.expect("kills");
    }
}

/// All of it in one test, because there is one operator.
#[tokio::test]
async fn viewers_notice_nothing_while_parts_are_away() {
    installed().await;
    in_namespace("away", |client, namespace| async move {
        origin(&client, &namespace).await;
        let two = |path: &str| {
            let pattern = path.to_owned();
            distribution(move |spec| {
                spec["locations"][0]["replicas"] = json!(2);
                spec["behaviors"] = json!([{ "pathPattern": pattern, "origin": "app" }]);
            })
        };
        ready(&client, &namespace, &two("/zero")).await;
        let viewers = Viewers::at(service_address(&client, &namespace, "shop-edge").await, 100);
        viewers.ask_more(200).await;

        // Live edits.
        for edit in ["/one", "/two", "/three"] {
            ready(&client, &namespace, &two(edit)).await;
        }
        // A rolling edit.
        let mut rolled = two("/three");
        rolled["spec"]["locations"][0]["cache"] = json!({ "memory": "24Mi" });
        ready(&client, &namespace, &rolled).await;
        let api: Api<Distribution> = Api::namespaced(client.clone(), &namespace);
        until(&api, "shop", "forgets the edges that said goodbye", |found| status(found).members.len() == 2).await;

        // The operator is killed: it comes back and goes on.
        kill_operator(&client).await;
        complete(&client, &namespace, &invalidation("after-a-kill", &["/stored"])).await;

        // No operator at all, and an edge is replaced meanwhile: its successor starts from the mounted configuration.
        scale_operator(&client, 0).await;
        let gone = edges(&client, &namespace).await.remove(0);
        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        pods.delete(&gone.name_any(), &DeleteParams::default()).await.expect("deletes an edge");
        until_gone(&pods, &gone.name_any()).await;
        eventually("two edges are ready without an operator", || async { ready_edges(&client, &namespace).await == 2 })
            .await;
        viewers.ask_more(200).await;
        scale_operator(&client, 2).await;
        until_ready(&client, &namespace).await;
        // The edge that ended unheard is waited for until its node proves it gone, which takes minutes; the others have it.
        let order = invalidation("after-an-absence", &["/stored"]);
        apply(&client, &namespace, &order.to_string()).await;
        let invalidations: Api<Invalidation> = Api::namespaced(client.clone(), &namespace);
        until(&invalidations, "after-an-absence", "is applied by the edges that live", |found| {
            let edges = found.status.as_ref().and_then(|status| status.edges.clone());
            edges.is_some_and(|edges| edges.acknowledged >= 2)
        })
        .await;

        let (asked, failed) = viewers.stopped().await;
        println!("{asked} requests, {} failed", failed.len());
        assert!(
            failed.is_empty(),
            "{} of {asked} requests failed: {:#?}",
            failed.len(),
            &failed[..failed.len().min(10)]
        );

        // Deletion needs no operator.
        scale_operator(&client, 0).await;
        api.delete("shop", &DeleteParams::foreground()).await.expect("deletes");
        until_gone(&api, "shop").await;
        scale_operator(&client, 2).await;
    })
    .await;
}

async fn ready_edges(client: &Client, namespace: &str) -> usize {
    let is_ready = |pod: &Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
        conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    edges(client, namespace).await.iter().filter(|pod| is_ready(pod)).count()
}

#[tokio::test]
async fn a_distribution_that_is_made_while_the_operator_is_away_is_in_progress_and_not_ready() {
    installed().await;
    in_namespace("unseen", |client, namespace| async move {
        origin(&client, &namespace).await;
        apply(&client, &namespace, &distribution(|_| ()).to_string()).await;
        let api: Api<Distribution> = Api::namespaced(client.clone(), &namespace);
        let seen = until(&api, "shop", "is there", |_| true).await;
        assert!(!is(&seen, "Ready", "True"), "nobody can have seen it");
        until_ready(&client, &namespace).await;
    })
    .await;
}
