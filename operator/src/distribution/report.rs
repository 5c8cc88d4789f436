//! What was resolved and applied, and what edges and pods say, into the status: the only place that writes it, `accept` aside.
//!
//! Guarantees: nothing is written that stands there already. An Event is told when a condition changed, and only then.
//! Errors: a conflict means that somebody wrote meanwhile: look again.

use std::sync::Arc;
use std::time::Duration;

use crds::condition::{ConditionType, Reason};
use crds::distribution::{
    Address, AddressType, Distribution, DistributionSpec, DistributionStatus, EdgesStatus, LocationStatus, Origin,
};
use edge_contract::CONTRACT;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Api, PostParams};
use kube::{Resource, ResourceExt};

use crate::causes::chain;
use crate::conditions::{EdgesSeen, Judged, judge};
use crate::context::Context;
use crate::distribution::accept::Accepted;
use crate::distribution::ailing::ailing;
use crate::distribution::apply::Applied;
use crate::distribution::observed::Observed;
use crate::distribution::plan::{is_rolling, without_endpoints};
use crate::distribution::resolve::Resolution;
use crate::distribution::resolved::{Resolved, ResolvedLocation};
use crate::distribution::taken_numbers::Number;
use crate::edges::EdgeSeen;
use crate::invalidation::content_version;
use crate::leader::Leadership;
use crate::names::{self, DistributionKey, LOCATION_LABEL, key_of};
use crate::pods::is_ready;
use crate::reports::Reports;
use crate::setback::{Setback, without_ports};
use crate::table::Group;
use crate::wake::Wake;
use crate::{clock, slim};

/// How long edges have to call a new leader before their silence counts.
const TIME_TO_CALL: Duration = Duration::from_secs(30);

/// How often a foreign object is looked for again: it carries no label, so no watch tells when it goes.
const FOREIGN_AGAIN: Duration = Duration::from_secs(30);

/// Why a Distribution is not Ready where nothing is wrong: after each edit, for a moment.
const ON_THE_WAY: [Reason; 4] =
    [Reason::WaitingForEdges, Reason::Programming, Reason::RollingOut, Reason::ContentVersionPending];

/// What was attempted.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The status could not be written.
    #[error("could not write the status")]
    WriteStatus(#[source] Box<kube::Error>),
}

/// What there is to report.
pub struct Outcome<'a> {
    /// What was looked at.
    pub observed: &'a Observed,
    /// What serves, and what is to be mended.
    pub resolution: &'a Resolution,
    /// What was carried out; nothing where no generation can serve.
    pub carried_out: Option<(&'a Accepted, &'a Applied)>,
}

/// One edge, as its pod and its stream show it.
struct Edge<'a> {
    location: &'a str,
    ready: bool,
    live: bool,
    seen: Option<&'a EdgeSeen>,
}

/// Writes the status where it differs; when to look again.
pub async fn report(context: &Context, outcome: Outcome<'_>) -> Result<Wake, ReportError> {
    let distribution =
        outcome.carried_out.map_or(&outcome.observed.distribution, |(accepted, _)| &accepted.distribution);
    let before = distribution.status.clone().unwrap_or_default();
    let time_to_call = time_to_call(context);
    let (status, settled) = status(context, &outcome, &before, time_to_call.at.is_some());
    let status = Distribution { status: Some(status), ..(**distribution).clone() };
    let conditions = status.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
    if status.status.as_ref() != Some(&before) {
        write(context, status).await?;
        tell(context, distribution, &before.conditions, &conditions).await;
    }
    let foreign = outcome.resolution.findings.iter().any(|finding| finding.reason == Reason::NameTaken);
    let again = if foreign { Wake::after(FOREIGN_AGAIN, "another's object may be gone") } else { Wake::ON_CHANGE };
    Ok(time_to_call.or(again).or(settled))
}

/// Until when edges have time to call this leader.
fn time_to_call(context: &Context) -> Wake {
    match *context.leadership.borrow() {
        Leadership::Leading { since } if clock::monotonic() < since + TIME_TO_CALL => {
            Wake::at(since + TIME_TO_CALL, "edges had time to call")
        }
        _ => Wake::ON_CHANGE,
    }
}

