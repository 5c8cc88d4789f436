//! What the API server takes and refuses of a Distribution: its names, behaviors and locations, and what it fills in.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tests::cluster::in_namespace;

use crate::{Law, answer, api, hold, install};

/// A Distribution that is fine.
pub fn distribution() -> Value {
    json!({
        "apiVersion": "cdn.kubefront.io/v1alpha1", "kind": "Distribution", "metadata": { "name": "shop" },
        "spec": {
            "origins": [{ "name": "app", "service": { "name": "app", "port": 80 } }],
            "defaultBehavior": { "origin": "app" },
        },
    })
}

fn ttl(object: &mut Value, ttl: Value) {
    object["spec"]["defaultBehavior"]["cache"] = json!({ "ttl": ttl });
}

#[tokio::test]
async fn distributions_are_taken_or_refused_by_their_own_laws() {
    in_namespace("laws", |client, namespace| async move {
        install(&client).await;
        hold(&client, &namespace, distribution, &DISTRIBUTION_LAWS).await;
    })
    .await;
}

const DISTRIBUTION_LAWS: [Law; 38] = [
    Law("accepts_the_smallest", |_| (), None),
    Law("rejects_an_unknown_type", |o| o["spec"]["type"] = json!("Live"), Some("Unsupported value")),
    Law(
        "rejects_a_name_with_a_double_hyphen",
        |o| o["metadata"]["name"] = json!("a--b"),
        Some("metadata.name must be"),
    ),
    Law(
        "rejects_a_name_that_starts_with_a_digit",
        |o| o["metadata"]["name"] = json!("1a"),
        Some("metadata.name must be"),
    ),
    Law("rejects_a_name_with_a_dot", |o| o["metadata"]["name"] = json!("a.b"), Some("metadata.name must be")),
    Law("accepts_a_name_of_30_characters", |o| o["metadata"]["name"] = json!("a".repeat(30)), None),
    Law(
        "rejects_a_name_of_31_characters",
        |o| o["metadata"]["name"] = json!("a".repeat(31)),
        Some("metadata.name must be"),
    ),
    Law(
        "rejects_a_behavior_of_no_origin",
        |o| o["spec"]["behaviors"] = json!([{ "pathPattern": "/a", "origin": "b" }]),
        Some("a behavior's origin names no origin"),
    ),
    Law(
        "rejects_a_default_behavior_of_no_origin",
        |o| o["spec"]["defaultBehavior"]["origin"] = json!("b"),
        Some("defaultBehavior.origin names no origin"),
    ),
    Law(
        "rejects_no_default_behavior",
        |o| {
            o["spec"].as_object_mut().expect("a spec").remove("defaultBehavior");
        },
        Some("defaultBehavior: Required"),
    ),
    Law(
        "rejects_two_behaviors_of_one_pattern",
        |o| {
            o["spec"]["behaviors"] =
                json!([{ "pathPattern": "/a", "origin": "app" }, { "pathPattern": "/a", "origin": "app" }])
        },
        Some("same pathPattern"),
    ),
    Law(
        "rejects_76_behaviors",
        |o| {
            o["spec"]["behaviors"] =
                (0..76).map(|n| json!({ "pathPattern": format!("/{n}"), "origin": "app" })).collect()
        },
        Some("must have at most 75 items"),
    ),
    Law(
        "accepts_75_behaviors",
        |o| {
            o["spec"]["behaviors"] =
                (0..75).map(|n| json!({ "pathPattern": format!("/{n}"), "origin": "app" })).collect()
        },
        None,
    ),
    Law(
        "accepts_wildcards_in_a_pattern",
        |o| o["spec"]["behaviors"] = json!([{ "pathPattern": "*.jp?g", "origin": "app" }]),
        None,
    ),
    Law(
        "rejects_a_pattern_with_a_space",
        |o| o["spec"]["behaviors"] = json!([{ "pathPattern": "/a b", "origin": "app" }]),
        Some("pathPattern"),
    ),
    Law(
        "rejects_a_pattern_of_256_characters",
        |o| o["spec"]["behaviors"] = json!([{ "pathPattern": "a".repeat(256), "origin": "app" }]),
        Some("pathPattern"),
    ),
    Law("accepts_ttls_in_order", |o| ttl(o, json!({ "min": "1s", "default": "1m", "max": "1h30m" })), None),
    Law(
        "rejects_min_above_max",
        |o| ttl(o, json!({ "min": "2h", "max": "1h" })),
        Some("ttl.min must not be above ttl.max"),
    ),
    Law(
        "rejects_min_above_default",
        |o| ttl(o, json!({ "min": "2h", "default": "1h" })),
        Some("ttl.min must not be above ttl.default"),
    ),
    Law(
        "rejects_default_above_max",
        |o| ttl(o, json!({ "default": "61m", "max": "1h" })),
        Some("ttl.default must not be above ttl.max"),
    ),
    Law("compares_only_the_ttls_that_are_set", |o| ttl(o, json!({ "max": "1s" })), None),
    Law("rejects_a_duration_without_a_unit", |o| ttl(o, json!({ "max": "10" })), Some("ttl.max")),
    Law(
        "rejects_unknown_methods",
        |o| o["spec"]["defaultBehavior"]["methods"] = json!("GET"),
        Some("Unsupported value"),
    ),
    Law("accepts_aliases", |o| o["spec"]["aliases"] = json!(["shop.example.com", "*.shop.example.com"]), None),
    Law("rejects_an_alias_in_upper_case", |o| o["spec"]["aliases"] = json!(["Shop.example.com"]), Some("aliases")),
    Law(
        "rejects_an_alias_with_a_wildcard_inside",
        |o| o["spec"]["aliases"] = json!(["a.*.example.com"]),
        Some("aliases"),
    ),
    Law("rejects_an_alias_with_a_port", |o| o["spec"]["aliases"] = json!(["a.example.com:80"]), Some("aliases")),
    Law(
        "rejects_the_same_alias_twice",
        |o| o["spec"]["aliases"] = json!(["a.example.com", "a.example.com"]),
        Some("Duplicate value"),
    ),
    Law("rejects_http3", |o| o["spec"]["viewer"] = json!({ "protocols": ["HTTP3"] }), Some("Unsupported value")),
    Law(
        "rejects_a_location_with_a_double_hyphen",
        |o| o["spec"]["locations"] = json!([{ "name": "a--b" }]),
        Some("no double hyphen"),
    ),
    Law(
        "rejects_a_location_name_of_21_characters",
        |o| o["spec"]["locations"] = json!([{ "name": "a".repeat(21) }]),
        Some("Too long"),
    ),
    Law(
        "rejects_two_locations_of_one_name",
        |o| o["spec"]["locations"] = json!([{ "name": "a" }, { "name": "a" }]),
        Some("Duplicate value"),
    ),
    Law("rejects_0_replicas", |o| o["spec"]["locations"] = json!([{ "name": "a", "replicas": 0 }]), Some("replicas")),
    Law(
        "accepts_a_cache_of_64Mi",
        |o| o["spec"]["locations"] = json!([{ "name": "a", "cache": { "memory": "64Mi" } }]),
        None,
    ),
    Law(
        "rejects_a_cache_below_1Mi",
        |o| o["spec"]["locations"] = json!([{ "name": "a", "cache": { "memory": "1000" } }]),
        Some("cache.memory must be"),
    ),
    Law(
        "rejects_a_cache_that_is_no_quantity",
        |o| o["spec"]["locations"] = json!([{ "name": "a", "cache": { "memory": "much" } }]),
        Some("cache.memory must be"),
    ),
    Law(
        "rejects_a_root_object_with_a_leading_slash",
        |o| o["spec"]["defaultRootObject"] = json!("/index.html"),
        Some("defaultRootObject"),
    ),
    Law(
        "rejects_a_load_balancer_class_without_a_load_balancer",
        |o| o["spec"]["viewer"] = json!({ "service": { "loadBalancerClass": "a" } }),
        Some("needs type LoadBalancer"),
    ),
];

