//! Bodies on their way through the edge, in both directions, piece by piece and never for longer than patience allows.

mod request;
mod response;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use edge_cache::trailers;
use http_body::{Body, Frame};
use thiserror::Error;
use tokio::time::Sleep;

pub use self::request::{Next, RequestBody, Upload};
pub use self::response::{Content, Lease, OriginBody};
use crate::clock::Clock;
use crate::cut_off::CutOff;
use crate::viewer::body::ViewerRequestBodyError;

/// Why a body ended early.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The connection failed, or the origin broke its own framing.
    #[error("the body broke off")]
    Broken(#[from] hyper::Error),
    /// The same of one stream of HTTP/2, or of its connection.
    #[error("the body broke off")]
    Reset(#[from] h2::Error),
    /// It came where there can be none (RFC 9110 §6.4.1), or there are fields behind it that are none (RFC 9113 §8.2.1).
    #[error("what came is malformed")]
    Malformed,
    /// The same of the viewer and its request.
    #[error("the request's body broke off")]
    ViewerBroke(#[from] ViewerRequestBodyError),
    /// Nothing came for too long.
    #[error("the body stood still for {0:?}")]
    Stalled(Duration),
    /// What this response follows broke off.
    #[error("what it follows broke off: {}", .0.word())]
    Cut(CutOff),
    /// The origin has answered without having asked for it.
    #[error("the body is not wanted")]
    Unwanted,
}

impl BodyError {
    /// What is said of a response that ends by it.
    pub fn cut_off(&self) -> CutOff {
        match self {
            Self::Broken(error) if is_malformed(error) => CutOff::OriginMalformed,
            Self::Reset(error) if error.is_library() => CutOff::OriginMalformed,
            Self::Broken(_) | Self::Reset(_) => CutOff::OriginReset,
            Self::Malformed => CutOff::OriginMalformed,
            Self::Stalled(_) => CutOff::OriginSilent,
            Self::Cut(why) => *why,
            Self::ViewerBroke(_) | Self::Unwanted => CutOff::ViewerLeft,
        }
    }

    /// Whether the origin broke the protocol.
    pub(super) fn is_distrust(&self) -> bool {
        matches!(self, Self::Malformed) || matches!(self, Self::Reset(error) if error.is_library())
    }
}

/// Whether a body's own framing is wrong, rather than cut short.
fn is_malformed(error: &hyper::Error) -> bool {
    let inner = std::error::Error::source(error).and_then(|error| error.downcast_ref::<io::Error>());
    inner.is_some_and(|inner| matches!(inner.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}

/// A timer that runs only while nothing comes.
#[derive(Debug)]
struct Stall {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    running: bool,
    lifted: bool,
}

impl Stall {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None, running: false, lifted: false }
    }

    fn moved(&mut self) {
        self.running = false;
    }

    fn lift(&mut self) {
        self.lifted = true;
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.lifted {
            return Poll::Pending;
        }
        let running = std::mem::replace(&mut self.running, true);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.limit)));
        if !running {
            timer.as_mut().reset(Clock::deadline(self.limit));
        }
        timer.as_mut().poll(cx)
    }
}

fn poll_incoming<B>(
    incoming: &mut B,
    stall: &mut Stall,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>>
where
    B: Body<Data = Bytes, Error: Into<BodyError>> + Unpin,
{
    match Pin::new(incoming).poll_frame(cx) {
        Poll::Ready(frame) => {
            stall.moved();
            Poll::Ready(frame.map(|frame| frame.map_err(Into::into)).and_then(with_fit_trailers))
        }
        Poll::Pending => {
            ready!(stall.poll_over(cx));
            Poll::Ready(Some(Err(BodyError::Stalled(stall.limit))))
        }
    }
}

/// Nothing comes behind trailers, so a body whose trailers are none of them fit ends instead.
fn with_fit_trailers(frame: Result<Frame<Bytes>, BodyError>) -> Option<Result<Frame<Bytes>, BodyError>> {
    let fields = match frame.map(Frame::into_trailers) {
        Err(error) => return Some(Err(error)),
        Ok(Err(frame)) => return Some(Ok(frame)),
        Ok(Ok(fields)) => trailers::passing(&fields),
    };
    (!fields.is_empty()).then(|| Ok(Frame::trailers(fields)))
}
