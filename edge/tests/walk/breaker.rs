//! An origin that is not there for a while: that it is left alone, that nobody waits for it, and that its owner hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use edge_contract::{EdgeConfig, OriginTarget, Scheme};
use http::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::edge::{Edge, config, until};
use crate::failover::pair;
use crate::origin::{Door, Origin, Then};

/// Answers once the door is open; until then every request is left without a word.
async fn hanging(door: &Door) -> Origin {
    let door = door.clone();
    Origin::start(move |seen, mut exchange| {
        let (is_open, number) = (door.is_open(), seen.number);
        async move {
            if !is_open {
                exchange.closed().await;
                return Then::Close;
            }
            exchange.respond("200 OK", "cache-control: max-age=10\r\n", &format!("read {number}")).await
        }
    })
    .await
}

/// It has no time to wait for it.
fn impatient(mut config: EdgeConfig) -> EdgeConfig {
    config.sites[0].origins[0].response_timeout_ms = 20;
    config
}

/// Requests that the origin leaves without a word, until it is asked no more.
async fn exhaust(edge: &Edge, origin: &Origin) {
    let before = origin.reads();
    for number in 0..20 {
        edge.get(&format!("/exhaust-{before}-{number}")).await;
    }
    assert_eq!(origin.reads() - before, 20);
}

fn trouble(edge: &Edge) -> Vec<(String, String)> {
    edge.live().observing().now().origins.iter().map(|state| (state.origin.clone(), state.message.clone())).collect()
}

async fn breaker(edge: &Edge) -> (Option<bool>, String) {
    let metrics = edge.admin("/metrics").await.body;
    let series = "kubefront_edge_origin_breaker_open{site=\"default/shop\",origin=\"app\"} ";
    let open = metrics.lines().find_map(|line| line.strip_prefix(series)).map(|value| value == "1");
    let said: serde_json::Value = serde_json::from_str(&edge.admin("/explain?url=/").await.body).expect("is JSON");
    (open, said["origin"]["breaker"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn an_origin_that_never_answers_is_asked_once_a_second_until_it_does() {
    let door = Door::closed();
    let origin = hanging(&door).await;
    let edge = Edge::start(impatient(config(origin.address))).await;
    assert_eq!(breaker(&edge).await, (Some(false), "closed".into()));
    exhaust(&edge, &origin).await;
    assert_eq!(breaker(&edge).await, (Some(true), "open".into()));
    let told = "20 of 20 tries within 10 s came to nothing, the last because of this: no response head within 20ms";
    assert_eq!(trouble(&edge), [("app".to_owned(), told.to_owned())]);
    for _ in 0..10 {
        let reply = edge.get("/a").await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; detail=origin-breaker-open");
    }
    assert_eq!(origin.reads(), 20, "it is left alone");
    for probes in 1..=3 {
        edge.skip(1);
        for _ in 0..5 {
            edge.get("/a").await;
        }
        assert_eq!(origin.reads(), 20 + probes);
    }
    door.open();
    assert_eq!(edge.get("/a").await.status, StatusCode::SERVICE_UNAVAILABLE);
    edge.skip(1);
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
    assert_eq!(breaker(&edge).await, (Some(false), "closed".into()));
    assert_eq!(trouble(&edge), []);
    assert_eq!(edge.get("/b").await.status, StatusCode::OK);
}

#[tokio::test]
async fn while_it_is_left_alone_it_is_connected_to_once_a_second() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let (address, accepted) = (listener.local_addr().expect("is bound"), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::AcqRel);
        }
    });
    let mut config = config(address);
    let host = address.ip().to_string();
    config.sites[0].origins[0].target =
        Some(OriginTarget::Address { scheme: Scheme::Https, host, port: address.port() });
    let edge = Edge::start(config).await;
    for number in 0..20 {
        edge.get(&format!("/{number}")).await;
    }
    let connected = accepted.load(Ordering::Acquire);
    assert!(connected >= 20, "{connected}");
    assert_eq!(breaker(&edge).await.0, Some(true));
    assert!(trouble(&edge)[0].1.contains(&format!("TLS with {address}")), "{:?}", trouble(&edge));
    for seconds in 1..=3 {
        edge.skip(1);
        for _ in 0..5 {
            edge.get("/a").await;
        }
        assert_eq!(accepted.load(Ordering::Acquire), connected + seconds);
    }
}

#[tokio::test]
async fn what_is_stored_stands_in_at_once_while_its_origin_is_left_alone() {
    let door = Door::closed();
    door.open();
    let origin = hanging(&door).await;
    let edge = Edge::start(impatient(config(origin.address))).await;
    edge.get("/stored").await;
    let shut = Door::closed();
    let silent = hanging(&shut).await;
    let elsewhere = EdgeConfig { revision: 2, ..impatient(config(silent.address)) };
    edge.live().take_config(elsewhere).expect("is sound");
    exhaust(&edge, &silent).await;
    edge.skip(11);
    assert_eq!(edge.get("/probe").await.status, StatusCode::GATEWAY_TIMEOUT);
    let (stale, reads) = (edge.get("/stored").await, silent.reads());
    assert_eq!(stale.cache_status(), "kubefront; hit; ttl=-1; detail=stale-unreachable");
    assert_eq!(reads, 21, "nobody asked for it");
}

