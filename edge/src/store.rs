//! Cache keys into stored responses, within a bound on the bytes that they hold.
//!
//! Flow: a fill asks for room ([`Store::hold`]) before it keeps a byte, and puts the whole response in at its end; a lookup takes
//! one shard's lock, for as long as a map lookup takes, and nothing that other shards share.
//! Guarantees: bytes held never exceed the bound; they count as held until the last reader lets go of them.
//! Assumptions: whether a stored response may be used is asked of the purge ledger by whoever takes it out.
//! Errors: none; no room is an answer.

pub mod block;
pub mod budget;
pub mod held;
pub mod recording;
mod shard;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use edge_cache::CacheKey;
use parking_lot::Mutex;

use budget::{Budget, Hold};
use held::Held;
pub use shard::{Displaced, Variants};
use shard::{Evicted, Shard};

/// So many that a sweep, which takes one shard at a time, never keeps a viewer waiting.
const SHARDS: usize = 256;
/// How many steps of eviction one request for room may cost, and how much may be evicted beyond what was asked for.
const STEPS: usize = 4_096;
const PATIENCE: usize = 256 * 1024;

/// Stored responses in memory.
#[derive(Debug)]
pub struct Store {
    budget: Arc<Budget>,
    shards: Box<[Mutex<Shard>]>,
    places: RandomState,
    hand: AtomicUsize,
    evicted: AtomicU64,
}

impl Store {
    /// An empty store that holds up to `bound` bytes.
    pub fn new(bound: usize) -> Self {
        Self {
            budget: Budget::new(bound),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            places: RandomState::new(),
            hand: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// The right to keep `bytes` more, evicting others for it. None: the caller goes on without keeping them.
    pub fn hold(&self, bytes: usize) -> Option<Hold> {
        if let Some(hold) = self.budget.reserve(bytes) {
            return Some(hold);
        }
        if bytes > self.budget.bound() {
            return None;
        }
        let mut left = bytes.saturating_mul(2).saturating_add(PATIENCE);
        let mut empty = 0;
        for _ in 0..STEPS {
            if empty == SHARDS || left == 0 {
                break;
            }
            let at = self.hand.fetch_add(1, Ordering::Relaxed) % SHARDS;
            let evicted = self.shards.get(at).map_or(Evicted::Nothing, |shard| shard.lock().evict());
            empty = if evicted == Evicted::Nothing { empty + 1 } else { 0 };
            let Evicted::Freed(freed) = evicted else { continue };
            self.evicted.fetch_add(1, Ordering::Relaxed);
            left = left.saturating_sub(freed);
            if let Some(hold) = self.budget.reserve(bytes) {
                return Some(hold);
            }
        }
        None
    }

    /// Whether a body of this length is worth beginning to keep: half of the store for one response is too much.
    pub fn could_hold(&self, length: u64) -> bool {
        usize::try_from(length).is_ok_and(|length| length <= self.budget.bound() / 2)
    }

    /// The variants under a key, newest first.
    pub fn lookup(&self, key: &CacheKey) -> Option<Variants> {
        self.shard(key).and_then(|shard| shard.lock().lookup(key))
    }

    /// The same without a use counted for them: what looks on must not keep what nobody asks for.
    pub fn peek(&self, key: &CacheKey) -> Option<Variants> {
        self.shard(key).and_then(|shard| shard.lock().peek(key))
    }

    /// Takes a whole response in. `admit` is asked while nothing else can touch its key; what it refuses stays out.
    pub fn insert(&self, key: &CacheKey, held: Arc<Held>, admit: impl FnOnce(&Held) -> bool) -> Displaced {
        let Some(mut shard) = self.shard(key).map(Mutex::lock) else { return Displaced::default() };
        if admit(&held) { shard.insert(key, held) } else { Displaced::default() }
    }

    /// Puts a freshened response in place of the one it freshens, if that is still there.
    pub fn exchange(&self, key: &CacheKey, old: &Arc<Held>, new: Arc<Held>) -> bool {
        self.shard(key).is_some_and(|shard| shard.lock().exchange(key, old, new))
    }

    /// Drops what `keep` refuses from one of [`Store::shards`]; returns how many went.
    pub fn sweep(&self, shard: usize, keep: impl FnMut(&CacheKey, &Held) -> bool) -> usize {
        self.shards.get(shard).map_or(0, |shard| shard.lock().retain(keep))
    }

    /// Drops what `keep` refuses under one key; returns how many went.
    pub fn sweep_key(&self, key: &CacheKey, keep: impl FnMut(&Held) -> bool) -> usize {
        self.shard(key).map_or(0, |shard| shard.lock().retain_of(key, keep))
    }

    /// How many parts a sweep has.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Bytes held, those of responses that left but are still being read among them.
    pub fn held(&self) -> usize {
        self.budget.held()
    }

    /// The most that may be held.
    pub fn bound(&self) -> usize {
        self.budget.bound()
    }

    /// How many keys had to leave for others.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// How many responses are stored.
    pub fn responses(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn shard(&self, key: &CacheKey) -> Option<&Mutex<Shard>> {
        let place = usize::try_from(self.places.hash_one(key) % SHARDS as u64).ok()?;
        self.shards.get(place)
    }
}
