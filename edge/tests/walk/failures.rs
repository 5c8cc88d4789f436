//! Origins that are gone, slow or not what they seem, and what a viewer gets nonetheless.

use edge_contract::{OriginTarget, Scheme};
use http::{Method, StatusCode};

use crate::edge::{Edge, config, request, until};
use crate::origin::{Door, Origin, Then, nobody};

#[tokio::test]
async fn an_origin_that_does_not_listen_is_a_bad_gateway_that_says_so() {
    let edge = Edge::start(config(nobody())).await;
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; detail=origin-connect");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn an_origin_without_a_target_is_unavailable() {
    let mut config = config(nobody());
    config.sites[0].origins[0].target = None;
    let edge = Edge::start(config).await;
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; detail=origin-missing");
}

#[tokio::test]
async fn an_origin_that_can_be_none_is_unavailable_and_its_owner_hears_why() {
    let mut config = config(nobody());
    let origin = &mut config.sites[0].origins[0];
    (origin.target, origin.invalid) = (None, Some("127.0.0.1 is a loopback address".into()));
    let reply = Edge::start(config).await.get("/a").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; detail=origin-invalid");
}

#[tokio::test]
async fn an_origin_that_does_not_answer_in_time_is_a_gateway_timeout_and_is_asked_once() {
    let door = Door::closed();
    let origin = Origin::held(&door, "").await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].response_timeout_ms = 50;
    let edge = Edge::start(config).await;
    let reply = edge.get("/a").await;
    assert_eq!((reply.status, origin.reads()), (StatusCode::GATEWAY_TIMEOUT, 1));
    assert!(reply.cache_status().ends_with("detail=origin-timeout"));
}

#[tokio::test]
async fn a_body_that_stands_still_for_too_long_breaks_off() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
        exchange.closed().await;
        Then::Close
    })
    .await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].response_timeout_ms = 50;
    let edge = Edge::start(config).await;
    let response = edge.open(request(Method::GET, "/a")).await;
    crate::edge::read(response).await.expect_err("is not complete");
    assert_eq!(edge.live().store().responses(), 0);
}

#[tokio::test]
async fn what_is_not_http_is_a_bad_gateway_and_is_asked_once() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write("-ERR unknown command\r\n").await;
        Then::Close
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let reply = edge.get("/a").await;
    assert_eq!((reply.status, origin.reads()), (StatusCode::BAD_GATEWAY, 1));
    assert!(reply.cache_status().ends_with("detail=origin-not-http"), "{}", reply.cache_status());
}

#[tokio::test]
async fn an_answer_that_ends_no_exchange_is_a_bad_gateway() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: evil\r\n\r\n").await;
        exchange.closed().await;
        Then::Close
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    for method in [Method::GET, Method::POST] {
        let reply = edge.send(request(method, "/a")).await;
        assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{reply:?}");
        assert!(reply.cache_status().ends_with("detail=origin-framing"), "{}", reply.cache_status());
    }
}

#[tokio::test]
async fn an_interim_answer_is_not_taken_for_the_final_one() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n").await;
        exchange.respond("200 OK", "", "final").await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    assert_eq!(edge.get("/a").await.body, "final");
    assert_eq!(edge.get("/a").await.header("link"), None);
}

#[tokio::test]
async fn a_name_that_dns_does_not_know_is_a_bad_gateway() {
    let mut config = config(nobody());
    config.sites[0].origins[0].target =
        Some(OriginTarget::Service { dns_name: "gone.invalid".into(), port: 80, scheme: Scheme::Http, granted: false });
    config.sites[0].origins[0].connect_timeout_ms = 500;
    let edge = Edge::start(config).await;
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert!(reply.cache_status().ends_with("detail=origin-unresolved"), "{}", reply.cache_status());
}

#[tokio::test]
async fn what_is_stored_stands_in_for_an_origin_that_is_gone() {
    let origin = Origin::numbered("cache-control: max-age=10\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    drop(origin);
    edge.skip(20);
    let stale = edge.get("/a").await;
    assert_eq!((stale.body.as_str(), stale.header("age")), ("read 1", Some("20")));
    assert_eq!(stale.cache_status(), "kubefront; hit; ttl=-10; detail=stale-unreachable");
    edge.skip(24 * 3600);
    assert_eq!(edge.get("/a").await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn what_must_be_validated_does_not_stand_in() {
    let origin = Origin::numbered("cache-control: max-age=10, must-revalidate\r\netag: \"v\"\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    drop(origin);
    edge.skip(20);
    assert_eq!(edge.get("/a").await.status, StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn an_error_answer_gives_way_to_what_is_stored_only_where_the_origin_allows_it() {
    let origin = Origin::start(|seen, exchange| async move {
        let allows = if seen.target == "/allowed" { ", stale-if-error=60" } else { "" };
        let fields = format!("cache-control: max-age=10{allows}\r\n");
        match seen.number {
            1 | 2 => exchange.respond("200 OK", &fields, "good").await,
            _ => exchange.respond("503 Service Unavailable", "", "bad").await,
        }
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/allowed").await;
    edge.get("/other").await;
    edge.skip(11);
    let allowed = edge.get("/allowed").await;
    assert_eq!((allowed.status, allowed.body.as_str()), (StatusCode::OK, "good"));
    assert_eq!(allowed.cache_status(), "kubefront; hit; fwd-status=503; ttl=-1; detail=stale-if-error");
    until("what was left of the error is read", || edge.running.edge.forwarder.pool().len() == 1).await;
    assert_eq!(edge.get("/other").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(origin.seen(4).connection, 1, "who is in trouble is not connected to anew");
    assert_eq!(edge.get("/allowed").await.body, "good", "the error has not displaced it");
}
