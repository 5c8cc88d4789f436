//! What an origin says before its answer: who hears of it, and what becomes of it.

use http::{HeaderValue, Method, StatusCode};

use crate::edge::{Edge, Raw, config, request, until};
use crate::origin::{Door, Origin, Then};
use crate::streams::{Http2, rest};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";

/// Early hints at once, and the answer when the door opens.
async fn hinting(door: &Door) -> Origin {
    let door = door.clone();
    Origin::start(move |seen, mut exchange| {
        let door = door.clone();
        async move {
            exchange.write(HINTS).await;
            door.pass().await;
            exchange.respond("200 OK", "", &format!("read {}", seen.number)).await
        }
    })
    .await
}

/// An origin that says this before each of its answers.
async fn saying(interim: &'static str) -> Origin {
    Origin::start(move |_, mut exchange| async move {
        exchange.write(interim).await;
        exchange.respond("200 OK", "", "final").await
    })
    .await
}

#[tokio::test]
async fn early_hints_reach_the_viewer_before_the_answer_whether_it_is_shared_or_not() {
    for method in ["GET", "POST"] {
        let door = Door::closed();
        let origin = hinting(&door).await;
        let edge = Edge::start(config(origin.address)).await;
        let mut viewer = Raw::to(edge.running.viewers).await;
        viewer.say(format!("{method} /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(viewer.head().await, HINTS, "{method}");
        door.open();
        let answer = viewer.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nread 1"), "{answer}");
    }
}

#[tokio::test]
async fn they_reach_a_viewer_of_http_2_before_the_answer_whether_it_is_shared_or_not() {
    for method in [Method::GET, Method::POST] {
        let door = Door::closed();
        let origin = hinting(&door).await;
        let edge = Edge::start(config(origin.address)).await;
        let mut viewer = Http2::of(&edge).await;
        let mut exchange = viewer.ask(method, "/a", &[], true).await;
        let hints = exchange.interim().await.expect("comes first");
        assert_eq!(
            (hints.status(), hints.headers().get("link")),
            (StatusCode::EARLY_HINTS, Some(&HeaderValue::from_static("</a.css>; rel=preload")))
        );
        assert_eq!(hints.headers().len(), 1);
        door.open();
        assert!(exchange.interim().await.is_none());
        let answer = exchange.answer().await;
        assert_eq!((answer.status(), answer.headers().get("link")), (StatusCode::OK, None));
        assert_eq!(rest(answer.into_body()).await.expect("is whole").0, "read 1");
    }
}

#[tokio::test]
async fn they_reach_a_viewer_of_http_2_each_on_its_stream_and_in_their_order() {
    let origin = Origin::start(|seen, mut exchange| async move {
        exchange
            .write(format!("HTTP/1.1 103 Early Hints\r\nconnection: x\r\nx: 1\r\nlink: {}\r\n\r\n", seen.target))
            .await;
        exchange
            .write("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 Hm\r\nsurrogate-key: k\r\nkeep-alive: 5\r\n\r\n")
            .await;
        exchange.write("HTTP/1.1 100 Continue\r\n\r\n").await;
        exchange.respond("200 OK", "", &seen.target).await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Http2::of(&edge).await;
    let mut exchanges = Vec::new();
    for path in ["/a", "/b", "/c"] {
        exchanges.push((path, viewer.ask(Method::GET, path, &[], true).await));
    }
    for (path, mut exchange) in exchanges {
        let mut heard = Vec::new();
        while let Some(interim) = exchange.interim().await {
            let fields: Vec<_> = interim.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
            heard.push(format!("{} {}", interim.status().as_u16(), fields.join(" ")));
        }
        assert_eq!(heard, [format!("103 link: {path:?}"), "102 ".into(), "199 ".into(), "100 ".into()]);
        assert_eq!(rest(exchange.answer().await.into_body()).await.expect("is whole").0, path);
    }
}

#[tokio::test]
async fn only_the_one_who_led_the_fill_hears_of_them_and_they_are_not_stored() {
    let door = Door::closed();
    let origin = hinting(&door).await;
    let edge = Edge::start(config(origin.address)).await;
    let asks = "GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let mut leader = Raw::to(edge.running.viewers).await;
    leader.say(asks).await;
    assert_eq!(leader.head().await, HINTS);
    let mut other = Raw::to(edge.running.viewers).await;
    other.say(asks).await;
    until("both want it", || edge.running.edge.collapse.interested() == 2).await;
    door.open();
    assert!(leader.rest().await.ends_with("read 1"));
    for answer in [other.rest().await, edge.raw(asks).await] {
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("read 1"), "{answer}");
        assert!(!answer.contains("link"), "{answer}");
    }
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn every_interim_answer_but_a_switch_goes_through_without_what_is_for_the_edge() {
    for (said, heard) in [
        ("HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("HTTP/1.1 199 Hm\r\nx: 1\r\nx: 2\r\n\r\n", "HTTP/1.1 199 \r\nx: 1\r\nx: 2\r\n\r\n"),
        (
            "HTTP/1.1 103 Early Hints\r\nconnection: x\r\nx: 1\r\nsurrogate-key: k\r\ncontent-length: 3\r\nlink: y\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\nlink: y\r\n\r\n",
        ),
        (
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
        ),
    ] {
        let origin = saying(said).await;
        let edge = Edge::start(config(origin.address)).await;
        for method in ["GET", "POST"] {
            let answer = edge.raw(&format!("{method} /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")).await;
            let rest = answer.strip_prefix(heard).unwrap_or_else(|| panic!("{method} {said:?}: {answer:?}"));
            assert!(rest.starts_with("HTTP/1.1 200 OK\r\n") && rest.ends_with("final"), "{answer}");
        }
    }
}

#[tokio::test]
async fn a_viewer_of_http_1_0_hears_the_answer_alone() {
    let origin = saying(HINTS).await;
    let edge = Edge::start(config(origin.address)).await;
    let answer = edge.raw("GET /a HTTP/1.0\r\nhost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && !answer.contains("103"), "{answer}");
}

#[tokio::test]
async fn interim_answers_stand_between_the_right_ones_of_requests_that_were_sent_at_once() {
    let origin = Origin::start(|seen, mut exchange| async move {
        for _ in 0..3 {
            exchange.write(format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n", seen.target)).await;
        }
        exchange.respond("200 OK", "", &seen.target.repeat(50_000)).await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Raw::to(edge.running.viewers).await;
    let get = |path: &str, last: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\n{last}\r\n");
    viewer.say([get("/a", ""), get("/b", ""), get("/c", "connection: close\r\n")].concat()).await;
    let mut rest = viewer.rest().await;
    for path in ["/a", "/b", "/c"] {
        let hints = format!("HTTP/1.1 103 Early Hints\r\nlink: {path}\r\n\r\n").repeat(3);
        rest = rest.strip_prefix(&hints).unwrap_or_else(|| panic!("{path}: {}", &rest[..200])).to_owned();
        let (head, body) = rest.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        rest = body.strip_prefix(&path.repeat(50_000)).expect("its own body").to_owned();
    }
    assert_eq!(rest, "");
}

#[tokio::test]
async fn a_flood_of_interim_answers_is_cut_down_and_the_answer_still_comes() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write(HINTS.repeat(10_000)).await;
        exchange.respond("200 OK", "", "final").await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let answer = edge.raw("GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_eq!(answer.matches("HTTP/1.1 103").count(), 16);
    assert!(answer.ends_with("final"), "{answer}");
    assert_eq!(edge.get("/a").await.body, "final");
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn an_origin_that_says_nothing_final_is_a_gateway_timeout_however_much_it_says() {
    let origin = Origin::start(|_, mut exchange| async move {
        while exchange.write(HINTS).await {}
        Then::Close
    })
    .await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].response_timeout_ms = 200;
    let edge = Edge::start(config).await;
    assert_eq!(edge.send(request(Method::GET, "/a")).await.status, StatusCode::GATEWAY_TIMEOUT);
}
