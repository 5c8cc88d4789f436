//! The walks on a real cluster: what users do, on real pods behind real Services.

use std::time::Duration;

use crds::{Distribution, Invalidation};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;
use tests::{
    cluster::{apply, has, in_namespace, until, until_gone},
    product::{
        ask, ask_edge, complete, distribution, edges, installed, invalidation, is, origin, ready, service_address,
        set_content, status, until_ready,
    },
    viewer,
};

fn distributions(client: &Client, namespace: &str) -> Api<Distribution> {
    Api::namespaced(client.clone(), namespace)
}

/// The message of a condition.
fn message(distribution: &Distribution, condition: &str) -> String {
    let conditions = status(distribution).conditions;
    conditions.into_iter().find(|found| found.type_ == condition).map(|found| found.message).unwrap_or_default()
}

#[tokio::test]
async fn content_is_served_from_every_edge_until_it_is_invalidated() {
    installed().await;
    in_namespace("walk", |client, namespace| async move {
        origin(&client, &namespace).await;
        let two = distribution(|spec| spec["locations"][0]["replicas"] = json!(2));
        let made = ready(&client, &namespace, &two).await;
        assert_eq!(status(&made).edges.expect("edges").summary, "2/2");
        for edge in edges(&client, &namespace).await {
            let first = ask_edge(&edge, "/page").await;
            assert!(first.status.is_success() && !first.is_hit(), "{first:?}");
            let second = ask_edge(&edge, "/page").await;
            assert!(second.is_hit(), "{second:?}");
            assert_eq!(first.field("x-read"), second.field("x-read"));
        }
        set_content(&client, &namespace, "fresh").await;
        let done = complete(&client, &namespace, &invalidation("one", &["/page"])).await;
        let done = done.status.expect("a status");
        assert_eq!(done.edges.expect("edges").summary, "2/2");
        for edge in edges(&client, &namespace).await {
            let seen = ask_edge(&edge, "/page").await;
            assert!(seen.text().contains("fresh"), "{seen:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served_on_the_same_port() {
    installed().await;
    in_namespace("h2", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &distribution(|_| ())).await;
        let address = service_address(&client, &namespace, "shop-edge").await;
        let seen = viewer::get_h2(address, "shop-edge", "/page").await.expect("answers");
        assert!(seen.status.is_success(), "{seen:?}");
    })
    .await;
}

#[tokio::test]
async fn a_distribution_whose_service_appears_later_becomes_ready_by_itself() {
    installed().await;
    in_namespace("later", |client, namespace| async move {
        apply(&client, &namespace, &distribution(|_| ()).to_string()).await;
        let api = distributions(&client, &namespace);
        let waiting = until(&api, "shop", "names what is missing", |found| is(found, "ResolvedRefs", "False")).await;
        let told = message(&waiting, "ResolvedRefs");
        assert!(told.contains("shop-origin") && told.contains("spec.origins"), "{told}");
        origin(&client, &namespace).await;
        until_ready(&client, &namespace).await;
        assert!(ask(&client, &namespace, "/").await.status.is_success());
    })
    .await;
}

#[tokio::test]
async fn an_edit_that_breaks_it_leaves_the_old_generation_serving() {
    installed().await;
    in_namespace("broken", |client, namespace| async move {
        origin(&client, &namespace).await;
        let made = ready(&client, &namespace, &distribution(|_| ())).await;
        let broken = distribution(|spec| spec["origins"][0]["service"]["name"] = json!("nowhere"));
        apply(&client, &namespace, &broken.to_string()).await;
        let api = distributions(&client, &namespace);
        let refused = until(&api, "shop", "is refused", |found| is(found, "ResolvedRefs", "False")).await;
        assert_eq!(status(&refused).programmed_generation, made.metadata.generation);
        assert!(is(&refused, "Ready", "False"));
        assert!(ask(&client, &namespace, "/").await.status.is_success(), "the old generation serves");
        apply(&client, &namespace, &distribution(|_| ()).to_string()).await;
        until_ready(&client, &namespace).await;
    })
    .await;
}

#[tokio::test]
async fn a_live_edit_is_programmed_without_touching_a_pod() {
    installed().await;
    in_namespace("live", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &distribution(|_| ())).await;
        let before: Vec<_> = edges(&client, &namespace).await.iter().map(ResourceExt::uid).collect();
        let edited = distribution(|spec| {
            spec["behaviors"] = json!([{ "pathPattern": "/live", "origin": "app",
                "cache": { "ttl": { "min": "0s", "default": "0s", "max": "0s" } } }]);
        });
        ready(&client, &namespace, &edited).await;
        for _ in 0..2 {
            assert!(!ask(&client, &namespace, "/live").await.is_hit(), "nothing is stored at zero");
        }
        let after: Vec<_> = edges(&client, &namespace).await.iter().map(ResourceExt::uid).collect();
        assert_eq!(before, after);
    })
    .await;
}

