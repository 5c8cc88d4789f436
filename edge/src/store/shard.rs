//! Keys into the stored responses of one part of the store, and which of them go first when room is needed.
//!
//! Eviction is S3-FIFO's: what is new waits in a short queue and leaves unless it was asked for again; what was, goes round in the
//! main queue as long as it is asked for; what left the short queue a moment ago and returns goes to the main queue at once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use edge_cache::CacheKey;

use super::held::{Content, Held};

/// The most variants under one key; the oldest goes.
const VARIANTS: usize = 64;
/// How often a response can be asked for in advance of its next turn.
const MOST_USES: u8 = 3;
/// The short queue's share, as one in so many.
const SHORT_SHARE: usize = 10;
/// How many names of those that left are remembered, at least.
const GHOSTS: usize = 64;

/// The variants under one key, newest first. Shared, so that a lookup clones one pointer.
pub type Variants = Arc<[Arc<Held>]>;

/// One part of the store.
#[derive(Debug, Default)]
pub struct Shard {
    index: HashMap<CacheKey, Slot>,
    short: VecDeque<(CacheKey, u64)>,
    main: VecDeque<(CacheKey, u64)>,
    ghosts: VecDeque<u64>,
    ghost_set: HashSet<u64>,
    short_bytes: usize,
    main_bytes: usize,
    next_turn: u64,
    names: RandomState,
}

#[derive(Debug)]
struct Slot {
    variants: Variants,
    uses: u8,
    main: bool,
    /// Tells its place in a queue from one that it had before.
    turn: u64,
    bytes: usize,
}

/// What taking a response in did to others.
#[derive(Debug, Default)]
pub struct Displaced {
    /// Those in whose place it stands.
    pub replaced: Vec<Arc<Held>>,
    /// Whether it was taken in at all: one that was asked for earlier than what is there is not.
    pub taken: bool,
}

/// What one step of eviction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// A key went, with so many bytes.
    Freed(usize),
    /// The one whose turn it was may stay for now.
    Spared,
    /// There is nothing.
    Nothing,
}

impl Shard {
    /// The variants under a key, and a use counted for them.
    pub fn lookup(&mut self, key: &CacheKey) -> Option<Variants> {
        let slot = self.index.get_mut(key)?;
        slot.uses = (slot.uses + 1).min(MOST_USES);
        Some(Arc::clone(&slot.variants))
    }

    /// The same, and nothing counted.
    pub fn peek(&self, key: &CacheKey) -> Option<Variants> {
        self.index.get(key).map(|slot| Arc::clone(&slot.variants))
    }

    /// Takes a response in, in place of the variant that the same requests select.
    pub fn insert(&mut self, key: &CacheKey, new: Arc<Held>) -> Displaced {
        let Some(slot) = self.index.get(key) else {
            self.begin(key, Arc::from([new]));
            return Displaced { replaced: Vec::new(), taken: true };
        };
        let same = |held: &&Arc<Held>| held.stored.selecting == new.stored.selecting;
        let newer =
            slot.variants.iter().filter(same).any(|held| held.stored.received.asked > new.stored.received.asked);
        if newer {
            return Displaced::default();
        }
        let (replaced, kept): (Vec<_>, Vec<_>) = slot.variants.iter().cloned().partition(|held| same(&held));
        let variants: Variants = std::iter::once(new).chain(kept).take(VARIANTS).collect();
        self.change(key, variants);
        Displaced { replaced, taken: true }
    }

    /// Puts a freshened response in place of the one it freshens, if that is still there.
    pub fn exchange(&mut self, key: &CacheKey, old: &Arc<Held>, new: Arc<Held>) -> bool {
        let Some(slot) = self.index.get(key) else { return false };
        if !slot.variants.iter().any(|held| Arc::ptr_eq(held, old)) {
            return false;
        }
        let others = slot.variants.iter().filter(|held| !Arc::ptr_eq(held, old)).cloned();
        let variants = std::iter::once(new).chain(others).collect();
        self.change(key, variants);
        true
    }

    /// Keeps only what `keep` says; returns how many responses went.
    pub fn retain(&mut self, mut keep: impl FnMut(&CacheKey, &Held) -> bool) -> usize {
        let mut changed = Vec::new();
        for (key, slot) in &self.index {
            let kept: Vec<_> = slot.variants.iter().filter(|held| keep(key, held)).cloned().collect();
            if kept.len() < slot.variants.len() {
                changed.push((key.clone(), slot.variants.len() - kept.len(), kept));
            }
        }
        let mut gone = 0;
        for (key, count, kept) in changed {
            gone += count;
            self.keep_only(&key, kept);
        }
        gone
    }

