//! A verdict and what is stored into the reasons for it, step by step, in words and clauses.
//!
//! Guarantees: the last step of an arithmetic is what [`Stored::lifetime`] decides; nothing here decides anything itself.

use edge_contract::Ttl;
use http::header;

use crate::{
    Admission, Policy, Reuse, Stored, directives,
    freshness::{self, Lifetime, Never},
    invalidation::Refused,
    reuse::{Forward, StaleUse},
    terms::{Forbids, Terms},
};

/// The rule for errors of which the origin says nothing.
const BRIEF: &str = "an error: ten seconds, or ttl.default";

/// The rule that stands over them.
const FLOOR: &str = "errorResponses[].cacheTTL";

/// One step on the way to a freshness lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What speaks: a directive, a field, a setting of the owner's.
    pub rule: &'static str,
    /// What it comes to, in seconds; none where there is no number in it.
    pub seconds: Option<u64>,
    /// Where it is written.
    pub clause: &'static str,
}

/// How long a stored response is fresh, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The field that was consulted (RFC 9213 §2.2), if the response has it.
    pub consulted: Option<&'static str>,
    /// In turn; each takes the place of the one before.
    pub steps: Vec<Step>,
    /// What they come to.
    pub lifetime: Lifetime,
}

/// The arithmetic of RFC 9111 §4.2.1 under the owner's policy.
pub fn freshness(stored: &Stored, policy: &Policy) -> Freshness {
    let consulted = directives::consulted(&stored.headers);
    let field = match () {
        () if consulted.targeted => Some("cdn-cache-control"),
        () if stored.headers.contains_key(header::CACHE_CONTROL) => Some("cache-control"),
        () => None,
    };
    let said = consulted.directives;
    let source = match () {
        () if said.s_maxage.is_some() => ("s-maxage", "RFC 9111 §5.2.2.10"),
        () if said.max_age.is_some() => ("max-age", "RFC 9111 §5.2.2.1"),
        () => ("expires − date", "RFC 9111 §5.3"),
    };
    let (lifetime, ttl) = (stored.lifetime(policy), stored.bounds(policy.ttl));
    let mut steps = Vec::new();
    match stored.terms.forbids {
        _ if policy.ttl.max == 0 => steps.push(step("ttl.max", Some(0), "owner: caching is off")),
        Forbids::Storing => steps.push(step("no-store or private", None, "RFC 9111 §5.2.2.5, §5.2.2.7")),
        Forbids::Reuse => steps.push(step("no-cache", None, "RFC 9111 §5.2.2.4")),
        Forbids::Nothing => match stored.terms.explicit {
            Some(explicit) => steps.push(step(source.0, Some(explicit.as_secs()), source.1)),
            None => assumed(&mut steps, &stored.terms, policy.ttl),
        },
    }
    bound(&mut steps, &stored.terms, ttl);
    raise(&mut steps, lifetime);
    Freshness { consulted: field, steps, lifetime }
}

fn step(rule: &'static str, seconds: Option<u64>, clause: &'static str) -> Step {
    Step { rule, seconds, clause }
}

/// What is assumed where the origin says nothing.
fn assumed(steps: &mut Vec<Step>, terms: &Terms, ttl: Ttl) {
    let cacheable = terms.heuristically_cacheable();
    match freshness::unchanged(terms, ttl) {
        Some(tenth) if cacheable => {
            steps.push(step("a tenth of the time since last-modified", Some(tenth.as_secs()), "RFC 9111 §4.2.2"));
        }
        _ if terms.is_brief_error() && (cacheable || ttl.default > 0) => {
            steps.push(step(BRIEF, Some(ttl.default.min(10)), "owner"));
        }
        _ if cacheable => steps.push(step("ttl.default", Some(ttl.default), "owner, for RFC 9110 §15.1")),
        _ => steps.push(step("no lifetime may be assumed of this status", None, "RFC 9110 §15.1")),
    }
}

/// The owner's bounds, where they make another number of it.
fn bound(steps: &mut Vec<Step>, terms: &Terms, ttl: Ttl) {
    let said = steps.last().and_then(|step| step.seconds);
    let forbidden = terms.forbids != Forbids::Nothing;
    match said {
        None if forbidden && ttl.min > 0 => steps.push(step("ttl.min", Some(ttl.min), "owner")),
        // What is wrong now is not raised to a minimum.
        Some(_) if steps.last().is_some_and(|step| step.rule == BRIEF) => {}
        Some(seconds) if seconds > ttl.max => steps.push(step("ttl.max", Some(ttl.max), "owner")),
        Some(seconds) if seconds < ttl.min => steps.push(step("ttl.min", Some(ttl.min), "owner")),
        _ => {}
    }
}

