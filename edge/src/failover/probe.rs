//! A request to an origin into its answer; or, where nobody was there lately, into that word at once, and into a try that finds out whether
//! somebody is again.
//!
//! Flow: the breaker's leave ([`Leave`]) → the origin, as always; or one try, for which the viewer waits as little as what else it gets lets it.
//! Guarantees: to each origin at most one try is under way that has all its time, and beside it one that has [`PROBE_EVERY`]. A viewer that
//! gets something else in place of the answer waits for neither, nor does any for longer than [`PROBE_EVERY`]; but what is not safe
//! (RFC 9110 §9.2.1), or has a body, is neither sent beside its viewer nor cut off: it may be carried out.
//! Errors: [`ForwardError`]; [`ForwardError::BreakerOpen`] for a viewer that waits no longer.

use std::sync::Arc;

use edge_cache::Moment;
use edge_cache::breaker::{Leave, PROBE_EVERY};
use edge_cache::reuse::{Failure, Fallback};
use http::{Request, Response, header};
use http_body::Body;
use tokio::sync::oneshot;

use super::may_be_asked_twice;
use crate::ask::Ask;
use crate::config::OriginTable;
use crate::edge::Edge;
use crate::forward::ForwardError;
use crate::forward::body::{OriginBody, RequestBody};
use crate::health::Health;

/// What came of asking.
type Said = Result<Response<OriginBody>, ForwardError>;

/// What a request is worth waiting for, when nobody may be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// Not at all: its viewer gets something else in place of the answer.
    Not,
    /// A little: it has nothing else.
    Briefly,
    /// However long it takes: it may have been carried out.
    Throughout,
}

/// Asks an origin, if it is worth it.
pub(super) async fn ask(
    edge: &Arc<Edge>,
    ask: &Arc<Ask>,
    origin: &Arc<OriginTable>,
    request: Request<RequestBody>,
) -> Said {
    if !origin.health.is_open() {
        return edge.ask_origin(ask, origin, origin.attempts, request).await;
    }
    let (waits, now) = (waits(edge, ask, origin, &request), Moment(edge.clock.now().monotonic));
    match (origin.health.leave(now, waits == Waits::Briefly), waits) {
        (Leave::Freely, _) => edge.ask_origin(ask, origin, origin.attempts, request).await,
        (Leave::Refused, _) => Err(ForwardError::BreakerOpen),
        (Leave::Briefly, _) => within(Box::pin(edge.ask_origin(ask, origin, 1, request))).await,
        (Leave::Once, Waits::Throughout) => {
            let _probing = Probing(Arc::clone(&origin.health));
            edge.ask_origin(ask, origin, 1, request).await
        }
        (Leave::Once, Waits::Briefly) => {
            let answer = begin(edge, Arc::clone(ask), origin, request);
            within(async { answer.await.unwrap_or(Err(ForwardError::BreakerOpen)) }).await
        }
        (Leave::Once, Waits::Not) => {
            drop(begin(edge, Arc::new(ask.beside()), origin, without_wish(request)));
            Err(ForwardError::BreakerOpen)
        }
    }
}

fn waits(edge: &Edge, ask: &Ask, origin: &Arc<OriginTable>, request: &Request<RequestBody>) -> Waits {
    if !may_be_asked_twice(request.method()) || !request.body().is_end_stream() {
        return Waits::Throughout;
    }
    let second = ask.route.behavior.secondary.as_ref().filter(|second| !Arc::ptr_eq(second, origin));
    let stands_in = || matches!(edge.stands_in(ask, Failure::NoAnswer).1, Fallback::Stale(_));
    if second.is_some_and(|second| !second.health.is_open()) || stands_in() { Waits::Not } else { Waits::Briefly }
}

/// A try that nobody ends: it goes on without whoever waits for it no longer.
fn begin(
    edge: &Arc<Edge>,
    ask: Arc<Ask>,
    origin: &Arc<OriginTable>,
    request: Request<RequestBody>,
) -> oneshot::Receiver<Said> {
    let (edge, origin) = (Arc::clone(edge), Arc::clone(origin));
    let (answer, awaited) = oneshot::channel();
    tokio::spawn(async move {
        let probing = Probing(Arc::clone(&origin.health));
        let said = edge.ask_origin(&ask, &origin, 1, request).await;
        drop(probing);
        if let Err(Ok(unwanted)) = answer.send(said) {
            unwanted.into_body().let_go();
        }
    });
    awaited
}

async fn within(answer: impl Future<Output = Said>) -> Said {
    tokio::time::timeout(PROBE_EVERY, answer).await.unwrap_or(Err(ForwardError::BreakerOpen))
}

/// Nobody is there who would speak another protocol.
fn without_wish(mut request: Request<RequestBody>) -> Request<RequestBody> {
    request.headers_mut().remove(header::UPGRADE);
    request.headers_mut().remove(header::CONNECTION);
    request
}

/// A try that has all its time, however it ends.
struct Probing(Arc<Health>);

impl Drop for Probing {
    fn drop(&mut self) {
        self.0.found_out();
    }
}
