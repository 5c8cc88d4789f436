//! A site's error responses into the page that is shown in place of an error, and into the head that both make together.
//!
//! Flow: an answer that is an error → [`page_for`] its status → [`request`] for the page, answered as any other → [`head`].
//! Guarantees: what says how long and by whom the answer may be kept, and what a viewer may do about it, is the error's own; what
//! describes the bytes is the page's. A page is never asked for in parts or under a condition.

use edge_contract::ErrorResponse;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request};

use crate::{NormalPath, cache_status::CACHE_STATUS, vary::vary_on};

/// A page, and the status that it is shown with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where it is.
    pub path: NormalPath,
    /// What the viewer is told.
    pub status: StatusCode,
}

/// The page for an error, if the site has one.
pub fn page_for(rules: &[ErrorResponse], status: StatusCode) -> Option<Page> {
    let rule = rules.iter().find(|rule| rule.code == status.as_u16())?;
    let path = NormalPath::parse(rule.path.as_deref()?).ok()?;
    let shown = rule.response_code.and_then(|code| StatusCode::from_u16(code).ok());
    Some(Page { path, status: shown.unwrap_or(status) })
}

/// What speaks of the representation that was asked for, or of a body that is not sent again.
const NOT_OF_THE_PAGE: [HeaderName; 12] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
    header::EXPECT,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The request for a page, on behalf of a viewer that asked for something else. None: the path is no target.
pub fn request(viewer: &request::Parts, page: &Page) -> Option<request::Parts> {
    let mut request = viewer.clone();
    request.method = if viewer.method == Method::HEAD { Method::HEAD } else { Method::GET };
    request.uri = Uri::try_from(page.path.as_str()).ok()?;
    for name in NOT_OF_THE_PAGE {
        request.headers.remove(name);
    }
    Some(request)
}

/// How long the answer may be kept, and what its status obliges to say (RFC 9110 §10.2.1, §10.2.3, §11.6.1, §15.5.17).
const OF_THE_ERROR: [HeaderName; 9] = [
    header::AGE,
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONTENT_RANGE,
    header::DATE,
    header::EXPIRES,
    CACHE_STATUS,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
];

/// Validators and ranges: they are of the page at its own URL, where they can be used.
const OF_THE_PAGE_ALONE: [HeaderName; 4] =
    [header::ETAG, header::LAST_MODIFIED, header::ACCEPT_RANGES, header::CONTENT_LOCATION];

/// The head of the answer, of the fields that viewers would be shown of the error and of the page.
pub fn head(error: &HeaderMap, page: &HeaderMap) -> HeaderMap {
    let mut head = page.clone();
    for name in OF_THE_ERROR.iter().chain(&OF_THE_PAGE_ALONE) {
        head.remove(name);
    }
    for name in &OF_THE_ERROR {
        for value in error.get_all(name) {
            head.append(name.clone(), value.clone());
        }
    }
    // RFC 9110 §12.5.5: what chose the error chose the page.
    for line in error.get_all(header::VARY) {
        for name in line.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            if name == b"*" {
                head.insert(header::VARY, HeaderValue::from_static("*"));
            } else if let Ok(name) = HeaderName::from_bytes(name) {
                vary_on(&mut head, &name);
            }
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;
    use crate::testing::{self, fields};

    fn rule(code: u16, cache_ttl: Option<u64>, path: Option<&str>, response_code: Option<u16>) -> ErrorResponse {
        ErrorResponse { code, cache_ttl, path: path.map(ToOwned::to_owned), response_code }
    }

    #[test]
    fn an_error_is_shown_as_the_page_of_its_status() {
        let rules = [
            rule(404, None, Some("/404.html"), Some(200)),
            rule(503, None, Some("/sorry.html"), None),
            rule(500, Some(5), None, None),
        ];
        let check = |status: u16, expect: Option<(&str, u16)>| {
            let page = page_for(&rules, StatusCode::from_u16(status).expect("a status"));
            assert_eq!(page.as_ref().map(|page| (page.path.as_str(), page.status.as_u16())), expect, "{status}");
        };
        check(404, Some(("/404.html", 200)));
        check(503, Some(("/sorry.html", 503)));
        check(500, None);
        check(502, None);
    }

    #[track_caller]
    fn check_request(method: &str, expect: &str) {
        let lines = [
            "host: shop.example",
            "accept-language: de",
            "accept-encoding: br",
            "range: bytes=0-1",
            "if-range: \"a\"",
            "if-none-match: \"a\"",
            "if-modified-since: x",
            "content-length: 5",
            "expect: 100-continue",
        ];
        let viewer = testing::request(method, "/a?x=1", Version::HTTP_2, &lines);
        let page = Page { path: NormalPath::parse("/404.html").expect("legal"), status: StatusCode::NOT_FOUND };
        let request = request(&viewer, &page).expect("a target");
        assert_eq!((request.method.as_str(), request.uri.to_string().as_str()), (expect, "/404.html"));
        assert_eq!(request.headers, fields(&["host: shop.example", "accept-language: de", "accept-encoding: br"]));
    }

    #[test]
    fn a_page_is_asked_for_whole_and_without_a_condition() {
        check_request("GET", "GET");
        check_request("HEAD", "HEAD");
        check_request("POST", "GET");
    }

    #[test]
    fn the_head_describes_the_page_and_keeps_what_the_error_says() {
        let error = fields(&[
            "content-type: application/json",
            "content-length: 5",
            "content-range: bytes */5",
            "cache-control: max-age=5",
            "date: Sun, 22 Nov 2026 15:59:00 GMT",
            "age: 3",
            "retry-after: 30",
            "www-authenticate: Basic",
            "cache-status: inner; hit",
            "cache-status: kubefront; hit",
            "vary: x-a, Accept",
            "x-error: 1",
        ]);
        let page = fields(&[
            "content-type: text/html",
            "content-length: 9",
            "content-encoding: br",
            "cache-control: max-age=86400",
            "expires: Mon, 23 Nov 2026 16:00:00 GMT",
            "date: Sun, 22 Nov 2026 12:00:00 GMT",
            "age: 14400",
            "etag: \"p\"",
            "last-modified: Sun, 22 Nov 2026 10:00:00 GMT",
            "accept-ranges: bytes",
            "cache-status: kubefront; fwd=uri-miss",
            "vary: accept",
            "via: 1.1 kubefront",
        ]);
        let expect = fields(&[
            "content-type: text/html",
            "content-length: 9",
            "content-encoding: br",
            "via: 1.1 kubefront",
            "age: 3",
            "cache-control: max-age=5",
            "content-range: bytes */5",
            "date: Sun, 22 Nov 2026 15:59:00 GMT",
            "cache-status: inner; hit",
            "cache-status: kubefront; hit",
            "retry-after: 30",
            "www-authenticate: Basic",
            "vary: accept",
            "vary: x-a",
        ]);
        assert_eq!(head(&error, &page), expect);
        assert_eq!(head(&fields(&["vary: *"]), &fields(&["vary: accept"])), fields(&["vary: *"]));
        assert_eq!(head(&HeaderMap::new(), &fields(&["cache-control: max-age=9"])), HeaderMap::new());
    }
}
