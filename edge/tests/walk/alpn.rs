//! HTTPS origins and what they agree to speak (RFC 7301, RFC 9113 §3.2).

use std::net::SocketAddr;

use edge_contract::{EdgeConfig, OriginTarget, OriginTls, Scheme};
use futures::future::join_all;
use http::StatusCode;

use crate::edge::Edge;
use crate::http2_origin::{Asked, Http2Origin};
use crate::https::{agreeing, https};
use crate::origin::{Door, Origin};

/// Everybody is believed: what is proved is another matter.
fn at(address: SocketAddr) -> EdgeConfig {
    let mut config = https(address, "localhost");
    config.sites[0].origins[0].tls = OriginTls { insecure_skip_verify: true, ..OriginTls::default() };
    config
}

async fn speaking_http2() -> Http2Origin {
    Http2Origin::start(|asked: Asked| async move {
        let said = format!("{} over {}", asked.head.uri, asked.connection);
        asked.answer(200, &[], &said);
    })
    .await
}

#[tokio::test]
async fn an_https_origin_that_offers_http2_is_asked_over_it_by_one_connection() {
    let origin = speaking_http2().await;
    let edge = Edge::start(at(agreeing(origin.address, &["h2", "http/1.1"]).await)).await;
    for path in ["/a", "/b"] {
        assert_eq!(edge.get(path).await.body, format!("https://app.test{path} over 1"));
    }
    assert_eq!(edge.running.edge.forwarder.pool().len(), 1);
}

#[tokio::test]
async fn a_service_whose_port_speaks_https_is_asked_the_same_way() {
    let origin = speaking_http2().await;
    let address = agreeing(origin.address, &["h2"]).await;
    let mut config = at(address);
    config.sites[0].origins[0].target = Some(OriginTarget::Service {
        dns_name: "app.shop.svc".into(),
        port: 443,
        scheme: Scheme::Https,
        granted: false,
    });
    let edge = Edge::start(config).await;
    edge.endpoints(&[address]);
    assert_eq!(edge.get("/a").await.body, "https://app.test/a over 1");
}

#[tokio::test]
async fn an_https_origin_that_prefers_http1_or_agrees_on_nothing_is_asked_over_that() {
    for protocols in [&["http/1.1"][..], &["http/1.1", "h2"], &[]] {
        let origin = Origin::numbered("").await;
        let edge = Edge::start(at(agreeing(origin.address, protocols).await)).await;
        for n in 1..=2 {
            assert_eq!(edge.get(&format!("/{n}")).await.body, format!("read {n}"), "{protocols:?}");
            assert_eq!(origin.seen(n).connection, 1, "{protocols:?}");
        }
    }
}

#[tokio::test]
async fn an_https_origin_that_speaks_neither_is_a_bad_gateway() {
    let origin = speaking_http2().await;
    let edge = Edge::start(at(agreeing(origin.address, &["h3", "spdy/3"]).await)).await;
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert!(reply.cache_status().ends_with("detail=origin-tls"), "{}", reply.cache_status());
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn an_origin_that_does_not_speak_what_it_agreed_on_is_a_bad_gateway() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(at(agreeing(origin.address, &["h2"]).await)).await;
    let reply = edge.get("/a").await;
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
    assert!(reply.cache_status().ends_with("detail=origin-not-http"), "{}", reply.cache_status());
}

#[tokio::test]
async fn many_at_once_share_one_handshake_or_have_each_their_own_connection_as_is_agreed() {
    let (door, opens) = (Door::closed(), Door::closed());
    let (passed, held) = (opens.clone(), door.clone());
    let over_http2 = Http2Origin::start(move |asked: Asked| {
        let door = passed.clone();
        async move {
            door.pass().await;
            asked.answer(200, &[], "");
        }
    })
    .await;
    let over_http1 = Origin::start(move |_, exchange| {
        let door = held.clone();
        async move {
            door.pass().await;
            exchange.respond("200 OK", "", "").await
        }
    })
    .await;
    let paths: Vec<_> = (0..10).map(|n| format!("/{n}")).collect();
    let edge = Edge::start(at(agreeing(over_http2.address, &["h2"]).await)).await;
    let all = join_all(paths.iter().map(|path| edge.get(path)));
    let (replies, ()) = tokio::join!(all, async {
        over_http2.asked_times(10).await;
        opens.open();
    });
    assert!(replies.iter().all(|reply| reply.status == StatusCode::OK));
    assert_eq!(over_http2.connections(), 1);
    let edge = Edge::start(at(agreeing(over_http1.address, &[]).await)).await;
    let all = join_all(paths.iter().map(|path| edge.get(path)));
    let (replies, ()) = tokio::join!(all, async {
        over_http1.read_times(10).await;
        door.open();
    });
    assert!(replies.iter().all(|reply| reply.status == StatusCode::OK));
}
