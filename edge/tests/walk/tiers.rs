//! Edges that stand before an origin for others: how often it is asked, by whom, and what of it viewers notice.

use edge_contract::{Behavior, Header, HostHeader, Origin as Configured, OriginHeader};
use http::{Method, StatusCode};
use tokio::task::JoinSet;

use crate::edge::{Raw, Reply, address, open, read, request, until, with_text};
use crate::failover::pair;
use crate::fleet::{Fleet, SHIELD, shielded};
use crate::origin::{Door, Origin, Then};

#[tokio::test]
async fn a_cold_key_that_a_thousand_viewers_of_six_edges_want_is_read_once() {
    let door = Door::closed();
    let origin = Origin::held(&door, "cache-control: max-age=60\r\n").await;
    let fleet = Fleet::start(2, 4, &shielded(origin.address)).await;
    let mut viewers = JoinSet::new();
    for n in 0..1_000 {
        let at = fleet.members[n % 6].running.viewers;
        viewers.spawn(async move { read(open(at, request(Method::GET, "/hot")).await.expect("answers")).await });
    }
    origin.read_times(1).await;
    let owner = &fleet.members[fleet.owner("/hot")];
    let waiting = || fleet.members.iter().map(|member| member.running.edge.collapse.interested()).sum::<usize>();
    // All of them, and five edges at the one that they ask.
    until("everybody waits", || waiting() == 1_005).await;
    door.open();
    while let Some(reply) = viewers.join_next().await {
        assert_eq!(reply.expect("ends").expect("is whole").body, "read 1");
    }
    assert_eq!(origin.reads(), 1);
    assert_eq!(owner.get("/hot").await.cache_status(), "kubefront; hit; ttl=60");
    assert_eq!(fleet.far(0).get("/hot").await.body, "read 1");
}

#[tokio::test]
async fn an_edge_says_that_another_answered_and_both_count_it_where_it_belongs() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let fleet = Fleet::start(2, 2, &shielded(origin.address)).await;
    let reply = fleet.far(0).get("/a").await;
    assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; fwd-status=200; stored; detail=shield");
    assert_eq!(fleet.far(1).get("/a").await.body, "read 1");
    let owner = &fleet.members[fleet.owner("/a")];
    let (asked, answered) = (fleet.far(0).counts().await, owner.counts().await);
    assert!(asked.contains("kubefront_edge_shield_requests_total 1"), "{asked}");
    for line in ["cache=\"miss\"} 1", "cache=\"hit\"} 1"] {
        assert!(answered.contains(line), "{answered}");
    }
    let metrics = owner.admin("/metrics").await.body;
    assert!(!metrics.lines().any(|line| line.starts_with("kubefront_edge_requests_total{")), "no viewer asked it");
    let explained = fleet.far(0).admin("/explain?url=http://shop.test/a").await.body;
    assert!(explained.contains(&format!("\"edge\": \"{}\"", owner.uid)), "{explained}");
    let explained = owner.admin("/explain?url=http://shop.test/a").await.body;
    assert!(explained.contains("\"asksItself\": \"itself\""), "{explained}");
}

#[tokio::test]
async fn the_origin_sees_the_viewer_as_it_would_without_an_edge_in_between() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let mut config = shielded(origin.address);
    let site = &mut config.sites[0];
    site.trusted_proxies = vec!["127.0.0.0/8".into()];
    site.behaviors[0].key.headers = vec!["x-keyed".into()];
    site.origins[0].headers = vec![OriginHeader::plain("x-secret", "s")];
    site.origins[0].base_path = "/base".into();
    let fleet = Fleet::start(1, 1, &config).await;
    let fields = [("x-keyed", " v "), ("x-other", "o"), ("x-forwarded-for", "192.0.2.7"), ("cdn-loop", "other")];
    for (edge, target) in [(fleet.far(0), "/a?q=1"), (&fleet.members[0], "/b?q=1")] {
        edge.ask(Method::GET, target, &fields).await;
    }
    let (by_tier, itself) = (origin.seen(1), origin.seen(2));
    assert_eq!((by_tier.target.as_str(), itself.target.as_str()), ("/base/a?q=1", "/base/b?q=1"));
    assert_eq!(by_tier.headers, itself.headers);
    assert_eq!(by_tier.header("x-forwarded-for"), Some("192.0.2.7, 127.0.0.1"));
}

