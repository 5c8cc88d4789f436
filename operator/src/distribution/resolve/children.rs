//! The names that children need into those that belong to somebody else.

use std::collections::BTreeSet;

use crds::condition::Reason;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use crate::child::{ChildKind, is_owned};
use crate::distribution::observed::Observed;
use crate::distribution::resolved::ResolvedLocation;
use crate::finding::Finding;
use crate::names;

/// Names of children under which a foreign object lives, each with a finding.
pub(super) fn foreign(
    observed: &Observed,
    locations: &[ResolvedLocation],
) -> (BTreeSet<(ChildKind, String)>, Vec<Finding>) {
    let name = observed.distribution.name_any();
    let once = ChildKind::ONCE.map(|kind| (kind, names::edge(&name), "metadata.name".to_owned()));
    let for_locations = locations.iter().flat_map(|location| {
        let child = names::location(&name, &location.name);
        let field = format!("spec.locations[{}].name", location.name);
        ChildKind::FOR_EACH_LOCATION.map(|kind| (kind, child.clone(), field.clone()))
    });
    let uid = observed.distribution.uid().unwrap_or_default();
    let (mut taken, mut findings) = (BTreeSet::new(), Vec::new());
    for (kind, child, field) in once.into_iter().chain(for_locations) {
        let there = observed.children.metadata(kind).find(|there| there.name.as_deref() == Some(&child));
        if let Some(there) = there.filter(|there| !is_owned(there, &uid)) {
            findings.push(Finding::in_cluster(field, Reason::NameTaken, whose(kind, &child, there, &name)));
            taken.insert((kind, child));
        }
    }
    (taken, findings)
}

/// Whether one of them is what every pod mounts or runs as.
pub(super) fn is_vital(foreign: &BTreeSet<(ChildKind, String)>) -> bool {
    foreign.iter().any(|(kind, _)| matches!(kind, ChildKind::ConfigMap | ChildKind::ServiceAccount))
}

fn whose(kind: ChildKind, name: &str, there: &ObjectMeta, distribution: &str) -> String {
    let kind = kind.as_str();
    let owners = there.owner_references.as_deref().unwrap_or_default();
    match owners.iter().find(|owner| owner.controller == Some(true)) {
        Some(owner) if owner.kind == "Distribution" && owner.name == distribution => format!(
            "{kind} {name} is left from an earlier Distribution of this name; all goes on by itself once Kubernetes has removed it"
        ),
        Some(owner) => format!(
            "{kind} {name} belongs to {} {} and is not taken over; remove it there or choose another name here",
            owner.kind, owner.name
        ),
        None => format!(
            "{kind} {name} was not made by Kubefront and is not taken over; delete it or choose another name here"
        ),
    }
}
