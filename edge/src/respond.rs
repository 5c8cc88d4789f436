//! A verdict and what carries it out into the response that a viewer gets.

pub mod body;
pub mod cut;
pub mod shown;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use edge_cache::cache_status::{CACHE_STATUS, Outcome};
use edge_cache::coding::Coding;
use edge_cache::range::{self, Span, Verdict};
use edge_cache::validation::{self, Answer as Condition};
use edge_cache::vary::vary_on;
use edge_cache::{CacheStatus, Lifetime, forwarding, head, hops};
use edge_contract::Methods;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, response};

use crate::ask::Ask;
use crate::collapse::places::Crowded;
use crate::collapse::wanted::{Interest, NotKept};
use crate::forward::body::OriginBody;
use crate::metrics::CacheResult;
use crate::store::held::{Content, Held};
use crate::store::recording::Fate;
use crate::tunnel::Switched;
use body::Source;
use cut::Cut;

/// When one for whom there was no place may come again: by then the queue has moved on several times.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What `Cache-Status` says of an answer that came through another edge.
pub const SHIELD: &str = "shield";

/// A response on its way to a viewer, and what is said of it in logs and metrics.
#[derive(Debug)]
pub struct Answer {
    /// Head and body.
    pub response: Response<Source>,
    /// What the cache did for it.
    pub result: CacheResult,
    /// What `Cache-Status` says; nothing where the cache was not asked.
    pub status: Option<CacheStatus>,
    /// The coding that the edge gave it.
    pub coding: Option<Coding>,
    /// A word more, for people.
    pub detail: Option<&'static str>,
    /// What is on the connection after this request cannot be trusted.
    pub closes: bool,
    /// What is spoken behind the head of a 101, and with whom.
    pub switched: Option<Switched>,
    /// Whether what arrives for it is stored in the end.
    pub fate: Option<Arc<Fate>>,
}

impl Answer {
    /// The same with more fields.
    #[must_use]
    pub fn with(mut self, fields: HeaderMap) -> Self {
        // Fields that are for one viewer are not among those that are stored, so they come on top of what there is.
        let mut last = None;
        for (name, value) in fields {
            last = name.or(last);
            if let Some(name) = &last {
                self.response.headers_mut().append(name, value);
            }
        }
        self
    }
}

/// How a stored response is shown.
pub struct Showing {
    /// Its current age (RFC 9111 §4.2.3).
    pub age: Duration,
    /// What `Cache-Status` says.
    pub status: CacheStatus,
    /// What metrics say.
    pub result: CacheResult,
}

/// A stored response, or a 304 in its place (RFC 9111 §4.3.2). None: its body is arriving and cannot be joined any more.
pub fn stored(ask: &Ask, held: &Held, showing: &Showing, interest: Option<Interest>) -> Option<Answer> {
    let Showing { age, status, result } = showing;
    let status = &CacheStatus { ttl: status.ttl.or_else(|| fresh_for(ask, held, showing)), ..*status };
    let condition = validation::answer_condition(ask.method(), &ask.viewer.headers, &held.stored);
    let (code, mut headers, source) = match condition {
        Condition::NotModified => {
            (StatusCode::NOT_MODIFIED, validation::not_modified_fields(head_for(ask, held)), without_body(interest))
        }
        Condition::Whole if *ask.method() == Method::HEAD => {
            (held.stored.status, head_for(ask, held).clone(), without_body(interest))
        }
        // What an edge has coded is another representation than the one whose bytes a range counts.
        Condition::Whole if held.coding().is_some() => whole(ask, held, interest)?,
        // RFC 9110 §13.2.2: a range comes after every other condition.
        Condition::Whole => match range::judge(ask.method(), &ask.viewer.headers, &held.stored, held.length()) {
            Verdict::Unsatisfiable { complete } => {
                without_body(interest);
                return Some(unsatisfiable(complete, *status, *result));
            }
            Verdict::Parts(spans) => parts(ask, held, &spans, interest)?,
            Verdict::Whole(_) => whole(ask, held, interest)?,
        },
    };
    if ask.asker.is_none() && ask.route.behavior.behavior.compress && held.is_codable() {
        vary_on(&mut headers, &header::ACCEPT_ENCODING);
    }
    // RFC 9111 §5.1: Age says that the origin did not answer this very request; at zero, only a hit needs to say so.
    let answered_now = matches!(result, CacheResult::Miss | CacheResult::Revalidated);
    if age.as_secs() > 0 || !answered_now {
        headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
    }
    let fate = if let Content::Arriving { recording, .. } = &held.content { Some(recording.fate()) } else { None };
    let fate = fate.filter(|_| status.stored).map(Arc::clone);
    Some(Answer { coding: held.coding(), fate, ..finish(code, headers, source, *status, *result) })
}

