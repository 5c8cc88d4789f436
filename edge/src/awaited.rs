//! What a configuration wants mounted and is not there into what waits for it: the configuration, or the readiness of this edge.
//!
//! A pod mounts what its template names, so a Secret that a configuration names for the first time is in new pods only, and in none
//! while nobody has created it. Edges that serve go on with the configuration before it; one that starts with it takes it whole, and
//! is not ready before each file that is new in it was there once. So a roll stops at its first pod. What vanishes later is awaited by
//! nobody: only what needs it fails.

use std::collections::BTreeSet;

use edge_contract::{EdgeConfig, Mounted, Reference, Site};
use parking_lot::Mutex;

use crate::mounts::{Mounts, Unusable};

/// What this edge has not seen yet of what is new in the configuration that it started with.
#[derive(Debug, Default)]
pub struct Awaited(Mutex<Vec<Mounted>>);

impl Awaited {
    /// Takes what a configuration says is new: the first one begins, a later one can only take something back.
    pub fn take(&self, new: Vec<Mounted>, is_first: bool) {
        let mut awaited = self.0.lock();
        if is_first {
            *awaited = new;
        } else {
            awaited.retain(|file| new.contains(file));
        }
    }

    /// The first of it that is still not there, and why.
    pub fn missing(&self, mounts: &Mounts) -> Option<Unusable> {
        let mut awaited = self.0.lock();
        awaited.retain(|file| mounts.read(file).is_err());
        let first = awaited.first()?;
        mounts.read(first).err().map(|error| Unusable::of(first, error))
    }
}

/// What a configuration says is new in it.
pub fn new_in(config: &EdgeConfig) -> Vec<Mounted> {
    let files = config.sites.iter().flat_map(Site::references).map(|reference| reference.mounted);
    files.filter(|file| config.new_mounts.contains(&file.path())).cloned().collect()
}

/// What a configuration needs and this edge does not have, beside what `serving` names too.
pub fn lacking<'a>(
    config: &EdgeConfig,
    serving: impl Iterator<Item = Reference<'a>>,
    mounts: &Mounts,
) -> Vec<Unusable> {
    let known: BTreeSet<String> = serving.map(|reference| reference.mounted.path()).collect();
    let needed = config.sites.iter().flat_map(Site::references).filter(|one| !one.purpose.may_be_missing());
    let new = needed.map(|one| one.mounted).filter(|file| !known.contains(&file.path()));
    new.filter_map(|file| mounts.read(file).err().map(|error| Unusable::unmounted(file, error))).collect()
}
