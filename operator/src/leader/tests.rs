//! Candidates against an API server of one Lease, on a paused clock.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::decide::LEASE;
use super::*;

/// How the API behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Answers,
    Refuses,
    Hangs,
}

struct Api {
    lease: Option<Lease>,
    version: u64,
    mood: Mood,
    writes: Vec<Instant>,
}

#[derive(Clone)]
struct FakeApi(Arc<Mutex<Api>>);

impl FakeApi {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Api { lease: None, version: 0, mood: Mood::Answers, writes: vec![] })))
    }

    fn client(&self) -> kube::Client {
        let api = self.clone();
        kube::Client::new(tower::service_fn(move |request| api.clone().answer(request)), "kubefront")
    }

    fn behave(&self, mood: Mood) {
        self.0.lock().mood = mood;
    }

    fn holder(&self) -> Option<String> {
        self.0.lock().lease.as_ref()?.spec.as_ref()?.holder_identity.clone()
    }

    /// Somebody else's write, which moves the resourceVersion.
    fn touch(&self, change: impl FnOnce(&mut Lease)) {
        let mut api = self.0.lock();
        api.version += 1;
        let version = api.version.to_string();
        let lease = api.lease.as_mut().expect("a Lease");
        change(lease);
        lease.metadata.resource_version = Some(version);
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, std::convert::Infallible> {
        let mood = self.0.lock().mood;
        if mood == Mood::Hangs {
            std::future::pending::<()>().await;
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let (status, answer) = self.0.lock().handle(&head.method, &body);
        let answer = Response::builder().status(status).body(Body::from(answer)).expect("a response");
        Ok(answer)
    }
}

impl Api {
    fn handle(&mut self, method: &Method, body: &[u8]) -> (StatusCode, Vec<u8>) {
        if self.mood == Mood::Refuses {
            return failure(StatusCode::INTERNAL_SERVER_ERROR);
        }
        if *method == Method::GET {
            return self.lease.as_ref().map_or_else(|| failure(StatusCode::NOT_FOUND), found);
        }
        let mut lease: Lease = serde_json::from_slice(body).expect("a Lease");
        let current = self.lease.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
        if *method == Method::PUT {
            assert!(lease.metadata.resource_version.is_some(), "every write carries a resourceVersion");
        }
        if lease.metadata.resource_version != current {
            return failure(StatusCode::CONFLICT);
        }
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        self.writes.push(clock::monotonic());
        self.lease = Some(lease.clone());
        found(&lease)
    }
}

fn found(lease: &Lease) -> (StatusCode, Vec<u8>) {
    (StatusCode::OK, serde_json::to_vec(lease).expect("encodes"))
}

fn failure(code: StatusCode) -> (StatusCode, Vec<u8>) {
    let reason = code.canonical_reason().unwrap_or_default().replace(' ', "");
    let status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(),
        "message": "no", "reason": reason});
    (code, status.to_string().into_bytes())
}

struct Running {
    leadership: watch::Receiver<Leadership>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn start(api: &FakeApi, identity: &str) -> Running {
    let candidacy = Candidacy {
        namespace: "kubefront".into(),
        lease: "kubefront-operator".into(),
        identity: identity.into(),
        address: format!("{identity}:8443"),
    };
    let (elector, leadership) = Elector::new(api.client(), candidacy);
    let stop = CancellationToken::new();
    let task = tokio::spawn(elector.run(stop.clone()));
    Running { leadership, stop, task }
}

impl Running {
    /// Waits until it leads; how long that took.
    async fn leads(&mut self) -> Duration {
        let began = clock::monotonic();
        let leads = self.leadership.wait_for(Leadership::is_leading);
        timeout(LEASE * 3, leads).await.expect("leads at last").expect("the elector runs");
        clock::monotonic() - began
    }

    async fn follows(&mut self, leader: Option<&str>) -> Duration {
        let began = clock::monotonic();
        let expect = Leadership::Following { leader: leader.map(Into::into) };
        let follows = self.leadership.wait_for(|leadership| *leadership == expect);
        timeout(LEASE * 3, follows).await.expect("follows at last").expect("the elector runs");
        clock::monotonic() - began
    }

