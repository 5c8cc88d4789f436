//! What the API server takes and refuses of an Invalidation, and what it lets nobody change.

use serde_json::{Value, json};
use tests::cluster::{apply, in_namespace};

use crate::{Law, change, hold, install};

/// An Invalidation that is fine.
fn invalidation() -> Value {
    json!({
        "apiVersion": "cdn.kubefront.io/v1alpha1", "kind": "Invalidation", "metadata": { "name": "fresh" },
        "spec": { "distributionRef": { "name": "shop" }, "paths": ["/index.html"] },
    })
}

#[tokio::test]
async fn invalidations_are_taken_or_refused_by_their_own_laws() {
    in_namespace("laws", |client, namespace| async move {
        install(&client).await;
        hold(&client, &namespace, invalidation, &INVALIDATION_LAWS).await;
    })
    .await;
}

const INVALIDATION_LAWS: [Law; 16] = [
    Law("accepts_a_path", |_| (), None),
    Law("accepts_everything", |o| o["spec"]["paths"] = json!(["/*"]), None),
    Law("accepts_a_query", |o| o["spec"]["paths"] = json!(["/a?b=c"]), None),
    Law("rejects_no_path", |o| o["spec"]["paths"] = json!([]), Some("should have at least 1 items")),
    Law("rejects_a_path_without_a_leading_slash", |o| o["spec"]["paths"] = json!(["a"]), Some("paths[0]")),
    Law("rejects_a_star_that_is_not_last", |o| o["spec"]["paths"] = json!(["/a*b"]), Some("paths[0]")),
    Law("rejects_two_stars", |o| o["spec"]["paths"] = json!(["/a**"]), Some("paths[0]")),
    Law("rejects_a_path_with_a_space", |o| o["spec"]["paths"] = json!(["/a b"]), Some("paths[0]")),
    Law("accepts_3000_paths", |o| o["spec"]["paths"] = (0..3000).map(|n| json!(format!("/{n}"))).collect(), None),
    Law(
        "rejects_3001_paths",
        |o| o["spec"]["paths"] = (0..3001).map(|n| json!(format!("/{n}"))).collect(),
        Some("must have at most 3000 items"),
    ),
    Law("accepts_15_wildcards", |o| o["spec"]["paths"] = (0..15).map(|n| json!(format!("/{n}/*"))).collect(), None),
    Law(
        "rejects_16_wildcards",
        |o| o["spec"]["paths"] = (0..16).map(|n| json!(format!("/{n}/*"))).collect(),
        Some("at most 15 paths may end in *"),
    ),
    Law(
        "rejects_a_path_of_4001_characters",
        |o| o["spec"]["paths"] = json!([format!("/{}", "a".repeat(4000))]),
        Some("paths[0]"),
    ),
    Law(
        "rejects_no_distribution",
        |o| {
            o["spec"].as_object_mut().expect("a spec").remove("distributionRef");
        },
        Some("distributionRef: Required"),
    ),
    Law(
        "rejects_a_time_to_live_with_a_fixed_name",
        |o| o["spec"]["ttlSecondsAfterFinished"] = json!(60),
        Some("needs a generated name"),
    ),
    Law(
        "accepts_a_time_to_live_with_a_generated_name",
        |o| {
            o["metadata"] = json!({ "generateName": "a-" });
            o["spec"]["ttlSecondsAfterFinished"] = json!(60);
        },
        None,
    ),
];

#[tokio::test]
async fn an_invalidation_is_immutable_but_for_its_time_to_live() {
    in_namespace("laws", |client, namespace| async move {
        install(&client).await;
        let stored = invalidation();
        apply(&client, &namespace, &stored.to_string()).await;
        let other_paths = change(&client, &namespace, &stored, json!({ "spec": { "paths": ["/b"] } })).await;
        assert!(other_paths.expect_err("refused").contains("an Invalidation is immutable"));
        let other_distribution = json!({ "spec": { "distributionRef": { "name": "other" } } });
        let refused = change(&client, &namespace, &stored, other_distribution).await;
        assert!(refused.expect_err("refused").contains("an Invalidation is immutable"));
        let labels = json!({ "metadata": { "labels": { "a": "b" } } });
        change(&client, &namespace, &stored, labels).await.expect("labels may change");
    })
    .await;
}
