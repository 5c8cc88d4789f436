//! What the API says to the lists of one namespace into whether it is looked after, and into what may be listed now.
//!
//! Flow: each watch → [`Listing`] → [`Scope`] → the other watches of the namespace.
//! Guarantees: what Distributions are made of is listed before they are, so nobody decides by half of a namespace. One in which
//! something is refused for [`PATIENCE`] is gone, with its Role, or was never granted: it counts as listed, with nothing in it, and holds
//! up no other. It is looked after once all of it may be listed. What was listed before a refusal stays as it was.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::watcher::{self, Event};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock;
use crate::metrics::Metrics;

/// How long a list is refused before that is believed: an API server that starts may know no Role yet.
const PATIENCE: Duration = Duration::from_secs(15);

/// A namespace, or all of them.
pub(super) struct Scope {
    /// Which; nothing: all of them, and then nothing else is left to be looked after.
    pub(super) namespace: Option<String>,
    state: watch::Sender<State>,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct State {
    /// Kinds that are listed before Distributions.
    first: BTreeSet<String>,
    /// Those of them that have been.
    listed: BTreeSet<String>,
    /// Kinds that may not be listed.
    refused: BTreeSet<String>,
}

/// How far the watch of one kind has come.
pub(super) struct Listing {
    scope: Arc<Scope>,
    kind: String,
    refused_since: Option<Instant>,
}

impl Scope {
    pub(super) fn new(namespace: Option<String>, metrics: &Metrics) -> Self {
        Self { namespace, state: watch::Sender::default(), metrics: metrics.clone() }
    }

    /// The watch of this kind, which is to list before Distributions are if it is one of the `first`.
    pub(super) fn listing(self: &Arc<Self>, kind: &str, first: bool) -> Listing {
        if first {
            self.state.send_modify(|state| state.first.extend([kind.to_owned()]));
        }
        Listing { scope: self.clone(), kind: kind.to_owned(), refused_since: None }
    }

    fn refuse(&self, kind: &str) {
        let Some(namespace) = &self.namespace else { return };
        self.state.send_if_modified(|state| {
            if state.refused.is_empty() {
                tracing::error!(namespace, kind, "is not looked after: nothing of this kind may be listed there");
                self.metrics.refused(namespace, true);
            }
            state.refused.insert(kind.to_owned())
        });
    }

    fn list(&self, kind: &str) {
        self.state.send_modify(|state| {
            state.listed.insert(kind.to_owned());
            if state.refused.remove(kind) && state.refused.is_empty() {
                let namespace = self.namespace.as_deref().unwrap_or_default();
                tracing::info!(namespace, "may be looked after again");
                self.metrics.refused(namespace, false);
            }
        });
    }

    async fn until(&self, holds: impl FnMut(&State) -> bool) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.state.subscribe().wait_for(holds).await;
    }
}

impl Listing {
    /// Takes what the watch shows.
    pub(super) fn shown<K>(&mut self, event: &Event<K>) {
        if matches!(event, Event::InitDone) {
            self.refused_since = None;
            self.scope.list(&self.kind);
        }
    }

    /// Takes that the watch failed.
    pub(super) fn failed(&mut self, error: &watcher::Error) {
        if !is_refusal(error) {
            return;
        }
        let now = clock::monotonic();
        if now >= *self.refused_since.get_or_insert(now) + PATIENCE {
            self.scope.refuse(&self.kind);
        }
    }

    /// Returns once all that is listed first has been.
    pub(super) async fn its_turn(&self) {
        self.scope.until(|state| state.listed.is_superset(&state.first)).await;
    }

    /// Returns while the namespace is not looked after.
    pub(super) async fn is_given_up(&self) {
        self.scope.until(|state| !state.refused.is_empty()).await;
    }
}

fn is_refusal(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 403)
}
