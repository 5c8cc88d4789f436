//! A request's body into the data of a stream, as far as its origin lets it.
//!
//! Guarantees: of a body no more is taken than one piece, and of that no more is handed over than there is room for; room is what the
//! origin's windows (RFC 9113 §5.2) and the bytes that still wait for the socket leave. Until the origin answers, the beginning of a body
//! is kept, so that it can be sent again if the origin has done nothing about it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;

use crate::forward::body::{BodyError, RequestBody};

/// For how many bytes room is asked at a time: more would keep it from other streams.
const PIECE: usize = 64 * 1024;

/// Of so many bytes the beginning of a body is kept: the whole of most that ask for something.
const KEPT: usize = 64 * 1024;

/// A body on its way.
pub(super) struct Upload {
    stream: SendStream<Bytes>,
    body: RequestBody,
    /// What was taken of it and is not handed over yet.
    piece: Bytes,
    /// All that was taken of it, if that is not too much.
    taken: Option<Vec<Bytes>>,
}

/// Why a body did not reach its end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The origin takes no more of it. What it has against that, it says where its answer is waited for.
    Unheard,
    /// There is no more of it.
    Broken(BodyError),
}

impl Upload {
    pub(super) fn of(body: RequestBody, stream: SendStream<Bytes>) -> Self {
        Self { stream, body, piece: Bytes::new(), taken: Some(Vec::new()) }
    }

    /// The body as it was before anything was taken of it, if that is known.
    pub(super) fn whole(mut self) -> Option<RequestBody> {
        self.body.take_back(self.taken?);
        Some(self.body)
    }

    /// Sends it to its end. One that breaks off takes its exchange with it.
    pub(super) async fn run(mut self) {
        self.taken = None;
        if let Err(Stopped::Broken(error)) = std::future::poll_fn(|cx| self.poll(cx)).await {
            tracing::debug!(%error, "a request's body was cut short");
            self.stream.send_reset(Reason::CANCEL);
        }
    }

    /// Sends what there is and what there is room for.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        loop {
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(Stopped::Unheard));
            }
            if !self.piece.is_empty() {
                let room = ready!(self.poll_room(cx))?;
                let next = self.piece.split_to(room.min(self.piece.len()));
                let is_last = self.piece.is_empty() && self.body.is_end_stream();
                self.stream.send_data(next, is_last).map_err(|_| Stopped::Unheard)?;
                if is_last {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                return Poll::Ready(self.stream.send_data(Bytes::new(), true).map_err(|_| Stopped::Unheard));
            };
            match frame.map_err(Stopped::Broken)?.into_data() {
                Ok(data) => {
                    self.keep(&data);
                    self.piece = data;
                }
                Err(frame) => {
                    self.taken = None;
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return Poll::Ready(self.stream.send_trailers(trailers).map_err(|_| Stopped::Unheard));
                }
            }
        }
    }

    fn keep(&mut self, data: &Bytes) {
        let length = |taken: &Vec<Bytes>| taken.iter().map(Bytes::len).sum::<usize>();
        self.taken = self.taken.take().filter(|taken| length(taken) + data.len() <= KEPT);
        self.taken.as_mut().into_iter().for_each(|taken| taken.push(data.clone()));
    }

    /// Waits until there is room for some of the piece.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Stopped>> {
        self.stream.reserve_capacity(self.piece.len().min(PIECE));
        match self.stream.capacity() {
            0 => self.stream.poll_capacity(cx).map(|room| room.and_then(Result::ok).ok_or(Stopped::Unheard)),
            room => Poll::Ready(Ok(room)),
        }
    }
}
