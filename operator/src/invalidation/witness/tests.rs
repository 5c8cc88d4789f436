//! Tables for the evidence: each row of F6 and F7 that ends in proof, and those that prove nothing.

use super::*;
use crate::clock;

/// A pod that waits for one order, accepted at second 0; moments are seconds from then.
struct Case {
    witness: Witness,
    start: Instant,
    suspect: Suspect,
}

impl Case {
    fn new() -> Self {
        let start = clock::monotonic() + Duration::from_secs(1_000);
        let suspect = Suspect {
            uid: "u".into(),
            pod: "p".into(),
            node: "n".into(),
            accepted: Some(start),
            watched: true,
            greeted: true,
        };
        Self { witness: Witness::default(), start, suspect }
    }

    fn at(&self, second: u64) -> Instant {
        self.start + Duration::from_secs(second)
    }

    /// What is asked at that second.
    fn asks(&mut self, second: u64) -> Vec<Probe> {
        let now = self.at(second);
        self.witness.due(std::slice::from_ref(&self.suspect), now).0
    }

    fn node(&mut self, second: u64, renewal: &str, in_service: bool) -> &mut Self {
        let renewal = (!renewal.is_empty()).then(|| renewal.to_owned());
        let at = self.at(second);
        self.asks(second);
        self.witness.learn(Sighting::Node { node: "n".into(), renewal, in_service }, at, at);
        self
    }

    fn pod(&mut self, second: u64, runs: Option<bool>) -> &mut Self {
        let at = self.at(second);
        self.asks(second);
        self.witness.learn(Sighting::Pod { uid: "u".into(), runs }, at, at);
        self
    }

    fn endpoints(&mut self, second: u64, held: &[&str]) -> &mut Self {
        let at = self.at(second);
        self.asks(second);
        self.witness.learn(Sighting::Endpoints(held.iter().map(|uid| (*uid).to_owned()).collect()), at, at);
        self
    }

    #[track_caller]
    fn expect(&self, settled: bool, for_good: bool) {
        assert_eq!(self.witness.is_over("u", self.start), settled, "settled");
        assert_eq!(self.witness.stopped().contains("u"), for_good, "for good");
    }
}

fn itself() -> Vec<Probe> {
    vec![Probe::Pod { uid: "u".into(), pod: "p".into() }]
}

fn its_node() -> Vec<Probe> {
    vec![Probe::Node("n".into())]
}

#[test]
fn f6_a_pod_that_never_starts_is_settled_by_a_report_newer_than_acceptance() {
    let mut case = Case::new();
    assert_eq!(case.asks(5), vec![], "it may still call");
    assert_eq!(case.asks(10), its_node());
    case.node(10, "a", true).node(22, "b", true);
    assert_eq!(case.asks(26), [], "not asked twice in five seconds");
    assert_eq!(case.asks(27), its_node(), "a renewal that may be older than 20 s after acceptance proves nothing");
    case.node(27, "b", true).node(33, "c", true);
    assert_eq!(case.asks(33), itself());
    case.pod(34, Some(false)).expect(true, false);
    assert_eq!(case.asks(60), vec![]);
}

#[test]
fn f6_a_report_read_before_the_renewal_was_seen_proves_nothing() {
    let mut case = Case::new();
    case.node(21, "a", true).pod(22, Some(false)).expect(false, false);
    case.node(28, "b", true).expect(false, false);
    case.pod(29, Some(false)).expect(true, false);
}

#[test]
fn f6_a_container_that_runs_is_waited_for_and_an_earlier_proof_holds_for_no_later_order() {
    let mut case = Case::new();
    case.node(21, "a", true).node(31, "b", true).pod(32, Some(true)).expect(false, false);
    case.pod(40, Some(false)).expect(true, false);
    let later = case.at(15);
    assert!(!case.witness.is_over("u", later), "accepted less than 20 s before the renewal that is known");
}

