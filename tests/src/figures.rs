//! Turns measured times into the lines of a table: what was measured, its median and P99, and what was promised.

use std::time::Duration;

/// One line of the table.
pub struct Figure {
    /// What was measured, and how often.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What was promised.
    pub promised: String,
    /// Whether the promise holds.
    pub kept: bool,
}

impl Figure {
    /// The P99 of so many samples, held against a promise. With fewer than 100 samples that is the slowest.
    pub fn of_times(what: &str, mut samples: Vec<Duration>, promised: Duration) -> Self {
        samples.sort();
        let slow = percentile(&samples, 99);
        let found = format!("median {}, P99 {}", seconds(percentile(&samples, 50)), seconds(slow));
        let what = format!("{what} ({} samples)", samples.len());
        Self { what, found, promised: format!("≤ {}", seconds(promised)), kept: slow <= promised }
    }

    /// A count or a size, held against the most that was promised.
    pub fn of_count(what: &str, found: u64, unit: &str, most: u64) -> Self {
        let promised = format!("≤ {most} {unit}");
        Self { what: what.to_owned(), found: format!("{found} {unit}"), promised, kept: found <= most }
    }

    /// A count of which nothing is promised.
    pub fn of_count_as_found(what: &str, found: u64, unit: &str) -> Self {
        Self { what: what.to_owned(), found: format!("{found} {unit}"), promised: "nothing".into(), kept: true }
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = if self.kept { "yes" } else { "NO" };
        write!(f, "| {} | {} | {} | {verdict} |", self.what, self.found, self.promised)
    }
}

/// The smallest sample that so many of a hundred do not exceed, of samples in order.
fn percentile(sorted: &[Duration], of_hundred: usize) -> Duration {
    let rank = (sorted.len() * of_hundred).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_that_so_many_do_not_exceed() {
        let samples = |count: u64| (1..=count).map(Duration::from_millis).collect::<Vec<_>>();
        for (count, of_hundred, expect) in [(1, 99, 1), (5, 50, 3), (5, 99, 5), (100, 99, 99), (300, 99, 297)] {
            let found = percentile(&samples(count), of_hundred);
            assert_eq!(found, Duration::from_millis(expect), "P{of_hundred} of {count}");
        }
    }

    #[test]
    fn a_promise_is_held_against_the_slow_ones() {
        let mut samples = vec![Duration::from_millis(10); 300];
        assert!(Figure::of_times("x", samples.clone(), Duration::from_millis(10)).kept);
        samples[..4].fill(Duration::from_secs(2));
        assert!(!Figure::of_times("x", samples, Duration::from_secs(1)).kept);
    }
}