/// What an error's own floor makes of it.
fn raise(steps: &mut Vec<Step>, lifetime: Lifetime) {
    let Lifetime::Lasts(lasts) = lifetime else { return };
    if steps.last().and_then(|step| step.seconds) != Some(lasts.as_secs()) {
        steps.push(step(FLOOR, Some(lasts.as_secs()), "owner"));
    }
}

/// A word for what comes of a lifetime.
pub fn of_lifetime(lifetime: Lifetime) -> &'static str {
    match lifetime {
        Lifetime::Lasts(_) => "lasts",
        Lifetime::AlwaysValidate => "validated-before-each-reuse",
        Lifetime::Never(Never::Off) => "caching-off",
        Lifetime::Never(Never::Forbidden) => "forbidden",
        Lifetime::Never(Never::NoFreshness) => "no-freshness",
    }
}

/// The clause by which a request is answered as it is.
pub fn clause(verdict: &Reuse) -> &'static str {
    match verdict {
        Reuse::Fresh { .. } => "RFC 9111 §4.2: its freshness lifetime is greater than its age",
        Reuse::Stale(stale) => match stale.why {
            StaleUse::WhileRevalidating => "RFC 5861 §3: stale while it is validated",
            StaleUse::Accepted => "RFC 9111 §5.2.1.2: as stale as the viewer accepts",
            StaleUse::Unreachable => "RFC 9111 §4.2.4: stale while the origin gives no answer",
            StaleUse::OnError => "RFC 5861 §4: stale where the origin fails",
        },
        Reuse::Validate { why, .. } | Reuse::Forward(why) => match why {
            Forward::CachingOff => "owner: ttl.max is 0",
            Forward::Method => "RFC 9111 §4: only GET and HEAD are answered from a store",
            Forward::Upgrade => "RFC 9110 §7.8: another protocol is spoken with the origin or not at all",
            Forward::Absent => "RFC 9111 §4: nothing is stored under its key",
            Forward::VaryMiss => "RFC 9111 §4.1: what is stored answers other selecting fields",
            Forward::Purged => "an Invalidation or a write is newer than what is stored (RFC 9111 §4.4)",
            Forward::Forbidden => "RFC 9111 §3: under the policy of now it would not be stored",
            Forward::Stale => "RFC 9111 §4.2: its freshness lifetime is over",
            Forward::AlwaysValidate => "RFC 9111 §5.2.2.4: no-cache",
            Forward::Request => "RFC 9111 §5.2.1: the viewer asks for something fresher",
        },
        Reuse::OnlyIfCached => "RFC 9111 §5.2.1.7: the viewer wants what is stored or nothing",
    }
}

/// What the purge log says of a stored response.
pub fn of_admission(admission: Admission) -> &'static str {
    match admission {
        Admission::Admitted(_) => "admitted",
        Admission::Refused(Refused::Purged) => "purged",
        Admission::Refused(Refused::OtherEpoch) => "other-epoch",
        Admission::Refused(Refused::TooOld) => "too-old",
        Admission::Refused(Refused::Overwritten) => "overwritten",
    }
}

#[cfg(test)]
mod tests {
    use edge_contract::{ErrorResponse, Heuristic};
    use http::HeaderMap;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{self, AT_ONCE, UNKNOWN, policy};

    fn of(status: u16, lines: &[&str]) -> Stored {
        Stored::new(&testing::response(status, lines), &HeaderMap::new(), AT_ONCE, UNKNOWN)
    }

    #[track_caller]
    fn check(status: u16, lines: &[&str], (min, default, max): (u64, u64, u64), expect: &[(&str, Option<u64>)]) {
        let found = freshness(&of(status, lines), &policy(min, default, max));
        let steps: Vec<_> = found.steps.iter().map(|step| (step.rule, step.seconds)).collect();
        assert_eq!(steps, expect, "{status} {lines:?}");
    }

    const WIDE: (u64, u64, u64) = (0, 100, 1_000);

