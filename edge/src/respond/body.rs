//! The bodies that viewers are sent, and what is noted when one ends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use super::cut::Cut;
use crate::collapse::wanted::Interest;
use crate::cut_off::{CutOff, End};
use crate::forward::body::{BodyError, OriginBody};
use crate::store::held::{Content, Whole};
use crate::store::recording::{Piece, Reader};

/// So much is read in vain rather than that a connection is closed.
const WORTH_READING: u64 = 64 * 1024;

/// Where the bytes of a response come from.
#[derive(Debug)]
pub enum Source {
    /// Nowhere: there are none.
    Empty,
    /// A sentence of the edge's own.
    Text(Bytes),
    /// The store.
    Stored(Unsent),
    /// A fill that is under way.
    Arriving(Following),
    /// Ranges of either.
    Cut(Cut),
    /// An origin, and nobody else is to have them.
    Origin(OriginBody),
}

/// A stored body, as far as it has not been sent.
#[derive(Debug)]
pub struct Unsent {
    whole: Whole,
    next: usize,
    left: u64,
    trailers_due: bool,
}

/// A fill's body, as far as it has not been sent.
#[derive(Debug)]
pub struct Following {
    reader: Reader,
    left: Option<u64>,
    /// As long as someone wants it, the fill goes on.
    interest: Option<Interest>,
}

impl Source {
    /// The body of a stored response. None: it is still arriving, and what has come is no longer kept for newcomers.
    pub fn of(content: &Content, interest: Option<Interest>) -> Option<Self> {
        match content {
            Content::Whole(whole) => Some(Self::Stored(Unsent {
                next: 0,
                left: whole.length,
                trailers_due: whole.trailers.is_some(),
                whole: whole.clone(),
            })),
            Content::Arriving { recording, length } => {
                let reader = recording.join()?;
                Some(Self::Arriving(Following { reader, left: *length, interest }))
            }
        }
    }
}

impl Source {
    /// Nobody is going to read it: the fill that brings it goes on all the same, and a short answer of an origin is read to its end,
    /// so that its connection can be used again.
    pub fn let_go(self) {
        match self {
            Self::Arriving(Following { interest: Some(interest), .. }) => interest.fill().go_on_unattended(),
            Self::Origin(mut body) if body.size_hint().upper().is_some_and(|length| length <= WORTH_READING) => {
                tokio::spawn(async move { while let Some(Ok(_)) = body.frame().await {} });
            }
            _ => {}
        }
    }
}

impl Unsent {
    fn next(&mut self) -> Option<Frame<Bytes>> {
        if let Some(block) = self.whole.blocks.get(self.next) {
            self.next += 1;
            self.left = self.left.saturating_sub(block.len() as u64);
            return Some(Frame::data(block.clone()));
        }
        let trailers = self.whole.trailers.as_ref().filter(|_| std::mem::take(&mut self.trailers_due))?;
        Some(Frame::trailers(trailers.fields.clone()))
    }

    fn is_sent(&self) -> bool {
        self.next >= self.whole.blocks.len() && !self.trailers_due
    }
}

impl Following {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(match ready!(self.reader.poll_piece(cx)) {
            Some(Piece::Block(block)) => {
                self.left = self.left.map(|left| left.saturating_sub(block.len() as u64));
                Some(Ok(Frame::data(block)))
            }
            Some(Piece::End(trailers)) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Some(Piece::Cut(why)) => Some(Err(BodyError::Cut(why))),
            None => None,
        })
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Text(text) if text.is_empty() => Poll::Ready(None),
            Self::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Self::Stored(unsent) => Poll::Ready(unsent.next().map(Ok)),
            Self::Arriving(following) => following.poll_next(cx),
            Self::Cut(cut) => cut.poll_next(cx),
            Self::Origin(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.is_empty(),
            Self::Stored(unsent) => unsent.is_sent(),
            // Only its end says whether it was complete.
            Self::Arriving(_) => false,
            Self::Cut(cut) => cut.left() == 0,
            Self::Origin(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Text(text) => SizeHint::with_exact(text.len() as u64),
            Self::Stored(unsent) => SizeHint::with_exact(unsent.left),
            Self::Arriving(Following { left: Some(left), .. }) => SizeHint::with_exact(*left),
            Self::Arriving(_) => SizeHint::default(),
            Self::Cut(cut) => SizeHint::with_exact(cut.left()),
            Self::Origin(body) => body.size_hint(),
        }
    }
}

/// Told once when a response has ended, however it ended.
pub trait Ending: Send {
    /// `sent` bytes of the body went out; `end` says whether that was all of it.
    fn ended(&mut self, sent: u64, end: End);
}

/// Nobody is told.
impl Ending for () {
    fn ended(&mut self, _: u64, _: End) {}
}

/// A body on its way to a viewer, and who is told of its end.
pub struct ViewerBody {
    source: Source,
    sent: u64,
    complete: bool,
    /// Why nothing more of it comes.
    broken: Option<CutOff>,
    ending: Box<dyn Ending>,
}

impl ViewerBody {
    /// Watches a body.
    pub fn new(source: Source, ending: Box<dyn Ending>) -> Self {
        let complete = source.is_end_stream();
        Self { source, sent: 0, complete, broken: None, ending }
    }
}

impl Body for ViewerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.source).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => this.sent += frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(error)) => {
                this.broken = Some(error.cut_off());
                return Poll::Ready(frame);
            }
            None => {}
        }
        this.complete = frame.is_none() || this.source.is_end_stream();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}

impl Drop for ViewerBody {
    fn drop(&mut self) {
        // A body whose length was known may be dropped after its last byte, before its end was asked for.
        let complete = self.complete || self.source.size_hint().exact() == Some(0);
        let end = if complete { End::Complete } else { End::Cut(self.broken.unwrap_or(CutOff::ViewerLeft)) };
        self.ending.ended(self.sent, end);
    }
}

/// Shared blocks of no bytes.
pub fn nothing() -> Whole {
    Whole { blocks: Arc::from([]), length: 0, trailers: None }
}
