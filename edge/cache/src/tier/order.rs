//! A target and the edges that stand before its origin into the order in which to ask them.
//!
//! Each edge has a weight for each target, and the heaviest owns it (rendezvous hashing): all edges come to the same owner without a word,
//! and one that joins or leaves moves only what it owns. What varies under one target has one owner, so that a write that goes to
//! it meets all of them. An owner that is asked too much at a time is passed over (bounded load), by each edge as it sees it.

/// As many requests as one edge may have under way at another before anything is passed over.
const ALWAYS: usize = 64;

/// The edges in the order in which to ask them; `named` says an edge's uid and how many requests of ours it has.
pub fn by_weight<'a, E>(target: &str, edges: &'a [E], named: impl Fn(&E) -> (&str, usize)) -> Vec<&'a E> {
    let (name, limit) = (fnv(target), bound(edges.iter().map(|edge| named(edge).1).sum(), edges.len()));
    let mut weighed: Vec<_> = edges
        .iter()
        .map(|edge| {
            let (uid, outstanding) = named(edge);
            (outstanding >= limit, u64::MAX - mixed(name ^ mixed(fnv(uid))), edge)
        })
        .collect();
    weighed.sort_by_key(|(is_busy, lightness, _)| (*is_busy, *lightness));
    weighed.into_iter().map(|(_, _, edge)| edge).collect()
}

/// How many requests one of `edges` may have when one more comes to `outstanding`: a quarter more than each has on the average.
pub fn bound(outstanding: usize, edges: usize) -> usize {
    (outstanding.saturating_add(1).saturating_mul(5)).div_ceil(edges.max(1).saturating_mul(4)).max(ALWAYS)
}

/// FNV-1a: the same in each edge, whatever it was compiled by.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finaliser of splitmix64: each bit of what goes in is seen in half of those that come out.
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const TARGETS: usize = 4_000;

    fn edges(seed: u32, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{seed:08x}-0000-4000-8000-{n:012x}")).collect()
    }

    fn owners(edges: &[String]) -> Vec<&String> {
        let owner = |n: usize| by_weight(&format!("/products/{n}.html?page={n}"), edges, |uid| (uid, 0))[0];
        (0..TARGETS).map(owner).collect()
    }

    #[test]
    fn the_owner_of_a_target_is_the_same_in_each_edge_and_each_version() {
        let edges = ["a", "b", "c", "d"];
        let order = |target| by_weight(target, &edges, |uid| (uid, 0)).into_iter().copied().collect::<String>();
        assert_eq!((order("/"), order("/a"), order("/a?b=1")), PINNED.map(str::to_owned).into());
        assert_eq!(by_weight("/a", &["d", "c", "b", "a"], |uid| (uid, 0)).len(), 4);
        assert!(by_weight("/a", &[] as &[&str], |uid| (uid, 0)).is_empty());
    }

    const PINNED: [&str; 3] = ["bdca", "dcba", "bcda"];

    #[test]
    fn up_to_64_requests_of_ours_nobody_is_passed_over() {
        for (outstanding, edges, expect) in [(0, 1, 64), (100, 2, 64), (204, 4, 65), (999, 2, 625), (9, 0, 64)] {
            assert_eq!(bound(outstanding, edges), expect, "{outstanding} at {edges}");
        }
    }

    #[test]
    fn one_that_has_too_much_to_do_comes_last() {
        let edges = edges(1, 4);
        let owner = by_weight("/a", &edges, |uid| (uid, 0))[0];
        let after = |busy: usize| by_weight("/a", &edges, |uid| (uid, if uid == owner { busy } else { 0 }));
        assert_eq!(after(63)[0], owner);
        assert_eq!(after(64)[3], owner);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn one_that_joins_takes_its_share_and_moves_nothing_else(seed: u32, count in 1_usize..12) {
            let (before, after) = (edges(seed, count), edges(seed, count + 1));
            let moved = owners(&before).iter().zip(owners(&after)).filter(|(old, new)| **old != *new).count();
            let share = TARGETS / (count + 1);
            prop_assert!(moved <= share + TARGETS / 20, "{moved} of {TARGETS} with {count} before");
            let newcomer = after.last().expect("is there");
            let others = owners(&before).into_iter().zip(owners(&after)).filter(|(_, new)| *new != newcomer).all(|(old, new)| old == new);
            prop_assert!(others, "what the newcomer does not own stays where it is");
        }

        #[test]
        fn each_owns_about_as_much_as_every_other(seed: u32, count in 2_usize..12) {
            let edges = edges(seed, count);
            let mut owned: HashMap<&String, usize> = HashMap::new();
            for owner in owners(&edges) {
                *owned.entry(owner).or_default() += 1;
            }
            let fair = TARGETS / count;
            prop_assert_eq!(owned.len(), count);
            for share in owned.values() {
                prop_assert!((fair * 3 / 4..=fair * 5 / 4).contains(share), "{} of {}", share, fair);
            }
        }

        #[test]
        fn nobody_is_given_more_than_the_bound(seed: u32, count in 1_usize..9, hot in 0_usize..4, requests in 1_usize..1_500) {
            let edges = edges(seed, count);
            let mut load: HashMap<String, usize> = HashMap::new();
            for n in 0..requests {
                // A few targets that everybody wants.
                let target = format!("/{}", n % (hot + 1));
                let total = load.values().sum();
                let first = by_weight(&target, &edges, |uid| (uid, load.get(uid).copied().unwrap_or_default()))[0];
                let taken = load.entry(first.clone()).or_default();
                *taken += 1;
                prop_assert!(*taken <= bound(total, count), "{} beyond {}", taken, bound(total, count));
            }
        }
    }
}
