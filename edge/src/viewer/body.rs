//! What a viewer sends behind a request's head into the pieces that whoever forwards it reads, one at a time.
//!
//! Guarantees: nothing more is taken from the viewer than is asked for here, but what its connection may hold meanwhile. A body that
//! does not reach its end ends in an error, never as if complete.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use thiserror::Error;

/// The body of a viewer's request, as it comes.
#[derive(Debug)]
pub enum ViewerRequestBody {
    /// As hyper reads it.
    Hyper(Incoming),
}

/// Why it ended early.
#[derive(Debug, Error)]
pub enum ViewerRequestBodyError {
    /// The connection failed, or the viewer broke its own framing.
    #[error(transparent)]
    Hyper(#[from] hyper::Error),
}

impl Body for ViewerRequestBody {
    type Data = Bytes;
    type Error = ViewerRequestBodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ViewerRequestBodyError>>> {
        match self.get_mut() {
            Self::Hyper(incoming) => Pin::new(incoming).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Hyper(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Hyper(incoming) => incoming.size_hint(),
        }
    }
}
