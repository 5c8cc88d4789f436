//! What the chart's page promises of installing, upgrading and removing, on a real cluster; its commands are run as they stand
//! there.
//!
//! There is one operator for all of a cluster's tests, so these take turns; each begins by bringing it where it wants it, and
//! leaves it as it is installed without any value. No object of anybody else is removed: a demo on the same cluster serves on.

use std::{collections::BTreeSet, fs, path::Path};

use crds::{Distribution, Invalidation};
use futures::FutureExt;
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    core::v1::Pod,
    events::v1::Event,
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    rbac::v1::Role,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, EvictParams, ListParams, PostParams},
};
use serde_json::{Value, json};
use tests::{
    cluster::{apply, client, documents, eventually, in_namespace, until},
    product::{
        OPERATOR_NAMESPACE, ask, ask_edge, complete, distribution, edges, install, invalidation, is, origin, ready,
        run, service_address, until_ready,
    },
    viewer,
};
use tokio::sync::Mutex;

static TURN: Mutex<()> = Mutex::const_new(());

const CHART: &str = "charts/kubefront";
const OPERATOR: &str = "kubefront-operator";
const OPERATOR_PODS: &str = "app.kubernetes.io/name=kubefront-operator";

/// Runs the commands that stand below this heading of the chart's page.
async fn as_documented(heading: &str) {
    let page = run("cat", &["charts/kubefront/README.md"]).await;
    let section = page.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no heading {heading}"));
    let commands = section.split("```\n").nth(1).unwrap_or_else(|| panic!("no commands below {heading}"));
    run("bash", &["-euxc", commands]).await;
}

/// Takes the operator away, and waits until none of its pods is left.
async fn uninstalled(client: &Client) {
    run("helm", &["uninstall", "kubefront", "--namespace", OPERATOR_NAMESPACE, "--ignore-not-found", "--wait"]).await;
    let pods = operator_pods(client);
    let all = ListParams::default().labels(OPERATOR_PODS);
    eventually("the operator is gone", || async { pods.list(&all).await.expect("lists").items.is_empty() }).await;
}

fn operator_pods(client: &Client) -> Api<Pod> {
    Api::namespaced(client.clone(), OPERATOR_NAMESPACE)
}

/// The names of what belongs to the Distribution `shop`, in all kinds that it may have.
async fn children(namespace: &str) -> Vec<String> {
    let kinds = "deployments,services,configmaps,serviceaccounts,poddisruptionbudgets,networkpolicies,pods";
    let arguments = ["get", kinds, "--namespace", namespace, "--selector", "cdn.kubefront.io/distribution=shop"];
    run("kubectl", &[&arguments[..], &["--output", "name"]].concat()).await.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn after_an_uninstall_distributions_serve_on_and_can_be_deleted() {
    let _turn = TURN.lock().await;
    install(CHART, &[]).await;
    in_namespace("uninstall", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &distribution(|_| ())).await;
        let stored = ask(&client, &namespace, "/stored").await;
        uninstalled(&client).await;

        let hit = ask(&client, &namespace, "/stored").await;
        assert!(hit.is_hit() && hit.field("x-read") == stored.field("x-read"), "{hit:?}");
        let miss = ask(&client, &namespace, "/new").await;
        assert!(miss.status.is_success() && !miss.is_hit(), "{miss:?}");

        assert!(children(&namespace).await.len() >= 8, "one of each kind at least");
        run("kubectl", &["delete", "distribution", "shop", "--namespace", &namespace, "--timeout", "30s"]).await;
        eventually("its children go with it", || async { children(&namespace).await.is_empty() }).await;
    })
    .await;
    install(CHART, &[]).await;
}

#[tokio::test]
async fn an_operator_that_watches_one_namespace_leaves_the_others_alone() {
    let _turn = TURN.lock().await;
    uninstalled(&client().await).await;
    in_namespace("other", |client, other| async move {
        apply(&client, &other, &distribution(|_| ()).to_string()).await;
        in_namespace("watched", async |client, watched| {
            install(CHART, &[&format!("watchNamespaces={{{watched}}}")]).await;
            origin(&client, &watched).await;
            ready(&client, &watched, &distribution(|_| ())).await;
            assert!(ask(&client, &watched, "/").await.status.is_success());

            // It was there before the one that is Ready.
            let api: Api<Distribution> = Api::namespaced(client.clone(), &other);
            let status = api.get("shop").await.expect("is there").status.expect("the schema's default");
            assert_eq!((status.observed_generation, status.conditions.len()), (Some(-1), 0));
            assert_eq!(children(&other).await, Vec::<String>::new());
            rights_end_at(&client, &watched, &other).await;
        })
        .await;
    })
    .await;
    install(CHART, &[]).await;
}

