//! The networks that an owner trusts, and what a peer says of those before it, into who the viewer is.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Where each proxy writes who asked it.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// So many proxies may stand before an edge; what is said of more is not sent on.
const LONGEST: usize = 16;

/// Networks whose word counts for who asked them, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Box<[IpNet]>);

/// Who asked, and by way of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origination {
    /// The address that is not a trusted proxy's; where all are, the one furthest away.
    pub viewer: IpAddr,
    /// What `X-Forwarded-For` tells an origin: the chain as far as it can be read, and the peer.
    pub told: String,
}

impl TrustedProxies {
    /// Those of a site. What is no network was refused with its configuration, and here is nobody's.
    pub fn new(networks: &[String]) -> Self {
        Self(networks.iter().filter_map(|network| network.parse().ok()).collect())
    }

    /// Whether this address is one of theirs.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Reads the chain from its end, where each address was written by the one behind it: an address is as good as the proxy is
    /// trusted that wrote it. A peer that is not trusted is the viewer, whatever it says.
    pub fn originate(&self, peer: IpAddr, headers: &HeaderMap) -> Origination {
        let chain = if self.contain(peer) { chain(headers) } else { Vec::new() };
        let mut viewer = peer;
        for (address, _) in &chain {
            if !self.contain(viewer) {
                break;
            }
            viewer = *address;
        }
        let mut told: Vec<&str> = chain.iter().rev().map(|(_, text)| *text).collect();
        let peer = peer.to_string();
        told.push(&peer);
        Origination { viewer, told: told.join(", ") }
    }
}

/// The addresses of `X-Forwarded-For`, the nearest first, up to what is none: nobody knows who wrote what stands before that.
fn chain(headers: &HeaderMap) -> Vec<(IpAddr, &str)> {
    let lines: Vec<&str> = headers.get_all(X_FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or("?")).collect();
    let members = lines.iter().rev().flat_map(|line| line.rsplit(',')).map(str::trim);
    members.map_while(|text| Some((address(text)?, text))).take(LONGEST).collect()
}

/// Some proxies write a port, and brackets around IPv6 with or without one.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    parsed.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fields;

    #[track_caller]
    fn check(peer: &str, lines: &[&str], viewer: &str, told: &str) {
        let trusted = TrustedProxies::new(&["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()]);
        let lines: Vec<String> = lines.iter().map(|line| format!("x-forwarded-for: {line}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let found = trusted.originate(peer.parse().expect("an address"), &fields(&lines));
        let expect = Origination { viewer: viewer.parse().expect("an address"), told: told.to_owned() };
        assert_eq!(found, expect, "{peer} {lines:?}");
    }

    #[test]
    fn what_a_stranger_says_of_others_is_not_believed() {
        check("192.0.2.7", &[], "192.0.2.7", "192.0.2.7");
        check("192.0.2.7", &["10.0.0.1", "203.0.113.1"], "192.0.2.7", "192.0.2.7");
        check("2001:db9::1", &["203.0.113.1"], "2001:db9::1", "2001:db9::1");
    }

    #[test]
    fn a_trusted_peer_is_believed_up_to_the_first_stranger_from_the_right() {
        check("10.0.0.1", &[], "10.0.0.1", "10.0.0.1");
        check("10.0.0.1", &["203.0.113.1"], "203.0.113.1", "203.0.113.1, 10.0.0.1");
        check("10.0.0.1", &["1.1.1.1, 203.0.113.1"], "203.0.113.1", "1.1.1.1, 203.0.113.1, 10.0.0.1");
        check(
            "10.0.0.1",
            &["1.1.1.1", "203.0.113.1,10.9.9.9"],
            "203.0.113.1",
            "1.1.1.1, 203.0.113.1, 10.9.9.9, 10.0.0.1",
        );
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3", "10.0.0.3, 10.0.0.2, 10.0.0.1");
        check("2001:db8::1", &["203.0.113.1"], "203.0.113.1", "203.0.113.1, 2001:db8::1");
    }

    #[test]
    fn a_chain_ends_where_it_is_no_address_any_more() {
        check("10.0.0.1", &["203.0.113.1, unknown"], "10.0.0.1", "10.0.0.1");
        check("10.0.0.1", &["evil, 203.0.113.1"], "203.0.113.1", "203.0.113.1, 10.0.0.1");
        check("10.0.0.1", &["1.1.1.1, ,203.0.113.1"], "203.0.113.1", "203.0.113.1, 10.0.0.1");
        check("10.0.0.1", &[""], "10.0.0.1", "10.0.0.1");
        check("10.0.0.1", &["203.0.113.1", "ü"], "10.0.0.1", "10.0.0.1");
        let long = vec!["203.0.113.1"; 100].join(", ");
        check("10.0.0.1", &[&long], "203.0.113.1", &format!("{}10.0.0.1", "203.0.113.1, ".repeat(LONGEST)));
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_read() {
        check("10.0.0.1", &["203.0.113.1:4711"], "203.0.113.1", "203.0.113.1:4711, 10.0.0.1");
        check("10.0.0.1", &["[2001:db9::1]:80"], "2001:db9::1", "[2001:db9::1]:80, 10.0.0.1");
        check("10.0.0.1", &["[2001:db9::1]"], "2001:db9::1", "[2001:db9::1], 10.0.0.1");
        check("10.0.0.1", &["1.1.1.1, ::ffff:10.0.0.2"], "1.1.1.1", "1.1.1.1, ::ffff:10.0.0.2, 10.0.0.1");
    }

    #[test]
    fn where_nobody_is_trusted_everybody_is_a_stranger() {
        assert!(!TrustedProxies::new(&["10.0.0.0/8".to_owned()]).contain("11.0.0.1".parse().expect("an address")));
        assert!(!TrustedProxies::default().contain("10.0.0.1".parse().expect("an address")));
    }
}
