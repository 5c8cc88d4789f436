//! A resolved generation into the `NetworkPolicy` of its edges: viewers and scrapers in; operator, DNS and origins out; each other.
//!
//! An edge that were taken over could reach its origins, and edges that ask for a certificate, and nothing else: above all no metadata
//! service of a cloud, and, where all origins are Services with pods, no address outside the cluster.

use std::collections::BTreeMap;

use edge_contract::{EDGES_PORT, METADATA_IPV4, METADATA_IPV6};
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{ADMIN, EDGES, HTTP, metadata, selector};
use crate::cluster::Cluster;
use crate::distribution::resolved::{Resolved, ResolvedService};
use crate::names;

/// The label that every namespace has with its own name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// The `NetworkPolicy` of every edge.
pub fn build(resolved: &Resolved, cluster: &Cluster) -> NetworkPolicy {
    NetworkPolicy {
        metadata: metadata(resolved, names::edge(&resolved.key.name), None),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(resolved, None)),
            policy_types: Some(vec!["Ingress".into(), "Egress".into()]),
            ingress: Some(vec![viewers(), scrapers(), siblings_in(resolved)]),
            egress: Some(out(resolved, cluster)),
        }),
    }
}

/// From anywhere: serving is what an edge is for.
fn viewers() -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule { from: None, ports: Some(vec![port("TCP", IntOrString::String(HTTP.into()))]) }
}

/// From pods of any namespace; a node's own probes always pass.
fn scrapers() -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(vec![pods_of_any_namespace()]),
        ports: Some(vec![port("TCP", IntOrString::String(ADMIN.into()))]),
    }
}

/// From edges of this Distribution, and always: networks take their time, and an origin may get a shield at any moment.
fn siblings_in(resolved: &Resolved) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: Some(vec![siblings(resolved)]),
        ports: Some(vec![port("TCP", IntOrString::String(EDGES.into()))]),
    }
}

fn siblings_out(resolved: &Resolved) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(vec![siblings(resolved)]),
        ports: Some(vec![port("TCP", IntOrString::Int(EDGES_PORT.into()))]),
    }
}

fn siblings(resolved: &Resolved) -> NetworkPolicyPeer {
    NetworkPolicyPeer { pod_selector: Some(selector(resolved, None)), ..NetworkPolicyPeer::default() }
}

fn out(resolved: &Resolved, cluster: &Cluster) -> Vec<NetworkPolicyEgressRule> {
    let mut rules = vec![operator(cluster), dns(), dns_pods(), siblings_out(resolved)];
    let services = resolved.origins.values().filter_map(|origin| origin.service.as_ref());
    for rule in services.filter(|service| !service.selector.is_empty()).map(|service| pods_of(service, resolved)) {
        // Two origins may be the same Service.
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    // What no selector finds: outside the cluster, behind a load balancer that may be in it, or endpoints written by hand.
    let is_elsewhere = resolved.origins.values().any(|origin| {
        origin.target.is_some() && origin.service.as_ref().is_none_or(|service| service.selector.is_empty())
    });
    if is_elsewhere {
        rules.push(elsewhere());
    }
    rules
}

fn operator(cluster: &Cluster) -> NetworkPolicyEgressRule {
    let channel = &cluster.channel;
    let namespace = [(NAMESPACE_NAME.to_owned(), channel.namespace.clone())].into();
    NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            namespace_selector: Some(labelled(namespace)),
            pod_selector: Some(labelled(channel.pod_labels.clone())),
            ip_block: None,
        }]),
        ports: Some(vec![port("TCP", IntOrString::Int(channel.port.into()))]),
    }
}

/// Wherever it is: in pods, on the node, at a link-local address of a cache on the node.
fn dns() -> NetworkPolicyEgressRule {
    let ports = ["UDP", "TCP"].map(|protocol| port(protocol, IntOrString::Int(53)));
    NetworkPolicyEgressRule { to: None, ports: Some(ports.into()) }
}

/// Most networks judge an address after it has been translated, and then the pods of DNS may listen on another port, as those of `OpenShift` do.
fn dns_pods() -> NetworkPolicyEgressRule {
    let ports = ["UDP", "TCP"].map(|protocol| port(protocol, IntOrString::Int(5353)));
    NetworkPolicyEgressRule { to: Some(vec![pods_of_any_namespace()]), ports: Some(ports.into()) }
}

fn pods_of(service: &ResolvedService, resolved: &Resolved) -> NetworkPolicyEgressRule {
    let namespace = (service.namespace != resolved.key.namespace).then(|| service.namespace.clone());
    NetworkPolicyEgressRule {
        to: Some(vec![NetworkPolicyPeer {
            namespace_selector: namespace.map(|name| labelled([(NAMESPACE_NAME.to_owned(), name)].into())),
            pod_selector: Some(labelled(service.selector.clone())),
            ip_block: None,
        }]),
        // A named port has a number of its own on each pod, so then these pods are open on all of theirs.
        ports: service.target_port.map(|number| vec![port("TCP", IntOrString::Int(number.into()))]),
    }
}

/// Every port: a load balancer's port is another one once the node has translated it. Never where clouds hand out credentials, link-local
/// addresses among them.
fn elsewhere() -> NetworkPolicyEgressRule {
    let all_but = |cidr: &str, but: Vec<String>| NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr: cidr.into(), except: Some(but) }),
        ..NetworkPolicyPeer::default()
    };
    let ipv4 = METADATA_IPV4.iter().map(|address| format!("{address}/32"));
    let ipv6 = METADATA_IPV6.iter().map(ToString::to_string);
    NetworkPolicyEgressRule {
        to: Some(vec![
            pods_of_any_namespace(),
            all_but("0.0.0.0/0", std::iter::once("169.254.0.0/16".into()).chain(ipv4).collect()),
            all_but("::/0", std::iter::once("fe80::/10".into()).chain(ipv6).collect()),
        ]),
        ports: None,
    }
}

/// Some networks do not count pods among the addresses of a block, so they are named too.
fn pods_of_any_namespace() -> NetworkPolicyPeer {
    NetworkPolicyPeer { namespace_selector: Some(LabelSelector::default()), ..NetworkPolicyPeer::default() }
}

fn labelled(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), match_expressions: None }
}

fn port(protocol: &str, port: IntOrString) -> NetworkPolicyPort {
    NetworkPolicyPort { protocol: Some(protocol.into()), port: Some(port), end_port: None }
}
