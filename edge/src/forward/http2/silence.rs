//! What comes over a connection, and when, into whether whoever is at its other end has vanished.
//!
//! An origin that vanishes says nothing, and TCP finds out after many minutes. So while somebody waits for an answer and nothing came for a
//! while, it is asked for a sign of life (RFC 9113 §6.7); nothing at all for another while, and the connection is over. Servers of gRPC send
//! those away who ping without need: they count the pings since they last said something of a call. So who has answered one is asked for
//! another only once it has said something of a request, or after [`SELDOM`].
//! Guarantees: of requests to an origin that has vanished, none waits for longer than [`QUIET`] and [`PATIENCE`] together because of that,
//! from when it was asked or from the last byte on, whichever is later; unless the origin has said nothing but that it is there since it
//! was last asked for that.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::frames::{Ended, Frames};
use crate::clock::Clock;

/// After so long without a byte, it is not sure that anyone is there.
const QUIET: Duration = Duration::from_secs(5);
/// Whoever is there says something within this time when asked.
const PATIENCE: Duration = Duration::from_secs(5);
/// So far apart no server of gRPC holds pings against anyone, by default.
const SELDOM: Duration = Duration::from_mins(5);

/// Follows what comes over a connection.
#[derive(Debug)]
pub(super) struct Ear {
    state: Mutex<State>,
    /// A doubt may come sooner than it seemed.
    sooner: Notify,
    /// Its first settings came.
    has_settings: AtomicBool,
}

#[derive(Debug)]
struct State {
    heard: Instant,
    /// How many wait for the head of an answer.
    waiting: usize,
    /// When it was last asked for a sign of life, if it has said nothing of a request since.
    asked: Option<Instant>,
}

/// Somebody waits for the head of an answer.
#[derive(Debug)]
pub(super) struct Waits<'a>(&'a Ear);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.state.lock().waiting -= 1;
    }
}

impl Ear {
    /// Somebody waits from now on.
    pub(super) fn wait(&self) -> Waits<'_> {
        self.state.lock().waiting += 1;
        self.sooner.notify_one();
        Waits(self)
    }

    /// When it is to be asked for a sign of life, if nothing comes before.
    fn doubts_at(&self) -> Option<Instant> {
        let State { heard, waiting, asked } = *self.state.lock();
        let quiet = heard + QUIET;
        (waiting > 0).then(|| asked.map_or(quiet, |asked| quiet.max(asked + SELDOM)))
    }

    /// Returns when it is to be asked.
    async fn doubt(&self) {
        loop {
            let sooner = self.sooner.notified();
            match self.doubts_at() {
                None => sooner.await,
                Some(at) if at <= now() => break,
                // What was heard meanwhile puts it off.
                Some(at) => drop(tokio::time::timeout_at(at, sooner).await),
            }
        }
        self.state.lock().asked = Some(now());
    }

    fn is_quiet_for(&self, time: Duration) -> bool {
        now().saturating_duration_since(self.state.lock().heard) >= time
    }

    /// Whether the other side's first settings came.
    pub(super) fn has_settings(&self) -> bool {
        self.has_settings.load(Ordering::Acquire)
    }

    fn hear(&self, ended: Ended) {
        self.has_settings.fetch_or(ended.settings, Ordering::AcqRel);
        let mut state = self.state.lock();
        state.heard = now();
        if ended.of_request && state.asked.take().is_some() {
            self.sooner.notify_one();
        }
    }
}

fn now() -> Instant {
    Clock::deadline(Duration::ZERO)
}

/// Whoever is told when nobody is there any more.
pub(super) struct Listening(Arc<Ear>);

impl Listening {
    /// Returns when nothing came for too long though it was asked for.
    pub(super) async fn silence(self, pings: Option<PingPong>) {
        let Some(mut pings) = pings else { return std::future::pending().await };
        loop {
            self.0.doubt().await;
            let mut pong = std::pin::pin!(pings.ping(Ping::opaque()));
            let answered = loop {
                match tokio::time::timeout(PATIENCE, pong.as_mut()).await {
                    Ok(answered) => break answered,
                    Err(_) if self.0.is_quiet_for(PATIENCE) => return,
                    // Somebody is there, and has much to say.
                    Err(_) => {}
                }
            };
            if answered.is_err() {
                // The connection has ended, and says so itself.
                return std::future::pending().await;
            }
        }
    }
}

/// A stream on which is heard whether anything comes.
#[derive(Debug)]
pub(super) struct Heard<S> {
    stream: S,
    frames: Frames,
    ear: Arc<Ear>,
}

