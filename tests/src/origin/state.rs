//! Turns arrivals into numbers, and holds what the admin port may change: the content and the held requests.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::watch;

/// Shared by all connections of one origin.
pub(super) struct State {
    pub(super) cache_control: String,
    stopping: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    content: String,
    reads: u64,
    reads_of: HashMap<String, u64>,
    gates: HashMap<String, Gate>,
}

/// Requests that wait under one name. The channel carries how often the gate was opened.
struct Gate {
    waiting: usize,
    opened: watch::Sender<u64>,
}

impl State {
    pub(super) fn new(content: String, cache_control: String) -> Arc<Self> {
        let inner = Mutex::new(Inner { content, ..Inner::default() });
        Arc::new(Self { cache_control, stopping: AtomicBool::new(false), inner })
    }

    // A thread that panicked with the lock held has changed at most one counter: go on with it.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a read of `path` and says which it is, with the content it sees.
    pub(super) fn arrive(&self, path: &str) -> (u64, String) {
        let mut inner = self.inner();
        inner.reads += 1;
        *inner.reads_of.entry(path.to_owned()).or_default() += 1;
        (inner.reads, inner.content.clone())
    }

    /// How many reads arrived, of one path or of all.
    pub(super) fn reads(&self, of: Option<&str>) -> u64 {
        let inner = self.inner();
        of.map_or(inner.reads, |path| inner.reads_of.get(path).copied().unwrap_or_default())
    }

    pub(super) fn change_content(&self, content: &str) {
        content.clone_into(&mut self.inner().content);
    }

    /// Waits until the next [`State::release`] of that name.
    pub(super) async fn hold(self: Arc<Self>, name: String) {
        let mut opened = {
            let mut inner = self.inner();
            let gate =
                inner.gates.entry(name.clone()).or_insert_with(|| Gate { waiting: 0, opened: watch::Sender::new(0) });
            gate.waiting += 1;
            gate.opened.subscribe()
        };
        let _leave = Leave { state: &self, name };
        // The sender lives in the state that this future holds, so waiting cannot fail.
        let _ = opened.changed().await;
    }

    /// Lets go on what waits now under that name; says how many.
    pub(super) fn release(&self, name: &str) -> usize {
        let inner = self.inner();
        let Some(gate) = inner.gates.get(name) else { return 0 };
        gate.opened.send_modify(|opened| *opened += 1);
        gate.waiting
    }

    pub(super) fn waiting(&self, name: &str) -> usize {
        self.inner().gates.get(name).map_or(0, |gate| gate.waiting)
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// Takes one off the waiting, also when the request is dropped because its connection ended.
struct Leave<'a> {
    state: &'a State,
    name: String,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Some(gate) = self.state.inner().gates.get_mut(&self.name) {
            gate.waiting -= 1;
        }
    }
}
