//! Tables of what an edge's lines make of what is known of it.

use std::sync::Arc;
use std::time::Duration;

use edge_contract::{CONTRACT, Head, PurgeOrder};

use super::*;
use crate::clock;

const NOW: Epoch = Epoch(7);

fn hello(boot_id: &str, at: Option<SequenceNumber>) -> Hello {
    Hello {
        contract: CONTRACT,
        pod: "pod".into(),
        uid: "uid".into(),
        boot_id: boot_id.into(),
        epoch: at.map(|_| NOW),
        sequence: at,
        order_uid: at.map(|at| format!("order-{at}")),
        config_epoch: None,
        revision: None,
    }
}

fn log(head: SequenceNumber) -> PurgeLog {
    let order =
        |sequence| Arc::new(PurgeOrder { epoch: NOW, sequence, uid: format!("order-{sequence}"), scopes: vec![] });
    PurgeLog {
        epoch: NOW,
        orders: (1..=head).map(order).collect(),
        head: Head { epoch: NOW, sequence: head, floor: 0, flush: 0 },
        admitted: [].into(),
    }
}

fn acknowledged(epoch: Epoch, sequence: SequenceNumber, uid: &str, removed: u64) -> FromEdge {
    FromEdge::Acknowledged { epoch, sequence, order_uid: Some(uid.into()), removed }
}

fn greeted() -> EdgeSeen {
    EdgeSeen::greet(None, &hello("boot", None), clock::monotonic())
}

#[track_caller]
fn check(lines: &[FromEdge], expect: Option<SequenceNumber>, conflict: bool) {
    let mut edge = greeted();
    for line in lines {
        assert_eq!(edge.hear(line.clone(), Some(&log(3)), clock::monotonic()), Heard::News);
    }
    assert_eq!(edge.applied(NOW), expect, "{lines:?}");
    assert_eq!(edge.conflict.is_some(), conflict, "{lines:?}");
}

#[test]
fn an_acknowledgement_counts_if_it_is_of_this_log() {
    check(&[], None, false);
    check(&[acknowledged(NOW, 2, "order-2", 0)], Some(2), false);
    check(&[acknowledged(NOW, 3, "order-3", 0), acknowledged(NOW, 2, "order-2", 0)], Some(3), false);
    check(&[acknowledged(Epoch(5), 2, "order-2", 0)], None, false);
    check(&[acknowledged(NOW, 2, "another", 0)], None, true);
    check(&[acknowledged(NOW, 4, "order-4", 0)], None, true);
    check(&[acknowledged(NOW, 1, "order-1", 0), acknowledged(NOW, 2, "another", 0)], Some(1), true);
}

#[test]
fn nothing_is_acknowledged_before_there_is_a_log() {
    let mut edge = greeted();
    edge.hear(acknowledged(NOW, 1, "order-1", 0), None, clock::monotonic());
    assert_eq!(edge.applied(NOW), None);
}

#[test]
fn a_later_start_keeps_what_an_earlier_one_acknowledged() {
    let mut edge = greeted();
    edge.hear(acknowledged(NOW, 2, "order-2", 5), Some(&log(3)), clock::monotonic());
    let mut edge = EdgeSeen::greet(Some(edge), &hello("later", None), clock::monotonic());
    assert_eq!((edge.applied(NOW), edge.held.clone()), (Some(2), None));
    edge.hear(acknowledged(NOW, 1, "order-1", 0), Some(&log(3)), clock::monotonic());
    assert_eq!(edge.applied(NOW), Some(2));
}

#[test]
fn a_hello_says_how_far_the_edge_is_only_with_both_numbers() {
    assert_eq!(EdgeSeen::greet(None, &hello("boot", Some(2)), clock::monotonic()).applied(NOW), Some(2));
    let suspect = Hello { sequence: None, ..hello("boot", Some(2)) };
    assert_eq!(EdgeSeen::greet(None, &suspect, clock::monotonic()).applied(NOW), None);
}

#[test]
fn removed_counts_only_grow_and_are_bounded() {
    let mut edge = greeted();
    let log = log(10_000);
    for removed in [3, 5, 0] {
        edge.hear(acknowledged(NOW, 1, "order-1", removed), Some(&log), clock::monotonic());
    }
    assert_eq!(edge.removed.get(&1), Some(&5));
    for sequence in 2..=10_000 {
        edge.hear(acknowledged(NOW, sequence, &format!("order-{sequence}"), 1), Some(&log), clock::monotonic());
    }
    assert_eq!((edge.removed.len(), edge.removed.first_key_value()), (REMOVED_LIMIT, Some((&5_905, &1))));
}

#[test]
fn a_refused_configuration_is_known_until_one_is_accepted() {
    let mut edge = greeted();
    let rejected = |revision| FromEdge::ConfigRejected { epoch: NOW, revision, reason: "no".into() };
    edge.hear(FromEdge::ConfigAccepted { epoch: NOW, revision: 1 }, None, clock::monotonic());
    edge.hear(rejected(2), None, clock::monotonic());
    assert_eq!(edge.accepted, Some((NOW, 1)));
    assert_eq!(edge.rejected, Some(Rejected { epoch: NOW, revision: 2, reason: "no".into() }));
    edge.hear(FromEdge::ConfigAccepted { epoch: NOW, revision: 3 }, None, clock::monotonic());
    assert_eq!((edge.accepted, edge.rejected), (Some((NOW, 3)), None));
}

#[test]
fn a_report_holds_for_the_pod_until_the_next_one_and_the_same_again_is_no_news() {
    let mut edge = greeted();
    let lack = ReferenceState { field: "spec.a".into(), message: "create it".into() };
    let says = |references: &[ReferenceState]| FromEdge::Observed {
        references: references.into(),
        origins: vec![],
        waits_for: vec![],
    };
    assert_eq!(edge.report, None);
    assert_eq!(edge.hear(says(&[]), None, clock::monotonic()), Heard::News, "that nothing is wrong is news too");
    assert_eq!(edge.hear(says(std::slice::from_ref(&lack)), None, clock::monotonic()), Heard::News);
    let mut edge = EdgeSeen::greet(Some(edge), &hello("later", None), clock::monotonic());
    assert_eq!(edge.report, Some(Report { references: vec![lack.clone()], ..Report::default() }));
    assert_eq!(edge.hear(says(&[lack]), None, clock::monotonic()), Heard::Nothing);
    assert_eq!(edge.hear(says(&[]), None, clock::monotonic()), Heard::News);
    assert_eq!(edge.report, Some(Report::default()));
}

#[test]
fn a_goodbye_is_remembered_with_its_start_and_its_time() {
    let mut edge = greeted();
    let at = clock::monotonic() + Duration::from_secs(5);
    assert_eq!(edge.hear(FromEdge::Goodbye { boot_id: "boot".into() }, None, at), Heard::Last);
    let edge = EdgeSeen::greet(Some(edge), &hello("later", None), clock::monotonic());
    assert_eq!(edge.goodbye, Some(Goodbye { boot_id: "boot".into(), at }));
}

#[test]
fn pongs_are_no_news_and_a_second_hello_is_an_error() {
    let mut edge = greeted();
    assert_eq!(edge.hear(FromEdge::Pong { n: 1 }, None, clock::monotonic()), Heard::Nothing);
    assert_eq!(edge.hear(FromEdge::Hello(hello("boot", None)), None, clock::monotonic()), Heard::Unexpected);
}
