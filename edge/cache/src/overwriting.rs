//! An unsafe request and its answer into the targets whose stored responses it makes void (RFC 9111 §4.4).

use edge_contract::{Scope, Site};
use http::{HeaderMap, Method, StatusCode, header, response, uri::Authority};

use crate::{
    head::Asked,
    invalidation::{NormalScope, NormalScopes},
};

/// Whether a method may change something: it is unsafe, or nothing is known of it (RFC 9110 §9.2.1).
pub fn is_unsafe(method: &Method) -> bool {
    ![Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method)
}

/// Whether such an answer invalidates at all: the method may have changed something, and it did not fail.
pub fn invalidates(method: &Method, status: StatusCode) -> bool {
    is_unsafe(method) && (status.is_success() || status.is_redirection())
}

/// What [`crate::Ledger::overwritten`] is told, target by target: the request's own, and those that `Location` and
/// `Content-Location` name of the same origin. Others could be anybody's, so they are left alone.
pub fn targets(method: &Method, asked: &Asked, response: &response::Parts, site: &Site) -> Vec<String> {
    if !invalidates(method, response.status) {
        return Vec::new();
    }
    let own = asked
        .query
        .as_ref()
        .map_or_else(|| asked.path.as_str().to_owned(), |query| format!("{}?{query}", asked.path.as_str()));
    let named = [header::LOCATION, header::CONTENT_LOCATION]
        .into_iter()
        .filter_map(|name| same_origin(&response.headers, &name, asked));
    let scopes: Vec<Scope> = std::iter::once(own).chain(named).map(Scope::Exact).collect();
    let mut targets: Vec<String> = Vec::new();
    for scope in NormalScopes::of(&scopes, site).covers {
        if let NormalScope::Exact(target) = scope
            && !targets.contains(&target)
        {
            targets.push(target);
        }
    }
    targets
}

/// The path and query of a URI reference (RFC 3986 §5.2) to the origin that was asked.
fn same_origin(headers: &HeaderMap, name: &header::HeaderName, asked: &Asked) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    let text = text.split('#').next().unwrap_or_default();
    let (scheme, rest) = scheme_of(text).map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
    let Some(rest) = rest.strip_prefix("//") else {
        return scheme.is_none().then(|| resolve(rest, asked));
    };
    let (authority, target) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len()))?;
    let meant = is_origin(scheme, authority, asked);
    meant.then(|| if target.starts_with('/') { target.to_owned() } else { format!("/{target}") })
}

/// A scheme is letters, digits and `+-.` before a colon (RFC 3986 §3.1); of other schemes than these nothing is stored.
fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let legal = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    (legal && scheme.starts_with(|c: char| c.is_ascii_alphabetic())).then_some((scheme, rest))
}

/// RFC 9110 §4.3.1 for a distribution that answers to `http` and `https` with the same stored responses: both are its own, each
/// with its default port.
fn is_origin(scheme: Option<&str>, authority: &str, asked: &Asked) -> bool {
    let parse = |text: &str| text.parse::<Authority>().ok();
    let (Some(named), Some(own)) = (parse(authority), asked.authority.as_deref().and_then(parse)) else { return false };
    let ports: &[u16] = match scheme.map(str::to_ascii_lowercase).as_deref() {
        Some("http") => &[80],
        Some("https") => &[443],
        Some(_) => return false,
        None => &[80, 443],
    };
    let same_port =
        ports.iter().any(|default| named.port_u16().unwrap_or(*default) == own.port_u16().unwrap_or(*default));
    named.host().eq_ignore_ascii_case(own.host()) && same_port
}

/// RFC 3986 §5.2.2 and §5.2.3 for a reference without scheme and authority; its dot segments are the path's own to lose.
fn resolve(reference: &str, asked: &Asked) -> String {
    let base = asked.path.as_str();
    if reference.starts_with('/') {
        return reference.to_owned();
    }
    if reference.is_empty() {
        return asked.query.as_ref().map_or_else(|| base.to_owned(), |query| format!("{base}?{query}"));
    }
    if reference.starts_with('?') {
        return format!("{base}{reference}");
    }
    let (path, query) = reference.split_at_checked(reference.find('?').unwrap_or(reference.len())).unwrap_or_default();
    let mut segments: Vec<&str> = base.split('/').collect();
    segments.pop();
    for segment in path.split('/') {
        match segment {
            // §5.2.4: above the root is the root.
            ".." if segments.len() > 1 => drop(segments.pop()),
            "." | ".." => {}
            _ => segments.push(segment),
        }
    }
    let ends_in_a_folder = path.ends_with("/.") || path.ends_with("/..") || [".", ".."].contains(&path);
    format!("{}{}{query}", segments.join("/"), if ends_in_a_folder { "/" } else { "" })
}

