//! A response and the rules of its behavior into the head that a viewer is shown.

use edge_cache::cache_status::CACHE_STATUS;
use edge_cache::cors::Preflight;
use http::{HeaderValue, Response, StatusCode, header};

use super::body::Source;
use super::{Answer, own};
use crate::ask::Ask;
use crate::metrics::CacheResult;

/// Any response of the behavior, the edge's own errors among them.
pub fn by_rules(ask: &Ask, mut answer: Answer) -> Answer {
    let in_parts = type_in_parts(&answer.response);
    let headers = answer.response.headers_mut();
    ask.route.behavior.header_rules.show(&ask.viewer.headers, headers);
    if let Some(kept) = in_parts {
        headers.insert(header::CONTENT_TYPE, kept);
    }
    answer
}

/// RFC 9110 §15.3.7.2: what a message in parts is taken apart by. Rules mean the type of what is in there.
fn type_in_parts(response: &Response<Source>) -> Option<HeaderValue> {
    const TYPE: &[u8] = b"multipart/byteranges";
    let said =
        response.headers().get(header::CONTENT_TYPE).filter(|_| response.status() == StatusCode::PARTIAL_CONTENT);
    said.filter(|said| said.as_bytes().get(..TYPE.len()).is_some_and(|said| said.eq_ignore_ascii_case(TYPE))).cloned()
}

/// The answer to a preflight, where the behavior has a say in CORS; every other request goes its way.
pub fn preflight(ask: &Ask) -> Option<Answer> {
    let rules = &ask.route.behavior.header_rules;
    let mut answer = match rules.cors()?.preflight(&ask.viewer)? {
        Preflight::Refused => own(StatusCode::FORBIDDEN, "preflight-refused"),
        Preflight::Granted(fields) => {
            let mut response = Response::new(Source::Empty);
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.headers_mut() = fields;
            response.headers_mut().insert(CACHE_STATUS, HeaderValue::from_static("kubefront; detail=preflight"));
            let detail = Some("preflight");
            Answer {
                response,
                result: CacheResult::Edge,
                status: None,
                coding: None,
                detail,
                closes: false,
                switched: None,
                fate: None,
            }
        }
    };
    rules.change(answer.response.headers_mut());
    Some(answer)
}
