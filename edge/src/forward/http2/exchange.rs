//! A request into a stream of HTTP/2, and what comes back on it into interim responses and the head of an answer.
//!
//! Guarantees: a request is given back only if the origin has done nothing about it, as it says itself (RFC 9113 §8.7), and what was read
//! of its body is still known. An origin may answer before it has read a request: the rest of that is sent for as long as it is taken.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use edge_cache::answer::Distrust;
use edge_cache::fields;
use h2::RecvStream;
use h2::client::ResponseFuture;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::content::StreamContent;
use super::upload::{Stopped, Upload};
use super::{Place, head};
use crate::forward::body::{Content, RequestBody};
use crate::forward::error::{ExchangeError, ForwardError};
use crate::forward::http1::READY_WITHIN;
use crate::forward::sender::{Failed, Said};

/// Sends a request and waits for the head of its answer.
pub async fn send(place: &Place, request: Request<RequestBody>, said: Said) -> Result<Response<Content>, Failed> {
    let (asked, body) = request.into_parts();
    let connection = place.connection();
    let Some(request) = head::of_request(&asked, &connection.scheme) else { return Err(ForwardError::Target.into()) };
    let (is_whole, mut requests) = (body.is_end_stream(), connection.requests.clone());
    let (response, stream) = match requests.send_request(request, is_whole) {
        Ok(sent) => sent,
        Err(error) => {
            let error = ForwardError::Exchange(ExchangeError::Http2(error));
            return Err(Failed { error, unsent: Some(Request::from_parts(asked, body)) });
        }
    };
    let mut exchange = Exchange { response, upload: Upload::of(body, stream), is_uploaded: is_whole, said };
    let waits = connection.ear.wait();
    let answer = poll_fn(|cx| exchange.poll_answer(cx)).await;
    drop(waits);
    match answer {
        Ok(answer) => {
            let (parts, stream) = answer.into_parts();
            let is_bare = head::is_bare(&asked.method, parts.status);
            let content = StreamContent::of(stream, is_bare, &parts.headers, place.clone());
            let content = if exchange.is_uploaded { content } else { content.beside(go_on(exchange.upload, place)) };
            Ok(Response::from_parts(parts, Content::Http2(Box::new(content))))
        }
        Err(error) => {
            if error.is_distrust() {
                place.distrust();
            }
            let body = if error.is_undone() { exchange.upload.whole() } else { None };
            Err(Failed { error, unsent: body.map(|body| Request::from_parts(asked, body)) })
        }
    }
}

/// A request that was sent, or that is being sent.
struct Exchange {
    response: ResponseFuture,
    upload: Upload,
    is_uploaded: bool,
    said: Said,
}

impl Exchange {
    /// Sends the request while it waits for the answer.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<RecvStream>, ForwardError>> {
        let failed = |error| ForwardError::Exchange(ExchangeError::Http2(error));
        loop {
            match self.response.poll_informational(cx) {
                Poll::Ready(Some(Ok(head))) => self.hear(&head)?,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(failed(error))),
                Poll::Ready(None) => return Pin::new(&mut self.response).poll(cx).map_err(failed),
                Poll::Pending => break,
            }
        }
        if !self.is_uploaded
            && let Poll::Ready(outcome) = self.upload.poll(cx)
        {
            self.is_uploaded = true;
            if let Err(Stopped::Broken(error)) = outcome {
                return Poll::Ready(Err(ForwardError::of_request_body(error)));
            }
        }
        Poll::Pending
    }

    fn hear(&self, head: &Response<()>) -> Result<(), Distrust> {
        // RFC 9113 §8.6: there is no such thing here.
        if head.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Distrust::Status);
        }
        if fields::has_stray_space(head.headers()) {
            return Err(Distrust::Field);
        }
        self.said.interim(head.status(), head.headers());
        Ok(())
    }
}

/// What is left of a request goes on while its answer is read.
#[derive(Debug)]
pub(super) struct Uploading {
    running: JoinHandle<()>,
    answered: Arc<Notify>,
}

impl Uploading {
    /// The answer has ended. Who has not read the request by now, and soon, does not want it.
    pub(super) fn answered(&self) {
        self.answered.notify_one();
    }

    /// The exchange is given up.
    pub(super) fn stop(&self) {
        self.running.abort();
    }
}

fn go_on(upload: Upload, place: &Place) -> Uploading {
    let (answered, place) = (Arc::new(Notify::new()), place.clone());
    let over = Arc::clone(&answered);
    let running = tokio::spawn(async move {
        tokio::select! {
            () = upload.run() => {}
            () = async { over.notified().await; tokio::time::sleep(READY_WITHIN).await } => {}
        }
        drop(place);
    });
    Uploading { running, answered }
}
