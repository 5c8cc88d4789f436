//! Responses of which not all goes out: whose doing it was, and whether they are said to be stored.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use edge_contract::EdgeConfig;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::edge::{Raw, config, open, piece, read, request};
use crate::origin::{Door, Origin, Then};
use crate::program::{Place, Program};

/// A program that serves this and waits for nobody when it ends.
async fn serving(config: &EdgeConfig) -> (Program, SocketAddr, Place) {
    let mounted = Place::of(config);
    let arguments = ["--drain-accept", "0", "--drain-limit", "0", "--config", mounted.text()];
    let mut program = Program::start(&arguments);
    let viewers = program.viewers().await;
    (program, viewers, mounted)
}

/// Begins an answer, and fails in one way or another once what it has sent was heard.
async fn failing(heard: &Arc<Semaphore>) -> Origin {
    let heard = Arc::clone(heard);
    Origin::start(move |seen, mut exchange| {
        let heard = Arc::clone(&heard);
        async move {
            let fields = seen.header("x-fields").expect("is sent").to_owned();
            let framing = if seen.target == "/malformed" { "transfer-encoding: chunked" } else { "content-length: 6" };
            let begun = if seen.target == "/malformed" { "3\r\nabc\r\n" } else { "abc" };
            exchange.write(format!("HTTP/1.1 200 OK\r\ncache-control: {fields}\r\n{framing}\r\n\r\n{begun}")).await;
            heard.acquire().await.expect("is open").forget();
            match seen.target.as_str() {
                "/silent" => exchange.closed().await,
                "/malformed" => drop(exchange.write("no size\r\n").await),
                _ => {}
            }
            Then::Close
        }
    })
    .await
}

fn outcome(line: &Value) -> (Value, Value, Value) {
    (line["complete"].clone(), line["cut"].clone(), line["stored"].clone())
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_said_to_be_stored_and_whose_doing_that_was_is_said() {
    let heard = Arc::new(Semaphore::new(0));
    let origin = failing(&heard).await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].response_timeout_ms = 200;
    config.sites[0].behaviors[0].key.headers = vec!["x-fields".into()];
    let (mut program, viewers, _mounted) = serving(&config).await;
    for (target, cut) in [("/silent", "origin-silent"), ("/reset", "origin-reset"), ("/malformed", "origin-malformed")]
    {
        for fields in ["max-age=60", "no-store"] {
            let mut request = request(Method::GET, target);
            request.headers_mut().insert("x-fields", fields.parse().expect("a value"));
            let mut body = open(viewers, request).await.expect("answers").into_body();
            assert_eq!(piece(&mut body).await, "abc");
            heard.add_permits(1);
            body.collect().await.expect_err("breaks off");
            let line = program.says("method").await;
            assert_eq!(outcome(&line), (false.into(), cut.into(), false.into()), "{line}");
            assert_eq!(line["ttl"], Value::Null, "of what is not stored: {line}");
        }
    }
}

#[tokio::test]
async fn a_viewer_that_leaves_is_said_to_have_left_and_nobody_knows_yet_what_is_stored() {
    let door = Door::closed();
    let origin = Origin::halting(&door).await;
    let (mut program, viewers, _mounted) = serving(&config(origin.address)).await;
    let mut body = open(viewers, request(Method::GET, "/a")).await.expect("answers").into_body();
    piece(&mut body).await;
    drop(body);
    let line = program.says("method").await;
    assert_eq!(outcome(&line), (false.into(), "viewer-left".into(), Value::Null), "{line}");
    door.open();
    read(open(viewers, request(Method::GET, "/b")).await.expect("answers")).await.expect("is complete");
    let line = program.says("method").await;
    assert_eq!(outcome(&line), (true.into(), Value::Null, true.into()), "{line}");
}

#[tokio::test]
async fn what_an_edge_cuts_when_it_ends_has_its_line() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |seen, mut exchange| {
            let door = door.clone();
            async move {
                match seen.target.as_str() {
                    "/tunnel" => {
                        let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
                        exchange.write(format!("{switch}hello")).await
                    }
                    "/head" => true,
                    _ => exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc").await,
                };
                door.pass().await;
                Then::Close
            }
        })
        .await
    };
    let (mut program, viewers, _mounted) = serving(&config(origin.address)).await;
    let mut tunnel = Raw::to(viewers).await;
    tunnel.say("GET /tunnel HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n").await;
    tunnel.head().await;
    assert_eq!(tunnel.exactly(5).await, "hello");
    let mut body = open(viewers, request(Method::GET, "/body")).await.expect("answers").into_body();
    piece(&mut body).await;
    let mut waiting = Raw::to(viewers).await;
    waiting.say("GET /head HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let stream = TcpStream::connect(viewers).await.expect("accepts");
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("speaks HTTP/2");
    tokio::spawn(connection);
    let over_http2 = Request::get("http://shop.test/stream").body(Empty::<Bytes>::new()).expect("is one");
    let mut stream = sender.send_request(over_http2).await.expect("answers").into_body();
    piece(&mut stream).await;
    origin.read_times(4).await;
    program.terminate();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let line = program.says("method").await;
        assert_eq!((&line["complete"], &line["cut"]), (&false.into(), &"drain".into()), "{line}");
        seen.push((line["path"].as_str().unwrap_or_default().to_owned(), line["bytes"].as_u64().unwrap_or_default()));
    }
    seen.sort();
    let expect = [("/body", 3), ("/head", 0), ("/stream", 3), ("/tunnel", 5)];
    assert_eq!(seen, expect.map(|(path, bytes)| (path.to_owned(), bytes)));
    assert!(program.end().await.success());
}
