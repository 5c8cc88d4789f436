//! Facts into conditions, as tables.

use edge_contract::{OriginState, ReferenceState};

use super::*;

fn at(second: i64) -> Time {
    Time(k8s_openapi::jiff::Timestamp::from_second(second).expect("a time"))
}

/// Two edges that serve generation 3, and nothing to mend.
fn sound() -> Judged {
    Judged {
        generation: 3,
        serving: Some(3),
        edges: EdgesSeen { live: 2, acknowledged: 2, ..EdgesSeen::default() },
        content_version_complete: true,
        ..Judged::default()
    }
}

fn missing_service() -> Finding {
    Finding::in_cluster("spec.origins[app].service", Reason::NotFound, "there is no Service app")
}

/// The conditions that differ from a sound Distribution's, as `Type=Status/Reason`.
#[track_caller]
fn check(change: impl FnOnce(&mut Judged), expect: &[&str]) {
    let told = |judged: &Judged| -> Vec<String> {
        let all = judge(judged, &[], &at(0));
        all.iter().map(|one| format!("{}={}/{}", one.type_, one.status, one.reason)).collect()
    };
    let mut judged = sound();
    let usual = told(&judged);
    change(&mut judged);
    let differing: Vec<String> = told(&judged).into_iter().filter(|one| !usual.contains(one)).collect();
    assert_eq!(differing, expect);
}

#[test]
fn a_distribution_that_every_edge_serves_is_ready_and_idle() {
    let all: Vec<_> = judge(&sound(), &[], &at(0)).into_iter().map(|one| (one.type_, one.status)).collect();
    let expect = [
        ("Accepted", "True"),
        ("ResolvedRefs", "True"),
        ("AliasesHeld", "True"),
        ("OriginsHealthy", "True"),
        ("Programmed", "True"),
        ("Ready", "True"),
        ("Reconciling", "False"),
        ("Stalled", "False"),
    ];
    assert_eq!(all, expect.map(|(type_, status)| (type_.to_owned(), status.to_owned())));
}

#[test]
fn what_the_cluster_may_mend_is_waited_for() {
    check(
        |judged| judged.findings.push(missing_service()),
        &["ResolvedRefs=False/NotFound", "Ready=False/NotFound", "Reconciling=True/NotFound"],
    );
}

/// What two edges report, the second of which may not have yet.
fn reports(references: &[ReferenceState], origins: &[OriginState], other_is_silent: bool) -> Reports {
    let mut reports = Reports::default();
    reports.add(Some((references, origins)));
    reports.add((!other_is_silent).then_some((&[], &[])));
    reports
}

fn missing_secret() -> [ReferenceState; 1] {
    [ReferenceState { field: "spec.origins[app].tls".into(), message: "Secret ca has no key ca.crt".into() }]
}

fn app(healthy: bool) -> [OriginState; 1] {
    [OriginState { site: "uid".into(), origin: "app".into(), healthy, message: "refused".into() }]
}

#[test]
fn what_an_edge_lacks_is_waited_for_in_its_words() {
    let lacking = |judged: &mut Judged| judged.edges.reports = reports(&missing_secret(), &[], false);
    let expect = ["ResolvedRefs=False/RefUnusable", "Ready=False/RefUnusable", "Reconciling=True/RefUnusable"];
    check(lacking, &expect);
    let told = |change: &dyn Fn(&mut Judged)| {
        let mut judged = sound();
        change(&mut judged);
        judge(&judged, &[], &at(0)).swap_remove(1).message
    };
    assert_eq!(told(&lacking), "spec.origins[app].tls: Secret ca has no key ca.crt");
    let both = |judged: &mut Judged| {
        lacking(judged);
        judged.findings.push(missing_service());
    };
    let expect =
        "spec.origins[app].service: there is no Service app; spec.origins[app].tls: Secret ca has no key ca.crt";
    assert_eq!(told(&both), expect);
}

