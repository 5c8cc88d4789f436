//! What an answer to a validation or to HEAD does to what is stored.

use http::{Method, StatusCode};

use crate::edge::{Edge, config};
use crate::origin::{Origin, Seen};

/// Answers a first read of each kind as `first` says, and every other one as `later` does: a status, fields and a body.
async fn scripted(
    first: fn(&Seen) -> (&'static str, String),
    later: fn(&Seen) -> (&'static str, &'static str),
    reads: usize,
) -> Origin {
    Origin::start(move |seen, exchange| async move {
        let (status, fields) = if seen.number <= reads {
            first(&seen)
        } else {
            let (status, fields) = later(&seen);
            (status, fields.to_owned())
        };
        let body = if status.starts_with("304") { String::new() } else { format!("read {}", seen.number) };
        exchange.respond(status, &fields, &body).await
    })
    .await
}

/// An edge that is sent viewers' fields as well as what is keyed, so that `Vary` has something to compare.
async fn varying(origin: &Origin) -> Edge {
    let mut config = config(origin.address);
    config.sites[0].behaviors[0].forward.headers = edge_contract::Forwarded::All;
    Edge::start(config).await
}

#[tokio::test]
async fn a_304_that_names_another_response_freshens_nothing() {
    let origin = Origin::start(|seen, exchange| async move {
        if seen.header("if-none-match").is_some() {
            return exchange.respond("304 Not Modified", "etag: \"w\"\r\n", "").await;
        }
        let fields = "etag: \"v\"\r\ncache-control: max-age=10\r\n";
        exchange.respond("200 OK", fields, &format!("read {}", seen.number)).await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.skip(11);
    assert_eq!(edge.get("/a").await.body, "read 3");
    assert_eq!(origin.seen(3).header("if-none-match"), None);
}

#[tokio::test]
async fn a_bare_304_answers_the_one_condition_that_was_sent() {
    let origin = scripted(
        |_| ("200 OK", "etag: \"v\"\r\ncache-control: max-age=10\r\n".to_owned()),
        |_| ("304 Not Modified", ""),
        1,
    )
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.skip(11);
    assert_eq!(edge.get("/a").await.body, "read 1");
    assert_eq!(edge.get("/a").await.cache_status(), "kubefront; hit; ttl=10");
}

#[tokio::test]
async fn a_304_that_forbids_storing_is_not_said_to_be_stored() {
    let origin = scripted(
        |_| ("200 OK", "etag: \"v\"\r\ncache-control: max-age=10\r\n".to_owned()),
        |_| ("304 Not Modified", "cache-control: no-store\r\n"),
        1,
    )
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.skip(11);
    assert_eq!(edge.get("/a").await.cache_status(), "kubefront; fwd=stale; fwd-status=304");
}

#[tokio::test]
async fn a_date_is_sent_beside_the_tag_where_one_response_is_validated() {
    let modified = "Sun, 22 Nov 2026 10:00:00 GMT";
    let origin = Origin::numbered(
        "etag: \"v\"\r\nlast-modified: Sun, 22 Nov 2026 10:00:00 GMT\r\ncache-control: max-age=10\r\n",
    )
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.skip(11);
    edge.get("/a").await;
    let seen = origin.seen(2);
    assert_eq!((seen.header("if-none-match"), seen.header("if-modified-since")), (Some("\"v\""), Some(modified)));
}

#[tokio::test]
async fn a_field_for_one_viewer_goes_to_the_one_that_it_was_asked_for() {
    for directive in ["private", "no-cache"] {
        let origin = Origin::start(move |seen, exchange| async move {
            let fields = format!(
                "etag: \"v\"\r\ncache-control: max-age=10, {directive}=\"x-who, x-other\"\r\nx-who: {}\r\n",
                seen.number
            );
            match seen.header("if-none-match") {
                Some(_) => exchange.respond("304 Not Modified", &fields, "").await,
                None => exchange.respond("200 OK", &fields, "body").await,
            }
        })
        .await;
        let edge = Edge::start(config(origin.address)).await;
        assert_eq!(edge.get("/a").await.header("x-who"), Some("1"), "{directive}");
        assert_eq!(edge.get("/a").await.header("x-who"), None, "{directive}");
        edge.skip(11);
        let validated = edge.get("/a").await;
        assert_eq!((validated.header("x-who"), validated.body.as_str()), (Some("2"), "body"), "{directive}");
        assert_eq!((edge.get("/a").await.header("x-who"), origin.reads()), (None, 2), "{directive}");
    }
}

#[tokio::test]
async fn a_cookie_that_comes_with_a_304_goes_to_the_one_that_it_was_asked_for() {
    let origin = scripted(
        |_| ("200 OK", "etag: \"v\"\r\ncache-control: max-age=10\r\n".to_owned()),
        |_| ("304 Not Modified", "set-cookie: who=me\r\n"),
        1,
    )
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.skip(11);
    assert_eq!(edge.get("/a").await.header("set-cookie"), Some("who=me"));
    assert_eq!(edge.get("/a").await.header("set-cookie"), None);
}

#[tokio::test]
async fn a_head_updates_what_it_confirms() {
    let origin = Origin::start(|seen, exchange| async move {
        let fields = format!("etag: \"v\"\r\ncache-control: max-age=10\r\nx-new: {}\r\n", seen.number);
        if seen.method == "HEAD" {
            let mut exchange = exchange;
            exchange.write(format!("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n{fields}\r\n")).await;
            return crate::origin::Then::KeepAlive(exchange);
        }
        exchange.respond("200 OK", &fields, "body").await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.skip(11);
    assert_eq!(edge.ask(Method::HEAD, "/a", &[]).await.cache_status(), "kubefront; fwd=stale; fwd-status=200");
    let updated = edge.get("/a").await;
    assert_eq!((updated.header("x-new"), updated.body.as_str()), (Some("2"), "body"));
    assert_eq!((updated.cache_status(), origin.reads()), ("kubefront; hit; ttl=10", 2));
}

#[tokio::test]
async fn what_a_head_contradicts_or_forbids_is_of_no_use_any_more() {
    for (length, fields) in [
        (4, "etag: \"w\"\r\ncache-control: max-age=90\r\n"),
        (5, "etag: \"v\"\r\ncache-control: max-age=90\r\n"),
        (4, "etag: \"v\"\r\ncache-control: no-store\r\n"),
    ] {
        let origin = Origin::start(move |seen, mut exchange| async move {
            match (seen.method.as_str(), seen.number) {
                ("HEAD", _) => {
                    exchange.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{fields}\r\n")).await;
                    crate::origin::Then::KeepAlive(exchange)
                }
                (_, 1) => exchange.respond("200 OK", "etag: \"v\"\r\ncache-control: max-age=10\r\n", "body").await,
                _ => exchange.reset(),
            }
        })
        .await;
        let edge = Edge::start(config(origin.address)).await;
        edge.get("/a").await;
        edge.skip(11);
        assert_eq!(edge.ask(Method::HEAD, "/a", &[]).await.status, StatusCode::OK);
        assert_eq!(edge.get("/a").await.status, StatusCode::BAD_GATEWAY, "{fields}: it does not stand in either");
    }
}

#[tokio::test]
async fn what_once_varied_gives_way_when_its_origin_stops_to_vary() {
    let origin = Origin::start(|seen, exchange| async move {
        let vary = if seen.number == 1 { "vary: x\r\n" } else { "" };
        let fields = format!("{vary}cache-control: max-age=10\r\n");
        exchange.respond("200 OK", &fields, &format!("read {}", seen.number)).await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.skip(11);
    assert_eq!(edge.get("/a").await.body, "read 2");
    assert_eq!((edge.get("/a").await.body.as_str(), edge.live().store().responses()), ("read 2", 1));
}

#[tokio::test]
async fn of_several_that_a_request_selects_all_are_offered_and_the_one_that_is_meant_answers() {
    let origin = Origin::start(|seen, exchange| async move {
        let fields = match (seen.header("if-none-match"), seen.header("x"), seen.header("y")) {
            (Some(_), _, _) => {
                return exchange.respond("304 Not Modified", "etag: \"y\"\r\ncache-control: max-age=90\r\n", "").await;
            }
            (None, Some(_), _) => "vary: x\r\netag: \"x\"\r\ncache-control: max-age=10\r\n",
            _ => "vary: y\r\netag: \"y\"\r\ncache-control: max-age=10\r\n",
        };
        exchange.respond("200 OK", fields, &format!("read {}", seen.number)).await
    })
    .await;
    let edge = varying(&origin).await;
    edge.ask(Method::GET, "/a", &[("x", "1")]).await;
    edge.ask(Method::GET, "/a", &[("y", "1")]).await;
    assert_eq!(edge.live().store().responses(), 2);
    edge.skip(11);
    let both = edge.ask(Method::GET, "/a", &[("x", "1"), ("y", "1")]).await;
    assert_eq!((both.body.as_str(), both.cache_status()), ("read 2", "kubefront; fwd=stale; fwd-status=304; stored"));
    let mut offered: Vec<String> =
        origin.seen(3).header("if-none-match").expect("a condition").split(", ").map(str::to_owned).collect();
    offered.sort();
    assert_eq!(offered, ["\"x\"", "\"y\""]);
}
