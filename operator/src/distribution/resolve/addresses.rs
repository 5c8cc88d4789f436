//! An address or host name that a user gave into the reason why no origin may be there.
//!
//! This is the wall at the door: it refuses what is written down. A name that DNS turns into such an address is stopped by the
//! edge when it connects.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::cluster::{Cluster, LocalOrigins};

/// What an address is that no origin may have. An edge that connected there would hand viewers the node's or the cluster's
/// own inner services.
pub fn forbidden(address: SocketAddr, cluster: &Cluster) -> Option<&'static str> {
    let ip = plain(address.ip());
    if cluster.api_servers.contains(&SocketAddr::new(ip, address.port())) {
        return Some("the address of an API server");
    }
    if cluster.local_origins == LocalOrigins::Allowed && is_local(ip) {
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

/// Whether an address is one of the machine itself, or of the link that it is on.
fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// What a host name is that no origin may have, by the name alone.
pub fn forbidden_name(name: &str, namespace: &str, cluster: &Cluster) -> Option<&'static str> {
    let name = super::bare_name(name);
    // RFC 6761 §6.3: localhost and all below it are loopback.
    if name == "localhost" || name.ends_with(".localhost") {
        return (cluster.local_origins == LocalOrigins::Forbidden).then_some("a loopback name");
    }
    let service = name.strip_suffix(&format!(".{}", cluster.domain)).unwrap_or(&name);
    let service = service.strip_suffix(".svc").unwrap_or(service);
    let is_api_server = service == "kubernetes.default" || (service == "kubernetes" && namespace == "default");
    is_api_server.then_some("the name of the API server")
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
    use crate::cluster::testing::cluster;

    #[track_caller]
    fn check(address: &str, expect: Option<&str>) {
        let address: SocketAddr = address.parse().expect("an address");
        assert_eq!(forbidden(address, &cluster()), expect, "{address}");
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
        let cluster = Cluster { local_origins: LocalOrigins::Allowed, ..cluster() };
        let check = |address: &str, expect: bool| {
            let parsed = address.parse().expect("an address");
            assert_eq!(forbidden(parsed, &cluster).is_none(), expect, "{address}");
        };
        for allowed in ["127.0.0.1:3000", "[::1]:3000", "[::ffff:127.0.0.1]:80", "169.254.1.1:80", "[fe80::1]:80"] {
            check(allowed, true);
        }
        for refused in ["0.0.0.0:80", "[::]:80", "224.0.0.1:80", "255.255.255.255:80", "10.96.0.1:443"] {
            check(refused, false);
        }
        assert_eq!(forbidden_name("localhost", "web", &cluster), None);
        assert!(forbidden_name("kubernetes.default", "web", &cluster).is_some());
    }

    #[test]
    fn names_of_the_node_and_the_api_server_are_forbidden() {
        let check = |name, namespace, expect: bool| {
            assert_eq!(forbidden_name(name, namespace, &cluster()).is_some(), expect, "{name} in {namespace}");
        };
        for name in ["localhost", "LOCALHOST.", "a.localhost", "kubernetes.default", "kubernetes.default.svc"] {
            check(name, "web", true);
        }
        check("kubernetes.default.svc.cluster.local.", "web", true);
        check("kubernetes", "default", true);
        check("kubernetes", "web", false);
        check("www.example.com", "default", false);
        check("kubernetes.web.svc", "web", false);
    }
}
