//! The driver against an API in memory: what it writes, numbers and tells of.

mod altered;
mod leaders;
mod mounts;
mod ownership;
mod refusals;
mod shields;

use crds::Distribution;
use crds::condition::ConditionType;
use edge_contract::{CONTRACT, Hello};
use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::edges::Pretended;
use crate::fake_api::FakeApi;
use crate::leader::Leadership;
use crate::server_side_apply::Child;
use crate::table::Table;

/// One process in front of an API, and the Distribution `default/shop`.
struct Site {
    api: FakeApi,
    context: Context,
    #[expect(dead_code, reason = "while it lives, this process leads")]
    leads: watch::Sender<Leadership>,
}

/// What a new Distribution writes, in its order.
const CREATION: [&str; 9] = [
    "PUT distributions/shop/status",
    "PATCH serviceaccounts/shop-edge",
    "PATCH configmaps/shop-edge",
    "PATCH networkpolicies/shop-edge",
    "PATCH services/shop-edge",
    "PATCH services/shop--default",
    "PATCH poddisruptionbudgets/shop--default",
    "PATCH deployments/shop--default",
    "PUT distributions/shop/status",
];

impl Site {
    /// A Distribution that nobody has looked at yet; its origin's Service is there.
    fn new() -> Self {
        let api = FakeApi::default();
        let (context, leads) = Context::for_test(&api, Duration::from_mins(5));
        let site = Self { api, context, leads };
        site.there_is_a_service("app");
        site.apply(&spec());
        site
    }

    /// A Distribution at rest: everything exists, both edges run and serve.
    async fn at_rest() -> (Self, Vec<Box<dyn Sized_>>) {
        let site = Self::new();
        site.run().await.expect("creates");
        let edges = ["one", "two"].map(|name| site.edge(name)).into_iter().collect();
        site.deployments_are_through();
        site.run().await.expect("reports");
        site.api.calls();
        (site, edges)
    }

    async fn run(&self) -> Result<Wake, Error> {
        Box::pin(reconcile(&self.context, &key())).await
    }

    /// Writes the spec, as a user does, and lets the watch see it.
    fn apply(&self, spec: &Value) {
        let before = self.api.object("distributions/shop").unwrap_or_default();
        let generation = before["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        let object = json!({
            "apiVersion": "cdn.kubefront.io/v1alpha1", "kind": "Distribution", "spec": spec, "status": before["status"],
            "metadata": {"namespace": "default", "name": "shop", "uid": "uid-shop", "generation": generation,
                "creationTimestamp": "2026-11-22T00:00:00Z"},
        });
        let object = self.api.put("distributions", object);
        see(&self.context.stores.distributions, &object);
    }

    fn there_is_a_service(&self, name: &str) {
        let service = json!({"metadata": {"namespace": "default", "name": name}, "spec": {"clusterIP": "10.96.0.7",
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]}});
        see(&self.context.stores.services, &self.api.put("services", service));
        self.there_is_an_endpoint(name, true);
    }

    fn there_is_an_endpoint(&self, service: &str, ready: bool) {
        let slice = json!({"metadata": {"namespace": "default", "name": service,
                "labels": {"kubernetes.io/service-name": service}}, "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [{"addresses": ["10.244.0.7"], "conditions": {"ready": ready, "serving": ready}}]});
        see(&self.context.stores.endpoint_slices, &self.api.put("endpointslices", slice));
    }

    /// A pod that is Ready and serves the newest configuration for as long as what is returned lives.
    fn edge(&self, name: &str) -> Box<dyn Sized_> {
        self.there_is_a_pod(name, true);
        Box::new(self.stream(name))
    }

    fn there_is_a_pod(&self, name: &str, ready: bool) {
        self.there_is_a_pod_of("default", name, ready);
    }

    fn there_is_a_pod_of(&self, location: &str, name: &str, ready: bool) {
        let ready = if ready { "True" } else { "False" };
        let pod = json!({"metadata": {"namespace": "default", "name": name, "uid": format!("uid-{name}"),
                "labels": {"cdn.kubefront.io/distribution": "shop", "cdn.kubefront.io/location": location}},
            "spec": {"nodeName": "node-1", "containers": []},
            "status": {"podIP": "10.244.0.9", "conditions": [{"type": "Ready", "status": ready}]}});
        see(&self.context.stores.pods, &self.api.put("pods", pod));
    }

    /// The stream of an edge that serves the newest configuration.
    fn stream(&self, name: &str) -> Option<Pretended> {
        let (epoch, revision) = self.number();
        let hello = json!({"contract": CONTRACT, "pod": name, "uid": format!("uid-{name}"), "bootId": name,
            "configEpoch": epoch, "revision": revision});
        let hello: Hello = serde_json::from_value(hello).expect("a hello");
        self.context.edges.pretend(&key(), &hello)
    }

    /// The Deployment's controller has done its work.
    fn deployments_are_through(&self) {
        let mut deployment = self.api.object("deployments/shop--default").expect("exists");
        deployment["metadata"]["generation"] = json!(1);
        deployment["status"] =
            json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2});
        see(&self.context.stores.deployments, &self.api.put("deployments", deployment));
    }

    /// The Deployment's controller has begun to replace its pods.
    fn deployments_roll(&self) {
        let mut deployment = self.api.object("deployments/shop--default").expect("exists");
        deployment["metadata"]["generation"] = json!(2);
        deployment["status"] = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1});
        see(&self.context.stores.deployments, &self.api.put("deployments", deployment));
    }

    /// What edges that start now wait for.
    fn awaited(&self) -> Value {
        self.configuration()["newMounts"].clone()
    }

    /// What edges start from.
    fn configuration(&self) -> Value {
        let config = self.api.object("configmaps/shop-edge").expect("exists")["data"]["edge.json"].clone();
        serde_json::from_str(config.as_str().expect("text")).expect("JSON")
    }

    /// The number that stands in the status.
    fn number(&self) -> (Value, Value) {
        let status = self.status();
        (status["invalidation"]["epoch"].clone(), status["configRevision"].clone())
    }

    fn status(&self) -> Value {
        self.api.object("distributions/shop").expect("exists")["status"].clone()
    }

    /// `Status/Reason` of a condition.
    fn condition(&self, type_: ConditionType) -> String {
        let object = self.api.object("distributions/shop").expect("exists");
        let distribution: Distribution = serde_json::from_value(object).expect("a Distribution");
        let conditions = distribution.status.unwrap_or_default().conditions;
        let condition = type_.of(&conditions).expect("there");
        format!("{}/{}: {}", condition.status, condition.reason, condition.message)
    }

    /// The same cluster, looked at by a process that starts now.
    fn restarted(self, leads_for: Duration) -> Self {
        let (context, leads) = Context::for_test(&self.api, leads_for);
        let stores = &context.stores;
        show(&self.api, &stores.distributions, "distributions/shop");
        show(&self.api, &stores.deployments, "deployments/shop--default");
        show(&self.api, &stores.config_maps, "configmaps/shop-edge");
        show(&self.api, &stores.service_accounts, "serviceaccounts/shop-edge");
        show(&self.api, &stores.network_policies, "networkpolicies/shop-edge");
        show(&self.api, &stores.pod_disruption_budgets, "poddisruptionbudgets/shop--default");
        for service in ["app", "shop-edge", "shop--default"] {
            show(&self.api, &stores.services, &format!("services/{service}"));
        }
        show(&self.api, &stores.endpoint_slices, "endpointslices/app");
        for pod in ["one", "two"] {
            show(&self.api, &stores.pods, &format!("pods/{pod}"));
        }
        Self { api: self.api, context, leads }
    }
}

