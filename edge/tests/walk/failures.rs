//! Origins that are gone, slow or not what they seem, and what a viewer gets nonetheless.

use std::net::SocketAddr;

use edge_contract::OriginTarget;
use http::{Method, StatusCode};
use tokio::net::TcpListener;

use crate::edge::{Edge, config, request, until, with_text};
use crate::origin::{Door, Origin, Then};

/// An address on which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    listener.local_addr().expect("is bound")
}

#[tokio::test]
async fn an_origin_that_does_not_listen_is_a_bad_gateway_that_says_so() {
    let edge = Edge::start(config(nobody().await)).await;
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; detail=origin-connect");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn an_origin_without_a_target_is_unavailable() {
    let mut config = config(nobody().await);
    config.sites[0].origins[0].target = None;
    let edge = Edge::start(config).await;
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; detail=origin-missing");
}

#[tokio::test]
async fn an_origin_that_does_not_answer_in_time_is_a_gateway_timeout_and_is_asked_once() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |_, exchange| {
            let door = door.clone();
            async move {
                door.pass().await;
                exchange.respond("200 OK", "", "late").await
            }
        })
        .await
    };
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
async fn a_get_whose_connection_is_reset_is_asked_again_and_a_post_is_not() {
    let origin = Origin::start(|seen, exchange| async move {
        match seen.number {
            3 => exchange.respond("200 OK", "", "third time lucky").await,
            _ => exchange.reset(),
        }
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    assert_eq!(edge.get("/a").await.body, "third time lucky");
    let reply = edge.send(with_text(Method::POST, "/a", "x")).await;
    assert_eq!((reply.status, origin.reads()), (StatusCode::BAD_GATEWAY, 4));
}

#[tokio::test]
async fn a_kept_connection_that_the_origin_closed_costs_no_request() {
    let origin = Origin::start(|seen, mut exchange| async move {
        // It says nothing of closing, and closes.
        exchange.write(format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}", seen.number)).await;
        Then::Close
    })
    .await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].attempts = 1;
    let edge = Edge::start(config).await;
    for n in 1..=9 {
        assert_eq!(edge.get(&format!("/{n}")).await.body, n.to_string());
    }
}

#[tokio::test]
async fn a_kept_connection_that_dies_under_a_request_is_replaced_within_the_same_attempt() {
    let origin = Origin::start(|seen, exchange| async move {
        // The second request comes over the connection of the first, and finds it dying.
        if seen.number == 2 {
            Then::Close
        } else {
            exchange.respond("200 OK", "", &format!("read {}", seen.number)).await
        }
    })
    .await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].attempts = 1;
    let edge = Edge::start(config).await;
    assert_eq!(edge.get("/a").await.body, "read 1");
    until("the connection is kept", || edge.running.edge.forwarder.pool().len() == 1).await;
    assert_eq!(edge.get("/b").await.body, "read 3");
}

#[tokio::test]
async fn connections_to_an_origin_are_kept() {
    let connections = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let origin = Origin::numbered("").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let front = listener.local_addr().expect("is bound");
    let counting = std::sync::Arc::clone(&connections);
    let behind = origin.address;
    tokio::spawn(async move {
        while let Ok((mut viewer, _)) = listener.accept().await {
            counting.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::spawn(async move {
                let mut origin = tokio::net::TcpStream::connect(behind).await.expect("accepts");
                let _ = tokio::io::copy_bidirectional(&mut viewer, &mut origin).await;
            });
        }
    });
    let edge = Edge::start(config(front)).await;
    for n in 0..10 {
        edge.get(&format!("/{n}")).await;
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn endpoints_are_used_in_turn_and_one_that_is_gone_fails_nobody() {
    let (one, other) = (Origin::numbered("").await, Origin::numbered("").await);
    let mut config = config(nobody().await);
    config.sites[0].origins[0].target = Some(OriginTarget::Service { dns_name: "app.invalid".into(), port: 80 });
    let edge = Edge::start(config).await;
    edge.endpoints(&[one.address, nobody().await, other.address]);
    for n in 0..12 {
        assert_eq!(edge.get(&format!("/{n}")).await.status, StatusCode::OK);
    }
    assert!(one.reads() >= 4 && other.reads() >= 4, "{} {}", one.reads(), other.reads());
}

#[tokio::test]
async fn the_services_name_is_used_without_endpoints_and_when_all_of_them_fail() {
    let origin = Origin::numbered("").await;
    let mut config = config(nobody().await);
    // Every resolver knows this name without asking anyone (RFC 6761 §6.3).
    let target = OriginTarget::Service { dns_name: "localhost".into(), port: origin.address.port() };
    config.sites[0].origins[0].target = Some(target);
    let edge = Edge::start(config).await;
    assert_eq!(edge.get("/none").await.body, "read 1");
    edge.endpoints(&[nobody().await, nobody().await, nobody().await, nobody().await]);
    assert_eq!(edge.get("/failing").await.body, "read 2");
    edge.live().forget_endpoints();
    assert_eq!(edge.get("/forgotten").await.body, "read 3");
}

#[tokio::test]
async fn a_name_that_dns_does_not_know_is_a_bad_gateway() {
    let mut config = config(nobody().await);
    config.sites[0].origins[0].target = Some(OriginTarget::Service { dns_name: "gone.invalid".into(), port: 80 });
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
    assert_eq!(edge.get("/other").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(edge.get("/allowed").await.body, "good", "the error has not displaced it");
}
