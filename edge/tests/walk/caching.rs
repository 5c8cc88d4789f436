//! What is answered from the store, and for how long.

use http::{Method, StatusCode};

use crate::edge::{Edge, config, request, with_text};
use crate::origin::Origin;

#[tokio::test]
async fn the_second_request_is_answered_from_the_store_with_its_age() {
    let origin = Origin::numbered("cache-control: max-age=60\r\netag: \"v\"\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    let miss = edge.get("/a?x=1").await;
    assert_eq!((miss.status, miss.body.as_str()), (StatusCode::OK, "read 1"));
    assert_eq!(miss.cache_status(), "kubefront; fwd=uri-miss; fwd-status=200; stored");
    assert_eq!(miss.header("age"), None);
    edge.skip(7);
    let hit = edge.get("/a?x=1").await;
    assert_eq!(hit.body, "read 1");
    assert_eq!((hit.header("age"), hit.cache_status()), (Some("7"), "kubefront; hit; ttl=53"));
    assert_eq!((hit.header("date"), hit.header("via")), (miss.header("date"), Some("1.1 kubefront")));
    assert!(hit.header("date").is_some());
    assert_eq!(edge.get("/a?x=2").await.body, "read 2");
    assert_eq!(origin.reads(), 2);
}

#[tokio::test]
async fn what_the_origin_is_sent_is_what_is_keyed_and_what_the_edge_writes() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = request(Method::GET, "/a/%7euser/../b?q=1");
    viewer.headers_mut().insert("cookie", "secret=1".parse().expect("a value"));
    viewer.headers_mut().insert("x-forwarded-host", "evil".parse().expect("a value"));
    edge.send(viewer).await;
    let seen = origin.seen(1);
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/a/b?q=1"));
    assert_eq!((seen.header("host"), seen.header("cookie")), (Some("app.test"), None));
    assert_eq!((seen.header("x-forwarded-host"), seen.header("x-forwarded-for")), (None, Some("127.0.0.1")));
    assert_eq!((seen.header("via"), seen.header("cdn-loop")), (Some("1.1 kubefront"), Some("uid-of-shop")));
}

