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
        live => {
            let counted = format!("{} of {live} live edges serve generation {generation}", edges.acknowledged);
            edges
                .reports
                .waits()
                .iter()
                .fold(counted, |told, waits| format!("{told}; others wait for new pods: {waits}"))
        }
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
mod tests;
