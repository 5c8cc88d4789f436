//! A request that nobody has made into what would become of it here and now, and why, as JSON.
//!
//! Flow: the question's parts → a head → the same steps as in [`serve`](crate::serve), up to the origin → a description.
//! Guarantees: nothing changes by it: nothing is asked, stored, counted or remembered. Of header fields and cookies only names are told, of
//! configured ones too, but for the `Host` that an origin is sent; what a stored response has is told as far as its freshness and its
//! validators go.
//! Errors: a question that is no request is one sentence.

mod origin;
mod verdict;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use edge_cache::cors::Preflight;
use edge_cache::{Lifetime, Moment, explain, head, key, storing::may_stay, vary::Selecting};
use edge_contract::Choice;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header, request};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::ask::Ask;
use crate::edge::Edge;
use crate::store::held::Held;
use crate::viewer::Viewer;
use crate::{gate, route};

/// The viewer that is imagined (RFC 5737).
const VIEWER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Reads a question: `url`, and perhaps `method` and any number of `header=name:value`.
pub fn question(query: Option<&str>) -> Result<request::Parts, String> {
    let mut request = Request::new(());
    let mut asked = false;
    for (name, value) in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(pair) {
        match name.as_str() {
            "url" => {
                *request.uri_mut() = Uri::try_from(value).map_err(|error| format!("url: {error}"))?;
                asked = true;
            }
            "method" => {
                *request.method_mut() =
                    Method::from_bytes(value.as_bytes()).map_err(|error| format!("method: {error}"))?;
            }
            "header" => {
                let (name, value) = field(&value).ok_or("header: it is no NAME:VALUE")?;
                request.headers_mut().append(name, value);
            }
            other => return Err(format!("{other}: there are url, method and header")),
        }
    }
    if !asked {
        return Err("url: there is none".into());
    }
    if !request.headers().contains_key(header::HOST) {
        // A plain address means whatever Distribution there is.
        let host = request.uri().authority().map_or("127.0.0.1", |authority| authority.as_str());
        let host = HeaderValue::try_from(host).map_err(|error| format!("url: {error}"))?;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(request.into_parts().0)
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    (decoded(name), decoded(value))
}

fn field(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    Some((HeaderName::try_from(name.trim()).ok()?, HeaderValue::try_from(value.trim()).ok()?))
}

/// How much is known where a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// All that an edge knows: what is stored and what is mounted.
    All,
    /// What manifests say; what they name is taken to be there.
    Manifests,
}

/// What would become of a request.
pub fn answer(edge: &Edge, request: request::Parts, known: Known) -> Value {
    let asked = match head::examine(&request) {
        Ok(asked) => asked,
        Err(refusal) => return refused(refusal.status().as_u16(), refusal.word()),
    };
    let Some(sites) = edge.live.sites() else { return refused(503, "no-configuration") };
    let Some(route) = route::find(&sites, asked.host.as_deref(), asked.path.clone()) else {
        return refused(421, "no-such-host");
    };
    let admitted = gate::admit(&request, false, &route);
    let ask = Ask::new(request, asked, route, &Viewer::imagined(VIEWER));
    let mut said = Map::new();
    said.insert("route".into(), routed(&ask));
    let rules = &ask.route.behavior.header_rules;
    if gate::hears_preflight(admitted)
        && let Some(preflight) = rules.cors().and_then(|cors| cors.preflight(&ask.viewer))
    {
        said.insert("preflight".into(), json!(if preflight == Preflight::Refused { "refused" } else { "granted" }));
        return said.into();
    }
    if let Err(refused) = admitted {
        said.insert("refusal".into(), json!({ "status": refused.status().as_u16(), "detail": refused.detail() }));
        return said.into();
    }
    let answers_from_store = ask.policy().caches() && matches!(*ask.method(), Method::GET | Method::HEAD);
    if answers_from_store {
        said.insert("key".into(), key(&ask));
        said.insert("storing".into(), storing(&ask));
    }
    let (whom, origin) = origin::asked(edge, &ask, known);
    said.insert("verdict".into(), verdict::verdict(edge, &ask, &whom));
    said.insert("origin".into(), origin);
    if answers_from_store && known == Known::All {
        said.insert("stored".into(), variants(edge, &ask).iter().map(|held| stored(edge, &ask, held)).collect());
    }
    said.into()
}

fn refused(status: u16, detail: &str) -> Value {
    json!({ "refusal": { "status": status, "detail": detail } })
}

fn routed(ask: &Ask) -> Value {
    let (site, behavior) = (&ask.route.site, &ask.route.behavior);
    let place = site.behaviors.iter().position(|one| Arc::ptr_eq(one, behavior)).map(|place| place + 1);
    json!({
        "site": site.site.name,
        "path": ask.route.path.as_str(),
        "behavior": behavior.behavior.path_pattern,
        "place": place,
        "of": site.behaviors.len(),
    })
}