#[tokio::test]
async fn validation_and_age_go_through_both_edges() {
    let origin = Origin::start(|seen, exchange| async move {
        let fields = "cache-control: max-age=10\r\netag: \"v\"\r\n";
        let status = if seen.header("if-none-match") == Some("\"v\"") { "304 Not Modified" } else { "200 OK" };
        let body = if status.starts_with('3') { "" } else { "content" };
        exchange.respond(status, fields, body).await
    })
    .await;
    let fleet = Fleet::start(1, 2, &shielded(origin.address)).await;
    let (one, other) = (fleet.far(0), fleet.far(1));
    let skip = |seconds| fleet.members.iter().for_each(|member| member.skip(seconds));
    let age = |reply: &Reply| reply.header("age").map(str::to_owned);
    assert_eq!(age(&one.get("/a").await), None);
    skip(4);
    let reply = other.get("/a").await;
    assert_eq!((age(&reply).as_deref(), origin.reads()), (Some("4"), 1));
    skip(7);
    for (edge, by) in [(one, "by the origin"), (other, "by the shield")] {
        let reply = edge.get("/a").await;
        assert!(reply.cache_status().starts_with("kubefront; fwd=stale; fwd-status=304"), "{}", reply.cache_status());
        assert_eq!((reply.body.as_str(), age(&reply), origin.reads()), ("content", None, 2), "{by}");
    }
    assert_eq!(origin.seen(2).header("if-none-match"), Some("\"v\""));
    skip(3);
    assert_eq!(age(&other.get("/a").await).as_deref(), Some("3"));
}

#[tokio::test]
async fn ranges_and_heads_are_answered_by_the_edge_that_was_asked() {
    let origin = Origin::start(|_, exchange| async move {
        exchange.respond("200 OK", "cache-control: max-age=60\r\netag: \"v\"\r\n", "0123456789").await
    })
    .await;
    let fleet = Fleet::start(1, 2, &shielded(origin.address)).await;
    let head = fleet.far(1).ask(Method::HEAD, "/b", &[]).await;
    assert_eq!(
        (head.status, head.header("content-length"), origin.seen(1).method.as_str()),
        (StatusCode::OK, Some("10"), "HEAD")
    );
    let reply = fleet.far(0).ask(Method::GET, "/a", &[("range", "bytes=2-4")]).await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::PARTIAL_CONTENT, "234"));
    let head = fleet.far(1).ask(Method::HEAD, "/a", &[]).await;
    assert_eq!((head.header("content-length"), origin.reads()), (Some("10"), 2), "the shield has it");
}

#[tokio::test]
async fn a_write_goes_the_same_way_and_makes_void_what_both_have() {
    let origin = Origin::start(|seen, mut exchange| async move {
        if seen.method == "GET" {
            return exchange.respond("200 OK", "cache-control: max-age=60\r\n", &format!("read {}", seen.number)).await;
        }
        let length = seen.header("content-length").map_or(0, |length| length.parse().expect("a number"));
        let body = String::from_utf8(exchange.read(length).await).expect("is text");
        exchange.respond("200 OK", "", &body).await
    })
    .await;
    let fleet = Fleet::start(2, 2, &shielded(origin.address)).await;
    assert_eq!(fleet.far(0).get("/a").await.body, "read 1");
    let written = fleet.far(0).send(with_text(Method::POST, "/a", "written")).await;
    assert_eq!(written.body, "written");
    assert_eq!(written.cache_status(), "kubefront; fwd=method; fwd-status=200; detail=shield");
    assert_eq!(origin.seen(2).header("expect"), None, "its viewer waited for nothing");
    assert_eq!(fleet.far(0).get("/a").await.body, "read 3");
    assert_eq!(fleet.far(1).get("/a").await.body, "read 3");
    assert_eq!(fleet.far(1).ask(Method::DELETE, "/a", &[]).await.status, StatusCode::OK);
    assert_eq!(fleet.far(1).get("/a").await.body, "read 5");
}

#[tokio::test]
async fn of_two_origins_each_is_asked_by_way_of_its_own_edges_and_the_first_edge_chooses() {
    let primary =
        Origin::start(|_, exchange| async move { exchange.respond("503 Service Unavailable", "", "down").await }).await;
    let spare = Origin::numbered("cache-control: max-age=60\r\n").await;
    let mut config = pair(primary.address, spare.address);
    for origin in &mut config.sites[0].origins {
        origin.shield = Some(SHIELD.into());
    }
    let fleet = Fleet::start(1, 2, &config).await;
    let reply = fleet.far(0).get("/a").await;
    assert_eq!((reply.body.as_str(), reply.status), ("read 1", StatusCode::OK));
    assert!(reply.cache_status().ends_with("detail=failover"), "{}", reply.cache_status());
    assert_eq!((primary.reads(), spare.reads()), (1, 1));
    let asked = fleet.far(0).counts().await;
    assert!(asked.contains("kubefront_edge_shield_requests_total 2"), "{asked}");
    assert_eq!(fleet.far(1).get("/a").await.body, "read 1");
    assert_eq!((primary.reads(), spare.reads()), (1, 1), "the edge before them keeps what both said");
}

