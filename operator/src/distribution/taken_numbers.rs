//! The numbers that this process gave to configurations last.

use std::collections::HashMap;

use edge_contract::Epoch;
use parking_lot::Mutex;

use crate::names::DistributionKey;

/// A number, as edges and the `ConfigMap` bear it.
pub type Number = (Epoch, u64);

/// The numbers that this process took last and for what, so that a configuration whose `ConfigMap` cannot be written is not
/// numbered anew with each try.
#[derive(Default)]
pub struct TakenNumbers(Mutex<HashMap<DistributionKey, (String, Number)>>);

impl TakenNumbers {
    /// The number that this configuration was given, if none was taken after it.
    pub(super) fn of(&self, key: &DistributionKey, fingerprint: &str) -> Option<Number> {
        let taken = self.0.lock();
        taken.get(key).filter(|(last, _)| last == fingerprint).map(|(_, number)| *number)
    }

    /// Notes that a configuration was given this number.
    pub(super) fn note(&self, key: &DistributionKey, fingerprint: &str, number: Number) {
        self.0.lock().insert(key.clone(), (fingerprint.to_owned(), number));
    }

    /// Forgets a Distribution that is gone.
    pub fn forget(&self, key: &DistributionKey) {
        self.0.lock().remove(key);
    }
}
