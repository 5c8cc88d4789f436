//! The channel's end of the operator over real TLS and HTTP/2, on connections in memory and a paused clock.

mod caller;
mod site;
mod tiers;

use std::sync::Arc;
use std::time::Duration;

use edge_contract::{Endpoints, FromEdge, FromOperator, LINE_LIMIT, OriginTarget, SILENCE_LIMIT_MS, Scheme};
use futures::StreamExt;
use http::StatusCode;

use super::*;
use caller::{Caller, hello};
use site::{EPOCH, Site, config, distribution, head, log, order};

const SILENCE: Duration = Duration::from_millis(SILENCE_LIMIT_MS);

/// Both ends of a test: an edge `one` that was let in.
async fn attached() -> (Site, Caller) {
    let site = Site::leading().await;
    let caller = site.call("token-one", hello("one")).await.expect("is let in");
    (site, caller)
}

#[tokio::test(start_paused = true)]
async fn an_edge_says_hello_is_sent_its_configuration_and_accepts_it() {
    let site = Site::leading().await;
    let mut changed = Box::pin(site.edges.changed());
    site.edges.serve_config(&distribution(), config(3));
    let mut edge = site.call("token-one", hello("one")).await.expect("is let in");
    assert_eq!(changed.next().await, Some(distribution()));
    assert_eq!(site.seen("one").accepted, None);

    assert_eq!(edge.next_but_ping().await, Some(FromOperator::Config(Arc::unwrap_or_clone(config(3)))));
    edge.say(&FromEdge::ConfigAccepted { epoch: EPOCH, revision: 3 }).await;
    assert_eq!(changed.next().await, Some(distribution()));
    let seen = site.seen("one");
    assert_eq!((seen.pod.as_str(), seen.accepted, seen.connected), ("pod-one", Some((EPOCH, 3)), true));
}

#[tokio::test(start_paused = true)]
async fn a_bundle_is_everybodys_once_all_have_said_so_of_this_very_one() {
    let (site, mut edge) = attached().await;
    let all = |site: &Site, bundle| site.edges.all_trust(bundle, &["uid-one".to_owned()].into());
    site.edges.trust("old");
    edge.say(&FromEdge::Trusted { version: 1 }).await;
    site.until(|site| all(site, "old")).await;
    assert!(!all(&site, "new"), "nobody was told of it yet");
    site.edges.trust("new");
    assert!(!all(&site, "new"), "they still trust the one before");
    edge.say(&FromEdge::Trusted { version: 2 }).await;
    site.until(|site| all(site, "new")).await;
    assert!(!site.edges.all_trust("new", &["uid-two".to_owned()].into()), "a pod that has not called");
    site.lead(false);
    assert!(!all(&site, "new"), "whoever does not lead hears nobody");
    assert!(!site.edges.all_trust("new", &BTreeSet::new()));
}

