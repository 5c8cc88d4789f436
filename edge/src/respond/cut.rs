//! A stored body, whole or arriving, into the ranges of it that a viewer asked for: blocks are sliced, no byte is copied.
//!
//! Flow: the blocks pass by once, in order, and what lies within the next range is taken out of them; so ranges must ascend, which
//! [`edge_cache::range`] sees to.
//! Guarantees: every byte that is announced is sent, or the body ends in an error.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use edge_cache::partial::{self, Partial, Piece};
use edge_cache::range::Span;
use http::HeaderMap;
use http_body::Frame;

use crate::collapse::wanted::Interest;
use crate::cut_off::CutOff;
use crate::forward::body::BodyError;
use crate::store::held::{Content, Held, Whole};
use crate::store::recording::{self, Reader};

/// Ranges of a body, as far as they have not been sent.
#[derive(Debug)]
pub struct Cut {
    pieces: VecDeque<Piece>,
    left: u64,
    blocks: Blocks,
    block: Bytes,
    /// Where in the body that block begins.
    at: u64,
}

/// Where the blocks of a body come from.
#[derive(Debug)]
enum Blocks {
    /// The store.
    Stored { whole: Whole, next: usize },
    /// A fill that is under way.
    Arriving { reader: Reader, interest: Option<Interest> },
    /// No more are needed.
    Done,
}

/// The head of a 206 and the order of its body. None: several parts need a boundary, and there is no randomness for it.
pub fn partial(head: &HeaderMap, viewer: &HeaderMap, spans: &[Span]) -> Option<Partial> {
    match spans {
        [span] => Some(partial::single(head, viewer, *span)),
        spans => Some(partial::multiple(head, viewer, spans, &boundary()?)),
    }
}

/// 128 bits that nobody guesses, anew each time: who has seen one response cannot put its boundary into the next.
fn boundary() -> Option<String> {
    Some(format!("{:016x}{:016x}", getrandom::u64().ok()?, getrandom::u64().ok()?))
}

impl Cut {
    /// The body of a 206. None: it is still arriving, and what has come is no longer kept for newcomers.
    pub fn of(held: &Held, interest: Option<Interest>, pieces: Vec<Piece>, length: u64) -> Option<Self> {
        let blocks = match &held.content {
            Content::Whole(whole) => Blocks::Stored { whole: whole.clone(), next: 0 },
            Content::Arriving { recording, .. } => Blocks::Arriving { reader: recording.join()?, interest },
        };
        Some(Self::from_start(blocks, pieces, length))
    }

    fn from_start(blocks: Blocks, pieces: Vec<Piece>, length: u64) -> Self {
        Self { pieces: pieces.into(), left: length, blocks, block: Bytes::new(), at: 0 }
    }

    /// How many bytes are still to be sent.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes, once they are there.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let data = loop {
            match self.pieces.front_mut() {
                None => return Poll::Ready(None),
                Some(Piece::Delimiter(text)) => {
                    let text = std::mem::take(text);
                    self.pieces.pop_front();
                    break Bytes::from(text);
                }
                Some(Piece::Span(span)) => {
                    if let Some(data) = within(span, &self.block, self.at) {
                        span.first = span.first.saturating_add(data.len() as u64);
                        if span.first > span.last {
                            self.pieces.pop_front();
                        }
                        break data;
                    }
                }
            }
            let block = match ready!(self.blocks.poll_block(cx)) {
                Ok(block) => block,
                Err(why) => return Poll::Ready(Some(Err(BodyError::Cut(why)))),
            };
            self.at = self.at.saturating_add(self.block.len() as u64);
            self.block = block;
        };
        self.left = self.left.saturating_sub(data.len() as u64);
        if self.pieces.is_empty() {
            self.let_go();
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    /// This viewer has all it wanted. The fill goes on all the same, for whoever wants the next part: so of a body that is cold, an
    /// origin sends all once, and not up to here again and again.
    fn let_go(&mut self) {
        self.block = Bytes::new();
        if let Blocks::Arriving { interest: Some(interest), .. } = std::mem::replace(&mut self.blocks, Blocks::Done) {
            interest.fill().go_on_unattended();
        }
    }
}

/// What a block that begins at an offset holds of a span.
fn within(span: &Span, block: &Bytes, at: u64) -> Option<Bytes> {
    let from = usize::try_from(span.first.checked_sub(at)?).ok()?;
    let end = span.last.saturating_sub(at).saturating_add(1);
    let end = usize::try_from(end).unwrap_or(usize::MAX).min(block.len());
    let bytes = block.get(from..end).filter(|bytes| !bytes.is_empty())?;
    Some(block.slice_ref(bytes))
}

