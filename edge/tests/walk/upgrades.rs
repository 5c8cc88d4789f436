//! Connections that leave HTTP for another protocol: what goes through, and what no wish for one can do to others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edge_contract::{OriginTarget, Scheme, Ttl};
use http::StatusCode;
use parking_lot::Mutex;

use crate::edge::{Edge, PATIENCE, Raw, config, until};
use crate::failover::pair;
use crate::origin::{Door, Exchange, Origin, Then, nobody};
use crate::probes::without_app;

const WISH: &str = "GET /chat HTTP/1.1\r\nhost: shop.test\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\ncookie: sid=1\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// More than the buffers of four sockets hold, and less than takes time.
const MUCH: usize = 64 << 20;
const BOUND: usize = 24 << 20;
const PIECE: usize = 64 * 1024;
/// Nothing was taken for so long: nothing will be.
const STUCK: Duration = Duration::from_secs(1);

/// An origin that switches, and says this at once.
async fn switching(greeting: &'static str) -> Origin {
    Origin::start(move |_, mut exchange| async move {
        exchange.write(format!("{SWITCH}{greeting}")).await;
        echo(exchange).await
    })
    .await
}

/// Says back each line, and how it all ended.
async fn echo(mut exchange: Exchange) -> Then {
    loop {
        let line = exchange.read_line().await;
        if line.is_empty() {
            exchange.write("over").await;
            return Then::Close;
        }
        exchange.write(format!("[{line}]")).await;
    }
}

#[tokio::test]
async fn a_websocket_passes_a_behavior_that_caches_with_all_that_is_said_on_it() {
    let origin = switching("hello").await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Raw::to(edge.running.viewers).await;
    // What stands behind either head belongs to the other protocol, though it looks like nothing that HTTP knows.
    viewer.say(format!("{WISH}\0\n")).await;
    let head = viewer.head().await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 switching protocols\r\n"), "{head}");
    for field in [
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
        "cache-status: kubefront; fwd=bypass; fwd-status=101; detail=upgrade",
    ] {
        assert_eq!(head.matches(&format!("\r\n{field}\r\n")).count(), 1, "{head}");
    }
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
    assert_eq!(viewer.exactly(5).await, "hello");
    assert_eq!(viewer.exactly(3).await, "[\0]");
    viewer.say("GET / HTTP/1.1\r\n").await;
    assert_eq!(viewer.exactly(16).await, "[GET / HTTP/1.1]");
    viewer.finish().await;
    assert_eq!(viewer.rest().await, "over");
    let seen = origin.seen(1);
    assert_eq!((seen.header("connection"), seen.header("upgrade")), (Some("upgrade"), Some("websocket")));
    assert_eq!((seen.header("sec-websocket-version"), seen.header("cookie")), (Some("13"), Some("sid=1")));
    assert_eq!((origin.reads(), edge.live().store().held()), (1, 0));
}

/// Switches where it is asked to, and answers everything else.
async fn switching_where_asked() -> Origin {
    Origin::start(|seen, mut exchange| async move {
        if seen.header("upgrade").is_none() {
            return exchange.respond("200 OK", "", "").await;
        }
        exchange.write(format!("{SWITCH}hello")).await;
        echo(exchange).await
    })
    .await
}

/// A viewer that wishes to leave HTTP, and what it is answered.
async fn wishing(edge: &Edge) -> (Raw, String) {
    let mut viewer = Raw::to(edge.running.viewers).await;
    viewer.say(WISH).await;
    let head = viewer.head().await.to_ascii_lowercase();
    (viewer, head)
}

#[tokio::test]
async fn of_a_group_the_second_switches_where_the_first_gives_no_answer_or_one_that_counts_as_none() {
    let busy = Origin::start(|_, exchange| async move { exchange.respond("503 Service Unavailable", "", "").await });
    let (busy, reset) = (busy.await, Origin::start(|_, exchange| async move { exchange.reset() }).await);
    for primary in [nobody(), busy.address, reset.address] {
        let spare = switching_where_asked().await;
        let edge = Edge::start(pair(primary, spare.address)).await;
        let (mut viewer, head) = wishing(&edge).await;
        assert!(head.starts_with("http/1.1 101 switching protocols\r\n"), "{head}");
        assert!(
            head.contains("\r\ncache-status: kubefront; fwd=bypass; fwd-status=101; detail=failover\r\n"),
            "{head}"
        );
        assert_eq!(viewer.exactly(5).await, "hello");
        viewer.say("line\n").await;
        assert_eq!(viewer.exactly(6).await, "[line]");
        assert_eq!((spare.seen(1).target.as_str(), spare.reads()), ("/copy/chat", 1));
    }
}

