//! For how long a viewer may do nothing useful. The edge's clock and its timers pass together here, as fast as nothing happens.

use std::time::Duration;

use http::{Method, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::edge::{Edge, config};
use crate::frames::{END_STREAM, Frames, Heard};
use crate::origin::{Door, Origin, Then};
use crate::streams::{Http2, piece};

/// A viewer that says what a test tells it to, and keeps what it hears.
struct Viewer {
    stream: TcpStream,
    heard: String,
}

impl Viewer {
    async fn of(edge: &Edge) -> Self {
        Self { stream: TcpStream::connect(edge.running.viewers).await.expect("accepts"), heard: String::new() }
    }

    async fn saying(edge: &Edge, text: &str) -> Self {
        let mut viewer = Self::of(edge).await;
        viewer.stream.write_all(text.as_bytes()).await.expect("is taken");
        viewer
    }

    /// Takes what has come; whether the connection is over.
    fn is_over(&mut self) -> bool {
        let mut piece = [0; 1024];
        loop {
            match self.stream.try_read(&mut piece) {
                Ok(0) => return true,
                Ok(read) => self.heard.push_str(&String::from_utf8_lossy(&piece[..read])),
                Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
            }
        }
    }
}

/// How many seconds pass until something is so.
async fn seconds_until(edge: &Edge, mut is_so: impl FnMut() -> bool) -> u64 {
    for second in 0..1_300 {
        if is_so() {
            return second;
        }
        edge.skip(1);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("it never was so");
}

#[track_caller]
fn check(seconds: u64, expect: u64) {
    // Up to a second for each of those who look once in a while.
    assert!((expect..=expect + 2).contains(&seconds), "after {seconds} s instead of {expect}");
}

/// A body without an end, and a door that opens once nobody reads it any more.
async fn endless() -> (Origin, Door) {
    Origin::left(|mut exchange| async move {
        exchange.write("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
        let piece = vec![b'x'; 64 * 1024];
        while exchange.write(&piece).await {}
        exchange
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_head_must_end_within_ten_seconds_of_its_first_byte() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    for head in ["G", "GET / HTTP/1.1\r\nhost: a\r\n", "PRI * HTTP/2.0\r\n"] {
        let mut viewer = Viewer::saying(&edge, head).await;
        check(seconds_until(&edge, || viewer.is_over()).await, 10);
        assert_eq!(viewer.heard, "");
    }
    let mut viewer = Viewer::saying(&edge, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(seconds_until(&edge, || !viewer.is_over() && viewer.heard.ends_with("read 1")).await < 2);
    viewer.stream.write_all(b"GET / HTTP/1.1\r\n").await.expect("is taken");
    check(seconds_until(&edge, || viewer.is_over()).await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_may_wait_for_75_seconds() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let mut silent = Viewer::of(&edge).await;
    check(seconds_until(&edge, || silent.is_over()).await, 75);
    let mut kept = Viewer::saying(&edge, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    check(seconds_until(&edge, || kept.is_over()).await, 75);
    assert!(kept.heard.ends_with("read 1"), "{}", kept.heard);
    let idle = Http2::of(&edge).await;
    check(seconds_until(&edge, || idle.connection.is_finished()).await, 75);
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_waits_for_its_origin_is_not_idle() {
    let door = Door::closed();
    let origin = Origin::held(&door, "").await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].response_timeout_ms = 1_000_000;
    let edge = Edge::start(config).await;
    let mut viewer = Viewer::saying(&edge, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut seconds = 0..300;
    seconds_until(&edge, || seconds.next().is_none()).await;
    assert!(!viewer.is_over());
    door.open();
    seconds_until(&edge, || !viewer.is_over() && viewer.heard.ends_with("read 1")).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_left_http_may_be_silent_for_ten_minutes_whatever_the_origins_time_outs() {
    let (origin, gone) = Origin::left(|mut exchange| async move {
        exchange.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
        exchange.read(1).await;
        exchange.write("b").await;
        exchange
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer =
        Viewer::saying(&edge, "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
    let mut silence = 0..590;
    seconds_until(&edge, || silence.next().is_none()).await;
    assert!(!viewer.is_over() && viewer.heard.starts_with("HTTP/1.1 101 "), "{}", viewer.heard);
    viewer.stream.write_all(b"a").await.expect("is taken");
    seconds_until(&edge, || !viewer.is_over() && viewer.heard.ends_with('b')).await;
    check(seconds_until(&edge, || viewer.is_over()).await, 600);
    assert!(gone.is_open());
}

#[tokio::test(start_paused = true)]
async fn an_upload_may_stand_still_for_thirty_seconds_whatever_time_its_origin_has() {
    for time in [10_000, 30_000, 180_000] {
        let origin = Origin::start(|_, mut exchange| async move {
            exchange.closed().await;
            Then::Close
        })
        .await;
        let mut config = config(origin.address);
        config.sites[0].origins[0].response_timeout_ms = time;
        let edge = Edge::start(config).await;
        let mut viewer = Viewer::saying(&edge, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc").await;
        let mut halves = 0..20;
        seconds_until(&edge, || halves.next().is_none()).await;
        viewer.stream.write_all(b"d").await.expect("is taken");
        check(seconds_until(&edge, || viewer.is_over()).await, 30);
        assert!(viewer.heard.starts_with("HTTP/1.1 408 "), "{time}: {}", viewer.heard);
        assert!(viewer.heard.contains("detail=request-body-timeout"), "{time}: {}", viewer.heard);
        assert!(viewer.heard.contains("\r\nconnection: close\r\n"), "{time}: {}", viewer.heard);
    }
}

#[tokio::test(start_paused = true)]
async fn viewers_that_fall_silent_say_nothing_of_their_origin() {
    let origin = Origin::start(|seen, mut exchange| async move {
        if seen.target == "/soon" {
            return exchange.respond("200 OK", "", "").await;
        }
        exchange.closed().await;
        Then::Close
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewers = Vec::new();
    for _ in 0..25 {
        viewers.push(Viewer::saying(&edge, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc").await);
    }
    check(seconds_until(&edge, || viewers.iter_mut().all(Viewer::is_over)).await, 30);
    assert!(viewers.iter().all(|viewer| viewer.heard.starts_with("HTTP/1.1 408 ")), "{}", viewers[0].heard);
    assert_eq!(edge.get("/soon").await.status, StatusCode::OK, "its breaker is closed");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_takes_nothing_of_its_response_is_cut_off_after_thirty_seconds() {
    let (origin, gone) = endless().await;
    let edge = Edge::start(config(origin.address)).await;
    let _viewer = Viewer::saying(&edge, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
    check(seconds_until(&edge, || gone.is_open()).await, 30);
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_viewer_opens_no_window_is_cut_off_like_any_other() {
    let (origin, gone) = endless().await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Http2::of(&edge).await;
    let _unread = viewer.ask(Method::POST, "/", &[], true).await.answer().await;
    check(seconds_until(&edge, || gone.is_open()).await, 30);
    assert!(viewer.connection.is_finished());
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_small_response_is_waited_for_no_longer_than_that() {
    let origin =
        Origin::start(|_, exchange| async move { exchange.respond("200 OK", "", &"x".repeat(40_000)).await }).await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/").await;
    let mut viewer = Http2::of(&edge).await;
    let _unread = viewer.ask(Method::GET, "/", &[], true).await.answer().await;
    check(seconds_until(&edge, || viewer.connection.is_finished()).await, 30);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_taken_slowly_is_not_cut_off() {
    let origin =
        Origin::start(|_, exchange| async move { exchange.respond("200 OK", "", &"x".repeat(100_000)).await }).await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/").await;
    let mut viewer = Http2::of(&edge).await;
    let mut body = viewer.ask(Method::GET, "/", &[], true).await.answer().await.into_body();
    let mut read = 0;
    while let Some(data) = piece(&mut body).await {
        read += data.expect("is whole").len();
        let mut seconds = 0..20;
        seconds_until(&edge, || seconds.next().is_none()).await;
    }
    assert_eq!(read, 100_000);
}

#[tokio::test(start_paused = true)]
async fn an_upload_over_http_2_may_stand_still_for_thirty_seconds_and_other_streams_are_served() {
    let origin = Origin::start(|seen, mut exchange| async move {
        if seen.target == "/soon" {
            return exchange.respond("200 OK", "", "").await;
        }
        exchange.closed().await;
        Then::Close
    })
    .await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].response_timeout_ms = 30_000;
    let edge = Edge::start(config).await;
    let mut viewer = Http2::of(&edge).await;
    let mut upload = viewer.ask(Method::POST, "/", &[("content-length", "6")], false).await;
    upload.send("abc", false);
    let mut halves = 0..20;
    seconds_until(&edge, || halves.next().is_none()).await;
    upload.send("d", false);
    let mut answer = tokio::spawn(upload.response);
    check(seconds_until(&edge, || answer.is_finished()).await, 30);
    let answer = (&mut answer).await.expect("ends").expect("is an answer");
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    assert!(format!("{:?}", answer.headers()["cache-status"]).contains("detail=request-body-timeout"));
    assert!(viewer.serves("/soon").await);
}

#[tokio::test(start_paused = true)]
async fn once_an_answer_has_begun_its_request_may_be_silent_for_as_long_as_the_answer_goes_on() {
    let origin = Origin::start(|_, mut exchange| async move {
        assert_eq!((exchange.read_line().await.as_str(), exchange.read(5).await), ("3", b"abc\r\n".to_vec()));
        exchange.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nABC\r\n").await;
        assert_eq!((exchange.read_line().await.as_str(), exchange.read(5).await), ("3", b"def\r\n".to_vec()));
        exchange.write("3\r\nDEF\r\n0\r\n\r\n").await;
        Then::Close
    })
    .await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].response_timeout_ms = 1_000_000;
    let edge = Edge::start(config).await;
    let mut viewer = Http2::of(&edge).await;
    let mut call = viewer.ask(Method::POST, "/", &[], false).await;
    call.send("abc", false);
    let mut body = call.answer().await.into_body();
    assert_eq!(piece(&mut body).await.expect("comes").expect("is whole"), "ABC");
    let mut silence = 0..200;
    seconds_until(&edge, || silence.next().is_none()).await;
    call.send("def", true);
    assert_eq!(piece(&mut body).await.expect("comes").expect("is whole"), "DEF");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_of_http_2_that_answers_no_ping_is_cut_off() {
    let (origin, gone) = Origin::left(std::future::ready).await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].response_timeout_ms = 1_000_000;
    let edge = Edge::start(config).await;
    let mut viewer = Frames::to(edge.running.viewers).await;
    let post = [(":method", "OPTIONS"), (":scheme", "http"), (":authority", "a"), (":path", "/")];
    viewer.headers(1, END_STREAM, &post).await;
    check(seconds_until(&edge, || gone.is_open()).await, 20 + 10);
    assert_eq!(viewer.heard(1).await, Heard::Nothing);
}