#[tokio::test(start_paused = true)]
async fn a_refused_configuration_is_told_in_the_edges_words_and_the_last_one_counts() {
    let (site, mut edge) = attached().await;
    edge.say(&FromEdge::ConfigAccepted { epoch: EPOCH, revision: 1 }).await;
    edge.say(&FromEdge::ConfigRejected { epoch: EPOCH, revision: 2, reason: "no".into() }).await;
    site.until(|site| site.seen("one").rejected.is_some()).await;
    let seen = site.seen("one");
    assert_eq!(seen.accepted, Some((EPOCH, 1)));
    assert_eq!(seen.rejected, Some(Rejected { epoch: EPOCH, revision: 2, reason: "no".into() }));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_the_log_is_sent_before_the_start_is_admitted_and_all_of_it_then() {
    let (site, mut edge) = attached().await;
    site.edges.serve_log(&distribution(), log(0, 2, &[]));
    for _ in 0..3 {
        assert_eq!(edge.ping().await, None);
    }
    site.edges.serve_log(&distribution(), log(0, 2, &["boot-one"]));
    assert_eq!(edge.next_but_ping().await, Some(FromOperator::Order(order(1))));
    assert_eq!(edge.next_but_ping().await, Some(FromOperator::Order(order(2))));
    assert_eq!(edge.next_but_ping().await, Some(FromOperator::Head(head(0, 2))));
    assert_eq!(edge.ping().await, Some(head(0, 2)));

    site.edges.serve_log(&distribution(), log(0, 3, &["boot-one"]));
    let before = clock::monotonic();
    assert_eq!(edge.next_but_ping().await, Some(FromOperator::Order(order(3))));
    assert_eq!(clock::monotonic(), before, "a later order goes at once");
    let uid = Some("order-3".to_owned());
    edge.say(&FromEdge::Acknowledged { epoch: EPOCH, sequence: 3, order_uid: uid, removed: 4 }).await;
    site.until(|site| site.seen("one").applied(EPOCH) == Some(3)).await;
    assert_eq!(site.seen("one").removed.get(&3), Some(&4));
}

#[tokio::test(start_paused = true)]
async fn an_edge_ahead_of_the_log_is_reported_and_not_served_it() {
    let site = Site::leading().await;
    site.edges.serve_log(&distribution(), log(0, 2, &["boot-one"]));
    let mut ahead = hello("one");
    (ahead.epoch, ahead.sequence) = (Some(EPOCH), Some(5));
    let mut edge = site.call("token-one", ahead).await.expect("is let in");
    for _ in 0..2 {
        assert_eq!(edge.ping().await, None);
    }
    assert!(matches!(site.seen("one").conflict, Some(Conflict::Ahead { head: 2, .. })));
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_of_another_order_is_a_conflict() {
    let (site, mut edge) = attached().await;
    site.edges.serve_log(&distribution(), log(0, 2, &["boot-one"]));
    let uid = Some("another".to_owned());
    edge.say(&FromEdge::Acknowledged { epoch: EPOCH, sequence: 2, order_uid: uid, removed: 0 }).await;
    site.until(|site| site.seen("one").conflict.is_some()).await;
    assert_eq!(site.seen("one").applied(EPOCH), None);
}

#[tokio::test(start_paused = true)]
async fn an_edge_that_calls_again_is_sent_only_what_it_lacks() {
    let (site, mut edge) = attached().await;
    site.edges.serve_config(&distribution(), config(3));
    site.edges.serve_log(&distribution(), log(0, 2, &["boot-one"]));
    while edge.next_but_ping().await != Some(FromOperator::Config(Arc::unwrap_or_clone(config(3)))) {}

    let mut again = hello("one");
    (again.epoch, again.sequence, again.order_uid) = (Some(EPOCH), Some(1), Some("order-1".into()));
    (again.config_epoch, again.revision) = (Some(EPOCH), Some(3));
    let mut later = site.call("token-one", again).await.expect("is let in");
    assert_eq!(edge.rest().await, 0, "the stream that was replaced ends");
    assert_eq!(later.next_but_ping().await, Some(FromOperator::Order(order(2))));
    assert_eq!(later.next_but_ping().await, Some(FromOperator::Head(head(0, 2))));
    for _ in 0..3 {
        later.ping().await;
    }
    assert!(site.seen("one").connected);
}

#[tokio::test(start_paused = true)]
async fn endpoints_and_authorities_reach_streams_that_are_open_and_later_ones() {
    let (site, mut edge) = attached().await;
    let endpoints = |address: &str| {
        let addresses = vec![address.to_owned()];
        let target = OriginTarget::Service {
            dns_name: "app.default.svc".into(),
            port: 80,
            scheme: Scheme::Http,
            granted: false,
        };
        Endpoints { site: "site".into(), origin: "app".into(), target, version: 1, addresses }
    };
    let nearest = [("uid-two".to_owned(), vec!["10.0.0.2:80".to_owned()])].into();
    site.edges.serve_endpoints(&distribution(), vec![ForEdges { all: endpoints("10.0.0.1:80"), nearest }]);
    assert_eq!(edge.next_but_ping().await, Some(FromOperator::Endpoints(endpoints("10.0.0.1:80"))));
    site.edges.trust("PEM");
    let trust = FromOperator::Trust { version: 1, bundle: "PEM".into() };
    assert_eq!(edge.next_but_ping().await, Some(trust.clone()));
    edge.say(&FromEdge::Trusted { version: 1 }).await;
    site.until(|site| site.seen("one").trusted == 1).await;

    let mut two = site.call("token-two", hello("two")).await.expect("is let in");
    assert_eq!(two.next_but_ping().await, Some(trust));
    assert_eq!(two.next_but_ping().await, Some(FromOperator::Endpoints(endpoints("10.0.0.2:80"))), "its own");
}

#[tokio::test(start_paused = true)]
async fn an_edge_gets_only_what_is_its_own_distributions() {
    let site = Site::leading().await;
    site.edges.serve_config(&DistributionKey::new("default", "other"), config(9));
    let mut edge = site.call("token-one", hello("one")).await.expect("is let in");
    for _ in 0..2 {
        edge.ping().await;
    }
    assert_eq!(site.edges.snapshot(&DistributionKey::new("default", "other")), []);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_does_not_lead_says_who_does_and_asks_nobody() {
    let site = Site::following(Some("10.0.0.9:8443")).await;
    let mut edge = site.call("token-one", hello("one")).await.expect("an answer");
    let address = Some("10.0.0.9:8443".to_owned());
    assert_eq!(edge.next().await, Some(FromOperator::NotLeader { address }));
    assert_eq!(edge.next().await, None);
    assert_eq!(site.reviews(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_steps_down_closes_all_streams_and_forgets() {
    let (site, mut edge) = attached().await;
    site.edges.serve_config(&distribution(), config(3));
    assert!(edge.next_but_ping().await.is_some());
    site.lead(false);
    assert_eq!(edge.rest().await, 0);
    assert_eq!(site.edges.snapshot(&distribution()), []);

    site.edges.serve_config(&distribution(), config(4));
    site.lead(true);
    let mut edge = site.call("token-one", hello("one")).await.expect("is let in");
    for _ in 0..2 {
        // A new term begins with nothing wanted.
        edge.ping().await;
    }
}

#[tokio::test(start_paused = true)]
async fn callers_without_a_token_of_their_own_are_refused() {
    let site = Site::leading().await;
    let refused = async |token: &str, as_pod: &str| site.call(token, hello(as_pod)).await.err();
    assert_eq!(refused("", "one").await, Some(StatusCode::UNAUTHORIZED));
    assert_eq!(refused("made-up", "one").await, Some(StatusCode::UNAUTHORIZED));
    assert_eq!(refused("other-audience", "one").await, Some(StatusCode::UNAUTHORIZED));
    assert_eq!(refused("token-one", "two").await, Some(StatusCode::FORBIDDEN));
    assert_eq!(refused("token-default", "one").await, Some(StatusCode::FORBIDDEN));
    assert_eq!(refused("api-down", "one").await, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(site.edges.snapshot(&distribution()), []);
}

#[tokio::test(start_paused = true)]
async fn a_first_line_that_is_no_hello_is_refused() {
    let site = Site::leading().await;
    assert_eq!(site.call_with("token-one", "{\"type\":\"pong\",\"n\":1}\n").await.err(), Some(StatusCode::BAD_REQUEST));
    assert_eq!(site.call_with("token-one", "hello\n").await.err(), Some(StatusCode::BAD_REQUEST));
    assert_eq!(site.call_with("token-one", "").await.err(), Some(StatusCode::BAD_REQUEST), "silence");
}

#[tokio::test(start_paused = true)]
async fn at_most_twenty_tokens_are_reviewed_at_once() {
    let site = Site::leading().await;
    let calls = (0..50).map(|_| site.call("slow", hello("one")));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.as_ref().err() == Some(&StatusCode::UNAUTHORIZED)));
    assert_eq!((site.reviews(), site.most_reviews_at_once()), (50, 20));
}

#[tokio::test(start_paused = true)]
async fn the_operator_is_known_by_its_name_and_authority_alone() {
    let site = Site::leading().await;
    assert!(site.shakes_hands_as("operator.kubefront").await);
    assert!(!site.shakes_hands_as("edge.kubefront").await);
    let other = Site::leading().await;
    assert!(!site.shakes_hands_trusting(&other).await);
}

#[tokio::test(start_paused = true)]
async fn an_edge_that_falls_silent_is_dead_after_six_seconds_and_not_before() {
    let (site, mut edge) = attached().await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        edge.say(&FromEdge::Pong { n: 1 }).await;
    }
    assert!(site.seen("one").connected);
    let silent_since = clock::monotonic();
    site.until(|site| !site.seen("one").connected).await;
    let took = clock::monotonic() - silent_since;
    assert!(took >= SILENCE && took < SILENCE + Duration::from_secs(1), "dead after {took:?}");
    edge.rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_too_long_ends_the_stream() {
    let (site, mut edge) = attached().await;
    edge.say_bytes(vec![b'x'; LINE_LIMIT + 2]).await;
    site.until(|site| !site.seen("one").connected).await;
    edge.rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_line_that_cannot_be_read_ends_the_stream() {
    let (site, mut edge) = attached().await;
    edge.say_bytes(b"{\"type\":\"pong\"}\n".to_vec()).await;
    site.until(|site| !site.seen("one").connected).await;
    edge.rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_is_the_last_word_and_the_end_of_the_stream_says_that_it_arrived() {
    let (site, mut edge) = attached().await;
    edge.say(&FromEdge::Goodbye { boot_id: "boot-one".into() }).await;
    edge.rest().await;
    let seen = site.seen("one");
    assert_eq!(seen.goodbye.map(|goodbye| goodbye.boot_id).as_deref(), Some("boot-one"));
    assert!(!seen.connected);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_pod_its_token_or_its_distribution() {
    let (site, mut edge) = attached().await;
    site.edges.close(&distribution(), "another");
    site.edges.close(&DistributionKey::new("default", "other"), "uid-one");
    assert!(edge.next().await.is_some());
    site.edges.close(&distribution(), "uid-one");
    edge.rest().await;
    site.until(|site| !site.seen("one").connected).await;

    let began = clock::monotonic();
    let mut edge = site.call("token-short", hello("one")).await.expect("is let in");
    edge.answer_pings_until_the_end().await;
    let took = clock::monotonic() - began;
    assert!(took >= Duration::from_secs(590) && took <= Duration::from_secs(601), "lived {took:?}");

    let mut edge = site.call("token-one", hello("one")).await.expect("is let in");
    site.edges.forget(&distribution());
    edge.rest().await;
    assert_eq!(site.edges.snapshot(&distribution()), []);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_proved_gone_is_forgotten_and_the_others_are_not() {
    let (site, mut edge) = attached().await;
    let _two = site.call("token-two", hello("two")).await.expect("is let in");
    site.edges.forget_edge(&distribution(), "uid-one");
    edge.rest().await;
    let uids: Vec<String> = site.edges.snapshot(&distribution()).into_iter().map(|edge| edge.uid).collect();
    assert_eq!(uids, ["uid-two"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_for_nothing_is_dropped() {
    let site = Site::leading().await;
    let began = clock::monotonic();
    site.connect_and_say_nothing().await;
    assert!(clock::monotonic() - began <= Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn whoever_listens_too_slowly_is_told_of_every_distribution() {
    let (site, mut edge) = attached().await;
    let mut changed = Box::pin(site.edges.changed());
    for revision in 0..2_000 {
        edge.say(&FromEdge::ConfigAccepted { epoch: EPOCH, revision }).await;
    }
    site.until(|site| site.seen("one").accepted == Some((EPOCH, 1_999))).await;
    assert_eq!(changed.next().await, Some(distribution()));
}