/// The status as it is to be, and when it is to be another though nothing changes.
fn status(
    context: &Context,
    outcome: &Outcome,
    before: &DistributionStatus,
    newly_leading: bool,
) -> (DistributionStatus, Wake) {
    let Outcome { observed, resolution, carried_out } = outcome;
    let distribution = &observed.distribution;
    let key = key_of(distribution);
    let generation = distribution.metadata.generation.unwrap_or_default();
    let seen = context.edges.snapshot(&key);
    let edges = edges(&observed.pods, &seen);
    let number = carried_out.map(|(accepted, _)| accepted.number);
    let resolved = resolution.resolved.as_ref();
    let locations = resolved.map(|resolved| resolved.locations.as_slice()).unwrap_or_default();
    let ailing = ailing(observed.pods.iter().map(|pod| &**pod));
    let mut heard = EdgesSeen { ailing, ..heard(&edges, locations, number) };
    let due = context.told_origins.steady(&key, generation, &mut heard.reports, clock::monotonic());
    let settled = Wake { at: due, why: "edges may still say so of origins" };
    let programmed = heard.live > 0 && heard.acknowledged == heard.live;
    let judged = Judged {
        generation,
        serving: resolved.map(|resolved| resolved.generation),
        findings: resolution.findings.clone(),
        unhealthy_origins: resolved.map(|resolved| without_endpoints(observed, resolved)).unwrap_or_default(),
        cautions: cautions(&distribution.spec),
        rolling: rolling(context, &key, carried_out.map(|(_, applied)| applied)),
        failing: carried_out.and_then(|(_, applied)| failing(applied)),
        content_version_complete: content_version::is_complete(distribution),
        newly_leading,
        edges: heard,
    };
    let conditions = judge(&judged, &before.conditions, &Time(clock::wall()));
    let mut status = DistributionStatus { observed_generation: Some(generation), conditions, ..before.clone() };
    let Some(resolved) = resolved else { return (status, settled) };
    if programmed {
        status.programmed_generation = Some(resolved.generation);
    }
    status.aliases.clone_from(&resolved.aliases);
    status.addresses = addresses(context, &key);
    let patient = newly_leading && ConditionType::Programmed.is_true(&status.conditions) && !programmed;
    if !patient {
        count(&mut status, resolved, &edges, number);
    }
    (status, settled)
}

/// What a spec asks for that somebody may have forgotten.
pub fn cautions(spec: &DistributionSpec) -> Vec<String> {
    let is_believed = |origin: &&Origin| origin.tls.as_ref().is_some_and(|tls| tls.insecure_skip_verify == Some(true));
    let believed = spec.origins.iter().filter(is_believed);
    let told = |origin: &Origin| {
        format!("spec.origins[{}].tls.insecureSkipVerify: whoever answers is believed to be this origin", origin.name)
    };
    believed.map(told).collect()
}

/// Every pod of the Distribution, and every open stream whose pod is not seen yet.
fn edges<'a>(pods: &'a [Arc<Pod>], seen: &'a [EdgeSeen]) -> Vec<Edge<'a>> {
    let of_pods = pods.iter().map(|pod| {
        let seen = seen.iter().find(|seen| Some(&seen.uid) == pod.metadata.uid.as_ref());
        let ready = is_ready(pod);
        let location = pod.labels().get(LOCATION_LABEL).map(String::as_str).unwrap_or_default();
        Edge { location, ready, live: ready || seen.is_some_and(|seen| seen.connected), seen }
    });
    let unseen = seen.iter().filter(|seen| !pods.iter().any(|pod| pod.metadata.uid.as_ref() == Some(&seen.uid)));
    let of_streams = unseen.map(|seen| Edge { location: "", ready: false, live: seen.connected, seen: Some(seen) });
    of_pods.chain(of_streams).collect()
}

impl Edge<'_> {
    fn serves(&self, number: Option<Number>) -> bool {
        self.live && number.is_some() && self.seen.and_then(|seen| seen.accepted) == number
    }
}

/// What the conditions are judged by.
fn heard(edges: &[Edge], locations: &[ResolvedLocation], number: Option<Number>) -> EdgesSeen {
    let live = || edges.iter().filter(|edge| edge.live);
    let seen = || live().filter_map(|edge| edge.seen);
    let refused = |seen: &EdgeSeen| {
        let refused = seen.rejected.as_ref().filter(|refused| Some((refused.epoch, refused.revision)) == number)?;
        Some((seen.pod.clone(), refusal(seen.contract, &refused.reason)))
    };
    let is_empty =
        |location: &&ResolvedLocation| !edges.iter().any(|edge| edge.ready && edge.location == location.name);
    EdgesSeen {
        live: counted(live().count()),
        acknowledged: counted(edges.iter().filter(|edge| edge.serves(number)).count()),
        refused: seen().find_map(refused),
        reports: reports(edges),
        empty_locations: locations.iter().filter(is_empty).map(|location| location.name.clone()).collect(),
        ailing: None,
    }
}

/// An edge's words, and that of an older release its pod is to be replaced, which nobody needs to mend.
fn refusal(contract: u32, words: &str) -> String {
    let older = if contract < CONTRACT { "; its pod is of an older release and is being replaced" } else { "" };
    format!("{words}{older}")
}

/// What live edges say of what only they can see.
fn reports(edges: &[Edge]) -> Reports {
    let mut reports = Reports::default();
    for edge in edges.iter().filter(|edge| edge.live) {
        let report = edge.seen.and_then(|seen| seen.report.as_ref());
        if let Some(report) = report {
            reports.add_waits(&report.waits_for);
        }
        reports.add(report.map(|report| (report.references.as_slice(), report.origins.as_slice())));
    }
    reports
}

