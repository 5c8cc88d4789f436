//! The edges that stand before origins into lists with versions: equal lists keep theirs, others get a higher one.

use std::collections::{BTreeMap, HashMap};

use edge_contract::{ShieldEdge, Shields};
use parking_lot::Mutex;

use crate::edges::Tiers;
use crate::names::DistributionKey;

/// What edges were told last.
#[derive(Default)]
pub struct ToldShields(Mutex<Told>);

#[derive(Default)]
struct Told {
    /// The highest version of all lists.
    version: u64,
    lists: HashMap<DistributionKey, BTreeMap<String, Shields>>,
}

impl ToldShields {
    /// The lists with their versions. That of a location which stands before no origin any more is empty, for whoever was told of it.
    pub(super) fn number(&self, key: &DistributionKey, site: &str, lists: BTreeMap<String, Vec<ShieldEdge>>) -> Tiers {
        let mut told = self.0.lock();
        let mut before = told.lists.remove(key).unwrap_or_default();
        before.retain(|_, last| last.site == site);
        let certified = (!lists.is_empty()).then(|| site.to_owned());
        let left: BTreeMap<_, _> = before.keys().map(|location| (location.clone(), Vec::new())).collect();
        let mut now = BTreeMap::new();
        for (location, edges) in left.into_iter().chain(lists).collect::<BTreeMap<_, _>>() {
            let same = before.remove(&location).filter(|last| last.edges == edges);
            let shields = same.unwrap_or_else(|| {
                told.version += 1;
                Shields { site: site.to_owned(), location: location.clone(), version: told.version, edges }
            });
            now.insert(location, shields);
        }
        let shields = now.values().cloned().collect();
        if !now.is_empty() {
            told.lists.insert(key.clone(), now);
        }
        Tiers { site: certified, shields }
    }

    /// Forgets a Distribution that is gone.
    pub fn forget(&self, key: &DistributionKey) {
        self.0.lock().lists.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(told: &ToldShields, site: &str, lists: &[(&str, &[&str])]) -> (Option<String>, Vec<String>) {
        let edge = |uid: &&str| ShieldEdge { uid: (*uid).into(), address: "10.0.0.1:8444".into() };
        let lists = lists.iter().map(|(location, uids)| ((*location).to_owned(), uids.iter().map(edge).collect()));
        let Tiers { site, shields } = told.number(&DistributionKey::new("default", "shop"), site, lists.collect());
        let said =
            shields.iter().map(|one| format!("{} {} {}: {}", one.site, one.location, one.version, one.edges.len()));
        (site, said.collect())
    }

    #[test]
    fn a_list_gets_a_new_version_exactly_when_it_changes() {
        let told = ToldShields::default();
        let of = |lists: &[(&str, &[&str])]| number(&told, "uid", lists).1;
        assert_eq!(of(&[("eu", &["a"])]), ["uid eu 1: 1"]);
        assert_eq!(of(&[("eu", &["a"])]), ["uid eu 1: 1"]);
        assert_eq!(of(&[("eu", &["b"]), ("us", &[])]), ["uid eu 2: 1", "uid us 3: 0"]);
        assert_eq!(of(&[("eu", &["b"]), ("us", &["a", "b"])]), ["uid eu 2: 1", "uid us 4: 2"]);
    }

    #[test]
    fn a_location_that_is_no_shield_any_more_has_an_empty_list() {
        let told = ToldShields::default();
        assert_eq!(number(&told, "uid", &[("eu", &["a"])]), (Some("uid".into()), vec!["uid eu 1: 1".into()]));
        for _ in 0..2 {
            assert_eq!(number(&told, "uid", &[]), (None, vec!["uid eu 2: 0".into()]), "and nobody needs a certificate");
        }
        assert_eq!(number(&told, "uid", &[("eu", &["a"])]).1, ["uid eu 3: 1"]);
    }

    #[test]
    fn a_distribution_that_was_made_anew_has_nothing_of_the_old_one() {
        let told = ToldShields::default();
        number(&told, "uid", &[("eu", &["a"])]);
        assert_eq!(number(&told, "other", &[("us", &["a"])]).1, ["other us 2: 1"]);
        told.forget(&DistributionKey::new("default", "shop"));
        assert_eq!(number(&told, "other", &[]), (None, vec![]));
    }
}
