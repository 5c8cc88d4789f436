//! How much an origin is asked into how often it may be asked again.
//!
//! An origin in trouble must not get three times the load for it. So what was sent and failed is sent again only while such
//! retries are few beside the requests of the last seconds. A dial that was refused where another address is as good as any costs
//! nobody anything, and is none of this.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

/// What is looked back at, in seconds.
const WINDOW: usize = 10;
/// Retries that are always allowed in that time: an origin that is seldom asked has no share to speak of.
const FLOOR: u32 = 10;
/// One retry to so many requests: 20 %.
const REQUESTS_FOR_ONE: u32 = 5;

/// The requests and retries of the last seconds.
#[derive(Clone, Debug, Default)]
pub struct RetryBudget {
    seconds: [Second; WINDOW],
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    requests: u32,
    retries: u32,
}

impl RetryBudget {
    /// A request begins.
    pub fn request(&mut self, now: Duration) {
        if let Some(second) = self.second(now) {
            second.requests = second.requests.saturating_add(1);
        }
    }

    /// Whether there may be one retry more; it is counted at once.
    pub fn retry(&mut self, now: Duration) -> bool {
        let (requests, retries) = self.recent(now);
        let allowed = retries < FLOOR.saturating_add(requests / REQUESTS_FOR_ONE);
        if allowed && let Some(second) = self.second(now) {
            second.retries = second.retries.saturating_add(1);
        }
        allowed
    }

    /// Whether nothing is left to look back at.
    pub fn is_idle(&self, now: Duration) -> bool {
        self.recent(now) == (0, 0)
    }

    fn recent(&self, now: Duration) -> (u32, u32) {
        let recent = self.seconds.iter().filter(|second| second.number + WINDOW as u64 > now.as_secs());
        recent.fold((0, 0), |(requests, retries), second| {
            (second.requests.saturating_add(requests), second.retries.saturating_add(retries))
        })
    }

    /// The counts of this second, begun anew where they are of an older one.
    fn second(&mut self, now: Duration) -> Option<&mut Second> {
        let number = now.as_secs();
        let second = self.seconds.get_mut(usize::try_from(number).ok()? % WINDOW)?;
        if second.number != number {
            *second = Second { number, ..Second::default() };
        }
        Some(second)
    }
}

/// The budgets of all origins, by site and name.
#[derive(Debug, Default)]
pub struct RetryBudgets {
    by_site: Mutex<HashMap<String, HashMap<String, RetryBudget>>>,
}

impl RetryBudgets {
    /// A request to an origin begins.
    pub fn request(&self, site: &str, origin: &str, now: Duration) {
        let mut by_site = self.by_site.lock();
        if let Some(budget) = by_site.get_mut(site).and_then(|origins| origins.get_mut(origin)) {
            return budget.request(now);
        }
        by_site.entry(site.to_owned()).or_default().entry(origin.to_owned()).or_default().request(now);
    }

    /// Whether it may be asked once more than there are requests.
    pub fn retry(&self, site: &str, origin: &str, now: Duration) -> bool {
        let mut by_site = self.by_site.lock();
        by_site.get_mut(site).and_then(|origins| origins.get_mut(origin)).is_some_and(|budget| budget.retry(now))
    }

    /// Forgets origins that nobody asks.
    pub fn prune(&self, now: Duration) {
        self.by_site.lock().retain(|_, origins| {
            origins.retain(|_, budget| !budget.is_idle(now));
            !origins.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// How many retries are allowed at `at`, after so many requests and retries in these seconds.
    #[track_caller]
    fn check(before: &[(u64, u32, u32)], at: u64, expect: u32) {
        let mut budget = RetryBudget::default();
        for (second, requests, retries) in before {
            (0..*requests).for_each(|_| budget.request(seconds(*second)));
            for _ in 0..*retries {
                assert!(budget.retry(seconds(*second)), "{before:?}");
            }
        }
        let allowed = (0..10_000).take_while(|_| budget.retry(seconds(at))).count();
        assert_eq!(allowed, expect as usize, "{before:?} at {at}");
    }

    #[test]
    fn a_fifth_of_the_last_ten_seconds_and_ten_more_may_be_retries() {
        check(&[], 0, 10);
        check(&[(0, 4, 0)], 0, 10);
        check(&[(0, 5, 0)], 0, 11);
        check(&[(0, 1_000, 0)], 0, 210);
        check(&[(0, 1_000, 100)], 0, 110);
        check(&[(0, 1_000, 210)], 9, 0);
        check(&[(0, 100, 20), (5, 100, 30)], 9, 0);
    }

    #[test]
    fn what_was_ten_seconds_ago_counts_no_more() {
        check(&[(0, 1_000, 210)], 10, 10);
        check(&[(0, 1_000, 0), (5, 100, 0)], 10, 30);
        check(&[(5, 0, 10)], 14, 0);
        check(&[(5, 0, 10)], 15, 10);
        // The same place of the ring, rounds later.
        check(&[(3, 500, 100)], 1_003, 10);
    }

    #[test]
    fn each_origin_has_its_own_and_those_that_nobody_asks_are_forgotten() {
        let budgets = RetryBudgets::default();
        budgets.request("shop", "app", seconds(1));
        budgets.request("shop", "api", seconds(8));
        (0..10).for_each(|_| assert!(budgets.retry("shop", "app", seconds(1))));
        assert!(!budgets.retry("shop", "app", seconds(1)));
        assert!(budgets.retry("shop", "api", seconds(8)));
        assert!(!budgets.retry("other", "app", seconds(1)), "nobody asked it even once");
        budgets.prune(seconds(12));
        let left: Vec<String> = budgets.by_site.lock().values().flat_map(HashMap::keys).cloned().collect();
        assert_eq!(left, ["api"]);
        budgets.prune(seconds(60));
        assert!(budgets.by_site.lock().is_empty());
    }
}
