//! Which of an origin's addresses is asked, how often, over which connection, and what is never sent twice.

use edge_contract::OriginTarget;
use http::{Method, StatusCode};
use tokio::net::TcpListener;

use crate::edge::{Edge, config, until, with_text};
use crate::origin::{Origin, Then, nobody};

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
