//! An operator's end of the channel with an API server that knows a few tokens.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use edge_contract::{Epoch, Head, PurgeOrder, Scope, SequenceNumber, TOKEN_AUDIENCE};
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::authority::Authority;

pub(super) const EPOCH: Epoch = Epoch(7);

/// One replica, its API server and its authority.
pub(super) struct Site {
    pub(super) edges: Edges,
    pub(super) channel: Channel,
    pub(super) authority: Authority,
    leadership: watch::Sender<Leadership>,
    api: Arc<Api>,
}

#[derive(Default)]
struct Api {
    reviews: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Site {
    pub(super) async fn leading() -> Self {
        Self::new(Leadership::Leading { since: clock::monotonic() }).await
    }

    pub(super) async fn following(leader: Option<&str>) -> Self {
        Self::new(Leadership::Following { leader: leader.map(Into::into) }).await
    }

    async fn new(leadership: Leadership) -> Self {
        let api = Arc::new(Api::default());
        let service = {
            let api = api.clone();
            tower::service_fn(move |request| Arc::clone(&api).answer(request))
        };
        let client = kube::Client::new(service, "kubefront");
        let authority = Authority::open(client.clone(), "kubefront").await.expect("an authority");
        let (leadership, watch) = watch::channel(leadership);
        let edges = Edges::new(watch);
        edges.certify_by(authority.issuer());
        tokio::spawn(edges.clone().follow_leadership());
        let tls = authority.server_config().expect("TLS");
        let channel = Channel::new(edges.clone(), Reviewer::new(client), tls);
        Self { edges, channel, authority, leadership, api }
    }

    pub(super) fn lead(&self, leads: bool) {
        self.leadership.send_replace(if leads {
            Leadership::Leading { since: clock::monotonic() }
        } else {
            Leadership::Following { leader: None }
        });
    }

    pub(super) fn seen(&self, name: &str) -> EdgeSeen {
        let uid = format!("uid-{name}");
        self.edges.snapshot(&distribution()).into_iter().find(|edge| edge.uid == uid).expect("was heard")
    }

    /// Waits until something holds, looking whenever the paused clock moves.
    pub(super) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let looking = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), looking).await.expect("holds at last");
    }

    pub(super) fn reviews(&self) -> usize {
        self.api.reviews.load(Ordering::SeqCst)
    }

    pub(super) fn most_reviews_at_once(&self) -> usize {
        self.api.most.load(Ordering::SeqCst)
    }
}

impl Api {
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let (status, answer) = if head.uri.path().ends_with("/tokenreviews") {
            self.review(&serde_json::from_slice(&body).expect("a TokenReview")).await
        } else if head.method == http::Method::POST {
            (201, serde_json::from_slice(&body).expect("a Secret"))
        } else {
            (404, json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "message": "", "code": 404}))
        };
        let body = Body::from(answer.to_string().into_bytes());
        Ok(Response::builder().status(status).body(body).expect("a response"))
    }

    async fn review(&self, review: &Value) -> (u16, Value) {
        self.reviews.fetch_add(1, Ordering::SeqCst);
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(under_way, Ordering::SeqCst);
        let token = review["spec"]["token"].as_str().expect("a token");
        assert_eq!(review["spec"]["audiences"], json!([TOKEN_AUDIENCE]));
        if token == "slow" {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let user = match token {
            "token-one" | "token-two" => user("shop-edge", &token["token-".len()..]),
            "token-default" => user("default", "one"),
            "other-audience" => {
                let status = json!({"authenticated": true, "audiences": ["api"], "user": user("shop-edge", "one")});
                return (201, json!({"spec": {}, "status": status}));
            }
            "api-down" => return (500, json!({"kind": "Status", "status": "Failure", "message": "", "code": 500})),
            _ if token == short_lived() => user("shop-edge", "one"),
            _ => return (201, json!({"spec": {}, "status": {"authenticated": false}})),
        };
        let status = json!({"authenticated": true, "audiences": [TOKEN_AUDIENCE], "user": user});
        (201, json!({"spec": {}, "status": status}))
    }
}

fn user(service_account: &str, name: &str) -> Value {
    json!({
        "username": format!("system:serviceaccount:default:{service_account}"),
        "extra": {
            "authentication.kubernetes.io/pod-name": [format!("pod-{name}")],
            "authentication.kubernetes.io/pod-uid": [format!("uid-{name}")],
        },
    })
}

/// The token `token-short` of the tests: it ends ten minutes from now.
pub(super) fn short_lived() -> String {
    static TOKEN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let make = || {
        let claims = json!({"exp": clock::wall().as_second() + 600});
        format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
    };
    TOKEN.get_or_init(make).clone()
}

pub(super) fn distribution() -> DistributionKey {
    DistributionKey::new("default", "shop")
}

pub(super) fn config(revision: u64) -> Arc<EdgeConfig> {
    Arc::new(EdgeConfig::of(EPOCH, revision, vec![]))
}

pub(super) fn order(sequence: SequenceNumber) -> PurgeOrder {
    PurgeOrder { epoch: EPOCH, sequence, uid: format!("order-{sequence}"), scopes: vec![Scope::Everything] }
}

pub(super) fn head(floor: SequenceNumber, sequence: SequenceNumber) -> Head {
    Head { epoch: EPOCH, sequence, floor, flush: 0 }
}

pub(super) fn log(floor: SequenceNumber, sequence: SequenceNumber, admitted: &[&str]) -> Arc<PurgeLog> {
    let admitted = admitted.iter().map(|boot| ((*boot).to_owned(), clock::monotonic())).collect();
    let orders = (floor + 1..=sequence).map(|at| Arc::new(order(at))).collect();
    Arc::new(PurgeLog { epoch: EPOCH, orders, head: head(floor, sequence), admitted })
}
