//! Tables for the numbers: what is settled, what contradicts, where the floor lies.

use super::*;

const OWN: &str = "distribution";

fn counters(sequence: u64, floor: u64, pending: &[(&str, u64)]) -> InvalidationCounters {
    let pending = pending.iter().map(|(uid, sequence)| taken(uid, *sequence)).collect();
    InvalidationCounters { epoch: 7, sequence, floor, flush: 0, pending }
}

fn taken(uid: &str, sequence: u64) -> PendingOrder {
    PendingOrder { uid: uid.into(), name: format!("name-of-{uid}"), sequence, content_version: None }
}

fn at(epoch: u64, number: u64) -> Sequence {
    Sequence { epoch: Epoch(epoch), number }
}

fn holders(numbers: &[(&str, u64)]) -> Vec<Holder> {
    let holder = |(uid, number): &(&str, u64)| Holder {
        uid: (*uid).into(),
        sequence: Some(at(7, *number)),
        finished: uid.starts_with("finished"),
    };
    numbers.iter().map(holder).collect()
}

fn edge(epoch: u64, number: u64, order: Option<&str>) -> Applied {
    Applied { sequence: at(epoch, number), order_uid: order.map(Into::into) }
}

#[test]
fn the_very_first_epoch_has_no_floor_and_one_after_a_loss_has() {
    let check = |traces, expect| {
        let begun = begin(Epoch(7), traces);
        assert_eq!(
            (begun.epoch, begun.sequence, begun.floor, begun.pending.len()),
            (7, expect, expect, 0),
            "{traces:?}"
        );
    };
    check(Traces::default(), 0);
    check(Traces { numbers: true, ..Traces::default() }, 1);
    check(Traces { edges: true, ..Traces::default() }, 1);
    check(Traces { status: true, ..Traces::default() }, 1);
}

#[test]
fn only_what_is_settled_without_a_gap_may_be_sent() {
    let check = |counters: InvalidationCounters, held: &[(&str, u64)], settled, orders: &[u64]| {
        let holders = holders(held);
        let log = Log::new(&counters, OWN, &holders);
        assert_eq!(log.settled(), settled, "{counters:?} {held:?}");
        assert_eq!(log.orders().map(|(number, _)| number).collect::<Vec<_>>(), orders, "{counters:?} {held:?}");
        assert_eq!(log.is_settled(), settled == counters.sequence);
    };
    check(counters(0, 0, &[]), &[], 0, &[]);
    check(counters(2, 0, &[("b", 2)]), &[("a", 1), ("b", 2)], 2, &[1, 2]);
    check(counters(2, 0, &[("b", 2)]), &[("a", 1)], 1, &[1]);
    check(counters(3, 0, &[("b", 2), ("c", 3)]), &[("a", 1), ("c", 3)], 1, &[1]);
    check(counters(3, 2, &[]), &[("a", 1), ("c", 3)], 3, &[3]);
    check(counters(2, 2, &[]), &[("a", 1)], 2, &[]);
    // The Distribution's own number stands on its object from the start.
    check(counters(2, 0, &[(OWN, 1), ("b", 2)]), &[("b", 2)], 2, &[1, 2]);
    check(counters(1, 0, &[(OWN, 0), ("b", 1)]), &[("b", 1)], 1, &[1]);
}

#[test]
fn f8_what_cannot_be_of_one_epoch_is_found() {
    let check = |counters: InvalidationCounters, held: &[(&str, u64)], edges: &[Applied], expect| {
        let holders = holders(held);
        assert_eq!(Log::new(&counters, OWN, &holders).contradiction(edges), expect, "{counters:?} {held:?} {edges:?}");
    };
    let two = || counters(2, 0, &[("b", 2)]);
    check(two(), &[("a", 1), ("b", 2)], &[edge(7, 2, Some("b"))], None);
    check(two(), &[("a", 1), ("b", 3)], &[], Some(Contradiction::ObjectAhead));
    check(two(), &[("a", 1), ("b", 1)], &[], Some(Contradiction::OneNumberTwice));
    check(two(), &[("a", 1), ("c", 2)], &[], Some(Contradiction::TakenByAnother));
    check(counters(2, 0, &[(OWN, 2)]), &[("a", 2)], &[], Some(Contradiction::OneNumberTwice));
    check(two(), &[("a", 1), ("b", 2)], &[edge(7, 3, None)], Some(Contradiction::EdgeAhead));
    check(two(), &[("a", 1), ("b", 2)], &[edge(7, 1, Some("x"))], Some(Contradiction::OtherOrder));
    // It came there by the floor of a life in which the counter was higher.
    check(two(), &[("a", 1), ("b", 2)], &[edge(7, 2, None)], Some(Contradiction::OtherOrder));
    check(counters(2, 2, &[]), &[], &[edge(7, 2, None)], None);
    // A number that is taken and not recorded was never sent to anyone under another name.
    check(two(), &[("a", 1)], &[edge(7, 2, Some("x"))], Some(Contradiction::OtherOrder));
    // Numbers of other epochs, at or below the floor, or of holders that are gone say nothing.
    check(two(), &[("a", 1)], &[edge(8, 9, Some("x"))], None);
    check(counters(3, 2, &[]), &[("a", 2)], &[edge(7, 2, Some("x"))], None);
    check(counters(3, 0, &[]), &[("a", 1)], &[edge(7, 2, Some("x"))], None);
}

