//! What becomes of grants where a cluster learns of their kind later, or forgets it: time is the test's own.

mod refused;

use std::collections::BTreeSet;

use http::{Request, Response, StatusCode};
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::*;
use crate::clock;
use crate::fake_api::{FakeApi, Fault};
use crate::runner::Wakes as Heard;

const HALF_A_MINUTE: Duration = Duration::from_secs(30);

/// An API server that serves some versions of the kind, with one grant, and notes which are asked for.
#[derive(Clone)]
struct Definitions {
    served: watch::Sender<BTreeSet<&'static str>>,
    listed: Arc<Mutex<Vec<String>>>,
}

impl Definitions {
    fn none() -> Self {
        Self { served: watch::Sender::default(), listed: Arc::default() }
    }

    fn serve(&self, versions: &[&'static str]) {
        self.served.send_replace(versions.iter().copied().collect());
    }

    /// The versions that were listed since the last look.
    fn listed(&self) -> Vec<String> {
        std::mem::take(&mut self.listed.lock())
    }

    fn client(&self) -> kube::Client {
        let this = self.clone();
        kube::Client::new(tower::service_fn(move |request| this.clone().answer(request)), "default")
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, std::convert::Infallible> {
        let version = request.uri().path().split('/').nth(3).unwrap_or_default().to_owned();
        let mut served = self.served.subscribe();
        if request.uri().query().unwrap_or_default().contains("watch=true") {
            // Nothing ever changes but this.
            let _ = served.wait_for(|served| !served.contains(version.as_str())).await;
        } else {
            self.listed.lock().push(version.clone());
        }
        let is_served = served.borrow().contains(version.as_str());
        let (status, answer) =
            if is_served { (StatusCode::OK, grants()) } else { (StatusCode::NOT_FOUND, undefined()) };
        let body = serde_json::to_vec(&answer).expect("plain data");
        Ok(Response::builder().status(status).body(Body::from(body)).expect("legal"))
    }
}

fn grants() -> Value {
    let spec = json!({
        "from": [{ "group": "cdn.kubefront.io", "kind": "Distribution", "namespace": "default" }],
        "to": [{ "group": "", "kind": "Service" }],
    });
    let metadata = json!({ "name": "to-shop", "namespace": "far", "uid": "1", "resourceVersion": "7" });
    json!({ "kind": "ReferenceGrantList", "metadata": { "resourceVersion": "7" },
        "items": [{ "metadata": metadata, "spec": spec }] })
}

fn undefined() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound",
        "message": "the server could not find the requested resource" })
}

/// Follows what `far` grants, which a Distribution looks at; whoever holds the rest hears of it and ends it.
fn follow(api: &Definitions) -> (Arc<Context>, Heard, CancellationToken) {
    let (mut context, _) = Context::for_test(&FakeApi::default(), Duration::ZERO);
    context.client = api.client();
    let far = Group::Grants("far".into());
    context.interests.note(&DistributionKey::new("default", "shop"), [far].into());
    let ((distribution, heard), (invalidation, _), context) = (Bell::new(), Bell::new(), Arc::new(context));
    let stop = CancellationToken::new();
    let unreadable = Teller::new(context.events.clone());
    let scopes = scopes(&context);
    let controllers = Controllers {
        context: Arc::clone(&context),
        distribution,
        invalidation,
        unreadable,
        scopes,
        stop: stop.clone(),
    };
    controllers.watch_grants(&context.stores.reference_grants);
    (context, heard, stop)
}

/// Of the test's own time.
async fn within_minutes<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(5), what).await.expect("comes in time")
}

fn are_granted(context: &Context) -> bool {
    !context.stores.reference_grants.of(&Group::Grants("far".into())).is_empty()
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_defined_later_is_noticed_within_half_a_minute() {
    for version in ["v1beta1", "v1"] {
        let api = Definitions::none();
        let (context, mut heard, stop) = follow(&api);
        within_minutes(context.stores.reference_grants.complete()).await;
        assert!(!are_granted(&context), "that nothing is granted is known, and holds nothing up");
        assert_eq!(api.listed(), ["v1beta1", "v1"]);
        tokio::time::advance(HALF_A_MINUTE * 3 / 2).await;
        tokio::task::yield_now().await;
        assert_eq!(
            (heard.requests.try_recv().is_err(), api.listed()),
            (true, vec!["v1beta1".to_owned(), "v1".to_owned()])
        );
        api.serve(&[version]);
        let defined = clock::monotonic();
        let woken = within_minutes(heard.requests.recv()).await.expect("somebody watches");
        assert_eq!(woken.message, DistributionKey::new("default", "shop"));
        assert!(are_granted(&context) && defined.elapsed() <= HALF_A_MINUTE, "{:?}", defined.elapsed());
        assert_eq!(api.listed().last().map(String::as_str), Some(version));
        stop.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_forgotten_grants_nothing_any_more() {
    let api = Definitions::none();
    api.serve(&["v1"]);
    let (context, mut heard, stop) = follow(&api);
    within_minutes(heard.requests.recv()).await.expect("a grant is there");
    assert!(are_granted(&context));
    let began = clock::monotonic();
    api.serve(&[]);
    within_minutes(heard.requests.recv()).await.expect("it is gone");
    assert!(!are_granted(&context) && began.elapsed() < HALF_A_MINUTE, "{:?}", began.elapsed());
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_is_told_of_beside_the_watch_and_once() {
    let api = FakeApi::default();
    for number in 0..200 {
        let name = format!("broken-{number}");
        api.put(
            "services",
            json!({"metadata": {"namespace": "default", "name": name}, "spec": "what was stored once"}),
        );
    }
    api.fail("POST events", Fault::Silence);
    let (mut context, _) = Context::for_test(&api, Duration::ZERO);
    let watch_namespaces = vec!["default".to_owned()];
    context.settings = Arc::new(crate::settings::Settings { watch_namespaces, ..(*context.settings).clone() });
    let ((distribution, _), (invalidation, _), context) = (Bell::new(), Bell::new(), Arc::new(context));
    let (unreadable, stop) = (Teller::new(context.events.clone()), CancellationToken::new());
    let scopes = scopes(&context);
    let controllers =
        Controllers { context: context.clone(), distribution, invalidation, unreadable, scopes, stop: stop.clone() };
    let services = &context.stores.services;
    controllers.watch(services, &Config::default(), slim::meta, Wakes::Distribution);
    let listed = tokio::time::timeout(Duration::from_secs(5), services.complete()).await;
    assert!(listed.is_ok() && services.unreadable("default", "broken-199").is_some());
    sleep(Duration::from_mins(10)).await;
    let told = api.calls().iter().filter(|call| *call == "POST events").count();
    assert!((40..=65).contains(&told), "{told} in ten minutes, each of which hangs");
    stop.cancel();
}