#[tokio::test]
async fn an_object_that_no_operator_has_seen_is_in_progress_and_has_its_defaults() {
    in_namespace("laws", |client, namespace| async move {
        install(&client).await;
        let made = answer(&client, &namespace, &distribution()).await.expect("taken").data;
        assert_eq!(made["status"], json!({ "observedGeneration": -1 }));
        assert_eq!(made["spec"]["type"], "Web");
        assert_eq!(made["spec"]["enabled"], true);
        assert_eq!(made["spec"]["defaultBehavior"]["methods"], "ReadOnly");
    })
    .await;
}

#[tokio::test]
async fn defaults_are_not_written_into_list_items() {
    in_namespace("laws", |client, namespace| async move {
        install(&client).await;
        let mut object = distribution();
        let behaviors = json!([{ "pathPattern": "/a", "origin": "app" }]);
        object["spec"]["behaviors"] = behaviors.clone();
        let made = answer(&client, &namespace, &object).await.expect("taken").data;
        assert_eq!(made["spec"]["behaviors"], behaviors, "GitOps tools would see a drift");
        assert_eq!(made["spec"]["origins"], object["spec"]["origins"]);
    })
    .await;
}

#[tokio::test]
async fn a_field_that_is_not_in_the_schema_is_refused_to_server_side_apply() {
    in_namespace("laws", |client, namespace| async move {
        install(&client).await;
        let mut object = distribution();
        object["spec"]["tags"] = json!({ "header": "Surrogate-Key" });
        let params = PatchParams::apply("test").validation_strict();
        let refused = api(&client, &namespace, &object).patch("shop", &params, &Patch::Apply(&object)).await;
        assert!(refused.expect_err("refused").to_string().contains("field not declared in schema"));
    })
    .await;
}
