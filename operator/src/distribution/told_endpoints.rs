//! The endpoints of origins into lists with versions: equal lists keep theirs, others get a higher one.

use std::collections::{BTreeMap, HashMap};

use edge_contract::{Endpoints, OriginTarget, Site};
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
    /// The lists with their versions: one for an origin, whichever of its lists an edge gets, and with the Service that it is of, as
    /// these sites have it.
    pub(super) fn number(
        &self,
        key: &DistributionKey,
        sites: &[Site],
        lists: BTreeMap<String, OriginEndpoints>,
    ) -> Vec<ForEdges> {
        let mut told = self.0.lock();
        let before = told.lists.remove(key).unwrap_or_default();
        let mut now = BTreeMap::new();
        for (origin, OriginEndpoints { addresses, nearest }) in lists {
            let Some((site, target)) = whose(sites, &origin) else { continue };
            let last = before.get(&origin).filter(|last| last.nearest == nearest);
            let version = last.map(|last| last.all.version).unwrap_or_default();
            let all = Endpoints { site, origin: origin.clone(), target, version, addresses };
            let is_same = last.is_some_and(|last| last.all == all);
            told.version += u64::from(!is_same);
            let version = if is_same { version } else { told.version };
            now.insert(origin, ForEdges { all: Endpoints { version, ..all }, nearest });
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

/// The site that has this origin, and where it has it.
fn whose(sites: &[Site], origin: &str) -> Option<(String, OriginTarget)> {
    let of_site = |site: &Site| {
        let named = site.origins.iter().find(|one| one.name == origin)?;
        Some((site.id.clone(), named.target.clone()?))
    };
    sites.iter().find_map(of_site)
}

#[cfg(test)]
mod tests {
    use edge_contract::{Origin, Scheme};

    use super::*;

    fn sites(port: u16) -> [Site; 1] {
        let target =
            OriginTarget::Service { dns_name: "app.default.svc".into(), port, scheme: Scheme::Http, granted: false };
        [Site { origins: vec![Origin::plain("app", "app").at(target)], ..Site::plain("uid", "default/shop") }]
    }

    #[test]
    fn a_list_is_of_the_service_that_edges_are_sent_and_another_service_makes_it_a_new_one() {
        let (told, key) = (ToldEndpoints::default(), DistributionKey::new("default", "shop"));
        let number = |sites: &[Site]| -> Vec<(u64, u16)> {
            let lists = told.number(&key, sites, [("app".to_owned(), OriginEndpoints::default())].into());
            lists.iter().map(|list| (list.all.version, list.all.target.port())).collect()
        };
        let check = |port, expect: Vec<(u64, u16)>| assert_eq!(number(&sites(port)), expect);
        check(80, vec![(1, 80)]);
        check(443, vec![(2, 443)]);
        check(443, vec![(2, 443)]);
        assert_eq!(number(&[]), [], "nobody is told of an origin that no edge has");
    }

    #[test]
    fn a_list_gets_a_new_version_exactly_when_it_changes() {
        let (told, key) = (ToldEndpoints::default(), DistributionKey::new("default", "shop"));
        let number = |addresses: &[&str], near: &[&str]| {
            let list = |addresses: &[&str]| addresses.iter().map(ToString::to_string).collect();
            let nearest = near.iter().map(|uid| ((*uid).to_owned(), Vec::new())).collect();
            let lists = [("app".to_owned(), OriginEndpoints { addresses: list(addresses), nearest })].into();
            told.number(&key, &sites(80), lists).iter().map(|list| list.all.version).collect::<Vec<_>>()
        };
        let versions = |addresses: &[&str]| number(addresses, &[]);
        assert_eq!(versions(&["10.0.0.1:80"]), [1]);
        assert_eq!(versions(&["10.0.0.1:80"]), [1]);
        assert_eq!(versions(&[]), [2]);
        assert_eq!(versions(&["10.0.0.1:80"]), [3]);
        assert_eq!(told.number(&key, &sites(80), BTreeMap::new()), []);
        assert_eq!(versions(&["10.0.0.1:80"]), [4]);
        assert_eq!(number(&["10.0.0.1:80"], &["one"]), [5], "an edge must hear that its own list came or went");
        assert_eq!(versions(&["10.0.0.1:80"]), [6]);
    }
}
