//! An API server for tests: objects in memory, the faults that a test wants, and a record of every call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// The API; clones are the same.
#[derive(Clone, Default)]
pub struct FakeApi(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    calls: Vec<String>,
    bodies: BTreeMap<String, Value>,
    faults: VecDeque<(String, Fault)>,
    cut: Option<Cut>,
    webhook: Option<Webhook>,
}

/// Changes what is applied to a resource before it is stored.
type Webhook = (&'static str, fn(&mut Value));

/// When a process dies: with a call of its own.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// How many calls are answered before.
    pub after: usize,
    /// Whether the last call is carried out, though nobody hears the answer.
    pub carried_out: bool,
}

/// What becomes of a call instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status, once.
    Once(u16),
    /// It is answered with this status, every time.
    Always(u16),
    /// Its namespace is being removed: nothing is created in it any more.
    NamespaceEnds,
    /// A webhook that the API server asks about it resets each connection.
    WebhookResets,
    /// It is never answered.
    Silence,
}

impl FakeApi {
    /// A client of it.
    pub fn client(&self) -> kube::Client {
        let api = self.clone();
        kube::Client::new(tower::service_fn(move |request| api.clone().answer(request)), "default")
    }

    /// Every call since the last look, as `VERB resource/name`.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().calls)
    }

    /// The calls that change something, since the last look.
    pub fn writes(&self) -> Vec<String> {
        self.calls().into_iter().filter(|call| !call.starts_with("GET")).collect()
    }

    /// What the last call of this name sent.
    pub fn body(&self, call: &str) -> Value {
        self.0.lock().bodies.get(call).cloned().unwrap_or_default()
    }

    /// Puts an object there, as somebody else would; as it stands then.
    pub fn put(&self, resource: &str, mut object: Value) -> Value {
        let mut state = self.0.lock();
        let path = format!("{resource}/{}", object["metadata"]["name"].as_str().unwrap_or_default());
        state.stamp(&mut object);
        state.objects.insert(path, object.clone());
        object
    }

    /// Removes an object, as somebody else would.
    pub fn remove(&self, path: &str) {
        self.0.lock().objects.remove(path);
    }

    /// The object that is there.
    pub fn object(&self, path: &str) -> Option<Value> {
        self.0.lock().objects.get(path).cloned()
    }

    /// Has calls of this name fail.
    pub fn fail(&self, call: &str, fault: Fault) {
        self.0.lock().faults.push_back((call.to_owned(), fault));
    }

    /// Has a webhook change what is applied to this resource.
    pub fn change_all(&self, resource: &'static str, by: fn(&mut Value)) {
        self.0.lock().webhook = Some((resource, by));
    }

    /// Has nobody hear an answer after so many calls, until it is mended.
    pub fn cut(&self, cut: Cut) {
        self.0.lock().cut = Some(cut);
    }

    /// Has every call succeed again.
    pub fn mend(&self) {
        let mut state = self.0.lock();
        state.faults.clear();
        state.cut = None;
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, std::convert::Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let call = format!("{} {}", head.method, short(head.uri.path()));
        let fault = self.0.lock().record(&call, &body);
        if fault == Some(Fault::Silence) {
            std::future::pending::<()>().await;
        }
        let is_last = self.0.lock().is_cut();
        if is_last == Some(false) {
            std::future::pending::<()>().await;
        }
        let (status, answer) = match fault {
            Some(Fault::Once(code) | Fault::Always(code)) => failure(code, "a fault that the test wants"),
            Some(Fault::NamespaceEnds) => namespace_ends(),
            Some(Fault::WebhookResets) => self.0.lock().webhook_resets(),
            _ if is_list(&head) => self.0.lock().list(short(head.uri.path()), head.uri.query().unwrap_or_default()),
            _ => self.0.lock().handle(&head.method, short(head.uri.path()), body),
        };
        if is_last == Some(true) {
            std::future::pending::<()>().await;
        }
        let answer = serde_json::to_vec(&answer).expect("encodes");
        Ok(Response::builder().status(status).body(Body::from(answer)).expect("a response"))
    }
}

impl State {
    fn record(&mut self, call: &str, body: &Value) -> Option<Fault> {
        self.calls.push(call.to_owned());
        self.bodies.insert(call.to_owned(), body.clone());
        let at = self.faults.iter().position(|(name, _)| call == name)?;
        let fault = self.faults[at].1;
        if matches!(fault, Fault::Once(_)) {
            self.faults.remove(at);
        }
        Some(fault)
    }

    /// Each connection comes from another port.
    fn webhook_resets(&mut self) -> (StatusCode, Value) {
        self.version += 1;
        let port = 40_000 + self.version;
        let message = format!(
            "Internal error occurred: failed calling webhook \"mutate.example.com\": failed to call webhook: Post \
             \"https://webhook.kyverno.svc:443/mutate?timeout=10s\": read tcp 10.0.0.1:{port}->10.96.3.4:443: read: \
             connection reset by peer"
        );
        failure(500, &message)
    }

