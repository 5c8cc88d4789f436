//! The end of an edge: no request fails by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use edge::live::Phase;
use http::{Method, Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use crate::edge::{Edge, PATIENCE, Raw, config, open, piece, read, request, until};
use crate::origin::{Door, Origin, Then};
use crate::program::{Place, Program};

#[tokio::test]
async fn a_draining_edge_is_unready_goes_on_accepting_and_asks_viewers_to_go_elsewhere() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    assert_eq!(edge.admin("/readyz").await.status, StatusCode::OK);
    assert_eq!(edge.get("/a").await.header("connection"), None);
    edge.live().enter(Phase::Draining);
    assert_eq!(edge.admin("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(edge.admin("/healthz").await.status, StatusCode::OK);
    let reply = edge.get("/a").await;
    assert_eq!((reply.status, reply.header("connection")), (StatusCode::OK, Some("close")));
}

#[tokio::test]
async fn a_response_that_has_begun_is_finished_before_the_edge_has_drained() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |_, mut exchange| {
            let door = door.clone();
            async move {
                exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc").await;
                door.pass().await;
                exchange.write("def").await;
                Then::KeepAlive(exchange)
            }
        })
        .await
    };
    let Edge { running, .. } = Edge::start(config(origin.address)).await;
    let (viewers, live) = (running.viewers, running.edge.live.clone());
    let mut body = open(viewers, request(Method::GET, "/a")).await.expect("answers").into_body();
    assert_eq!(piece(&mut body).await, "abc");
    let draining = tokio::spawn(running.until_drained(async {}));
    live.phases().wait_for(|phase| *phase == Phase::Finishing).await.expect("gets there");
    until("nobody is accepted any more", || std::net::TcpStream::connect(viewers).is_err()).await;
    assert_eq!(live.phase(), Phase::Finishing);
    door.open();
    assert_eq!(piece(&mut body).await, "def");
    draining.await.expect("ends");
    assert_eq!(live.phase(), Phase::Drained);
}

#[tokio::test]
async fn a_connection_that_has_left_http_is_waited_for_like_a_response() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nhello").await;
        loop {
            let line = exchange.read_line().await;
            if line.is_empty() || !exchange.write(line).await {
                return Then::Close;
            }
        }
    })
    .await;
    let Edge { running, .. } = Edge::start(config(origin.address)).await;
    let (mut viewer, live) = (Raw::to(running.viewers).await, running.edge.live.clone());
    viewer.say("GET /a HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
    viewer.head().await;
    let draining = tokio::spawn(running.until_drained(async {}));
    live.phases().wait_for(|phase| *phase == Phase::Finishing).await.expect("gets there");
    viewer.say("still here\n").await;
    assert_eq!(viewer.exactly(15).await, "hellostill here");
    assert_eq!(live.phase(), Phase::Finishing);
    drop(viewer);
    tokio::time::timeout(PATIENCE, draining).await.expect("in time").expect("ends");
    assert_eq!(live.phase(), Phase::Drained);
}

