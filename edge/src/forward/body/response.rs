//! What comes from an origin into a response's body, and its connection into one for the next request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::{BodyError, Stall, poll_incoming};
use crate::forward::balance::Outstanding;
use crate::forward::connect::Destination;
use crate::forward::expectation::Expectation;
use crate::forward::http2::content::StreamContent;
use crate::forward::pool::{Keeping, Pool};
use crate::forward::sender::Sender;

/// As much of a body that is not wanted, and for so long, is read to keep its connection.
const REST: usize = 64 * 1024;
const REST_WITHIN: Duration = Duration::from_secs(1);

/// A response's body as it comes from an origin. Read to its end, it gives its connection back; dropped earlier, it lets go of what it
/// came over: a connection of HTTP/1.1, a stream of HTTP/2.
#[derive(Debug)]
pub struct OriginBody {
    content: Content,
    stall: Stall,
    lease: Option<Lease>,
    expectation: Option<Expectation>,
}

/// Where its bytes come from.
#[derive(Debug)]
pub enum Content {
    /// A connection of HTTP/1.1.
    Http1(Incoming),
    /// A stream of HTTP/2.
    Http2(Box<StreamContent>),
    /// What the edge says in place of an origin.
    Own(Full<Bytes>),
}

/// What a body comes over, and where that goes afterwards.
#[derive(Debug)]
pub struct Lease {
    /// The connection, or a share of it.
    pub sender: Sender,
    /// Where it leads.
    pub destination: Destination,
    /// Where it waits for the next request.
    pub pool: Arc<Pool>,
    /// For how long it may wait.
    pub keeping: Keeping,
    /// That its address is busy with this.
    pub outstanding: Outstanding,
}

impl Lease {
    fn give_back(self) {
        let Self { sender, destination, pool, keeping, outstanding } = self;
        drop(outstanding);
        // Of one that is shared, there is nothing to give back but the share.
        if let Sender::Http1(connection) = sender {
            connection.give_back(destination, pool, keeping);
        }
    }
}

impl OriginBody {
    /// Reads on as long as something comes within `patience`. The request's expectation is told when it is over. Without a lease its
    /// connection is not used again.
    pub fn new(content: Content, patience: Duration, lease: Option<Lease>, expectation: Option<Expectation>) -> Self {
        let mut body = Self { content, stall: Stall::new(patience), lease, expectation };
        if body.is_end_stream() {
            body.finish();
        }
        body
    }

    /// Words of the edge's own in place of an origin's.
    pub fn own(words: Bytes) -> Self {
        let stall = Stall::new(Duration::ZERO);
        Self { content: Content::Own(Full::new(words)), stall, lease: None, expectation: None }
    }

    /// Who is in trouble is not to be connected to anew for each answer that nobody wants: what is left of a short one is read.
    pub fn let_go(mut self) {
        if self.is_end_stream() {
            return;
        }
        let rest = async move {
            let mut read = 0;
            while read < REST {
                let Some(Ok(frame)) = self.frame().await else { return };
                read += frame.data_ref().map_or(0, Bytes::len);
            }
        };
        tokio::spawn(tokio::time::timeout(REST_WITHIN, rest));
    }

    fn finish(&mut self) {
        // The origin may wait for a body, or not: RFC 9110 §10.1.1 lets it do either.
        let waits = self.expectation.take().is_some_and(|expectation| expectation.over());
        if let Some(lease) = self.lease.take().filter(|_| !waits) {
            lease.give_back();
        }
    }
}

impl Drop for OriginBody {
    fn drop(&mut self) {
        if let Some(expectation) = self.expectation.take() {
            expectation.over();
        }
    }
}

impl Body for OriginBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Content::Own(words) = &mut this.content {
            return Pin::new(words).poll_frame(cx).map_err(|never| match never {});
        }
        let frame = ready!(poll_incoming(&mut this.content, &mut this.stall, cx));
        match &frame {
            None => this.finish(),
            Some(Ok(_)) if this.is_end_stream() => this.finish(),
            Some(Ok(_)) => {}
            Some(Err(_)) => this.lease = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Http1(incoming) => Pin::new(incoming).poll_frame(cx).map_err(Into::into),
            Self::Http2(content) => content.poll_frame(cx),
            Self::Own(words) => Pin::new(words).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(incoming) => incoming.is_end_stream(),
            Self::Http2(content) => content.is_end_stream(),
            Self::Own(words) => words.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(incoming) => incoming.size_hint(),
            Self::Http2(content) => content.size_hint(),
            Self::Own(words) => words.size_hint(),
        }
    }
}
