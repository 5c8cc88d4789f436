//! Planned Deployments into those whose turn it is: pod templates roll one location after the other, and what only the operator
//! wants of them only while the Distribution has its [`Turn`].
//!
//! Flow: everything that makes no new pods is applied at once, and so is a location that does not run yet. Of the locations
//! whose template differs from the live one, the first rolls; the next one waits until its pods are all new.
//! Guarantees: a template that does not work stops at one pod of one location, and mending it starts there. What the user edits
//! waits for no other Distribution. What a webhook makes of a template counts as the template.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use serde::Serialize;

use crate::distribution::observed::Children;
use crate::holds::holds;
use crate::names::{ASKED_ANNOTATION, DistributionKey, TEMPLATE_ANNOTATION};

/// Deployments that exist, by name.
type Live = BTreeMap<String, Arc<Deployment>>;

/// A Deployment that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldBack {
    /// The Deployment whose template is not applied yet.
    pub deployment: String,
    /// Whose pods are being replaced: those of another Deployment, or of another Distribution.
    pub waits_for: String,
}

/// Whether the Distribution may replace its pods for the operator's own sake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It may.
    Ours,
    /// It waits for others, of which this is one.
    After(DistributionKey),
}

/// How far a new release of the operator has come in a Distribution's pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Upgrade {
    /// Whether pods are to be replaced that nobody but the operator wants to be.
    pub owed: bool,
    /// How far those have come that are being replaced, whoever wanted it.
    pub progress: Progress,
    /// What those that are as this release wants them show of it.
    pub release: Release,
}

/// What pods show of a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// Nothing yet.
    #[default]
    Unknown,
    /// All pods are as it wants them, and serve.
    Works,
    /// Some that are as it wants them have not come up for as long as a Deployment waits for it. It may be anybody's fault.
    Fails,
}

/// How far the replacement of pods has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// All are new.
    #[default]
    Through,
    /// It has not come on for as long as a Deployment waits for it.
    Stuck,
    /// It goes on.
    Rolling,
}

/// Who wants that pods are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    ByUser,
    ByOperator,
}

/// What lives, as the plan sees it: a template that the API made of the planned one counts as that.
pub(super) fn as_planned(planned: &[Deployment], children: &Children) -> Live {
    let mut live = children.deployments.clone();
    for one in planned.iter().filter(|one| children.altered.contains(&one.name_any())) {
        let there = live.get_mut(&one.name_any()).and_then(|there| Arc::make_mut(there).spec.as_mut());
        if let (Some(there), Some(planned)) = (there, &one.spec) {
            there.template.clone_from(&planned.template);
        }
    }
    live
}

/// Those to apply now, and those that wait.
pub(super) fn in_turn(planned: Vec<Deployment>, live: &Live, turn: &Turn) -> (Vec<Deployment>, Vec<HeldBack>) {
    let mut rolling = planned.iter().find(|one| is_mid_roll(one, live)).map(ResourceExt::name_any);
    let (mut now, mut held_back) = (Vec::new(), Vec::new());
    for one in planned {
        let name = one.name_any();
        let Some(wanted) = wanted(&one, live) else {
            now.push(one);
            continue;
        };
        let waits_for = match (turn, &rolling) {
            (Turn::After(other), _) if wanted == Wanted::ByOperator => Some(format!("Distribution {other}")),
            (_, Some(other)) if *other != name => Some(other.clone()),
            _ => None,
        };
        if let Some(waits_for) = waits_for {
            held_back.push(HeldBack { deployment: name, waits_for });
        } else {
            rolling = Some(name);
            now.push(one);
        }
    }
    (now, held_back)
}

/// How far the operator's own wishes have come.
pub(super) fn upgrade(planned: &[Deployment], live: &Live) -> Upgrade {
    let progress = |one: &Deployment| live.get(&one.name_any()).map(|live| progress(live));
    Upgrade {
        owed: planned.iter().any(|one| wanted(one, live) == Some(Wanted::ByOperator)),
        progress: planned.iter().filter_map(progress).max().unwrap_or_default(),
        release: release(planned, live),
    }
}

