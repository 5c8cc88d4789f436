//! What a configuration wants mounted while it is not there: who waits for it, and what the operator hears.

use edge::control::session::{Reply, Session};
use edge::live::Live;
use edge_contract::{
    Before, EdgeConfig, FromEdge, FromOperator, OriginTarget, ReferenceState, Scheme, Scope, Walls, encode_line,
};
use http::StatusCode;

use crate::edge::{EPOCH, Edge, config, settings};
use crate::mounts::{Folder, file, keyed};
use crate::origin::{Origin, nobody};
use crate::program::Place;

/// The edge's end of a stream that has begun.
struct Stream<'a> {
    edge: &'a Edge,
    session: Session,
}

impl<'a> Stream<'a> {
    fn to(edge: &'a Edge) -> Self {
        let mut session = Session::new("pod".into(), "uid".into(), "boot".into(), edge.live().clone());
        session.begin();
        Self { edge, session }
    }

    fn hear(&mut self, line: &FromOperator) -> Vec<FromEdge> {
        let Reply { answers, leave } = self.session.hear(&encode_line(line).expect("encodes")).expect("is a line");
        assert_eq!(leave, None);
        answers
    }

    fn ping(&mut self) -> Vec<FromEdge> {
        self.hear(&FromOperator::Ping { n: 1, head: None })
    }

    fn serves(&self) -> u64 {
        self.edge.live().serving_revision().expect("serves").1
    }
}

const PONG: FromEdge = FromEdge::Pong { n: 1 };
const WITHOUT: &str = "this pod was made without key token of Secret shop";

fn accepted(revision: u64) -> FromEdge {
    FromEdge::ConfigAccepted { epoch: EPOCH, revision }
}

fn observed(references: Vec<ReferenceState>) -> FromEdge {
    FromEdge::Observed { references, origins: vec![], waits_for: vec![] }
}

fn missing() -> ReferenceState {
    let message = "Secret shop has no key token, or there is no such Secret in this namespace: create it; edges see it within two minutes";
    ReferenceState { field: "spec.token".into(), message: message.into() }
}

/// A configuration that wants `token`, and awaits it where an edge starts with it.
fn wanting(revision: u64) -> EdgeConfig {
    EdgeConfig { revision, new_mounts: [file("token").path()].into(), ..keyed(nobody()) }
}

#[tokio::test]
async fn an_operator_hears_what_is_missing_once_on_each_stream_and_before_the_word_that_it_serves() {
    let folder = Folder::new();
    let edge = Edge::with(&["--mounts", folder.text()], config(nobody())).await;
    let mut stream = Stream::to(&edge);
    assert_eq!(stream.ping(), [observed(vec![]), PONG], "that nothing is wrong is worth a line");
    assert_eq!(stream.ping(), [PONG]);
    // What serves wants it already, so there is nothing to wait for.
    edge.live().take_config(wanting(2)).expect("is sound");
    assert_eq!(stream.hear(&FromOperator::Config(wanting(3))), [observed(vec![missing()]), accepted(3)]);
    assert_eq!(stream.session.observed_meanwhile(), None);
    folder.write(&file("token"), "here");
    edge.live().mounts().look();
    assert_eq!(stream.session.observed_meanwhile(), Some(observed(vec![])));
    folder.remove(&file("token"));
    edge.live().mounts().look();
    let mut next = Stream::to(&edge);
    assert_eq!(next.session.observed_meanwhile(), None, "nothing before the operator has said that it listens");
    assert_eq!(next.ping(), [observed(vec![missing()]), PONG]);
}

#[tokio::test]
async fn a_configuration_that_wants_what_this_pod_does_not_have_waits_and_the_one_before_it_serves_on() {
    let folder = Folder::new();
    let edge = Edge::with(&["--mounts", folder.text()], config(nobody())).await;
    let mut stream = Stream::to(&edge);
    stream.ping();
    assert_eq!(stream.hear(&FromOperator::Config(wanting(2))), []);
    let waits_for = vec![ReferenceState { message: WITHOUT.into(), ..missing() }];
    let waits = FromEdge::Observed { references: vec![], origins: vec![], waits_for };
    assert_eq!(stream.session.observed_meanwhile(), Some(waits));
    assert_eq!((stream.ping(), stream.serves()), (vec![PONG], 1));
    assert_eq!(stream.session.observed_meanwhile(), None);
    folder.write(&file("token"), "here");
    assert_eq!((stream.ping(), stream.serves()), (vec![observed(vec![]), accepted(2), PONG], 2));
    assert_eq!(stream.ping(), [PONG]);
}

