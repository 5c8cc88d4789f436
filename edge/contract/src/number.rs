//! The numbers by which purge orders and configurations are told apart: epochs and sequences.

use serde::{Deserialize, Serialize};

/// A life of a distribution's counters: random, never zero, below 2^53 so that every JSON reader keeps it exact.
///
/// Numbers of two epochs are never compared: content and orders of another epoch are simply unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// A place in a distribution's purge log; 1 is the first.
pub type SequenceNumber = u64;

/// An epoch and a place in its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sequence {
    /// The life of the counter that `number` counts in.
    pub epoch: Epoch,
    /// The place in the log.
    pub number: SequenceNumber,
}

impl Sequence {
    /// Whether `self` is known to stand at or after `other`. Numbers of different epochs never do.
    pub fn reaches(self, other: Self) -> bool {
        self.epoch == other.epoch && self.number >= other.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_different_epochs_are_never_compared() {
        let at = |epoch, number| Sequence { epoch: Epoch(epoch), number };
        assert!(at(7, 3).reaches(at(7, 3)));
        assert!(at(7, 4).reaches(at(7, 3)));
        assert!(!at(7, 2).reaches(at(7, 3)));
        assert!(!at(8, 9).reaches(at(7, 3)));
    }
}
