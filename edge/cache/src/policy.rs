//! A behavior into the settings that storing and reuse are judged by.

use std::time::Duration;

use edge_contract::{Behavior, Ttl};

/// The owner's settings for one behavior. Above the RFC where they speak; where they do not, the RFC decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The bounds put on what origins say, in seconds.
    pub ttl: Ttl,
    /// How long past its freshness a stored response may stand in for an origin that gives no answer at all.
    pub stale_if_unreachable: Duration,
}

impl Policy {
    /// What a behavior asks for. Staleness is not configurable yet: the documented default holds.
    pub fn of(behavior: &Behavior) -> Self {
        Self { ttl: behavior.ttl, stale_if_unreachable: Duration::from_hours(24) }
    }

    /// Whether anything is looked up, stored or collapsed at all: `max: 0` turns caching off.
    pub fn caches(&self) -> bool {
        self.ttl.max > 0
    }
}
