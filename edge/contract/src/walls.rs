//! An address into the reason why no origin may be there.
//!
//! The operator asks for what is written down, and edges for what they are about to connect to: a name that DNS turns into such an
//! address is stopped there, whatever it meant a moment before.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Serialize};

/// Addresses at which no origin of a site may be: an edge that connected there would hand viewers the inner services of its node
/// or its cluster. Beside those named here, these are all that are no host of a network: unspecified, multicast, broadcast, kept for
/// protocols; and those at which a cloud tells a machine who it is.
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
        meanings(address.ip()).find_map(|ip| self.forbid_ip(ip, address.port()))
    }

    fn forbid_ip(&self, ip: IpAddr, port: u16) -> Option<&'static str> {
        if self.api_servers.contains(&SocketAddr::new(ip, port)) {
            return Some("the address of an API server");
        }
        if self.local_origins && is_local(ip) {
            return None;
        }
        match ip {
            IpAddr::V4(ip) => forbid_ipv4(ip),
            IpAddr::V6(ip) => forbid_ipv6(ip),
        }
    }

    /// What an address is that an origin given by a url, an Ingress or a bucket may not have.
    pub fn forbid_outside(&self, address: SocketAddr) -> Option<&'static str> {
        let is_inside = |ip| self.cluster_networks.iter().any(|network| network.contains(&ip));
        self.forbid(address)
            .or_else(|| meanings(address.ip()).any(is_inside).then_some("an address of the cluster itself"))
    }
}

/// Where clouds keep metadata services outside of link-local addresses: Oracle, Alibaba, Azure (its wire server). Whoever asks from a
/// node may be given the node's credentials.
pub const METADATA_IPV4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];

/// The same: AWS, its credentials of pods among them; Google; Oracle, Scaleway, Akamai, Alibaba. They look like unique local addresses,
/// but those of a network are drawn at random (RFC 4193 §3.2).
pub const METADATA_IPV6: [Ipv6Net; 6] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 64),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 64),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), 128),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42), 128),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1), 128),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200), 128),
];

fn forbid_ipv4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        _ if ip.is_loopback() => Some("a loopback address"),
        // All of 0.0.0.0/8: Linux connects to the host itself.
        [0, ..] => Some("an unspecified address"),
        _ if ip.is_link_local() => Some("a link-local address"),
        _ if METADATA_IPV4.contains(&ip) => Some("the address of a metadata service"),
        // RFC 6890 §2.2.2: what is there is for protocols of the link or, as in RFC 7335, the host itself.
        [192, 0, 0, _] => Some("an address kept for protocols"),
        _ if ip.is_multicast() => Some("a multicast address"),
        _ if ip.is_broadcast() => Some("a broadcast address"),
        _ => None,
    }
}

fn forbid_ipv6(ip: Ipv6Addr) -> Option<&'static str> {
    match ip.segments() {
        _ if ip.is_loopback() => Some("a loopback address"),
        _ if ip.is_unspecified() => Some("an unspecified address"),
        _ if ip.is_unicast_link_local() => Some("a link-local address"),
        _ if METADATA_IPV6.iter().any(|network| network.contains(&ip)) => Some("the address of a metadata service"),
        _ if ip.is_multicast() => Some("a multicast address"),
        _ => None,
    }
}

/// Whether an address is one of the machine itself, or of the link that it is on.
fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// An address, and the IPv4 addresses within it to which the kernel, a translator or a tunnel would connect.
fn meanings(ip: IpAddr) -> impl Iterator<Item = IpAddr> {
    let within = if let IpAddr::V6(ip) = ip { within(ip) } else { Vec::new() };
    std::iter::once(ip).chain(within.into_iter().map(IpAddr::V4))
}

