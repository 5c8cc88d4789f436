//! What DNS has said of a name so far into what to do when somebody asks for it.
//!
//! Guarantees: an answer is used for as long as it says, within bounds. While DNS is silent, the last good one goes on being used for
//! an hour (RFC 8767): what was an origin's address a moment before is a better guess than none.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// For how long an answer is used at least: a time to live of 0 must not mean a lookup for each request.
const SHORTEST: Duration = Duration::from_secs(1);
/// And at most: an origin that moves is found where it is now, whatever its zone said a day before.
const LONGEST: Duration = Duration::from_mins(5);
/// For how long it is believed that there is no such name: whoever just made it is waiting (RFC 2308 §5 sets no lower bound).
const ABSENT_FOR: Duration = Duration::from_secs(5);
/// RFC 8767 §4 speaks of days; but in a cluster, an address is soon another pod's.
const STALE_FOR: Duration = Duration::from_hours(1);
/// RFC 8767 §5, the failure recheck timer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// RFC 9520 §3.2: a failure counts for a second at least, also where nothing stands in.
const FAILED_FOR: Duration = Duration::from_secs(1);
/// How many names are known at a time.
const REMEMBERED: usize = 1_024;

/// What DNS said of a name.
#[derive(Clone, Debug, Default)]
pub struct Known {
    found: Option<Found>,
    absent_until: Duration,
    silent_until: Duration,
    /// DNS has been asked at all.
    failed: bool,
}

#[derive(Clone, Debug)]
struct Found {
    addresses: Arc<[IpAddr]>,
    since: Duration,
    until: Duration,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// These are its addresses.
    Use(Arc<[IpAddr]>),
    /// DNS was silent a moment ago; these were its addresses.
    UseStale(Arc<[IpAddr]>),
    /// It has none, or DNS failed a moment ago.
    Fail,
    /// DNS is to be asked. Where it does not answer soon, these were its addresses.
    Ask(Option<Arc<[IpAddr]>>),
}

impl Known {
    /// The verdict at a moment.
    pub fn judge(&self, now: Duration) -> Verdict {
        if now < self.absent_until {
            return Verdict::Fail;
        }
        let addresses = match &self.found {
            Some(found) if now < found.until => return Verdict::Use(Arc::clone(&found.addresses)),
            Some(found) if now < found.until + STALE_FOR => Some(Arc::clone(&found.addresses)),
            _ => None,
        };
        let is_silent = now < self.silent_until;
        match addresses {
            Some(addresses) if is_silent => Verdict::UseStale(addresses),
            None if is_silent && self.failed => Verdict::Fail,
            addresses => Verdict::Ask(addresses),
        }
    }

    /// DNS has these addresses.
    pub fn found(&mut self, addresses: Arc<[IpAddr]>, time_to_live: Duration, now: Duration) {
        let until = now + time_to_live.clamp(SHORTEST, LONGEST);
        *self = Self { found: Some(Found { addresses, since: now, until }), ..Self::default() };
    }

    /// DNS has answered that there is no address.
    pub fn absent(&mut self, time_to_live: Duration, now: Duration) {
        *self = Self { absent_until: now + time_to_live.clamp(SHORTEST, ABSENT_FOR), ..Self::default() };
    }

    /// DNS has not answered, or not to the point.
    pub fn failed(&mut self, now: Duration) {
        let pause = if self.found.is_some() { ASK_AGAIN_AFTER } else { FAILED_FOR };
        self.silent_until = now + pause;
        self.failed = true;
    }

    /// Nobody was at any of its addresses: it may have moved, so DNS is asked sooner, if it was not asked just now.
    pub fn doubted(&mut self, now: Duration) {
        if let Some(found) = &mut self.found
            && found.since + SHORTEST <= now
        {
            found.until = found.until.min(now);
        }
    }

    /// Whether there is nothing in it for anyone.
    fn is_over(&self, now: Duration) -> bool {
        self.judge(now) == Verdict::Ask(None)
    }
}

