//! What was observed into what will serve: which generation, which targets, which aliases; and what is to be mended.
//!
//! Guarantees: a generation is taken whole or not at all. A new one that brings in an error is refused, and the last taken one
//! serves on. An error that the last taken one has too (its Service vanished, say) is no reason to refuse: the new
//! generation makes nothing worse, so nobody has to mend everything at once. A first generation serves what resolves.
//! Errors: none; what is wrong is a [`Finding`].

mod aliases;
mod children;
mod fields;
mod host_names;
mod locations;
mod origins;

use crds::condition::Reason;
use crds::{Distribution, DistributionSpec};
use kube::ResourceExt;

use crate::child::is_owned;
use crate::compile;
use crate::distribution::observed::Observed;
use crate::distribution::resolved::{Resolved, ResolvedLocation};
use crate::finding::{Finding, MendedBy};
use crate::names::key_of;

/// What serves, and what is to be mended.
#[derive(Clone, Debug)]
pub struct Resolution {
    /// What serves; nothing while no generation can: then everything stays as it is.
    pub resolved: Option<Resolved>,
    /// What is to be mended, in the order of the fields.
    pub findings: Vec<Finding>,
}

/// One spec, looked at.
struct Examined {
    resolved: Option<Resolved>,
    findings: Vec<Finding>,
}

/// Decides what serves.
pub fn resolve(observed: &Observed) -> Resolution {
    let distribution = &*observed.distribution;
    let generation = distribution.metadata.generation.unwrap_or_default();
    let new = examine(&distribution.spec, generation, observed);
    let Some(taken) = observed.taken.as_ref().filter(|taken| taken.spec != distribution.spec) else {
        return Resolution { resolved: new.resolved, findings: new.findings };
    };
    let old = examine(&taken.spec, taken.generation, observed);
    let worse = new.findings.iter().any(|finding| refuses(finding) && !old.findings.contains(finding));
    if new.resolved.is_some() && !worse {
        return Resolution { resolved: new.resolved, findings: new.findings };
    }
    let still_serving =
        old.findings.into_iter().filter(|finding| !new.findings.contains(finding)).map(|finding| Finding {
            message: format!("in generation {}, which serves on: {}", taken.generation, finding.message),
            // It ends with that generation, so whatever lets the new one be taken mends it.
            mended_by: MendedBy::Cluster,
            ..finding
        });
    let findings = new.findings.iter().cloned().chain(still_serving).collect();
    Resolution { resolved: old.resolved, findings }
}

/// Whether a finding keeps a generation from being taken. An alias that another one holds is merely not served.
fn refuses(finding: &Finding) -> bool {
    finding.reason != Reason::AliasTaken
}

fn examine(spec: &DistributionSpec, generation: i64, observed: &Observed) -> Examined {
    let distribution = &*observed.distribution;
    let mut findings = fields::examine(spec);
    let (locations, of_locations) = locations::resolve(spec);
    findings.extend(of_locations);
    let (foreign, of_children) = children::foreign(observed, &locations);
    // What every pod mounts and runs as must be ours, or the pods would take a stranger's configuration and rights.
    let unservable = !findings.is_empty() || children::is_vital(&foreign);
    findings.extend(of_children);
    let (origins, of_origins) = origins::resolve(spec, observed);
    findings.extend(of_origins);
    let (aliases, of_aliases) = aliases::held(spec, observed);
    findings.extend(of_aliases);

    let own_names = own_names(distribution, &locations, observed);
    let resolved = Resolved {
        key: key_of(distribution),
        uid: distribution.uid().unwrap_or_default(),
        generation,
        spec: spec.clone(),
        locations,
        origins,
        aliases,
        own_names,
        walls: observed.cluster.walls.clone(),
        foreign,
    };
    if unservable {
        return Examined { resolved: None, findings };
    }
    let of_configuration = fields::examine_compiled(&resolved, &compile::site(&resolved));
    let resolved = of_configuration.is_empty().then_some(resolved);
    findings.extend(of_configuration);
    Examined { resolved, findings }
}

/// Every name that the cluster's DNS and its load balancers have for the Distribution's own Services.
fn own_names(distribution: &Distribution, locations: &[ResolvedLocation], observed: &Observed) -> Vec<String> {
    let namespace = distribution.namespace().unwrap_or_default();
    let name = distribution.name_any();
    let edge = crate::names::edge(&name);
    let of_locations = locations.iter().map(|location| crate::names::location(&name, &location.name));
    let in_dns = std::iter::once(edge.clone()).chain(of_locations).flat_map(|service| {
        let in_namespace = format!("{service}.{namespace}");
        let in_services = format!("{in_namespace}.svc");
        let full = format!("{in_services}.{}", observed.cluster.domain);
        [service, in_namespace, in_services, full]
    });
    let uid = distribution.uid().unwrap_or_default();
    let service = observed.children.services.get(&edge).filter(|service| is_owned(&service.metadata, &uid));
    let status = service.and_then(|service| service.status.as_ref());
    let balancers = status.and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref()).into_iter().flatten();
    let of_balancers =
        balancers.filter_map(|balancer| balancer.hostname.as_ref()).map(|name| host_names::bare_name(name));
    in_dns.chain(of_balancers).collect()
}
