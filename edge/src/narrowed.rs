//! What serves, and a newer configuration that has to wait, into what serves meanwhile.
//!
//! What a pod cannot do without what it lacks, it does not begin. But what is taken away is taken away at once: a Service, the grant of one,
//! an alias, an address at which no origin may be any more, all of it.
//! Guarantees: nothing serves that did not serve before, and what is keyed and stored stays as it was, so that orders mean what they
//! meant. It depends on these two configurations alone: what the newer one gives back is there again.

use std::collections::BTreeSet;

use edge_contract::{EdgeConfig, NO_ALIAS, Origin, OriginTarget, Site};

/// What serves until `waiting` can, in place of `serving`.
pub fn narrowed(serving: &EdgeConfig, waiting: &EdgeConfig) -> EdgeConfig {
    let narrowed = |site: &Site| match waiting.sites.iter().find(|newer| newer.id == site.id) {
        Some(newer) => site_within(site, newer),
        // It stays, with the rules by which orders are read until it is back.
        None => Site { enabled: false, ..site.clone() },
    };
    EdgeConfig { sites: serving.sites.iter().map(narrowed).collect(), ..serving.clone() }
}

fn site_within(site: &Site, newer: &Site) -> Site {
    let origin = |origin: &Origin| {
        let target = origin.target.clone().filter(|target| may_be_asked(&origin.name, target, newer));
        let why = newer.origins.iter().find(|one| one.name == origin.name).and_then(|one| one.invalid.clone());
        Origin { target, invalid: why.or_else(|| origin.invalid.clone()), ..origin.clone() }
    };
    Site {
        enabled: site.enabled && newer.enabled,
        aliases: aliases(&site.aliases, &newer.aliases),
        walls: newer.walls.clone(),
        origins: site.origins.iter().map(origin).collect(),
        ..site.clone()
    }
}

/// An origin that is somewhere else in the newer one, or not in it, was moved by its owner, and that waits. One that is nowhere may not be
/// asked. Nor may a Service on loan that is named no more: whether its grant still stands, nobody looks any more.
fn may_be_asked(name: &str, target: &OriginTarget, newer: &Site) -> bool {
    if newer.origins.iter().any(|origin| origin.name == name && origin.target.is_none()) {
        return false;
    }
    let OriginTarget::Service { dns_name, granted: true, .. } = target else { return true };
    newer.origins.iter().filter_map(|origin| origin.target.as_ref()).any(|there| there.host() == dns_name)
}

/// The names that both serve. None at all is not every name.
fn aliases(serving: &[String], newer: &[String]) -> Vec<String> {
    match (serving, newer) {
        (any, []) => return any.to_vec(),
        ([], given) => return given.to_vec(),
        _ => {}
    }
    let within = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|alias| other.iter().any(|other| covers(other, alias))).cloned().collect()
    };
    let both: BTreeSet<String> = [within(serving, newer), within(newer, serving)].concat().into_iter().collect();
    if both.is_empty() { vec![NO_ALIAS.to_owned()] } else { both.into_iter().collect() }
}

/// Whether whoever has `one` has `alias`: a leading `*` stands for at least one character.
fn covers(one: &str, alias: &str) -> bool {
    let is_below = |suffix: &str| alias.len() > suffix.len() && alias.ends_with(suffix);
    one == alias || one.strip_prefix('*').is_some_and(is_below)
}

#[cfg(test)]
mod tests {
    use edge_contract::{Epoch, Scheme, Walls};

    use super::*;

    fn service(name: &str, port: u16, granted: bool) -> OriginTarget {
        OriginTarget::Service { dns_name: format!("{name}.svc"), port, scheme: Scheme::Http, granted }
    }

    fn url(host: &str) -> OriginTarget {
        OriginTarget::Address { scheme: Scheme::Https, host: host.into(), port: 443 }
    }

    fn site(origins: &[(&str, Option<OriginTarget>)]) -> Site {
        let origin = |(name, target): &(&str, Option<OriginTarget>)| Origin {
            target: target.clone(),
            ..Origin::plain(*name, "app.test")
        };
        Site { origins: origins.iter().map(origin).collect(), ..Site::plain("uid", "default/shop") }
    }

    fn config(revision: u64, site: Site) -> EdgeConfig {
        EdgeConfig::of(Epoch(7), revision, vec![site])
    }

