//! What an edge that stands before an origin gives to others, and what it never does: what is older than they may have, stale, or its own.

use edge_contract::{ErrorResponse, Scope, ShieldEdge, Shields, Ttl};
use http::{Method, StatusCode};

use crate::edge::{SITE, until, with_text};
use crate::fleet::{Fleet, Member, SHIELD, shielded};
use crate::origin::{Door, Origin, nobody};

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
    let newcomer = Member::start("newcomer", shielded(origin.address)).await;
    newcomer.proves_itself(&fleet.authority).await;
    let listed = ShieldEdge { uid: fleet.members[0].uid.clone(), address: fleet.members[0].door().await.to_string() };
    newcomer.live().peers().take_shields(Shields {
        site: SITE.into(),
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
    let gone = nobody();
    let mut config = shielded(gone);
    config.sites[0].error_responses =
        vec![ErrorResponse { code: 502, cache_ttl: None, path: None, response_code: None }];
    let fleet = Fleet::start(1, 1, &config).await;
    let reply = fleet.far(0).get("/a").await;
    assert_eq!(reply.cache_status(), "kubefront; fwd=uri-miss; detail=origin-connect");
    let kept = || fleet.far(0).running.edge.forwarder.pool().len();
    until("the connection to the edge before it is kept", || kept() == 1).await;
    for n in 0..30 {
        fleet.far(0).get(&format!("/{n}")).await;
    }
    let explained = async |member: &Member| member.admin("/explain?url=/a").await;
    assert!(explained(fleet.far(0)).await.body.contains("\"breaker\": \"closed\""), "it never asked");
    assert!(explained(&fleet.members[0]).await.body.contains("\"breaker\": \"open\""));
    let refused = fleet.far(0).get("/b").await;
    assert_eq!(refused.cache_status(), "kubefront; fwd=uri-miss; detail=origin-breaker-open");
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
    let kept = || fleet.far(0).running.edge.forwarder.pool().len();
    until("the connections to that edge and to the origin are kept", || kept() == 2).await;
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
async fn other_edges_get_what_came_though_viewers_of_this_one_get_it_coded() {
    let origin = Origin::start(|_, exchange| async move {
        let fields = "cache-control: max-age=10\r\ncontent-type: text/plain\r\netag: \"v\"\r\n";
        exchange.respond("200 OK", fields, &"text ".repeat(1_000)).await
    })
    .await;
    let mut config = shielded(origin.address);
    config.sites[0].behaviors[0].compress = true;
    let fleet = Fleet::start(1, 2, &config).await;
    let shield = &fleet.members[0];
    let accepts = [("accept-encoding", "gzip")];
    shield.ask(Method::GET, "/a", &accepts).await;
    until("it is coded", || shield.running.edge.coder.coded() == 1).await;
    let of_shield = shield.ask(Method::GET, "/a", &accepts).await;
    assert_eq!(of_shield.header("content-encoding"), Some("gzip"));
    for (n, reads) in [(0, 1), (1, 2)] {
        let reply = fleet.far(n).ask(Method::GET, "/a", &accepts).await;
        assert_eq!((reply.header("etag"), reply.header("content-encoding")), (Some("\"v\""), None), "{reply:?}");
        assert_eq!((reply.body.len(), origin.reads()), (5_000, reads));
        // What was freshened meanwhile still has both.
        fleet.members.iter().for_each(|member| member.skip(11));
        shield.ask(Method::GET, "/a", &accepts).await;
    }
}

#[tokio::test]
async fn an_error_that_another_edge_asked_for_takes_nothing_from_viewers_of_this_one() {
    let door = Door::closed();
    let broken = door.clone();
    let origin = Origin::start(move |_, exchange| {
        let status = if broken.is_open() { "503 Service Unavailable" } else { "200 OK" };
        exchange.respond(status, "cache-control: max-age=10, stale-if-error=1000\r\n", status)
    })
    .await;
    let fleet = Fleet::start(1, 2, &shielded(origin.address)).await;
    assert_eq!(fleet.far(0).get("/a").await.status, StatusCode::OK);
    fleet.members.iter().for_each(|member| member.skip(11));
    door.open();
    let reply = fleet.far(1).get("/a").await;
    assert_eq!((reply.status, reply.body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "503 Service Unavailable"));
    for member in [&fleet.members[0], fleet.far(0)] {
        let reply = member.get("/a").await;
        assert!(reply.cache_status().ends_with("detail=stale-if-error"), "{}", reply.cache_status());
    }
}
