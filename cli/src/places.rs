//! Where everything is on this machine into the sites that are served from there.

mod assumed;
mod verified;

use std::collections::{BTreeMap, BTreeSet};

use crds::DistributionSpec;
use crds::distribution::{Origin, ServiceReference};
use edge_contract::{OriginTarget, Site};
use operator::distribution::resolved::Resolved;

pub use assumed::Assume;

use crate::place::{Address, Place, name_of_scheme, shown};
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
    /// Where it is and what is spoken there, as a url; absent for a Service that has no place.
    pub address: Option<String>,
    /// What else is to be known of it, in words.
    pub remarks: Vec<String>,
    /// The flag that gives it a place.
    pub mends: Option<String>,
}

/// What an origin is, wherever it is.
struct Meant<'a> {
    what: String,
    /// Where a flag says that it is.
    place: Option<&'a Address>,
    /// The flag that says so, where there is one.
    mends: Option<String>,
    /// Whom its certificate would be for in a cluster, if it speaks TLS there.
    certified: String,
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
            let there =
                if there.is_empty() { "none uses any".into() } else { format!("there is {}", there.join(", ")) };
            let lost = placed.keys().filter(|name| !known.contains(*name));
            lost.map(|(ns, name)| format!("{flag} {ns}/{name}: no origin uses this {kind}; {there}")).collect()
        };
        let mut unused = said("--service", "Service", &self.services, &services);
        unused.extend(said("--ingress", "Ingress", &self.ingresses, &ingresses));
        unused
    }

    /// Sends a site's origins to where they are on this machine, past their shields. A Service without a place is nowhere. A flag for
    /// an address is permission for it, which the edge is told too: it asks once more where it connects to. What is spoken there is
    /// what would be in a cluster, unless the flag says otherwise.
    pub fn send(&self, site: &mut Site, resolved: &Resolved) -> Vec<Placed> {
        let mut placed = Vec::new();
        for origin in &mut site.origins {
            let Some(asked) = resolved.spec.origins.iter().find(|asked| asked.name == origin.name) else { continue };
            let Meant { what, place, mends, certified } = self.meant(asked, resolved);
            let mut remarks = Vec::new();
            site.walls.local_origins |= place.is_some();
            origin.target = match (origin.target.take(), place) {
                (Some(there), Some(address)) => {
                    let here = address.target(there.scheme());
                    if here.scheme() != there.scheme() {
                        origin.tls = verified::by_flag(std::mem::take(&mut origin.tls), here.scheme(), certified);
                        remarks.push(format!("in a cluster by {}", name_of_scheme(there.scheme())));
                    }
                    Some(here)
                }
                (Some(OriginTarget::Service { .. }), None) => None,
                (target, _) => target,
            };
            let address = origin.target.as_ref().map(shown);
            remarks.extend(verified::in_words(origin));
            // One edge has none to ask.
            let shield = origin.shield.take();
            remarks.extend(shield.map(|shield| format!("without its shield {shield}: there is one edge here")));
            placed.push(Placed { origin: origin.name.clone(), what, address, remarks, mends });
        }
        placed
    }

    fn meant(&self, asked: &Origin, resolved: &Resolved) -> Meant<'_> {
        let namespace = &resolved.key.namespace;
        let flag = |flag: &str, name: &Name| Some(format!("add {flag} {}/{}=HOST:PORT", name.0, name.1));
        if let Some(service) = &asked.service {
            let name = name_of(service, namespace);
            return Meant {
                what: format!("Service {}/{}", name.0, name.1),
                place: self.services.get(&name),
                mends: flag("--service", &name),
                certified: format!("{}.{}.svc", name.1, name.0),
            };
        }
        let authority = resolved.origins.get(&asked.name).map(|there| there.authority.clone()).unwrap_or_default();
        if let Some(ingress) = &asked.ingress {
            let name = (namespace.clone(), ingress.name.clone());
            let (place, mends) = (self.ingresses.get(&name), flag("--ingress", &name));
            return Meant { what: format!("Ingress {}/{}", name.0, name.1), place, mends, certified: authority };
        }
        let bucket = asked.s3.as_ref().map(|s3| format!("bucket {}", s3.bucket));
        let what = asked.url.clone().or(bucket).unwrap_or_default();
        Meant { what, place: None, mends: None, certified: authority }
    }
}

/// The Service that is meant; `own` is the namespace of the Distribution.
fn name_of(reference: &ServiceReference, own: &str) -> Name {
    (reference.namespace.as_deref().unwrap_or(own).to_owned(), reference.name.clone())
}
