//! An unsafe request and its answer into the targets whose stored responses it makes void (RFC 9111 §4.4).

use edge_contract::{Scope, Site};
use http::{HeaderMap, Method, StatusCode, Uri, header, response};

use crate::{
    head::Asked,
    invalidation::{NormalScope, NormalScopes},
};

/// Whether such an answer invalidates at all: the method is unsafe or unknown, and it did not fail.
pub fn invalidates(method: &Method, status: StatusCode) -> bool {
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method);
    !safe && (status.is_success() || status.is_redirection())
}

/// What [`crate::Ledger::overwritten`] is told, target by target: the request's own, and those that `Location` and
/// `Content-Location` name on the same host. Others could be anybody's, so they are left alone.
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
        .filter_map(|name| same_host(&response.headers, name, asked));
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

/// The path and query of a reference to the host that was asked. A path without a leading slash is not resolved.
fn same_host(headers: &HeaderMap, name: header::HeaderName, asked: &Asked) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    if text.starts_with('/') && !text.starts_with("//") {
        return Some(text.split('#').next().unwrap_or_default().to_owned());
    }
    let uri: Uri = text.parse().ok()?;
    let same = uri.authority()?.as_str().eq_ignore_ascii_case(asked.authority.as_deref()?);
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    same.then(|| if target.is_empty() { "/".to_owned() } else { target.to_owned() })
}

#[cfg(test)]
mod tests {
    use edge_contract::{Choice, Methods};

    use super::*;
    use crate::{NormalPath, testing};

    #[track_caller]
    fn check(method: &str, status: u16, lines: &[&str], expect: &[&str]) {
        let asked = Asked {
            host: Some("a.example".to_owned()),
            authority: Some("a.example:81".to_owned()),
            path: NormalPath::parse("/a").expect("legal"),
            query: Some("x=1&id=2".to_owned()),
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

    #[test]
    fn what_it_names_on_the_same_host_goes_too() {
        let location = |value: &str, expect: &[&str]| {
            let expect: Vec<&str> = std::iter::once("/a?id=2").chain(expect.iter().copied()).collect();
            check("POST", 201, &[&format!("location: {value}")], &expect);
            check("POST", 201, &[&format!("content-location: {value}")], &expect);
        };
        location("/b/../c?id=1&y#f", &["/c?id=1"]);
        location("http://A.example:81/b", &["/b"]);
        location("http://a.example:81", &["/", "/i"]);
        location("/", &["/", "/i"]);
        location("/a?id=2", &[]);
        location("http://b.example/b", &[]);
        location("//b.example/b", &[]);
        location("b", &[]);
    }
}
