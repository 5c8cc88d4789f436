//! Origins behind a shield, on a real cluster: one location asks for all, and nobody notices when it cannot.

mod crowds;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tests::cluster::{eventually, in_namespace};
use tests::product::{
    ask_edge, complete, distribution, edges, installed, invalidation, is_ready, origin, ready, service_address,
    set_content,
};
use tests::viewer;

/// One edge in each of two locations.
fn two_locations(change: impl FnOnce(&mut Value)) -> Value {
    distribution(|spec| {
        let location = |name: &str| json!({ "name": name, "replicas": 1, "cache": { "memory": "16Mi" } });
        spec["locations"] = json!([location("near-origin"), location("near-viewers")]);
        change(spec);
    })
}

/// The same, the first location before the origin.
fn shielded() -> Value {
    two_locations(|spec| spec["origins"][0]["shield"] = json!({ "location": "near-origin" }))
}

/// The edges that are ready, by their locations.
async fn by_location(client: &Client, namespace: &str) -> BTreeMap<String, Pod> {
    let location = |pod: &Pod| pod.labels()["cdn.kubefront.io/location"].clone();
    let pods = edges(client, namespace).await.into_iter().filter(is_ready);
    pods.map(|pod| (location(&pod), pod)).collect()
}

/// Where the origin is changed and observed.
async fn admin(client: &Client, namespace: &str) -> SocketAddr {
    SocketAddr::new(service_address(client, namespace, "shop-origin").await.ip(), 8081)
}

/// How often the origin was asked for a path.
async fn reads(client: &Client, namespace: &str, path: &str) -> String {
    let admin = admin(client, namespace).await;
    let seen = viewer::get(admin, "shop-origin", &format!("/count?of={path}")).await.expect("the origin answers");
    seen.text().trim().to_owned()
}

/// Waits until all of so many edges are given one answer of the origin: edges hear of each other a moment after they are ready. It is for
/// the path that this returns.
async fn until_shielded(client: &Client, namespace: &str, name: &str, edges_there: usize) -> String {
    let mut tries = 0_u32;
    eventually("all edges ask the shield", || {
        tries += 1;
        let path = format!("/{name}-{tries}");
        async move {
            let edges: Vec<Pod> = edges(client, namespace).await.into_iter().filter(is_ready).collect();
            let mut answers = BTreeSet::new();
            for edge in &edges {
                answers.insert(ask_edge(edge, &path).await.field("x-read").to_owned());
            }
            edges.len() == edges_there && answers.len() == 1
        }
    })
    .await;
    format!("/{name}-{tries}")
}

#[tokio::test]
async fn a_shield_that_is_added_to_running_edges_asks_once_for_both_locations() {
    installed().await;
    in_namespace("shield-added", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &two_locations(|_| ())).await;
        let before = by_location(&client, &namespace).await;
        for edge in before.values() {
            assert!(ask_edge(edge, "/each").await.status.is_success());
        }
        assert_eq!(reads(&client, &namespace, "/each").await, "2", "each asks by itself");

        ready(&client, &namespace, &shielded()).await;
        until_shielded(&client, &namespace, "added", 2).await;
        let after = by_location(&client, &namespace).await;
        let uids = |edges: &BTreeMap<String, Pod>| edges.values().map(ResourceExt::uid).collect::<Vec<_>>();
        assert_eq!(uids(&before), uids(&after), "no pod was touched");
        let outer = ask_edge(&after["near-viewers"], "/once").await;
        let inner = ask_edge(&after["near-origin"], "/once").await;
        assert!(outer.status.is_success() && !outer.is_hit(), "{outer:?}");
        assert!(inner.is_hit(), "it has stored what it asked for the other: {inner:?}");
        assert_eq!(outer.body, inner.body);
        assert_eq!(reads(&client, &namespace, "/once").await, "1");
        assert!(ask_edge(&after["near-viewers"], "/once").await.is_hit(), "the outer edge stores, too");

        ready(&client, &namespace, &two_locations(|_| ())).await;
        for edge in after.values() {
            ask_edge(edge, "/each-again").await;
        }
        assert_eq!(reads(&client, &namespace, "/each-again").await, "2", "without it each asks by itself again");
    })
    .await;
}

#[tokio::test]
async fn while_a_shield_is_killed_the_origin_is_asked_and_then_the_next_one_is() {
    installed().await;
    in_namespace("shield-killed", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &shielded()).await;
        until_shielded(&client, &namespace, "before", 2).await;
        let edges = by_location(&client, &namespace).await;
        let (shield, outer) = (&edges["near-origin"], &edges["near-viewers"]);
        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        pods.delete(&shield.name_any(), &DeleteParams::default().grace_period(0)).await.expect("is killed");
        for number in 0..20 {
            let path = format!("/meanwhile-{number}");
            let seen = ask_edge(outer, &path).await;
            assert!(seen.status.is_success(), "{path}: {seen:?}");
        }
        until_shielded(&client, &namespace, "after", 2).await;
        let next = &by_location(&client, &namespace).await["near-origin"];
        assert_ne!(next.uid(), shield.uid());
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_that_is_complete_reaches_what_came_through_a_shield() {
    installed().await;
    in_namespace("shield-purged", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &shielded()).await;
        until_shielded(&client, &namespace, "before", 2).await;
        let edges = by_location(&client, &namespace).await;
        for round in 0..5 {
            for edge in edges.values() {
                ask_edge(edge, "/page").await;
                assert!(ask_edge(edge, "/page").await.is_hit());
            }
            let fresh: &'static str = ["one", "two", "three", "four", "five"][round];
            set_content(&client, &namespace, fresh).await;
            complete(&client, &namespace, &invalidation(&format!("round-{round}"), &["/page"])).await;
            for location in ["near-viewers", "near-origin"] {
                let seen = ask_edge(&edges[location], "/page").await;
                assert!(seen.text().contains(&format!("content {fresh}")), "{location}: {seen:?}");
            }
        }
    })
    .await;
}
