//! The driver against an API in memory: what it settles, whom it waits for, what it tells the edges.

mod leaders;

use std::time::Duration;

use crds::Invalidation;
use crds::condition::ConditionType;
use edge_contract::{CONTRACT, FromEdge, FromOperator, Hello, Sequence};
use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::edges::Pretended;
use crate::fake_api::FakeApi;
use crate::server_side_apply::Child;
use crate::table::Table;

/// One process in front of an API, and the Distribution `default/shop`.
struct Site {
    api: FakeApi,
    context: Context,
    #[expect(dead_code, reason = "while it lives, this process leads")]
    leads: watch::Sender<Leadership>,
}

impl Site {
    /// A Distribution that was served before and whose log is empty.
    fn new() -> Self {
        let api = FakeApi::default();
        let (context, leads) = Context::for_test(&api, Duration::from_mins(5));
        let site = Self { api, context, leads };
        let distribution = json!({
            "apiVersion": "cdn.kubefront.io/v1alpha1", "kind": "Distribution",
            "metadata": {"namespace": "default", "name": "shop", "uid": "uid-shop", "generation": 1},
            "spec": {"origins": [{"name": "app", "url": "https://app.example.com"}], "defaultBehavior": {"origin": "app"}},
            "status": {"observedGeneration": 1, "programmedGeneration": 1, "configRevision": 1,
                "invalidation": {"epoch": 7, "sequence": 0, "floor": 0, "flush": 0}},
        });
        see(&site.context.stores.distributions, &site.api.put("distributions", distribution));
        site
    }

    /// One look, a second after everything before it.
    async fn run(&self) -> Wake {
        tokio::time::advance(Duration::from_secs(1)).await;
        reconcile(&self.context, &key()).await.expect("reconciles")
    }

    /// A user creates an Invalidation of one path.
    fn invalidate(&self, name: &str) {
        see(&self.context.stores.invalidations, &self.api.put("invalidations", invalidation_of(name)));
    }

    /// The node of every pod.
    fn there_is_a_node(&self) {
        self.api.put("api/v1/nodes", json!({"metadata": {"name": "node-1"}, "spec": {}}));
    }

    /// Its kubelet renews its Lease.
    fn the_node_renews(&self, second: u64) {
        let lease = json!({"metadata": {"namespace": "kube-node-lease", "name": "node-1"},
            "spec": {"renewTime": format!("2026-11-22T00:00:{second:02}.000000Z")}});
        self.api.put("leases", lease);
    }

    /// A pod that has a node.
    fn there_is_a_pod(&self, name: &str) {
        let pod = json!({"metadata": {"namespace": "default", "name": name, "uid": format!("uid-{name}"),
                "labels": {"cdn.kubefront.io/distribution": "shop"}},
            "spec": {"nodeName": "node-1", "containers": [], "terminationGracePeriodSeconds": 60}});
        see(&self.context.stores.pods, &self.api.put("pods", pod));
    }

    /// A pod whose edge has called, at this place of the log.
    fn edge(&self, name: &str, at: Option<(u64, u64)>) -> Edge {
        self.there_is_a_pod(name);
        self.calls(name, at)
    }

    /// The edge of a pod calls.
    fn calls(&self, name: &str, at: Option<(u64, u64)>) -> Edge {
        self.starts(name, name, at)
    }

    /// A start of the edge of a pod calls.
    fn starts(&self, name: &str, boot: &str, at: Option<(u64, u64)>) -> Edge {
        let hello = json!({"contract": CONTRACT, "pod": name, "uid": format!("uid-{name}"), "bootId": boot,
            "epoch": at.map(|at| at.0), "sequence": at.map(|at| at.1)});
        let hello: Hello = serde_json::from_value(hello).expect("a hello");
        Edge { stream: self.context.edges.pretend(&key(), &hello).expect("this process leads"), last: None }
    }

    /// `Status: message` of whether it is complete.
    fn complete(&self, name: &str) -> String {
        let object = self.api.object(&format!("invalidations/{name}")).expect("exists");
        let invalidation: Invalidation = serde_json::from_value(object).expect("an Invalidation");
        let conditions = invalidation.status.unwrap_or_default().conditions;
        let condition = ConditionType::Complete.of(&conditions);
        condition.map_or_else(|| "Unknown".into(), |condition| format!("{}: {}", condition.status, condition.message))
    }
}

/// The edge of a pod whose stream is open for as long as this lives.
struct Edge {
    stream: Pretended,
    /// The order that it applied last, and that one's uid.
    last: Option<(Sequence, String)>,
}

impl Edge {
    /// Applies what it is owed, and says so; the numbers of orders, and heads as `≤number`.
    fn follows(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for line in self.stream.owed() {
            let at = match line {
                FromOperator::Order(order) => {
                    told.push(order.sequence.to_string());
                    let at = Sequence { epoch: order.epoch, number: order.sequence };
                    self.last = Some((at, order.uid));
                    at
                }
                FromOperator::Head(head) => {
                    told.push(format!("≤{}", head.sequence));
                    Sequence { epoch: head.epoch, number: head.sequence }
                }
                _ => continue,
            };
            let order_uid = self.last.as_ref().filter(|(last, _)| *last == at).map(|(_, uid)| uid.clone());
            let (epoch, sequence) = (at.epoch, at.number);
            self.stream.say(FromEdge::Acknowledged { epoch, sequence, order_uid, removed: 0 });
        }
        told
    }
}

fn key() -> DistributionKey {
    DistributionKey::new("default", "shop")
}

