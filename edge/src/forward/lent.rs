//! A request's body, on its way to somebody who may send it back.
//!
//! Guarantees: it waits for the word that it is wanted (RFC 9110 §10.1.1), so whoever refuses a request by its head has taken nothing. Once it
//! is taken back, whoever still holds the other end gets no more of it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::body::{BodyError, Next, RequestBody};
use super::expectation::Expectation;

/// One end of it; the other is held by whoever lent it.
#[derive(Clone, Debug)]
pub struct Lent {
    state: Arc<Mutex<State>>,
    expectation: Option<Expectation>,
    next: Option<watch::Receiver<Next>>,
    answered: Option<Arc<AtomicBool>>,
}

#[derive(Debug)]
struct State {
    body: Option<Box<RequestBody>>,
    is_begun: bool,
}

impl Lent {
    /// Lends a body.
    pub fn of(mut body: RequestBody) -> Self {
        body.expect_continue();
        let (expectation, next, answered) = (body.expectation().cloned(), body.who_is_next(), body.answered());
        let state = State { body: Some(Box::new(body)), is_begun: false };
        Self { state: Arc::new(Mutex::new(state)), expectation, next, answered }
    }

    /// The whole body; nothing where some of it is gone.
    pub fn take_back(&self) -> Option<RequestBody> {
        let mut state = self.state.lock();
        if state.is_begun { None } else { state.body.take().map(|body| *body) }
    }

    /// What is to be told of the word that it is wanted.
    pub fn expectation(&self) -> Option<&Expectation> {
        self.expectation.as_ref()
    }

    /// Who is next.
    pub fn who_is_next(&self) -> Option<watch::Receiver<Next>> {
        self.next.clone()
    }

    /// Where it is said that an answer has begun.
    pub fn answered(&self) -> Option<Arc<AtomicBool>> {
        self.answered.clone()
    }

    pub(super) fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.state.lock();
        let Some(body) = &mut state.body else { return Poll::Ready(Some(Err(BodyError::Unwanted))) };
        let frame = ready!(Pin::new(body.as_mut()).poll_frame(cx));
        state.is_begun |= !matches!(frame, Some(Err(BodyError::Unwanted)));
        Poll::Ready(frame)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.state.lock().body.as_deref().is_none_or(Body::is_end_stream)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.state.lock().body.as_deref().map(Body::size_hint).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::poll_fn;
    use http_body_util::BodyExt;
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;
    use crate::viewer::body::ViewerRequestBody;

    /// Runs a test with the body of a real request, of which five bytes have come.
    async fn with_body<T>(test: impl AsyncFnOnce(RequestBody) -> T) -> T {
        let (mut viewer, edge) = duplex(1024);
        viewer.write_all(b"PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nbytes").await.expect("is taken");
        let (came, body) = tokio::sync::oneshot::channel();
        let came = parking_lot::Mutex::new(Some(came));
        let service = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| {
            if let Some(came) = came.lock().take() {
                let _ = came.send(request.into_body());
            }
            std::future::pending::<Result<http::Response<String>, std::convert::Infallible>>()
        });
        let serving =
            hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(edge), service);
        let testing = async {
            let body = ViewerRequestBody::Http1(body.await.expect("comes"));
            test(RequestBody::viewer(body, std::time::Duration::from_secs(9))).await
        };
        tokio::select! {
            _ = serving => panic!("the viewer is there"),
            tested = testing => tested,
        }
    }

    async fn read(body: RequestBody) -> Option<Bytes> {
        body.collect().await.ok().map(http_body_util::Collected::to_bytes)
    }

    #[tokio::test]
    async fn what_nobody_took_comes_back_whole_and_whoever_had_it_gets_nothing() {
        with_body(async |body| {
            let lent = Lent::of(body);
            let sent = RequestBody::Lent(lent.clone());
            assert_eq!(sent.size_hint().exact(), Some(5));
            let mut back = lent.take_back().expect("it waits to be wanted");
            back.forget_expectation();
            assert_eq!(read(sent).await, None);
            assert_eq!(read(back).await.as_deref(), Some(&b"bytes"[..]));
        })
        .await;
    }

    #[tokio::test]
    async fn what_comes_back_twice_stands_where_it_stood() {
        with_body(async |mut body| {
            body.take_back(vec!["a ".into(), "b ".into()]);
            assert_eq!(body.size_hint().exact(), Some(2 + 2 + 5));
            let first = body.frame().await.expect("is not the end").expect("is whole").into_data().expect("is data");
            assert_eq!(body.size_hint().exact(), Some(2 + 5));
            body.take_back(vec![first]);
            assert_eq!(read(body).await.as_deref(), Some(&b"a b bytes"[..]));
        })
        .await;
    }

    #[tokio::test]
    async fn what_was_begun_does_not_come_back() {
        with_body(async |body| {
            let lent = Lent::of(body);
            lent.expectation().expect("it waits").go_on();
            let frame = poll_fn(|cx| lent.poll_frame(cx)).await.expect("is not the end").expect("is whole");
            assert_eq!(frame.data_ref().map(AsRef::as_ref), Some(&b"bytes"[..]));
            assert!(lent.take_back().is_none());
        })
        .await;
    }
}
