//! A stream whose origin does not say how much is to come into pieces for whoever takes them, gathered until then.
//!
//! `h2` holds what nobody takes frame by frame, and counts what that costs it for the connection as a whole: a few viewers that stop to
//! read calls of small messages would end all others beside them. So a stream that may go on for long is read as it comes, and what was
//! read is held as bytes alone.
//! Guarantees: no more is held than the stream's window, because the origin is given no more of it than was taken. What is not taken in
//! the end is given back to the connection. A failure comes behind all that came before it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use h2::{FlowControl, RecvStream};
use http::HeaderMap;
use http_body::Frame;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

/// What comes on a stream, on its way to whoever takes it.
#[derive(Debug)]
pub(super) struct Gathering {
    gathered: Arc<Mutex<Gathered>>,
    window: FlowControl,
    reading: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Gathered {
    bytes: BytesMut,
    /// What stands behind the bytes, once that is known.
    end: Option<Result<Option<HeaderMap>, h2::Error>>,
    taker: Option<Waker>,
    is_given_up: bool,
}

impl Gathering {
    /// Begins to read.
    pub(super) fn of(mut stream: RecvStream) -> Self {
        let (window, gathered) = (stream.flow_control().clone(), Arc::<Mutex<Gathered>>::default());
        let into = Arc::clone(&gathered);
        let reading = tokio::spawn(async move { poll_fn(|cx| poll_read(&mut stream, &into, cx)).await });
        Self { gathered, window, reading }
    }

    /// All that has come by now, or the end.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let mut gathered = self.gathered.lock();
        if !gathered.bytes.is_empty() {
            let piece = gathered.bytes.split().freeze();
            drop(gathered);
            // A stream that has ended meanwhile has no window.
            let _ = self.window.release_capacity(piece.len());
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match gathered.end.take() {
            None => {
                gathered.taker = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            Some(Ok(trailers)) => {
                gathered.end = Some(Ok(None));
                Poll::Ready(trailers.map(|fields| Ok(Frame::trailers(fields))))
            }
        }
    }

    /// Whether nothing more comes.
    pub(super) fn is_end_stream(&self) -> bool {
        let gathered = self.gathered.lock();
        gathered.bytes.is_empty() && matches!(gathered.end, Some(Ok(None)))
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        self.reading.abort();
        let mut gathered = self.gathered.lock();
        gathered.is_given_up = true;
        let untaken = gathered.bytes.len();
        drop(gathered);
        let _ = self.window.release_capacity(untaken);
    }
}

/// Reads a stream to its end.
fn poll_read(stream: &mut RecvStream, into: &Mutex<Gathered>, cx: &mut Context<'_>) -> Poll<()> {
    let end = loop {
        match ready!(stream.poll_data(cx)) {
            Some(Ok(data)) => {
                let mut gathered = into.lock();
                if gathered.is_given_up {
                    drop(gathered);
                    let _ = stream.flow_control().release_capacity(data.len());
                    return Poll::Ready(());
                }
                gathered.bytes.extend_from_slice(&data);
                wake(&mut gathered);
            }
            Some(Err(error)) => break Err(error),
            None => break ready!(stream.poll_trailers(cx)),
        }
    };
    let mut gathered = into.lock();
    gathered.end = Some(end);
    wake(&mut gathered);
    Poll::Ready(())
}

fn wake(gathered: &mut Gathered) {
    if let Some(taker) = gathered.taker.take() {
        taker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};

    use super::*;

    /// Less than the window of a connection, and more than is left of it beside as much.
    const MUCH: usize = 40_000;

    #[tokio::test]
    async fn what_was_read_and_is_not_taken_keeps_nothing_from_others() {
        let (near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            let mut streams = h2::server::handshake(far).await.expect("is HTTP/2");
            while let Some(Ok((request, mut reply))) = streams.accept().await {
                let mut stream = reply.send_response(Response::new(()), false).expect("is sent");
                let ends = request.uri().path() == "/whole";
                stream.send_data(Bytes::from(vec![b'x'; MUCH]), ends).expect("is sent");
                // It is held, and not ended.
                tokio::spawn(async move { poll_fn(|cx| stream.poll_reset(cx)).await });
            }
        });
        let (mut requests, connection) = h2::client::handshake(near).await.expect("is HTTP/2");
        tokio::spawn(connection);
        let mut ask = async |path: &str| {
            let request = Request::get(format!("http://app.test{path}")).body(()).expect("is one");
            let (response, _) = requests.send_request(request, true).expect("is sent");
            Gathering::of(response.await.expect("is answered").into_body())
        };
        let given_up = ask("/").await;
        while given_up.gathered.lock().bytes.len() < MUCH {
            tokio::task::yield_now().await;
        }
        drop(given_up);
        let mut whole = ask("/whole").await;
        let reading = async {
            let mut read = 0;
            while let Some(frame) = poll_fn(|cx| whole.poll_frame(cx)).await {
                read += frame.expect("is sound").data_ref().map_or(0, Bytes::len);
            }
            read
        };
        assert_eq!(tokio::time::timeout(Duration::from_secs(20), reading).await.expect("all of it comes"), MUCH);
        assert!(whole.is_end_stream());
    }
}
