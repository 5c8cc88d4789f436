//! One attached stream into the lines to send on it, and what arrives on it into what is seen.

use std::time::Duration;

use bytes::Bytes;
use edge_contract::{FromEdge, FromOperator, PING_INTERVAL_MS, encode_line};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Edges;
use super::certify::Certified;
use super::next::{Given, Owed, owed};
use super::seen::Heard;
use crate::clock;
use crate::names::DistributionKey;

/// A stream's place among the edges: both of its directions hold it.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) edges: Edges,
    pub(super) distribution: DistributionKey,
    pub(super) uid: String,
    pub(super) number: u64,
    /// Ends the stream, whoever cancels it.
    pub(super) closed: CancellationToken,
}

/// The direction towards the edge. The edge counts as connected until this is dropped, or its seat is left or taken.
pub(super) struct Attached {
    pub(super) seat: Seat,
    given: Given,
    certified: Certified,
    wanted: watch::Receiver<()>,
    ping_at: Instant,
    pings: u64,
}

impl Seat {
    /// Takes a line. Nothing more is to be read after [`Heard::Last`] and [`Heard::Unexpected`].
    pub(super) fn hear(&self, line: FromEdge) -> Heard {
        let now = clock::monotonic();
        let mut term = self.edges.term();
        let Some(room) = term.rooms.get_mut(&self.distribution) else { return Heard::Unexpected };
        // A stream that was replaced speaks for nobody.
        if room.streams.get(&self.uid).is_none_or(|open| open.number != self.number) {
            return Heard::Unexpected;
        }
        let Some(edge) = room.seen.get_mut(&self.uid) else { return Heard::Unexpected };
        let heard = edge.hear(line, room.desired.log.as_deref(), now);
        drop(term);
        if matches!(heard, Heard::News | Heard::Last) {
            self.edges.notify(&self.distribution);
        }
        heard
    }

    /// The stream has ended.
    pub(super) fn leave(&self) {
        self.closed.cancel();
        let mut term = self.edges.term();
        let Some(room) = term.rooms.get_mut(&self.distribution) else { return };
        if room.streams.get(&self.uid).is_none_or(|open| open.number != self.number) {
            return;
        }
        room.streams.remove(&self.uid);
        if let Some(edge) = room.seen.get_mut(&self.uid) {
            edge.connected = false;
        }
        drop(term);
        self.edges.notify(&self.distribution);
    }
}

impl Attached {
    pub(super) fn new(seat: Seat, given: Given, wanted: watch::Receiver<()>) -> Self {
        let certified = Certified::default();
        Self { seat, given, certified, wanted, ping_at: clock::monotonic(), pings: 0 }
    }

    /// The next line, as soon as there is one to send; nothing when the stream is to end.
    pub(super) async fn next_line(&mut self) -> Option<Bytes> {
        loop {
            // Marked as seen before looking, so that a change made meanwhile wakes us again.
            self.wanted.borrow_and_update();
            if self.seat.closed.is_cancelled() {
                return None;
            }
            let line = if clock::monotonic() >= self.ping_at { Some(self.ping()) } else { self.lacking() };
            match line {
                Some(Ok(line)) => return Some(line),
                Some(Err(error)) => {
                    tracing::error!(%error, "a line could not be encoded");
                    return None;
                }
                None => {}
            }
            tokio::select! {
                () = self.seat.closed.cancelled() => {}
                () = sleep_until(self.ping_at) => {}
                changed = self.wanted.changed() => if changed.is_err() { self.seat.closed.cancel() },
            }
        }
    }

    /// The next line that this stream lacks.
    pub(super) fn lacking(&mut self) -> Option<Result<Bytes, serde_json::Error>> {
        let (owed, site) = {
            let term = self.seat.edges.term();
            let room = term.rooms.get(&self.seat.distribution)?;
            (owed(&room.desired, term.trust.as_ref(), &self.given), room.desired.tiers.site.clone())
        };
        if let Some(owed) = owed {
            self.given.note(&owed);
            return Some(encode(owed, &self.seat.uid));
        }
        let issuer = self.seat.edges.shared.issuer.get()?;
        let certificate = self.certified.lacking(issuer, &site?, &self.seat.uid)?;
        Some(line(&FromOperator::Certificate(certificate)))
    }

    fn ping(&mut self) -> Result<Bytes, serde_json::Error> {
        self.pings += 1;
        self.ping_at = clock::monotonic() + Duration::from_millis(PING_INTERVAL_MS);
        let head = {
            let term = self.seat.edges.term();
            let room = term.rooms.get(&self.seat.distribution);
            room.and_then(|room| self.given.head_for_ping(&room.desired))
        };
        line(&FromOperator::Ping { n: self.pings, head })
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.seat.leave();
    }
}

fn encode(owed: Owed, pod_uid: &str) -> Result<Bytes, serde_json::Error> {
    match owed {
        Owed::Config(config) => Ok(config.line),
        Owed::Trust(trust) => line(&FromOperator::Trust { version: trust.version, bundle: trust.bundle.clone() }),
        Owed::Order(order) => line(&FromOperator::Order(order.as_ref().clone())),
        Owed::Head(head) => line(&FromOperator::Head(head)),
        Owed::Endpoints(endpoints) => line(&FromOperator::Endpoints(endpoints.of(pod_uid))),
        Owed::Shields(shields) => line(&FromOperator::Shields(shields)),
    }
}

fn line(message: &FromOperator) -> Result<Bytes, serde_json::Error> {
    encode_line(message).map(Bytes::from)
}
