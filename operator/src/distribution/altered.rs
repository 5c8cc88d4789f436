//! What the API made of an object that was applied into whether a live one is as planned, though it does not say what the plan says.
//!
//! Admission webhooks may change whatever is applied: where images come from, how much containers may use. To apply the same again ends
//! in the same again, and pods of such a Deployment would count for ever as those that are to be replaced.
//! Guarantees: an object is as planned for as long as it holds what the API made of this very plan; what anybody changes of that
//! afterwards is put right again.
//! Assumptions: it is remembered by this process; the next one applies once more and learns it from the answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use parking_lot::Mutex;
use serde_json::{Map, Value};

use crate::holds::holds;
use crate::names::{APPLIED_ANNOTATION, DistributionKey, TEMPLATE_ANNOTATION};
use crate::server_side_apply::Child;

/// What the API made something else of than was planned.
#[derive(Default)]
pub struct Altered(Mutex<HashMap<DistributionKey, BTreeMap<Name, Answer>>>);

/// Kind and name.
type Name = (String, String);

/// The answer to a write.
#[derive(Debug, PartialEq)]
struct Answer {
    uid: Option<String>,
    /// The seal of the plan.
    plan: Option<String>,
    /// What stood then, without what the API changes by itself.
    object: Value,
}

impl Altered {
    /// Notes what was answered to `desired`; whether that is something else than was planned and than was answered before.
    pub fn note<K: Child>(&self, key: &DistributionKey, desired: &K, answered: &K) -> bool {
        let mut all = self.0.lock();
        if holds(answered, desired) {
            if let Some(of_it) = all.get_mut(key) {
                of_it.remove(&name(desired));
            }
            return false;
        }
        let plan = annotation(desired, APPLIED_ANNOTATION);
        let answer = Answer { uid: answered.uid(), plan, object: lasting(answered) };
        let before = all.entry(key.clone()).or_default().remove(&name(desired));
        let is_news = before.as_ref() != Some(&answer);
        all.entry(key.clone()).or_default().insert(name(desired), answer);
        is_news
    }

    /// Whether `live` is what the API made of `desired`.
    pub fn is_answer_to<K: Child>(&self, key: &DistributionKey, live: &K, desired: &K) -> bool {
        let all = self.0.lock();
        let Some(answer) = all.get(key).and_then(|of_it| of_it.get(&name(desired))) else { return false };
        answer.uid == live.uid()
            && answer.plan == annotation(desired, APPLIED_ANNOTATION)
            && serde_json::to_value(live).is_ok_and(|live| holds(&live, &answer.object))
    }

    /// Those of the Deployments whose pod template is what the API made of the one that was applied last.
    pub fn templates(&self, key: &DistributionKey, live: &BTreeMap<String, Arc<Deployment>>) -> BTreeSet<String> {
        let all = self.0.lock();
        let Some(of_it) = all.get(key) else { return BTreeSet::new() };
        let is_as_answered = |live: &Deployment| {
            let Some(answer) = of_it.get(&name(live)) else { return false };
            let template = live.spec.as_ref().and_then(|spec| serde_json::to_value(&spec.template).ok());
            let last = &answer.object["metadata"]["annotations"][TEMPLATE_ANNOTATION];
            answer.uid == live.uid()
                && last.as_str().is_some_and(|last| annotation(live, TEMPLATE_ANNOTATION).as_deref() == Some(last))
                && template.is_some_and(|template| holds(&template, &answer.object["spec"]["template"]))
        };
        live.iter().filter(|(_, live)| is_as_answered(live)).map(|(name, _)| name.clone()).collect()
    }

    /// Forgets a Distribution that is gone.
    pub fn forget(&self, key: &DistributionKey) {
        self.0.lock().remove(key);
    }
}

fn name<K: Child>(object: &K) -> Name {
    (K::kind(&()).into_owned(), object.name_any())
}

fn annotation<K: Child>(object: &K, name: &str) -> Option<String> {
    object.annotations().get(name).cloned()
}

/// Of an object what stays as it was written: not its status, version or times.
fn lasting<K: Child>(object: &K) -> Value {
    let mut object = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        let meta = fields.remove("metadata").unwrap_or_default();
        let of_it = |field: &str| Some((field.to_owned(), meta.get(field)?.clone()));
        let kept: Map<_, _> = ["annotations", "labels", "ownerReferences"].into_iter().filter_map(of_it).collect();
        fields.insert("metadata".into(), kept.into());
    }
    object
}
