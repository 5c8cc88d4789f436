//! Two connections that have left HTTP into one: what comes from either side goes to the other, until both have ended.
//!
//! Flow: an origin answers 101 ([`Switched::of_answer`]) → the answer goes its way to the viewer, and with it the origin's connection
//! ([`Switched::carried_by`]) → the viewer's connection has switched too → [`Tunnel::run`].
//! Guarantees: nothing that either side sent behind its head is lost, nothing is looked at, and no more is held than [`PIECE`] in each
//! direction: a side that does not read is not written to, and the other is not read. A side that ends is still written to.
//! Assumptions: how long a message may take is for those who speak: a tunnel ends with them, or after [`IDLE`] without a byte.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use edge_cache::upgrade;
use http::{Extensions, HeaderValue, Response};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

use crate::cut_off::{CutOff, End};
use crate::forward::balance::Outstanding;
use crate::forward::body::{Content, OriginBody};
use crate::forward::{ExchangeError, ForwardError};

/// For how long no byte may pass in either direction.
pub const IDLE: Duration = Duration::from_mins(10);
/// What is read at once, and held until it is written.
const PIECE: usize = 16 * 1024;

/// An origin's connection that has left HTTP.
#[derive(Debug)]
pub struct Switched {
    /// What is spoken there from here on.
    pub protocol: HeaderValue,
    connection: Upgraded,
    /// That its address is busy with this.
    _outstanding: Outstanding,
}

/// A connection that is taken out of a head once.
#[derive(Clone, Debug)]
struct Carried(Arc<Mutex<Option<Switched>>>);

impl Switched {
    /// What an origin answered that was offered other protocols, where its status says that it has switched to one.
    pub async fn of_answer(
        mut answer: Response<Content>,
        offered: &HeaderValue,
        outstanding: Outstanding,
    ) -> Result<Response<OriginBody>, ForwardError> {
        let connection = hyper::upgrade::on(&mut answer);
        let (mut parts, _) = answer.into_parts();
        let protocol = upgrade::agreed(offered, &parts)?;
        let connection = connection.await.map_err(|error| ForwardError::Exchange(ExchangeError::Http1(error)))?;
        let switched = Self { protocol, connection, _outstanding: outstanding };
        parts.extensions.insert(Carried(Arc::new(Mutex::new(Some(switched)))));
        Ok(Response::from_parts(parts, OriginBody::own(Bytes::new())))
    }

    /// The connection that goes with a head.
    pub fn carried_by(extensions: &Extensions) -> Option<Self> {
        extensions.get::<Carried>()?.0.lock().take()
    }
}

/// How many bytes went through.
#[derive(Debug, Default)]
pub struct Moved {
    to_viewer: AtomicU64,
    to_origin: AtomicU64,
    some: Notify,
}

impl Moved {
    /// To the viewer, so far.
    pub fn to_viewer(&self) -> u64 {
        self.to_viewer.load(Ordering::Relaxed)
    }

    /// To the origin, so far.
    pub fn to_origin(&self) -> u64 {
        self.to_origin.load(Ordering::Relaxed)
    }

    fn note(&self, count: &AtomicU64, bytes: usize) {
        count.fetch_add(bytes as u64, Ordering::Relaxed);
        self.some.notify_one();
    }

    async fn none_for(&self, limit: Duration) {
        while tokio::time::timeout(limit, self.some.notified()).await.is_ok() {}
    }
}

/// An origin's side that waits for the viewer's.
#[derive(Debug)]
pub struct Tunnel {
    origin: Switched,
    moved: Arc<Moved>,
}

impl Tunnel {
    /// One to this origin.
    pub fn to(origin: Switched) -> Self {
        Self { origin, moved: Arc::default() }
    }

    /// What goes through, for whoever tells of it.
    pub fn moved(&self) -> &Arc<Moved> {
        &self.moved
    }

    /// Runs it to its end, which is complete where both sides have come to theirs.
    pub async fn run(self, viewer: impl AsyncRead + AsyncWrite + Send) -> End {
        let Self { origin, moved } = self;
        let (from_viewer, to_viewer) = tokio::io::split(viewer);
        let (from_origin, to_origin) = tokio::io::split(TokioIo::new(origin.connection));
        let (viewer, origin) = (CutOff::ViewerLeft, CutOff::OriginReset);
        let down = pass((from_origin, origin), (to_viewer, viewer), |bytes| moved.note(&moved.to_viewer, bytes));
        let up = pass((from_viewer, viewer), (to_origin, origin), |bytes| moved.note(&moved.to_origin, bytes));
        let ended = tokio::select! {
            ended = async { tokio::try_join!(down, up) } => ended.map(drop),
            () = moved.none_for(IDLE) => Err(CutOff::Idle),
        };
        ended.map_or_else(End::Cut, |()| End::Complete)
    }
}

/// Passes on what comes, piece by piece, and the end of it. Either side has its word for when it breaks off.
async fn pass(
    (mut from, left): (impl AsyncRead + Unpin, CutOff),
    (mut to, lost): (impl AsyncWrite + Unpin, CutOff),
    note: impl Fn(usize),
) -> Result<(), CutOff> {
    let of = |why: CutOff| {
        move |error: io::Error| {
            tracing::debug!(%error, why = why.word(), "a tunnel was cut");
            why
        }
    };
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await.map_err(of(left))?;
        if read == 0 {
            return to.shutdown().await.map_err(of(lost));
        }
        let mut unwritten = piece.get(..read).unwrap_or_default();
        while !unwritten.is_empty() {
            let written = to.write(unwritten).await.map_err(of(lost))?;
            if written == 0 {
                return Err(lost);
            }
            note(written);
            unwritten = unwritten.get(written..).unwrap_or_default();
        }
        to.flush().await.map_err(of(lost))?;
    }
}
