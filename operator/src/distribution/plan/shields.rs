//! Pods into the edges that stand before origins: those of every location that an origin names, as far as they can be asked now.
//!
//! They reach edges beside the configuration, as endpoints do, and have no part in its number. A stream that is lost takes no pod off
//! the list: whether edges can ask one another has nothing to do with whether they hear from here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use edge_contract::{EDGES_PORT, ShieldEdge, Site};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::names::LOCATION_LABEL;
use crate::pods::is_ready;

/// The edges of each location that stands before an origin of these sites, in one order. A location whose edges are all away is there,
/// with none.
pub(super) fn of_sites(sites: &[Site], pods: &[Arc<Pod>]) -> BTreeMap<String, Vec<ShieldEdge>> {
    let locations: BTreeSet<&String> =
        sites.iter().flat_map(|site| &site.origins).filter_map(|origin| origin.shield.as_ref()).collect();
    locations.into_iter().map(|location| (location.clone(), edges_of(location, pods))).collect()
}

fn edges_of(location: &str, pods: &[Arc<Pod>]) -> Vec<ShieldEdge> {
    let is_there = |pod: &&Arc<Pod>| pod.labels().get(LOCATION_LABEL).is_some_and(|label| label == location);
    let edges: BTreeSet<ShieldEdge> = pods.iter().filter(is_there).filter_map(|pod| door(pod)).collect();
    edges.into_iter().collect()
}

/// Where other edges ask this one, if they may: one that is told to end serves what it has begun, and is to begin nothing more.
fn door(pod: &Pod) -> Option<ShieldEdge> {
    if pod.metadata.deletion_timestamp.is_some() || !is_ready(pod) {
        return None;
    }
    let address: IpAddr = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    Some(ShieldEdge { uid: pod.uid()?, address: SocketAddr::new(address, EDGES_PORT).to_string() })
}

#[cfg(test)]
mod tests {
    use edge_contract::Origin;
    use serde_json::{Value, json};

    use super::*;

    /// A pod `eu` that is fine, but for `change`.
    fn pod(uid: &str, change: impl FnOnce(&mut Value)) -> Arc<Pod> {
        let mut pod = json!({
            "metadata": {"name": uid, "uid": uid, "labels": {"cdn.kubefront.io/location": "eu"}},
            "status": {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
        });
        change(&mut pod);
        Arc::new(serde_json::from_value(pod).expect("a pod"))
    }

    /// A site with an origin for each of these shields.
    fn site(shields: &[Option<&str>]) -> Site {
        let origin = |shield: Option<&str>| Origin { shield: shield.map(Into::into), ..Origin::plain("app", "app") };
        Site { origins: shields.iter().copied().map(origin).collect(), ..Site::plain("uid", "default/shop") }
    }

    #[track_caller]
    fn check(shields: &[Option<&str>], pods: &[Arc<Pod>], expect: &Value) {
        assert_eq!(json!(of_sites(&[site(shields)], pods)), *expect);
    }

    #[track_caller]
    fn check_pod(change: impl FnOnce(&mut Value), expect: &[&str]) {
        let of = of_sites(&[site(&[Some("eu")])], &[pod("one", change)]);
        let addresses: Vec<_> = of["eu"].iter().map(|edge| edge.address.as_str()).collect();
        assert_eq!(addresses, expect);
    }

    #[test]
    fn only_locations_that_an_origin_names_have_a_list() {
        let pods = [pod("one", |_| ())];
        check(&[None], &pods, &json!({}));
        let one = json!([{"uid": "one", "address": "10.0.0.1:8444"}]);
        check(&[Some("eu"), None, Some("eu")], &pods, &json!({"eu": one}));
        check(&[Some("us"), Some("eu")], &pods, &json!({"eu": one, "us": []}));
    }

    #[test]
    fn the_order_of_pods_makes_no_difference() {
        let pods = |uids: [&str; 2]| uids.map(|uid| pod(uid, |_| ()));
        let list = |uids| of_sites(&[site(&[Some("eu")])], &pods(uids));
        assert_eq!(list(["one", "two"]), list(["two", "one"]));
    }

    #[test]
    fn an_edge_stands_there_while_it_is_ready_has_an_address_and_is_not_to_end() {
        check_pod(|_| (), &["10.0.0.1:8444"]);
        check_pod(|pod| pod["status"]["podIP"] = json!("fd00::7"), &["[fd00::7]:8444"]);
        check_pod(|pod| pod["status"]["conditions"][0]["status"] = json!("False"), &[]);
        check_pod(|pod| pod["status"]["conditions"] = json!([]), &[]);
        check_pod(|pod| pod["status"]["podIP"] = Value::Null, &[]);
        check_pod(|pod| pod["metadata"]["deletionTimestamp"] = json!("2026-11-22T00:00:00Z"), &[]);
        check_pod(|pod| pod["metadata"]["labels"]["cdn.kubefront.io/location"] = json!("us"), &[]);
    }
}
