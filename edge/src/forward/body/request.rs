//! What a viewer sends into what an origin is sent behind a head, as it comes and once it is wanted.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::watch;

use super::{BodyError, Stall, poll_incoming};
use crate::forward::expectation::{Expectation, Waiting};
use crate::forward::lent::Lent;
use crate::viewer::body::ViewerRequestBody;

/// What an origin is sent after a head.
#[derive(Debug)]
pub enum RequestBody {
    /// Nothing.
    Empty,
    /// What the viewer sends, as it comes.
    Viewer(Upload),
    /// The same, as long as it may have to come back.
    Lent(Lent),
}

/// Who is to do something next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Next {
    /// The origin: to read what it was sent, or to answer.
    #[default]
    Origin,
    /// The viewer, who has so long for it.
    Viewer(Duration),
}

/// A viewer's body on its way to an origin.
#[derive(Debug)]
pub struct Upload {
    incoming: ViewerRequestBody,
    /// What was taken before, and has to be sent again.
    returned: VecDeque<Bytes>,
    stall: Stall,
    next: watch::Sender<Next>,
    answered: Arc<AtomicBool>,
    expectation: Option<(Expectation, Waiting)>,
}

impl RequestBody {
    /// Passes on what a viewer sends, as long as something comes within `patience`.
    pub fn viewer(incoming: ViewerRequestBody, patience: Duration) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        let stall = Stall::new(patience);
        let (returned, next, answered) = (VecDeque::new(), watch::Sender::default(), Arc::default());
        Self::Viewer(Upload { incoming, returned, stall, next, answered, expectation: None })
    }

    /// Puts back what was taken of it, before what came back earlier and was not taken again, as if it had not been.
    pub fn take_back(&mut self, pieces: Vec<Bytes>) {
        if let Self::Viewer(upload) = self {
            pieces.into_iter().rev().for_each(|piece| upload.returned.push_front(piece));
        }
    }

    /// Puts off reading what the viewer sends until the origin wants it.
    pub fn expect_continue(&mut self) {
        if let Self::Viewer(upload) = self {
            let expectation = Expectation::default();
            let waiting = Waiting::on(&expectation);
            upload.expectation = Some((expectation, waiting));
        }
    }

    /// What is to be told of the origin's word, if the viewer waits for one.
    pub fn expectation(&self) -> Option<&Expectation> {
        match self {
            Self::Empty => None,
            Self::Viewer(upload) => upload.expectation.as_ref().map(|(expectation, _)| expectation),
            Self::Lent(lent) => lent.expectation(),
        }
    }

    /// Nobody waits for a word any more.
    pub fn forget_expectation(&mut self) {
        if let Self::Viewer(upload) = self {
            upload.expectation = None;
        }
    }

    /// Where it is said that an answer has begun. From there on the pauses of the answer count: both sides of a call may speak at once, and
    /// who listens is silent.
    pub fn answered(&self) -> Option<Arc<AtomicBool>> {
        match self {
            Self::Empty => None,
            Self::Viewer(upload) => Some(Arc::clone(&upload.answered)),
            Self::Lent(lent) => lent.answered(),
        }
    }

    /// Who is next. It is told with each piece that the connection takes: an origin that still reads cannot answer yet.
    pub fn who_is_next(&self) -> Option<watch::Receiver<Next>> {
        match self {
            Self::Empty => None,
            Self::Viewer(upload) => Some(upload.next.subscribe()),
            Self::Lent(lent) => lent.who_is_next(),
        }
    }
}

impl Upload {
    fn size_hint(&self) -> SizeHint {
        let returned: u64 = self.returned.iter().map(|piece| piece.len() as u64).sum();
        let incoming = self.incoming.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(incoming.lower().saturating_add(returned));
        if let Some(upper) = incoming.upper() {
            hint.set_upper(upper.saturating_add(returned));
        }
        hint
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Viewer(Upload { incoming, returned, stall, next, answered, expectation }) => {
                if let Some(piece) = returned.pop_front() {
                    next.send_replace(Next::Origin);
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                if let Some((_, waiting)) = expectation
                    && !ready!(waiting.poll_wanted(cx))
                {
                    return Poll::Ready(Some(Err(BodyError::Unwanted)));
                }
                if answered.load(Ordering::Relaxed) {
                    stall.lift();
                }
                let Poll::Ready(frame) = poll_incoming(incoming, stall, cx) else {
                    next.send_if_modified(|next| std::mem::replace(next, Next::Viewer(stall.limit)) == Next::Origin);
                    return Poll::Pending;
                };
                next.send_replace(Next::Origin);
                Poll::Ready(frame)
            }
            Self::Lent(lent) => lent.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Viewer(upload) => upload.returned.is_empty() && upload.incoming.is_end_stream(),
            Self::Lent(lent) => lent.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Viewer(upload) => upload.size_hint(),
            Self::Lent(lent) => lent.size_hint(),
        }
    }
}