impl Blocks {
    /// The next block, or why there is none: a range that is not complete yet will never be.
    fn poll_block(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, CutOff>> {
        let block = match self {
            Self::Stored { whole, next } => {
                let block = whole.blocks.get(*next).cloned();
                *next += 1;
                block
            }
            Self::Arriving { reader, .. } => match ready!(reader.poll_piece(cx)) {
                Some(recording::Piece::Block(block)) => Some(block),
                Some(recording::Piece::Cut(why)) => return Poll::Ready(Err(why)),
                Some(recording::Piece::End(_)) | None => None,
            },
            Self::Done => None,
        };
        // It was to be longer.
        Poll::Ready(block.ok_or(CutOff::OriginMalformed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::store::recording::Recording;

    fn next(cut: &mut Cut) -> Poll<Option<Result<Bytes, BodyError>>> {
        let frame = cut.poll_next(&mut Context::from_waker(Waker::noop()));
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.into_data().expect("is data"))))
    }

    fn single(blocks: Blocks, (first, last): (u64, u64), complete: u64) -> Cut {
        let partial = partial(&HeaderMap::new(), &HeaderMap::new(), &[Span { first, last, complete }]).expect("is one");
        Cut::from_start(blocks, partial.pieces, partial.length)
    }

    fn arriving(recording: &Arc<Recording>) -> Blocks {
        Blocks::Arriving { reader: recording.join().expect("is kept"), interest: None }
    }

    /// What is ready now, as text.
    fn ready_now(cut: &mut Cut) -> Option<String> {
        match next(cut) {
            Poll::Ready(Some(Ok(bytes))) => Some(String::from_utf8(bytes.to_vec()).expect("is text")),
            _ => None,
        }
    }

    #[test]
    fn a_range_of_what_is_arriving_comes_as_it_arrives_and_needs_no_end() {
        let recording = Arc::new(Recording::default());
        let mut cut = single(arriving(&recording), (3, 6), 10);
        recording.push("ab".into());
        assert!(next(&mut cut).is_pending());
        recording.push("cde".into());
        assert_eq!((ready_now(&mut cut).as_deref(), cut.left()), (Some("de"), 2));
        assert!(next(&mut cut).is_pending());
        recording.push("fghij".into());
        assert_eq!((ready_now(&mut cut).as_deref(), cut.left()), (Some("fg"), 0));
        assert!(matches!(next(&mut cut), Poll::Ready(None)));
        assert!(!recording.is_followed(), "who has what it wanted holds up nobody");
    }

    #[test]
    fn a_range_that_will_never_be_complete_ends_in_an_error() {
        let cut = |recording: &Recording| recording.cut(CutOff::OriginReset);
        for end in [cut, |recording: &Recording| recording.finish(None)] {
            let recording = Arc::new(Recording::default());
            let mut cut = single(arriving(&recording), (1, 6), 10);
            recording.push("abc".into());
            end(&recording);
            assert_eq!(ready_now(&mut cut).as_deref(), Some("bc"));
            for _ in 0..2 {
                assert!(matches!(next(&mut cut), Poll::Ready(Some(Err(BodyError::Cut(_))))));
            }
            assert_eq!(cut.left(), 4);
        }
    }

    #[test]
    fn no_two_boundaries_are_alike() {
        let boundaries: std::collections::HashSet<_> = (0..100).map(|_| boundary().expect("is random")).collect();
        assert_eq!(boundaries.len(), 100);
        assert!(boundaries.iter().all(|boundary| boundary.len() == 32));
    }

    proptest! {
        #[test]
        fn what_is_sent_are_the_slices_of_the_body_however_it_lies_in_blocks(
            blocks in vec(vec(any::<u8>(), 1..20), 1..12),
            cuts in btree_set(0_usize..240, 2..12),
            arrives in any::<bool>(),
        ) {
            let body = blocks.concat();
            let blocks: Vec<Bytes> = blocks.into_iter().map(Bytes::from).collect();
            let cuts: Vec<usize> = cuts.into_iter().filter(|at| *at < body.len()).collect();
            let complete = body.len() as u64;
            let span = |pair: &[usize]| Span { first: pair[0] as u64, last: pair[1] as u64, complete };
            let spans: Vec<Span> = cuts.chunks_exact(2).map(span).collect();
            prop_assume!(!spans.is_empty());

            let partial = partial(&HeaderMap::new(), &HeaderMap::new(), &spans).expect("is one");
            let mut expect = Vec::new();
            let mut pairs = cuts.chunks_exact(2);
            for piece in &partial.pieces {
                match piece {
                    Piece::Delimiter(text) => expect.extend_from_slice(text),
                    Piece::Span(_) => expect.extend_from_slice(pairs.next().map(|pair| &body[pair[0]..=pair[1]]).expect("as many")),
                }
            }
            let recording = Arc::new(Recording::default());
            let source = if arrives {
                let source = arriving(&recording);
                blocks.iter().cloned().for_each(|block| recording.push(block));
                source
            } else {
                Blocks::Stored { whole: Whole { blocks: blocks.clone().into(), length: complete, trailers: None }, next: 0 }
            };
            let mut cut = Cut::from_start(source, partial.pieces, partial.length);
            let mut sent = Vec::new();
            loop {
                prop_assert_eq!(cut.left(), (expect.len() - sent.len()) as u64);
                match next(&mut cut) {
                    Poll::Ready(Some(Ok(bytes))) => sent.extend_from_slice(&bytes),
                    Poll::Ready(None) => break,
                    other => prop_assert!(false, "{other:?}"),
                }
            }
            prop_assert_eq!(sent, expect);
        }
    }
}
