//! A site, a behavior and a request into the name under which a response is stored, and into what of the request is in it.

use std::sync::Arc;

use edge_contract::{Behavior, Choice, HostHeader, Origin, Site};
use http::{HeaderMap, HeaderName, HeaderValue, header, request};

use crate::{NormalPath, coding::Accepted, cookies, head::Asked, pattern::PathPattern, query};

/// The name of a stored response: two requests have the same key exactly when, of what is keyed, the origin would be sent the same.
///
/// One allocation, shared by its clones. The origin is not part of it: editing an origin does not flush.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey {
    text: Arc<str>,
    target_at: usize,
}

/// What of a request tells its answer from others, beside the path. All of it is forwarded, in this form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyed {
    /// The viewer's host, port and all, where the origin is sent it.
    pub host: Option<String>,
    /// The query.
    pub query: Option<String>,
    /// Header fields, each with its one value. What is absent is not among them.
    pub fields: Vec<(HeaderName, HeaderValue)>,
}

impl CacheKey {
    /// The key of a request without header fields in it. `host` is given only where the origin is sent the viewer's.
    pub fn new(site: &str, host: Option<&str>, path: &NormalPath, query: Option<&str>) -> Self {
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        Self::of(site, path, &Keyed { host: owned(host), query: owned(query), fields: Vec::new() })
    }

    /// Unambiguous: site, host and values are preceded by their lengths, a field's name holds neither `:` nor the `/` that begins a
    /// path, and a path holds no `?` (so the first one begins the query).
    pub fn of(site: &str, path: &NormalPath, keyed: &Keyed) -> Self {
        let host = keyed.host.as_deref();
        let host_length = host.map_or_else(|| "-".to_owned(), |host| host.len().to_string());
        let mut text = format!("{}:{site}{host_length}:{}", site.len(), host.unwrap_or_default());
        for (name, value) in &keyed.fields {
            text.extend([name.as_str(), ":", &value.len().to_string(), ":"]);
            // A value is bytes: each is one character here.
            text.extend(value.as_bytes().iter().map(|byte| char::from(*byte)));
        }
        let target_at = text.len();
        text.push_str(path.as_str());
        if let Some(query) = &keyed.query {
            text.push('?');
            text.push_str(query);
        }
        Self { text: text.into(), target_at }
    }

    /// The same for viewers that accept these codings. A key without begins with a digit, so a mark of letters is unambiguous.
    #[must_use]
    pub fn accepting(&self, accepted: Accepted) -> Self {
        let mark = accepted.mark();
        if mark.is_empty() { self.clone() } else { self.marked(mark) }
    }

    /// The same of the origin that stands in for another, where another edge asks for that one alone. To be marked after its codings.
    #[must_use]
    pub fn of_stand_in(&self) -> Self {
        self.marked("s")
    }

    /// The name of reads that go by way of other edges. Nothing is stored under it. To be marked last.
    #[must_use]
    pub fn by_tier(&self) -> Self {
        self.marked("t")
    }

    fn marked(&self, mark: &str) -> Self {
        Self { text: format!("{mark}{}", self.text).into(), target_at: self.target_at + mark.len() }
    }

    /// What purge orders are matched against: path and query, whatever else is in the key.
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

/// A request's key under a behavior, and what of the request is in it.
///
/// `viewer` is the head after [`crate::arrival::settle`], `asked` what it asks for, `path` the one after [`resolve_root`].
pub fn of_request(
    site: &Site,
    behavior: &Behavior,
    viewer: &request::Parts,
    asked: &Asked,
    path: &NormalPath,
) -> (CacheKey, Keyed) {
    let keyed = Keyed {
        host: asked.authority.clone().filter(|_| keys_host(site, behavior)),
        query: query::keyed(asked.query.as_deref(), &behavior.key.query_strings),
        fields: keyed_fields(behavior, &viewer.headers),
    };
    (CacheKey::of(&site.id, path, &keyed), keyed)
}

/// The key of a target, where nothing else is in the keys of the behavior that serves it. Others are as many as there are viewers.
pub fn of_target(site: &Site, target: &str) -> Option<CacheKey> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let path = NormalPath::parse(path).ok()?;
    let serves = |behavior: &&Behavior| PathPattern::new(&behavior.path_pattern).matches(&path);
    let behavior = site.behaviors.iter().find(serves)?;
    let by_target_alone =
        !keys_host(site, behavior) && behavior.key.headers.is_empty() && behavior.key.cookies == Choice::None;
    by_target_alone.then(|| CacheKey::new(&site.id, None, &path, query))
}

