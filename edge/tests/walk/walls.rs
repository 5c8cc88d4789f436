//! Where an edge does not go, whatever names mean and origins say.

use std::net::{IpAddr, SocketAddr};

use edge_contract::Walls;
use http::{Method, StatusCode};

use crate::dns::{Dns, Says};
use crate::edge::{Edge, Reply, config, request, until};
use crate::names::{LOOPBACK, asking, count, named};
use crate::origin::Origin;

/// The wire server of Azure: forbidden even where loopback addresses are allowed.
const METADATA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(168, 63, 129, 16));

#[track_caller]
fn is_forbidden(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert!(reply.cache_status().ends_with("detail=origin-forbidden"), "{}", reply.cache_status());
}

#[tokio::test]
async fn a_name_that_comes_to_mean_a_forbidden_address_is_not_asked_there() {
    let origin = Origin::numbered("").await;
    let dns = Dns::start(Says::Addresses(vec![LOOPBACK], 0)).await;
    let edge = asking(&dns, named(origin.address.port())).await;
    assert_eq!(edge.get("/before").await.status, StatusCode::OK);
    until("the connection is kept", || edge.running.edge.forwarder.pool().len() == 1).await;
    dns.say(Says::Addresses(vec![METADATA], 0));
    edge.skip(1);
    is_forbidden(&edge.get("/rebound").await);
    assert_eq!(count(&edge, "kubefront_edge_origin_refused_total{reason=\"metadata\"}").await, Some(1));
    assert_eq!(origin.reads(), 1);
    dns.say(Says::Addresses(vec![METADATA, LOOPBACK], 0));
    edge.skip(1);
    for n in 0..4 {
        assert_eq!(edge.get(&format!("/{n}")).await.status, StatusCode::OK, "what may be asked is");
    }
}

#[tokio::test]
async fn names_lead_to_no_metadata_service_and_to_no_loopback_address() {
    let forbidden =
        ["169.254.169.254", "127.0.0.1", "::1", "fd00:ec2::254", "fe80::1", "64:ff9b::a9fe:a9fe", "0.0.0.0"];
    let origin = Origin::numbered("").await;
    for ip in forbidden {
        let dns = Dns::start(Says::Addresses(vec![ip.parse().expect("an address")], 0)).await;
        let mut config = named(origin.address.port());
        config.sites[0].walls = Walls::default();
        is_forbidden(&asking(&dns, config).await.get("/a").await);
    }
    assert_eq!(origin.reads(), 0);
}

#[tokio::test]
async fn an_api_server_is_asked_for_nobody() {
    let api_server = Origin::numbered("").await;
    let mut config = config(api_server.address);
    config.sites[0].walls.api_servers = [api_server.address].into();
    let edge = Edge::start(config).await;
    is_forbidden(&edge.get("/api/v1/secrets").await);
    let mapped: SocketAddr = format!("[::ffff:127.0.0.1]:{}", api_server.address.port()).parse().expect("an address");
    edge.endpoints(&[mapped]);
    is_forbidden(&edge.get("/api/v1/secrets").await);
    assert_eq!(api_server.reads(), 0);
}

#[tokio::test]
async fn a_kept_connection_is_not_for_a_site_that_may_not_open_one() {
    let origin = Origin::numbered("").await;
    let mut config = config(origin.address);
    let mut strict = config.sites[0].clone();
    (strict.id, strict.name, strict.walls) = ("uid-of-strict".into(), "default/strict".into(), Walls::default());
    strict.aliases = vec!["strict.test".into()];
    config.sites.push(strict);
    let edge = Edge::start(config).await;
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
    until("the connection is kept", || edge.running.edge.forwarder.pool().len() == 1).await;
    let mut request = request(Method::GET, "/a");
    request.headers_mut().insert("host", "strict.test".parse().expect("a value"));
    is_forbidden(&edge.send(request).await);
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn nobody_follows_an_origin_where_it_redirects_to() {
    let elsewhere = Origin::numbered("").await;
    for status in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let location = format!("location: http://{}/secret\r\n", elsewhere.address);
        let origin = Origin::start(move |_, exchange| {
            let location = location.clone();
            async move { exchange.respond(status, &location, "").await }
        })
        .await;
        let reply = Edge::start(config(origin.address)).await.get("/a").await;
        assert_eq!(reply.status.as_str(), &status[..3]);
        assert!(reply.header("location").is_some_and(|location| location.ends_with("/secret")));
        assert_eq!((origin.reads(), elsewhere.reads()), (1, 0));
    }
}
