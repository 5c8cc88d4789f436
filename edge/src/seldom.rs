//! What happens over and over into a line of the log now and then.

use std::time::Duration;

/// A line is due so seldom: others decide how often it happens.
pub const EVERY: Duration = Duration::from_mins(1);

/// When something was told last, and how often it has happened since.
#[derive(Debug, Default)]
pub struct Seldom {
    told: Option<Duration>,
    untold: u64,
}

impl Seldom {
    /// It has happened again. If that is to be told: how often it has before without being told.
    pub fn happens(&mut self, now: Duration) -> Option<u64> {
        if self.told.is_some_and(|told| now < told + EVERY) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_then_one_a_minute_with_how_many_were_not() {
        let mut seldom = Seldom::default();
        let at = [0, 0, 1, 59, 60, 61, 119, 120, 500].map(|second| seldom.happens(Duration::from_secs(second)));
        assert_eq!(at, [Some(0), None, None, None, Some(3), None, None, Some(2), Some(0)]);
    }
}
