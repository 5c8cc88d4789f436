//! A request and what is stored under its key into what to do next.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};

use crate::{
    Admission, Policy, Stored,
    freshness::{self, Lifetime, Moment},
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
    /// The origin's `stale-while-revalidate` (RFC 5861 §3).
    WhileRevalidating,
    /// No answer came from the origin: its `stale-if-error`, else the owner's `staleIfUnreachable`.
    Unreachable,
    /// It answered 500, 502, 503 or 504 and grants `stale-if-error` (RFC 5861 §4).
    OnError,
}

/// Why a request goes to the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The owner turned caching off here.
    CachingOff,
    /// The method is not answered from a store.
    Method,
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
}

impl Forward {
    /// RFC 9211 §2.2.
    pub fn token(self) -> &'static str {
        match self {
            Self::CachingOff => "bypass",
            Self::Method => "method",
            Self::Absent => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Purged | Self::Forbidden => "miss",
            Self::Stale | Self::AlwaysValidate => "stale",
        }
    }

    /// The word that `Cache-Status` gives as `detail`, where the token says too little.
    pub fn detail(self) -> Option<&'static str> {
        match self {
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
}

/// RFC 9111 §4. `found` is what the store has under the key, with what the [`crate::Ledger`] says of it.
pub fn decide(request: &Request<'_>, found: Option<(&Stored, Admission)>, policy: &Policy, now: Moment) -> Reuse {
    if ![Method::GET, Method::HEAD].contains(request.method) {
        return Reuse::Forward(Forward::Method);
    }
    if !policy.caches() {
        return Reuse::Forward(Forward::CachingOff);
    }
    let Some((stored, admission)) = found else { return Reuse::Forward(Forward::Absent) };
    // First of all, and without a condition: an origin whose validators lie must not revive what was purged (rules 3, 8).
    if !admission.is_admitted() {
        return Reuse::Forward(Forward::Purged);
    }
    if !stored.selecting.matches(request.forwarded) {
        return Reuse::Forward(Forward::VaryMiss);
    }
    match freshness::lifetime(&stored.terms, policy.ttl) {
        Lifetime::Never(_) => Reuse::Forward(Forward::Forbidden),
        Lifetime::AlwaysValidate => validate(stored, Forward::AlwaysValidate),
        Lifetime::Lasts(lifetime) => by_age(stored, lifetime, now),
    }
}

