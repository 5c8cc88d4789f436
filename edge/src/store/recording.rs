//! The body of a fill, block by block, into what any number of readers can follow while it arrives.
//!
//! Flow: one fill pushes; readers take. While it is kept, a reader may join at any time and starts at the first block. Once it
//! is no longer kept (the store's bound refused more), it waits for its first reader, if there was none yet; then blocks go when the
//! slowest reader has taken them, and nobody may join.
//! Guarantees: every reader sees every block once, in order, then the end; a cut body is never seen as complete.
//! Assumptions: one task pushes, and the same one waits on `caught_up`.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::cut_off::CutOff;

/// A body that is arriving.
#[derive(Debug, Default)]
pub struct Recording {
    state: Mutex<State>,
    moved: Notify,
    fate: Arc<Fate>,
}

/// Whether what arrives is stored in the end, for whoever wants to know it and holds nothing of the body.
#[derive(Debug, Default)]
pub struct Fate(OnceLock<bool>);

impl Fate {
    /// Nothing, as long as that is not decided.
    pub fn is_stored(&self) -> Option<bool> {
        self.0.get().copied()
    }
}

#[derive(Debug, Default)]
struct State {
    blocks: VecDeque<Bytes>,
    let_go: usize,
    unkept: bool,
    /// Whether anyone ever joined.
    begun: bool,
    end: Option<End>,
    readers: Vec<Option<Place>>,
}

#[derive(Debug, Default)]
struct Place {
    next: usize,
    waker: Option<Waker>,
    left_behind: bool,
}

#[derive(Clone, Debug)]
enum End {
    Complete(Option<HeaderMap>),
    Cut(CutOff),
}

/// What a reader finds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// More of the body.
    Block(Bytes),
    /// The body is complete; its trailers, if it had some.
    End(Option<HeaderMap>),
    /// The body ended before it was complete, or this reader was too slow.
    Cut(CutOff),
}

impl State {
    fn pushed(&self) -> usize {
        self.let_go + self.blocks.len()
    }

    fn wake_all(&mut self) {
        for place in self.readers.iter_mut().flatten() {
            if let Some(waker) = place.waker.take() {
                waker.wake();
            }
        }
    }

    fn let_go_of_what_all_have(&mut self) {
        if !self.unkept || !self.begun {
            return;
        }
        let slowest = self
            .readers
            .iter()
            .flatten()
            .filter(|place| !place.left_behind)
            .map(|place| place.next)
            .min()
            .unwrap_or(usize::MAX);
        while self.let_go < slowest && self.blocks.pop_front().is_some() {
            self.let_go += 1;
        }
    }
}

impl Recording {
    /// Adds a block at the end.
    pub fn push(&self, block: Bytes) {
        let mut state = self.state.lock();
        state.blocks.push_back(block);
        state.let_go_of_what_all_have();
        state.wake_all();
    }

    /// Says that the body is complete.
    pub fn finish(&self, trailers: Option<HeaderMap>) {
        self.end(End::Complete(trailers));
    }

    /// Says that the rest will not come, and why.
    pub fn cut(&self, why: CutOff) {
        self.settle(false);
        self.end(End::Cut(why));
    }

    /// Says whether it is stored; the first word counts. Whoever reads the end finds it said.
    pub fn settle(&self, is_stored: bool) {
        // It may be said already that it is not.
        let _ = self.fate.0.set(is_stored);
    }

    /// What becomes of it.
    pub fn fate(&self) -> &Arc<Fate> {
        &self.fate
    }

    fn end(&self, end: End) {
        let mut state = self.state.lock();
        state.end.get_or_insert(end);
        state.wake_all();
    }

    /// Whether the rest will not come.
    pub fn is_cut(&self) -> bool {
        matches!(self.state.lock().end, Some(End::Cut(_)))
    }

    /// From here on blocks are held only until every reader has taken them.
    pub fn stop_keeping(&self) {
        self.settle(false);
        let mut state = self.state.lock();
        state.unkept = true;
        state.let_go_of_what_all_have();
    }

    /// Everything pushed so far; what is stored once the body is complete.
    pub fn blocks(&self) -> Vec<Bytes> {
        self.state.lock().blocks.iter().cloned().collect()
    }

    /// Gives up those who have not taken everything: they see a cut body, and hold up nobody any longer.
    pub fn leave_behind(&self) {
        let mut state = self.state.lock();
        let pushed = state.pushed();
        for place in state.readers.iter_mut().flatten().filter(|place| place.next < pushed) {
            place.left_behind = true;
            place.next = pushed;
        }
        state.let_go_of_what_all_have();
        state.wake_all();
    }

    /// Whether anyone reads.
    pub fn is_followed(&self) -> bool {
        self.state.lock().readers.iter().flatten().any(|place| !place.left_behind)
    }

    /// A reader from the first block on, unless that is gone or the last one will never come.
    pub fn join(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.state.lock();
        if state.unkept && state.begun || matches!(state.end, Some(End::Cut(_))) {
            return None;
        }
        state.begun = true;
        let free = state.readers.iter().position(Option::is_none);
        let place = free.unwrap_or(state.readers.len());
        match state.readers.get_mut(place) {
            Some(slot) => *slot = Some(Place::default()),
            None => state.readers.push(Some(Place::default())),
        }
        drop(state);
        // An unkept body waits for this.
        self.moved.notify_one();
        Some(Reader { recording: Arc::clone(self), place, ended: false })
    }

    /// Waits until there was a reader, and every one has taken every block.
    pub async fn caught_up(&self) {
        self.until(|state| {
            let pushed = state.pushed();
            state.begun && state.readers.iter().flatten().all(|place| place.left_behind || place.next == pushed)
        })
        .await;
    }

