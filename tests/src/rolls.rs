//! Rolls of an origin's pods into a verdict: viewers noticed nothing, though nothing is stored and every one of their requests
//! goes to a pod that may be on its way out.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{
    cluster::{eventually, until},
    outages::Told,
    product::{ask, distribution, origin, ready, service_address},
    viewers::Viewers,
};

/// How many pods the origin has. One of them may be missing.
const PODS: i32 = 4;

/// How the origin's pods end, once they are told to.
#[derive(Clone, Copy)]
enum Farewell {
    /// Unready at first and answering on for seconds, as a server does that knows how Services work.
    Lingering,
    /// At once, before anybody can know: what is under way is answered, and nobody listens any more.
    Abrupt,
}

impl Farewell {
    fn of_roll(number: u32) -> Self {
        if number.is_multiple_of(2) { Self::Abrupt } else { Self::Lingering }
    }

    fn linger(self) -> u32 {
        match self {
            Self::Lingering => 5,
            Self::Abrupt => 0,
        }
    }
}

/// Rolls the origin so many times, one pod after the other, while viewers ask through two edges that store nothing, and
/// prints what each roll cost them. The pods of every second roll end at once.
///
/// # Panics
/// If a viewer got an error or nothing.
pub async fn are_not_noticed(client: &Client, namespace: &str, rolls: u32, a_second: u32) {
    origin(client, namespace).await;
    roll(client, namespace, 0).await;
    let uncached = distribution(|spec| {
        spec["locations"][0]["replicas"] = json!(2);
        spec["defaultBehavior"]["cache"] = json!({ "ttl": { "min": "0s", "default": "0s", "max": "0s" } });
    });
    ready(client, namespace, &uncached).await;
    for _ in 0..2 {
        assert!(!ask(client, namespace, "/").await.is_hit(), "nothing is stored");
    }
    let address = service_address(client, namespace, "shop-edge").await;
    let viewers = Viewers::of(address, a_second, |number| format!("/new/{number}"));
    viewers.ask_more(a_second.into()).await;
    for number in 1..=rolls {
        let how = match Farewell::of_roll(number) {
            Farewell::Lingering => "pods that answer on",
            Farewell::Abrupt => "pods that end at once",
        };
        let told = Told::begin(&format!("an origin rolled: {how}"), &viewers);
        roll(client, namespace, number).await;
        told.end(&viewers);
    }
    viewers.ask_more(a_second.into()).await;
    println!("{} requests at {a_second} a second, none failed", viewers.all_were_served().await);
}

/// Has the origin's pods replaced by those of the next roll, and waits until none of those before is left.
async fn roll(client: &Client, namespace: &str, number: u32) {
    let linger = format!("--linger={}", Farewell::of_roll(number + 1).linger());
    let container = json!({ "name": "origin", "args": ["--content=v1", linger] });
    let patch = json!({ "spec": {
        "replicas": PODS,
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 1, "maxSurge": 0 } },
        "template": {
            "metadata": { "annotations": { "kubectl.kubernetes.io/restartedAt": number.to_string() } },
            "spec": { "containers": [container] },
        },
    } });
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Strategic(patch);
    let told = deployments.patch("shop-origin", &PatchParams::default(), &patch).await.expect("rolls the origin");
    until(&deployments, "shop-origin", "is rolled", |found| {
        let status = found.status.clone().unwrap_or_default();
        let counts = [status.replicas, status.updated_replicas, status.available_replicas];
        status.observed_generation >= told.metadata.generation && counts == [Some(PODS); 3]
    })
    .await;
    // A pod that is ending is not counted there.
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let selector = ListParams::default().labels("app.kubernetes.io/name=shop-origin");
    eventually("those that end are gone", || async {
        i32::try_from(pods.list(&selector).await.expect("lists").items.len()) == Ok(PODS)
    })
    .await;
}
