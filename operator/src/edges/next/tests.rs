//! Tables of what is owed to a stream.

use std::time::Duration;

use edge_contract::{OriginTarget, Scheme, Scope, ShieldEdge};

use super::*;
use crate::clock;

const NOW: Epoch = Epoch(7);
const BEFORE: Epoch = Epoch(5);

/// When every stream said hello.
fn hello_at() -> Instant {
    static AT: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *AT.get_or_init(clock::monotonic)
}

fn given(hello: Option<Position>) -> Given {
    Given::at_hello("boot".into(), hello_at(), hello, None)
}

fn order(epoch: Epoch, sequence: SequenceNumber) -> Arc<PurgeOrder> {
    Arc::new(PurgeOrder { epoch, sequence, uid: format!("uid-{sequence}"), scopes: vec![Scope::Everything] })
}

/// A log whose living orders are those above the floor.
fn log(floor: SequenceNumber, head: SequenceNumber, admitted: &[&str]) -> PurgeLog {
    PurgeLog {
        epoch: NOW,
        orders: (floor + 1..=head).map(|sequence| order(NOW, sequence)).collect(),
        head: Head { epoch: NOW, sequence: head, floor, flush: 0 },
        admitted: admitted.iter().map(|boot| ((*boot).to_owned(), hello_at())).collect(),
    }
}

fn at(epoch: Epoch, sequence: SequenceNumber) -> Position {
    Position { epoch, sequence, order_uid: Some(format!("uid-{sequence}")) }
}

fn wanting(log: PurgeLog) -> Desired {
    Desired { log: Some(Arc::new(log)), ..Desired::default() }
}

/// Everything owed until nothing is, in words.
fn all_owed(desired: &Desired, trust: Option<&Arc<Trust>>, given: &mut Given) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(owed) = owed(desired, trust, given) {
        given.note(&owed);
        lines.push(match owed {
            Owed::Trust(trust) => format!("trust {}", trust.version),
            Owed::Order(order) => format!("order {}", order.sequence),
            Owed::Head(head) => format!("head {}", head.sequence),
            Owed::Config(config) => format!("config {}", config.revision.1),
            Owed::Endpoints(ForEdges { all, .. }) => format!("endpoints {} {}", all.origin, all.version),
            Owed::Shields(list) => format!("shields {} {}", list.location, list.version),
        });
        assert!(lines.len() < 100, "the same line is owed for ever: {lines:?}");
    }
    lines
}

#[track_caller]
fn check(log: PurgeLog, hello: Option<Position>, expect: &[&str]) {
    let mut given = self::given(hello);
    assert_eq!(all_owed(&wanting(log), None, &mut given), expect);
}

#[test]
fn a_start_that_is_not_admitted_gets_nothing_of_the_log() {
    check(log(0, 2, &[]), None, &[]);
    check(log(0, 2, &["another"]), None, &[]);
    check(log(0, 2, &["another"]), Some(at(NOW, 1)), &[]);
}

#[test]
fn a_replay_is_what_the_edge_lacks_and_ends_with_the_head() {
    check(log(0, 0, &["boot"]), None, &["head 0"]);
    check(log(0, 2, &["boot"]), None, &["order 1", "order 2", "head 2"]);
    check(log(0, 2, &["boot"]), Some(at(NOW, 1)), &["order 2", "head 2"]);
    check(log(0, 2, &["boot"]), Some(at(NOW, 2)), &["head 2"]);
    check(log(3, 5, &["boot"]), None, &["order 4", "order 5", "head 5"]);
    check(log(3, 5, &["boot"]), Some(at(NOW, 1)), &["order 4", "order 5", "head 5"]);
    check(log(5, 5, &["boot"]), Some(at(NOW, 1)), &["head 5"]);
}

#[test]
fn numbers_of_another_epoch_count_for_nothing() {
    check(log(0, 2, &["boot"]), Some(at(BEFORE, 9)), &["order 1", "order 2", "head 2"]);
}

#[test]
fn f8_an_edge_that_was_in_another_epoch_meanwhile_is_admitted_anew() {
    let again = |hello| Given::at_hello("boot".into(), hello_at() + Duration::from_secs(1), hello, None);
    let log = || wanting(log(0, 2, &["boot"]));
    assert_eq!(all_owed(&log(), None, &mut again(Some(at(BEFORE, 9)))), [""; 0], "that life may be the newer one");
    assert_eq!(all_owed(&log(), None, &mut again(Some(at(NOW, 1)))), ["order 2", "head 2"]);
    assert_eq!(all_owed(&log(), None, &mut again(None)), ["order 1", "order 2", "head 2"]);
}

#[test]
fn an_edge_that_cannot_be_of_this_log_is_not_served_it() {
    check(log(0, 2, &["boot"]), Some(at(NOW, 3)), &[]);
    let other = Some(Position { epoch: NOW, sequence: 2, order_uid: Some("another".into()) });
    check(log(0, 2, &["boot"]), other, &[]);
    let bare_head = Some(Position { epoch: NOW, sequence: 2, order_uid: None });
    check(log(0, 2, &["boot"]), bare_head.clone(), &[]);
    check(log(2, 3, &["boot"]), bare_head, &["order 3", "head 3"]);
}

#[test]
fn an_order_that_does_not_stand_yet_is_not_sent() {
    let mut log = log(0, 3, &["boot"]);
    log.head.sequence = 2;
    check(log, None, &["order 1", "order 2", "head 2"]);
}

