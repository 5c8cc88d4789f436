//! How viewers reach the edges: the Service in front of them and what may be spoken on it.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How viewers reach the edges.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Viewer {
    /// The shape of the Service NAME-edge, which leads to the edges of all locations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ViewerService>,

    /// What viewers may speak: HTTP1 is HTTP/1.0 and HTTP/1.1, HTTP2 is HTTP/2 with prior knowledge, on the same port.
    /// HTTP/3 is not available. Default: both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub protocols: Vec<Protocol>,

    /// Networks of load balancers and proxies in front of the edges. What requests from there say of the viewer, in
    /// `X-Forwarded-For` and `X-Forwarded-Proto`, is believed and passed on; from anywhere else it is replaced. At most 100
    /// CIDRs. Default: none. Example: `["10.0.0.0/8", "2001:db8::/32"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 43)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("self.all(network, isCIDR(network) && cidr(network) == cidr(network).masked())")
            .message("trustedProxies must be networks such as 10.0.0.0/8 or, for one address, 10.0.0.7/32, without bits beyond the prefix")
    )]
    pub trusted_proxies: Vec<String>,
}

/// The shape of the Service NAME-edge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.loadBalancerClass) || self.type == 'LoadBalancer'")
        .message("loadBalancerClass needs type LoadBalancer").field_path(".loadBalancerClass"),
    validation = Rule::new("!has(self.externalTrafficPolicy) || self.externalTrafficPolicy == 'Cluster' || self.type != 'ClusterIP'")
        .message("externalTrafficPolicy Local needs type NodePort or LoadBalancer").field_path(".externalTrafficPolicy")
)]
pub struct ViewerService {
    /// `ClusterIP`, `NodePort` or `LoadBalancer`. Default: `ClusterIP`.
    #[serde(rename = "type", default)]
    pub type_: ServiceType,

    /// Annotations of the Service, as load balancers and DNS controllers read them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,

    /// Which load balancer implementation takes the Service. Only with type `LoadBalancer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub load_balancer_class: Option<String>,

    /// `Cluster` spreads over all edges; `Local` keeps the viewer's address and only uses edges of the node that was reached.
    /// Default: `Cluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ExternalTrafficPolicy")]
    pub external_traffic_policy: Option<ExternalTrafficPolicy>,
}

/// The type of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceType {
    /// Reachable inside the cluster.
    #[default]
    ClusterIP,
    /// Also on a port of every node.
    NodePort,
    /// Also through a load balancer outside.
    LoadBalancer,
}

/// Which edges a load balancer's connections may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ExternalTrafficPolicy {
    /// All of them.
    Cluster,
    /// Those of the node that was reached.
    Local,
}

/// What viewers may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// HTTP/1.0 and HTTP/1.1.
    HTTP1,
    /// HTTP/2 with prior knowledge.
    HTTP2,
}
