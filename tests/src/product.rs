//! The product on the test cluster: the operator installed from its chart, origins, Distributions and where they answer.
#![expect(clippy::missing_panics_doc, reason = "a test's means fail by panicking, and say why when they do")]

use std::{net::SocketAddr, path::Path, process::Stdio};

use crds::{Distribution, DistributionStatus, Invalidation};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Pod, Service},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::ListParams,
    runtime::wait::{await_condition, conditions::is_crd_established},
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, process::Command, sync::OnceCell};

use crate::{
    cluster::{apply, eventually, has, until},
    viewer::{self, Seen},
};

/// The namespace that the operator is installed in.
pub const OPERATOR_NAMESPACE: &str = "kubefront-system";

static INSTALLED: OnceCell<()> = OnceCell::const_new();

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}

/// Runs a command of the repository's, and gives what it printed.
///
/// # Panics
/// If it fails, with what it said.
pub async fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository()).stdin(Stdio::null());
    let output = command.output().await.unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Installs the operator from the chart as a user does, once for all tests of a program.
pub async fn installed() {
    INSTALLED
        .get_or_init(|| async {
            run("kubectl", &["apply", "--server-side", "--force-conflicts", "-f", "charts/kubefront/crds/"]).await;
            install("charts/kubefront", &[]).await;
        })
        .await;
}

/// Has the cluster know what a ReferenceGrant is, as with the Gateway API.
pub async fn grants_exist(client: &Client) {
    let name = "referencegrants.gateway.networking.k8s.io";
    run("kubectl", &["apply", "--server-side", "-f", "tests/src/reference_grants.yaml"]).await;
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    await_condition(api, name, is_crd_established()).await.expect("is established");
}

/// Installs the operator from a chart, or brings the one that is there to that chart with these values and no others.
pub async fn install(chart: &str, values: &[&str]) {
    let arguments = "upgrade --install --reset-values --create-namespace --wait --timeout 3m kubefront";
    let set = values.iter().flat_map(|value| ["--set", value]);
    let place = ["--namespace", OPERATOR_NAMESPACE, chart];
    let arguments: Vec<&str> = arguments.split(' ').chain(place).chain(set).collect();
    run("helm", &arguments).await;
}

/// Runs the demo's web server as the Service `shop-origin`, and waits for it.
pub async fn origin(client: &Client, namespace: &str) {
    origin_named(client, namespace, "shop-origin").await;
}

/// Runs the demo's web server as a Service of this name, and waits for it. Its content is its name.
pub async fn origin_named(client: &Client, namespace: &str, name: &str) {
    let manifest = std::fs::read_to_string(repository().join("demo/origin.yaml")).expect("the demo's origin");
    let manifest = manifest.replace("shop-origin", name).replace("--content=v1", &format!("--content={name}"));
    apply(client, namespace, &manifest).await;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    until(&deployments, name, "the origin is available", |deployment| {
        deployment.status.as_ref().and_then(|status| status.available_replicas) == Some(1)
    })
    .await;
}

/// Tells the demo's web server to serve another content from now on.
pub async fn set_content(client: &Client, namespace: &str, content: &'static str) {
    let address = service_address(client, namespace, "shop-origin").await;
    let request = http::Request::put("/content").header("host", "shop-origin");
    let request = request.body(http_body_util::Full::from(content)).expect("legal");
    let seen = viewer::ask(address, request).await.expect("the origin answers");
    assert!(seen.status.is_success(), "{seen:?}");
}

/// A Distribution of one Service origin, as the quickstart has it, with one edge and `change` applied to its spec.
pub fn distribution(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({
        "apiVersion": "cdn.kubefront.io/v1alpha1", "kind": "Distribution", "metadata": { "name": "shop" },
        "spec": {
            "origins": [{ "name": "app", "service": { "name": "shop-origin", "port": 80 } }],
            "defaultBehavior": { "origin": "app" },
            "locations": [{ "name": "default", "replicas": 1, "cache": { "memory": "16Mi" } }],
        },
    });
    change(&mut object["spec"]);
    object
}

/// An Invalidation of the Distribution `shop` with a fixed name.
pub fn invalidation(name: &str, paths: &[&str]) -> Value {
    json!({
        "apiVersion": "cdn.kubefront.io/v1alpha1", "kind": "Invalidation", "metadata": { "name": name },
        "spec": { "distributionRef": { "name": "shop" }, "paths": paths },
    })
}