/// All names that were asked for.
#[derive(Debug, Default)]
pub struct Names<T> {
    by_name: HashMap<String, (Known, T)>,
}

impl<T: Default> Names<T> {
    /// What is known of a name, and what is kept beside it. Where there are too many, those of which nothing is known any more go, and
    /// then whichever: they are asked for again.
    pub fn of(&mut self, name: &str, now: Duration) -> &mut (Known, T) {
        if self.by_name.len() >= REMEMBERED && !self.by_name.contains_key(name) {
            self.by_name.retain(|_, (known, _)| !known.is_over(now));
            if self.by_name.len() >= REMEMBERED {
                self.by_name.clear();
            }
        }
        self.by_name.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(last: u8) -> Arc<[IpAddr]> {
        Arc::new([IpAddr::from([203, 0, 113, last])])
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn known(time_to_live: u64) -> Known {
        let mut known = Known::default();
        known.found(addresses(1), seconds(time_to_live), seconds(100));
        known
    }

    #[test]
    fn an_answer_is_used_for_as_long_as_it_says_within_bounds() {
        let check = |time_to_live, last: u64| {
            let known = known(time_to_live);
            assert_eq!(known.judge(seconds(100 + last - 1)), Verdict::Use(addresses(1)), "{time_to_live}");
            assert_eq!(known.judge(seconds(100 + last)), Verdict::Ask(Some(addresses(1))), "{time_to_live}");
        };
        check(30, 30);
        check(0, 1);
        check(86_400, 300);
        assert_eq!(Known::default().judge(seconds(0)), Verdict::Ask(None));
    }

    #[test]
    fn the_last_answer_stands_in_for_an_hour_while_dns_is_silent() {
        let mut known = known(10);
        known.failed(seconds(110));
        assert_eq!(known.judge(seconds(139)), Verdict::UseStale(addresses(1)));
        assert_eq!(
            known.judge(seconds(140)),
            Verdict::Ask(Some(addresses(1))),
            "and DNS is asked again from time to time"
        );
        known.failed(seconds(3_709));
        assert_eq!(known.judge(seconds(3_709)), Verdict::UseStale(addresses(1)));
        assert_eq!(known.judge(seconds(3_710)), Verdict::Fail);
        assert_eq!(known.judge(seconds(3_739)), Verdict::Ask(None));
        known.found(addresses(2), seconds(10), seconds(3_740));
        assert_eq!(known.judge(seconds(3_741)), Verdict::Use(addresses(2)));
    }

    #[test]
    fn that_there_is_no_such_name_is_believed_briefly_and_ends_what_was_there() {
        for (time_to_live, last) in [(0, 1), (3, 3), (3_600, 5)] {
            let mut known = known(10);
            known.absent(seconds(time_to_live), seconds(110));
            assert_eq!(known.judge(seconds(110 + last - 1)), Verdict::Fail, "{time_to_live}");
            assert_eq!(known.judge(seconds(110 + last)), Verdict::Ask(None), "{time_to_live}");
        }
    }

    #[test]
    fn a_failure_with_nothing_to_stand_in_counts_for_a_second() {
        let mut known = Known::default();
        known.failed(seconds(7));
        assert_eq!(known.judge(seconds(7)), Verdict::Fail);
        assert_eq!(known.judge(seconds(8)), Verdict::Ask(None));
    }

    #[test]
    fn a_name_at_whose_addresses_nobody_is_is_asked_for_again_but_not_over_and_over() {
        let mut known = known(300);
        known.doubted(seconds(100));
        assert_eq!(known.judge(seconds(100)), Verdict::Use(addresses(1)), "it was asked for just now");
        known.doubted(seconds(101));
        assert_eq!(known.judge(seconds(101)), Verdict::Ask(Some(addresses(1))));
    }

    #[test]
    fn how_many_names_are_known_is_bounded() {
        let mut names = Names::<()>::default();
        for number in 0..5_000 {
            names.of(&format!("{number}.test."), seconds(0)).0.found(addresses(1), seconds(300), seconds(0));
            assert!(names.by_name.len() <= REMEMBERED);
        }
    }
}
