//! Objects that do not parse into Events at them, one after the other and beside the watches.
//!
//! Guarantees: no watch waits for an Event, and no more than [`WAITING`] of them wait; what is more is in the log alone.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::events::Events;

/// How many Events wait at most.
const WAITING: usize = 64;

/// The longest that one Event may take.
const LIMIT: Duration = Duration::from_secs(10);

/// An object that this release cannot read, and why.
pub(super) struct Unreadable {
    object: ObjectReference,
    why: String,
}

/// Where they are told of.
#[derive(Clone)]
pub(super) struct Teller(mpsc::Sender<Unreadable>);

impl Unreadable {
    /// What an event of a watch shows, if it cannot be read.
    pub(super) fn of<K: Resource<DynamicType = ()>>(event: &Event<DeserializeGuard<K>>) -> Option<Self> {
        let (Event::Apply(object) | Event::InitApply(object)) = event else { return None };
        let why = object.0.as_ref().err()?.to_string();
        Some(Self { object: object.object_ref(&()), why })
    }
}

impl Teller {
    /// One who tells by these Events, in a task of its own.
    pub(super) fn new(events: Events) -> Self {
        let (sender, mut waiting) = mpsc::channel::<Unreadable>(WAITING);
        tokio::spawn(async move {
            while let Some(Unreadable { object, why }) = waiting.recv().await {
                let message = format!("This release cannot read the object, so it stays as it is: {why}");
                if timeout(LIMIT, events.warn(&object, "Unreadable", &message)).await.is_err() {
                    tracing::warn!(name = ?object.name, "an Event could not be written in time");
                }
            }
        });
        Self(sender)
    }

    /// Tells of it, now or soon.
    pub(super) fn tell(&self, unreadable: Unreadable) {
        let Unreadable { object, why } = &unreadable;
        let ObjectReference { kind, namespace, name, .. } = object;
        tracing::error!(?kind, ?namespace, ?name, why, "cannot be read");
        // Full: it is in the log.
        let _ = self.0.try_send(unreadable);
    }
}
