//! The children that exist into those that no plan has any more.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::child::{ChildKind, is_owned};
use crate::distribution::observed::Observed;
use crate::distribution::resolved::Resolved;
use crate::names;

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
    let wanted = wanted(resolved);
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
