//! A response's body into the data of a stream, as far as its viewer lets it.
//!
//! Guarantees: of a body no more is taken than one piece, and of that no more is handed over than there is room for; room is what the
//! viewer's windows (RFC 9113 §5.2) and the bytes that still wait for the socket leave. A body that ends early, or is longer or shorter
//! than its head says (§8.1.1), ends its stream in an error, never as if complete.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::{Body, Frame};
use thiserror::Error;

use crate::cut_off::{CutOff, End};
use crate::forward::body::BodyError;
use crate::listen::Ended;
use crate::respond::body::Source;

/// For how many bytes room is asked at a time: more would keep it from other streams.
const PIECE: usize = 64 * 1024;

/// A body on its way.
pub(super) struct Sending {
    pub(super) stream: SendStream<Bytes>,
    pub(super) source: Source,
    pub(super) ended: Ended,
    /// How many bytes the head promises, less those that were sent.
    pub(super) owed: Option<u64>,
    pub(super) sent: u64,
}

/// Why a body did not reach its end.
#[derive(Debug, Error)]
enum Stopped {
    #[error("the viewer has left")]
    ViewerLeft,
    #[error(transparent)]
    Broken(#[from] BodyError),
    #[error("it is not as long as its head says")]
    Length,
}

impl Stopped {
    fn cut_off(&self) -> CutOff {
        match self {
            Self::ViewerLeft => CutOff::ViewerLeft,
            Self::Broken(error) => error.cut_off(),
            Self::Length => CutOff::OriginMalformed,
        }
    }
}

impl Sending {
    /// Sends it to its end.
    pub(super) async fn run(mut self) {
        let end = match self.send().await {
            Ok(()) => End::Complete,
            Err(why) => {
                tracing::debug!(%why, "a response's body was cut short");
                self.stream.send_reset(Reason::INTERNAL_ERROR);
                End::Cut(why.cut_off())
            }
        };
        self.ended.ends(self.sent, end);
    }

    async fn send(&mut self) -> Result<(), Stopped> {
        while let Some(frame) = self.next().await? {
            match frame.into_data() {
                Ok(data) => {
                    if self.send_data(data).await? {
                        return Ok(());
                    }
                }
                Err(frame) => {
                    let Ok(trailers) = frame.into_trailers() else { continue };
                    self.settle()?;
                    return self.stream.send_trailers(trailers).map_err(|_| Stopped::ViewerLeft);
                }
            }
        }
        self.settle()?;
        self.hand_over(Bytes::new(), true)
    }

    /// The next piece, once it is there and as long as there is a viewer.
    async fn next(&mut self) -> Result<Option<Frame<Bytes>>, Stopped> {
        let frame = poll_fn(|cx| match self.stream.poll_reset(cx) {
            Poll::Ready(_) => Poll::Ready(Some(Err(Stopped::ViewerLeft))),
            Poll::Pending => Pin::new(&mut self.source).poll_frame(cx).map_err(Stopped::Broken),
        });
        frame.await.transpose()
    }

    /// Sends a piece as there is room for it; whether it was the last.
    async fn send_data(&mut self, mut data: Bytes) -> Result<bool, Stopped> {
        let length = data.len() as u64;
        self.owed = match self.owed {
            Some(owed) => Some(owed.checked_sub(length).ok_or(Stopped::Length)?),
            None => None,
        };
        let is_last = self.source.is_end_stream();
        while !data.is_empty() {
            let room = self.room_for(data.len().min(PIECE)).await?;
            let piece = data.split_to(room.min(data.len()));
            let ends = is_last && data.is_empty();
            if ends {
                self.settle()?;
            }
            self.hand_over(piece, ends)?;
        }
        Ok(is_last && length > 0)
    }

    /// Waits until there is room for some of `wanted` bytes.
    async fn room_for(&mut self, wanted: usize) -> Result<usize, Stopped> {
        self.stream.reserve_capacity(wanted);
        self.ended.waits();
        let room = poll_fn(|cx| self.poll_room(cx)).await;
        self.ended.goes_on();
        room
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Stopped>> {
        if self.stream.poll_reset(cx).is_ready() {
            return Poll::Ready(Err(Stopped::ViewerLeft));
        }
        match self.stream.capacity() {
            0 => self.stream.poll_capacity(cx).map(|room| room.and_then(Result::ok).ok_or(Stopped::ViewerLeft)),
            room => Poll::Ready(Ok(room)),
        }
    }

    fn hand_over(&mut self, piece: Bytes, ends: bool) -> Result<(), Stopped> {
        let length = piece.len() as u64;
        self.stream.send_data(piece, ends).map_err(|_| Stopped::ViewerLeft)?;
        self.sent += length;
        Ok(())
    }

    /// Whether all is sent that was promised.
    fn settle(&self) -> Result<(), Stopped> {
        if self.owed.is_none_or(|owed| owed == 0) { Ok(()) } else { Err(Stopped::Length) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use clap::Parser;
    use h2::{client, server};
    use http::{Request, Response};

    use super::*;
    use crate::clock::Clock;
    use crate::edge::assemble;
    use crate::listen::activity::Activity;
    use crate::settings::Settings;
    use crate::viewer::Viewer;

    fn ended() -> Ended {
        let settings = Settings::parse_from(["kubefront-edge", "--access-log", "false"]);
        let activity = Arc::new(Activity::default());
        activity.request_begins();
        let viewer = Viewer::imagined(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Ended::begins(&assemble(&settings, Clock::standing()), activity, &viewer, &Request::new(()))
    }

    /// What a viewer gets of a text whose head promises so many bytes.
    async fn sent(text: &'static str, owed: Option<u64>) -> Result<Vec<u8>, h2::Error> {
        let (viewer, edge) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut streams = server::handshake(edge).await.expect("is HTTP/2");
            let (_, mut reply) = streams.accept().await.expect("comes").expect("is sound");
            let stream = reply.send_response(Response::new(()), false).expect("is sent");
            let source = Source::Text(Bytes::from_static(text.as_bytes()));
            tokio::spawn(Sending { stream, source, ended: ended(), owed, sent: 0 }.run());
            while streams.accept().await.is_some() {}
        });
        let (mut requests, connection) = client::handshake(viewer).await.expect("is HTTP/2");
        tokio::spawn(connection);
        let request = Request::get("http://a/").body(()).expect("is one");
        let (response, _) = requests.send_request(request, true)?;
        let mut body = response.await?.into_body();
        let mut all = Vec::new();
        while let Some(data) = body.data().await {
            all.extend(data?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn a_body_that_is_not_as_long_as_its_head_says_never_looks_complete() {
        for (owed, is_whole) in [(None, true), (Some(4), true), (Some(3), false), (Some(5), false)] {
            let sent = sent("text", owed).await;
            let seen = sent.as_deref().map_err(h2::Error::reason);
            let expect = if is_whole { Ok(&b"text"[..]) } else { Err(Some(Reason::INTERNAL_ERROR)) };
            assert_eq!(seen, expect, "{owed:?}");
        }
    }
}
