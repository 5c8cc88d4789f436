//! The bound on stored bytes: never exceeded, never a reason to fail a viewer.

use futures::future::join_all;
use http::Method;
use http_body_util::BodyExt;

use crate::edge::{Edge, config, piece, request, until};
use crate::origin::{Door, Origin, Then};

const MIB: usize = 1024 * 1024;

/// Bodies of the size that the path says, with a length or without.
async fn sized(with_length: bool) -> Origin {
    Origin::start(move |seen, mut exchange| async move {
        let size: usize = seen.target.rsplit('/').next().and_then(|text| text.parse().ok()).expect("a number");
        if with_length {
            exchange.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n")).await;
            exchange.write("x".repeat(size)).await;
            return Then::KeepAlive(exchange);
        }
        exchange.write("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
        exchange.write("x".repeat(size)).await;
        Then::Close
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_held_never_exceed_the_bound_and_every_viewer_gets_everything() {
    let origin = sized(true).await;
    let edge = Edge::with(&["--cache-memory", "1048576"], config(origin.address)).await;
    let store = edge.live().store();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let watching = async {
        let mut most = 0;
        while stopped.try_recv().is_err() {
            most = most.max(store.held());
            tokio::task::yield_now().await;
        }
        most
    };
    let viewing = async {
        for round in 0..4 {
            let replies = join_all((0..32).map(|n| {
                let target = format!("/{round}/{n}/100000");
                let edge = &edge;
                async move { edge.get(&target).await }
            }))
            .await;
            assert!(replies.iter().all(|reply| reply.body.len() == 100_000));
        }
        stop.send(()).expect("is awaited");
    };
    let (most, ()) = tokio::join!(watching, viewing);
    assert!(most <= MIB && most > MIB / 2, "{most}");
    assert!(store.evicted() > 0);
    assert!(store.responses() >= 5, "{}", store.responses());
}

#[tokio::test]
async fn what_is_larger_than_the_store_passes_whole_and_unstored() {
    for with_length in [true, false] {
        let origin = sized(with_length).await;
        let edge = Edge::with(&["--cache-memory", "1048576"], config(origin.address)).await;
        for reads in 1..=2 {
            let reply = edge.get("/3000000").await;
            assert_eq!((reply.body.len(), origin.reads()), (3_000_000, reads));
        }
        until("nothing is held", || edge.live().store().held() == 0).await;
        assert_eq!(edge.live().store().responses(), 0);
    }
}

#[tokio::test]
async fn what_finds_no_room_halfway_still_reaches_all_who_follow_it() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |_, mut exchange| {
            let door = door.clone();
            async move {
                exchange.write("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nbegin").await;
                door.pass().await;
                exchange.write("x".repeat(3_000_000)).await;
                Then::Close
            }
        })
        .await
    };
    let edge = Edge::with(&["--cache-memory", "1048576"], config(origin.address)).await;
    let opened = join_all((0..5).map(|_| edge.open(request(Method::GET, "/a")))).await;
    let mut bodies: Vec<_> = opened.into_iter().map(http::Response::into_body).collect();
    for body in &mut bodies {
        assert_eq!(piece(body).await, "begin");
    }
    door.open();
    for whole in join_all(bodies.into_iter().map(BodyExt::collect)).await {
        assert_eq!(whole.expect("is whole").to_bytes().len(), 3_000_000);
    }
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn what_finds_no_room_from_its_first_byte_on_still_reaches_its_viewer() {
    let origin = Origin::start(|_, mut exchange| async move {
        let body = "x".repeat(20_000);
        exchange.write(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}")).await;
        Then::Close
    })
    .await;
    let edge = Edge::with(&["--cache-memory", "8192"], config(origin.address)).await;
    for reads in 1..=2 {
        let reply = edge.get("/a").await;
        assert_eq!((reply.status, reply.body.len(), origin.reads()), (http::StatusCode::OK, 20_000, reads));
    }
    until("nothing is held", || edge.live().store().held() == 0).await;
}

#[tokio::test]
async fn what_finds_no_room_and_has_no_viewer_is_not_read_on() {
    let left = Door::closed();
    let leaves = left.clone();
    let (origin, gone) = Origin::left(move |mut exchange| {
        let left = leaves.clone();
        async move {
            exchange.write("HTTP/1.1 200 OK\r\netag: \"v\"\r\nconnection: close\r\n\r\n").await;
            left.pass().await;
            exchange.write("x".repeat(20_000)).await;
            exchange
        }
    })
    .await;
    let edge = Edge::with(&["--cache-memory", "8192"], config(origin.address)).await;
    // Such a viewer needs no body; the fill goes on only for the sake of the store.
    let mut viewer = request(Method::GET, "/a");
    viewer.headers_mut().insert("if-none-match", "\"v\"".parse().expect("a value"));
    assert_eq!(edge.send(viewer).await.status, http::StatusCode::NOT_MODIFIED);
    left.open();
    // Well before the slowest of viewers would be given up.
    tokio::time::timeout(crate::edge::PATIENCE, gone.pass()).await.expect("the origin's connection is closed");
}

#[tokio::test]
async fn an_origin_is_read_no_faster_than_a_viewer_takes_what_is_not_kept() {
    for head in ["content-length: 67108864\r\n", "connection: close\r\n"] {
        check_pace(head).await;
    }
}

async fn check_pace(head: &'static str) {
    let (sent, total) = (std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)), 64 * MIB);
    let origin = {
        let sent = std::sync::Arc::clone(&sent);
        Origin::start(move |_, mut exchange| {
            let sent = std::sync::Arc::clone(&sent);
            async move {
                exchange.write(format!("HTTP/1.1 200 OK\r\n{head}\r\n")).await;
                let block = "x".repeat(MIB);
                for _ in 0..64 {
                    if !exchange.write(&block).await {
                        return Then::Close;
                    }
                    sent.fetch_add(MIB, std::sync::atomic::Ordering::Relaxed);
                }
                Then::Close
            }
        })
        .await
    };
    let edge = Edge::with(&["--cache-memory", "1048576"], config(origin.address)).await;
    let mut body = edge.open(request(Method::GET, "/a")).await.into_body();
    piece(&mut body).await;
    // The viewer takes nothing now; what lies in sockets and buffers on the way is a few MiB.
    let mut before = usize::MAX;
    until("the origin stands still", || {
        let now = sent.load(std::sync::atomic::Ordering::Relaxed);
        let still = now == before && now > 0;
        before = now;
        still
    })
    .await;
    assert!(before < total / 2, "{before}");
    let rest = body.collect().await.expect("is whole").to_bytes().len();
    assert!(rest < total && rest > total - MIB);
}

