//! A behavior into the settings that storing and reuse are judged by.

use std::time::Duration;

use edge_contract::{Behavior, ErrorResponse, SetCookie, Stale, Ttl, ViewerControls};
use http::StatusCode;

/// The owner's settings for one behavior. Above the RFC where they speak; where they do not, the RFC decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The bounds put on what origins say, in seconds, and what comes where they say nothing.
    pub ttl: Ttl,
    /// What becomes of responses that set cookies.
    pub set_cookie: SetCookie,
    /// Whether viewers have a say.
    pub viewer_controls: ViewerControls,
    /// How long past its freshness a stored response may be used, in seconds.
    pub stale: Stale,
    /// For how long at least an error is fresh, by status.
    pub floors: Vec<(u16, Duration)>,
}

impl Policy {
    /// What a behavior asks for.
    pub fn of(behavior: &Behavior) -> Self {
        let Behavior { ttl, set_cookie, viewer_controls, stale, .. } = behavior;
        Self {
            ttl: *ttl,
            set_cookie: *set_cookie,
            viewer_controls: *viewer_controls,
            stale: *stale,
            floors: Vec::new(),
        }
    }

    /// The same with what a site says of its errors: `cacheTTL` is the least that they are fresh for.
    #[must_use]
    pub fn with_floors(self, errors: &[ErrorResponse]) -> Self {
        let floor =
            |error: &ErrorResponse| Some((error.code, Duration::from_secs(error.cache_ttl.filter(|ttl| *ttl > 0)?)));
        Self { floors: errors.iter().filter_map(floor).collect(), ..self }
    }

    /// Whether anything is looked up, stored or collapsed at all: `max: 0` turns caching off.
    pub fn caches(&self) -> bool {
        self.ttl.max > 0
    }

    /// For how long at least a response with this status is fresh, if the owner says so.
    pub fn floor(&self, status: StatusCode) -> Option<Duration> {
        self.floors.iter().find(|(code, _)| *code == status.as_u16()).map(|(_, floor)| *floor)
    }
}
