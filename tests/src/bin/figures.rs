//! Turns the product on a real cluster into the figures that are promised of it: `make bench`.

use std::{collections::HashMap, fmt::Debug, process::ExitCode, time::Duration};

use clap::Parser;
use crds::{Distribution, Invalidation};
use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt,
        watcher::{Config, watcher},
    },
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tests::{
    clock,
    cluster::{has, in_namespace},
    figures::Figure,
    product::{OPERATOR_NAMESPACE, distribution, installed, invalidation, is, origin, ready, status},
    replicas,
};
use tokio::sync::{mpsc, watch};

/// Measures Kubefront on the cluster of KUBECONFIG and prints a table.
#[derive(Parser)]
struct Arguments {
    /// How many Distributions are applied to measure how long they take to be Ready.
    #[arg(long, default_value_t = 5)]
    distributions: usize,
    /// How many live edits are measured.
    #[arg(long, default_value_t = 300)]
    edits: usize,
    /// How many Invalidations are measured, on four edges.
    #[arg(long, default_value_t = 300)]
    invalidations: usize,
    /// How many times the leading operator is killed to measure how long it takes until another one has done its work.
    #[arg(long, default_value_t = 5)]
    failovers: usize,
    /// For how many seconds the operator is watched at rest.
    #[arg(long, default_value_t = 300)]
    rest: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    installed().await;
    let (figures, mut printed) = mpsc::unbounded_channel();
    let measuring = tokio::spawn(measure(arguments, figures));
    println!("| what | found | promised | kept |\n|---|---|---|---|");
    let mut all_kept = true;
    while let Some(figure) = printed.recv().await {
        println!("{figure}");
        all_kept &= figure.kept;
    }
    measuring.await.expect("everything could be measured");
    if all_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

type Figures = mpsc::UnboundedSender<Figure>;

async fn measure(arguments: Arguments, figures: Figures) {
    let mut times = Vec::new();
    for _ in 0..arguments.distributions {
        let (sender, mut time) = mpsc::unbounded_channel();
        in_namespace("figures", |client, namespace| async move {
            let _ = sender.send(time_to_ready(&client, &namespace).await);
        })
        .await;
        times.extend(time.recv().await);
    }
    let _ = figures.send(Figure::of_times("apply → Ready, two edges", times, Duration::from_secs(10)));

    in_namespace("figures", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &distribution(|spec| spec["locations"][0]["replicas"] = json!(4))).await;
        let edits = time_edits(&client, &namespace, arguments.edits).await;
        let _ = figures.send(Figure::of_times("live edit → Programmed, four edges", edits, Duration::from_secs(1)));
        let orders = time_invalidations(&client, &namespace, arguments.invalidations).await;
        let promised = Duration::from_millis(500);
        let _ = figures.send(Figure::of_times("Invalidation → Complete, four edges", orders, promised));
        for figure in at_rest(&client, Duration::from_secs(arguments.rest)).await {
            let _ = figures.send(figure);
        }
        for figure in memory(&client, &namespace).await {
            let _ = figures.send(figure);
        }
        let failovers = time_failovers(&client, &namespace, arguments.failovers).await;
        let promised = Duration::from_secs(25);
        let _ = figures.send(Figure::of_times("leader killed → Invalidation made then Complete", failovers, promised));
    })
    .await;
}

/// The newest state of every object of a kind in a namespace, over one watch, so that asking costs no time.
struct Followed<K> {
    newest: watch::Receiver<HashMap<String, K>>,
    following: tokio::task::JoinHandle<()>,
}

