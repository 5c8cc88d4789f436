//! The `ReferenceGrant` of the Gateway API: a namespace's word that objects of another one may name its own.
//!
//! It is not among the kinds that the Kubernetes library brings, and a cluster may lack it: then nothing of another namespace is
//! granted. Both of its versions look the same.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DynamicResourceScope;
use serde::Deserialize;

/// The group of its definition.
pub const GROUP: &str = "gateway.networking.k8s.io";

/// What a namespace grants to others.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ReferenceGrant {
    /// Its name, and the namespace that grants.
    pub metadata: ObjectMeta,
    /// What it grants.
    #[serde(default)]
    pub spec: Spec,
}

/// What is granted: each of `from` may name each of `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Spec {
    /// Who may.
    #[serde(default)]
    pub from: Vec<From>,
    /// What.
    #[serde(default)]
    pub to: Vec<To>,
}

/// Objects of a kind in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct From {
    /// Its group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// Where they are.
    pub namespace: String,
}

/// Objects of a kind in the namespace that grants.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct To {
    /// Its group; empty for Kubernetes's own core.
    #[serde(default)]
    pub group: String,
    /// The kind.
    pub kind: String,
    /// Only the one of this name; without it, all.
    #[serde(default)]
    pub name: Option<String>,
}

impl ReferenceGrant {
    /// The grant of a namespace that lets Distributions of another one name all its Services.
    pub fn of_all_services(granting: &str, namespace: &str) -> Self {
        let from = From { group: crds::GROUP.into(), kind: "Distribution".into(), namespace: namespace.into() };
        let to = To { group: String::new(), kind: "Service".into(), name: None };
        let metadata = ObjectMeta { namespace: Some(granting.into()), ..ObjectMeta::default() };
        Self { metadata, spec: Spec { from: vec![from], to: vec![to] } }
    }

    /// Whether Distributions of `namespace` may name the Service `service` of the grant's own namespace.
    pub fn lets_name(&self, namespace: &str, service: &str) -> bool {
        let from =
            |from: &From| from.group == crds::GROUP && from.kind == "Distribution" && from.namespace == namespace;
        let to = |to: &To| {
            let name = to.name.as_deref().filter(|name| !name.is_empty());
            to.group.is_empty() && to.kind == "Service" && name.is_none_or(|name| name == service)
        };
        self.spec.from.iter().any(from) && self.spec.to.iter().any(to)
    }
}

/// The versions under which a cluster may serve it, that of most clusters first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GrantVersion {
    /// Of every release of the Gateway API since 0.6.
    #[default]
    V1Beta1,
    /// Of releases that may leave the other one out.
    V1,
}

impl GrantVersion {
    /// The one to try where this one is not served.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::V1Beta1 => Self::V1,
            Self::V1 => Self::V1Beta1,
        }
    }
}

impl Resource for ReferenceGrant {
    type DynamicType = GrantVersion;
    // It is in a namespace; only of kinds without a version of their own does the library let one be chosen.
    type Scope = DynamicResourceScope;

    fn kind(_: &GrantVersion) -> Cow<'_, str> {
        "ReferenceGrant".into()
    }

    fn group(_: &GrantVersion) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version(version: &GrantVersion) -> Cow<'_, str> {
        match version {
            GrantVersion::V1Beta1 => "v1beta1".into(),
            GrantVersion::V1 => "v1".into(),
        }
    }

    fn plural(_: &GrantVersion) -> Cow<'_, str> {
        "referencegrants".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "reads best with literals")]
    fn check(from: Value, to: Value, expect: bool) {
        let grant: ReferenceGrant =
            serde_json::from_value(json!({ "metadata": {}, "spec": { "from": [from], "to": [to] } })).expect("a grant");
        assert_eq!(grant.lets_name("web", "app"), expect, "{grant:?}");
    }

    fn distributions() -> Value {
        json!({ "group": "cdn.kubefront.io", "kind": "Distribution", "namespace": "web" })
    }

    #[test]
    fn a_grant_lets_name_one_service_or_all_of_them() {
        check(distributions(), json!({ "group": "", "kind": "Service" }), true);
        check(distributions(), json!({ "group": "", "kind": "Service", "name": "app" }), true);
        check(distributions(), json!({ "group": "", "kind": "Service", "name": "other" }), false);
    }

    #[test]
    fn a_grant_for_somebody_else_or_something_else_grants_nothing() {
        let service = json!({ "group": "", "kind": "Service" });
        check(
            json!({ "group": "cdn.kubefront.io", "kind": "Distribution", "namespace": "shop" }),
            service.clone(),
            false,
        );
        check(
            json!({ "group": "cdn.kubefront.io", "kind": "Invalidation", "namespace": "web" }),
            service.clone(),
            false,
        );
        check(json!({ "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "web" }), service, false);
        check(distributions(), json!({ "group": "", "kind": "Secret" }), false);
        check(distributions(), json!({ "group": "example.com", "kind": "Service" }), false);
    }
}
