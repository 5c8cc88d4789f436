//! Those who pass a request on: by way of whom it came, as far as that can be believed, and how far it may still go.

use edge_contract::EdgeConfig;
use http::{Method, StatusCode};

use crate::edge::{Edge, config};
use crate::origin::Origin;

/// Its viewers all come from this machine.
async fn trusting(origin: &Origin, networks: &[&str]) -> Edge {
    let mut config: EdgeConfig = config(origin.address);
    config.sites[0].trusted_proxies = networks.iter().map(ToString::to_string).collect();
    config.sites[0].behaviors[0].key.headers = vec!["x-forwarded-proto".into()];
    Edge::start(config).await
}

const SAID: [(&str, &str); 2] = [("x-forwarded-for", "1.1.1.1, 203.0.113.1"), ("x-forwarded-proto", "https")];

#[tokio::test]
async fn what_a_trusted_proxy_says_is_told_on_with_its_own_address() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let edge = trusting(&origin, &["127.0.0.0/8"]).await;
    edge.ask(Method::GET, "/a", &SAID).await;
    let seen = origin.seen(1);
    assert_eq!(seen.header("x-forwarded-for"), Some("1.1.1.1, 203.0.113.1, 127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    // What it says tells responses apart; who it says asked does not.
    let other = [("x-forwarded-for", "203.0.113.2"), ("x-forwarded-proto", "https")];
    assert_eq!(edge.ask(Method::GET, "/a", &other).await.body, "read 1");
    let plain = [("x-forwarded-proto", "http")];
    assert_eq!(edge.ask(Method::GET, "/a", &plain).await.body, "read 2");
}

#[tokio::test]
async fn what_anybody_else_says_counts_for_nothing() {
    for networks in [&[][..], &["10.0.0.0/8", "203.0.113.0/24"]] {
        let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
        let edge = trusting(&origin, networks).await;
        edge.ask(Method::GET, "/a", &SAID).await;
        let seen = origin.seen(1);
        assert_eq!((seen.header("x-forwarded-for"), seen.header("x-forwarded-proto")), (Some("127.0.0.1"), None));
        assert_eq!(edge.get("/a").await.body, "read 1", "one key, whatever is said");
    }
}

#[tokio::test]
async fn an_options_that_may_go_no_further_is_answered_by_the_edge() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let reply = edge.ask(Method::OPTIONS, "/a", &[("max-forwards", "0")]).await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(reply.header("allow"), Some("GET, HEAD, OPTIONS, PUT, POST, PATCH, DELETE"));
    assert_eq!((reply.header("content-type"), reply.header("content-length")), (None, None));
    assert_eq!(origin.reads(), 0);
    for (said, told) in [("1", "0"), ("10", "9"), ("x", "x")] {
        assert_eq!(edge.ask(Method::OPTIONS, "/a", &[("max-forwards", said)]).await.status, StatusCode::OK);
        assert_eq!(origin.seen(origin.reads()).header("max-forwards"), Some(told));
    }
    // It means nothing with other methods.
    edge.ask(Method::POST, "/a", &[("max-forwards", "0")]).await;
    assert_eq!(origin.seen(origin.reads()).header("max-forwards"), Some("0"));
}
