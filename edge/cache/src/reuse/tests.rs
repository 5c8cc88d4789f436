//! Whether what is stored answers a request, as tables of header lines and moments.

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
    Request { method: &Method::GET, forwarded, controls: Controls::default(), upgrades: false }
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
    let verdict = decide(&get(&HeaderMap::new), Some((&stored, admitted())), &policy(min, default, max), after(later));
    assert_eq!(verdict, *expect, "{lines:?} after {later} s");
}

const WIDE: (u64, u64, u64) = (0, 100, 1_000);

fn graces(while_revalidate: u64, if_error: u64, if_unreachable: u64) -> Policy {
    let stale = edge_contract::Stale { while_revalidate, if_error, if_unreachable };
    Policy { stale, ..policy(0, 0, 1_000) }
}

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
fn no_minimum_of_now_shares_what_was_made_for_one_viewer() {
    let verdict = |line: &str, change: fn(&mut Stored)| {
        let mut stored = testing::stored(&[line, ETAG]);
        change(&mut stored);
        decide(&get(&HeaderMap::new), Some((&stored, admitted())), &policy(30, 30, 30), after(10))
    };
    let changes: [fn(&mut Stored); 2] = [|stored| stored.authorized = true, |stored| stored.sets_cookie = true];
    assert_eq!(verdict("cache-control: no-cache, public", |_| ()), fresh(10, 20));
    for change in changes {
        assert_eq!(verdict("cache-control: no-cache, public", change), validate(Forward::AlwaysValidate));
        assert_eq!(verdict("cache-control: no-store", change), Reuse::Forward(Forward::Forbidden));
        assert_eq!(verdict("cache-control: max-age=5, public", change), fresh(10, 20));
    }
}

