//! A behavior's rules about response fields into what a viewer is shown of a head; what is stored stays as it came.
//!
//! Flow: what is removed goes, then what is set takes its place, then [`CorsRules`] say for whose scripts it is.
//! Guarantees: framing, connection, `Age`, `Date` and `Via` are as they would be without rules; validation refuses rules about them,
//! and here they are passed over.

use edge_contract::{ResponseHeaders, is_edges_own};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cors::CorsRules;

/// Rules, ready to be followed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderRules {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
    cors: Option<CorsRules>,
}

impl HeaderRules {
    /// Reads the rules of a behavior.
    pub fn of(rules: &ResponseHeaders) -> Self {
        let name = |name: &String| HeaderName::try_from(name).ok().filter(|name| !is_edges_own(name.as_str()));
        let field =
            |field: &edge_contract::Header| Some((name(&field.name)?, HeaderValue::try_from(&field.value).ok()?));
        Self {
            remove: rules.remove.iter().filter_map(name).collect(),
            set: rules.set.iter().filter_map(field).collect(),
            cors: rules.cors.as_ref().map(CorsRules::of),
        }
    }

    /// What scripts of other sites may do, if the owner says so.
    pub fn cors(&self) -> Option<&CorsRules> {
        self.cors.as_ref()
    }

    /// Changes the head of any response of the behavior, the edge's own among them. `viewer` is the head of the request.
    pub fn show(&self, viewer: &HeaderMap, headers: &mut HeaderMap) {
        self.change(headers);
        if let Some(cors) = &self.cors {
            cors.show(viewer, headers);
        }
    }

    /// The same without a word to scripts of other sites.
    pub fn change(&self, headers: &mut HeaderMap) {
        for name in self.remove.iter().chain(self.set.iter().map(|(name, _)| name)) {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.append(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use edge_contract::{Cors, Header};

    use super::*;
    use crate::testing::fields;

    fn rules(remove: &[&str], set: &[(&str, &str)]) -> ResponseHeaders {
        let header = |(name, value): &(&str, &str)| Header { name: (*name).into(), value: (*value).into() };
        ResponseHeaders {
            remove: remove.iter().map(ToString::to_string).collect(),
            set: set.iter().map(header).collect(),
            cors: None,
        }
    }

    #[track_caller]
    fn check(rules: &ResponseHeaders, lines: &[&str], expect: &[&str]) {
        let mut shown = fields(lines);
        HeaderRules::of(rules).show(&HeaderMap::new(), &mut shown);
        assert_eq!(shown, fields(expect), "{rules:?}");
    }

    #[test]
    fn what_is_removed_is_gone_and_what_is_set_stands_in_its_place() {
        let origins = ["server: a", "server: b", "x-powered-by: c", "etag: \"v\""];
        check(&rules(&["server", "x-absent"], &[]), &origins, &["x-powered-by: c", "etag: \"v\""]);
        check(
            &rules(&["x-powered-by"], &[("server", "shop"), ("x-frame-options", "DENY")]),
            &origins,
            &["etag: \"v\"", "server: shop", "x-frame-options: DENY"],
        );
        check(&rules(&["server"], &[("server", "shop")]), &["server: a"], &["server: shop"]);
        check(&rules(&[], &[("link", "<a>"), ("link", "<b>")]), &["link: <c>"], &["link: <a>", "link: <b>"]);
    }

    #[test]
    fn what_is_the_edges_own_is_passed_over() {
        let origins = ["content-length: 5", "age: 3", "date: x", "via: 1.1 a"];
        let all = rules(&["content-length", "age", "date", "via"], &[("content-length", "9"), ("connection", "close")]);
        check(&all, &origins, &origins);
    }

    #[test]
    fn cors_has_the_last_word_on_its_fields() {
        let cors = Cors { origins: vec!["*".into()], methods: vec!["GET".into()], ..Cors::default() };
        let all = ResponseHeaders { cors: Some(cors), ..rules(&["vary"], &[("access-control-allow-origin", "b")]) };
        check(&all, &["vary: x"], &["access-control-allow-origin: *"]);
    }
}