#[test]
fn an_origin_that_does_not_answer_does_not_touch_ready() {
    let unhealthy = |judged: &mut Judged| judged.edges.reports = reports(&[], &app(false), false);
    check(unhealthy, &["OriginsHealthy=False/OriginUnhealthy"]);
    check(|judged| judged.edges.reports = reports(&[], &app(true), false), &[]);
    let both = |judged: &mut Judged| {
        unhealthy(judged);
        judged.unhealthy_origins.push("spec.origins[img].service: no endpoint".into());
    };
    check(both, &["OriginsHealthy=False/NoEndpoints"]);
    let mut judged = sound();
    both(&mut judged);
    let told = ConditionType::OriginsHealthy.of(&judge(&judged, &[], &at(0))).map(|one| one.message.clone());
    let expect = "spec.origins[img].service: no endpoint; origin app is unhealthy on 1 of 2 edges: refused";
    assert_eq!(told.as_deref(), Some(expect));
}

#[test]
fn what_an_edge_reported_is_not_mended_by_silence() {
    let mut judged = sound();
    judged.edges.reports = reports(&missing_secret(), &app(false), false);
    let before = judge(&judged, &[], &at(0));
    let status = |type_: ConditionType, all: &[Condition]| type_.of(all).map(|one| one.status.clone());
    for (silent, newly_leading, is_mended) in [(true, false, false), (false, true, false), (false, false, true)] {
        judged.edges.reports = reports(&[], &app(true), silent);
        judged.newly_leading = newly_leading;
        let after = judge(&judged, &before, &at(1));
        let expect = Some(if is_mended { "True" } else { "False" }.to_owned());
        assert_eq!(status(ConditionType::ResolvedRefs, &after), expect, "{silent} {newly_leading}");
        assert_eq!(status(ConditionType::OriginsHealthy, &after), expect, "{silent} {newly_leading}");
        assert!(is_mended || after[1] == before[1], "no word of it changes");
    }
}

#[test]
fn what_only_the_user_can_mend_is_stalled_and_not_reconciling() {
    check(
        |judged| {
            judged.serving = Some(2);
            judged.findings.push(Finding::in_spec("spec.origins[app].url", Reason::InvalidField, "no"));
        },
        &[
            "Accepted=False/InvalidField",
            "Programmed=False/NotReady",
            "Ready=False/InvalidField",
            "Reconciling=False/NeedsChange",
            "Stalled=True/NeedsChange",
        ],
    );
}

#[test]
fn a_lost_alias_does_not_touch_ready() {
    check(
        |judged| judged.findings.push(Finding::in_spec("spec.aliases[0]", Reason::AliasTaken, "held by a/b")),
        &["AliasesHeld=False/AliasTaken"],
    );
}

#[test]
fn edges_that_have_not_acknowledged_are_waited_for() {
    let waiting = ["Programmed=False/WaitingForEdges", "Ready=False/WaitingForEdges", "Reconciling=True/Programming"];
    check(|judged| judged.edges.acknowledged = 1, &waiting);
    check(|judged| judged.edges = EdgesSeen::default(), &waiting);
}

#[test]
fn what_edges_wait_for_until_new_pods_take_over_is_in_the_message_and_is_no_fault_of_the_references() {
    let lack = ReferenceState { field: "spec.a".into(), message: "this pod was made without it".into() };
    let mut waiting = Judged { edges: EdgesSeen { acknowledged: 0, ..sound().edges }, ..sound() };
    waiting.edges.reports.add(Some((&[], &[])));
    waiting.edges.reports.add_waits(&[lack]);
    let all = judge(&waiting, &[], &at(1));
    let programmed = ConditionType::Programmed.of(&all).expect("is there");
    let expect = "0 of 2 live edges serve generation 3; others wait for new pods: spec.a: this pod was made without it";
    assert_eq!((programmed.reason.as_str(), programmed.message.as_str()), ("WaitingForEdges", expect));
    assert!(ConditionType::ResolvedRefs.is_true(&all));
}