/// What of the owner's decides whether an answer is kept, and how long it stays, in seconds.
fn storing(ask: &Ask) -> Value {
    let behavior = &ask.route.behavior.behavior;
    let (ttl, stale) = (behavior.ttl, behavior.stale);
    json!({
        "ttl": { "min": ttl.min, "default": ttl.default, "max": ttl.max },
        "stale": {
            "whileRevalidate": stale.while_revalidate, "ifError": stale.if_error, "ifUnreachable": stale.if_unreachable,
        },
        "setCookie": behavior.set_cookie,
    })
}

/// What tells its response from others: names, and of the request only what stands in its target.
fn key(ask: &Ask) -> Value {
    let rule = &ask.route.behavior.behavior.key;
    let cookies = match &rule.cookies {
        Choice::All => json!("all"),
        Choice::None => json!([]),
        Choice::Include(names) => json!(names),
        Choice::Exclude(names) => json!({ "allBut": names }),
    };
    let host = key::keys_host(&ask.route.site.site, &ask.route.behavior.behavior);
    json!({
        "target": ask.key.target(),
        "host": host,
        "headers": rule.headers,
        "cookies": cookies,
        "codings": ask.accepted.for_origin().to_str().unwrap_or_default(),
    })
}

/// Everything stored under its key, without a use being counted.
fn variants(edge: &Edge, ask: &Ask) -> Vec<Arc<Held>> {
    edge.live.store().peek(&ask.key).map(|variants| variants.to_vec()).unwrap_or_default()
}

fn is_selected(ask: &Ask, held: &Held) -> bool {
    held.stored.selecting.matches(|| ask.forwarded(None))
}

fn stored(edge: &Edge, ask: &Ask, held: &Held) -> Value {
    let stored = &held.stored;
    let freshness = explain::freshness(stored, ask.policy());
    let step = |step: &explain::Step| json!({ "rule": step.rule, "seconds": step.seconds, "clause": step.clause });
    let lifetime = if let Lifetime::Lasts(time) = freshness.lifetime { Some(time.as_secs()) } else { None };
    let text = |name: HeaderName| stored.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let vary = match &stored.selecting {
        Selecting::Never => json!("*"),
        Selecting::Fields(fields) => fields.iter().map(|(name, _)| name.as_str()).collect(),
    };
    json!({
        "selected": is_selected(ask, held),
        "status": stored.status.as_u16(),
        "bytes": held.length(),
        "coding": held.coding().map(edge_cache::coding::Coding::token),
        "vary": vary,
        "origin": held.origin.as_deref(),
        "etag": text(header::ETAG),
        "lastModified": text(header::LAST_MODIFIED),
        "age": stored.age.current(Moment(edge.clock.now().monotonic)).as_secs(),
        "freshness": {
            "consulted": freshness.consulted,
            "steps": freshness.steps.iter().map(step).collect::<Vec<_>>(),
            "comesTo": explain::of_lifetime(freshness.lifetime),
            "seconds": lifetime,
        },
        "storable": may_stay(stored, ask.policy()),
        "purge": explain::of_admission(edge.live.purge().would_admit(&ask.key, held)),
        "readAt": stored.label.log.map(|log| json!({ "epoch": log.epoch.0, "sequence": log.number })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Method, target and fields.
    type Read<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

    #[track_caller]
    fn check(query: &str, expect: Result<Read<'_>, &str>) {
        let seen = question(Some(query)).map(|request| {
            let text = |value: &HeaderValue| value.to_str().expect("is text").to_owned();
            let fields: Vec<_> = request.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            (request.method.to_string(), request.uri.to_string(), fields)
        });
        let owned = |fields: &[(&str, &str)]| {
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        let expect = expect.map(|(method, uri, fields)| (method.to_owned(), uri.to_owned(), owned(fields)));
        assert_eq!(seen, expect.map_err(ToOwned::to_owned), "{query}");
    }

    #[test]
    fn a_question_is_a_url_and_perhaps_a_method_and_fields() {
        check("url=/a", Ok(("GET", "/a", &[("host", "127.0.0.1")])));
        check(
            "url=http%3A%2F%2Fshop.test%2Fa%3Fx%3D1&method=HEAD&header=accept:%20text/html&header=Accept-Encoding:gzip,+br",
            Ok((
                "HEAD",
                "http://shop.test/a?x=1",
                &[("accept", "text/html"), ("accept-encoding", "gzip, br"), ("host", "shop.test")],
            )),
        );
        check("url=/a&header=host:b", Ok(("GET", "/a", &[("host", "b")])));
    }

    #[test]
    fn what_is_no_question_is_told_so() {
        check("", Err("url: there is none"));
        check("url=/a&method=a+b", Err("method: invalid HTTP method"));
        check("url=/a&header=a", Err("header: it is no NAME:VALUE"));
        check("url=/a&x=y", Err("x: there are url, method and header"));
    }
}