/// Follows what comes over `stream`.
pub(super) fn listen<S>(stream: S) -> (Heard<S>, Arc<Ear>, Listening) {
    let state = State { heard: now(), waiting: 0, asked: None };
    let ear = Arc::new(Ear { state: Mutex::new(state), sooner: Notify::new(), has_settings: AtomicBool::new(false) });
    let heard = Heard { stream, frames: Frames::default(), ear: Arc::clone(&ear) };
    (heard, Arc::clone(&ear), Listening(ear))
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let ended = this.frames.follow(buf.filled().get(before..).unwrap_or_default());
        this.ear.hear(ended);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use h2::server;
    use http::uri::Scheme;
    use http::{Request, Response};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, split};

    use super::super::{Connection, Place, open};
    use super::*;
    use crate::forward::body::RequestBody;
    use crate::forward::error::ForwardError;
    use crate::forward::http2::exchange;
    use crate::forward::pool::Keeping;
    use crate::forward::sender::Said;
    use crate::interim::Interim;

    /// An edge's side of a connection, and all that it has said.
    struct Edges {
        connection: Arc<Connection>,
        said: Arc<Mutex<Vec<u8>>>,
    }

    impl Edges {
        fn pings(&self) -> usize {
            self.said.lock().windows(9).filter(|head| **head == [0, 0, 8, 6, 0, 0, 0, 0, 0]).count()
        }
    }

    /// A connection to someone who vanishes after this time: it is held, and nothing comes over it.
    async fn vanishing(after: Duration) -> Edges {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (relay, end) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut streams: server::Connection<_, Bytes> = server::handshake(end).await.expect("is HTTP/2");
            let mut unanswered = Vec::new();
            while let Some(Ok((request, mut reply))) = streams.accept().await {
                if request.uri().path() == "/silent" {
                    unanswered.push(reply);
                } else {
                    reply.send_response(Response::new(()), true).expect("is sent");
                }
            }
        });
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        tokio::spawn(async move {
            let ((mut from_edge, mut to_edge), (mut from_end, mut to_end)) = (split(far), split(relay));
            let up = async {
                let mut piece = [0; 1024];
                loop {
                    let read = from_edge.read(&mut piece).await.expect("goes on");
                    heard.lock().extend_from_slice(&piece[..read]);
                    to_end.write_all(&piece[..read]).await.expect("goes on");
                }
            };
            let down = tokio::io::copy(&mut from_end, &mut to_edge);
            let relaying = async {
                tokio::select! { () = up => {}, _ = down => {} }
            };
            assert!(tokio::time::timeout(after, relaying).await.is_err(), "nobody ends it");
            std::future::pending::<()>().await;
        });
        let connection = open(near, ([127, 0, 0, 1], 80).into(), Scheme::HTTP).await.expect("is open");
        Edges { connection, said }
    }

    async fn ask(place: &Place, path: &'static str) -> Result<(), ForwardError> {
        let mut request = Request::new(RequestBody::Empty);
        *request.uri_mut() = http::Uri::from_static(path);
        request.headers_mut().insert("host", http::HeaderValue::from_static("app.test"));
        let said = Said { expectation: None, interim: Interim::closed() };
        exchange::send(place, request, said).await.map(drop).map_err(|failed| failed.error)
    }

    fn place(connection: &Arc<Connection>) -> Place {
        let keeping = Keeping { clock: Clock::standing(), time: Duration::from_mins(1) };
        connection.place(&keeping).expect("there is room")
    }

    #[tokio::test(start_paused = true)]
    async fn who_vanished_while_nobody_asked_costs_the_next_request_five_seconds() {
        let Edges { connection, .. } = vanishing(Duration::from_secs(20)).await;
        ask(&place(&connection), "/").await.expect("is answered");
        // Nobody asks for a while, and nobody hears of anything.
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(!connection.is_over(), "who is asked nothing is not pinged");
        let began = now();
        let error = ask(&place(&connection), "/").await.expect_err("nobody is there");
        assert!(matches!(error, ForwardError::Exchange(_)), "{error:?}");
        assert_eq!(began.elapsed(), PATIENCE);
        assert!(connection.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn who_vanished_a_moment_after_its_last_byte_costs_nobody_more_than_ten_seconds() {
        let Edges { connection, .. } = vanishing(Duration::from_millis(100)).await;
        ask(&place(&connection), "/").await.expect("is answered");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let began = now();
        ask(&place(&connection), "/").await.expect_err("nobody is there");
        assert_eq!(began.elapsed().as_secs(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_there_answers_however_long_nobody_asked() {
        let Edges { connection, .. } = vanishing(Duration::MAX).await;
        for _ in 0..5 {
            ask(&place(&connection), "/").await.expect("is answered");
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        assert!(!connection.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_answered_a_ping_and_said_nothing_since_is_left_alone() {
        let edges = vanishing(Duration::from_secs(200)).await;
        for _ in 0..5 {
            let place = place(&edges.connection);
            tokio::spawn(async move { ask(&place, "/silent").await });
            tokio::time::sleep(Duration::from_secs(6)).await;
        }
        assert_eq!(edges.pings(), 1);
        // It speaks of a request, and falls silent again.
        ask(&place(&edges.connection), "/").await.expect("is answered");
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(edges.pings(), 2);
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert_eq!((edges.pings(), edges.connection.is_over()), (2, false));
        tokio::time::sleep(SELDOM).await;
        assert!(edges.connection.is_over(), "it is found out in the end");
    }
}
