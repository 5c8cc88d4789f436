//! What a site wants mounted, and what its edges had before, into what an edge that starts with it waits for.
//!
//! A pod of the template before cannot have it, so while it is awaited the `ConfigMap` keeps the configuration before too: such a pod starts
//! with that one when it has to start again.
//!
//! Guarantees: what the `ConfigMap` says is all that is remembered, so a restart, another leader or an upgrade changes nothing. A first
//! configuration awaits nothing: it serves what there is. What is new is awaited until every pod is of the template that mounts it, and
//! from then on never again: edges that start after it has vanished are ready.

use std::collections::BTreeSet;

use edge_contract::{EdgeConfig, Reference, Site};

/// What is awaited: paths of files. `before` is the configuration that the live `ConfigMap` holds, `is_through` whether all pods are as
/// planned.
pub(super) fn new_mounts(sites: &[Site], before: Option<&EdgeConfig>, is_through: bool) -> BTreeSet<String> {
    let Some(before) = before else { return BTreeSet::new() };
    if is_through && before.sites == sites {
        return BTreeSet::new();
    }
    let path = |reference: Reference| reference.mounted.path();
    let had: BTreeSet<String> = before.sites.iter().flat_map(Site::references).map(path).collect();
    let needed = sites.iter().flat_map(Site::references).filter(|one| !one.purpose.may_be_missing()).map(path);
    needed.filter(|path| !had.contains(path) || before.new_mounts.contains(path)).collect()
}

/// What pods start with in which nothing of that is mounted: the last configuration that awaited nothing. `there` is what the live
/// `ConfigMap` holds.
pub(super) fn before(awaited: &BTreeSet<String>, there: Option<EdgeConfig>) -> Option<EdgeConfig> {
    let there = there.filter(|_| !awaited.is_empty())?;
    if there.new_mounts.is_empty() { Some(there) } else { there.before.map(|before| before.config) }
}

#[cfg(test)]
mod tests {
    use edge_contract::{Before, Epoch, Mounted, MountedKind, Origin, OriginHeader, OriginHeaderValue};

    use super::*;

    fn sites(keys: &[&str]) -> Vec<Site> {
        let header = |key: &&str| {
            let file = Mounted {
                kind: MountedKind::Secret,
                name: "shop".into(),
                key: (*key).to_owned(),
                field: "spec.origins[app]".into(),
            };
            OriginHeader { name: format!("x-{key}"), value: OriginHeaderValue::ValueFrom(file) }
        };
        let origin = Origin { headers: keys.iter().map(header).collect(), ..Origin::plain("app", "app") };
        vec![Site { origins: vec![origin], ..Site::plain("uid", "default/shop") }]
    }

    fn config(keys: &[&str], new: &[&str]) -> EdgeConfig {
        let new_mounts = new.iter().map(|key| format!("secret/shop/{key}")).collect();
        EdgeConfig { new_mounts, ..EdgeConfig::of(Epoch(7), 1, sites(keys)) }
    }

    #[track_caller]
    fn check(wanted: &[&str], before: Option<&EdgeConfig>, is_through: bool, expect: &[&str]) {
        let expect: BTreeSet<String> = expect.iter().map(|key| format!("secret/shop/{key}")).collect();
        assert_eq!(new_mounts(&sites(wanted), before, is_through), expect);
    }

    #[test]
    fn the_configuration_before_is_the_last_one_that_awaited_nothing_while_something_is_awaited() {
        let (awaited, nothing) = (["secret/shop/b".to_owned()].into(), BTreeSet::new());
        let last = config(&["a"], &[]);
        let with = |before: Option<EdgeConfig>| EdgeConfig {
            before: before.map(|config| Box::new(Before { not_with: "id".into(), config })),
            ..config(&["a", "b"], &["b"])
        };
        assert_eq!(before(&awaited, Some(last.clone())), Some(last.clone()));
        assert_eq!(before(&awaited, Some(with(Some(last.clone())))), Some(last.clone()), "an edit on top of another");
        assert_eq!(before(&awaited, Some(with(None))), None, "it found no room");
        assert_eq!(before(&awaited, None), None);
        assert_eq!(before(&nothing, Some(with(Some(last)))), None, "every pod is made for the newest");
    }

    #[test]
    fn a_first_configuration_serves_what_there_is() {
        check(&["a"], None, false, &[]);
    }

    #[test]
    fn what_is_new_is_awaited_until_all_pods_have_it() {
        check(&["a", "b"], Some(&config(&["a"], &[])), true, &["b"]);
        check(&["a", "b"], Some(&config(&["a", "b"], &["b"])), false, &["b"]);
        check(&["a", "b"], Some(&config(&["a", "b"], &["b"])), true, &[]);
    }

    #[test]
    fn what_was_awaited_by_a_generation_before_is_awaited_still() {
        check(&["b", "c"], Some(&config(&["a", "b"], &["b"])), false, &["b", "c"]);
        // Of an edit that nobody has rolled yet, pods that are all alike say nothing.
        check(&["b", "c"], Some(&config(&["a", "b"], &["b"])), true, &["b", "c"]);
    }

    #[test]
    fn what_every_pod_had_once_is_awaited_by_no_pod_that_starts_later() {
        check(&["a"], Some(&config(&["a"], &[])), false, &[]);
        check(&["a"], Some(&config(&["a", "b"], &["b"])), true, &[]);
    }
}
