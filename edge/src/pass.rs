//! A request that is not the cache's to answer, there and back, piece by piece, and what its answer says of stored responses.

use std::sync::Arc;
use std::time::Duration;

use edge_cache::storing::Exchange;
use edge_cache::{CacheStatus, overwriting};
use http::{Method, Response, StatusCode};

use crate::ask::Ask;
use crate::edge::Edge;
use crate::fill::{freshen, received};
use crate::forward::ForwardError;
use crate::forward::body::{OriginBody, RequestBody};
use crate::metrics::CacheResult;
use crate::respond::{self, Answer};
use crate::viewer::body::ViewerRequestBody;

/// For how long a viewer may send nothing of a body that it has begun.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(30);

/// Passes it on and back. An origin that gives no answer is the caller's to stand in for.
pub async fn pass(
    edge: &Arc<Edge>,
    ask: &Arc<Ask>,
    body: Option<ViewerRequestBody>,
    status: CacheStatus,
) -> Result<Answer, ForwardError> {
    let exchange = exchange(Arc::clone(edge), Arc::clone(ask), body);
    let answered = if overwriting::is_unsafe(ask.method()) {
        // A viewer that leaves takes this with it, but not what the origin carries out: what that makes void must be known.
        let Ok(answered) = tokio::spawn(exchange).await else {
            return Ok(respond::own(StatusCode::INTERNAL_SERVER_ERROR, "exchange-lost"));
        };
        answered
    } else {
        exchange.await
    };
    let (parts, body) = answered?.into_parts();
    Ok(respond::passed(&parts, body, status, CacheResult::Pass))
}

/// Asks the origin, and lets the store know what its answer means before anyone else does.
async fn exchange(
    edge: Arc<Edge>,
    ask: Arc<Ask>,
    body: Option<ViewerRequestBody>,
) -> Result<Response<OriginBody>, ForwardError> {
    let forwarded = ask.forwarded(None);
    let mut body = body.map_or(RequestBody::Empty, |body| RequestBody::viewer(body, UPLOAD_PATIENCE));
    if ask.asked.expects_continue {
        body.expect_continue();
    }
    let request = ask.request(forwarded.clone(), body)?;
    let (label, asked) = (edge.live.purge().label(), edge.clock.now());
    let (parts, body) = edge.ask_origin(&ask, request).await?.into_parts();
    // RFC 9111 §4.4
    for target in overwriting::targets(ask.method(), &ask.asked, &parts, &ask.route.site.site) {
        edge.live.purge().overwritten(&target);
    }
    if *ask.method() == Method::HEAD && parts.status == StatusCode::OK && ask.policy().caches() {
        let exchange = Exchange {
            method: ask.method(),
            forwarded: &forwarded,
            authorized: ask.authorized(),
            received: received(asked, edge.clock.now()),
            label,
        };
        freshen::by_head(&edge, &ask, &parts, &exchange);
    }
    Ok(Response::from_parts(parts, body))
}
