//! Requests for which another origin was asked in place of one into their counts, by why, and into a line of the log now and then.

use std::sync::atomic::{AtomicU64, Ordering};

use edge_cache::Moment;
use parking_lot::Mutex;

use crate::forward::ForwardError;
use crate::seldom::Seldom;

/// The word for an answer that its group takes for none.
pub const STATUS: &str = "status";

const OTHER: &str = "other";
const REASONS: usize = ForwardError::WORDS.len() + 2;

/// Those of one origin.
#[derive(Debug, Default)]
pub struct Failovers {
    counts: [AtomicU64; REASONS],
    told: Mutex<Seldom>,
}

impl Failovers {
    /// One more, by the word for why.
    pub fn count(&self, why: &str) {
        let at = reasons().position(|known| known == why).unwrap_or(REASONS - 1);
        if let Some(counter) = self.counts.get(at) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many so far, by word; only what happened.
    pub fn so_far(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        reasons().zip(counts).filter(|(_, count)| *count > 0)
    }

    /// Whether one is to be told: then how many were not, since one was.
    pub fn tells(&self, now: Moment) -> Option<u64> {
        self.told.lock().happens(now.0)
    }
}

fn reasons() -> impl Iterator<Item = &'static str> {
    ForwardError::WORDS.iter().copied().chain([STATUS, OTHER])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_by_its_word_and_what_has_none_together() {
        let failovers = Failovers::default();
        for why in [STATUS, "origin-timeout", "request-body", "origin-timeout", "never heard of"] {
            failovers.count(why);
        }
        let counted: Vec<_> = failovers.so_far().collect();
        assert_eq!(counted, [("origin-timeout", 2), (STATUS, 1), (OTHER, 2)]);
    }
}
