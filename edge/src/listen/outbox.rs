//! Interim heads into bytes on an HTTP/1 connection, at the one place among hyper's own where they belong.
//!
//! hyper writes no interim responses, and what it has buffered is not to be seen from outside. But it flushes a connection only when its
//! own buffer is empty, and after every step; and it has one request at a time, whose final head it cannot begin before the
//! service has returned it. So what is put here is written at a flush, and the service returns only when it is written: behind all of the
//! response before, ahead of all of its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use tokio::sync::Notify;

use crate::interim::Head;

/// Heads that wait for the next flush.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    written: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: BytesMut,
    /// Some of them are written: nothing else may be before the rest is.
    begun: bool,
}

impl Outbox {
    /// Puts a head where the next flush finds it.
    pub(super) fn put(&self, head: &Head) {
        encode(head, &mut self.waiting.lock().bytes);
    }

    /// Waits until all of it is written.
    pub(super) async fn emptied(&self) {
        while !self.waiting.lock().bytes.is_empty() {
            self.written.notified().await;
        }
    }

    /// Writes the rest of what was begun, before hyper writes anything.
    pub(super) fn poll_rest<W: AsyncWrite + Unpin>(&self, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.lock().begun { self.poll_flush(to, cx) } else { Poll::Ready(Ok(())) }
    }

    /// Writes all that waits: hyper has nothing left to write.
    pub(super) fn poll_flush<W: AsyncWrite + Unpin>(&self, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut waiting = self.waiting.lock();
        while !waiting.bytes.is_empty() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, &waiting.bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            waiting.bytes.advance(written);
            waiting.begun = !waiting.bytes.is_empty();
            if !waiting.begun {
                waiting.bytes = BytesMut::new();
                self.written.notify_one();
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// RFC 9112 §4.
fn encode(head: &Head, to: &mut BytesMut) {
    let Head { status, headers } = head;
    to.extend_from_slice(b"HTTP/1.1 ");
    to.extend_from_slice(status.as_str().as_bytes());
    to.extend_from_slice(b" ");
    to.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    to.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            to.extend_from_slice(part);
        }
    }
    to.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::poll_fn;
    use http::{HeaderMap, HeaderValue, StatusCode, header};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const TEXT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";

    fn hints() -> Head {
        let headers = HeaderMap::from_iter([(header::LINK, HeaderValue::from_static("</a.css>"))]);
        Head { status: StatusCode::EARLY_HINTS, headers }
    }

    #[tokio::test]
    async fn what_waits_is_written_at_a_flush_and_not_before() {
        let (mut edge, mut viewer) = tokio::io::duplex(1_024);
        let outbox = Outbox::default();
        outbox.put(&hints());
        poll_fn(|cx| outbox.poll_rest(&mut edge, cx)).await.expect("nothing was begun");
        assert!(outbox.emptied().now_or_never().is_none());
        poll_fn(|cx| outbox.poll_flush(&mut edge, cx)).await.expect("is written");
        assert!(outbox.emptied().now_or_never().is_some());
        drop(edge);
        let mut read = String::new();
        viewer.read_to_string(&mut read).await.expect("is text");
        assert_eq!(read, TEXT);
    }

    #[tokio::test]
    async fn what_was_begun_is_ended_before_anything_else_is_written() {
        let (mut edge, mut viewer) = tokio::io::duplex(10);
        let outbox = Outbox::default();
        outbox.put(&hints());
        assert!(poll_fn(|cx| outbox.poll_flush(&mut edge, cx)).now_or_never().is_none());
        assert!(poll_fn(|cx| outbox.poll_rest(&mut edge, cx)).now_or_never().is_none());
        let writing = async {
            poll_fn(|cx| outbox.poll_rest(&mut edge, cx)).await.expect("is written");
            edge.write_all(b"HTTP/1.1 200 OK").await.expect("is written");
            drop(edge);
        };
        let mut read = String::new();
        let ((), outcome) = tokio::join!(writing, viewer.read_to_string(&mut read));
        outcome.expect("is text");
        assert_eq!(read, format!("{TEXT}HTTP/1.1 200 OK"));
    }
}
