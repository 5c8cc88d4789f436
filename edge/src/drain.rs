//! The word to stop into an end that fails no request.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::live::{Live, Phase};

/// Reports unready and goes on accepting for `accept`, then finishes what has begun; `serving` ends with the last connection.
///
/// The cluster needs a moment to learn that this edge leaves: until then new connections come, and are served. An edge that
/// serves nothing yet was never ready, so nobody is sent to it and there is nothing to wait for.
pub async fn run(live: &Live, accept: Duration, serving: JoinHandle<()>) {
    let accept = live.serving_revision().map(|_| accept);
    live.enter(Phase::Draining);
    tracing::info!(?accept, "draining");
    tokio::time::sleep(accept.unwrap_or_default()).await;
    live.enter(Phase::Finishing);
    if let Err(error) = serving.await {
        tracing::error!(%error, "the listener ended out of turn");
    }
    live.enter(Phase::Drained);
    tracing::info!("drained");
}
