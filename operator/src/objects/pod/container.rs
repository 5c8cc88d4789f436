//! A location into the container that is an edge: its arguments, ports, probes and limits.

use edge_contract::{EDGES_PORT, MOUNTS};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, ObjectFieldSelector, Probe,
    SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{CONFIGURATION_VOLUME, DRAIN_ACCEPT, DRAIN_LIMIT, TOKEN, TOKEN_VOLUME, mounts};
use crate::cluster::Cluster;
use crate::distribution::resolved::ResolvedLocation;
use crate::objects::config_map::{AUTHORITIES, CONFIGURATION};
use crate::objects::{ADMIN, ADMIN_PORT, EDGES, HTTP, HTTP_PORT};

/// Where the configuration and the certificates are mounted.
const CONFIGURATION_PATH: &str = "/etc/kubefront";

/// Where the token is mounted.
const TOKEN_PATH: &str = "/var/run/secrets/kubefront";

/// Seconds until a start counts as failed.
const START_SECONDS: i32 = 60;

/// Seconds without an answer until an edge gets no more viewers.
const UNREADY_SECONDS: i32 = 3;

/// Seconds without an answer until an edge is started anew: long, because a restart costs the whole cache.
const DEAD_SECONDS: i32 = 30;

/// The container of an edge.
pub(super) fn edge(location: &ResolvedLocation, cluster: &Cluster, mounts: Option<&Volume>) -> Container {
    let ours = [mount(CONFIGURATION_VOLUME, CONFIGURATION_PATH), mount(TOKEN_VOLUME, TOKEN_PATH)];
    Container {
        name: "edge".into(),
        image: Some(cluster.edge.name.clone()),
        image_pull_policy: cluster.edge.pull_policy.clone(),
        args: Some(arguments(location, cluster).into_iter().chain(mounts.map(mounted)).collect()),
        env: Some(vec![field("POD_NAME", "metadata.name"), field("POD_UID", "metadata.uid")]),
        ports: Some(vec![port(HTTP, HTTP_PORT), port(ADMIN, ADMIN_PORT), port(EDGES, EDGES_PORT.into())]),
        startup_probe: Some(probe("/healthz", START_SECONDS)),
        readiness_probe: Some(probe("/readyz", UNREADY_SECONDS)),
        liveness_probe: Some(probe("/healthz", DEAD_SECONDS)),
        resources: Some(location.resources.clone()),
        security_context: Some(security_context()),
        volume_mounts: Some(ours.into_iter().chain(mounts.map(|volume| mount(&volume.name, MOUNTS))).collect()),
        ..Container::default()
    }
}

/// Nothing here may change with a live edit.
fn arguments(location: &ResolvedLocation, cluster: &Cluster) -> Vec<String> {
    vec![
        format!("--config={CONFIGURATION_PATH}/{CONFIGURATION}"),
        format!("--operator={}", cluster.channel.address),
        format!("--ca={CONFIGURATION_PATH}/{AUTHORITIES}"),
        format!("--token={TOKEN_PATH}/{TOKEN}"),
        format!("--cache-memory={}", location.cache_memory),
        format!("--drain-accept={DRAIN_ACCEPT}"),
        format!("--drain-limit={DRAIN_LIMIT}"),
    ]
}

/// It changes with what is mounted, and so do the pods.
fn mounted(volume: &Volume) -> String {
    format!("--mounted={}", mounts::id(volume))
}

fn field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector { api_version: None, field_path: path.into() }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: number,
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    }
}

/// Asks once a second, so that an edge gets viewers within a second of being ready.
fn probe(path: &str, seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String(ADMIN.into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(1),
        timeout_seconds: Some(1),
        failure_threshold: Some(seconds),
        ..Probe::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.into(), mount_path: path.into(), read_only: Some(true), ..VolumeMount::default() }
}

fn security_context() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".into()]) }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}
