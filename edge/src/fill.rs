//! One fetch from an origin into a stored response that everyone who waits can follow, or into the word that there is none.
//!
//! Flow: forward → 304: freshen; an error for which something stored may stand in: say so; else the storing verdict → record → store.
//! Guarantees: a response is stored only whole, and only if the purge ledger admits its label at that moment; what a viewer reads of
//! it while it arrives is bounded by the store or goes piece by piece. A fill that nobody wants ends, unless it is nearly done.

mod record;

use std::sync::Arc;

use edge_cache::date::Date;
use edge_cache::reuse::{self, Failure, Fallback};
use edge_cache::storing::{self, Exchange, Reason, Storing};
use edge_cache::validation::{self, Conditional, Freshened};
use edge_cache::{Label, Moment, Received, Stored};
use http::{HeaderMap, Method, StatusCode, response};

use crate::ask::Ask;
use crate::clock::Now;
use crate::collapse::{Lead, NotKept, Outcome, Unshared};
use crate::forward::ForwardError;
use crate::forward::body::{OriginBody, RequestBody};
use crate::process::Edge;
use crate::store::block::BLOCK_OVERHEAD;
use crate::store::budget::Hold;
use crate::store::held::{self, Content, Held};
use crate::store::recording::Recording;
use record::Room;

/// A fill to be run.
pub struct Work {
    /// The edge that runs it.
    pub edge: Arc<Edge>,
    /// The request that it is for.
    pub ask: Arc<Ask>,
    /// What is stored, and the condition by which the origin is asked whether it still holds.
    pub validates: Option<(Arc<Held>, Conditional)>,
    /// The duty.
    pub lead: Lead,
}

/// What an origin answered, and when.
struct Answer {
    parts: response::Parts,
    body: OriginBody,
    forwarded: HeaderMap,
    received: Received,
}

