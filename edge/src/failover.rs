//! A request, and the one or two origins that serve it, into the answer that counts.
//!
//! Flow: the primary → where it gives no answer, or one that its group takes for none → the secondary → the better of both.
//! The choice: whoever was asked last has the last word, unless it has none and the other has. So a status stands above no answer at all, and
//! of two who give none, one that was there above one that nobody reached.
//! Guarantees: only what is safe and has no body is asked twice (RFC 9110 §9.2.1): what may have been done once is not done again
//! elsewhere. What validates a stored response is sent to nobody but the origin whose response it is: another's equal tag may name other
//! bytes. A viewer waits at most for both of them, each as long as it may take by itself.
//! Errors: [`ForwardError`] of the one that counts.

mod probe;

use std::sync::Arc;

use edge_cache::validation::Conditional;
use edge_cache::{Moment, forwarding};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body;

use crate::ask::Ask;
use crate::clock::Now;
use crate::config::OriginTable;
use crate::edge::Edge;
use crate::forward::ForwardError;
use crate::forward::body::{OriginBody, RequestBody};
use crate::health::failovers::STATUS;
use crate::store::held::Held;
use crate::tier::{self, Asked};

/// What `Cache-Status` says of an answer that came from the secondary.
pub const FAILOVER: &str = "failover";

/// What an origin answered.
pub struct Answered {
    /// The answer.
    pub response: Response<OriginBody>,
    /// Whose it is.
    pub by: Arc<OriginTable>,
    /// The fields that it was sent.
    pub forwarded: HeaderMap,
    /// When.
    pub asked: Now,
    /// What of that which was offered it was asked to validate.
    pub offered: Vec<Arc<Held>>,
}

/// Asks whoever serves a request. Of what is `offered`, each validates what it gave itself.
pub async fn ask(
    edge: &Arc<Edge>,
    ask: &Arc<Ask>,
    body: RequestBody,
    offered: &[Arc<Held>],
) -> Result<Answered, ForwardError> {
    let behavior = &ask.route.behavior;
    let may_be = may_be_asked_twice(ask.method()) && body.is_end_stream();
    let Some(secondary) = behavior.secondary.as_ref().filter(|_| may_be) else {
        return one(edge, ask, &behavior.origin, body, offered).await;
    };
    let first = one(edge, ask, &behavior.origin, RequestBody::Empty, offered).await;
    if !is_none(&first, &behavior.failover_on) {
        return first;
    }
    behavior.origin.health.failovers.count(why(&first));
    tell(edge, ask, &first);
    let second = one(edge, ask, secondary, RequestBody::Empty, offered).await;
    if has_last_word(&first, &second) {
        if let Ok(unwanted) = first {
            unwanted.response.into_body().let_go();
        }
        return second;
    }
    ask.comes_from(&behavior.origin.health.name);
    first
}

/// RFC 9110 §9.2.1: what is safe, as long as it has no body.
pub fn may_be_asked_twice(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What ails the first does not show in what viewers get. While its breaker is open, that is known.
fn tell(edge: &Edge, ask: &Ask, first: &Result<Answered, ForwardError>) {
    if matches!(first, Err(ForwardError::BreakerOpen)) {
        return;
    }
    let (site, origin) = (&ask.route.site.site.name, &ask.route.behavior.origin);
    let Some(untold) = origin.health.failovers.tells(Moment(edge.clock.now().monotonic)) else { return };
    let (error, detail) = (first.as_ref().err(), why(first));
    let status = first.as_ref().ok().map(|answered| answered.response.status().as_u16());
    let source = error.and_then(std::error::Error::source).map(ToString::to_string);
    let (origin, error) = (&origin.name, error.map(ToString::to_string));
    tracing::warn!(site, origin, detail, status, error, source, untold, "the other origin of the group is asked");
}

/// The word for what it gave in place of an answer that counts.
fn why(first: &Result<Answered, ForwardError>) -> &'static str {
    first.as_ref().map_or_else(ForwardError::detail, |_| STATUS)
}

/// Asks one of them.
async fn one(
    edge: &Arc<Edge>,
    ask: &Arc<Ask>,
    origin: &Arc<OriginTable>,
    body: RequestBody,
    offered: &[Arc<Held>],
) -> Result<Answered, ForwardError> {
    ask.comes_from(&origin.health.name);
    let mut offered: Vec<_> = offered.iter().filter(|held| held.is_of(&origin.name)).cloned().collect();
    let condition = offered.first().and_then(|first| Conditional::of(&first.stored));
    if condition.as_ref().is_none_or(|condition| condition.if_none_match.is_none()) {
        // A date speaks of one response only, and nothing at all of none.
        offered.truncate(usize::from(condition.is_some()));
    }
    let condition = condition.map(|first| first.with_tags_of(offered.iter().map(|held| &held.stored)));
    let forwarded = ask.forwarded_to(origin, condition.as_ref());
    let by = Arc::clone(origin);
    let mut body = body;
    if origin.shield.is_some() {
        let asked = edge.clock.now();
        // Most origins have none, and their requests need no room for it.
        body = match Box::pin(tier::ask(edge, ask, origin, condition.as_ref(), body)).await {
            Asked::Answered(response) => {
                return Ok(Answered { response: received(*response), by, forwarded, asked, offered });
            }
            Asked::Failed(error) => return Err(error),
            Asked::Unasked(body) => body,
        };
    }
    let request = ask.request_to(origin, forwarded.clone(), body)?;
    let asked = edge.clock.now();
    // What the store answers needs no room for it.
    let response = received(Box::pin(probe::ask(edge, ask, origin, request)).await?);
    Ok(Answered { response, by, forwarded, asked, offered })
}

/// An answer, and by what it came: that stays true of it when it is stored.
fn received(mut response: Response<OriginBody>) -> Response<OriginBody> {
    let version = response.version();
    forwarding::append_via(response.headers_mut(), version);
    response
}

/// Whether the first of two gave nothing that counts.
fn is_none(first: &Result<Answered, ForwardError>, failover_on: &[u16]) -> bool {
    let counts_as_none = |status: StatusCode| failover_on.contains(&status.as_u16());
    match first {
        Ok(answered) => counts_as_none(answered.response.status()),
        // The same for whoever would be asked.
        Err(ForwardError::Target) => false,
        // The edge's own answer in place of a bucket's.
        Err(error @ ForwardError::NoObject(_)) => counts_as_none(error.status()),
        Err(_) => true,
    }
}

fn has_last_word(first: &Result<Answered, ForwardError>, second: &Result<Answered, ForwardError>) -> bool {
    match (first, second) {
        (_, Ok(_)) => true,
        (Ok(_), Err(_)) => false,
        (Err(first), Err(second)) => second.met_someone() || !first.met_someone(),
    }
}