fn release(planned: &[Deployment], live: &Live) -> Release {
    let is_of_it = |one: &Deployment| live.get(&one.name_any()).filter(|live| !makes_new_pods(one, live));
    let of_it = || planned.iter().filter_map(is_of_it);
    let serves = |live: &Deployment| {
        let available = live.status.as_ref().and_then(|status| status.available_replicas).unwrap_or_default();
        available > 0 && available >= wanted_replicas(live)
    };
    if of_it().any(|live| progress(live) == Progress::Stuck) {
        return Release::Fails;
    }
    let all_serve = is_through(planned, live) && of_it().all(|live| serves(live));
    if all_serve && !planned.is_empty() { Release::Works } else { Release::Unknown }
}

/// Who wants the pods of this Deployment to be replaced, if applying the plan does that. Where the live one does not say what
/// the user asked for, an older release made it.
fn wanted(planned: &Deployment, live: &Live) -> Option<Wanted> {
    let live = live.get(&planned.name_any()).filter(|live| makes_new_pods(planned, live))?;
    let asked = |deployment: &Deployment| deployment.annotations().get(ASKED_ANNOTATION).cloned();
    let is_edit = asked(live).is_some_and(|before| Some(before) != asked(planned));
    Some(if is_edit { Wanted::ByUser } else { Wanted::ByOperator })
}

/// Whether applying the plan replaces the pods that run: somebody changed their template, or the plan says something else
/// than the last one did. A Deployment of a release that kept no digest of that shows only what is missing in it.
fn makes_new_pods(planned: &Deployment, live: &Deployment) -> bool {
    let template = |deployment: &Deployment| deployment.spec.as_ref().map(|spec| spec.template.clone());
    let digest = |deployment: &Deployment| deployment.annotations().get(TEMPLATE_ANNOTATION).cloned();
    let is_planned_anew = digest(live).is_some_and(|last| Some(last) != digest(planned));
    is_planned_anew || !holds(&template(live), &template(planned))
}

/// Whether the pods of all of these are as planned, and no others are left.
pub(super) fn is_through(planned: &[Deployment], live: &Live) -> bool {
    planned.iter().all(|one| {
        let live = live.get(&one.name_any());
        live.is_some_and(|live| !is_rolling(live) && !makes_new_pods(one, live))
    })
}

/// Whether this location is on its way to the planned template: others then wait for it. One that rolls to a template that
/// is not planned any more comes up again as the first that differs.
fn is_mid_roll(planned: &Deployment, live: &Live) -> bool {
    let live = live.get(&planned.name_any());
    live.is_some_and(|live| is_rolling(live) && !makes_new_pods(planned, live))
}

/// How far the replacement of its pods has come.
pub fn progress(live: &Deployment) -> Progress {
    let conditions = live.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    // What was said of the template before the newest one is said of that one no more.
    let is_seen = live.status.as_ref().is_some_and(|status| status.observed_generation >= live.metadata.generation);
    let gave_up = is_seen && conditions.iter().any(|one| one.reason.as_deref() == Some("ProgressDeadlineExceeded"));
    match is_rolling(live) {
        false => Progress::Through,
        true if gave_up => Progress::Stuck,
        true => Progress::Rolling,
    }
}

