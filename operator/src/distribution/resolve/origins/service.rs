//! A reference to a Service into its DNS name, its port, and what its endpoints and pods are found by.

mod app_protocol;
mod grant;

use crds::condition::Reason;
use crds::distribution::ServiceReference;
use edge_contract::{OriginTarget, Scheme};
use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use crate::child::is_owned;
use crate::distribution::observed::Observed;
use crate::distribution::resolved::{ResolvedOrigin, ResolvedService};
use crate::finding::Finding;

/// The name of the Service, and where it is or why it cannot be an origin.
pub(super) fn resolve(
    reference: &ServiceReference,
    speaks_tls: bool,
    field: &str,
    observed: &Observed,
) -> (String, Result<ResolvedOrigin, Finding>) {
    let own = || observed.distribution.namespace().unwrap_or_default();
    let namespace = reference.namespace.clone().unwrap_or_else(own);
    let dns_name = format!("{}.{namespace}.svc.{}", reference.name, observed.cluster.domain);
    let field = format!("{field}.service");
    let permitted = permit(reference, &field, &namespace, observed);
    let found = permitted.and_then(|()| find(reference, &field, &namespace, observed)).and_then(|service| {
        let port = find_port(reference, &field, service)?;
        let said = scheme(reference, &field, port)?;
        let scheme = if speaks_tls { Scheme::Https } else { said };
        // Certificates for Services are made out to the name without the cluster's domain: what cert-manager's guides and OpenShift do.
        let certified = (scheme == Scheme::Https).then(|| format!("{}.{namespace}.svc", reference.name));
        let origin = origin(service, port, scheme, &dns_name, namespace != own());
        Ok(ResolvedOrigin { server_name: certified, service: Some(behind(service, port, &namespace)), ..origin })
    });
    (dns_name, found)
}

/// Before it is looked for: whether it exists there is nobody's business who may not name it.
fn permit(reference: &ServiceReference, field: &str, namespace: &str, observed: &Observed) -> Result<(), Finding> {
    if reference.name == "kubernetes" && namespace == "default" {
        let message = "Service kubernetes is the API server, which no viewer may reach; name another one";
        return Err(Finding::in_spec(format!("{field}.name"), Reason::RefNotPermitted, message));
    }
    grant::permit(reference, namespace, observed)
        .map_err(|message| Finding::in_cluster(format!("{field}.namespace"), Reason::RefNotPermitted, message))
}

fn find<'a>(
    reference: &ServiceReference,
    field: &str,
    namespace: &str,
    observed: &'a Observed,
) -> Result<&'a Service, Finding> {
    let (field, name) = (format!("{field}.name"), &reference.name);
    let Some(service) = observed.services.get(&(namespace.to_owned(), name.clone())) else {
        let message = format!("there is no Service {name} in namespace {namespace}; create it, or name another one");
        return Err(Finding::in_cluster(field, Reason::NotFound, message));
    };
    if is_owned(&service.metadata, observed.distribution.metadata.uid.as_deref().unwrap_or_default()) {
        let message = format!("Service {name} is this Distribution's own: it would ask itself; name another one");
        return Err(Finding::in_spec(field, Reason::RefNotPermitted, message));
    }
    let spec = service.spec.as_ref();
    if spec.and_then(|spec| spec.type_.as_deref()) == Some("ExternalName") {
        let elsewhere = spec.and_then(|spec| spec.external_name.as_deref()).unwrap_or("example.com");
        let port = match &reference.port {
            IntOrString::Int(80) | IntOrString::String(_) => String::new(),
            IntOrString::Int(number) => format!(":{number}"),
        };
        let message = format!(
            "Service {name} is of type ExternalName; give its target as url: http://{elsewhere}{port}, or https"
        );
        return Err(Finding::in_cluster(field, Reason::RefNotPermitted, message));
    }
    Ok(service)
}

