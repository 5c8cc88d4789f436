//! Transitions into Kubernetes Events: what `kubectl describe` shows and `kubectl events --watch` follows.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use crate::causes::chain;
use crate::setback::Setback;

/// Tells what happened, at the object it happened to. Repetitions become one Event with a count.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

/// The API server refuses longer notes.
const LONGEST_NOTE: usize = 1024;

impl Events {
    /// Events that are reported by this pod.
    pub fn new(client: kube::Client, pod: &str) -> Self {
        let reporter = Reporter { controller: "kubefront-operator".into(), instance: Some(pod.into()) };
        Self { recorder: Recorder::new(client, reporter) }
    }

    /// Something went as it should.
    pub async fn note(&self, object: &ObjectReference, reason: &str, message: &str) {
        self.publish(object, EventType::Normal, reason, message).await;
    }

    /// Something needs somebody's eyes.
    pub async fn warn(&self, object: &ObjectReference, reason: &str, message: &str) {
        self.publish(object, EventType::Warning, reason, message).await;
    }

    /// An Event is a courtesy: that it could not be written is logged and fails nothing.
    async fn publish(&self, object: &ObjectReference, type_: EventType, reason: &str, message: &str) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(shortened(message).to_owned()),
            action: "Reconcile".into(),
            secondary: None,
        };
        let Err(error) = self.recorder.publish(&event, object).await else { return };
        // With its namespace goes whoever would read it.
        if Setback::of(&error) != Setback::NamespaceEnds {
            tracing::warn!(reason, error = chain(&error), "an Event could not be written");
        }
    }
}

fn shortened(message: &str) -> &str {
    &message[..message.floor_char_boundary(LONGEST_NOTE)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let long = "é".repeat(LONGEST_NOTE);
        assert_eq!(shortened(&long).len(), LONGEST_NOTE);
        assert_eq!(shortened(&format!("x{long}")).len(), LONGEST_NOTE - 1);
        assert_eq!(shortened("short"), "short");
    }
}
