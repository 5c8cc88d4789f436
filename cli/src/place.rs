//! What only exists in a cluster into where it is on this machine: `--service` and `--ingress`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crds::DistributionSpec;
use crds::distribution::ServiceReference;
use edge_contract::{OriginTarget, Scheme, Site};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    Ingress, IngressLoadBalancerIngress, IngressLoadBalancerStatus, IngressRule, IngressSpec, IngressStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use operator::distribution::resolved::Resolved;
use operator::reference_grant::ReferenceGrant;

use crate::world::Name;

/// What an Ingress without an address gets for one, until its place on this machine takes over (RFC 5737).
const SOMEWHERE: &str = "192.0.2.1";

/// `[NS/]NAME=HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    namespace: Option<String>,
    name: String,
    address: Address,
}

/// A host name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not [NAMESPACE/]NAME=HOST:PORT");
        let (whose, address) = text.split_once('=').ok_or_else(wrong)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let (namespace, name) = whose.split_once('/').map_or((None, whose), |(ns, name)| (Some(ns.to_owned()), name));
        if host.is_empty() || host.contains('/') || name.is_empty() || namespace.as_deref() == Some("") {
            return Err(wrong());
        }
        Ok(Self { namespace, name: name.to_owned(), address: Address { host: host.to_owned(), port } })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Address {
    fn target(&self) -> OriginTarget {
        OriginTarget::Address { scheme: Scheme::Http, host: self.host.clone(), port: self.port }
    }
}

/// Where everything is that has a place.
#[derive(Clone, Debug, Default)]
pub struct Places {
    services: BTreeMap<Name, Address>,
    ingresses: BTreeMap<Name, Address>,
}

/// Where an origin is, as it is told to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The origin's name.
    pub origin: String,
    /// What it is.
    pub what: String,
    /// Where it is; absent for a Service that has no place.
    pub address: Option<String>,
    /// The flag that gives it one.
    pub mends: Option<String>,
    /// The location that stands before it in a cluster, and not here.
    pub shield: Option<String>,
}

impl Places {
    /// Of the flags; `namespace` is that of those that name none.
    pub fn of(services: &[Place], ingresses: &[Place], namespace: &str) -> Self {
        let by_name = |places: &[Place]| {
            let named = places.iter().map(|place| {
                let namespace = place.namespace.clone().unwrap_or_else(|| namespace.to_owned());
                ((namespace, place.name.clone()), place.address.clone())
            });
            named.collect()
        };
        Self { services: by_name(services), ingresses: by_name(ingresses) }
    }

