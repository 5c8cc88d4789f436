//! A viewer's request into what another edge is asked in place of an origin: by the same configuration, it keys and forwards the same.
//!
//! What is an origin's alone (its host, path, header fields and signature) is left to the edge that asks the origin, and so is what is said of hops:
//! the origin sees the viewer as it would without an edge in between.

use http::{HeaderMap, HeaderValue, header};

use super::{Outgoing, append_via, set};
use crate::{carrying, choice::Carry, hops::CDN_LOOP, proxies::X_FORWARDED_FOR, validation::Conditional};

/// What a request without `Host` (HTTP/1.0) says in its place.
pub const NO_HOST: &str = "none.edges.kubefront";

impl Outgoing<'_> {
    /// The fields that another edge is sent. A condition is this edge's own; the viewer's goes along only where nothing is shared.
    pub fn to_edge(&self, carry: Carry, condition: Option<&Conditional>) -> HeaderMap {
        let mut headers = carrying::fields(self.viewer, self.behavior, carry);
        if carry == Carry::KeyedOnly {
            self.set_keyed_for_edge(&mut headers);
        }
        if self.behavior.viewer_controls == edge_contract::ViewerControls::Respect {
            // RFC 9111 §5.2.1: what a viewer asks of caches, it asks of all on its way.
            for name in [header::CACHE_CONTROL, header::PRAGMA] {
                set_all(&mut headers, &name, &self.viewer.headers);
            }
        }
        set(&mut headers, header::HOST, HeaderValue::try_from(self.authority.unwrap_or(NO_HOST)).ok());
        set(&mut headers, X_FORWARDED_FOR, self.viewer.headers.get(X_FORWARDED_FOR).cloned());
        headers.remove(CDN_LOOP);
        for value in self.viewer.headers.get_all(CDN_LOOP).iter().filter(|value| value.to_str().is_ok()) {
            headers.append(CDN_LOOP, value.clone());
        }
        append_via(&mut headers, self.viewer.version);
        set(&mut headers, header::IF_NONE_MATCH, condition.and_then(|c| c.if_none_match.clone()));
        set(&mut headers, header::IF_MODIFIED_SINCE, condition.and_then(|c| c.if_modified_since.clone()));
        // One less is for the edge that asks the origin to say, so that there is one hop less and not two.
        set_all(&mut headers, &header::MAX_FORWARDS, &self.viewer.headers);
        // RFC 9110 §10.1.4: what comes behind a body is passed on.
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers
    }

    /// As it is keyed. What nobody keys and nobody forwards the other edge adds itself, as this one would.
    fn set_keyed_for_edge(&self, headers: &mut HeaderMap) {
        for (name, value) in self.keyed.fields.iter().filter(|(name, _)| *name != header::COOKIE) {
            headers.insert(name, value.clone());
        }
        let is_keyed = self.behavior.key.headers.iter().any(|name| name == header::ACCEPT_ENCODING.as_str());
        if self.behavior.compress && !is_keyed {
            headers.insert(header::ACCEPT_ENCODING, self.accepted.for_origin());
        }
    }
}

fn set_all(headers: &mut HeaderMap, name: &header::HeaderName, from: &HeaderMap) {
    headers.remove(name);
    for value in from.get_all(name) {
        headers.append(name, value.clone());
    }
}

#[cfg(test)]
mod tests {
    use edge_contract::{Choice, HostHeader, Methods, ViewerControls};
    use http::Version;

    use super::*;
    use crate::coding::Accepted;
    use crate::key::Keyed;
    use crate::testing::{self, behavior, fields, origin};

    const VIEWER: [&str; 9] = [
        "host: Shop.example:8080",
        "cookie: a=b",
        "authorization: x",
        "accept-encoding: br;q=0.9, gzip",
        "cache-control: no-cache",
        "if-none-match: \"v\"",
        "x-forwarded-for: 192.0.2.7, 192.0.2.8",
        "via: 1.1 other",
        "cdn-loop: other; a=b",
    ];

    #[track_caller]
    fn check(change: impl FnOnce(&mut edge_contract::Behavior), carry: Carry, expect: &[&str]) {
        let viewer = testing::request("GET", "/a", Version::HTTP_2, &VIEWER);
        let (mut behavior, origin) = (
            behavior("*", Choice::All, Methods::All, 1),
            origin(HostHeader::Fixed("app.local".into()), &[("x", "secret")]),
        );
        change(&mut behavior);
        let (keyed, authority) = (Keyed::default(), Some("shop.example:8080"));
        let (viewer, keyed, behavior, origin) = (&viewer, &keyed, &behavior, &origin);
        let outgoing = Outgoing { viewer, authority, keyed, behavior, site: "uid", origin, accepted: Accepted::Both };
        let condition = Conditional { if_none_match: Some(HeaderValue::from_static("\"s\"")), if_modified_since: None };
        let sent = outgoing.to_edge(carry, Some(&condition).filter(|_| carry == Carry::KeyedOnly));
        assert_eq!(sent, fields(expect));
    }

    const ALWAYS: [&str; 5] = [
        "host: shop.example:8080",
        "x-forwarded-for: 192.0.2.7, 192.0.2.8",
        "cdn-loop: other; a=b",
        "te: trailers",
        "via: 2 kubefront",
    ];

    #[test]
    fn another_edge_is_told_what_is_keyed_and_nothing_that_is_the_origins() {
        let more = ["if-none-match: \"s\"", "accept-encoding: br, gzip"];
        check(|behavior| behavior.compress = true, Carry::KeyedOnly, &[&ALWAYS[..], &more].concat());
        check(|behavior| behavior.compress = false, Carry::KeyedOnly, &[&ALWAYS[..], &more[..1]].concat());
    }

    #[test]
    fn what_a_viewer_asks_of_caches_it_asks_of_both_where_it_may() {
        let more = ["if-none-match: \"s\"", "cache-control: no-cache"];
        let respect = |behavior: &mut edge_contract::Behavior| {
            (behavior.compress, behavior.viewer_controls) = (false, ViewerControls::Respect);
        };
        check(respect, Carry::KeyedOnly, &[&ALWAYS[..], &more].concat());
    }

    #[test]
    fn where_nothing_is_shared_all_of_it_goes_along() {
        let more = [
            "cookie: a=b",
            "authorization: x",
            "accept-encoding: br;q=0.9, gzip",
            "cache-control: no-cache",
            "if-none-match: \"v\"",
        ];
        let always: Vec<&str> = ALWAYS[..4].iter().copied().chain(["via: 1.1 other", "via: 2 kubefront"]).collect();
        check(|_| (), Carry::Everything, &[&always[..], &more].concat());
    }
}
