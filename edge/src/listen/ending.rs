//! A request that has ended into what is counted and logged of it.

use std::net::IpAddr;
use std::sync::Arc;

use edge_cache::CacheStatus;
use edge_cache::cache_status::Outcome;
use edge_cache::coding::Coding;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};

use super::Viewer;
use super::activity::Activity;
use crate::ask::Ask;
use crate::clock::Now;
use crate::config::{BehaviorTable, SiteTable};
use crate::cut_off::{CutOff, End};
use crate::edge::Edge;
use crate::live::Phase;
use crate::metrics::CacheResult;
use crate::respond::Answer;
use crate::respond::body::{Ending, Source};
use crate::store::recording::Fate;
use crate::tunnel::Moved;

/// The longest target and the longest cookies in a line: lines longer than 16 KiB are cut up by what collects them.
const LONGEST: usize = 4 * 1024;

/// One request, until its response has ended or its viewer has left.
pub(super) struct Request {
    edge: Arc<Edge>,
    activity: Arc<Activity>,
    began: Now,
    peer: IpAddr,
    method: Method,
    version: Version,
    target: String,
    answered: Option<Answered>,
    /// Whether its viewer is to say when there is room for more of the body.
    waits: bool,
    noted: bool,
    /// What goes through in place of a body, where its connection has switched to another protocol.
    moved: Option<Arc<Moved>>,
}

struct Answered {
    status: StatusCode,
    result: CacheResult,
    detail: Option<&'static str>,
    /// What `Cache-Status` said.
    said: Option<CacheStatus>,
    /// Whether what arrives for it is stored in the end.
    fate: Option<Arc<Fate>>,
    /// All that arrives is what its viewer is sent.
    follows: bool,
    coding: Option<Coding>,
    age: Option<u64>,
    host: Option<String>,
    viewer: Option<IpAddr>,
    cookies: Option<String>,
    origin: Option<Arc<str>>,
    origin_seconds: Option<f64>,
    served_by: Option<(Arc<SiteTable>, Arc<BehaviorTable>)>,
    /// Another edge asked.
    for_edge: bool,
    /// The uid of the edge that gave the origin's answer.
    shield: Option<Arc<str>>,
}

impl Answered {
    /// Whether the answer was stored, if that is known by now.
    fn stored(&self, end: End) -> Option<bool> {
        let promised = self.said?.stored;
        let Some(fate) = self.fate.as_ref().filter(|_| promised) else { return Some(promised) };
        // Whoever has sent on the last byte may be faster than whoever stores it.
        fate.is_stored().or_else(|| (self.follows && end == End::Complete).then_some(true))
    }
}

impl Request {
    /// A head is complete.
    pub(super) fn begins<B>(
        edge: &Arc<Edge>,
        activity: Arc<Activity>,
        viewer: &Viewer,
        request: &http::Request<B>,
    ) -> Self {
        let target = request.uri().path_and_query().map(|target| bounded(target.as_str()));
        Self {
            edge: Arc::clone(edge),
            activity,
            began: edge.clock.now(),
            peer: viewer.peer,
            method: request.method().clone(),
            version: request.version(),
            target: target.filter(|_| edge.access_log).unwrap_or_default(),
            answered: None,
            waits: false,
            noted: false,
            moved: None,
        }
    }

    /// Its response is a switch to another protocol, and this goes through behind it.
    pub(super) fn follows(&mut self, moved: &Arc<Moved>) {
        self.moved = Some(Arc::clone(moved));
    }

    /// A response head is decided.
    pub(super) fn answered(&mut self, answer: &Answer, ask: Option<&Ask>) {
        self.answered = Some(Answered {
            status: answer.response.status(),
            result: answer.result,
            detail: refusal(answer, ask).or(answer.detail),
            said: answer.status,
            fate: answer.fate.clone(),
            follows: matches!(answer.response.body(), Source::Arriving(_)),
            coding: answer.coding,
            age: answer.response.headers().get(header::AGE).and_then(seconds),
            cookies: ask.filter(|ask| ask.route.site.site.logging.include_cookies).and_then(cookies),
            origin_seconds: ask.and_then(Ask::origin_took).map(|took| took.as_secs_f64()),
            origin: ask.map(Ask::source),
            host: ask.and_then(|ask| ask.asked.authority.clone()),
            viewer: ask.map(|ask| ask.address),
            for_edge: ask.is_some_and(|ask| ask.asker.is_some()),
            shield: ask.and_then(Ask::shield),
            served_by: ask.map(|ask| (Arc::clone(&ask.route.site), Arc::clone(&ask.route.behavior))),
        });
    }

    /// Its response has a piece for which there may be no room: that is for the viewer to say. In HTTP/1 there is one response at a
    /// time, and the socket itself says whether its bytes are taken.
    pub(super) fn waits(&mut self) {
        if !std::mem::replace(&mut self.waits, true) {
            self.activity.body_waits(self.edge.clock.now().monotonic);
        }
    }

