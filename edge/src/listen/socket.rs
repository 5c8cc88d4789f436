//! A viewer's TCP stream into one that marks what it does, that can give back what was read to tell protocols apart, and that lets what
//! it says last be heard.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use edge_contract::Protocol;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::activity::Activity;
use super::framing::{Framing, Unfit, Why};
use super::outbox::Outbox;
use super::switch::{Behind, Switch};
use super::wire::Wire;
use crate::clock::Clock;

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// No field holds a NUL, and hyper looks at a head once it has an end.
const REFUSED: &[u8] = b"\0\r\n\r\n";
/// A target that is too long gets an end, for head policy to find it so.
const CUT_SHORT: &[u8] = b" HTTP/1.1\r\n\r\n";

/// For how long, and for how many bytes, a viewer may go on sending what nobody reads any more.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 8 * 1024 * 1024;
/// What is taken from a viewer before it is known what it is.
const READ_AHEAD: usize = 16 * 1024;

/// A viewer's side of a connection.
pub struct Socket {
    stream: Wire,
    unread: BytesMut,
    activity: Arc<Activity>,
    clock: Clock,
    outbox: Arc<Outbox>,
    switch: Arc<Switch>,
    /// Follows what is read, where it is HTTP/1.
    framing: Option<Framing>,
    refused: Option<Why>,
    parting: Option<Parting>,
}

/// What is left to do for a connection after the last byte to its viewer.
struct Parting {
    over: Pin<Box<Sleep>>,
    left: usize,
}

impl Socket {
    /// Wraps a stream that was just accepted.
    pub fn new(stream: impl Into<Wire>, activity: Arc<Activity>, clock: Clock) -> Self {
        let (outbox, switch, stream) = (Arc::default(), Arc::default(), stream.into());
        let unread = BytesMut::new();
        Self { stream, unread, activity, clock, outbox, switch, framing: None, refused: None, parting: None }
    }

    /// Where it is said what stands behind a wish for another protocol.
    pub fn switch(&self) -> Arc<Switch> {
        Arc::clone(&self.switch)
    }

    /// What is to be written between the responses.
    pub fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.outbox)
    }

    /// Waits until the first bytes say what the viewer speaks; they will be read again.
    pub async fn spoken(&mut self) -> io::Result<Protocol> {
        let mut first = BytesMut::with_capacity(PREFACE.len());
        let spoken = loop {
            let read = self.stream.read_buf(&mut first).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if self.activity.awaits_head() {
                self.activity.head_begins(self.clock.now().monotonic);
            }
            if first.starts_with(PREFACE) {
                break Protocol::HTTP2;
            }
            if !PREFACE.starts_with(&first) {
                break Protocol::HTTP1;
            }
        };
        self.unread = first;
        self.framing = (spoken == Protocol::HTTP1).then(Framing::default);
        Ok(spoken)
    }

    /// What could be understood in two ways becomes what nobody understands: hyper answers it with 400 and the end.
    fn guard(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let Some(framing) = &mut self.framing else { return };
        let read = buf.filled().get(before..).unwrap_or_default();
        let Unfit { at, why } = match framing.follow(read) {
            Ok(known) => {
                let mut unknown = BytesMut::from(read.get(known..).unwrap_or_default());
                if !unknown.is_empty() {
                    unknown.unsplit(std::mem::take(&mut self.unread));
                    self.unread = unknown;
                    buf.set_filled(before + known);
                }
                return;
            }
            Err(unfit) => unfit,
        };
        buf.set_filled(before + at);
        self.unread = BytesMut::from(match why {
            Why::Unclear => REFUSED,
            Why::TargetTooLong => CUT_SHORT,
        });
        self.framing = None;
        self.refused = Some(why);
        self.give_back(buf);
    }

    fn give_back(&mut self, buf: &mut ReadBuf<'_>) {
        let take = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread.split_to(take));
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
    }

    /// Whether it is known what the next bytes are.
    fn poll_known(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(framing) = &mut self.framing else { return Poll::Ready(()) };
        let Some(requests) = framing.undecided() else { return Poll::Ready(()) };
        match ready!(self.switch.poll_behind(requests, cx)) {
            Behind::Request => framing.goes_on(),
            Behind::OtherProtocol => self.framing = None,
        }
        Poll::Ready(())
    }

    /// Takes what comes meanwhile, as far as there is room, so that it is noticed when the viewer leaves.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; 4 * 1024];
        while self.unread.len() < READ_AHEAD {
            let mut buf = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.unread.extend_from_slice(buf.filled());
        }
        Poll::Pending
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if this.poll_known(cx).is_pending() {
            return this.poll_ahead(cx);
        }
        match (this.unread.is_empty(), this.refused) {
            (false, _) => this.give_back(buf),
            // Behind what was refused there is nothing that anyone should see.
            (true, Some(Why::Unclear)) => return Poll::Ready(Ok(())),
            // Nor behind what got an end, but that is a request: its viewer has not left before it is answered.
            (true, Some(Why::TargetTooLong)) => return Poll::Pending,
            (true, None) => ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?,
        }
        if buf.filled().len() > before && this.activity.awaits_head() {
            this.activity.head_begins(this.clock.now().monotonic);
        }
        this.guard(buf, before);
        Poll::Ready(Ok(()))
    }
}

