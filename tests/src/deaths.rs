//! Sudden deaths of the operator into one verdict: whatever it was doing, the same objects come out. `make test` runs each
//! deed once, `make soak` as often as it is promised.

use std::time::Duration;

use crds::Distribution;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    clock,
    cluster::{apply, eventually, until_gone},
    product::{complete, distribution, invalidation, origin, ready},
    replicas::{kill_leader, somebody_leads},
};

/// What a user does while the operator dies.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Create,
    Update,
    Invalidate,
    Delete,
}

const DEEDS: [Deed; 4] = [Deed::Create, Deed::Update, Deed::Invalidate, Deed::Delete];

/// Kills the leader so many times, each time at a random moment of another deed; the same seed kills at the same moments.
///
/// # Panics
/// If something else comes out than without a death.
pub async fn change_nothing(client: &Client, namespace: &str, kills: u32, seed: u64) {
    origin(client, namespace).await;
    let expected = Expected::observe(client, namespace).await;
    let mut moments = Moments(seed);
    for number in 0..kills {
        let deed = DEEDS[number as usize % DEEDS.len()];
        let after = moments.next_below(Duration::from_millis(1_500));
        calm(client, namespace).await;
        let began = clock::now();
        die_during(client, namespace, deed, (number, after)).await;
        converged(client, namespace, deed, &expected).await;
        let later = began.elapsed().saturating_sub(after);
        println!("{number}: {deed:?}, killed after {after:?}: as it should be {later:.1?} later");
    }
    println!("{kills} kills, all converged");
}

/// Waits until a replica leads that lives, and until edges that end have told it so. Two deaths in a row would leave them
/// nobody to say goodbye to for longer than they try, and the proof that they serve nothing takes minutes: that is right, and
/// not what this is about.
async fn calm(client: &Client, namespace: &str) {
    somebody_leads(client).await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    eventually("no edge is ending", || async {
        pods.list(&of_shop()).await.expect("lists").iter().all(|pod| pod.metadata.deletion_timestamp.is_none())
    })
    .await;
}

/// A small generator (Knuth's MMIX), so that a run can be repeated.
struct Moments(u64);

impl Moments {
    fn next_below(&mut self, limit: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis((self.0 >> 33) % limit)
    }
}

fn first() -> Value {
    distribution(|_| ())
}

fn second() -> Value {
    distribution(|spec| {
        spec["locations"] = json!([{ "name": "here", "replicas": 1 }, { "name": "there", "replicas": 1 }]);
        spec["behaviors"] = json!([{ "pathPattern": "/img/*", "origin": "app" }]);
    })
}

/// What comes of both manifests when nobody dies.
struct Expected {
    first: Vec<Value>,
    second: Vec<Value>,
}

impl Expected {
    async fn observe(client: &Client, namespace: &str) -> Self {
        ready(client, namespace, &first()).await;
        let of_first = children(client, namespace).await;
        ready(client, namespace, &second()).await;
        eventually("the first location is gone", || async {
            children(client, namespace).await.len() != of_first.len()
        })
        .await;
        let of_second = children(client, namespace).await;
        delete(client, namespace).await;
        eventually("the children are gone", || async { children(client, namespace).await.is_empty() }).await;
        assert!(!of_first.is_empty() && of_first != of_second, "{of_first:#?}");
        Self { first: of_first, second: of_second }
    }
}

/// Does the deed from the state it needs, and kills the leader so long after it began.
async fn die_during(client: &Client, namespace: &str, deed: Deed, (number, after): (u32, Duration)) {
    match deed {
        Deed::Create => delete(client, namespace).await,
        Deed::Update => drop(ready(client, namespace, &first()).await),
        Deed::Invalidate | Deed::Delete => drop(ready(client, namespace, &second()).await),
    }
    let user = async {
        match deed {
            Deed::Create => apply(client, namespace, &first().to_string()).await,
            Deed::Update => apply(client, namespace, &second().to_string()).await,
            Deed::Invalidate => {
                drop(complete(client, namespace, &invalidation(&format!("order-{number}"), &["/*"])).await);
            }
            Deed::Delete => delete(client, namespace).await,
        }
    };
    let death = async {
        tokio::time::sleep(after).await;
        kill_leader(client).await;
    };
    tokio::join!(user, death);
}

async fn delete(client: &Client, namespace: &str) {
    let api: Api<Distribution> = Api::namespaced(client.clone(), namespace);
    if api.get_opt("shop").await.expect("reads").is_some() {
        api.delete("shop", &DeleteParams::background()).await.expect("deletes");
        until_gone(&api, "shop").await;
    }
}

async fn converged(client: &Client, namespace: &str, deed: Deed, expected: &Expected) {
    let children_are = async |expected: &[Value]| {
        eventually("the same objects as ever", || async { children(client, namespace).await == expected }).await;
    };
    match deed {
        Deed::Create => {
            ready(client, namespace, &first()).await;
            children_are(&expected.first).await;
        }
        Deed::Update | Deed::Invalidate => {
            ready(client, namespace, &second()).await;
            children_are(&expected.second).await;
        }
        Deed::Delete => children_are(&[]).await,
    }
}

/// Everything that the Distribution is made of, without what the API server or time puts there.
async fn children(client: &Client, namespace: &str) -> Vec<Value> {
    let mut all = Vec::new();
    all.extend(list::<Deployment>(client, namespace).await);
    all.extend(list::<Service>(client, namespace).await);
    all.extend(list::<ConfigMap>(client, namespace).await);
    all.extend(list::<ServiceAccount>(client, namespace).await);
    all.extend(list::<PodDisruptionBudget>(client, namespace).await);
    all.extend(list::<NetworkPolicy>(client, namespace).await);
    all
}

async fn list<K>(client: &Client, namespace: &str) -> Vec<Value>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + DeserializeOwned + Serialize,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let listed = api.list(&of_shop()).await.expect("lists");
    listed.items.iter().map(|object| without_time(&K::kind(&()), object)).collect()
}

/// Whatever belongs to the Distribution `shop`.
fn of_shop() -> ListParams {
    ListParams::default().labels("cdn.kubefront.io/distribution=shop")
}

fn without_time(kind: &str, object: &impl Serialize) -> Value {
    let object = serde_json::to_value(object).expect("an object");
    let mut spec = object["spec"].clone();
    for address in ["clusterIP", "clusterIPs"] {
        spec.as_object_mut().map(|spec| spec.remove(address));
    }
    let data: Vec<_> = object["data"].as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
    json!({
        "kind": kind, "name": object["metadata"]["name"], "labels": object["metadata"]["labels"],
        "spec": spec, "data": data,
    })
}
