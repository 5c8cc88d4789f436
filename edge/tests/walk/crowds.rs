//! A thousand viewers of one cold key at once: what they cost the origin, what each of them gets and when.
//!
//! They come as streams of a few HTTP/2 connections, so that the test needs few sockets.

use bytes::Bytes;
use futures::future::join_all;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::edge::{Edge, config, piece, read, request, until};
use crate::origin::{Door, Origin, Then};

pub const VIEWERS: usize = 1_000;
/// Below what an edge allows, so that no viewer waits for another's stream to end.
const STREAMS: usize = 100;

pub type Sender = SendRequest<Empty<Bytes>>;

/// Viewers that have not asked yet.
pub async fn crowd(edge: &Edge, viewers: usize) -> Vec<Sender> {
    let mut senders = Vec::new();
    while senders.len() < viewers {
        let stream = TcpStream::connect(edge.running.viewers).await.expect("accepts");
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("is HTTP/2");
        tokio::spawn(connection);
        let streams = STREAMS.min(viewers - senders.len());
        senders.extend(std::iter::repeat_n(sender, streams));
    }
    senders
}

/// All of them ask at once; each gets a head.
pub fn ask(senders: Vec<Sender>, target: &'static str) -> Vec<JoinHandle<Response<Incoming>>> {
    let asking = senders.into_iter().map(|mut sender| async move {
        let request = Request::get(format!("http://shop.test{target}")).body(Empty::new()).expect("is one");
        sender.send_request(request).await.expect("there is a response")
    });
    asking.map(tokio::spawn).collect()
}

pub async fn heads(asking: Vec<JoinHandle<Response<Incoming>>>) -> Vec<Response<Incoming>> {
    join_all(asking).await.into_iter().map(|head| head.expect("does not panic")).collect()
}

pub async fn interested(edge: &Edge, viewers: usize) {
    until("all want it", || edge.running.edge.collapse.interested() == viewers).await;
}

/// The head and a half at once; behind the door the other half, or the end of the connection.
async fn halves(door: Door, whole: bool) -> Origin {
    Origin::start(move |seen, mut exchange| {
        let door = door.clone();
        async move {
            exchange.write(format!("HTTP/1.1 200 OK\r\ncontent-length: 1008\r\n\r\n{}abc", seen.number)).await;
            door.pass().await;
            if whole && exchange.write("defg".repeat(251)).await { Then::KeepAlive(exchange) } else { Then::Close }
        }
    })
    .await
}

/// Holds every answer back until the door is open.
pub async fn behind(door: Door, status: &'static str, fields: &'static str) -> Origin {
    Origin::start(move |seen, exchange| {
        let door = door.clone();
        async move {
            door.pass().await;
            exchange.respond(status, fields, &format!("read {}", seen.number)).await
        }
    })
    .await
}

#[tokio::test]
async fn a_thousand_viewers_of_a_cold_key_are_one_read_and_see_bytes_before_it_ends() {
    let door = Door::closed();
    let origin = halves(door.clone(), true).await;
    let edge = Edge::start(config(origin.address)).await;
    let mut bodies: Vec<_> =
        heads(ask(crowd(&edge, VIEWERS).await, "/a")).await.into_iter().map(Response::into_body).collect();
    for body in &mut bodies {
        assert_eq!(piece(body).await, "1abc");
    }
    assert_eq!((origin.reads(), edge.running.edge.collapse.fills()), (1, 1));
    door.open();
    let rest = "defg".repeat(251);
    for body in bodies {
        assert_eq!(body.collect().await.expect("is whole").to_bytes(), rest.as_bytes());
    }
    assert_eq!(origin.reads(), 1);
    assert_eq!(edge.get("/a").await.body, format!("1abc{rest}"));
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_thousand_viewers_wait_for_the_head_of_a_slow_origin_and_share_it() {
    let door = Door::closed();
    let origin = behind(door.clone(), "200 OK", "").await;
    let edge = Edge::start(config(origin.address)).await;
    let asking = ask(crowd(&edge, VIEWERS).await, "/a");
    interested(&edge, VIEWERS).await;
    origin.read_times(1).await;
    door.open();
    let mut collapsed = 0;
    for reply in join_all(heads(asking).await.into_iter().map(read)).await {
        let reply = reply.expect("is whole");
        assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, "read 1"));
        collapsed += usize::from(reply.cache_status().contains("; collapsed"));
    }
    assert_eq!((origin.reads(), collapsed), (1, VIEWERS - 1));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_broken_for_a_thousand_and_read_once() {
    let door = Door::closed();
    let origin = halves(door.clone(), false).await;
    let edge = Edge::start(config(origin.address)).await;
    let all = heads(ask(crowd(&edge, VIEWERS).await, "/a")).await;
    door.open();
    for viewer in all {
        viewer.into_body().collect().await.expect_err("is not complete");
    }
    assert_eq!((origin.reads(), edge.live().store().responses()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_origin_that_gives_no_answer_is_asked_for_two_viewers_and_not_for_a_thousand() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |_, exchange| {
            let door = door.clone();
            async move {
                door.pass().await;
                exchange.reset()
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    let asking = ask(crowd(&edge, VIEWERS).await, "/a");
    interested(&edge, VIEWERS).await;
    door.open();
    assert!(heads(asking).await.iter().all(|head| head.status() == StatusCode::BAD_GATEWAY));
    // Three attempts for the one who led, and for the one of those who waited that led next.
    assert_eq!(origin.reads(), 2 * 3);
    assert_eq!(edge.running.edge.collapse.fills(), 0);
}

#[tokio::test]
async fn an_error_that_may_be_shared_is_read_once_for_a_thousand() {
    let door = Door::closed();
    let origin = behind(door.clone(), "503 Service Unavailable", "").await;
    let edge = Edge::start(config(origin.address)).await;
    let asking = ask(crowd(&edge, VIEWERS).await, "/a");
    interested(&edge, VIEWERS).await;
    door.open();
    assert!(heads(asking).await.iter().all(|head| head.status() == StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_thousand_viewers_get_all_of_it_though_their_leader_leaves() {
    let door = Door::closed();
    let origin = halves(door.clone(), true).await;
    let edge = Edge::start(config(origin.address)).await;
    let mut leader = edge.open(request(Method::GET, "/a")).await.into_body();
    assert_eq!(piece(&mut leader).await, "1abc");
    let all = heads(ask(crowd(&edge, VIEWERS).await, "/a")).await;
    drop(leader);
    door.open();
    for viewer in all {
        assert_eq!(viewer.into_body().collect().await.expect("is whole").to_bytes().len(), 1_008);
    }
    assert_eq!(origin.reads(), 1);
}
