//! Edges that stand before an origin for others: how often it is asked, by whom, and what of it viewers notice.

use edge_contract::{ErrorResponse, Header, HostHeader, Origin as Configured, Scope, ShieldEdge, Ttl};
use http::{Method, StatusCode};
use tokio::task::JoinSet;

use crate::edge::{Raw, address, open, read, request, until, with_text};
use crate::failover::pair;
use crate::fleet::{Fleet, SHIELD, shielded};
use crate::origin::{Door, Origin, Then, nobody};

#[tokio::test]
async fn a_cold_key_that_a_thousand_viewers_of_six_edges_want_is_read_once() {
    let door = Door::closed();
    let held = door.clone();
    let origin = Origin::start(move |seen, exchange| {
        let held = held.clone();
        async move {
            held.pass().await;
            exchange.respond("200 OK", "cache-control: max-age=60\r\n", &format!("read {}", seen.number)).await
        }
    })
    .await;
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
    site.origins[0].headers = vec![edge_contract::OriginHeader::plain("x-secret", "s")];
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
async fn an_edge_that_dies_while_the_origin_thinks_costs_one_read_more_and_no_viewer() {
    let door = Door::closed();
    let held = door.clone();
    let origin = Origin::start(move |seen, exchange| {
        let held = held.clone();
        async move {
            if seen.number == 1 {
                held.pass().await;
            }
            exchange.respond("200 OK", "cache-control: max-age=60\r\n", "here").await
        }
    })
    .await;
    let mut fleet = Fleet::start(2, 4, &shielded(origin.address)).await;
    let owner = fleet.owner("/a");
    let mut viewers = JoinSet::new();
    for n in (0..6).filter(|n| *n != owner) {
        for _ in 0..20 {
            let at = fleet.members[n].running.viewers;
            viewers.spawn(async move { read(open(at, request(Method::GET, "/a")).await.expect("answers")).await });
        }
    }
    origin.read_times(1).await;
    until("all edges ask it", || fleet.members[owner].running.edge.collapse.interested() == 5).await;
    fleet.members[owner].kill();
    while let Some(reply) = viewers.join_next().await {
        assert_eq!(reply.expect("ends").expect("is whole").body, "here");
    }
    assert!(origin.reads() <= 2, "{}", origin.reads());
    door.open();
    assert_eq!(fleet.far(0).get("/b").await.status, StatusCode::OK);
}

/// Case F4 of the protocol.
#[tokio::test]
async fn an_edge_that_was_purged_is_not_filled_from_one_that_was_not_yet() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let fleet = Fleet::start(1, 2, &shielded(origin.address)).await;
    let (shield, near, new) = (&fleet.members[0], fleet.far(0), fleet.far(1));
    assert_eq!(near.get("/a").await.body, "read 1");
    near.order(2, vec![Scope::Everything]);
    assert_eq!(near.get("/a").await.body, "read 2", "what is stored there is older than the order");
    assert_eq!(shield.get("/a").await.body, "read 1", "and nothing was changed by passing by");
    new.order(2, vec![Scope::Everything]);
    assert_eq!(new.get("/a").await.body, "read 3");
    shield.order(2, vec![Scope::Everything]);
    assert_eq!(shield.get("/a").await.body, "read 4");
    near.order(3, vec![Scope::Exact("/b".into())]);
    shield.order(3, vec![Scope::Exact("/b".into())]);
    new.order(3, vec![Scope::Exact("/a".into())]);
    assert_eq!(new.get("/a").await.body, "read 4", "the shield has applied as much");
}

