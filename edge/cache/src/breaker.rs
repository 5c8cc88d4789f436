//! What became of the last tries to reach an origin into whether it is worth another one.
//!
//! Flow: [`Breaker::leave`] before a request is sent → [`Breaker::record`] when it is known what became of each try →
//! [`Breaker::found_out`].
//! Guarantees: it opens where of at least [`TRIES`] tries within [`WINDOW`] half met nobody; and where [`IN_A_ROW`] did one after the other,
//! however far apart. A failure counts among those only if nobody was met since its try began: what is slow beside others that
//! answer is no sign of an absence. Nor is a moment's: the row has to last for [`PROBE_EVERY`], as long as a refusal will. While it is open,
//! one request passes every [`PROBE_EVERY`], and of those that have all their time no second while one is under way; the first answer closes
//! it, and nothing of what was before counts any more.
//! Assumptions: `now` does not go back. The window moves by whole seconds, so it is between nine and ten of them long.

use std::fmt;
use std::time::Duration;

use crate::Moment;

/// The time within which tries count.
pub const WINDOW: Duration = Duration::from_secs(SECONDS as u64);
/// So many tries there must be in it before they say anything.
pub const TRIES: u32 = 20;
/// So many say enough where nobody was met in between.
pub const IN_A_ROW: u32 = 5;
/// While it is open, no more than one request passes in this time.
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
    /// To find out whether somebody is there again: one try, with all its time. No other has that before [`Breaker::found_out`].
    Once,
    /// The same beside one that is under way, for no longer than [`PROBE_EVERY`].
    Briefly,
    /// It would wait in vain.
    Refused,
}

/// A change for which somebody may want to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Requests are refused from here on.
    Opened(Evidence),
    /// Requests pass again.
    Closed,
}

/// What says that nobody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Too many of the last tries met nobody.
    Often {
        /// So many.
        failed: u32,
        /// Of so many.
        tries: u32,
    },
    /// So many in a row did.
    InARow(u32),
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Often { failed, tries } => write!(f, "{failed} of {tries} tries within {SECONDS} s"),
            Self::InARow(failed) => write!(f, "{failed} tries in a row"),
        }
    }
}

/// The tries to reach one origin.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    seconds: [Second; SECONDS],
    /// When somebody was met last.
    met: Option<Moment>,
    row: Option<Row>,
    /// Open, and when the next request passes.
    probe_at: Option<Moment>,
    /// One that has all its time is under way.
    probing: bool,
}

/// The tries of one second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// Which one, counted from one, so that none is the first.
    number: u64,
    tries: u32,
    failed: u32,
}

/// The tries in which nobody was met, since somebody was.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// When the first of them began.
    since: Moment,
    failed: u32,
}

impl Breaker {
    /// Whether requests are refused.
    pub fn is_open(&self) -> bool {
        self.probe_at.is_some()
    }

    /// Whether a request may be sent now; one to which a little time is of use, also briefly.
    pub fn leave(&mut self, now: Moment, briefly: bool) -> Leave {
        match self.probe_at {
            None => Leave::Freely,
            Some(at) if now < at || (self.probing && !briefly) => Leave::Refused,
            Some(_) => {
                self.probe_at = Some(Moment(now.0 + PROBE_EVERY));
                if std::mem::replace(&mut self.probing, true) { Leave::Briefly } else { Leave::Once }
            }
        }
    }

    /// The request that was sent by [`Leave::Once`] has ended, however it did.
    pub fn found_out(&mut self) {
        self.probing = false;
    }

    /// Takes what became of a try, also of one that was begun before it opened.
    pub fn record(&mut self, outcome: Tried, begun: Moment, now: Moment) -> Option<Turn> {
        if self.is_open() {
            let closes = outcome == Tried::Answered;
            let anew = Self { met: Some(now), probing: self.probing, ..Self::default() };
            return closes.then(|| *self = anew).map(|()| Turn::Closed);
        }
        let (often, in_a_row) = (self.weigh(outcome, now), self.follow(outcome, begun, now));
        let evidence = often.or(in_a_row)?;
        self.probe_at = Some(Moment(now.0 + PROBE_EVERY));
        Some(Turn::Opened(evidence))
    }

