//! A world and what served before it into the sites that serve now, by the operator's own steps: observe, resolve, compile.
//!
//! Guarantees: a generation is taken whole or not at all, by the very rule of the operator; a mistake never takes down what
//! serves. Nothing here waits, reads or writes.

pub mod nowhere;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crds::condition::Reason;
use crds::{Distribution, DistributionSpec, DistributionStatus};
use edge_contract::Site;
use operator::cluster::Cluster;
use operator::compile;
use operator::conditions::Judged;
use operator::distribution::observed::{Children, Claim, Observed};
use operator::distribution::report::cautions;
use operator::distribution::resolve::{Resolution, resolve};
use operator::distribution::resolved::Resolved;
use operator::distribution::taken::Taken;
use operator::finding::Finding;
use operator::names::DistributionKey;

use crate::complaint::Complaint;
use crate::contents::Declared;
use crate::places::{Assume, Placed, Places};
use crate::world::World;

/// What there is beside the files.
#[derive(Clone, Debug)]
pub struct Around {
    /// Where things are on this machine.
    pub places: Places,
    /// What is taken to be there though it is not in the files.
    pub assume: Assume,
    /// The cluster that manifests are resolved for.
    pub cluster: Arc<Cluster>,
}

/// What is remembered of Distributions while their files change.
#[derive(Debug, Default)]
pub struct Memory {
    known: BTreeMap<DistributionKey, Known>,
    /// Those that served and are in no file any more. What is stored of them is still there.
    left: BTreeSet<DistributionKey>,
}

#[derive(Debug)]
struct Known {
    /// The newest spec, and how many there were.
    spec: DistributionSpec,
    generation: i64,
    /// The last one that was taken.
    taken: Option<Taken>,
    /// The aliases that it holds.
    aliases: Vec<String>,
    /// Which generation serves, and what is to be mended.
    serving: Option<i64>,
    findings: Vec<Finding>,
}

/// One Distribution as it serves.
#[derive(Clone, Debug)]
pub struct Served {
    /// Its site, its origins on this machine.
    pub site: Site,
    /// Where those are, if they are asked at all.
    pub placed: Vec<Placed>,
    /// The file that declares it.
    pub file: Arc<str>,
    /// Why everything stored of it is to go.
    pub flush: Option<Flush>,
    /// Whether its file asks for something else, which was not taken.
    pub is_refused: bool,
}

/// Why everything stored of a Distribution is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// Its `contentVersion` was changed.
    ContentVersion,
    /// It was out of the files: in a cluster it would begin anew, with edges that hold nothing.
    Returned,
}

/// Decides what serves.
pub fn decide(world: &World, memory: &mut Memory, around: &Around) -> (Vec<Served>, Vec<Complaint>) {
    memory.forget_those_not_in(world);
    let (mut served, mut complaints) = (Vec::new(), Vec::new());
    for (key, declared) in &world.distributions {
        let distribution = memory.note(key, declared);
        let (newest, taken) = (distribution.metadata.generation, memory.taken(key));
        let before = taken.as_ref().map(|taken| taken.generation);
        let observed = observe(distribution, taken, world, around, memory.claims(key, world));
        let resolution = resolve(&observed);
        complaints.extend(resolution.findings.iter().map(|finding| complaint(declared, finding, before)));
        memory.found(key, &resolution);
        let Some(resolved) = resolution.resolved else { continue };
        let mut site = compile::site(&resolved);
        let mut placed = Vec::new();
        if around.assume == Assume::Here {
            placed = around.places.send(&mut site, &resolved);
            complaints.extend(lost(declared, &resolved, &site));
        }
        let flush = memory.take(key, &resolved);
        let file = Arc::clone(&declared.file);
        let is_refused = newest != Some(site.generation) || world.refused.contains(&file);
        served.push(Served { site, placed, file, flush, is_refused });
    }
    // `localhost` is no plain address, and a person who serves one Distribution means that one.
    if let [only] = served.as_mut_slice() {
        only.site.own_names.push("localhost".into());
    }
    (served, complaints)
}

impl Memory {
    fn forget_those_not_in(&mut self, world: &World) {
        let gone = self.known.extract_if(.., |key, _| !world.distributions.contains_key(key));
        self.left.extend(gone.filter(|(_, known)| known.taken.is_some()).map(|(key, _)| key));
    }

    /// The Distribution with its generation, as an API server counts them, and the aliases that it holds.
    fn note(&mut self, key: &DistributionKey, declared: &Declared<Distribution>) -> Distribution {
        let mut distribution = declared.object.clone();
        let known = self.known.entry(key.clone()).or_insert_with(|| Known {
            spec: distribution.spec.clone(),
            generation: 1,
            taken: None,
            aliases: Vec::new(),
            serving: None,
            findings: Vec::new(),
        });
        if known.spec != distribution.spec {
            known.generation += 1;
            known.spec = distribution.spec.clone();
        }
        distribution.metadata.generation = Some(known.generation);
        distribution.status =
            Some(DistributionStatus { aliases: known.aliases.clone(), ..DistributionStatus::default() });
        distribution
    }

    fn taken(&self, key: &DistributionKey) -> Option<Taken> {
        self.known.get(key).and_then(|known| known.taken.clone())
    }

    fn found(&mut self, key: &DistributionKey, resolution: &Resolution) {
        if let Some(known) = self.known.get_mut(key) {
            known.serving = resolution.resolved.as_ref().map(|resolved| resolved.generation);
            known.findings.clone_from(&resolution.findings);
        }
    }

