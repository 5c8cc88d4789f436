//! The cluster that manifests are resolved for where there is none: as the chart installs it, by its own defaults.

use edge_contract::Walls;
use operator::cluster::{Channel, Cluster, EdgeImage};

/// The namespace that the chart's page installs into.
const NAMESPACE: &str = "kubefront-system";

/// The operator's name, as the chart gives it.
const OPERATOR: &str = "kubefront-operator";

/// Where edges dial it.
const CHANNEL_PORT: u16 = 8443;

/// A cluster whose edges run this image.
pub fn cluster(edge_image: &str) -> Cluster {
    Cluster {
        domain: "cluster.local".into(),
        watched: vec![],
        walls: Walls::default(),
        edge: EdgeImage { name: edge_image.to_owned(), pull_policy: None },
        channel: Channel {
            address: format!("{OPERATOR}.{NAMESPACE}.svc:{CHANNEL_PORT}"),
            namespace: NAMESPACE.into(),
            pod_labels: [("app.kubernetes.io/name".to_owned(), OPERATOR.to_owned())].into(),
            port: CHANNEL_PORT,
        },
    }
}
