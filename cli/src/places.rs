//! Where everything is on this machine into the sites that are served from there.

mod assumed;

use std::collections::{BTreeMap, BTreeSet};

use crds::DistributionSpec;
use crds::distribution::ServiceReference;
use edge_contract::{OriginTarget, Scheme, Site};
use operator::distribution::resolved::Resolved;

pub use assumed::Assume;

use crate::place::{Address, Place};
use crate::world::Name;

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