/// Viewers come all the time, as they do while the cluster has not heard yet that this edge leaves; none of them may notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_an_edge_drains() {
    let origin = Origin::numbered("").await;
    let Edge { running, .. } = Edge::with(&["--drain-accept", "1"], config(origin.address)).await;
    let viewers = running.viewers;
    let (served, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gone_elsewhere = Arc::new(AtomicBool::new(false));
    let mut loops = Vec::new();
    for n in 0..8 {
        let (served, failed, gone) = (Arc::clone(&served), Arc::clone(&failed), Arc::clone(&gone_elsewhere));
        loops.push(tokio::spawn(async move {
            while !gone.load(Ordering::Acquire) {
                let number = served.load(Ordering::Relaxed);
                let target = if n % 2 == 0 { "/hit".to_owned() } else { format!("/{n}/{number}") };
                let answer = open(viewers, request(Method::GET, &target)).await;
                let whole = match answer {
                    Ok(response) => read(response).await.is_ok_and(|reply| reply.status == StatusCode::OK),
                    Err(_) => false,
                };
                (if whole { &served } else { &failed }).fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let live = running.edge.live.clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let draining = tokio::spawn(running.until_drained(async { drop(stopped.await) }));
    until("viewers are served", || served.load(Ordering::Relaxed) > 50).await;
    stop.send(()).expect("is awaited");
    live.phases().wait_for(|phase| *phase >= Phase::Draining).await.expect("gets there");
    let before = served.load(Ordering::Relaxed);
    until("viewers are still served", || served.load(Ordering::Relaxed) > before + 50).await;
    assert_eq!(live.phase(), Phase::Draining);
    // The cluster has heard of it: new connections go elsewhere, those that are open end.
    gone_elsewhere.store(true, Ordering::Release);
    for viewer in loops {
        viewer.await.expect("ends");
    }
    draining.await.expect("ends");
    assert_eq!(failed.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_http2_connection_that_is_open_when_draining_begins_is_told_to_go_and_its_streams_are_finished() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |seen, exchange| {
            let door = door.clone();
            async move {
                if seen.target == "/late" {
                    door.pass().await;
                }
                exchange.respond("200 OK", "cache-control: no-store\r\n", &seen.target).await
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    let stream = TcpStream::connect(edge.running.viewers).await.expect("accepts");
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let mut get = |path| {
        let request = Request::get(format!("http://shop.test{path}")).body(Empty::<Bytes>::new());
        sender.send_request(request.expect("is one"))
    };
    let late = get("/late");
    origin.read_times(1).await;
    assert!(get("/soon").await.is_ok());
    edge.live().enter(Phase::Draining);
    let until_told = async { while get("/soon").await.is_ok() {} };
    tokio::time::timeout(PATIENCE, until_told).await.expect("no new stream may begin");
    door.open();
    assert_eq!(read(late.await.expect("answers")).await.expect("is whole").body, "/late");
    connection.await.expect("ends").expect("in order");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let origin = Origin::numbered("").await;
    let Edge { running, .. } = Edge::start(config(origin.address)).await;
    let _silent = TcpStream::connect(running.viewers).await.expect("accepts");
    let stream = TcpStream::connect(running.viewers).await.expect("accepts");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("speaks HTTP/1");
    tokio::spawn(connection);
    read(sender.send_request(request(Method::GET, "/a")).await.expect("answers")).await.expect("is whole");
    tokio::time::timeout(PATIENCE, running.until_drained(async {})).await.expect("drains");
}

#[tokio::test]
async fn the_program_itself_ends_well_on_sigterm() {
    let origin = Origin::numbered("").await;
    let mounted = Place::of(&config(origin.address));
    let mut program = Program::start(&["--drain-accept", "0", "--config", mounted.text()]);
    let viewers = program.viewers().await;
    let reply = read(open(viewers, request(Method::GET, "/a")).await.expect("answers")).await.expect("is whole");
    assert_eq!(reply.body, "read 1");
    let access = program.says("cache").await;
    assert_eq!(
        (access["target"].as_str(), access["status"].as_u64(), access["cache"].as_str()),
        (Some("access"), Some(200), Some("miss"))
    );
    assert_eq!(
        (access["fwd"].as_str(), access["stored"].as_bool()),
        (Some("uri-miss"), Some(true)),
        "what the viewer was told"
    );
    program.terminate();
    assert!(program.end().await.success());
}

#[tokio::test]
async fn a_sigterm_while_the_program_starts_is_not_lost_and_is_no_failure() {
    let origin = Origin::numbered("").await;
    // A configuration that takes its time: whoever opens this end knows that the program is reading the other.
    let mounted = Place::new("pipe");
    let made = std::process::Command::new("mkfifo").arg(mounted.path()).status().expect("runs");
    assert!(made.success());
    let program = Program::start(&["--drain-accept", "0", "--config", mounted.text()]);
    let mut writing = None;
    until("it reads its configuration", || {
        writing = pipe::OpenOptions::new().open_sender(mounted.path()).ok();
        writing.is_some()
    })
    .await;
    program.terminate();
    let mut writing = writing.expect("is open");
    writing.write_all(&serde_json::to_vec(&config(origin.address)).expect("encodes")).await.expect("is read");
    drop(writing);
    assert!(program.end().await.success());
}

#[tokio::test]
async fn an_edge_that_serves_nothing_yet_has_nothing_to_wait_for() {
    let mut program = Program::start(&["--drain-accept", "3600"]);
    program.viewers().await;
    program.terminate();
    assert!(program.end().await.success());
}
