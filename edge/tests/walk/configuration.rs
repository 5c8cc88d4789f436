//! Which configuration serves: all of a good one, or the last good one.

use edge_contract::Ttl;
use http::StatusCode;

use crate::edge::{EPOCH, Edge, config, settings};
use crate::origin::Origin;

#[tokio::test]
async fn a_refused_configuration_leaves_the_last_good_one_serving_and_says_why() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let mut bad = config(origin.address);
    bad.revision = 2;
    bad.sites[0].enabled = false;
    bad.sites[0].behaviors[0].origin = "nowhere".into();
    let reason = edge.live().take_config(bad).expect_err("is not sound");
    assert_eq!(reason, "default/shop: behavior *: there is no origin nowhere");
    assert_eq!(edge.live().serving_revision(), Some((EPOCH, 1)));
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_edge_without_a_configuration_is_not_ready_and_says_so() {
    let clock = edge::clock::Clock::system();
    let running = edge::process::start(&settings(&[]), clock.clone()).await.expect("starts");
    let edge = Edge { running, clock };
    assert_eq!(edge.admin("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let reply = edge.get("/a").await;
    assert_eq!(
        (reply.status, reply.cache_status()),
        (StatusCode::SERVICE_UNAVAILABLE, "kubefront; detail=no-configuration")
    );
}

#[tokio::test]
async fn the_mounted_file_counts_until_a_stream_speaks() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let mut newer = config(origin.address);
    newer.revision = 9;
    assert_eq!(edge.live().take_mounted_config(newer.clone()), Ok(false), "a stream has spoken");
    let alone = edge::live::Live::new();
    assert_eq!(alone.take_mounted_config(config(origin.address)), Ok(true));
    assert_eq!(alone.take_mounted_config(config(origin.address)), Ok(false), "it says nothing new");
    assert_eq!(alone.take_mounted_config(newer), Ok(true));
    assert_eq!(alone.take_mounted_config(config(origin.address)), Ok(false), "it is older");
    let mut other = config(origin.address);
    other.epoch = edge_contract::Epoch(8);
    assert_eq!(alone.take_mounted_config(other), Ok(true), "numbers of two epochs are not compared");
}

#[tokio::test]
async fn counters_go_on_through_revisions_and_metrics_name_them() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    edge.get("/a").await;
    let mut next = config(origin.address);
    next.revision = 2;
    next.sites[0].behaviors[0].ttl = Ttl { min: 0, default: 0, max: 60, ..Ttl::default() };
    edge.live().take_config(next).expect("is sound");
    edge.get("/b").await;
    let counted = "kubefront_edge_requests_total{site=\"default/shop\",behavior=\"*\",status=\"2xx\",cache=";
    // A response is counted when its last byte is out, which may be a moment after the viewer has it.
    for line in
        [format!("{counted}\"hit\"}} 1"), format!("{counted}\"miss\"}} 2"), "kubefront_edge_config_revision 2".into()]
    {
        let mut text = String::new();
        for _ in 0..1_000 {
            text = edge.admin("/metrics").await.body;
            if text.contains(&line) {
                break;
            }
        }
        assert!(text.contains(&line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn a_changed_key_rule_does_not_let_an_older_order_be_escaped() {
    // While queries are not keyed, both mean the same.
    for path in ["/a?x=1", "/a"] {
        check_escape(path).await;
    }
}

async fn check_escape(path: &str) {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    edge.get("/a?x=1").await;
    let mut ignoring = config(origin.address);
    ignoring.revision = 2;
    ignoring.sites[0].behaviors[0].key.query_strings = edge_contract::Choice::None;
    edge.live().take_config(ignoring).expect("is sound");
    edge.get("/a").await;
    edge.order(2, vec![edge_contract::Scope::Exact(path.into())]);
    assert_eq!(edge.get("/a?x=1").await.body, "read 3", "{path}");
    let mut back = config(origin.address);
    back.revision = 3;
    edge.live().take_config(back).expect("is sound");
    assert_eq!(edge.get("/a?x=1").await.body, "read 4", "{path}");
}
