//! One fetch from an origin into a stored response that everyone who waits can follow, or into the word that there is none.
//!
//! Flow: forward → 304: freshen; an error for which something stored may stand in: say so; else the storing verdict → record → store.
//! Guarantees: a response is stored only whole, and only if the purge ledger admits its label at that moment; what a viewer reads of
//! it while it arrives is bounded by the store or goes piece by piece. A fill that nobody wants ends, unless it is nearly done.

pub mod freshen;
mod record;

use std::sync::Arc;

use edge_cache::reuse::{Failure, Fallback};
use edge_cache::storing::{self, Exchange, Reason, Storing};
use edge_cache::validation::Conditional;
use edge_cache::{Controls, Label, Moment, Received, Stored};
use http::{HeaderMap, Method, StatusCode, response};

use crate::ask::Ask;
use crate::clock::Now;
use crate::collapse::Lead;
use crate::collapse::wanted::{NotKept, Outcome, Unshared};
use crate::config::OriginTable;
use crate::edge::Edge;
use crate::failover::{self, Answered};
use crate::forward::ForwardError;
use crate::forward::body::{OriginBody, RequestBody};
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
    by: Arc<OriginTable>,
    forwarded: HeaderMap,
    received: Received,
    /// What it was asked to validate.
    offered: Vec<Arc<Held>>,
}