#[test]
fn f9_the_floor_covers_what_no_living_object_holds() {
    let check = |counters: InvalidationCounters, held: &[(&str, u64)], gone: &[&str], expect| {
        let gone = gone.iter().map(|uid| (*uid).to_owned()).collect();
        let holders = holders(held);
        assert_eq!(Log::new(&counters, OWN, &holders).floor(&gone), expect, "{counters:?} {held:?}");
    };
    check(counters(3, 0, &[]), &[("a", 1), ("b", 2), ("c", 3)], &[], 0);
    check(counters(3, 0, &[]), &[("a", 1), ("c", 3)], &[], 2);
    check(counters(3, 0, &[]), &[], &[], 3);
    check(counters(3, 3, &[]), &[], &[], 3);
    // Only a consistent read makes a pending number void; until then nothing rises, not even over others.
    check(counters(3, 0, &[("c", 3)]), &[("a", 1), ("b", 2)], &[], 0);
    check(counters(3, 0, &[("c", 3)]), &[("a", 1), ("b", 2)], &["c"], 3);
    check(counters(3, 0, &[("c", 3)]), &[("a", 1)], &[], 0);
    check(counters(3, 0, &[(OWN, 3)]), &[("a", 1)], &[], 2);
    // An old leader with an old list took a second number for what has one.
    check(counters(2, 0, &[("a", 2)]), &[("a", 1)], &[], 2);
}

#[test]
fn f9_finished_orders_that_are_too_many_are_forgotten_but_nothing_unfinished_is() {
    let check = |unfinished_at: Option<u64>, count: u64, expect: u64| {
        let name = |number| if Some(number) == unfinished_at { "open" } else { "finished" };
        let uids: Vec<String> = (1..=count).map(|number| format!("{}-{number}", name(number))).collect();
        let held: Vec<_> = uids.iter().zip(1..).map(|(uid, number)| (uid.as_str(), number)).collect();
        let (counters, holders) = (counters(count, 0, &[]), holders(&held));
        assert_eq!(Log::new(&counters, OWN, &holders).floor(&BTreeSet::new()), expect, "{unfinished_at:?} of {count}");
    };
    check(None, 1_000, 0);
    check(None, 1_001, 501);
    check(Some(300), 1_001, 299);
    check(Some(1), 2_000, 0);
}

#[test]
fn a_number_names_who_took_it_and_the_own_ones_stay_until_they_are_complete() {
    let mut next = counters(4, 1, &[(OWN, 3), ("b", 4)]);
    forget_settled(&mut next, OWN);
    take(&mut next, taken("c", 0), false);
    take(&mut next, taken("d", 0), true);
    assert_eq!(next, InvalidationCounters { flush: 6, ..counters(6, 1, &[(OWN, 3), ("c", 5), ("d", 6)]) });
}

#[test]
fn f6_members_come_by_hello_and_go_by_proof() {
    let member = |uid: &str| Member { pod_uid: uid.into(), pod: format!("pod-{uid}"), node: "n".into() };
    let check = |now: &[&str], hello: &[&str], stopped: &[&str], expect: Option<&[&str]>| {
        let list = |uids: &[&str]| uids.iter().map(|uid| member(uid)).collect::<Vec<_>>();
        let stopped = stopped.iter().map(|uid| (*uid).to_owned()).collect();
        assert_eq!(members(&list(now), &list(hello), &stopped), expect.map(list), "{now:?} {hello:?} {stopped:?}");
    };
    check(&["a"], &["b"], &[], Some(&["a", "b"]));
    check(&["a", "b"], &["b"], &[], None);
    check(&["a", "b"], &["b"], &["a"], Some(&["b"]));
    check(&[], &[], &["a"], None);
}