    /// Flags that name what no origin of these does.
    pub fn unused<'a>(&self, specs: impl Iterator<Item = (&'a str, &'a DistributionSpec)>) -> Vec<String> {
        let (mut services, mut ingresses) = (BTreeSet::new(), BTreeSet::new());
        for (namespace, spec) in specs {
            for origin in &spec.origins {
                services.extend(origin.service.as_ref().map(|service| name_of(service, namespace)));
                ingresses.extend(origin.ingress.as_ref().map(|ingress| (namespace.to_owned(), ingress.name.clone())));
            }
        }
        let said = |flag: &str, kind: &str, placed: &BTreeMap<Name, Address>, known: &BTreeSet<Name>| -> Vec<String> {
            let there: Vec<_> = known.iter().map(|(ns, name)| format!("{ns}/{name}")).collect();
            let there = if there.is_empty() { "none does".into() } else { format!("there is {}", there.join(", ")) };
            let lost = placed.keys().filter(|name| !known.contains(*name));
            lost.map(|(ns, name)| format!("{flag} {ns}/{name}: no origin uses this {kind}; {there}")).collect()
        };
        let mut unused = said("--service", "Service", &self.services, &services);
        unused.extend(said("--ingress", "Ingress", &self.ingresses, &ingresses));
        unused
    }

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
            ports.entry(name_of(reference, namespace)).or_default().push(port(&reference.port));
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

    /// Sends a site's origins to where they are on this machine, past their shields. A Service without a place is nowhere. A flag for an address is
    /// permission for it, which the edge is told too: it asks once more where it connects to.
    pub fn send(&self, site: &mut Site, resolved: &Resolved) -> Vec<Placed> {
        let namespace = &resolved.key.namespace;
        let mut placed = Vec::new();
        for origin in &mut site.origins {
            let Some(asked) = resolved.spec.origins.iter().find(|asked| asked.name == origin.name) else { continue };
            let flag = |flag: &str, name: &Name| Some(format!("add {flag} {}/{}=HOST:PORT", name.0, name.1));
            let (what, place, mends) = match (&asked.service, &asked.ingress) {
                (Some(service), _) => {
                    let name = name_of(service, namespace);
                    let what = format!("Service {}/{}", name.0, name.1);
                    (what, self.services.get(&name), flag("--service", &name))
                }
                (_, Some(ingress)) => {
                    let name = (namespace.clone(), ingress.name.clone());
                    let what = format!("Ingress {namespace}/{}", ingress.name);
                    (what, self.ingresses.get(&name), flag("--ingress", &name))
                }
                _ => {
                    let bucket = asked.s3.as_ref().map(|s3| format!("bucket {}", s3.bucket));
                    (asked.url.clone().or(bucket).unwrap_or_default(), None, None)
                }
            };
            site.walls.local_origins |= place.is_some();
            origin.target = match (origin.target.take(), place) {
                (Some(_), Some(address)) => Some(address.target()),
                (Some(OriginTarget::Service { .. }), None) => None,
                (target, _) => target,
            };
            let address = origin.target.as_ref().map(shown);
            // One edge has none to ask.
            let shield = origin.shield.take();
            placed.push(Placed { origin: origin.name.clone(), what, address, mends, shield });
        }
        placed
    }
}

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

fn shown(target: &OriginTarget) -> String {
    match target {
        OriginTarget::Service { dns_name, port, .. } => format!("{dns_name}:{port}"),
        OriginTarget::Address { .. } | OriginTarget::Addresses { .. } => {
            let scheme = if target.scheme() == Scheme::Https { "https" } else { "http" };
            let address = |host: &String| Address { host: host.clone(), port: target.port() };
            let urls: Vec<String> = target.hosts().iter().map(|host| format!("{scheme}://{}", address(host))).collect();
            urls.join(", ")
        }
    }
}

/// The Service that is meant; `own` is the namespace of the Distribution.
fn name_of(reference: &ServiceReference, own: &str) -> Name {
    (reference.namespace.as_deref().unwrap_or(own).to_owned(), reference.name.clone())
}

fn has_address(ingress: &Ingress) -> bool {
    let balancer = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    balancer.is_some_and(|balancer| balancer.ingress.as_ref().is_some_and(|there| !there.is_empty()))
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

/// The port that an origin expects.
fn port(asked: &IntOrString) -> ServicePort {
    match asked {
        IntOrString::Int(number) => ServicePort { port: *number, ..ServicePort::default() },
        IntOrString::String(name) => ServicePort { port: 80, name: Some(name.clone()), ..ServicePort::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<(Option<&str>, &str, &str, u16)>) {
        let parsed = text.parse::<Place>().ok();
        let parsed = parsed.as_ref().map(|place| {
            (place.namespace.as_deref(), place.name.as_str(), place.address.host.as_str(), place.address.port)
        });
        assert_eq!(parsed, expect, "{text}");
    }

    #[test]
    fn a_place_is_a_name_and_an_address() {
        check("web/shop=127.0.0.1:3000", Some((Some("web"), "shop", "127.0.0.1", 3000)));
        check("shop=localhost:80", Some((None, "shop", "localhost", 80)));
        check("shop=[::1]:80", Some((None, "shop", "::1", 80)));
        for wrong in ["shop", "shop=3000", "shop=a:0", "shop=a:b", "=a:1", "/shop=a:1", "shop=:1", "a=http://b:1"] {
            check(wrong, None);
        }
    }
}
