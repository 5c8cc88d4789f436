//! Mounted Secrets and `ConfigMap`s into values that are up to date, and into the word that one of them changed.
//!
//! Flow: files below one folder → [`Mounts`] → whoever needs a value, each time that it needs it.
//! Guarantees: what the serving configuration names is held in memory and looked at every [`LOOK_EVERY`]; a request reads no file. What
//! one look finds belongs together, certificate and key too. No value is ever printed.
//! Assumptions: the folder is written as the kubelet writes volumes: everything in it changes at once, by one symbolic link.
//! Errors: [`MountError`], and [`Unusable`] in words for the user; without a byte of what is in the file.

mod fault;
mod secret;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edge_contract::{Mounted, Purpose, Reference, ReferenceState};
use http::HeaderValue;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::live::{Live, Phase};
use crate::observed::Observing;
pub use fault::{MountError, Unusable};
pub use secret::Secret;

/// How often the files are looked at. The kubelet itself takes up to a minute to bring a change.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The largest file that is read: no key, certificate or bundle of some authorities comes near it.
pub const LARGEST: u64 = 64 * 1024;

/// The symbolic link that the kubelet turns to bring all changes of a volume at once.
const TURNED: &str = "..data";

/// How often a look begins anew because the folder changed meanwhile.
const LOOKS: usize = 100;

/// Everything that is mounted; clones are the same.
#[derive(Clone, Debug)]
pub struct Mounts {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// Held while files are read, so that what was read first is not taken for news.
    looking: Mutex<()>,
    held: Mutex<BTreeMap<Mounted, Held>>,
    generation: watch::Sender<u64>,
    observing: Observing,
}

/// A file that the serving configuration names.
#[derive(Debug)]
struct Held {
    purpose: Purpose,
    found: Result<Secret, MountError>,
    /// What whoever uses the value has against it.
    complaint: Option<String>,
}

impl Mounts {
    /// What lies below this folder, which need not exist; what is wrong with it is told there.
    pub fn below(folder: PathBuf, observing: Observing) -> Self {
        let inner = Inner {
            folder,
            looking: Mutex::default(),
            held: Mutex::default(),
            generation: watch::Sender::default(),
            observing,
        };
        Self { inner: Arc::new(inner) }
    }

    /// What a file holds now.
    pub fn read(&self, file: &Mounted) -> Result<Secret, MountError> {
        let known = self.inner.held.lock().get(file).map(|held| held.found.clone());
        // A request goes on under the configuration that it began with, also when another serves by now.
        known.unwrap_or_else(|| read(&self.inner.folder.join(file.path())))
    }

    /// What a file holds, where its line may stand in a header field.
    pub fn line(&self, file: &Mounted) -> Result<Secret, MountError> {
        let secret = self.read(file)?;
        fault::of_line(secret.line()).map_or(Ok(secret), Err)
    }

    /// What a file holds as the value of a header field, of which nothing prints.
    pub fn field_value(&self, file: &Mounted) -> Result<HeaderValue, Unusable> {
        let legal = |secret: Secret| HeaderValue::from_bytes(secret.line()).map_err(|_| MountError::NoFieldValue);
        let mut value = self.line(file).and_then(legal).map_err(|error| Unusable::of(file, error))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Rises whenever one of the values changed. Whoever makes something of a value notes this number first, and makes it anew once
    /// the number is another.
    pub fn generation(&self) -> u64 {
        *self.inner.generation.borrow()
    }

    /// The same number, to be waited for.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.generation.subscribe()
    }

    /// Says that a value is of no use, in words for the user and without a byte of it. It holds until the value changes, or until
    /// [`Mounts::clear`].
    pub fn report(&self, file: &Mounted, message: impl Into<String>) {
        self.complain(file, Some(message.into()));
    }

    /// Whether there is nothing to take back.
    pub fn lacks_nothing(&self) -> bool {
        self.inner.observing.lacks_nothing()
    }

