//! `EndpointSlices` into the addresses at which each Service that is an origin can be asked right now.
//!
//! They reach edges beside the configuration and have no part in its number: pods of an origin come and go all day.

mod nearest;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointSlice};
use kube::ResourceExt;
use nearest::{Place, Places};
use serde::Serialize;

use crate::distribution::observed::Observed;
use crate::distribution::resolved::{Resolved, ResolvedService};

/// The label by which a slice says whose it is.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Where an origin that is a Service can be asked right now, each list in one order, so that it only differs where endpoints do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginEndpoints {
    /// `IP:port` of all that are to be asked.
    pub addresses: Vec<String>,
    /// The lists of edges that are to ask only some of them, by the uid of the edge's pod.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub nearest: BTreeMap<String, Vec<String>>,
}

/// The endpoints of every origin that is a Service, by the origin's name.
pub(super) fn of_services(observed: &Observed, resolved: &Resolved) -> BTreeMap<String, OriginEndpoints> {
    let services = resolved.origins.iter().filter_map(|(name, origin)| Some((name, origin.service.as_ref()?)));
    let places = nearest::places(observed, resolved);
    services.map(|(name, service)| (name.clone(), of_service(observed, service, &places))).collect()
}

/// Every origin whose Service nobody answers for, with its field and what to look at.
pub fn without_endpoints(observed: &Observed, resolved: &Resolved) -> Vec<String> {
    let all = of_services(observed, resolved).into_iter();
    let without = all.filter(|(_, endpoints)| endpoints.addresses.is_empty()).filter_map(|(origin, _)| {
        let service = resolved.origins.get(&origin)?.service.as_ref()?;
        let message = why_none(observed, service);
        Some(format!("spec.origins[{origin}].service: {message}"))
    });
    without.collect()
}

fn why_none(observed: &Observed, service: &ResolvedService) -> String {
    let ResolvedService { namespace, name, .. } = service;
    let slices = observed.endpoint_slices.iter().filter(|slice| belongs(slice, service));
    let refused = slices.flat_map(|slice| there(slice, service)).find_map(|one| {
        let what = observed.cluster.walls.forbid(one.address)?;
        Some((one.address, what))
    });
    if let Some((address, what)) = refused {
        return format!("Service {name} has only endpoints like {address}, which is {what}: no origin may be there");
    }
    format!(
        "Service {name} has no ready endpoint, so edges answer 503 for what they have not stored; see `kubectl -n {namespace} get endpointslices -l {SERVICE_NAME}={name}`"
    )
}

/// The ready ones; where there are none, those that end and still serve, as kube-proxy has it (KEP-1669): better than nobody.
fn of_service(observed: &Observed, service: &ResolvedService, places: &Places) -> OriginEndpoints {
    let slices = observed.endpoint_slices.iter().filter(|slice| belongs(slice, service));
    let there = slices.flat_map(|slice| there(slice, service));
    let (ready, rest): (Vec<_>, Vec<_>) = there
        .filter(|one| observed.cluster.walls.forbid(one.address).is_none())
        .partition(|one| is_ready(&one.endpoint.conditions.clone().unwrap_or_default()));
    if ready.is_empty() {
        let ends_and_serves = |one: &&There| ends_and_serves(&one.endpoint.conditions.clone().unwrap_or_default());
        let addresses = shown(rest.iter().filter(ends_and_serves));
        return OriginEndpoints { addresses, nearest: BTreeMap::new() };
    }
    let addresses = shown(&ready);
    let of_edge = |place: &Place| nearest::nearest(&ready, place).map(shown).filter(|list| *list != addresses);
    let nearest = places.iter().filter_map(|(uid, place)| Some((uid.clone(), of_edge(place)?))).collect();
    OriginEndpoints { addresses, nearest }
}

fn shown<'a>(which: impl IntoIterator<Item = &'a There<'a>>) -> Vec<String> {
    let addresses: BTreeSet<SocketAddr> = which.into_iter().map(|one| one.address).collect();
    addresses.iter().map(ToString::to_string).collect()
}

/// A pod of a dual-stack Service is in a slice of each family: one of them is enough, and its cluster address says which.
fn belongs(slice: &EndpointSlice, service: &ResolvedService) -> bool {
    slice.labels().get(SERVICE_NAME) == Some(&service.name)
        && slice.namespace().unwrap_or_default() == service.namespace
        && service.ip_family.as_ref().is_none_or(|family| *family == slice.address_type)
}

/// An endpoint at one of its addresses, whatever its state.
#[derive(Clone, Copy)]
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
