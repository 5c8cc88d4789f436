//! A request and those who may serve it into who would be asked, where and with what, or why nobody.
//!
//! Guarantees: nobody is asked, DNS neither. Of what is mounted only names are told, and what is wrong with a file.

use std::net::SocketAddr;

use edge_contract::{Mounted, OriginHeaderValue, OriginTarget, Purpose, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value, json};

use super::Known;
use crate::ask::Ask;
use crate::config::OriginTable;
use crate::edge::Edge;
use crate::forward::ForwardError;
use crate::forward::body::RequestBody;
use crate::mounts::MountError;
use crate::s3::sign::{FIELDS, X_AMZ_SECURITY_TOKEN};
use crate::{failover, tier};

/// Who would be asked, were the store of no use.
#[derive(Debug)]
pub enum Whom {
    /// The origin, or the primary of a group.
    First,
    /// The secondary, because the primary would not be.
    Second,
    /// Nobody, and why.
    Nobody(ForwardError),
}

/// Whom a request goes to, and what is to be said of all who might be asked.
pub fn asked(edge: &Edge, ask: &Ask, known: Known) -> (Whom, Value) {
    let behavior = &ask.route.behavior;
    let (first, mut said) = one(edge, ask, &behavior.origin, known);
    let Some(secondary) = &behavior.secondary else {
        return (first.map_or(Whom::First, Whom::Nobody), said.into());
    };
    let (second, mut stands_in) = one(edge, ask, secondary, known);
    let may_be = failover::may_be_asked_twice(ask.method());
    let goes_on = may_be && first.as_ref().is_some_and(|why| counts_as_none(why, &behavior.failover_on));
    let when = match (may_be, goes_on) {
        (false, _) => "never",
        (true, true) => "at once",
        (true, false) => "where the first gives no answer",
    };
    stands_in.insert("asked".into(), when.into());
    let why = match &first {
        Some(why) if goes_on => format!("{} would not be asked: {}", behavior.origin.name, why.detail()),
        _ => "it is the primary".into(),
    };
    let asks_first = if goes_on { &secondary.name } else { &behavior.origin.name };
    let group = json!({
        "name": behavior.behavior.origin, "primary": behavior.origin.name, "secondary": secondary.name,
        "asksFirst": asks_first, "why": why,
    });
    said.insert("group".into(), group);
    said.insert("secondary".into(), stands_in.into());
    said.insert("failoverOn".into(), json!(behavior.failover_on));
    let whom = match (first, second) {
        (None, _) => Whom::First,
        (Some(_), None) if goes_on => Whom::Second,
        // Who was asked last has the last word.
        (Some(_), Some(why)) if goes_on => Whom::Nobody(why),
        (Some(why), _) => Whom::Nobody(why),
    };
    (whom, said.into())
}

/// Whether the secondary is asked where the primary is not, as [`failover`] has it.
fn counts_as_none(why: &ForwardError, failover_on: &[u16]) -> bool {
    match why {
        ForwardError::Target => false,
        ForwardError::NoObject(_) => failover_on.contains(&why.status().as_u16()),
        _ => true,
    }
}

/// Why one of them would not be asked, if so, and what is to be said of it.
fn one(edge: &Edge, ask: &Ask, origin: &OriginTable, known: Known) -> (Option<ForwardError>, Map<String, Value>) {
    let headers = ask.forwarded_to(origin, None);
    let target = origin.target.as_ref();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let server_name =
        |target: &OriginTarget| origin.tls.server_name.clone().unwrap_or_else(|| target.host().to_owned());
    let secured = target.filter(|target| target.scheme() == Scheme::Https).map(server_name);
    let breaker = if origin.health.is_open() { "open" } else { "closed" };
    let mut said = Map::new();
    let mut say = |name: &str, value: Value| drop(said.insert(name.to_owned(), value));
    say("name", json!(origin.name));
    say("breaker", breaker.into());
    say("scheme", json!(target.map(OriginTarget::scheme)));
    say("at", json!(addresses(edge, ask, origin)));
    say("host", json!(host));
    say("target", json!(ask.target(origin).ok()));
    say("headers", json!(names(edge, ask, origin, headers)));
    if let Some(name) = secured {
        say("serverName", name.into());
    }
    let mounted = mounted(edge, origin, known);
    if !mounted.is_empty() {
        say("mounted", mounted.into());
    }
    let shield = tier::first(edge, ask, origin);
    // Another edge has its own Secrets, and its own breaker.
    let is_anothers = shield.as_ref().is_some_and(|(_, first)| first.is_ok());
    if let Some((location, first)) = shield {
        say(
            "shield",
            match first {
                Ok(uid) => json!({ "location": location, "edge": uid }),
                Err(why) => json!({ "location": location, "asksItself": why }),
            },
        );
    }
    let unasked =
        if is_anothers { ask.target(origin).err() } else { edge.foresee(ask, origin, known == Known::All).err() };
    if let Some(why) = &unasked {
        let (status, error) = (why.status().as_u16(), why.in_full());
        let mut told = json!({ "status": status, "detail": why.detail(), "error": error });
        if let (Some(told), Some(advice)) = (told.as_object_mut(), why.advice()) {
            told.insert("advice".into(), advice.into());
        }
        say("unasked", told);
    }
    (unasked, said)
}