#[tokio::test]
async fn whether_an_origin_is_back_is_found_out_without_the_wish_of_a_viewer_whom_the_other_serves() {
    let door = Door::closed();
    let (app, spare) = (Origin::held(&door, "").await, switching_where_asked().await);
    let edge = without_app(pair(app.address, spare.address), &app).await;
    let (mut viewer, head) = wishing(&edge).await;
    assert!(head.contains("fwd-status=101; detail=failover\r\n"), "{head}");
    assert_eq!(viewer.exactly(5).await, "hello");
    app.read_times(6).await;
    let tried = app.seen(6);
    assert_eq!((tried.target.as_str(), tried.header("upgrade"), tried.header("connection")), ("/chat", None, None));
}

#[tokio::test]
async fn an_origin_that_has_said_all_is_still_told_the_rest() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = Arc::clone(&told);
    let origin = Origin::start(move |_, mut exchange| {
        let tells = Arc::clone(&tells);
        async move {
            exchange.write(format!("{SWITCH}all")).await;
            exchange.finish().await;
            let rest = exchange.rest().await;
            *tells.lock() = rest;
            Then::Close
        }
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Raw::to(edge.running.viewers).await;
    viewer.say(WISH).await;
    viewer.head().await;
    assert_eq!(viewer.rest().await, "all");
    viewer.say("the rest").await;
    viewer.finish().await;
    until("the origin is told the rest", || *told.lock() == b"the rest").await;
}

#[tokio::test]
async fn an_origin_that_has_gone_takes_its_viewer_along_though_that_one_speaks_on() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write(SWITCH).await;
        Then::Close
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Raw::to(edge.running.viewers).await;
    viewer.say(WISH).await;
    viewer.head().await;
    assert_eq!(viewer.rest().await, "");
    let cut = async {
        while viewer.say_some(b"is anyone there?", PATIENCE).await.is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, cut).await.expect("what nobody hears is not taken");
}

#[tokio::test]
async fn behind_a_wish_that_was_not_granted_stands_http_and_nothing_else() {
    for status in ["200 OK", "400 Bad Request", "426 Upgrade Required"] {
        let origin = Origin::start(move |seen, exchange| async move {
            let status = if seen.target == "/chat" { status } else { "200 OK" };
            exchange.respond(status, "cache-control: max-age=60\r\n", &format!("[{}]", seen.target)).await
        })
        .await;
        let edge = Edge::start(config(origin.address)).await;
        // The next request is one, wherever its bytes are cut.
        let next = "GET /next HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n";
        for early in [0, 1, 20, next.len()] {
            let mut viewer = Raw::to(edge.running.viewers).await;
            viewer.say(format!("{WISH}{}", &next[..early])).await;
            let head = viewer.head().await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
            assert_eq!(viewer.exactly(7).await, "[/chat]");
            viewer.say(&next[early..]).await;
            assert!(viewer.rest().await.ends_with("[/next]"), "cut at {early}");
        }
        assert_eq!(origin.reads(), 4 + 1, "a wish is put to the origin each time, and its answer is nobody else's");
        // And what is no request is refused, and hides none.
        for hidden in ["\0\0", "\n\n", "x: y\n"] {
            let answers = edge.raw(&format!("{WISH}{hidden}GET /hidden HTTP/1.1\r\nhost: shop.test\r\n\r\n")).await;
            assert!(answers.contains("[/chat]HTTP/1.1 400 "), "{hidden:?}: {answers}");
        }
        assert!((1..=origin.reads()).all(|number| origin.seen(number).target != "/hidden"));
    }
}

