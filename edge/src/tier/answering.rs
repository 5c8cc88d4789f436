//! A request of another edge into the origin's answer, from the store or by asking the origin: what a shield does.
//!
//! Flow: [`Question`] → the configuration and the purge log, as far as the other edge has them → the usual walk
//! ([`serve::answer`]) for the one origin that was named → [`Word`].
//! Guarantees: what comes from the store was read after all that the other edge has applied of its purge log (invalidation rule 6), is never
//! stale, and is that origin's; head and body are as they came, with an `Age`. Nothing is done with it that is for viewers alone.
//! Errors: every one of them is an answer that says whose it is.

use std::sync::Arc;
use std::time::Duration;

use edge_cache::cache_status::CACHE_STATUS;
use edge_cache::forwarding::to_edge::NO_HOST;
use edge_cache::reuse::Forward;
use edge_cache::tier::{self, EXPECTS, Question, SIGN_OF_LIFE, Word};
use edge_cache::{CacheStatus, Reuse, head, key, overwriting};
use edge_contract::Sequence;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header, request};
use http_body::Body;

use super::counts::{CROWDED, REVISION};
use crate::ask::Ask;
use crate::edge::Edge;
use crate::metrics::CacheResult;
use crate::respond::{self, Answer};
use crate::route::Route;
use crate::serve;
use crate::viewer::Viewer;
use crate::viewer::body::ViewerRequestBody;

/// After what time an edge says that it is still there while its origin thinks.
const SIGN_AFTER: Duration = Duration::from_millis(250);

/// Answers an edge that has proved to be one of this site.
pub async fn serve(
    edge: &Arc<Edge>,
    site: &str,
    viewer: &Viewer,
    request: Request<ViewerRequestBody>,
) -> (Answer, Option<Arc<Ask>>) {
    let (parts, body) = request.into_parts();
    let (ask, question) = match admit(edge, site, viewer, (parts, !body.is_end_stream())) {
        Ok(admitted) => admitted,
        Err(why) => {
            edge.tiers.refuses();
            tracing::debug!(site, why, "another edge is refused");
            return (refuse(why), None);
        }
    };
    let ask = Arc::new(ask);
    let answer = with_sign_of_life(viewer, walk(edge, &ask, body, question.needs)).await;
    (told(answer), Some(ask))
}

/// An edge that is asked for what takes its time says that it is there.
async fn with_sign_of_life(viewer: &Viewer, answer: impl Future<Output = Answer>) -> Answer {
    let mut answer = Box::pin(answer);
    tokio::select! {
        biased;
        answer = answer.as_mut() => answer,
        () = tokio::time::sleep(SIGN_AFTER) => {
            viewer.interim.offer(SIGN_OF_LIFE, &HeaderMap::new());
            answer.await
        }
    }
}

async fn walk(edge: &Arc<Edge>, ask: &Arc<Ask>, body: ViewerRequestBody, needs: Option<Sequence>) -> Answer {
    let own = edge.live.purge().label().log;
    if tier::may_share(needs, own) || overwriting::is_unsafe(ask.method()) {
        return serve::answer(edge, ask, Some(body)).await;
    }
    // Past the store and past who else asks: what they have may be older than the other edge lets it be.
    serve::pass(edge, ask, Some(body), CacheStatus::of(&Reuse::Forward(Forward::Purged))).await
}

/// Whether an edge may be answered, and what it asks for; or why not.
fn admit(
    edge: &Edge,
    site: &str,
    viewer: &Viewer,
    (mut parts, has_body): (request::Parts, bool),
) -> Result<(Ask, Question), &'static str> {
    let question = Question::read(&parts.headers).ok_or("question")?;
    if !parts.headers.contains_key(EXPECTS) {
        parts.headers.remove(header::EXPECT);
    }
    super::settle(&mut parts.headers);
    let mut asked = head::examine(&parts).map_err(head::Refusal::word)?;
    if asked.host.as_deref() == Some(NO_HOST) {
        (asked.host, asked.authority) = (None, None);
    }
    let sites = edge.live.sites().ok_or("no-configuration")?;
    if !tier::is_recent_enough((sites.epoch, sites.revision), question.revision) {
        return Err(REVISION);
    }
    let table = sites.by_id(site).filter(|table| table.site.enabled).ok_or("site")?;
    let path = key::resolve_root(asked.path.clone(), &table.site);
    let behavior = table.behavior(&path).and_then(|behavior| behavior.alone(&question.origin)).ok_or("origin")?;
    head::admit(&parts, has_body, &table.site.id, &behavior.behavior).map_err(head::Refusal::word)?;
    let route = Route { site: Arc::clone(table), behavior, path };
    Ok((Ask::of_edge(parts, asked, route, viewer), question))
}

fn refuse(why: &'static str) -> Answer {
    let mut answer = respond::own(StatusCode::MISDIRECTED_REQUEST, why);
    Word::Refused(why).write(answer.response.headers_mut());
    answer
}

/// The same with the word whose answer it is. What this cache did is for its own log: the other one says to viewers what it did.
fn told(mut answer: Answer) -> Answer {
    let headers = answer.response.headers_mut();
    forget_own_status(headers);
    match answer.detail.filter(|_| answer.result == CacheResult::Edge) {
        None => Word::Origin,
        Some("crowded" | "crowded-timeout" | "waited-in-vain") => Word::Refused(CROWDED),
        Some(why) => Word::NoAnswer(why),
    }
    .write(headers);
    answer
}

fn forget_own_status(headers: &mut HeaderMap) {
    let mut said: Vec<HeaderValue> = headers.get_all(CACHE_STATUS).iter().cloned().collect();
    said.pop();
    headers.remove(CACHE_STATUS);
    for value in said {
        headers.append(CACHE_STATUS, value);
    }
}
