//! A reference to an Ingress into the addresses of its load balancer and the Host it expects.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crds::condition::Reason;
use crds::distribution::IngressReference;
use edge_contract::{OriginTarget, Scheme};
use k8s_openapi::api::networking::v1::{Ingress, IngressLoadBalancerIngress};
use kube::ResourceExt;

use crate::distribution::observed::Observed;
use crate::distribution::resolve::host_names::forbidden_name;
use crate::distribution::resolved::ResolvedOrigin;
use crate::finding::Finding;

/// The Host that the Ingress is asked for, and where it is or why it cannot be an origin yet.
pub(super) fn resolve(
    reference: &IngressReference,
    speaks_tls: bool,
    field: &str,
    observed: &Observed,
) -> (String, Result<ResolvedOrigin, Finding>) {
    let field = format!("{field}.ingress");
    let name = &reference.name;
    let fallback = reference.host.clone().unwrap_or_else(|| name.clone());
    let Some(ingress) = observed.ingresses.get(name) else {
        let namespace = observed.distribution.namespace().unwrap_or_default();
        let message = format!("there is no Ingress {name} in namespace {namespace}; create it, or name another one");
        return (fallback, Err(Finding::in_cluster(format!("{field}.name"), Reason::NotFound, message)));
    };
    let asked = asked_host(reference, ingress, &field);
    let found = asked.and_then(|asked| {
        let is_tls = speaks_tls || asked.as_ref().is_some_and(|asked| serves_tls(ingress, asked));
        address(ingress, Asked { host: asked, is_tls }, &field, observed)
    });
    (fallback, found)
}

/// What an Ingress is asked for.
struct Asked {
    host: Option<String>,
    is_tls: bool,
}

fn address(ingress: &Ingress, asked: Asked, field: &str, observed: &Observed) -> Result<ResolvedOrigin, Finding> {
    let (name, field) = (ingress.name_any(), format!("{field}.name"));
    let Asked { host: asked, is_tls } = asked;
    let (scheme, port) = if is_tls { (Scheme::Https, 443) } else { (Scheme::Http, 80) };
    let (mut hosts, mut why_none) = (Vec::new(), None);
    for host in hosts_of(ingress) {
        match refused(&host, port, observed) {
            Some(what) => why_none = Some((host, what)),
            None => hosts.push(host),
        }
    }
    let Some(first) = hosts.first().cloned() else {
        let (reason, message) = match why_none {
            Some((host, what)) => {
                let message = format!("the address {host} of Ingress {name} is {what}, which no origin may have");
                (Reason::RefNotPermitted, message)
            }
            None => (Reason::AddressPending, pending(&name)),
        };
        return Err(Finding::in_cluster(field, reason, message));
    };
    let server_name = asked.clone().filter(|asked| is_tls && *asked != first);
    let authority = asked.unwrap_or_else(|| bracketed(&first));
    let target = if hosts.len() == 1 {
        OriginTarget::Address { scheme, host: first, port }
    } else {
        OriginTarget::Addresses { scheme, hosts, port }
    };
    Ok(ResolvedOrigin { target: Some(target), authority, server_name, ..ResolvedOrigin::default() })
}

fn pending(name: &str) -> String {
    format!(
        "Ingress {name} has no address yet; its ingress controller writes one to status.loadBalancer, see `kubectl get ingress {name}`"
    )
}

/// All its addresses, each once; or, where it has none, all its names: DNS may be silent about those.
fn hosts_of(ingress: &Ingress) -> Vec<String> {
    let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.as_deref());
    let all = |host: fn(&IngressLoadBalancerIngress) -> Option<&String>| {
        let mut seen = BTreeSet::new();
        let hosts = status.unwrap_or_default().iter().filter_map(host).filter(|host| !host.is_empty());
        hosts.filter(|host| seen.insert(*host)).cloned().collect::<Vec<_>>()
    };
    let ips = all(|balancer| balancer.ip.as_ref());
    if ips.is_empty() { all(|balancer| balancer.hostname.as_ref()) } else { ips }
}

/// The host that was given, else that of the first rule that has one.
fn asked_host(reference: &IngressReference, ingress: &Ingress, field: &str) -> Result<Option<String>, Finding> {
    if let Some(given) = &reference.host {
        return Ok(Some(given.clone()));
    }
    let rules = ingress.spec.as_ref().and_then(|spec| spec.rules.as_deref()).unwrap_or_default();
    match rules.iter().find_map(|rule| rule.host.as_deref().filter(|host| !host.is_empty())) {
        Some(host) if host.starts_with('*') => {
            let message =
                format!("the first rule of Ingress {} is for {host}; say which host is meant", reference.name);
            Err(Finding::in_cluster(format!("{field}.host"), Reason::InvalidField, message))
        }
        host => Ok(host.map(str::to_owned)),
    }
}

/// Whether the Ingress has a certificate for the host: plain HTTP would then only be redirected.
fn serves_tls(ingress: &Ingress, asked: &str) -> bool {
    let tls = ingress.spec.as_ref().and_then(|spec| spec.tls.as_deref()).unwrap_or_default();
    tls.iter().flat_map(|tls| tls.hosts.iter().flatten()).any(|host| covers(host, asked))
}

/// A wildcard of an Ingress stands for exactly one label.
fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

fn refused(host: &str, port: u16, observed: &Observed) -> Option<&'static str> {
    match host.parse::<IpAddr>() {
        Ok(ip) => observed.cluster.walls.forbid_outside(SocketAddr::new(ip, port)),
        Err(_) => forbidden_name(host, &observed.distribution.namespace().unwrap_or_default(), &observed.cluster),
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}
