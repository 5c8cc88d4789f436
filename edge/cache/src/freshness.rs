//! What an origin says, what the owner wants and how much time has passed into how fresh a stored response is.

use std::time::Duration;

use edge_contract::{Heuristic, Ttl};
use http::{HeaderMap, header};

use crate::{
    date::Date,
    directives,
    terms::{Forbids, Terms, date_of},
};

/// How long errors are kept of which the origin does not say anything.
const BRIEFLY: Duration = Duration::from_secs(10);
/// The most that is assumed of a response because it has not changed for long.
const ASSUMED_AT_MOST: Duration = Duration::from_hours(24);

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

/// The freshness lifetime under the owner's bounds and floor for errors. Asked at each reuse: an edit of the policy counts at once.
pub(crate) fn lifetime_within(terms: &Terms, ttl: Ttl, floor: Option<Duration>) -> Lifetime {
    let said = bounded(terms, ttl);
    let Some(floor) = floor.filter(|_| terms.forbids == Forbids::Nothing) else { return said };
    match said {
        Lifetime::Lasts(time) => Lifetime::Lasts(time.max(floor)),
        Lifetime::Never(Never::NoFreshness) => Lifetime::Lasts(floor),
        said => said,
    }
}

/// What the origin says (RFC 9111 §4.2.1), else what may be assumed (§4.2.2), within the owner's bounds.
fn bounded(terms: &Terms, ttl: Ttl) -> Lifetime {
    if ttl.max == 0 {
        return Lifetime::Never(Never::Off);
    }
    let (min, max) = (Duration::from_secs(ttl.min), Duration::from_secs(ttl.max));
    let default = Duration::from_secs(ttl.default);
    let lasts = |time: Duration| Lifetime::Lasts(time.min(max).max(min));
    match terms.forbids {
        // The owner overrides the origin, knowingly: the minimum exists for origins that forbid by mistake.
        Forbids::Storing | Forbids::Reuse if !min.is_zero() => return Lifetime::Lasts(min),
        Forbids::Storing => return Lifetime::Never(Never::Forbidden),
        Forbids::Reuse => return Lifetime::AlwaysValidate,
        Forbids::Nothing => {}
    }
    let cacheable = terms.heuristically_cacheable();
    let assumed = unchanged(terms, ttl).filter(|_| cacheable);
    if let Some(time) = terms.explicit.or(assumed) {
        return lasts(time);
    }
    if terms.is_brief_error() {
        // Not raised to `min`: what is wrong now should not be so for long.
        let brief = BRIEFLY.min(default).min(max);
        return if cacheable || !brief.is_zero() {
            Lifetime::Lasts(brief)
        } else {
            Lifetime::Never(Never::NoFreshness)
        };
    }
    if cacheable { lasts(default) } else { Lifetime::Never(Never::NoFreshness) }
}

/// §4.2.2: a tenth of the time that it had not changed for, where the owner wants that.
pub(crate) fn unchanged(terms: &Terms, ttl: Ttl) -> Option<Duration> {
    let unchanged_for = terms.unchanged_for.filter(|_| ttl.heuristic == Heuristic::LastModified)?;
    Some((unchanged_for / 10).min(ASSUMED_AT_MOST))
}

