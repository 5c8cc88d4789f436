//! What became of the last tries to reach an origin into whether it is worth another one.
//!
//! Flow: [`Breaker::leave`] before a request is sent → [`Breaker::record`] when it is known what became of each try.
//! Guarantees: it opens only where at least [`TRIES`] tries within [`WINDOW`], and half of them, met nobody; while it is open, one request
//! passes every [`PROBE_EVERY`]; the first answer closes it, and nothing of what was before counts any more.
//! Assumptions: `now` does not go back. The window moves by whole seconds, so it is between nine and ten of them long.

use std::time::Duration;

use crate::Moment;

/// The time within which tries count.
pub const WINDOW: Duration = Duration::from_secs(SECONDS as u64);
/// So many tries there must be before they say anything.
pub const TRIES: u32 = 20;
/// While it is open, one request passes in this time.
pub const PROBE_EVERY: Duration = Duration::from_secs(1);

const SECONDS: usize = 10;

/// What became of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// A response head came.
    Answered,
    /// Somebody was there, but no response came of it: that says nothing of whether the next try is worth its time.
    Met,
    /// Nobody was there: no address, no connection, or no word in time.
    Failed,
}

/// Whether a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// As always.
    Freely,
    /// To find out whether somebody is there again: one try.
    Once,
    /// It would wait in vain.
    Refused,
}

/// A change for which somebody may want to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Requests are refused from here on.
    Opened {
        /// So many tries met nobody.
        failed: u32,
        /// Of so many.
        tries: u32,
    },
    /// Requests pass again.
    Closed,
}

/// The tries to reach one origin.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    seconds: [Second; SECONDS],
    /// Open, and when the next request passes.
    probe_at: Option<Moment>,
}

/// The tries of one second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// Which one, counted from one, so that none is the first.
    number: u64,
    tries: u32,
    failed: u32,
}

impl Breaker {
    /// Whether requests are refused.
    pub fn is_open(&self) -> bool {
        self.probe_at.is_some()
    }

    /// Whether a request may be sent now.
    pub fn leave(&mut self, now: Moment) -> Leave {
        match self.probe_at {
            None => Leave::Freely,
            Some(at) if now < at => Leave::Refused,
            Some(_) => {
                self.probe_at = Some(Moment(now.0 + PROBE_EVERY));
                Leave::Once
            }
        }
    }

    /// Takes what became of a try, also of one that was begun before it opened.
    pub fn record(&mut self, outcome: Tried, now: Moment) -> Option<Turn> {
        if self.is_open() {
            let closes = outcome == Tried::Answered;
            return closes.then(|| *self = Self::default()).map(|()| Turn::Closed);
        }
        let number = now.0.as_secs() + 1;
        let slot = usize::try_from(number % SECONDS as u64).unwrap_or_default();
        if let Some(second) = self.seconds.get_mut(slot) {
            if second.number != number {
                *second = Second { number, ..Second::default() };
            }
            second.tries += 1;
            second.failed += u32::from(outcome == Tried::Failed);
        }
        let (failed, tries) = self.within(number);
        let opens = outcome == Tried::Failed && tries >= TRIES && failed * 2 >= tries;
        opens.then(|| self.probe_at = Some(Moment(now.0 + PROBE_EVERY))).map(|()| Turn::Opened { failed, tries })
    }

    fn within(&self, last: u64) -> (u32, u32) {
        let counted = self.seconds.iter().filter(|second| second.number > 0 && second.number + SECONDS as u64 > last);
        counted.fold((0, 0), |(failed, tries), second| (failed + second.failed, tries + second.tries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment(Duration::from_millis(milliseconds))
    }

    /// So many tries at a time each, in turn, and what came of the last.
    #[track_caller]
    fn check(all: &[(u32, Tried, u64)], expect: Option<Turn>) -> Breaker {
        let mut breaker = Breaker::default();
        let each = all.iter().flat_map(|(count, outcome, time)| (0..*count).map(move |_| (*outcome, at(*time))));
        let turns: Vec<_> = each.filter_map(|(outcome, now)| breaker.record(outcome, now)).collect();
        assert_eq!(turns.last().copied(), expect, "{all:?}");
        assert!(turns.len() <= 2, "{turns:?}");
        breaker
    }

    fn open() -> Breaker {
        check(&[(20, Tried::Failed, 0)], Some(Turn::Opened { failed: 20, tries: 20 }))
    }

    #[test]
    fn it_opens_when_half_of_at_least_twenty_tries_within_ten_seconds_met_nobody() {
        use Tried::{Answered, Failed, Met};
        check(&[(19, Failed, 0)], None);
        check(&[(10, Answered, 0), (9, Failed, 0)], None);
        check(&[(10, Answered, 0), (10, Failed, 0)], Some(Turn::Opened { failed: 10, tries: 20 }));
        check(&[(11, Answered, 0), (10, Failed, 0)], None);
        check(&[(10, Met, 0), (10, Failed, 9_900)], Some(Turn::Opened { failed: 10, tries: 20 }));
        check(&[(10, Failed, 0), (10, Failed, 10_000)], None);
        check(&[(10, Failed, 0), (10, Failed, 60_000)], None);
        check(&[(19, Failed, 0), (1, Failed, 9_999)], Some(Turn::Opened { failed: 20, tries: 20 }));
    }

    #[test]
    fn an_origin_that_breaks_off_is_there() {
        check(&[(1_000, Tried::Met, 0)], None);
        let mut breaker = open();
        assert_eq!(breaker.record(Tried::Met, at(1_000)), None);
        assert!(breaker.is_open());
    }

    #[test]
    fn no_answer_opens_it_though_more_than_half_had_failed_before() {
        check(&[(19, Tried::Failed, 0), (1, Tried::Answered, 0)], None);
    }

    #[test]
    fn while_it_is_open_one_request_passes_each_second() {
        let mut breaker = open();
        let mut passed = Vec::new();
        for time in (0..5_000).step_by(100) {
            match breaker.leave(at(time)) {
                Leave::Once => passed.push(time),
                leave => assert_eq!(leave, Leave::Refused),
            }
            assert_eq!(breaker.record(Tried::Failed, at(time)), None, "it is open already");
        }
        assert_eq!(passed, [1_000, 2_000, 3_000, 4_000]);
    }

    #[test]
    fn the_first_answer_closes_it_and_begins_a_new_count() {
        let mut breaker = open();
        assert_eq!(breaker.record(Tried::Answered, at(10)), Some(Turn::Closed));
        assert_eq!(breaker.leave(at(10)), Leave::Freely);
        for _ in 0..TRIES - 1 {
            assert_eq!(breaker.record(Tried::Failed, at(20)), None);
        }
        assert_eq!(breaker.record(Tried::Failed, at(20)), Some(Turn::Opened { failed: 20, tries: 20 }));
    }
}
