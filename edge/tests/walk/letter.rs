//! RFC 9111 to the letter, as a viewer and an origin see it: what docs/rfc9111.md names and no other file here is about.
//!
//! Under the neutral policy of [`neutral`], where the owner says nothing and the RFC decides everything.

use edge_contract::{EdgeConfig, Forwarded, SetCookie, Stale, Ttl, ViewerControls};
use http::{Method, StatusCode};

use crate::edge::{Edge, config};
use crate::origin::{Origin, Then};

/// No bounds, nothing assumed, no grace: what is stored and reused is what the RFC says.
fn neutral(origin: &Origin) -> EdgeConfig {
    let mut config = config(origin.address);
    let behavior = &mut config.sites[0].behaviors[0];
    behavior.ttl = Ttl { min: 0, default: 0, ..Ttl::default() };
    behavior.set_cookie = SetCookie::Store;
    behavior.viewer_controls = ViewerControls::Respect;
    behavior.stale = Stale { while_revalidate: 0, if_error: 0, if_unreachable: 0 };
    behavior.forward.headers = Forwarded::All;
    config
}

/// Answers every request with this status, these fields and its number.
async fn answering(status: &'static str, fields: &'static str) -> Origin {
    Origin::start(move |seen, exchange| async move {
        exchange.respond(status, fields, &format!("read {}", seen.number)).await
    })
    .await
}

/// How often an origin that answers like this is read by two requests.
async fn reads(status: &'static str, fields: &'static str) -> usize {
    let origin = answering(status, fields).await;
    let edge = Edge::start(neutral(&origin)).await;
    edge.get("/a").await;
    edge.get("/a").await;
    origin.reads()
}

#[tokio::test]
async fn a_final_status_is_stored_where_its_freshness_is_said() {
    for status in [
        "200 OK",
        "201 Created",
        "203 Non-Authoritative Information",
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
        "400 Bad Request",
        "404 Not Found",
        "500 Internal Server Error",
        "599 Whatever",
    ] {
        for fields in ["cache-control: max-age=60\r\n", "cache-control: s-maxage=60\r\n"] {
            assert_eq!(reads(status, fields).await, 1, "{status} {fields}");
        }
        assert_eq!(reads(status, "").await, 2, "{status}");
        assert_eq!(reads(status, "cache-control: no-store, max-age=60\r\n").await, 2, "{status}");
        assert_eq!(reads(status, "cache-control: private, max-age=60\r\n").await, 2, "{status}");
    }
}