/// Whatever its Role allows in one namespace, the API server refuses in the other; Secrets in both.
async fn rights_end_at(client: &Client, watched: &str, other: &str) {
    let roles: Api<Role> = Api::namespaced(client.clone(), watched);
    let role = roles.get("kubefront-operator-kubefront-system").await.expect("its Role");
    let mut rights = BTreeSet::new();
    for rule in role.rules.expect("has rules") {
        for group in rule.api_groups.into_iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                rights.extend(rule.verbs.iter().map(|verb| (group.clone(), resource.clone(), verb.clone())));
            }
        }
    }
    assert!(rights.len() > 40, "{rights:?}");
    for (group, resource, verb) in rights {
        let right = (group.as_str(), resource.as_str(), verb.as_str());
        assert!(may(client, watched, right).await, "{right:?} where it watches");
        assert!(!may(client, other, right).await, "{right:?} elsewhere");
    }
    for namespace in [watched, other] {
        assert!(!may(client, namespace, ("", "secrets", "get")).await, "Secrets of users");
    }
}

/// Whether the API server lets the operator do this.
async fn may(client: &Client, namespace: &str, (group, resource, verb): (&str, &str, &str)) -> bool {
    let (resource, subresource) =
        resource.split_once('/').map_or((resource, None), |(resource, below)| (resource, Some(below.to_owned())));
    let attributes = ResourceAttributes {
        group: Some(group.to_owned()),
        namespace: Some(namespace.to_owned()),
        resource: Some(resource.to_owned()),
        subresource,
        verb: Some(verb.to_owned()),
        ..ResourceAttributes::default()
    };
    let user = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR}");
    let groups = ["system:serviceaccounts".to_owned(), "system:authenticated".to_owned()];
    let spec = SubjectAccessReviewSpec {
        resource_attributes: Some(attributes),
        user: Some(user),
        groups: Some(groups.into()),
        ..SubjectAccessReviewSpec::default()
    };
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await.expect("is answered");
    answer.status.expect("a status").allowed
}

/// A chart as an older release may have had it: one field less, another rule, a shorter table, and its number on the pods.
fn older_chart() -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("older-chart");
    let _ = fs::remove_dir_all(&folder);
    let copied = std::process::Command::new("cp").args(["--recursive", "../charts/kubefront"]).arg(&folder).status();
    assert!(copied.expect("copies").success());
    let edit = |file: &str, change: &dyn Fn(String) -> String| {
        let text = fs::read_to_string(folder.join(file)).expect("is there");
        fs::write(folder.join(file), change(text)).expect("writes");
    };
    edit("Chart.yaml", &|text| {
        let others =
            text.lines().filter(|line| !["version: ", "appVersion: "].iter().any(|name| line.starts_with(name)));
        let old = ["version: 0.0.1", "appVersion: 0.0.1"].into_iter();
        others.chain(old).fold(String::new(), |text, line| text + line + "\n")
    });
    edit("crds/distributions.yaml", &|text| {
        let mut definition = documents(&text).remove(0);
        let version = &mut definition["spec"]["versions"][0];
        version["additionalPrinterColumns"].as_array_mut().expect("columns").pop();
        let spec = &mut version["schema"]["openAPIV3Schema"]["properties"]["spec"];
        spec["properties"].as_object_mut().expect("fields").remove("defaultRootObject").expect("was there");
        let rule = json!({ "rule": "size(self.origins) < 25", "message": "a rule of old" });
        spec["x-kubernetes-validations"].as_array_mut().expect("rules").push(rule);
        definition.to_string()
    });
    folder.to_str().expect("plain text").to_owned()
}

/// The definitions as they stand, and as they would stand if they held what the chart has and nothing else.
async fn definitions() -> [Vec<Value>; 2] {
    let ask = async |command: &str| {
        let rest = ["--filename", "charts/kubefront/crds/", "--output", "json"];
        let text = run("kubectl", &command.split(' ').chain(rest).collect::<Vec<_>>()).await;
        // `get` prints a list, `replace` one object after the other.
        let printed = serde_json::Deserializer::from_str(&text).into_iter::<Value>().map(|one| one.expect("is JSON"));
        let all = printed.flat_map(|one| one["items"].as_array().cloned().unwrap_or_else(|| vec![one]));
        all.map(|definition| definition["spec"].clone()).collect()
    };
    [ask("get").await, ask("replace --dry-run=server").await]
}

