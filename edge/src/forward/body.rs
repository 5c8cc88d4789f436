//! Bodies on their way through the edge, in both directions, piece by piece and never for longer than patience allows.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use edge_cache::trailers;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use thiserror::Error;
use tokio::time::Sleep;

use super::balance::Outstanding;
use super::connect::Destination;
use super::expectation::{Expectation, Waiting};
use super::pool::Pool;
use super::sender::Sender;
use crate::clock::Clock;
use crate::viewer::body::{ViewerRequestBody, ViewerRequestBodyError};

/// How long a connection may take to be ready again after a response; longer means that its request never ended.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// Why a body ended early.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The connection failed, or the origin broke its own framing.
    #[error("the body broke off")]
    Broken(#[from] hyper::Error),
    /// The same of the viewer and its request.
    #[error("the request's body broke off")]
    ViewerBroke(#[from] ViewerRequestBodyError),
    /// Nothing came for too long.
    #[error("the body stood still for {0:?}")]
    Stalled(Duration),
    /// The fill that this response follows was given up.
    #[error("the fill was cut short")]
    Cut,
    /// The origin has answered without having asked for it.
    #[error("the body is not wanted")]
    Unwanted,
}

/// A timer that runs only while nothing comes.
#[derive(Debug)]
struct Stall {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl Stall {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None, running: false }
    }

    fn moved(&mut self) {
        self.running = false;
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let running = std::mem::replace(&mut self.running, true);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.limit)));
        if !running {
            timer.as_mut().reset(Clock::deadline(self.limit));
        }
        timer.as_mut().poll(cx)
    }
}

/// What an origin is sent after a head.
#[derive(Debug)]
pub enum RequestBody {
    /// Nothing.
    Empty,
    /// What the viewer sends, as it comes.
    Viewer(Upload),
}

/// A viewer's body on its way to an origin.
#[derive(Debug)]
pub struct Upload {
    incoming: ViewerRequestBody,
    stall: Stall,
    taken: Arc<AtomicU64>,
    expectation: Option<(Expectation, Waiting)>,
}

impl RequestBody {
    /// Passes on what a viewer sends, as long as something comes within `patience`.
    pub fn viewer(incoming: ViewerRequestBody, patience: Duration) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        let stall = Stall::new(patience);
        Self::Viewer(Upload { incoming, stall, taken: Arc::default(), expectation: None })
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
        let Self::Viewer(upload) = self else { return None };
        upload.expectation.as_ref().map(|(expectation, _)| expectation)
    }

    /// Counts the pieces that the connection has taken: an origin that still reads cannot answer yet.
    pub fn progress(&self) -> Option<Arc<AtomicU64>> {
        if let Self::Viewer(upload) = self { Some(Arc::clone(&upload.taken)) } else { None }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Viewer(Upload { incoming, stall, taken, expectation }) => {
                if let Some((_, waiting)) = expectation
                    && !ready!(waiting.poll_wanted(cx))
                {
                    return Poll::Ready(Some(Err(BodyError::Unwanted)));
                }
                taken.fetch_add(1, Ordering::Relaxed);
                poll_incoming(incoming, stall, cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Viewer(upload) => upload.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Viewer(upload) => upload.incoming.size_hint(),
        }
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

/// A response's body as it comes from an origin. Read to its end, it gives its connection back; dropped earlier, it closes it.
#[derive(Debug)]
pub struct OriginBody {
    content: Content,
    stall: Stall,
    lease: Option<Lease>,
    expectation: Option<Expectation>,
}

#[derive(Debug)]
enum Content {
    Incoming(Incoming),
    /// What the edge says in place of it.
    Own(Full<Bytes>),
}

/// The connection that a body comes over, and where it goes afterwards.
#[derive(Debug)]
pub struct Lease {
    /// The connection.
    pub sender: Sender,
    /// Where it leads.
    pub destination: Destination,
    /// Where it waits for the next request.
    pub pool: Arc<Pool>,
    /// For how long it may wait.
    pub keep_alive: Duration,
    /// The clock of the pool.
    pub clock: Clock,
    /// That its address is busy with this.
    pub outstanding: Outstanding,
}

impl Lease {
    fn give_back(self) {
        let Self { mut sender, destination, pool, keep_alive, clock, outstanding } = self;
        drop(outstanding);
        if sender.is_ready() {
            pool.put(destination, sender, clock.now().monotonic + keep_alive);
            return;
        }
        tokio::spawn(async move {
            if let Ok(Ok(())) = tokio::time::timeout(READY_WITHIN, sender.ready()).await {
                pool.put(destination, sender, clock.now().monotonic + keep_alive);
            }
        });
    }
}

impl OriginBody {
    /// Reads on as long as something comes within `patience`. The request's expectation is told when it is over. Without a lease its
    /// connection is not used again.
    pub fn new(incoming: Incoming, patience: Duration, lease: Option<Lease>, expectation: Option<Expectation>) -> Self {
        let content = Content::Incoming(incoming);
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
        let incoming = match &mut this.content {
            Content::Incoming(incoming) => incoming,
            Content::Own(words) => return Pin::new(words).poll_frame(cx).map_err(|never| match never {}),
        };
        let frame = ready!(poll_incoming(incoming, &mut this.stall, cx));
        match &frame {
            None => this.finish(),
            Some(Ok(_)) if this.is_end_stream() => this.finish(),
            Some(Ok(_)) => {}
            Some(Err(_)) => this.lease = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Incoming(incoming) => incoming.is_end_stream(),
            Content::Own(words) => words.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Incoming(incoming) => incoming.size_hint(),
            Content::Own(words) => words.size_hint(),
        }
    }
}