/// Anything that is held for its life.
trait Sized_ {}
impl<T> Sized_ for T {}

fn key() -> DistributionKey {
    DistributionKey::new("default", "shop")
}

fn spec() -> Value {
    json!({"origins": [{"name": "app", "service": {"name": "app", "port": 80}}], "defaultBehavior": {"origin": "app"}})
}

/// The watch of a table tells of what is there.
fn show<K: Child + DeserializeOwned>(api: &FakeApi, table: &Table<K>, path: &str) {
    if let Some(object) = api.object(path) {
        see(table, &object);
    }
}

/// The watch of a table tells of an object.
fn see<K: Child + DeserializeOwned>(table: &Table<K>, object: &Value) {
    let object: DeserializeGuard<K> = serde_json::from_value(object.clone()).expect("an object");
    table.feed(None).take(Event::Apply(object));
}

#[tokio::test]
async fn a_new_distribution_makes_exactly_its_children_and_numbers_its_configuration_first() {
    let site = Site::new();
    site.run().await.expect("creates");
    assert_eq!(site.api.writes(), CREATION);
    let status = site.status();
    assert_eq!(status["configRevision"], 1);
    assert_eq!(status["observedGeneration"], 1);
    assert_eq!(status["addresses"][0]["value"], "shop-edge.default.svc");
    assert_eq!(status["edges"]["summary"], "0/2");
    let config = site.api.object("configmaps/shop-edge").expect("exists")["data"]["edge.json"].clone();
    let config: Value = serde_json::from_str(config.as_str().expect("text")).expect("JSON");
    assert_eq!((config["epoch"].clone(), config["revision"].clone()), site.number());
}

