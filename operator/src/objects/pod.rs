//! A location into the template of its edge pods: PodSecurity *restricted*, spread out, configured by what is mounted.

mod container;
pub mod mounts;

use std::time::Duration;

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, KeyToPath, PodSecurityContext, PodSpec, PodTemplateSpec, ProjectedVolumeSource,
    SeccompProfile, ServiceAccountTokenProjection, TopologySpreadConstraint, Volume, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::config_map::{AUTHORITIES, CONFIGURATION};
use super::{labels, selector};
use crate::cluster::Cluster;
use crate::distribution::resolved::{Resolved, ResolvedLocation};
use crate::names;

/// The user and group that edges run as: nobody in particular, on any node.
const NOBODY: i64 = 65_532;

/// Seconds that a terminating edge goes on accepting, while the cluster learns that it leaves.
const DRAIN_ACCEPT: i64 = 5;

/// Seconds that responses may go on after that.
const DRAIN_LIMIT: i64 = 50;

/// Seconds until the kubelet kills what is left: a little more than an edge takes by itself.
const GRACE: i64 = DRAIN_ACCEPT + DRAIN_LIMIT + 5;

/// The longest time that any release ever gave an edge to end: so long may one take that was made by who knows which. It
/// rises with [`GRACE`] and never falls.
pub const LONGEST_GRACE: Duration = Duration::from_mins(1);
const _: () = assert!(GRACE.unsigned_abs() <= LONGEST_GRACE.as_secs(), "raise LONGEST_GRACE with GRACE");

/// Seconds that a token is good for; the kubelet writes a new one at four fifths of it.
const TOKEN_SECONDS: i64 = 3600;

const CONFIGURATION_VOLUME: &str = "configuration";
const TOKEN_VOLUME: &str = "token";
const TOKEN: &str = "token";

/// The template of a location's pods. What the user gives is merged; where both say something, ours wins.
pub(super) fn template(
    resolved: &Resolved,
    location: &ResolvedLocation,
    cluster: &Cluster,
    mounts: Option<&Volume>,
) -> PodTemplateSpec {
    let given = &location.pod;
    let mut all_labels = given.labels.clone();
    all_labels.extend(labels(resolved, Some(&location.name)));
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(all_labels),
            annotations: (!given.annotations.is_empty()).then(|| given.annotations.clone()),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            containers: vec![container::edge(location, cluster, mounts)],
            volumes: Some([configuration(resolved), token()].into_iter().chain(mounts.cloned()).collect()),
            service_account_name: Some(names::service_account(&resolved.key.name)),
            automount_service_account_token: Some(false),
            // An edge finds what it needs by name; hundreds of variables about other Services would only slow its start.
            enable_service_links: Some(false),
            security_context: Some(security_context()),
            termination_grace_period_seconds: Some(GRACE),
            topology_spread_constraints: Some(spread(resolved, location)),
            node_selector: (!given.node_selector.is_empty()).then(|| given.node_selector.clone()),
            tolerations: (!given.tolerations.is_empty()).then(|| given.tolerations.clone()),
            affinity: given.affinity.clone(),
            priority_class_name: given.priority_class_name.clone(),
            image_pull_secrets: (!given.image_pull_secrets.is_empty()).then(|| given.image_pull_secrets.clone()),
            ..PodSpec::default()
        }),
    }
}

/// Zones first, then nodes, and never so strictly that a pod stays pending. Counted for each template of its own, or old pods
/// would push new ones together while they roll.
fn spread(resolved: &Resolved, location: &ResolvedLocation) -> Vec<TopologySpreadConstraint> {
    let over = |topology_key: &str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: topology_key.into(),
        when_unsatisfiable: "ScheduleAnyway".into(),
        label_selector: Some(selector(resolved, Some(&location.name))),
        match_label_keys: Some(vec!["pod-template-hash".into()]),
        ..TopologySpreadConstraint::default()
    };
    vec![over("topology.kubernetes.io/zone"), over("kubernetes.io/hostname")]
}

fn security_context() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(NOBODY),
        run_as_group: Some(NOBODY),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

/// The taken spec lies in the same object, and is nothing to an edge.
fn configuration(resolved: &Resolved) -> Volume {
    let item = |key: &str| KeyToPath { key: key.into(), path: key.into(), mode: None };
    Volume {
        name: CONFIGURATION_VOLUME.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: names::edge(&resolved.key.name),
            items: Some(vec![item(CONFIGURATION), item(AUTHORITIES)]),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// A token for nobody but the operator: no API server takes it.
fn token() -> Volume {
    Volume {
        name: TOKEN_VOLUME.into(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![VolumeProjection {
                service_account_token: Some(ServiceAccountTokenProjection {
                    audience: Some(edge_contract::TOKEN_AUDIENCE.into()),
                    expiration_seconds: Some(TOKEN_SECONDS),
                    path: TOKEN.into(),
                }),
                ..VolumeProjection::default()
            }]),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}