/// Where it would be looked for: its pods, or a name for DNS or an address with its port.
fn addresses(edge: &Edge, ask: &Ask, origin: &OriginTable) -> Vec<String> {
    let Some(target) = &origin.target else { return Vec::new() };
    let listed = edge.live.endpoints(&ask.route.site.site.id, origin);
    if let (OriginTarget::Service { .. }, Some(listed)) = (target, listed) {
        return listed.iter().map(SocketAddr::to_string).collect();
    }
    let bracketed = |host: &String| if host.contains(':') { format!("[{host}]") } else { host.clone() };
    target.hosts().iter().map(|host| format!("{}:{}", bracketed(host), target.port())).collect()
}

/// The names of all fields that it would be sent: those of the viewer and of the edge, then those whose values are mounted.
fn names(edge: &Edge, ask: &Ask, origin: &OriginTable, headers: HeaderMap) -> Vec<String> {
    let framed = ask.request_to(origin, headers.clone(), RequestBody::Empty).map(|request| request.headers().clone());
    let mut headers = framed.unwrap_or(headers);
    let secret = HeaderValue::from_static("");
    let fields = origin.headers.iter().filter(|field| matches!(field.value, OriginHeaderValue::ValueFrom(_)));
    for name in fields.filter_map(|field| HeaderName::try_from(&field.name).ok()) {
        headers.insert(name, secret.clone());
    }
    if let Some(credentials) = origin.s3.as_ref().and_then(|s3| s3.credentials.as_ref()) {
        let lent = edge.live.mounts().line(&credentials.session_token).is_ok().then_some(X_AMZ_SECURITY_TOKEN);
        for name in FIELDS.into_iter().chain(lent) {
            headers.insert(name, secret.clone());
        }
    }
    headers.keys().map(ToString::to_string).collect()
}

/// Every file that is mounted for it, what for, and what is wrong with it.
fn mounted(edge: &Edge, origin: &OriginTable, known: Known) -> Vec<Value> {
    let of_fields = origin.headers.iter().filter_map(|field| match &field.value {
        OriginHeaderValue::ValueFrom(file) => Some((field.name.as_str(), file, Purpose::FieldValue)),
        OriginHeaderValue::Value(_) => None,
    });
    let others = origin.references().filter(|one| one.purpose != Purpose::FieldValue);
    let others = others.map(|one| (word(one.purpose), one.mounted, one.purpose));
    let said = of_fields.chain(others).filter_map(|(what, file, purpose)| {
        let Mounted { kind, name, key, .. } = file;
        let from = format!("key {key} of {kind} {name}");
        let fault = if known == Known::All { fault(edge, file, purpose) } else { None };
        match fault {
            Some(MountError::Missing) if purpose.may_be_missing() => None,
            Some(fault) => Some(json!({ "for": what, "from": from, "fault": fault.to_string() })),
            None => Some(json!({ "for": what, "from": from })),
        }
    });
    said.collect()
}

fn fault(edge: &Edge, file: &Mounted, purpose: Purpose) -> Option<MountError> {
    let mounts = edge.live.mounts();
    if purpose.is_line() { mounts.line(file).err() } else { mounts.read(file).err() }
}

fn word(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::FieldValue => "a header field",
        Purpose::Authorities => "the authorities that are trusted",
        Purpose::Certificate => "the certificate of edges",
        Purpose::Key => "the key of that certificate",
        Purpose::Credential => "the signature",
        Purpose::SessionToken => "x-amz-security-token",
    }
}
