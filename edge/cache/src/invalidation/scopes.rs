//! The paths of a purge order, as a user wrote them, into the cache key targets that they cover.

use edge_contract::{Behavior, Choice, Scope, Site};

use crate::{NormalPath, path::normalise_characters, pattern::PathPattern, query};

/// What one path covers, in the form of [`crate::CacheKey::target`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NormalScope {
    /// Every target.
    Everything,
    /// This target, whatever else is in its key.
    Exact(String),
    /// Every target that begins so.
    Prefix(String),
}

impl NormalScope {
    /// Whether it covers a target. The definition; lookups among many orders go through an index instead.
    pub fn covers(&self, target: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Exact(exact) => exact == target,
            Self::Prefix(prefix) => target.starts_with(prefix),
        }
    }
}

/// All that an order covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NormalScopes {
    /// What it covers. Empty: no request can have any of its paths.
    pub covers: Vec<NormalScope>,
    /// Whether other key rules or another default root object would have given another answer ([`super::Ledger::rules_changed`]).
    pub by_rules: bool,
}

impl NormalScopes {
    /// Normalises as request paths are, under the site's behaviors as they are now.
    pub fn of(scopes: &[Scope], site: &Site) -> Self {
        let rules = Rules::of(site);
        let mut found = Self::default();
        for scope in scopes {
            match scope {
                Scope::Everything => found.covers.push(NormalScope::Everything),
                Scope::Exact(text) => rules.exact(text, &mut found),
                Scope::Prefix(text) => rules.prefix(text, &mut found),
            }
        }
        found
    }
}

/// Whether two states of a site give some request different keys, so that [`super::Ledger::rules_changed`] must be told.
pub fn rules_differ(old: &Site, new: &Site) -> bool {
    let same = |(old, new): (&Behavior, &Behavior)| old.path_pattern == new.path_pattern && old.key == new.key;
    old.default_root_object != new.default_root_object
        || old.behaviors.len() != new.behaviors.len()
        || !old.behaviors.iter().zip(&new.behaviors).all(same)
}

/// What of a site decides how a path becomes a target.
struct Rules<'a> {
    root_object: Option<NormalPath>,
    behaviors: Vec<(PathPattern, &'a Choice)>,
}

impl<'a> Rules<'a> {
    fn of(site: &'a Site) -> Self {
        Self {
            root_object: site.default_root_object.as_deref().and_then(|path| NormalPath::parse(path).ok()),
            behaviors: site
                .behaviors
                .iter()
                .map(|behavior| (PathPattern::new(&behavior.path_pattern), &behavior.key.query_strings))
                .collect(),
        }
    }

    fn query_key(&self, path: &NormalPath) -> &'a Choice {
        self.behaviors.iter().find(|(pattern, _)| pattern.matches(path)).map_or(&Choice::All, |(_, rule)| rule)
    }

    /// `/` and the default root object are one: each names both. A path no request can have names none.
    fn paths(&self, text: &str) -> Vec<NormalPath> {
        let Ok(path) = NormalPath::parse(text) else { return Vec::new() };
        let root = NormalPath::parse("/").ok();
        if self.root_object.is_some() && (Some(&path) == self.root_object.as_ref() || Some(&path) == root.as_ref()) {
            return root.into_iter().chain(self.root_object.clone()).collect();
        }
        vec![path]
    }

    /// An exact path: its query goes through the key rules of the behavior that serves it.
    ///
    /// Where a rule drops parameters, a path without a query means every query that is dropped whole, too.
    fn exact(&self, text: &str, found: &mut NormalScopes) {
        let (path, raw_query) = split_query(text);
        let paths = self.paths(path);
        found.by_rules |= raw_query.is_some() || is_root(&paths);
        for path in paths {
            let rule = self.query_key(&path);
            found.by_rules |= *rule != Choice::All;
            let keyed = query::keyed(raw_query, rule);
            found.covers.push(NormalScope::Exact(target(&path, keyed.as_deref())));
        }
    }

    fn prefix(&self, text: &str, found: &mut NormalScopes) {
        let (path, Some(raw_query)) = split_query(text) else {
            found.covers.extend(path_prefix(text));
            return;
        };
        found.by_rules = true;
        for path in self.paths(path) {
            if *self.query_key(&path) == Choice::All {
                found.covers.push(NormalScope::Prefix(target(&path, Some(&query::normalise(raw_query)))));
                continue;
            }
            // What was dropped from the key may have begun so: every key of this path can hold what the order means.
            found.covers.push(NormalScope::Exact(target(&path, None)));
            found.covers.push(NormalScope::Prefix(target(&path, Some(""))));
        }
    }
}

/// The text of a prefix, normalised as far as it goes: its directories are whole, its last segment may go on.
///
/// An escape that is cut off could become several characters, so it is left out: the prefix then covers more, never less.
fn path_prefix(text: &str) -> Option<NormalScope> {
    let (directory, last) = text.split_at_checked(text.rfind('/')? + 1)?;
    let directory = NormalPath::parse(directory).ok()?;
    if last.contains('\\') {
        return None;
    }
    let cut_off = last.rfind('%').filter(|at| last.len() - at < 3).and_then(|at| last.get(..at));
    let last = normalise_characters(cut_off.unwrap_or(last));
    Some(NormalScope::Prefix(format!("{}{last}", directory.as_str())))
}

fn is_root(paths: &[NormalPath]) -> bool {
    paths.iter().any(|path| path.as_str() == "/")
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)))
}

fn target(path: &NormalPath, query: Option<&str>) -> String {
    query.map_or_else(|| path.as_str().to_owned(), |query| format!("{}?{query}", path.as_str()))
}
