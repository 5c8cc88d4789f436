//! Outages of every part, one after the other, into a verdict: viewers noticed nothing. `make test` runs it short, `make soak`
//! as long as it is promised for.

use crds::{Distribution, Invalidation};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    clock,
    cluster::{apply, eventually, until, until_gone},
    product::{
        complete, distribution, edges, invalidation, is_ready, origin, ready, service_address, status, until_ready,
    },
    replicas,
    viewers::Viewers,
};

/// How hard viewers ask, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests a second.
    pub a_second: u32,
    /// Live edits, one a second.
    pub edits: u64,
    /// Seconds without any operator, at least.
    pub absence: u64,
}

impl Pace {
    fn seconds(self, count: u64) -> u64 {
        u64::from(self.a_second) * count
    }
}

/// Two edges, and a rule that tells this edit from others.
fn edited(edit: u64) -> Value {
    distribution(|spec| {
        spec["locations"][0]["replicas"] = json!(2);
        spec["behaviors"] = json!([{ "pathPattern": format!("/edit/{edit}"), "origin": "app" }]);
    })
}

/// Edits, rolls, kills, takes away and restarts while viewers ask, and prints what each part of it cost them.
///
/// # Panics
/// If a viewer got an error or nothing.
pub async fn are_not_noticed(client: &Client, namespace: &str, pace: Pace) {
    origin(client, namespace).await;
    ready(client, namespace, &edited(0)).await;
    let address = service_address(client, namespace, "shop-edge").await;
    let viewers = Viewers::at(address, pace.a_second);
    viewers.ask_more(pace.seconds(1)).await;

    let told = Told::begin("a live edit each second", &viewers);
    for edit in 1..=pace.edits {
        ready(client, namespace, &edited(edit)).await;
        viewers.ask_more(pace.seconds(1)).await;
    }
    told.end(&viewers);

    let told = Told::begin("a rolling edit", &viewers);
    let mut rolled = edited(pace.edits);
    rolled["spec"]["locations"][0]["cache"] = json!({ "memory": "24Mi" });
    ready(client, namespace, &rolled).await;
    let api: Api<Distribution> = Api::namespaced(client.clone(), namespace);
    until(&api, "shop", "forgets the edges that said goodbye", |found| status(found).members.len() == 2).await;
    told.end(&viewers);

    let told = Told::begin("the leading operator killed", &viewers);
    replicas::kill_leader(client).await;
    complete(client, namespace, &invalidation("after-a-kill", &["/stored"])).await;
    told.end(&viewers);

    let told = Told::begin("no operator, an edge replaced and the origin restarted meanwhile", &viewers);
    let asked_before = viewers.asked();
    replicas::scale(client, 0).await;
    replace_an_edge(client, namespace).await;
    restart_origin(client, namespace).await;
    let absent = viewers.asked() - asked_before;
    viewers.ask_more(pace.seconds(pace.absence).saturating_sub(absent).max(pace.seconds(1))).await;
    told.end(&viewers);

    let told = Told::begin("the operator back, and an Invalidation", &viewers);
    replicas::scale(client, 2).await;
    until_ready(client, namespace).await;
    is_applied_by_the_living(client, namespace).await;
    told.end(&viewers);
    println!("{} requests at {} a second, none failed", viewers.all_were_served().await, pace.a_second);
}

/// The edge that ended while nobody listened is waited for until its node proves it gone; the others have the order before.
async fn is_applied_by_the_living(client: &Client, namespace: &str) {
    let order = invalidation("after-an-absence", &["/stored"]);
    apply(client, namespace, &order.to_string()).await;
    let invalidations: Api<Invalidation> = Api::namespaced(client.clone(), namespace);
    until(&invalidations, "after-an-absence", "is applied by the edges that live", |found| {
        let edges = found.status.as_ref().and_then(|status| status.edges.clone());
        edges.is_some_and(|edges| edges.acknowledged >= 2)
    })
    .await;
}

/// Its successor finds no operator: it starts from the mounted configuration.
async fn replace_an_edge(client: &Client, namespace: &str) {
    let gone = edges(client, namespace).await.remove(0);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    pods.delete(&gone.name_any(), &DeleteParams::default()).await.expect("deletes an edge");
    until_gone(&pods, &gone.name_any()).await;
    let ready = || async { edges(client, namespace).await.iter().filter(|pod| is_ready(pod)).count() };
    eventually("two edges are ready without an operator", || async { ready().await == 2 }).await;
}

/// As `kubectl rollout restart` does, until the pod before is gone.
async fn restart_origin(client: &Client, namespace: &str) {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let template = json!({ "metadata": { "annotations": { "kubectl.kubernetes.io/restartedAt": "once" } } });
    let restart = json!({ "spec": { "template": template } });
    let restarted =
        deployments.patch("shop-origin", &PatchParams::default(), &Patch::Merge(restart)).await.expect("restarts");
    until(&deployments, "shop-origin", "has restarted", |found| {
        let status = found.status.clone().unwrap_or_default();
        let counts = [status.replicas, status.updated_replicas, status.available_replicas];
        status.observed_generation >= restarted.metadata.generation && counts == [Some(1); 3]
    })
    .await;
}

/// One part of the story, told with what it cost viewers.
pub struct Told {
    what: String,
    began: std::time::Instant,
    asked: u64,
    failed: usize,
}

impl Told {
    /// It begins now.
    pub fn begin(what: &str, viewers: &Viewers) -> Self {
        Self { what: what.to_owned(), began: clock::now(), asked: viewers.asked(), failed: viewers.failed() }
    }

    /// It ends now, and is printed.
    pub fn end(self, viewers: &Viewers) {
        let (asked, failed) = (viewers.asked() - self.asked, viewers.failed() - self.failed);
        println!("{}: {:.1?}, {asked} requests, {failed} failed", self.what, self.began.elapsed());
    }
}
