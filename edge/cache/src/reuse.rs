//! A request and what is stored under its key into what to do next.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};

use crate::{
    Admission, Controls, Policy, Stored,
    freshness::{Lifetime, Moment},
    terms::Forbids,
    validation::Conditional,
};

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Answer with the stored response.
    Fresh {
        /// For the `Age` field.
        age: Duration,
        /// How much longer it stays fresh.
        ttl: Duration,
    },
    /// Answer with the stored response now, and begin one validation in the background.
    Stale(Stale),
    /// Ask the origin whether it still holds; its 304 goes to [`crate::validation::freshen`], anything else replaces it.
    Validate {
        /// The fields to ask with.
        condition: Conditional,
        /// Why it must be asked.
        why: Forward,
    },
    /// Ask the origin for it whole.
    Forward(Forward),
    /// 504: the viewer wants what is stored or nothing, and nothing stored will do (RFC 9111 §5.2.1.7).
    OnlyIfCached,
}

/// A stale use that the origin or the owner allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// For the `Age` field.
    pub age: Duration,
    /// How long its freshness has been over.
    pub overdue: Duration,
    /// What allows it.
    pub why: StaleUse,
    /// The condition of the validation that makes it fresh again, if it has a validator.
    pub condition: Option<Conditional>,
}

/// What allows to serve a stale response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaleUse {
    /// The origin's `stale-while-revalidate` (RFC 5861 §3), or the owner's where that is longer.
    WhileRevalidating,
    /// The viewer's `max-stale` (RFC 9111 §5.2.1.2).
    Accepted,
    /// No answer came from the origin: its `stale-if-error`, else the owner's grace for that.
    Unreachable,
    /// It answered 500, 502, 503 or 504: its `stale-if-error` (RFC 5861 §4), else the owner's grace for that.
    OnError,
}

/// Why a request goes to the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The owner turned caching off here.
    CachingOff,
    /// The method is not answered from a store.
    Method,
    /// It wishes for another protocol, which no store speaks.
    Upgrade,
    /// Nothing is stored under its key.
    Absent,
    /// What is stored answers other selecting fields.
    VaryMiss,
    /// An Invalidation or an unsafe request is newer than what is stored.
    Purged,
    /// The current policy does not allow its reuse.
    Forbidden,
    /// Its freshness is over.
    Stale,
    /// `no-cache`: every reuse is validated.
    AlwaysValidate,
    /// The viewer asks for something fresher.
    Request,
}

impl Forward {
    /// RFC 9211 §2.2.
    pub fn token(self) -> &'static str {
        match self {
            Self::CachingOff | Self::Upgrade => "bypass",
            Self::Method => "method",
            Self::Absent => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Purged | Self::Forbidden => "miss",
            Self::Stale | Self::AlwaysValidate => "stale",
            Self::Request => "request",
        }
    }

    /// The word that `Cache-Status` gives as `detail`, where the token says too little.
    pub fn detail(self) -> Option<&'static str> {
        match self {
            Self::Upgrade => Some("upgrade"),
            Self::Purged => Some("purged"),
            Self::Forbidden => Some("policy"),
            Self::AlwaysValidate => Some("no-cache"),
            _ => None,
        }
    }
}

/// A request, as far as reuse depends on it.
pub struct Request<'a> {
    /// The viewer's method.
    pub method: &'a Method,
    /// Makes the fields that the origin would be sent; called only for a stored response with `Vary`.
    pub forwarded: &'a dyn Fn() -> HeaderMap,
    /// What the viewer asks of the cache, where the owner lets it.
    pub controls: Controls,
    /// Whether it wishes for another protocol ([`crate::upgrade`]): what answers that is for one connection.
    pub upgrades: bool,
}

/// RFC 9111 §4. `found` is what the store has under the key, with what the [`crate::Ledger`] says of it.
pub fn decide(request: &Request<'_>, found: Option<(&Stored, Admission)>, policy: &Policy, now: Moment) -> Reuse {
    if ![Method::GET, Method::HEAD].contains(request.method) {
        return Reuse::Forward(Forward::Method);
    }
    if !policy.caches() {
        return Reuse::Forward(Forward::CachingOff);
    }
    if request.upgrades {
        return Reuse::Forward(Forward::Upgrade);
    }
    let verdict = of_found(request, found, policy, now);
    let asks_origin = matches!(verdict, Reuse::Validate { .. } | Reuse::Forward(_));
    if asks_origin && request.controls.only_if_cached { Reuse::OnlyIfCached } else { verdict }
}

