//! That what stands in the Secrets of a Distribution can be read nowhere else: not while all is well, not while it is of no use, not
//! after the death of an edge and not after that of the operator.
//!
//! The operator's pods are replaced here, so this is a program of its own.

mod marked;

use crds::Distribution;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tests::{
    cluster::{apply, eventually, in_namespace, until, until_gone},
    product::{
        OPERATOR_NAMESPACE, ask_edge, complete, edges, installed, invalidation, is, origin, ready, status, until_ready,
    },
    readable::{Readable, logs, objects, processes, said, sightings},
    replicas,
};

use marked::{Marked, PATHS, SECRETS, Vouched, shop, speaking_tls};

/// Asks for everything, and looks for words in the answers and in all that can be read of edges and operator now.
async fn look(client: &Client, namespace: &str, words: &[(&str, String)]) -> Vec<String> {
    let mut readable = Vec::new();
    for edge in edges(client, namespace).await {
        for path in PATHS {
            readable.push(Readable::at(format!("the answer for {path}"), format!("{:?}", ask_edge(&edge, path).await)));
        }
    }
    readable.extend(objects(client, namespace, &SECRETS).await);
    readable.extend(objects(client, OPERATOR_NAMESPACE, &[]).await);
    for namespace in [namespace, OPERATOR_NAMESPACE] {
        readable.extend(logs(client, namespace).await);
        readable.extend(processes(client, namespace).await);
    }
    let explained = PATHS.iter().map(|path| format!("/explain?url={path}"));
    let of_edges: Vec<_> =
        ["/metrics", "/readyz", "/healthz"].map(str::to_owned).into_iter().chain(explained).collect();
    readable.extend(said(client, namespace, "admin", &of_edges).await);
    readable.extend(said(client, OPERATOR_NAMESPACE, "metrics", &of_edges[..3]).await);
    sightings(words, &readable)
}

/// Waits until every edge is ready and the condition tells of what is mounted so.
async fn told(client: &Client, namespace: &str, value: &str) -> String {
    let api: Api<Distribution> = Api::namespaced(client.clone(), namespace);
    let found = until(&api, "shop", "says so of what is mounted", |found| {
        let edges = status(found).edges.unwrap_or_default();
        is(found, "ResolvedRefs", value) && edges.desired > 0 && edges.ready == edges.desired
    })
    .await;
    let conditions = status(&found).conditions.into_iter();
    conditions.filter(|one| one.type_ == "ResolvedRefs").map(|one| one.message).collect()
}

#[tokio::test]
async fn what_stands_in_secrets_can_be_read_nowhere_else() {
    installed().await;
    in_namespace("secrets", |client, namespace| async move {
        let vouched = Vouched::new();
        let (broken, sound) = (Marked::broken(), Marked::sound(&vouched));
        let words = [&broken.words[..], &sound.words].concat();
        let hidden = async |when: &str| {
            let found = look(&client, &namespace, &words).await;
            assert!(found.is_empty(), "{when}: {found:#?}");
        };

        origin(&client, &namespace).await;
        apply(&client, &namespace, &vouched.of_origin(&namespace)).await;
        speak_tls(&client, &namespace).await;
        // What is of no use, so that edges have to say so.
        apply(&client, &namespace, &broken.manifest).await;
        apply(&client, &namespace, &shop(&namespace).to_string()).await;
        let message = told(&client, &namespace, "False").await;
        for field in ["headers", "credentialsSecretRef", "caSecretRef", "clientCertificateSecretRef"] {
            assert!(message.contains(field), "{message}");
        }
        hidden("while it is of no use").await;

        // A new edge has the Secrets of now mounted from its start.
        apply(&client, &namespace, &sound.manifest).await;
        replace_edges(&client, &namespace).await;
        told(&client, &namespace, "True").await;
        until_ready(&client, &namespace).await;
        let edge = edges(&client, &namespace).await.remove(0);
        assert!(ask_edge(&edge, "/page").await.status.is_success(), "the token is sent");
        assert!(ask_edge(&edge, "/things/a").await.status.is_success(), "the bucket is asked");
        assert_eq!(ask_edge(&edge, "/403").await.status, 403, "the bucket refuses");
        for path in ["/verified/a", "/proven/a"] {
            assert!(ask_edge(&edge, path).await.status.is_server_error(), "nobody there speaks TLS");
        }
        let mutual = ask_edge(&edge, "/mutual/a").await;
        assert!(mutual.status.is_success(), "both prove who they are: {mutual:?}");
        only_edges_name_them(&client, &namespace).await;
        complete(&client, &namespace, &invalidation("all", &["/*"])).await;
        hidden("while it is used").await;

        die(&client, &namespace, &edge).await;
        hidden("after the death of an edge").await;

        replace_operators(&client).await;
        let mut wrong = shop(&namespace);
        wrong["spec"]["origins"][0]["service"]["name"] = json!("nowhere");
        apply(&client, &namespace, &wrong.to_string()).await;
        told(&client, &namespace, "False").await;
        hidden("while a configuration is refused, by another operator").await;

        ready(&client, &namespace, &shop(&namespace)).await;
        Box::pin(what_is_planted_is_found(&client, &namespace, &sound.words)).await;
    })
    .await;
}