/// The operator is the same before and after, as there is only one; its pods are replaced.
#[tokio::test]
async fn an_upgrade_brings_the_new_definitions_and_touches_neither_objects_nor_edges() {
    let _turn = TURN.lock().await;
    let older = older_chart();
    // Written as Helm writes them, not applied.
    run("kubectl", &["replace", "--filename", &format!("{older}/crds")]).await;
    install(&older, &[]).await;
    in_namespace("upgrade", |client, namespace| async move {
        origin(&client, &namespace).await;
        let before = ready(&client, &namespace, &distribution(|_| ())).await;
        let done = complete(&client, &namespace, &invalidation("done", &["/stored"])).await;
        let pods = edges(&client, &namespace).await;
        let stored = ask_edge(&pods[0], "/stored").await;
        let address = service_address(&client, &namespace, "shop-edge").await;

        let viewers = async {
            let mut due = tokio::time::interval(std::time::Duration::from_millis(50));
            loop {
                due.tick().await;
                let seen = viewer::get(address, "shop-edge", "/stored").await.expect("answers while it is upgraded");
                assert!(seen.status.is_success(), "{seen:?}");
            }
        };
        tokio::select! {
            () = as_documented("Upgrading") => {}
            () = viewers => unreachable!("they ask until nobody listens"),
        }

        let [there, chart] = definitions().await;
        assert!(there.len() == 2 && there == chart, "something of old is left, or something new is missing");
        let after = until_ready(&client, &namespace).await;
        assert_eq!(
            (after.uid(), &after.spec, after.metadata.generation),
            (before.uid(), &before.spec, before.metadata.generation)
        );
        let invalidations: Api<Invalidation> = Api::namespaced(client.clone(), &namespace);
        assert_eq!(invalidations.get("done").await.expect("is there").status, done.status, "it fires once");
        let still: Vec<_> = edges(&client, &namespace).await;
        let lives = |pods: &[Pod]| pods.iter().map(|pod| (pod.uid(), restarts(pod))).collect::<Vec<_>>();
        assert_eq!(lives(&still), lives(&pods));
        let seen = ask_edge(&still[0], "/stored").await;
        assert!(seen.is_hit() && seen.field("x-read") == stored.field("x-read"), "{seen:?}");

        // The field that the older release did not have.
        ready(&client, &namespace, &distribution(|spec| spec["defaultRootObject"] = json!("headers"))).await;
        let root = ask_edge(&still[0], "/").await.text();
        assert!(root.contains("/headers"), "{root}");
    })
    .await;
}

fn restarts(pod: &Pod) -> i32 {
    let status = pod.status.clone().unwrap_or_default();
    status.container_statuses.into_iter().flatten().map(|container| container.restart_count).sum()
}

/// Lets the field `enabled` hold anything, puts words into that of the Distribution `old`, and brings the definition back.
async fn store_what_cannot_be_read(namespace: &str) {
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/enabled";
    let anything = json!({ "default": true, "x-kubernetes-preserve-unknown-fields": true });
    let loosened = json!([{ "op": "replace", "path": path, "value": anything }]).to_string();
    run("kubectl", &["patch", "crd", "distributions.cdn.kubefront.io", "--type", "json", "--patch", &loosened]).await;
    let stored = eventually("words are stored", || set_enabled(namespace, "old", json!("yes")));
    let stored = std::panic::AssertUnwindSafe(stored).catch_unwind().await;
    run("kubectl", &["apply", "--server-side", "--force-conflicts", "--filename", "charts/kubefront/crds/"]).await;
    stored.expect("they are stored");
    eventually("words are refused again", || async { !set_enabled(namespace, "old", json!("no")).await }).await;
}

