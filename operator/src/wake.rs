//! When a key is to be run again though nothing changed: what a reconcile gives back.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock;

/// When a reconcile wants to run again though nothing changed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When; nothing: only when something changes.
    pub at: Option<Instant>,
    /// Why, for the log.
    pub why: &'static str,
}

impl Wake {
    /// Only when something changes.
    pub const ON_CHANGE: Self = Self { at: None, why: "nothing is due" };

    /// At that moment at the latest.
    pub fn at(at: Instant, why: &'static str) -> Self {
        Self { at: Some(at), why }
    }

    /// After that long at the latest.
    pub fn after(wait: Duration, why: &'static str) -> Self {
        Self::at(clock::monotonic() + wait, why)
    }

    /// The earlier of two.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self.at, other.at) {
            (Some(mine), Some(theirs)) if theirs < mine => other,
            (None, Some(_)) => other,
            _ => self,
        }
    }
}
