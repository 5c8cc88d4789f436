//! `EndpointSlices` into the addresses at which each Service that is an origin can be asked right now.
//!
//! They reach edges beside the configuration and have no part in its number: pods of an origin come and go all day.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointSlice};
use kube::ResourceExt;

use crate::distribution::observe::Observed;
use crate::distribution::resolve::{Resolved, ResolvedService};

/// The label by which a slice says whose it is.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// `IP:port` of every endpoint that is to be asked, by origin; in one order, so that a list only differs where endpoints do.
pub(super) fn of_services(observed: &Observed, resolved: &Resolved) -> BTreeMap<String, Vec<String>> {
    let services = resolved.origins.iter().filter_map(|(name, origin)| Some((name, origin.service.as_ref()?)));
    services.map(|(name, service)| (name.clone(), of_service(observed, service))).collect()
}

/// The ready ones; where there are none, those that end and still serve, as kube-proxy has it (KEP-1669): better than nobody.
fn of_service(observed: &Observed, service: &ResolvedService) -> Vec<String> {
    let slices = observed.endpoint_slices.iter().filter(|slice| belongs(slice, service));
    let there = slices.flat_map(|slice| there(slice, service));
    let allowed: Vec<_> = there.filter(|one| observed.cluster.walls.forbid(one.address).is_none()).collect();
    let addresses = |which: fn(&EndpointConditions) -> bool| -> BTreeSet<SocketAddr> {
        let which = allowed.iter().filter(|one| which(&one.endpoint.conditions.clone().unwrap_or_default()));
        which.map(|one| one.address).collect()
    };
    let ready = addresses(is_ready);
    let asked = if ready.is_empty() { addresses(ends_and_serves) } else { ready };
    asked.iter().map(ToString::to_string).collect()
}

/// A pod of a dual-stack Service is in a slice of each family: one of them is enough, and its cluster address says which.
fn belongs(slice: &EndpointSlice, service: &ResolvedService) -> bool {
    slice.labels().get(SERVICE_NAME) == Some(&service.name)
        && service.ip_family.as_ref().is_none_or(|family| *family == slice.address_type)
}

/// An endpoint at one of its addresses, whatever its state.
struct There<'a> {
    address: SocketAddr,
    endpoint: &'a Endpoint,
}

/// Pods that have another number for a named port are in a slice of their own, so each slice says one number.
fn there<'a>(slice: &'a EndpointSlice, service: &ResolvedService) -> Vec<There<'a>> {
    let ports = slice.ports.as_deref().unwrap_or_default();
    let port = ports.iter().find(|port| port.name.as_deref().unwrap_or_default() == service.port_name);
    let Some(number) = port.and_then(|port| u16::try_from(port.port?).ok()) else { return Vec::new() };
    let at = |endpoint: &'a Endpoint| {
        // A slice of names has none that parses.
        let ips = endpoint.addresses.iter().filter_map(|text| text.parse::<IpAddr>().ok());
        ips.map(move |ip| There { address: SocketAddr::new(ip, number), endpoint })
    };
    slice.endpoints.iter().flat_map(at).collect()
}

/// An unknown state counts as ready, as Kubernetes says. With `publishNotReadyAddresses` every endpoint is.
fn is_ready(conditions: &EndpointConditions) -> bool {
    conditions.ready.unwrap_or(true)
}

fn ends_and_serves(conditions: &EndpointConditions) -> bool {
    conditions.serving.unwrap_or(true) && conditions.terminating.unwrap_or(false)
}
