//! Both ends of the channel between operator and edge, joined over TLS on this machine; only the API server is a script.

mod api;
mod follower;
mod replica;
mod tiers;
mod whole;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use edge_contract::{
    Behavior, EdgeConfig, Endpoints, Epoch, Mounted, MountedKind, Origin, OriginHeader, OriginHeaderValue,
    OriginTarget, Scheme, Site, Ttl,
};
use operator::authority;
use operator::edges::{EdgeSeen, ForEdges, Rejected};

use api::Api;
use follower::Follower;
use replica::{Replica, applied, distribution, log};

const EPOCH: Epoch = Epoch(7);
const SITE: &str = "uid-of-shop";

/// What may take time here takes at most this.
const PATIENCE: Duration = Duration::from_secs(20);

fn app() -> Origin {
    let target =
        OriginTarget::Service { dns_name: "app.default.svc".into(), port: 80, scheme: Scheme::Http, granted: false };
    Origin::plain("app", "app").at(target)
}

fn config(revision: u64) -> EdgeConfig {
    let behavior =
        Behavior { ttl: Ttl { min: 0, default: 60, max: 60, ..Ttl::default() }, ..Behavior::plain("*", "app") };
    let site = Site { origins: vec![app()], behaviors: vec![behavior], ..Site::plain(SITE, "default/shop") };
    EdgeConfig::of(EPOCH, revision, vec![site])
}

fn endpoints(version: u64, addresses: &[&str]) -> Vec<ForEdges> {
    let addresses = addresses.iter().map(ToString::to_string).collect();
    let target = app().target.expect("is somewhere");
    let all = Endpoints { site: SITE.into(), origin: "app".into(), target, version, addresses };
    vec![ForEdges { all, nearest: BTreeMap::new() }]
}

/// A replica that leads and the edge `one` that follows it.
async fn joined() -> (Api, Replica, Follower) {
    let api = Api::default();
    let replica = Replica::leading(&api).await;
    let edge = Follower::start("one", replica.address, &replica.bundle);
    replica.sees("one", "its hello", |edge| edge.connected).await;
    (api, replica, edge)
}

#[tokio::test]
async fn a_configuration_is_sent_served_and_accepted() {
    let (_api, replica, edge) = joined().await;
    replica.edges.serve_config(&distribution(), Arc::new(config(3)));
    replica.sees("one", "that revision 3 serves", |edge| edge.accepted == Some((EPOCH, 3))).await;
    assert_eq!(edge.live.serving_revision(), Some((EPOCH, 3)));
    replica.edges.serve_config(&distribution(), Arc::new(config(4)));
    replica.sees("one", "that revision 4 serves", |edge| edge.accepted == Some((EPOCH, 4))).await;
    assert_eq!(edge.live.serving_revision(), Some((EPOCH, 4)));
}

#[tokio::test]
async fn a_configuration_that_is_refused_leaves_the_one_before_it_serving_and_the_operator_hears_why() {
    let (_api, replica, edge) = joined().await;
    replica.edges.serve_config(&distribution(), Arc::new(config(3)));
    replica.sees("one", "that revision 3 serves", |edge| edge.accepted == Some((EPOCH, 3))).await;
    let mut bad = config(4);
    bad.sites[0].behaviors[0].origin = "nowhere".into();
    replica.edges.serve_config(&distribution(), Arc::new(bad));
    let seen = replica.sees("one", "that revision 4 is refused", |edge| edge.rejected.is_some()).await;
    let reason = "default/shop: behavior *: there is no origin nowhere".to_owned();
    assert_eq!(seen.rejected, Some(Rejected { epoch: EPOCH, revision: 4, reason }));
    assert_eq!(seen.accepted, Some((EPOCH, 3)));
    assert_eq!(edge.live.serving_revision(), Some((EPOCH, 3)));
}

#[tokio::test]
async fn what_an_edge_lacks_is_known_with_the_word_that_it_serves() {
    let (_api, replica, _edge) = joined().await;
    let mut lacking = config(3);
    let file = Mounted {
        kind: MountedKind::Secret,
        name: "shop".into(),
        key: "token".into(),
        field: "spec.origins[app].headers[x-key]".into(),
    };
    let value = OriginHeaderValue::ValueFrom(file);
    lacking.sites[0].origins[0].headers = vec![OriginHeader { name: "x-key".into(), value }];
    replica.edges.serve_config(&distribution(), Arc::new(lacking));
    let seen = replica.sees("one", "that revision 3 serves", |edge| edge.accepted == Some((EPOCH, 3))).await;
    let references = seen.report.expect("was heard before").references;
    let fields: Vec<_> = references.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(fields, ["spec.origins[app].headers[x-key]"]);
}

