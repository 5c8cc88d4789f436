//! A viewer's request into the one an origin is sent, and an origin's response fields into those a viewer gets.

pub mod to_edge;

use edge_contract::{Behavior, HostHeader, Origin, OriginHeaderValue};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header, request};

use crate::{
    NormalPath, carrying,
    choice::Carry,
    coding::Accepted,
    directives::CDN_CACHE_CONTROL,
    hops::{CDN_LOOP, end_to_end},
    key::{self, Keyed},
    max_forwards,
    proxies::X_FORWARDED_FOR,
    s3,
    validation::Conditional,
};

/// The field by which origins label responses with tags; it is for the edge alone.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// A request on its way to an origin.
#[derive(Clone, Copy)]
pub struct Outgoing<'a> {
    /// The viewer's request, after [`crate::arrival::settle`].
    pub viewer: &'a request::Parts,
    /// The viewer's host with its port ([`crate::head::Asked::authority`]): sent, and then keyed, under `HostHeader::Viewer`.
    pub authority: Option<&'a str>,
    /// What of the request is keyed.
    pub keyed: &'a Keyed,
    /// What is forwarded beside it.
    pub behavior: &'a Behavior,
    /// The id of the site, by which loops are found.
    pub site: &'a str,
    /// The origin that is asked.
    pub origin: &'a Origin,
    /// Which codings its answer may have where it is shared.
    pub accepted: Accepted,
}

impl Outgoing<'_> {
    /// The fields that the origin is sent. A condition is the edge's own; the viewer's goes along only where nothing is shared.
    pub fn headers(&self, carry: Carry, condition: Option<&Conditional>) -> HeaderMap {
        let mut headers = carrying::fields(self.viewer, self.behavior, carry);
        if carry == Carry::KeyedOnly {
            self.set_keyed(&mut headers);
        }
        if self.origin.s3.is_some() {
            s3::strip(&mut headers);
        }
        self.set_host(&mut headers);
        set(&mut headers, X_FORWARDED_FOR, self.viewer.headers.get(X_FORWARDED_FOR).cloned());
        self.append_hops(&mut headers);
        set(&mut headers, header::IF_NONE_MATCH, condition.and_then(|c| c.if_none_match.clone()));
        set(&mut headers, header::IF_MODIFIED_SINCE, condition.and_then(|c| c.if_modified_since.clone()));
        for field in &self.origin.headers {
            let Ok(name) = HeaderName::try_from(&field.name) else { continue };
            headers.remove(&name);
            // What is mounted is read by whoever sends the request.
            if let OriginHeaderValue::Value(value) = &field.value {
                set(&mut headers, name, HeaderValue::try_from(value).ok());
            }
        }
        headers
    }

    /// Whether a viewer's `Authorization` goes along.
    pub fn authorized(&self, carry: Carry) -> bool {
        let replaced = self.origin.headers.iter().any(|field| field.name.eq_ignore_ascii_case("authorization"));
        let goes = carrying::goes(&header::AUTHORIZATION, self.behavior, carry);
        goes && !replaced && self.origin.s3.is_none() && self.viewer.headers.contains_key(header::AUTHORIZATION)
    }

    /// In the form in which it is keyed, so that requests of one key are sent on as one.
    fn set_keyed(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.keyed.fields {
            // More cookies may go along than are keyed, and those that are are among them.
            if *name != header::COOKIE {
                headers.insert(name, value.clone());
            }
        }
        let is_keyed = self.keyed.fields.iter().any(|(name, _)| *name == header::ACCEPT_ENCODING);
        // Not the viewer's own words where the edge tells viewers apart by what they accept: all who share the answer accept this. Without
        // any word an origin may pick any coding (RFC 9110 §12.5.3).
        if !is_keyed && (self.behavior.compress || !headers.contains_key(header::ACCEPT_ENCODING)) {
            headers.insert(header::ACCEPT_ENCODING, self.accepted.for_origin());
        }
    }

    /// RFC 9112 §3.2: where there is no host to send, the field is sent empty. To S3 it names a bucket, which viewers do not choose.
    fn set_host(&self, headers: &mut HeaderMap) {
        let host = match &self.origin.host_header {
            HostHeader::Fixed(host) if !key::names_host(self.behavior) || self.origin.s3.is_some() => host.as_str(),
            _ => self.authority.unwrap_or_default(),
        };
        set(headers, header::HOST, HeaderValue::try_from(host).ok());
    }

    /// RFC 9110 §7.6.2, §7.6.3 and RFC 8586 §2. `CDN-Loop` keeps what earlier hops wrote even where nothing else of the viewer's goes along: a loop
    /// through other networks is found by nothing else. What no network writes there is not kept.
    fn append_hops(&self, headers: &mut HeaderMap) {
        for value in self.viewer.headers.get_all(CDN_LOOP).iter().filter(|value| value.to_str().is_ok()) {
            headers.append(CDN_LOOP, value.clone());
        }
        append_via(headers, self.viewer.version);
        if let Ok(value) = HeaderValue::try_from(self.site) {
            headers.append(CDN_LOOP, value);
        }
        set(headers, header::MAX_FORWARDS, max_forwards::further_on(self.viewer));
    }
}

