//! A planned object and a live one into whether anything is left to apply.
//!
//! Flow: `plan` → [`seal`] → compare with the live object by [`holds`] → apply, or leave it alone.
//! Guarantees: a live object holds a planned one if every planned field is there and means the same; what the API server and
//! others added does not count. A field that an earlier plan had and this one has not is noticed by the seal, a digest of all
//! planned fields among the annotations: without it a dropped annotation or port would stay for ever.
//! Assumptions: objects are as the API server returns them; `managedFields` may be stripped.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::digest::digest;
use crate::names::APPLIED_ANNOTATION;
use crate::quantity::billionths;

/// Writes the digest of an object's fields among its annotations. Sealing twice changes nothing.
pub fn seal<K: Serialize + k8s_openapi::Metadata<Ty = ObjectMeta>>(mut object: K) -> K {
    if let Some(annotations) = &mut object.metadata_mut().annotations {
        annotations.remove(APPLIED_ANNOTATION);
    }
    let digest = digest(&object);
    let annotations: &mut BTreeMap<_, _> = object.metadata_mut().annotations.get_or_insert_default();
    annotations.insert(APPLIED_ANNOTATION.into(), digest);
    object
}

/// Whether `live` holds all of `planned`.
pub fn holds<K: Serialize>(live: &K, planned: &K) -> bool {
    match (serde_json::to_value(live), serde_json::to_value(planned)) {
        (Ok(live), Ok(planned)) => value_holds(&live, &planned, Parent::Other),
        _ => false,
    }
}

/// What a value lies in: it says how the value is compared.
#[derive(Clone, Copy)]
enum Parent<'a> {
    /// The values of this map are quantities.
    Amounts,
    /// The field of this name.
    Field(&'a str),
    Other,
}

fn value_holds(live: &Value, planned: &Value, parent: Parent) -> bool {
    match (live, planned, parent) {
        (_, Value::Null, _) => true,
        (Value::Object(live), Value::Object(planned), _) => map_holds(live, planned, parent),
        (Value::Array(live), Value::Array(planned), Parent::Field(name)) => list_holds(live, planned, name),
        (live, planned, Parent::Amounts) => same_amount(live, planned),
        (live, planned, _) => live == planned,
    }
}

fn map_holds(live: &Map<String, Value>, planned: &Map<String, Value>, parent: Parent) -> bool {
    let is_of_amounts = matches!(parent, Parent::Field("limits" | "requests"));
    planned.iter().all(|(name, planned)| {
        let inner = if is_of_amounts { Parent::Amounts } else { Parent::Field(name) };
        is_nothing(planned) && !live.contains_key(name)
            || live.get(name).is_some_and(|live| value_holds(live, planned, inner))
    })
}

/// What the API server leaves out when it is asked for it: absent then means the same.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// Lists that Kubernetes merges by a key are compared by it, in any order and with whatever others added; all others are
/// compared as a whole.
fn list_holds(live: &[Value], planned: &[Value], name: &str) -> bool {
    let Some(keys) = merge_keys(name) else {
        return live.len() == planned.len()
            && live.iter().zip(planned).all(|(live, planned)| value_holds(live, planned, Parent::Field(name)));
    };
    planned.iter().all(|planned| {
        let same_key = |live: &&Value| keys.iter().all(|key| live.get(key) == planned.get(key));
        live.iter().find(same_key).is_some_and(|live| value_holds(live, planned, Parent::Other))
    })
}

/// The keys by which Kubernetes merges the lists that children have.
fn merge_keys(list: &str) -> Option<&'static [&'static str]> {
    match list {
        "containers" | "env" | "imagePullSecrets" | "volumes" => Some(&["name"]),
        "ownerReferences" => Some(&["uid"]),
        "topologySpreadConstraints" => Some(&["topologyKey", "whenUnsatisfiable"]),
        "volumeMounts" => Some(&["mountPath"]),
        _ => None,
    }
}

