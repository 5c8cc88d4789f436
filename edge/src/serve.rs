//! A viewer's request into a response: the walk of the whole edge, on one screen.
//!
//! Flow: head policy → route → gate → key → lookup → reuse verdict → answer from the store, or collapse → fill → answer.
//! Guarantees: whether a stored response may be used is decided by `edge_cache` and the purge ledger, for each request anew.
//! Errors: every one of them is a response.

mod error_page;

use std::sync::Arc;
use std::time::Duration;

use edge_cache::head::{self, Refusal};
use edge_cache::overwriting;
use edge_cache::reuse::{self, Failure, Fallback, Forward, Stale};
use edge_cache::validation::Conditional;
use edge_cache::{CacheStatus, Moment, Reuse};
use http::{Method, Request, StatusCode};
use hyper::body::{Body, Incoming};

use crate::ask::Ask;
use crate::collapse::{Interest, Joined, Outcome};
use crate::fill::{self, Work};
use crate::forward::ForwardError;
use crate::forward::body::RequestBody;
use crate::gate::{self, Refused};
use crate::listen::Viewer;
use crate::metrics::CacheResult;
use crate::process::Edge;
use crate::respond::{self, Answer, Showing, shown};
use crate::route;
use crate::store::held::Held;

/// How often a request may find that what it waited for is not for it; the last time it waits for nobody but itself.
const ROUNDS: usize = 4;
/// For how long a viewer may send nothing of a body that it has begun.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(30);

/// What to do after waiting was in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anew {
    /// Look again; waiting with others is still worth it.
    Together,
    /// Ask the origin for oneself.
    Alone,
}

/// Lets a request in, or answers it at once. The request that was let in is kept for the log.
pub async fn serve(edge: &Arc<Edge>, viewer: &Viewer, request: Request<Incoming>) -> (Answer, Option<Arc<Ask>>) {
    let (parts, body) = request.into_parts();
    let asked = match head::examine(&parts) {
        Ok(asked) => asked,
        Err(refusal) => return (refuse(refusal), None),
    };
    let Some(sites) = edge.live.sites() else {
        return (respond::own(StatusCode::SERVICE_UNAVAILABLE, "no-configuration"), None);
    };
    let Some(route) = route::find(&sites, asked.host.as_deref(), asked.path.clone()) else {
        return (respond::closing(respond::own(StatusCode::MISDIRECTED_REQUEST, "no-such-host")), None);
    };
    let admitted = gate::admit(&parts, !body.is_end_stream(), &route);
    let ask = Arc::new(Ask::new(parts, asked, route, viewer.peer));
    // What is asked for beforehand is not yet done: whether the method itself would pass is no matter.
    if matches!(admitted, Ok(()) | Err(Refused::Head(Refusal::MethodNotAllowed)))
        && let Some(answer) = shown::preflight(&ask)
    {
        return (answer, Some(ask));
    }
    let answer = match admitted {
        Ok(()) => error_page::in_place(edge, &ask, answer(edge, &ask, Some(body)).await).await,
        Err(Refused::Head(Refusal::MethodNotAllowed)) => {
            respond::method_not_allowed(ask.route.behavior.behavior.methods)
        }
        Err(refused) => respond::own(refused.status(), refused.detail()),
    };
    (shown::by_rules(&ask, answer), Some(ask))
}

fn refuse(refusal: Refusal) -> Answer {
    let answer = respond::own(refusal.status(), "bad-request");
    tracing::debug!(%refusal, "a request was refused");
    if refusal.closes() { respond::closing(answer) } else { answer }
}