    fn of_sites(serving: Site, waiting: Site) -> Site {
        let narrowed = narrowed(&config(1, serving), &config(2, waiting));
        assert_eq!(narrowed.revision, 1, "what waits does not serve");
        narrowed.sites[0].clone()
    }

    #[track_caller]
    fn check(serving: OriginTarget, waiting: &[(&str, Option<OriginTarget>)], stays: bool) {
        let narrowed = of_sites(site(&[("app", Some(serving.clone()))]), site(waiting));
        assert_eq!(narrowed.origins[0].target, stays.then_some(serving), "{waiting:?}");
    }

    #[test]
    fn an_origin_that_may_not_be_asked_any_more_is_not_asked() {
        for target in [service("app.shop", 80, false), service("app.team-b", 80, true), url("app.test")] {
            check(target.clone(), &[("app", None)], false);
            check(target.clone(), &[("app", Some(target))], true);
        }
    }

    #[test]
    fn why_it_is_not_asked_is_what_the_newer_one_says() {
        let mut refused = site(&[("app", None)]);
        refused.origins[0].invalid = Some("a loopback address".into());
        assert_eq!(of_sites(site(&[("app", Some(url("app.test")))]), refused.clone()), refused);
    }

    #[test]
    fn what_its_owner_moves_waits_with_the_rest() {
        for target in [service("app.shop", 80, false), url("app.test")] {
            check(target.clone(), &[("app", Some(service("v2.shop", 80, false)))], true);
            check(target.clone(), &[("app", Some(url("elsewhere.test")))], true);
            check(target, &[("other", None)], true);
        }
    }

    #[test]
    fn a_service_on_loan_is_asked_only_while_something_names_it() {
        let lent = || service("app.team-b", 80, true);
        check(lent(), &[("app", Some(service("app.team-b", 443, true)))], true);
        check(lent(), &[("app", Some(url("a.test"))), ("other", Some(service("app.team-b", 80, true)))], true);
        check(lent(), &[("app", Some(service("app.shop", 80, false)))], false);
        check(lent(), &[("app", Some(service("other.team-b", 80, true)))], false);
        check(lent(), &[("other", Some(url("a.test")))], false);
        check(lent(), &[], false);
    }

    #[track_caller]
    fn check_aliases(serving: &[&str], waiting: &[&str], expect: &[&str]) {
        let named = |aliases: &[&str]| Site { aliases: aliases.iter().map(ToString::to_string).collect(), ..site(&[]) };
        assert_eq!(of_sites(named(serving), named(waiting)).aliases, expect, "{serving:?} {waiting:?}");
    }

    #[test]
    fn only_names_that_both_have_are_answered_for() {
        check_aliases(&["a.test", "b.test"], &["b.test", "c.test"], &["b.test"]);
        check_aliases(&["a.test"], &["b.test"], &[NO_ALIAS]);
        check_aliases(&["a.test"], &[NO_ALIAS], &[NO_ALIAS]);
        check_aliases(&["*.test"], &["a.test", "b.other"], &["a.test"]);
        check_aliases(&["a.test", "b.other"], &["*.test"], &["a.test"]);
        check_aliases(&["*.test"], &["*.a.test", "test"], &["*.a.test"]);
    }

    #[test]
    fn to_have_no_alias_is_to_have_every_name() {
        check_aliases(&[], &["a.test"], &["a.test"]);
        check_aliases(&["a.test"], &[], &["a.test"]);
        check_aliases(&[], &[], &[]);
    }

    #[test]
    fn walls_and_the_end_of_all_of_it_do_not_wait_and_the_rest_does() {
        let walls = Walls { cluster_networks: vec!["10.0.0.0/8".parse().expect("is one")], ..Walls::default() };
        let edited = Site { enabled: false, walls: walls.clone(), default_root_object: Some("/a".into()), ..site(&[]) };
        let expect = Site { enabled: false, walls, ..site(&[]) };
        assert_eq!(of_sites(site(&[]), edited), expect);
        let off = Site { enabled: false, ..site(&[]) };
        assert_eq!(of_sites(off.clone(), site(&[])), off, "what is switched on again waits");
        assert_eq!(narrowed(&config(1, site(&[])), &EdgeConfig::of(Epoch(7), 2, vec![])).sites, [off], "it is gone");
    }
}
