//! The chart into the rights that it grants, and into roles that grant all of them, or all but one.

use std::fmt;

use k8s_openapi::api::{
    authorization::v1::SubjectAccessReview,
    core::v1::Namespace,
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::{Api, Client, Resource, ResourceExt, api::PostParams};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tests::{
    cluster::{documents, eventually},
    operator::user,
    product::run,
};

/// What stands for the namespace of a life in the manifests, which are rendered once for all of them.
const PLACE: &str = "place-of-this-life";

/// The roles of the chart and their bindings. Each rule of a role is split into rules of one right each.
pub struct Chart(Vec<Value>);

/// One verb on one resource, as one role grants it.
#[derive(Debug)]
pub struct Right {
    /// Which of the chart's objects grants it, and by which of its rules.
    place: (usize, usize),
    /// Where it holds; nothing: everywhere.
    namespace: Option<String>,
    group: String,
    resource: String,
    verb: String,
}

impl Chart {
    /// As Helm renders it for an operator that looks after its own namespace only.
    pub async fn render() -> Self {
        let watched = format!("watchNamespaces={{{PLACE}}}");
        let arguments = ["template", "kubefront", "charts/kubefront", "--kube-version", "1.33.0"];
        let only = ["--show-only", "templates/rbac.yaml", "--namespace", PLACE, "--set", &watched];
        let mut objects = documents(&run("helm", &[&arguments[..], &only[..]].concat()).await);
        for object in &mut objects {
            let split = object["rules"].as_array().map(|rules| rules.iter().flat_map(single).collect());
            if let Some(rules) = split {
                object["rules"] = Value::Array(rules);
            }
        }
        Self(objects)
    }

    /// Every right of every role.
    pub fn rights(&self) -> Vec<Right> {
        let roles = self.0.iter().enumerate().filter(|(_, object)| object["rules"].is_array());
        let rights = roles.flat_map(|(at, role)| {
            let single = role["rules"].as_array().into_iter().flatten().enumerate();
            single.map(move |(rule, right)| Right {
                place: (at, rule),
                namespace: role["metadata"]["namespace"].as_str().map(str::to_owned),
                group: text(&right["apiGroups"][0]),
                resource: text(&right["resources"][0]),
                verb: text(&right["verbs"][0]),
            })
        });
        rights.collect()
    }

    /// Gives the operator of a namespace what the chart gives it, but for one right, and waits until the API server knows. All
    /// of it goes with the namespace.
    pub async fn grant(&self, client: &Client, namespace: &str, without: Option<&Right>) {
        let itself = Api::<Namespace>::all(client.clone()).get(namespace).await.expect("is there");
        let mut objects = self.0.clone();
        if let Some(Right { place: (role, rule), .. }) = without {
            objects[*role]["rules"].as_array_mut().expect("a role").remove(*rule);
        }
        for object in &mut objects {
            object["metadata"]["ownerReferences"] = json!([itself.owner_ref(&())]);
            *object = serde_json::from_str(&object.to_string().replace(PLACE, namespace)).expect("JSON");
            let within = object["metadata"]["namespace"].as_str().unwrap_or_default();
            match object["kind"].as_str() {
                Some("Role") => create::<Role>(&Api::namespaced(client.clone(), within), object).await,
                Some("RoleBinding") => create::<RoleBinding>(&Api::namespaced(client.clone(), within), object).await,
                Some("ClusterRole") => create::<ClusterRole>(&Api::all(client.clone()), object).await,
                Some("ClusterRoleBinding") => create::<ClusterRoleBinding>(&Api::all(client.clone()), object).await,
                _ => panic!("the chart grants by {object}"),
            }
        }
        for role in &objects {
            let within = role["metadata"]["namespace"].as_str().unwrap_or_default();
            let Some(rule) = role["rules"].as_array().and_then(|rules| rules.last()) else { continue };
            eventually("the role is known", || may(client, namespace, within, rule)).await;
        }
    }
}

/// The same rule as rules of one resource and one verb each.
fn single(rule: &Value) -> Vec<Value> {
    let words = |field: &str| rule[field].as_array().cloned().unwrap_or_default();
    let mut rules = Vec::new();
    for (group, resource) in
        words("apiGroups").iter().flat_map(|group| words("resources").into_iter().map(move |it| (group, it)))
    {
        for verb in words("verbs") {
            rules.push(json!({ "apiGroups": [group], "resources": [resource], "verbs": [verb],
                "resourceNames": rule["resourceNames"] }));
        }
    }
    rules
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

async fn create<K>(api: &Api<K>, object: &Value)
where
    K: Resource<DynamicType = ()> + Clone + fmt::Debug + Serialize + DeserializeOwned,
{
    let object: K = serde_json::from_value(object.clone()).expect("an object of its kind");
    let made = api.create(&PostParams::default(), &object).await;
    made.unwrap_or_else(|error| panic!("{} {}: {error}", K::kind(&()), object.name_any()));
}

/// Whether the operator of a namespace has this right, within that namespace or, where none is said, everywhere.
async fn may(client: &Client, of: &str, within: &str, rule: &Value) -> bool {
    let resource = text(&rule["resources"][0]);
    let (resource, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
    let question = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}, "spec": {
        "user": user(of),
        "resourceAttributes": { "namespace": within, "verb": rule["verbs"][0], "group": rule["apiGroups"][0],
            "resource": resource, "subresource": subresource, "name": rule["resourceNames"][0] },
    } });
    let question: SubjectAccessReview = serde_json::from_value(question).expect("a question");
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    let answer = api.create(&PostParams::default(), &question).await.expect("answers");
    answer.status.is_some_and(|status| status.allowed)
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, group, resource, verb, .. } = self;
        write!(f, "{verb} {group}/{resource} in {}", namespace.as_deref().unwrap_or("the whole cluster"))
    }
}