fn find_port<'a>(reference: &ServiceReference, field: &str, service: &'a Service) -> Result<&'a ServicePort, Finding> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let (asked, found): (String, Option<&ServicePort>) = match &reference.port {
        IntOrString::Int(number) => {
            // TCP first: the same number may stand there twice.
            let of_number = || ports.iter().filter(|port| port.port == *number);
            (number.to_string(), of_number().find(|port| is_tcp(port)).or_else(|| of_number().next()))
        }
        IntOrString::String(name) => (name.clone(), ports.iter().find(|port| port.name.as_deref() == Some(name))),
    };
    let (field, name) = (format!("{field}.port"), &reference.name);
    let Some(port) = found else {
        let message = format!("Service {name} has no port {asked}; {}", there(ports));
        return Err(Finding::in_cluster(field, Reason::PortNotFound, message));
    };
    if !is_tcp(port) {
        let protocol = port.protocol.as_deref().unwrap_or_default();
        let message = format!("port {asked} of Service {name} is {protocol}, and HTTP needs TCP; {}", there(ports));
        return Err(Finding::in_cluster(field, Reason::PortNotFound, message));
    }
    Ok(port)
}

/// A port that says nothing speaks HTTP/1.1.
fn scheme(reference: &ServiceReference, field: &str, port: &ServicePort) -> Result<Scheme, Finding> {
    let protocol = port.app_protocol.as_deref().unwrap_or("http");
    app_protocol::scheme(protocol).ok_or_else(|| {
        let message = format!(
            "port {} of Service {} does not speak HTTP: its appProtocol is {protocol}; name a port that does, or correct its appProtocol",
            port.port, reference.name
        );
        Finding::in_cluster(format!("{field}.port"), Reason::UnsupportedProtocol, message)
    })
}

fn is_tcp(port: &ServicePort) -> bool {
    port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP")
}

/// What may be chosen instead.
fn there(ports: &[ServicePort]) -> String {
    let shown = ports.iter().filter(|port| is_tcp(port)).map(|port| match port.name.as_deref() {
        Some(name) if !name.is_empty() => format!("{} ({name})", port.port),
        _ => port.port.to_string(),
    });
    let shown: Vec<_> = shown.collect();
    if shown.is_empty() { "it has no TCP port at all".into() } else { format!("it has {}", shown.join(", ")) }
}

fn origin(service: &Service, port: &ServicePort, scheme: Scheme, dns_name: &str, granted: bool) -> ResolvedOrigin {
    // A headless Service's name stands for the pods themselves, where nobody translates the Service's port into theirs.
    let is_headless = service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None");
    let service_port = u16::try_from(port.port).unwrap_or_default();
    let dialled = target_port(port).filter(|_| is_headless).unwrap_or(service_port);
    let default_port = if scheme == Scheme::Https { 443 } else { 80 };
    let authority =
        if service_port == default_port { dns_name.to_owned() } else { format!("{dns_name}:{service_port}") };
    ResolvedOrigin {
        target: Some(OriginTarget::Service { dns_name: dns_name.to_owned(), port: dialled, scheme, granted }),
        authority,
        ..ResolvedOrigin::default()
    }
}

/// What its endpoints and pods are found by.
fn behind(service: &Service, port: &ServicePort, namespace: &str) -> ResolvedService {
    let spec = service.spec.clone().unwrap_or_default();
    ResolvedService {
        namespace: namespace.to_owned(),
        name: service.name_any(),
        port_name: port.name.clone().unwrap_or_default(),
        target_port: target_port(port),
        ip_family: spec.ip_families.and_then(|families| families.into_iter().next()),
        selector: spec.selector.unwrap_or_default(),
    }
}

fn target_port(port: &ServicePort) -> Option<u16> {
    match &port.target_port {
        None => u16::try_from(port.port).ok(),
        Some(IntOrString::Int(number)) => u16::try_from(*number).ok(),
        // Each pod has its own number for a name.
        Some(IntOrString::String(_)) => None,
    }
}
