//! Planned Deployments into those whose turn it is: pod templates roll one location after the other.
//!
//! Flow: everything that makes no new pods is applied at once, and so is a location that does not run yet. Of the locations
//! whose template differs from the live one, the first rolls; the next one waits until its pods are all new.
//! Guarantees: a template that does not work stops at one pod of one location, and mending it starts there.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use serde::Serialize;

use crate::holds::holds;
use crate::names::TEMPLATE_ANNOTATION;

/// Deployments that exist, by name.
type Live = BTreeMap<String, Arc<Deployment>>;

/// A Deployment that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldBack {
    /// The Deployment whose template is not applied yet.
    pub deployment: String,
    /// The Deployment whose pods are being replaced.
    pub waits_for: String,
}

/// Those to apply now, and those that wait.
pub(super) fn in_turn(planned: Vec<Deployment>, live: &Live) -> (Vec<Deployment>, Vec<HeldBack>) {
    let mut rolling = planned.iter().find(|one| is_mid_roll(one, live)).map(ResourceExt::name_any);
    let (mut now, mut held_back) = (Vec::new(), Vec::new());
    for one in planned {
        let name = one.name_any();
        let is_due = live.get(&name).is_none_or(|live| !makes_new_pods(&one, live));
        match &rolling {
            Some(other) if !is_due && *other != name => {
                held_back.push(HeldBack { deployment: name, waits_for: other.clone() });
            }
            _ => {
                if !is_due {
                    rolling = Some(name);
                }
                now.push(one);
            }
        }
    }
    (now, held_back)
}

/// Whether applying the plan replaces the pods that run: somebody changed their template, or the plan says something else
/// than the last one did. A Deployment of a release that kept no digest of that shows only what is missing in it.
fn makes_new_pods(planned: &Deployment, live: &Deployment) -> bool {
    let template = |deployment: &Deployment| deployment.spec.as_ref().map(|spec| spec.template.clone());
    let digest = |deployment: &Deployment| deployment.annotations().get(TEMPLATE_ANNOTATION).cloned();
    let is_planned_anew = digest(live).is_some_and(|last| Some(last) != digest(planned));
    is_planned_anew || !holds(&template(live), &template(planned))
}

/// Whether this location is on its way to the planned template: others then wait for it. One that rolls to a template that
/// is not planned any more comes up again as the first that differs.
fn is_mid_roll(planned: &Deployment, live: &Live) -> bool {
    let live = live.get(&planned.name_any());
    live.is_some_and(|live| is_rolling(live) && !makes_new_pods(planned, live))
}

/// Whether some of its pods are of an older template, or its controller has not looked at the newest one yet.
pub fn is_rolling(live: &Deployment) -> bool {
    let wanted = live.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let Some(status) = &live.status else { return true };
    let updated = status.updated_replicas.unwrap_or_default();
    status.observed_generation < live.metadata.generation
        || updated < wanted
        || status.replicas.unwrap_or_default() > updated
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::{DeploymentSpec, DeploymentStatus};
    use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    use super::*;

    fn deployment(name: &str, image: &str) -> Deployment {
        let container = Container { name: "edge".into(), image: Some(image.into()), ..Container::default() };
        let pod = PodSpec { containers: vec![container], ..PodSpec::default() };
        let template = PodTemplateSpec { metadata: None, spec: Some(pod) };
        Deployment {
            metadata: ObjectMeta { name: Some(name.into()), generation: Some(5), ..ObjectMeta::default() },
            spec: Some(DeploymentSpec { replicas: Some(2), template, ..DeploymentSpec::default() }),
            status: None,
        }
    }

    /// A live Deployment with an image, so many pods, and so many of them of its newest template.
    fn live(name: &str, image: &str, replicas: i32, updated: i32) -> (String, Arc<Deployment>) {
        let status = DeploymentStatus {
            observed_generation: Some(5),
            replicas: Some(replicas),
            updated_replicas: Some(updated),
            ..DeploymentStatus::default()
        };
        (name.into(), Arc::new(Deployment { status: Some(status), ..deployment(name, image) }))
    }

    /// Plans image `new` for a, b and c: those that are applied, and those that wait as `one>other`.
    #[track_caller]
    fn check<const N: usize>(there: [(String, Arc<Deployment>); N], expect_now: &[&str], expect_waiting: &[&str]) {
        let planned = ["a", "b", "c"].map(|name| deployment(name, "new")).into();
        let (now, held_back) = in_turn(planned, &there.into());
        assert_eq!(now.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), expect_now);
        let waiting: Vec<_> = held_back.iter().map(|one| format!("{}>{}", one.deployment, one.waits_for)).collect();
        assert_eq!(waiting, expect_waiting);
    }

    #[test]
    fn locations_that_do_not_run_yet_come_up_together() {
        check([], &["a", "b", "c"], &[]);
        check([live("b", "old", 2, 2)], &["a", "b", "c"], &[]);
    }

    #[test]
    fn one_location_rolls_after_the_other() {
        let all = |image_of_a, a: (i32, i32)| {
            [live("a", image_of_a, a.0, a.1), live("b", "old", 2, 2), live("c", "old", 2, 2)]
        };
        check(all("old", (2, 2)), &["a"], &["b>a", "c>a"]);
        check(all("new", (3, 1)), &["a"], &["b>a", "c>a"]);
        check(all("new", (3, 2)), &["a"], &["b>a", "c>a"]);
        check(all("new", (2, 2)), &["a", "b"], &["c>b"]);
    }

    #[test]
    fn a_field_that_is_planned_no_more_rolls_in_turn_too() {
        let with_digest = |deployment: &Deployment, digest: &str| {
            let annotations = [(TEMPLATE_ANNOTATION.to_owned(), digest.to_owned())];
            let mut deployment = deployment.clone();
            deployment.metadata.annotations = Some(annotations.into());
            deployment
        };
        let there = ["a", "b"].map(|name| (name.to_owned(), Arc::new(with_digest(&live(name, "new", 2, 2).1, "more"))));
        let planned = ["a", "b"].map(|name| with_digest(&deployment(name, "new"), "less")).into();
        let (now, held_back) = in_turn(planned, &there.into());
        assert_eq!(now.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["a"]);
        assert_eq!(held_back, [HeldBack { deployment: "b".into(), waits_for: "a".into() }]);
    }

    #[test]
    fn a_later_location_that_rolls_already_is_waited_for() {
        let there = [live("a", "old", 2, 2), live("b", "new", 3, 1), live("c", "new", 2, 2)];
        check(there, &["b", "c"], &["a>b"]);
    }

    #[test]
    fn a_roll_to_a_template_that_is_planned_no_more_holds_nothing_up() {
        check([live("a", "broken", 3, 1), live("b", "old", 2, 2), live("c", "new", 2, 2)], &["a", "c"], &["b>a"]);
    }

    #[test]
    fn a_deployment_rolls_until_its_controller_has_seen_it_and_every_pod_is_new() {
        let check = |live: &Deployment, expect: bool| assert_eq!(is_rolling(live), expect, "{:?}", live.status);
        check(&live("a", "new", 2, 2).1, false);
        check(&live("a", "new", 2, 1).1, true);
        check(&live("a", "new", 3, 2).1, true);
        check(&deployment("a", "new"), true);
        let mut unseen = (*live("a", "new", 2, 2).1).clone();
        unseen.metadata.generation = Some(6);
        check(&unseen, true);
    }
}