#[tokio::test]
async fn an_edge_that_does_not_know_the_purge_log_is_not_filled_from_any_store() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    let newcomer = crate::fleet::Member::start("newcomer", shielded(origin.address)).await;
    newcomer.proves_itself(&fleet.authority).await;
    let listed = ShieldEdge { uid: fleet.members[0].uid.clone(), address: fleet.members[0].door().await.to_string() };
    newcomer.live().peers().take_shields(edge_contract::Shields {
        site: crate::edge::SITE.into(),
        location: SHIELD.into(),
        version: 1,
        edges: vec![listed],
    });
    assert_eq!(fleet.far(0).get("/a").await.body, "read 1");
    assert_eq!(newcomer.get("/a").await.body, "read 2");
    newcomer.begin_log();
    assert_eq!(fleet.members[0].get("/a").await.body, "read 1");
    assert_eq!(newcomer.get("/b").await.body, "read 3");
    assert_eq!(fleet.far(0).get("/b").await.body, "read 3");
}

#[tokio::test]
async fn another_edge_is_never_given_what_is_stale() {
    let door = Door::closed();
    let open_again = door.clone();
    let origin = Origin::start(move |seen, exchange| {
        let is_closed = open_again.is_open();
        async move {
            if is_closed {
                return exchange.reset();
            }
            // A connection that was kept would be tried anew.
            let fields = "cache-control: max-age=10, stale-while-revalidate=1000\r\nconnection: close\r\n";
            exchange.respond("200 OK", fields, &format!("read {}", seen.number)).await
        }
    })
    .await;
    let mut config = shielded(origin.address);
    config.sites[0].origins[0].attempts = 1;
    let fleet = Fleet::start(1, 3, &config).await;
    let shield = &fleet.members[0];
    assert_eq!(fleet.far(0).get("/a").await.body, "read 1");
    shield.skip(11);
    assert_eq!(fleet.far(1).get("/a").await.body, "read 2", "the shield does not show its own");
    shield.skip(11);
    fleet.far(1).skip(2_000);
    door.open();
    let reads = origin.reads();
    let failed = fleet.far(2).get("/a").await;
    assert_eq!((failed.status, origin.reads()), (StatusCode::BAD_GATEWAY, reads + 1), "nobody asks a second time");
    assert_eq!(failed.cache_status(), "kubefront; fwd=uri-miss; detail=origin-reset");
    let stands_in = fleet.far(1).get("/a").await;
    assert_eq!((stands_in.status, stands_in.body.as_str()), (StatusCode::OK, "read 2"), "each has its own to stand in");
    assert!(stands_in.cache_status().ends_with("detail=stale-unreachable"), "{}", stands_in.cache_status());
    assert_eq!(shield.get("/a").await.body, "read 2", "its own viewers are shown it");
}

#[tokio::test]
async fn an_error_of_the_origins_own_is_not_taken_for_its_absence() {
    let origin =
        Origin::start(|_, exchange| async move { exchange.respond("502 Bad Gateway", "", "its words").await }).await;
    let mut config = shielded(origin.address);
    config.sites[0].behaviors[0].ttl = Ttl { min: 0, default: 0, ..Ttl::default() };
    let fleet = Fleet::start(1, 1, &config).await;
    let reply = fleet.far(0).get("/a").await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::BAD_GATEWAY, "its words"));
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn an_origin_that_is_not_there_is_dialled_by_the_edge_before_it_alone() {
    let mut config = shielded(nobody().await);
    config.sites[0].error_responses =
        vec![ErrorResponse { code: 502, cache_ttl: None, path: None, response_code: None }];
    let fleet = Fleet::start(1, 1, &config).await;
    let reply = fleet.far(0).get("/a").await;
    assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; detail=origin-connect");
    for n in 0..30 {
        fleet.far(0).get(&format!("/{n}")).await;
    }
    let explained = async |member: &crate::fleet::Member| member.admin("/explain?url=/a").await;
    assert!(explained(fleet.far(0)).await.body.contains("\"breaker\": \"closed\""), "it never asked");
    assert!(explained(&fleet.members[0]).await.body.contains("\"breaker\": \"open\""));
    let refused = fleet.far(0).get("/b").await;
    assert_eq!(refused.cache_status(), "kubefront; fwd=uri-miss; detail=origin-breaker-open");
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
    let age = |reply: &crate::edge::Reply| reply.header("age").map(str::to_owned);
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
    let fleet = Fleet::start(1, 1, &config).await;
    let reply = fleet.far(0).get("/a").await;
    assert_eq!((reply.body.as_str(), reply.status), ("read 1", StatusCode::OK));
    assert!(reply.cache_status().ends_with("detail=failover"), "{}", reply.cache_status());
    assert_eq!((primary.reads(), spare.reads()), (1, 1));
    let asked = fleet.far(0).counts().await;
    assert!(asked.contains("kubefront_edge_shield_requests_total 2"), "{asked}");
}