/// Whether an origin is sent the viewer's `Host`: because it is configured so, or because it is among what is keyed. Of a group either
/// may answer, so what one of them is sent counts for both.
pub fn keys_host(site: &Site, behavior: &Behavior) -> bool {
    let group = site.origin_groups.iter().find(|group| group.name == behavior.origin);
    let (first, second) = group.map_or((&behavior.origin, None), |group| (&group.primary, Some(&group.secondary)));
    let answers = |name: &String| name == first || Some(name) == second;
    let is_sent = |origin: &Origin| answers(&origin.name) && origin.host_header == HostHeader::Viewer;
    names_host(behavior) || site.origins.iter().any(is_sent)
}

/// Whether a behavior has the viewer's `Host` in its key by name.
pub(crate) fn names_host(behavior: &Behavior) -> bool {
    behavior.key.headers.iter().any(|name| name == header::HOST.as_str())
}

/// In the order of the rule, and the cookies last.
fn keyed_fields(behavior: &Behavior, headers: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let named = behavior.key.headers.iter().filter_map(|name| HeaderName::try_from(name).ok());
    let plain = named.filter(|name| ![header::HOST, header::COOKIE].contains(name));
    let fields = plain.filter_map(|name| value(headers, &name).map(|value| (name, value)));
    let cookie = cookies::keyed(headers, &behavior.key.cookies).map(|cookie| (header::COOKIE, cookie));
    fields.chain(cookie).collect()
}