#[tokio::test]
async fn endpoints_arrive_and_so_do_their_changes() {
    let (_api, replica, edge) = joined().await;
    for (version, address) in [(1, "10.0.0.1:80"), (2, "[fd00::2]:80")] {
        replica.edges.serve_endpoints(&distribution(), endpoints(version, &[address]));
        let expect = [address.parse().expect("an address")];
        edge.comes_to(address, |edge| edge.endpoints() == expect).await;
    }
}

#[tokio::test]
async fn orders_are_applied_and_acknowledged_with_their_head() {
    let (_api, replica, edge) = joined().await;
    let start = replica.knows("one").expect("is known");
    replica.edges.serve_log(&distribution(), log(2, &[&start]));
    let seen = replica.sees("one", "order 2", |edge| applied(edge) == Some((EPOCH, 2, Some("order-2")))).await;
    assert_eq!(seen.removed.get(&2), Some(&0));
    replica.edges.serve_log(&distribution(), log(3, &[&start]));
    replica.sees("one", "order 3", |edge| applied(edge) == Some((EPOCH, 3, Some("order-3")))).await;
    assert_eq!(edge.live.applied().sequence, Some(3));
}

#[tokio::test]
async fn nothing_of_a_log_reaches_a_start_that_it_does_not_admit() {
    let (_api, replica, edge) = joined().await;
    let another = EdgeSeen { boot_id: "another start".to_owned(), ..replica.knows("one").expect("is known") };
    replica.edges.serve_log(&distribution(), log(2, &[&another]));
    // What comes after it on the stream has come, so it would have come too.
    replica.edges.serve_config(&distribution(), Arc::new(config(3)));
    replica.sees("one", "that revision 3 serves", |edge| edge.accepted == Some((EPOCH, 3))).await;
    assert_eq!(edge.live.applied().sequence, None);
}

/// An edge that serves revision 3, has applied order 2 and knows an endpoint.
async fn settled() -> (Api, Replica, Follower) {
    let (api, replica, edge) = joined().await;
    let start = replica.knows("one").expect("is known");
    replica.edges.serve_config(&distribution(), Arc::new(config(3)));
    replica.edges.serve_log(&distribution(), log(2, &[&start]));
    replica.edges.serve_endpoints(&distribution(), endpoints(1, &["10.0.0.1:80"]));
    replica.sees("one", "revision 3", |edge| edge.accepted == Some((EPOCH, 3))).await;
    replica.sees("one", "order 2", |edge| applied(edge) == Some((EPOCH, 2, Some("order-2")))).await;
    edge.comes_to("an endpoint", |edge| edge.endpoints().len() == 1).await;
    (api, replica, edge)
}

#[tokio::test]
async fn an_edge_whose_stream_ends_calls_again_and_says_where_it_stands() {
    let (_api, replica, edge) = settled().await;
    let before = replica.knows("one").expect("is known");
    replica.edges.close(&distribution(), &before.uid);
    let again = replica.sees("one", "it again", |edge| edge.connected && edge.hello_at > before.hello_at).await;
    assert_eq!(again.boot_id, before.boot_id);
    let held = again.held.expect("it holds a log");
    assert_eq!((held.epoch, held.sequence, held.order_uid.as_deref()), (EPOCH, 2, Some("order-2")));
    // An older list says nothing on a new stream: it was sent again, and counts.
    edge.comes_to("an endpoint", |edge| edge.endpoints().len() == 1).await;
}

#[tokio::test]
async fn an_operator_that_starts_anew_hears_from_the_edge_what_it_holds() {
    let (api, replica, edge) = settled().await;
    let replica = Replica::in_place_of(replica, &api).await;
    let seen = replica.sees("one", "it again", |edge| edge.connected).await;
    assert_eq!(seen.accepted, Some((EPOCH, 3)));
    assert_eq!(seen.held.as_ref().map(|held| (held.epoch, held.sequence)), Some((EPOCH, 2)));
    replica.edges.serve_log(&distribution(), log(3, &[&seen]));
    replica.sees("one", "order 3", |edge| applied(edge) == Some((EPOCH, 3, Some("order-3")))).await;
    assert_eq!(edge.live.serving_revision(), Some((EPOCH, 3)));
}