#[cfg(test)]
mod tests {
    use edge_contract::ErrorResponse;
    use http::StatusCode;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Policy,
        testing::{AT_ONCE, NOW, after, fields, policy},
    };

    fn lifetime(terms: &Terms, policy: &Policy) -> Lifetime {
        lifetime_within(terms, policy.ttl, policy.floor(terms.status))
    }

    fn lasts(seconds: u64) -> Lifetime {
        Lifetime::Lasts(Duration::from_secs(seconds))
    }

    #[track_caller]
    fn check_status(status: u16, lines: &[&str], bounds: (u64, u64, u64), expect: Lifetime) {
        let status = StatusCode::from_u16(status).expect("a status");
        let terms = Terms::of(status, &fields(lines), NOW);
        let (min, default, max) = bounds;
        assert_eq!(lifetime(&terms, &policy(min, default, max)), expect, "{status} {lines:?} within {bounds:?}");
    }

    #[track_caller]
    fn check(lines: &[&str], bounds: (u64, u64, u64), expect: Lifetime) {
        check_status(200, lines, bounds, expect);
    }

    const WIDE: (u64, u64, u64) = (0, 100, 1_000_000);
    const NEUTRAL: (u64, u64, u64) = (0, 0, u64::MAX);

    #[test]
    fn s_maxage_goes_before_max_age_and_max_age_before_expires() {
        let expires = "expires: Sun, 22 Nov 2026 16:00:30 GMT";
        check(&["cache-control: s-maxage=10, max-age=20", expires], WIDE, lasts(10));
        check(&["cache-control: max-age=20", expires], WIDE, lasts(20));
        check(&["cache-control: public", expires], WIDE, lasts(30));
        check(&[], WIDE, lasts(100));
    }

    #[test]
    fn expires_counts_from_date_and_without_one_from_receipt() {
        let expires = "expires: Sun, 22 Nov 2026 16:00:30 GMT";
        check(&[expires, "date: Sun, 22 Nov 2026 15:59:30 GMT"], WIDE, lasts(60));
        check(&[expires, "date: nonsense"], WIDE, lasts(30));
        check(&["expires: 0"], WIDE, lasts(0));
        check(&["expires: Sun, 22 Nov 2026 15:00:00 GMT"], WIDE, lasts(0));
        check(&[expires, expires], WIDE, lasts(30));
        check(&[expires, "expires: Sun, 22 Nov 2026 16:00:31 GMT"], WIDE, lasts(0));
    }

    #[test]
    fn a_targeted_field_hides_cache_control_and_expires() {
        let others = ["cache-control: max-age=5", "expires: Sun, 22 Nov 2026 16:00:30 GMT"];
        let with = |line: &'static str| [others[0], others[1], line];
        check(&with("cdn-cache-control: max-age=9"), WIDE, lasts(9));
        check(&with("cdn-cache-control: public"), WIDE, lasts(100));
        check(&with("cdn-cache-control: no-cache"), WIDE, Lifetime::AlwaysValidate);
        check(&with("cdn-cache-control: ("), WIDE, lasts(5));
    }

    #[test]
    fn explicit_lifetimes_are_kept_within_the_bounds() {
        check(&["cache-control: max-age=5"], (10, 20, 30), lasts(10));
        check(&["cache-control: max-age=15"], (10, 20, 30), lasts(15));
        check(&["cache-control: max-age=50"], (10, 20, 30), lasts(30));
        check(&["cache-control: max-age=0"], (0, 20, 30), lasts(0));
        check(&[], (10, 20, 30), lasts(20));
    }

    #[test]
    fn what_is_forbidden_is_so_unless_a_minimum_stands_over_it() {
        for forbidding in ["no-store", "private", "no-store, max-age=60", "private, public, s-maxage=60"] {
            let line = format!("cache-control: {forbidding}");
            check(&[&line], WIDE, Lifetime::Never(Never::Forbidden));
            check(&[&line], (10, 20, 30), lasts(10));
        }
        check(&["cache-control: no-cache, max-age=60"], WIDE, Lifetime::AlwaysValidate);
        check(&["cache-control: no-cache, max-age=60"], (10, 20, 30), lasts(10));
        check(&["cache-control: private=\"x\", no-cache=\"y\", max-age=60"], WIDE, lasts(60));
    }

    #[test]
    fn must_understand_lifts_no_store_for_a_status_that_is_understood() {
        let line = ["cache-control: no-store, must-understand, max-age=60"];
        check(&line, WIDE, lasts(60));
        check_status(299, &line, WIDE, Lifetime::Never(Never::Forbidden));
    }

    #[test]
    fn a_lifetime_is_only_assumed_for_statuses_that_allow_it() {
        check_status(301, &[], WIDE, lasts(100));
        check_status(302, &[], WIDE, Lifetime::Never(Never::NoFreshness));
        check_status(302, &["cache-control: public"], WIDE, lasts(100));
        check_status(302, &["cache-control: max-age=7"], WIDE, lasts(7));
        check_status(403, &[], WIDE, Lifetime::Never(Never::NoFreshness));
    }

    #[test]
    fn errors_without_a_word_of_the_origin_are_kept_briefly() {
        for status in [404, 405, 410, 414, 500, 501, 502, 503, 504] {
            check_status(status, &[], WIDE, lasts(10));
            check_status(status, &[], (60, 100, 200), lasts(10));
            check_status(status, &[], (0, 3, 200), lasts(3));
            check_status(status, &["cache-control: max-age=60"], WIDE, lasts(60));
            check_status(status, &["cache-control: no-store"], WIDE, Lifetime::Never(Never::Forbidden));
        }
    }

    #[test]
    fn under_a_neutral_policy_nothing_is_assumed() {
        check(&[], NEUTRAL, lasts(0));
        check_status(404, &[], NEUTRAL, lasts(0));
        for status in [500, 502, 503, 504] {
            check_status(status, &[], NEUTRAL, Lifetime::Never(Never::NoFreshness));
        }
        check(&["cache-control: max-age=99999999999"], NEUTRAL, lasts(1 << 31));
    }

    #[track_caller]
    fn check_heuristic(status: u16, lines: &[&str], (min, default, max): (u64, u64, u64), expect: Lifetime) {
        let terms = Terms::of(StatusCode::from_u16(status).expect("a status"), &fields(lines), NOW);
        let mut owner = policy(min, default, max);
        owner.ttl.heuristic = Heuristic::LastModified;
        assert_eq!(lifetime(&terms, &owner), expect, "{status} {lines:?}");
        owner.ttl.heuristic = Heuristic::Off;
        let ignored = fields(lines).into_iter().filter(|(name, _)| *name != Some(header::LAST_MODIFIED));
        let without =
            Terms::of(terms.status, &ignored.map(|(name, value)| (name.expect("one of each"), value)).collect(), NOW);
        assert_eq!(lifetime(&terms, &owner), lifetime(&without, &owner), "{status} {lines:?} without heuristic");
    }

    #[test]
    fn what_has_not_changed_for_long_is_assumed_to_stay_for_a_tenth_of_that() {
        let hour_ago = "last-modified: Sun, 22 Nov 2026 15:00:00 GMT";
        check_heuristic(200, &[hour_ago], NEUTRAL, lasts(360));
        check_heuristic(200, &[hour_ago, "date: Sun, 22 Nov 2026 15:30:00 GMT"], NEUTRAL, lasts(180));
        check_heuristic(200, &["last-modified: Sun, 22 Nov 1926 15:00:00 GMT"], NEUTRAL, lasts(24 * 3600));
        check_heuristic(200, &[hour_ago], (400, 500, 600), lasts(400));
        check_heuristic(200, &[hour_ago], (0, 500, 300), lasts(300));
        check_heuristic(404, &[hour_ago], NEUTRAL, lasts(360));
        check_heuristic(302, &["cache-control: public", hour_ago], NEUTRAL, lasts(360));
    }

    #[test]
    fn nothing_is_assumed_where_something_is_said_or_nothing_can_be() {
        let hour_ago = "last-modified: Sun, 22 Nov 2026 15:00:00 GMT";
        check_heuristic(200, &["cache-control: max-age=5", hour_ago], WIDE, lasts(5));
        check_heuristic(200, &["expires: 0", hour_ago], WIDE, lasts(0));
        check_heuristic(200, &["last-modified: yesterday"], WIDE, lasts(100));
        check_heuristic(200, &["last-modified: Sun, 22 Nov 2026 17:00:00 GMT"], WIDE, lasts(100));
        check_heuristic(201, &[hour_ago], WIDE, Lifetime::Never(Never::NoFreshness));
        check_heuristic(503, &[hour_ago], NEUTRAL, Lifetime::Never(Never::NoFreshness));
    }

    #[test]
    fn an_error_is_kept_at_least_as_long_as_the_owner_says_unless_it_is_forbidden() {
        let error = |code, cache_ttl| ErrorResponse { code, cache_ttl, path: None, response_code: None };
        let owner =
            policy(0, 100, 1_000).with_floors(&[error(404, Some(60)), error(403, Some(30)), error(500, Some(0))]);
        let check = |status: u16, lines: &[&str], expect: Lifetime| {
            let terms = Terms::of(StatusCode::from_u16(status).expect("a status"), &fields(lines), NOW);
            assert_eq!(lifetime(&terms, &owner), expect, "{status} {lines:?}");
        };
        check(404, &[], lasts(60));
        check(404, &["cache-control: max-age=5"], lasts(60));
        check(404, &["cache-control: max-age=90"], lasts(90));
        check(403, &[], lasts(30));
        check(500, &[], lasts(10));
        check(402, &[], Lifetime::Never(Never::NoFreshness));
        check(404, &["cache-control: private"], Lifetime::Never(Never::Forbidden));
        check(404, &["cache-control: no-cache"], Lifetime::AlwaysValidate);
        let over = policy(10, 100, 1_000).with_floors(&[error(404, Some(60))]);
        let private = Terms::of(StatusCode::NOT_FOUND, &fields(&["cache-control: private"]), NOW);
        assert_eq!(lifetime(&private, &over), lasts(10), "that is what the minimum is for, and no more");
        let off = policy(0, 0, 0).with_floors(&[error(404, Some(60))]);
        assert_eq!(lifetime(&Terms::of(StatusCode::NOT_FOUND, &fields(&[]), NOW), &off), Lifetime::Never(Never::Off));
    }

    #[test]
    fn a_maximum_of_zero_turns_caching_off() {
        check(&["cache-control: max-age=60"], (0, 0, 0), Lifetime::Never(Never::Off));
    }

    #[track_caller]
    fn check_age(lines: &[&str], received: Received, later: u64, expect: u64) {
        let age = Age::on_arrival(&fields(lines), received).current(after(later));
        assert_eq!(age, Duration::from_secs(expect), "{lines:?}");
    }

    #[test]
    fn the_age_counts_what_happened_before_under_way_and_since() {
        let slow = Received { asked: Moment(AT_ONCE.answered.0.saturating_sub(Duration::from_secs(4))), ..AT_ONCE };
        check_age(&[], AT_ONCE, 7, 7);
        check_age(&[], slow, 7, 11);
        check_age(&["age: 20"], slow, 7, 31);
        check_age(&["date: Sun, 22 Nov 2026 15:59:00 GMT"], slow, 0, 60);
        check_age(&["age: 70", "date: Sun, 22 Nov 2026 15:59:00 GMT"], slow, 0, 74);
        check_age(&["date: Sun, 22 Nov 2026 17:00:00 GMT"], AT_ONCE, 0, 0);
    }

    #[test]
    fn of_many_ages_the_first_counts_and_an_invalid_one_does_not() {
        check_age(&["age: 20, 30"], AT_ONCE, 0, 20);
        check_age(&["age: 20", "age: 30"], AT_ONCE, 0, 20);
        check_age(&["age: 99999999999"], AT_ONCE, 0, 1 << 31);
        for invalid in ["age: -5", "age: 1.5", "age: x, 30", "age:", "age: 20;a"] {
            check_age(&[invalid], AT_ONCE, 0, 0);
        }
    }

    proptest! {
        #[test]
        fn an_age_never_overflows_and_never_falls(age in any::<u64>(), date in any::<i64>(), asked in any::<u64>(), answered in any::<u64>(), gap in any::<u64>()) {
            let moment = |seconds: u64| Moment(Duration::from_secs(seconds));
            let received = Received { asked: moment(asked), answered: moment(answered), date: Date(date) };
            let arrived = Age::on_arrival(&fields(&[&format!("age: {age}"), "date: Sun, 22 Nov 2026 16:00:00 GMT"]), received);
            let soon = arrived.current(moment(answered));
            let later = arrived.current(moment(answered.saturating_add(gap)));
            prop_assert!(soon >= Duration::from_secs(age.min(1 << 31)));
            prop_assert!(later >= soon);
        }
    }
}