/// For how many seconds more what has just been stored answers others.
fn fresh_for(ask: &Ask, held: &Held, showing: &Showing) -> Option<i64> {
    let Lifetime::Lasts(lifetime) = held.stored.lifetime(ask.policy()) else { return None };
    // In whole seconds, like the age that is told.
    let left = lifetime.as_secs().saturating_sub(showing.age.as_secs());
    i64::try_from(left).ok().filter(|_| showing.status.stored)
}

/// The viewer needs no body; the fill that brings it goes on all the same, for the next one who does.
fn without_body(interest: Option<Interest>) -> Source {
    if let Some(interest) = interest {
        interest.fill().go_on_unattended();
    }
    Source::Empty
}

fn whole(ask: &Ask, held: &Held, interest: Option<Interest>) -> Option<(StatusCode, HeaderMap, Source)> {
    let content = if ask.asker.is_some() { held.as_it_came()? } else { &held.content };
    Some((held.stored.status, head_for(ask, held).clone(), Source::of(content, interest)?))
}

/// The fields that viewers get, or for another edge those that the origin sent.
fn head_for<'a>(ask: &Ask, held: &'a Held) -> &'a HeaderMap {
    if ask.asker.is_some() { &held.stored.headers } else { &held.head }
}

/// RFC 9110 §15.3.7; everything, should there be no randomness for a boundary.
fn parts(
    ask: &Ask,
    held: &Held,
    spans: &[Span],
    interest: Option<Interest>,
) -> Option<(StatusCode, HeaderMap, Source)> {
    // Each of several parts has a head of its own, which nobody changes later.
    let mut shown = held.head.clone();
    ask.route.behavior.header_rules.change(&mut shown);
    let Some(partial) = cut::partial(&shown, &ask.viewer.headers, spans) else { return whole(ask, held, interest) };
    let source = Source::Cut(Cut::of(held, interest, partial.pieces, partial.length)?);
    Some((StatusCode::PARTIAL_CONTENT, partial.headers, source))
}

/// RFC 9110 §15.5.17, §14.4: nothing of what was asked for exists, and how much does.
fn unsatisfiable(complete: u64, status: CacheStatus, result: CacheResult) -> Answer {
    let mut answer = failed(StatusCode::RANGE_NOT_SATISFIABLE, status, "range-not-satisfiable");
    let extent = HeaderValue::try_from(format!("bytes */{complete}"));
    answer.response.headers_mut().extend(extent.map(|value| (header::CONTENT_RANGE, value)));
    Answer { result, ..answer }
}

/// An origin's answer that is for this viewer alone.
pub fn passed(
    ask: &Ask,
    parts: &response::Parts,
    body: OriginBody,
    status: CacheStatus,
    result: CacheResult,
) -> Answer {
    let status = through_shield(ask, CacheStatus { forwarded_status: Some(parts.status), ..status });
    let is_for_edge = ask.asker.is_some();
    let headers = if is_for_edge { hops::end_to_end(&parts.headers) } else { forwarding::to_viewer(&parts.headers) };
    let answer = finish(parts.status, headers, Source::Origin(body), status, result);
    Answer { switched: Switched::carried_by(&parts.extensions), ..answer }
}