fn wanted_replicas(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

/// Whether some of its pods are of an older template, or its controller has not looked at the newest one yet.
pub fn is_rolling(live: &Deployment) -> bool {
    let wanted = wanted_replicas(live);
    let Some(status) = &live.status else { return true };
    let updated = status.updated_replicas.unwrap_or_default();
    status.observed_generation < live.metadata.generation
        || updated < wanted
        || status.replicas.unwrap_or_default() > updated
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::{DeploymentCondition, DeploymentSpec, DeploymentStatus};
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

    fn annotated(deployment: &Deployment, name: &str, value: &str) -> Deployment {
        let mut deployment = deployment.clone();
        deployment.metadata.annotations.get_or_insert_default().insert(name.to_owned(), value.to_owned());
        deployment
    }

    /// Plans image `new` for a, b and c: those that are applied, and those that wait as `one>other`.
    #[track_caller]
    fn check<const N: usize>(there: [(String, Arc<Deployment>); N], expect_now: &[&str], expect_waiting: &[&str]) {
        let planned = ["a", "b", "c"].map(|name| deployment(name, "new")).into();
        let (now, held_back) = in_turn(planned, &there.into(), &Turn::Ours);
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
        let noted = |deployment: &Deployment, digest: &str| annotated(deployment, TEMPLATE_ANNOTATION, digest);
        let there = ["a", "b"].map(|name| (name.to_owned(), Arc::new(noted(&live(name, "new", 2, 2).1, "more"))));
        let planned = ["a", "b"].map(|name| noted(&deployment(name, "new"), "less")).into();
        let (now, held_back) = in_turn(planned, &there.into(), &Turn::Ours);
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

    /// Plans image `new` for live Deployments that say what was asked for; which of them wait for another Distribution.
    #[track_caller]
    fn check_edits(asked: &[(&str, Option<&str>)], expect_now: &[&str], expect_waiting: &[&str]) {
        let there = asked.iter().map(|(name, asked)| {
            let live = live(name, "old", 2, 2).1;
            let live = asked.map_or_else(|| (*live).clone(), |asked| annotated(&live, ASKED_ANNOTATION, asked));
            ((*name).to_owned(), Arc::new(live))
        });
        let planned = asked.iter().map(|(name, _)| annotated(&deployment(name, "new"), ASKED_ANNOTATION, "this"));
        let turn = Turn::After(DistributionKey::new("default", "blog"));
        let (now, held_back) = in_turn(planned.collect(), &there.collect(), &turn);
        assert_eq!(now.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), expect_now);
        let waiting: Vec<_> = held_back.iter().map(|one| format!("{}>{}", one.deployment, one.waits_for)).collect();
        assert_eq!(waiting, expect_waiting);
    }

    #[test]
    fn what_only_the_operator_wants_waits_for_other_distributions_and_an_edit_does_not() {
        let (blog, a) = ("Distribution default/blog", "a");
        check_edits(&[("a", Some("this"))], &[], &[&format!("a>{blog}")]);
        check_edits(&[("a", Some("something else"))], &["a"], &[]);
        check_edits(&[("a", None)], &[], &[&format!("a>{blog}")]);
        check_edits(&[("a", Some("this")), ("b", Some("something else"))], &["b"], &[&format!("a>{blog}")]);
        check_edits(&[("a", Some("else")), ("b", Some("else"))], &["a"], &[&format!("b>{a}")]);
    }

    #[test]
    fn an_upgrade_is_owed_where_only_the_operator_wants_it_and_goes_on_until_all_pods_are_new() {
        let planned = [annotated(&deployment("a", "new"), ASKED_ANNOTATION, "this")];
        let check = |live: Option<Deployment>, owed, progress, release| {
            let live = live.map(|live| ("a".to_owned(), Arc::new(live))).into_iter().collect();
            assert_eq!(upgrade(&planned, &live), Upgrade { owed, progress, release }, "{live:?}");
        };
        let of = |image, updated| annotated(&live("a", image, 2, updated).1, ASKED_ANNOTATION, "this");
        let condition = DeploymentCondition {
            type_: "Progressing".into(),
            reason: Some("ProgressDeadlineExceeded".into()),
            ..DeploymentCondition::default()
        };
        let stuck = |image| {
            let mut stuck = of(image, 1);
            stuck.status.get_or_insert_default().conditions = Some(vec![condition.clone()]);
            stuck
        };
        let available = |mut live: Deployment, available| {
            live.status.get_or_insert_default().available_replicas = Some(available);
            live
        };
        let mut unseen = stuck("new");
        unseen.metadata.generation = Some(6);
        check(None, false, Progress::Through, Release::Unknown);
        check(Some(of("new", 2)), false, Progress::Through, Release::Unknown);
        check(Some(available(of("new", 2), 1)), false, Progress::Through, Release::Unknown);
        check(Some(available(of("new", 2), 2)), false, Progress::Through, Release::Works);
        check(Some(available(of("new", 1), 2)), false, Progress::Rolling, Release::Unknown);
        check(Some(stuck("new")), false, Progress::Stuck, Release::Fails);
        check(Some(unseen), false, Progress::Rolling, Release::Unknown);
        check(Some(stuck("old")), true, Progress::Stuck, Release::Unknown);
        check(Some(available(of("old", 2), 2)), true, Progress::Through, Release::Unknown);
        check(Some(annotated(&of("old", 2), ASKED_ANNOTATION, "else")), false, Progress::Through, Release::Unknown);
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
