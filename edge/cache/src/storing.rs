//! A response and the request it answers into whether it is kept, and as what.

use edge_contract::SetCookie;
use http::{HeaderMap, Method, StatusCode, header, response};

use crate::{
    Label, Policy, Stored, coding, forwarding,
    freshness::{Lifetime, Never, Received},
    terms::{Forbids, is_understood, withheld},
    vary::Selecting,
};

/// The origin's side of one fill.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The method that the origin was sent.
    pub method: &'a Method,
    /// The request's fields as the origin got them.
    pub forwarded: &'a HeaderMap,
    /// Whether a viewer's `Authorization` was among them; what the owner's configuration sets does not count.
    pub authorized: bool,
    /// When it was asked and when it answered.
    pub received: Received,
    /// The ledger's label when the request was begun.
    pub label: Label,
}

/// Whether a response is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Storing {
    /// Kept as this, once its body is whole: never a truncated one.
    Store(Box<Stored>),
    /// Passed on and forgotten.
    Skip(Reason),
}

/// Why a response is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Only answers to GET are stored.
    Method,
    /// The owner turned caching off.
    CachingOff,
    /// 206 and 304 are parts of something else, 1xx is not final.
    Partial,
    /// A stream of events, which goes on for as long as its viewer stays: there is no whole of it that another could be shown.
    EventStream,
    /// It answers a `Range` or condition that the edge did not write.
    ConditionalRequest,
    /// It sets a cookie, which belongs to one viewer.
    SetCookie,
    /// `no-store` or `private`.
    Forbidden,
    /// The request was authorized and nothing allows to share the answer (RFC 9111 §3.5).
    Authorization,
    /// `Vary: *`: it would match no request.
    VaryAny,
    /// An unknown status with `must-understand` (§5.2.2.3).
    NotUnderstood,
    /// Its status says that it is not to be stored (RFC 6585).
    Status,
    /// Neither its status nor its fields say how long it may be reused.
    NoFreshness,
}

impl Reason {
    /// The word that `Cache-Status` gives as `detail`.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::CachingOff => "caching-off",
            Self::Partial => "partial",
            Self::EventStream => "event-stream",
            Self::ConditionalRequest => "conditional-request",
            Self::SetCookie => "set-cookie",
            Self::Forbidden => "forbidden",
            Self::Authorization => "authorization",
            Self::VaryAny => "vary-any",
            Self::NotUnderstood => "not-understood",
            Self::Status => "status",
            Self::NoFreshness => "no-freshness",
        }
    }
}

/// RFC 9111 §3, under the owner's policy.
pub fn decide(exchange: &Exchange<'_>, response: &response::Parts, policy: &Policy) -> Storing {
    if *exchange.method != Method::GET {
        return Storing::Skip(Reason::Method);
    }
    if !policy.caches() {
        return Storing::Skip(Reason::CachingOff);
    }
    if exchange.forwarded.contains_key(header::RANGE) {
        return Storing::Skip(Reason::ConditionalRequest);
    }
    let status = response.status;
    if status.is_informational() || matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) {
        return Storing::Skip(Reason::Partial);
    }
    if coding::is_event_stream(&response.headers) {
        return Storing::Skip(Reason::EventStream);
    }
    if response.headers.contains_key(header::SET_COOKIE) && policy.set_cookie == SetCookie::Bypass {
        return Storing::Skip(Reason::SetCookie);
    }
    let mut stored = Stored::new(response, exchange.forwarded, exchange.received, exchange.label);
    stored.authorized = exchange.authorized;
    if is_one_viewers(&stored, policy) {
        return Storing::Skip(Reason::SetCookie);
    }
    if policy.set_cookie != SetCookie::Store {
        stored.headers.remove(header::SET_COOKIE);
    }
    match refusal(&stored, policy) {
        Some(reason) => Storing::Skip(reason),
        None => Storing::Store(Box::new(stored)),
    }
}

/// RFC 9111 §3 for a stored response that a 304 or a HEAD freshened: its new fields may forbid what the old ones allowed.
pub fn may_stay(freshened: &Stored, policy: &Policy) -> bool {
    !is_one_viewers(freshened, policy) && refusal(freshened, policy).is_none()
}

