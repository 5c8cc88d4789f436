//! That what stands in the Secrets of a Distribution can be read nowhere else: not while all is well, not while it is of no use, not
//! after the death of an edge and not after that of the operator.
//!
//! The operator's pods are replaced here, so this is a program of its own.

use crds::Distribution;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams},
};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tests::{
    cluster::{apply, eventually, in_namespace, until, until_gone},
    product::{
        OPERATOR_NAMESPACE, ask_edge, complete, distribution, edges, installed, invalidation, is, origin, ready,
        status, until_ready,
    },
    readable::{Readable, logs, objects, said, sightings},
    replicas,
};

/// The Secrets in which the words stand.
const SECRETS: [&str; 4] = ["shop-token", "shop-s3", "shop-identity", "shop-authority"];

/// A path for each origin that wants something of them, and one of an object that a bucket refuses.
const PATHS: [&str; 5] = ["/page", "/things/a", "/403", "/verified/a", "/proven/a"];

/// Words, each with what it is; and the Secrets that hold them.
struct Marked {
    words: Vec<(&'static str, String)>,
    manifest: String,
}

impl Marked {
    /// What an edge can use.
    fn sound() -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate =
            CertificateParams::new(vec!["edge.example.com".to_owned()]).expect("a name").self_signed(&key);
        let (key, certificate) = (key.serialize_pem(), certificate.expect("a certificate").pem());
        let mut words = plain("m4rk");
        // Each line of a key is as secret as the next.
        let lines =
            |text: &str| text.lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect::<Vec<_>>();
        words.extend(lines(&key).into_iter().map(|line| ("the client's key", line)));
        words.extend(lines(&certificate).into_iter().map(|line| ("the client's certificate", line)));
        Self { manifest: manifest(&words, [&certificate, &key, &certificate]), words }
    }

    /// What is of no use to it, for a reason that could be told with a part of it.
    fn broken() -> Self {
        let mut words = plain("m4rk\nbr0ken");
        let [certificate, key] = ["bTRyay1jZXJ0", "bTRyay1rZXk9"].map(str::to_owned);
        let pem = |kind: &str, text: &str| format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n");
        let [certificate_pem, key_pem] = [pem("CERTIFICATE", &certificate), pem("PRIVATE KEY", &key)];
        let manifest = manifest(&words, [&certificate_pem, &key_pem, &certificate_pem]);
        // What could be told are its lines.
        words = words.iter().flat_map(|(name, word)| word.lines().map(|line| (*name, line.to_owned()))).collect();
        words.extend([("the client's certificate", certificate), ("the client's key", key)]);
        Self { words, manifest }
    }
}

/// Words that need no form.
fn plain(word: &str) -> Vec<(&'static str, String)> {
    ["token", "access key id", "secret access key", "session token"]
        .map(|name| (name, format!("{word}-of-{}", name.replace(' ', "-"))))
        .to_vec()
}

fn manifest(words: &[(&'static str, String)], [certificate, key, authority]: [&str; 3]) -> String {
    let word = |name: &str| words.iter().find(|(found, _)| *found == name).map(|(_, word)| word.clone());
    let [token, s3, identity, ca] = SECRETS;
    let secret = |name: &str, kind: &str, data: Value| json!({ "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": { "name": name }, "stringData": data });
    let credentials = json!({ "accessKeyId": word("access key id"), "secretAccessKey": word("secret access key"),
        "sessionToken": word("session token") });
    let all = [
        secret(token, "Opaque", json!({ "token": word("token") })),
        secret(s3, "Opaque", credentials),
        secret(identity, "kubernetes.io/tls", json!({ "tls.crt": certificate, "tls.key": key })),
        secret(ca, "Opaque", json!({ "ca.crt": authority })),
    ];
    all.map(|secret| secret.to_string()).join("\n---\n")
}

/// One that uses them all. Its buckets are the sample origin, which believes every signature and refuses what it is told to.
fn shop(namespace: &str) -> Value {
    let store = format!("http://shop-origin.{namespace}.svc.cluster.local");
    let bucket = |name: &str, bucket: &str| {
        json!({ "name": name, "s3": { "bucket": bucket, "region": "eu-west-1", "endpoint": store,
            "credentialsSecretRef": { "name": "shop-s3" } } })
    };
    distribution(|spec| {
        let token = json!({ "name": "X-Origin-Token", "secretKeyRef": { "name": "shop-token", "key": "token" } });
        spec["origins"][0]["headers"] = json!([token]);
        // Two, because what is wrong with the one is told before the other is looked at.
        let secure = |name: &str, tls: Value| json!({ "name": name, "service": { "name": "shop-origin", "port": 80 }, "tls": tls });
        let verified = secure("verified", json!({ "caSecretRef": { "name": "shop-authority" } }));
        let proven = secure("proven", json!({ "clientCertificateSecretRef": { "name": "shop-identity" } }));
        let others = [bucket("things", "things"), bucket("refusing", "status"), verified, proven];
        spec["origins"].as_array_mut().expect("a list").extend(others);
        spec["behaviors"] = json!([
            { "pathPattern": "/things/*", "origin": "things" },
            { "pathPattern": "/403", "origin": "refusing" },
            { "pathPattern": "/verified/*", "origin": "verified" },
            { "pathPattern": "/proven/*", "origin": "proven" },
        ]);
    })
}

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
        let (broken, sound) = (Marked::broken(), Marked::sound());
        let words = [&broken.words[..], &sound.words].concat();
        let hidden = async |when: &str| {
            let found = look(&client, &namespace, &words).await;
            assert!(found.is_empty(), "{when}: {found:#?}");
        };

        // What is of no use, so that edges have to say so.
        origin(&client, &namespace).await;
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
        assert!(ask_edge(&edge, "/verified/a").await.status.is_server_error(), "nobody there speaks TLS");
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
        what_is_planted_is_found(&client, &namespace, &sound.words).await;
    })
    .await;
}

/// The same search, for what was put where it can be read: once as it is, once as the API codes bytes, once where an edge logs it.
async fn what_is_planted_is_found(client: &Client, namespace: &str, words: &[(&str, String)]) {
    let edge = edges(client, namespace).await.remove(0);
    let [(_, token), (_, id), ..] = words else { panic!("there are words") };
    let coded = k8s_openapi::ByteString(id.clone().into_bytes());
    let planted = json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "planted", "annotations": { "note": format!("it is {token}") } },
        "binaryData": { "id": coded } });
    apply(client, namespace, &planted.to_string()).await;
    ask_edge(&edge, &format!("/{token}")).await;
    let found = look(client, namespace, words).await;
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