impl Work {
    /// Runs it to its end, or to the point where nobody wants it any more.
    pub async fn run(mut self) {
        let fill = Arc::clone(self.lead.fill());
        let mut label = fill.label;
        loop {
            let answer = tokio::select! {
                answer = self.ask_origin() => answer,
                () = fill.deserted() => return,
            };
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => return fill.conclude(Outcome::Failed(Arc::new(error))),
            };
            match self.validates.take() {
                Some((held, _)) if answer.parts.status == StatusCode::NOT_MODIFIED => {
                    if let Some(freshened) = self.freshen(&held, &answer, label) {
                        return fill.conclude(Outcome::Freshened(freshened));
                    }
                    // Asked whole this time: its validator speaks of something else, or an order came meanwhile (rules 3 and 8).
                    label = self.edge.live.purge().label();
                }
                _ if answer.parts.status == StatusCode::NOT_MODIFIED => {
                    return fill.conclude(Outcome::Failed(Arc::new(ForwardError::UnaskedNotModified)));
                }
                _ if self.something_stands_in(answer.parts.status) => {
                    return fill.conclude(Outcome::ErrorStatus(answer.parts.status));
                }
                _ => return self.keep_or_pass(answer, label).await,
            }
        }
    }

    async fn ask_origin(&self) -> Result<Answer, ForwardError> {
        let Self { edge, ask, .. } = self;
        let forwarded = ask.forwarded(self.validates.as_ref().map(|(_, condition)| condition));
        let request = ask.request(forwarded.clone(), RequestBody::Empty).ok_or(ForwardError::Target)?;
        let asked = edge.clock.now();
        let response = edge.ask_origin(ask, request).await?;
        let (mut parts, body) = response.into_parts();
        held::detach(&mut parts);
        Ok(Answer { parts, body, forwarded, received: received(asked, edge.clock.now()) })
    }

    /// RFC 9111 §4.3.4, if the purge ledger lets what is stored live on.
    fn freshen(&self, held: &Arc<Held>, answer: &Answer, label: Label) -> Option<Arc<Held>> {
        let Answer { parts, forwarded, received, .. } = answer;
        let (live, key) = (&self.edge.live, &self.ask.key);
        let Freshened::Updated(stored) = validation::freshen(&held.stored, parts, forwarded, *received, label) else {
            return None;
        };
        if !live.purge().revives(key, held, label) {
            return None;
        }
        let room = live.store().hold(held::cost(key.len(), &stored.headers))?;
        let freshened = Arc::new(held.freshened(*stored, Arc::new(room))?);
        if storing::may_stay(&freshened.stored, self.ask.policy()) {
            live.store().exchange(key, held, Arc::clone(&freshened));
        } else {
            live.store().sweep_key(key, |other| !std::ptr::eq(other, held.as_ref()));
        }
        Some(freshened)
    }

    /// Whether a stored response may be served in place of this error; then it must not be displaced by it.
    fn something_stands_in(&self, status: StatusCode) -> bool {
        let failure = Failure::Status(status);
        status.is_server_error() && matches!(stands_in(&self.edge, &self.ask, failure).1, Fallback::Stale(_))
    }

    async fn keep_or_pass(mut self, answer: Answer, label: Label) {
        let Answer { parts, body, forwarded, received } = answer;
        let exchange = Exchange {
            method: &Method::GET,
            forwarded: &forwarded,
            authorized: self.ask.authorized(),
            received,
            label,
        };
        match storing::decide(&exchange, &parts, self.ask.policy()) {
            Storing::Skip(reason) => {
                if !matches!(reason, Reason::Partial) && !parts.status.is_server_error() {
                    self.supersede(&forwarded, received);
                }
                self.pass(parts, body, NotKept::Refused(reason));
            }
            Storing::Store(stored) => {
                // Not what the field says: a 204 has no content whatever it says.
                let length = http_body::Body::size_hint(&body).exact();
                let Some((head_room, room)) = self.room_for(&stored, length) else {
                    return self.pass(parts, body, NotKept::NoRoom);
                };
                let recording = Arc::new(Recording::default());
                let content = Content::Arriving { recording: Arc::clone(&recording), length };
                let held = Arc::new(Held::new(*stored, content, Arc::new(head_room)));
                self.lead.fill().conclude(Outcome::Arriving(Arc::clone(&held)));
                let recorded = self.record(&recording, body, Room { length, room }).await;
                self.finish(&held, &recording, recorded);
            }
        }
    }

    /// RFC 9111 §4.3.3: the origin has another answer now, so the one that is stored stands in for nothing any more. An error of the
    /// origin's own is no such answer.
    fn supersede(&self, forwarded: &HeaderMap, received: Received) {
        let newer = |held: &Held| held.stored.received.asked > received.asked;
        let keep = |held: &Held| newer(held) || !held.stored.selecting.matches(|| forwarded.clone());
        self.edge.live.store().sweep_key(&self.ask.key, keep);
    }

    /// Room for the head, and for all of a body whose length is known: one that would not fit is not begun.
    fn room_for(&self, stored: &Stored, length: Option<u64>) -> Option<(Hold, Hold)> {
        let store = self.edge.live.store();
        let body = match length {
            Some(length) if !store.could_hold(length) => return None,
            Some(length) => usize::try_from(length).ok()?,
            None => 0,
        };
        let head = held::cost(self.ask.key.len(), &stored.headers);
        let mut room = store.hold(head + body + body.div_ceil(record::PIECE) * BLOCK_OVERHEAD)?;
        Some((room.split(head)?, room))
    }

    fn pass(mut self, parts: response::Parts, body: OriginBody, why: NotKept) {
        self.stop_sharing();
        self.lead.fill().answer_leader(Unshared { parts, body, why });
    }

    /// Nobody may join any more, and nobody waits for this key for a while.
    fn stop_sharing(&mut self) {
        self.edge.collapse.go_alone(&self.ask.key, self.edge.clock.now().monotonic);
        self.lead.close();
    }
}

/// By both clocks, as verdicts want them.
pub fn received(asked: Now, answered: Now) -> Received {
    Received { asked: Moment(asked.monotonic), answered: Moment(answered.monotonic), date: date(answered) }
}

fn date(now: Now) -> Date {
    let since = now.wall.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Date(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Asks whether what is stored may stand in, of what the store and the ledger say now.
pub fn stands_in(edge: &Edge, ask: &Ask, failure: Failure) -> (Option<Arc<Held>>, Fallback) {
    let found = edge.find(ask);
    let fallback = ask.reuse(|request| {
        let found = found.as_ref().map(|(held, admission)| (&held.stored, *admission));
        reuse::on_failure(failure, request, found, ask.policy(), Moment(edge.clock.now().monotonic))
    });
    (found.map(|(held, _)| held), fallback)
}
