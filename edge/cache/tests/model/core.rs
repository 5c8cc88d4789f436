//! The crate's own verdicts around the smallest store there is: carried out as the edge does it, one request at a time.

mod validating;

use std::cell::Cell;
use std::time::Duration;

use edge_cache::date::Date;
use edge_cache::head::{self, Asked};
use edge_cache::invalidation::{NormalScopes, Stamp};
use edge_cache::reuse::{self, Failure, Fallback, Forward, Stale, StaleUse};
use edge_cache::storing::{self, Exchange, Storing};
use edge_cache::validation::{self, Conditional};
use edge_cache::{CacheKey, Controls, Ledger, Moment, Policy, Received, Reuse, Stored, key, overwriting, vary};
use edge_contract::{Epoch, Head, PurgeOrder, Scope, Site};
use http::{HeaderMap, Method, Response, StatusCode, header, request, response};

use crate::request as fields;
use crate::scene::{Answer, Ask, BEGIN, Cache, Meanwhile, Owner};
use crate::shapes::{headers, request_of, site, text};

const EPOCH: Epoch = Epoch(7);

/// A stored response, and what the store knows of it.
#[derive(Clone)]
struct Held {
    key: CacheKey,
    stored: Stored,
    checked: Cell<Stamp>,
    request: HeaderMap,
}

/// The verdicts, a list of stored responses and a ledger.
pub struct Core {
    site: Site,
    policy: Policy,
    now: i64,
    held: Vec<Held>,
    ledger: Ledger,
    sequence: u64,
}

/// A request on its way through.
struct Asking<'a> {
    ask: &'a Ask,
    event: usize,
    method: Method,
    viewer: HeaderMap,
    forwarded: HeaderMap,
    asked: Asked,
    key: CacheKey,
    controls: Controls,
}

/// A response of the origin, and when it came.
struct Arrived {
    parts: response::Parts,
    received: Received,
}

impl Asking<'_> {
    fn hold(&self, stored: Stored) -> Held {
        let (key, request) = (self.key.clone(), self.forwarded.clone());
        Held { key, stored, checked: Cell::default(), request }
    }

    fn exchange(&self, arrived: &Arrived, label: edge_cache::Label) -> Exchange<'_> {
        let authorized = self.forwarded.contains_key(header::AUTHORIZATION);
        Exchange { method: &Method::GET, forwarded: &self.forwarded, authorized, received: arrived.received, label }
    }
}

impl Core {
    pub fn new(owner: &Owner) -> Self {
        let mut ledger = Ledger::default();
        ledger.take_head(Head { epoch: EPOCH, sequence: 1, floor: 1, flush: 0 });
        let (site, policy) = (site(owner), policy(owner));
        Self { policy, site, now: 0, held: Vec::new(), ledger, sequence: 1 }
    }

    fn moment(&self) -> Moment {
        Moment(Duration::from_millis(self.now.unsigned_abs()))
    }

