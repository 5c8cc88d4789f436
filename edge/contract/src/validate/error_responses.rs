//! A site's error responses into the reasons for which an edge would refuse them.

use std::collections::HashSet;

use crate::ErrorResponse;

pub(super) fn faults(rules: &[ErrorResponse]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut codes = HashSet::new();
    for rule in rules {
        let code = rule.code;
        if !(400..600).contains(&code) {
            faults.push(format!("error response {code}: it is no error"));
        }
        if !codes.insert(code) {
            faults.push(format!("error response {code} is there twice"));
        }
        if rule.path.as_deref().is_some_and(|path| !is_path(path)) {
            faults.push(format!("error response {code}: its page is no path"));
        }
        if rule.response_code.is_some() && rule.path.is_none() {
            faults.push(format!("error response {code}: there is no page to show with another status"));
        }
        // A status without content could show none (RFC 9110 §15.3.5, §15.4.5).
        if rule.response_code.is_some_and(|shown| !matches!(shown, 200..=203 | 400..=599)) {
            faults.push(format!("error response {code}: a page is shown with 200 to 203 or 400 to 599"));
        }
    }
    faults
}

/// An absolute path without a query, each `%` with its two digits, and without dot segments, which no request has once its path is
/// normal (RFC 3986 §3.3, §5.2.4).
fn is_path(path: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
    let is_encoded = |rest: &str| rest.get(..2).is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    let is_dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    path.starts_with('/')
        && path.bytes().all(is_legal)
        && path.split('%').skip(1).all(is_encoded)
        && !path.split('/').any(is_dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(code: u16, path: Option<&str>, response_code: Option<u16>) -> ErrorResponse {
        ErrorResponse { code, cache_ttl: Some(10), path: path.map(ToOwned::to_owned), response_code }
    }

    #[test]
    fn pages_for_errors_are_sound() {
        assert!(
            faults(&[rule(404, Some("/404.html"), Some(200)), rule(503, Some("/a"), None), rule(500, None, None)])
                .is_empty()
        );
        for path in ["/", "/...", "/a..b/.c", "/caf%C3%A9", "/a*"] {
            assert_eq!(faults(&[rule(404, Some(path), None)]), [""; 0], "{path}");
        }
    }

    #[test]
    fn each_fault_is_named() {
        let check = |rules: &[ErrorResponse], expect: &str| assert_eq!(faults(rules), [expect]);
        check(&[rule(302, None, None)], "error response 302: it is no error");
        check(&[rule(404, None, None), rule(404, None, None)], "error response 404 is there twice");
        for path in
            ["404.html", "/a?b", "", "/a#b", "/a b", "/é", "/%4", "/%zz", "/../a", "/a/.", "/a/%2E./b", "/a\r\n"]
        {
            check(&[rule(404, Some(path), None)], "error response 404: its page is no path");
        }
        check(&[rule(404, None, Some(200))], "error response 404: there is no page to show with another status");
        for shown in [204, 206, 302, 304, 600] {
            let fault = "error response 404: a page is shown with 200 to 203 or 400 to 599";
            check(&[rule(404, Some("/a"), Some(shown))], fault);
        }
    }
}
