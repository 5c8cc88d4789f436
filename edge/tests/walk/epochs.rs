//! The purge log as an edge hears it, where it begins anew or has holes: what is served then, and what is never acknowledged.

use edge::control::session::{Leave, Session};
use edge_contract::{Epoch, FromEdge, FromOperator, Head, PurgeOrder, Scope, encode_line};
use http::Method;

use crate::edge::{EPOCH, Edge, config, piece, request, until};
use crate::origin::{Door, Origin};

/// Epochs are random: a later one may be the smaller number.
const LATER: Epoch = Epoch(3);

/// What an operator says to an edge, line by line.
struct Operator<'a> {
    edge: &'a Edge,
    session: Session,
}

impl<'a> Operator<'a> {
    fn of(edge: &'a Edge) -> Self {
        Self { edge, session: Session::new("pod".into(), "uid".into(), "boot".into(), edge.live().clone()) }
    }

    /// Says it; the edge's answers, and why it leaves the stream if it does.
    fn say(&mut self, line: &FromOperator) -> (Vec<FromEdge>, Option<Leave>) {
        let reply = self.session.hear(&encode_line(line).expect("encodes")).expect("is understood");
        (reply.answers, reply.leave)
    }

    /// The head of a log.
    fn head(&mut self, epoch: Epoch, sequence: u64, floor: u64) -> (Vec<FromEdge>, Option<Leave>) {
        self.say(&FromOperator::Head(Head { epoch, sequence, floor, flush: 0 }))
    }

    /// An order for one path, of the object with this uid.
    fn order(&mut self, epoch: Epoch, sequence: u64, uid: &str, path: &str) -> (Vec<FromEdge>, Option<Leave>) {
        let scopes = vec![Scope::Exact(path.into())];
        self.say(&FromOperator::Order(PurgeOrder { epoch, sequence, uid: uid.into(), scopes }))
    }

    /// What a new stream would begin with.
    fn hello(&self) -> (Option<Epoch>, Option<u64>, Option<String>) {
        let FromEdge::Hello(hello) = self.session.hello() else { panic!("a hello") };
        (hello.epoch, hello.sequence, hello.order_uid)
    }

    async fn get(&self, target: &str) -> String {
        self.edge.get(target).await.body
    }
}

/// The one acknowledgement among answers.
fn acknowledged(answers: &[FromEdge]) -> Option<(Epoch, u64, Option<&str>)> {
    let [FromEdge::Acknowledged { epoch, sequence, order_uid, .. }] = answers else { return None };
    Some((*epoch, *sequence, order_uid.as_deref()))
}

/// F8.
#[tokio::test]
async fn a_fill_that_began_in_an_epoch_that_is_over_is_not_served_in_the_next() {
    let door = Door::closed();
    let origin = Origin::halting(&door).await;
    let edge = Edge::start(config(origin.address)).await;
    let mut operator = Operator::of(&edge);
    operator.head(EPOCH, 5, 5);
    let mut before = edge.open(request(Method::GET, "/a")).await.into_body();
    assert_eq!(piece(&mut before).await, "1abc");
    // Its number is smaller than the fill's, and says nothing of it.
    let (answers, _) = operator.head(LATER, 1, 1);
    assert_eq!(acknowledged(&answers), Some((LATER, 1, None)));
    assert_eq!(operator.get("/a").await, "2abcdefg", "while the old one is still arriving");
    door.open();
    assert_eq!(piece(&mut before).await, "defg");
    until("the old fill is over", || edge.running.edge.collapse.fills() == 0).await;
    assert_eq!((operator.get("/a").await.as_str(), origin.reads()), ("2abcdefg", 2));
}

/// F8: an order can come before the head of its epoch, and a stream can break between them.
#[tokio::test]
async fn orders_of_an_epoch_without_a_head_are_not_acknowledged_and_hold_once_it_comes() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let mut operator = Operator::of(&edge);
    operator.head(EPOCH, 9, 9);
    operator.get("/a").await;
    let (answers, leave) = operator.order(LATER, 2, "b", "/a");
    assert_eq!((answers, leave), (vec![], None));
    assert_eq!(operator.hello(), (Some(EPOCH), Some(9), None));
    assert_eq!(operator.get("/a").await, "read 1", "until then the epoch that began goes on");
    let (answers, _) = operator.head(LATER, 2, 1);
    assert_eq!(acknowledged(&answers), Some((LATER, 2, Some("b"))));
    assert_eq!(operator.get("/a").await, "read 2");
}