/// One `match` on the reuse verdict.
async fn answer(edge: &Arc<Edge>, ask: &Arc<Ask>, body: Option<Incoming>) -> Answer {
    let mut anew = Anew::Together;
    for left in (0..ROUNDS).rev() {
        let found = edge.find(ask);
        let verdict = judge(edge, ask, found.as_ref().map(|(held, admission)| (held.as_ref(), *admission)));
        let status = CacheStatus::of(&verdict);
        let held = found.map(|(held, _)| held);
        let next = match (verdict, held) {
            (Reuse::Fresh { age, .. }, Some(held)) => {
                edge.coder.offer(&edge.live, ask, &held);
                hit(ask, &held, age, status, CacheResult::Hit)
            }
            (Reuse::Stale(stale), Some(held)) => {
                validate_in_background(edge, ask, &held, &stale);
                hit(ask, &held, stale.age, status, CacheResult::Stale)
            }
            (Reuse::Forward(Forward::Method | Forward::CachingOff), _) => return pass(edge, ask, body, status).await,
            // Nothing of an answer to HEAD is stored, so there is nothing to share either.
            _ if *ask.method() == Method::HEAD => return pass(edge, ask, body, status).await,
            (Reuse::Validate { condition, .. }, Some(held)) => {
                fetch(edge, ask, Some((held, condition)), status, anew).await
            }
            _ => fetch(edge, ask, None, status, anew).await,
        };
        match next {
            Ok(answer) => return answer,
            // Orders that come faster than the origin answers void every read that others began, but never one of its own.
            Err(how) => anew = if left > 1 { how } else { Anew::Alone },
        }
    }
    respond::own(StatusCode::SERVICE_UNAVAILABLE, "waited-in-vain")
}

fn judge(edge: &Edge, ask: &Ask, found: Option<(&Held, edge_cache::Admission)>) -> Reuse {
    let found = found.map(|(held, admission)| (&held.stored, admission));
    ask.reuse(|request| reuse::decide(request, found, ask.policy(), Moment(edge.clock.now().monotonic)))
}

fn hit(ask: &Ask, held: &Held, age: Duration, status: CacheStatus, result: CacheResult) -> Result<Answer, Anew> {
    respond::stored(ask, held, &Showing { age, status, result }, None).ok_or(Anew::Alone)
}

/// RFC 5861 §3: one validation, whoever asks meanwhile.
fn validate_in_background(edge: &Arc<Edge>, ask: &Arc<Ask>, held: &Arc<Held>, stale: &Stale) {
    if *ask.method() != Method::GET {
        return;
    }
    let Joined::Lead(lead) = join(edge, ask) else { return };
    lead.fill().go_on_unattended();
    let validates = stale.condition.clone().map(|condition| (Arc::clone(held), condition));
    tokio::spawn(Work { edge: Arc::clone(edge), ask: Arc::clone(ask), validates, lead }.run());
}

fn join(edge: &Arc<Edge>, ask: &Ask) -> Joined {
    let purge = edge.live.purge();
    let admits = |label| purge.admits_read(&ask.key, label);
    edge.collapse.join(&ask.key, edge.clock.now().monotonic, admits, || purge.label())
}

/// Waits for a fill that is under way, or runs one.
async fn fetch(
    edge: &Arc<Edge>,
    ask: &Arc<Ask>,
    validates: Option<(Arc<Held>, Conditional)>,
    status: CacheStatus,
    anew: Anew,
) -> Result<Answer, Anew> {
    let joined = if anew == Anew::Alone { Joined::Alone } else { join(edge, ask) };
    let lead = match joined {
        Joined::Wait(interest) => {
            let outcome = interest.outcome().await;
            return follow(edge, ask, interest, outcome, status);
        }
        Joined::Lead(lead) => {
            // Between the lookup and this, the fill before may have ended: what it stored is as good as waiting for it.
            let found = edge.find(ask);
            let found = found.as_ref().map(|(held, admission)| (held.as_ref(), *admission));
            if matches!(judge(edge, ask, found), Reuse::Fresh { .. }) {
                return Err(Anew::Together);
            }
            lead
        }
        Joined::Alone => edge.collapse.lead_alone(edge.live.purge().label()),
    };
    let interest = Interest::new(lead.fill());
    tokio::spawn(Work { edge: Arc::clone(edge), ask: Arc::clone(ask), validates, lead }.run());
    let outcome = interest.outcome().await;
    let now = Moment(edge.clock.now().monotonic);
    match outcome {
        Outcome::Arriving(held) => {
            let status = CacheStatus { forwarded_status: Some(held.stored.status), stored: true, ..status };
            let showing = Showing { age: held.stored.age.current(now), status, result: CacheResult::Miss };
            respond::stored(ask, &held, &showing, Some(interest)).ok_or(Anew::Alone)
        }
        Outcome::Freshened(held) => {
            let age = held.stored.age.current(now);
            let showing = Showing { age, status: status.validated(), result: CacheResult::Revalidated };
            respond::stored(ask, &held, &showing, Some(interest)).ok_or(Anew::Alone)
        }
        Outcome::Unshared => {
            let unshared = interest.fill().take_answer().ok_or(Anew::Alone)?;
            let status = CacheStatus { detail: Some(respond::not_kept(unshared.why)), ..status };
            Ok(respond::passed(&unshared.parts, unshared.body, status, CacheResult::Miss))
        }
        other => without_response(edge, ask, other, status),
    }
}

