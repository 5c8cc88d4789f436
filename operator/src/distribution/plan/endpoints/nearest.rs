//! The ready endpoints of a Service and the place of an edge into those that this edge is to ask.
//!
//! The rule is kube-proxy's, so that an edge sends no byte into another zone that a pod without Kubefront would not: hints count only
//! where every ready endpoint has them and one of them is for this place; else all are asked. Which Services get hints, Kubernetes
//! decides (`spec.trafficDistribution`, topology aware routing).

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::{EndpointHints, EndpointSlice};
use kube::ResourceExt;

use super::{SERVICE_NAME, There};
use crate::distribution::observed::Observed;
use crate::distribution::resolved::Resolved;
use crate::names;

/// Where an edge runs. What is not known is nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Its node.
    node: Option<String>,
    /// The zone of its node.
    zone: Option<String>,
}

/// Places by the uid of the edge's pod.
pub(super) type Places = BTreeMap<String, Place>;

/// Where every edge runs: the slices of the edges' own Service say it of each, so nobody needs to read nodes.
pub(super) fn places(observed: &Observed, resolved: &Resolved) -> Places {
    let own = names::edge(&resolved.key.name);
    let is_own = |slice: &&Arc<EndpointSlice>| {
        slice.labels().get(SERVICE_NAME) == Some(&own) && slice.namespace().as_ref() == Some(&resolved.key.namespace)
    };
    let slices = observed.endpoint_slices.iter().filter(is_own);
    let places = slices.flat_map(|slice| &slice.endpoints).filter_map(|endpoint| {
        let uid = endpoint.target_ref.as_ref()?.uid.clone()?;
        Some((uid, Place { node: endpoint.node_name.clone(), zone: endpoint.zone.clone() }))
    });
    places.collect()
}

/// The endpoints for an edge at this place; nothing where that is all of them. Those of its node come before those of its zone.
pub(super) fn nearest<'a>(ready: &'a [There<'a>], place: &Place) -> Option<Vec<&'a There<'a>>> {
    hinted(ready, place.node.as_deref(), nodes).or_else(|| hinted(ready, place.zone.as_deref(), zones))
}

fn hinted<'a>(
    ready: &'a [There<'a>],
    here: Option<&str>,
    names: fn(&EndpointHints) -> Vec<&str>,
) -> Option<Vec<&'a There<'a>>> {
    let here = here?;
    let mut near = Vec::new();
    for one in ready {
        let names = one.endpoint.hints.as_ref().map(names).filter(|names| !names.is_empty())?;
        if names.contains(&here) {
            near.push(one);
        }
    }
    (!near.is_empty()).then_some(near)
}

fn nodes(hints: &EndpointHints) -> Vec<&str> {
    hints.for_nodes.iter().flatten().map(|node| node.name.as_str()).collect()
}

fn zones(hints: &EndpointHints) -> Vec<&str> {
    hints.for_zones.iter().flatten().map(|zone| zone.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use k8s_openapi::api::discovery::v1::Endpoint;
    use serde_json::{Value, json};

    use super::*;

    /// Endpoints on ports 1, 2, … with these hints, asked by an edge on node `n1` in zone `a`.
    #[track_caller]
    fn check(hints: &[Value], expect: Option<&[u16]>) {
        let endpoint = |hints: &Value| json!({ "addresses": ["10.0.0.1"], "hints": hints });
        let endpoints: Vec<Endpoint> =
            hints.iter().map(|hints| serde_json::from_value(endpoint(hints)).expect("an endpoint")).collect();
        let at = |port: u16| SocketAddr::from(([10, 0, 0, 1], port));
        let ready: Vec<_> =
            (1..).zip(&endpoints).map(|(port, endpoint)| There { address: at(port), endpoint }).collect();
        let place = Place { node: Some("n1".into()), zone: Some("a".into()) };
        let found = nearest(&ready, &place);
        let ports = found.map(|found| found.iter().map(|one| one.address.port()).collect::<Vec<_>>());
        assert_eq!(ports.as_deref(), expect, "{hints:?}");
    }

    fn zone(names: &[&str]) -> Value {
        json!({ "forZones": names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>() })
    }

    #[test]
    fn endpoints_of_the_edges_zone_are_asked_where_every_endpoint_has_a_hint() {
        check(&[zone(&["a"]), zone(&["b"]), zone(&["b", "a"])], Some(&[1, 3]));
    }

    #[test]
    fn all_are_asked_where_a_hint_is_missing_or_none_is_for_this_zone() {
        check(&[zone(&["a"]), Value::Null], None);
        check(&[zone(&["a"]), zone(&[])], None);
        check(&[zone(&["b"]), zone(&["c"])], None);
    }

    #[test]
    fn the_edges_own_node_comes_before_its_zone() {
        let hints = |zone: &str, node: &str| json!({ "forZones": [{ "name": zone }], "forNodes": [{ "name": node }] });
        check(&[hints("a", "n1"), hints("a", "n2")], Some(&[1]));
        check(&[hints("a", "n3"), hints("b", "n2")], Some(&[1]));
        check(&[hints("a", "n1"), zone(&["a"]), zone(&["b"])], Some(&[1, 2]));
    }

    #[test]
    fn an_edge_of_which_no_place_is_known_asks_all() {
        let endpoint: Endpoint =
            serde_json::from_value(json!({ "addresses": ["10.0.0.1"], "hints": zone(&["a"]) })).expect("an endpoint");
        let ready = [There { address: ([10, 0, 0, 1], 80).into(), endpoint: &endpoint }];
        assert!(nearest(&ready, &Place::default()).is_none());
    }
}
