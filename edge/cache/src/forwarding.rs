//! A viewer's request into the one an origin is sent, and an origin's response fields into those a viewer gets.

use std::net::IpAddr;

use edge_contract::{HostHeader, Origin};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header, request};

use crate::{NormalPath, Policy, coding::Accepted, directives::CDN_CACHE_CONTROL, validation::Conditional};

/// RFC 8586.
pub const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// The field by which origins label responses with tags; it is for the edge alone.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const PROXY_AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("proxy-authentication-info");

/// RFC 9110 §7.6.1 and RFC 9111 §3.1: what concerns one connection only. What `Connection` names comes on top.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    PROXY_AUTHENTICATION_INFO,
];

/// The end-to-end fields, in either direction.
pub fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for line in headers.get_all(header::CONNECTION) {
        for option in line.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            if let Ok(name) = HeaderName::from_bytes(option) {
                kept.remove(name);
            }
        }
    }
    for name in HOP_BY_HOP {
        kept.remove(name);
    }
    kept
}

/// RFC 9113 §8.2.3: a cookie that HTTP/2 brought in crumbs is one field to everyone who does not speak it.
fn whole_cookie(mut headers: HeaderMap, version: Version) -> HeaderMap {
    if version == Version::HTTP_2 {
        let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let (2.., Ok(whole)) = (crumbs.len(), HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))) {
            headers.insert(header::COOKIE, whole);
        }
    }
    headers
}

/// A request on its way to an origin.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// The viewer's request.
    pub viewer: &'a request::Parts,
    /// The viewer's host with its port ([`crate::head::Asked::authority`]): sent, and then keyed, under `HostHeader::Viewer`.
    pub authority: Option<&'a str>,
    /// The address of the viewer's connection.
    pub peer: IpAddr,
    /// The id of the site, by which loops are found.
    pub site: &'a str,
    /// The origin that is asked.
    pub origin: &'a Origin,
    /// Which codings its answer may have where it is shared.
    pub accepted: Accepted,
}

/// Which of the viewer's own fields go along (mode `Auto`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carry {
    /// None: what is not part of the key must not shape a response that others get.
    KeyedOnly,
    /// All end-to-end fields: nothing of the answer is shared.
    Everything,
}

impl Carry {
    /// A request whose answer may be stored or shared carries what is keyed; every other one carries everything.
    pub fn of(request: &request::Parts, policy: &Policy) -> Self {
        let cached = policy.caches() && matches!(request.method.as_str(), "GET" | "HEAD");
        if cached { Self::KeyedOnly } else { Self::Everything }
    }
}

impl Outgoing<'_> {
    /// The fields that the origin is sent. A condition is the edge's own; the viewer's goes along only with everything else.
    pub fn headers(&self, carry: Carry, condition: Option<&Conditional>) -> HeaderMap {
        let mut headers = match carry {
            Carry::Everything => whole_cookie(end_to_end(&self.viewer.headers), self.viewer.version),
            // Not the viewer's own words: all who share the answer accept this.
            Carry::KeyedOnly => HeaderMap::from_iter([(header::ACCEPT_ENCODING, self.accepted.for_origin())]),
        };
        self.set_host(&mut headers);
        self.set_forwarded_for(&mut headers);
        self.append_hops(carry, &mut headers);
        set(&mut headers, header::IF_NONE_MATCH, condition.and_then(|c| c.if_none_match.clone()));
        set(&mut headers, header::IF_MODIFIED_SINCE, condition.and_then(|c| c.if_modified_since.clone()));
        for field in &self.origin.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(&field.name), HeaderValue::try_from(&field.value)) {
                headers.insert(name, value);
            }
        }
        headers
    }

    /// Whether a viewer's `Authorization` goes along.
    pub fn authorized(&self, carry: Carry) -> bool {
        let replaced = self.origin.headers.iter().any(|field| field.name.eq_ignore_ascii_case("authorization"));
        carry == Carry::Everything && !replaced && self.viewer.headers.contains_key(header::AUTHORIZATION)
    }

    fn set_host(&self, headers: &mut HeaderMap) {
        let host = match &self.origin.host_header {
            HostHeader::Fixed(host) => Some(host.as_str()),
            HostHeader::Viewer => self.authority,
        };
        headers.remove(header::HOST);
        set(headers, header::HOST, host.and_then(|host| HeaderValue::try_from(host).ok()));
    }

    /// The peer's address alone: what a viewer wrote there is not to be believed.
    fn set_forwarded_for(&self, headers: &mut HeaderMap) {
        set(headers, X_FORWARDED_FOR, HeaderValue::try_from(self.peer.to_string()).ok());
    }

    /// RFC 9110 §7.6.3 and RFC 8586 §2. `CDN-Loop` keeps what earlier hops wrote even where nothing else of the viewer's goes
    /// along: a loop through other networks is found by nothing else.
    fn append_hops(&self, carry: Carry, headers: &mut HeaderMap) {
        if carry == Carry::KeyedOnly {
            for value in self.viewer.headers.get_all(CDN_LOOP) {
                headers.append(CDN_LOOP, value.clone());
            }
        }
        if let Ok(value) = HeaderValue::try_from(format!("{} kubefront", protocol(self.viewer.version))) {
            headers.append(header::VIA, value);
        }
        if let Ok(value) = HeaderValue::try_from(self.site) {
            headers.append(CDN_LOOP, value);
        }
    }
}

