//! What origins name into what is taken to be there though it is not in the files: Services, Ingresses, grants.

use std::collections::BTreeMap;
use std::sync::Arc;

use crds::DistributionSpec;
use edge_contract::Scheme;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    Ingress, IngressLoadBalancerIngress, IngressLoadBalancerStatus, IngressRule, IngressSpec, IngressStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use operator::reference_grant::ReferenceGrant;

use super::{Places, name_of};
use crate::place::Address;
use crate::world::Name;

/// What an Ingress without an address gets for one, until its place on this machine takes over (RFC 5737).
const SOMEWHERE: &str = "192.0.2.1";

/// What is taken to be there though it is not in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assume {
    /// Nothing.
    Nothing,
    /// What is needed to serve on this machine: every Service, and Ingresses that have a place.
    Here,
    /// Whatever an origin names, as in a cluster that has it all.
    Everything,
}

impl Places {
    /// The Services that these specs name and are taken to be there, as the origins expect them.
    pub fn services(
        &self,
        specs: &[&DistributionSpec],
        namespace: &str,
        assume: Assume,
    ) -> BTreeMap<Name, Arc<Service>> {
        let references = specs.iter().flat_map(|spec| &spec.origins).filter_map(|origin| origin.service.as_ref());
        let mut ports: BTreeMap<Name, Vec<ServicePort>> = BTreeMap::new();
        for reference in references {
            let name = name_of(reference, namespace);
            let spoken = self.services.get(&name).and_then(|address| address.scheme);
            ports.entry(name).or_default().push(port(&reference.port, spoken));
        }
        ports.retain(|name, _| assume != Assume::Nothing || self.services.contains_key(name));
        let expected = ports.into_iter().map(|(name, ports)| {
            let metadata = ObjectMeta { namespace: Some(name.0.clone()), ..named(&name.1) };
            let spec = Some(ServiceSpec { ports: Some(ports), ..ServiceSpec::default() });
            (name, Arc::new(Service { metadata, spec, status: None }))
        });
        expected.collect()
    }

    /// What other namespaces would have to grant. Only a cluster knows whether they do, so here they are taken to.
    pub fn grants(specs: &[&DistributionSpec], namespace: &str) -> Vec<Arc<ReferenceGrant>> {
        let references = specs.iter().flat_map(|spec| &spec.origins).filter_map(|origin| origin.service.as_ref());
        let foreign = references.map(|reference| name_of(reference, namespace)).filter(|(ns, _)| ns != namespace);
        foreign.map(|(ns, _)| Arc::new(ReferenceGrant::of_all_services(&ns, namespace))).collect()
    }

    /// The Ingresses that these specs name and are taken to be there, with an address, as `known` or as the origins expect them.
    pub fn ingresses(
        &self,
        specs: &[&DistributionSpec],
        namespace: &str,
        known: &BTreeMap<Name, Arc<Ingress>>,
        assume: Assume,
    ) -> BTreeMap<String, Arc<Ingress>> {
        let references = specs.iter().flat_map(|spec| &spec.origins).filter_map(|origin| origin.ingress.as_ref());
        let placed = references.filter_map(|reference| {
            let name = (namespace.to_owned(), reference.name.clone());
            let address = self.ingresses.get(&name);
            if address.is_none() && assume != Assume::Everything {
                return None;
            }
            let rule = |address: &Address| IngressRule { host: Some(address.host.clone()), http: None };
            let rules = address.map(|address| vec![rule(address)]);
            let expected = || Ingress {
                metadata: named(&reference.name),
                spec: Some(IngressSpec { rules, ..IngressSpec::default() }),
                status: None,
            };
            let there = known.get(&name).map_or_else(expected, |ingress| (**ingress).clone());
            if address.is_none() && has_address(&there) {
                return None;
            }
            let somewhere = IngressLoadBalancerIngress { ip: Some(SOMEWHERE.into()), ..Default::default() };
            let status = IngressLoadBalancerStatus { ingress: Some(vec![somewhere]) };
            let there = Ingress { status: Some(IngressStatus { load_balancer: Some(status) }), ..there };
            Some((reference.name.clone(), Arc::new(there)))
        });
        placed.collect()
    }
}

fn has_address(ingress: &Ingress) -> bool {
    let balancer = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    balancer.is_some_and(|balancer| balancer.ingress.as_ref().is_some_and(|there| !there.is_empty()))
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

/// The port that an origin expects, which speaks what a flag says of it.
fn port(asked: &IntOrString, spoken: Option<Scheme>) -> ServicePort {
    let app_protocol = spoken.map(|spoken| match spoken {
        Scheme::Http => "http".into(),
        Scheme::Https => "https".into(),
        Scheme::H2c => "kubernetes.io/h2c".into(),
    });
    let (port, name) = match asked {
        IntOrString::Int(number) => (*number, None),
        IntOrString::String(name) => (80, Some(name.clone())),
    };
    ServicePort { port, name, app_protocol, ..ServicePort::default() }
}
