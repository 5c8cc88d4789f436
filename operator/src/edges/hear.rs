//! What arrives on a stream, as bytes, into what its seat is told, until it ends.

use std::time::Duration;

use bytes::Bytes;
use edge_contract::{FromEdge, Hello, LineTooLong, Lines, SILENCE_LIMIT_MS, decode_line};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::seen::Heard;
use super::stream::Seat;
use crate::causes::chain;

/// What went wrong on a stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error("nothing arrived for {SILENCE_LIMIT_MS} ms")]
    Silent,
    #[error("the body broke off")]
    Body(#[source] hyper::Error),
    #[error(transparent)]
    TooLong(#[from] LineTooLong),
    #[error("a line could not be read")]
    Line(#[source] serde_json::Error),
    #[error("the edge sent what it must not send here")]
    Unexpected,
}

/// A request's body as lines.
pub(super) struct BodyLines<B> {
    body: B,
    lines: Lines,
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> BodyLines<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body, lines: Lines::new() }
    }

    /// The next line, or nothing at the end of the body.
    async fn next(&mut self) -> Result<Option<FromEdge>, StreamError> {
        loop {
            if let Some(line) = self.lines.next_line()? {
                return decode_line(&line).map(Some).map_err(StreamError::Line);
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            if let Ok(piece) = frame.map_err(StreamError::Body)?.into_data() {
                self.lines.push(&piece);
            }
        }
    }
}

pub(super) async fn read_hello<B>(body: &mut BodyLines<B>) -> Result<Hello, StreamError>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    let silence = Duration::from_millis(SILENCE_LIMIT_MS);
    match timeout(silence, body.next()).await.map_err(|_| StreamError::Silent)?? {
        Some(FromEdge::Hello(hello)) => Ok(hello),
        _ => Err(StreamError::Unexpected),
    }
}

/// The direction from the edge, until it ends or falls silent.
pub(super) async fn listen<B>(mut body: BodyLines<B>, seat: Seat, expires: Instant)
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    let reading = seat.closed.run_until_cancelled(read_lines(&mut body, &seat));
    match timeout_at(expires, reading).await {
        Ok(None | Some(Ok(()))) => tracing::info!(distribution = %seat.distribution, uid = seat.uid, "stream ended"),
        Ok(Some(Err(error))) => {
            tracing::warn!(distribution = %seat.distribution, uid = seat.uid, error = chain(&error), "stream closed");
        }
        Err(_) => tracing::info!(distribution = %seat.distribution, uid = seat.uid, "stream closed: its token ends"),
    }
    seat.leave();
}

async fn read_lines<B>(body: &mut BodyLines<B>, seat: &Seat) -> Result<(), StreamError>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    let silence = Duration::from_millis(SILENCE_LIMIT_MS);
    while let Some(line) = timeout(silence, body.next()).await.map_err(|_| StreamError::Silent)?? {
        match seat.hear(line) {
            Heard::News | Heard::Nothing => {}
            Heard::Last => return Ok(()),
            Heard::Unexpected => return Err(StreamError::Unexpected),
        }
    }
    Ok(())
}