/// A field's value in one form: blanks around its lines mean nothing (RFC 9110 §5.5), and lines of one name are one list (§5.3). Empty is
/// not absent.
fn value(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let lines: Vec<&[u8]> = headers.get_all(name).iter().map(|line| line.as_bytes().trim_ascii()).collect();
    if lines.is_empty() { None } else { HeaderValue::from_bytes(&lines.join(&b", "[..])).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use edge_contract::{Methods, OriginGroup};
    use http::Version;

    use super::*;
    use crate::testing::{self, fields};

    fn path(text: &str) -> NormalPath {
        NormalPath::parse(text).expect("legal")
    }

    fn behavior() -> Behavior {
        testing::behavior("*", Choice::All, Methods::All, 1)
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    /// What is keyed of `GET http://<host>/a?x=1&y=2` with these fields.
    fn keyed(site: &Site, behavior: &Behavior, host: &str, lines: &[&str]) -> (CacheKey, Keyed) {
        let viewer = testing::request("GET", "/a?x=1&y=2", Version::HTTP_11, lines);
        let asked = Asked {
            host: Some(host.to_owned()),
            authority: Some(host.to_owned()),
            path: path("/a"),
            query: Some("x=1&y=2".to_owned()),
            expects_continue: false,
        };
        of_request(site, behavior, &viewer, &asked, &path("/a"))
    }

    #[test]
    fn the_default_root_object_stands_for_the_root_only() {
        let site = testing::site(Some("/index.html"), vec![]);
        assert_eq!(resolve_root(path("/"), &site), path("/index.html"));
        assert_eq!(resolve_root(path("/dir/"), &site), path("/dir/"));
        assert_eq!(resolve_root(path("/"), &testing::site(None, vec![])), path("/"));
    }

    #[test]
    fn the_query_is_keyed_by_its_rule() {
        let site = testing::site(None, vec![]);
        for (rule, expect) in [
            (Choice::All, Some("x=1&y=2")),
            (Choice::None, None),
            (Choice::Include(names(&["y"])), Some("y=2")),
            (Choice::Exclude(names(&["y"])), Some("x=1")),
        ] {
            let (key, keyed) = keyed(&site, &testing::behavior("*", rule, Methods::All, 1), "a", &[]);
            assert_eq!(keyed.query.as_deref(), expect);
            assert_eq!(key, CacheKey::new("uid", None, &path("/a"), expect));
        }
    }

    #[test]
    fn the_host_is_keyed_only_where_the_origin_is_sent_it() {
        let mut site = testing::site(None, vec![]);
        let key = |site: &Site, behavior: &Behavior, host| keyed(site, behavior, host, &["host: other"]).0;
        assert_eq!(key(&site, &behavior(), "a"), key(&site, &behavior(), "b"));
        let mut by_name = behavior();
        by_name.key.headers = names(&["host"]);
        assert_ne!(key(&site, &by_name, "a"), key(&site, &by_name, "b"));
        let named = key(&site, &by_name, "a");
        site.origins = vec![testing::origin(HostHeader::Viewer, &[])];
        assert_ne!(key(&site, &behavior(), "a"), key(&site, &behavior(), "b"));
        assert_ne!(key(&site, &behavior(), "a"), key(&site, &behavior(), "a:81"));
        assert_eq!(key(&site, &behavior(), "a"), named);
    }

    #[test]
    fn the_host_that_one_of_two_origins_is_sent_is_in_the_key_of_both() {
        let mut site = testing::site(None, vec![]);
        site.origins.push(Origin { host_header: HostHeader::Viewer, ..Origin::plain("spare", "spare.local") });
        let key = |site: &Site, origin: &str, host| {
            keyed(site, &Behavior { origin: origin.to_owned(), ..behavior() }, host, &[]).0
        };
        for (primary, secondary) in [("app", "spare"), ("spare", "app")] {
            site.origin_groups = vec![OriginGroup {
                name: "ha".to_owned(),
                primary: primary.to_owned(),
                secondary: secondary.to_owned(),
                failover_on: Vec::new(),
            }];
            assert_ne!(key(&site, "ha", "a"), key(&site, "ha", "b"));
        }
        assert_eq!(key(&site, "app", "a"), key(&site, "app", "b"));
    }

    #[test]
    fn a_keyed_field_has_one_form_and_absent_is_not_empty() {
        let site = testing::site(None, vec![]);
        let mut rule = behavior();
        rule.key.headers = names(&["x-a", "x-b"]);
        let keyed = |lines: &[&str]| keyed(&site, &rule, "a", lines);
        let same = [
            &["x-a: 1", "x-a: 2", "x-b: 3"][..],
            &["x-b: 3", "x-a: 1, 2", "y: z"],
            &["X-A: \t1", "x-b:  3 ", "x-a: 2"],
        ];
        for lines in same {
            let (key, parts) = keyed(lines);
            assert_eq!(key, keyed(same[0]).0, "{lines:?}");
            let sent: HeaderMap = parts.fields.into_iter().collect();
            assert_eq!(sent, fields(&["x-a: 1, 2", "x-b: 3"]), "{lines:?}");
        }
        let all = [&[][..], &["x-a:"], &["x-b:"], &["x-a:", "x-b:"], &["x-a: 1"], &["x-b: 1"], &["x-a: ", "x-a:"]];
        let different: std::collections::HashSet<CacheKey> = all.iter().map(|lines| keyed(lines).0).collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn cookies_are_keyed_by_their_rule() {
        let site = testing::site(None, vec![]);
        let mut rule = behavior();
        let key = |rule: &Behavior, cookie: &str| keyed(&site, rule, "a", &[&format!("cookie: {cookie}")]).0;
        assert_eq!(key(&rule, "a=1"), key(&rule, "a=2"));
        rule.key.cookies = Choice::Include(names(&["a"]));
        assert_eq!(key(&rule, "a=1; b=1"), key(&rule, "b=2;a=1"));
        assert_ne!(key(&rule, "a=1"), key(&rule, "a=2"));
        assert_ne!(key(&rule, "a=1; a=2"), key(&rule, "a=2; a=1"));
        assert_ne!(key(&rule, "a=1; a=1"), key(&rule, "a=1"));
    }

    #[test]
    fn the_target_is_path_and_query_whatever_else_is_keyed() {
        assert_eq!(CacheKey::new("uid", Some("h"), &path("/a"), Some("x=1")).target(), "/a?x=1");
        assert_eq!(CacheKey::new("uid", None, &path("/a"), None).target(), "/a");
        assert_eq!(CacheKey::new("uid", None, &path("/a"), Some("")).target(), "/a?");
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).expect("a value");
        let fields = vec![(header::ACCEPT, value(b"/b?c")), (header::COOKIE, value(b"a=\xff\xfe"))];
        assert_eq!(CacheKey::of("uid", &path("/a"), &Keyed { fields, ..Keyed::default() }).target(), "/a");
    }

    #[test]
    fn a_target_makes_a_key_where_nothing_but_it_is_keyed() {
        let mut behaviors = vec![testing::behavior("/img/*", Choice::All, Methods::All, 1), behavior(), behavior()];
        behaviors[0].key.headers = names(&["accept"]);
        behaviors[1].path_pattern = "/c/*".to_owned();
        behaviors[1].key.cookies = Choice::All;
        let mut site = testing::site(None, behaviors);
        let key = CacheKey::new("uid", None, &path("/a"), Some("x"));
        assert_eq!(of_target(&site, "/a?x"), Some(key));
        assert_eq!((of_target(&site, "/img/a"), of_target(&site, "/c/a")), (None, None));
        site.origins = vec![testing::origin(HostHeader::Viewer, &[])];
        assert_eq!(of_target(&site, "/a?x"), None);
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

    #[test]
    fn no_value_looks_like_the_fields_that_follow_it() {
        let characters = ["a", "1", ":", "/"];
        let mut values = vec![String::new()];
        for length in 0..3 {
            let longer: Vec<String> = values.iter().filter(|value| value.len() == length).cloned().collect();
            values.extend(longer.iter().flat_map(|value| characters.map(|last| format!("{value}{last}"))));
        }
        let field = |name: &str, value: &String| (name.parse().expect("a name"), value.parse().expect("a value"));
        let one: Vec<Vec<_>> =
            values.iter().flat_map(|value| ["a", "1"].map(|name| vec![field(name, value)])).collect();
        let two = one.iter().flat_map(|first| one.iter().map(move |second| [&first[..], &second[..]].concat()));
        let lists: Vec<Vec<_>> = two.chain(one.iter().cloned()).chain([vec![]]).collect();
        let keys = lists.iter().flat_map(|fields| {
            let keyed = Keyed { fields: fields.clone(), ..Keyed::default() };
            ["/", "/a:", "/1:/"].map(|target| CacheKey::of("s", &path(target), &keyed))
        });
        assert_eq!(keys.collect::<std::collections::HashSet<_>>().len(), 3 * lists.len());
    }

    /// Small alphabets of what separates the parts, so that a part can look like the end of another.
    type Parts = (String, Option<String>, Vec<(String, String)>, String, Option<String>);

    fn parts() -> impl Strategy<Value = Parts> {
        let some = proptest::option::of;
        let fields = || proptest::collection::vec(("[a1]{1,2}", "[a1:/?-]{0,3}"), 0..3);
        prop_oneof![
            ("[0-2:/?-]{0,3}", some("[0-2:/?-]{0,3}"), fields(), "/[0:/]{0,2}", some("[?/:]{0,2}")),
            ("[0:-]{0,2}", some("[0:-]{0,2}"), fields(), "/", Just(None)),
            ("0", Just(None), fields(), "/", Just(None)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn different_requests_never_share_a_key(a in parts(), b in parts()) {
            let key = |(site, host, fields, path, query): &Parts| {
                let field = |(name, value): &(String, String)| {
                    (name.parse().expect("a name"), value.parse().expect("a value"))
                };
                let fields = fields.iter().map(field).collect();
                CacheKey::of(site, &self::path(path), &Keyed { host: host.clone(), query: query.clone(), fields })
            };
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }
    }
}
