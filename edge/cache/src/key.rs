//! A site, a path, a query and sometimes a host into the name under which a response is stored.

use std::sync::Arc;

use edge_contract::{Behavior, HostHeader, Site};

use crate::{NormalPath, query};

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
    let query = query::keyed(raw_query, &behavior.query_key);
    let origin = site.origins.iter().find(|origin| origin.name == behavior.origin);
    let keyed_host = origin.filter(|origin| origin.host_header == HostHeader::Viewer).and(authority);
    (CacheKey::new(&site.id, keyed_host, path, query.as_deref()), query)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_target_is_path_and_query() {
        let path = NormalPath::parse("/a").expect("legal");
        assert_eq!(CacheKey::new("uid", Some("h"), &path, Some("x=1")).target(), "/a?x=1");
        assert_eq!(CacheKey::new("uid", None, &path, None).target(), "/a");
        assert_eq!(CacheKey::new("uid", None, &path, Some("")).target(), "/a?");
    }

    proptest! {
        #[test]
        fn different_requests_never_share_a_key(
            a in ("[0-9:/?a-]{0,4}", proptest::option::of("[0-9:/?a-]{0,4}"), "/[a/1:]{0,4}", proptest::option::of("[?/a:1]{0,3}")),
            b in ("[0-9:/?a-]{0,4}", proptest::option::of("[0-9:/?a-]{0,4}"), "/[a/1:]{0,4}", proptest::option::of("[?/a:1]{0,3}")),
        ) {
            let key = |(site, host, path, query): &(String, Option<String>, String, Option<String>)|
                CacheKey::new(site, host.as_deref(), &NormalPath::parse(path).expect("legal"), query.as_deref());
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }
    }
}
