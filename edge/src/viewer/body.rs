//! What a viewer sends behind a request's head into the pieces that whoever forwards it reads, one at a time.
//!
//! Guarantees: nothing more is taken from the viewer than is asked for here, but what its connection may hold meanwhile. A body that
//! does not reach its end ends in an error, never as if complete.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use thiserror::Error;

use crate::interim::Interim;

/// The body of a viewer's request, as it comes.
#[derive(Debug)]
pub enum ViewerRequestBody {
    /// Of HTTP/1.
    Http1(Incoming),
    /// Of HTTP/2.
    Http2(Content),
}

/// The content of a stream.
#[derive(Debug)]
pub struct Content {
    stream: RecvStream,
    /// What of the length that the head says has not come; `h2` sees to it that it is kept (RFC 9113 §8.1.1).
    left: Option<u64>,
    /// Only trailers are to come.
    data_ended: bool,
    /// Its viewer waits for a word before it sends any, which goes this way.
    awaited: Option<Interim>,
}

/// Why it ended early.
#[derive(Debug, Error)]
pub enum ViewerRequestBodyError {
    /// The connection failed, or the viewer broke its own framing.
    #[error(transparent)]
    Http1(#[from] hyper::Error),
    /// The same of one stream.
    #[error(transparent)]
    Http2(#[from] h2::Error),
}

impl ViewerRequestBody {
    /// What comes on a stream, so many bytes as its head says. If its viewer waits for a word (RFC 9110 §10.1.1), it goes the way of
    /// `awaited`.
    pub fn http2(stream: RecvStream, length: Option<u64>, awaited: Option<Interim>) -> Self {
        Self::Http2(Content { stream, left: length, data_ended: false, awaited })
    }
}

impl Content {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if !self.data_ended {
            match self.stream.poll_data(cx) {
                Poll::Ready(Some(data)) => return Poll::Ready(Some(data.map(|data| self.taken(data)))),
                Poll::Ready(None) => self.data_ended = true,
                Poll::Pending => {
                    if let Some(interim) = self.awaited.take() {
                        interim.go_on();
                    }
                    return Poll::Pending;
                }
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        Poll::Ready(trailers.map(|fields| fields.map(Frame::trailers)).transpose())
    }

    /// RFC 9113 §5.2.2: the viewer may send as much as was taken, and no sooner.
    fn taken(&mut self, data: Bytes) -> Frame<Bytes> {
        self.awaited = None;
        self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
        // A stream that has ended meanwhile has no window.
        let _ = self.stream.flow_control().release_capacity(data.len());
        Frame::data(data)
    }
}

impl Body for ViewerRequestBody {
    type Data = Bytes;
    type Error = ViewerRequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ViewerRequestBodyError>>> {
        match self.get_mut() {
            Self::Http1(incoming) => Pin::new(incoming).poll_frame(cx).map_err(Into::into),
            Self::Http2(content) => content.poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(incoming) => incoming.is_end_stream(),
            Self::Http2(content) => content.stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(incoming) => incoming.size_hint(),
            Self::Http2(content) => content.left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
