//! What a viewer's request says about caching: what it has already, and what it wishes.

use crate::dates;
use crate::says::Message;
use crate::scene::Ask;
use crate::words::{Argument, Fields, combined, delta_seconds, directives, values};

/// RFC 9111 §5.2.1, in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    pub no_cache: bool,
    pub no_store: bool,
    pub only_if_cached: bool,
    pub max_age: Option<i64>,
    pub min_fresh: Option<i64>,
    pub max_stale: Option<i64>,
    /// RFC 5861 §4.
    pub stale_if_error: Option<i64>,
}

impl Wish {
    /// §5.2.1.3: who says for how long it must stay fresh; §5.2.1.1: who says how old it may be, and not how stale.
    pub fn wants_fresh(&self) -> bool {
        self.no_cache || self.min_fresh.is_some() || (self.max_stale.is_none() && self.max_age.is_some())
    }
}

pub fn wish(fields: &Fields) -> Wish {
    let mut wish = Wish::default();
    let Some(text) = combined(fields, "cache-control") else {
        // §5.4: what it meant before there was `Cache-Control`.
        let pragma = directives(&combined(fields, "pragma").unwrap_or_default());
        wish.no_cache = pragma.iter().any(|(name, _)| name == "no-cache");
        return wish;
    };
    for (name, argument) in directives(&text) {
        let seconds = match &argument {
            Argument::Some(text) => delta_seconds(text).map(|seconds| seconds * 1000),
            _ => None,
        };
        match name.as_str() {
            "no-cache" => wish.no_cache = true,
            "no-store" => wish.no_store = true,
            "only-if-cached" => wish.only_if_cached = true,
            "max-age" => wish.max_age = least(wish.max_age, seconds),
            "stale-if-error" => wish.stale_if_error = least(wish.stale_if_error, seconds),
            "min-fresh" => wish.min_fresh = wish.min_fresh.max(seconds),
            "max-stale" if argument == Argument::None => wish.max_stale = least(wish.max_stale, Some(i64::MAX)),
            "max-stale" => wish.max_stale = least(wish.max_stale, seconds),
            _ => {}
        }
    }
    wish
}

fn least(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

/// RFC 9111 §4.3.2 and RFC 9110 §13.2.2: whether the viewer's condition says that it has this response already.
pub fn has_it(ask: &Ask, status: u16, shown: &Fields, message: &Message) -> bool {
    if status != 200 || !matches!(ask.method.as_str(), "GET" | "HEAD") {
        return false;
    }
    if let Some(tags) = combined(&ask.fields, "if-none-match") {
        if tags.trim() == "*" {
            return true;
        }
        let Some(stored) = values(shown, "etag").first().and_then(|tag| opaque(tag)) else { return false };
        return entity_tags(&tags).contains(&stored);
    }
    let since = values(&ask.fields, "if-modified-since");
    let [since] = since[..] else { return false };
    let now = message.wall;
    let Some(since) = dates::parse(since, now) else { return false };
    let modified = values(shown, "last-modified").first().and_then(|text| dates::parse(text, now));
    let date = values(shown, "date").first().and_then(|text| dates::parse(text, now));
    modified.or(date).unwrap_or(message.wall) <= since
}

/// RFC 9110 §8.8.3: the tag without its quotes and its weakness (§8.8.3.2: weak comparison looks at nothing else).
fn opaque(tag: &str) -> Option<String> {
    let inner = tag.trim().strip_prefix("W/").unwrap_or(tag.trim()).strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('"')).then(|| inner.to_owned())
}

/// What is none validates nothing.
pub fn is_entity_tag(tag: &str) -> bool {
    opaque(tag).is_some()
}

/// The tags of a list. Commas may stand within quotes.
fn entity_tags(text: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        rest = rest.strip_prefix("W/").unwrap_or(rest);
        let Some((tag, after)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) else { return tags };
        tags.push(tag.to_owned());
        rest = after;
    }
}
