//! A numbered configuration, the certificates and the taken spec into the `ConfigMap` that edges start from.
//!
//! With it an edge starts and serves while no operator runs, and the operator knows after a restart or an upgrade what it
//! had taken. It is updated in place: running edges hear of a change over their stream.

use edge_contract::{CONFIG_LIMIT, EdgeConfig};
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
pub fn build(resolved: &Resolved, configuration: EdgeConfig, ca_bundle: &str) -> ConfigMap {
    let fingerprint = fingerprint(&configuration.sites);
    let json = json(configuration);
    let taken = Taken { generation: resolved.generation, spec: resolved.spec.clone() };
    let mut metadata = metadata(resolved, names::edge(&resolved.key.name), None);
    metadata.annotations = Some([(names::FINGERPRINT_ANNOTATION.to_owned(), fingerprint)].into());
    ConfigMap {
        metadata,
        data: Some([(CONFIGURATION.to_owned(), json), (AUTHORITIES.to_owned(), ca_bundle.to_owned())].into()),
        binary_data: Some([(taken::KEY.to_owned(), taken.bytes())].into()),
        ..ConfigMap::default()
    }
}

/// As much as there is room for: without the configuration before, a pod of that time is not ready when it has to start again.
fn json(configuration: EdgeConfig) -> String {
    let whole = text(&configuration);
    if whole.len() <= CONFIG_LIMIT || configuration.before.is_none() {
        return whole;
    }
    text(&EdgeConfig { before: None, ..configuration })
}

fn text(configuration: &EdgeConfig) -> String {
    serde_json::to_string(configuration).unwrap_or_else(|error| unreachable!("a configuration is plain data: {error}"))
}

/// The configuration that a live `ConfigMap` holds, if one can be read.
pub fn configuration(config_map: &ConfigMap) -> Option<EdgeConfig> {
    serde_json::from_str(config_map.data.as_ref()?.get(CONFIGURATION)?).ok()
}

#[cfg(test)]
mod tests {
    use edge_contract::{Before, Epoch, Site};

    use super::*;

    #[test]
    fn the_configuration_before_is_kept_where_there_is_room_for_both() {
        let config = |bytes: usize| EdgeConfig::of(Epoch(7), 1, vec![Site::plain("uid", "x".repeat(bytes))]);
        let kept = |bytes: usize| {
            let before = Before { not_with: "id".into(), config: config(bytes) };
            let json = json(EdgeConfig { before: Some(Box::new(before)), ..config(bytes) });
            let read: EdgeConfig = serde_json::from_str(&json).expect("is one");
            assert!(json.len() <= CONFIG_LIMIT && read.sites == config(bytes).sites);
            read.before.is_some()
        };
        assert!(kept(CONFIG_LIMIT / 2 - 1_000));
        assert!(!kept(CONFIG_LIMIT / 2));
    }
}