#[tokio::test]
async fn an_edge_that_calls_a_replica_that_does_not_lead_follows_its_word_and_later_ones() {
    let api = Api::default();
    let leader = Replica::leading(&api).await;
    let other = Replica::following(&api, leader.address).await;
    let _edge = Follower::start("one", other.address, &other.bundle);
    leader.sees("one", "it at the leader", |edge| edge.connected).await;
    assert_eq!(other.knows("one"), None);
    let next = Replica::leading(&api).await;
    leader.yields_to(next.address);
    other.yields_to(next.address);
    next.sees("one", "it at the next leader", |edge| edge.connected).await;
}

#[tokio::test]
async fn a_goodbye_is_heard_and_ends_the_edges_end() {
    let (_api, replica, mut edge) = settled().await;
    let boot = replica.knows("one").expect("is known").boot_id;
    edge.drains().await;
    let seen = replica.sees("one", "goodbye", |edge| edge.goodbye.is_some() && !edge.connected).await;
    assert_eq!(seen.goodbye.map(|goodbye| goodbye.boot_id), Some(boot));
}

#[tokio::test]
async fn a_goodbye_finds_the_leader_from_another_replica() {
    let api = Api::default();
    let leader = Replica::leading(&api).await;
    let other = Replica::following(&api, leader.address).await;
    let mut edge = Follower::start("one", other.address, &other.bundle);
    // Before its first stream: this edge has nothing to say but that.
    edge.drains().await;
    leader.sees("one", "goodbye", |edge| edge.goodbye.is_some()).await;
}

#[tokio::test]
async fn an_edge_is_only_let_in_by_a_token_of_its_own_and_then_at_once() {
    for foreign in [Api::token("two"), "made-up".to_owned()] {
        let api = Api::default();
        let replica = Replica::leading(&api).await;
        let edge = Follower::with_token("one", &foreign, replica.address, &replica.bundle);
        // It tries again only when the first answer was no.
        api.reviewed(2).await;
        assert_eq!((replica.knows("one"), replica.knows("two")), (None, None));
        edge.is_given(&Api::token("one"));
        replica.sees("one", "its hello", |edge| edge.connected).await;
    }
}

#[tokio::test]
async fn an_operator_that_another_authority_vouches_for_is_told_nothing() {
    let (api, elsewhere) = (Api::default(), Api::default());
    let replica = Replica::leading(&api).await;
    let impostor = Replica::leading(&elsewhere).await;
    let mut edge = Follower::start("one", impostor.address, &replica.bundle);
    edge.drains().await;
    assert_eq!(impostor.knows("one"), None);
}

/// Replaces the authority by another, as the operator does by and by: what it vouches for is believed before it vouches for anything.
async fn replace_authority(api: &Api, replica: Replica, edges: &[&str]) -> Replica {
    let (old, new) = (api.secret(authority::SECRET), {
        let elsewhere = Api::default();
        Replica::leading(&elsewhere).await;
        elsewhere.secret(authority::SECRET)
    });
    // The successor joins the bundle, and signs nothing yet.
    let mut announced = old.clone();
    for field in ["crt", "key", "made"] {
        announced[format!("next.{field}")] = new[format!("ca.{field}")].clone();
    }
    api.keep_secret(authority::SECRET, &announced);
    let reader = Replica::leading(api).await;
    replica.edges.trust(&reader.bundle);
    for edge in edges {
        replica.sees(edge, "that it is trusted", |edge| edge.trusted == 1).await;
    }
    // It signs from now on.
    let mut promoted = new;
    promoted["previous.crt"] = old["ca.crt"].clone();
    api.keep_secret(authority::SECRET, &promoted);
    Replica::in_place_of(replica, api).await
}

#[tokio::test]
async fn a_new_authority_is_trusted_by_the_word_of_the_old_one_before_anything_mounted_names_it() {
    let (api, replica, edge) = settled().await;
    let replica = replace_authority(&api, replica, &["one"]).await;
    let seen = replica.sees("one", "it again", |edge| edge.connected).await;
    assert_eq!(seen.accepted, edge.live.serving_revision());
}
