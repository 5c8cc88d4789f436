//! A viewer's TCP stream into one that marks what it does, and that can give back what was read to tell protocols apart.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use edge_contract::Protocol;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::framing::Framing;
use super::outbox::Outbox;
use crate::clock::Clock;

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// No field holds a NUL, and hyper looks at a head once it has an end.
const REFUSED: &[u8] = b"\0\r\n\r\n";

/// A viewer's side of a connection.
pub struct Socket {
    stream: TcpStream,
    unread: BytesMut,
    activity: Arc<Activity>,
    clock: Clock,
    outbox: Arc<Outbox>,
    /// Follows what is read, where it is HTTP/1.
    framing: Option<Framing>,
    refused: bool,
}

impl Socket {
    /// Wraps a stream that was just accepted.
    pub fn new(stream: TcpStream, activity: Arc<Activity>, clock: Clock) -> Self {
        let outbox = Arc::default();
        Self { stream, unread: BytesMut::new(), activity, clock, outbox, framing: None, refused: false }
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
        let Err(at) = framing.follow(read) else { return };
        buf.set_filled(before + at);
        self.unread = BytesMut::from(REFUSED);
        self.framing = None;
        self.refused = true;
        self.give_back(buf);
    }

    fn give_back(&mut self, buf: &mut ReadBuf<'_>) {
        let take = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread.split_to(take));
        if self.unread.is_empty() {
            self.unread = BytesMut::new();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match (this.unread.is_empty(), this.refused) {
            (false, _) => this.give_back(buf),
            // Behind what was refused there is nothing that anyone should see.
            (true, true) => return Poll::Ready(Ok(())),
            (true, false) => ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?,
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

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