    /// The same for one key.
    pub fn retain_of(&mut self, key: &CacheKey, mut keep: impl FnMut(&Held) -> bool) -> usize {
        let Some(slot) = self.index.get(key) else { return 0 };
        let kept: Vec<_> = slot.variants.iter().filter(|held| keep(held)).cloned().collect();
        let gone = slot.variants.len() - kept.len();
        if gone > 0 {
            self.keep_only(key, kept);
        }
        gone
    }

    /// One step of eviction: the next in turn goes, or has a use taken from it and goes round once more.
    ///
    /// One step only: with few keys in each shard, going on here would drop what is asked for most, while other shards hold what
    /// nobody asks for.
    pub fn evict(&mut self) -> Evicted {
        let from_short = self.short_bytes * SHORT_SHARE > self.short_bytes + self.main_bytes;
        let queues = if from_short { [&mut self.short, &mut self.main] } else { [&mut self.main, &mut self.short] };
        let Some((key, turn)) = queues.into_iter().find_map(VecDeque::pop_front) else { return Evicted::Nothing };
        let Some(slot) = self.index.get_mut(&key).filter(|slot| slot.turn == turn) else { return Evicted::Spared };
        if slot.uses > 0 || slot.variants.iter().any(|held| held.is_read()) {
            slot.uses = if slot.main { slot.uses.saturating_sub(1) } else { 0 };
            self.requeue(&key);
            return Evicted::Spared;
        }
        if !slot.main {
            self.remember(&key);
        }
        Evicted::Freed(self.remove(&key))
    }

    /// How many stored responses it holds.
    pub fn len(&self) -> usize {
        self.index.values().map(|slot| slot.variants.len()).sum()
    }

    fn begin(&mut self, key: &CacheKey, variants: Variants) {
        let name = self.names.hash_one(key);
        let main = self.ghost_set.remove(&name);
        let bytes = weigh(&variants);
        let turn = self.turn();
        *(if main { &mut self.main_bytes } else { &mut self.short_bytes }) += bytes;
        (if main { &mut self.main } else { &mut self.short }).push_back((key.clone(), turn));
        self.index.insert(key.clone(), Slot { variants, uses: 0, main, turn, bytes });
    }

    fn keep_only(&mut self, key: &CacheKey, kept: Vec<Arc<Held>>) {
        if kept.is_empty() {
            self.remove(key);
        } else {
            self.change(key, kept.into());
        }
    }

    fn change(&mut self, key: &CacheKey, variants: Variants) {
        let Some(slot) = self.index.get_mut(key) else { return };
        let bytes = weigh(&variants);
        let queue = if slot.main { &mut self.main_bytes } else { &mut self.short_bytes };
        *queue = (*queue + bytes).saturating_sub(slot.bytes);
        slot.bytes = bytes;
        slot.variants = variants;
    }

    fn remove(&mut self, key: &CacheKey) -> usize {
        let Some(slot) = self.index.remove(key) else { return 0 };
        let queue = if slot.main { &mut self.main_bytes } else { &mut self.short_bytes };
        *queue = queue.saturating_sub(slot.bytes);
        self.drop_empty_places();
        slot.bytes
    }

    /// To the back of the main queue.
    fn requeue(&mut self, key: &CacheKey) {
        let turn = self.turn();
        let Some(slot) = self.index.get_mut(key) else { return };
        if !slot.main {
            self.short_bytes = self.short_bytes.saturating_sub(slot.bytes);
            self.main_bytes += slot.bytes;
            slot.main = true;
        }
        slot.turn = turn;
        self.main.push_back((key.clone(), turn));
    }

    fn turn(&mut self) -> u64 {
        self.next_turn += 1;
        self.next_turn
    }

    fn remember(&mut self, key: &CacheKey) {
        let name = self.names.hash_one(key);
        if self.ghost_set.insert(name) {
            self.ghosts.push_back(name);
        }
        while self.ghosts.len() > self.index.len().max(GHOSTS) {
            if let Some(oldest) = self.ghosts.pop_front() {
                self.ghost_set.remove(&oldest);
            }
        }
    }

    /// What was removed out of turn leaves its place behind; once they are many, they go together.
    fn drop_empty_places(&mut self) {
        if self.short.len() + self.main.len() <= 2 * self.index.len() + GHOSTS {
            return;
        }
        let index = &self.index;
        let stands = |(key, turn): &(CacheKey, u64)| index.get(key).is_some_and(|slot| slot.turn == *turn);
        self.short.retain(stands);
        self.main.retain(stands);
    }
}

/// The bytes by which variants count when it is judged which queue is too long; the budget counts exactly, on its own.
fn weigh(variants: &Variants) -> usize {
    let body = |held: &Arc<Held>| match &held.content {
        Content::Whole(whole) => usize::try_from(whole.length).unwrap_or(usize::MAX),
        Content::Arriving { .. } => 0,
    };
    variants.iter().map(|held| body(held).saturating_add(1_024)).fold(0, usize::saturating_add)
}