#[tokio::test]
async fn what_a_viewer_says_in_the_words_of_edges_is_not_heard_and_what_an_origin_says_is_not_shown() {
    let origin = Origin::numbered("cache-control: max-age=60\r\nkubefront-answer: refused; revision\r\n").await;
    let mut config = shielded(origin.address);
    config.sites[0].behaviors[0].forward.headers = edge_contract::Forwarded::All;
    let fleet = Fleet::start(1, 1, &config).await;
    let words = [
        ("kubefront-origin", "other"),
        ("kubefront-needs", "unknown"),
        ("kubefront-revision", "7.1"),
        ("kubefront-answer", "origin"),
        ("kubefront-expects", "yes"),
    ];
    for (n, edge) in [&fleet.members[0], fleet.far(0)].into_iter().enumerate() {
        let reply = edge.ask(Method::GET, &format!("/{n}"), &words).await;
        assert_eq!((reply.status, reply.header("kubefront-answer")), (StatusCode::OK, None));
        let seen = origin.seen(n + 1);
        assert!(words.iter().all(|(name, _)| seen.header(name).is_none()), "{seen:?}");
        edge.ask(Method::POST, &format!("/{n}"), &words).await;
    }
    assert!((1..=origin.reads()).all(|n| words.iter().all(|(name, _)| origin.seen(n).header(name).is_none())));
    assert!(fleet.far(0).counts().await.contains("kubefront_edge_shield_requests_total 2"));
}

#[tokio::test]
async fn an_older_configuration_before_an_origin_is_passed_by() {
    let origin = Origin::start(|seen, mut exchange| async move {
        let length = seen.header("content-length").map_or(0, |length| length.parse().expect("a number"));
        let body = String::from_utf8(exchange.read(length).await).expect("is text");
        exchange.respond("200 OK", "cache-control: max-age=60\r\n", &format!("{}{body}", seen.number)).await
    })
    .await;
    let config = shielded(origin.address);
    let fleet = Fleet::start(1, 1, &config).await;
    let mut newer = config.clone();
    newer.revision = 2;
    fleet.far(0).live().take_config(newer).expect("is sound");
    let reply = fleet.far(0).get("/a").await;
    assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; fwd-status=200; stored");
    let written = fleet.far(0).send(with_text(Method::POST, "/b", " and all of it")).await;
    assert_eq!((written.status, written.body.as_str()), (StatusCode::OK, "2 and all of it"), "it came back whole");
    let counts = fleet.far(0).counts().await;
    assert!(counts.contains("reason=\"revision\"} 2"), "{counts}");
    assert!(fleet.members[0].counts().await.contains("kubefront_edge_shield_refusals_total 2"));
    let mut newest = config.clone();
    newest.revision = 3;
    fleet.members[0].live().take_config(newest).expect("is sound");
    assert!(fleet.far(0).get("/c").await.cache_status().ends_with("detail=shield"), "a newer one may answer");
}

#[tokio::test]
async fn where_nobody_stands_before_an_origin_each_asks_it_itself() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let mut fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    let gone = nobody().await.to_string();
    fleet.tell(&[ShieldEdge { uid: "gone".into(), address: gone }]);
    for n in 1..=3 {
        assert_eq!(fleet.far(0).get(&format!("/{n}")).await.body, format!("read {n}"));
    }
    fleet.tell(&[]);
    assert_eq!(fleet.far(0).get("/4").await.body, "read 4");
    let counts = fleet.far(0).counts().await;
    for line in ["reason=\"connect\"} 1", "reason=\"avoided\"} 2", "reason=\"no-edges\"} 1"] {
        assert!(counts.contains(line), "{line} in {counts}");
    }
}

