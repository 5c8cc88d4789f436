//! A numbered configuration, the certificates and the taken spec into the `ConfigMap` that edges start from.
//!
//! With it an edge starts and serves while no operator runs, and the operator knows after a restart or an upgrade what it
//! had taken. It is updated in place: running edges hear of a change over their stream.

use edge_contract::EdgeConfig;
use k8s_openapi::api::core::v1::ConfigMap;

use super::metadata;
use crate::compile::fingerprint;
use crate::distribution::resolved::Resolved;
use crate::distribution::taken::{self, Taken};
use crate::names;

/// The key under which the configuration lies.
pub const CONFIGURATION: &str = "edge.json";

/// The key under which the certificates lie that the operator is verified by.
pub const AUTHORITIES: &str = "ca.crt";

/// The `ConfigMap` of a generation.
pub fn build(resolved: &Resolved, configuration: &EdgeConfig, ca_bundle: &str) -> ConfigMap {
    let json = serde_json::to_string(configuration)
        .unwrap_or_else(|error| unreachable!("a configuration is plain data: {error}"));
    let taken = Taken { generation: resolved.generation, spec: resolved.spec.clone() };
    let mut metadata = metadata(resolved, names::edge(&resolved.key.name), None);
    metadata.annotations = Some([(names::FINGERPRINT_ANNOTATION.to_owned(), fingerprint(&configuration.sites))].into());
    ConfigMap {
        metadata,
        data: Some([(CONFIGURATION.to_owned(), json), (AUTHORITIES.to_owned(), ca_bundle.to_owned())].into()),
        binary_data: Some([(taken::KEY.to_owned(), taken.bytes())].into()),
        ..ConfigMap::default()
    }
}

/// The configuration that a live `ConfigMap` holds, if one can be read.
pub fn configuration(config_map: &ConfigMap) -> Option<EdgeConfig> {
    serde_json::from_str(config_map.data.as_ref()?.get(CONFIGURATION)?).ok()
}