/// Rule 3: when the head of a fill is there, each of those who waited asks afresh, as if it had found the response stored.
fn follow(
    edge: &Arc<Edge>,
    ask: &Ask,
    interest: Interest,
    outcome: Outcome,
    status: CacheStatus,
) -> Result<Answer, Anew> {
    let (Outcome::Arriving(held) | Outcome::Freshened(held)) = &outcome else {
        return without_response(edge, ask, outcome, status);
    };
    let admission = edge.live.purge().admits(&ask.key, held);
    let verdict = judge(edge, ask, Some((held.as_ref(), admission)));
    let age = match verdict {
        Reuse::Fresh { age, .. } | Reuse::Stale(Stale { age, .. }) => age,
        _ if !admission.is_admitted() => return Err(Anew::Together),
        Reuse::Forward(Forward::VaryMiss) => return Err(Anew::Alone),
        _ => {
            edge.collapse.go_alone(&ask.key, edge.clock.now().monotonic);
            return Err(Anew::Alone);
        }
    };
    let showing = Showing { age, status: status.collapsed(), result: CacheResult::Collapsed };
    respond::stored(ask, held, &showing, Some(interest)).ok_or(Anew::Alone)
}

/// No response came that this viewer could have.
fn without_response(edge: &Arc<Edge>, ask: &Ask, outcome: Outcome, status: CacheStatus) -> Result<Answer, Anew> {
    match outcome {
        Outcome::Failed(error) => Ok(failed(edge, ask, &error, status)),
        Outcome::ErrorStatus(code) => {
            let (held, fallback) = fill::stands_in(edge, ask, Failure::Status(code));
            match (held, fallback) {
                (Some(held), Fallback::Stale(stale)) => {
                    let status = CacheStatus { forwarded_status: Some(code), ..CacheStatus::stale(&stale) };
                    hit(ask, &held, stale.age, status, CacheResult::Stale)
                }
                _ => Err(Anew::Alone),
            }
        }
        Outcome::GivenUp => Err(Anew::Together),
        _ => Err(Anew::Alone),
    }
}

/// The origin gave no answer: what is stored stands in where it may, else the status says what went wrong.
fn failed(edge: &Edge, ask: &Ask, error: &ForwardError, status: CacheStatus) -> Answer {
    let origin = &ask.route.behavior.origin.name;
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(site = %ask.route.site.site.name, origin, detail = error.detail(), %error, source, "no answer");
    if !matches!(error, ForwardError::RequestBody(_) | ForwardError::Target) {
        match fill::stands_in(edge, ask, Failure::NoAnswer) {
            (Some(held), Fallback::Stale(stale)) => {
                let shown = hit(ask, &held, stale.age, CacheStatus::stale(&stale), CacheResult::Stale);
                if let Ok(answer) = shown {
                    return answer;
                }
            }
            (_, Fallback::GatewayTimeout) => {
                return respond::failed(StatusCode::GATEWAY_TIMEOUT, status, error.detail());
            }
            _ => {}
        }
    }
    respond::failed(error.status(), status, error.detail())
}

/// A request that is not the cache's to answer, there and back, piece by piece. RFC 9111 §4.4: what it changes is void.
async fn pass(edge: &Edge, ask: &Ask, body: Option<Incoming>, status: CacheStatus) -> Answer {
    let body = body.map_or(RequestBody::Empty, |body| RequestBody::viewer(body, UPLOAD_PATIENCE));
    let Some(request) = ask.request(ask.forwarded(None), body) else {
        return failed(edge, ask, &ForwardError::Target, status);
    };
    match edge.ask_origin(ask, request).await {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            for target in overwriting::targets(ask.method(), &ask.asked, &parts, &ask.route.site.site) {
                edge.live.purge().overwritten(&target);
            }
            respond::passed(&parts, body, status, CacheResult::Pass)
        }
        Err(error) => failed(edge, ask, &error, status),
    }
}
