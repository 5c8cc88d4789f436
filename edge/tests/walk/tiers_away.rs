//! Edges that stand before an origin and die, freeze, are others than was meant or point at one another: what viewers notice of it.

use edge_contract::{Forwarded, ShieldEdge, Shields, edge_name};
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::edge::{SITE, open, raw, read, request, until, with_text};
use crate::fleet::{Fleet, SHIELD, shielded};
use crate::https::Authority;
use crate::origin::{Door, Origin, nobody};

#[tokio::test]
async fn an_edge_that_dies_while_the_origin_thinks_costs_one_read_more_and_no_viewer() {
    let door = Door::closed();
    let held = door.clone();
    let first = move |number| (number == 1).then(|| held.clone());
    let origin = Origin::gated("cache-control: max-age=60\r\n", first).await;
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
        assert_eq!(reply.expect("ends").expect("is whole").body, "read 2");
    }
    assert!(origin.reads() <= 2, "{}", origin.reads());
    door.open();
    assert_eq!(fleet.far(0).get("/b").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_an_edge_that_dies_may_have_done_is_not_done_again() {
    let door = Door::closed();
    let origin = Origin::held(&door, "").await;
    let mut fleet = Fleet::start(2, 1, &shielded(origin.address)).await;
    for (owner, method) in [(0, Method::DELETE), (1, Method::POST)] {
        let target =
            (0..1_000).map(|n| format!("/{n}")).find(|target| fleet.owner(target) == owner).expect("owns some");
        let at = fleet.far(0).running.viewers;
        let written =
            if method == Method::POST { with_text(method, &target, "text") } else { request(method, &target) };
        let writing = tokio::spawn(async move { read(open(at, written).await.expect("answers")).await });
        // The origin has all of it, and thinks.
        origin.read_times(owner + 1).await;
        fleet.members[owner].kill();
        let reply = writing.await.expect("ends").expect("is whole");
        assert_eq!(reply.cache_status(), "kubefront; fwd=method; detail=shield-lost");
        assert_eq!((reply.status, origin.reads()), (StatusCode::BAD_GATEWAY, owner + 1));
    }
}

#[tokio::test]
async fn what_a_viewer_says_in_the_words_of_edges_is_not_heard_and_what_an_origin_says_is_not_shown() {
    let origin = Origin::numbered("cache-control: max-age=60\r\nkubefront-answer: refused; revision\r\n").await;
    let mut config = shielded(origin.address);
    config.sites[0].behaviors[0].forward.headers = Forwarded::All;
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
async fn where_nobody_stands_before_an_origin_each_asks_it_itself() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let mut fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    let gone = nobody();
    fleet.tell(&[ShieldEdge { uid: "gone".into(), address: gone.to_string() }]);
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
    for (authority, site) in [(&fleet.authority, "uid-of-another"), (&Authority::new("somebody"), SITE)] {
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
    let anybody = raw(fleet.members[0].door().await, "GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n").await;
    assert!(!anybody.contains("HTTP/1.1"), "{anybody}");
}

#[tokio::test]
async fn edges_whose_locations_stand_before_each_others_origins_ask_once_around() {
    let door = Door::closed();
    let origin = Origin::held(&door, "cache-control: max-age=60\r\n").await;
    let config = shielded(origin.address);
    let fleet = Fleet::start(2, 0, &config).await;
    let [one, other] = &fleet.members[..] else { panic!("two") };
    // Each believes that the other one alone stands before the origin.
    for (member, listed) in [(one, other), (other, one)] {
        member.live().peers().take_shields(Shields {
            site: SITE.into(),
            location: SHIELD.into(),
            version: 99,
            edges: vec![ShieldEdge { uid: listed.uid.clone(), address: listed.door().await.to_string() }],
        });
    }
    // Both at a time: neither waits for what waits for itself.
    let both_wait = async {
        origin.read_times(2).await;
        door.open();
    };
    let replies = tokio::join!(one.get("/a"), other.get("/a"), both_wait);
    assert_eq!((replies.0.status, replies.1.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(origin.reads(), 2);
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
async fn an_edge_that_asks_on_and_on_has_to_prove_itself_anew_once_the_other_was_certified_anew() {
    let origin = Origin::numbered("").await;
    let fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    let (shield, asker) = (&fleet.members[0], fleet.far(0));
    let config = asker.live().peers().credentials().expect("it is certified").client.clone();
    let name = ServerName::try_from(edge_name(SITE, &shield.uid)).expect("is one");
    let stream = TcpStream::connect(shield.door().await).await.expect("accepts");
    let mut stream = TlsConnector::from(config).connect(name, stream).await.expect("both are believed");
    // What is answered does not matter here.
    let mut ask = async || {
        stream.write_all(b"GET /a HTTP/1.1\r\nhost: shop.test\r\n\r\n").await.expect("is open");
        let mut said = vec![0; 4_096];
        let length = stream.read(&mut said).await.expect("is open");
        String::from_utf8_lossy(&said[..length]).into_owned()
    };
    for _ in 0..2 {
        let said = ask().await;
        assert!(said.starts_with("HTTP/1.1 421") && !said.contains("connection: close"), "{said}");
    }
    shield.proves_itself(&fleet.authority).await;
    let said = ask().await;
    assert!(said.starts_with("HTTP/1.1 421") && said.contains("connection: close"), "{said}");
}

#[tokio::test]
async fn an_edge_that_is_frozen_holds_a_viewer_up_once_and_for_a_moment() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    // On a connection that is kept.
    assert_eq!(fleet.far(0).get("/1").await.body, "read 1");
    let thaw = fleet.members[0].freeze().await;
    assert_eq!(fleet.far(0).get("/2").await.body, "read 2");
    assert_eq!(fleet.far(0).get("/3").await.body, "read 3");
    let counts = fleet.far(0).counts().await;
    for line in ["reason=\"timed-out\"} 1", "reason=\"avoided\"} 1"] {
        assert!(counts.contains(line), "{line} in {counts}");
    }
    drop(thaw);
}

#[tokio::test]
async fn a_slow_origin_makes_nobody_take_the_edge_before_it_for_frozen() {
    let origin = Origin::start(|_, exchange| async move {
        tokio::time::sleep(edge::forward::edges::HEARD_WITHIN + std::time::Duration::from_millis(500)).await;
        exchange.respond("200 OK", "cache-control: max-age=60\r\n", "at last").await
    })
    .await;
    let fleet = Fleet::start(1, 1, &shielded(origin.address)).await;
    let said = fleet.far(0).raw("GET /a HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 200 OK") && said.ends_with("at last"), "{said}");
    assert_eq!(origin.reads(), 1);
}