/// The same with an origin that is the Service of somebody else.
fn lent(mut config: EdgeConfig, name: &str, port: u16) -> EdgeConfig {
    let target = OriginTarget::Service { dns_name: name.into(), port, scheme: Scheme::Http, granted: true };
    config.sites[0].origins[0].target = Some(target);
    config
}

#[tokio::test]
async fn a_grant_that_is_taken_back_is_obeyed_while_a_configuration_waits() {
    let (folder, origin) = (Folder::new(), Origin::numbered("").await);
    let lent = |config| lent(config, "localhost", origin.address.port());
    let edge = Edge::with(&["--mounts", folder.text()], lent(config(nobody()))).await;
    let mut stream = Stream::to(&edge);
    stream.ping();
    edge.endpoints(&[origin.address]);
    stream.hear(&FromOperator::Config(lent(wanting(2))));
    assert_eq!(edge.get("/frozen").await.status, StatusCode::OK);

    let mut revoked = wanting(3);
    revoked.sites[0].origins[0].target = None;
    assert_eq!(stream.hear(&FromOperator::Config(revoked.clone())), []);
    let reply = edge.get("/revoked").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.cache_status());
    edge.live().forget_endpoints();
    assert_eq!(edge.get("/by-name").await.status, StatusCode::SERVICE_UNAVAILABLE);

    // Its owner looks elsewhere, so that nothing tells of the grant any more.
    stream.hear(&FromOperator::Config(wanting(4)));
    assert_eq!(edge.get("/moved").await.status, StatusCode::SERVICE_UNAVAILABLE);
    stream.hear(&FromOperator::Config(lent(wanting(5))));
    assert_eq!(edge.get("/granted-again").await.status, StatusCode::OK);
    assert_eq!((stream.serves(), origin.reads()), (1, 2));
}

#[tokio::test]
async fn walls_and_the_end_of_a_distribution_do_not_wait_with_the_rest_and_purges_go_on() {
    let (folder, origin) = (Folder::new(), Origin::numbered("").await);
    let edge = Edge::with(&["--mounts", folder.text()], config(origin.address)).await;
    edge.begin_log();
    let mut stream = Stream::to(&edge);
    stream.ping();
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
    let mut walled = EdgeConfig { revision: 2, ..keyed(origin.address) };
    walled.sites[0].walls = Walls::default();
    stream.hear(&FromOperator::Config(walled.clone()));
    let reply = edge.get("/b").await;
    assert!(reply.cache_status().ends_with("detail=origin-forbidden"), "{}", reply.cache_status());
    assert_eq!(edge.get("/a").await.status, StatusCode::OK, "what is stored is served");
    edge.order(2, vec![Scope::Exact("/a".into())]);
    assert_eq!(edge.get("/a").await.status, StatusCode::BAD_GATEWAY, "until it is dropped");

    walled.revision = 3;
    walled.sites[0].enabled = false;
    stream.hear(&FromOperator::Config(walled));
    assert_eq!(edge.get("/a").await.status, StatusCode::SERVICE_UNAVAILABLE);
    folder.write(&file("token"), "here");
    assert_eq!((stream.ping(), stream.serves()), (vec![accepted(3), PONG], 3));
}

#[test]
fn a_mounted_configuration_that_waits_takes_away_until_a_stream_speaks() {
    let folder = Folder::new();
    let live = Live::with(folder.text().into(), 1 << 20);
    let of = |revision, enabled| {
        let mut config = EdgeConfig { revision, ..keyed(([127, 0, 0, 1], 9).into()) };
        config.sites[0].enabled = enabled;
        config
    };
    let is_on = |live: &Live| live.sites().expect("serves").sites[0].site.enabled;
    live.take_mounted_config(of(2, true)).expect("is sound");
    live.hold_mounted(&of(1, false), vec![]);
    assert!(is_on(&live), "it is older");
    live.hold_mounted(&of(3, false), vec![]);
    assert!(!is_on(&live));
    live.take_config(of(4, true)).expect("is sound");
    live.hold_mounted(&of(5, false), vec![]);
    assert!(is_on(&live));
}