/// Has the origin speak TLS beside, and waits until it does.
async fn speak_tls(client: &Client, namespace: &str) {
    let [deployment, service] = speaking_tls();
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Strategic(service);
    services.patch("shop-origin", &PatchParams::default(), &patch).await.expect("has a port more");
    roll_origin(client, namespace, deployment).await;
}

/// Changes the origin's Deployment, and waits until its pods are others.
async fn roll_origin(client: &Client, namespace: &str, change: Value) {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Strategic(change);
    let told = deployments.patch("shop-origin", &PatchParams::default(), &patch).await.expect("is changed");
    until(&deployments, "shop-origin", "is rolled", |found| {
        let status = found.status.clone().unwrap_or_default();
        let counts = [status.replicas, status.updated_replicas, status.available_replicas];
        status.observed_generation >= told.metadata.generation && counts == [Some(1); 3]
    })
    .await;
}

/// Of all pods those of edges alone name these Secrets, and they where they are mounted alone, to be read: in no environment.
async fn only_edges_name_them(client: &Client, namespace: &str) {
    let named = |pod: &Pod, part: &Value| {
        let text = part.to_string();
        let found: Vec<_> = SECRETS.iter().filter(|name| text.contains(**name)).collect();
        assert!(found.is_empty(), "{} names {found:?}: {text}", pod.name_any());
    };
    for edge in edges(client, namespace).await {
        let mut spec = serde_json::to_value(&edge.spec).expect("plain data");
        let volumes = spec["volumes"].take();
        assert!(volumes.to_string().contains("shop-identity"), "they are mounted: {volumes}");
        named(&edge, &spec);
        for container in spec["containers"].as_array().expect("a list") {
            assert!(container["envFrom"].is_null(), "{container}");
            assert!(!container["env"].to_string().contains("secretKeyRef"), "{container}");
            let mounts = container["volumeMounts"].as_array().expect("a list").iter();
            assert!(mounts.clone().all(|mount| mount["readOnly"] == true || mount["name"] == "tmp"), "{container}");
        }
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    for operator in pods.list(&ListParams::default()).await.expect("lists") {
        named(&operator, &serde_json::to_value(&operator.spec).expect("plain data"));
    }
}

/// The same search, for what was put where it can be read: once as it is, once as the API codes bytes, once where an edge logs it, and
/// once in an environment.
async fn what_is_planted_is_found(client: &Client, namespace: &str, words: &[(&str, String)]) {
    let edge = edges(client, namespace).await.remove(0);
    let [(_, token), (_, id), _, (_, session), ..] = words else { panic!("there are words") };
    let coded = k8s_openapi::ByteString(id.clone().into_bytes());
    let planted = json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "planted", "annotations": { "note": format!("it is {token}") } },
        "binaryData": { "id": coded } });
    apply(client, namespace, &planted.to_string()).await;
    ask_edge(&edge, &format!("/{token}")).await;
    let container = json!({ "name": "origin", "env": [{ "name": "PLANTED", "value": session }] });
    roll_origin(client, namespace, json!({ "spec": { "template": { "spec": { "containers": [container] } } } })).await;
    let mut found = look(client, namespace, words).await;
    let environ = found.iter().filter(|place| place.starts_with("session token: environ of ")).count();
    assert!(environ > 0, "{found:#?}");
    found.retain(|place| !place.starts_with("session token: "));
    let config_map = format!("ConfigMap {namespace}/planted");
    let log = format!("token: log of {namespace}/{}", edge.name_any());
    assert_eq!(found, [format!("token: {config_map}"), log, format!("access key id: {config_map}")]);
}

async fn replace_edges(client: &Client, namespace: &str) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    for edge in edges(client, namespace).await {
        pods.delete(&edge.name_any(), &DeleteParams::default()).await.expect("deletes an edge");
        until_gone(&pods, &edge.name_any()).await;
    }
}

/// Kills an edge, and waits until another process is ready in the same pod.
async fn die(client: &Client, namespace: &str, edge: &Pod) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    replicas::kill(edge, "kubefront-edge").await;
    until(&pods, &edge.name_any(), "has another process", |pod| {
        let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        let reborn = statuses.map(|status| status.restart_count > 0 && status.ready);
        reborn.reduce(|all, one| all && one) == Some(true)
    })
    .await;
}

async fn replace_operators(client: &Client) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), OPERATOR_NAMESPACE);
    let of_operator = ListParams::default().labels("app.kubernetes.io/name=kubefront-operator");
    for pod in pods.list(&of_operator).await.expect("lists").items {
        pods.delete(&pod.name_any(), &DeleteParams::default()).await.expect("deletes an operator");
        until_gone(&pods, &pod.name_any()).await;
    }
    eventually("two operators are ready", || async {
        let there = pods.list(&of_operator).await.expect("lists").items;
        let conditions = |pod: &Pod| pod.status.clone().and_then(|status| status.conditions).unwrap_or_default();
        let is_ready = |pod: &&Pod| conditions(pod).iter().any(|one| one.type_ == "Ready" && one.status == "True");
        there.iter().filter(is_ready).count() == 2
    })
    .await;
    replicas::somebody_leads(client).await;
}
