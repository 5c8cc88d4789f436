//! Findings and what the edges answered into the conditions of a Distribution.
//!
//! Guarantees: every condition is there at every time, with the generation it was judged for; its time moves only with its
//! status. kstatus reads them rightly: while work is under way Reconciling is True, and Stalled is True only when nothing but a
//! new generation helps; never both.

use crds::condition::{ConditionType, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::finding::{Finding, MendedBy};
use crate::reports::Reports;

/// What a Distribution is judged by.
#[derive(Clone, Debug, Default)]
pub struct Judged {
    /// The newest generation: every condition is about it.
    pub generation: i64,
    /// The generation that the edges are told to serve; nothing while none can be.
    pub serving: Option<i64>,
    /// What is to be mended.
    pub findings: Vec<Finding>,
    /// Origins that nobody can be asked for right now, each with its field and why.
    pub unhealthy_origins: Vec<String>,
    /// What is as the user asked and yet worth a word, each with its field.
    pub cautions: Vec<String>,
    /// What the edges say.
    pub edges: EdgesSeen,
    /// What of the pods is being created, replaced or removed, for people; nothing when none is.
    pub rolling: Option<String>,
    /// An object that could not be written, and why; nothing when all were.
    pub failing: Option<String>,
    /// Whether the order that a changed `contentVersion` made is complete.
    pub content_version_complete: bool,
    /// This operator leads for so short a time that edges may not have called yet.
    pub newly_leading: bool,
}

/// What the edges of a Distribution say.
#[derive(Clone, Debug, Default)]
pub struct EdgesSeen {
    /// Edges that serve or may: their pod is Ready, or their stream is open.
    pub live: u32,
    /// Those of them that acknowledged the newest configuration.
    pub acknowledged: u32,
    /// An edge that refused it, and why in its own words.
    pub refused: Option<(String, String)>,
    /// What they say of what only they can see.
    pub reports: Reports,
    /// Locations without a ready edge.
    pub empty_locations: Vec<String>,
    /// What keeps a pod from running, for people.
    pub ailing: Option<String>,
}

/// A condition before it gets its time.
pub(crate) struct Verdict {
    pub(crate) holds: bool,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Verdict {
    pub(crate) fn holds(message: impl Into<String>) -> Self {
        Self { holds: true, reason: Reason::Succeeded, message: message.into() }
    }

    pub(crate) fn fails(reason: Reason, message: impl Into<String>) -> Self {
        Self { holds: false, reason, message: message.into() }
    }
}

/// Judges a Distribution; `before` are its conditions until now.
pub fn judge(judged: &Judged, before: &[Condition], now: &Time) -> Vec<Condition> {
    let accepted = of_findings(judged, ConditionType::Accepted).unwrap_or_else(|| accepted(judged));
    let resolved = resolved_refs(judged, before);
    let aliases = of_findings(judged, ConditionType::AliasesHeld)
        .unwrap_or_else(|| Verdict::holds("no alias is held by another"));
    let origins = origins_healthy(judged, before);
    let programmed = programmed(judged, before);
    let ready = ready(judged, &[&accepted, &resolved, &programmed]);
    let stalled = stalled(judged);
    let reconciling = reconciling(judged, &ready, &stalled, &programmed);
    [
        (ConditionType::Accepted, accepted),
        (ConditionType::ResolvedRefs, resolved),
        (ConditionType::AliasesHeld, aliases),
        (ConditionType::OriginsHealthy, origins),
        (ConditionType::Programmed, programmed),
        (ConditionType::Ready, ready),
        (ConditionType::Reconciling, reconciling),
        (ConditionType::Stalled, stalled),
    ]
    .into_iter()
    .map(|(type_, verdict)| dated(type_, verdict, judged.generation, before, now))
    .collect()
}

/// A condition with its time: the old one's where the status is the same.
pub(crate) fn dated(
    type_: ConditionType,
    verdict: Verdict,
    generation: i64,
    before: &[Condition],
    now: &Time,
) -> Condition {
    let status = if verdict.holds { "True" } else { "False" };
    let unchanged = type_.of(before).filter(|condition| condition.status == status);
    Condition {
        type_: type_.as_str().to_owned(),
        status: status.to_owned(),
        reason: verdict.reason.as_str().to_owned(),
        message: shortened(verdict.message),
        observed_generation: Some(generation),
        last_transition_time: unchanged.map_or(now, |condition| &condition.last_transition_time).clone(),
    }
}

/// The API server takes messages of at most 32,768 characters; nobody reads so many.
fn shortened(message: String) -> String {
    const LONGEST: usize = 4_096;
    if message.chars().nth(LONGEST).is_none() {
        return message;
    }
    message.chars().take(LONGEST).chain("…".chars()).collect()
}

/// Which condition a finding makes False.
fn condition_of(finding: &Finding) -> ConditionType {
    match finding.reason {
        Reason::NotFound
        | Reason::PortNotFound
        | Reason::RefNotPermitted
        | Reason::UnsupportedProtocol
        | Reason::AddressPending => ConditionType::ResolvedRefs,
        Reason::AliasTaken => ConditionType::AliasesHeld,
        _ => ConditionType::Accepted,
    }
}

/// What the findings make of a condition: nothing if none is about it.
fn of_findings(judged: &Judged, type_: ConditionType) -> Option<Verdict> {
    let mut about = judged.findings.iter().filter(|finding| condition_of(finding) == type_).peekable();
    let reason = about.peek()?.reason;
    let told: Vec<String> = about.map(|finding| format!("{}: {}", finding.field, finding.message)).collect();
    Some(Verdict::fails(reason, told.join("; ")))
}

/// A caution is no fault: whoever waits for Accepted waits in vain for nothing.
fn accepted(judged: &Judged) -> Verdict {
    let told = judged.cautions.iter().fold("every field is valid".to_owned(), |told, one| format!("{told}; {one}"));
    Verdict::holds(told)
}

fn resolved_refs(judged: &Judged, before: &[Condition]) -> Verdict {
    let missing = of_findings(judged, ConditionType::ResolvedRefs);
    let unusable = judged.edges.reports.unusable().map(|told| Verdict::fails(Reason::RefUnusable, told));
    joined(missing, unusable)
        .or_else(|| remembered(ConditionType::ResolvedRefs, Reason::RefUnusable, judged, before))
        .unwrap_or_else(|| Verdict::holds("everything that is named was found"))
}

/// A state of the world, no fault of the Distribution: Ready is not affected.
fn origins_healthy(judged: &Judged, before: &[Condition]) -> Verdict {
    let empty = Some(judged.unhealthy_origins.join("; ")).filter(|told| !told.is_empty());
    let silent = judged.edges.reports.unhealthy().map(|told| Verdict::fails(Reason::OriginUnhealthy, told));
    joined(empty.map(|told| Verdict::fails(Reason::NoEndpoints, told)), silent)
        .or_else(|| remembered(ConditionType::OriginsHealthy, Reason::OriginUnhealthy, judged, before))
        .unwrap_or_else(|| Verdict::holds("no origin is known to be down"))
}

/// What the cluster shows, then what edges say.
fn joined(shown: Option<Verdict>, said: Option<Verdict>) -> Option<Verdict> {
    match (shown, said) {
        (Some(shown), Some(said)) => Some(Verdict::fails(shown.reason, format!("{}; {}", shown.message, said.message))),
        (shown, said) => shown.or(said),
    }
}

/// What edges said before, while one of those that are live has not said anything yet: that it is silent mends nothing.
fn remembered(type_: ConditionType, reason: Reason, judged: &Judged, before: &[Condition]) -> Option<Verdict> {
    let is_silent = judged.newly_leading || judged.edges.reports.silent > 0;
    let was = type_.of(before).filter(|was| is_silent && was.status == "False" && was.reason == reason.as_str())?;
    Some(Verdict::fails(reason, was.message.clone()))
}

fn programmed(judged: &Judged, before: &[Condition]) -> Verdict {
    let generation = judged.generation;
    match judged.serving {
        None => return Verdict::fails(Reason::NotReady, "no generation can be served yet"),
        Some(serving) if serving != generation => {
            let message = format!("generation {serving} serves on, because generation {generation} is refused");
            return Verdict::fails(Reason::NotReady, message);
        }
        Some(_) => {}
    }
    let edges = &judged.edges;
    if let Some((edge, words)) = &edges.refused {
        let message = format!("{edge} refused the configuration and serves the one before: {words}");
        return Verdict::fails(Reason::RefusedByEdge, message);
    }
    if edges.live > 0 && edges.acknowledged == edges.live {
        return Verdict::holds(format!("every live edge serves generation {generation}"));
    }
    // A new leader has heard from nobody: what was acknowledged before it led still is, until they had time to call.
    let was = ConditionType::Programmed.of(before).filter(|condition| condition.status == "True");
    if let Some(was) = was.filter(|was| judged.newly_leading && was.observed_generation == Some(generation)) {
        return Verdict::holds(was.message.clone());
    }
    let message = match edges.live {
        0 => with_cause("no edge runs yet".to_owned(), edges),
        live => format!("{} of {live} live edges serve generation {generation}", edges.acknowledged),
    };
    Verdict::fails(Reason::WaitingForEdges, message)
}

fn ready(judged: &Judged, clauses: &[&Verdict]) -> Verdict {
    if let Some(missing) = clauses.iter().find(|verdict| !verdict.holds) {
        return Verdict::fails(missing.reason, missing.message.clone());
    }
    if !judged.edges.empty_locations.is_empty() {
        let message = format!("no edge is ready in {}", judged.edges.empty_locations.join(", "));
        let message = with_cause(message, &judged.edges);
        return Verdict::fails(Reason::NoReadyEdge, message);
    }
    if !judged.content_version_complete {
        let message = "the old content is being removed, because contentVersion changed";
        return Verdict::fails(Reason::ContentVersionPending, message);
    }
    Verdict::holds(format!("every edge serves generation {}", judged.generation))
}

/// What is missing, and what keeps it if the pods say so.
fn with_cause(message: String, edges: &EdgesSeen) -> String {
    edges.ailing.iter().fold(message, |message, cause| format!("{message}: {cause}"))
}

/// Whether only a new generation of this object can help.
fn stalled(judged: &Judged) -> Verdict {
    let hopeless =
        |finding: &&Finding| finding.mended_by == MendedBy::Spec && condition_of(finding) != ConditionType::AliasesHeld;
    match judged.findings.iter().find(hopeless) {
        Some(finding) => Verdict {
            holds: true,
            reason: Reason::NeedsChange,
            message: format!("change {}: {}", finding.field, finding.message),
        },
        None => Verdict::fails(Reason::Idle, ""),
    }
}

fn reconciling(judged: &Judged, ready: &Verdict, stalled: &Verdict, programmed: &Verdict) -> Verdict {
    let working = |reason, message: &str| Verdict { holds: true, reason, message: message.to_owned() };
    if stalled.holds {
        return Verdict::fails(Reason::NeedsChange, "");
    }
    if let Some(failing) = &judged.failing {
        return working(Reason::WriteFailed, failing);
    }
    if let Some(rolling) = &judged.rolling {
        return working(Reason::RollingOut, &with_cause(rolling.clone(), &judged.edges));
    }
    if !programmed.holds {
        return working(Reason::Programming, &programmed.message);
    }
    if !ready.holds {
        return working(ready.reason, &ready.message);
    }
    Verdict::fails(Reason::Idle, "")
}

#[cfg(test)]
mod tests {
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
        let waiting =
            ["Programmed=False/WaitingForEdges", "Ready=False/WaitingForEdges", "Reconciling=True/Programming"];
        check(|judged| judged.edges.acknowledged = 1, &waiting);
        check(|judged| judged.edges = EdgesSeen::default(), &waiting);
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
        assert!(
            !ConditionType::Ready.is_true(&judge(&silent, &before, &at(9))),
            "a new generation was never acknowledged"
        );
    }

    #[test]
    fn a_time_moves_only_with_the_status() {
        let before = judge(&sound(), &[], &at(1));
        let mut changed = sound();
        changed.findings.push(missing_service());
        let after = judge(&changed, &before, &at(2));
        let time =
            |type_: ConditionType, all: &[Condition]| type_.of(all).expect("is there").last_transition_time.clone();
        assert_eq!(time(ConditionType::Programmed, &after), at(1));
        assert_eq!(time(ConditionType::Ready, &after), at(2));
    }
}
