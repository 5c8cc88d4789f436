//! The body of a fill, piece by piece, into blocks that are kept and followed, and into a stored response at its true end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;

use super::Work;
use crate::cut_off::CutOff;
use crate::forward::body::OriginBody;
use crate::store::block::{self, BLOCK_OVERHEAD};
use crate::store::budget::Hold;
use crate::store::held::{self, Held, Trailers, Whole};
use crate::store::recording::Recording;

/// How long the slowest viewer of a response that is not kept may hold up the others.
const SLOWEST: Duration = Duration::from_secs(30);
/// A body of up to this size becomes one block once it is whole, and so does one that came in smaller pieces than `PIECE`.
const ONE_BLOCK: usize = 64 * 1024;
pub(super) const PIECE: usize = 4 * 1024;

impl Work {
    /// Reads the body to its end; what comes of it says whether that was its true end.
    pub(super) async fn record(&mut self, recording: &Recording, mut body: OriginBody, mut room: Room) -> Recorded {
        let length = room.length;
        let fill = Arc::clone(self.lead.fill());
        let (mut kept, mut read) = (true, 0_u64);
        loop {
            let nearly_done = kept && length.is_some_and(|length| length - read.min(length) <= read);
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = fill.deserted(), if !nearly_done => {
                    if self.lead.abandon() {
                        return Recorded::Cut(CutOff::ViewerLeft);
                    }
                    continue;
                }
            };
            let frame = match frame {
                None if kept => return Recorded::Whole(None),
                None => return Recorded::Unkept(None),
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    tracing::debug!(key = self.ask.key.target(), %error, "a fill was cut short");
                    return Recorded::Cut(error.cut_off());
                }
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    let trailers = frame.into_trailers().ok();
                    return if kept { Recorded::Whole(trailers) } else { Recorded::Unkept(trailers) };
                }
            };
            read += data.len() as u64;
            kept = kept && self.keep(recording, &data, &mut room.room);
            if !kept && !self.hand_on(recording, data).await {
                return Recorded::Cut(CutOff::ViewerLeft);
            }
        }
    }

    /// Keeps a piece, if there is room; if not, nothing of this response is kept from here on.
    fn keep(&mut self, recording: &Recording, data: &Bytes, room: &mut Hold) -> bool {
        if data.is_empty() {
            return true;
        }
        let cost = data.len() + BLOCK_OVERHEAD;
        if let Some(room) = room.split(cost).or_else(|| self.edge.live.store().hold(cost)) {
            recording.push(block::copy(data, room));
            return true;
        }
        recording.stop_keeping();
        self.stop_sharing();
        false
    }

    /// Hands a piece to those who follow, once they have taken all before it: so at most one piece waits, unaccounted for.
    async fn hand_on(&self, recording: &Recording, data: Bytes) -> bool {
        let caught_up = tokio::select! {
            caught_up = tokio::time::timeout(SLOWEST, recording.caught_up()) => caught_up.is_ok(),
            // Whoever waits for the head may not have come to its body yet; but there is nobody.
            () = self.lead.fill().unfollowed() => return false,
        };
        if !caught_up {
            recording.leave_behind();
        }
        recording.push(data);
        recording.is_followed()
    }

    pub(super) fn finish(mut self, held: &Arc<Held>, recording: &Recording, recorded: Recorded, forwarded: &HeaderMap) {
        let trailers = match recorded {
            Recorded::Cut(why) => return recording.cut(why),
            Recorded::Unkept(trailers) => return recording.finish(trailers),
            Recorded::Whole(trailers) => trailers,
        };
        let (live, key) = (&self.edge.live, &self.ask.key);
        let Some(whole) = self.whole(recording, trailers.as_ref()) else {
            recording.settle(false);
            return recording.finish(trailers);
        };
        let completed = Arc::new(held.completed(whole));
        let admits = |held: &Held| live.purge().admits(key, held).is_admitted();
        let displaced = live.store().insert(key, Arc::clone(&completed), admits);
        for old in &displaced.replaced {
            // Counts those that an order had dropped already.
            live.purge().keeps(key, old);
        }
        recording.settle(displaced.taken);
        if displaced.taken {
            self.supersede(forwarded, &completed);
            self.edge.coder.offer(live, &self.ask, &completed);
        }
        // Stored first, so that whoever reads the end here finds it there.
        self.lead.close();
        recording.finish(trailers);
    }

    /// The blocks as they are stored: small bodies, and those that came in crumbs, as one. None: there is no room for the trailers.
    fn whole(&self, recording: &Recording, trailers: Option<&HeaderMap>) -> Option<Whole> {
        let room_for = |fields: &HeaderMap| self.edge.live.store().hold(held::cost_of_fields(fields));
        let trailers = match trailers {
            Some(fields) => Some(Arc::new(Trailers::new(fields, room_for(fields)?))),
            None => None,
        };
        let blocks = recording.blocks();
        let size: usize = blocks.iter().map(Bytes::len).sum();
        let worth_joining = blocks.len() > 1 && (size <= ONE_BLOCK || size / blocks.len() < PIECE);
        let room = worth_joining.then(|| self.edge.live.store().hold(size + BLOCK_OVERHEAD)).flatten();
        let blocks = room.map_or(blocks.clone(), |room| vec![block::join(&blocks, room)]);
        Some(Whole { blocks: blocks.into(), length: size as u64, trailers })
    }
}

/// What is known of a body beforehand, and what is reserved for it.
pub(super) struct Room {
    pub(super) length: Option<u64>,
    pub(super) room: Hold,
}

/// How a body ended.
pub(super) enum Recorded {
    /// Complete, and all of it kept.
    Whole(Option<HeaderMap>),
    /// Complete, but there was no room for all of it.
    Unkept(Option<HeaderMap>),
    /// Not complete.
    Cut(CutOff),
}
