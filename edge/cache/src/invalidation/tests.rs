//! The cases of the protocol that one edge's ledger can get wrong.

mod everything;
mod paths;

use edge_contract::{Choice, Methods, Scope, Site};

use super::*;
use crate::testing;

const E: Epoch = Epoch(7);
const LATER: Epoch = Epoch(3); // epochs are random: a later one may be the smaller number

fn site(query_key: Choice, root: Option<&str>) -> Site {
    let behavior = |pattern, query_key| testing::behavior(pattern, query_key, Methods::ReadOnly, 60);
    testing::site(root, vec![behavior("/all/*", Choice::All), behavior("*", query_key)])
}

fn exact(path: &str) -> Scope {
    Scope::Exact(path.to_owned())
}

fn prefix(path: &str) -> Scope {
    Scope::Prefix(path.to_owned())
}

fn order(epoch: Epoch, sequence: u64, scope: Scope) -> PurgeOrder {
    PurgeOrder { epoch, sequence, uid: format!("uid-{sequence}"), scopes: vec![scope] }
}

fn head(epoch: Epoch, sequence: u64, floor: u64) -> Head {
    Head { epoch, sequence, floor, flush: 0 }
}

fn apply(ledger: &mut Ledger, order: &PurgeOrder) -> Taken {
    ledger.apply(order, &NormalScopes::of(&order.scopes, &site(Choice::All, None)))
}

/// A ledger at the very first head of its distribution.
fn begun() -> Ledger {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.take_head(head(E, 0, 0)), HeadTaken::Began);
    ledger
}

#[track_caller]
fn check(ledger: &Ledger, label: Label, target: &str, expect: Result<(), Refused>) {
    let admission = ledger.admits(label, Stamp::default(), target);
    let expect = expect.map_or_else(Admission::Refused, |()| Admission::Admitted(ledger.stamp()));
    assert_eq!(admission, expect, "{target} at {label:?}");
}

#[test]
fn f1_a_fill_that_began_before_the_order_is_not_used_after_it() {
    let mut ledger = begun();
    let before = ledger.label();
    assert_eq!(apply(&mut ledger, &order(E, 1, exact("/a"))), Taken::Applied);
    let after = ledger.label();
    check(&ledger, before, "/a", Err(Refused::Purged));
    check(&ledger, before, "/b", Ok(()));
    check(&ledger, before, "/a?x", Ok(()));
    check(&ledger, after, "/a", Ok(()));
}

#[test]
fn f1_the_newest_matching_order_decides_whatever_came_later() {
    let mut ledger = begun();
    apply(&mut ledger, &order(E, 1, prefix("/img/")));
    let between = ledger.label();
    apply(&mut ledger, &order(E, 2, exact("/img/a")));
    apply(&mut ledger, &order(E, 3, exact("/other")));
    check(&ledger, between, "/img/a", Err(Refused::Purged));
    check(&ledger, between, "/img/b", Ok(()));
}

#[test]
fn f2_a_304_to_a_validation_that_began_before_the_order_revives_nothing() {
    let mut ledger = begun();
    let stored = ledger.label();
    let validation = ledger.label();
    assert!(ledger.revives(stored, Stamp::default(), validation, "/a").is_admitted());
    apply(&mut ledger, &order(E, 1, exact("/a")));
    assert!(!ledger.revives(stored, Stamp::default(), validation, "/a").is_admitted());
    // Nor does one that began after it: the origin's word about what was purged is not believed (rule 8).
    assert!(!ledger.revives(stored, Stamp::default(), ledger.label(), "/a").is_admitted());
    // What was filled since is freshened only by a validation that began since.
    let refilled = ledger.label();
    assert!(!ledger.revives(refilled, Stamp::default(), validation, "/a").is_admitted());
    assert!(ledger.revives(refilled, Stamp::default(), ledger.label(), "/a").is_admitted());
}

#[test]
fn f6_what_was_read_before_the_first_head_is_below_every_number() {
    let mut ledger = Ledger::default();
    let unknown = ledger.label();
    assert_eq!(unknown.log, None);
    check(&ledger, unknown, "/a", Ok(()));
    assert_eq!(apply(&mut ledger, &order(E, 1, exact("/a"))), Taken::OtherEpoch);
    assert_eq!(ledger.sequence(), None);
    assert_eq!(ledger.take_head(head(E, 1, 0)), HeadTaken::Began);
    check(&ledger, unknown, "/a", Err(Refused::Purged));
    check(&ledger, unknown, "/b", Ok(()));
}

#[test]
fn f6_an_edge_that_joins_under_a_floor_keeps_nothing_it_read_before() {
    let mut ledger = Ledger::default();
    let unknown = ledger.label();
    assert_eq!(ledger.take_head(head(E, 4, 4)), HeadTaken::Began);
    check(&ledger, unknown, "/b", Err(Refused::TooOld));
    check(&ledger, ledger.label(), "/b", Ok(()));
}

