//! The only place of the edge that asks what time it is; everything else is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use edge_cache::date::Date;

/// A clock that every part of one edge shares.
///
/// Guarantees: [`Now::monotonic`] never goes back. Wall time may jump; ages are therefore counted on the monotonic side,
/// and wall time is only written into `Date` or compared with dates that an origin wrote.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    /// The date at which it stands, if it does.
    stands: Option<SystemTime>,
    skipped: Arc<AtomicU64>,
}

/// One moment, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since this edge started.
    pub monotonic: Duration,
    /// What the machine believes the date to be.
    pub wall: SystemTime,
}

impl Now {
    /// The date in whole seconds.
    pub fn date(self) -> Date {
        let since = self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Date(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

impl Clock {
    /// The machine's clocks.
    #[expect(clippy::disallowed_methods, reason = "this is the clock.rs that the lint points to")]
    pub fn system() -> Self {
        Self { start: Instant::now(), stands: None, skipped: Arc::default() }
    }

    /// A clock that stands still but for [`Clock::skip`], for tests that are exact to the second.
    #[expect(clippy::disallowed_methods, reason = "this is the clock.rs that the lint points to")]
    pub fn standing() -> Self {
        Self { start: Instant::now(), stands: Some(SystemTime::now()), skipped: Arc::default() }
    }

    /// This moment.
    #[expect(clippy::disallowed_methods, reason = "this is the clock.rs that the lint points to")]
    pub fn now(&self) -> Now {
        let skipped = Duration::from_millis(self.skipped.load(Ordering::Acquire));
        if let Some(stands) = self.stands {
            return Now { monotonic: skipped, wall: stands + skipped };
        }
        Now { monotonic: self.start.elapsed() + skipped, wall: SystemTime::now() + skipped }
    }

    /// The moment at which a timer that is set now for `after` fires.
    #[expect(clippy::disallowed_methods, reason = "this is the clock.rs that the lint points to")]
    pub fn deadline(after: Duration) -> tokio::time::Instant {
        tokio::time::Instant::now() + after
    }

    /// Lets time pass at once, for tests that would otherwise have to wait.
    pub fn skip(&self, by: Duration) {
        self.skipped.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_was_skipped_has_passed_on_both_clocks() {
        let clock = Clock::system();
        let before = clock.now();
        clock.clone().skip(Duration::from_mins(1));
        let after = clock.now();
        assert!(after.monotonic >= before.monotonic + Duration::from_mins(1));
        assert!(after.wall >= before.wall + Duration::from_mins(1));
    }
}
