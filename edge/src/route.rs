//! A host and a path into the site and the behavior that serve them.

use std::net::IpAddr;
use std::sync::Arc;

use edge_cache::{NormalPath, key};

use crate::config::{BehaviorTable, SiteTable, Sites};

/// Who serves a request.
#[derive(Clone, Debug)]
pub struct Route {
    /// The distribution.
    pub site: Arc<SiteTable>,
    /// The first of its behaviors that matches.
    pub behavior: Arc<BehaviorTable>,
    /// The path that is matched, keyed and sent on: the default root object in place of `/`.
    pub path: NormalPath,
}

impl Route {
    /// Who serves another path of the same site.
    pub fn within(&self, path: NormalPath) -> Option<Self> {
        let behavior = Arc::clone(self.site.behavior(&path)?);
        Some(Self { site: Arc::clone(&self.site), behavior, path })
    }
}

/// Finds who serves a request. Nobody: 421 (RFC 9110 §15.5.20).
pub fn find(sites: &Sites, host: Option<&str>, path: NormalPath) -> Option<Route> {
    let site = site(sites, host)?;
    let path = key::resolve_root(path, &site.site);
    let behavior = Arc::clone(site.behavior(&path)?);
    Some(Route { site: Arc::clone(site), behavior, path })
}

/// An exact alias, then the longest wildcard, then the distribution without aliases; plain addresses always match.
fn site<'a>(sites: &'a Sites, host: Option<&str>) -> Option<&'a Arc<SiteTable>> {
    // HTTP/1.0 may lack a host; it can then mean only what an address means.
    let Some(host) = host else { return sites.for_any_host().or_else(|| only(sites)) };
    if let Some(named) = sites.by_name(host).or_else(|| sites.by_wildcard(host)).or_else(|| sites.for_any_host()) {
        return Some(named);
    }
    if is_address(host) { only(sites) } else { None }
}

/// With many sites an address says nothing about which is meant.
fn only(sites: &Sites) -> Option<&Arc<SiteTable>> {
    sites.sites.first().filter(|_| sites.sites.len() == 1)
}

fn is_address(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{behavior, config, site as plain_site};

    fn aliased(id: &str, aliases: &[&str], own_names: &[&str]) -> edge_contract::Site {
        let mut site = plain_site(id);
        site.aliases = aliases.iter().map(ToString::to_string).collect();
        site.own_names = own_names.iter().map(ToString::to_string).collect();
        site
    }

    #[track_caller]
    fn check(sites: &[edge_contract::Site], host: Option<&str>, expect: Option<&str>) {
        let sites = Sites::compile(config(sites.to_vec()), None).expect("is sound");
        let found = find(&sites, host, NormalPath::parse("/").expect("is one"));
        assert_eq!(found.as_ref().map(|route| route.site.site.id.as_str()), expect, "{host:?}");
    }

    #[test]
    fn the_most_exact_name_wins() {
        let sites = [
            aliased("wide", &["*.example.com"], &[]),
            aliased("narrow", &["*.shop.example.com"], &[]),
            aliased("exact", &["a.shop.example.com"], &["exact-edge.default.svc"]),
        ];
        check(&sites, Some("a.shop.example.com"), Some("exact"));
        check(&sites, Some("b.shop.example.com"), Some("narrow"));
        check(&sites, Some("shop.example.com"), Some("wide"));
        check(&sites, Some("a.b.example.com"), Some("wide"));
        check(&sites, Some("example.com"), None);
        check(&sites, Some(".example.com"), None);
        check(&sites, Some("exact-edge.default.svc"), Some("exact"));
        check(&sites, Some("10.0.0.1"), None);
    }

    #[test]
    fn one_distribution_is_also_meant_by_plain_addresses_and_by_no_host() {
        let sites = [aliased("exact", &["a.example.com"], &[])];
        check(&sites, Some("10.0.0.1"), Some("exact"));
        check(&sites, Some("[::1]"), Some("exact"));
        check(&sites, None, Some("exact"));
        check(&sites, Some("localhost"), None);
    }

    #[test]
    fn a_distribution_without_aliases_serves_any_host() {
        let sites = [aliased("exact", &["a.example.com"], &[]), aliased("any", &[], &[])];
        check(&sites, Some("a.example.com"), Some("exact"));
        check(&sites, Some("whatever"), Some("any"));
        check(&sites, None, Some("any"));
    }

    #[test]
    fn the_first_behavior_that_matches_serves_and_the_root_object_is_what_is_matched() {
        let mut site = plain_site("s");
        site.default_root_object = Some("/index.html".into());
        site.behaviors = vec![behavior("/img/*"), behavior("*.html"), behavior("/img/a"), behavior("*")];
        let sites = Sites::compile(config(vec![site]), None).expect("is sound");
        for (path, expect) in [("/", "*.html"), ("/img/a", "/img/*"), ("/x", "*"), ("/img/x.html", "/img/*")] {
            let found = find(&sites, None, NormalPath::parse(path).expect("is one")).expect("is served");
            assert_eq!(found.behavior.behavior.path_pattern, expect, "{path}");
        }
    }
}
