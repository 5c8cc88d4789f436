//! The fields behind a body, in either direction, into those that may stand there.

use http::{HeaderMap, HeaderName, header};

use crate::cache_status::CACHE_STATUS;
use crate::directives::CDN_CACHE_CONTROL;
use crate::forwarding::SURROGATE_KEY;
use crate::hops::{self, CDN_LOOP};

/// RFC 9110 §6.5.1: what frames and routes a message, modifies a request, proves who sends it, controls caches, or says how to read the
/// content was decided upon when the head came. Behind the body it could only mislead whoever merges it.
const NOT_BEHIND_A_BODY: [HeaderName; 35] = [
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::HOST,
    header::EXPECT,
    header::MAX_FORWARDS,
    header::RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    header::AUTHORIZATION,
    header::WWW_AUTHENTICATE,
    header::COOKIE,
    header::SET_COOKIE,
    header::AGE,
    header::CACHE_CONTROL,
    header::PRAGMA,
    header::EXPIRES,
    header::DATE,
    header::LOCATION,
    header::RETRY_AFTER,
    header::VARY,
    header::WARNING,
    header::VIA,
    header::FORWARDED,
    header::TRAILER,
    CACHE_STATUS,
    CDN_CACHE_CONTROL,
    CDN_LOOP,
    SURROGATE_KEY,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
];

/// What of them goes on.
pub fn passing(trailers: &HeaderMap) -> HeaderMap {
    let mut passing = hops::end_to_end(trailers);
    for name in NOT_BEHIND_A_BODY {
        passing.remove(name);
    }
    passing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fields;

    #[test]
    fn what_says_something_of_the_content_goes_on() {
        let lines = ["x-sum: 1", "x-sum: 2", "grpc-status: 0", "etag: \"v\"", "server-timing: db"];
        assert_eq!(passing(&fields(&lines)), fields(&lines));
    }

    #[test]
    fn what_was_decided_with_the_head_does_not() {
        for line in [
            "content-length: 5",
            "transfer-encoding: chunked",
            "connection: close",
            "host: other",
            "authorization: x",
            "set-cookie: a=b",
            "cache-control: max-age=9",
            "cdn-cache-control: max-age=9",
            "surrogate-key: k",
            "content-type: text/html",
            "x-forwarded-for: 192.0.2.1",
            "cdn-loop: uid",
            "trailer: x",
        ] {
            assert_eq!(passing(&fields(&[line, "x: y"])), fields(&["x: y"]), "{line}");
        }
    }
}