#[tokio::test]
async fn one_of_two_that_never_answers_is_passed_over_at_once() {
    let door = Door::closed();
    let (app, spare) = (hanging(&door).await, Origin::numbered("").await);
    let edge = Edge::start(impatient(pair(app.address, spare.address))).await;
    exhaust(&edge, &app).await;
    for number in 0..5 {
        let reply = edge.get(&format!("/{number}")).await;
        assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; fwd-status=200; stored; detail=failover");
    }
    assert_eq!((app.reads(), spare.reads()), (20, 25));
    door.open();
    edge.skip(1);
    assert!(edge.get("/try").await.cache_status().ends_with("detail=failover"));
    until("the first is asked again", || trouble(&edge).is_empty()).await;
    assert_eq!(edge.get("/back").await.cache_status(), "kubefront; fwd=uri-miss; fwd-status=200; stored");
}

#[tokio::test]
async fn one_of_two_that_is_asked_seldom_is_passed_over_after_five_that_got_no_answer_in_a_row() {
    let (app, spare) = (hanging(&Door::closed()).await, Origin::numbered("cache-control: max-age=60\r\n").await);
    let edge = Edge::start(impatient(pair(app.address, spare.address))).await;
    for reads in 1..=5 {
        edge.get("/a").await;
        assert_eq!((app.reads(), breaker(&edge).await.0), (reads, Some(reads == 5)));
        edge.skip(61);
    }
    let told = "5 tries in a row came to nothing, the last because of this: no response head within 20ms";
    assert_eq!(trouble(&edge), [("app".to_owned(), told.to_owned())]);
    let reply = edge.get("/a").await;
    assert_eq!(reply.cache_status(), "kubefront; fwd=stale; fwd-status=200; stored; detail=failover");
}

#[tokio::test]
async fn an_origin_that_answers_others_is_asked_for_what_it_is_too_slow_with() {
    let origin = Origin::start(|seen, mut exchange| async move {
        if seen.target == "/slow" {
            exchange.closed().await;
            return Then::Close;
        }
        exchange.respond("200 OK", "", "").await
    })
    .await;
    let edge = Edge::start(impatient(config(origin.address))).await;
    for number in 0..10 {
        for _ in 0..4 {
            assert_eq!(edge.get("/slow").await.status, StatusCode::GATEWAY_TIMEOUT);
            edge.skip(10);
        }
        assert_eq!(edge.get(&format!("/{number}")).await.status, StatusCode::OK);
    }
    assert_eq!(breaker(&edge).await.0, Some(false));
}

#[tokio::test]
async fn an_edit_that_leaves_the_target_alone_leaves_what_is_known_of_it() {
    let door = Door::closed();
    let origin = hanging(&door).await;
    let edge = Edge::start(impatient(config(origin.address))).await;
    exhaust(&edge, &origin).await;
    let mut edited = EdgeConfig { revision: 2, ..impatient(config(origin.address)) };
    edited.sites[0].origins[0].attempts = 1;
    edge.live().take_config(edited).expect("is sound");
    assert_eq!((breaker(&edge).await.0, trouble(&edge).len()), (Some(true), 1));
    let other = hanging(&door).await;
    edge.live().take_config(EdgeConfig { revision: 3, ..impatient(config(other.address)) }).expect("is sound");
    assert_eq!((breaker(&edge).await.0, trouble(&edge).len()), (Some(false), 0));
}

#[tokio::test]
async fn an_origin_that_breaks_off_is_asked_all_the_same() {
    let origin = Origin::start(|_, exchange| async move { exchange.reset() }).await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].attempts = 1;
    let edge = Edge::start(config).await;
    for number in 0..30 {
        assert!(edge.get(&format!("/{number}")).await.cache_status().ends_with("detail=origin-reset"));
    }
    assert_eq!(origin.reads(), 30);
}

#[tokio::test]
async fn what_has_never_spoken_http_is_told_to_its_owner_until_it_does() {
    let door = Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |_, mut exchange| {
            let is_open = door.is_open();
            async move {
                if is_open {
                    return exchange.respond("200 OK", "", "").await;
                }
                exchange.write("-ERR unknown command\r\n").await;
                Then::Close
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    assert_eq!(trouble(&edge), []);
    edge.get("/a").await;
    let told = format!("{} does not speak HTTP", origin.address);
    assert_eq!(trouble(&edge), [("app".to_owned(), told)]);
    door.open();
    edge.get("/b").await;
    assert_eq!(trouble(&edge), []);
}

#[tokio::test]
async fn a_server_that_speaks_first_does_not_speak_http() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("is bound");
    tokio::spawn(async move {
        let mut greeted = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"J\0\0\0\x0a8.4.0\0").await;
            greeted.push(stream);
        }
    });
    let edge = Edge::start(config(address)).await;
    let reply = edge.get("/a").await;
    assert!(reply.cache_status().ends_with("detail=origin-not-http"), "{}", reply.cache_status());
    assert_eq!(trouble(&edge), [("app".to_owned(), format!("{address} does not speak HTTP"))]);
}

#[tokio::test]
async fn a_server_whose_head_is_too_large_speaks_http_all_the_same() {
    let origin =
        Origin::start(|_, exchange| async move { exchange.respond("200 OK", &"x: y\r\n".repeat(101), "").await }).await;
    let edge = Edge::start(config(origin.address)).await;
    let reply = edge.get("/a").await;
    assert!(reply.cache_status().ends_with("detail=origin-head-too-large"), "{}", reply.cache_status());
    assert_eq!((reply.status, origin.reads()), (StatusCode::BAD_GATEWAY, 1));
    assert_eq!(trouble(&edge), []);
}