/// What sets a cookie and forbids sharing is one viewer's beyond doubt: no `ttl.min` is meant for that.
fn is_one_viewers(stored: &Stored, policy: &Policy) -> bool {
    stored.sets_cookie && policy.ttl.min > 0 && stored.terms.forbids != Forbids::Nothing
}

/// The fields of a response that are for the viewer alone for whom it was asked: those that `private` and `no-cache` name (§5.2.2.4,
/// §5.2.2.7), and a cookie that is not stored but passed on.
pub fn for_one_viewer(response: &HeaderMap, policy: &Policy) -> HeaderMap {
    let mut names = withheld(response);
    if policy.set_cookie == SetCookie::Bypass {
        names.push(header::SET_COOKIE);
    }
    let mut fields = HeaderMap::new();
    if !names.iter().any(|name| response.contains_key(name)) {
        return fields;
    }
    let shown = forwarding::to_viewer(response);
    for name in names.into_iter().filter(|name| policy.set_cookie != SetCookie::Strip || *name != header::SET_COOKIE) {
        if !fields.contains_key(&name) {
            fields.extend(shown.get_all(&name).iter().map(|value| (name.clone(), value.clone())));
        }
    }
    fields
}

fn refusal(stored: &Stored, policy: &Policy) -> Option<Reason> {
    let terms = &stored.terms;
    // §3.5; and no `ttl.min` makes an authorized answer shareable that its origin forbids to share.
    let overridden = policy.ttl.min > 0 && terms.forbids != Forbids::Nothing;
    if stored.authorized && (!terms.despite_authorization || overridden) {
        return Some(Reason::Authorization);
    }
    // RFC 6585 §3 to §6, whatever the fields or the owner say.
    if matches!(terms.status.as_u16(), 428 | 429 | 431 | 511) {
        return Some(Reason::Status);
    }
    if terms.not_understood {
        return Some(Reason::NotUnderstood);
    }
    if stored.selecting == Selecting::Never {
        return Some(Reason::VaryAny);
    }
    if !is_understood(terms.status) && terms.explicit.is_none() {
        return Some(Reason::NoFreshness);
    }
    match stored.lifetime(policy) {
        Lifetime::Lasts(_) | Lifetime::AlwaysValidate => None,
        Lifetime::Never(Never::Off) => Some(Reason::CachingOff),
        Lifetime::Never(Never::Forbidden) => Some(Reason::Forbidden),
        Lifetime::Never(Never::NoFreshness) => Some(Reason::NoFreshness),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, AT_ONCE, UNKNOWN, fields, judge, policy, response};

    #[track_caller]
    fn check(status: u16, lines: &[&str], expect: Option<Reason>) {
        check_policy(status, lines, (0, 100, 1_000), expect);
    }

    #[track_caller]
    fn check_policy(status: u16, lines: &[&str], (min, default, max): (u64, u64, u64), expect: Option<Reason>) {
        let reason = match judge(&[], &response(status, lines), &policy(min, default, max)) {
            Storing::Store(_) => None,
            Storing::Skip(reason) => Some(reason),
        };
        assert_eq!(reason, expect, "{status} {lines:?}");
    }

    #[test]
    fn an_ordinary_response_is_stored() {
        check(200, &[], None);
        check(200, &["cache-control: max-age=60"], None);
        check(404, &[], None);
        check(503, &[], None);
    }

    #[test]
    fn a_response_with_no_store_or_private_is_not_stored() {
        check(200, &["cache-control: no-store"], Some(Reason::Forbidden));
        check(200, &["cache-control: private, max-age=60"], Some(Reason::Forbidden));
        check_policy(200, &["cache-control: no-store"], (10, 20, 30), None);
    }

    #[test]
    fn a_response_with_no_cache_is_stored_to_be_validated() {
        check(200, &["cache-control: no-cache", "etag: \"a\""], None);
        check(200, &["cache-control: max-age=0"], None);
    }

    #[test]
    fn what_becomes_of_a_cookie_is_the_owners_choice() {
        let cookie = ["set-cookie: a=b", "cache-control: max-age=60", "x: y"];
        let by = |set_cookie| judge(&[], &response(200, &cookie), &Policy { set_cookie, ..policy(0, 100, 1_000) });
        assert_eq!(by(SetCookie::Bypass), Storing::Skip(Reason::SetCookie));
        for (set_cookie, kept) in [(SetCookie::Store, true), (SetCookie::Strip, false)] {
            let Storing::Store(stored) = by(set_cookie) else { panic!("storable") };
            assert_eq!((stored.headers.contains_key("set-cookie"), stored.headers.contains_key("x")), (kept, true));
        }
    }

    #[test]
    fn no_minimum_shares_a_cookie_that_its_origin_forbids_to_share() {
        for set_cookie in [SetCookie::Store, SetCookie::Strip] {
            let owner = Policy { set_cookie, ..policy(10, 100, 1_000) };
            for forbidding in ["private", "no-store", "no-cache"] {
                let lines = ["set-cookie: a=b", &format!("cache-control: {forbidding}")];
                assert_eq!(
                    judge(&[], &response(200, &lines), &owner),
                    Storing::Skip(Reason::SetCookie),
                    "{forbidding}"
                );
            }
        }
    }

    #[test]
    fn what_is_for_one_viewer_is_shown_to_that_one_alone() {
        let lines = [
            "cache-control: private=\"x-a, Set-Cookie\", no-cache=\"x-b, x-a, age, connection\"",
            "x-a: 1",
            "x-a: 2",
            "x-b: 3",
            "x-c: 4",
            "set-cookie: a=b",
            "connection: x-b",
        ];
        let by = |set_cookie| for_one_viewer(&fields(&lines), &Policy { set_cookie, ..policy(0, 1, 2) });
        assert_eq!(by(SetCookie::Store), fields(&["x-a: 1", "x-a: 2", "set-cookie: a=b"]));
        assert_eq!(by(SetCookie::Strip), fields(&["x-a: 1", "x-a: 2"]));
        let plain = for_one_viewer(&fields(&["set-cookie: a=b", "x: y"]), &policy(0, 1, 2));
        assert_eq!(plain, fields(&["set-cookie: a=b"]));
    }

    #[test]
    fn a_cookie_is_not_stored_by_default_whatever_the_minimum() {
        check(200, &["set-cookie: a=b", "cache-control: public, max-age=60"], Some(Reason::SetCookie));
        check_policy(200, &["set-cookie: a=b"], (10, 20, 30), Some(Reason::SetCookie));
        check(200, &["set-cookie: a=b", "connection: set-cookie"], Some(Reason::SetCookie));
    }

    #[test]
    fn a_304_may_forbid_what_the_response_allowed() {
        let check = |lines: &[&str], expect: bool| {
            assert_eq!(may_stay(&testing::stored(lines), &policy(0, 100, 1_000)), expect, "{lines:?}");
        };
        check(&["cache-control: max-age=60"], true);
        check(&["cache-control: no-cache"], true);
        check(&["cache-control: no-store"], false);
        check(&["cache-control: private"], false);
        check(&["vary: *"], false);
    }

    #[test]
    fn a_stream_of_events_is_for_whoever_listens() {
        let lines = |essence| ["cache-control: max-age=60", essence];
        check(200, &lines("content-type: text/event-stream"), Some(Reason::EventStream));
        check(200, &lines("content-type: Text/Event-Stream ; charset=utf-8"), Some(Reason::EventStream));
        check(200, &lines("content-type: text/event-streams"), None);
    }

    #[test]
    fn parts_are_not_stored_as_wholes() {
        check(206, &["cache-control: max-age=60"], Some(Reason::Partial));
        check(304, &["cache-control: max-age=60"], Some(Reason::Partial));
        check(103, &["cache-control: max-age=60"], Some(Reason::Partial));
        let ranged = judge(&["range: bytes=0-1"], &response(200, &["cache-control: max-age=60"]), &policy(0, 1, 2));
        assert_eq!(ranged, Storing::Skip(Reason::ConditionalRequest));
    }

    #[test]
    fn a_status_that_is_about_one_viewer_is_never_stored() {
        for status in [428, 429, 431, 511] {
            check(status, &["cache-control: max-age=60"], Some(Reason::Status));
            check_policy(status, &[], (10, 10, 10), Some(Reason::Status));
        }
    }

    #[test]
    fn a_cookie_does_not_stay_where_a_304_forbids_to_share() {
        let stored = testing::stored(&["set-cookie: a=1", "cache-control: private"]);
        let owner = |min| Policy { set_cookie: SetCookie::Store, ..policy(min, 60, 100) };
        assert!(!may_stay(&stored, &owner(60)));
        assert!(may_stay(&testing::stored(&["cache-control: private"]), &owner(60)));
        assert!(may_stay(&testing::stored(&["set-cookie: a=1"]), &owner(60)));
    }

    #[test]
    fn a_status_is_stored_only_as_far_as_it_is_understood() {
        check(302, &[], Some(Reason::NoFreshness));
        check(302, &["cache-control: max-age=60"], None);
        check(299, &[], Some(Reason::NoFreshness));
        check(299, &["cache-control: public"], Some(Reason::NoFreshness));
        check(299, &["cache-control: max-age=60"], None);
        check(299, &["cache-control: max-age=60, must-understand"], Some(Reason::NotUnderstood));
        check_policy(
            299,
            &["cache-control: no-store, must-understand, max-age=60"],
            (10, 20, 30),
            Some(Reason::NotUnderstood),
        );
        check(200, &["cache-control: no-store, must-understand, max-age=60"], None);
    }

    #[test]
    fn a_response_that_varies_by_anything_is_not_stored() {
        check(200, &["vary: *"], Some(Reason::VaryAny));
        check(200, &["vary: accept, *"], Some(Reason::VaryAny));
        check(200, &["vary: accept"], None);
    }

    #[test]
    fn nothing_is_stored_where_caching_is_off() {
        check_policy(200, &["cache-control: max-age=60"], (0, 0, 0), Some(Reason::CachingOff));
    }

    #[track_caller]
    fn check_exchange(method: &Method, authorized: bool, line: &str, min: u64, expect: Option<Reason>) {
        let exchange = Exchange { method, forwarded: &HeaderMap::new(), authorized, received: AT_ONCE, label: UNKNOWN };
        let stored = decide(&exchange, &response(200, &[line]), &policy(min, min.max(100), 1_000));
        assert_eq!(matches!(stored, Storing::Store(_)), expect.is_none(), "{line}");
        if let Some(reason) = expect {
            assert_eq!(stored, Storing::Skip(reason), "{line}");
        }
    }

    #[test]
    fn an_answer_to_authorization_is_stored_only_by_the_origins_leave() {
        for line in ["cache-control: max-age=60", "cache-control: proxy-revalidate, max-age=60", "x: y"] {
            check_exchange(&Method::GET, true, line, 0, Some(Reason::Authorization));
            check_exchange(&Method::GET, true, line, 10, Some(Reason::Authorization));
        }
        for leave in ["public", "must-revalidate", "s-maxage=60"] {
            check_exchange(&Method::GET, true, &format!("cache-control: {leave}"), 0, None);
        }
        check_exchange(&Method::GET, true, "cache-control: public, no-store", 0, Some(Reason::Forbidden));
        check_exchange(&Method::GET, true, "cache-control: public, no-store", 10, Some(Reason::Authorization));
        // To be validated each time, by what each viewer is authorized to: its origin decides who gets it.
        for leave in ["public", "must-revalidate", "s-maxage=60"] {
            let line = format!("cache-control: no-cache, {leave}");
            check_exchange(&Method::GET, true, &line, 0, None);
            check_exchange(&Method::GET, true, &line, 10, Some(Reason::Authorization));
        }
        check_exchange(&Method::GET, true, "cache-control: no-cache", 0, Some(Reason::Authorization));
    }

    #[test]
    fn only_answers_to_get_are_stored() {
        for method in [Method::HEAD, Method::POST, Method::OPTIONS] {
            check_exchange(&method, false, "cache-control: public, max-age=60", 0, Some(Reason::Method));
        }
    }

    #[test]
    fn what_concerns_one_connection_or_one_reuse_is_left_out() {
        let lines = [
            "connection: close, x-hop",
            "x-hop: 1",
            "keep-alive: 5",
            "age: 3",
            "cache-control: no-cache=\"x-volatile\", max-age=9",
            "x-volatile: 1",
            "proxy-authenticate: x",
            "x-kept: 1",
        ];
        let Storing::Store(stored) = judge(&[], &response(200, &lines), &policy(0, 1, 100)) else { panic!("storable") };
        let expect = fields(&[
            "cache-control: no-cache=\"x-volatile\", max-age=9",
            "x-kept: 1",
            "date: Sun, 22 Nov 2026 16:00:00 GMT",
        ]);
        assert_eq!(stored.headers, expect);
    }
}
