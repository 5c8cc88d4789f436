//! The addresses of an origin into the order in which to try them: least busy first, those that failed of late last.
//!
//! Guarantees: an address that takes no connection, or ends one in place of an answer, is tried last for a while that doubles with every
//! failure; when it is over, one request tries it, and an answer makes it one like others. Of addresses that do take connections at
//! most half are passed over: where more fail, it is not they.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::guard::Allowed;

/// For how long an address is tried last after its first failure, and at most.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(1);
/// How many addresses are compared. Beginning at another one each time, that is as good as all.
const COMPARED: usize = 32;
/// How many that failed are remembered.
const REMEMBERED: usize = 1_024;

/// How an address failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// It took no connection.
    Unreachable,
    /// It took one, and a request, and gave no answer.
    Reset,
}

/// What is going on at one address.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    /// Requests whose response has not ended.
    outstanding: usize,
    /// Failures since the last answer.
    failures: u32,
    /// Since the last of them.
    until: Duration,
    by_reset: bool,
    /// Somebody tries whether it is back.
    on_trial: bool,
}

/// What is going on at the addresses of all origins.
#[derive(Debug, Default)]
pub struct Balance {
    turn: AtomicUsize,
    records: Mutex<HashMap<SocketAddr, Record>>,
}

/// A request on its way to an address, until its response has ended.
#[derive(Debug)]
pub struct Outstanding {
    balance: Arc<Balance>,
    address: SocketAddr,
}

impl Outstanding {
    /// Its response's head came.
    pub fn answered(&self) {
        if let Some(record) = self.balance.records.lock().get_mut(&self.address) {
            *record = Record { outstanding: record.outstanding, ..Record::default() };
        }
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        let mut records = self.balance.records.lock();
        if let Some(record) = records.get_mut(&self.address) {
            record.outstanding = record.outstanding.saturating_sub(1);
            if record.outstanding == 0 && record.failures == 0 {
                records.remove(&self.address);
            }
        }
    }
}

impl Balance {
    /// The order in which to try addresses now.
    pub fn order(&self, addresses: Vec<Allowed>, now: Duration) -> Vec<Allowed> {
        if addresses.len() < 2 {
            return addresses;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % addresses.len();
        let from_turn = addresses.iter().cycle().skip(turn).take(addresses.len().min(COMPARED));
        let mut records = self.records.lock();
        let record = |allowed: &Allowed| records.get(&allowed.address()).copied().unwrap_or_default();
        let mut known: Vec<(Allowed, Record)> = from_turn.map(|allowed| (*allowed, record(allowed))).collect();
        rank(&mut known, now);
        // What it is to show is whether it answers, so that is one request's business, and the others' to keep away meanwhile.
        if let Some(at) = known.iter().position(|(_, record)| record.failures > 0 && record.until <= now) {
            let tried = known.remove(at);
            if let Some(record) = records.get_mut(&tried.0.address()) {
                *record = Record { until: now + FIRST, on_trial: true, ..*record };
            }
            known.insert(0, tried);
        }
        known.into_iter().map(|(address, _)| address).collect()
    }

    /// Whether an address is tried last now.
    pub fn avoids(&self, address: SocketAddr, now: Duration) -> bool {
        self.records.lock().get(&address).is_some_and(|record| record.is_avoided(now))
    }

    /// How many requests are on their way to an address.
    pub fn outstanding(&self, address: SocketAddr) -> usize {
        self.records.lock().get(&address).map_or(0, |record| record.outstanding)
    }

    /// A request goes to an address.
    pub fn hold(self: &Arc<Self>, address: SocketAddr) -> Outstanding {
        self.records.lock().entry(address).or_default().outstanding += 1;
        Outstanding { balance: Arc::clone(self), address }
    }

    /// An address failed. Many requests that meet one failure are one.
    pub fn failed(&self, address: SocketAddr, how: Failing, now: Duration) {
        let mut records = self.records.lock();
        if records.len() >= REMEMBERED {
            records.retain(|_, record| record.outstanding > 0 || record.until + LONGEST > now);
        }
        if records.len() >= REMEMBERED && !records.contains_key(&address) {
            return;
        }
        let record = records.entry(address).or_default();
        if record.is_avoided(now) && !record.on_trial {
            return;
        }
        let pause = FIRST.saturating_mul(1 << record.failures.min(8)).min(LONGEST);
        let failures = record.failures.saturating_add(1);
        *record = Record { failures, until: now + pause, by_reset: how == Failing::Reset, on_trial: false, ..*record };
    }
}

impl Record {
    fn is_avoided(&self, now: Duration) -> bool {
        self.failures > 0 && self.until > now
    }
}

/// Sorts addresses; those that are equally good keep their order.
fn rank(known: &mut [(Allowed, Record)], now: Duration) {
    let mut resets: Vec<Duration> =
        known.iter().filter(|(_, record)| record.is_avoided(now) && record.by_reset).map(|(_, r)| r.until).collect();
    resets.sort_unstable_by(|one, other| other.cmp(one));
    // Those that failed last stay out.
    let forgiven_until = resets.get(known.len() / 2).copied();
    known.sort_by_key(|(_, record)| {
        let forgiven = record.by_reset && forgiven_until.is_some_and(|until| record.until <= until);
        (record.is_avoided(now) && !forgiven, record.outstanding)
    });
}

#[cfg(test)]
mod tests {
    use edge_contract::{OriginTarget, Scheme, Walls};

