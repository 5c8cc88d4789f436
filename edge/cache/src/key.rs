//! A site, a path, a query and sometimes a host into the name under which a response is stored.

use std::sync::Arc;

use edge_contract::{Behavior, HostHeader, Site};

use crate::{NormalPath, coding::Accepted, query};

/// The name of a stored response: two requests have the same key exactly when the origin would be asked the same.
///
/// One allocation, shared by its clones. The origin is not part of it: editing an origin does not flush.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey {
    text: Arc<str>,
    target_at: usize,
}

impl CacheKey {
    /// `host` is given only where the origin is sent the viewer's (`HostHeader::Viewer`), port and all, as it is sent.
    ///
    /// Unambiguous: site and host are preceded by their lengths, a path holds no `?` (so the first one begins the query).
    pub fn new(site: &str, host: Option<&str>, path: &NormalPath, query: Option<&str>) -> Self {
        let host_length = host.map_or_else(|| "-".to_owned(), |host| host.len().to_string());
        let mut text = format!("{}:{site}{host_length}:{}", site.len(), host.unwrap_or_default());
        let target_at = text.len();
        text.push_str(path.as_str());
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        Self { text: text.into(), target_at }
    }

    /// The same for viewers that accept these codings. A key without begins with a digit, so a mark of letters is unambiguous.
    #[must_use]
    pub fn accepting(&self, accepted: Accepted) -> Self {
        let mark = accepted.mark();
        if mark.is_empty() {
            return self.clone();
        }
        Self { text: format!("{mark}{}", self.text).into(), target_at: self.target_at + mark.len() }
    }

    /// What purge orders are matched against: path and query, as the origin is asked for them (its base path aside).
    pub fn target(&self) -> &str {
        self.text.get(self.target_at..).unwrap_or_default()
    }

    /// Bytes that it holds, for the store's account.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Never: a key holds at least `/`.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

/// The path that is matched, keyed and sent: `defaultRootObject` replaces `/` only.
pub fn resolve_root(path: NormalPath, site: &Site) -> NormalPath {
    if path.as_str() != "/" {
        return path;
    }
    site.default_root_object.as_deref().and_then(|object| NormalPath::parse(object).ok()).unwrap_or(path)
}

/// A request's key under a behavior, and the query that is forwarded with it. `path` is the one after [`resolve_root`],
/// `authority` the one of [`crate::head::Asked`].
pub fn of_request(
    site: &Site,
    behavior: &Behavior,
    authority: Option<&str>,
    path: &NormalPath,
    raw_query: Option<&str>,
) -> (CacheKey, Option<String>) {
    let query = query::keyed(raw_query, &behavior.key.query_strings);
    let origin = site.origins.iter().find(|origin| origin.name == behavior.origin);
    let keyed_host = origin.filter(|origin| origin.host_header == HostHeader::Viewer).and(authority);
    (CacheKey::new(&site.id, keyed_host, path, query.as_deref()), query)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use edge_contract::{Choice, Methods};

    use super::*;
    use crate::testing;

    fn path(text: &str) -> NormalPath {
        NormalPath::parse(text).expect("legal")
    }

    #[test]
    fn the_default_root_object_stands_for_the_root_only() {
        let site = testing::site(Some("/index.html"), vec![]);
        assert_eq!(resolve_root(path("/"), &site), path("/index.html"));
        assert_eq!(resolve_root(path("/dir/"), &site), path("/dir/"));
        assert_eq!(resolve_root(path("/"), &testing::site(None, vec![])), path("/"));
    }

    #[test]
    fn what_is_keyed_of_the_query_is_what_is_forwarded() {
        let site = testing::site(None, vec![]);
        let keyed = |rule: Choice| {
            of_request(&site, &testing::behavior("*", rule, Methods::All, 1), None, &path("/a"), Some("x=1&y=2"))
        };
        for (rule, expect) in [
            (Choice::All, Some("x=1&y=2")),
            (Choice::None, None),
            (Choice::Include(vec!["y".to_owned()]), Some("y=2")),
            (Choice::Exclude(vec!["y".to_owned()]), Some("x=1")),
        ] {
            let (key, query) = keyed(rule);
            assert_eq!(query.as_deref(), expect);
            assert_eq!(key, CacheKey::new("uid", None, &path("/a"), expect));
        }
    }

    #[test]
    fn the_host_is_keyed_only_where_the_origin_is_sent_it() {
        let behavior = testing::behavior("*", Choice::All, Methods::All, 1);
        let mut site = testing::site(None, vec![]);
        let key = |site: &Site, host| of_request(site, &behavior, Some(host), &path("/a"), None).0;
        assert_eq!(key(&site, "a"), key(&site, "b"));
        site.origins = vec![testing::origin(HostHeader::Viewer, &[])];
        assert_ne!(key(&site, "a"), key(&site, "b"));
        assert_ne!(key(&site, "a"), key(&site, "a:81"));
    }

    #[test]
    fn the_target_is_path_and_query() {
        let path = NormalPath::parse("/a").expect("legal");
        assert_eq!(CacheKey::new("uid", Some("h"), &path, Some("x=1")).target(), "/a?x=1");
        assert_eq!(CacheKey::new("uid", None, &path, None).target(), "/a");
        assert_eq!(CacheKey::new("uid", None, &path, Some("")).target(), "/a?");
    }

    #[test]
    fn what_viewers_accept_tells_keys_apart_and_is_no_part_of_the_target() {
        let plain = CacheKey::new("uid", None, &path("/a"), Some("x=1"));
        let keys = Accepted::ALL.map(|accepted| plain.accepting(accepted));
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(key.target(), "/a?x=1");
            assert!(keys.iter().skip(at + 1).all(|other| other != key));
        }
        assert_eq!(keys[0], plain);
    }

    /// Small alphabets of what separates the parts, so that a part can look like the end of another.
    type Parts = (String, Option<String>, String, Option<String>);

    fn parts() -> impl Strategy<Value = Parts> {
        let some = proptest::option::of;
        prop_oneof![
            ("[0-2:/?-]{0,3}", some("[0-2:/?-]{0,3}"), "/[0:/]{0,2}", some("[?/:]{0,2}")),
            ("[0:-]{0,2}", some("[0:-]{0,2}"), "/", Just(None)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn different_requests_never_share_a_key(a in parts(), b in parts()) {
            let key = |(site, host, path, query): &Parts| CacheKey::new(site, host.as_deref(), &self::path(path), query.as_deref());
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }
    }
}