    async fn until(&self, condition: impl Fn(&State) -> bool) {
        while !condition(&self.state.lock()) {
            self.moved.notified().await;
        }
    }
}

/// One who follows a [`Recording`].
#[derive(Debug)]
pub struct Reader {
    recording: Arc<Recording>,
    place: usize,
    ended: bool,
}

impl Reader {
    /// The next piece, once it is there. Nothing follows an end.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let mut state = self.recording.state.lock();
        let let_go = state.let_go;
        let State { blocks, readers, end, .. } = &mut *state;
        let Some(place) = readers.get_mut(self.place).and_then(Option::as_mut) else { return Poll::Ready(None) };
        if place.left_behind {
            drop(state);
            self.ended = true;
            return Poll::Ready(Some(Piece::Cut(CutOff::ViewerSlow)));
        }
        if let Some(block) = place.next.checked_sub(let_go).and_then(|at| blocks.get(at)) {
            let block = block.clone();
            place.next += 1;
            state.let_go_of_what_all_have();
            drop(state);
            self.recording.moved.notify_one();
            return Poll::Ready(Some(Piece::Block(block)));
        }
        let Some(end) = end else {
            if place.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
                place.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        let piece = match end {
            End::Complete(trailers) => Piece::End(trailers.clone()),
            End::Cut(why) => Piece::Cut(*why),
        };
        drop(state);
        self.ended = true;
        Poll::Ready(Some(piece))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.recording.state.lock();
        if let Some(slot) = state.readers.get_mut(self.place) {
            *slot = None;
        }
        state.let_go_of_what_all_have();
        drop(state);
        self.recording.moved.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn now(reader: &mut Reader) -> Poll<Option<Piece>> {
        reader.poll_piece(&mut Context::from_waker(Waker::noop()))
    }

    fn block(text: &'static str) -> Poll<Option<Piece>> {
        Poll::Ready(Some(Piece::Block(Bytes::from_static(text.as_bytes()))))
    }

    #[test]
    fn a_reader_that_joins_late_sees_everything_from_the_start() {
        let recording = Arc::new(Recording::default());
        let mut early = recording.join().expect("kept");
        recording.push("a".into());
        assert_eq!(now(&mut early), block("a"));
        assert_eq!(now(&mut early), Poll::Pending);
        let mut late = recording.join().expect("kept");
        recording.push("b".into());
        recording.finish(None);
        assert_eq!(now(&mut early), block("b"));
        assert_eq!(now(&mut early), Poll::Ready(Some(Piece::End(None))));
        assert_eq!(now(&mut early), Poll::Ready(None));
        assert_eq!((now(&mut late), now(&mut late)), (block("a"), block("b")));
    }

    #[test]
    fn a_cut_body_never_ends_as_complete() {
        let recording = Arc::new(Recording::default());
        let mut reader = recording.join().expect("kept");
        recording.push("a".into());
        assert_eq!(recording.fate().is_stored(), None);
        recording.cut(CutOff::OriginSilent);
        recording.finish(None);
        let cut = Poll::Ready(Some(Piece::Cut(CutOff::OriginSilent)));
        assert_eq!((now(&mut reader), now(&mut reader)), (block("a"), cut));
        recording.settle(true);
        assert_eq!(recording.fate().is_stored(), Some(false));
        assert!(recording.join().is_none(), "whoever comes now is better off asking anew");
    }

    #[test]
    fn an_unkept_body_holds_only_what_the_slowest_reader_still_needs() {
        let recording = Arc::new(Recording::default());
        let (mut fast, mut slow) = (recording.join().expect("kept"), recording.join().expect("kept"));
        recording.push("a".into());
        recording.stop_keeping();
        assert!(recording.join().is_none());
        recording.push("b".into());
        assert_eq!((now(&mut fast), now(&mut fast)), (block("a"), block("b")));
        assert_eq!((recording.blocks().len(), recording.caught_up().now_or_never()), (2, None));
        assert_eq!(now(&mut slow), block("a"));
        assert_eq!(recording.blocks(), ["b"]);
        drop(slow);
        assert_eq!((recording.blocks().len(), recording.caught_up().now_or_never()), (0, Some(())));
        recording.push("c".into());
        assert_eq!(now(&mut fast), block("c"));
    }

    #[test]
    fn an_unkept_body_waits_for_its_first_reader_and_for_no_other() {
        let recording = Arc::new(Recording::default());
        recording.push("a".into());
        recording.stop_keeping();
        assert_eq!((recording.blocks().len(), recording.caught_up().now_or_never()), (1, None));
        let mut first = recording.join().expect("nothing is gone");
        assert!(recording.join().is_none());
        assert_eq!((now(&mut first), recording.caught_up().now_or_never()), (block("a"), Some(())));
        assert!(recording.blocks().is_empty());
    }

    #[test]
    fn one_who_is_left_behind_sees_a_cut_body_and_the_others_go_on() {
        let recording = Arc::new(Recording::default());
        let (mut fast, mut slow) = (recording.join().expect("kept"), recording.join().expect("kept"));
        recording.stop_keeping();
        recording.push("a".into());
        assert_eq!(now(&mut fast), block("a"));
        recording.leave_behind();
        assert_eq!(recording.caught_up().now_or_never(), Some(()));
        recording.push("b".into());
        recording.finish(None);
        let cut = Poll::Ready(Some(Piece::Cut(CutOff::ViewerSlow)));
        assert_eq!((now(&mut slow), now(&mut slow)), (cut, Poll::Ready(None)));
        assert_eq!((now(&mut fast), now(&mut fast)), (block("b"), Poll::Ready(Some(Piece::End(None)))));
    }
}