impl<K> Followed<K>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    fn new(api: Api<K>) -> Self {
        let (sender, newest) = watch::channel(HashMap::new());
        let following = tokio::spawn(async move {
            let mut objects = watcher(api, Config::default()).applied_objects().boxed();
            while let Some(object) = objects.next().await {
                let object = object.expect("the watch goes on");
                sender.send_modify(|all| drop(all.insert(object.name_any(), object)));
            }
        });
        Self { newest, following }
    }

    async fn until(&mut self, name: &str, what: &str, holds: impl Fn(&K) -> bool) {
        let seen = self.newest.wait_for(|all| all.get(name).is_some_and(&holds));
        let seen = tokio::time::timeout(tests::cluster::PATIENCE, seen).await.is_ok_and(|seen| seen.is_ok());
        assert!(seen, "waited for {name}: {what}; it is {:#?}", self.newest.borrow().get(name));
    }
}

impl<K> Drop for Followed<K> {
    fn drop(&mut self) {
        self.following.abort();
    }
}

/// From `kubectl apply` of the quickstart to Ready; the images and the origin are there.
async fn time_to_ready(client: &Client, namespace: &str) -> Duration {
    origin(client, namespace).await;
    let began = clock::now();
    ready(client, namespace, &distribution(|spec| spec["locations"][0]["replicas"] = json!(2))).await;
    began.elapsed()
}

async fn time_edits(client: &Client, namespace: &str, count: usize) -> Vec<Duration> {
    let api: Api<Distribution> = Api::namespaced(client.clone(), namespace);
    let mut followed = Followed::new(api.clone());
    followed.until("shop", "is Ready", |found| is(found, "Ready", "True")).await;
    let mut times = Vec::new();
    for number in 0..count {
        let edit = json!({ "spec": { "behaviors": [{ "pathPattern": format!("/edit/{number}"), "origin": "app" }] } });
        let began = clock::now();
        let edited = api.patch("shop", &PatchParams::default(), &Patch::Merge(edit)).await.expect("edits");
        let programmed = |found: &Distribution| {
            found.metadata.generation == edited.metadata.generation
                && is(found, "Programmed", "True")
                && status(found).programmed_generation == edited.metadata.generation
        };
        followed.until("shop", "is Programmed", programmed).await;
        times.push(began.elapsed());
    }
    times
}

async fn time_invalidations(client: &Client, namespace: &str, count: usize) -> Vec<Duration> {
    let api: Api<Invalidation> = Api::namespaced(client.clone(), namespace);
    let mut followed = Followed::new(api.clone());
    let mut times = Vec::new();
    for number in 0..count {
        let began = clock::now();
        invalidate(&api, &mut followed, &format!("order-{number}")).await;
        times.push(began.elapsed());
    }
    times
}

/// Each time from the death of the leader; the Invalidation is made right after it.
async fn time_failovers(client: &Client, namespace: &str, count: usize) -> Vec<Duration> {
    let api: Api<Invalidation> = Api::namespaced(client.clone(), namespace);
    let mut followed = Followed::new(api.clone());
    let mut times = Vec::new();
    for number in 0..count {
        let began = clock::now();
        replicas::kill_leader(client).await;
        invalidate(&api, &mut followed, &format!("failover-{number}")).await;
        times.push(began.elapsed());
        replicas::scale(client, 2).await;
    }
    times
}

/// Makes an Invalidation of one path and waits until it is Complete.
async fn invalidate(api: &Api<Invalidation>, followed: &mut Followed<Invalidation>, name: &str) {
    let order = serde_json::from_value(invalidation(name, &[&format!("/page/{name}")])).expect("an Invalidation");
    api.create(&PostParams::default(), &order).await.expect("creates");
    let complete =
        |found: &Invalidation| found.status.as_ref().is_some_and(|status| has(&status.conditions, "Complete", "True"));
    followed.until(name, "is Complete", complete).await;
}

/// What the API server counts of the operator's writes: each kind is sorted into a flow of its own (API priority and
/// fairness), which changes nothing for the operator but that it is counted.
const FLOWS: [(&str, &str, &str); 3] = [
    ("kubefront-figures-leases", "coordination.k8s.io", "leases"),
    ("kubefront-figures-tokens", "authentication.k8s.io", "tokenreviews"),
    ("kubefront-figures-writes", "*", "*"),
];

