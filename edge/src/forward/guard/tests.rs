//! Every way to write an address as an origin's host, and whether an edge asks there.

use edge_contract::Scheme;

use super::super::dns::Aliases;
use super::super::resolve::{ResolveError, Resolver};
use super::*;
use crate::clock::Clock;

/// What becomes of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is asked, because it is this.
    Asked(&'static str),
    /// It is not, because it is this.
    Refused(&'static str),
    /// It is no address and no name: getaddrinfo would take some of these for 127.0.0.1, but it is never asked.
    NoHost,
}
use Fate::{Asked, NoHost, Refused};

const LOOPBACK: Fate = Refused("a loopback address");
const UNSPECIFIED: Fate = Refused("an unspecified address");
const LINK_LOCAL: Fate = Refused("a link-local address");
const METADATA: Fate = Refused("the address of a metadata service");
const MULTICAST: Fate = Refused("a multicast address");
const API_SERVER: Fate = Refused("the address of an API server");
const CLUSTER: Fate = Refused("an address of the cluster itself");

/// As the host of an origin that is a url, port 443.
const HOSTS: [(&str, Fate); 74] = [
    // The machine itself, and every way to say so.
    ("127.0.0.1", LOOPBACK),
    ("127.255.255.254", LOOPBACK),
    ("127.1", NoHost),
    ("127.0.1", NoHost),
    ("2130706433", NoHost),
    ("0x7f000001", NoHost),
    ("0x7f.0.0.1", NoHost),
    ("0x7f.1", NoHost),
    ("0177.0.0.1", NoHost),
    ("017700000001", NoHost),
    ("127.0.0.1.", NoHost),
    ("127.0.0.01", NoHost),
    ("1.2.3.256", NoHost),
    ("::1", LOOPBACK),
    ("0:0:0:0:0:0:0:1", LOOPBACK),
    ("[::1]", NoHost),
    ("::ffff:127.0.0.1", LOOPBACK),
    ("::ffff:7f00:1", LOOPBACK),
    ("::ffff:0:127.0.0.1", LOOPBACK),
    ("::127.0.0.1", LOOPBACK),
    ("64:ff9b::7f00:1", LOOPBACK),
    ("64:ff9b:1::7f00:1", LOOPBACK),
    ("64:ff9b:1:7f00:0:100::", LOOPBACK),
    ("2002:7f00:1::", LOOPBACK),
    ("2001:0:cb00:7107::80ff:fffe", LOOPBACK),
    ("2001:0:7f00:1::34ff:8ef8", LOOPBACK),
    ("0", NoHost),
    ("0.0.0.0", UNSPECIFIED),
    ("0.1.2.3", UNSPECIFIED),
    ("::", UNSPECIFIED),
    ("::ffff:0.0.0.0", UNSPECIFIED),
    // Its link, and what clouds keep there or nearby.
    ("169.254.0.1", LINK_LOCAL),
    ("169.254.169.254", LINK_LOCAL),
    ("169.254.170.2", LINK_LOCAL),
    ("2852039166", NoHost),
    ("0xa9.0xfe.0xa9.0xfe", NoHost),
    ("::ffff:169.254.169.254", LINK_LOCAL),
    ("::169.254.169.254", LINK_LOCAL),
    ("64:ff9b::169.254.169.254", LINK_LOCAL),
    ("2002:a9fe:a9fe::1", LINK_LOCAL),
    ("fe80::1", LINK_LOCAL),
    ("febf::1", LINK_LOCAL),
    ("fe80::1%eth0", NoHost),
    ("fe80::1%2", NoHost),
    ("fd00:ec2::254", METADATA),
    ("fd00:ec2::23", METADATA),
    ("fd20:ce::254", METADATA),
    ("100.100.100.200", METADATA),
    ("168.63.129.16", METADATA),
    ("192.0.0.192", METADATA),
    ("::ffff:168.63.129.16", METADATA),
    ("192.0.0.1", Refused("an address kept for protocols")),
    // Everybody.
    ("224.0.0.1", MULTICAST),
    ("239.255.255.250", MULTICAST),
    ("ff02::1", MULTICAST),
    ("ff0e::1", MULTICAST),
    ("255.255.255.255", Refused("a broadcast address")),
    // The cluster.
    ("10.96.0.1", API_SERVER),
    ("::ffff:10.96.0.1", API_SERVER),
    ("64:ff9b::10.96.0.1", API_SERVER),
    ("fd00:10:96::1", API_SERVER),
    ("10.244.3.4", CLUSTER),
    ("::ffff:10.244.3.4", CLUSTER),
    ("2002:af4:304::1", CLUSTER),
    ("fd00:10:244::7", CLUSTER),
    // Hosts like others.
    ("203.0.113.7", Asked("a public address")),
    ("10.0.0.7", Asked("a private address: origins are often there")),
    ("100.64.0.7", Asked("shared space, which clouds give to pods and load balancers")),
    ("240.0.0.7", Asked("reserved, and given to pods by some")),
    ("fd12:3456:789a::1", Asked("a unique local address, as private ones")),
    ("fec0::1", Asked("a site-local address: no other than unicast ones since RFC 3879 §4")),
    ("2001:db8::1", Asked("a public address")),
    ("2002:cb00:7107::1", Asked("a public address behind 6to4")),
    ("64:ff9b::203.0.113.7", Asked("a public address behind NAT64")),
];

fn walls() -> Walls {
    let api_servers = ["10.96.0.1:443", "[fd00:10:96::1]:443"].map(|address| address.parse().expect("an address"));
    let networks = ["10.244.0.0/16", "fd00:10:244::/48"].map(|network| network.parse().expect("a network"));
    Walls { api_servers: api_servers.into(), cluster_networks: networks.into(), ..Walls::default() }
}

fn guard() -> (Guard, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    (Guard::new(Arc::clone(&counts)), counts)
}

#[tokio::test]
async fn no_way_to_write_an_address_leads_where_no_origin_may_be() {
    let resolver = Resolver::new(Clock::system(), Arc::default(), None);
    for (host, expect) in HOSTS {
        let target = OriginTarget::Address { scheme: Scheme::Https, host: host.into(), port: 443 };
        let fate = match resolver.look_up(target.host(), target.port(), Duration::ZERO, Aliases::Followed).await {
            Err(ResolveError::NoName(_)) => NoHost,
            Err(error) => panic!("{host} is looked up: {error}"),
            Ok(found) => match (
                guard().0.admit(&found, Wall { walls: &walls(), target: &target }, "app", Duration::ZERO),
                expect,
            ) {
                (Err(reason), _) => Refused(reason),
                (Ok(_), Asked(why)) => Asked(why),
                (Ok(_), _) => Asked("nobody said why"),
            },
        };
        assert_eq!(fate, expect, "{host}");
    }
}

#[test]
fn a_service_may_be_in_the_cluster_but_neither_on_the_node_nor_at_its_api_server() {
    let target =
        OriginTarget::Service { dns_name: "app.shop.svc".into(), port: 80, scheme: Scheme::Http, granted: false };
    let walls = walls();
    let wall = Wall { walls: &walls, target: &target };
    let judge = |address: &str| wall.judge(address.parse().expect("an address")).map(Allowed::address);
    assert!(judge("10.244.3.4:8080").is_ok());
    assert_eq!(judge("127.0.0.1:8080"), Err("a loopback address"));
    assert_eq!(judge("169.254.169.254:80"), Err("a link-local address"));
    assert_eq!(judge("10.96.0.1:443"), Err("the address of an API server"));
}

#[test]
fn what_may_be_asked_is_asked_whatever_else_a_name_leads_to() {
    let target = OriginTarget::Address { scheme: Scheme::Http, host: "app.test".into(), port: 80 };
    let walls = walls();
    let wall = Wall { walls: &walls, target: &target };
    let addresses =
        ["127.0.0.1:80", "203.0.113.7:80", "10.244.0.1:80"].map(|address| address.parse().expect("an address"));
    let (guard, counts) = guard();
    let allowed = guard.admit(&addresses, wall, "app", Duration::ZERO).expect("one may be asked");
    assert_eq!(allowed.into_iter().map(Allowed::address).collect::<Vec<_>>(), addresses[1..2]);
    assert_eq!(guard.admit(&addresses[..1], wall, "app", Duration::ZERO), Err("a loopback address"));
    assert_eq!(guard.admit(&[], wall, "app", Duration::ZERO), Ok(Vec::new()));
    assert_eq!(counts.refusals(), [("loopback", 2), ("cluster", 1)]);
}

#[test]
fn every_reason_of_the_walls_has_a_word_in_metrics() {
    let (guard, counts) = guard();
    let target = OriginTarget::Address { scheme: Scheme::Https, host: "app.test".into(), port: 443 };
    let refused = HOSTS.iter().filter(|(_, fate)| matches!(fate, Refused(_)));
    for (host, _) in refused {
        let address = SocketAddr::new(host.parse().expect("an address"), 443);
        let _ = guard.admit(&[address], Wall { walls: &walls(), target: &target }, "app", Duration::ZERO);
    }
    assert_eq!(counts.refusals().len(), 9);
    assert!(counts.refusals().iter().all(|(word, _)| *word != "other"));
}
