//! Heads of responses into what RFC 9113 wants of them, as far as the `h2` crate leaves that to who uses it.

use std::time::SystemTime;

use edge_cache::hops;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body;

use crate::interim::Head;
use crate::respond::body::Source;

/// RFC 9113 §8.2.2: there is no place for them in a response. What `Connection` names goes with it.
const CONNECTION_SPECIFIC: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// An interim response (RFC 9110 §15.2).
pub(super) fn of_interim(head: Head) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    without_connection_specific(response.headers_mut());
    response
}

/// A final response to a request of this method, with the content that is to be sent.
pub(super) fn of_final(mut response: Response<Source>, method: &Method, now: SystemTime) -> Response<Source> {
    // RFC 9110 §6.4.1
    if matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        drop_content(&mut response);
    }
    let (length, is_empty) = (response.body().size_hint().exact(), response.body().is_end_stream());
    let headers = response.headers_mut();
    without_connection_specific(headers);
    // RFC 9110 §8.6
    if let Some(length) = length.filter(|_| !is_empty) {
        headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    // RFC 9110 §6.6.1: who forwards a response that has no date adds the one on which it came.
    if !headers.contains_key(header::DATE) {
        headers.extend(HeaderValue::try_from(httpdate::fmt_http_date(now)).map(|date| (header::DATE, date)));
    }
    // RFC 9110 §9.3.2
    if *method == Method::HEAD {
        drop_content(&mut response);
    }
    response
}

/// How long its content is, as a head says.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn drop_content(response: &mut Response<Source>) {
    std::mem::replace(response.body_mut(), Source::Empty).let_go();
}

fn without_connection_specific(headers: &mut HeaderMap) {
    hops::remove_nominated(headers);
    for name in CONNECTION_SPECIFIC {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&str, &str)| Some((name.parse().ok()?, value.parse().ok()?));
        lines.iter().map(|line| field(line).expect("is a field")).collect()
    }

    /// What becomes of a final response with these fields and a text for content.
    #[track_caller]
    fn check(method: &Method, status: u16, lines: &[(&str, &str)], expect: (&[(&str, &str)], &str)) {
        let mut response = Response::new(Source::Text(Bytes::from_static(b"text")));
        *response.status_mut() = StatusCode::from_u16(status).expect("is one");
        *response.headers_mut() = fields(lines);
        let (parts, source) = of_final(response, method, SystemTime::UNIX_EPOCH).into_parts();
        let text = if let Source::Text(text) = source { text } else { Bytes::new() };
        assert_eq!(
            (parts.headers, text),
            (fields(expect.0), Bytes::copy_from_slice(expect.1.as_bytes())),
            "{method} {status} {lines:?}"
        );
    }

    const EPOCH: (&str, &str) = ("date", "Thu, 01 Jan 1970 00:00:00 GMT");

    #[test]
    fn a_response_says_its_length_and_its_date_where_it_does_not_yet() {
        let (get, said) = (Method::GET, [("content-length", "5"), ("date", "x")]);
        check(&get, 200, &[], (&[("content-length", "4"), EPOCH], "text"));
        check(&get, 200, &said, (&said, "text"));
    }

    #[test]
    fn where_there_is_no_content_none_is_sent() {
        check(&Method::HEAD, 200, &[], (&[("content-length", "4"), EPOCH], ""));
        check(&Method::GET, 304, &[], (&[EPOCH], ""));
        check(&Method::GET, 204, &[], (&[EPOCH], ""));
    }

    #[test]
    fn what_concerns_a_connection_is_not_sent() {
        let lines = [
            ("connection", "x, close"),
            ("x", "1"),
            ("keep-alive", "5"),
            ("proxy-connection", "close"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("y", "2"),
            ("date", "z"),
            ("content-length", "4"),
        ];
        check(&Method::GET, 200, &lines, (&lines[7..], "text"));
        let interim = of_interim(Head { status: StatusCode::EARLY_HINTS, headers: fields(&lines[..8]) });
        assert_eq!((interim.status(), interim.headers()), (StatusCode::EARLY_HINTS, &fields(&lines[7..8])));
    }
}
