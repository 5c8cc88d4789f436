//! The bytes of an origin into those that a strict reader would take for the same response heads.
//!
//! hyper takes a bare LF for the end of a line, and empty lines for nothing. An origin that lets its own users write a LF into a field
//! would let them write fields, or a whole response, for everyone who is answered from the store. So such heads become what nobody
//! understands (RFC 9112 §2.2 lets a recipient be lenient; it need not be).
//!
//! An origin may also answer before it has read a request, and close: hyper gives up when it cannot write, though the answer has come
//! (RFC 9112 §9.5 wants it read). So what cannot be written is lost silently, and what can be read says how the exchange ends. Where that
//! is the end of the connection, and the origin had not ended it before it refused to read, some of its answer may be lost: then the failure
//! is told there. Behind a 101 each side hears of the other's end at once.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// No head holds a NUL, and hyper looks at one once it has an end.
const REFUSED: &[u8] = b"\0\r\n\r\n";
/// Where the status stands in `HTTP/1.1 103`.
const STATUS: std::ops::Range<usize> = 9..12;

/// How an alert of TLS begins: its content type, and the first byte of any version (RFC 8446 §5.1).
const ALERT: &[u8] = &[21, 3];

/// Whether a response's head is to come.
#[derive(Clone, Debug, Default)]
pub struct Awaiting(Arc<Awaited>);

#[derive(Debug, Default)]
struct Awaited {
    head: AtomicBool,
    alert: AtomicBool,
}

impl Awaiting {
    /// A request is about to be sent.
    pub fn head(&self) {
        self.0.head.store(true, Ordering::Release);
    }

    /// Whether an alert of TLS came in place of one.
    pub fn met_alert(&self) -> bool {
        self.0.alert.load(Ordering::Acquire)
    }
}

/// Follows the heads of an origin's connection.
#[derive(Debug)]
pub struct Heads<S> {
    stream: S,
    awaiting: Awaiting,
    head: Head,
    refused: Option<Bytes>,
    /// Nothing that is written arrives any more.
    unheard: bool,
    /// Why, if what is read may lack something because of that.
    lost: Option<io::Error>,
    /// It has left HTTP.
    switched: bool,
}

#[derive(Debug, Default)]
struct Head {
    /// The first bytes of the status line.
    beginning: Vec<u8>,
    has_status_line: bool,
    /// Bytes of the line being read.
    length: usize,
    after_cr: bool,
}

/// What a byte means for the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Byte {
    Goes,
    Ends,
    /// It ends, and so does HTTP.
    Switches,
    Refused,
}

impl Head {
    fn follow(&mut self, byte: u8) -> Byte {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        if byte != b'\n' {
            if !self.has_status_line && self.beginning.len() < STATUS.end {
                self.beginning.push(byte);
            }
            self.length += 1;
            return if after_cr { Byte::Refused } else { Byte::Goes };
        }
        let is_empty = std::mem::take(&mut self.length) == 1;
        if !after_cr || (is_empty && !self.has_status_line) {
            return Byte::Refused;
        }
        self.has_status_line = true;
        if !is_empty {
            return Byte::Goes;
        }
        let last = std::mem::take(self);
        match last.beginning.get(STATUS) {
            Some(b"101") => Byte::Switches,
            // RFC 9110 §15.2: another head follows.
            Some([b'1', ..]) => Byte::Goes,
            _ => Byte::Ends,
        }
    }

    fn is_alert(&self) -> bool {
        self.beginning == ALERT
    }
}

impl<S> Heads<S> {
    /// Follows what comes over `stream`, as long as `awaiting` says so.
    pub fn of(stream: S, awaiting: Awaiting) -> Self {
        Self { stream, awaiting, head: Head::default(), refused: None, unheard: false, lost: None, switched: false }
    }

    fn guard(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let awaited = &self.awaiting.0;
        if !awaited.head.load(Ordering::Acquire) {
            return;
        }
        for (at, byte) in buf.filled().get(before..).unwrap_or_default().iter().enumerate() {
            let said = self.head.follow(*byte);
            if self.head.is_alert() {
                awaited.alert.store(true, Ordering::Release);
            }
            match said {
                Byte::Goes => {}
                Byte::Ends | Byte::Switches => {
                    self.switched = said == Byte::Switches;
                    awaited.head.store(false, Ordering::Release);
                    return;
                }
                Byte::Refused => {
                    buf.set_filled(before + at);
                    let refused = self.refused.insert(Bytes::from_static(REFUSED));
                    return give(refused, buf);
                }
            }
        }
    }
}

fn give(bytes: &mut Bytes, buf: &mut ReadBuf<'_>) {
    let take = bytes.len().min(buf.remaining());
    buf.put_slice(bytes.get(..take).unwrap_or_default());
    bytes.advance(take);
}