    /// Takes back what [`Mounts::report`] said.
    pub fn clear(&self, file: &Mounted) {
        self.complain(file, None);
    }

    fn complain(&self, file: &Mounted, complaint: Option<String>) {
        let mut held = self.inner.held.lock();
        let Some(known) = held.get_mut(file).filter(|known| known.complaint != complaint) else { return };
        known.complaint = complaint;
        self.tell(&held);
    }

    /// Holds these from here on, and nothing else any more.
    pub fn hold<'a>(&self, references: impl Iterator<Item = Reference<'a>>) {
        let _one_at_a_time = self.inner.looking.lock();
        let named: BTreeMap<Mounted, Purpose> = references.map(|one| (one.mounted.clone(), one.purpose)).collect();
        let (files, purposes): (Vec<_>, Vec<_>) = named.into_iter().unzip();
        let found = self.look_at(&files);
        let mut held = self.inner.held.lock();
        let mut before = std::mem::take(&mut *held);
        for ((file, purpose), found) in files.into_iter().zip(purposes).zip(found) {
            let complaint = before.remove(&file).filter(|before| before.found == found).and_then(|held| held.complaint);
            held.insert(file, Held { purpose, found, complaint });
        }
        self.tell(&held);
    }

    /// Reads everything anew; whether something changed.
    pub fn look(&self) -> bool {
        let _one_at_a_time = self.inner.looking.lock();
        let named: Vec<Mounted> = self.inner.held.lock().keys().cloned().collect();
        let found = self.look_at(&named);
        let mut held = self.inner.held.lock();
        let mut changed = false;
        for (file, found) in named.iter().zip(found) {
            if let Some(held) = held.get_mut(file).filter(|held| held.found != found) {
                changed = true;
                (held.found, held.complaint) = (found, None);
            }
        }
        if changed {
            self.inner.generation.send_modify(|generation| *generation += 1);
            self.tell(&held);
        }
        changed
    }

    /// What is in these files, all at one moment.
    fn look_at(&self, files: &[Mounted]) -> Vec<Result<Secret, MountError>> {
        let turned = || std::fs::read_link(self.inner.folder.join(TURNED)).ok();
        let all = || files.iter().map(|file| read(&self.inner.folder.join(file.path()))).collect();
        let mut found = Vec::new();
        for _ in 0..LOOKS {
            let before = turned();
            found = all();
            if turned() == before {
                break;
            }
        }
        found
    }

    fn tell(&self, held: &BTreeMap<Mounted, Held>) {
        self.inner.observing.take_references(held.iter().filter_map(|(file, held)| held.fault(file)).collect());
    }
}

impl Held {
    fn fault(&self, file: &Mounted) -> Option<ReferenceState> {
        let error = match &self.found {
            Err(MountError::Missing) if self.purpose.may_be_missing() => return None,
            Err(error) => Some(*error),
            Ok(secret) if self.purpose.is_line() => fault::of_line(secret.line()),
            Ok(_) => None,
        };
        let message = error.map(|error| error.advice(file)).or_else(|| self.complaint.clone())?;
        Some(ReferenceState { field: file.field.clone(), message })
    }
}

/// Looks at everything that is held, until the edge has drained.
pub async fn follow(live: Live) {
    while live.phase() < Phase::Drained {
        tokio::time::sleep(LOOK_EVERY).await;
        let mounts = live.mounts().clone();
        // What waits for a disk must not hold up requests.
        if matches!(tokio::task::spawn_blocking(move || mounts.look()).await, Ok(true)) {
            tracing::info!(generation = live.mounts().generation(), "mounted files have changed");
        }
    }
}

fn read(path: &Path) -> Result<Secret, MountError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => MountError::Missing,
        kind => MountError::Unreadable(kind),
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(failed)?;
    match bytes.len() as u64 {
        0 => Err(MountError::Empty),
        length if length > LARGEST => Err(MountError::TooLarge),
        _ => Ok(Secret::of(bytes)),
    }
}

#[cfg(test)]
mod tests;