#[test]
fn a_stream_with_a_head_gets_later_orders_at_once_whoever_is_admitted() {
    let mut given = self::given(None);
    assert_eq!(all_owed(&wanting(log(0, 1, &["boot"])), None, &mut given), ["order 1", "head 1"]);
    assert_eq!(all_owed(&wanting(log(0, 3, &[])), None, &mut given), ["order 2", "order 3", "head 3"]);
    assert_eq!(all_owed(&wanting(log(3, 3, &[])), None, &mut given), ["head 3"], "the floor rose");
    assert_eq!(all_owed(&wanting(log(0, 2, &[])), None, &mut given), [""; 0], "an older reading of the log");
}

#[test]
fn a_new_epoch_needs_a_new_admission_and_begins_from_its_floor() {
    let mut given = self::given(None);
    assert_eq!(all_owed(&wanting(log(0, 1, &["boot"])), None, &mut given), ["order 1", "head 1"]);
    let later = |admitted: &[&str]| {
        let mut log = log(1, 2, admitted);
        log.epoch = Epoch(9);
        log.head.epoch = Epoch(9);
        log.orders = vec![order(Epoch(9), 2)];
        wanting(log)
    };
    assert_eq!(all_owed(&later(&[]), None, &mut given), [""; 0]);
    assert_eq!(given.head_for_ping(&later(&[])), None, "no head of an older epoch in a ping");
    assert_eq!(all_owed(&later(&["boot"]), None, &mut given), ["order 2", "head 2"]);
}

#[test]
fn a_ping_repeats_the_head_that_was_sent_and_none_before_the_first() {
    let mut given = self::given(Some(at(NOW, 1)));
    let desired = wanting(log(0, 1, &["boot"]));
    assert_eq!(given.head_for_ping(&desired), None);
    assert_eq!(all_owed(&desired, None, &mut given), ["head 1"]);
    let newer = wanting(log(0, 2, &[]));
    assert_eq!(given.head_for_ping(&newer).map(|head| head.sequence), Some(1), "order 2 was not sent yet");
}

#[track_caller]
fn check_config(held: Option<(Epoch, u64)>, wanted: (Epoch, u64), expect: bool) {
    let config = Config { revision: wanted, line: Bytes::new() };
    let desired = Desired { config: Some(config), ..Desired::default() };
    let mut given = Given::at_hello("boot".into(), hello_at(), None, held);
    assert_eq!(!all_owed(&desired, None, &mut given).is_empty(), expect, "{held:?} wants {wanted:?}");
}

#[test]
fn a_configuration_is_sent_only_to_those_who_lack_it() {
    check_config(None, (NOW, 3), true);
    check_config(Some((NOW, 2)), (NOW, 3), true);
    check_config(Some((NOW, 3)), (NOW, 3), false);
    check_config(Some((NOW, 4)), (NOW, 3), false);
    check_config(Some((BEFORE, 9)), (NOW, 3), true);
}

#[test]
fn a_slow_stream_gets_the_newest_configuration_and_none_between() {
    let wanting = |revision| Desired {
        config: Some(Config { revision: (NOW, revision), line: Bytes::new() }),
        ..Desired::default()
    };
    let mut given = self::given(None);
    assert_eq!(all_owed(&wanting(3), None, &mut given), ["config 3"]);
    assert_eq!(all_owed(&wanting(5), None, &mut given), ["config 5"]);
    assert_eq!(all_owed(&wanting(4), None, &mut given), [""; 0]);
}

#[test]
fn the_urgent_goes_first_and_nothing_twice() {
    let endpoints = |origin: &str, version| ForEdges {
        all: Endpoints {
            site: "site".into(),
            origin: origin.into(),
            target: OriginTarget::Service { dns_name: "app".into(), port: 80, scheme: Scheme::Http, granted: false },
            version,
            addresses: vec![],
        },
        nearest: BTreeMap::new(),
    };
    let mut desired = Desired {
        config: Some(Config { revision: (NOW, 1), line: Bytes::new() }),
        endpoints: vec![endpoints("a", 1), endpoints("b", 1)],
        ..wanting(log(0, 1, &["boot"]))
    };
    let trust = Arc::new(Trust { version: 1, bundle: String::new() });
    let mut given = self::given(None);
    let all = ["trust 1", "order 1", "head 1", "config 1", "endpoints a 1", "endpoints b 1"];
    assert_eq!(all_owed(&desired, Some(&trust), &mut given), all);
    desired.endpoints = vec![endpoints("a", 1), endpoints("b", 2)];
    assert_eq!(all_owed(&desired, Some(&trust), &mut given), ["endpoints b 2"]);
}

#[test]
fn a_list_of_edges_before_origins_is_told_once_and_again_when_it_changes() {
    let list = |version, uids: &[&str]| {
        let edge = |uid: &&str| ShieldEdge { uid: (*uid).into(), address: "10.0.0.1:8444".into() };
        Shields { site: "uid".into(), location: "eu".into(), version, edges: uids.iter().map(edge).collect() }
    };
    let desired = |shields| Desired { tiers: Tiers { site: None, shields }, ..Desired::default() };
    let mut given = self::given(None);
    assert_eq!(all_owed(&desired(vec![list(1, &["a"])]), None, &mut given), ["shields eu 1"]);
    assert_eq!(all_owed(&desired(vec![list(1, &["a"])]), None, &mut given), [""; 0]);
    assert_eq!(all_owed(&desired(vec![list(2, &[])]), None, &mut given), ["shields eu 2"], "nobody is there any more");
}
