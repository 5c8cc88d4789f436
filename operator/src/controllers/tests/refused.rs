//! What becomes of a namespace in which lists are refused, and of the others: time is the test's own.

use super::*;
use crate::names::key_of;

/// An API server with a Distribution and a pod of it in each namespace.
#[derive(Clone, Default)]
struct Namespaces {
    refused: Arc<Mutex<BTreeSet<(&'static str, &'static str)>>>,
    listed: Arc<Mutex<Vec<String>>>,
}

/// What is listed of a namespace.
const RESOURCES: [&str; 12] = [
    "pods",
    "deployments",
    "configmaps",
    "serviceaccounts",
    "poddisruptionbudgets",
    "networkpolicies",
    "services",
    "endpointslices",
    "ingresses",
    "referencegrants",
    "distributions",
    "invalidations",
];

impl Namespaces {
    fn refuse(&self, namespace: &'static str, resources: &[&'static str]) {
        self.refused.lock().extend(resources.iter().map(|resource| (namespace, *resource)));
    }

    fn client(&self) -> kube::Client {
        let this = self.clone();
        kube::Client::new(tower::service_fn(move |request| this.clone().answer(request)), "default")
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, std::convert::Infallible> {
        let path = request.uri().path().to_owned();
        let rest = path.split_once("/namespaces/").map(|(_, rest)| rest).unwrap_or_default();
        let (namespace, resource) = rest.split_once('/').unwrap_or_default();
        if request.uri().query().unwrap_or_default().contains("watch=true") {
            std::future::pending::<()>().await;
        }
        let is_refused = self.refused.lock().iter().any(|it| *it == (namespace, resource));
        let (status, answer) = if is_refused {
            (StatusCode::FORBIDDEN, json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden"}))
        } else {
            self.listed.lock().push(format!("{namespace}/{resource}"));
            (StatusCode::OK, list(namespace, resource))
        };
        let body = serde_json::to_vec(&answer).expect("plain data");
        Ok(Response::builder().status(status).body(Body::from(body)).expect("legal"))
    }
}

fn list(namespace: &str, resource: &str) -> Value {
    let meta = json!({"namespace": namespace, "name": "shop", "uid": namespace, "resourceVersion": "7",
        "labels": {"cdn.kubefront.io/distribution": "shop"}});
    let spec = json!({"origins": [{"name": "app", "service": {"name": "app", "port": 80}}],
        "defaultBehavior": {"origin": "app"}});
    let items = match resource {
        "distributions" => vec![json!({"metadata": meta, "spec": spec})],
        "pods" => vec![json!({"metadata": meta, "spec": {"containers": []}})],
        _ => vec![],
    };
    json!({"kind": "List", "metadata": {"resourceVersion": "7"}, "items": items})
}

/// Watches everything of `a` and `b`; whoever holds the rest ends it.
fn watch_everything(api: &Namespaces) -> (Arc<Context>, CancellationToken) {
    let (mut context, _) = Context::for_test(&FakeApi::default(), Duration::ZERO);
    context.client = api.client();
    let watch_namespaces = vec!["a".to_owned(), "b".to_owned()];
    context.settings = Arc::new(crate::settings::Settings { watch_namespaces, ..(*context.settings).clone() });
    let ((distribution, _), (invalidation, _), context) = (Bell::new(), Bell::new(), Arc::new(context));
    let (scopes, unreadable) = (scopes(&context), Teller::new(context.events.clone()));
    let stop = CancellationToken::new();
    let controllers =
        Controllers { context: context.clone(), distribution, invalidation, unreadable, scopes, stop: stop.clone() };
    controllers.watch_everything();
    (context, stop)
}

/// The namespaces whose Distributions are seen, and those whose pods are.
fn seen(context: &Context) -> [Vec<String>; 2] {
    let is_seen = |table: fn(&Context, &Group) -> bool| {
        let of = |namespace: &&str| table(context, &Group::Distribution(DistributionKey::new(*namespace, "shop")));
        ["a", "b"].iter().filter(|namespace| of(namespace)).map(ToString::to_string).collect()
    };
    let distributions = is_seen(|context, group| {
        context.stores.distributions.of(group).iter().any(|it| Group::Distribution(key_of(it)) == *group)
    });
    [distributions, is_seen(|context, group| !context.stores.pods.of(group).is_empty())]
}

fn is_told(context: &Context, namespace: &str) -> bool {
    context.metrics.text().contains(&format!("kubefront_namespace_refused{{namespace=\"{namespace}\"}} 1"))
}

#[tokio::test(start_paused = true)]
async fn distributions_are_seen_only_once_everything_else_of_their_namespace_is() {
    let api = Namespaces::default();
    let (context, stop) = watch_everything(&api);
    within_minutes(context.stores.complete()).await;
    assert_eq!(seen(&context), [["a", "b"], ["a", "b"]]);
    for namespace in ["a", "b"] {
        let listed: Vec<_> = api.listed.lock().iter().filter(|it| it.starts_with(namespace)).cloned().collect();
        let (first, last) = listed.split_at(RESOURCES.len() - 2);
        assert!(first.iter().all(|it| !it.ends_with("distributions") && !it.ends_with("invalidations")), "{listed:?}");
        assert_eq!(last.len(), 2, "{listed:?}");
    }
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_gone_with_its_role_holds_up_no_other() {
    let api = Namespaces::default();
    api.refuse("b", &RESOURCES);
    let (context, stop) = watch_everything(&api);
    let began = clock::monotonic();
    within_minutes(context.stores.complete()).await;
    assert!((15..=60).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(seen(&context), [["a"], ["a"]]);
    assert!(is_told(&context, "b") && !is_told(&context, "a"), "{}", context.metrics.text());

    api.refused.lock().clear();
    sleep(Duration::from_mins(3)).await;
    assert_eq!(seen(&context), [["a", "b"], ["a", "b"]]);
    assert!(!is_told(&context, "b"));
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_namespace_of_which_one_kind_is_refused_is_not_looked_after() {
    for refused in ["pods", "services", "referencegrants"] {
        let api = Namespaces::default();
        api.refuse("b", &[refused]);
        let (context, stop) = watch_everything(&api);
        within_minutes(context.stores.complete()).await;
        assert_eq!(seen(&context)[0], ["a"], "{refused}");
        assert!(is_told(&context, "b"));
        api.refused.lock().clear();
        sleep(Duration::from_mins(3)).await;
        assert_eq!(seen(&context), [["a", "b"], ["a", "b"]], "{refused}");
        stop.cancel();
    }
}
