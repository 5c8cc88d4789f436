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
use crate::forward::body::BodyError;

/// The content of an answer.
#[derive(Debug)]
pub struct StreamContent {
    stream: RecvStream,
    /// What of the length that the head says has not come; `h2` sees to it that it is kept (RFC 9113 §8.1.1).
    left: Option<u64>,
    is_bare: bool,
    /// Only trailers are to come.
    data_ended: bool,
    uploading: Option<Uploading>,
    place: Place,
}

impl StreamContent {
    /// What comes on `stream`; nothing, if the answer is one that can have no content.
    pub(super) fn of(stream: RecvStream, is_bare: bool, headers: &HeaderMap, place: Place) -> Self {
        let said = || headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
        let left = if is_bare { Some(0) } else { said() };
        Self { stream, left, is_bare, data_ended: false, uploading: None, place }
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
        if !self.data_ended {
            if let Some(data) = ready!(self.stream.poll_data(cx)) {
                return Poll::Ready(Some(data.map_err(Into::into).and_then(|data| self.taken(data))));
            }
            self.data_ended = true;
        }
        let trailers = ready!(self.stream.poll_trailers(cx)).transpose();
        Poll::Ready(trailers.map(|fields| fields.map_err(Into::into).and_then(sound)))
    }

    fn taken(&mut self, data: Bytes) -> Result<Frame<Bytes>, BodyError> {
        if self.is_bare && !data.is_empty() {
            return Err(BodyError::Malformed);
        }
        self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
        // A stream that has ended meanwhile has no window.
        let _ = self.stream.flow_control().release_capacity(data.len());
        Ok(Frame::data(data))
    }

    /// Whether nothing more comes.
    pub fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    /// How much is to come, if that is known.
    pub fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn sound(trailers: HeaderMap) -> Result<Frame<Bytes>, BodyError> {
    if fields::has_stray_space(&trailers) { Err(BodyError::Malformed) } else { Ok(Frame::trailers(trailers)) }
}

impl Drop for StreamContent {
    fn drop(&mut self) {
        if let Some(uploading) = &self.uploading {
            if self.is_end_stream() { uploading.answered() } else { uploading.stop() }
        }
    }
}
