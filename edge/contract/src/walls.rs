//! An address into the reason why no origin may be there.
//!
//! The operator asks for what is written down, and edges for what they are about to connect to: a name that DNS turns into such an
//! address is stopped there, whatever it meant a moment before.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Addresses at which no origin of a site may be: an edge that connected there would hand viewers the inner services of its node
/// or its cluster. Beside those named here, these are all that are no host of a network: unspecified, multicast, broadcast.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Walls {
    /// Loopback and link-local addresses are no reason: whoever asks runs on the machine of the one who wrote the manifest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local_origins: bool,
    /// Where API servers listen.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub api_servers: BTreeSet<SocketAddr>,
    /// The cluster's own networks, where only Services may be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_networks: Vec<IpNet>,
}

impl Walls {
    /// Whether they are those of a site that says nothing.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What an address is that not even a pod of a Service may have as an origin.
    pub fn forbid(&self, address: SocketAddr) -> Option<&'static str> {
        let ip = plain(address.ip());
        if self.api_servers.contains(&SocketAddr::new(ip, address.port())) {
            return Some("the address of an API server");
        }
        if self.local_origins && is_local(ip) {
            return None;
        }
        match ip {
            IpAddr::V4(ip) if ip.is_loopback() => Some("a loopback address"),
            // All of 0.0.0.0/8: Linux connects to the host itself.
            IpAddr::V4(ip) if ip.octets()[0] == 0 => Some("an unspecified address"),
            IpAddr::V4(ip) if ip.is_link_local() => Some("a link-local address"),
            IpAddr::V4(ip) if ip.is_multicast() => Some("a multicast address"),
            IpAddr::V4(ip) if ip.is_broadcast() => Some("a broadcast address"),
            IpAddr::V6(ip) if ip.is_loopback() => Some("a loopback address"),
            IpAddr::V6(ip) if ip.is_unspecified() => Some("an unspecified address"),
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Some("a link-local address"),
            IpAddr::V6(ip) if ip.is_multicast() => Some("a multicast address"),
            _ => None,
        }
    }

    /// What an address is that an origin given by a url, an Ingress or a bucket may not have.
    pub fn forbid_outside(&self, address: SocketAddr) -> Option<&'static str> {
        let ip = plain(address.ip());
        let is_inside = || self.cluster_networks.iter().any(|network| network.contains(&ip));
        self.forbid(address).or_else(|| is_inside().then_some("an address of the cluster itself"))
    }
}

/// Whether an address is one of the machine itself, or of the link that it is on.
fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// The IPv4 address inside an IPv6 one, where the kernel or a translator would connect to it.
fn plain(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(ip) = ip else { return ip };
    let [.., one, two, three, four] = ip.octets();
    let (prefix, inner) = (ip.to_bits() >> 32, Ipv4Addr::new(one, two, three, four));
    // RFC 6052 §2.1: the well-known prefix of NAT64, 64:ff9b::/96.
    let is_translated = prefix == 0x0064_ff9b_0000_0000_0000_0000;
    // RFC 4291 §2.5.5.1: IPv4-compatible, which `::1` and `::` only look like.
    let is_compatible = prefix == 0 && !ip.is_loopback() && !ip.is_unspecified();
    if is_translated || is_compatible {
        return IpAddr::V4(inner);
    }
    ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walls() -> Walls {
        Walls {
            api_servers: [([10, 96, 0, 1], 443).into(), ([192, 168, 0, 10], 6443).into()].into(),
            cluster_networks: vec!["10.244.0.0/16".parse().expect("is one"), "fd00:10::/32".parse().expect("is one")],
            ..Walls::default()
        }
    }

    #[track_caller]
    fn check(address: &str, expect: Option<&str>) {
        let address: SocketAddr = address.parse().expect("an address");
        assert_eq!(walls().forbid(address), expect, "{address}");
    }

    #[test]
    fn addresses_of_the_node_and_the_cluster_itself_are_forbidden() {
        check("127.0.0.1:80", Some("a loopback address"));
        check("127.9.9.9:80", Some("a loopback address"));
        check("0.0.0.0:80", Some("an unspecified address"));
        check("0.1.2.3:80", Some("an unspecified address"));
        check("169.254.169.254:80", Some("a link-local address"));
        check("224.0.0.1:80", Some("a multicast address"));
        check("255.255.255.255:80", Some("a broadcast address"));
        check("[::1]:80", Some("a loopback address"));
        check("[::]:80", Some("an unspecified address"));
        check("[fe80::1]:80", Some("a link-local address"));
        check("[ff02::1]:80", Some("a multicast address"));
        check("10.96.0.1:443", Some("the address of an API server"));
        check("192.168.0.10:6443", Some("the address of an API server"));
    }

    #[test]
    fn an_address_within_an_address_is_looked_at_too() {
        check("[::ffff:127.0.0.1]:80", Some("a loopback address"));
        check("[::169.254.169.254]:80", Some("a link-local address"));
        check("[64:ff9b::a9fe:a9fe]:80", Some("a link-local address"));
        check("[::ffff:10.96.0.1]:443", Some("the address of an API server"));
        check("[::ffff:203.0.113.7]:80", None);
    }

    #[test]
    fn other_addresses_are_allowed_and_so_are_other_ports_of_a_control_plane_node() {
        check("203.0.113.7:443", None);
        check("10.0.0.7:8080", None);
        check("192.168.0.10:30080", None);
        check("[2001:db8::1]:443", None);
    }

    #[test]
    fn where_local_origins_are_allowed_the_rest_is_forbidden_all_the_same() {
        let walls = Walls { local_origins: true, ..walls() };
        let check = |address: &str, expect: bool| {
            let parsed = address.parse().expect("an address");
            assert_eq!(walls.forbid(parsed).is_none(), expect, "{address}");
        };
        for allowed in ["127.0.0.1:3000", "[::1]:3000", "[::ffff:127.0.0.1]:80", "169.254.1.1:80", "[fe80::1]:80"] {
            check(allowed, true);
        }
        for refused in ["0.0.0.0:80", "[::]:80", "224.0.0.1:80", "255.255.255.255:80", "10.96.0.1:443"] {
            check(refused, false);
        }
    }

    #[test]
    fn the_clusters_own_networks_are_for_services() {
        for inside in ["10.244.3.4:80", "[fd00:10::1]:80", "[::ffff:10.244.0.1]:80"] {
            let address = inside.parse().expect("an address");
            assert_eq!(walls().forbid(address), None, "{inside}");
            assert_eq!(walls().forbid_outside(address), Some("an address of the cluster itself"), "{inside}");
        }
        assert_eq!(walls().forbid_outside("10.245.0.1:80".parse().expect("an address")), None);
    }
}