#[tokio::test]
async fn a_configuration_that_waits_gives_way_to_the_next_one() {
    let folder = Folder::new();
    let edge = Edge::with(&["--mounts", folder.text()], config(nobody())).await;
    let mut stream = Stream::to(&edge);
    stream.ping();
    stream.hear(&FromOperator::Config(wanting(2)));
    let mended = EdgeConfig { revision: 3, ..config(nobody()) };
    assert_eq!(stream.hear(&FromOperator::Config(mended)), [accepted(3)]);
    folder.write(&file("token"), "here");
    assert_eq!((stream.ping(), stream.serves()), (vec![PONG], 3));
}

#[tokio::test]
async fn an_edge_that_starts_is_ready_once_all_that_is_new_was_there() {
    let folder = Folder::new();
    let config = wanting(1);
    let mounted = Place::of(&config);
    let edge = Edge::with(&["--config", mounted.text(), "--mounts", folder.text()], config).await;
    let unready = edge.admin("/readyz").await;
    assert_eq!(unready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(unready.body, format!("spec.token: {}\n", missing().message));
    for (content, status) in [(Some("here"), StatusCode::OK), (None, StatusCode::OK)] {
        match content {
            Some(content) => folder.write(&file("token"), content),
            None => folder.remove(&file("token")),
        }
        edge.live().mounts().look();
        assert_eq!(edge.admin("/readyz").await.status, status, "{content:?}");
    }
}

#[tokio::test]
async fn a_pod_that_cannot_have_what_is_new_starts_with_what_was_before_and_no_other_does() {
    let folder = Folder::new();
    let mut newest = wanting(2);
    newest.before = Some(Box::new(Before { not_with: "new".into(), config: config(nobody()) }));
    newest.sites[0].enabled = false;
    let file = Place::of(&newest);
    let start = async |mounted: &[&str]| {
        let fixed = ["--config", file.text(), "--mounts", folder.text()];
        let clock = edge::clock::Clock::standing();
        let running =
            edge::process::start(&settings(&[&fixed[..], mounted].concat()), clock.clone()).await.expect("starts");
        Edge { running, clock }
    };
    for older in [&["--mounted", "old"][..], &[]] {
        let edge = start(older).await;
        let ready = edge.admin("/readyz").await;
        assert_eq!((ready.status, ready.body), (StatusCode::OK, "serving revision 1 of epoch 7\n".to_owned()));
        assert_eq!(edge.get("/a").await.status, StatusCode::SERVICE_UNAVAILABLE, "what is taken away is");
        let mut stream = Stream::to(&edge);
        stream.ping();
        newest.before = None;
        assert_eq!(stream.hear(&FromOperator::Config(newest.clone())), [], "and waits by the stream too");
    }
    assert_eq!(start(&["--mounted", "new"]).await.admin("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_edge_that_starts_after_something_vanished_is_ready() {
    let folder = Folder::new();
    let config = EdgeConfig { new_mounts: [].into(), ..wanting(1) };
    let mounted = Place::of(&config);
    let edge = Edge::with(&["--config", mounted.text(), "--mounts", folder.text()], config).await;
    assert_eq!(edge.admin("/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_edge_that_waits_is_ready_when_the_next_configuration_waits_for_nothing() {
    let folder = Folder::new();
    let edge = Edge::with(&["--mounts", folder.text()], wanting(1)).await;
    assert_eq!(edge.admin("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    edge.live().take_config(EdgeConfig { new_mounts: [].into(), ..wanting(2) }).expect("is sound");
    assert_eq!(edge.admin("/readyz").await.status, StatusCode::OK);
    edge.live().take_config(wanting(3)).expect("is sound");
    assert_eq!(edge.admin("/readyz").await.status, StatusCode::OK, "an edge that was ready stays so");
}