#[tokio::test]
async fn an_edge_that_is_another_than_was_meant_is_not_believed() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let mut fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    let address = fleet.members[0].door().await.to_string();
    fleet.tell(&[ShieldEdge { uid: "another".into(), address }]);
    assert_eq!(fleet.far(0).get("/a").await.body, "read 1");
    let counts = fleet.far(0).counts().await;
    assert!(counts.contains("reason=\"certificate\"} 1"), "{counts}");
    assert!(!fleet.members[0].counts().await.contains("cache="), "it was asked nothing");
}

#[tokio::test]
async fn who_is_no_edge_of_the_distribution_is_not_answered() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    let stranger = fleet.far(0);
    for (authority, site) in
        [(&fleet.authority, "uid-of-another"), (&crate::https::Authority::new("somebody"), crate::edge::SITE)]
    {
        let certificate = stranger.certificate(authority, site);
        // It believes the shield, but the shield does not believe it.
        let both = [fleet.authority.pem(), authority.pem()].concat();
        let authorities = edge::control::trust::certificates(both.as_bytes()).expect("are some");
        let before = stranger.live().peers().credentials();
        stranger.live().peers().trust(&authorities);
        stranger.live().peers().take_certificate(certificate);
        until("it has it", || stranger.live().peers().credentials() != before).await;
        let reads = origin.reads();
        assert_eq!(stranger.get(&format!("/{reads}")).await.body, format!("read {}", reads + 1));
        stranger.skip(100);
    }
    let counts = fleet.members[0].counts().await;
    assert!(!counts.contains("cache=") && counts.contains("kubefront_edge_shield_refusals_total 0"), "{counts}");
    let anybody = crate::edge::raw(fleet.members[0].door().await, "GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n").await;
    assert!(!anybody.contains("HTTP/1.1"), "{anybody}");
}

#[tokio::test]
async fn edges_whose_locations_stand_before_each_others_origins_ask_once_around() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let config = shielded(origin.address);
    let fleet = Fleet::start(2, 0, &config).await;
    let [one, other] = &fleet.members[..] else { panic!("two") };
    // Each believes that the other one alone stands before the origin.
    for (member, listed) in [(one, other), (other, one)] {
        member.live().peers().take_shields(edge_contract::Shields {
            site: crate::edge::SITE.into(),
            location: SHIELD.into(),
            version: 99,
            edges: vec![ShieldEdge { uid: listed.uid.clone(), address: listed.door().await.to_string() }],
        });
    }
    assert_eq!(one.get("/a").await.body, "read 1");
    assert_eq!(other.get("/a").await.body, "read 1");
    assert_eq!(origin.reads(), 1);
}

#[tokio::test]
async fn a_certificate_is_renewed_under_traffic() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    let answered_by_shield =
        async |n: usize| fleet.far(0).get(&format!("/{n}")).await.cache_status().ends_with("detail=shield");
    assert!(answered_by_shield(1).await);
    fleet.far(0).proves_itself(&fleet.authority).await;
    assert!(answered_by_shield(2).await);
    fleet.members[0].proves_itself(&fleet.authority).await;
    assert!(answered_by_shield(3).await);
    assert_eq!(origin.reads(), 3);
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
    let head = viewer.head().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-length: 10"), "{head}");
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
    site.behaviors.insert(0, edge_contract::Behavior::plain("/other/*", "other"));
    let fleet = Fleet::start(1, 1, &config).await;
    assert!(fleet.far(0).get("/a").await.cache_status().ends_with("detail=shield"));
    assert!(!fleet.far(0).get("/other/a").await.cache_status().ends_with("detail=shield"));
    assert_eq!((one.reads(), other.reads()), (1, 1));
}