/// F8: a leader that was stopped and resumes says what it knew.
#[tokio::test]
async fn the_head_of_an_old_leader_brings_nothing_back() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let mut operator = Operator::of(&edge);
    operator.head(EPOCH, 1, 1);
    operator.get("/a").await;
    operator.order(EPOCH, 2, "a", "/a");
    // The same epoch, before the order: it neither takes it back nor makes the edge say less than it did.
    let (answers, leave) = operator.head(EPOCH, 1, 1);
    assert_eq!((acknowledged(&answers), leave), (Some((EPOCH, 2, Some("a"))), None));
    assert_eq!(operator.get("/a").await, "read 2");
    // Another epoch and back: what was read in between is of neither.
    operator.head(LATER, 4, 4);
    assert_eq!(operator.get("/a").await, "read 3");
    assert_eq!(operator.head(EPOCH, 2, 0).1, Some(Leave::OrdersMissing { expected: 1 }));
    assert_eq!(operator.hello(), (Some(LATER), Some(4), None));
    operator.head(EPOCH, 2, 2);
    assert_eq!(operator.get("/a").await, "read 4");
}

/// F8: two objects hold one number.
#[tokio::test]
async fn the_order_of_another_object_at_a_number_is_not_acknowledged() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let mut operator = Operator::of(&edge);
    operator.head(EPOCH, 1, 1);
    operator.get("/b").await;
    operator.order(EPOCH, 2, "a", "/a");
    let (answers, leave) = operator.order(EPOCH, 2, "other", "/b");
    let (held, sent) = ("a".to_owned(), "other".to_owned());
    assert_eq!((answers, leave), (vec![], Some(Leave::OtherOrder { sequence: 2, held, sent })));
    assert_eq!(operator.hello(), (Some(EPOCH), Some(2), Some("a".into())), "by which the operator knows");
    assert_eq!(operator.get("/b").await, "read 1");
}

/// F9: while the edge was away, orders that it never got were finished, deleted and compacted.
#[tokio::test]
async fn an_edge_that_missed_compacted_orders_drops_everything_and_acknowledges_only_then() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let mut operator = Operator::of(&edge);
    operator.head(EPOCH, 1, 1);
    operator.get("/never-named").await;
    operator.order(EPOCH, 2, "a", "/a");
    // 3 and 4 are gone.
    let (answers, leave) = operator.order(EPOCH, 5, "d", "/d");
    assert_eq!((answers, leave), (vec![], None));
    assert_eq!(operator.get("/never-named").await, "read 1");
    let (answers, _) = operator.head(EPOCH, 5, 4);
    assert_eq!(acknowledged(&answers), Some((EPOCH, 5, Some("d"))));
    assert_eq!(operator.get("/never-named").await, "read 2");
}

/// F9: the same, but nothing was compacted yet: what is missing is asked for.
#[tokio::test]
async fn a_hole_below_the_head_is_not_acknowledged_until_its_order_comes() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let mut operator = Operator::of(&edge);
    operator.head(EPOCH, 1, 1);
    for target in ["/a", "/b", "/c"] {
        operator.get(target).await;
    }
    operator.order(EPOCH, 3, "b", "/b");
    assert_eq!(operator.get("/b").await, "read 4", "it holds, whatever comes of its number");
    let (answers, leave) = operator.head(EPOCH, 3, 1);
    assert_eq!((answers, leave), (vec![], Some(Leave::OrdersMissing { expected: 2 })));
    assert_eq!(operator.hello(), (Some(EPOCH), Some(1), None));
    let (answers, _) = operator.order(EPOCH, 2, "a", "/a");
    assert_eq!(acknowledged(&answers), Some((EPOCH, 3, Some("b"))));
    assert_eq!(operator.get("/a").await, "read 5");
    assert_eq!(operator.get("/c").await, "read 3", "which no order named");
}

/// F9: cleaning up what is finished everywhere costs no cache.
#[tokio::test]
async fn a_floor_that_the_edge_has_reached_drops_nothing() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let mut operator = Operator::of(&edge);
    operator.head(EPOCH, 1, 1);
    operator.get("/kept").await;
    operator.order(EPOCH, 2, "a", "/a");
    let (answers, _) = operator.head(EPOCH, 2, 2);
    assert_eq!(acknowledged(&answers), Some((EPOCH, 2, Some("a"))));
    assert_eq!(operator.get("/kept").await, "read 1");
}

/// F13: what one thread acknowledged holds on every other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_thread_serves_what_was_read_before_an_order_that_another_took() {
    let origin = Origin::numbered("").await;
    let edge = std::sync::Arc::new(Edge::start(config(origin.address)).await);
    edge.begin_log();
    let read = |body: &str| body.strip_prefix("read ").and_then(|number| number.parse().ok()).unwrap_or(0_usize);
    let mut viewers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let edge = std::sync::Arc::clone(&edge);
        viewers.spawn(async move {
            loop {
                edge.get("/a").await;
            }
        });
    }
    for sequence in 2..200 {
        let before = origin.reads();
        edge.order(sequence, vec![Scope::Exact("/a".into())]);
        for reply in futures::future::join_all((0..4).map(|_| edge.get("/a"))).await {
            assert!(read(&reply.body) > before, "{reply:?} after {before}");
        }
    }
    viewers.shutdown().await;
}
