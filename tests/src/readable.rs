//! The product on a cluster into everything that somebody can read of it without a right on Secrets, and into the places where a word
//! stands that only Secrets should hold.
#![expect(clippy::missing_panics_doc, reason = "a test's means fail by panicking, and say why when they do")]

use std::fs;
use std::net::SocketAddr;

use k8s_openapi::{ByteString, api::core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, LogParams},
    discovery::{Discovery, Scope, verbs},
};

use crate::{replicas::processes_of, viewer};

/// What can be read in one place.
pub struct Readable {
    /// Where.
    pub place: String,
    /// What.
    pub text: String,
}

impl Readable {
    /// What stands there.
    pub fn at(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self { place: place.into(), text: text.into() }
    }
}

/// Where any of these words stands, as it is or in the base64 of the API.
pub fn sightings(words: &[(&str, String)], readable: &[Readable]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, word) in words {
        let coded = serde_json::to_string(&ByteString(word.clone().into_bytes())).expect("plain data");
        let forms = [word.as_str(), coded.trim_matches('"').trim_end_matches('=')];
        let holds = |readable: &&Readable| forms.iter().any(|form| readable.text.contains(form));
        found.extend(readable.iter().filter(holds).map(|readable| format!("{name}: {}", readable.place)));
    }
    found
}

/// Every object of every kind in a namespace, but for the Secrets of these names.
pub async fn objects(client: &Client, namespace: &str, but: &[&str]) -> Vec<Readable> {
    let discovery = Discovery::new(client.clone()).run().await.expect("says what kinds there are");
    let mut found = Vec::new();
    for (resource, capabilities) in discovery.groups().flat_map(kube::discovery::ApiGroup::resources_by_stability) {
        if capabilities.scope != Scope::Namespaced || !capabilities.supports_operation(verbs::LIST) {
            continue;
        }
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let listed =
            api.list(&ListParams::default()).await.unwrap_or_else(|error| panic!("{}: {error}", resource.kind));
        for object in listed.items {
            let name = object.name_any();
            if resource.kind == "Secret" && but.contains(&name.as_str()) {
                continue;
            }
            let text = serde_json::to_string(&object).expect("plain data");
            found.push(Readable::at(format!("{} {namespace}/{name}", resource.kind), text));
        }
    }
    found
}

/// What every container of a namespace has logged, and those before it that ended.
pub async fn logs(client: &Client, namespace: &str) -> Vec<Readable> {
    let mut found = Vec::new();
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    for pod in pods.list(&ListParams::default()).await.expect("lists").items {
        let name = pod.name_any();
        let statuses = pod.status.clone().and_then(|status| status.container_statuses).unwrap_or_default();
        for container in statuses {
            for previous in [false, true].into_iter().take(if container.restart_count > 0 { 2 } else { 1 }) {
                let of = LogParams { container: Some(container.name.clone()), previous, ..LogParams::default() };
                let text = pods.logs(&name, &of).await.unwrap_or_else(|error| panic!("{name}: {error}"));
                let which = if previous { "log before its death" } else { "log" };
                found.push(Readable::at(format!("{which} of {namespace}/{name}"), text));
            }
        }
    }
    found
}

/// What the kernel says of each process of every pod of a namespace: its command line, its environment, and what is mounted for it. Needs
/// root on the cluster's machine.
pub async fn processes(client: &Client, namespace: &str) -> Vec<Readable> {
    let mut found = Vec::new();
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    for pod in pods.list(&ListParams::default()).await.expect("lists").items {
        for process in processes_of(&pod.uid().unwrap_or_default(), "kubefront-") {
            // One that has ended meanwhile says nothing.
            for file in ["cmdline", "environ", "mountinfo"] {
                let text = fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
                let place = format!("{file} of {namespace}/{}", pod.name_any());
                found.push(Readable::at(place, String::from_utf8_lossy(&text)));
            }
        }
    }
    found
}

/// What the ports for people and Prometheus say, of every pod of a namespace that has one by this name.
pub async fn said(client: &Client, namespace: &str, port: &str, paths: &[String]) -> Vec<Readable> {
    let mut found = Vec::new();
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    for pod in pods.list(&ListParams::default()).await.expect("lists").items {
        let name = pod.name_any();
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
        let Some(number) = ports.find(|one| one.name.as_deref() == Some(port)).map(|one| one.container_port) else {
            continue;
        };
        let ip = pod.status.as_ref().and_then(|status| status.pod_ip.clone()).expect("the pod has an address");
        let number = u16::try_from(number).expect("a port");
        let address = SocketAddr::new(ip.parse().expect("an IP address"), number);
        for path in paths {
            let seen =
                viewer::get(address, "admin", path).await.unwrap_or_else(|error| panic!("{name}{path}: {error}"));
            found.push(Readable::at(format!("{path} of {namespace}/{name}"), seen.text()));
        }
    }
    found
}
