//! A connection of HTTP/2 to an origin into many exchanges at a time (RFC 9113).
//!
//! Flow: [`open`] → [`Connection::place`], one for each exchange → [`exchange`] ([`head`], [`upload`]) → [`content`], until its end.
//! Guarantees: an exchange that fails, is reset or is given up concerns nobody else, but that an origin whose answer is malformed gets no
//! further request over that connection, and that `h2` ends a connection of more than a hundred empty frames of data, or of more than
//! [`SMALL_FRAMES`]. What is given up is reset at once (`CANCEL`), not read to its end. Of a body at most
//! [`STREAM_WINDOW`] bytes wait for whoever takes it, and the connection's window is all of those together: a viewer that takes
//! nothing keeps nothing from others. Of an upload no more than a piece and [`SEND_BUFFER`] wait for the origin.
//! Assumptions: the `h2` crate sees to frames, their compression, flow control and malformed messages (§8.1.1), but for what [`exchange`]
//! and [`content`] look at and trailers that hold pseudo-header fields, which it drops without a word.

pub mod content;
pub mod exchange;
mod frames;
mod gathering;
mod head;
mod silence;
mod upload;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::uri::Scheme;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::http1::READ_BUFFER;
use super::pool::Keeping;
use silence::Ear;

/// Exchanges at a time on one connection, if the origin takes as many (RFC 9113 §5.1.2).
pub const STREAMS: u32 = 100;
/// For so long an origin's settings are waited for.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of one body that are on their way before they are taken.
pub const STREAM_WINDOW: u32 = 256 * 1024;
/// What `h2` may spend on frames of less than 256 bytes that nobody takes, 256 bytes counted for each: as much as a single stream can hold
/// in frames of one byte, so that no stream ends the others' connection. An origin that behaves is far from it ([`gathering`]).
const SMALL_FRAMES: usize = 255 * STREAM_WINDOW as usize;
/// Bytes of one request's body that are handed over and wait for the socket.
const SEND_BUFFER: usize = 256 * 1024;
/// Streams that were reset and on which the origin may still send something, and for how long: it has to be told.
const RESETS: usize = 1_000;
const RESETS_FOR: Duration = Duration::from_secs(5);

/// A connection, which ends once nobody holds it.
#[derive(Debug)]
pub struct Connection {
    requests: SendRequest<Bytes>,
    scheme: Scheme,
    under_way: AtomicUsize,
    /// Until when it is kept though nobody uses it.
    until: Mutex<Duration>,
    is_distrusted: AtomicBool,
    /// It is known how many exchanges the origin takes, or that it takes none.
    settled: watch::Receiver<bool>,
    ear: Arc<Ear>,
    running: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Leave for one exchange.
#[derive(Clone, Debug)]
pub struct Place(Arc<Taken>);

#[derive(Debug)]
struct Taken {
    connection: Arc<Connection>,
    keeping: Keeping,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Self { connection, keeping } = self;
        *connection.until.lock() = keeping.until();
        connection.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Begins to speak.
pub async fn open<S>(stream: S, address: SocketAddr, scheme: Scheme) -> Result<Arc<Connection>, h2::Error>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (stream, ear, listening) = silence::listen(stream);
    let (requests, mut connection) = limits().handshake(stream).await?;
    let pings = connection.ping_pong();
    let (settles, settled) = watch::channel(false);
    let hears = Arc::clone(&ear);
    let running = tokio::spawn(async move {
        let serving = poll_fn(|cx| {
            let ended = Pin::new(&mut connection).poll(cx);
            // What came by now has been taken to heart.
            settles.send_if_modified(|settled| !std::mem::replace(settled, hears.has_settings()) && *settled);
            ended
        });
        tokio::select! {
            // Whoever waits for a response or a body hears of the same failure there.
            ended = serving => if let Err(error) = ended {
                tracing::debug!(%address, %error, "connection to an origin ended");
            },
            () = listening.silence(pings) => tracing::debug!(%address, "an origin answers no ping"),
        }
    });
    let (under_way, until, is_distrusted) = (AtomicUsize::default(), Mutex::default(), AtomicBool::default());
    Ok(Arc::new(Connection { requests, scheme, under_way, until, is_distrusted, settled, ear, running }))
}

fn limits() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(STREAMS as usize)
        .max_header_list_size(u32::try_from(READ_BUFFER).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * STREAMS)
        .data_frame_budget(SMALL_FRAMES)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(RESETS)
        .reset_stream_duration(RESETS_FOR);
    builder
}

impl Connection {
    /// Returns once it is known how many exchanges there may be at a time, or when the connection ends, or after a while.
    pub async fn is_settled(self: Arc<Self>) {
        let mut settled = self.settled.clone();
        drop(self);
        let _ = tokio::time::timeout(SETTLES_WITHIN, settled.wait_for(|settled| *settled)).await;
    }

    /// Leave for one more exchange, if there is room for it: for a single one before it is known for how many. Whoever asks sees to it that
    /// nobody else does meanwhile.
    pub fn place(self: &Arc<Self>, keeping: &Keeping) -> Option<Place> {
        let room = if *self.settled.borrow() { STREAMS as usize } else { 1 };
        let room = room.min(self.requests.current_max_send_streams());
        if self.is_over() || self.under_way.load(Ordering::Acquire) >= room {
            return None;
        }
        self.under_way.fetch_add(1, Ordering::AcqRel);
        Some(Place(Arc::new(Taken { connection: Arc::clone(self), keeping: keeping.clone() })))
    }

    /// Whether it takes no further request: it has ended, the origin is about to end it (RFC 9113 §6.8), or something was out of order.
    pub fn is_over(&self) -> bool {
        let ready = self.requests.clone().poll_ready(&mut Context::from_waker(Waker::noop()));
        self.is_distrusted.load(Ordering::Acquire) || matches!(ready, Poll::Ready(Err(_)))
    }

    /// Whether there is no exchange under way.
    pub fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0
    }

    /// Whether it is kept: it takes requests, and has some or has not waited for too long.
    pub fn is_kept(&self, now: Duration) -> bool {
        !self.is_over() && (!self.is_idle() || *self.until.lock() > now)
    }
}

impl Place {
    /// What came over the connection was out of order: nothing more is asked over it.
    pub fn distrust(&self) {
        self.connection().is_distrusted.store(true, Ordering::Release);
    }

    fn connection(&self) -> &Connection {
        &self.0.connection
    }
}
