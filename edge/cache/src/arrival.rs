//! A viewer's head as it came into what of it counts, before anything else is decided by it.
//!
//! What is keyed and what is forwarded are read from the same head, so neither can hold what the other does not.

use std::net::IpAddr;

use http::{HeaderName, HeaderValue, Version, header, request};

use crate::{
    cookies,
    hops::remove_nominated,
    proxies::{TrustedProxies, X_FORWARDED_FOR},
    tier,
};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Takes out of a head what must not count, and says who the viewer is.
///
/// What `Connection` names goes (RFC 9110 §7.6.1), and what only edges say to one another; the crumbs of a cookie become one field (RFC 9113 §8.2.3). `X-Forwarded-For` is what an
/// origin is told from here on, and `X-Forwarded-Proto` is left only by a trusted proxy.
pub fn settle(request: &mut request::Parts, peer: IpAddr, trusted: &TrustedProxies) -> IpAddr {
    let headers = &mut request.headers;
    remove_nominated(headers);
    tier::strip(headers);
    if request.version == Version::HTTP_2
        && let Some(cookie) = cookies::whole(headers)
    {
        headers.insert(header::COOKIE, cookie);
    }
    if !trusted.contain(peer) {
        headers.remove(X_FORWARDED_PROTO);
    }
    let origination = trusted.originate(peer, headers);
    headers.remove(X_FORWARDED_FOR);
    headers.extend(HeaderValue::try_from(origination.told).map(|told| (X_FORWARDED_FOR, told)));
    origination.viewer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fields, request};

    #[track_caller]
    fn check(version: Version, peer: &str, lines: &[&str], viewer: &str, expect: &[&str]) {
        let mut parts = request("GET", "/a", version, lines);
        let trusted = TrustedProxies::new(&["10.0.0.0/8".to_owned()]);
        let found = settle(&mut parts, peer.parse().expect("an address"), &trusted);
        assert_eq!((found.to_string().as_str(), parts.headers), (viewer, fields(expect)), "{lines:?}");
    }

    #[test]
    fn what_connection_names_is_gone_before_anything_looks_at_it() {
        check(
            Version::HTTP_11,
            "192.0.2.7",
            &[
                "connection: Cookie, close",
                "connection: x-a ,upgrade,",
                "cookie: a=1",
                "x-a: 1",
                "upgrade: x",
                "x-b: 2",
            ],
            "192.0.2.7",
            &[
                "connection: Cookie, close",
                "connection: x-a ,upgrade,",
                "upgrade: x",
                "x-b: 2",
                "x-forwarded-for: 192.0.2.7",
            ],
        );
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let crumbs = ["cookie: a=1", "x: y", "cookie: b=2", "cookie: c=3; d=4"];
        let told = "x-forwarded-for: 192.0.2.7";
        check(Version::HTTP_2, "192.0.2.7", &crumbs, "192.0.2.7", &["cookie: a=1; b=2; c=3; d=4", "x: y", told]);
        check(Version::HTTP_2, "192.0.2.7", &["x: y"], "192.0.2.7", &["x: y", told]);
        let lines = ["cookie: a=1", "cookie: b=2", told];
        check(Version::HTTP_11, "192.0.2.7", &lines[..2], "192.0.2.7", &lines);
    }

    #[test]
    fn only_a_trusted_peer_says_who_asked_it_and_how() {
        let lines = ["x-forwarded-for: 203.0.113.1", "x-forwarded-proto: https"];
        check(Version::HTTP_11, "192.0.2.7", &lines, "192.0.2.7", &["x-forwarded-for: 192.0.2.7"]);
        let extended = ["x-forwarded-for: 203.0.113.1, 10.0.0.1", "x-forwarded-proto: https"];
        check(Version::HTTP_11, "10.0.0.1", &lines, "203.0.113.1", &extended);
        let several = ["x-forwarded-for: 1.1.1.1", "x-forwarded-for: 203.0.113.1", "x-forwarded-proto: https"];
        let extended = ["x-forwarded-for: 1.1.1.1, 203.0.113.1, 10.0.0.1", "x-forwarded-proto: https"];
        check(Version::HTTP_11, "10.0.0.1", &several, "203.0.113.1", &extended);
    }
}
