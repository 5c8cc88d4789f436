//! What the operator was told, and found out at its start, about the cluster around it: what every plan is made for.

use std::collections::BTreeMap;

use edge_contract::Walls;

/// The cluster around the operator. It does not change while the process runs, the API servers' addresses aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The domain that Services live under in the cluster's DNS, without dots at its ends: `cluster.local`.
    pub domain: String,
    /// The namespaces that the operator sees; empty: all.
    pub watched: Vec<String>,
    /// Where no origin may be: at an API server (the `kubernetes` Service and its endpoints), say.
    pub walls: Walls,
    /// What edge pods run.
    pub edge: EdgeImage,
    /// Where edges reach the operator.
    pub channel: Channel,
}

/// What edge pods run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeImage {
    /// The image of the edge.
    pub name: String,
    /// When a node pulls it; absent: as Kubernetes decides by its tag.
    pub pull_policy: Option<String>,
}

/// Where edges reach the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// `HOST:PORT` of the operator's Service.
    pub address: String,
    /// The namespace that the operator's pods run in.
    pub namespace: String,
    /// The labels of the operator's pods.
    pub pod_labels: BTreeMap<String, String>,
    /// The port on which those pods listen.
    pub port: u16,
}

/// A cluster for tests.
#[cfg(test)]
pub mod testing {
    use super::*;

    /// The cluster that every unit test plans for.
    pub fn cluster() -> Cluster {
        Cluster {
            domain: "cluster.local".into(),
            watched: vec![],
            walls: Walls {
                api_servers: [([10, 96, 0, 1], 443).into(), ([192, 168, 0, 10], 6443).into()].into(),
                ..Walls::default()
            },
            edge: EdgeImage { name: "registry.example.com/edge:1.0.0".into(), pull_policy: None },
            channel: Channel {
                address: "kubefront-operator.kubefront-system.svc:8443".into(),
                namespace: "kubefront-system".into(),
                pod_labels: [("app.kubernetes.io/name".to_owned(), "kubefront".to_owned())].into(),
                port: 8443,
            },
        }
    }
}
