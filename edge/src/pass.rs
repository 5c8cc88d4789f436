//! A request that is not the cache's to answer, there and back, piece by piece, and what its answer says of stored responses.

use std::sync::Arc;
use std::time::Duration;

use edge_cache::storing::Exchange;
use edge_cache::{CacheStatus, overwriting};
use http::{Method, Response, StatusCode};

use crate::ask::Ask;
use crate::edge::Edge;
use crate::failover::{self, Answered, FAILOVER};
use crate::fill::{freshen, received};
use crate::forward::ForwardError;
use crate::forward::body::RequestBody;
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
    let Answered { response, by, .. } = answered?;
    let (parts, body) = response.into_parts();
    let status = if ask.route.behavior.is_stand_in(&by.name) { status.detailed(FAILOVER) } else { status };
    Ok(respond::passed(ask, &parts, body, status, CacheResult::Pass))
}

/// Asks the origin, and lets the store know what its answer means before anyone else does.
async fn exchange(edge: Arc<Edge>, ask: Arc<Ask>, body: Option<ViewerRequestBody>) -> Result<Answered, ForwardError> {
    let mut body = body.map_or(RequestBody::Empty, |body| RequestBody::viewer(body, UPLOAD_PATIENCE));
    if ask.asked.expects_continue {
        body.expect_continue();
    }
    let label = edge.live.purge().label();
    let Answered { response, by, forwarded, asked, offered } = failover::ask(&edge, &ask, body, &[]).await?;
    let (parts, body) = response.into_parts();
    // RFC 9111 §4.4
    for target in overwriting::targets(ask.method(), &ask.asked, &parts, &ask.route.site.site) {
        edge.live.purge().overwritten(&target);
    }
    if *ask.method() == Method::HEAD && parts.status == StatusCode::OK && ask.policy().caches() {
        let exchange = Exchange {
            method: ask.method(),
            forwarded: &forwarded,
            authorized: ask.authorized_to(&by),
            received: received(asked, edge.clock.now()),
            label,
        };
        freshen::by_head(&edge, &ask, &by.name, &parts, &exchange);
    }
    Ok(Answered { response: Response::from_parts(parts, body), by, forwarded, asked, offered })
}
