//! What an origin says to `Expect: 100-continue` into whether the viewer's body is read, and thereby asked for.
//!
//! RFC 9110 §10.1.1: the origin decides. A viewer is told to go on when its body is first read, so that is put off until the origin has
//! said so. An origin that knows nothing of expectations would wait for the body for ever: after a second it comes
//! unasked, as the clause lets any client send it. After a final response it is not wanted any more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Sleep;

/// How long an origin may take to say whether it wants a body.
const PATIENCE: Duration = Duration::from_secs(1);

/// What has been said of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Word {
    #[default]
    Nothing,
    /// It is wanted.
    GoOn,
    /// There is a final response, and the body was not asked for.
    Answered,
    /// That response has ended: there is nothing to wait for.
    Over,
}

/// The expectation of one request.
#[derive(Clone, Debug, Default)]
pub struct Expectation(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    word: Word,
    waker: Option<Waker>,
}

impl Expectation {
    /// The origin wants the body.
    pub fn go_on(&self) {
        self.say(|word| (word == Word::Nothing).then_some(Word::GoOn));
    }

    /// The origin has a final response.
    pub fn answered(&self) {
        self.say(|word| (word == Word::Nothing).then_some(Word::Answered));
    }

    /// The exchange is over; whether the body was never asked for, so that the connection still waits for it.
    pub fn over(&self) -> bool {
        self.say(|word| (word != Word::GoOn).then_some(Word::Over)) == Word::Over
    }

    fn say(&self, next: impl FnOnce(Word) -> Option<Word>) -> Word {
        let mut state = self.0.lock();
        if let Some(next) = next(state.word) {
            state.word = next;
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
        state.word
    }

    fn word(&self, cx: &Context<'_>) -> Word {
        let mut state = self.0.lock();
        state.waker = Some(cx.waker().clone());
        state.word
    }
}

/// The side that waits.
#[derive(Debug)]
pub struct Waiting {
    for_word: Expectation,
    patience: Option<Pin<Box<Sleep>>>,
}

impl Waiting {
    /// Waits for what is said of `expectation`.
    pub fn on(expectation: &Expectation) -> Self {
        Self { for_word: expectation.clone(), patience: None }
    }

    /// Whether the body is to be sent, once that is known.
    pub fn poll_wanted(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match self.for_word.word(cx) {
            Word::GoOn => return Poll::Ready(true),
            Word::Over => return Poll::Ready(false),
            Word::Answered => return Poll::Pending,
            Word::Nothing => {}
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
        if patience.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.for_word.go_on();
        self.poll_wanted(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::poll_fn;

    use super::*;
    use crate::clock::Clock;

    #[track_caller]
    fn check(say: impl FnOnce(&Expectation), expect: Option<bool>) {
        let expectation = Expectation::default();
        let mut waiting = Waiting::on(&expectation);
        assert_eq!(poll_fn(|cx| waiting.poll_wanted(cx)).now_or_never(), None);
        say(&expectation);
        assert_eq!(poll_fn(|cx| waiting.poll_wanted(cx)).now_or_never(), expect);
    }

    #[tokio::test]
    async fn a_body_is_sent_when_the_origin_asks_for_it() {
        check(|_| (), None);
        check(Expectation::go_on, Some(true));
        check(
            |said| {
                said.go_on();
                said.answered();
                assert!(!said.over(), "it is on its way");
            },
            Some(true),
        );
    }

    #[tokio::test]
    async fn a_body_that_was_not_asked_for_before_the_answer_never_is() {
        check(Expectation::answered, None);
        check(
            |said| {
                said.answered();
                said.go_on();
                assert!(said.over());
            },
            Some(false),
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_that_says_nothing_gets_the_body_after_a_second() {
        let mut waiting = Waiting::on(&Expectation::default());
        let began = Clock::deadline(Duration::ZERO);
        assert!(poll_fn(|cx| waiting.poll_wanted(cx)).await);
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