impl<S: AsyncRead + Unpin> AsyncRead for Heads<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(refused) = &mut this.refused {
            // Behind what was refused there is nothing that anyone should see.
            give(refused, buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let has_ended = buf.filled().len() == before && buf.remaining() > 0;
        if has_ended && let Some(error) = this.lost.take() {
            return Poll::Ready(Err(error));
        }
        this.guard(buf, before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Heads<S> {
    fn poll_heard(
        &mut self,
        all: usize,
        write: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.unheard && !self.switched {
            return Poll::Ready(Ok(all));
        }
        match ready!(write(Pin::new(&mut self.stream))) {
            Err(error) if !self.switched => {
                tracing::debug!(%error, "an origin does not listen any more");
                self.unheard = true;
                // Systems tell of a failure once, and then of an end. Of a broken pipe they tell where the other side had said all before.
                self.lost = Some(error).filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
                Poll::Ready(Ok(all))
            }
            written => Poll::Ready(written),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heads<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_heard(buf.len(), |stream| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = bufs.iter().map(|buf| buf.len()).sum();
        self.get_mut().poll_heard(all, |stream| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_heard(0, |stream| stream.poll_flush(cx).map_ok(|()| 0)).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// How the head ends, and behind which bytes.
    #[track_caller]
    fn check(head: &str, rest: &str, expect: Byte) {
        let mut follows = Head::default();
        for (at, byte) in head.bytes().chain(rest.bytes()).enumerate() {
            let said = follows.follow(byte);
            if said != Byte::Goes {
                assert_eq!((said, at), (expect, head.len() - 1), "{head:?}");
                return;
            }
        }
        panic!("never ended: {head:?}");
    }

    #[test]
    fn a_head_ends_where_every_reader_finds_its_end() {
        check("HTTP/1.1 200 OK\r\na: b\r\n\r\n", "body\n\n", Byte::Ends);
        check("HTTP/1.1 200\r\n\r\n", "", Byte::Ends);
        check("HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", Byte::Switches);
    }

    /// A connection that was read to its end, and takes nothing.
    struct Broken(&'static [u8], io::ErrorKind);

    impl AsyncRead for Broken {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            buf.put_slice(std::mem::take(&mut self.0));
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Broken {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(self.1.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_answer_that_ends_with_its_connection_is_whole_only_if_that_was_not_broken_off() {
        const ANSWER: &str = "HTTP/1.1 200 OK\r\n\r\nbody";
        for (kind, is_whole) in [(io::ErrorKind::BrokenPipe, true), (io::ErrorKind::ConnectionReset, false)] {
            let awaiting = Awaiting::default();
            awaiting.head();
            let mut heads = Heads::of(Broken(ANSWER.as_bytes(), kind), awaiting);
            for _ in 0..3 {
                heads.write_all(b"a request that is not read").await.expect("the answer may be there");
            }
            let mut read = Vec::new();
            let ended = heads.read_to_end(&mut read).await;
            assert_eq!((str::from_utf8(&read), ended.is_ok()), (Ok(ANSWER), is_whole), "{kind}");
        }
    }

    #[tokio::test]
    async fn behind_a_101_what_cannot_be_written_is_told() {
        let awaiting = Awaiting::default();
        awaiting.head();
        let mut heads = Heads::of(Broken(b"HTTP/1.1 101 x\r\n\r\n", io::ErrorKind::BrokenPipe), awaiting);
        heads.write_all(b"GET").await.expect("the answer may be there");
        assert!(heads.read(&mut [0; 64]).await.is_ok_and(|read| read > 0));
        assert!(heads.write_all(b"frame").await.is_err());
    }

    #[test]
    fn behind_an_interim_head_comes_another() {
        let interim = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100\r\n\r\n";
        check(&format!("{interim}HTTP/1.1 200 OK\r\n\r\n"), "body", Byte::Ends);
        check(&format!("{interim}HTTP/1.1 200 OK\n"), "\r\n", Byte::Refused);
    }

    #[test]
    fn what_only_some_readers_take_for_lines_is_refused() {
        check("HTTP/1.1 200 OK\n", "\r\n", Byte::Refused);
        check("HTTP/1.1 200 OK\r\na: b\n", "set-cookie: c\r\n\r\n", Byte::Refused);
        check("HTTP/1.1 200 OK\r\na: b\rc", "\r\n\r\n", Byte::Refused);
        check("HTTP/1.1 200 OK\r\n\r\r", "\n", Byte::Refused);
        check("HTTP/1.1 200 OK\r\n\n", "\r\n", Byte::Refused);
        check("\r\n", "HTTP/1.1 200 OK\r\n\r\n", Byte::Refused);
    }
}
