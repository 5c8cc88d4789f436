//! What requests that may change something make void, whoever waits for their answer.

use http::{Method, StatusCode};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::edge::{Edge, config, until, with_text};
use crate::origin::{Door, Origin};

/// Answers reads with their number and everything else with `status` and `fields`.
async fn written(status: &'static str, fields: &'static str) -> Origin {
    Origin::start(move |seen, exchange| async move {
        if seen.method == "GET" {
            return exchange.respond("200 OK", "", &format!("read {}", seen.number)).await;
        }
        exchange.respond(status, fields, "").await
    })
    .await
}

#[tokio::test]
async fn every_method_that_is_not_known_to_be_safe_makes_its_target_void() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "PURGE", "M-SEARCH", "FOO"] {
        let origin = written("204 No Content", "").await;
        let edge = Edge::start(config(origin.address)).await;
        edge.get("/a?x=1").await;
        edge.get("/a").await;
        edge.ask(Method::from_bytes(method.as_bytes()).expect("is one"), "/a?x=1", &[]).await;
        assert_eq!(edge.get("/a?x=1").await.body, "read 4", "{method}");
        assert_eq!(edge.get("/a").await.body, "read 2", "{method}");
    }
    let origin = written("204 No Content", "").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.ask(Method::OPTIONS, "/a", &[]).await;
    assert_eq!(edge.get("/a").await.body, "read 1");
}

#[tokio::test]
async fn only_a_write_that_did_not_fail_makes_anything_void() {
    for (status, fresh) in [
        ("200 OK", false),
        ("303 See Other", false),
        ("404 Not Found", true),
        ("409 Conflict", true),
        ("500 Internal Server Error", true),
    ] {
        let origin = written(status, "location: /b\r\n").await;
        let edge = Edge::start(config(origin.address)).await;
        edge.get("/a").await;
        edge.get("/b").await;
        edge.ask(Method::POST, "/a", &[]).await;
        assert_eq!(edge.get("/a").await.body == "read 1", fresh, "{status}");
        assert_eq!(edge.get("/b").await.body == "read 2", fresh, "{status}");
    }
}

#[tokio::test]
async fn what_a_write_names_is_void_only_where_it_is_of_the_same_origin() {
    for (fields, void) in [
        ("location: http://shop.test/dir/b\r\n", true),
        ("content-location: b\r\n", true),
        ("location: ../dir/./b\r\n", true),
        ("location: http://other.test/dir/b\r\n", false),
        ("content-location: //shop.test:81/dir/b\r\n", false),
    ] {
        let origin = written("201 Created", fields).await;
        let edge = Edge::start(config(origin.address)).await;
        edge.get("/dir/b").await;
        edge.ask(Method::POST, "/dir/a", &[]).await;
        assert_eq!(edge.get("/dir/b").await.body == "read 1", !void, "{fields}");
    }
}

#[tokio::test]
async fn a_read_that_was_under_way_while_a_write_was_answered_is_not_kept() {
    let door = Door::closed();
    let first = door.clone();
    let origin = Origin::gated("", move |read| (read == 1).then(|| first.clone())).await;
    let edge = Edge::start(config(origin.address)).await;
    let (before, ()) = tokio::join!(edge.get("/a"), async {
        origin.read_times(1).await;
        edge.send(with_text(Method::POST, "/a", "new")).await;
        door.open();
    });
    assert_eq!(before.body, "read 1", "the viewer asked before the write");
    assert_eq!(edge.get("/a").await.body, "read 3");
}

#[tokio::test]
async fn a_write_that_was_carried_out_counts_though_its_viewer_left() {
    let (asked, left) = (Door::closed(), Door::closed());
    let origin = {
        let (asked, left) = (asked.clone(), left.clone());
        Origin::start(move |seen, exchange| {
            let (asked, left) = (asked.clone(), left.clone());
            async move {
                if seen.method == "POST" {
                    asked.open();
                    left.pass().await;
                }
                exchange.respond("200 OK", "", &format!("read {}", seen.number)).await
            }
        })
        .await
    };
    let edge = Edge::with(&["--max-connections", "1"], config(origin.address)).await;
    edge.get("/a").await;
    let label = edge.live().purge().label();
    let mut viewer = TcpStream::connect(edge.running.viewers).await.expect("accepts");
    viewer.write_all(b"POST /a HTTP/1.1\r\nhost: shop.test\r\ncontent-length: 0\r\n\r\n").await.expect("takes it");
    asked.pass().await;
    drop(viewer);
    // There is room for one connection: once this is answered, the edge has seen the viewer leave.
    edge.get("/b").await;
    left.open();
    until("the write counts", || edge.live().purge().label() != label).await;
    assert_eq!(edge.get("/a").await.body, "read 4");
}

#[tokio::test]
async fn what_a_write_depends_on_is_for_the_origin_to_judge() {
    let origin = Origin::start(|seen, exchange| async move {
        let status = if seen.header("if-none-match").is_some() { "412 Precondition Failed" } else { "200 OK" };
        exchange.respond(status, "etag: \"v\"\r\n", "").await
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    let refused = edge.ask(Method::PUT, "/a", &[("if-none-match", "*"), ("if-match", "\"v\"")]).await;
    assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!((origin.reads(), origin.seen(2).header("if-match")), (2, Some("\"v\"")));
}