    fn asking<'a>(&self, ask: &'a Ask, event: usize) -> Asking<'a> {
        let parts = request_of(&ask.method, &ask.target, &ask.fields);
        let (asked, key) = self.name(&parts);
        let forwarded = headers(&fields::forwarded(&ask.fields));
        let controls = Controls::of(&parts.headers, &self.policy);
        Asking { ask, event, method: parts.method, viewer: parts.headers, forwarded, asked, key, controls }
    }

    fn name(&self, parts: &request::Parts) -> (Asked, CacheKey) {
        let asked = head::examine(parts).expect("is a sound request");
        let (key, _) = key::of_request(&self.site, &self.site.behaviors[0], parts, &asked, &asked.path);
        (asked, key)
    }

    fn admission(&self, held: &Held) -> edge_cache::Admission {
        let admission = self.ledger.admits(held.stored.label, held.checked.get(), held.key.target());
        if let edge_cache::Admission::Admitted(stamp) = admission {
            held.checked.set(stamp);
        }
        admission
    }

    /// What the request selects; what is refused only if there is nothing else.
    fn find(&self, asking: &Asking<'_>) -> Option<&Held> {
        let under_key = || self.held.iter().rev().filter(|held| held.key == asking.key);
        let make = || asking.forwarded.clone();
        let admitted = under_key().filter(|held| self.admission(held).is_admitted());
        vary::choose(admitted, |held| &held.stored, make)
            .or_else(|| vary::choose(under_key(), |held| &held.stored, make))
            .or_else(|| under_key().next())
    }

    fn judge<T>(
        &self,
        asking: &Asking<'_>,
        decide: impl FnOnce(&reuse::Request<'_>, Option<(&Stored, edge_cache::Admission)>, Moment) -> T,
    ) -> T {
        let make = || asking.forwarded.clone();
        let request =
            reuse::Request { method: &asking.method, forwarded: &make, controls: asking.controls, upgrades: false };
        let found = self.find(asking).map(|held| (&held.stored, self.admission(held)));
        decide(&request, found, self.moment())
    }

    fn fetch(&mut self, asking: &Asking<'_>, validates: Option<&(Held, Conditional)>, lines: &mut Vec<String>) {
        let mut offered = self.offered(asking, validates);
        for nth in 0.. {
            let label = self.ledger.label();
            let asked = self.moment();
            let condition = validates.map(|(_, condition)| condition.clone()).filter(|_| !offered.is_empty());
            let condition = condition.map(|first| first.with_tags_of(offered.iter().map(|held| &held.stored)));
            lines.push(asks(condition.as_ref()));
            let answer = asking.ask.answer(asking.event, nth, condition.is_some());
            if nth == 0 {
                self.meanwhile(asking.ask);
            }
            let Some(arrived) = self.arrive(answer, asked) else { return self.failed(asking, lines) };
            if arrived.parts.status == StatusCode::NOT_MODIFIED {
                if offered.is_empty() {
                    return self.failed(asking, lines);
                }
                if self.freshen_all(asking, &std::mem::take(&mut offered), &arrived, label, lines) {
                    return;
                }
                continue;
            }
            let failure = Failure::Status(arrived.parts.status);
            let fallback = self.judge(asking, |r, found, now| reuse::on_failure(failure, r, found, &self.policy, now));
            if arrived.parts.status.is_server_error() && matches!(fallback, Fallback::Stale(_)) {
                return self.answer_fallback(asking, &fallback, lines);
            }
            return self.store(asking, &arrived, label, lines);
        }
    }

    fn arrive(&mut self, answer: Answer, asked: Moment) -> Option<Arrived> {
        let Answer::Head { delay, status, fields } = answer else { return None };
        self.now += delay;
        let wall = BEGIN + self.now / 1000;
        let mut parts = Response::new(()).into_parts().0;
        parts.status = StatusCode::from_u16(status).expect("is a status");
        parts.headers = headers(&fields);
        Some(Arrived { parts, received: Received { asked, answered: self.moment(), date: Date(wall) } })
    }

    fn failed(&self, asking: &Asking<'_>, lines: &mut Vec<String>) {
        let fallback =
            self.judge(asking, |r, found, now| reuse::on_failure(Failure::NoAnswer, r, found, &self.policy, now));
        self.answer_fallback(asking, &fallback, lines);
    }

    fn answer_fallback(&self, asking: &Asking<'_>, fallback: &Fallback, lines: &mut Vec<String>) {
        match (fallback, self.find(asking)) {
            (Fallback::Stale(Stale { age, overdue, .. }), Some(held)) => {
                lines.push(format!("stands in, age {}, over {}", age.as_millis(), overdue.as_millis()));
                lines.push(shown(asking, &held.stored));
            }
            (Fallback::GatewayTimeout, _) => lines.push("viewer: 504".to_owned()),
            _ => lines.push("viewer: 502".to_owned()),
        }
    }

    fn store(&mut self, asking: &Asking<'_>, arrived: &Arrived, label: edge_cache::Label, lines: &mut Vec<String>) {
        let exchange = asking.exchange(arrived, label);
        match storing::decide(&exchange, &arrived.parts, &self.policy) {
            Storing::Skip(reason) => {
                lines.push(format!("viewer: {} as it came", arrived.parts.status.as_u16()));
                if !matches!(reason, storing::Reason::Partial) && !arrived.parts.status.is_server_error() {
                    self.supersede(asking);
                }
            }
            Storing::Store(stored) => {
                lines.push("stored".to_owned());
                lines.push(shown(asking, &stored));
                self.supersede(asking);
                let new = asking.hold(*stored);
                if self.admission(&new).is_admitted() {
                    self.held.push(new);
                }
            }
        }
    }

    fn supersede(&mut self, asking: &Asking<'_>) {
        let selected = |held: &Held| held.stored.selecting.matches_fields(&asking.forwarded);
        self.held.retain(|held| held.key != asking.key || !selected(held));
    }

    fn pass(&mut self, asking: &Asking<'_>) -> Vec<String> {
        let mut lines = vec!["asks as it came".to_owned()];
        let (asked, label) = (self.moment(), self.ledger.label());
        self.meanwhile(asking.ask);
        let Some(arrived) = self.arrive(asking.ask.answer(asking.event, 0, false), asked) else {
            self.failed(asking, &mut lines);
            return lines;
        };
        lines.push(format!("viewer: {} as it came", arrived.parts.status.as_u16()));
        for target in overwriting::targets(&asking.method, &asking.asked, &arrived.parts, &self.site) {
            self.ledger.overwritten(&target);
        }
        if asking.method == Method::HEAD && arrived.parts.status == StatusCode::OK && self.policy.caches() {
            self.learn_by_head(asking, &arrived, label);
        }
        lines
    }

    fn meanwhile(&mut self, ask: &Ask) {
        match &ask.meanwhile {
            Some(Meanwhile::Purge(scope)) => self.purge(scope),
            Some(Meanwhile::Write(target)) => {
                let post = request_of("POST", target, &Vec::new());
                let (asked, _) = self.name(&post);
                let answered = Response::new(()).into_parts().0;
                for target in overwriting::targets(&Method::POST, &asked, &answered, &self.site) {
                    self.ledger.overwritten(&target);
                }
            }
            None => {}
        }
    }

    fn describe(&self, held: &Held) -> String {
        let make = || held.request.clone();
        let request =
            reuse::Request { method: &Method::GET, forwarded: &make, controls: Controls::default(), upgrades: false };
        let found = Some((&held.stored, self.admission(held)));
        let used = match reuse::decide(&request, found, &self.policy, self.moment()) {
            Reuse::Fresh { age, ttl } => format!("fresh, age {}, left {}", age.as_millis(), ttl.as_millis()),
            Reuse::Stale(Stale { age, overdue, .. }) => {
                format!("stale, age {}, over {}", age.as_millis(), overdue.as_millis())
            }
            Reuse::Validate { condition, .. } => asks(Some(&condition)),
            Reuse::Forward(Forward::Stale | Forward::AlwaysValidate) => asks(None),
            Reuse::Forward(_) | Reuse::OnlyIfCached => "of no use".to_owned(),
        };
        let mut fields: Vec<_> =
            held.stored.headers.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
        fields.sort();
        let status = held.stored.status.as_u16();
        format!("  has {} {status}: {used} [{}]", held.key.target(), fields.join(" | "))
    }
}