    async fn stopped(self) {
        self.stop.cancel();
        self.task.await.expect("ends");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_candidate_leads_at_once_and_the_second_knows_where() {
    let api = FakeApi::new();
    let mut first = start(&api, "one");
    assert_eq!(first.leads().await, Duration::ZERO);
    let mut second = start(&api, "two");
    assert_eq!(second.follows(Some("one:8443")).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_leader_renews_every_five_seconds_and_goes_on_leading() {
    let api = FakeApi::new();
    let mut first = start(&api, "one");
    first.leads().await;
    let mut second = start(&api, "two");
    second.follows(Some("one:8443")).await;
    tokio::time::sleep(LEASE * 4).await;
    assert!(first.leadership.borrow().is_leading());
    assert!(!second.leadership.borrow().is_leading());
    let api = api.0.lock();
    assert!(api.writes.windows(2).all(|pair| pair[1] - pair[0] >= RENEW_EVERY), "renewed more often");
    assert!(api.writes.len() >= 12, "renewed {} times in a minute", api.writes.len());
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_told_to_stop_releases_and_the_next_one_need_not_wait_for_the_lease() {
    let api = FakeApi::new();
    let mut first = start(&api, "one");
    first.leads().await;
    let mut second = start(&api, "two");
    second.follows(Some("one:8443")).await;
    first.stopped().await;
    assert_eq!(api.holder().as_deref(), Some(""));
    assert!(second.leads().await <= RETRY);
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_the_next_one_leads_when_the_lease_has_run_out_and_not_before() {
    let api = FakeApi::new();
    let mut first = start(&api, "one");
    first.leads().await;
    let mut second = start(&api, "two");
    second.follows(Some("one:8443")).await;
    first.task.abort();
    let took = second.leads().await;
    assert!(took >= LEASE && took <= LEASE + RETRY, "led after {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_steps_down_before_another_one_may_lead() {
    for mood in [Mood::Refuses, Mood::Hangs] {
        let api = FakeApi::new();
        let mut first = start(&api, "one");
        first.leads().await;
        api.behave(mood);
        let took = first.follows(None).await;
        assert!(took <= GIVE_UP && took < LEASE, "stepped down after {took:?}");

        api.behave(Mood::Answers);
        assert!(first.leads().await <= RETRY * 2, "nobody took the Lease meanwhile: it leads again");
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_shorter_than_the_margin_does_not_end_a_leadership() {
    let api = FakeApi::new();
    let mut first = start(&api, "one");
    first.leads().await;
    let since = first.leadership.borrow_and_update().clone();
    tokio::time::sleep(Duration::from_millis(4_999)).await;
    api.behave(Mood::Hangs);
    tokio::time::sleep(Duration::from_secs(2)).await;
    api.behave(Mood::Answers);
    tokio::time::sleep(LEASE * 2).await;
    assert_eq!(*first.leadership.borrow(), since);
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_was_taken_steps_down_at_its_next_renewal() {
    let api = FakeApi::new();
    let mut first = start(&api, "one");
    first.leads().await;
    api.touch(|lease| {
        lease.spec.get_or_insert_default().holder_identity = Some("thief".into());
        lease.metadata.annotations = None;
    });
    assert!(first.follows(None).await <= RENEW_EVERY);
    assert_eq!(api.holder().as_deref(), Some("thief"));
}

#[tokio::test(start_paused = true)]
async fn a_write_by_somebody_else_that_leaves_the_holder_costs_no_leadership() {
    let api = FakeApi::new();
    let mut first = start(&api, "one");
    first.leads().await;
    let since = first.leadership.borrow_and_update().clone();
    for version in ["1", "2", "3", "4"] {
        api.touch(|lease| lease.metadata.labels = Some([("a".into(), version.into())].into()));
        tokio::time::sleep(RENEW_EVERY).await;
    }
    assert_eq!(*first.leadership.borrow(), since);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_written_again() {
    let api = FakeApi::new();
    let mut first = start(&api, "one");
    first.leads().await;
    api.0.lock().lease = None;
    tokio::time::sleep(RENEW_EVERY * 2).await;
    assert_eq!(api.holder().as_deref(), Some("one"));
    assert!(first.leadership.borrow().is_leading());
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_stops_leaves_the_lease_alone() {
    let api = FakeApi::new();
    let mut first = start(&api, "one");
    first.leads().await;
    let mut second = start(&api, "two");
    second.follows(Some("one:8443")).await;
    second.stopped().await;
    assert_eq!(api.holder().as_deref(), Some("one"));
}