#[tokio::test]
async fn what_must_be_understood_is_stored_only_where_it_is() {
    let fields = "cache-control: no-store, must-understand, max-age=60\r\n";
    assert_eq!(reads("200 OK", fields).await, 1);
    assert_eq!(reads("299 Whatever", fields).await, 2);
    assert_eq!(reads("299 Whatever", "cache-control: must-understand, max-age=60\r\n").await, 2);
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_is_neither_stored_nor_shown_unless_it_is_the_whole() {
    let part = "content-range: bytes 0-5/12\r\ncache-control: max-age=60\r\n";
    let whole = "content-range: bytes 0-5/6\r\ncache-control: max-age=60\r\n";
    for (fields, status, reads, stored) in [(part, StatusCode::BAD_GATEWAY, 2, 0), (whole, StatusCode::OK, 1, 1)] {
        let origin = answering("206 Partial Content", fields).await;
        let edge = Edge::start(neutral(&origin)).await;
        for _ in 0..2 {
            let reply = edge.get("/a").await;
            assert_eq!((reply.status, reply.header("content-range")), (status, None));
        }
        assert_eq!((origin.reads(), edge.live().store().responses()), (reads, stored), "{fields}");
    }
}

#[tokio::test]
async fn every_field_is_stored_but_those_of_one_connection() {
    let origin = answering(
        "200 OK",
        "cache-control: max-age=60\r\nx-unknown: 1\r\nx-unknown: 2\r\nwarning: 299 - \"old\"\r\npragma: no-cache\r\n\
         connection: x-hop\r\nx-hop: 1\r\nproxy-authenticate: Basic\r\nproxy-authentication-info: x\r\nkeep-alive: 5\r\n",
    )
    .await;
    let edge = Edge::start(neutral(&origin)).await;
    for _ in 0..2 {
        let reply = edge.get("/a").await;
        assert_eq!(reply.headers.get_all("x-unknown").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((reply.header("warning"), reply.header("pragma")), (Some("299 - \"old\""), Some("no-cache")));
        for gone in ["x-hop", "proxy-authenticate", "proxy-authentication-info", "keep-alive"] {
            assert_eq!(reply.header(gone), None, "{gone}");
        }
    }
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_trailer_does_not_become_a_field_of_the_head() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange
            .write(
                "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                 4\r\nbody\r\n0\r\nx-sum: 1\r\ncache-control: no-store\r\n\r\n",
            )
            .await;
        Then::KeepAlive(exchange)
    })
    .await;
    let edge = Edge::start(neutral(&origin)).await;
    for _ in 0..2 {
        let reply = edge.get("/a").await;
        assert_eq!((reply.header("x-sum"), reply.header("cache-control")), (None, Some("max-age=60")));
    }
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn an_age_takes_along_what_other_caches_counted() {
    for (fields, age) in [
        ("age: 20\r\n", "25"),
        ("age: 20, 900\r\n", "25"),
        ("age: 20\r\nage: 900\r\n", "25"),
        ("age: -20\r\n", "5"),
        ("age: 20.5\r\n", "5"),
        ("age: x, 20\r\n", "5"),
    ] {
        let origin = Origin::start(move |_, exchange| async move {
            exchange.respond("200 OK", &format!("cache-control: max-age=60\r\n{fields}"), "").await
        })
        .await;
        let edge = Edge::start(neutral(&origin)).await;
        edge.get("/a").await;
        edge.skip(5);
        assert_eq!(edge.get("/a").await.header("age"), Some(age), "{fields}");
        edge.skip(55 - age.parse::<u64>().expect("a number"));
        assert!(edge.get("/a").await.cache_status().contains("hit"), "{fields}");
        edge.skip(5);
        assert!(edge.get("/a").await.cache_status().contains("fwd=stale"), "{fields}");
    }
}

#[tokio::test]
async fn an_expiry_that_cannot_be_read_has_passed() {
    for expires in ["0", "-1", "tomorrow", "Fri, 31 Dec 2100 23:59:59 UTC", "Fri, 31 Dec 2100 23:59:59", ""] {
        let origin = Origin::start(move |seen, exchange| async move {
            exchange.respond("200 OK", &format!("expires: {expires}\r\n"), &format!("read {}", seen.number)).await
        })
        .await;
        let edge = Edge::start(neutral(&origin)).await;
        edge.get("/a").await;
        assert_eq!(edge.get("/a").await.body, "read 2", "{expires}");
    }
    for expires in ["Fri, 31 Dec 2100 23:59:59 GMT", "fri, 31 dec 2100 23:59:59 gmt", "Fri Dec 31 23:59:59 2100"] {
        let origin = Origin::start(move |seen, exchange| async move {
            exchange.respond("200 OK", &format!("Expires: {expires}\r\n"), &format!("read {}", seen.number)).await
        })
        .await;
        let edge = Edge::start(neutral(&origin)).await;
        edge.get("/a").await;
        assert_eq!(edge.get("/a").await.body, "read 1", "{expires}");
    }
    assert_eq!(reads("200 OK", "cache-control: max-age=0\r\nexpires: Fri, 31 Dec 2100 23:59:59 GMT\r\n").await, 2);
    assert_eq!(reads("200 OK", "cache-control: max-age=60\r\nexpires: 0\r\n").await, 1);
}

#[tokio::test]
async fn nothing_stale_is_used_without_leave() {
    let origin = Origin::start(|seen, exchange| async move {
        match seen.number {
            1 => exchange.respond("200 OK", "cache-control: max-age=10\r\n", "good").await,
            _ => exchange.respond("503 Service Unavailable", "", "bad").await,
        }
    })
    .await;
    let edge = Edge::start(neutral(&origin)).await;
    edge.get("/a").await;
    edge.skip(10);
    assert_eq!(edge.get("/a").await.body, "bad");
}

#[tokio::test]
async fn what_must_be_validated_first_is_a_gateway_timeout_without_its_origin() {
    for directive in ["must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"] {
        let origin = Origin::start(move |_, exchange| async move {
            let fields = format!("etag: \"v\"\r\ncache-control: max-age=10, stale-if-error=900, {directive}\r\n");
            exchange.respond("200 OK", &fields, "good").await
        })
        .await;
        let mut config = neutral(&origin);
        config.sites[0].behaviors[0].stale.if_unreachable = 900;
        let edge = Edge::start(config).await;
        edge.get("/a").await;
        drop(origin);
        edge.skip(11);
        assert_eq!(edge.get("/a").await.status, StatusCode::GATEWAY_TIMEOUT, "{directive}");
        let accepts = edge.ask(Method::GET, "/a", &[("cache-control", "max-stale")]).await;
        assert_eq!(accepts.status, StatusCode::GATEWAY_TIMEOUT, "{directive}");
    }
}

#[tokio::test]
async fn a_viewers_own_tag_does_not_keep_it_from_what_the_origin_confirmed() {
    let origin = Origin::start(|seen, exchange| async move {
        match seen.header("if-none-match") {
            Some("\"v\"") => exchange.respond("304 Not Modified", "etag: \"v\"\r\n", "").await,
            _ => exchange.respond("200 OK", "etag: \"v\"\r\ncache-control: max-age=10\r\n", "body").await,
        }
    })
    .await;
    let edge = Edge::start(neutral(&origin)).await;
    edge.get("/a").await;
    edge.skip(11);
    let other = edge.ask(Method::GET, "/a", &[("if-none-match", "\"w\"")]).await;
    assert_eq!((other.status, other.body.as_str()), (StatusCode::OK, "body"));
    edge.skip(11);
    let same = edge.ask(Method::GET, "/a", &[("if-none-match", "\"w\", W/\"v\"")]).await;
    assert_eq!((same.status, same.header("etag")), (StatusCode::NOT_MODIFIED, Some("\"v\"")));
}

#[tokio::test]
async fn a_date_is_compared_where_a_viewer_has_no_tag() {
    let origin = answering(
        "200 OK",
        "cache-control: max-age=60\r\nlast-modified: Sun, 22 Nov 2026 10:00:00 GMT\r\netag: \"v\"\r\nvary: x\r\n",
    )
    .await;
    let edge = Edge::start(neutral(&origin)).await;
    edge.get("/a").await;
    let status = async |fields: &[(&'static str, &str)]| edge.ask(Method::GET, "/a", fields).await.status;
    let (same, before) = ("Sun, 22 Nov 2026 10:00:00 GMT", "Sun, 22 Nov 2026 09:59:59 GMT");
    assert_eq!(status(&[("if-modified-since", same)]).await, StatusCode::NOT_MODIFIED);
    assert_eq!(status(&[("if-modified-since", "Sunday, 22-Nov-26 10:00:00 GMT")]).await, StatusCode::NOT_MODIFIED);
    assert_eq!(status(&[("if-modified-since", before)]).await, StatusCode::OK);
    assert_eq!(status(&[("if-modified-since", same), ("if-none-match", "\"w\"")]).await, StatusCode::OK);
    assert_eq!(status(&[("if-unmodified-since", before)]).await, StatusCode::OK, "it is for origins to evaluate");
    assert_eq!(status(&[("if-match", "\"w\"")]).await, StatusCode::OK, "it is for origins to evaluate");
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_304_carries_what_a_200_would_of_caching_and_no_more_of_the_content() {
    let origin = answering(
        "200 OK",
        "cache-control: max-age=60\r\nlast-modified: Sun, 22 Nov 2026 10:00:00 GMT\r\netag: \"v\"\r\nvary: x\r\n\
         content-location: /b\r\nexpires: Fri, 31 Dec 2100 23:59:59 GMT\r\ndate: Sun, 22 Nov 2026 16:00:00 GMT\r\n\
         content-type: text/plain\r\nage: 0\r\n",
    )
    .await;
    let edge = Edge::start(neutral(&origin)).await;
    edge.get("/a").await;
    let reply = edge.ask(Method::GET, "/a", &[("if-none-match", "\"v\""), ("cache-control", "max-stale")]).await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    for kept in ["cache-control", "content-location", "date", "etag", "expires", "vary", "age"] {
        assert!(reply.header(kept).is_some(), "{kept}");
    }
    for gone in ["content-type", "content-length", "last-modified"] {
        assert_eq!(reply.header(gone), None, "{gone}");
    }
}

#[tokio::test]
async fn an_answer_to_authorization_is_shared_only_by_its_origins_leave() {
    for (fields, shared) in [
        ("cache-control: max-age=60\r\n", false),
        ("cache-control: max-age=60, public\r\n", true),
        ("cache-control: max-age=60, must-revalidate\r\n", true),
        ("cache-control: s-maxage=60\r\n", true),
        ("cache-control: max-age=60, proxy-revalidate\r\n", false),
    ] {
        let origin = answering("200 OK", fields).await;
        let edge = Edge::start(neutral(&origin)).await;
        let reply = edge.ask(Method::GET, "/a", &[("authorization", "Basic eDp5")]).await;
        assert_eq!(reply.body, "read 1");
        assert_eq!(origin.seen(1).header("authorization"), Some("Basic eDp5"), "it has to be asked with it");
        assert_eq!(edge.get("/a").await.body == "read 1", shared, "{fields}");
    }
}

#[tokio::test]
async fn what_is_validated_each_time_is_shown_to_those_whom_its_origin_lets() {
    let origin = Origin::start(|seen, exchange| async move {
        let (status, content) = match (seen.header("authorization"), seen.header("if-none-match")) {
            (None, _) => ("401 Unauthorized", "who are you"),
            (Some(_), None) => ("200 OK", "for those who may"),
            (Some(_), Some(_)) => ("304 Not Modified", ""),
        };
        exchange.respond(status, "cache-control: no-cache, public\r\netag: \"a\"\r\n", content).await
    })
    .await;
    let edge = Edge::start(neutral(&origin)).await;
    for (viewer, status, cache) in [
        (Some("Basic eDp5"), StatusCode::OK, "kubefront; fwd=uri-miss"),
        (Some("Basic ejp5"), StatusCode::OK, "kubefront; fwd=stale; fwd-status=304"),
        (None, StatusCode::UNAUTHORIZED, "kubefront; fwd=stale; fwd-status=401"),
    ] {
        let fields: Vec<_> = viewer.map(|said| ("authorization", said)).into_iter().collect();
        let reply = edge.ask(Method::GET, "/a", &fields).await;
        assert_eq!(reply.status, status, "{viewer:?}: {reply:?}");
        assert!(reply.cache_status().starts_with(cache), "{viewer:?}: {}", reply.cache_status());
        assert_eq!(origin.seen(origin.reads()).header("authorization"), viewer, "its origin is asked by each");
    }
}

#[tokio::test]
async fn cache_directives_go_through() {
    let origin = answering("200 OK", "cache-control: max-age=60, no-transform, x-own=\"1\"\r\n").await;
    let mut off = neutral(&origin);
    off.sites[0].behaviors[0].ttl = Ttl { min: 0, default: 0, max: 0, ..Ttl::default() };
    for config in [neutral(&origin), off] {
        let edge = Edge::start(config).await;
        let reply = edge.ask(Method::GET, "/a", &[("cache-control", "max-age=9, x-mine")]).await;
        assert_eq!(reply.header("cache-control"), Some("max-age=60, no-transform, x-own=\"1\""));
    }
    for read in 1..=2 {
        assert_eq!(origin.seen(read).header("cache-control"), Some("max-age=9, x-mine"));
    }
}

#[tokio::test]
async fn the_most_recent_of_several_is_used() {
    let origin = Origin::start(|seen, exchange| async move {
        let (vary, second) = if seen.header("x").is_some() { ("x", 1) } else { ("y", 0) };
        let now = "Sun, 22 Nov 2026 16:00:0";
        let fields = format!("vary: {vary}\r\ndate: {now}{second} GMT\r\ncache-control: max-age=2000000000\r\n");
        exchange.respond("200 OK", &fields, &format!("read {}", seen.number)).await
    })
    .await;
    let edge = Edge::start(neutral(&origin)).await;
    edge.ask(Method::GET, "/a", &[("x", "1")]).await;
    edge.ask(Method::GET, "/a", &[("y", "1")]).await;
    assert_eq!(edge.ask(Method::GET, "/a", &[("x", "1"), ("y", "1")]).await.body, "read 1", "it has the later date");
}

#[tokio::test]
async fn a_targeted_field_that_is_for_others_passes_through() {
    let fields = "cache-control: max-age=60\r\nother-cdn-cache-control: no-store\r\ncdn-cache-control: max-age=30\r\n";
    let origin = answering("200 OK", fields).await;
    let edge = Edge::start(neutral(&origin)).await;
    for status in ["kubefront; fwd=uri-miss; fwd-status=200; stored", "kubefront; hit; ttl=30"] {
        let reply = edge.get("/a").await;
        assert_eq!((reply.cache_status(), reply.header("other-cdn-cache-control")), (status, Some("no-store")));
        assert_eq!(reply.header("cdn-cache-control"), None, "it was for this cache");
    }
}
