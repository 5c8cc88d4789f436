//! Which of an origin's addresses is asked, how often, over which connection, and what is never sent twice.

use std::net::SocketAddr;
use std::time::Duration;

use edge::clock::Clock;
use edge_contract::{EdgeConfig, OriginTarget, Scheme};
use http::{Method, StatusCode};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::edge::{Edge, config, request, until, with_text};
use crate::origin::{Origin, Then, nobody};
use crate::rolling::service;

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

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_fails_after_a_while_has_used_up_its_attempt() {
    let origin = Origin::start(|seen, exchange| async move {
        if seen.number == 1 {
            return exchange.respond("200 OK", "", "read 1").await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        Then::Close
    })
    .await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].attempts = 1;
    let edge = Edge::start(config).await;
    assert_eq!(edge.get("/a").await.body, "read 1");
    until("the connection is kept", || edge.running.edge.forwarder.pool().len() == 1).await;
    let reply = edge.get("/b").await;
    assert_eq!((reply.status, origin.reads()), (StatusCode::BAD_GATEWAY, 2));
}

#[tokio::test(start_paused = true)]
async fn however_often_an_origin_is_asked_it_has_its_time_for_a_head_once() {
    let origin = Origin::start(|_, exchange| async move {
        tokio::time::sleep(Duration::from_secs(6)).await;
        exchange.reset()
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let began = Clock::deadline(Duration::ZERO);
    let reply = edge.get("/a").await;
    assert_eq!((reply.status, origin.reads()), (StatusCode::GATEWAY_TIMEOUT, 2));
    assert!(reply.cache_status().ends_with("detail=origin-timeout"), "{}", reply.cache_status());
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn connections_to_an_origin_are_kept() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    for n in 1..=10 {
        edge.get(&format!("/{n}")).await;
        assert_eq!(origin.seen(n).connection, 1);
    }
}

#[tokio::test]
async fn endpoints_are_used_in_turn_and_one_that_is_gone_fails_nobody() {
    let (one, other) = (Origin::numbered("").await, Origin::numbered("").await);
    let edge = Edge::start(service()).await;
    edge.endpoints(&[one.address, nobody(), other.address]);
    for n in 0..12 {
        assert_eq!(edge.get(&format!("/{n}")).await.status, StatusCode::OK);
    }
    assert!(one.reads() >= 4 && other.reads() >= 4, "{} {}", one.reads(), other.reads());
}

/// An origin as a Service whose name every resolver knows without asking anyone (RFC 6761 §6.3).
fn by_its_name(origin: &Origin) -> EdgeConfig {
    let mut config = config(nobody());
    config.sites[0].origins[0].target = Some(OriginTarget::Service {
        dns_name: "localhost".into(),
        port: origin.address.port(),
        scheme: Scheme::Http,
        granted: false,
    });
    config
}

#[tokio::test]
async fn the_services_name_is_used_without_endpoints_and_when_all_of_them_fail() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(by_its_name(&origin)).await;
    assert_eq!(edge.get("/none").await.body, "read 1");
    edge.endpoints(&[nobody(), nobody(), nobody(), nobody()]);
    assert_eq!(edge.get("/failing").await.body, "read 2");
    edge.live().forget_endpoints();
    assert_eq!(edge.get("/forgotten").await.body, "read 3");
}

#[tokio::test]
async fn an_origin_is_asked_as_often_as_its_attempts_say() {
    for attempts in 1..=3 {
        let origin = Origin::start(|_, exchange| async move { exchange.reset() }).await;
        let mut config = config(origin.address);
        config.sites[0].origins[0].attempts = attempts;
        let edge = Edge::start(config).await;
        assert_eq!(edge.get("/a").await.status, StatusCode::BAD_GATEWAY);
        assert_eq!(origin.reads(), attempts as usize);
    }
}

#[tokio::test]
async fn the_last_of_several_attempts_is_the_services_name_and_a_single_one_is_not() {
    let origin = Origin::numbered("").await;
    let mut config = by_its_name(&origin);
    for (attempts, status) in [(1, StatusCode::BAD_GATEWAY), (2, StatusCode::OK), (3, StatusCode::OK)] {
        config.sites[0].origins[0].attempts = attempts;
        let edge = Edge::start(config.clone()).await;
        edge.endpoints(&[nobody(), nobody(), nobody()]);
        assert_eq!(edge.get("/a").await.status, status, "{attempts} attempts");
    }
}

#[tokio::test]
async fn listed_endpoints_have_another_turn_where_dns_does_not_know_the_name() {
    let origin = Origin::start(|seen, exchange| async move {
        match seen.number {
            1 => exchange.reset(),
            _ => exchange.respond("200 OK", "", "second time lucky").await,
        }
    })
    .await;
    let mut config = config(nobody());
    config.sites[0].origins[0].target =
        Some(OriginTarget::Service { dns_name: "gone.invalid".into(), port: 80, scheme: Scheme::Http, granted: false });
    config.sites[0].origins[0].connect_timeout_ms = 500;
    let edge = Edge::start(config).await;
    edge.endpoints(&[origin.address]);
    assert_eq!(edge.get("/a").await.body, "second time lucky");
}

#[tokio::test]
async fn an_upload_goes_whole_to_the_next_address_as_long_as_nothing_of_it_was_sent() {
    let origin = Origin::start(|_, mut exchange| async move {
        let body = exchange.read(4).await;
        exchange.respond("200 OK", "", std::str::from_utf8(&body).expect("is text")).await
    })
    .await;
    let edge = Edge::start(service()).await;
    edge.endpoints(&[nobody(), origin.address]);
    for _ in 0..4 {
        let reply = edge.send(with_text(Method::POST, "/a", "text")).await;
        assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, "text"));
    }
    assert_eq!(origin.reads(), 4);
}