impl Right {
    /// What the API server says to an operator of this namespace that does not have it.
    pub fn refusal(&self, namespace: &str) -> String {
        let Self { group, resource, verb, .. } = self;
        if resource == "distributions/finalizers" {
            // Its own words: what is refused is to own an object, this right or another one being what lacks.
            return "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on".into();
        }
        let within = self.namespace.as_ref().map(|within| within.replace(PLACE, namespace));
        let within =
            within.map_or_else(|| "at the cluster scope".to_owned(), |it| format!("in the namespace \"{it}\""));
        format!("cannot {verb} resource \"{resource}\" in API group \"{group}\" {within}")
    }

    fn is_of_operators_namespace(&self) -> bool {
        self.namespace.as_deref() == Some(PLACE)
    }

    /// Whether an operator has to wait for it before it may take part: it must know all there is, and prove itself to edges.
    pub fn is_needed_to_be_ready(&self) -> bool {
        self.is_of_operators_namespace() && (self.verb == "list" || self.resource == "secrets" && self.verb != "update")
    }

    /// Whether nothing can be done for a Distribution without it: nobody leads, it is not seen, its configuration gets no number,
    /// or it is not known whether a child's name is somebody else's.
    pub fn is_needed_for_distributions(&self) -> bool {
        let children = ["deployments", "serviceaccounts", "configmaps", "poddisruptionbudgets", "networkpolicies"];
        let needed = match (self.resource.as_str(), self.verb.as_str()) {
            ("leases", _) | ("distributions/status", "update") | ("distributions", "watch") => true,
            (resource, verb) => verb == "get" && children.contains(&resource),
        };
        self.is_needed_to_be_ready() || self.is_of_operators_namespace() && needed
    }

    /// Whether no Invalidation gets on without it: it is not seen, it gets no number, numbers before it are open, or it is not
    /// known who must apply it.
    pub fn is_needed_for_invalidations(&self) -> bool {
        let needed = match self.resource.as_str() {
            "invalidations" => ["get", "watch"].contains(&self.verb.as_str()),
            "invalidations/status" => true,
            "distributions" => self.verb == "get",
            _ => false,
        };
        self.is_needed_for_distributions() || needed
    }
}
