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

use crate::distribution::observe::Observed;
use crate::holds::holds;

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
pub(super) fn in_turn(planned: Vec<Deployment>, observed: &Observed) -> (Vec<Deployment>, Vec<HeldBack>) {
    let live = &observed.children.deployments;
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

/// Whether applying the plan replaces the pods that run.
fn makes_new_pods(planned: &Deployment, live: &Deployment) -> bool {
    let template = |deployment: &Deployment| deployment.spec.as_ref().map(|spec| spec.template.clone());
    !holds(&template(live), &template(planned))
}

/// Whether this location is on its way to the planned template: others then wait for it. One that rolls to a template that
/// is not planned any more comes up again as the first that differs.
fn is_mid_roll(planned: &Deployment, live: &BTreeMap<String, Arc<Deployment>>) -> bool {
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