#[test]
fn f6_the_floor_of_a_first_head_binds_though_every_order_came() {
    let mut ledger = Ledger::default();
    let unknown = ledger.label();
    apply(&mut ledger, &order(E, 1, exact("/a")));
    apply(&mut ledger, &order(E, 2, exact("/a")));
    assert_eq!(ledger.take_head(head(E, 2, 1)), HeadTaken::Began);
    assert_eq!(ledger.sequence().map(|s| s.number), Some(2));
    check(&ledger, unknown, "/b", Err(Refused::TooOld));
}

#[test]
fn numbers_at_the_end_of_their_range_do_not_overflow() {
    let mut ledger = begun();
    assert_eq!(ledger.take_head(head(E, u64::MAX, u64::MAX)), HeadTaken::Advanced);
    assert_eq!(apply(&mut ledger, &order(E, u64::MAX, exact("/a"))), Taken::Repeated);
    check(&ledger, ledger.label(), "/a", Ok(()));
}

#[test]
fn f6_a_first_head_without_its_orders_is_not_taken() {
    let mut ledger = Ledger::default();
    apply(&mut ledger, &order(E, 5, exact("/a")));
    assert_eq!(ledger.take_head(head(E, 6, 4)), HeadTaken::Missing { expected: 6 });
    assert_eq!(ledger.sequence(), None);
    assert_eq!(ledger.pending_epoch(), Some(E));
    apply(&mut ledger, &order(E, 6, exact("/b")));
    assert_eq!(ledger.take_head(head(E, 6, 4)), HeadTaken::Began);
    assert_eq!(ledger.sequence(), Some(Sequence { epoch: E, number: 6 }));
    assert_eq!(ledger.order_uid(), Some("uid-6"));
}

#[test]
fn f8_content_of_another_epoch_is_dropped() {
    let mut ledger = begun();
    let label = ledger.label();
    apply(&mut ledger, &order(LATER, 2, exact("/a")));
    check(&ledger, label, "/b", Ok(()));
    assert_eq!(ledger.take_head(head(LATER, 2, 1)), HeadTaken::Began);
    check(&ledger, label, "/b", Err(Refused::OtherEpoch));
    check(&ledger, ledger.label(), "/a", Ok(()));
    assert_eq!(ledger.sequence(), Some(Sequence { epoch: LATER, number: 2 }));
}

#[test]
fn f8_another_object_at_a_number_is_a_mismatch_and_no_acknowledgement() {
    let mut ledger = begun();
    apply(&mut ledger, &order(E, 1, exact("/a")));
    let other = PurgeOrder { uid: "other".to_owned(), ..order(E, 1, exact("/b")) };
    assert_eq!(apply(&mut ledger, &other), Taken::UidMismatch { held: "uid-1".to_owned() });
    assert_eq!(apply(&mut ledger, &order(E, 1, exact("/a"))), Taken::Repeated);
    assert_eq!(ledger.sequence().map(|s| s.number), Some(1));
}

#[test]
fn f9_an_edge_that_missed_compacted_orders_drops_everything_older() {
    let mut ledger = begun();
    for number in 1..=3 {
        apply(&mut ledger, &order(E, number, exact("/x")));
    }
    let before = ledger.label();
    assert_eq!(apply(&mut ledger, &order(E, 6, exact("/y"))), Taken::Gap { expected: 4 });
    assert_eq!(ledger.label(), before);
    assert_eq!(ledger.take_head(head(E, 6, 5)), HeadTaken::Advanced);
    check(&ledger, before, "/never-named", Err(Refused::TooOld));
    assert_eq!(ledger.sequence().map(|s| s.number), Some(6));
}

#[test]
fn f9_a_floor_at_or_below_what_was_applied_empties_no_cache() {
    let mut ledger = begun();
    let before = ledger.label();
    for number in 1..=3 {
        apply(&mut ledger, &order(E, number, exact("/x")));
    }
    assert_eq!(ledger.take_head(head(E, 3, 3)), HeadTaken::Known);
    check(&ledger, before, "/b", Ok(()));
    check(&ledger, before, "/x", Err(Refused::Purged));
}

#[test]
fn f9_a_gap_counts_once_what_is_missing_comes() {
    let mut ledger = begun();
    let before = ledger.label();
    assert_eq!(apply(&mut ledger, &order(E, 2, exact("/b"))), Taken::Gap { expected: 1 });
    check(&ledger, before, "/b", Err(Refused::Purged));
    assert_eq!(ledger.take_head(head(E, 2, 0)), HeadTaken::Missing { expected: 1 });
    assert_eq!(apply(&mut ledger, &order(E, 1, exact("/a"))), Taken::Applied);
    assert_eq!(ledger.sequence().map(|s| s.number), Some(2));
    assert_eq!(ledger.take_head(head(E, 2, 0)), HeadTaken::Known);
}

#[test]
fn f11_everything_and_flush_drop_what_is_older_whatever_its_path() {
    let mut ledger = begun();
    let before = ledger.label();
    assert_eq!(apply(&mut ledger, &order(E, 1, Scope::Everything)), Taken::Applied);
    check(&ledger, before, "/b", Err(Refused::TooOld));
    check(&ledger, ledger.label(), "/b", Ok(()));

    let mut flushed = begun();
    assert_eq!(flushed.take_head(Head { flush: 1, ..head(E, 1, 0) }), HeadTaken::Advanced);
    check(&flushed, before, "/b", Err(Refused::TooOld));
    assert_eq!(flushed.label().log.map(|s| s.number), Some(1));
    check(&flushed, flushed.label(), "/b", Ok(()));
    assert_eq!(flushed.order_uid(), None);
}