#[test]
fn f6_a_failed_pod_is_over_for_good_once_its_kubelet_says_so_late_enough() {
    let mut case = Case::new();
    let seen = case.at(5);
    case.witness.see("u", None, true, seen);
    case.node(21, "a", true).node(31, "b", true).pod(32, Some(false)).expect(true, false);
    case.node(40, "b", true).node(45, "c", true).pod(46, Some(false));
    case.suspect.accepted = Some(case.at(3));
    case.expect(true, true);
}

#[test]
fn f6_a_pod_that_is_gone_is_over_once_its_node_renewed_long_after_its_grace_period() {
    let mut case = Case::new();
    let seen = case.at(0);
    case.witness.see("u", Some(Duration::from_secs(30)), false, seen);
    case.suspect.watched = false;
    assert_eq!(case.asks(1), itself());
    case.pod(1, None).expect(false, false);
    case.node(12, "a", true).node(80, "b", true).node(90, "b", true).expect(false, false);
    case.node(92, "b", true).expect(false, false);
    case.node(99, "c", true).expect(true, true);
}

#[test]
fn f6_a_pod_that_went_before_this_leader_saw_it_is_given_the_time_that_edges_have() {
    let mut case = Case::new();
    case.suspect.watched = false;
    case.pod(1, None).node(12, "a", true).node(110, "b", true).node(120, "b", true).node(130, "c", true);
    case.expect(false, false);
    case.node(140, "d", true).expect(true, true);
}

#[test]
fn f7_a_node_that_came_back_long_after_says_nothing_of_what_it_did_meanwhile() {
    let mut case = Case::new();
    let seen = case.at(0);
    case.witness.see("u", Some(Duration::from_secs(30)), false, seen);
    case.suspect.watched = false;
    // The renewal that is new may have been written just after the pod was found to be gone.
    case.pod(1, None).node(12, "a", true).node(900, "b", true).expect(false, false);
    case.node(905, "b", true).node(915, "c", true).expect(true, true);
}

#[test]
fn f6_a_watch_that_is_behind_makes_nobody_absent() {
    let mut case = Case::new();
    case.suspect.watched = false;
    case.pod(1, Some(true)).node(12, "a", true).node(500, "b", true).node(505, "b", true).node(515, "c", true);
    case.expect(false, false);
}

#[test]
fn f7_a_node_that_is_out_of_service_serves_nothing() {
    let mut case = Case::new();
    case.node(12, "a", false).expect(true, false);
    let mut gone = Case::new();
    gone.suspect.watched = false;
    gone.pod(1, None).node(12, "", false).expect(true, true);
}

#[test]
fn f7_an_unreachable_node_proves_nothing_however_long_it_lasts() {
    let mut case = Case::new();
    for second in (12..4_000).step_by(5) {
        case.node(second, "a", true);
    }
    case.expect(false, false);
    assert_eq!(case.asks(4_002), its_node());
}

#[test]
fn f6_a_pod_that_went_before_it_said_hello_serves_nobody_unless_an_endpoint_says_so() {
    let mut case = Case::new();
    case.suspect.greeted = false;
    case.suspect.watched = false;
    case.pod(1, None);
    assert_eq!(case.asks(2), vec![Probe::Endpoints]);
    case.endpoints(2, &["u"]).expect(false, false);
    case.endpoints(8, &["other"]).expect(true, true);
}

#[test]
fn f6_a_goodbye_settles_what_was_accepted_before_and_more_only_of_a_pod_that_ends() {
    let mut case = Case::new();
    let (said, seen) = (case.at(3), case.at(2));
    case.witness.hear_goodbye("u", said);
    case.expect(true, false);
    assert!(!case.witness.is_over("u", case.at(4)), "its container may have started again");

    let mut ending = Case::new();
    ending.start = case.start;
    ending.witness.see("u", None, true, seen);
    ending.witness.hear_goodbye("u", said);
    ending.expect(true, true);
}

#[test]
fn what_speaks_again_is_not_over() {
    let mut case = Case::new();
    case.node(12, "a", false).expect(true, false);
    case.witness.hear("u");
    case.expect(false, false);
}