    #[test]
    fn what_speaks_is_named_in_turn() {
        let expires = "expires: Sun, 22 Nov 2026 16:00:30 GMT";
        check(200, &["cache-control: s-maxage=10, max-age=20", expires], WIDE, &[("s-maxage", Some(10))]);
        check(200, &["cache-control: max-age=20", expires], WIDE, &[("max-age", Some(20))]);
        check(200, &[expires], WIDE, &[("expires − date", Some(30))]);
        check(200, &[], WIDE, &[("ttl.default", Some(100))]);
        check(503, &[], WIDE, &[(BRIEF, Some(10))]);
        check(302, &[], WIDE, &[("no lifetime may be assumed of this status", None)]);
        check(200, &["cache-control: max-age=5"], (10, 20, 30), &[("max-age", Some(5)), ("ttl.min", Some(10))]);
        check(200, &["cache-control: max-age=50"], (10, 20, 30), &[("max-age", Some(50)), ("ttl.max", Some(30))]);
        check(200, &["cache-control: private"], WIDE, &[("no-store or private", None)]);
        check(200, &["cache-control: no-store"], (10, 20, 30), &[("no-store or private", None), ("ttl.min", Some(10))]);
        check(200, &["cache-control: no-cache"], WIDE, &[("no-cache", None)]);
        check(200, &["cache-control: max-age=5"], (0, 0, 0), &[("ttl.max", Some(0))]);
    }

    #[test]
    fn what_the_owner_says_of_age_and_of_errors_is_named_too() {
        let mut owner = policy(0, 100, 1_000);
        owner.ttl.heuristic = Heuristic::LastModified;
        let rules = |stored: &Stored, owner: &Policy| -> Vec<_> {
            freshness(stored, owner).steps.iter().map(|step| (step.rule, step.seconds)).collect()
        };
        let hour_ago = of(200, &["last-modified: Sun, 22 Nov 2026 15:00:00 GMT"]);
        assert_eq!(rules(&hour_ago, &owner), [("a tenth of the time since last-modified", Some(360))]);
        let error = ErrorResponse { code: 404, cache_ttl: Some(60), path: None, response_code: None };
        let owner = policy(0, 100, 1_000).with_floors(&[error]);
        let raised = [("max-age", Some(5)), (FLOOR, Some(60))];
        assert_eq!(rules(&of(404, &["cache-control: max-age=5"]), &owner), raised);
        assert_eq!(rules(&of(404, &["cache-control: no-store"]), &owner), [("no-store or private", None)]);
    }

    #[test]
    fn the_field_that_is_consulted_is_named() {
        let consulted = |lines: &[&str]| freshness(&of(200, lines), &policy(0, 0, 9)).consulted;
        assert_eq!(consulted(&["cache-control: max-age=1", "cdn-cache-control: max-age=2"]), Some("cdn-cache-control"));
        assert_eq!(consulted(&["cache-control: max-age=1", "cdn-cache-control: ("]), Some("cache-control"));
        assert_eq!(consulted(&["expires: 0"]), None);
    }

    proptest! {
        #[test]
        fn the_last_step_is_what_holds(
            status in prop_oneof![Just(200_u16), Just(404), Just(302), Just(503)],
            line in prop_oneof![
                Just("x: y".to_owned()),
                (0_u64..90).prop_map(|age| format!("cache-control: max-age={age}")),
                (0_u64..90).prop_map(|age| format!("cache-control: s-maxage={age}, max-age=3")),
                Just("cache-control: no-store".to_owned()),
                Just("cache-control: no-cache".to_owned()),
            ],
            mut bounds in proptest::array::uniform3(0_u64..60),
            heuristic in any::<bool>(),
            floor in proptest::option::of(0_u64..90),
        ) {
            bounds.sort_unstable();
            let [min, default, max] = bounds;
            let error = ErrorResponse { code: 404, cache_ttl: floor, path: None, response_code: None };
            let mut owner = policy(min, default, max).with_floors(&[error]);
            owner.ttl.heuristic = if heuristic { Heuristic::LastModified } else { Heuristic::Off };
            let modified = "last-modified: Sun, 22 Nov 2026 15:55:00 GMT";
            let found = freshness(&of(status, &[&line, modified]), &owner);
            let floored = found.steps.iter().any(|step| step.rule == FLOOR);
            prop_assert!(!floored || (status == 404 && floor.is_some()), "{:?}", found);
            if let Lifetime::Lasts(lasts) = found.lifetime {
                prop_assert_eq!(found.steps.last().and_then(|step| step.seconds), Some(lasts.as_secs()));
            }
        }
    }
}
