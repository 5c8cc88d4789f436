//! A viewer's fields and a behavior's rules into those that go along to an origin.

use edge_contract::{Behavior, Forwarded};
use http::{HeaderMap, HeaderName, header, request};

use crate::{
    choice::{Carry, Going, forwards},
    cookies,
    hops::{CDN_LOOP, end_to_end},
    proxies::X_FORWARDED_FOR,
};

/// What an edge writes itself, or not at all, whoever names it.
const WRITTEN_HERE: [HeaderName; 3] = [header::HOST, CDN_LOOP, X_FORWARDED_FOR];

/// What would make an origin answer a fill with less than the whole response, or with something else.
const ABOUT_THE_ANSWER: [HeaderName; 8] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::EXPECT,
    header::CONTENT_LENGTH,
];

/// What a request that is passed on would mean something else without: what its content is, and under which conditions it holds
/// (RFC 9110 §8.3–§8.7, §13.1, §14.4); of another protocol, which one (RFC 6455 §11.3).
const OF_THE_REQUEST_ITSELF: [HeaderName; 16] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
];

/// The fields of the viewer's own that an origin is sent, as they came. Where answers are shared, what is keyed is still to be set in the
/// form in which it is keyed.
pub fn fields(viewer: &request::Parts, behavior: &Behavior, carry: Carry) -> HeaderMap {
    let mut kept = HeaderMap::new();
    let nothing_but_keyed =
        carry == Carry::KeyedOnly && matches!(behavior.forward.headers, Forwarded::Auto | Forwarded::None);
    if !nothing_but_keyed {
        let headers = end_to_end(&viewer.headers);
        for (name, value) in headers.iter().filter(|(name, _)| goes(name, behavior, carry)) {
            kept.append(name, value.clone());
        }
    }
    let going = Going { key: &behavior.key.cookies, forward: &behavior.forward.cookies, carry };
    if carry == Carry::Everything && going.takes_all() {
        for line in viewer.headers.get_all(header::COOKIE) {
            kept.append(header::COOKIE, line.clone());
        }
    } else if let Some(cookie) = cookies::forwarded(&viewer.headers, &going) {
        kept.insert(header::COOKIE, cookie);
    }
    kept
}

/// Whether a field goes along, if a viewer sends it. Cookies have rules of their own.
pub fn goes(name: &HeaderName, behavior: &Behavior, carry: Carry) -> bool {
    if *name == header::COOKIE || WRITTEN_HERE.contains(name) {
        return false;
    }
    if carry == Carry::KeyedOnly && ABOUT_THE_ANSWER.contains(name) {
        return false;
    }
    let rule = &behavior.forward.headers;
    behavior.key.headers.iter().any(|keyed| keyed == name.as_str())
        || forwards(rule, carry, name.as_str().as_bytes())
        || carry == Carry::Everything && !matches!(rule, Forwarded::Exclude(_)) && OF_THE_REQUEST_ITSELF.contains(name)
}

#[cfg(test)]
mod tests {
    use edge_contract::{Choice, Methods};
    use http::Version;

    use super::*;
    use crate::testing;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    const VIEWER: [&str; 14] = [
        "host: shop.example",
        "x-a: 1",
        "x-a: 2",
        "x-b: 3",
        "authorization: x",
        "cookie: c=1; d=2",
        "range: bytes=0-1",
        "if-none-match: \"v\"",
        "if-match: \"v\"",
        "content-type: text/plain",
        "expect: 100-continue",
        "cdn-loop: other",
        "x-forwarded-for: 192.0.2.7",
        "connection: close",
    ];

    #[track_caller]
    fn check(carry: Carry, rule: Forwarded, expect: &[&str]) {
        let mut behavior = testing::behavior("*", Choice::All, Methods::All, 1);
        behavior.key.headers = names(&["x-a"]);
        behavior.forward.headers = rule;
        let viewer = testing::request("GET", "/a", Version::HTTP_11, &VIEWER);
        let cookie = if carry == Carry::Everything { &["cookie: c=1; d=2"][..] } else { &[] };
        let expect: Vec<&str> = expect.iter().chain(cookie).copied().collect();
        assert_eq!(fields(&viewer, &behavior, carry), testing::fields(&expect), "{:?}", behavior.forward.headers);
    }

    #[test]
    fn where_answers_are_shared_what_is_forwarded_is_what_the_rule_names_and_no_condition() {
        check(Carry::KeyedOnly, Forwarded::Auto, &[]);
        check(Carry::KeyedOnly, Forwarded::None, &[]);
        check(Carry::KeyedOnly, Forwarded::Include(names(&["x-b", "range"])), &["x-a: 1", "x-a: 2", "x-b: 3"]);
        let all = ["x-a: 1", "x-a: 2", "x-b: 3", "authorization: x", "content-type: text/plain"];
        check(Carry::KeyedOnly, Forwarded::All, &all);
        check(
            Carry::KeyedOnly,
            Forwarded::Exclude(names(&["x-a", "x-b", "cookie"])),
            &["x-a: 1", "x-a: 2", all[3], all[4]],
        );
    }

    #[test]
    fn where_a_request_is_passed_on_it_stays_what_it_is_whatever_the_rule() {
        let itself = [
            "x-a: 1",
            "x-a: 2",
            "if-none-match: \"v\"",
            "if-match: \"v\"",
            "content-type: text/plain",
            "range: bytes=0-1",
        ];
        check(Carry::Everything, Forwarded::None, &itself);
        check(Carry::Everything, Forwarded::Include(names(&["x-b"])), &[&itself[..], &["x-b: 3"]].concat());
        let rest = ["x-b: 3", "authorization: x", "expect: 100-continue"];
        check(Carry::Everything, Forwarded::Auto, &[&itself[..], &rest].concat());
        check(Carry::Everything, Forwarded::All, &[&itself[..], &rest].concat());
        let without = Forwarded::Exclude(names(&["x-b", "if-match", "content-type", "authorization"]));
        check(Carry::Everything, without, &[itself[0], itself[1], itself[2], itself[5], rest[2]]);
    }

    #[test]
    fn cookies_go_by_their_own_rule() {
        let mut behavior = testing::behavior("*", Choice::All, Methods::All, 1);
        behavior.key.cookies = Choice::Include(names(&["d"]));
        behavior.forward.headers = Forwarded::All;
        let viewer = testing::request("GET", "/a", Version::HTTP_11, &["cookie: c=1", "cookie: d=2; c=3"]);
        let sent = |behavior: &Behavior, carry| fields(&viewer, behavior, carry);
        assert_eq!(sent(&behavior, Carry::KeyedOnly), testing::fields(&["cookie: d=2"]));
        assert_eq!(sent(&behavior, Carry::Everything), testing::fields(&["cookie: c=1", "cookie: d=2; c=3"]));
        behavior.forward.cookies = Forwarded::Include(names(&["c"]));
        behavior.forward.headers = Forwarded::None;
        assert_eq!(sent(&behavior, Carry::KeyedOnly), testing::fields(&["cookie: c=1; d=2; c=3"]));
    }
}