fn same_amount(live: &Value, planned: &Value) -> bool {
    let (Some(live), Some(planned)) = (live.as_str(), planned.as_str()) else { return live == planned };
    live == planned || billionths(live).is_some_and(|amount| billionths(planned) == Some(amount))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "reads best with literals")]
    fn check(live: Value, planned: Value, expect: bool) {
        assert_eq!(holds(&live, &planned), expect, "\nlive {live}\nplanned {planned}");
    }

    #[test]
    fn what_others_added_does_not_count() {
        check(json!({"spec": {"a": 1, "b": 2}, "status": {}}), json!({"spec": {"a": 1}}), true);
        check(json!({"a": 1}), json!({"a": 1, "b": null}), true);
        check(json!({"a": 1}), json!({"a": 1, "b": "", "c": []}), true);
    }

    #[test]
    fn a_missing_or_different_field_counts() {
        check(json!({"a": 1}), json!({"b": 1}), false);
        check(json!({"a": 1}), json!({"a": 2}), false);
        check(json!({"a": {"b": 1}}), json!({"a": {"b": 1, "c": 2}}), false);
        check(json!({}), json!({"selector": {}}), false);
        check(json!({}), json!({"replicas": 0}), false);
        check(json!({}), json!({"automount": false}), false);
        check(json!({"a": "x", "b": ["y"]}), json!({"a": ""}), false);
        check(json!({"b": ["y"]}), json!({"b": []}), false);
        check(json!({"a": "1"}), json!({"a": 1}), false);
    }

    #[test]
    fn amounts_are_compared_by_what_they_mean() {
        let limits = |memory: &str, cpu: &str| json!({"resources": {"limits": {"memory": memory, "cpu": cpu}}});
        check(limits("1Gi", "500m"), limits("1024Mi", "0.5"), true);
        check(limits("1Gi", "500m"), limits("1G", "500m"), false);
        check(json!({"limits": {"memory": "1Gi"}}), json!({"limits": {"memory": "much"}}), false);
        check(json!({"annotations": {"a": "1024Mi"}}), json!({"annotations": {"a": "1Gi"}}), false);
    }

    #[test]
    fn lists_with_a_key_are_compared_by_it() {
        let live = json!({"containers": [{"name": "sidecar"}, {"name": "edge", "image": "a", "x": 1}]});
        check(live.clone(), json!({"containers": [{"name": "edge", "image": "a"}]}), true);
        check(live.clone(), json!({"containers": [{"name": "edge", "image": "b"}]}), false);
        check(live, json!({"containers": [{"name": "edge"}, {"name": "more"}]}), false);
        check(
            json!({"ownerReferences": [{"uid": "b"}, {"uid": "a", "controller": true}]}),
            json!({"ownerReferences": [{"uid": "a", "controller": true}]}),
            true,
        );
        check(
            json!({"topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 2}]}),
            json!({"topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 1}]}),
            false,
        );
    }

    #[test]
    fn lists_without_a_key_are_compared_as_a_whole() {
        check(json!({"args": ["a", "b"]}), json!({"args": ["a", "b"]}), true);
        check(json!({"args": ["a", "b"]}), json!({"args": ["a"]}), false);
        check(json!({"args": ["a", "b"]}), json!({"args": ["b", "a"]}), false);
        check(
            json!({"egress": [{"ports": [{"port": 53, "protocol": "UDP", "x": 1}]}]}),
            json!({"egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}]}),
            true,
        );
        check(json!({"ports": [{"port": 80}, {"port": 81}]}), json!({"ports": [{"port": 80}]}), false);
    }

    fn config_map(annotations: &[(&str, &str)]) -> ConfigMap {
        let annotations = annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let metadata = ObjectMeta { annotations: Some(annotations), ..ObjectMeta::default() };
        ConfigMap { metadata, ..ConfigMap::default() }
    }

    #[test]
    fn a_field_that_is_planned_no_more_is_noticed() {
        let live = seal(config_map(&[("a", "1"), ("b", "2")]));
        assert!(holds(&live, &seal(config_map(&[("a", "1"), ("b", "2")]))));
        assert!(!holds(&live, &seal(config_map(&[("a", "1")]))));
    }

    #[test]
    fn sealing_twice_is_sealing_once() {
        let once = seal(config_map(&[("a", "1")]));
        assert_eq!(seal(once.clone()), once);
    }
}