/// The path and query that an origin is asked for: its base path, then the normal path, then what is keyed of the query.
pub fn origin_target(origin: &Origin, path: &NormalPath, query: Option<&str>) -> String {
    let mut target = format!("{}{}", origin.base_path, path.as_str());
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    target
}

/// The fields of a response, fresh or stored, that a viewer gets. `Age`, `Via` and `Cache-Status` are the caller's to add.
pub fn to_viewer(response: &HeaderMap) -> HeaderMap {
    let mut headers = end_to_end(response);
    headers.remove(CDN_CACHE_CONTROL);
    headers.remove(SURROGATE_KEY);
    headers
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

/// RFC 9110 §7.6.3: the protocol in which the message was received.
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::testing::{self, fields, origin, policy};

    fn fixed() -> HostHeader {
        HostHeader::Fixed("app.local".to_owned())
    }

    fn outgoing<'a>(viewer: &'a request::Parts, origin: &'a Origin) -> Outgoing<'a> {
        let peer = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
        let accepted = Accepted::Identity;
        Outgoing { viewer, authority: Some("shop.example:8080"), peer, site: "uid", origin, accepted }
    }

    const VIEWER: [&str; 12] = [
        "host: Shop.example:8080",
        "cookie: a=b",
        "authorization: x",
        "accept-encoding: br",
        "user-agent: u",
        "range: bytes=0-1",
        "if-none-match: \"v\"",
        "x-forwarded-for: 10.0.0.1",
        "x-forwarded-host: evil",
        "via: 1.1 other",
        "cdn-loop: other; a=b",
        "connection: keep-alive, user-agent",
    ];

    #[test]
    fn where_caching_is_on_the_origin_sees_nothing_of_the_viewer_that_is_not_keyed() {
        let (viewer, origin) = (testing::request("GET", "/a", Version::HTTP_11, &VIEWER), origin(fixed(), &[]));
        let condition = Conditional { if_none_match: Some(HeaderValue::from_static("\"s\"")), if_modified_since: None };
        let expect = [
            "accept-encoding: identity",
            "host: app.local",
            "x-forwarded-for: 192.0.2.7",
            "via: 1.1 kubefront",
            "cdn-loop: other; a=b",
            "cdn-loop: uid",
            "if-none-match: \"s\"",
        ];
        assert_eq!(outgoing(&viewer, &origin).headers(Carry::KeyedOnly, Some(&condition)), fields(&expect));
    }

    #[test]
    fn where_caching_is_off_everything_end_to_end_goes_along() {
        let (viewer, origin) = (testing::request("GET", "/a", Version::HTTP_2, &VIEWER), origin(fixed(), &[]));
        let expect = [
            "cookie: a=b",
            "authorization: x",
            "accept-encoding: br",
            "range: bytes=0-1",
            "if-none-match: \"v\"",
            "x-forwarded-host: evil",
            "host: app.local",
            "x-forwarded-for: 192.0.2.7",
            "via: 1.1 other",
            "via: 2 kubefront",
            "cdn-loop: other; a=b",
            "cdn-loop: uid",
        ];
        assert_eq!(outgoing(&viewer, &origin).headers(Carry::Everything, None), fields(&expect));
    }

    #[test]
    fn the_crumbs_of_a_cookie_are_one_field_to_an_origin() {
        let origin = origin(fixed(), &[]);
        let cookies = |version: Version, lines: &[&str]| {
            let viewer = testing::request("GET", "/a", version, lines);
            let headers = outgoing(&viewer, &origin).headers(Carry::Everything, None);
            headers
                .get_all(header::COOKIE)
                .iter()
                .map(|value| value.to_str().expect("text").to_owned())
                .collect::<Vec<_>>()
        };
        let crumbs = ["cookie: a=1", "x: y", "cookie: b=2", "cookie: c=3; d=4"];
        assert_eq!(cookies(Version::HTTP_2, &crumbs), ["a=1; b=2; c=3; d=4"]);
        assert_eq!(cookies(Version::HTTP_2, &["cookie: a=1"]), ["a=1"]);
        assert_eq!(cookies(Version::HTTP_2, &["x: y"]), Vec::<String>::new());
        assert_eq!(cookies(Version::HTTP_11, &["cookie: a=1", "cookie: b=2"]), ["a=1", "b=2"]);
    }

    #[test]
    fn the_viewers_host_is_sent_with_its_port_where_it_is_keyed() {
        let (viewer, origin) =
            (testing::request("GET", "/a", Version::HTTP_11, &VIEWER), origin(HostHeader::Viewer, &[]));
        for carry in [Carry::KeyedOnly, Carry::Everything] {
            let headers = outgoing(&viewer, &origin).headers(carry, None);
            assert_eq!(headers.get(header::HOST).map(HeaderValue::as_bytes), Some(&b"shop.example:8080"[..]));
        }
    }

    #[test]
    fn what_the_owner_configured_stands_over_the_viewers() {
        let viewer = testing::request("GET", "/a", Version::HTTP_11, &VIEWER);
        let owned = origin(fixed(), &[("authorization", "secret"), ("user-agent", "edge")]);
        let headers = outgoing(&viewer, &owned).headers(Carry::Everything, None);
        assert_eq!(headers.get_all(header::AUTHORIZATION).iter().collect::<Vec<_>>(), ["secret"]);
        assert_eq!(headers.get(header::USER_AGENT).map(HeaderValue::as_bytes), Some(&b"edge"[..]));
        assert!(!outgoing(&viewer, &owned).authorized(Carry::Everything));
        let plain = origin(fixed(), &[]);
        assert!(outgoing(&viewer, &plain).authorized(Carry::Everything));
        assert!(!outgoing(&viewer, &plain).authorized(Carry::KeyedOnly));
    }

    #[test]
    fn only_what_may_be_stored_is_asked_for_without_the_viewers_fields() {
        let check = |method: &str, max: u64, expect: Carry| {
            let request = testing::request(method, "/a", Version::HTTP_11, &[]);
            assert_eq!(Carry::of(&request, &policy(0, 0, max)), expect, "{method} {max}");
        };
        check("GET", 1, Carry::KeyedOnly);
        check("HEAD", 1, Carry::KeyedOnly);
        check("GET", 0, Carry::Everything);
        check("POST", 1, Carry::Everything);
        check("OPTIONS", 1, Carry::Everything);
    }

    #[test]
    fn fields_of_one_connection_go_no_further() {
        let lines = [
            "connection: close, X-Hop",
            "connection: x-other",
            "x-hop: 1",
            "x-other: 2",
            "keep-alive: 1",
            "te: trailers",
            "trailer: x",
            "transfer-encoding: chunked",
            "upgrade: h2c",
            "proxy-connection: x",
            "proxy-authorization: x",
            "proxy-authenticate: x",
            "proxy-authentication-info: x",
            "x-kept: 3",
        ];
        assert_eq!(end_to_end(&fields(&lines)), fields(&["x-kept: 3"]));
    }

    #[test]
    fn what_is_meant_for_the_edge_does_not_reach_viewers() {
        let lines =
            ["cdn-cache-control: max-age=1", "surrogate-key: a b", "cache-control: max-age=2", "connection: close"];
        assert_eq!(to_viewer(&fields(&lines)), fields(&["cache-control: max-age=2"]));
    }

    #[test]
    fn the_target_is_the_base_path_the_path_and_the_keyed_query() {
        let path = NormalPath::parse("/a").expect("legal");
        assert_eq!(origin_target(&origin(fixed(), &[]), &path, Some("x=1")), "/base/a?x=1");
        assert_eq!(origin_target(&origin(fixed(), &[]), &path, None), "/base/a");
    }
}