#[tokio::test]
async fn a_stale_response_is_validated_and_a_304_makes_it_fresh_again() {
    let origin = Origin::start(|seen, exchange| async move {
        let fields = "etag: \"v\"\r\ncache-control: max-age=10\r\n";
        match seen.header("if-none-match") {
            Some("\"v\"") => {
                exchange
                    .respond("304 Not Modified", "etag: \"v\"\r\ncache-control: max-age=10\r\nx-new: 1\r\n", "")
                    .await
            }
            _ => exchange.respond("200 OK", fields, &format!("read {}", seen.number)).await,
        }
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.skip(11);
    let validated = edge.get("/a").await;
    assert_eq!((validated.body.as_str(), validated.header("x-new")), ("read 1", Some("1")));
    assert_eq!(validated.cache_status(), "kubefront; fwd=stale; fwd-status=304; stored");
    edge.skip(9);
    assert_eq!(edge.get("/a").await.cache_status(), "kubefront; hit; ttl=1");
    assert_eq!(origin.reads(), 2);
}

#[tokio::test]
async fn a_304_that_forbids_storing_ends_what_is_stored() {
    for forbidding in ["cache-control: no-store\r\n", "cache-control: private\r\n", "vary: *\r\n"] {
        let origin = Origin::start(move |seen, exchange| async move {
            if seen.header("if-none-match").is_some() {
                return exchange.respond("304 Not Modified", forbidding, "").await;
            }
            let fields = "etag: \"v\"\r\ncache-control: max-age=10\r\n";
            exchange.respond("200 OK", fields, &format!("read {}", seen.number)).await
        })
        .await;
        let edge = Edge::start(config(origin.address)).await;
        edge.get("/a").await;
        edge.skip(11);
        assert_eq!(edge.get("/a").await.body, "read 1", "it still is what the viewer asked for");
        assert_eq!(edge.live().store().responses(), 0, "{forbidding}");
        assert_eq!(edge.get("/a").await.body, "read 3");
    }
}

#[tokio::test]
async fn a_stale_response_that_changed_is_replaced() {
    let origin = Origin::numbered("etag: \"v\"\r\ncache-control: max-age=10\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.skip(11);
    assert_eq!(edge.get("/a").await.body, "read 2");
    assert_eq!(edge.get("/a").await.body, "read 2");
    assert_eq!(edge.live().store().responses(), 1);
}

#[tokio::test]
async fn a_response_served_stale_while_revalidating_is_refreshed_behind_the_viewers_back() {
    let origin = Origin::numbered("cache-control: max-age=10, stale-while-revalidate=60\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.skip(11);
    let stale = edge.get("/a").await;
    assert_eq!((stale.body.as_str(), stale.header("age")), ("read 1", Some("11")));
    assert!(stale.cache_status().contains("stale-while-revalidate"), "{}", stale.cache_status());
    origin.read_times(2).await;
    crate::edge::until("the new response is stored", || edge.running.edge.collapse.fills() == 0).await;
    assert_eq!(edge.get("/a").await.body, "read 2");
    assert_eq!(origin.reads(), 2);
}

#[tokio::test]
async fn what_the_origin_has_another_answer_for_stands_in_for_nothing_any_more() {
    // An error of the origin's own says nothing of what is stored.
    for (status, stands_in) in [("403 Forbidden", false), ("302 Found", false), ("599 Error", true)] {
        let origin = Origin::start(move |seen, exchange| async move {
            match seen.number {
                1 => exchange.respond("200 OK", "cache-control: max-age=10\r\n", "revoked").await,
                2 => exchange.respond(status, "", "").await,
                _ => exchange.reset(),
            }
        })
        .await;
        let edge = Edge::start(config(origin.address)).await;
        edge.get("/a").await;
        edge.skip(11);
        assert!(status.starts_with(edge.get("/a").await.status.as_str()));
        let unreachable = edge.get("/a").await;
        assert_eq!(unreachable.body == "revoked", stands_in, "{status}: {unreachable:?}");
    }
}

#[tokio::test]
async fn ttl_zero_stores_nothing_and_carries_everything() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let mut config = config(origin.address);
    config.sites[0].behaviors[0].ttl =
        edge_contract::Ttl { min: 0, default: 0, max: 0, ..edge_contract::Ttl::default() };
    let edge = Edge::start(config).await;
    let mut viewer = request(Method::GET, "/a");
    viewer.headers_mut().insert("cookie", "c=1".parse().expect("a value"));
    assert_eq!(edge.send(viewer).await.body, "read 1");
    let again = edge.get("/a").await;
    assert_eq!((again.body.as_str(), again.cache_status()), ("read 2", "kubefront; fwd=bypass; fwd-status=200"));
    assert_eq!(origin.seen(1).header("cookie"), Some("c=1"));
    assert_eq!(edge.live().store().responses(), 0);
}

#[tokio::test]
async fn turning_caching_off_stops_reuse_at_once() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    let mut off = config(origin.address);
    off.revision = 2;
    off.sites[0].behaviors[0].ttl = edge_contract::Ttl { min: 0, default: 0, max: 0, ..edge_contract::Ttl::default() };
    edge.live().take_config(off).expect("is sound");
    assert_eq!(edge.get("/a").await.body, "read 2");
}

#[tokio::test]
async fn what_forbids_storing_is_passed_each_time() {
    for fields in ["cache-control: no-store\r\n", "cache-control: private\r\n", "set-cookie: a=b\r\n", "vary: *\r\n"] {
        let origin = Origin::numbered(fields).await;
        let edge = Edge::start(config(origin.address)).await;
        assert_eq!(
            (edge.get("/a").await.body, edge.get("/a").await.body),
            ("read 1".into(), "read 2".into()),
            "{fields}"
        );
        assert_eq!(edge.live().store().responses(), 0, "{fields}");
    }
}

#[tokio::test]
async fn head_is_answered_from_a_stored_get_and_stores_nothing_itself() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let passed = edge.send(request(Method::HEAD, "/a")).await;
    assert_eq!((passed.header("content-length"), passed.body.as_str()), (Some("6"), ""));
    assert_eq!(edge.live().store().responses(), 0);
    edge.get("/a").await;
    let answered = edge.send(request(Method::HEAD, "/a")).await;
    assert_eq!((answered.header("content-length"), answered.cache_status()), (Some("6"), "kubefront; hit; ttl=86400"));
    assert_eq!((origin.reads(), origin.seen(1).method.as_str()), (2, "HEAD"));
}

#[tokio::test]
async fn a_viewers_condition_is_answered_from_the_store() {
    let origin = Origin::numbered("etag: \"v\"\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    for (tag, status) in
        [("\"v\"", StatusCode::NOT_MODIFIED), ("\"w\"", StatusCode::OK), ("W/\"v\"", StatusCode::NOT_MODIFIED)]
    {
        let mut viewer = request(Method::GET, "/a");
        viewer.headers_mut().insert("if-none-match", tag.parse().expect("a value"));
        assert_eq!(edge.send(viewer).await.status, status, "{tag}");
    }
    assert_eq!((origin.reads(), origin.seen(1).header("if-none-match")), (1, None));
}

#[tokio::test]
async fn what_a_viewer_had_already_is_stored_for_the_next_one_all_the_same() {
    let door = crate::origin::Door::closed();
    let origin = {
        let door = door.clone();
        Origin::start(move |_, mut exchange| {
            let door = door.clone();
            async move {
                exchange.write("HTTP/1.1 200 OK\r\netag: \"v\"\r\ncontent-length: 6\r\n\r\n").await;
                door.pass().await;
                exchange.write("stored").await;
                crate::origin::Then::KeepAlive(exchange)
            }
        })
        .await
    };
    let edge = Edge::start(config(origin.address)).await;
    let mut viewer = request(Method::GET, "/a");
    viewer.headers_mut().insert("if-none-match", "\"v\"".parse().expect("a value"));
    assert_eq!(edge.send(viewer).await.status, StatusCode::NOT_MODIFIED);
    door.open();
    crate::edge::until("it is stored", || edge.live().store().responses() == 1).await;
    assert_eq!((edge.get("/a").await.body.as_str(), origin.reads()), ("stored", 1));
}

#[tokio::test]
async fn a_chunked_response_is_stored_and_its_length_is_known_afterwards() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange
            .write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
            .await;
        crate::origin::Then::KeepAlive(exchange)
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    let miss = edge.get("/a").await;
    assert_eq!((miss.body.as_str(), miss.header("content-length")), ("hello world", None));
    let hit = edge.get("/a").await;
    assert_eq!((hit.body.as_str(), hit.header("content-length")), ("hello world", Some("11")));
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_write_passes_and_makes_void_what_is_stored_of_its_target_and_location() {
    let origin = Origin::start(|seen, mut exchange| async move {
        if seen.method == "POST" {
            let body = exchange.read(5).await;
            let body = String::from_utf8(body).expect("is text");
            return exchange.respond("201 Created", "location: /new\r\n", &body).await;
        }
        exchange.respond("200 OK", "", &format!("read {}", seen.number)).await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    for target in ["/a", "/new", "/b"] {
        edge.get(target).await;
    }
    let posted = edge.send(with_text(Method::POST, "/a", "hello")).await;
    assert_eq!((posted.status, posted.body.as_str()), (StatusCode::CREATED, "hello"));
    assert_eq!(edge.get("/a").await.body, "read 5");
    assert_eq!(edge.get("/new").await.body, "read 6");
    assert_eq!(edge.get("/b").await.body, "read 3");
}

#[tokio::test]
async fn a_failed_write_leaves_what_is_stored() {
    let origin = Origin::start(|seen, exchange| async move {
        let status = if seen.method == "DELETE" { "409 Conflict" } else { "200 OK" };
        exchange.respond(status, "", &format!("read {}", seen.number)).await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.send(request(Method::DELETE, "/a")).await;
    assert_eq!(edge.get("/a").await.body, "read 1");
}

#[tokio::test]
async fn a_not_found_is_stored_for_ten_seconds() {
    let origin = Origin::start(|seen, exchange| async move {
        exchange.respond("404 Not Found", "", &format!("read {}", seen.number)).await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    assert_eq!((edge.get("/a").await.body, edge.get("/a").await.body), ("read 1".into(), "read 1".into()));
    edge.skip(11);
    assert_eq!(edge.get("/a").await.body, "read 2");
}