impl Cache for Core {
    fn wait(&mut self, milliseconds: i64) {
        self.now += milliseconds;
    }

    fn ask(&mut self, ask: &Ask, event: usize) -> Vec<String> {
        let asking = self.asking(ask, event);
        let verdict = self.judge(&asking, |request, found, now| reuse::decide(request, found, &self.policy, now));
        let found = self.find(&asking).cloned();
        let mut lines = Vec::new();
        match (verdict, found) {
            (Reuse::Fresh { age, ttl }, Some(held)) => {
                lines.push(format!("fresh, age {}, left {}", age.as_millis(), ttl.as_millis()));
                lines.push(shown(&asking, &held.stored));
            }
            (Reuse::Stale(stale), Some(held)) => {
                let (age, over) = (stale.age.as_millis(), stale.overdue.as_millis());
                lines.push(format!("stale, age {age}, over {over}"));
                lines.push(shown(&asking, &held.stored));
                let validates = stale.why == StaleUse::WhileRevalidating && !asking.controls.no_store;
                if asking.method == Method::GET && validates {
                    self.fetch(&asking, stale.condition.map(|condition| (held, condition)).as_ref(), &mut lines);
                }
            }
            (Reuse::OnlyIfCached, _) => lines.push("viewer: 504".to_owned()),
            (Reuse::Forward(Forward::Method | Forward::CachingOff), _) => return self.pass(&asking),
            _ if asking.method == Method::HEAD || asking.controls.no_store => return self.pass(&asking),
            (Reuse::Validate { condition, .. }, Some(held)) => {
                self.fetch(&asking, Some(&(held, condition)), &mut lines);
            }
            _ => self.fetch(&asking, None, &mut lines),
        }
        lines
    }

    fn purge(&mut self, scope: &Scope) {
        self.sequence += 1;
        let (sequence, uid) = (self.sequence, format!("uid-{}", self.sequence));
        let order = PurgeOrder { epoch: EPOCH, sequence, uid, scopes: vec![scope.clone()] };
        self.ledger.apply(&order, &NormalScopes::of(&order.scopes, &self.site));
    }

    fn sweep(&mut self) {
        let stamp = self.ledger.stamp();
        let all = std::mem::take(&mut self.held);
        self.held = all.into_iter().filter(|held| self.admission(held).is_admitted()).collect();
        self.ledger.forget(stamp);
    }

    fn reconfigure(&mut self, owner: &Owner) {
        (self.site, self.policy) = (site(owner), policy(owner));
    }

    fn holds(&self) -> Vec<String> {
        let admitted = self.held.iter().filter(|held| self.admission(held).is_admitted());
        let mut lines: Vec<_> = admitted.map(|held| self.describe(held)).collect();
        lines.sort();
        lines
    }
}

fn policy(owner: &Owner) -> Policy {
    Policy::of(&owner.behavior).with_floors(&owner.errors)
}

fn asks(condition: Option<&Conditional>) -> String {
    let mut line = "asks".to_owned();
    let Some(Conditional { if_none_match, if_modified_since }) = condition else { return line };
    if let Some(value) = if_none_match {
        let list = text(value);
        let mut tags: Vec<&str> = list.split(", ").collect();
        tags.sort_unstable();
        line.extend([" if-none-match: ", &tags.join(", ")]);
    }
    if let Some(value) = if_modified_since {
        line.extend([" if-modified-since: ", &text(value)]);
    }
    line
}

fn shown(asking: &Asking<'_>, stored: &Stored) -> String {
    match validation::answer_condition(&asking.method, &asking.viewer, stored) {
        validation::Answer::NotModified => "viewer: 304".to_owned(),
        validation::Answer::Whole => format!("viewer: {}", stored.status.as_u16()),
    }
}