/// The same with the word that another edge gave the answer, where there is nothing else to say.
pub fn through_shield(ask: &Ask, status: CacheStatus) -> CacheStatus {
    if status.detail.is_none() && ask.shield().is_some() { status.detailed(SHIELD) } else { status }
}

/// The word for why an answer was not kept.
pub fn not_kept(why: NotKept) -> &'static str {
    match why {
        NotKept::Refused(reason) => reason.detail(),
        NotKept::NoRoom => "no-room",
    }
}

/// A response of the edge's own where the cache was asked: the origin failed and nothing stands in, say.
pub fn failed(code: StatusCode, status: CacheStatus, detail: &'static str) -> Answer {
    let status = CacheStatus { detail: Some(detail), ..status };
    let mut answer = own(code, detail);
    answer.response.headers_mut().remove(CACHE_STATUS);
    status.append_to(answer.response.headers_mut());
    Answer { status: Some(status), ..answer }
}

/// RFC 9110 §15.6.4: too many ask for the same thing, each for itself.
pub fn crowded(status: CacheStatus, why: Crowded) -> Answer {
    let detail = match why {
        Crowded::Refused => "crowded",
        Crowded::TimedOut => "crowded-timeout",
    };
    let status = CacheStatus { outcome: Outcome::Refused, ..status };
    let mut answer = failed(StatusCode::SERVICE_UNAVAILABLE, status, detail);
    answer.response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(AGAIN_AFTER.as_secs()));
    answer
}

/// A response of the edge's own, to a request that got no further.
pub fn own(code: StatusCode, detail: &'static str) -> Answer {
    let text = format!("{code}: {detail}\n");
    let mut response = Response::new(Source::Text(Bytes::from(text)));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // Not for caches between here and the viewer, whatever its status would let them assume.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(HeaderValue::try_from(format!("kubefront; detail={detail}")).map(|value| (CACHE_STATUS, value)));
    Answer {
        response,
        result: CacheResult::Edge,
        status: None,
        coding: None,
        detail: Some(detail),
        closes: false,
        switched: None,
        fate: None,
    }
}

/// RFC 9110 §15.5.6: says which methods there are.
pub fn method_not_allowed(methods: Methods) -> Answer {
    let mut answer = own(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed");
    let allowed = HeaderValue::from_static(head::allowed(methods));
    answer.response.headers_mut().insert(header::ALLOW, allowed);
    answer
}

/// RFC 9110 §9.3.7: the answer to an OPTIONS that goes no further, as far as the edge itself can give it.
pub fn last_hop(methods: Methods) -> Answer {
    let mut answer = own(StatusCode::NO_CONTENT, "max-forwards");
    *answer.response.body_mut() = Source::Empty;
    let headers = answer.response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    headers.insert(header::ALLOW, HeaderValue::from_static(head::allowed(methods)));
    answer
}

/// A response with which the connection ends.
pub fn closing(answer: Answer) -> Answer {
    Answer { closes: true, ..answer }
}

fn finish(
    code: StatusCode,
    mut headers: HeaderMap,
    source: Source,
    status: CacheStatus,
    result: CacheResult,
) -> Answer {
    status.append_to(&mut headers);
    // RFC 9110 §8.6: a length where there is no content is wrong in a 204, and of use to nobody in a 304.
    if matches!(code, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        headers.remove(header::CONTENT_LENGTH);
    }
    let mut response = Response::new(source);
    *response.status_mut() = code;
    *response.headers_mut() = headers;
    Answer {
        response,
        result,
        status: Some(status),
        coding: None,
        detail: status.detail,
        closes: false,
        switched: None,
        fate: None,
    }
}
