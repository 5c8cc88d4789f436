//! The children that exist into those that no plan has any more.
//!
//! Guarantees: a location that serves stays until every location that is to be there has a ready edge too. So renaming one, or giving
//! names to the one without, leaves no moment without edges.

use std::collections::BTreeSet;

use kube::ResourceExt;
use serde::Serialize;

use crate::child::{ChildKind, is_owned};
use crate::distribution::observed::Observed;
use crate::distribution::resolved::Resolved;
use crate::names::{self, LOCATION_LABEL};
use crate::pods::is_ready;

/// A child to remove.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Prune {
    /// Its kind.
    pub kind: ChildKind,
    /// Its name.
    pub name: String,
    /// Which object of that name: another one is left alone.
    pub uid: String,
}

/// Children that the Distribution controls and that this generation does not have.
pub(super) fn unplanned(observed: &Observed, resolved: &Resolved) -> Vec<Prune> {
    let (wanted, awaiting) = (wanted(resolved), awaiting_others(observed, resolved));
    let kinds: BTreeSet<_> = ChildKind::ONCE.into_iter().chain(ChildKind::FOR_EACH_LOCATION).collect();
    let live = kinds.into_iter().flat_map(|kind| observed.children.metadata(kind).map(move |object| (kind, object)));
    let mut unplanned: Vec<_> = live
        // What is being deleted already needs no second word.
        .filter(|(_, object)| is_owned(object, &resolved.uid) && object.deletion_timestamp.is_none())
        .map(|(kind, object)| Prune {
            kind,
            name: object.name.clone().unwrap_or_default(),
            uid: object.uid.clone().unwrap_or_default(),
        })
        .filter(|child| !wanted.contains(&(child.kind, child.name.clone())))
        .filter(|child| !(ChildKind::FOR_EACH_LOCATION.contains(&child.kind) && awaiting.contains(&child.name)))
        .collect();
    unplanned.sort();
    unplanned
}

/// Every child of this generation, those that wait for their turn included.
fn wanted(resolved: &Resolved) -> BTreeSet<(ChildKind, String)> {
    let name = &resolved.key.name;
    let once = ChildKind::ONCE.map(|kind| (kind, names::edge(name)));
    let of_locations = resolved
        .locations
        .iter()
        .flat_map(|location| ChildKind::FOR_EACH_LOCATION.map(|kind| (kind, names::location(name, &location.name))));
    once.into_iter().chain(of_locations).collect()
}

/// The names of what belongs to locations that serve, while one that is to be there does not yet.
fn awaiting_others(observed: &Observed, resolved: &Resolved) -> BTreeSet<String> {
    let ready = observed.pods.iter().filter(|pod| is_ready(pod) && pod.metadata.deletion_timestamp.is_none());
    let serving: BTreeSet<_> = ready.filter_map(|pod| pod.labels().get(LOCATION_LABEL)).collect();
    if resolved.locations.iter().all(|location| serving.contains(&location.name)) {
        return BTreeSet::new();
    }
    serving.into_iter().map(|location| names::location(&resolved.key.name, location)).collect()
}