/// An Invalidation of one path, as a user creates it.
fn invalidation_of(name: &str) -> Value {
    let owner = json!({"apiVersion": "cdn.kubefront.io/v1alpha1", "kind": "Distribution", "name": "shop",
        "uid": "uid-shop"});
    json!({
        "apiVersion": "cdn.kubefront.io/v1alpha1", "kind": "Invalidation",
        "metadata": {"namespace": "default", "name": name, "uid": format!("uid-{name}"), "generation": 1,
            "creationTimestamp": "2026-11-22T00:00:00Z", "ownerReferences": [owner]},
        "spec": {"distributionRef": {"name": "shop"}, "paths": ["/index.html"]},
    })
}

/// The watch of a table tells of an object.
fn see<K: Child>(table: &Table<K>, object: &Value) {
    let object: DeserializeGuard<K> = serde_json::from_value(object.clone()).expect("an object");
    table.feed(None).take(Event::Apply(object));
}

/// The watch of a table tells that an object is gone.
fn miss<K: Child>(table: &Table<K>, object: &Value) {
    let object: DeserializeGuard<K> = serde_json::from_value(object.clone()).expect("an object");
    table.feed(None).take(Event::Delete(object));
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_is_complete_once_every_edge_has_applied_it() {
    let site = Site::new();
    let (mut one, mut two) = (site.edge("one", None), site.edge("two", None));
    site.invalidate("inv");
    site.run().await;
    assert_eq!(one.follows(), ["1", "≤1"]);
    site.run().await;
    assert!(site.complete("inv").starts_with("False: 1 of 2 edges"), "{}", site.complete("inv"));
    assert_eq!(two.follows(), ["1", "≤1"]);
    site.run().await;
    assert_eq!(site.complete("inv"), "True: every edge has applied it: 2 of 2");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_closed_once_its_pod_is_gone_and_not_while_it_ends() {
    let site = Site::new();
    let (one, two) = (site.edge("one", None), site.edge("two", None));
    site.run().await;
    let mut ending = site.api.object("pods/one").expect("exists");
    ending["metadata"]["deletionTimestamp"] = json!("2026-11-22T01:00:00Z");
    see(&site.context.stores.pods, &site.api.put("pods", ending));
    site.run().await;
    assert!(!one.stream.is_closed(), "it has its goodbye to say");

    miss(&site.context.stores.pods, &site.api.object("pods/one").expect("exists"));
    site.run().await;
    assert!(!one.stream.is_closed(), "a watch that shows it no more proves nothing: the API still has it");
    site.api.remove("pods/one");
    site.run().await;
    assert!(one.stream.is_closed());
    assert!(!two.stream.is_closed());
}

#[tokio::test(start_paused = true)]
async fn f6_a_pod_that_never_starts_holds_no_order_up_however_many_follow() {
    let site = Site::new();
    site.there_is_a_pod("one");
    site.there_is_a_node();
    for second in (0..60).step_by(5) {
        if second % 10 == 0 {
            site.the_node_renews(second);
        }
        site.invalidate(&format!("inv-{second}"));
        site.run().await;
        tokio::time::advance(Duration::from_secs(4)).await;
    }
    assert_eq!(site.complete("inv-0"), "True: every edge has applied it: 1 of 1");
    assert!(site.complete("inv-55").starts_with("False"), "its kubelet has not said so since");
}

#[tokio::test(start_paused = true)]
async fn f8_an_edge_that_a_bare_head_brought_to_a_number_has_not_applied_the_order_that_stands_there() {
    let site = Site::new();
    // Before the status was put back to what a backup held, two orders were given, completed and cleaned up. The edge started
    // after them, and was away when their numbers were given again.
    site.there_is_a_pod("one");
    site.invalidate("a");
    site.invalidate("b");
    site.run().await;
    let mut one = site.calls("one", Some((7, 2)));
    for _ in 0..3 {
        site.run().await;
        one.follows();
    }
    let epoch = site.api.object("distributions/shop").expect("exists")["status"]["invalidation"]["epoch"].clone();
    assert_ne!(epoch, 7, "its numbers are of another life");
    site.run().await;
    assert!(site.complete("a").starts_with("True"), "{}", site.complete("a"));
}

#[tokio::test(start_paused = true)]
async fn the_log_reaches_edges_of_a_distribution_that_was_away_for_a_moment() {
    let site = Site::new();
    let mut one = site.edge("one", None);
    site.invalidate("inv");
    site.run().await;
    assert_eq!(one.follows(), ["1", "≤1"]);
    site.run().await;
    site.context.edges.forget(&key());
    let mut one = site.calls("one", Some((7, 1)));
    site.run().await;
    assert_eq!(one.follows(), ["≤1"]);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_invalidations_is_no_failure() {
    let site = Site::new();
    let mut one = site.edge("one", None);
    site.run().await;
    (0..1_200).for_each(|number| site.invalidate(&format!("inv-{number:04}")));
    let mut runs = 0;
    while !site.complete("inv-1199").starts_with("True") {
        site.run().await;
        one.follows();
        runs += 1;
        assert!(runs < 12, "no end is in sight");
    }
}

#[tokio::test(start_paused = true)]
async fn of_an_edge_that_starts_over_and_over_only_its_last_start_is_remembered() {
    let site = Site::new();
    site.there_is_a_pod("one");
    for start in 0..5 {
        let mut one = site.starts("one", &format!("boot-{start}"), None);
        site.run().await;
        assert_eq!(one.follows(), ["≤0"]);
    }
    site.run().await;
    let memory = site.context.orders.of(&key());
    assert_eq!(memory.lock().await.admitted.keys().collect::<Vec<_>>(), ["boot-4"]);
}
