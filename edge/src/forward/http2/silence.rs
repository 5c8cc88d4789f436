//! What comes over a connection, and when, into whether whoever is at its other end has vanished.
//!
//! An origin that vanishes says nothing, and TCP finds out after many minutes. So whoever asks something over a connection that was
//! quiet for a while asks beside it for a sign of life (RFC 9113 §6.7); nothing at all for a while, and it is over. A connection that
//! nobody uses is asked nothing: servers of gRPC send those away who ping without need.
//! Guarantees: of requests to an origin that has vanished, none waits for longer than [`QUIET`] and [`PATIENCE`] together because of that.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock::Clock;

/// After so long without a byte, it is not sure that anyone is there.
const QUIET: Duration = Duration::from_secs(5);
/// Whoever is there says something within this time when asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// Follows what comes over a connection.
#[derive(Debug)]
pub(super) struct Ear {
    heard: Mutex<Instant>,
    doubt: Notify,
}

impl Ear {
    /// Somebody is about to wait for an answer.
    pub(super) fn expect(&self) {
        if self.is_quiet_for(QUIET) {
            self.doubt.notify_one();
        }
    }

    fn is_quiet_for(&self, time: Duration) -> bool {
        Clock::deadline(Duration::ZERO).saturating_duration_since(*self.heard.lock()) >= time
    }

    fn hear(&self) {
        *self.heard.lock() = Clock::deadline(Duration::ZERO);
    }
}

/// Whoever is told when nobody is there any more.
pub(super) struct Listening(Arc<Ear>);

impl Listening {
    /// Returns when nothing came for too long though it was asked for.
    pub(super) async fn silence(self, pings: Option<PingPong>) {
        let Some(mut pings) = pings else { return std::future::pending().await };
        loop {
            self.0.doubt.notified().await;
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
    ear: Arc<Ear>,
}

/// Follows what comes over `stream`.
pub(super) fn listen<S>(stream: S) -> (Heard<S>, Arc<Ear>, Listening) {
    let ear = Arc::new(Ear { heard: Mutex::new(Clock::deadline(Duration::ZERO)), doubt: Notify::new() });
    (Heard { stream, ear: Arc::clone(&ear) }, Arc::clone(&ear), Listening(ear))
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        this.ear.hear();
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

    use super::super::{Connection, Place, open};
    use super::*;
    use crate::forward::body::RequestBody;
    use crate::forward::error::ForwardError;
    use crate::forward::http2::exchange;
    use crate::forward::pool::Keeping;
    use crate::forward::sender::Said;
    use crate::interim::Interim;

    /// A connection to someone who vanishes after this time: it is held, and nothing comes over it.
    async fn vanishing(after: Duration) -> Arc<Connection> {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let (mut relay, end) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut streams: server::Connection<_, Bytes> = server::handshake(end).await.expect("is HTTP/2");
            while let Some(Ok((_, mut reply))) = streams.accept().await {
                reply.send_response(Response::new(()), true).expect("is sent");
            }
        });
        tokio::spawn(async move {
            let relaying = tokio::io::copy_bidirectional(&mut far, &mut relay);
            assert!(tokio::time::timeout(after, relaying).await.is_err(), "nobody ends it");
            std::future::pending::<()>().await;
        });
        open(near, ([127, 0, 0, 1], 80).into(), Scheme::HTTP).await.expect("is open")
    }

    async fn ask(place: &Place) -> Result<(), ForwardError> {
        let mut request = Request::new(RequestBody::Empty);
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
        let connection = vanishing(Duration::from_secs(20)).await;
        ask(&place(&connection)).await.expect("is answered");
        // Nobody asks for a while, and nobody hears of anything.
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(!connection.is_over(), "who is asked nothing is not pinged");
        let began = Clock::deadline(Duration::ZERO);
        let error = ask(&place(&connection)).await.expect_err("nobody is there");
        assert!(matches!(error, ForwardError::Exchange(_)), "{error:?}");
        assert_eq!(began.elapsed(), PATIENCE);
        assert!(connection.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_there_answers_however_long_nobody_asked() {
        let connection = vanishing(Duration::MAX).await;
        for _ in 0..5 {
            ask(&place(&connection)).await.expect("is answered");
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        assert!(!connection.is_over());
    }
}