#[cfg(test)]
mod tests {
    use edge_contract::{Choice, Methods};

    use super::*;
    use crate::{NormalPath, testing};

    #[track_caller]
    fn check(method: &str, status: u16, lines: &[&str], expect: &[&str]) {
        check_at("/a", method, status, lines, expect);
    }

    #[track_caller]
    fn check_at(path: &str, method: &str, status: u16, lines: &[&str], expect: &[&str]) {
        let asked = Asked {
            host: Some("a.example".to_owned()),
            authority: Some("a.example:81".to_owned()),
            path: NormalPath::parse(path).expect("legal"),
            query: Some("x=1&id=2".to_owned()),
            expects_continue: false,
        };
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let rule = Choice::Include(vec!["id".to_owned()]);
        let site = testing::site(Some("/i"), vec![testing::behavior("*", rule, Methods::All, 1)]);
        let found = targets(&method, &asked, &testing::response(status, lines), &site);
        assert_eq!(found, expect, "{method} {status} {lines:?}");
    }

    #[test]
    fn a_successful_unsafe_request_invalidates_its_target() {
        for (method, status) in [("PUT", 204), ("DELETE", 200), ("POST", 303), ("PURGE", 200)] {
            check(method, status, &[], &["/a?id=2"]);
        }
    }

    #[test]
    fn a_safe_or_failed_request_invalidates_nothing() {
        for (method, status) in [("GET", 200), ("HEAD", 200), ("OPTIONS", 200), ("POST", 400), ("POST", 500)] {
            check(method, status, &["location: /b"], &[]);
        }
    }

    #[track_caller]
    fn check_reference(base: &str, value: &str, expect: &[&str]) {
        let own = format!("{base}?id=2");
        let expect: Vec<&str> = std::iter::once(own.as_str()).chain(expect.iter().copied()).collect();
        check_at(base, "POST", 201, &[&format!("location: {value}")], &expect);
        check_at(base, "POST", 201, &[&format!("content-location: {value}")], &expect);
    }

    #[test]
    fn what_it_names_of_the_same_origin_goes_too() {
        let location = |value: &str, expect: &[&str]| check_reference("/a", value, expect);
        location("/b/../c?id=1&y#f", &["/c?id=1"]);
        location("http://A.example:81/b", &["/b"]);
        location("HTTPS://a.example:81/b", &["/b"]);
        location("//a.example:81/b", &["/b"]);
        location("http://a.example:81", &["/", "/i"]);
        location("http://a.example:81?id=3", &["/?id=3", "/i?id=3"]);
        location("/", &["/", "/i"]);
        location("/a?id=2", &[]);
    }

    #[test]
    fn what_it_names_of_another_origin_is_left_alone() {
        for value in [
            "http://b.example/b",
            "//b.example:81/b",
            "http://a.example/b",
            "http://a.example:82/b",
            "ftp://a.example:81/b",
            "mailto:a@a.example",
            "http:b",
            "http://a.example:81:81/b",
            "http://",
        ] {
            check_reference("/a", value, &[]);
        }
    }

    #[test]
    fn a_default_port_need_not_be_named() {
        let meant = |named: &str, authority: &str, expect: bool| {
            let path = NormalPath::parse("/a").expect("legal");
            let asked_at = Some(authority.to_owned());
            let asked = Asked { host: None, authority: asked_at, path, query: None, expects_continue: false };
            let found = same_origin(&testing::fields(&[&format!("location: {named}")]), &header::LOCATION, &asked);
            assert_eq!(found.as_deref(), expect.then_some("/b"), "{named} at {authority}");
        };
        meant("http://a.example/b", "a.example", true);
        meant("http://a.example:80/b", "a.example", true);
        meant("https://a.example/b", "a.example:443", true);
        meant("https://a.example/b", "a.example:80", false);
        meant("//a.example/b", "a.example:443", true);
        meant("http://[::1]/b", "[::1]:80", true);
    }

    #[test]
    fn a_relative_reference_is_resolved_against_what_was_asked() {
        let relative = |reference: &str, expect: &[&str]| check_reference("/x/y/z", reference, expect);
        relative("b", &["/x/y/b"]);
        relative("./b", &["/x/y/b"]);
        relative("../b?id=1", &["/x/b?id=1"]);
        relative("../../../b", &["/b"]);
        relative("b/..", &["/x/y/"]);
        relative(".", &["/x/y/"]);
        relative("?id=3", &["/x/y/z?id=3"]);
        relative("b:c/d", &[]);
        relative("./b:c", &["/x/y/b:c"]);
        relative("#f", &[]);
    }
}
