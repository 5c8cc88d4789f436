//! What was decided and what the edge reports into what a cluster would show of each Distribution: its conditions.
//!
//! Guarantees: they are judged by the operator's own rules, anew whenever the files or what the edge reports have changed. There is one
//! edge here, so `locations` and their pods are nobody's concern.

use std::collections::BTreeMap;

use crds::DistributionStatus;
use edge_contract::{OriginState, ReferenceState};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use operator::conditions::{EdgesSeen, Judged, judge};
use operator::names::DistributionKey;
use operator::reports::Reports;
use serde_json::{Value, json};

use super::mounted::Lack;
use crate::serving::Served;

/// What the edge is called where it refuses something.
const EDGE: &str = "the edge";

/// What the edge says of one Distribution.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// What of it is mounted and missing, or of no use.
    pub references: Vec<ReferenceState>,
    /// Its origins that do not answer.
    pub origins: Vec<OriginState>,
    /// Its origins that are nowhere on this machine, each with its field and what mends it.
    pub nowhere: Vec<String>,
    /// Why the edge refused the newest configuration.
    pub refused: Option<String>,
}

impl Said {
    /// What it says of what serves of a Distribution, if anything does.
    pub fn of(served: Option<&Served>, lacks: &[Lack], origins: &[OriginState], refused: Option<&String>) -> Self {
        let refused = refused.cloned();
        let Some(Served { site, placed, .. }) = served else { return Self { refused, ..Self::default() } };
        let nowhere = placed.iter().filter(|one| one.address.is_none()).filter_map(|one| {
            let mends = one.mends.as_ref()?;
            Some(format!("spec.origins[{}]: it is nowhere on this machine; {mends}", one.origin))
        });
        Self {
            references: lacks.iter().filter(|lack| lack.site == site.name).map(Lack::told).collect(),
            origins: origins.iter().filter(|origin| origin.site == site.id).cloned().collect(),
            nowhere: nowhere.collect(),
            refused,
        }
    }
}

/// The status of each Distribution.
#[derive(Debug, Default)]
pub struct Conditions(BTreeMap<DistributionKey, DistributionStatus>);

impl Conditions {
    /// Judges these and no others from here on. `judged` is what was decided of each, and what the edge says of it.
    pub fn take(&mut self, all: impl Iterator<Item = (DistributionKey, Judged, Said)>, now: &Time) {
        let mut before = std::mem::take(&mut self.0);
        for (key, judged, said) in all {
            let before = before.remove(&key).unwrap_or_default();
            self.0.insert(key, status(judged, said, &before.conditions, now));
        }
    }

    /// As `kubectl get distributions -o json` shows it, without what everybody has in their files.
    pub fn to_json(&self) -> Value {
        let item = |(key, status): (&DistributionKey, &DistributionStatus)| {
            json!({
                "apiVersion": format!("{}/v1alpha1", crds::GROUP),
                "kind": "Distribution",
                "metadata": {
                    "name": key.name, "namespace": key.namespace, "generation": status.observed_generation,
                },
                "status": status,
            })
        };
        json!({ "apiVersion": "v1", "kind": "List", "items": self.0.iter().map(item).collect::<Vec<_>>() })
    }
}

fn status(judged: Judged, said: Said, before: &[Condition], now: &Time) -> DistributionStatus {
    let Said { references, origins, nowhere, refused } = said;
    let mut reports = Reports::default();
    reports.add(Some((&references, &origins)));
    let edges = EdgesSeen {
        live: 1,
        acknowledged: u32::from(refused.is_none()),
        refused: refused.map(|words| (EDGE.to_owned(), words)),
        reports,
        ..EdgesSeen::default()
    };
    // What a changed `contentVersion` voids is removed before anybody can ask.
    let judged = Judged { unhealthy_origins: nowhere, edges, content_version_complete: true, ..judged };
    DistributionStatus {
        observed_generation: Some(judged.generation),
        programmed_generation: judged.serving,
        conditions: judge(&judged, before, now),
        ..DistributionStatus::default()
    }
}

#[cfg(test)]
mod tests {
    use crds::condition::ConditionType;

    use super::*;

    fn now() -> Time {
        Time(operator::clock::wall())
    }

    #[track_caller]
    fn check(judged: Judged, said: Said, expect: &[(ConditionType, &str)]) {
        let mut conditions = Conditions::default();
        conditions.take(std::iter::once((DistributionKey::new("default", "shop"), judged, said)), &now());
        let shown = &conditions.to_json()["items"][0]["status"]["conditions"];
        let of = |type_: ConditionType| {
            let one = shown.as_array().into_iter().flatten().find(|one| one["type"] == type_.as_str()).expect("is one");
            format!("{} {}: {}", one["status"], one["reason"], one["message"]).replace('"', "")
        };
        for (type_, expect) in expect {
            assert_eq!(of(*type_), *expect);
        }
    }

    fn serving() -> Judged {
        Judged { generation: 2, serving: Some(2), ..Judged::default() }
    }

    #[test]
    fn what_serves_is_ready() {
        check(serving(), Said::default(), &[(ConditionType::Ready, "True Succeeded: every edge serves generation 2")]);
        let refused = Judged { serving: Some(1), ..serving() };
        let told = "False NotReady: generation 1 serves on, because generation 2 is refused";
        check(refused, Said::default(), &[(ConditionType::Programmed, told)]);
    }

    #[test]
    fn what_the_edge_says_makes_conditions_false() {
        let reference = ReferenceState { field: "spec.a".into(), message: "is missing".into() };
        let origin =
            OriginState { site: "uid".into(), origin: "app".into(), healthy: false, message: "is mute".into() };
        let said = Said {
            references: vec![reference],
            origins: vec![origin],
            nowhere: vec!["spec.origins[api]: add a flag".into()],
            refused: None,
        };
        let unhealthy =
            "False NoEndpoints: spec.origins[api]: add a flag; origin app is unhealthy on 1 of 1 edges: is mute";
        let expect = [
            (ConditionType::ResolvedRefs, "False RefUnusable: spec.a: is missing"),
            (ConditionType::OriginsHealthy, unhealthy),
        ];
        check(serving(), said, &expect);
        let said = Said { refused: Some("too odd".into()), ..Said::default() };
        let told = "False RefusedByEdge: the edge refused the configuration and serves the one before: too odd";
        check(serving(), said, &[(ConditionType::Programmed, told)]);
    }

    #[test]
    fn the_time_of_a_condition_is_that_of_its_last_change() {
        let (early, late) = (Time("2026-01-01T00:00:00Z".parse().expect("is one")), now());
        let mut conditions = Conditions::default();
        let mut time_after = |said: Said, at: &Time| {
            conditions.take(std::iter::once((DistributionKey::new("default", "shop"), serving(), said)), at);
            let shown = conditions.to_json();
            let all = shown["items"][0]["status"]["conditions"].as_array().cloned().expect("are some");
            all.into_iter().find(|one| one["type"] == "OriginsHealthy").expect("is one")["lastTransitionTime"].clone()
        };
        let first = time_after(Said::default(), &early);
        assert_eq!(first, time_after(Said::default(), &late));
        let lost = Said { nowhere: vec!["spec.origins[api]".into()], ..Said::default() };
        assert_ne!(first, time_after(lost, &late));
    }
}
