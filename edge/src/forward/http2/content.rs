//! What comes on a stream of HTTP/2 behind an answer's head into the pieces that whoever forwards it reads, one at a time.
//!
//! Guarantees: an origin may send as much as was taken, and no sooner (RFC 9113 §5.2.2). A body that does not reach its end ends in an
//! error, never as if complete, whatever the origin calls it. One that nobody reads any more is reset.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use edge_cache::fields;
use h2::RecvStream;
use http::{HeaderMap, header};
use http_body::{Frame, SizeHint};

use super::Place;
use super::exchange::Uploading;
use super::gathering::Gathering;
use crate::forward::body::BodyError;

/// The content of an answer.
#[derive(Debug)]
pub struct StreamContent {
    source: Source,
    /// What of the length that the head says has not come; `h2` sees to it that it is kept (RFC 9113 §8.1.1).
    left: Option<u64>,
    is_bare: bool,
    uploading: Option<Uploading>,
    place: Place,
}

/// Where it comes from.
#[derive(Debug)]
enum Source {
    /// The stream, of which nothing is read before somebody wants it.
    Stream {
        stream: RecvStream,
        /// Only trailers are to come.
        data_ended: bool,
    },
    /// What was read of it meanwhile.
    Gathering(Gathering),
}

impl StreamContent {
    /// What comes on `stream`; nothing, if the answer is one that can have no content.
    pub(super) fn of(stream: RecvStream, is_bare: bool, headers: &HeaderMap, place: Place) -> Self {
        let said = || headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
        let left = if is_bare { Some(0) } else { said() };
        let source = if left.is_none() && !stream.is_end_stream() {
            Source::Gathering(Gathering::of(stream))
        } else {
            Source::Stream { stream, data_ended: false }
        };
        Self { source, left, is_bare, uploading: None, place }
    }

    /// The request is still on its way.
    pub(super) fn beside(mut self, uploading: Uploading) -> Self {
        self.uploading = Some(uploading);
        self
    }

    /// The next piece of it.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.poll_stream(cx));
        if let Some(Err(error)) = &frame
            && error.is_distrust()
        {
            self.place.distrust();
        }
        Poll::Ready(frame)
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match &mut self.source {
            Source::Stream { stream, data_ended } => ready!(poll_stream(stream, data_ended, cx)),
            Source::Gathering(gathering) => ready!(gathering.poll_frame(cx)),
        };
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into).and_then(|frame| self.examine(frame))))
    }

    fn examine(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        if let Some(data) = frame.data_ref() {
            self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
        }
        let is_stray = self.is_bare && frame.data_ref().is_some_and(|data| !data.is_empty());
        let is_unsound = frame.trailers_ref().is_some_and(fields::has_stray_space);
        if is_stray || is_unsound { Err(BodyError::Malformed) } else { Ok(frame) }
    }

    /// Whether nothing more comes.
    pub fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Stream { stream, .. } => stream.is_end_stream(),
            Source::Gathering(gathering) => gathering.is_end_stream(),
        }
    }

    /// How much is to come, if that is known.
    pub fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn poll_stream(
    stream: &mut RecvStream,
    data_ended: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
    if !*data_ended {
        if let Some(data) = ready!(stream.poll_data(cx)) {
            if let Ok(data) = &data {
                // A stream that has ended meanwhile has no window.
                let _ = stream.flow_control().release_capacity(data.len());
            }
            return Poll::Ready(Some(data.map(Frame::data)));
        }
        *data_ended = true;
    }
    Poll::Ready(ready!(stream.poll_trailers(cx)).transpose().map(|fields| fields.map(Frame::trailers)))
}

impl Drop for StreamContent {
    fn drop(&mut self) {
        if let Some(uploading) = &self.uploading {
            if self.is_end_stream() { uploading.answered() } else { uploading.stop() }
        }
    }
}