#[tokio::test]
async fn what_readers_still_hold_counts_until_they_let_go() {
    let origin = sized(true).await;
    let edge = Edge::with(&["--cache-memory", "1048576"], config(origin.address)).await;
    edge.get("/a/400000").await;
    edge.begin_log();
    let held = edge.live().store().held();
    let slow = edge.open(request(Method::GET, "/a/400000")).await;
    edge.order(2, vec![edge_contract::Scope::Everything]);
    until("it is dropped", || edge.live().store().responses() == 0).await;
    let _ = held;
    drop(slow);
    until("the reader has let go", || edge.live().store().held() == 0).await;
}

#[tokio::test]
async fn what_comes_after_a_body_counts_too() {
    let origin = Origin::start(|_, mut exchange| async move {
        let trailer = "x".repeat(10_000);
        exchange.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n").await;
        exchange.write(format!("x-trailer: {trailer}\r\n\r\n")).await;
        Then::KeepAlive(exchange)
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    assert_eq!((edge.get("/a").await.body.as_str(), edge.live().store().responses()), ("abc", 1));
    assert!(edge.live().store().held() > 10_000, "{}", edge.live().store().held());
    let edge = Edge::with(&["--cache-memory", "8192"], config(origin.address)).await;
    for _ in 0..2 {
        assert_eq!((edge.get("/a").await.body.as_str(), edge.live().store().responses()), ("abc", 0));
    }
    assert_eq!(origin.reads(), 3);
}

#[tokio::test]
async fn what_is_asked_for_again_outlives_what_was_asked_for_once() {
    let origin = sized(true).await;
    let edge = Edge::with(&["--cache-memory", "1048576"], config(origin.address)).await;
    edge.get("/popular/50000").await;
    for n in 0..100 {
        edge.get("/popular/50000").await;
        edge.get(&format!("/once/{n}/50000")).await;
    }
    let popular = (1..=origin.reads()).filter(|n| origin.seen(*n).target == "/popular/50000").count();
    assert!(popular <= 2, "{popular}");
}
