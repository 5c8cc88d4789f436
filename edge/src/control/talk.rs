//! One open stream into what its lines do to this edge, until it breaks, is left, or has said goodbye.

use std::time::Duration;

use bytes::Bytes;
use edge_contract::{FromEdge, LineTooLong, Lines, SILENCE_LIMIT_MS, encode_line};
use http_body::Frame;
use http_body_util::BodyExt;
use http_body_util::channel::Sender;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::open::{Failure, Incoming, Opened};
use super::session::{self, Leave, Session};
use crate::clock::Clock;
use crate::live::Phase;
use crate::observed::Observed;

/// A stream on which nothing arrives for this long, or on which nothing can be sent, is dead.
pub const SILENCE: Duration = Duration::from_millis(SILENCE_LIMIT_MS);
/// For how long news of what only this edge can see are gathered before they are told.
const GATHER: Duration = Duration::from_millis(500);
/// How long the other side may take to end a stream that was ended here.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Why a stream ended that should have gone on.
#[derive(Debug, Error)]
pub enum TalkError {
    /// Nothing arrived.
    #[error("the operator was silent for {SILENCE:?}")]
    Silent,
    /// Nothing could be sent.
    #[error("the operator takes no answers")]
    Unsent,
    /// The operator ended it.
    #[error("the operator ended the stream")]
    Ended,
    /// The connection failed.
    #[error("the stream broke")]
    Broken(#[source] Failure),
    /// A line is longer than any may be.
    #[error("reading a line")]
    TooLong(#[source] LineTooLong),
    /// A line is not of this contract.
    #[error("understanding a line")]
    Unreadable(#[source] serde_json::Error),
    /// An answer cannot be written.
    #[error("writing an answer")]
    Unwritable(#[source] serde_json::Error),
    /// A line says that this is not the stream to follow.
    #[error(transparent)]
    Left(#[from] Leave),
}

/// How a stream ends as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// Its token's life is nearly over.
    Renew,
    /// The operator has heard the last word of this process.
    SaidGoodbye,
}

/// What a stream waits for.
enum Event {
    Piece(Option<Result<Frame<Bytes>, Failure>>),
    Silent,
    Renew,
    Drained,
    Swept(u64),
    Observed,
}

/// What else than lines moves a stream.
struct Waits {
    phases: watch::Receiver<Phase>,
    swept: watch::Receiver<u64>,
    observed: watch::Receiver<Observed>,
    /// When what was observed is told: together with what is observed until then.
    tell_at: Option<Instant>,
    silent_at: Instant,
    renew_at: Instant,
}

/// Follows the stream to its end.
pub async fn talk(mut opened: Opened, session: &mut Session) -> Result<Finished, TalkError> {
    session.begin();
    let live = session.live();
    let mut waits = Waits {
        phases: live.phases(),
        swept: live.purge().swept(),
        observed: live.observing().changes(),
        tell_at: None,
        silent_at: Clock::deadline(SILENCE),
        renew_at: Clock::deadline(opened.reopen_after),
    };
    let mut lines = Lines::new();
    loop {
        match waits.next(&mut opened.incoming).await {
            Event::Piece(None) => return Err(TalkError::Ended),
            Event::Piece(Some(piece)) => {
                let piece = piece.map_err(TalkError::Broken)?;
                waits.silent_at = Clock::deadline(SILENCE);
                lines.push(piece.data_ref().map_or(&[], |data| data.as_ref()));
                hear(&mut lines, session, &mut opened.outgoing).await?;
            }
            Event::Swept(swept) => send(&mut opened.outgoing, session.swept(swept)).await?,
            Event::Observed => {
                waits.tell_at = None;
                send(&mut opened.outgoing, session.observed_meanwhile()).await?;
            }
            Event::Silent => return Err(TalkError::Silent),
            Event::Renew => {
                // What is lost with the old stream, if anything, the next hello says again.
                let _ = close(opened, lines).await;
                return Ok(Finished::Renew);
            }
            Event::Drained => {
                send(&mut opened.outgoing, vec![session.goodbye()]).await?;
                return close(opened, lines).await.map(|()| Finished::SaidGoodbye);
            }
        }
    }
}

impl Waits {
    async fn next(&mut self, incoming: &mut Incoming) -> Event {
        tokio::select! {
            // Lines first: what has arrived is never taken for silence.
            biased;
            piece = incoming.frame() => Event::Piece(piece),
            () = drained(&mut self.phases) => Event::Drained,
            swept = next_swept(&mut self.swept) => Event::Swept(swept),
            () = news(&mut self.observed, &mut self.tell_at) => Event::Observed,
            () = sleep_until(self.silent_at) => Event::Silent,
            () = sleep_until(self.renew_at) => Event::Renew,
        }
    }
}

/// Until the last response of this process has ended.
pub async fn drained(phases: &mut watch::Receiver<Phase>) {
    reached(Phase::Drained, phases).await;
}

/// Until this process has come so far.
pub async fn reached(phase: Phase, phases: &mut watch::Receiver<Phase>) {
    if phases.wait_for(|current| *current >= phase).await.is_err() {
        // Whoever drains is gone, so nobody ever will.
        std::future::pending::<()>().await;
    }
}

async fn next_swept(swept: &mut watch::Receiver<u64>) -> u64 {
    if swept.changed().await.is_err() {
        return std::future::pending().await;
    }
    *swept.borrow_and_update()
}

/// Until something else was observed and its time has come. The time stays set where the wait is given up meanwhile.
async fn news(observed: &mut watch::Receiver<Observed>, tell_at: &mut Option<Instant>) {
    if tell_at.is_none() && observed.changed().await.is_err() {
        return std::future::pending().await;
    }
    sleep_until(*tell_at.get_or_insert_with(|| Clock::deadline(GATHER))).await;
}

/// Takes every whole line that has arrived.
async fn hear(lines: &mut Lines, session: &mut Session, outgoing: &mut Sender<Bytes>) -> Result<(), TalkError> {
    while let Some(line) = lines.next_line().map_err(TalkError::TooLong)? {
        let reply = session.hear(&line).map_err(TalkError::Unreadable)?;
        send(outgoing, reply.answers).await?;
        if let Some(leave) = reply.leave {
            return Err(leave.into());
        }
    }
    Ok(())
}

async fn send(outgoing: &mut Sender<Bytes>, answers: impl IntoIterator<Item = FromEdge>) -> Result<(), TalkError> {
    for answer in answers {
        let line = encode_line(&answer).map_err(TalkError::Unwritable)?;
        let sent = timeout(SILENCE, outgoing.send_data(line.into())).await;
        sent.map_err(|_| TalkError::Unsent)?.map_err(|_| TalkError::Unsent)?;
    }
    Ok(())
}

/// Ends both directions in order: that the other side ends its own says that it has read everything, unless it does not lead, and
/// has read nothing.
async fn close(opened: Opened, mut lines: Lines) -> Result<(), TalkError> {
    let Opened { outgoing, mut incoming, mut connection, .. } = opened;
    drop(outgoing);
    let until_the_end = async {
        while let Some(piece) = incoming.frame().await {
            let piece = piece.map_err(TalkError::Broken)?;
            lines.push(piece.data_ref().map_or(&[], |data| data.as_ref()));
            while let Some(line) = lines.next_line().map_err(TalkError::TooLong)? {
                session::misdirected(&line)?;
            }
        }
        drop(incoming);
        connection.join_next().await;
        Ok(())
    };
    timeout(CLOSE_LIMIT, until_the_end).await.unwrap_or(Err(TalkError::Silent))
}

#[cfg(test)]
mod tests {
    use edge_contract::ReferenceState;

    use super::*;
    use crate::observed::Observing;

    #[tokio::test(start_paused = true)]
    async fn what_is_observed_within_half_a_second_is_told_at_once() {
        let observing = Observing::default();
        let (mut changes, mut tell_at) = (observing.changes(), None);
        let lacks = |field: &str| vec![ReferenceState { field: field.into(), message: "create it".into() }];
        let began = Clock::deadline(Duration::ZERO);
        observing.take_references(lacks("spec.a"));
        for field in ["spec.b", "spec.c"] {
            // A line arrives meanwhile, and the wait begins again.
            let waited = timeout(GATHER / 5, news(&mut changes, &mut tell_at)).await;
            waited.expect_err("it is not yet time");
            observing.take_references(lacks(field));
        }
        news(&mut changes, &mut tell_at).await;
        assert_eq!(Clock::deadline(Duration::ZERO) - began, GATHER);
    }
}
