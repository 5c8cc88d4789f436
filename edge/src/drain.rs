//! The word to stop into an end that fails no request.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::live::{Live, Phase};

/// Reports unready and goes on accepting for `accept`, then finishes what has begun; `serving` ends with the last connection.
///
/// The cluster needs a moment to learn that this edge leaves: until then new connections come, and are served.
pub async fn run(live: &Live, accept: Duration, serving: JoinHandle<()>) {
    live.enter(Phase::Draining);
    tracing::info!(?accept, "draining");
    tokio::time::sleep(accept).await;
    live.enter(Phase::Finishing);
    if let Err(error) = serving.await {
        tracing::error!(%error, "the listener ended out of turn");
    }
    live.enter(Phase::Drained);
    tracing::info!("drained");
}
