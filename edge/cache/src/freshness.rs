//! What an origin says, what the owner wants and how much time has passed into how fresh a stored response is.

use std::time::Duration;

use edge_contract::Ttl;
use http::{HeaderMap, header};

use crate::{
    date::Date,
    directives,
    terms::{Forbids, Terms, date_of},
};

/// How long errors are kept of which the origin does not say anything.
const BRIEFLY: Duration = Duration::from_secs(10);

/// A time on the edge's own steady clock, counted from an arbitrary start. Wall clocks that jump do not move it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub Duration);

impl Moment {
    /// Zero when `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// When an origin was asked and when its response head came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// When the request was sent: `request_time` of RFC 9111 §4.2.3.
    pub asked: Moment,
    /// When the head arrived: `response_time`.
    pub answered: Moment,
    /// The same moment on the wall clock, which `Date` is compared with.
    pub date: Date,
}

/// The age of a response when it arrived, and when that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    initial: Duration,
    answered: Moment,
}

impl Age {
    /// RFC 9111 §4.2.3 up to `corrected_initial_age`.
    pub fn on_arrival(headers: &HeaderMap, received: Received) -> Self {
        let apparent = received.date.0.saturating_sub(date_of(headers, received.date).0);
        let apparent = Duration::from_secs(u64::try_from(apparent).unwrap_or(0));
        let response_delay = received.answered.since(received.asked);
        let corrected = age_value(headers).saturating_add(response_delay);
        Self { initial: apparent.max(corrected), answered: received.answered }
    }

    /// RFC 9111 §4.2.3: `current_age`.
    pub fn current(&self, now: Moment) -> Duration {
        self.initial.saturating_add(now.since(self.answered))
    }
}

/// §5.1: the first member counts; what is no integer is ignored.
fn age_value(headers: &HeaderMap) -> Duration {
    let first = headers.get(header::AGE).and_then(|value| value.to_str().ok()).and_then(|list| list.split(',').next());
    first.and_then(|text| directives::delta_seconds(text.trim_matches([' ', '\t']))).unwrap_or_default()
}

/// How long a response is fresh under the policy of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The freshness lifetime, counted from the origin's making.
    Lasts(Duration),
    /// It may be stored but is validated before each reuse: `no-cache`.
    AlwaysValidate,
    /// It may be neither stored nor reused.
    Never(Never),
}

/// Why a response may not be kept at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {
    /// The owner turned caching off.
    Off,
    /// `no-store` or `private`, and no `ttl.min` over it.
    Forbidden,
    /// Its status is not cacheable by itself, and nothing says that it is.
    NoFreshness,
}

/// The freshness lifetime (RFC 9111 §4.2.1) within the owner's bounds. Asked at each reuse: an edit of the policy counts at once.
pub fn lifetime(terms: &Terms, ttl: Ttl) -> Lifetime {
    if ttl.max == 0 {
        return Lifetime::Never(Never::Off);
    }
    let (min, max) = (Duration::from_secs(ttl.min), Duration::from_secs(ttl.max));
    let default = Duration::from_secs(ttl.default);
    let bounded = |time: Duration| time.min(max).max(min);
    match terms.forbids {
        // The owner overrides the origin, knowingly: the minimum exists for origins that forbid by mistake.
        Forbids::Storing | Forbids::Reuse if !min.is_zero() => return Lifetime::Lasts(min),
        Forbids::Storing => return Lifetime::Never(Never::Forbidden),
        Forbids::Reuse => return Lifetime::AlwaysValidate,
        Forbids::Nothing => {}
    }
    if let Some(explicit) = terms.explicit {
        return Lifetime::Lasts(bounded(explicit));
    }
    if terms.is_brief_error() {
        // Not raised to `min`: what is wrong now should not be so for long.
        let brief = BRIEFLY.min(default).min(max);
        let assumable = terms.heuristically_cacheable() || !brief.is_zero();
        return if assumable { Lifetime::Lasts(brief) } else { Lifetime::Never(Never::NoFreshness) };
    }
    if terms.heuristically_cacheable() {
        Lifetime::Lasts(bounded(default))
    } else {
        Lifetime::Never(Never::NoFreshness)
    }
}