impl Work {
    /// Runs it to its end, or to the point where nobody wants it any more.
    pub async fn run(self) {
        let fill = Arc::clone(self.lead.fill());
        let mut label = fill.label;
        let mut offered = self.offered();
        loop {
            let answer = tokio::select! {
                answer = self.ask_origin(&offered) => answer,
                () = fill.deserted() => return,
            };
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => return self.lead.fail(error),
            };
            let status = answer.parts.status;
            if status == StatusCode::NOT_MODIFIED && answer.offered.is_empty() {
                return self.lead.fail(ForwardError::UnaskedNotModified);
            }
            if status == StatusCode::NOT_MODIFIED {
                let exchange = self.exchange(&answer, label);
                let (edge, ask) = (&self.edge, &self.ask);
                if let Some(freshened) = freshen::by_validation(edge, ask, &answer.offered, &answer.parts, &exchange) {
                    fill.leave_fields(storing::for_one_viewer(&answer.parts.headers, self.ask.policy()));
                    return fill.conclude(Outcome::Freshened(freshened));
                }
                // Asked whole this time: its validator speaks of something else, or an order came meanwhile (rules 3 and 8).
                label = self.edge.live.purge().label();
                offered.clear();
                continue;
            }
            if self.something_stands_in(status) {
                if self.ask.asker.is_some() {
                    // For the edge that asks nothing does: it is told, and what stands in for viewers stays.
                    return self.pass(answer.parts, answer.body, &answer.by, NotKept::Refused(Reason::Status));
                }
                answer.body.let_go();
                return fill.conclude(Outcome::ErrorStatus(status));
            }
            return self.keep_or_pass(answer, label).await;
        }
    }

    /// RFC 9111 §4.3.1: all that is stored for this request and may still be used is offered, what it would be answered with first.
    fn offered(&self) -> Vec<Arc<Held>> {
        let Some((held, condition)) = &self.validates else { return Vec::new() };
        let mut offered = vec![Arc::clone(held)];
        if condition.if_none_match.is_some() {
            let (live, key) = (&self.edge.live, &self.ask.key);
            let forwarded = self.ask.forwarded(None);
            let selected = |other: &&Arc<Held>| {
                !Arc::ptr_eq(other, held)
                    && other.stored.selecting.matches_fields(&forwarded)
                    && live.purge().admits(key, other).is_admitted()
            };
            offered.extend(live.store().lookup(key).iter().flat_map(|all| all.iter()).filter(selected).cloned());
        }
        offered
    }

    async fn ask_origin(&self, offered: &[Arc<Held>]) -> Result<Answer, ForwardError> {
        let Self { edge, ask, .. } = self;
        let answered = failover::ask(edge, ask, RequestBody::Empty, offered).await?;
        let Answered { response, by, forwarded, asked, offered } = answered;
        let (mut parts, body) = response.into_parts();
        held::detach(&mut parts);
        Ok(Answer { parts, body, by, forwarded, received: received(asked, edge.clock.now()), offered })
    }

    fn exchange<'a>(&self, answer: &'a Answer, label: Label) -> Exchange<'a> {
        let Answer { by, forwarded, received, .. } = answer;
        let authorized = self.ask.authorized_to(by);
        Exchange { method: &Method::GET, forwarded, authorized, received: *received, label }
    }

    /// Whether a stored response may be served in place of this error; then it must not be displaced by it.
    fn something_stands_in(&self, status: StatusCode) -> bool {
        if !status.is_server_error() {
            return false;
        }
        let controls = if self.ask.asker.is_some() { Controls::default() } else { self.ask.controls };
        matches!(self.edge.stands_in_for(&self.ask, controls, Failure::Status(status)).1, Fallback::Stale(_))
    }

    async fn keep_or_pass(mut self, answer: Answer, label: Label) {
        let verdict = storing::decide(&self.exchange(&answer, label), &answer.parts, self.ask.policy());
        let Answer { parts, body, by, forwarded, received, .. } = answer;
        match verdict {
            Storing::Skip(reason) => {
                if !matches!(reason, Reason::Partial) && !parts.status.is_server_error() {
                    self.drop_older(&forwarded, |held| held.stored.received.asked > received.asked);
                }
                self.pass(parts, body, &by, NotKept::Refused(reason));
            }
            Storing::Store(stored) => {
                // Not what the field says: a 204 has no content whatever it says.
                let length = http_body::Body::size_hint(&body).exact();
                let Some((head_room, room)) = self.room_for(&stored, length) else {
                    return self.pass(parts, body, &by, NotKept::NoRoom);
                };
                let recording = Arc::new(Recording::default());
                let content = Content::Arriving { recording: Arc::clone(&recording), length };
                let held = Held::new(*stored, content, Arc::new(head_room)).of_origin(Some(&by.health.name));
                let held = Arc::new(held);
                self.lead.fill().leave_fields(storing::for_one_viewer(&parts.headers, self.ask.policy()));
                self.lead.fill().conclude(Outcome::Arriving(Arc::clone(&held)));
                let recorded = self.record(&recording, body, Room { length, room }).await;
                self.finish(&held, &recording, recorded, &forwarded);
            }
        }
    }

    /// RFC 9111 §4.3.3: what the origin answers now stands for this request, and so for nothing else that is stored for it and older.
    /// Where a response stops to vary, those that once did would else be preferred to it for ever (§4.1).
    fn supersede(&self, forwarded: &HeaderMap, by: &Arc<Held>) {
        let asked = by.stored.received.asked;
        self.drop_older(forwarded, |held| held.stored.received.asked > asked || std::ptr::eq(held, by.as_ref()));
    }

    /// The origin has another answer now, so the one that is stored stands in for nothing any more. An error of the origin's own is no
    /// such answer.
    fn drop_older(&self, forwarded: &HeaderMap, stays: impl Fn(&Held) -> bool) {
        let (live, key) = (&self.edge.live, &self.ask.key);
        live.store().sweep_key(key, |held| {
            let keep = stays(held) || !held.stored.selecting.matches_fields(forwarded);
            // Counts those that an order had dropped already.
            if !keep {
                live.purge().keeps(key, held);
            }
            keep
        });
    }

    /// Room for the head, and for all of a body whose length is known: one that would not fit is not begun.
    fn room_for(&self, stored: &Stored, length: Option<u64>) -> Option<(Hold, Hold)> {
        let store = self.edge.live.store();
        let body = match length {
            Some(length) if !store.could_hold(length) => return None,
            Some(length) => usize::try_from(length).ok()?,
            None => 0,
        };
        let head = held::cost(self.ask.key.len(), stored);
        let mut room = store.hold(head + body + body.div_ceil(record::PIECE) * BLOCK_OVERHEAD)?;
        Some((room.split(head)?, room))
    }

    fn pass(mut self, parts: response::Parts, body: OriginBody, by: &OriginTable, why: NotKept) {
        self.stop_sharing();
        self.lead.fill().answer_leader(Unshared { parts, body, by: Arc::clone(&by.health.name), why });
    }

    /// Nobody may join any more, and nobody waits for this key for a while.
    fn stop_sharing(&mut self) {
        self.edge.collapse.go_alone(self.ask.read_name(), self.edge.clock.now().monotonic);
        self.lead.close();
    }
}

/// By both clocks, as verdicts want them.
pub fn received(asked: Now, answered: Now) -> Received {
    Received { asked: Moment(asked.monotonic), answered: Moment(answered.monotonic), date: answered.date() }
}