async fn at_rest(client: &Client, time: Duration) -> Vec<Figure> {
    let flows: Api<k8s_openapi::api::flowcontrol::v1::FlowSchema> = Api::all(client.clone());
    for (precedence, (name, group, resource)) in FLOWS.iter().enumerate() {
        let schema = flow_schema(name, group, resource, 10 + precedence);
        flows.patch(name, &PatchParams::apply("figures").force(), &Patch::Apply(&schema)).await.expect("counts");
    }
    let before = counted(client).await;
    tokio::time::sleep(time).await;
    let after = counted(client).await;
    for (name, ..) in FLOWS {
        flows.delete(name, &DeleteParams::default()).await.expect("stops counting");
    }
    let of = |flow: usize| after[flow] - before[flow];
    let seconds = time.as_secs();
    // One in five seconds, and one that the time just catches.
    vec![
        Figure::of_count(&format!("at rest for {seconds} s: Lease renewals"), of(0), "writes", seconds / 5 + 1),
        Figure::of_count_as_found(&format!("at rest for {seconds} s: TokenReviews"), of(1), "requests"),
        Figure::of_count(&format!("at rest for {seconds} s: all other writes"), of(2), "writes", 0),
    ]
}

fn flow_schema(name: &str, group: &str, resource: &str, precedence: usize) -> Value {
    json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": { "name": name },
        "spec": {
            "priorityLevelConfiguration": { "name": "workload-high" },
            "matchingPrecedence": precedence,
            "distinguisherMethod": { "type": "ByUser" },
            "rules": [{
                "subjects": [{ "kind": "ServiceAccount",
                    "serviceAccount": { "name": "kubefront-operator", "namespace": OPERATOR_NAMESPACE } }],
                "resourceRules": [{ "verbs": ["create", "update", "patch", "delete", "deletecollection"],
                    "apiGroups": [group], "resources": [resource], "namespaces": ["*"], "clusterScope": true }],
            }],
        },
    })
}

async fn counted(client: &Client) -> Vec<u64> {
    let request = http::Request::get("/metrics").body(Vec::new()).expect("legal");
    let metrics = client.request_text(request).await.expect("the API server's metrics");
    let of = |flow: &str| {
        let label = format!("flow_schema=\"{flow}\"");
        let lines = metrics.lines().filter(|line| {
            line.starts_with("apiserver_flowcontrol_dispatched_requests_total{") && line.contains(&label)
        });
        lines.map(|line| line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a count")).sum()
    };
    FLOWS.iter().map(|(name, ..)| of(name)).collect()
}

/// The working sets of the operator's and the edges' containers, as their nodes report them: the largest of each.
async fn memory(client: &Client, namespace: &str) -> Vec<Figure> {
    const MEBIBYTE: u64 = 1024 * 1024;
    let nodes: Api<k8s_openapi::api::core::v1::Node> = Api::all(client.clone());
    let (mut operator, mut edge) = (0, 0);
    for node in nodes.list(&kube::api::ListParams::default()).await.expect("lists nodes") {
        let path = format!("/api/v1/nodes/{}/proxy/stats/summary", node.name_any());
        let request = http::Request::get(path).body(Vec::new()).expect("legal");
        let summary: Value = client.request(request).await.expect("the node's summary");
        for pod in summary["pods"].as_array().into_iter().flatten() {
            let reference = |field: &str| pod["podRef"][field].as_str().unwrap_or_default();
            let used = pod["memory"]["workingSetBytes"].as_u64().unwrap_or_default() / MEBIBYTE;
            match (reference("namespace"), reference("name")) {
                (OPERATOR_NAMESPACE, name) if name.starts_with("kubefront-operator") => operator = operator.max(used),
                (found, name) if found == namespace && name.starts_with("shop--") => edge = edge.max(used),
                _ => {}
            }
        }
    }
    vec![
        Figure::of_count("working set of an operator's pod", operator, "MiB", 60),
        Figure::of_count("working set of an idle edge's pod", edge, "MiB", 20),
    ]
}