    /// Whether it is one too many of those within the window.
    fn weigh(&mut self, outcome: Tried, now: Moment) -> Option<Evidence> {
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
        let is_too_often = outcome == Tried::Failed && tries >= TRIES && failed * 2 >= tries;
        is_too_often.then_some(Evidence::Often { failed, tries })
    }

    fn within(&self, last: u64) -> (u32, u32) {
        let counted = self.seconds.iter().filter(|second| second.number > 0 && second.number + SECONDS as u64 > last);
        counted.fold((0, 0), |(failed, tries), second| (failed + second.failed, tries + second.tries))
    }

    /// Whether it is one too many in a row.
    fn follow(&mut self, outcome: Tried, begun: Moment, now: Moment) -> Option<Evidence> {
        if outcome != Tried::Failed {
            (self.met, self.row) = (Some(now), None);
            return None;
        }
        if self.met.is_some_and(|met| begun < met) {
            return None;
        }
        let before = self.row.unwrap_or(Row { since: begun, failed: 0 });
        let row = Row { since: before.since.min(begun), failed: before.failed.saturating_add(1) };
        self.row = Some(row);
        let is_enough = row.failed >= IN_A_ROW && now.since(row.since) >= PROBE_EVERY;
        is_enough.then_some(Evidence::InARow(row.failed))
    }
}

