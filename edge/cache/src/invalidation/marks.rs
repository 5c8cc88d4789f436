//! Which paths were purged, and by what number at the latest: looked up by a target in time that does not grow with the orders.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    ops::Bound,
};

use super::{Stamp, scopes::NormalScope};

/// The newest number that covers something, and when this edge learnt of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    number: u64,
    stamp: Stamp,
}

/// Exact targets in a hash map, prefixes in a sorted one.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    exact: HashMap<Box<str>, Mark>,
    prefixes: BTreeMap<Box<[u8]>, Mark>,
}

impl Marks {
    /// Remembers that `number` covers this. Everything is not a mark but a threshold of its own.
    pub(super) fn add(&mut self, scope: &NormalScope, number: u64, stamp: Stamp) {
        let mark = Mark { number, stamp };
        let newer = |known: &mut Mark| *known = Mark { number: known.number.max(number), stamp };
        match scope {
            NormalScope::Everything => {}
            NormalScope::Exact(target) => match self.exact.entry(target.as_str().into()) {
                Entry::Occupied(mut known) => newer(known.get_mut()),
                Entry::Vacant(free) => drop(free.insert(mark)),
            },
            NormalScope::Prefix(text) => {
                self.prefixes.entry(text.as_bytes().into()).and_modify(newer).or_insert(mark);
            }
        }
    }

    /// The newest number that covers the target; zero if none does.
    pub(super) fn newest(&self, target: &str) -> u64 {
        let exact = self.exact.get(target).map_or(0, |mark| mark.number);
        exact.max(self.newest_prefix(target.as_bytes()))
    }

    /// Walks the prefixes of the target from the longest to the shortest.
    ///
    /// The greatest key that is not above the target either is a prefix of it, or shares with it only so many bytes; any other
    /// prefix of the target is then no longer than those, so the bound shrinks with each step. Steps: at most the target's length.
    fn newest_prefix(&self, target: &[u8]) -> u64 {
        let mut newest = 0;
        let mut bound = Some(target);
        while let Some(text) = bound {
            let Some((key, mark)) =
                self.prefixes.range::<[u8], _>((Bound::Unbounded, Bound::Included(text))).next_back()
            else {
                break;
            };
            let shared = key.iter().zip(text).take_while(|(a, b)| a == b).count();
            if shared == key.len() {
                newest = newest.max(mark.number);
                bound = shared.checked_sub(1).and_then(|shorter| text.get(..shorter));
            } else {
                bound = text.get(..shared);
            }
        }
        newest
    }

    /// Drops what was learnt at or before `stamp` and says the greatest number among it; zero if there was nothing.
    pub(super) fn forget(&mut self, stamp: Stamp) -> u64 {
        let mut greatest = 0;
        let mut keep = |mark: &Mark| {
            let kept = mark.stamp > stamp;
            greatest = if kept { greatest } else { greatest.max(mark.number) };
            kept
        };
        self.exact.retain(|_, mark| keep(mark));
        self.prefixes.retain(|_, mark| keep(mark));
        greatest
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.exact.len() + self.prefixes.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prefix(text: &str) -> NormalScope {
        NormalScope::Prefix(text.to_owned())
    }

    #[test]
    fn a_shorter_prefix_may_be_the_newer_one() {
        let mut marks = Marks::default();
        marks.add(&prefix("/a/b/"), 3, Stamp(1));
        marks.add(&prefix("/a/"), 5, Stamp(2));
        marks.add(&prefix("/a/bz"), 9, Stamp(3));
        assert_eq!(marks.newest("/a/b/c"), 5);
        assert_eq!(marks.newest("/a/bz"), 9);
        assert_eq!(marks.newest("/b"), 0);
    }

    proptest! {
        #[test]
        fn lookups_agree_with_a_list(
            scopes in proptest::collection::vec((any::<bool>(), "/[ab/?]{0,4}"), 0..24),
            targets in proptest::collection::vec("/[ab/?]{0,6}", 1..12),
            forget in 0_u64..24,
        ) {
            let mut marks = Marks::default();
            let mut list = Vec::new();
            for ((exact, text), number) in scopes.iter().zip(1..) {
                let scope = if *exact { NormalScope::Exact(text.clone()) } else { prefix(text) };
                marks.add(&scope, number, Stamp(number));
                list.push((scope, number));
            }
            let newest = |target: &str, list: &[(NormalScope, u64)]| list.iter().filter(|(scope, _)| scope.covers(target)).map(|(_, n)| *n).max();
            for target in &targets {
                prop_assert_eq!(marks.newest(target), newest(target, &list).unwrap_or(0));
            }
            marks.forget(Stamp(forget));
            for target in &targets {
                // A forgotten number is at or below the stamp; a newer one is never lost.
                let expect = newest(target, &list).filter(|n| *n > forget).unwrap_or(0);
                prop_assert_eq!(marks.newest(target), expect);
            }
        }
    }
}