fn of_found(request: &Request<'_>, found: Option<(&Stored, Admission)>, policy: &Policy, now: Moment) -> Reuse {
    let Some((stored, admission)) = found else { return Reuse::Forward(Forward::Absent) };
    // First of all, and without a condition: an origin whose validators lie must not revive what was purged (rules 3, 8).
    if !admission.is_admitted() {
        return Reuse::Forward(Forward::Purged);
    }
    if !stored.selecting.matches(request.forwarded) {
        return Reuse::Forward(Forward::VaryMiss);
    }
    match stored.lifetime(policy) {
        Lifetime::Never(_) => Reuse::Forward(Forward::Forbidden),
        Lifetime::AlwaysValidate => validate(stored, Forward::AlwaysValidate),
        // §5.2.1.4
        Lifetime::Lasts(_) if request.controls.no_cache => validate(stored, Forward::Request),
        Lifetime::Lasts(lifetime) => by_age(stored, lifetime, &request.controls, policy, now),
    }
}

/// RFC 9111 §4.2: fresh while its lifetime is greater than its age.
fn by_age(stored: &Stored, lifetime: Duration, controls: &Controls, policy: &Policy, now: Moment) -> Reuse {
    let age = stored.age.current(now);
    // §5.2.1.1. RFC 8246 §2: to be asked for anew is no reason to validate what says that it never changes.
    let immutable = stored.terms.immutable && lifetime > age;
    let too_old = !immutable && controls.max_age.is_some_and(|limit| age > limit);
    let ttl = lifetime.saturating_sub(age);
    if lifetime > age {
        // §5.2.1.3
        let fresh_enough = controls.min_fresh.is_none_or(|wanted| ttl >= wanted);
        return if fresh_enough && !too_old { Reuse::Fresh { age, ttl } } else { validate(stored, Forward::Request) };
    }
    let overdue = age.saturating_sub(lifetime);
    let stale = |why| Reuse::Stale(Stale { age, overdue, why, condition: Conditional::of(stored) });
    if !forbids_stale(stored) && !too_old && !controls.wants_fresh() {
        let owner = Duration::from_secs(policy.stale.while_revalidate);
        let granted = stored.terms.stale_while_revalidate.unwrap_or_default().max(owner);
        if overdue < granted {
            return stale(StaleUse::WhileRevalidating);
        }
        if controls.max_stale.is_some_and(|accepted| overdue <= accepted) {
            return stale(StaleUse::Accepted);
        }
    }
    validate(stored, Forward::Stale)
}

fn validate(stored: &Stored, why: Forward) -> Reuse {
    Conditional::of(stored).map_or(Reuse::Forward(why), |condition| Reuse::Validate { condition, why })
}

/// RFC 9111 §4.2.4: what the origin says here stands above every stale-* and above the owner.
fn forbids_stale(stored: &Stored) -> bool {
    stored.terms.never_stale || stored.terms.forbids != Forbids::Nothing
}

/// What went wrong while the origin was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No response head: connection refused or reset, time-out, breaker open.
    NoAnswer,
    /// A response head with this status.
    Status(StatusCode),
}

/// What to answer when the origin failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// The stored response, stale.
    Stale(Stale),
    /// 504: there is a stored response that must not be served without validation (RFC 9111 §5.2.2.2).
    GatewayTimeout,
    /// Nothing stands in: the origin's own answer, or 502 or 504 by what went wrong.
    Nothing,
}

/// RFC 9111 §4.2.4 and RFC 5861 §4. Ask the ledger again for `admission`: an order may have come since.
pub fn on_failure(
    failure: Failure,
    request: &Request<'_>,
    found: Option<(&Stored, Admission)>,
    policy: &Policy,
    now: Moment,
) -> Fallback {
    let usable = found.filter(|(stored, admission)| {
        admission.is_admitted() && policy.caches() && stored.selecting.matches(request.forwarded)
    });
    let is_stored = !request.upgrades && [Method::GET, Method::HEAD].contains(request.method);
    let Some((stored, _)) = usable.filter(|_| is_stored) else {
        return Fallback::Nothing;
    };
    if forbids_stale(stored) {
        return if failure == Failure::NoAnswer { Fallback::GatewayTimeout } else { Fallback::Nothing };
    }
    let Lifetime::Lasts(lifetime) = stored.lifetime(policy) else { return Fallback::Nothing };
    let (owner, why) = match failure {
        Failure::NoAnswer => (policy.stale.if_unreachable, StaleUse::Unreachable),
        Failure::Status(status) if matches!(status.as_u16(), 500 | 502 | 503 | 504) => {
            (policy.stale.if_error, StaleUse::OnError)
        }
        Failure::Status(_) => return Fallback::Nothing,
    };
    let granted = stored.terms.stale_if_error.unwrap_or(Duration::from_secs(owner));
    // RFC 5861 §4: the viewer's own counts for its own request. One that asks for what is fresh is not given what is stale.
    let granted = match request.controls.stale_if_error {
        Some(asked) => asked.max(granted),
        None if request.controls.wants_fresh() => return Fallback::Nothing,
        None => granted,
    };
    let age = stored.age.current(now);
    let overdue = age.saturating_sub(lifetime);
    if overdue >= granted {
        return Fallback::Nothing;
    }
    Fallback::Stale(Stale { age, overdue, why, condition: Conditional::of(stored) })
}

#[cfg(test)]
mod tests;
