//! Requests for one key that each ask the origin for themselves into so many at a time, and the others in the order in which they came.
//!
//! Flow: [`Collapse::place`] → a place at once, or when it is one's turn → the origin is asked → with its head the place is free again:
//! how fast a viewer takes a body must not keep others waiting.
//! The choice: Varnish (hit-for-miss), nginx (once the wait for its cache lock is over) and Traffic Server let such requests go at once
//! and bound connections to a server, so that a crowd at one address takes its origin from every other; a bound for each key does not.
//! 64 is fewer than the shortest queue of new connections that origins commonly have (100, uWSGI's and Tomcat's), and carries 640 requests
//! of one key a second where an answer takes 100 ms: ordinary traffic does not meet it, and an address that would needs no cache at all.
//! Guarantees: nobody overtakes. Whoever leaves gives up its place or its turn with that. What is known of a key goes with the last one
//! who is here for it, so all of it is bounded by the requests under way.
//! Errors: [`Crowded`].

use std::collections::hash_map::Entry;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use edge_cache::CacheKey;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Collapse;

/// How many requests for one key ask the origin for themselves at a time.
pub const AT_ONCE: usize = 64;
/// How many more may wait: who comes then would be the seventeenth to have the same place, and is told to come again.
pub const WAITING: usize = 16 * AT_ONCE;

/// The requests that are here for one key, by themselves.
#[derive(Debug)]
pub(super) struct Crowd {
    places: Arc<Semaphore>,
    here: usize,
}

/// One that may ask, until it is dropped.
#[derive(Debug)]
pub struct Place {
    /// Whether it had to wait for this: another's answer may be stored by now.
    pub waited: bool,
    _taken: OwnedSemaphorePermit,
    _here: Here,
}

/// One that asks or waits, until it is dropped.
#[derive(Debug)]
struct Here {
    collapse: Arc<Collapse>,
    name: u64,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// Too many wait already.
    Refused,
    /// It was nobody's turn for too long.
    TimedOut,
}

impl Collapse {
    /// A place among those who ask for this key by themselves; others wait for it at most so long as they have patience.
    pub async fn place(self: &Arc<Self>, key: &CacheKey, patience: Duration) -> Result<Place, Crowded> {
        let (here, places) = self.come(key).ok_or(Crowded::Refused)?;
        // None is to be had at once while anyone waits: the next in the queue already has it.
        if let Ok(taken) = Arc::clone(&places).try_acquire_owned() {
            return Ok(Place { waited: false, _taken: taken, _here: here });
        }
        match tokio::time::timeout(patience, places.acquire_owned()).await {
            Ok(Ok(taken)) => Ok(Place { waited: true, _taken: taken, _here: here }),
            _ => Err(Crowded::TimedOut),
        }
    }

    /// How many requests ask for themselves, or wait for that.
    pub fn by_themselves(&self) -> usize {
        let here =
            |shard: &Mutex<super::Shard>| -> usize { shard.lock().crowds.values().map(|crowd| crowd.here).sum() };
        self.shards.iter().map(here).sum()
    }

    fn come(self: &Arc<Self>, key: &CacheKey) -> Option<(Here, Arc<Semaphore>)> {
        let name = self.names.hash_one(key);
        let mut shard = self.shard(name)?.lock();
        let crowd = shard.crowds.entry(name).or_insert_with(Crowd::new);
        if crowd.here >= AT_ONCE + WAITING {
            return None;
        }
        crowd.here += 1;
        Some((Here { collapse: Arc::clone(self), name }, Arc::clone(&crowd.places)))
    }
}

impl Crowd {
    fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), here: 0 }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        let Some(mut shard) = self.collapse.shard(self.name).map(Mutex::lock) else { return };
        if let Entry::Occupied(mut crowd) = shard.crowds.entry(self.name) {
            crowd.get_mut().here -= 1;
            if crowd.get().here == 0 {
                crowd.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use edge_cache::NormalPath;
    use futures::FutureExt;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn key(path: &str) -> CacheKey {
        CacheKey::new("s", None, &NormalPath::parse(path).expect("is one"), None)
    }

    fn at_once(collapse: &Arc<Collapse>, path: &str) -> Result<Place, Crowded> {
        collapse.place(&key(path), PATIENCE).now_or_never().expect("is known at once")
    }

    fn full(collapse: &Arc<Collapse>) -> Vec<Place> {
        let places = (0..AT_ONCE).map(|_| at_once(collapse, "/a").expect("there is room"));
        places.inspect(|place| assert!(!place.waited)).collect()
    }

    #[tokio::test]
    async fn those_who_find_no_place_have_it_in_the_order_in_which_they_came() {
        let collapse = Collapse::new();
        let mut asking = full(&collapse);
        let key = key("/a");
        let mut first = pin!(collapse.place(&key, PATIENCE));
        let mut second = pin!(collapse.place(&key, PATIENCE));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        asking.pop();
        assert!(collapse.place(&key, PATIENCE).now_or_never().is_none(), "nobody overtakes");
        assert!(second.as_mut().now_or_never().is_none());
        let place = first.as_mut().now_or_never().expect("it is its turn").expect("has a place");
        assert!(place.waited);
        drop(place);
        assert!(second.as_mut().now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_who_leaves_the_queue_lets_the_next_one_in() {
        let collapse = Collapse::new();
        let asking = full(&collapse);
        let key = key("/a");
        let mut leaves = Box::pin(collapse.place(&key, PATIENCE));
        let mut stays = pin!(collapse.place(&key, PATIENCE));
        assert!(leaves.as_mut().now_or_never().is_none() && stays.as_mut().now_or_never().is_none());
        // Its turn came, and it does not know yet.
        drop(asking);
        drop(leaves);
        assert!(stays.as_mut().now_or_never().is_some_and(|place| place.is_ok()));
    }

    #[tokio::test]
    async fn another_key_has_places_of_its_own_and_nothing_is_known_of_either_once_all_have_left() {
        let collapse = Collapse::new();
        let asking = full(&collapse);
        let other = at_once(&collapse, "/b");
        assert!(other.is_ok());
        assert_eq!(collapse.by_themselves(), AT_ONCE + 1);
        drop((asking, other));
        assert!(collapse.shards.iter().all(|shard| shard.lock().crowds.is_empty()));
    }

    #[tokio::test]
    async fn nobody_waits_behind_so_many() {
        let collapse = Collapse::new();
        let asking = full(&collapse);
        let key = key("/a");
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(collapse.place(&key, PATIENCE))).collect();
        assert!(waiting.iter_mut().all(|place| place.as_mut().now_or_never().is_none()));
        assert_eq!(at_once(&collapse, "/a").err(), Some(Crowded::Refused));
        waiting.pop();
        assert!(collapse.place(&key, PATIENCE).now_or_never().is_none(), "there is room in the queue");
        drop(asking);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_it_has_patience() {
        let collapse = Collapse::new();
        let asking = full(&collapse);
        assert_eq!(collapse.place(&key("/a"), PATIENCE).await.err(), Some(Crowded::TimedOut));
        assert_eq!(collapse.by_themselves(), asking.len());
    }
}
