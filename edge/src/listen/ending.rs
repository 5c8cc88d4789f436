//! A request that has ended into what is counted and logged of it.

use std::net::IpAddr;
use std::sync::Arc;

use edge_cache::cache_status::CACHE_STATUS;
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};

use super::Viewer;
use super::activity::Activity;
use crate::ask::Ask;
use crate::clock::Now;
use crate::config::{BehaviorTable, SiteTable};
use crate::metrics::CacheResult;
use crate::process::Edge;
use crate::respond::Answer;
use crate::respond::body::Ending;

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
}

struct Answered {
    status: StatusCode,
    result: CacheResult,
    detail: Option<&'static str>,
    /// What this edge says of it to the viewer, beside what those before it said.
    cache_status: Option<HeaderValue>,
    age: Option<HeaderValue>,
    host: Option<String>,
    served_by: Option<(Arc<SiteTable>, Arc<BehaviorTable>)>,
}

impl Request {
    /// A head is complete.
    pub(super) fn begins<B>(
        edge: &Arc<Edge>,
        activity: Arc<Activity>,
        viewer: &Viewer,
        request: &http::Request<B>,
    ) -> Self {
        let target = request.uri().path_and_query().map(ToString::to_string);
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
        }
    }

    /// A response head is decided.
    pub(super) fn answered(&mut self, answer: &Answer, ask: Option<&Ask>) {
        let field = |name: HeaderName| answer.response.headers().get_all(name).iter().next_back().cloned();
        self.answered = Some(Answered {
            status: answer.response.status(),
            result: answer.result,
            detail: answer.detail,
            cache_status: field(CACHE_STATUS),
            age: field(header::AGE),
            host: ask.and_then(|ask| ask.asked.authority.clone()),
            served_by: ask.map(|ask| (Arc::clone(&ask.route.site), Arc::clone(&ask.route.behavior))),
        });
    }

    fn note(&mut self, sent: u64, complete: bool) {
        if std::mem::replace(&mut self.noted, true) {
            return;
        }
        self.goes_on();
        let now = self.edge.clock.now();
        self.activity.request_ends(now.monotonic);
        let answered = self.answered.as_ref();
        if let Some((status, result, (_, behavior))) =
            answered.and_then(|a| Some((a.status, a.result, a.served_by.as_ref()?)))
        {
            behavior.counters.count(status, result, sent);
        }
        if !self.edge.access_log {
            return;
        }
        let served_by = answered.and_then(|answered| answered.served_by.as_ref());
        tracing::info!(
            target: "access",
            method = %self.method,
            host = answered.and_then(|answered| answered.host.as_deref()),
            path = self.target,
            protocol = ?self.version,
            peer = %self.peer,
            site = served_by.map(|(site, _)| site.site.name.as_str()),
            behavior = served_by.map(|(_, behavior)| behavior.behavior.path_pattern.as_str()),
            status = answered.map(|answered| answered.status.as_u16()),
            cache = answered.map(|answered| answered.result.word()),
            detail = answered.and_then(|answered| answered.detail),
            cache_status = answered.and_then(|answered| text(answered.cache_status.as_ref()?)),
            age = answered.and_then(|answered| text(answered.age.as_ref()?)),
            bytes = sent,
            complete,
            seconds = now.monotonic.saturating_sub(self.began.monotonic).as_secs_f64(),
        );
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

impl Ending for Request {
    fn waits(&mut self) {
        // In HTTP/1 there is one response at a time, and the socket itself says whether its bytes are taken.
        if self.activity.is_multiplexed() && !std::mem::replace(&mut self.waits, true) {
            self.activity.body_waits(self.edge.clock.now().monotonic);
        }
    }

    fn goes_on(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.activity.body_moves(self.edge.clock.now().monotonic);
        }
    }

    fn ended(&mut self, sent: u64, complete: bool) {
        self.note(sent, complete);
    }
}

impl Drop for Request {
    /// A viewer that leaves before there is a response head ends here.
    fn drop(&mut self) {
        self.note(0, false);
    }
}
