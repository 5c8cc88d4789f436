//! A fill as those see it who want it: whether anyone still does, and what came of it, said once to all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use edge_cache::{Label, storing};
use http::{HeaderMap, StatusCode, response};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::forward::ForwardError;
use crate::forward::body::OriginBody;
use crate::store::held::Held;

/// One fetch from an origin that is meant for the store.
#[derive(Debug)]
pub struct Fill {
    /// Where the purge log stood when it began.
    pub label: Label,
    outcome: watch::Sender<Option<Outcome>>,
    interested: AtomicUsize,
    unattended: AtomicBool,
    left: Notify,
    answer: Mutex<Option<Unshared>>,
    fields: Mutex<HeaderMap>,
    /// What came after it, once it has failed.
    pub(super) next: Mutex<Option<Arc<Fill>>>,
}

/// What came of a fill.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It may be stored, and its body is arriving.
    Arriving(Arc<Held>),
    /// What is stored still holds.
    Freshened(Freshened),
    /// It is for the one who led only.
    Unshared,
    /// The origin answered with an error for which something stored may stand in.
    ErrorStatus(StatusCode),
    /// The origin gave no answer.
    Failed(Arc<ForwardError>),
    /// It ended without any of that.
    GivenUp,
}

/// A stored response that an origin says still holds.
#[derive(Clone, Debug)]
pub struct Freshened {
    /// With its new fields.
    pub held: Arc<Held>,
    /// Whether they let it stay in the store.
    pub stays: bool,
}

/// An answer that is for one viewer only.
#[derive(Debug)]
pub struct Unshared {
    /// The head as the origin sent it.
    pub parts: response::Parts,
    /// The body as it comes.
    pub body: OriginBody,
    /// The name of the origin that sent it.
    pub by: Arc<str>,
    /// Why it is not stored.
    pub why: NotKept,
}

/// Why a response that could be passed on is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// Storing refuses it.
    Refused(storing::Reason),
    /// It is larger than half of the store, or there is no room.
    NoRoom,
}

impl Fill {
    /// One that nobody else can join.
    pub fn new(label: Label) -> Arc<Self> {
        Arc::new(Self {
            label,
            outcome: watch::Sender::new(None),
            interested: AtomicUsize::new(0),
            unattended: AtomicBool::new(false),
            left: Notify::new(),
            answer: Mutex::new(None),
            fields: Mutex::default(),
            next: Mutex::default(),
        })
    }

    /// Says what came of it; the first word counts.
    pub fn conclude(&self, outcome: Outcome) {
        self.outcome.send_if_modified(|said| {
            let first = said.is_none();
            said.get_or_insert(outcome);
            first
        });
    }

    /// Leaves an answer for the one who led, and tells the others that it is not for them.
    pub fn answer_leader(&self, answer: Unshared) {
        *self.answer.lock() = Some(answer);
        self.conclude(Outcome::Unshared);
    }

    /// The answer for the one who led.
    pub fn take_answer(&self) -> Option<Unshared> {
        self.answer.lock().take()
    }

    /// Leaves fields of a shared answer that are for the one who led alone. To be called before [`Fill::conclude`].
    pub fn leave_fields(&self, fields: HeaderMap) {
        *self.fields.lock() = fields;
    }

    /// The fields for the one who led.
    pub fn take_fields(&self) -> HeaderMap {
        std::mem::take(&mut *self.fields.lock())
    }

    /// From here on it goes on, whoever leaves: nobody waits for it in the first place, or what it brings is wanted anyway.
    pub fn go_on_unattended(&self) {
        self.unattended.store(true, Ordering::Release);
    }

    /// Waits until nobody wants it any more.
    pub async fn deserted(&self) {
        while self.is_wanted() {
            self.left.notified().await;
        }
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.unattended.load(Ordering::Acquire) || self.interested() > 0
    }

    pub(super) fn interested(&self) -> usize {
        self.interested.load(Ordering::Acquire)
    }

    /// Waits until nobody is there to take it, wanted or not.
    pub async fn unfollowed(&self) {
        while self.interested() > 0 {
            self.left.notified().await;
        }
    }
}

/// Someone's wish that a fill goes on, until it is dropped.
#[derive(Debug)]
pub struct Interest {
    fill: Arc<Fill>,
}

impl Interest {
    /// Wants this fill.
    pub fn new(fill: &Arc<Fill>) -> Self {
        fill.interested.fetch_add(1, Ordering::AcqRel);
        Self { fill: Arc::clone(fill) }
    }

    /// The fill.
    pub fn fill(&self) -> &Arc<Fill> {
        &self.fill
    }

    /// What came of it, once that is known.
    pub async fn outcome(&self) -> Outcome {
        let mut outcome = self.fill.outcome.subscribe();
        let said = outcome.wait_for(Option::is_some).await;
        // The sender is in the fill that is held here, so there always is a word in the end.
        said.ok().and_then(|said| said.clone()).unwrap_or(Outcome::GivenUp)
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        if self.fill.interested.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.fill.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_fill_hears_when_the_last_one_leaves_unless_it_goes_on_unattended() {
        let fill = Fill::new(Label { log: None, local: 0 });
        let (one, other) = (Interest::new(&fill), Interest::new(&fill));
        drop(one);
        assert!(fill.deserted().now_or_never().is_none());
        drop(other);
        assert!(fill.deserted().now_or_never().is_some());
        assert!(fill.unfollowed().now_or_never().is_some());
        fill.go_on_unattended();
        assert!(fill.deserted().now_or_never().is_none());
        assert!(fill.unfollowed().now_or_never().is_some());
    }
}
