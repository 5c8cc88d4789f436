//! What viewers ask of the cache, and whether they have a say.

use edge_contract::{EdgeConfig, ViewerControls};
use http::{Method, StatusCode};

use crate::edge::{Edge, config, until};
use crate::origin::{Door, Origin};

const CONTROL: &str = "cache-control";

fn respecting(origin: &Origin) -> EdgeConfig {
    let mut config = config(origin.address);
    config.sites[0].behaviors[0].viewer_controls = ViewerControls::Respect;
    config
}

/// An edge that has read `/a` once, ten seconds ago.
async fn holding(fields: &'static str) -> (Edge, Origin) {
    let origin = Origin::numbered(fields).await;
    let edge = Edge::start(respecting(&origin)).await;
    edge.get("/a").await;
    edge.skip(10);
    (edge, origin)
}

async fn asked(edge: &Edge, wish: &str) -> (String, String) {
    let reply = edge.ask(Method::GET, "/a", &[(CONTROL, wish)]).await;
    (reply.body.clone(), reply.cache_status().to_owned())
}

#[tokio::test]
async fn by_default_a_viewer_has_no_say() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.skip(10);
    for wish in ["no-cache", "max-age=0", "no-store", "min-fresh=900", "max-age=5, only-if-cached"] {
        assert_eq!(asked(&edge, wish).await.1, "kubefront; hit; ttl=50", "{wish}");
    }
    assert_eq!(edge.ask(Method::GET, "/a", &[("pragma", "no-cache")]).await.body, "read 1");
    assert_eq!(edge.ask(Method::GET, "/b", &[(CONTROL, "only-if-cached, no-store")]).await.body, "read 2");
    assert_eq!((edge.get("/b").await.body.as_str(), origin.reads()), ("read 2", 2));
}

#[tokio::test]
async fn a_viewer_that_wants_it_fresher_gets_it_fresh_and_so_do_those_after_it() {
    for wish in ["no-cache", "max-age=9", "min-fresh=51", "Max-Age=\"9\""] {
        let (edge, origin) = holding("cache-control: max-age=60\r\n").await;
        let (body, status) = asked(&edge, wish).await;
        assert_eq!(body, "read 2", "{wish}");
        assert_eq!(status, "kubefront; fwd=request; fwd-status=200; stored", "{wish}");
        assert_eq!((edge.get("/a").await.body.as_str(), origin.reads()), ("read 2", 2), "{wish}");
    }
    for wish in ["max-age=10", "min-fresh=50", "max-stale", "no-transform", "x=no-cache"] {
        let (edge, _origin) = holding("cache-control: max-age=60\r\n").await;
        assert_eq!(asked(&edge, wish).await.1, "kubefront; hit; ttl=50", "{wish}");
    }
}

#[tokio::test]
async fn a_viewer_that_wants_it_validated_costs_the_origin_no_body() {
    let origin = Origin::start(|seen, exchange| async move {
        match seen.header("if-none-match") {
            Some("\"v\"") => exchange.respond("304 Not Modified", "etag: \"v\"\r\n", "").await,
            _ => exchange.respond("200 OK", "etag: \"v\"\r\ncache-control: max-age=60\r\n", "whole").await,
        }
    })
    .await;
    let edge = Edge::start(respecting(&origin)).await;
    edge.get("/a").await;
    let (body, status) = asked(&edge, "no-cache").await;
    assert_eq!((body.as_str(), status.as_str()), ("whole", "kubefront; fwd=request; fwd-status=304; stored"));
}

#[tokio::test]
async fn pragma_means_the_same_to_those_who_do_not_speak_cache_control() {
    let (edge, _origin) = holding("cache-control: max-age=60\r\n").await;
    let both = [("pragma", "no-cache"), (CONTROL, "max-age=30")];
    assert_eq!(edge.ask(Method::GET, "/a", &both).await.body, "read 1");
    assert_eq!(edge.ask(Method::GET, "/a", &[("pragma", "no-cache")]).await.body, "read 2");
}

#[tokio::test]
async fn what_never_changes_is_validated_only_for_one_who_insists() {
    let (edge, _origin) = holding("cache-control: max-age=60, immutable\r\n").await;
    assert_eq!(asked(&edge, "max-age=0").await.0, "read 1");
    assert_eq!(asked(&edge, "no-cache").await.0, "read 2");
}

