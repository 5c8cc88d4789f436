//! How an origin's name becomes its addresses: how often DNS is asked, what stands in while it is silent, who connects first.

use std::net::{IpAddr, SocketAddr};

use edge_contract::{EdgeConfig, OriginTarget, Scheme};
use http::StatusCode;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::dns::{Dns, Says};
use crate::edge::{Edge, config, until};
use crate::origin::{Origin, nobody};

pub const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// One site whose origin is a name at this port.
pub fn named(port: u16) -> EdgeConfig {
    let mut config = config(SocketAddr::new(LOOPBACK, port));
    let target = OriginTarget::Address { scheme: Scheme::Http, host: "app.test".into(), port };
    config.sites[0].origins[0].target = Some(target);
    config.sites[0].origins[0].connect_timeout_ms = 500;
    config
}

/// An edge that looks names up there.
pub async fn asking(dns: &Dns, config: EdgeConfig) -> Edge {
    Edge::with(&["--dns", &dns.address.to_string()], config).await
}

/// A count of the edge's own.
pub async fn count(edge: &Edge, series: &str) -> Option<u64> {
    let metrics = edge.admin("/metrics").await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned));
    line.map(|count| count.parse().expect("a count"))
}

#[tokio::test]
async fn of_several_hosts_each_is_asked_and_one_that_leads_nowhere_fails_nobody() {
    let origin = Origin::numbered("").await;
    let dns = Dns::start(Says::Addresses(vec![LOOPBACK], 30)).await;
    let mut config = named(origin.address.port());
    // At the first nobody is, and the second is no name that DNS could be asked for.
    let hosts = ["127.0.0.2", "127.1", "app.test"].map(str::to_owned).to_vec();
    let target = OriginTarget::Addresses { scheme: Scheme::Http, hosts, port: origin.address.port() };
    config.sites[0].origins[0].target = Some(target);
    let edge = asking(&dns, config).await;
    for n in 0..10 {
        assert_eq!(edge.get(&format!("/{n}")).await.status, StatusCode::OK);
    }
    assert_eq!((origin.reads(), dns.asked()), (10, 2));
}

#[tokio::test]
async fn dns_is_asked_again_when_its_answer_is_over() {
    let origin = Origin::numbered("").await;
    let dns = Dns::start(Says::Addresses(vec![LOOPBACK], 30)).await;
    let edge = asking(&dns, named(origin.address.port())).await;
    for (wait, asked) in [(0, 2), (29, 2), (1, 4), (0, 4), (30, 6)] {
        edge.skip(wait);
        assert_eq!(edge.get(&format!("/{wait}/{asked}")).await.status, StatusCode::OK);
        assert_eq!(dns.asked(), asked, "after {wait} seconds more");
    }
}

#[tokio::test]
async fn a_crowd_that_wants_one_name_asks_for_it_once() {
    let origin = Origin::numbered("").await;
    let dns = Dns::start(Says::Nothing).await;
    let mut config = named(origin.address.port());
    config.sites[0].origins[0].connect_timeout_ms = 10_000;
    let edge = std::sync::Arc::new(asking(&dns, config).await);
    let mut viewers = tokio::task::JoinSet::new();
    for n in 0..20 {
        let edge = std::sync::Arc::clone(&edge);
        viewers.spawn(async move { edge.get(&format!("/{n}")).await.status });
    }
    until("DNS is asked", || dns.asked() >= 2).await;
    dns.say(Says::Addresses(vec![LOOPBACK], 30));
    while let Some(status) = viewers.join_next().await {
        assert_eq!(status.expect("ends"), StatusCode::OK);
    }
    // What was not answered is asked again, by nobody but the one lookup.
    assert!(dns.asked() <= 6, "{}", dns.asked());
}

#[tokio::test]
async fn while_dns_is_silent_or_fails_its_last_answer_stands_in_for_an_hour() {
    for trouble in [Says::Nothing, Says::Failure] {
        let origin = Origin::numbered("").await;
        let dns = Dns::start(Says::Addresses(vec![LOOPBACK], 30)).await;
        let mut config = named(origin.address.port());
        // No lookup goes on for as long.
        config.sites[0].origins[0].connect_timeout_ms = 15_000;
        let edge = asking(&dns, config).await;
        assert_eq!(edge.get("/first").await.status, StatusCode::OK);
        dns.say(trouble.clone());
        edge.skip(30);
        assert_eq!(edge.get("/second").await.status, StatusCode::OK, "{trouble:?}");
        let asked = dns.asked();
        assert_eq!(edge.get("/third").await.status, StatusCode::OK, "{trouble:?}");
        assert!(dns.asked() == asked || matches!(trouble, Says::Nothing), "it is not asked at every request");
        assert_eq!(count(&edge, "kubefront_edge_origin_stale_names_total").await, Some(2));
        edge.skip(3_600);
        let reply = edge.get("/an-hour-later").await;
        assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{trouble:?}");
        assert!(reply.cache_status().ends_with("detail=origin-unresolved"), "{}", reply.cache_status());
        dns.say(Says::Addresses(vec![LOOPBACK], 30));
        edge.skip(30);
        assert_eq!(edge.get("/again").await.status, StatusCode::OK, "{trouble:?}");
    }
}

