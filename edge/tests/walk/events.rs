//! Streams of events (`text/event-stream`): each event reaches whoever listens before the next is sent, whatever is cached there.

use std::sync::Arc;

use edge_contract::{EdgeConfig, Ttl};
use http::Method;
use tokio::sync::Semaphore;

use crate::edge::{Edge, config, piece, request};
use crate::origin::{Origin, Then};
use crate::streams::{self, Http2};

const EVENTS: usize = 3;
const CODINGS: [(&str, &str); 1] = [("accept-encoding", "br, gzip")];

/// Sends an event when the one before was heard.
async fn telling(fields: &'static str, heard: &Arc<Semaphore>) -> Origin {
    let heard = Arc::clone(heard);
    Origin::start(move |seen, mut exchange| {
        let heard = Arc::clone(&heard);
        async move {
            exchange
                .write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n")
                .await;
            exchange.write(format!("{fields}\r\n")).await;
            for event in 1..=EVENTS {
                exchange.write(format!("f\r\ndata: {} of {}\n\n\r\n", seen.number, event + 9)).await;
                heard.acquire().await.expect("is open").forget();
            }
            exchange.write("0\r\n\r\n").await;
            Then::KeepAlive(exchange)
        }
    })
    .await
}

/// What the behavior does with GET.
fn behaviors(origin: &Origin) -> [EdgeConfig; 2] {
    let (mut caching, mut passing) = (config(origin.address), config(origin.address));
    caching.sites[0].behaviors[0].compress = true;
    passing.sites[0].behaviors[0].ttl = Ttl { min: 0, default: 0, max: 0, ..Ttl::default() };
    [caching, passing]
}

#[tokio::test]
async fn each_event_is_heard_before_the_next_is_sent() {
    for fields in ["", "cache-control: no-cache\r\n", "cache-control: no-store\r\n", "cache-control: max-age=60\r\n"] {
        let heard = Arc::new(Semaphore::new(0));
        let origin = telling(fields, &heard).await;
        for config in behaviors(&origin) {
            let edge = Edge::start(config).await;
            let mut ask = request(Method::GET, "/events");
            ask.headers_mut().insert(CODINGS[0].0, CODINGS[0].1.parse().expect("a value"));
            let answer = edge.open(ask).await;
            assert_eq!((answer.status().as_u16(), answer.headers().get("content-encoding")), (200, None));
            let mut body = answer.into_body();
            let mut over_http2 = Http2::of(&edge).await;
            let mut other = over_http2.ask(Method::GET, "/events", &CODINGS, true).await.answer().await.into_body();
            let (first, second) = (origin.reads() - 1, origin.reads());
            for event in 10..10 + EVENTS {
                assert_eq!(piece(&mut body).await, format!("data: {first} of {event}\n\n"), "{fields}");
                let told = streams::piece(&mut other).await.expect("comes").expect("is whole");
                assert_eq!(told, format!("data: {second} of {event}\n\n"), "each has a stream of its own");
                heard.add_permits(2);
            }
            assert_eq!(edge.live().store().responses(), 0);
        }
    }
}

#[tokio::test]
async fn an_origin_hears_when_nobody_listens_any_more() {
    let heard = Arc::new(Semaphore::new(0));
    let origin = {
        let heard = Arc::clone(&heard);
        Origin::start(move |_, mut exchange| {
            let heard = Arc::clone(&heard);
            async move {
                exchange.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n").await;
                exchange.closed().await;
                heard.add_permits(1);
                Then::Close
            }
        })
        .await
    };
    for config in behaviors(&origin) {
        let edge = Edge::start(config).await;
        let mut body = edge.open(request(Method::GET, "/events")).await.into_body();
        assert_eq!(piece(&mut body).await, "data: 1\n\n");
        drop(body);
        let told = tokio::time::timeout(crate::edge::PATIENCE, heard.acquire()).await.expect("in time");
        told.expect("is open").forget();
    }
}