#[tokio::test]
async fn a_viewer_gets_it_as_stale_as_it_accepts() {
    let (edge, origin) = holding("cache-control: max-age=5\r\n").await;
    assert_eq!(asked(&edge, "max-stale=5").await.1, "kubefront; hit; ttl=-5; detail=max-stale");
    assert_eq!(asked(&edge, "max-stale").await.0, "read 1");
    assert_eq!(origin.reads(), 1, "nothing was asked behind its back");
    assert_eq!(asked(&edge, "max-stale=4").await.0, "read 2");
    let (edge, _origin) = holding("cache-control: max-age=5, must-revalidate\r\n").await;
    assert_eq!(asked(&edge, "max-stale").await.0, "read 2");
}

#[tokio::test]
async fn a_viewer_that_says_how_fresh_it_must_be_is_not_served_while_revalidating() {
    let (edge, _origin) = holding("cache-control: max-age=5, stale-while-revalidate=60\r\n").await;
    assert_eq!(asked(&edge, "max-age=90").await.0, "read 2");
}

#[tokio::test]
async fn what_a_viewer_wants_forgotten_is_not_stored() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let edge = Edge::start(respecting(&origin)).await;
    assert_eq!(asked(&edge, "no-store").await.0, "read 1");
    assert_eq!(edge.live().store().responses(), 0);
    assert_eq!(edge.get("/a").await.body, "read 2");
    assert_eq!(asked(&edge, "no-store").await.0, "read 2", "what is stored already may be used");
    edge.skip(60);
    assert_eq!(asked(&edge, "no-store").await.0, "read 3");
    assert_eq!(edge.get("/a").await.body, "read 4");
}

#[tokio::test]
async fn no_background_validation_stores_what_a_viewer_wants_forgotten() {
    let (edge, origin) = holding("cache-control: max-age=5, stale-while-revalidate=60\r\n").await;
    assert_eq!(asked(&edge, "no-store").await.0, "read 1");
    assert_eq!((edge.running.edge.collapse.fills(), origin.reads()), (0, 1));
}

#[tokio::test]
async fn a_viewer_that_wants_only_what_is_stored_gets_that_or_a_gateway_timeout() {
    let (edge, origin) = holding("cache-control: max-age=60\r\n").await;
    assert_eq!(asked(&edge, "only-if-cached").await.0, "read 1");
    for (target, wish) in [("/b", "only-if-cached"), ("/a", "only-if-cached, max-age=5")] {
        let reply = edge.ask(Method::GET, target, &[(CONTROL, wish)]).await;
        assert_eq!(reply.status, StatusCode::GATEWAY_TIMEOUT, "{target}");
        assert_eq!(reply.cache_status(), "kubefront; detail=only-if-cached");
    }
    edge.skip(60);
    assert_eq!(edge.ask(Method::HEAD, "/a", &[(CONTROL, "only-if-cached")]).await.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(edge.ask(Method::GET, "/a", &[(CONTROL, "only-if-cached, max-stale")]).await.body, "read 1");
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_viewer_may_prefer_something_stale_to_an_error() {
    let origin = Origin::start(|seen, exchange| async move {
        match seen.number {
            1 => exchange.respond("200 OK", "cache-control: max-age=5\r\n", "good").await,
            _ => exchange.respond("503 Service Unavailable", "", "bad").await,
        }
    })
    .await;
    let edge = Edge::start(respecting(&origin)).await;
    edge.get("/a").await;
    edge.skip(10);
    assert_eq!(asked(&edge, "stale-if-error=6").await.0, "good");
    assert_eq!(asked(&edge, "stale-if-error=5").await.0, "bad");
}

#[tokio::test]
async fn those_who_want_it_validated_for_them_do_not_wait_for_others() {
    let door = Door::closed();
    let first = door.clone();
    let origin = Origin::gated("", move |read| (read == 1).then(|| first.clone())).await;
    let edge = Edge::start(respecting(&origin)).await;
    let (first, ()) = tokio::join!(edge.get("/a"), async {
        until("it is read", || origin.reads() == 1).await;
        assert_eq!(asked(&edge, "no-cache").await.0, "read 2");
        door.open();
    });
    assert_eq!(first.body, "read 1");
}