#[tokio::test]
async fn a_distribution_at_rest_is_left_alone() {
    let (site, _edges) = Site::at_rest().await;
    assert!(site.condition(ConditionType::Ready).starts_with("True"), "{}", site.condition(ConditionType::Ready));
    assert_eq!(site.status()["edges"]["summary"], "2/2");
    assert_eq!(site.status()["programmedGeneration"], 1);
    assert_eq!(site.run().await.expect("looks"), Wake::ON_CHANGE);
    assert_eq!(site.api.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_live_edit_takes_the_next_number_and_touches_no_pod() {
    let (site, _edges) = Site::at_rest().await;
    let mut edited = spec();
    edited["defaultBehavior"]["cache"] = json!({"ttl": {"default": "1h"}});
    site.apply(&edited);
    site.run().await.expect("edits");
    let writes = site.api.writes();
    assert_eq!(writes[..2], ["PUT distributions/shop/status", "PATCH configmaps/shop-edge"]);
    assert!(!writes.iter().any(|call| call.contains("deployments")), "{writes:?}");
    assert_eq!(site.status()["configRevision"], 2);
    assert_eq!(site.status()["programmedGeneration"], 1, "until the edges say otherwise");
    assert!(site.condition(ConditionType::Programmed).starts_with("False/WaitingForEdges"));
    let uid = site.api.object("configmaps/shop-edge").expect("exists")["metadata"]["uid"].clone();
    assert_eq!(site.api.body("PATCH configmaps/shop-edge")["metadata"]["uid"], uid, "over this very object");
}

#[tokio::test]
async fn an_origin_that_loses_its_last_endpoint_is_told_once_and_leaves_ready_alone() {
    let (site, _edges) = Site::at_rest().await;
    site.there_is_an_endpoint("app", false);
    site.run().await.expect("tells");
    let condition = site.condition(ConditionType::OriginsHealthy);
    assert!(condition.starts_with("False/NoEndpoints: spec.origins[app].service: Service app has no"), "{condition}");
    assert!(site.condition(ConditionType::Ready).starts_with("True"));
    assert_eq!(site.api.writes(), ["PUT distributions/shop/status", "POST events"]);
    site.run().await.expect("looks again");
    assert_eq!(site.api.writes(), [""; 0]);
    site.there_is_an_endpoint("app", true);
    site.run().await.expect("tells");
    assert!(site.condition(ConditionType::OriginsHealthy).starts_with("True"));
}

#[tokio::test]
async fn a_new_release_waits_for_other_distributions_and_an_edit_does_not() {
    let (site, _edges) = Site::at_rest().await;
    let blog = DistributionKey::new("default", "blog");
    let owed = plan::Upgrade { owed: true, ..plan::Upgrade::default() };
    assert_eq!(site.context.turns.ask(&blog, owed), plan::Turn::Ours);
    let mut cluster = (*site.context.cluster.load_full()).clone();
    cluster.edge.name = "registry.example.com/edge:2.0.0".into();
    site.context.cluster.store(cluster.into());
    site.run().await.expect("waits");
    assert_eq!(site.api.writes(), ["PUT distributions/shop/status"]);
    let reconciling = site.condition(ConditionType::Reconciling);
    let waits = "True/RollingOut: shop--default waits until Distribution default/blog is through";
    assert!(reconciling.starts_with(waits), "{reconciling}");
    assert!(site.condition(ConditionType::Ready).starts_with("True"), "what serves is not touched by it");

    site.context.turns.leave(&blog);
    assert_eq!(site.context.turns.called().await, key());
    site.run().await.expect("rolls");
    assert_eq!(site.api.writes()[0], "PATCH deployments/shop--default");

    let (site, _edges) = Site::at_rest().await;
    assert_eq!(site.context.turns.ask(&blog, owed), plan::Turn::Ours);
    let mut edited = spec();
    edited["locations"] = json!([{"name": "default", "pod": {"nodeSelector": {"disk": "fast"}}}]);
    site.apply(&edited);
    site.run().await.expect("edits");
    assert!(site.api.writes().contains(&"PATCH deployments/shop--default".to_owned()));
}

#[tokio::test]
async fn a_distribution_that_cannot_be_read_serves_on() {
    let (site, _edges) = Site::at_rest().await;
    let mut object = site.api.object("distributions/shop").expect("exists");
    object["spec"]["origins"] = json!("what an older release stored");
    let object = site.api.put("distributions", object);
    see(&site.context.stores.distributions, &object);
    site.run().await.expect("rests");
    assert_eq!(site.api.calls(), Vec::<String>::new());
    assert_eq!(site.context.edges.snapshot(&key()).len(), 2, "its edges keep their streams");
}

#[tokio::test]
async fn children_are_looked_for_only_where_no_watch_shows_them() {
    let site = Site::new();
    site.run().await.expect("creates");
    let reads: Vec<_> = site.api.calls().into_iter().filter(|call| call.starts_with("GET")).collect();
    let mut expect = ["configmaps/shop-edge", "deployments/shop--default", "networkpolicies/shop-edge"].to_vec();
    expect.extend(["poddisruptionbudgets/shop--default", "serviceaccounts/shop-edge"]);
    assert_eq!(reads, expect.iter().map(|name| format!("GET {name}")).collect::<Vec<_>>());
}