/// Whether the API server takes this in the field `enabled`.
async fn set_enabled(namespace: &str, name: &str, value: Value) -> bool {
    let patch = json!({ "spec": { "enabled": value } }).to_string();
    let arguments = ["patch", "distribution", name, "--namespace", namespace, "--type", "merge", "--patch", &patch];
    let patched = tokio::process::Command::new("kubectl").args(arguments).output().await.expect("runs");
    patched.status.success()
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_told_of_and_holds_up_no_other() {
    let _turn = TURN.lock().await;
    install(CHART, &[]).await;
    in_namespace("unreadable", |client, namespace| async move {
        origin(&client, &namespace).await;
        let mut old = distribution(|_| ());
        old["metadata"]["name"] = json!("old");
        apply(&client, &namespace, &old.to_string()).await;
        let api: Api<Distribution> = Api::namespaced(client.clone(), &namespace);
        until(&api, "old", "is Ready", |found| is(found, "Ready", "True")).await;
        store_what_cannot_be_read(&namespace).await;

        let told = eventually_told(&client, &namespace, "old").await;
        assert!(told.contains("yes") && told.contains("boolean"), "{told}");
        ready(&client, &namespace, &distribution(|_| ())).await;

        // An operator that finds it when it starts.
        let pods = operator_pods(&client);
        for pod in pods.list(&ListParams::default().labels(OPERATOR_PODS)).await.expect("lists") {
            pods.delete(&pod.name_any(), &DeleteParams::default()).await.expect("deletes");
        }
        ready(&client, &namespace, &distribution(|spec| spec["enabled"] = json!(false))).await;
        assert_eq!(ask(&client, &namespace, "/").await.status, 503, "the edit is followed");
        let address = service_address(&client, &namespace, "old-edge").await;
        let seen = viewer::get(address, "old-edge", "/").await.expect("its edges serve on");
        assert!(seen.status.is_success(), "{seen:?}");

        let arguments =
            ["get", "distribution", "old", "--namespace", &namespace, "--output", "jsonpath={.spec.enabled}"];
        assert_eq!(run("kubectl", &arguments).await, "yes", "it stood there all the time");
        assert!(set_enabled(&namespace, "old", json!(false)).await, "it can be mended");
        until(&api, "old", "is followed again", |found| is(found, "Ready", "True")).await;
    })
    .await;
}

/// What an Event says of a Distribution that cannot be read.
async fn eventually_told(client: &Client, namespace: &str, name: &str) -> String {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    let about = |event: &Event| {
        let regarding = event.regarding.as_ref().and_then(|object| object.name.as_deref());
        regarding == Some(name) && event.reason.as_deref() == Some("Unreadable")
    };
    let found = Mutex::new(String::new());
    eventually("an Event tells of it", || async {
        let all = events.list(&ListParams::default()).await.expect("lists");
        let note = all.items.into_iter().find(about).and_then(|event| event.note);
        *found.lock().await = note.clone().unwrap_or_default();
        note.is_some()
    })
    .await;
    found.into_inner()
}

/// The cluster's network does not enforce `NetworkPolicies`: that they select whom they should is all that can be seen here.
#[tokio::test]
async fn the_operator_is_two_replicas_that_a_drain_takes_one_at_a_time() {
    let _turn = TURN.lock().await;
    install(CHART, &[]).await;
    run("helm", &["test", "kubefront", "--namespace", OPERATOR_NAMESPACE, "--timeout", "1m"]).await;
    let client = client().await;
    let pods = operator_pods(&client);
    let all = ListParams::default().labels(OPERATOR_PODS);
    let listed = async || pods.list(&all).await.expect("lists").items;
    eventually("there are two, and none of before", async || {
        let there = listed().await;
        there.len() == 2 && there.iter().all(is_in_service)
    })
    .await;
    let replicas = listed().await;

    let policies: Api<NetworkPolicy> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let policy = policies.get(OPERATOR).await.expect("is there").spec.expect("a spec");
    let selected = policy.pod_selector.and_then(|selector| selector.match_labels).expect("selects by labels");
    assert!(replicas.iter().all(|pod| selected.iter().all(|(name, value)| pod.labels().get(name) == Some(value))));
    let rules = policy.ingress.expect("has rules");
    let ports: Vec<_> =
        rules.iter().flat_map(|rule| rule.ports.iter().flatten().map(|port| port.port.clone())).collect();
    let container = replicas[0].spec.as_ref().map(|spec| spec.containers[0].ports.clone().unwrap_or_default());
    let open: Vec<_> =
        container.expect("a container").into_iter().map(|port| port.name.map(IntOrString::String)).collect();
    assert_eq!(ports, open);
    let peer = rules[0].from.as_ref().and_then(|peers| peers[0].pod_selector.clone()).expect("edges alone");
    assert_eq!(peer.match_expressions.expect("by label")[0].key, "cdn.kubefront.io/distribution");

    let budgets: Api<PodDisruptionBudget> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let allowed = |budget: &PodDisruptionBudget| budget.status.as_ref().map(|status| status.disruptions_allowed);
    until(&budgets, OPERATOR, "one may go", |budget| allowed(budget) == Some(1)).await;
    let evict = async |pod: &Pod| pods.evict(&pod.name_any(), &EvictParams::default()).await;
    evict(&replicas[0]).await.expect("one may go");
    eventually("the other one may go too", || async { evict(&replicas[1]).await.is_ok() }).await;
    assert!(listed().await.iter().any(is_in_service), "but not before another one is ready");
    until(&budgets, OPERATOR, "there are two again", |budget| allowed(budget) == Some(1)).await;
}

fn is_in_service(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}
