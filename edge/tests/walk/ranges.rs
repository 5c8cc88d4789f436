//! Parts of a response, cut by the edge out of what it holds: the origin is asked for all of it, once.

use bytes::Bytes;
use edge_contract::Ttl;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::edge::{Edge, PATIENCE, Reply, config, open, piece, read, request, until};
use crate::origin::{Door, Origin, Then};
use crate::program::{Place, Program};

const BODY: &str = "0123456789";
const FIELDS: &str = "etag: \"v\"\r\ncontent-type: text/digits\r\nlast-modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

async fn digits() -> Origin {
    Origin::start(|_, exchange| async move { exchange.respond("200 OK", FIELDS, BODY).await }).await
}

/// The head and the first half of the digits; the second half once the door is open.
async fn halves(door: &Door, length: &'static str) -> Origin {
    let door = door.clone();
    Origin::start(move |_, mut exchange| {
        let door = door.clone();
        async move {
            exchange.write(format!("HTTP/1.1 200 OK\r\n{length}{FIELDS}\r\n01234")).await;
            door.pass().await;
            exchange.write("56789").await;
            Then::Close
        }
    })
    .await
}

fn asking(method: Method, fields: &[(&'static str, &str)]) -> Request<BoxBody<Bytes, hyper::Error>> {
    let mut request = request(method, "/a");
    for (name, value) in fields {
        request.headers_mut().append(*name, value.parse().expect("is a value"));
    }
    request
}

/// Has the edge hold it, and returns what a viewer got meanwhile.
async fn warm(edge: &Edge) -> Reply {
    let reply = edge.get("/a").await;
    stored(edge).await;
    reply
}

async fn stored(edge: &Edge) {
    until("it is stored", || edge.live().store().responses() == 1).await;
}

async fn get(edge: &Edge, fields: &[(&'static str, &str)]) -> Reply {
    edge.send(asking(Method::GET, fields)).await
}

async fn range(edge: &Edge, range: &str) -> Reply {
    get(edge, &[("range", range)]).await
}

/// What makes one part: its status, which part it is, and its bytes.
fn part(reply: &Reply) -> (u16, Option<&str>, &str) {
    (reply.status.as_u16(), reply.header("content-range"), &reply.body)
}

#[tokio::test]
async fn one_range_of_what_is_stored_is_a_206_and_a_hit() {
    let origin = digits().await;
    let edge = Edge::start(config(origin.address)).await;
    let whole = warm(&edge).await;
    assert_eq!((whole.body.as_str(), whole.header("accept-ranges")), (BODY, Some("bytes")));
    for (asked, said, sent) in [
        ("bytes=2-5", "bytes 2-5/10", "2345"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=-2", "bytes 8-9/10", "89"),
        ("bytes=0-", "bytes 0-9/10", BODY),
        ("Bytes=8-100", "bytes 8-9/10", "89"),
        ("bytes=0-1,99-", "bytes 0-1/10", "01"),
    ] {
        let reply = range(&edge, asked).await;
        assert_eq!(part(&reply), (206, Some(said), sent), "{asked}");
        assert_eq!(reply.header("content-length"), Some(sent.len().to_string().as_str()), "{asked}");
        let same = ["etag", "content-type", "last-modified", "date", "via", "accept-ranges"];
        assert!(same.iter().all(|name| reply.headers.get(*name) == whole.headers.get(*name)), "{asked}: {reply:?}");
        assert!(reply.cache_status().starts_with("kubefront; hit; ttl="), "{asked}: {reply:?}");
        assert_eq!(reply.header("age"), Some("0"), "{asked}");
    }
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn several_ranges_are_the_parts_of_one_message() {
    let origin = digits().await;
    let edge = Edge::start(config(origin.address)).await;
    for expect in ["; fwd=uri-miss; fwd-status=200; stored", "; hit; ttl="] {
        let reply = range(&edge, "bytes=0-1, 4-5,-1").await;
        assert_eq!((reply.status, reply.header("content-range")), (StatusCode::PARTIAL_CONTENT, None));
        let boundary = reply.header("content-type").expect("has one").strip_prefix("multipart/byteranges; boundary=");
        let boundary = boundary.expect("says where parts end");
        let part = |range: &str, bytes: &str| {
            format!("--{boundary}\r\nContent-Type: text/digits\r\nContent-Range: bytes {range}/10\r\n\r\n{bytes}\r\n")
        };
        let parts = [part("0-1", "01"), part("4-5", "45"), part("9-9", "9")].concat();
        assert_eq!(reply.body, format!("{parts}--{boundary}--\r\n"));
        assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()));
        assert!(reply.cache_status().contains(expect), "{reply:?}");
        stored(&edge).await;
    }
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_rule_about_the_type_speaks_of_the_parts_and_not_of_their_message() {
    let origin = digits().await;
    let mut config = config(origin.address);
    let plain = edge_contract::Header { name: "content-type".into(), value: "text/plain".into() };
    config.sites[0].behaviors[0].response_headers.set.push(plain);
    let edge = Edge::start(config).await;
    assert_eq!(range(&edge, "bytes=0-1").await.header("content-type"), Some("text/plain"));
    let several = range(&edge, "bytes=0-1,4-5").await;
    let types: Vec<_> = several.headers.get_all("content-type").iter().collect();
    assert!(types.len() == 1 && types[0].as_bytes().starts_with(b"multipart/byteranges; boundary="), "{types:?}");
    assert_eq!(several.body.matches("Content-Type: text/plain\r\n").count(), 2, "{several:?}");
    assert_eq!(several.header("content-length"), Some(several.body.len().to_string().as_str()));
}

#[tokio::test]
async fn a_cold_range_asks_the_origin_for_everything_and_keeps_it() {
    let origin = digits().await;
    let edge = Edge::start(config(origin.address)).await;
    let reply = get(&edge, &[("range", "bytes=2-5"), ("if-range", "\"v\"")]).await;
    assert_eq!(part(&reply), (206, Some("bytes 2-5/10"), "2345"));
    assert!(reply.cache_status().contains("; fwd=uri-miss; fwd-status=200; stored"), "{reply:?}");
    assert_eq!((origin.seen(1).header("range"), origin.seen(1).header("if-range")), (None, None));
    stored(&edge).await;
    assert_eq!((edge.get("/a").await.body.as_str(), origin.reads()), (BODY, 1));
}

#[tokio::test]
async fn a_range_of_another_version_is_answered_with_everything() {
    let origin = digits().await;
    let edge = Edge::start(config(origin.address)).await;
    warm(&edge).await;
    for (validator, holds) in [
        ("\"v\"", true),
        ("W/\"v\"", false),
        ("\"w\"", false),
        ("Sun, 06 Nov 1994 08:49:37 GMT", true),
        ("Sun, 06 Nov 1994 08:49:38 GMT", false),
        ("yesterday", false),
    ] {
        let reply = get(&edge, &[("range", "bytes=2-5"), ("if-range", validator)]).await;
        let expect = if holds { (206, Some("bytes 2-5/10"), "2345") } else { (200, None, BODY) };
        assert_eq!(part(&reply), expect, "{validator}");
        // Who asks so has the rest of the head already (RFC 9110 §15.3.7).
        assert_eq!(reply.header("content-type"), Some("text/digits").filter(|_| !holds), "{validator}");
        assert_eq!(reply.header("etag"), Some("\"v\""), "{validator}");
    }
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_range_of_nothing_that_exists_is_told_how_much_does() {
    let origin = digits().await;
    let edge = Edge::start(config(origin.address)).await;
    for (asked, told) in [("bytes=10-", "; fwd=uri-miss; fwd-status=200; stored"), ("bytes=-0", "; hit; ttl=")] {
        let reply = range(&edge, asked).await;
        assert_eq!(
            (reply.status, reply.header("content-range")),
            (StatusCode::RANGE_NOT_SATISFIABLE, Some("bytes */10"))
        );
        assert!(reply.cache_status().contains(told), "{reply:?}");
        assert!(reply.cache_status().ends_with("; detail=range-not-satisfiable"), "{reply:?}");
        assert_eq!((reply.header("etag"), reply.header("cache-control")), (None, Some("no-store")));
        stored(&edge).await;
    }
    assert_eq!((edge.get("/a").await.body.as_str(), origin.reads()), (BODY, 1));
}

#[tokio::test]
async fn what_is_no_range_or_too_much_of_one_is_answered_with_everything() {
    let origin = digits().await;
    let edge = Edge::start(config(origin.address)).await;
    let many = vec!["0-0"; 17].join(",");
    for asked in ["lines=0-1", "bytes=5-2", "bytes=a-b", "bytes=4-5,0-1", "bytes=0-5,5-6", &format!("bytes={many}")] {
        assert_eq!(part(&range(&edge, asked).await), (200, None, BODY), "{asked}");
    }
    let twice = get(&edge, &[("range", "bytes=0-1"), ("range", "bytes=4-5")]).await;
    assert_eq!(part(&twice), (200, None, BODY));
}

#[tokio::test]
async fn an_answer_that_is_no_200_or_empty_or_without_ranges_by_its_origin_is_not_cut() {
    for (status, fields, body) in
        [("404 Not Found", "", BODY), ("200 OK", "", ""), ("200 OK", "accept-ranges: none\r\n", BODY)]
    {
        let origin = Origin::start(move |_, exchange| exchange.respond(status, fields, body)).await;
        let edge = Edge::start(config(origin.address)).await;
        for _ in 0..2 {
            let reply = range(&edge, "bytes=0-1").await;
            assert_eq!((reply.status.as_str(), reply.body.as_str()), (&status[..3], body));
            assert_ne!(reply.header("accept-ranges"), Some("bytes"));
        }
        assert_eq!(origin.reads(), 1);
    }
}

#[tokio::test]
async fn other_conditions_and_other_methods_come_before_a_range() {
    let origin = digits().await;
    let edge = Edge::start(config(origin.address)).await;
    warm(&edge).await;
    let unchanged = get(&edge, &[("range", "bytes=0-1"), ("if-none-match", "\"v\"")]).await;
    assert_eq!(part(&unchanged), (304, None, ""));
    let since = ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(part(&get(&edge, &[("range", "bytes=99-"), since]).await), (304, None, ""));
    let changed = get(&edge, &[("range", "bytes=0-1"), ("if-none-match", "\"w\"")]).await;
    assert_eq!(part(&changed), (206, Some("bytes 0-1/10"), "01"));
    let head = edge.send(asking(Method::HEAD, &[("range", "bytes=0-1")])).await;
    assert_eq!((part(&head), head.header("content-length")), ((200, None, ""), Some("10")));
    assert_eq!((head.header("accept-ranges"), origin.reads()), (Some("bytes"), 1));
}

#[tokio::test]
async fn a_connection_is_as_good_as_before_after_every_kind_of_part() {
    let origin = digits().await;
    let edge = Edge::start(config(origin.address)).await;
    let stream = TcpStream::connect(edge.running.viewers).await.expect("accepts");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("speaks HTTP/1");
    tokio::spawn(connection);
    for (method, asked, status, length) in [
        (Method::GET, "bytes=0-1", 206, 2),
        (Method::GET, "bytes=0-1,3-4", 206, 234),
        (Method::GET, "bytes=10-", 416, 0),
        (Method::HEAD, "bytes=0-1", 200, 0),
        (Method::GET, "bytes=9-8", 200, 10),
        (Method::GET, "bytes=-1", 206, 1),
    ] {
        let answer = sender.send_request(asking(method.clone(), &[("range", asked)])).await.expect("answers");
        let reply = read(answer).await.expect("is whole");
        assert_eq!(reply.status.as_u16(), status, "{method} {asked}");
        assert!(status == 416 || reply.body.len() == length, "{method} {asked}: {reply:?}");
    }
    assert_eq!(origin.reads(), 1);
}

async fn over_http2(edge: &Edge, fields: &[(&'static str, &str)]) -> Response<Incoming> {
    let stream = TcpStream::connect(edge.running.viewers).await.expect("accepts");
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("speaks HTTP/2");
    tokio::spawn(connection);
    let mut request = asking(Method::GET, fields);
    *request.uri_mut() = "http://shop.test/a".parse().expect("is one");
    request.headers_mut().remove(header::HOST);
    sender.send_request(request).await.expect("there is a response")
}

#[tokio::test]
async fn http2_has_the_same_parts() {
    let origin = digits().await;
    let edge = Edge::start(config(origin.address)).await;
    for _ in 0..2 {
        let one = over_http2(&edge, &[("range", "bytes=2-5")]).await;
        assert_eq!(one.version(), Version::HTTP_2);
        assert_eq!(part(&read(one).await.expect("is whole")), (206, Some("bytes 2-5/10"), "2345"));
    }
    let several = read(over_http2(&edge, &[("range", "bytes=0-1,3-4")]).await).await.expect("is whole");
    assert_eq!((several.status, several.body.len()), (StatusCode::PARTIAL_CONTENT, 234));
    let none = read(over_http2(&edge, &[("range", "bytes=10-")]).await).await.expect("is whole");
    assert_eq!((none.status.as_u16(), none.header("content-range")), (416, Some("bytes */10")));
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn trailers_of_the_whole_do_not_follow_a_part() {
    let origin = Origin::start(|_, mut exchange| async move {
        let chunks = "a\r\n0123456789\r\n0\r\nx-sum: 45\r\n\r\n";
        exchange.write(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{FIELDS}\r\n{chunks}")).await;
        Then::KeepAlive(exchange)
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    warm(&edge).await;
    let collected = over_http2(&edge, &[("range", "bytes=2-5")]).await.into_body().collect().await.expect("is whole");
    assert_eq!((collected.trailers().cloned(), collected.to_bytes()), (None::<HeaderMap>, "2345".into()));
}

#[tokio::test]
async fn a_range_of_what_is_arriving_comes_as_soon_as_its_bytes_do() {
    let door = Door::closed();
    let origin = halves(&door, "content-length: 10\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    // Complete before the origin is.
    assert_eq!(part(&range(&edge, "bytes=1-3").await), (206, Some("bytes 1-3/10"), "123"));
    // The fill goes on though nobody follows it, and the next one joins it.
    let mut across = edge.open(asking(Method::GET, &[("range", "bytes=3-6")])).await;
    assert_eq!(across.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(piece(across.body_mut()).await, "34");
    let late = edge.open(asking(Method::GET, &[("range", "bytes=8-")])).await;
    let none = range(&edge, "bytes=10-").await;
    assert_eq!((none.status.as_u16(), none.header("content-range")), (416, Some("bytes */10")));
    assert!(none.cache_status().contains("; collapsed"), "{none:?}");
    door.open();
    assert_eq!(piece(across.body_mut()).await, "56");
    assert!(across.body_mut().frame().await.is_none());
    let late = read(late).await.expect("is whole");
    assert_eq!(part(&late), (206, Some("bytes 8-9/10"), "89"));
    stored(&edge).await;
    assert_eq!((edge.get("/a").await.body.as_str(), origin.reads()), (BODY, 1));
}

#[tokio::test]
async fn what_arrives_without_a_length_has_ranges_once_it_is_stored() {
    let door = Door::closed();
    let origin = halves(&door, "").await;
    let edge = Edge::start(config(origin.address)).await;
    let arriving = edge.open(asking(Method::GET, &[("range", "bytes=1-3")])).await;
    assert_eq!((arriving.status(), arriving.headers().get("accept-ranges")), (StatusCode::OK, None));
    door.open();
    assert_eq!(part(&read(arriving).await.expect("is whole")), (200, None, BODY));
    assert_eq!(part(&range(&edge, "bytes=1-3").await), (206, Some("bytes 1-3/10"), "123"));
    assert_eq!((edge.get("/a").await.header("accept-ranges"), origin.reads()), (Some("bytes"), 1));
}

#[tokio::test]
async fn a_range_that_the_origin_does_not_come_to_is_never_complete() {
    for asked in ["bytes=3-6", "bytes=8-", "bytes=0-1,8-9"] {
        let door = Door::closed();
        let origin = {
            let door = door.clone();
            Origin::start(move |_, mut exchange| {
                let door = door.clone();
                async move {
                    exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234").await;
                    door.pass().await;
                    Then::Close
                }
            })
            .await
        };
        let edge = Edge::start(config(origin.address)).await;
        let answer = edge.open(asking(Method::GET, &[("range", asked)])).await;
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{asked}");
        door.open();
        read(answer).await.expect_err("is not complete");
        assert_eq!(edge.live().store().responses(), 0, "{asked}");
    }
}

/// Three bytes of a thousand, and the others once the first door is open; the second one opens when the edge closes instead.
async fn three_of_a_thousand(more: &Door, gone: &Door) -> Origin {
    let (more, gone) = (more.clone(), gone.clone());
    Origin::start(move |_, mut exchange| {
        let (more, gone) = (more.clone(), gone.clone());
        async move {
            exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc").await;
            tokio::select! {
                () = more.pass() => {}
                () = exchange.closed() => {
                    gone.open();
                    return Then::Close;
                }
            }
            exchange.write("x".repeat(997)).await;
            Then::KeepAlive(exchange)
        }
    })
    .await
}

#[tokio::test]
async fn what_a_range_began_goes_on_once_its_viewer_has_it() {
    for (asked, status) in [("bytes=0-1", 206), ("bytes=1000-", 416)] {
        let (more, gone) = (Door::closed(), Door::closed());
        let origin = three_of_a_thousand(&more, &gone).await;
        let edge = Edge::start(config(origin.address)).await;
        assert_eq!(range(&edge, asked).await.status.as_u16(), status);
        more.open();
        stored(&edge).await;
        assert_eq!(part(&range(&edge, "bytes=1-3").await), (206, Some("bytes 1-3/1000"), "bcx"));
        assert_eq!((origin.reads(), gone.is_open()), (1, false), "{asked}");
    }
}

#[tokio::test]
async fn what_a_range_began_ends_with_a_viewer_that_leaves_in_the_middle() {
    let (more, gone) = (Door::closed(), Door::closed());
    let origin = three_of_a_thousand(&more, &gone).await;
    let mut config = config(origin.address);
    // Longer than this test waits: it is not an origin that stands still that ends the fill.
    config.sites[0].origins[0].response_timeout_ms = 60_000;
    let edge = Edge::start(config).await;
    let mut leaving = edge.open(asking(Method::GET, &[("range", "bytes=1-998")])).await.into_body();
    assert_eq!(piece(&mut leaving).await, "bc");
    drop(leaving);
    tokio::time::timeout(PATIENCE, gone.pass()).await.expect("the origin hears of it");
    assert_eq!(part(&range(&edge, "bytes=1-2").await), (206, Some("bytes 1-2/1000"), "bc"));
    assert_eq!(origin.reads(), 2);
}

#[tokio::test]
async fn where_nothing_is_cached_a_range_is_between_viewer_and_origin() {
    let origin = Origin::start(|seen, exchange| async move {
        match seen.header("range") {
            Some("bytes=0-1") => exchange.respond("206 Partial Content", "content-range: bytes 0-1/10\r\n", "01").await,
            Some(_) => exchange.respond("416 Range Not Satisfiable", "content-range: bytes */10\r\n", "").await,
            None => exchange.respond("200 OK", "", BODY).await,
        }
    })
    .await;
    let mut uncached = config(origin.address);
    uncached.sites[0].behaviors[0].ttl = Ttl { min: 0, default: 0, max: 0, ..Ttl::default() };
    let edge = Edge::start(uncached).await;
    let reply = get(&edge, &[("range", "bytes=0-1"), ("if-range", "\"v\"")]).await;
    assert_eq!(part(&reply), (206, Some("bytes 0-1/10"), "01"));
    assert_eq!(origin.seen(1).header("if-range"), Some("\"v\""));
    assert_eq!(part(&range(&edge, "bytes=99-").await), (416, Some("bytes */10"), ""));
    assert_eq!((edge.get("/a").await.body.as_str(), edge.live().store().responses()), (BODY, 0));
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_is_no_answer() {
    let origin = Origin::start(|_, exchange| {
        exchange.respond("206 Partial Content", "content-range: bytes 0-1/10\r\ncache-control: max-age=60\r\n", "01")
    })
    .await;
    for max in [0, 1_000] {
        let mut config = config(origin.address);
        config.sites[0].behaviors[0].ttl = Ttl { min: 0, default: 0, max, ..Ttl::default() };
        let edge = Edge::start(config).await;
        for method in [Method::GET, Method::HEAD] {
            let reply = edge.send(asking(method, &[])).await;
            assert_eq!(reply.status, StatusCode::BAD_GATEWAY);
            assert!(reply.cache_status().ends_with("; detail=origin-206-unasked"), "{reply:?}");
        }
        // It says which part it is, so one that wants a part can have it: though the edge, where it stores, asked for everything.
        assert_eq!(part(&range(&edge, "bytes=2-3").await), (206, Some("bytes 0-1/10"), "01"));
        let resumed = get(&edge, &[("range", "bytes=2-3"), ("if-range", "\"v\"")]).await;
        assert_eq!(resumed.status.as_u16(), if max == 0 { 206 } else { 502 });
        assert_eq!(edge.live().store().responses(), 0);
    }
}

#[tokio::test]
async fn a_part_that_is_everything_is_taken_for_the_200_that_it_should_be() {
    for fields in ["cache-control: max-age=60\r\n", "cache-control: no-store\r\n"] {
        let fields = format!("content-range: bytes 0-9/10\r\n{fields}");
        let origin = Origin::start(move |_, exchange| {
            let fields = fields.clone();
            async move { exchange.respond("206 Partial Content", &fields, BODY).await }
        })
        .await;
        let edge = Edge::start(config(origin.address)).await;
        assert_eq!(part(&edge.get("/a").await), (200, None, BODY));
    }
}

#[tokio::test]
async fn what_is_stored_stands_in_for_a_part_that_nobody_asked_for() {
    let origin = Origin::start(|seen, exchange| async move {
        match seen.number {
            1 => exchange.respond("200 OK", "cache-control: max-age=1\r\n", BODY).await,
            _ => exchange.respond("206 Partial Content", "content-range: bytes 0-1/10\r\n", "xx").await,
        }
    })
    .await;
    let edge = Edge::start(config(origin.address)).await;
    warm(&edge).await;
    edge.skip(2);
    let reply = edge.get("/a").await;
    assert_eq!(part(&reply), (200, None, BODY));
    assert!(reply.cache_status().contains("; detail=stale-unreachable"), "{reply:?}");
}

#[tokio::test]
async fn the_log_says_how_much_of_a_part_was_sent_and_whether_that_was_all() {
    const LARGE: usize = 32 * 1024 * 1024;
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n")).await;
        exchange.write(vec![b'x'; LARGE]).await;
        Then::KeepAlive(exchange)
    })
    .await;
    let mounted = Place::of(&config(origin.address));
    let mut program = Program::start(&["--config", mounted.text()]);
    let viewers = program.viewers().await;
    let whole = read(open(viewers, request(Method::GET, "/a")).await.expect("answers")).await.expect("is whole");
    assert_eq!(whole.body.len(), LARGE);
    program.says("cache").await;
    for (asked, length) in [("bytes=5-104", 100), ("bytes=0-1,3-4", 0)] {
        let answer = open(viewers, asking(Method::GET, &[("range", asked)])).await.expect("answers");
        let reply = read(answer).await.expect("is whole");
        let said = program.says("cache").await;
        assert_eq!((said["status"].as_u64(), said["cache"].as_str()), (Some(206), Some("hit")));
        assert_eq!((said["bytes"].as_u64(), said["complete"].as_bool()), (Some(reply.body.len() as u64), Some(true)));
        assert!(length == 0 || reply.body.len() == length);
    }
    // More than sockets hold, of which the viewer takes nothing.
    let left = open(viewers, asking(Method::GET, &[("range", "bytes=1-")])).await.expect("answers");
    drop(left);
    let said = tokio::time::timeout(PATIENCE, program.says("cache")).await.expect("it ends");
    assert_eq!((said["status"].as_u64(), said["complete"].as_bool()), (Some(206), Some(false)));
    assert!(said["bytes"].as_u64().is_some_and(|bytes| bytes < LARGE as u64 - 1), "{said}");
    let again = open(viewers, asking(Method::GET, &[("range", "bytes=-3")])).await.expect("answers");
    assert_eq!(read(again).await.expect("is whole").body, "xxx");
}