    use super::super::guard::Wall;
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 80))
    }

    fn addresses(count: u8) -> Vec<SocketAddr> {
        (1..=count).map(address).collect()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn order(balance: &Balance, count: u8, at: u64) -> Vec<SocketAddr> {
        let (walls, target) =
            (Walls::default(), OriginTarget::Address { scheme: Scheme::Http, host: String::new(), port: 80 });
        let wall = Wall { walls: &walls, target: &target };
        let allowed = addresses(count).into_iter().map(|address| wall.judge(address).expect("is allowed")).collect();
        balance.order(allowed, seconds(at)).into_iter().map(Allowed::address).collect()
    }

    fn first(balance: &Balance, count: u8, at: u64) -> SocketAddr {
        order(balance, count, at)[0]
    }

    #[test]
    fn where_nothing_tells_them_apart_addresses_take_turns() {
        let balance = Balance::default();
        let firsts: Vec<_> = (0..6).map(|_| first(&balance, 3, 0)).collect();
        assert_eq!(firsts, [address(1), address(2), address(3), address(1), address(2), address(3)]);
    }

    #[test]
    fn the_least_busy_comes_first_until_its_responses_end() {
        let balance = Arc::new(Balance::default());
        let held: Vec<_> = [1, 1, 2, 3, 3].map(|last| balance.hold(address(last))).into();
        for _ in 0..3 {
            assert_eq!(first(&balance, 3, 0), address(2));
        }
        drop(held);
        assert!(balance.records.lock().is_empty(), "nothing is remembered of addresses that are fine");
    }

    #[test]
    fn an_address_that_takes_no_connection_comes_last_for_a_while_that_doubles() {
        let balance = Balance::default();
        let mut at = 0;
        for pause in [5, 10, 20, 40, 60, 60] {
            // Those who dialled it at the same time say the same.
            (0..3).for_each(|_| balance.failed(address(1), Failing::Unreachable, seconds(at)));
            for _ in 0..3 {
                assert_eq!(order(&balance, 3, at + pause - 1).last(), Some(&address(1)));
            }
            at += pause;
            assert_eq!(first(&balance, 3, at), address(1), "one tries it");
            (0..3).for_each(|_| assert_ne!(first(&balance, 3, at), address(1), "and nobody else meanwhile"));
        }
    }

    #[test]
    fn an_answer_makes_an_address_one_like_others() {
        let balance = Arc::new(Balance::default());
        balance.failed(address(1), Failing::Unreachable, seconds(0));
        balance.hold(address(1)).answered();
        assert!(balance.records.lock().is_empty());
        balance.failed(address(1), Failing::Unreachable, seconds(0));
        assert!(balance.avoids(address(1), seconds(4)) && !balance.avoids(address(1), seconds(5)));
    }

    #[test]
    fn a_trial_that_comes_to_nothing_is_followed_by_another() {
        let balance = Balance::default();
        balance.failed(address(1), Failing::Unreachable, seconds(0));
        assert_eq!(first(&balance, 3, 5), address(1));
        assert_ne!(first(&balance, 3, 9), address(1));
        assert_eq!(first(&balance, 3, 10), address(1));
    }

    #[test]
    fn at_most_half_are_passed_over_for_resets_but_all_may_be_unreachable() {
        let balance = Balance::default();
        for last in [1, 2, 3] {
            balance.failed(address(last), Failing::Reset, seconds(u64::from(last)));
        }
        // 1 failed first, so it is the one that is forgiven.
        assert_eq!(order(&balance, 4, 4)[..2], [address(1), address(4)]);
        let alone = Balance::default();
        alone.failed(address(1), Failing::Reset, seconds(0));
        assert_eq!(order(&alone, 1, 1), [address(1)]);
        for last in [1, 2, 3] {
            balance.failed(address(last), Failing::Unreachable, seconds(20));
        }
        (0..4).for_each(|_| assert_eq!(first(&balance, 4, 21), address(4)));
    }

    #[test]
    fn of_very_many_addresses_each_has_its_turn() {
        let balance = Balance::default();
        let firsts: std::collections::HashSet<_> = (0..250).map(|_| first(&balance, 250, 0)).collect();
        assert_eq!(firsts.len(), 250);
        assert_eq!(order(&balance, 250, 0).len(), COMPARED);
    }

    #[test]
    fn what_is_remembered_of_failures_is_bounded() {
        let balance = Balance::default();
        for number in 0..2_000_u16 {
            let [high, low] = number.to_be_bytes();
            balance.failed(SocketAddr::from(([10, 1, high, low], 80)), Failing::Unreachable, seconds(0));
        }
        assert_eq!(balance.records.lock().len(), REMEMBERED);
        balance.failed(address(1), Failing::Unreachable, seconds(3_600));
        assert_eq!(balance.records.lock().len(), 1);
    }
}