/// The status of a Distribution, empty if it has none.
pub fn status(distribution: &Distribution) -> DistributionStatus {
    distribution.status.clone().unwrap_or_default()
}

/// Whether a condition of this Distribution has this status, as judged for its present generation.
pub fn is(distribution: &Distribution, condition: &str, value: &str) -> bool {
    let status = status(distribution);
    status.observed_generation == distribution.metadata.generation && has(&status.conditions, condition, value)
}

/// Applies a Distribution and waits until it is Ready.
pub async fn ready(client: &Client, namespace: &str, object: &Value) -> Distribution {
    apply(client, namespace, &object.to_string()).await;
    until_ready(client, namespace).await
}

/// Waits until the Distribution `shop` is Ready with every one of its edges, which is more than one of each location that Ready
/// asks for; and until this node's kube-proxy has followed: that no condition can know.
pub async fn until_ready(client: &Client, namespace: &str) -> Distribution {
    let api: Api<Distribution> = Api::namespaced(client.clone(), namespace);
    let settled = |found: &Distribution| {
        let edges = status(found).edges.unwrap_or_default();
        is(found, "Ready", "True") && is(found, "Reconciling", "False") && edges.ready == edges.desired
    };
    let ready = until(&api, "shop", "is Ready and settled", settled).await;
    let address = service_address(client, namespace, "shop-edge").await;
    eventually("the Service leads to an edge", || async { TcpStream::connect(address).await.is_ok() }).await;
    ready
}

/// Applies an Invalidation and waits until it is Complete.
pub async fn complete(client: &Client, namespace: &str, object: &Value) -> Invalidation {
    apply(client, namespace, &object.to_string()).await;
    let api: Api<Invalidation> = Api::namespaced(client.clone(), namespace);
    let name = object["metadata"]["name"].as_str().expect("a name");
    until(&api, name, "is Complete", |found| {
        found.status.as_ref().is_some_and(|status| has(&status.conditions, "Complete", "True"))
    })
    .await
}

/// Port 80 of a Service's address inside the cluster, which the host reaches by a route.
pub async fn service_address(client: &Client, namespace: &str, name: &str) -> SocketAddr {
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let service = services.get(name).await.unwrap_or_else(|error| panic!("Service {name}: {error}"));
    let address = service.spec.and_then(|spec| spec.cluster_ip).expect("the Service has an address");
    SocketAddr::new(address.parse().expect("an IP address"), 80)
}

/// The edges of a Distribution, by pod.
pub async fn edges(client: &Client, namespace: &str) -> Vec<Pod> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let selector = ListParams::default().labels("cdn.kubefront.io/distribution=shop");
    let listed = pods.list(&selector).await.expect("lists the edges");
    listed.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect()
}

/// Whether an edge is sent requests.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default();
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Asks one edge, past the Service.
pub async fn ask_edge(pod: &Pod, path: &str) -> Seen {
    ask_edge_with(pod, path, &[]).await
}

/// Asks one edge, past the Service, with header fields beside `Host`.
pub async fn ask_edge_with(pod: &Pod, path: &str, fields: &[(&str, &str)]) -> Seen {
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone()).expect("the pod has an address");
    let address = SocketAddr::new(address.parse().expect("an IP address"), 8080);
    let request = http::Request::get(path).header("host", "shop-edge");
    let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.body(http_body_util::Full::default()).expect("legal");
    viewer::ask(address, request).await.unwrap_or_else(|error| panic!("{}: {error}", pod.name_any()))
}

/// What an edge says that it would do with a request for this path.
pub async fn explained(pod: &Pod, path: &str) -> Value {
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone()).expect("the pod has an address");
    let address = SocketAddr::new(address.parse().expect("an IP address"), 9090);
    let seen = viewer::get(address, "admin", &format!("/explain?url={path}")).await;
    let seen = seen.unwrap_or_else(|error| panic!("{}: {error}", pod.name_any()));
    serde_json::from_slice(&seen.body).unwrap_or_else(|error| panic!("{}: {error}", seen.text()))
}

/// Asks through the Service in front of all edges.
pub async fn ask(client: &Client, namespace: &str, path: &str) -> Seen {
    let address = service_address(client, namespace, "shop-edge").await;
    viewer::get(address, "shop-edge", path).await.unwrap_or_else(|error| panic!("GET {path}: {error}"))
}