    /// There is room.
    pub(super) fn goes_on(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.activity.body_moves(self.edge.clock.now().monotonic);
        }
    }

    /// Its response has ended: `sent` bytes of the body went out, and `end` says whether that was all of it.
    pub(super) fn ends(&mut self, sent: u64, end: End) {
        if std::mem::replace(&mut self.noted, true) {
            return;
        }
        let end = self.whose_doing(end);
        self.goes_on();
        let now = self.edge.clock.now();
        self.activity.request_ends(now.monotonic);
        let sent = self.moved.as_ref().map_or(sent, |moved| moved.to_viewer());
        let answered = self.answered.as_ref();
        if let Some(answered) = answered
            && let Some((_, behavior)) = &answered.served_by
        {
            if answered.for_edge {
                // Its viewer is counted where it is.
                self.edge.tiers.answered(answered.result);
                return self.log(now, sent, end);
            }
            let counters = &behavior.counters;
            counters.count(answered.status, answered.result, sent);
            answered.coding.into_iter().for_each(|coding| counters.count_coded(coding));
            if answered.result == CacheResult::Stale {
                counters.count_stale(answered.detail);
            }
        }
        self.log(now, sent, end);
    }

    /// A viewer is gone as well where this edge has let go of it.
    fn whose_doing(&self, end: End) -> End {
        match end {
            End::Cut(CutOff::ViewerLeft) if self.edge.live.phase() >= Phase::Cutting => End::Cut(CutOff::Drain),
            End::Cut(CutOff::ViewerLeft) if self.activity.is_given_up() => End::Cut(CutOff::ViewerSlow),
            end => end,
        }
    }

    fn log(&self, now: Now, sent: u64, end: End) {
        let answered = self.answered.as_ref();
        let served_by = answered.and_then(|answered| answered.served_by.as_ref());
        // What nobody serves is logged wherever something is.
        if !self.edge.access_log || served_by.is_some_and(|(site, _)| !site.site.logging.access) {
            return;
        }
        let said = answered.and_then(|answered| answered.said);
        let stored = answered.and_then(|answered| answered.stored(end));
        tracing::info!(
            target: "access",
            method = %self.method,
            host = answered.and_then(|answered| answered.host.as_deref()),
            path = self.target,
            protocol = ?self.version,
            // Who asked, as far as trusted proxies say, and who holds the connection.
            viewer = %answered.and_then(|answered| answered.viewer).unwrap_or(self.peer),
            peer = %self.peer,
            site = served_by.map(|(site, _)| site.site.name.as_str()),
            behavior = served_by.map(|(_, behavior)| behavior.behavior.path_pattern.as_str()),
            status = answered.map(|answered| answered.status.as_u16()),
            cache = answered.map(|answered| answered.result.word()),
            detail = answered.and_then(|answered| answered.detail),
            fwd = said.and_then(why_forwarded),
            ttl = said.filter(|said| !said.stored || stored == Some(true)).and_then(|said| said.ttl),
            age = answered.and_then(|answered| answered.age),
            stored,
            collapsed = said.map(|said| said.collapsed),
            coding = answered.and_then(|answered| answered.coding).map(Coding::token),
            origin = answered.and_then(|answered| answered.origin.as_deref()),
            shield = answered.and_then(|answered| answered.shield.as_deref()),
            for_edge = answered.is_some_and(|answered| answered.for_edge).then_some(true),
            origin_status = said.and_then(|said| said.forwarded_status).map(|status| status.as_u16()),
            origin_seconds = answered.and_then(|answered| answered.origin_seconds),
            cookies = answered.and_then(|answered| answered.cookies.as_deref()),
            bytes = sent,
            received = self.moved.as_ref().map(|moved| moved.to_origin()),
            complete = end == End::Complete,
            cut = end.why(),
            seconds = now.monotonic.saturating_sub(self.began.monotonic).as_secs_f64(),
        );
    }
}

/// What S3 said of an answer of its own.
fn refusal(answer: &Answer, ask: Option<&Ask>) -> Option<&'static str> {
    ask.filter(|_| matches!(answer.result, CacheResult::Miss | CacheResult::Pass)).and_then(Ask::refusal)
}

fn why_forwarded(said: CacheStatus) -> Option<&'static str> {
    if let Outcome::Forwarded(why) = said.outcome { Some(why.token()) } else { None }
}

fn seconds(age: &HeaderValue) -> Option<u64> {
    age.to_str().ok()?.parse().ok()
}

/// As the viewer sent them. Of all that may be a secret they alone are ever logged, and only where the owner wants it.
fn cookies(ask: &Ask) -> Option<String> {
    let headers: &HeaderMap = &ask.viewer.headers;
    let lines: Vec<_> =
        headers.get_all(header::COOKIE).iter().map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    (!lines.is_empty()).then(|| bounded(&lines.join("; ")))
}

fn bounded(text: &str) -> String {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default().to_owned()
}

impl Ending for Request {
    fn ended(&mut self, sent: u64, end: End) {
        self.ends(sent, end);
    }
}

impl Drop for Request {
    /// A viewer that leaves before there is a response head ends here.
    fn drop(&mut self) {
        self.ends(0, End::Cut(CutOff::ViewerLeft));
    }
}