#[test]
fn what_was_purged_is_asked_for_whole() {
    let stored = testing::stored(&["cache-control: max-age=60", ETAG]);
    for refused in [Refused::Purged, Refused::OtherEpoch, Refused::TooOld, Refused::Overwritten] {
        let found = Some((&stored, Admission::Refused(refused)));
        assert_eq!(decide(&get(&HeaderMap::new), found, &policy(0, 0, 100), after(0)), Reuse::Forward(Forward::Purged));
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
fn a_wish_for_another_protocol_is_answered_by_nothing_that_is_stored() {
    let stored = testing::stored(&["cache-control: max-age=60, stale-if-error=900"]);
    let (request, found) = (Request { upgrades: true, ..get(&HeaderMap::new) }, Some((&stored, admitted())));
    let verdict = |max| decide(&request, found, &policy(0, 0, max), after(1));
    assert_eq!(verdict(100), Reuse::Forward(Forward::Upgrade));
    assert_eq!(verdict(0), Reuse::Forward(Forward::CachingOff));
    let fallback = on_failure(Failure::NoAnswer, &request, found, &graces(0, 0, 900), after(61));
    assert_eq!(fallback, Fallback::Nothing);
}

#[test]
fn only_get_and_head_are_answered_from_a_store() {
    let stored = testing::stored(&["cache-control: max-age=60"]);
    let verdict = |method: &Method| {
        decide(&Request { method, ..get(&HeaderMap::new) }, Some((&stored, admitted())), &policy(0, 0, 100), after(0))
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
fn the_longer_of_two_graces_counts_while_one_validates() {
    let check = |line: &str, owner: u64, overdue: u64, expect: bool| {
        let stored = testing::stored(&[line]);
        let found = Some((&stored, admitted()));
        let verdict = decide(&get(&HeaderMap::new), found, &graces(owner, 0, 0), after(60 + overdue));
        assert_eq!(matches!(verdict, Reuse::Stale(_)), expect, "{line} {owner} {overdue}: {verdict:?}");
    };
    check("cache-control: max-age=60", 20, 19, true);
    check("cache-control: max-age=60", 20, 20, false);
    check("cache-control: max-age=60, stale-while-revalidate=30", 20, 29, true);
    check("cache-control: max-age=60, stale-while-revalidate=10", 20, 19, true);
    for demand in ["must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"] {
        check(&format!("cache-control: max-age=60, {demand}"), 20, 1, false);
    }
}

#[track_caller]
fn check_wish(lines: &[&str], controls: Controls, later: u64, expect: &Reuse) {
    let stored = testing::stored(lines);
    let request = Request { controls, ..get(&HeaderMap::new) };
    let verdict = decide(&request, Some((&stored, admitted())), &policy(0, 100, 1_000), after(later));
    assert_eq!(verdict, *expect, "{lines:?} by {controls:?} after {later} s");
}

#[test]
fn a_viewer_gets_nothing_older_or_less_fresh_than_it_asks_for() {
    let line = ["cache-control: max-age=60", ETAG];
    let max_age = Controls { max_age: Some(Duration::from_secs(10)), ..Controls::default() };
    check_wish(&line, max_age, 10, &fresh(10, 50));
    check_wish(&line, max_age, 11, &validate(Forward::Request));
    check_wish(&["cache-control: max-age=60, immutable", ETAG], max_age, 11, &fresh(11, 49));
    check_wish(&["cache-control: max-age=60, immutable", ETAG], max_age, 61, &validate(Forward::Stale));
    let min_fresh = Controls { min_fresh: Some(Duration::from_secs(10)), ..Controls::default() };
    check_wish(&line, min_fresh, 50, &fresh(50, 10));
    check_wish(&line, min_fresh, 51, &validate(Forward::Request));
    let no_cache = Controls { no_cache: true, ..Controls::default() };
    check_wish(&line, no_cache, 0, &validate(Forward::Request));
    check_wish(&["cache-control: max-age=60, immutable"], no_cache, 0, &Reuse::Forward(Forward::Request));
}

#[test]
fn a_viewer_gets_what_is_as_stale_as_it_accepts_unless_that_is_forbidden() {
    let accepts = Controls { max_stale: Some(Duration::from_secs(10)), ..Controls::default() };
    let accepted = |age: u64| {
        let (age, overdue, why) = (Duration::from_secs(age), Duration::from_secs(age - 60), StaleUse::Accepted);
        Reuse::Stale(Stale { age, overdue, why, condition: Some(condition()) })
    };
    check_wish(&["cache-control: max-age=60", ETAG], accepts, 70, &accepted(70));
    check_wish(&["cache-control: max-age=60", ETAG], accepts, 71, &validate(Forward::Stale));
    let any = Controls { max_stale: Some(Duration::MAX), ..Controls::default() };
    check_wish(&["cache-control: max-age=60", ETAG], any, 9_000, &accepted(9_000));
    for demand in ["must-revalidate", "proxy-revalidate", "s-maxage=60"] {
        check_wish(&[&format!("cache-control: max-age=60, {demand}"), ETAG], any, 70, &validate(Forward::Stale));
    }
    check_wish(&["cache-control: no-cache", ETAG], any, 0, &validate(Forward::AlwaysValidate));
    let both = Controls { max_age: Some(Duration::from_secs(65)), ..any };
    check_wish(&["cache-control: max-age=60", ETAG], both, 65, &accepted(65));
    check_wish(&["cache-control: max-age=60", ETAG], both, 66, &validate(Forward::Stale));
}

#[test]
fn a_viewer_that_says_how_fresh_it_must_be_gets_nothing_stale() {
    let line = ["cache-control: max-age=60, stale-while-revalidate=30", ETAG];
    for wish in [
        Controls { max_age: Some(Duration::from_mins(15)), ..Controls::default() },
        Controls { min_fresh: Some(Duration::from_secs(0)), ..Controls::default() },
        // The stricter of two wishes: what is stale does not stay fresh for as long as it takes.
        Controls {
            min_fresh: Some(Duration::from_secs(1)),
            max_stale: Some(Duration::from_mins(1)),
            ..Controls::default()
        },
    ] {
        check_wish(&line, wish, 70, &validate(Forward::Stale));
    }
}

#[test]
fn a_viewer_that_wants_only_what_is_stored_is_told_when_there_is_nothing() {
    let only = Controls { only_if_cached: true, ..Controls::default() };
    check_wish(&["cache-control: max-age=60"], only, 10, &fresh(10, 50));
    check_wish(&["cache-control: max-age=60", ETAG], only, 60, &Reuse::OnlyIfCached);
    check_wish(&["cache-control: no-cache", ETAG], only, 0, &Reuse::OnlyIfCached);
    let request = Request { controls: only, ..get(&HeaderMap::new) };
    assert_eq!(decide(&request, None, &policy(0, 0, 100), after(0)), Reuse::OnlyIfCached);
    let written = Request { method: &Method::POST, ..request };
    assert_eq!(decide(&written, None, &policy(0, 0, 100), after(0)), Reuse::Forward(Forward::Method));
}

#[test]
fn a_viewers_wish_counts_when_the_origin_fails_too() {
    let stored = testing::stored(&["cache-control: max-age=60"]);
    let ask = |failure, controls| {
        let request = Request { controls, ..get(&HeaderMap::new) };
        on_failure(failure, &request, Some((&stored, admitted())), &graces(0, 0, 100), after(70))
    };
    let error = Failure::Status(StatusCode::BAD_GATEWAY);
    let (none, fresh) =
        (Controls::default(), Controls { max_age: Some(Duration::from_secs(5)), ..Controls::default() });
    assert!(matches!(ask(Failure::NoAnswer, none), Fallback::Stale(_)));
    assert_eq!(ask(Failure::NoAnswer, fresh), Fallback::Nothing);
    assert_eq!(ask(error, none), Fallback::Nothing);
    let lenient = Controls { stale_if_error: Some(Duration::from_secs(11)), ..fresh };
    assert!(matches!(ask(error, lenient), Fallback::Stale(_)));
    assert_eq!(ask(error, Controls { stale_if_error: Some(Duration::from_secs(10)), ..fresh }), Fallback::Nothing);
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
    let owner = graces(0, 0, 100);
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
fn what_the_owner_grants_for_errors_gives_way_to_what_the_origin_grants() {
    let check = |line: &str, overdue: u64, expect: bool| {
        let stored = testing::stored(&[line]);
        let failure = Failure::Status(StatusCode::SERVICE_UNAVAILABLE);
        let found = Some((&stored, admitted()));
        let fallback = on_failure(failure, &get(&HeaderMap::new), found, &graces(0, 20, 0), after(60 + overdue));
        assert_eq!(matches!(fallback, Fallback::Stale(_)), expect, "{line} {overdue}");
    };
    check("cache-control: max-age=60", 19, true);
    check("cache-control: max-age=60", 20, false);
    check("cache-control: max-age=60, stale-if-error=10", 15, false);
    check("cache-control: max-age=60, stale-if-error=30", 29, true);
    check("cache-control: max-age=60, must-revalidate", 1, false);
}

#[test]
fn what_was_purged_or_is_of_no_use_stands_in_for_nothing() {
    let stored = testing::stored(&["cache-control: max-age=60, stale-if-error=900"]);
    let owner = graces(0, 0, 100);
    let ask = |method: &Method, admission, owner: &Policy| {
        on_failure(
            Failure::NoAnswer,
            &Request { method, ..get(&HeaderMap::new) },
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