/// What of the pods is on its way.
fn rolling(context: &Context, key: &DistributionKey, applied: Option<&Applied>) -> Option<String> {
    let deployments = context.stores.deployments.of(&Group::Distribution(key.clone()));
    let rolling: Vec<_> = deployments.iter().filter(|one| is_rolling(one)).map(|one| one.name_any()).collect();
    let waiting = applied.and_then(|applied| applied.held_back.first());
    let waits = waiting.map(|held| format!("{} waits until {} is through", held.deployment, held.waits_for));
    match (rolling.is_empty(), waits) {
        (true, waits) => waits,
        (false, None) => Some(format!("pods of {} are being created, replaced or removed", rolling.join(", "))),
        (false, Some(waits)) => Some(format!("pods of {} are being replaced; {waits}", rolling.join(", "))),
    }
}

/// What could not be written, for people: that a look was out of date is mended before anybody reads of it.
fn failing(applied: &Applied) -> Option<String> {
    let failure = applied.failures.first()?;
    match Setback::of(failure) {
        Setback::Failure => Some(without_ports(&chain(failure))),
        Setback::NamespaceEnds => Some("the namespace is being removed, so nothing is made in it any more".to_owned()),
        Setback::OwnerUnknown => Some(
            "the API server is still learning what a Distribution is, within half a minute of its definition"
                .to_owned(),
        ),
        Setback::Overtaken => None,
    }
}

fn count(status: &mut DistributionStatus, resolved: &Resolved, edges: &[Edge], number: Option<Number>) {
    let of = |location: &ResolvedLocation| {
        let here = || edges.iter().filter(|edge| edge.location == location.name);
        LocationStatus {
            name: location.name.clone(),
            desired: u32::try_from(location.replicas).unwrap_or_default(),
            ready: counted(here().filter(|edge| edge.ready).count()),
            acknowledged: counted(here().filter(|edge| edge.serves(number)).count()),
        }
    };
    status.locations = resolved.locations.iter().map(of).collect();
    let sum = |of: fn(&LocationStatus) -> u32| status.locations.iter().map(of).sum::<u32>();
    let (desired, ready) = (sum(|location| location.desired), sum(|location| location.ready));
    let acknowledged = sum(|location| location.acknowledged);
    status.edges = Some(EdgesStatus { desired, ready, acknowledged, summary: format!("{acknowledged}/{desired}") });
}

/// Where viewers reach the edges: the Service's own name, and what its load balancer was given.
fn addresses(context: &Context, key: &DistributionKey) -> Vec<Address> {
    let name = names::edge(&key.name);
    let service = context.stores.services.find(&key.namespace, &name);
    let balancer = service.as_ref().and_then(|service| service.status.as_ref()?.load_balancer.as_ref());
    let ingress = balancer.and_then(|balancer| balancer.ingress.as_deref()).unwrap_or_default();
    let own = Address { type_: AddressType::ClusterDNS, value: format!("{name}.{}.svc", key.namespace) };
    let hosts = ingress.iter().filter_map(|one| one.hostname.clone()).map(|host| (AddressType::Hostname, host));
    let ips = ingress.iter().filter_map(|one| one.ip.clone()).map(|ip| (AddressType::IP, ip));
    let outside = hosts.chain(ips).map(|(type_, value)| Address { type_, value });
    std::iter::once(own).chain(outside).collect()
}

fn counted(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

async fn write(context: &Context, distribution: Distribution) -> Result<(), ReportError> {
    let namespace = distribution.namespace().unwrap_or_default();
    let api: Api<Distribution> = Api::namespaced(context.client.clone(), &namespace);
    context.metrics.wrote("update", "Distribution/status");
    let written = api.replace_status(&distribution.name_any(), &PostParams::default(), &distribution).await;
    let mut written = written.map_err(|source| ReportError::WriteStatus(Box::new(source)))?;
    slim::meta(&mut written);
    context.stores.distributions.learn(written);
    Ok(())
}

/// Tells of conditions that changed. What merely follows from others is not told.
async fn tell(context: &Context, distribution: &Distribution, before: &[Condition], after: &[Condition]) {
    let object = distribution.object_ref(&());
    for type_ in [
        ConditionType::Accepted,
        ConditionType::ResolvedRefs,
        ConditionType::AliasesHeld,
        ConditionType::OriginsHealthy,
        ConditionType::Ready,
    ] {
        let (was, is) = (type_.of(before), type_.of(after));
        let Some(is) = is.filter(|is| was.is_none_or(|was| was.status != is.status)) else { continue };
        // A Distribution that is new is not news: that it is not ready yet goes without saying.
        let good = is.status == "True";
        if was.is_none() && (good || type_ == ConditionType::Ready) {
            continue;
        }
        let message = format!("{}: {}", is.reason, is.message);
        // Repetitions keep the words of the first: none that another edit makes untrue.
        if good {
            context.events.note(&object, type_.as_str(), "as it should be").await;
        } else if ON_THE_WAY.iter().any(|reason| reason.as_str() == is.reason) {
            context.events.note(&object, &is.reason, "edges are being told or replaced").await;
        } else {
            context.events.warn(&object, &format!("Not{}", type_.as_str()), &message).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_of_an_older_release_that_refuses_is_told_to_be_on_its_way_out() {
        assert_eq!(refusal(CONTRACT, "no"), "no");
        assert_eq!(refusal(CONTRACT - 1, "no"), "no; its pod is of an older release and is being replaced");
    }
}
