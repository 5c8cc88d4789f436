//! `EndpointSlices` into the addresses at which each Service that is an origin can be asked right now.
//!
//! They reach edges beside the configuration and have no part in its number: pods of an origin come and go all day.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::ResourceExt;

use crate::distribution::observe::Observed;
use crate::distribution::resolve::{Resolved, ResolvedService};

/// The label by which a slice says whose it is.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// `IP:port` of every ready endpoint, by origin; in one order, so that a list only differs where endpoints do.
pub(super) fn of_services(observed: &Observed, resolved: &Resolved) -> BTreeMap<String, Vec<String>> {
    let services = resolved.origins.iter().filter_map(|(name, origin)| Some((name, origin.service.as_ref()?)));
    services.map(|(name, service)| (name.clone(), of_service(observed, service))).collect()
}

fn of_service(observed: &Observed, service: &ResolvedService) -> Vec<String> {
    let slices = observed.endpoint_slices.iter().filter(|slice| belongs(slice, service));
    let addresses: BTreeSet<_> = slices.flat_map(|slice| addresses(slice, service)).collect();
    let allowed = addresses.into_iter().filter(|address| observed.cluster.walls.forbid(*address).is_none());
    allowed.map(|address| address.to_string()).collect()
}

/// A pod of a dual-stack Service is in a slice of each family: one of them is enough, and its cluster address says which.
fn belongs(slice: &EndpointSlice, service: &ResolvedService) -> bool {
    slice.labels().get(SERVICE_NAME) == Some(&service.name)
        && service.ip_family.as_ref().is_none_or(|family| *family == slice.address_type)
}

fn addresses(slice: &EndpointSlice, service: &ResolvedService) -> Vec<SocketAddr> {
    let ports = slice.ports.as_deref().unwrap_or_default();
    let port = ports.iter().find(|port| port.name.as_deref().unwrap_or_default() == service.port_name);
    let Some(number) = port.and_then(|port| u16::try_from(port.port?).ok()) else { return Vec::new() };
    let ready = slice.endpoints.iter().filter(|endpoint| is_ready(endpoint));
    let texts = ready.flat_map(|endpoint| &endpoint.addresses);
    // A slice of names has none that parses: the Service's own name then finds them.
    texts.filter_map(|text| text.parse::<IpAddr>().ok()).map(|ip| SocketAddr::new(ip, number)).collect()
}

/// An unknown state counts as ready, as Kubernetes says.
fn is_ready(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
}
