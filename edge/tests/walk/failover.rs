//! Two origins of which one stands in for the other: who is asked, who is not, and what viewers are told of it.

use std::net::SocketAddr;

use edge_contract::{EdgeConfig, HostHeader, Origin as Configured, OriginGroup};
use http::{Method, StatusCode};

use crate::edge::{Edge, address, config, request, until, with_text};
use crate::origin::{Door, Origin, Seen, Then, nobody};

/// Everything goes to `app`, and where that fails to `spare`.
pub fn pair(primary: SocketAddr, secondary: SocketAddr) -> EdgeConfig {
    let mut config = config(primary);
    let site = &mut config.sites[0];
    site.origins.push(Configured {
        response_timeout_ms: 10_000,
        base_path: "/copy".into(),
        ..Configured::plain("spare", "spare.test").at(address(secondary))
    });
    site.origin_groups = vec![OriginGroup {
        name: "ha".into(),
        primary: "app".into(),
        secondary: "spare".into(),
        failover_on: vec![500, 502, 503, 504],
    }];
    site.behaviors[0].origin = "ha".into();
    config
}

/// Answers with its name, under these fields, once the door is open; until then it breaks off every exchange.
async fn behind(door: &Door, name: &'static str, fields: &'static str) -> Origin {
    let door = door.clone();
    Origin::start(move |seen, exchange| {
        let is_open = door.is_open();
        async move {
            match (is_open, seen.header("if-none-match")) {
                (false, _) => exchange.reset(),
                (true, Some(_)) => exchange.respond("304 Not Modified", fields, "").await,
                (true, None) => exchange.respond("200 OK", fields, name).await,
            }
        }
    })
    .await
}

async fn answering(status: &'static str, body: &'static str) -> Origin {
    Origin::start(move |_, exchange| async move { exchange.respond(status, "", body).await }).await
}

fn condition(seen: &Seen) -> Option<&str> {
    seen.header("if-none-match")
}

#[tokio::test]
async fn an_origin_that_is_gone_is_stood_in_for_and_the_answer_says_so() {
    let spare = Origin::numbered("cache-control: max-age=60\r\n").await;
    let edge = Edge::start(pair(nobody(), spare.address)).await;
    let reply = edge.get("/a?x=1").await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::OK, "read 1"));
    assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; fwd-status=200; stored; detail=failover");
    let seen = spare.seen(1);
    assert_eq!((seen.target.as_str(), seen.header("host")), ("/copy/a?x=1", Some("spare.test")));
    assert_eq!(edge.get("/a?x=1").await.cache_status(), "kubefront; hit; ttl=60");
    let passed = edge.send(request(Method::OPTIONS, "/a")).await;
    assert_eq!(
        (passed.body.as_str(), passed.cache_status()),
        ("read 2", "kubefront; fwd=method; fwd-status=200; detail=failover")
    );
}

#[tokio::test]
async fn an_error_that_counts_as_no_answer_is_stood_in_for_and_any_other_is_not() {
    let app = Origin::start(|seen, exchange| async move {
        let status = if seen.target == "/gone" { "410 Gone" } else { "503 Service Unavailable" };
        exchange.respond(status, "", "from app").await
    })
    .await;
    let spare = answering("200 OK", "from spare").await;
    let edge = Edge::start(pair(app.address, spare.address)).await;
    let busy = edge.get("/busy").await;
    assert_eq!((busy.status, busy.body.as_str()), (StatusCode::OK, "from spare"));
    until("what was left of the answer that nobody wanted is read", || edge.running.edge.forwarder.pool().len() == 2)
        .await;
    let gone = edge.get("/gone").await;
    assert_eq!((gone.status, gone.body.as_str()), (StatusCode::GONE, "from app"));
    assert_eq!((app.reads(), spare.reads()), (2, 1));
    assert_eq!(app.seen(2).connection, 1);
}

#[tokio::test]
async fn an_origin_that_says_nothing_in_time_is_stood_in_for() {
    let door = Door::closed();
    let app = Origin::held(&door, "").await;
    let spare = answering("200 OK", "from spare").await;
    let mut config = pair(app.address, spare.address);
    config.sites[0].origins[0].response_timeout_ms = 50;
    let edge = Edge::start(config).await;
    assert_eq!(edge.get("/a").await.body, "from spare");
    assert_eq!((app.reads(), spare.reads()), (1, 1));
}

