//! Many who ask before there is a connection of HTTP/2 to an origin, or room on one: who waits, who opens one, and what is held against whom.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use h2::Reason;
use h2::server::Builder;
use http::StatusCode;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};

use crate::edge::Edge;
use crate::http2_origin::{Asked, Http2Origin, h2c};
use crate::origin::Door;

#[tokio::test]
async fn nobody_is_refused_because_it_is_not_known_yet_how_many_an_origin_takes() {
    let door = Door::closed();
    let opens = door.clone();
    let origin = Http2Origin::with(Builder::new().max_concurrent_streams(10), move |asked: Asked| {
        let door = opens.clone();
        async move {
            door.pass().await;
            asked.answer(200, &[], "read");
        }
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let paths: Vec<_> = (0..100).map(|n| format!("/{n}")).collect();
    let all = join_all(paths.iter().map(|path| edge.get(path)));
    let (replies, ()) = tokio::join!(all, async {
        origin.asked_times(100).await;
        door.open();
    });
    assert!(replies.iter().all(|reply| reply.status == StatusCode::OK), "{replies:?}");
    assert_eq!(origin.connections(), 10);
    assert_eq!(edge.running.edge.forwarder.counts().retries.so_far(), 0);
}

#[tokio::test]
async fn what_an_origin_refused_it_has_not_borne() {
    let refused = Arc::new(Mutex::new(HashSet::new()));
    let origin = Http2Origin::start(move |mut asked: Asked| {
        let is_first = refused.lock().insert(asked.path().to_owned());
        async move {
            if is_first {
                return asked.reply.send_reset(Reason::REFUSED_STREAM);
            }
            asked.answer(200, &[], "read");
        }
    })
    .await;
    let edge = Edge::start(origin.config()).await;
    let paths: Vec<_> = (0..50).map(|n| format!("/{n}")).collect();
    let replies = join_all(paths.iter().map(|path| edge.get(path))).await;
    assert!(replies.iter().all(|reply| reply.status == StatusCode::OK), "{replies:?}");
    assert_eq!(edge.running.edge.forwarder.counts().retries.so_far(), 0);
}

#[tokio::test]
async fn an_origin_that_takes_few_at_a_time_is_not_taken_for_one_that_is_not_there() {
    let door = Door::closed();
    let opens = door.clone();
    let origin = Http2Origin::with(Builder::new().max_concurrent_streams(1), move |asked: Asked| {
        let door = opens.clone();
        async move {
            door.pass().await;
            asked.answer(200, &[], "read");
        }
    })
    .await;
    let slow = slowed(origin.address, Duration::from_millis(100)).await;
    let mut config = h2c(slow);
    config.sites[0].origins[0].attempts = 2;
    config.sites[0].origins[0].connect_timeout_ms = 350;
    let edge = Edge::start(config).await;
    let paths: Vec<_> = (0..40).map(|n| format!("/{n}")).collect();
    let mut all: FuturesUnordered<_> = paths.iter().map(|path| edge.get(path)).collect();
    // Those who have a connection wait for their answers.
    let crowded = all.next().await.expect("is answered");
    assert!(crowded.cache_status().ends_with("detail=origin-connect-timeout"), "{}", crowded.cache_status());
    assert!(origin.connections() < 10, "nobody dials because others wait");
    door.open();
    let served = all.filter(|reply| std::future::ready(reply.status == StatusCode::OK)).count().await;
    assert!((1..10).contains(&served), "{served}");
    let counts = edge.running.edge.forwarder.counts();
    assert_eq!((counts.retries.so_far(), counts.retries_refused.so_far()), (0, 0), "nor is its address doubted");
    assert_eq!(edge.get("/later").await.status, StatusCode::OK, "its breaker is closed");
}

/// An address whose every connection leads to another, after a while.
async fn slowed(to: SocketAddr, pause: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("is bound");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                let mut far = TcpStream::connect(to).await.expect("accepts");
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    address
}
