//! One edit of a Distribution into what it does to the pods that run: nothing, or a roll.

use std::path::Path;
use std::sync::Arc;

use crds::condition::Reason;
use operator::distribution::plan::{Plan, Turn, plan};
use operator::distribution::resolve::resolve;
use serde_json::{Value, json};

use crate::FOLDER;
use crate::case::Case;

#[derive(Debug, PartialEq)]
enum Effect {
    /// Edges hear of it over their stream; no pod is touched.
    Live,
    /// Pods are replaced, one at a time.
    Rolls,
}

fn minimal() -> Case {
    Case::read(&Path::new(FOLDER).join("minimal.in.yaml"))
}

/// The same cluster with fields of the spec put over those of the file.
fn edited(fields: &Value) -> Case {
    let mut case = minimal();
    let mut distribution = (*case.observed.distribution).clone();
    let mut spec = serde_json::to_value(&distribution.spec).expect("is plain data");
    for (name, value) in fields.as_object().expect("fields") {
        spec[name] = value.clone();
    }
    distribution.spec = serde_json::from_value(spec).expect("a spec");
    distribution.metadata.generation = Some(2);
    case.observed.distribution = Arc::new(distribution);
    case
}

fn planned(case: &Case) -> Plan {
    let resolution = resolve(&case.observed);
    assert_eq!(resolution.findings, []);
    plan(&case.observed, &resolution.resolved.expect("serves"), &Turn::Ours)
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads best with literals")]
fn check(fields: Value, expect: Effect) {
    let (before, after) = (planned(&minimal()), planned(&edited(&fields)));
    let template = |plan: &Plan| plan.deployments[0].spec.as_ref().map(|spec| spec.template.clone());
    let effect = if template(&before) == template(&after) { Effect::Live } else { Effect::Rolls };
    assert_eq!(effect, expect, "{fields}");
    assert_ne!(before.configuration.fingerprint, after.configuration.fingerprint, "a generation is always told");
}

#[test]
fn what_edges_are_told_touches_no_pod() {
    let origin = json!([{"name": "app", "url": "https://app.example.com", "headers": [{"name": "a", "value": "b"}]}]);
    check(json!({"origins": origin}), Effect::Live);
    let shielded = json!([{"name": "app", "url": "https://app.example.com", "shield": {"location": "default"}}]);
    check(json!({"origins": shielded}), Effect::Live);
    check(json!({"enabled": false}), Effect::Live);
    check(json!({"aliases": ["shop.example.com"]}), Effect::Live);
    check(json!({"contentVersion": "2"}), Effect::Live);
    check(json!({"defaultRootObject": "index.html"}), Effect::Live);
    check(json!({"behaviors": [{"pathPattern": "/a", "origin": "app"}]}), Effect::Live);
    check(
        json!({"defaultBehavior": {"origin": "app", "methods": "All", "cache": {"ttl": {"max": "1h"}}}}),
        Effect::Live,
    );
    check(json!({"defaultBehavior": {"origin": "app", "compress": false}}), Effect::Live);
    check(json!({"errorResponses": [{"code": 404, "cacheTTL": "1m"}]}), Effect::Live);
    check(json!({"logging": {"access": false}}), Effect::Live);
    check(json!({"viewer": {"trustedProxies": ["10.0.0.0/8"]}}), Effect::Live);
    check(json!({"viewer": {"protocols": ["HTTP1"], "service": {"type": "LoadBalancer"}}}), Effect::Live);
    check(json!({"locations": [{"name": "default", "replicas": 5}]}), Effect::Live);
    check(json!({"locations": [{"name": "default"}, {"name": "more"}]}), Effect::Live);
}

#[test]
fn what_pods_are_made_of_rolls_them() {
    let location = |fields: Value| {
        let mut location = json!({"name": "default"});
        location.as_object_mut().expect("a location").extend(fields.as_object().expect("fields").clone());
        json!({"locations": [location]})
    };
    check(location(json!({"cache": {"memory": "512Mi"}})), Effect::Rolls);
    check(location(json!({"pod": {"nodeSelector": {"a": "b"}}})), Effect::Rolls);
    check(location(json!({"pod": {"resources": {"limits": {"memory": "1Gi"}}}})), Effect::Rolls);
    check(location(json!({"pod": {"labels": {"a": "b"}}})), Effect::Rolls);
    let secret = json!([{"name": "a", "secretKeyRef": {"name": "shop", "key": "token"}}]);
    check(json!({"origins": [{"name": "app", "url": "https://app.example.com", "headers": secret}]}), Effect::Rolls);
    // The same amount in other words is no edit.
    check(location(json!({"cache": {"memory": "268435456"}})), Effect::Live);
}

#[test]
fn renewed_certificates_of_the_operator_touch_no_pod_and_make_no_new_configuration() {
    let mut case = minimal();
    let before = planned(&case);
    case.observed.ca_bundle.push_str("another\n");
    let after = planned(&case);
    assert_eq!(before.deployments, after.deployments);
    assert_eq!(before.configuration.fingerprint, after.configuration.fingerprint);
    assert_ne!(before.configuration.ca_bundle, after.configuration.ca_bundle);
}

/// Origins with so many header fields that they make this many kibibytes.
fn origins_of(kibibytes: usize) -> Value {
    let headers = |count: usize| (0..count).map(|at| json!({"name": format!("x-{at}"), "value": "v".repeat(4096)}));
    let origins = (0..25).map(|at| {
        let count = (kibibytes / 4).saturating_sub(at * 30).min(30);
        json!({"name": format!("o{at}"), "url": "https://o.example.com", "headers": headers(count).collect::<Vec<_>>()})
    });
    origins.collect()
}

#[test]
fn a_configuration_that_no_config_map_holds_is_refused_whole() {
    let spec = |kibibytes| json!({"origins": origins_of(kibibytes), "defaultBehavior": {"origin": "o0"}});
    let fits = resolve(&edited(&spec(800)).observed);
    assert_eq!(fits.findings, []);
    let too_large = resolve(&edited(&spec(1000)).observed);
    assert_eq!(
        too_large.findings.iter().map(|finding| finding.reason).collect::<Vec<_>>(),
        [Reason::ConfigurationTooLarge]
    );
    assert!(too_large.resolved.is_none(), "a first generation that is too large serves nothing");
}

/// The schema has a copy of the edges' list, for it knows nothing of edges; a length is one more thing that it keeps for them.
#[test]
fn the_schema_and_the_edges_know_the_same_fields_of_one_connection() {
    let mut of_schema = crds::rules::OF_THE_CONNECTION.to_vec();
    let mut of_edges = [&edge_contract::OF_ONE_CONNECTION[..], &["content-length"]].concat();
    of_schema.sort_unstable();
    of_edges.sort_unstable();
    assert_eq!(of_schema, of_edges);
}

/// The schema and the edges each have their list; one that only the schema knew would hold for nobody whose object is older.
#[test]
fn no_edge_is_told_to_set_or_remove_a_field_that_the_schema_keeps_for_it() {
    use crds::rules::{NEVER_SET, OF_THE_CONNECTION, OF_THE_EDGES_RESPONSES};

    let is_refused = |headers: Value| {
        let behavior = json!({"origin": "app", "responseHeaders": headers});
        resolve(&edited(&json!({"defaultBehavior": behavior})).observed).resolved.is_none()
    };
    for name in OF_THE_CONNECTION.into_iter().chain(OF_THE_EDGES_RESPONSES) {
        assert!(is_refused(json!({"set": [{"name": name, "value": "a"}]})), "set {name}");
        assert!(is_refused(json!({"remove": [name]})), "remove {name}");
    }
    for name in NEVER_SET {
        assert!(is_refused(json!({"set": [{"name": name, "value": "a"}]})), "set {name}");
        assert!(!is_refused(json!({"remove": [name]})), "remove {name}");
    }
}
