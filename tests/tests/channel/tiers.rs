//! What edges hear of each other from the operator: who stands before an origin, and what they prove themselves with, until one asks another.

use std::sync::Arc;

use edge_contract::{EdgeConfig, Origin, OriginTarget, Scheme, ShieldEdge, Shields, Walls};
use operator::edges::Tiers;
use operator::names::DistributionKey;
use tests::origin;

use crate::api::Api;
use crate::replica::{Replica, another, applied, distribution, log};
use crate::whole::Whole;
use crate::{SITE, config, replace_authority};

const LOCATION: &str = "near";

/// One site whose origin is asked by way of a location.
fn shielded(origin: &origin::Origin) -> EdgeConfig {
    let address = origin.address();
    let target = OriginTarget::Address { scheme: Scheme::Http, host: address.ip().to_string(), port: address.port() };
    let mut config = config(3);
    let site = &mut config.sites[0];
    site.origins = vec![Origin { shield: Some(LOCATION.into()), ..Origin::plain("app", "app.test").at(target) }];
    site.walls = Walls { local_origins: true, ..Walls::default() };
    config
}

/// Certificates for edges of this Distribution, and these edges before the origin of the site that they serve.
fn tiers(of: &str, version: u64, edges: &[ShieldEdge]) -> Tiers {
    let shields = Shields { site: SITE.into(), location: LOCATION.into(), version, edges: edges.to_vec() };
    Tiers { site: Some(of.to_owned()), shields: vec![shields] }
}

/// An edge before an origin and one that asks it, certified and listed by a replica.
struct Two {
    api: Api,
    replica: Replica,
    origin: origin::Origin,
    shield: Whole,
    outer: Whole,
}

impl Two {
    async fn join() -> Self {
        let origin = origin::Origin::start(origin::Settings::default()).await.expect("starts");
        let api = Api::default();
        let replica = Replica::leading(&api).await;
        let (shield, outer) = (Whole::joins(&replica, "shield").await, Whole::joins(&replica, "outer").await);
        serve(&replica, &distribution(), shielded(&origin));
        replica.edges.serve_tiers(&distribution(), tiers(SITE, 1, &[]));
        // It says where once it is certified.
        let door = shield.door().await;
        replica.edges.serve_tiers(&distribution(), tiers(SITE, 2, &[door]));
        outer.door().await;
        outer.hears_of(SITE, LOCATION, 1).await;
        for edge in ["shield", "outer"] {
            replica.sees(edge, "that it serves", |edge| edge.accepted.is_some()).await;
        }
        let starts = ["shield", "outer"].map(|edge| replica.knows(edge).expect("is known"));
        replica.edges.serve_log(&distribution(), log(1, &starts.each_ref()));
        for edge in ["shield", "outer"] {
            replica.sees(edge, "that it follows the purge log", |edge| applied(edge).is_some()).await;
        }
        Self { api, replica, origin, shield, outer }
    }
}

fn serve(replica: &Replica, distribution: &DistributionKey, config: EdgeConfig) {
    replica.edges.serve_config(distribution, Arc::new(config));
}

/// Whether another edge gave the answer.
fn is_by_shield(answer: &str) -> bool {
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.contains("detail=shield")
}

#[tokio::test]
async fn an_edge_asks_another_by_what_the_operator_told_them_of_each_other() {
    let two = Two::join().await;
    let answer = two.outer.get("/a").await;
    assert!(is_by_shield(&answer), "{answer}\n{}", two.outer.counts().await);
    let counts = two.shield.counts().await;
    assert!(counts.contains("kubefront_edge_shielded_requests_total{cache=\"miss\"} 1"), "{counts}");
}

#[tokio::test]
async fn what_edges_prove_themselves_with_is_renewed_by_each_stream_and_used_at_once() {
    let two = Two::join().await;
    assert!(is_by_shield(&two.outer.get("/0").await));
    for (n, (renewed, pod)) in [(&two.shield, "shield"), (&two.outer, "outer")].into_iter().enumerate() {
        let before = renewed.certificate();
        two.replica.edges.close(&distribution(), &Api::uid(pod));
        renewed.has_another(before.as_ref()).await;
        assert!(is_by_shield(&two.outer.get(&format!("/{}", n + 1)).await), "{pod} is renewed");
    }
}

#[tokio::test]
async fn edges_ask_each_other_on_when_another_authority_vouches_for_them() {
    let two = Two::join().await;
    let before = [two.shield.certificate(), two.outer.certificate()];
    let replica = replace_authority(&two.api, two.replica, &["shield", "outer"]).await;
    serve(&replica, &distribution(), shielded(&two.origin));
    replica.edges.serve_tiers(&distribution(), tiers(SITE, 1, &[two.shield.door().await]));
    for (edge, before) in [&two.shield, &two.outer].into_iter().zip(&before) {
        edge.has_another(before.as_ref()).await;
    }
    assert!(is_by_shield(&two.outer.get("/a").await));
}

#[tokio::test]
async fn an_edge_of_another_distribution_is_not_answered_though_the_same_authority_vouches_for_it() {
    let two = Two::join().await;
    // Both serve the same site, so all that tells them apart is for whom the operator has certified them.
    serve(&two.replica, &another(), shielded(&two.origin));
    for (n, (pod, of, is_answered)) in
        [("blog-1", "uid-of-blog", false), ("blog-2", SITE, true)].into_iter().enumerate()
    {
        two.replica.edges.serve_tiers(&another(), tiers(of, n as u64 + 1, &[two.shield.door().await]));
        let edge = Whole::joins(&two.replica, pod).await;
        edge.door().await;
        edge.hears_of(SITE, LOCATION, 1).await;
        two.replica.sees(pod, "that it serves", |edge| edge.accepted.is_some()).await;
        let answer = edge.get(&format!("/{n}")).await;
        let (asked, answered) = (edge.counts().await, two.shield.counts().await);
        assert_eq!(is_by_shield(&answer), is_answered, "{answer}\n{asked}");
        // Whoever asked did believe the shield.
        assert_eq!(
            asked.contains("kubefront_edge_shield_fallbacks_total{reason=\"failed\"} 1"),
            !is_answered,
            "{asked}"
        );
        assert_eq!(answered.contains("kubefront_edge_shielded_requests_total{"), is_answered, "{answered}");
    }
}