#[test]
fn f13_a_waiter_is_judged_by_the_fill_it_waits_for_and_not_by_its_own_time() {
    let mut ledger = begun();
    let fill = ledger.label();
    let checked_when_joining = ledger.stamp();
    apply(&mut ledger, &order(E, 1, exact("/a")));
    assert_eq!(ledger.admits(fill, checked_when_joining, "/a"), Admission::Refused(Refused::Purged));
}

#[test]
fn a_response_checked_at_this_stamp_is_not_looked_up_again() {
    let mut ledger = begun();
    let label = ledger.label();
    let Admission::Admitted(checked) = ledger.admits(label, Stamp::default(), "/a") else {
        panic!("nothing was purged")
    };
    assert_eq!(checked, ledger.stamp());
    ledger.take_head(head(E, 0, 0));
    assert_eq!(checked, ledger.stamp(), "a head that says nothing new costs no hit a look");
    apply(&mut ledger, &order(E, 1, exact("/a")));
    assert_ne!(checked, ledger.stamp());
}

#[test]
fn what_was_not_checked_before_orders_were_forgotten_is_refused() {
    let mut ledger = begun();
    let label = ledger.label();
    apply(&mut ledger, &order(E, 1, exact("/a")));
    let sweep = ledger.stamp();
    let Admission::Admitted(checked) = ledger.admits(label, Stamp::default(), "/b") else {
        panic!("/b was not purged")
    };
    ledger.forget(sweep);
    assert!(ledger.is_empty());
    assert!(ledger.admits(label, checked, "/b").is_admitted());
    check(&ledger, label, "/b", Err(Refused::TooOld));
    check(&ledger, ledger.label(), "/a", Ok(()));
    assert_eq!(ledger.order_uid(), Some("uid-1"));
    assert_eq!(apply(&mut ledger, &order(E, 1, exact("/a"))), Taken::Repeated);
    assert_eq!(apply(&mut ledger, &order(E, 2, exact("/a"))), Taken::Applied);
}

#[test]
fn an_order_that_filled_a_gap_is_forgotten_only_for_what_was_checked_since() {
    let mut ledger = begun();
    let before = ledger.label();
    apply(&mut ledger, &order(E, 2, exact("/b")));
    ledger.forget(ledger.stamp());
    let Admission::Admitted(checked) = ledger.admits(ledger.label(), ledger.stamp(), "/a") else { panic!("is fresh") };
    apply(&mut ledger, &order(E, 1, exact("/a")));
    assert!(!ledger.admits(before, checked, "/a").is_admitted());
    ledger.forget(ledger.stamp());
    assert!(!ledger.admits(before, checked, "/a").is_admitted());
}

#[test]
fn ever_more_orders_for_one_path_take_bounded_memory() {
    let mut ledger = begun();
    for number in 1..=10_000 {
        assert_eq!(apply(&mut ledger, &order(E, number, exact("/a"))), Taken::Applied);
    }
    let other = |number: u64| PurgeOrder { uid: "other".to_owned(), ..order(E, number, exact("/a")) };
    assert_eq!(apply(&mut ledger, &other(1)), Taken::Repeated, "whose it was is forgotten");
    assert_eq!(apply(&mut ledger, &other(9_000)), Taken::UidMismatch { held: "uid-9000".to_owned() });
    assert_eq!((ledger.len(), ledger.order_uid()), (1, Some("uid-10000")));
}

#[test]
fn an_unsafe_request_voids_reads_of_its_target_that_began_before_it() {
    let mut ledger = Ledger::default();
    let before = ledger.label();
    ledger.overwritten("/a");
    check(&ledger, before, "/a", Err(Refused::Overwritten));
    check(&ledger, before, "/b", Ok(()));
    check(&ledger, ledger.label(), "/a", Ok(()));
    ledger.take_head(head(E, 0, 0));
    check(&ledger, before, "/a", Err(Refused::Overwritten));
}

#[test]
fn an_older_write_is_forgotten_without_a_newer_one_to_the_same_target() {
    let mut ledger = begun();
    ledger.overwritten("/a");
    let sweep = ledger.stamp();
    let between = ledger.label();
    ledger.overwritten("/a");
    ledger.forget(sweep);
    check(&ledger, between, "/a", Err(Refused::Overwritten));
    check(&ledger, between, "/b", Ok(()));
}

#[test]
fn unsafe_requests_for_many_targets_take_bounded_memory() {
    let mut ledger = begun();
    let before = ledger.label();
    for n in 0..20_000 {
        ledger.overwritten(&format!("/{n}"));
    }
    assert!(ledger.len() <= 8_192, "{}", ledger.len());
    check(&ledger, before, "/0", Err(Refused::TooOld));
    check(&ledger, before, "/19999", Err(Refused::TooOld));
    check(&ledger, ledger.label(), "/0", Ok(()));
}
