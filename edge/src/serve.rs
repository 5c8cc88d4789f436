//! A viewer's request into a response: the walk of the whole edge, on one screen.
//!
//! Flow: head policy → route → gate → key → lookup → reuse verdict → answer from the store, or collapse → fill → answer.
//! Guarantees: whether a stored response may be used is decided by `edge_cache` and the purge ledger, for each request anew.
//! Errors: every one of them is a response.

mod error_page;
mod fetch;

use std::sync::Arc;
use std::time::Duration;

use edge_cache::head::{self, Refusal};
use edge_cache::reuse::{self, Failure, Fallback, Forward, StaleUse};
use edge_cache::{CacheStatus, Moment, Reuse};
use http::{Method, Request, StatusCode, header};
use http_body::Body;

use crate::ask::Ask;
use crate::edge::Edge;
use crate::forward::ForwardError;
use crate::gate::{self, Refused};
use crate::metrics::CacheResult;
use crate::pass;
use crate::respond::{self, Answer, Showing, shown};
use crate::route;
use crate::store::held::Held;
use crate::tier;
use crate::viewer::Viewer;
use crate::viewer::body::ViewerRequestBody;
use fetch::fetch;

/// How often a request may find that what it waited for is not for it; the last time it waits for nobody but itself.
const ROUNDS: usize = 4;

/// What to do after waiting was in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anew {
    /// Look again; waiting with others is still worth it.
    Together,
    /// Ask the origin for oneself.
    Alone,
}

/// Lets a request in, or answers it at once. The request that was let in is kept for the log.
pub async fn serve(
    edge: &Arc<Edge>,
    viewer: &Viewer,
    request: Request<ViewerRequestBody>,
) -> (Answer, Option<Arc<Ask>>) {
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
    let ask = Arc::new(Ask::new(parts, asked, route, viewer));
    if gate::hears_preflight(admitted)
        && let Some(answer) = shown::preflight(&ask)
    {
        return (answer, Some(ask));
    }
    let answer = match admitted {
        Ok(()) => error_page::in_place(edge, &ask, answer(edge, &ask, Some(body)).await).await,
        Err(Refused::Head(Refusal::MethodNotAllowed)) => {
            respond::method_not_allowed(ask.route.behavior.behavior.methods)
        }
        Err(Refused::LastHop) => respond::last_hop(ask.route.behavior.behavior.methods),
        Err(refused) => respond::own(refused.status(), refused.detail()),
    };
    (shown::by_rules(&ask, answer), Some(ask))
}

fn refuse(refusal: Refusal) -> Answer {
    let answer = respond::own(refusal.status(), refusal.word());
    if refusal.closes() { respond::closing(answer) } else { answer }
}

/// One `match` on the reuse verdict.
pub(crate) async fn answer(edge: &Arc<Edge>, ask: &Arc<Ask>, body: Option<ViewerRequestBody>) -> Answer {
    // RFC 9111 §5.2.1.4: what others asked for before was not validated for this one.
    let mut anew = if ask.controls.no_cache { Anew::Alone } else { Anew::Together };
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
                if stale.why == StaleUse::WhileRevalidating {
                    fetch::validate_in_background(edge, ask, &held, &stale);
                }
                hit(ask, &held, stale.age, status, CacheResult::Stale)
            }
            (Reuse::OnlyIfCached, _) => return respond::own(StatusCode::GATEWAY_TIMEOUT, "only-if-cached"),
            (Reuse::Forward(Forward::Method | Forward::CachingOff | Forward::Upgrade), _) => {
                return pass(edge, ask, body, status).await;
            }
            // Nothing of an answer to HEAD is stored, nor of what a viewer wants not to be (§5.2.1.5): there is nothing to share.
            _ if *ask.method() == Method::HEAD || ask.controls.no_store => return pass(edge, ask, body, status).await,
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

/// The origin gave no answer: what is stored stands in where it may, else the status says what went wrong.
fn failed(edge: &Edge, ask: &Ask, error: &ForwardError, status: CacheStatus) -> Answer {
    let (site, origin) = (&ask.route.site.site, &*ask.source());
    // Where the owner wants no line of a request, its path stands in no other either.
    let path = site.logging.access.then_some(ask.route.path.as_str());
    let (source, advice) = (error.behind(), error.advice());
    tracing::warn!(site = %site.name, origin, path, detail = error.detail(), %error, source, advice, "no answer");
    if error.is_the_viewers() {
        // What may still come of it belongs to nothing (RFC 9110 §15.5.9).
        return respond::closing(respond::failed(error.status(), status, error.detail()));
    }
    if !matches!(error, ForwardError::Target | ForwardError::NoObject(_)) {
        match edge.stands_in(ask, Failure::NoAnswer) {
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
    let retry_after = error.retry_after().map(|after| (header::RETRY_AFTER, after));
    respond::failed(error.status(), status, error.detail()).with(retry_after.into_iter().collect())
}

/// A request that is not the cache's to answer.
pub(crate) async fn pass(
    edge: &Arc<Edge>,
    ask: &Arc<Ask>,
    body: Option<ViewerRequestBody>,
    status: CacheStatus,
) -> Answer {
    tier::settle_way(edge, ask);
    pass::pass(edge, ask, body, status).await.unwrap_or_else(|error| failed(edge, ask, &error, status))
}
