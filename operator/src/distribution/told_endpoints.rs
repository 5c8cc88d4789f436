//! The endpoints of origins into lists with versions: equal lists keep theirs, others get a higher one.

use std::collections::{BTreeMap, HashMap};

use edge_contract::Endpoints;
use parking_lot::Mutex;

use crate::distribution::plan::OriginEndpoints;
use crate::edges::ForEdges;
use crate::names::DistributionKey;

/// What edges were told last.
#[derive(Default)]
pub struct ToldEndpoints(Mutex<Told>);

#[derive(Default)]
struct Told {
    /// The highest version of all lists: an origin that goes and comes back does not count from the start again.
    version: u64,
    lists: HashMap<DistributionKey, BTreeMap<String, ForEdges>>,
}

impl ToldEndpoints {
    /// The lists with their versions: one for an origin, whichever of its lists an edge gets.
    pub(super) fn number(
        &self,
        key: &DistributionKey,
        site: &str,
        lists: BTreeMap<String, OriginEndpoints>,
    ) -> Vec<ForEdges> {
        let mut told = self.0.lock();
        let before = told.lists.remove(key).unwrap_or_default();
        let mut now = BTreeMap::new();
        for (origin, OriginEndpoints { addresses, nearest }) in lists {
            let is_same =
                |last: &&ForEdges| last.nearest == nearest && last.all.site == site && last.all.addresses == addresses;
            let version = before.get(&origin).filter(is_same).map_or(told.version + 1, |last| last.all.version);
            told.version = told.version.max(version);
            let all = Endpoints { site: site.to_owned(), origin: origin.clone(), version, addresses };
            now.insert(origin, ForEdges { all, nearest });
        }
        let list = now.values().cloned().collect();
        told.lists.insert(key.clone(), now);
        list
    }

    /// Forgets a Distribution that is gone.
    pub fn forget(&self, key: &DistributionKey) {
        self.0.lock().lists.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_gets_a_new_version_exactly_when_it_changes() {
        let (told, key) = (ToldEndpoints::default(), DistributionKey::new("default", "shop"));
        let number = |addresses: &[&str], near: &[&str]| {
            let list = |addresses: &[&str]| addresses.iter().map(ToString::to_string).collect();
            let nearest = near.iter().map(|uid| ((*uid).to_owned(), Vec::new())).collect();
            let lists = [("app".to_owned(), OriginEndpoints { addresses: list(addresses), nearest })].into();
            told.number(&key, "uid", lists).iter().map(|list| list.all.version).collect::<Vec<_>>()
        };
        let versions = |addresses: &[&str]| number(addresses, &[]);
        assert_eq!(versions(&["10.0.0.1:80"]), [1]);
        assert_eq!(versions(&["10.0.0.1:80"]), [1]);
        assert_eq!(versions(&[]), [2]);
        assert_eq!(versions(&["10.0.0.1:80"]), [3]);
        assert_eq!(told.number(&key, "uid", BTreeMap::new()), []);
        assert_eq!(versions(&["10.0.0.1:80"]), [4]);
        assert_eq!(number(&["10.0.0.1:80"], &["one"]), [5], "an edge must hear that its own list came or went");
        assert_eq!(versions(&["10.0.0.1:80"]), [6]);
    }
}
