//! A response and the rules of its behavior into the head that a viewer is shown.

use edge_cache::cache_status::CACHE_STATUS;
use edge_cache::cors::Preflight;
use http::{HeaderValue, Response, StatusCode};

use super::body::Source;
use super::{Answer, own};
use crate::ask::Ask;
use crate::metrics::CacheResult;

/// Any response of the behavior, the edge's own errors among them.
pub fn by_rules(ask: &Ask, mut answer: Answer) -> Answer {
    ask.route.behavior.header_rules.show(&ask.viewer.headers, answer.response.headers_mut());
    answer
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
            Answer { response, result: CacheResult::Edge, status: None, coding: None, detail, closes: false }
        }
    };
    rules.change(answer.response.headers_mut());
    Some(answer)
}