#[tokio::test]
async fn that_there_is_no_such_name_is_believed_briefly() {
    let origin = Origin::numbered("").await;
    let dns = Dns::start(Says::NoSuchName).await;
    let edge = asking(&dns, named(origin.address.port())).await;
    assert_eq!(edge.get("/a").await.status, StatusCode::BAD_GATEWAY);
    let asked = dns.asked();
    dns.say(Says::Addresses(vec![LOOPBACK], 30));
    assert_eq!(edge.get("/b").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(dns.asked(), asked);
    edge.skip(5);
    assert_eq!(edge.get("/c").await.status, StatusCode::OK);
}

#[tokio::test]
async fn where_nobody_is_at_any_address_dns_is_asked_for_others() {
    let origin = Origin::numbered("").await;
    let gone = "127.0.0.9".parse().expect("an address");
    let dns = Dns::start(Says::Addresses(vec![gone], 300)).await;
    let edge = asking(&dns, named(origin.address.port())).await;
    assert_eq!(edge.get("/a").await.status, StatusCode::BAD_GATEWAY);
    dns.say(Says::Addresses(vec![LOOPBACK], 300));
    edge.skip(1);
    assert_eq!(edge.get("/b").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_service_whose_name_leads_to_another_one_is_not_asked_there() {
    let origin = Origin::numbered("").await;
    let port = origin.address.port();
    let dns = Dns::start(Says::Alias(vec![LOOPBACK], 300)).await;
    // Whoever gives a name gives what it stands for.
    let mut config = named(port);
    assert_eq!(asking(&dns, config.clone()).await.get("/a").await.status, StatusCode::OK);
    let service = |granted| OriginTarget::Service { dns_name: "app.test".into(), port, scheme: Scheme::Http, granted };
    config.sites[0].origins[0].target = Some(service(false));
    let edge = asking(&dns, config).await;
    let reply = edge.get("/b").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert!(reply.cache_status().ends_with("detail=origin-unresolved"), "{}", reply.cache_status());
    dns.say(Says::Addresses(vec![LOOPBACK], 300));
    edge.skip(300);
    assert_eq!(edge.get("/c").await.status, StatusCode::OK);
    assert_eq!(origin.reads(), 2);
}

#[tokio::test]
async fn all_addresses_of_a_name_are_used() {
    let origin = Origin::numbered("").await;
    let mut addresses: Vec<IpAddr> = (2..=9).map(|last| IpAddr::from([127, 0, 0, last])).collect();
    addresses.push(LOOPBACK);
    let dns = Dns::start(Says::Addresses(addresses, 300)).await;
    let mut config = named(origin.address.port());
    config.sites[0].origins[0].attempts = 9;
    let edge = asking(&dns, config).await;
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
}

/// An address at this port whose connections wait: its queue holds one, and that one is there.
async fn full_at(address: SocketAddr) -> (TcpListener, TcpStream) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(address).expect("the port is free there");
    let listener = socket.listen(0).expect("listens");
    let first = TcpStream::connect(address).await.expect("is queued");
    (listener, first)
}

#[tokio::test]
async fn an_address_of_several_that_takes_no_connection_costs_a_viewer_little_and_only_one_viewer() {
    let origin = Origin::numbered("connection: close\r\n").await;
    let silent = SocketAddr::new("127.0.0.9".parse().expect("an address"), origin.address.port());
    let _held = full_at(silent).await;
    let dns = Dns::start(Says::Addresses(vec![silent.ip(), LOOPBACK], 300)).await;
    let mut config = named(origin.address.port());
    // Nobody in these tests waits for as long.
    config.sites[0].origins[0].connect_timeout_ms = 60_000;
    let edge = asking(&dns, config).await;
    for n in 0..6 {
        assert_eq!(edge.get(&format!("/{n}")).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_name_that_is_no_hosts_is_not_looked_up() {
    let dns = Dns::start(Says::Addresses(vec![LOOPBACK], 300)).await;
    let origin = nobody();
    for host in ["127.1", "0x7f.1", "fe80::1%eth0", "a..b"] {
        let mut config = named(origin.port());
        let target = OriginTarget::Address { scheme: Scheme::Http, host: host.into(), port: origin.port() };
        config.sites[0].origins[0].target = Some(target);
        let reply = asking(&dns, config).await.get("/a").await;
        assert!(reply.cache_status().ends_with("detail=origin-unresolved"), "{host}: {}", reply.cache_status());
    }
    assert_eq!(dns.asked(), 0);
}
