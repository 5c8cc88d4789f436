//! The text of a target into the path and query that name what is stored, by the owner's key rules.

use edge_contract::{Choice, Scope};

/// The path in normal form, and what the key rules leave of the query.
pub fn keyed(target: &str, rule: &Choice) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let path = normal(path);
    let kept: Vec<&str> = match (query, rule) {
        (None, _) | (_, Choice::None) => return path,
        (Some(query), Choice::All) => return format!("{path}?{query}"),
        (Some(query), Choice::Include(names)) => query.split('&').filter(|pair| is_named(pair, names)).collect(),
        (Some(query), Choice::Exclude(names)) => query.split('&').filter(|pair| !is_named(pair, names)).collect(),
    };
    if kept.is_empty() { path } else { format!("{path}?{}", kept.join("&")) }
}

fn is_named(pair: &str, names: &[String]) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    names.iter().any(|known| known == name)
}

/// RFC 3986 §6.2.2 for the targets that runs have: unreserved characters stand for themselves, dot segments are resolved.
fn normal(path: &str) -> String {
    let path = path.replace("%61", "a").replace("%62", "b").replace("%2e", ".").replace("%2E", ".");
    let mut segments: Vec<&str> = Vec::new();
    let all: Vec<&str> = path[1..].split('/').collect();
    for (number, segment) in all.iter().enumerate() {
        let last = number + 1 == all.len();
        match *segment {
            "." | ".." => {
                if *segment == ".." {
                    segments.pop();
                }
                if last {
                    segments.push("");
                }
            }
            other => segments.push(other),
        }
    }
    format!("/{}", segments.join("/"))
}

/// Whether an order covers what is stored for a target.
pub fn covers(scope: &Scope, stored: &str, rule: &Choice) -> bool {
    match scope {
        Scope::Everything => true,
        Scope::Exact(target) => keyed(target, rule) == stored,
        Scope::Prefix(prefix) => stored.starts_with(prefix),
    }
}

/// RFC 9111 §4.4: the target that a reference names, if it is of the same origin. RFC 3986 §5.2 for the references that runs have.
pub fn resolve(reference: &str, target: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    if let Some(rest) = reference.strip_prefix("http://shop.test").or_else(|| reference.strip_prefix("//shop.test")) {
        return Some(if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") });
    }
    if reference.contains("://") || reference.starts_with("//") {
        return None;
    }
    if reference.starts_with('/') {
        return Some(reference.to_owned());
    }
    if let Some(query) = reference.strip_prefix('?') {
        return Some(format!("{path}?{query}"));
    }
    if reference.is_empty() {
        return Some(target.to_owned());
    }
    let folder = &path[..=path.rfind('/')?];
    Some(format!("{folder}{reference}"))
}