#[test]
fn what_keeps_the_pods_from_running_is_in_the_message() {
    let stuck = Judged {
        rolling: Some("pods of eu are being replaced".into()),
        edges: EdgesSeen { ailing: Some("pod a: why".into()), ..sound().edges },
        ..sound()
    };
    let told = judge(&stuck, &[], &at(1)).into_iter().find(|one| one.type_ == "Reconciling").expect("is there");
    assert_eq!(told.message, "pods of eu are being replaced: pod a: why");
    for edges in [
        EdgesSeen { ailing: Some("pod a: why".into()), ..EdgesSeen::default() },
        EdgesSeen {
            live: 1,
            acknowledged: 1,
            empty_locations: vec!["eu".into()],
            ailing: Some("pod a: why".into()),
            ..EdgesSeen::default()
        },
    ] {
        let judged = Judged { edges, ..sound() };
        let ready = judge(&judged, &[], &at(1)).into_iter().find(|one| one.type_ == "Ready").expect("is there");
        assert!(ready.status == "False" && ready.message.ends_with(": pod a: why"), "{ready:?}");
    }
}

#[test]
fn an_edge_that_refuses_is_heard() {
    check(
        |judged| judged.edges.refused = Some(("shop-1".into(), "too new".into())),
        &["Programmed=False/RefusedByEdge", "Ready=False/RefusedByEdge", "Reconciling=True/Programming"],
    );
}

#[test]
fn an_origin_without_endpoints_is_told_and_leaves_ready_alone() {
    check(
        |judged| judged.unhealthy_origins.push("spec.origins[app].service: …".into()),
        &["OriginsHealthy=False/NoEndpoints"],
    );
}

#[test]
fn a_caution_is_told_where_all_is_well() {
    let cautions = vec!["spec.origins[app].tls: mind".to_owned()];
    let all = judge(&Judged { cautions, ..sound() }, &[], &at(0));
    let accepted = ConditionType::Accepted.of(&all).expect("is there");
    assert_eq!(
        (accepted.status.as_str(), accepted.message.as_str()),
        ("True", "every field is valid; spec.origins[app].tls: mind")
    );
}

#[test]
fn every_location_needs_a_ready_edge() {
    check(
        |judged| judged.edges.empty_locations.push("eu".into()),
        &["Ready=False/NoReadyEdge", "Reconciling=True/NoReadyEdge"],
    );
}

#[test]
fn a_roll_out_is_told_and_leaves_ready_alone() {
    check(|judged| judged.rolling = Some("1 of 2".into()), &["Reconciling=True/RollingOut"]);
}

#[test]
fn an_object_that_cannot_be_written_is_told() {
    check(
        |judged| {
            judged.rolling = Some("1 of 2".into());
            judged.failing = Some("could not apply Deployment a/b: forbidden".into());
        },
        &["Reconciling=True/WriteFailed"],
    );
}

#[test]
fn ready_waits_for_the_order_of_a_content_version() {
    check(
        |judged| judged.content_version_complete = false,
        &["Ready=False/ContentVersionPending", "Reconciling=True/ContentVersionPending"],
    );
}

#[test]
fn a_new_leader_turns_nothing_false_because_edges_have_not_called_yet() {
    let before = judge(&sound(), &[], &at(0));
    let mut silent = sound();
    silent.edges.acknowledged = 0;
    silent.newly_leading = true;
    assert_eq!(judge(&silent, &before, &at(9)), before);
    silent.newly_leading = false;
    assert!(!ConditionType::Ready.is_true(&judge(&silent, &before, &at(9))), "later it does");
    silent.newly_leading = true;
    silent.generation = 4;
    silent.serving = Some(4);
    assert!(!ConditionType::Ready.is_true(&judge(&silent, &before, &at(9))), "a new generation was never acknowledged");
}

#[test]
fn a_time_moves_only_with_the_status() {
    let before = judge(&sound(), &[], &at(1));
    let mut changed = sound();
    changed.findings.push(missing_service());
    let after = judge(&changed, &before, &at(2));
    let time = |type_: ConditionType, all: &[Condition]| type_.of(all).expect("is there").last_transition_time.clone();
    assert_eq!(time(ConditionType::Programmed, &after), at(1));
    assert_eq!(time(ConditionType::Ready, &after), at(2));
}
