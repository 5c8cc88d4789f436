//! The Secrets and `ConfigMap`s that sites name into the volume that brings them to its edges.
//!
//! Guarantees: the same names make the same volume, in whatever order they are given. One that does not exist stops no pod. Only keys that are
//! named are mounted.

use std::collections::{BTreeMap, BTreeSet};

use edge_contract::{Mounted, MountedKind, Site};
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, KeyToPath, ProjectedVolumeSource, SecretProjection, Volume, VolumeProjection,
};

use crate::digest::digest;

const NAME: &str = "mounts";

/// The volume, if the sites name anything.
pub fn volume(sites: &[Site]) -> Option<Volume> {
    let mut named: BTreeMap<(MountedKind, &str), BTreeSet<(&str, String)>> = BTreeMap::new();
    for mounted in sites.iter().flat_map(Site::references).map(|reference| reference.mounted) {
        let Mounted { kind, name, key, .. } = mounted;
        named.entry((*kind, name)).or_default().insert((key, mounted.path()));
    }
    let sources: Vec<_> = named.into_iter().map(|((kind, name), keys)| projection(kind, name, keys)).collect();
    (!sources.is_empty()).then(|| Volume {
        name: NAME.into(),
        projected: Some(ProjectedVolumeSource { sources: Some(sources), ..ProjectedVolumeSource::default() }),
        ..Volume::default()
    })
}

/// A name for all that is mounted.
pub fn id(volume: &Volume) -> String {
    digest(volume)
}

fn projection(kind: MountedKind, name: &str, keys: BTreeSet<(&str, String)>) -> VolumeProjection {
    let items = keys.into_iter().map(|(key, path)| KeyToPath { key: key.into(), path, mode: None }).collect();
    let (name, optional, items) = (name.to_owned(), Some(true), Some(items));
    match kind {
        MountedKind::Secret => {
            VolumeProjection { secret: Some(SecretProjection { name, optional, items }), ..VolumeProjection::default() }
        }
        MountedKind::ConfigMap => VolumeProjection {
            config_map: Some(ConfigMapProjection { name, optional, items }),
            ..VolumeProjection::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use edge_contract::{Origin, OriginHeader, OriginHeaderValue};
    use serde_json::json;

    use super::*;

    fn site(named: &[(MountedKind, &str, &str)]) -> Site {
        let header = |(number, (kind, name, key)): (usize, &(MountedKind, &str, &str))| OriginHeader {
            name: format!("x-{number}"),
            value: OriginHeaderValue::ValueFrom(Mounted {
                kind: *kind,
                name: (*name).into(),
                key: (*key).into(),
                field: format!("spec.{number}"),
            }),
        };
        let headers = named.iter().enumerate().map(header).collect();
        Site { origins: vec![Origin { headers, ..Origin::plain("app", "app") }], ..Site::plain("uid", "default/shop") }
    }

    #[test]
    fn what_is_named_lies_where_edges_look_for_it() {
        let named = [
            (MountedKind::Secret, "shop", "token"),
            (MountedKind::ConfigMap, "shop", "ca.crt"),
            (MountedKind::Secret, "shop", "id"),
            (MountedKind::Secret, "shop", "token"),
            (MountedKind::Secret, "aws", "id"),
        ];
        let told = serde_json::to_value(volume(&[site(&named)])).expect("is plain data");
        let expect = json!({"name": "mounts", "projected": {"sources": [
            {"secret": {"name": "aws", "optional": true, "items": [{"key": "id", "path": "secret/aws/id"}]}},
            {"secret": {"name": "shop", "optional": true, "items": [
                {"key": "id", "path": "secret/shop/id"}, {"key": "token", "path": "secret/shop/token"}]}},
            {"configMap": {"name": "shop", "optional": true, "items": [{"key": "ca.crt", "path": "configmap/shop/ca.crt"}]}},
        ]}});
        assert_eq!(told, expect);
        for reference in site(&named).references() {
            assert!(told.to_string().contains(&format!("\"path\":\"{}\"", reference.mounted.path())), "{reference:?}");
        }
    }

    #[test]
    fn the_order_in_which_things_are_named_means_nothing_and_nothing_named_is_no_volume() {
        let (one, other) = ((MountedKind::Secret, "a", "k"), (MountedKind::Secret, "b", "k"));
        assert_eq!(volume(&[site(&[one, other])]), volume(&[site(&[other, one, other])]));
        assert_eq!(volume(&[site(&[])]), None);
    }
}
