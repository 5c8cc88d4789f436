//! Requests for which another origin was asked in place of one into a line of the log now and then.

use edge_cache::Moment;
use parking_lot::Mutex;

use crate::seldom::Seldom;

/// The word for an answer that its group takes for none.
pub const STATUS: &str = "status";

/// Those of one origin.
#[derive(Debug, Default)]
pub struct Failovers {
    told: Mutex<Seldom>,
}

impl Failovers {
    /// Whether one is to be told: then how many were not, since one was.
    pub fn tells(&self, now: Moment) -> Option<u64> {
        self.told.lock().happens(now.0)
    }
}