#[tokio::test]
async fn what_may_change_something_is_not_sent_again_once_it_was_sent() {
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let origin = Origin::start(|_, exchange| async move { exchange.reset() }).await;
        let edge = Edge::start(config(origin.address)).await;
        let reply = edge.send(request(method.clone(), "/a")).await;
        assert_eq!((reply.status, origin.reads()), (StatusCode::BAD_GATEWAY, 1), "{method}");
        assert!(reply.cache_status().ends_with("detail=origin-reset"), "{}", reply.cache_status());
    }
}

/// An address whose connections are never accepted: its queue holds one, and that one is there. Later ones wait.
async fn full() -> (SocketAddr, (TcpListener, TcpStream)) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port is free");
    let listener = socket.listen(0).expect("listens");
    let address = listener.local_addr().expect("is bound");
    let first = TcpStream::connect(address).await.expect("is queued");
    (address, (listener, first))
}

#[tokio::test]
async fn an_address_that_takes_no_connection_in_time_is_a_gateway_timeout_or_gives_way_to_another() {
    let (full, _held) = full().await;
    let mut config = config(full);
    config.sites[0].origins[0].connect_timeout_ms = 50;
    let edge = Edge::start(config).await;
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(reply.cache_status().ends_with("detail=origin-connect-timeout"), "{}", reply.cache_status());
    let origin = Origin::numbered("").await;
    let mut config = service();
    config.sites[0].origins[0].connect_timeout_ms = 50;
    let edge = Edge::start(config).await;
    edge.endpoints(&[full, origin.address]);
    for n in 0..4 {
        assert_eq!(edge.get(&format!("/{n}")).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_connection_is_kept_for_as_long_as_the_origin_says() {
    let origin = Origin::numbered("").await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].keep_alive_ms = 5_000;
    let edge = Edge::start(config).await;
    let pool = edge.running.edge.forwarder.pool();
    for (path, wait, connection) in [("/a", 0, 1), ("/b", 4, 1), ("/c", 4, 1), ("/d", 5, 2)] {
        edge.skip(wait);
        edge.get(path).await;
        assert_eq!(origin.seen(origin.reads()).connection, connection, "{path}");
        until("the connection is kept", || pool.len() == 1).await;
    }
}

#[tokio::test]
async fn what_went_wrong_with_someone_who_was_there_is_what_is_told() {
    let origin = Origin::start(|_, exchange| async move { exchange.reset() }).await;
    let mut config = config(nobody());
    config.sites[0].origins[0].target =
        Some(OriginTarget::Service { dns_name: "gone.invalid".into(), port: 80, scheme: Scheme::Http, granted: false });
    config.sites[0].origins[0].connect_timeout_ms = 500;
    config.sites[0].origins[0].attempts = 2;
    let edge = Edge::start(config).await;
    edge.endpoints(&[origin.address, nobody()]);
    for path in ["/a", "/b"] {
        let reply = edge.get(path).await;
        assert!(reply.cache_status().ends_with("detail=origin-reset"), "{}", reply.cache_status());
    }
    assert_eq!(origin.reads(), 2);
}
