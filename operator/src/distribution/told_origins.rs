//! What edges say of origins, look by look, into what is told of it: nothing else more often than every ten seconds.
//!
//! Guarantees: that an origin does not answer is told at once if nothing was told within [`APART`]; everything else that edges say of
//! origins is told so long after what was told last, and that all answer once no edge said otherwise for [`CALM`]. So origins that
//! come and go on many edges are one write of the status in ten seconds, and one Event, not one for each edge and turn. What another
//! generation makes of it is told at once.
//! Assumptions: it is remembered by this process; the next leader begins with what it hears.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::names::DistributionKey;
use crate::reports::Reports;

/// How far apart at least two things are told.
const APART: Duration = Duration::from_secs(10);

/// How long every edge has to find all origins well before that is told.
const CALM: Duration = Duration::from_secs(30);

/// What was told last of each Distribution's origins.
#[derive(Default)]
pub struct ToldOrigins(Mutex<HashMap<DistributionKey, Told>>);

#[derive(Debug, Default)]
struct Told {
    generation: i64,
    /// What was told, and when; nothing said before was that all are well.
    words: Option<String>,
    at: Option<Instant>,
    /// Since when every edge finds all well, though something else is told.
    well_since: Option<Instant>,
}

impl ToldOrigins {
    /// Has the reports say what is to be told; when to look again, where that is not what edges say now.
    pub fn steady(
        &self,
        key: &DistributionKey,
        generation: i64,
        reports: &mut Reports,
        now: Instant,
    ) -> Option<Instant> {
        let mut all = self.0.lock();
        let told = all.entry(key.clone()).or_default();
        let due = told.take(generation, reports.unhealthy(), now)?;
        reports.tell_as_before(told.words.clone());
        Some(due)
    }

    /// Forgets a Distribution that is gone.
    pub fn forget(&self, key: &DistributionKey) {
        self.0.lock().remove(key);
    }
}

impl Told {
    /// Takes what edges say: nothing if that is told now, else when it is to be.
    fn take(&mut self, generation: i64, said: Option<String>, now: Instant) -> Option<Instant> {
        if self.generation != generation {
            *self = Self { generation, ..Self::default() };
        }
        self.well_since = said.is_none().then(|| self.well_since.unwrap_or(now));
        if said == self.words {
            return None;
        }
        let apart = self.at.map(|at| at + APART);
        let calm = self.well_since.map(|since| since + CALM);
        let due = apart.max(calm).filter(|due| now < *due);
        if due.is_none() {
            (self.words, self.at) = (said, Some(now));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What edges say in which second, what is told then, and in which second it is looked again.
    type Look = (u64, Option<&'static str>, Option<&'static str>, Option<u64>);

    #[track_caller]
    fn check(looks: &[Look]) {
        let began = crate::clock::monotonic();
        let mut told = Told::default();
        for (second, said, expect, again) in looks {
            let due = told.take(1, said.map(str::to_owned), began + Duration::from_secs(*second));
            assert_eq!(told.words.as_deref(), *expect, "in second {second}");
            assert_eq!(due.map(|due| (due - began).as_secs()), *again, "in second {second}");
        }
    }

    #[test]
    fn trouble_is_told_at_once_and_other_words_ten_seconds_later() {
        check(&[
            (0, None, None, None),
            (3, Some("one"), Some("one"), None),
            (4, Some("two"), Some("one"), Some(13)),
            (12, Some("three"), Some("one"), Some(13)),
            (13, Some("three"), Some("three"), None),
            (14, Some("three"), Some("three"), None),
        ]);
    }

    #[test]
    fn that_all_are_well_is_told_once_nobody_said_otherwise_for_a_while() {
        check(&[
            (0, Some("one"), Some("one"), None),
            (100, None, Some("one"), Some(130)),
            (120, Some("one"), Some("one"), None),
            (121, None, Some("one"), Some(151)),
            (150, None, Some("one"), Some(151)),
            (151, None, None, None),
            (152, Some("one"), None, Some(161)),
            (161, Some("one"), Some("one"), None),
        ]);
    }

    #[test]
    fn an_origin_that_comes_and_goes_stays_in_trouble() {
        let mut told = Told::default();
        let (began, mut changes) = (crate::clock::monotonic(), Vec::new());
        for tenth in 0..6_000_u64 {
            let said = (!tenth.is_multiple_of(7)).then(|| format!("on {} of 20 edges", tenth % 19));
            let before = told.words.clone();
            told.take(1, said, began + Duration::from_millis(tenth * 100));
            if told.words != before {
                changes.push(tenth);
                assert!(told.words.is_some(), "after {tenth} tenths of a second");
            }
        }
        assert!(changes.windows(2).all(|pair| pair[1] - pair[0] >= 100), "{changes:?}");
        assert!((50..=61).contains(&changes.len()), "ten minutes: {changes:?}");
    }

    #[test]
    fn another_generation_is_another_story() {
        let (mut told, now) = (Told::default(), crate::clock::monotonic());
        assert_eq!(told.take(1, Some("one".into()), now), None);
        assert_eq!(told.take(2, None, now), None);
        assert_eq!(told.words, None);
    }
}
