//! A plan into its objects as they are printed: in the order in which they are applied, without what nobody could read.

use edge_contract::Epoch;
use serde::Serialize;
use serde_json::{Value, json};

use super::Plan;

impl Plan {
    /// Every object, in the order in which they are applied. What the `ConfigMap` holds and every digest is left out: a person
    /// could not say whether they are right.
    pub fn objects(&self) -> Vec<Value> {
        let config_map = self.configuration.config_map(Epoch(1), 1);
        let mut objects = [
            all(std::slice::from_ref(&self.service_account)),
            all(std::slice::from_ref(&config_map)),
            all(self.network_policy.as_slice()),
            all(&self.services),
            all(&self.pod_disruption_budgets),
            all(&self.deployments),
        ]
        .concat();
        for object in &mut objects {
            for values in ["/data", "/binaryData"] {
                object.pointer_mut(values).and_then(Value::as_object_mut).into_iter().flatten().for_each(hide);
            }
            let annotations = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
            annotations.into_iter().flatten().filter(|(name, _)| name.starts_with(crds::GROUP)).for_each(hide);
        }
        objects
    }
}

fn all<K: Serialize>(objects: &[K]) -> Vec<Value> {
    let print = |object| serde_json::to_value(object).unwrap_or_else(|error| unreachable!("is plain data: {error}"));
    objects.iter().map(print).collect()
}

fn hide((name, value): (&String, &mut Value)) {
    *value = json!(format!("({name})"));
}