#[tokio::test]
async fn what_is_for_viewers_is_done_once_by_the_edge_that_the_viewer_asked() {
    let origin =
        Origin::numbered("cache-control: max-age=60\r\ncdn-cache-control: max-age=30\r\nx-of-origin: 1\r\n").await;
    let mut config = shielded(origin.address);
    let site = &mut config.sites[0];
    site.behaviors[0].response_headers.set = vec![Header { name: "x-policy".into(), value: "1".into() }];
    site.behaviors[0].response_headers.remove = vec!["x-of-origin".into()];
    site.origins[0].host_header = HostHeader::Viewer;
    let fleet = Fleet::start(1, 1, &config).await;
    let reply = fleet.far(0).get("/a").await;
    assert_eq!(reply.headers.get_all("x-policy").iter().count(), 1);
    assert_eq!((reply.header("x-of-origin"), reply.header("cdn-cache-control")), (None, None));
    assert_eq!(origin.seen(1).header("host"), Some("shop.test"));
    assert_eq!(fleet.far(0).get("/a").await.cache_status(), "kubefront; hit; ttl=30", "it has read what is for caches");
}

#[tokio::test]
async fn what_is_said_before_an_answer_and_a_body_that_breaks_off_go_through_as_from_an_origin() {
    let door = Door::closed();
    let held = door.clone();
    let origin = Origin::start(move |_, mut exchange| {
        let held = held.clone();
        async move {
            exchange.write("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n").await;
            exchange.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
            held.pass().await;
            Then::Close
        }
    })
    .await;
    let fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    let mut viewer = Raw::to(fleet.far(0).running.viewers).await;
    viewer.say("GET /a HTTP/1.1\r\nhost: shop.test\r\n\r\n").await;
    assert_eq!(viewer.head().await, "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n");
    let answer = viewer.head().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("content-length: 10"), "{answer}");
    door.open();
    assert_eq!(viewer.rest().await, "half");
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn both_origins_of_a_site_may_have_edges_before_them_at_different_places() {
    let (one, other) = (Origin::numbered("").await, Origin::numbered("").await);
    let mut config = shielded(one.address);
    let site = &mut config.sites[0];
    site.origins.push(Configured {
        shield: Some("nowhere".into()),
        ..Configured::plain("other", "other.test").at(address(other.address))
    });
    site.behaviors.insert(0, Behavior::plain("/other/*", "other"));
    let fleet = Fleet::start(1, 1, &config).await;
    assert!(fleet.far(0).get("/a").await.cache_status().ends_with("detail=shield"));
    assert!(!fleet.far(0).get("/other/a").await.cache_status().ends_with("detail=shield"));
    assert_eq!((one.reads(), other.reads()), (1, 1));
}

#[tokio::test]
async fn an_upload_streams_through_both_edges_while_its_answer_waits() {
    const PIECE: usize = 256 * 1024;
    let origin = Origin::start(|seen, mut exchange| async move {
        let length: usize = seen.header("content-length").expect("is said").parse().expect("a number");
        let body = exchange.read(length).await;
        let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
        exchange.respond("200 OK", "", &format!("{length} {sum}")).await
    })
    .await;
    let fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    let mut viewer = Raw::to(fleet.far(0).running.viewers).await;
    let length = 16 * PIECE;
    viewer
        .say(format!("PUT /a HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"))
        .await;
    for _ in 0..16 {
        viewer.say(vec![1; PIECE]).await;
    }
    let answer = viewer.rest().await;
    assert!(answer.ends_with(&format!("{length} {length}")), "{answer}");
    assert!(answer.contains("detail=shield"), "{answer}");
}

#[tokio::test]
async fn what_is_for_one_viewer_goes_to_each_and_is_kept_by_neither() {
    let origin = Origin::numbered("cache-control: private\r\nset-cookie: a=b\r\n").await;
    let fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    for n in 1..=3 {
        let reply = fleet.far(0).get("/a").await;
        assert_eq!((reply.body, reply.headers.get("set-cookie").is_some()), (format!("read {n}"), true));
    }
}

#[tokio::test]
async fn a_viewer_without_a_host_is_one_for_the_other_edge_too() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let mut config = shielded(origin.address);
    config.sites[0].origins[0].host_header = HostHeader::Viewer;
    let fleet = Fleet::start(1, 1, &config).await;
    for (n, edge) in [&fleet.members[0], fleet.far(0)].into_iter().enumerate() {
        let said = edge.raw(&format!("GET /{n} HTTP/1.0\r\n\r\n")).await;
        assert!(said.contains(" 200 OK"), "{said}");
        assert_eq!(origin.seen(n + 1).header("host"), Some(""), "there is none to send");
    }
    assert!(fleet.far(0).counts().await.contains("kubefront_edge_shield_requests_total 1"));
}

#[tokio::test]
async fn what_would_not_survive_the_hop_goes_to_the_origin_itself() {
    let origin = Origin::numbered("").await;
    let fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    fleet.far(0).ask(Method::GET, "/a", &[("connection", "upgrade"), ("upgrade", "WebSocket")]).await;
    fleet.far(0).ask(Method::POST, "/b", &[("content-type", "application/grpc+proto")]).await;
    assert!(fleet.far(0).counts().await.contains("kubefront_edge_shield_requests_total 0"));
    fleet.far(0).ask(Method::POST, "/b", &[("content-type", "text/plain")]).await;
    assert!(fleet.far(0).counts().await.contains("kubefront_edge_shield_requests_total 1"));
}
