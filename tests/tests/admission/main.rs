//! The rules that the API server enforces by itself: each law is one object that it takes or refuses.
#![expect(
    clippy::semicolon_if_nothing_returned,
    clippy::needless_pass_by_value,
    reason = "a law is one line, its change one expression"
)]

mod answers;
mod caching;
mod distribution;
mod invalidation;
mod origins;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    runtime::wait::{await_condition, conditions::is_crd_established},
};
use serde_json::Value;

/// Installs the definitions as the chart does; repeating is harmless.
async fn install(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for definition in crds::schema::definitions() {
        let name = definition.metadata.name.clone().expect("a definition has a name");
        api.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(&definition)).await.expect("installs");
        await_condition(api.clone(), &name, is_crd_established()).await.expect("is established");
    }
}

fn api(client: &Client, namespace: &str, object: &Value) -> Api<DynamicObject> {
    let kind = object["kind"].as_str().expect("a kind");
    let gvk = GroupVersionKind::gvk("cdn.kubefront.io", "v1alpha1", kind);
    Api::namespaced_with(client.clone(), namespace, &kube::api::ApiResource::from_gvk(&gvk))
}

/// What the API server says to an object: nothing, or why it refuses.
async fn answer(client: &Client, namespace: &str, object: &Value) -> Result<DynamicObject, String> {
    let dry = PostParams { dry_run: true, field_manager: None };
    let typed: DynamicObject = serde_json::from_value(object.clone()).expect("an object");
    api(client, namespace, object).create(&dry, &typed).await.map_err(|error| error.to_string())
}

/// One law: how the sound object is changed, and what a refusal must say (nothing: it is accepted).
struct Law(&'static str, fn(&mut Value), Option<&'static str>);

async fn hold(client: &Client, namespace: &str, sound: fn() -> Value, laws: &[Law]) {
    let mut broken = Vec::new();
    for Law(name, change, refusal) in laws {
        let mut object = sound();
        change(&mut object);
        match (answer(client, namespace, &object).await, refusal) {
            (Ok(_), None) => {}
            (Err(message), Some(expect)) if message.contains(expect) => {}
            (Ok(_), Some(expect)) => broken.push(format!("{name}: taken, should be refused: {expect}")),
            (Err(message), expect) => broken.push(format!("{name}: expected {expect:?}, got {message}")),
        }
    }
    assert!(broken.is_empty(), "{} laws are broken:\n{}", broken.len(), broken.join("\n"));
}

/// One law of change: what a stored object may become.
async fn change(client: &Client, namespace: &str, object: &Value, patch: Value) -> Result<DynamicObject, String> {
    let name = object["metadata"]["name"].as_str().expect("a name");
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    api(client, namespace, object).patch(name, &dry, &Patch::Merge(&patch)).await.map_err(|error| error.to_string())
}
