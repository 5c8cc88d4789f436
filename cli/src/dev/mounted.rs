//! What the edge misses of what is mounted into what is to be done about it on this machine.

use std::path::{Path, PathBuf};

use edge::live::Live;
use edge::mounts::MountError;
use edge_contract::{MOUNTS, Mounted, ReferenceState, Site};

/// A Secret or `ConfigMap` of a site that is missing here or of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// The name of the site.
    pub site: String,
    /// The origin that is not asked without it.
    pub origin: String,
    /// The field that names it, and what is wrong.
    pub state: ReferenceState,
    /// What mends it here, where the edge knows only of clusters.
    pub mends: Option<String>,
}

impl Lack {
    /// What is wrong and what mends it.
    pub fn told(&self) -> ReferenceState {
        let ReferenceState { field, message } = self.state.clone();
        let message = self.mends.iter().fold(message, |message, mends| format!("{message}; {mends}"));
        ReferenceState { field, message }
    }
}

/// Everything that these sites miss; `folder` is where it is looked for.
pub fn lacks(live: &Live, sites: &[Site], folder: &Path) -> Vec<Lack> {
    let told = live.observing().now().references;
    // An edge says of which field, and not of which site: there it has one. Nearly always it says of which object, too.
    let is_of = |told: &ReferenceState, file: &Mounted| {
        told.field == file.field && (sites.len() == 1 || told.message.contains(&file.name))
    };
    let mut lacks = Vec::new();
    for site in sites {
        for origin in &site.origins {
            for reference in origin.references().filter(|reference| !reference.purpose.may_be_missing()) {
                let file = reference.mounted;
                let is_missing = live.mounts().read(file) == Err(MountError::Missing);
                let mends = is_missing.then(|| mends(file, folder));
                let complaint = || told.iter().find(|one| is_of(one, file)).cloned();
                let state = if is_missing { Some(missing(file, &origin.name)) } else { complaint() };
                let (site, origin) = (site.name.clone(), origin.name.clone());
                lacks.extend(state.map(|state| Lack { site, origin, state, mends }));
            }
        }
    }
    // Two keys of one Secret may be told of in one word.
    lacks.dedup();
    lacks
}

fn missing(file: &Mounted, origin: &str) -> ReferenceState {
    let Mounted { kind, name, key, field } = file;
    let message =
        format!("key {key} of {kind} {name} is not on this machine, and origin {origin} is not asked without it");
    ReferenceState { field: field.clone(), message }
}

/// Where it would have to be.
fn mends(file: &Mounted, folder: &Path) -> String {
    if folder == Path::new(MOUNTS) && !folder.exists() {
        return format!("add --mounts FOLDER, and put it into FOLDER/{}", file.path());
    }
    let path: PathBuf = folder.join(file.path());
    format!("put it into {}; it counts within two seconds", path.display())
}