#[tokio::test]
async fn what_may_change_something_goes_to_the_first_alone() {
    let app = answering("503 Service Unavailable", "busy").await;
    let spare = Origin::numbered("").await;
    let edge = Edge::start(pair(app.address, spare.address)).await;
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let reply = edge.send(with_text(method, "/a", "body")).await;
        assert_eq!((reply.status, reply.body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
    }
    let custom = Method::from_bytes(b"REPORT").expect("a token");
    assert_eq!(edge.send(request(custom, "/a")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((app.reads(), spare.reads()), (4, 0));
}

#[tokio::test]
async fn each_origin_validates_only_what_it_gave_itself() {
    let fields = "cache-control: max-age=10\r\netag: \"same\"\r\n";
    let door = Door::closed();
    let app = behind(&door, "app", fields).await;
    let always = Door::closed();
    always.open();
    let spare = behind(&always, "spare", fields).await;
    let mut config = pair(app.address, spare.address);
    config.sites[0].origins[0].attempts = 1;
    let edge = Edge::start(config).await;
    assert_eq!(edge.get("/a").await.body, "spare");
    edge.skip(11);
    let again = edge.get("/a").await;
    assert_eq!(again.cache_status(), "kubefront; fwd=stale; fwd-status=304; stored; detail=failover");
    assert_eq!((condition(&app.seen(2)), condition(&spare.seen(2))), (None, Some("\"same\"")));
    door.open();
    edge.skip(11);
    let back = edge.get("/a").await;
    assert_eq!((back.body.as_str(), condition(&app.seen(3))), ("app", None), "{}", back.cache_status());
    edge.skip(11);
    let own = edge.get("/a").await;
    assert_eq!((own.body.as_str(), condition(&app.seen(4))), ("app", Some("\"same\"")));
    assert_eq!(own.cache_status(), "kubefront; fwd=stale; fwd-status=304; stored");
}

#[tokio::test]
async fn a_head_of_another_origin_says_nothing_of_what_is_stored() {
    let door = Door::closed();
    door.open();
    let app = behind(&door, "app", "cache-control: max-age=60\r\netag: \"1\"\r\n").await;
    let spare = Origin::start(|_, mut exchange| async move {
        exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\netag: \"2\"\r\n\r\n").await;
        Then::KeepAlive(exchange)
    })
    .await;
    let edge = Edge::start(pair(app.address, spare.address)).await;
    edge.get("/a").await;
    drop(app);
    edge.skip(61);
    assert_eq!(edge.ask(Method::HEAD, "/a", &[]).await.header("etag"), Some("\"2\""));
    assert_eq!(edge.live().store().responses(), 1);
}

#[tokio::test]
async fn where_both_fail_the_last_word_counts_and_a_status_stands_above_none() {
    let busy = answering("503 Service Unavailable", "busy").await;
    let broken = answering("500 Internal Server Error", "broken").await;
    for (first, second, expect) in [
        (busy.address, broken.address, (500, "broken")),
        (busy.address, nobody(), (503, "busy")),
        (nobody(), broken.address, (500, "broken")),
        (nobody(), nobody(), (502, "502 Bad Gateway: origin-connect\n")),
    ] {
        let edge = Edge::start(pair(first, second)).await;
        let reply = edge.get("/a").await;
        assert_eq!((reply.status.as_u16(), reply.body.as_str()), expect);
    }
}

#[tokio::test]
async fn what_is_stored_stands_in_for_both() {
    let app = Origin::numbered("cache-control: max-age=10\r\n").await;
    let spare = Origin::numbered("").await;
    let edge = Edge::start(pair(app.address, spare.address)).await;
    edge.get("/a").await;
    drop((app, spare));
    edge.skip(20);
    let stale = edge.get("/a").await;
    assert_eq!(
        (stale.body.as_str(), stale.cache_status()),
        ("read 1", "kubefront; hit; ttl=-10; detail=stale-unreachable")
    );
}

#[tokio::test]
async fn the_host_that_one_of_them_is_sent_is_in_the_key_of_both() {
    let app = Origin::numbered("").await;
    let mut config = pair(app.address, nobody());
    config.sites[0].origins[1].host_header = HostHeader::Viewer;
    let edge = Edge::start(config).await;
    for (host, reads) in [("a.test", 1), ("b.test", 2), ("a.test", 2)] {
        let mut viewer = request(Method::GET, "/a");
        viewer.headers_mut().insert("host", host.parse().expect("a value"));
        edge.send(viewer).await;
        assert_eq!(app.reads(), reads, "{host}");
    }
    assert_eq!(app.seen(1).header("host"), Some("app.test"));
}

#[tokio::test]
async fn both_are_explained() {
    let spare = Origin::numbered("").await;
    let edge = Edge::start(pair(nobody(), spare.address)).await;
    edge.get("/a").await;
    let said: serde_json::Value = serde_json::from_str(&edge.admin("/explain?url=/a").await.body).expect("is JSON");
    let (origin, secondary) = (&said["origin"], &said["origin"]["secondary"]);
    assert_eq!((&origin["name"], &origin["target"]), (&"app".into(), &"/a".into()), "{said:#}");
    assert_eq!((&secondary["name"], &secondary["target"]), (&"spare".into(), &"/copy/a".into()), "{said:#}");
    assert_eq!(secondary["asked"], "where the first gives no answer", "{said:#}");
    let posted = edge.admin("/explain?url=/a&method=POST").await.body;
    assert!(posted.contains("\"asked\": \"never\""), "{posted}");
    assert_eq!(said["stored"][0]["origin"], "spare", "{said:#}");
}

#[tokio::test]
async fn each_time_that_one_stands_in_is_counted_by_the_other_and_by_why() {
    let (busy, spare) = (answering("503 Service Unavailable", "").await, Origin::numbered("").await);
    for (primary, reason) in [(nobody(), "origin-connect"), (busy.address, "status")] {
        let edge = Edge::start(pair(primary, spare.address)).await;
        edge.get("/a").await;
        edge.get("/a").await;
        let metrics = edge.admin("/metrics").await.body;
        let labels = format!("{{site=\"default/shop\",origin=\"app\",reason=\"{reason}\"}}");
        let counted: Vec<_> = metrics.lines().filter(|line| line.contains("failovers_total{")).collect();
        assert_eq!(counted, [format!("kubefront_edge_failovers_total{labels} 1")]);
    }
}