/// RFC 9111 §4.2: fresh while its lifetime is greater than its age.
fn by_age(stored: &Stored, lifetime: Duration, now: Moment) -> Reuse {
    let age = stored.age.current(now);
    if lifetime > age {
        return Reuse::Fresh { age, ttl: lifetime.saturating_sub(age) };
    }
    let overdue = age.saturating_sub(lifetime);
    let granted = stored.terms.stale_while_revalidate.filter(|_| !forbids_stale(stored));
    if granted.is_some_and(|granted| overdue < granted) {
        let condition = Conditional::of(stored);
        return Reuse::Stale(Stale { age, overdue, why: StaleUse::WhileRevalidating, condition });
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
    let Some((stored, _)) = usable.filter(|_| [Method::GET, Method::HEAD].contains(request.method)) else {
        return Fallback::Nothing;
    };
    if forbids_stale(stored) {
        return if failure == Failure::NoAnswer { Fallback::GatewayTimeout } else { Fallback::Nothing };
    }
    let Lifetime::Lasts(lifetime) = freshness::lifetime(&stored.terms, policy.ttl) else { return Fallback::Nothing };
    let said = stored.terms.stale_if_error;
    let (granted, why) = match failure {
        Failure::NoAnswer => (said.unwrap_or(policy.stale_if_unreachable), StaleUse::Unreachable),
        Failure::Status(status) if matches!(status.as_u16(), 500 | 502 | 503 | 504) => {
            (said.unwrap_or_default(), StaleUse::OnError)
        }
        Failure::Status(_) => return Fallback::Nothing,
    };
    let age = stored.age.current(now);
    let overdue = age.saturating_sub(lifetime);
    if overdue >= granted {
        return Fallback::Nothing;
    }
    Fallback::Stale(Stale { age, overdue, why, condition: Conditional::of(stored) })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::{
        Ledger,
        invalidation::{Refused, Stamp},
        testing::{self, UNKNOWN, after, fields, policy},
    };

    const ETAG: &str = "etag: \"a\"";

    fn admitted() -> Admission {
        Ledger::default().admits(UNKNOWN, Stamp::default(), "/a")
    }

    fn get(forwarded: &dyn Fn() -> HeaderMap) -> Request<'_> {
        Request { method: &Method::GET, forwarded }
    }

    fn condition() -> Conditional {
        Conditional { if_none_match: Some(HeaderValue::from_static("\"a\"")), if_modified_since: None }
    }

    fn validate(why: Forward) -> Reuse {
        Reuse::Validate { condition: condition(), why }
    }

    fn fresh(age: u64, ttl: u64) -> Reuse {
        Reuse::Fresh { age: Duration::from_secs(age), ttl: Duration::from_secs(ttl) }
    }

    #[track_caller]
    fn check(lines: &[&str], (min, default, max): (u64, u64, u64), later: u64, expect: &Reuse) {
        let stored = testing::stored(lines);
        let verdict =
            decide(&get(&HeaderMap::new), Some((&stored, admitted())), &policy(min, default, max), after(later));
        assert_eq!(verdict, *expect, "{lines:?} after {later} s");
    }

    const WIDE: (u64, u64, u64) = (0, 100, 1_000);

    #[test]
    fn a_response_is_fresh_while_its_lifetime_exceeds_its_age() {
        check(&["cache-control: max-age=60"], WIDE, 0, &fresh(0, 60));
        check(&["cache-control: max-age=60", "age: 10"], WIDE, 49, &fresh(59, 1));
        check(&["cache-control: max-age=60"], WIDE, 60, &Reuse::Forward(Forward::Stale));
        check(&["cache-control: max-age=60", ETAG], WIDE, 60, &validate(Forward::Stale));
        check(&["cache-control: max-age=0", ETAG], WIDE, 0, &validate(Forward::Stale));
    }

    #[test]
    fn no_cache_is_validated_before_each_reuse() {
        check(&["cache-control: no-cache, max-age=60", ETAG], WIDE, 0, &validate(Forward::AlwaysValidate));
        check(&["cache-control: no-cache"], WIDE, 0, &Reuse::Forward(Forward::AlwaysValidate));
    }

    #[test]
    fn the_policy_of_now_decides_and_not_the_one_it_was_stored_under() {
        check(&["cache-control: max-age=60"], (0, 0, 5), 10, &Reuse::Forward(Forward::Stale));
        check(&["cache-control: max-age=60"], (0, 0, 0), 0, &Reuse::Forward(Forward::CachingOff));
        check(&["cache-control: no-store"], (30, 30, 30), 10, &fresh(10, 20));
        check(&["cache-control: no-store"], WIDE, 10, &Reuse::Forward(Forward::Forbidden));
    }

    #[test]
    fn what_was_purged_is_asked_for_whole() {
        let stored = testing::stored(&["cache-control: max-age=60", ETAG]);
        for refused in [Refused::Purged, Refused::OtherEpoch, Refused::TooOld, Refused::Overwritten] {
            let found = Some((&stored, Admission::Refused(refused)));
            assert_eq!(
                decide(&get(&HeaderMap::new), found, &policy(0, 0, 100), after(0)),
                Reuse::Forward(Forward::Purged)
            );
            assert_eq!(
                decide(&get(&HeaderMap::new), found, &policy(0, 0, 100), after(90)),
                Reuse::Forward(Forward::Purged)
            );
        }
    }

    #[test]
    fn what_is_absent_is_forwarded() {
        assert_eq!(decide(&get(&HeaderMap::new), None, &policy(0, 0, 100), after(0)), Reuse::Forward(Forward::Absent));
    }

    #[test]
    fn only_get_and_head_are_answered_from_a_store() {
        let stored = testing::stored(&["cache-control: max-age=60"]);
        let verdict = |method: &Method| {
            decide(
                &Request { method, forwarded: &HeaderMap::new },
                Some((&stored, admitted())),
                &policy(0, 0, 100),
                after(0),
            )
        };
        assert_eq!(verdict(&Method::HEAD), fresh(0, 60));
        assert_eq!(verdict(&Method::POST), Reuse::Forward(Forward::Method));
        assert_eq!(verdict(&Method::OPTIONS), Reuse::Forward(Forward::Method));
    }

    #[test]
    fn a_response_for_other_selecting_fields_is_not_reused() {
        let stored = Stored::new(
            &testing::response(200, &["vary: x", "cache-control: max-age=60"]),
            &fields(&["x: 1"]),
            testing::AT_ONCE,
            UNKNOWN,
        );
        let verdict = |line: &'static str| {
            decide(&get(&|| fields(&[line])), Some((&stored, admitted())), &policy(0, 0, 100), after(0))
        };
        assert_eq!(verdict("x: 1"), fresh(0, 60));
        assert_eq!(verdict("x: 2"), Reuse::Forward(Forward::VaryMiss));
    }

    #[test]
    fn a_grace_is_used_while_it_lasts() {
        let line = "cache-control: max-age=60, stale-while-revalidate=30";
        let stale = |overdue| {
            Reuse::Stale(Stale {
                age: Duration::from_secs(60 + overdue),
                overdue: Duration::from_secs(overdue),
                why: StaleUse::WhileRevalidating,
                condition: Some(condition()),
            })
        };
        check(&[line, ETAG], WIDE, 60, &stale(0));
        check(&[line, ETAG], WIDE, 89, &stale(29));
        check(&[line, ETAG], WIDE, 90, &validate(Forward::Stale));
    }

    #[test]
    fn no_grace_stands_against_a_demand_to_validate() {
        for demand in ["must-revalidate", "proxy-revalidate", "s-maxage=60"] {
            let line = format!("cache-control: max-age=60, stale-while-revalidate=30, {demand}");
            check(&[&line, ETAG], WIDE, 70, &validate(Forward::Stale));
        }
        let forbidden = "cache-control: no-cache, stale-while-revalidate=30";
        check(&[forbidden, ETAG], (60, 60, 60), 70, &validate(Forward::Stale));
        let targeted = ["cache-control: s-maxage=60", "cdn-cache-control: max-age=60, stale-while-revalidate=30"];
        let stored = testing::stored(&targeted);
        let verdict = decide(&get(&HeaderMap::new), Some((&stored, admitted())), &policy(0, 0, 100), after(70));
        assert!(matches!(verdict, Reuse::Stale(_)), "{verdict:?}");
    }

    #[track_caller]
    fn check_failure(failure: Failure, line: &str, later: u64, expect: Option<StaleUse>, otherwise: &Fallback) {
        let stored = testing::stored(&[line]);
        let owner = Policy { stale_if_unreachable: Duration::from_secs(100), ..policy(0, 0, 1_000) };
        let fallback = on_failure(failure, &get(&HeaderMap::new), Some((&stored, admitted())), &owner, after(later));
        match (fallback, expect) {
            (Fallback::Stale(stale), Some(why)) => assert_eq!(stale.why, why, "{line}"),
            (fallback, expect) => assert_eq!((&fallback, expect), (otherwise, None), "{line}"),
        }
    }

    #[test]
    fn a_stale_response_stands_in_for_an_origin_that_gives_no_answer() {
        let none = Fallback::Nothing;
        let unreachable = Some(StaleUse::Unreachable);
        check_failure(Failure::NoAnswer, "cache-control: max-age=60", 159, unreachable, &none);
        check_failure(Failure::NoAnswer, "cache-control: max-age=60", 160, None, &none);
        check_failure(Failure::NoAnswer, "cache-control: max-age=60, stale-if-error=200", 259, unreachable, &none);
        check_failure(Failure::NoAnswer, "cache-control: max-age=60, stale-if-error=200", 260, None, &none);
        check_failure(Failure::NoAnswer, "cache-control: max-age=60, stale-if-error=0", 61, None, &none);
    }

    #[test]
    fn a_demand_to_validate_makes_an_unreachable_origin_a_gateway_timeout() {
        for demand in ["must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"] {
            let line = format!("cache-control: max-age=60, stale-if-error=900, {demand}");
            check_failure(Failure::NoAnswer, &line, 70, None, &Fallback::GatewayTimeout);
            check_failure(Failure::Status(StatusCode::BAD_GATEWAY), &line, 70, None, &Fallback::Nothing);
        }
    }

    #[test]
    fn an_error_is_answered_stale_only_by_the_origins_leave() {
        let error = |code| Failure::Status(StatusCode::from_u16(code).expect("a status"));
        let granted = "cache-control: max-age=60, stale-if-error=30";
        for code in [500, 502, 503, 504] {
            check_failure(error(code), granted, 89, Some(StaleUse::OnError), &Fallback::Nothing);
            check_failure(error(code), granted, 90, None, &Fallback::Nothing);
            check_failure(error(code), "cache-control: max-age=60", 61, None, &Fallback::Nothing);
        }
        check_failure(error(501), granted, 61, None, &Fallback::Nothing);
        check_failure(error(404), granted, 61, None, &Fallback::Nothing);
    }

    #[test]
    fn what_was_purged_or_is_of_no_use_stands_in_for_nothing() {
        let stored = testing::stored(&["cache-control: max-age=60, stale-if-error=900"]);
        let owner = Policy { stale_if_unreachable: Duration::from_secs(100), ..policy(0, 0, 1_000) };
        let ask = |method: &Method, admission, owner: &Policy| {
            on_failure(
                Failure::NoAnswer,
                &Request { method, forwarded: &HeaderMap::new },
                Some((&stored, admission)),
                owner,
                after(70),
            )
        };
        assert!(matches!(ask(&Method::GET, admitted(), &owner), Fallback::Stale(_)));
        assert_eq!(ask(&Method::GET, Admission::Refused(Refused::Purged), &owner), Fallback::Nothing);
        assert_eq!(ask(&Method::POST, admitted(), &owner), Fallback::Nothing);
        assert_eq!(ask(&Method::GET, admitted(), &policy(0, 0, 0)), Fallback::Nothing);
        assert_eq!(on_failure(Failure::NoAnswer, &get(&HeaderMap::new), None, &owner, after(70)), Fallback::Nothing);
    }
}