impl Socket {
    fn note<T>(&self, polled: &Poll<io::Result<T>>) {
        match polled {
            Poll::Pending => self.activity.write_waits(self.clock.now().monotonic),
            Poll::Ready(_) => self.activity.write_moves(),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = match this.outbox.poll_rest(&mut this.stream, cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut this.stream).poll_write(cx, buf),
            unfinished => unfinished.map_ok(|()| 0),
        };
        this.note(&polled);
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = match this.outbox.poll_rest(&mut this.stream, cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut this.stream).poll_write_vectored(cx, bufs),
            unfinished => unfinished.map_ok(|()| 0),
        };
        this.note(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = this.outbox.poll_flush(&mut this.stream, cx);
        this.note(&polled);
        ready!(polled)?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.parting.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        if this.may_be_sending() { this.poll_part(cx).map(Ok) } else { Poll::Ready(Ok(())) }
    }
}

impl Socket {
    /// Whether a request has begun whose end has not come.
    fn may_be_sending(&self) -> bool {
        self.refused.is_some() || self.framing.as_ref().is_some_and(|framing| !framing.is_between())
    }

    /// RFC 9112 §9.6: to close while a viewer still sends resets the connection, and takes from it the response that says why.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let parting = self
            .parting
            .get_or_insert_with(|| Parting { over: Box::pin(tokio::time::sleep(LINGER)), left: LINGER_BYTES });
        if parting.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut scratch = [0; 4 * 1024];
        while parting.left > 0 {
            let mut buf = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => parting.left = parting.left.saturating_sub(buf.filled().len()),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A viewer that has written this, and the edge's side, which has read it.
    async fn having_read(written: &str) -> (TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let mut viewer = TcpStream::connect(listener.local_addr().expect("is bound")).await.expect("is queued");
        let (stream, _) = listener.accept().await.expect("is there");
        viewer.write_all(written.as_bytes()).await.expect("is taken");
        let mut socket = Socket::new(stream, Arc::default(), Clock::standing());
        assert_eq!(socket.spoken().await.expect("is told"), Protocol::HTTP1);
        let mut read = vec![0; written.len()];
        socket.read_exact(&mut read).await.expect("is read");
        (viewer, socket)
    }

    /// How long it takes to part from a viewer.
    async fn parting(mut socket: Socket) -> Duration {
        let began = Clock::deadline(Duration::ZERO);
        socket.shutdown().await.expect("in order");
        began.elapsed()
    }

    const HALF: &str = "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc";

    #[tokio::test(start_paused = true)]
    async fn a_viewer_that_may_still_be_sending_has_two_seconds_to_hear_the_last_word() {
        let (_viewer, socket) = having_read(HALF).await;
        assert_eq!(parting(socket).await, LINGER);
    }

    #[tokio::test]
    async fn a_viewer_that_leaves_is_not_waited_for() {
        let (viewer, socket) = having_read(HALF).await;
        drop(viewer);
        assert!(parting(socket).await < LINGER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_that_has_sent_whole_requests_is_parted_from_at_once() {
        let (_viewer, socket) = having_read("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(parting(socket).await, Duration::ZERO);
    }
}