#[tokio::test]
async fn a_location_more_brings_edges_and_a_location_less_takes_them_away() {
    installed().await;
    in_namespace("places", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &distribution(|_| ())).await;
        let second = json!({ "name": "second", "replicas": 1, "cache": { "memory": "16Mi" } });
        let two = distribution(|spec| spec["locations"].as_array_mut().expect("a list").push(second));
        let made = ready(&client, &namespace, &two).await;
        assert_eq!(status(&made).locations.len(), 2);
        let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
        services.get("shop--second").await.expect("a Service for the location");
        ready(&client, &namespace, &distribution(|_| ())).await;
        until_gone(&services, "shop--second").await;
    })
    .await;
}

#[tokio::test]
async fn a_changed_content_version_removes_everything_once() {
    installed().await;
    in_namespace("version", |client, namespace| async move {
        origin(&client, &namespace).await;
        let versioned = |version: &str| {
            let version = version.to_owned();
            distribution(move |spec| spec["contentVersion"] = json!(version))
        };
        ready(&client, &namespace, &versioned("1")).await;
        ask(&client, &namespace, "/page").await;
        assert!(ask(&client, &namespace, "/page").await.is_hit());
        set_content(&client, &namespace, "second").await;
        let made = ready(&client, &namespace, &versioned("2")).await;
        assert_eq!(status(&made).content_version.as_deref(), Some("2"));
        assert!(ask(&client, &namespace, "/page").await.text().contains("second"));
    })
    .await;
}

#[tokio::test]
async fn an_alias_belongs_to_the_distribution_that_had_it_first() {
    installed().await;
    in_namespace("alias", |client, namespace| async move {
        origin(&client, &namespace).await;
        let alias = format!("{namespace}.example.com");
        let with_alias = distribution(|spec| spec["aliases"] = json!([alias]));
        ready(&client, &namespace, &with_alias).await;
        let mut late = with_alias.clone();
        late["metadata"]["name"] = json!("late");
        apply(&client, &namespace, &late.to_string()).await;
        let api = distributions(&client, &namespace);
        let loser = until(&api, "late", "loses the alias", |found| is(found, "AliasesHeld", "False")).await;
        assert!(message(&loser, "AliasesHeld").contains(&alias));
        api.delete("shop", &DeleteParams::default()).await.expect("deletes");
        let heir = until(&api, "late", "gets the alias", |found| is(found, "AliasesHeld", "True")).await;
        assert_eq!(status(&heir).aliases, [alias]);
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_of_no_distribution_says_so_and_completes_when_there_is_one() {
    installed().await;
    in_namespace("orphan", |client, namespace| async move {
        apply(&client, &namespace, &invalidation("early", &["/*"]).to_string()).await;
        let api: Api<Invalidation> = Api::namespaced(client.clone(), &namespace);
        until(&api, "early", "is refused", |found| {
            found.status.as_ref().is_some_and(|status| has(&status.conditions, "Accepted", "False"))
        })
        .await;
        origin(&client, &namespace).await;
        ready(&client, &namespace, &distribution(|_| ())).await;
        complete(&client, &namespace, &invalidation("early", &["/*"])).await;
    })
    .await;
}

#[tokio::test]
async fn a_foreign_object_with_a_childs_name_is_never_adopted() {
    installed().await;
    in_namespace("foreign", |client, namespace| async move {
        origin(&client, &namespace).await;
        let foreign = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "shop-edge" },
            "spec": { "ports": [{ "port": 4321 }], "selector": { "somebody": "else" } } });
        apply(&client, &namespace, &foreign.to_string()).await;
        apply(&client, &namespace, &distribution(|_| ()).to_string()).await;
        let api = distributions(&client, &namespace);
        until(&api, "shop", "names the foreign object", |found| {
            is(found, "Ready", "False") && status(found).conditions.iter().any(|one| one.message.contains("shop-edge"))
        })
        .await;
        let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
        let kept = services.get("shop-edge").await.expect("is there");
        assert!(kept.metadata.owner_references.is_none(), "{kept:?}");
        services.delete("shop-edge", &DeleteParams::default()).await.expect("deletes");
        until_ready(&client, &namespace).await;
    })
    .await;
}