    /// Nothing while calls are answered; else whether this one is carried out.
    fn is_cut(&mut self) -> Option<bool> {
        let cut = self.cut.as_mut()?;
        let left = cut.after.checked_sub(1);
        let carried_out = cut.carried_out && left.is_none();
        match left {
            Some(left) => cut.after = left,
            None => cut.carried_out = false,
        }
        left.is_none().then_some(carried_out)
    }

    fn handle(&mut self, method: &Method, path: &str, body: Value) -> (StatusCode, Value) {
        match method.as_str() {
            "GET" => self
                .objects
                .get(path)
                .map_or_else(|| failure(404, "not found"), |there| (StatusCode::OK, there.clone())),
            "PATCH" => self.apply(path, body),
            "PUT" => self.replace_status(path.trim_end_matches("/status"), &body),
            "DELETE" => self.delete(path, &body),
            // Events: taken and forgotten.
            _ => (StatusCode::CREATED, body),
        }
    }

    /// The objects of a resource that carry the label which the query names, if it names one.
    fn list(&self, resource: &str, query: &str) -> (StatusCode, Value) {
        let query = query.replace("%3D", "=").replace("%2F", "/");
        let label = query.split('&').find_map(|part| part.strip_prefix("labelSelector=")?.split_once('='));
        let is_wanted = |object: &&Value| label.is_none_or(|(name, value)| object["metadata"]["labels"][name] == value);
        let of_it = self.objects.iter().filter(|(path, _)| path.rsplit_once('/').is_some_and(|(of, _)| of == resource));
        let items: Vec<_> = of_it.map(|(_, object)| object).filter(is_wanted).collect();
        (StatusCode::OK, json!({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": items}))
    }

    /// Server-side apply with a single manager: what is sent stands.
    fn apply(&mut self, path: &str, mut body: Value) -> (StatusCode, Value) {
        let there = self.objects.get(path);
        let meta = &body["metadata"];
        match there {
            Some(there) if meta["uid"] != there["metadata"]["uid"] && !meta["uid"].is_null() => {
                return failure(409, "uid mismatch");
            }
            Some(there) if meta["resourceVersion"] != there["metadata"]["resourceVersion"] && meta["uid"].is_null() => {
                return failure(409, "the object has been modified");
            }
            None if !meta["uid"].is_null() => return failure(409, "uid mismatch: no existing object was found"),
            _ => {}
        }
        if let Some(there) = there {
            body["status"] = there["status"].clone();
        }
        if let Some((_, change)) = self.webhook.filter(|(resource, _)| path.starts_with(resource)) {
            change(&mut body);
        }
        self.stamp(&mut body);
        self.objects.insert(path.to_owned(), body.clone());
        (StatusCode::OK, body)
    }

    fn replace_status(&mut self, path: &str, body: &Value) -> (StatusCode, Value) {
        let Some(mut object) = self.objects.get(path).cloned() else { return failure(404, "not found") };
        assert!(!body["metadata"]["resourceVersion"].is_null(), "a status is only written over what was read");
        if body["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
            return failure(409, "the object has been modified");
        }
        object["status"] = body["status"].clone();
        self.stamp(&mut object);
        self.objects.insert(path.to_owned(), object.clone());
        (StatusCode::OK, object)
    }

    fn delete(&mut self, path: &str, body: &Value) -> (StatusCode, Value) {
        let Some(there) = self.objects.get(path) else { return failure(404, "not found") };
        assert!(!body["preconditions"]["uid"].is_null(), "nothing is deleted by its name alone");
        if body["preconditions"]["uid"] != there["metadata"]["uid"] {
            return failure(409, "the uid in the precondition does not match");
        }
        let gone = self.objects.remove(path).unwrap_or_default();
        (StatusCode::OK, gone)
    }

    fn stamp(&mut self, object: &mut Value) {
        self.version += 1;
        let meta = &mut object["metadata"];
        meta["resourceVersion"] = json!((self.version + 1_000).to_string());
        if meta["uid"].is_null() {
            meta["uid"] = json!(format!("uid-{}", self.version));
        }
    }
}

/// Whether all objects of a resource are asked for.
fn is_list(head: &http::request::Parts) -> bool {
    head.method == Method::GET && !short(head.uri.path()).contains('/')
}

/// `resource/name` of a path, and `/status` behind it.
fn short(path: &str) -> &str {
    let namespaced = path.split_once("/namespaces/").map_or(path, |(_, rest)| rest);
    namespaced.split_once('/').map_or(namespaced, |(_, rest)| rest)
}

/// As the API server's admission says it.
fn namespace_ends() -> (StatusCode, Value) {
    let (status, mut answer) = failure(403, "unable to create new content in namespace default");
    answer["details"] = json!({"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]});
    (status, answer)
}

fn failure(code: u16, message: &str) -> (StatusCode, Value) {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        _ => "Unknown",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message,
        "reason": reason});
    (StatusCode::from_u16(code).expect("a status"), status)
}
