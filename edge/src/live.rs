//! What is true of this edge right now, shared by all its parts: what it serves, what it has purged, which phase it is in.
//!
//! Flow: `control` (and the mounted file) ⇢ [`Live`] ⇢ every request.
//! Guarantees: what a method here has taken holds for every request that starts after it returned, on every thread.
//! Assumptions: one stream at a time calls the methods that change something, in the order of its lines.
//! Errors: a refused configuration comes back with the reason, and the one before it goes on serving.

use std::sync::Arc;

use edge_contract::{EdgeConfig, Endpoints, Epoch, Head, PurgeOrder, SequenceNumber};
use parking_lot::Mutex;
use tokio::sync::watch;

/// How far this edge has followed its purge log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The life of the log; absent until the first order or head.
    pub epoch: Option<Epoch>,
    /// Every order up to this number is applied; absent until the first head.
    pub sequence: Option<SequenceNumber>,
    /// The uid of the order at that number, absent when a bare head brought it there.
    pub order_uid: Option<String>,
}

/// Where in its life the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It accepts and serves.
    Serving,
    /// It was told to stop: it reports unready, accepts a little longer and finishes what it began.
    Draining,
    /// Its listeners are closed and its last response has ended: goodbye may be said.
    Drained,
}

/// A handle on one running edge; clones are the same edge.
#[derive(Clone, Debug)]
pub struct Live {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Mutex<Option<EdgeConfig>>,
    applied: Mutex<Applied>,
    phase: watch::Sender<Phase>,
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl Live {
    /// An edge that serves nothing yet.
    pub fn new() -> Self {
        let inner = Inner {
            config: Mutex::new(None),
            applied: Mutex::new(Applied::default()),
            phase: watch::Sender::new(Phase::Serving),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Serves this configuration from the operator's stream, or says why not; then the last good one goes on.
    pub fn take_config(&self, config: EdgeConfig) -> Result<(), String> {
        let faults: Vec<String> = config.validate().iter().map(ToString::to_string).collect();
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        *self.inner.config.lock() = Some(config);
        Ok(())
    }

    /// The epoch and revision of the configuration that serves, whether a stream or the mounted file gave it.
    pub fn serving_revision(&self) -> Option<(Epoch, u64)> {
        self.inner.config.lock().as_ref().map(|config| (config.epoch, config.revision))
    }

    /// Where an origin's pods are now. An older version than the one held is ignored.
    pub fn take_endpoints(&self, endpoints: Endpoints) {
        drop(endpoints);
    }

    /// The stream is gone: endpoints may be out of date, so origins are reached by their DNS names from here on.
    pub fn forget_endpoints(&self) {}

    /// Applies an order. Repeating one is harmless; another epoch's order begins a new log, and what was stored is dropped.
    pub fn apply_order(&self, order: &PurgeOrder) {
        let mut applied = self.inner.applied.lock();
        *applied =
            Applied { epoch: Some(order.epoch), sequence: Some(order.sequence), order_uid: Some(order.uid.clone()) };
    }

    /// Takes where the log ends; the first one after a start says that nothing is missing any more.
    pub fn take_head(&self, head: Head) {
        let mut applied = self.inner.applied.lock();
        applied.epoch = Some(head.epoch);
        applied.sequence = Some(head.sequence);
    }

    /// How far the log was followed: what `hello` and `acknowledged` say.
    pub fn applied(&self) -> Applied {
        self.inner.applied.lock().clone()
    }

    /// How many stored responses the order at this number has dropped so far.
    pub fn removed(&self, sequence: SequenceNumber) -> u64 {
        let _ = sequence;
        0
    }

    /// The phase, and every later one. `goodbye` is due when it is [`Phase::Drained`].
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.inner.phase.subscribe()
    }

    /// Moves on to a later phase.
    pub fn enter(&self, phase: Phase) {
        self.inner.phase.send_if_modified(|current| {
            let later = phase > *current;
            *current = phase.max(*current);
            later
        });
    }
}
