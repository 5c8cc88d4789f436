//! All that operators meet, one after the other, and what they do when they were refused something.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use crds::{Distribution, Invalidation};
use edge_contract::{CHANNEL_PATH, OPERATOR_NAME};
use http::StatusCode;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Secret, Service, ServiceAccount},
        events::v1::Event,
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use tests::{
    cluster::{apply, eventually, until, until_gone},
    operator::{Log, Operator},
    product::{distribution, invalidation, is, status},
};
use tokio::net::TcpStream;

use crate::{PROGRAM, chart::Right};

/// An operator, and all that it meets.
pub struct Life<'a> {
    pub client: Client,
    pub namespace: String,
    pub operator: &'a mut Operator,
    pub log: &'a Log,
}

impl Life<'_> {
    fn api<K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    async fn apply(&self, object: &Value) {
        apply(&self.client, &self.namespace, &object.to_string()).await;
    }

    /// The whole life, each part until its effect is seen.
    pub async fn everything(&mut self) {
        self.serves_a_distribution().await;
        self.tells_what_comes_and_goes().await;
        self.invalidates().await;
        self.takes_over().await;
        self.removes_what_nobody_asks_for().await;
        self.hears_an_edge().await;
        self.gives_up_what_is_gone().await;
        self.starts_again_years_later().await;
    }

    async fn serves_a_distribution(&self) {
        self.apply(&two_locations()).await;
        until(&self.api::<Deployment>(), "shop--b", "is made", |_| true).await;
        until(&self.api::<Distribution>(), "shop", "waits for a Service", |found| is(found, "ResolvedRefs", "False"))
            .await;
    }

    /// The same happens twice, so that there is an Event and then a second one of the kind.
    async fn tells_what_comes_and_goes(&self) {
        let (distributions, services) = (self.api::<Distribution>(), self.api::<Service>());
        let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "shop-origin" },
            "spec": { "ports": [{ "port": 80 }], "selector": { "nobody": "here" } } });
        self.apply(&service).await;
        until(&distributions, "shop", "has its Service", |found| is(found, "ResolvedRefs", "True")).await;
        services.delete("shop-origin", &DeleteParams::default()).await.expect("deletes");
        until(&distributions, "shop", "misses it", |found| is(found, "ResolvedRefs", "False")).await;
        let told_twice = |event: &Event| event.reason.as_deref() == Some("NotResolvedRefs") && event.series.is_some();
        let events = self.api::<Event>();
        eventually("it is told twice", || async {
            events.list(&ListParams::default()).await.expect("lists").iter().any(told_twice)
        })
        .await;
    }

    /// No edge may serve, so both are complete at once, and then they are removed. One has its owner already: nothing but its
    /// removal is to be done.
    async fn invalidates(&self) {
        let owner = self.api::<Distribution>().get("shop").await.expect("is there").owner_ref(&());
        let api = self.api::<Invalidation>();
        for owners in [json!([owner]), json!([])] {
            let mut order = invalidation("", &["/*"]);
            order["metadata"] = json!({ "generateName": "shop-", "ownerReferences": owners });
            order["spec"]["ttlSecondsAfterFinished"] = json!(0);
            let order: Invalidation = serde_json::from_value(order).expect("an Invalidation");
            let made = api.create(&PostParams::default(), &order).await.expect("creates").name_any();
            until_gone(&api, &made).await;
        }
    }

    /// An operator before it took a number for an Invalidation that is gone, and knew an edge that is gone with its node.
    async fn takes_over(&self) {
        let api = self.api::<Distribution>();
        eventually("the status is put there", || async {
            let found = api.get("shop").await.expect("is there");
            let mut counters = status(&found).invalidation.map(|counters| json!(counters)).expect("has counters");
            counters["sequence"] = json!(counters["sequence"].as_u64().expect("a number") + 1);
            counters["pending"] = json!([{ "uid": "gone", "name": "gone", "sequence": counters["sequence"] }]);
            let left = json!({ "metadata": { "resourceVersion": found.resource_version() }, "status": {
                "invalidation": counters, "members": [{ "podUID": "gone", "pod": "gone", "node": "gone" }] } });
            api.patch_status("shop", &PatchParams::default(), &Patch::Merge(left)).await.is_ok()
        })
        .await;
        until(&api, "shop", "has no number open", |found| {
            status(found).invalidation.is_some_and(|counters| counters.floor == counters.sequence)
        })
        .await;
    }

    /// A location, and children of kinds that only another release has under these names.
    async fn removes_what_nobody_asks_for(&self) {
        let owner = self.api::<Distribution>().get("shop").await.expect("is there").controller_owner_ref(&());
        let kinds = [("v1", "ConfigMap"), ("v1", "ServiceAccount"), ("networking.k8s.io/v1", "NetworkPolicy")];
        for (version, kind) in kinds {
            let metadata = json!({ "name": "shop-old", "labels": { "cdn.kubefront.io/distribution": "shop" },
                "ownerReferences": [owner] });
            let mut left = json!({ "apiVersion": version, "kind": kind, "metadata": metadata });
            if kind == "NetworkPolicy" {
                left["spec"] = json!({ "podSelector": {} });
            }
            self.apply(&left).await;
        }
        let mut one = two_locations();
        one["spec"]["locations"].as_array_mut().expect("a list").pop();
        self.apply(&one).await;
        until_gone(&self.api::<ConfigMap>(), "shop-old").await;
        until_gone(&self.api::<ServiceAccount>(), "shop-old").await;
        until_gone(&self.api::<NetworkPolicy>(), "shop-old").await;
        until_gone(&self.api::<Deployment>(), "shop--b").await;
        until_gone(&self.api::<PodDisruptionBudget>(), "shop--b").await;
        until_gone(&self.api::<Service>(), "shop--b").await;
    }

    /// One whose token nobody issued: it is turned away once the API server was asked.
    async fn hears_an_edge(&self) {
        let secret = self.api::<Secret>().get("kubefront-operator-ca").await.expect("is there");
        let authority = secret.data.and_then(|mut fields| fields.remove("ca.crt")).expect("a certificate").0;
        let answer = call(self.operator.channel, &authority).await;
        assert!([StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE].contains(&answer), "{answer}");
    }

    async fn gives_up_what_is_gone(&self) {
        until(&self.api::<Distribution>(), "shop", "has no members", |found| status(found).members.is_empty()).await;
    }

    /// Its authority is to be followed by a new one by then.
    async fn starts_again_years_later(&mut self) {
        let api = self.api::<Secret>();
        let aged = json!({ "stringData": { "ca.made": "2020-01-01T00:00:00Z" } });
        api.patch("kubefront-operator-ca", &PatchParams::default(), &Patch::Merge(aged)).await.expect("ages");
        *self.operator = Operator::start(PROGRAM, &self.namespace, self.log);
        until(&api, "kubefront-operator-ca", "holds the next authority", |found| {
            found.data.as_ref().is_some_and(|fields| fields.contains_key("next.crt"))
        })
        .await;
    }

    /// Whoever lacks a right lives on, and does what else there is to do.
    pub async fn goes_on_without(&mut self, right: &Right) {
        assert!(self.operator.is_running(), "{right}: the operator ended");
        if right.is_needed_to_be_ready() {
            assert!(!self.operator.is_ready().await, "{right}: it does not know all there is");
            return;
        }
        eventually("it is ready all the same", || self.operator.is_ready()).await;
        if right.is_needed_for_distributions() {
            return;
        }
        for name in ["shop", "other"] {
            let mut object = two_locations();
            object["metadata"]["name"] = json!(name);
            self.apply(&object).await;
            until(&self.api::<Distribution>(), name, "is looked after all the same", |found| {
                status(found).observed_generation == found.metadata.generation
            })
            .await;
        }
        if right.is_needed_for_invalidations() {
            return;
        }
        self.apply(&invalidation("after", &["/*"])).await;
        until(&self.api::<Invalidation>(), "after", "is on its way all the same", |found| {
            found.status.as_ref().is_some_and(|status| status.edges.is_some())
        })
        .await;
    }
}

/// A Distribution whose edges fit on no node: all that an operator does for it is done, and nothing runs.
fn two_locations() -> Value {
    let location = |name: &str| json!({ "name": name, "replicas": 1, "pod": { "nodeSelector": { "kubernetes.io/hostname": "nowhere" } } });
    distribution(|spec| spec["locations"] = json!([location("a"), location("b")]))
}

/// Opens the channel as an edge does, with a token that nobody issued.
async fn call(channel: SocketAddr, authority: &[u8]) -> StatusCode {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(authority);
    certificates.for_each(|certificate| roots.add(certificate.expect("PEM")).expect("an authority"));
    let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = TcpStream::connect(channel).await.expect("somebody listens");
    let name = ServerName::try_from(OPERATOR_NAME).expect("a name");
    let stream = tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, tcp).await.expect("it is the operator");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let request = http::Request::post(format!("https://{OPERATOR_NAME}{CHANNEL_PATH}"));
    let request = request.header("authorization", "Bearer nobody").body(Full::<Bytes>::default()).expect("legal");
    let status = sender.send_request(request).await.expect("answers").status();
    connection.abort();
    status
}
