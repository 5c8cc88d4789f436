//! Viewers that wait for a word before they send a body, and origins that give it, refuse it or know nothing of it.

use h2::Reason;
use http::{Method, StatusCode};

use crate::edge::{Edge, Raw, config, request};
use crate::origin::{Door, Origin};
use crate::streams::{Http2, rest};

const POST: &str =
    "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// Says that it is at work, and wants the body when the door opens.
async fn hesitating(door: &Door) -> Origin {
    let door = door.clone();
    Origin::start(move |_, mut exchange| {
        let door = door.clone();
        async move {
            exchange.write("HTTP/1.1 102 Processing\r\n\r\n").await;
            door.pass().await;
            exchange.write(CONTINUE).await;
            let body = exchange.read(4).await;
            exchange.respond("200 OK", "", std::str::from_utf8(&body).expect("is text")).await
        }
    })
    .await
}

#[tokio::test]
async fn the_origin_decides_whether_the_viewer_goes_on() {
    let door = Door::closed();
    let origin = hesitating(&door).await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Raw::to(edge.running.viewers).await;
    viewer.say(POST).await;
    assert_eq!(viewer.head().await, "HTTP/1.1 102 Processing\r\n\r\n");
    door.open();
    assert_eq!(viewer.head().await, CONTINUE, "once, though the origin said it and so does the edge");
    viewer.say("text").await;
    let answer = viewer.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("text"), "{answer}");
    assert_eq!(origin.seen(1).header("expect"), Some("100-continue"));
}

#[tokio::test]
async fn the_origin_decides_whether_a_viewer_of_http_2_goes_on() {
    let door = Door::closed();
    let origin = hesitating(&door).await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Http2::of(&edge).await;
    let fields = [("content-length", "4"), ("expect", "100-continue")];
    let mut exchange = viewer.ask(Method::POST, "/a", &fields, false).await;
    assert_eq!(exchange.interim().await.expect("comes").status(), StatusCode::PROCESSING);
    door.open();
    let go_on = exchange.interim().await.expect("comes");
    assert_eq!((go_on.status(), go_on.headers().len()), (StatusCode::CONTINUE, 0));
    exchange.send("text", true);
    assert!(exchange.interim().await.is_none(), "once, though the origin said it and so does the edge");
    let answer = exchange.answer().await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(rest(answer.into_body()).await.expect("is whole").0, "text");
    assert_eq!(origin.seen(1).header("expect"), Some("100-continue"));
}

#[tokio::test]
async fn a_body_that_the_origin_does_not_want_is_never_asked_for_over_http_2() {
    let origin = Origin::start(|seen, exchange| async move {
        let status = if seen.target == "/a" { "413 Content Too Large" } else { "200 OK" };
        exchange.respond(status, "", "no more").await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Http2::of(&edge).await;
    let fields = [("content-length", "4"), ("expect", "100-continue")];
    let mut exchange = viewer.ask(Method::POST, "/a", &fields, false).await;
    assert!(exchange.interim().await.is_none());
    let answer = exchange.answer().await;
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(rest(answer.into_body()).await.expect("is whole").0, "no more");
    assert_eq!(exchange.reset().await, Reason::NO_ERROR);
    assert!(viewer.serves("/b").await);
}

#[tokio::test]
async fn a_body_that_the_origin_does_not_want_is_never_asked_for() {
    let origin = Origin::start(|_, exchange| async move {
        let fields = "x: a field\r\n";
        exchange.respond("413 Content Too Large", fields, "too large").await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Raw::to(edge.running.viewers).await;
    viewer.say(POST).await;
    let answer = viewer.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("too large"), "{answer}");
    // The origin may wait for that body for ever.
    edge.send(request(Method::GET, "/b")).await;
    assert_eq!(origin.seen(2).connection, 2);
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_knows_no_expectations_gets_the_body_after_a_second() {
    let origin = Origin::start(|_, mut exchange| async move {
        let body = exchange.read(4).await;
        exchange.respond("200 OK", "", std::str::from_utf8(&body).expect("is text")).await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Raw::to(edge.running.viewers).await;
    let began = edge::clock::Clock::deadline(std::time::Duration::ZERO);
    viewer.say(POST).await;
    assert_eq!(viewer.head().await, CONTINUE);
    assert!(began.elapsed() >= std::time::Duration::from_secs(1));
    viewer.say("text").await;
    assert!(viewer.rest().await.ends_with("text"));
}

#[tokio::test]
async fn an_expectation_that_means_nothing_goes_no_further() {
    let origin = Origin::start(|seen, mut exchange| async move {
        if let Some(length) = seen.header("content-length").and_then(|length| length.parse().ok()) {
            exchange.read(length).await;
        }
        exchange.respond("200 OK", "", "").await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let fields = "host: a\r\nexpect: 100-continue\r\nconnection: close\r\n";
    for (version, rest) in
        [("1.0", "content-length: 4\r\n\r\ntext"), ("1.1", "content-length: 0\r\n\r\n"), ("1.1", "\r\n")]
    {
        let answer = edge.raw(&format!("POST /a HTTP/{version}\r\n{fields}{rest}")).await;
        assert!(answer.starts_with(&format!("HTTP/{version} 200 OK\r\n")), "{answer}");
        assert_eq!(origin.seen(origin.reads()).header("expect"), None);
    }
    let reads = origin.reads();
    let answer = edge.raw("POST /a HTTP/1.1\r\nhost: a\r\nexpect: more\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 417 "), "{answer}");
    assert_eq!(origin.reads(), reads);
}
