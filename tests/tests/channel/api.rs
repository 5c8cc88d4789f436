//! An API server that keeps Secrets and knows whose tokens are whose: all that the channel asks it for.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use edge_contract::TOKEN_AUDIENCE;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The API; clones are the same.
#[derive(Clone, Default)]
pub struct Api(Arc<State>);

#[derive(Default)]
struct State {
    secrets: Mutex<BTreeMap<String, Value>>,
    reviews: watch::Sender<usize>,
}

impl Api {
    /// A client of it.
    pub fn client(&self) -> kube::Client {
        let api = self.clone();
        kube::Client::new(tower::service_fn(move |request| api.clone().answer(request)), "kubefront")
    }

    /// The token of the pod of this name: an edge of the Distribution `blog` where the name begins so, else of `shop`.
    pub fn token(pod: &str) -> String {
        format!("token-of-{pod}")
    }

    /// The uid of that pod.
    pub fn uid(pod: &str) -> String {
        format!("uid-of-{pod}")
    }

    /// What a Secret holds.
    pub fn secret(&self, name: &str) -> Value {
        self.0.secrets.lock()[name]["data"].clone()
    }

    /// Has a Secret hold something else.
    pub fn keep_secret(&self, name: &str, data: &Value) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data});
        self.0.secrets.lock().insert(name.to_owned(), secret);
    }

    /// Waits until so many tokens were reviewed.
    pub async fn reviewed(&self, times: usize) {
        self.0.reviews.subscribe().wait_for(|reviews| *reviews >= times).await.expect("the API lives");
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = match (head.method, head.uri.path().rsplit('/').next()) {
            (Method::POST, Some("tokenreviews")) => (201, self.review(&body)),
            (Method::POST, _) => {
                let name = body["metadata"]["name"].as_str().expect("has a name").to_owned();
                self.0.secrets.lock().insert(name, body.clone());
                (201, body)
            }
            (_, name) => match self.0.secrets.lock().get(name.unwrap_or_default()) {
                Some(secret) => (200, secret.clone()),
                None => (404, json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404})),
            },
        };
        let answer = Body::from(answer.to_string().into_bytes());
        Ok(Response::builder().status(status).body(answer).expect("a response"))
    }

    fn review(&self, review: &Value) -> Value {
        assert_eq!(review["spec"]["audiences"], json!([TOKEN_AUDIENCE]));
        self.0.reviews.send_modify(|reviews| *reviews += 1);
        let Some(pod) = review["spec"]["token"].as_str().and_then(|token| token.strip_prefix("token-of-")) else {
            return json!({"spec": {}, "status": {"authenticated": false}});
        };
        let distribution = if pod.starts_with("blog") { "blog" } else { "shop" };
        let user = json!({
            "username": format!("system:serviceaccount:default:{distribution}-edge"),
            "extra": {
                "authentication.kubernetes.io/pod-name": [pod],
                "authentication.kubernetes.io/pod-uid": [Self::uid(pod)],
            },
        });
        json!({"spec": {}, "status": {"authenticated": true, "audiences": [TOKEN_AUDIENCE], "user": user}})
    }
}
