//! The answers to a connection's requests into what stands behind a wish for another protocol (RFC 9110 §7.8).
//!
//! Behind a head that wishes for one may come the first bytes of it, or the next request: the answer alone says which. To take the one for
//! the other would let whoever writes those bytes smuggle requests, or lose them. So nobody is shown them before the answer is decided.

use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// What the answers so far have said.
#[derive(Debug, Default)]
pub(super) struct Switch(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    answered: u64,
    switched: bool,
    waker: Option<Waker>,
}

/// What stands behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// The next one.
    Request,
    /// What nobody here reads.
    OtherProtocol,
}

impl Switch {
    /// The answer to the next request is decided, and this is what it makes of the connection.
    pub(super) fn answered(&self, behind: Behind) {
        let mut state = self.0.lock();
        state.answered += 1;
        state.switched = behind == Behind::OtherProtocol;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// What stands behind the first so many requests, once all of them are answered.
    pub(super) fn poll_behind(&self, requests: u64, cx: &Context<'_>) -> Poll<Behind> {
        let mut state = self.0.lock();
        if state.answered < requests {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(if state.switched { Behind::OtherProtocol } else { Behind::Request })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::poll_fn;

    use super::*;

    #[test]
    fn only_the_answer_to_the_request_itself_says_what_stands_behind_it() {
        let switch = Switch::default();
        let behind = |requests| poll_fn(|cx| switch.poll_behind(requests, cx)).now_or_never();
        assert_eq!(behind(2), None);
        switch.answered(Behind::Request);
        assert_eq!((behind(1), behind(2)), (Some(Behind::Request), None));
        switch.answered(Behind::OtherProtocol);
        assert_eq!(behind(2), Some(Behind::OtherProtocol));
    }
}
