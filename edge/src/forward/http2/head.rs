//! Heads as HTTP/1.1 says them into heads of HTTP/2, and what RFC 9113 wants of those that come back.

use http::header::{HOST, TE, TRANSFER_ENCODING};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, StatusCode, Uri, Version, request};

/// The same request: the host stands in `:authority` (RFC 9113 §8.3.1), the end of a body in its frames (§8.2.2). None: its host is
/// no authority.
pub(super) fn of_request(asked: &request::Parts, scheme: &Scheme) -> Option<Request<()>> {
    let mut request = Request::new(());
    let mut headers = asked.headers.clone();
    let host = headers.remove(HOST)?;
    headers.remove(TRANSFER_ENCODING);
    // RFC 9110 §10.1.4: they are passed on. Some who speak gRPC ask for the word.
    headers.insert(TE, HeaderValue::from_static("trailers"));
    let mut parts = Parts::default();
    parts.scheme = Some(scheme.clone());
    parts.authority = Some(Authority::try_from(host.as_bytes()).ok()?);
    parts.path_and_query = Some(asked.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    *request.method_mut() = asked.method.clone();
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    Some(request)
}

/// Whether there can be no content behind it, whatever its fields say (RFC 9110 §6.4.1).
pub(super) fn is_bare(asked: &Method, status: StatusCode) -> bool {
    *asked == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