#[tokio::test]
async fn deleting_a_distribution_takes_its_children_and_invalidations_along() {
    installed().await;
    in_namespace("gone", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &distribution(|_| ())).await;
        complete(&client, &namespace, &invalidation("kept", &["/a"])).await;
        let api = distributions(&client, &namespace);
        api.delete("shop", &DeleteParams::foreground()).await.expect("deletes");
        until_gone(&api, "shop").await;
        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        for edge in edges(&client, &namespace).await {
            until_gone(&pods, &edge.name_any()).await;
        }
        until_gone(&Api::<Invalidation>::namespaced(client.clone(), &namespace), "kept").await;
    })
    .await;
}

#[tokio::test]
async fn a_disabled_distribution_keeps_its_edges_and_answers_503() {
    installed().await;
    in_namespace("off", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &distribution(|spec| spec["enabled"] = json!(false))).await;
        assert_eq!(ask(&client, &namespace, "/").await.status, 503);
        assert_eq!(edges(&client, &namespace).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_origin_that_is_away_is_a_gateway_error_that_heals() {
    installed().await;
    in_namespace("away", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &distribution(|_| ())).await;
        scale_origin(&client, &namespace, 0).await;
        let seen = ask(&client, &namespace, "/cold").await;
        assert!([502, 503, 504].contains(&seen.status.as_u16()), "{seen:?}");
        scale_origin(&client, &namespace, 1).await;
        tests::cluster::eventually("the origin is reached again", || async {
            ask(&client, &namespace, "/cold").await.status.is_success()
        })
        .await;
    })
    .await;
}

async fn scale_origin(client: &Client, namespace: &str, replicas: i32) {
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(client.clone(), namespace);
    let patch = json!({ "spec": { "replicas": replicas } });
    deployments.patch("shop-origin", &PatchParams::default(), &Patch::Merge(patch)).await.expect("scales");
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let selector = ListParams::default().labels("app.kubernetes.io/name=shop-origin");
    tests::cluster::eventually("the origin has so many pods", || async {
        let all = pods.list(&selector).await.expect("lists");
        all.items.len() == usize::try_from(replicas).unwrap_or_default()
    })
    .await;
}

#[tokio::test]
async fn a_live_edit_is_programmed_within_seconds() {
    installed().await;
    in_namespace("quick", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &distribution(|_| ())).await;
        let edited = distribution(|spec| spec["defaultRootObject"] = json!("start.html"));
        let programmed = tokio::time::timeout(Duration::from_secs(10), ready(&client, &namespace, &edited)).await;
        programmed.expect("a hang would show here; the figure itself is a benchmark's");
    })
    .await;
}