#[tokio::test]
async fn an_origin_switches_only_to_what_it_was_asked_for() {
    for answer in [
        "connection: upgrade\r\nupgrade: h2c",
        "connection: upgrade",
        "upgrade: websocket",
        "connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 5",
    ] {
        let origin = Origin::start(move |_, mut exchange| async move {
            exchange.write(format!("HTTP/1.1 101 Switching Protocols\r\n{answer}\r\n\r\nhello")).await;
            exchange.closed().await;
            Then::Close
        })
        .await;
        let edge = Edge::start(config(origin.address)).await;
        let mut viewer = Raw::to(edge.running.viewers).await;
        viewer.say(WISH).await;
        let head = viewer.head().await;
        assert!(head.starts_with("HTTP/1.1 502 ") && head.contains("detail=origin-framing"), "{answer}: {head}");
    }
}

#[tokio::test]
async fn a_wish_that_is_none_is_an_ordinary_request() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/chat").await;
    for wish in [
        WISH.replace("HTTP/1.1", "HTTP/1.0"),
        WISH.replace("websocket\r\n", "h2c\r\n"),
        WISH.replace("keep-alive, Upgrade", "keep-alive"),
        WISH.replace("upgrade: websocket\r\n", "upgrade: \r\n"),
    ] {
        let answer = edge.raw(&wish.replace("cookie: sid=1", "connection: close")).await;
        assert!(answer.ends_with("read 1") && answer.contains("kubefront; hit"), "{wish}{answer}");
    }
    let mut uncached = config(origin.address);
    uncached.revision = 2;
    uncached.sites[0].behaviors[0].ttl = Ttl { min: 0, default: 0, max: 0, ..Ttl::default() };
    edge.live().take_config(uncached).expect("is sound");
    let with_content = WISH.replace("cookie: sid=1", "content-length: 2\r\nconnection: close");
    let answer = edge.raw(&format!("{with_content}ab")).await;
    assert!(answer.ends_with("read 2"), "{answer}");
    assert_eq!((origin.seen(2).header("upgrade"), origin.seen(2).header("connection")), (None, None));
}

/// Time passes as soon as nothing else happens.
#[tokio::test(start_paused = true)]
async fn of_what_one_side_does_not_read_the_other_can_say_little() {
    let told = Arc::new(AtomicUsize::new(0));
    let origin = {
        let told = Arc::clone(&told);
        Origin::start(move |_, mut exchange| {
            let told = Arc::clone(&told);
            async move {
                exchange.write(SWITCH).await;
                let (piece, mut taken) = (vec![b'x'; PIECE], 0);
                while taken < MUCH && matches!(tokio::time::timeout(STUCK, exchange.write(&piece)).await, Ok(true)) {
                    taken += piece.len();
                }
                told.store(taken, Ordering::Relaxed);
                exchange.closed().await;
                Then::Close
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = Raw::to(edge.running.viewers).await;
    viewer.say(WISH).await;
    viewer.head().await;
    let (piece, mut said) = (vec![b'x'; PIECE], 0);
    while said < MUCH && tokio::time::timeout(STUCK, viewer.say(&piece)).await.is_ok() {
        said += piece.len();
    }
    assert!((PIECE..BOUND).contains(&said), "{said} bytes to the origin");
    until("the origin is stuck too", || told.load(Ordering::Relaxed) > 0).await;
    let told = told.load(Ordering::Relaxed);
    assert!((PIECE..BOUND).contains(&told), "{told} bytes to the viewer");
}

#[tokio::test]
async fn where_http_2_is_spoken_with_the_origin_nobody_is_asked() {
    let origin = Origin::numbered("").await;
    let mut config = config(origin.address);
    let target = OriginTarget::Address {
        scheme: Scheme::H2c,
        host: origin.address.ip().to_string(),
        port: origin.address.port(),
    };
    config.sites[0].origins[0].target = Some(target);
    let edge = Edge::start(config).await;
    let answer = edge.raw(&WISH.replace("cookie: sid=1", "connection: close")).await;
    assert!(answer.starts_with(&format!("HTTP/1.1 {} ", StatusCode::BAD_GATEWAY.as_u16())), "{answer}");
    assert!(answer.contains("detail=origin-no-upgrade"), "{answer}");
    assert_eq!(origin.reads(), 0);
}
