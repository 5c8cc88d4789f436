//! Uploads of any size: what an edge holds of them, and what ends them.

use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::future::poll_fn;
use http::{Method, StatusCode};

use crate::edge::{Edge, Raw, config};
use crate::origin::{Door, Origin, Then};
use crate::streams::{Http2, rest};

/// More than the buffers of four sockets hold, and less than takes time.
const MUCH: usize = 64 << 20;
const BOUND: usize = 24 << 20;
const PIECE: usize = 64 * 1024;
/// Nothing was taken for so long: nothing will be.
const STUCK: Duration = Duration::from_secs(1);

/// Says this over and over, until nothing of it is taken any more or so much was; returns how much.
async fn say_on(viewer: &mut Raw, unsaid: &mut Bytes, text: &Bytes, enough: usize) -> usize {
    let mut said = 0;
    while said < enough {
        if unsaid.is_empty() {
            *unsaid = text.clone();
        }
        let Some(taken) = viewer.say_some(unsaid, STUCK).await else { break };
        unsaid.advance(taken);
        said += taken;
    }
    said
}

/// Time passes as soon as nothing else happens.
#[tokio::test(start_paused = true)]
async fn of_what_an_origin_does_not_read_a_viewer_of_http_1_can_send_little_and_the_rest_later() {
    for framing in ["transfer-encoding: chunked", "content-length: 68719476736"] {
        let reads = Door::closed();
        let origin = {
            let reads = reads.clone();
            Origin::start(move |_, mut exchange| {
                let reads = reads.clone();
                async move {
                    reads.pass().await;
                    // All that there was room for, and as much again.
                    exchange.read(BOUND).await;
                    exchange.respond("200 OK", "connection: close\r\n", "read").await
                }
            })
            .await
        };
        let edge = Edge::start(config(origin.address)).await;
        let mut viewer = Raw::to(edge.running.viewers).await;
        viewer.say(format!("PUT /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{framing}\r\n\r\n")).await;
        let chunk = Bytes::from([format!("{PIECE:x}\r\n").as_bytes(), &vec![b'x'; PIECE], b"\r\n"].concat());
        let mut unsaid = Bytes::new();
        let said = say_on(&mut viewer, &mut unsaid, &chunk, MUCH).await;
        assert!((PIECE..BOUND).contains(&said), "{framing}: {said} bytes");
        reads.open();
        say_on(&mut viewer, &mut unsaid, &chunk, 2 * BOUND - said).await;
        let answer = viewer.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("read"), "{framing}: {answer}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_its_request_was_read_ends_an_upload_over_http_2() {
    let origin = Origin::start(|seen, mut exchange| async move {
        if seen.target == "/b" {
            return exchange.respond("200 OK", "", "").await;
        }
        exchange.write("HTTP/1.1 413 Content Too Large\r\ncontent-length: 5\r\nconnection: close\r\n\r\nlarge").await;
        exchange.closed().await;
        Then::Close
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Http2::of(&edge).await;
    let mut upload = viewer.ask(Method::POST, "/a", &[], false).await;
    let answer = loop {
        upload.sending.reserve_capacity(PIECE);
        tokio::select! {
            answer = &mut upload.response => break answer.expect("is an answer"),
            room = poll_fn(|cx| upload.sending.poll_capacity(cx)) => {
                // The edge wants no more of it.
                let Some(Ok(room)) = room else { break (&mut upload.response).await.expect("is an answer") };
                upload.sending.send_data(Bytes::from(vec![b'x'; room]), false).expect("is taken");
            }
        }
    };
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(rest(answer.into_body()).await.expect("is whole").0, "large");
    assert_eq!(upload.reset().await, h2::Reason::NO_ERROR);
    assert!(viewer.serves("/b").await);
}