fn within(ip: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bits = ip.to_bits();
    match ip.segments() {
        // `::1` and `::` only look like IPv4-compatible addresses (RFC 4291 §2.5.5.1).
        _ if ip.is_loopback() || ip.is_unspecified() => Vec::new(),
        // IPv4-compatible, IPv4-mapped (RFC 4291 §2.5.5), IPv4-translated (RFC 2765 §2.1); the well-known prefix of NAT64 (RFC 6052 §2.1).
        [0, 0, 0, 0, 0 | 0xffff, 0, ..] | [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            vec![ipv4(bits)]
        }
        // RFC 8215 leaves open where in the local prefix of NAT64 it is. No translator leads to 0.0.0.0/8, which is what padding reads as.
        [0x64, 0xff9b, 1, ..] => {
            // RFC 6052 §2.2: behind 48, 56, 64 or 96 bits, without the ninth octet.
            let [.., o6, o7, _, o9, o10, o11, o12, o13, o14, o15] = ip.octets();
            let readings = [[o6, o7, o9, o10], [o7, o9, o10, o11], [o9, o10, o11, o12], [o12, o13, o14, o15]];
            readings.into_iter().filter(|[first, ..]| *first != 0).map(Ipv4Addr::from).collect()
        }
        // 6to4 (RFC 3056 §2): the tunnel's other end.
        [0x2002, ..] => vec![ipv4(bits >> 80)],
        // Teredo (RFC 4380 §4): the server, and the client in inverted bits.
        [0x2001, 0, ..] => vec![ipv4(bits >> 64), ipv4(!bits)],
        _ => Vec::new(),
    }
}

/// The IPv4 address in the last 32 bits.
fn ipv4(bits: u128) -> Ipv4Addr {
    let [.., one, two, three, four] = bits.to_be_bytes();
    Ipv4Addr::new(one, two, three, four)
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
        check("[::ffff:0:169.254.169.254]:80", Some("a link-local address"));
        check("[2002:7f00:1::]:80", Some("a loopback address"));
        check("[2002:a9fe:a9fe:1::7]:80", Some("a link-local address"));
        check("[2002:cb00:7107::1]:80", None);
        // The server of a Teredo address, and its client: 127.0.0.1 with every bit turned.
        check("[2001:0:7f00:1::80ff:fffe]:80", Some("a loopback address"));
        check("[2001:0:cb00:7107::80ff:fffe]:80", Some("a loopback address"));
        check("[2001:0:cb00:7107::34ff:8ef8]:80", None);
    }

    #[test]
    fn a_local_prefix_of_nat64_is_read_in_every_length_that_it_may_have() {
        // RFC 6052 §2.2: 169.254.169.254 behind 48, 56, 64 and 96 bits; the octet at 64 is left out.
        check("[64:ff9b:1:a9fe:a9:fe00::]:80", Some("a link-local address"));
        check("[64:ff9b:1:a9:fe:a9fe::]:80", Some("a link-local address"));
        check("[64:ff9b:1::a9:fea9:fe00:0]:80", Some("a link-local address"));
        check("[64:ff9b:1::a9fe:a9fe]:80", Some("a link-local address"));
        for allowed in ["cb00:71:700::", "cb:0:7107::", "0:cb:71:700:0", ":cb00:7107"] {
            check(&format!("[64:ff9b:1:{allowed}]:80"), None);
        }
    }

    #[test]
    fn what_a_cloud_tells_its_machines_is_for_nobody_else() {
        let ipv4 = ["100.100.100.200", "168.63.129.16", "192.0.0.192"];
        let networks = ["[fd00:ec2::254]", "[fd00:ec2::23]", "[fd20:ce::254]"];
        let hosts = ["[fd00:c1::a9fe:a9fe]", "[fd00:42::42]", "[fd00:a9fe:a9fe::1]", "[fd00:100::100:200]"];
        for address in ipv4.into_iter().chain(networks).chain(hosts) {
            check(&format!("{address}:80"), Some("the address of a metadata service"));
        }
        check("192.0.0.1:80", Some("an address kept for protocols"));
        // Their neighbours are hosts like others.
        let ipv4 = ["100.100.100.201", "168.63.129.17", "192.0.1.1"];
        let ipv6 = ["[fd00:ec3::254]", "[fd20:cf::254]", "[fd00:ec2:0:1::1]", "[fd00:42::43]", "[fd00:c1::1]"];
        for address in ipv4.into_iter().chain(ipv6) {
            check(&format!("{address}:80"), None);
        }
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