    /// What the conditions of each Distribution are judged by, as far as the files say.
    pub fn judged(&self) -> impl Iterator<Item = (&DistributionKey, Judged)> {
        self.known.iter().map(|(key, Known { spec, generation, serving, findings, .. })| {
            let (findings, cautions) = (findings.clone(), cautions(spec));
            (key, Judged { generation: *generation, serving: *serving, findings, cautions, ..Judged::default() })
        })
    }

    /// Who else wants aliases: all of them are as old as each other.
    pub fn claims(&self, own: &DistributionKey, world: &World) -> Vec<Claim> {
        let others = world.distributions.iter().filter(|(key, _)| *key != own);
        let claims = others.flat_map(|(key, other)| {
            let held = self.known.get(key).map(|known| known.aliases.as_slice()).unwrap_or_default();
            other.object.spec.aliases.iter().map(|alias| Claim {
                alias: alias.clone(),
                by: key.clone(),
                created: None,
                holds: held.contains(alias),
            })
        });
        claims.collect()
    }

    /// Keeps what was taken; says whether everything stored is void with it.
    fn take(&mut self, key: &DistributionKey, resolved: &Resolved) -> Option<Flush> {
        let known = self.known.get_mut(key)?;
        known.aliases.clone_from(&resolved.aliases);
        let before = known.taken.replace(Taken { generation: resolved.generation, spec: resolved.spec.clone() });
        if self.left.remove(key) {
            return Some(Flush::Returned);
        }
        let is_changed = |before: Taken| before.spec.content_version != resolved.spec.content_version;
        before.is_some_and(is_changed).then_some(Flush::ContentVersion)
    }
}

/// What an operator would see of this world.
pub fn observe(
    distribution: Distribution,
    taken: Option<Taken>,
    world: &World,
    around: &Around,
    claims: Vec<Claim>,
) -> Observed {
    let namespace = distribution.metadata.namespace.clone().unwrap_or_default();
    // A generation that is refused leaves the one before it serving, with all that it names.
    let specs: Vec<&DistributionSpec> =
        std::iter::once(&distribution.spec).chain(taken.as_ref().map(|taken| &taken.spec)).collect();
    let mut services = around.places.services(&specs, &namespace, around.assume);
    services.extend(world.services.iter().map(|(name, service)| (name.clone(), Arc::clone(service))));
    let of_namespace = services.iter().filter(|((ns, _), _)| *ns == namespace);
    let children = of_namespace.map(|((_, name), service)| (name.clone(), Arc::clone(service))).collect();
    let declared = world.ingresses.iter().filter(|((ns, _), _)| *ns == namespace);
    let mut ingresses: BTreeMap<_, _> =
        declared.map(|((_, name), ingress)| (name.clone(), Arc::clone(ingress))).collect();
    ingresses.extend(around.places.ingresses(&specs, &namespace, &world.ingresses, around.assume));
    Observed {
        grants: Places::grants(&specs, &namespace),
        distribution: Arc::new(distribution),
        taken,
        children: Children { services: children, ..Children::default() },
        services,
        ingresses,
        endpoint_slices: Vec::new(),
        claims,
        pods: Vec::new(),
        ca_bundle: String::new(),
        cluster: Arc::clone(&around.cluster),
    }
}

/// A finding where it stands in the file, with what mends it here. One about the generation `before`, which serves on, stands in
/// no line any more.
fn complaint(declared: &Declared<Distribution>, finding: &Finding, before: Option<i64>) -> Complaint {
    let hint = hint(declared, finding);
    let complaint = declared.complaint(&finding.field, format!("{}{hint}", finding.message));
    let is_of = |generation| finding.message.starts_with(&format!("in generation {generation}, which serves on: "));
    if before.is_some_and(is_of) {
        return Complaint { line: None, ..complaint.into_warning() };
    }
    if finding.reason == Reason::AliasTaken { complaint.into_warning() } else { complaint }
}

/// What lets an origin be at an address of this machine; nothing where that is not what was found.
pub fn local_hint(finding: &Finding) -> &'static str {
    let is_local = finding.message.contains("loopback") || finding.message.contains("link-local");
    let is_written = [".url", ".endpoint"].iter().any(|end| finding.field.ends_with(end));
    if is_local && is_written { ", or allow it here with --allow-local-origins" } else { "" }
}

fn hint(declared: &Declared<Distribution>, finding: &Finding) -> String {
    let local = local_hint(finding);
    if !local.is_empty() {
        return local.into();
    }
    let origins = &declared.object.spec.origins;
    let ingress = origins.iter().find_map(|origin| {
        let field = format!("spec.origins[{}].ingress", origin.name);
        origin.ingress.as_ref().filter(|_| finding.field.starts_with(&field))
    });
    let namespace = declared.object.metadata.namespace.as_deref().unwrap_or_default();
    ingress.map_or_else(String::new, |ingress| {
        format!(", or say where it is here with --ingress {namespace}/{}=HOST:PORT", ingress.name)
    })
}

/// Services that exist and are nowhere on this machine.
fn lost(declared: &Declared<Distribution>, resolved: &Resolved, site: &Site) -> Vec<Complaint> {
    let nowhere = site.origins.iter().filter(|origin| origin.target.is_none());
    let lost = nowhere.filter_map(|origin| {
        let service = resolved.origins.get(&origin.name)?.service.as_ref()?;
        let field = format!("spec.origins[{}].service", origin.name);
        let outcome = nowhere::outcome(site, &origin.name).map(|outcome| format!(", so {outcome}"));
        let message = format!(
            "nothing says where Service {namespace}/{name} is on this machine{}; add --service {namespace}/{name}=HOST:PORT",
            outcome.unwrap_or_default(),
            namespace = service.namespace,
            name = service.name,
        );
        Some(declared.complaint(&field, message).into_warning())
    });
    lost.collect()
}

#[cfg(test)]
mod tests;