/// The path and query that an origin is asked for: its base path, then the normal path, then what is forwarded of the query.
pub fn origin_target(origin: &Origin, path: &NormalPath, query: Option<&str>) -> String {
    let mut target = format!("{}{}", origin.base_path, path.as_str());
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    target
}

/// The fields of a response, fresh or stored, that a viewer gets. `Age` and `Cache-Status` are the caller's to add.
pub fn to_viewer(response: &HeaderMap) -> HeaderMap {
    let mut headers = end_to_end(response);
    headers.remove(CDN_CACHE_CONTROL);
    headers.remove(SURROGATE_KEY);
    headers
}

/// The same for an interim response, which has no content to speak of (RFC 9110 §15.2).
pub fn interim_to_viewer(response: &HeaderMap) -> HeaderMap {
    let mut headers = to_viewer(response);
    for name in [header::CONTENT_LENGTH, header::TRAILER] {
        headers.remove(name);
    }
    headers
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

/// RFC 9110 §7.6.3: says by which protocol the message was received.
pub fn append_via(headers: &mut HeaderMap, received_by: Version) {
    let via = match received_by {
        Version::HTTP_10 => "1.0 kubefront",
        Version::HTTP_2 => "2 kubefront",
        _ => "1.1 kubefront",
    };
    headers.append(header::VIA, HeaderValue::from_static(via));
}

#[cfg(test)]
mod tests {
    use edge_contract::{Choice, Forwarded, Methods};

    use super::*;
    use crate::testing::{self, behavior, fields, origin, policy};

    fn fixed() -> HostHeader {
        HostHeader::Fixed("app.local".to_owned())
    }

    fn plain() -> Behavior {
        behavior("*", Choice::All, Methods::All, 1)
    }

    /// What an origin is sent by a behavior that keys nothing of a head.
    fn sent(viewer: &request::Parts, origin: &Origin, carry: Carry, condition: Option<&Conditional>) -> HeaderMap {
        let (keyed, behavior) = (Keyed::default(), plain());
        let authority = Some("shop.example:8080");
        Outgoing {
            viewer,
            authority,
            keyed: &keyed,
            behavior: &behavior,
            site: "uid",
            origin,
            accepted: Accepted::Identity,
        }
        .headers(carry, condition)
    }

    fn is_authorized(viewer: &request::Parts, origin: &Origin, behavior: &Behavior, carry: Carry) -> bool {
        let keyed = Keyed::default();
        Outgoing { viewer, authority: None, keyed: &keyed, behavior, site: "uid", origin, accepted: Accepted::Identity }
            .authorized(carry)
    }

    const VIEWER: [&str; 12] = [
        "host: Shop.example:8080",
        "cookie: a=b",
        "authorization: x",
        "accept-encoding: br",
        "user-agent: u",
        "range: bytes=0-1",
        "if-none-match: \"v\"",
        "x-forwarded-for: 192.0.2.7",
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
        assert_eq!(sent(&viewer, &origin, Carry::KeyedOnly, Some(&condition)), fields(&expect));
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
        assert_eq!(sent(&viewer, &origin, Carry::Everything, None), fields(&expect));
    }

    #[test]
    fn the_viewers_host_is_sent_with_its_port_where_it_is_keyed() {
        let (viewer, origin) =
            (testing::request("GET", "/a", Version::HTTP_11, &VIEWER), origin(HostHeader::Viewer, &[]));
        for carry in [Carry::KeyedOnly, Carry::Everything] {
            let headers = sent(&viewer, &origin, carry, None);
            assert_eq!(headers.get(header::HOST).map(HeaderValue::as_bytes), Some(&b"shop.example:8080"[..]));
        }
    }

    #[test]
    fn a_request_that_counts_its_hops_is_told_on_with_one_less() {
        let mut behavior = plain();
        behavior.forward.headers = Forwarded::Exclude(vec!["max-forwards".to_owned()]);
        let (keyed, origin, accepted) = (Keyed::default(), origin(fixed(), &[]), Accepted::Identity);
        let told = |method: &str| {
            let viewer = testing::request(method, "/a", Version::HTTP_11, &["max-forwards: 7"]);
            let (viewer, keyed, behavior, origin) = (&viewer, &keyed, &behavior, &origin);
            let outgoing = Outgoing { viewer, authority: None, keyed, behavior, site: "uid", origin, accepted };
            outgoing.headers(Carry::Everything, None).remove(header::MAX_FORWARDS)
        };
        assert_eq!((told("OPTIONS"), told("POST")), (Some(HeaderValue::from(6)), None));
    }

    #[test]
    fn what_the_owner_configured_stands_over_the_viewers() {
        let viewer = testing::request("GET", "/a", Version::HTTP_11, &VIEWER);
        let owned = origin(fixed(), &[("authorization", "secret"), ("user-agent", "edge")]);
        let headers = sent(&viewer, &owned, Carry::Everything, None);
        assert_eq!(headers.get_all(header::AUTHORIZATION).iter().collect::<Vec<_>>(), ["secret"]);
        assert_eq!(headers.get(header::USER_AGENT).map(HeaderValue::as_bytes), Some(&b"edge"[..]));
        assert!(!is_authorized(&viewer, &owned, &plain(), Carry::Everything));
    }

    #[test]
    fn authorization_counts_where_it_goes_along_keyed_or_not() {
        let viewer = testing::request("GET", "/a", Version::HTTP_11, &VIEWER);
        let check = |change: fn(&mut Behavior), carry, expect: bool| {
            let mut behavior = plain();
            change(&mut behavior);
            assert_eq!(is_authorized(&viewer, &origin(fixed(), &[]), &behavior, carry), expect, "{behavior:?}");
        };
        check(|_| (), Carry::Everything, true);
        check(|_| (), Carry::KeyedOnly, false);
        check(|b| b.key.headers = vec!["authorization".to_owned()], Carry::KeyedOnly, true);
        check(|b| b.forward.headers = Forwarded::All, Carry::KeyedOnly, true);
        check(|b| b.forward.headers = Forwarded::None, Carry::Everything, false);
    }

    #[test]
    fn where_the_edge_codes_an_origin_is_told_what_all_who_share_the_answer_accept() {
        let viewer = testing::request("GET", "/a", Version::HTTP_11, &["accept-encoding: zstd, br, gzip"]);
        let (origin, keyed, accepted) = (origin(fixed(), &[]), Keyed::default(), Accepted::by(&viewer));
        let told = |compress: bool| {
            let mut behavior = plain();
            behavior.compress = compress;
            behavior.forward.headers = Forwarded::All;
            let (viewer, behavior, keyed, origin) = (&viewer, &behavior, &keyed, &origin);
            let outgoing = Outgoing { viewer, authority: None, keyed, behavior, site: "uid", origin, accepted };
            outgoing.headers(Carry::KeyedOnly, None).get(header::ACCEPT_ENCODING).cloned()
        };
        assert_eq!(told(true), Some(HeaderValue::from_static("br, gzip")));
        assert_eq!(told(false), Some(HeaderValue::from_static("zstd, br, gzip")));
    }

    #[test]
    fn what_is_keyed_is_sent_in_the_form_it_is_keyed_in() {
        let mut behavior = Behavior { compress: false, ..plain() };
        behavior.key.headers = vec!["host".to_owned(), "x-a".to_owned(), "accept-encoding".to_owned()];
        behavior.key.cookies = Choice::Include(vec!["b".to_owned()]);
        behavior.forward.cookies = Forwarded::Include(vec!["a".to_owned()]);
        let lines = ["x-a: 1", "x-a:  2 ", "accept-encoding: br", "cookie: c=3; b=2; a=1", "x-b: 3"];
        let viewer = testing::request("GET", "/a", Version::HTTP_11, &lines);
        let (site, origin) = (testing::site(None, vec![]), origin(fixed(), &[]));
        let asked = crate::head::Asked {
            host: Some("shop.example".to_owned()),
            authority: Some("shop.example:8080".to_owned()),
            path: NormalPath::parse("/a").expect("legal"),
            query: None,
            expects_continue: false,
        };
        let (_, keyed) = key::of_request(&site, &behavior, &viewer, &asked, &asked.path);
        let authority = asked.authority.as_deref();
        let outgoing = Outgoing {
            viewer: &viewer,
            authority,
            keyed: &keyed,
            behavior: &behavior,
            site: "uid",
            origin: &origin,
            accepted: Accepted::Identity,
        };
        let expect = [
            "x-a: 1, 2",
            "accept-encoding: br",
            "cookie: b=2; a=1",
            "host: shop.example:8080",
            "via: 1.1 kubefront",
            "cdn-loop: uid",
        ];
        assert_eq!(outgoing.headers(Carry::KeyedOnly, None), fields(&expect));
    }

    #[test]
    fn where_codings_are_told_apart_none_of_the_viewers_own_words_for_them_goes_along() {
        let viewer = testing::request("GET", "/a", Version::HTTP_11, &["accept-encoding: zstd, br"]);
        let (origin, keyed) = (origin(fixed(), &[]), Keyed::default());
        for (compress, expect) in [(true, "br"), (false, "zstd, br")] {
            let mut behavior = Behavior { compress, ..plain() };
            behavior.forward.headers = Forwarded::All;
            let accepted = if compress { Accepted::Brotli } else { Accepted::Identity };
            let (behavior, keyed, origin) = (&behavior, &keyed, &origin);
            let outgoing =
                Outgoing { viewer: &viewer, authority: None, keyed, behavior, site: "uid", origin, accepted };
            let headers = outgoing.headers(Carry::KeyedOnly, None);
            assert_eq!(headers.get(header::ACCEPT_ENCODING).map(HeaderValue::as_bytes), Some(expect.as_bytes()));
        }
    }

    #[test]
    fn a_bucket_is_sent_no_command_and_no_host_of_a_viewers() {
        let lines = ["host: other-bucket", "authorization: x", "x-amz-acl: public-read", "content-type: a/b"];
        let viewer = testing::request("PUT", "/a", Version::HTTP_11, &lines);
        let s3 = Some(edge_contract::S3 { region: "eu-west-1".to_owned(), credentials: None });
        let origin = Origin { s3, ..origin(fixed(), &[("x-amz-request-payer", "requester")]) };
        let (mut behavior, keyed) = (plain(), Keyed::default());
        behavior.key.headers = vec!["host".to_owned(), "x-amz-acl".to_owned()];
        let (authority, behavior, origin) = (Some("other-bucket"), &behavior, &origin);
        let (viewer, keyed, accepted) = (&viewer, &keyed, Accepted::Identity);
        let outgoing = Outgoing { viewer, authority, keyed, behavior, site: "uid", origin, accepted };
        let expect = [
            "content-type: a/b",
            "host: app.local",
            "via: 1.1 kubefront",
            "cdn-loop: uid",
            "x-amz-request-payer: requester",
        ];
        assert_eq!(outgoing.headers(Carry::Everything, None), fields(&expect));
        assert!(!outgoing.authorized(Carry::Everything));
    }

    #[test]
    fn a_host_that_nobody_named_is_sent_empty() {
        let (viewer, origin) = (testing::request("GET", "/a", Version::HTTP_10, &[]), origin(HostHeader::Viewer, &[]));
        let (keyed, behavior) = (Keyed::default(), plain());
        let outgoing = Outgoing {
            viewer: &viewer,
            authority: None,
            keyed: &keyed,
            behavior: &behavior,
            site: "uid",
            origin: &origin,
            accepted: Accepted::Identity,
        };
        let headers = outgoing.headers(Carry::KeyedOnly, None);
        assert_eq!(headers.get(header::HOST).map(HeaderValue::as_bytes), Some(&b""[..]));
    }

    #[test]
    fn a_chain_of_networks_that_no_network_wrote_goes_no_further() {
        let viewer = testing::request("GET", "/a", Version::HTTP_11, &["cdn-loop: a, b", "cdn-loop: \u{e9}"]);
        for carry in [Carry::KeyedOnly, Carry::Everything] {
            let headers = sent(&viewer, &origin(fixed(), &[]), carry, None);
            assert_eq!(headers.get_all(CDN_LOOP).iter().collect::<Vec<_>>(), ["a, b", "uid"]);
        }
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
    fn what_is_meant_for_the_edge_does_not_reach_viewers() {
        let lines =
            ["cdn-cache-control: max-age=1", "surrogate-key: a b", "cache-control: max-age=2", "connection: close"];
        assert_eq!(to_viewer(&fields(&lines)), fields(&["cache-control: max-age=2"]));
    }

    #[test]
    fn an_interim_response_announces_no_content() {
        let lines = ["link: </a.css>", "content-length: 3", "transfer-encoding: chunked", "surrogate-key: a"];
        assert_eq!(interim_to_viewer(&fields(&lines)), fields(&["link: </a.css>"]));
    }

    #[test]
    fn the_target_is_the_base_path_the_path_and_the_keyed_query() {
        let path = NormalPath::parse("/a").expect("legal");
        assert_eq!(origin_target(&origin(fixed(), &[]), &path, Some("x=1")), "/base/a?x=1");
        assert_eq!(origin_target(&origin(fixed(), &[]), &path, None), "/base/a");
    }
}