#[cfg(test)]
mod tests {
    use super::Tried::{Answered, Failed, Met};
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment(Duration::from_millis(milliseconds))
    }

    /// Records what became of tries, each with when it began and when that was known, and says what came of the last.
    #[track_caller]
    fn check_each(all: impl IntoIterator<Item = (Tried, u64, u64)>, expect: Option<Evidence>) -> Breaker {
        let (mut breaker, mut turns) = (Breaker::default(), Vec::new());
        for (outcome, begun, now) in all {
            assert_eq!(turns, [], "it has opened before");
            turns.extend(breaker.record(outcome, at(begun), at(now)));
        }
        assert_eq!(turns, expect.map(Turn::Opened).into_iter().collect::<Vec<_>>());
        breaker
    }

    /// The same of so many tries each, which take no time.
    #[track_caller]
    fn check(all: &[(u32, Tried, u64)], expect: Option<Evidence>) -> Breaker {
        let each = all.iter().flat_map(|(count, outcome, time)| (0..*count).map(move |_| (*outcome, *time, *time)));
        check_each(each, expect)
    }

    fn often(failed: u32, tries: u32) -> Evidence {
        Evidence::Often { failed, tries }
    }

    fn open() -> Breaker {
        check(&[(20, Failed, 0)], Some(often(20, 20)))
    }

    #[test]
    fn it_opens_when_half_of_at_least_twenty_tries_within_ten_seconds_met_nobody() {
        check(&[(19, Failed, 0)], None);
        check(&[(10, Answered, 0), (9, Failed, 0)], None);
        check(&[(10, Answered, 0), (10, Failed, 0)], Some(often(10, 20)));
        check(&[(11, Answered, 0), (10, Failed, 0)], None);
        check(&[(10, Met, 0), (10, Failed, 9_900)], Some(often(10, 20)));
        check(&[(9, Failed, 0), (1, Met, 0), (10, Failed, 10_000)], None);
        check(&[(9, Failed, 0), (1, Met, 0), (10, Failed, 60_000)], None);
        check(&[(9, Failed, 0), (1, Met, 0), (10, Failed, 9_999)], Some(often(19, 20)));
    }

    #[test]
    fn it_opens_when_five_in_a_row_met_nobody_however_far_apart_and_whatever_was_before() {
        let apart = |since: u64, apart: u64, count: u64| {
            (0..count).map(move |number| (Failed, since + number * apart, since + number * apart + 1))
        };
        check_each(apart(0, 1_000, 4), None);
        check_each(apart(0, 1_000, 5), Some(Evidence::InARow(5)));
        check_each(apart(0, 3_600_000, 5), Some(Evidence::InARow(5)));
        let well = || (0..1_000).map(|number| (Answered, number, number));
        check_each(well().chain(apart(1_000, 250, 5)), Some(Evidence::InARow(5)));
        let between = |outcome| apart(0, 1_000, 4).chain([(outcome, 5_000, 5_000)]).chain(apart(6_000, 1_000, 4));
        check_each(between(Answered), None);
        check_each(between(Met), None);
    }

    #[test]
    fn those_that_wait_together_for_one_that_says_nothing_to_anybody_count_each() {
        check_each((0..5).map(|number| (Failed, number, 30_000 + number)), Some(Evidence::InARow(5)));
    }

    #[test]
    fn what_is_slow_beside_others_that_answer_is_no_sign_of_an_absence() {
        let slow = |begun: u64| (0..5).map(move |number| (Failed, begun + number, begun + 30_000 + number));
        let page = [(Answered, 20_000, 20_001)];
        check_each(page.into_iter().chain(slow(0)), None);
        check_each(page.into_iter().chain(slow(0)).chain(slow(19_000)), None);
        check_each(page.into_iter().chain(slow(20_001)), Some(Evidence::InARow(5)));
    }

    #[test]
    fn nobody_for_a_moment_is_no_absence() {
        check(&[(5, Failed, 0), (10, Failed, 999)], None);
        check(&[(5, Failed, 0), (1, Failed, 1_000)], Some(Evidence::InARow(6)));
        check(&[(4, Failed, 0), (1, Answered, 500), (5, Failed, 1_400)], None);
    }

    #[test]
    fn an_origin_that_breaks_off_is_there() {
        check(&[(1_000, Met, 0)], None);
        let mut breaker = open();
        assert_eq!(breaker.record(Met, at(1_000), at(1_000)), None);
        assert!(breaker.is_open());
    }

    #[test]
    fn no_answer_opens_it_though_more_than_half_had_failed_before() {
        check(&[(19, Failed, 0), (1, Answered, 0)], None);
    }

    #[test]
    fn while_it_is_open_one_request_passes_each_second() {
        let mut breaker = open();
        let mut passed = Vec::new();
        for time in (0..5_000).step_by(100) {
            match breaker.leave(at(time), time % 200 == 0) {
                Leave::Once => passed.push(time),
                leave => assert_eq!(leave, Leave::Refused),
            }
            assert_eq!(breaker.record(Failed, at(time), at(time)), None, "it is open already");
            breaker.found_out();
        }
        assert_eq!(passed, [1_000, 2_000, 3_000, 4_000]);
    }

    #[test]
    fn while_one_is_under_way_only_those_pass_to_which_a_little_time_is_of_use() {
        let mut breaker = open();
        assert_eq!(breaker.leave(at(1_000), false), Leave::Once);
        for (time, briefly, expect) in [
            (1_999, true, Leave::Refused),
            (9_000, false, Leave::Refused),
            (9_000, true, Leave::Briefly),
            (9_999, true, Leave::Refused),
            (10_000, true, Leave::Briefly),
            (10_999, false, Leave::Refused),
            (60_000, false, Leave::Refused),
        ] {
            assert_eq!(breaker.leave(at(time), briefly), expect, "at {time}");
        }
        breaker.found_out();
        assert_eq!(breaker.leave(at(60_000), true), Leave::Once);
    }

    #[test]
    fn one_that_is_still_under_way_when_it_opens_again_is_not_the_less() {
        let mut breaker = open();
        assert_eq!(breaker.leave(at(1_000), false), Leave::Once);
        assert_eq!(breaker.record(Answered, at(0), at(1_500)), Some(Turn::Closed));
        for _ in 0..TRIES {
            breaker.record(Failed, at(2_000), at(2_000));
        }
        assert_eq!((breaker.is_open(), breaker.leave(at(5_000), false)), (true, Leave::Refused));
    }

    #[test]
    fn the_first_answer_closes_it_and_begins_a_new_count() {
        let mut breaker = open();
        assert_eq!(breaker.record(Answered, at(0), at(10)), Some(Turn::Closed));
        assert_eq!(breaker.leave(at(10), false), Leave::Freely);
        for _ in 0..TRIES - 1 {
            assert_eq!(breaker.record(Failed, at(0), at(2_000)), None, "begun before that answer");
        }
        assert_eq!(breaker.record(Failed, at(0), at(2_000)), Some(Turn::Opened(often(20, 20))));
    }

    #[test]
    fn what_it_opened_for_is_said_in_words() {
        assert_eq!(often(10, 20).to_string(), "10 of 20 tries within 10 s");
        assert_eq!(Evidence::InARow(5).to_string(), "5 tries in a row");
    }
}
