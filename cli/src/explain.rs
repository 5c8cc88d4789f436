//! Manifests and a request into what becomes of it, by the steps of the edge itself, printed.

mod running;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use edge::ask::Ask;
use edge::config::Sites;
use edge::forward::body::RequestBody;
use edge::viewer::Viewer;
use edge::{gate, route};
use edge_cache::head;
use edge_contract::{Behavior, EdgeConfig, Epoch, HostHeader, Site, Walls};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use serde_json::{Value, json};

use crate::arguments::{Explain, Output};
use crate::cluster::cluster;
use crate::files::Files;
use crate::place::{Assume, Places};
use crate::serving::{Around, Memory, decide};
use crate::world::Kept;
use crate::{Outcome, say};
use operator::cluster::Cluster;

/// The viewer whose request is explained (RFC 5737).
const VIEWER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Prints what becomes of the request, and what is wrong with the manifests on standard error.
pub fn run(explain: &Explain) -> Result<Outcome, String> {
    if let Some(admin) = &explain.admin {
        print(explain.output, &running::ask(admin, explain)?)?;
        return Ok(Outcome::Well);
    }
    let texts = Files::named(&explain.files).read();
    let (world, mut complaints) = Kept::default().take(&texts, &explain.namespace);
    let walls = Walls { local_origins: explain.here.allow_local_origins, ..Walls::default() };
    let around = Around {
        places: Places::of(&explain.here.service, &explain.here.ingress, &explain.namespace),
        assume: Assume::Everything,
        cluster: Arc::new(Cluster { walls, ..cluster("") }),
    };
    let (served, found) = decide(&world, &mut Memory::default(), &around);
    complaints.extend(found);
    say(&complaints);
    let sites: Vec<Site> = served.into_iter().map(|one| one.site).collect();
    let sites = Sites::compile(EdgeConfig::of(Epoch(1), 1, sites), None)?;
    print(explain.output, &answer(&sites, request(explain)?))?;
    Ok(if complaints.is_empty() { Outcome::Well } else { Outcome::Found })
}

/// The request as an edge would get it.
fn request(explain: &Explain) -> Result<Parts, String> {
    let (host, target) = split(&explain.url);
    let wrong = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    let mut request = Request::new(());
    *request.method_mut() =
        Method::from_bytes(explain.method.as_bytes()).map_err(|error| wrong(&explain.method, &error))?;
    *request.uri_mut() = Uri::try_from(target).map_err(|error| wrong(target, &error))?;
    for field in &explain.headers {
        let (name, value) = field.split_once(':').ok_or_else(|| format!("{field:?} is not NAME: VALUE"))?;
        let name = HeaderName::try_from(name.trim()).map_err(|error| wrong(field, &error))?;
        let value = HeaderValue::try_from(value.trim()).map_err(|error| wrong(field, &error))?;
        request.headers_mut().append(name, value);
    }
    // What curl does: a Host that is given is the one that is sent.
    if !request.headers().contains_key(header::HOST) {
        let host = HeaderValue::try_from(host).map_err(|error| wrong(host, &error))?;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(request.into_parts().0)
}

/// A URL's host and target, as they are written: the edge normalises them by itself. A path alone has a host that any
/// Distribution takes for its own.
fn split(url: &str) -> (&str, &str) {
    let url = url.split('#').next().unwrap_or_default();
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest else { return ("127.0.0.1", url) };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(end);
    (host, if target.is_empty() { "/" } else { target })
}

/// What an edge does with it, up to the origin.
fn answer(sites: &Sites, parts: Parts) -> Value {
    let asked = match head::examine(&parts) {
        Ok(asked) => asked,
        Err(refusal) => return refused(refusal.status().as_u16(), &refusal.to_string()),
    };
    let Some(route) = route::find(sites, asked.host.as_deref(), asked.path.clone()) else {
        return refused(421, "no-such-host");
    };
    let admitted = gate::admit(&parts, false, &route);
    let ask = Ask::new(parts, asked, route, &Viewer::imagined(VIEWER));
    let (site, behavior) = (&ask.route.site, &ask.route.behavior);
    let place = site.behaviors.iter().position(|one| Arc::ptr_eq(one, behavior)).unwrap_or_default();
    let mut said = json!({
        "distribution": site.site.name,
        "behavior": format!("{} ({} of {})", behavior.behavior.path_pattern, place + 1, site.behaviors.len()),
        "path": ask.route.path.as_str(),
    });
    if let Err(refused) = admitted {
        said["answer"] = json!(format!("{} {}", refused.status().as_u16(), refused.detail()));
        return said;
    }
    said["key"] = key(&ask);
    said["origin"] = origin(&ask);
    said["storing"] = storing(&behavior.behavior);
    said
}

fn refused(status: u16, why: &str) -> Value {
    json!({ "answer": format!("{status} {why}") })
}

/// What tells its response from others.
fn key(ask: &Ask) -> Value {
    if !ask.policy().caches() {
        return json!("none: nothing is stored under this behavior");
    }
    let behavior = &ask.route.behavior;
    json!({
        "target": ask.key.target(),
        "host": behavior.origin.host_header == HostHeader::Viewer,
        "headers": behavior.behavior.key.headers,
        "cookies": behavior.behavior.key.cookies,
        "codings": ask.accepted.for_origin().to_str().unwrap_or_default(),
    })
}

/// What the origin is asked.
fn origin(ask: &Ask) -> Value {
    let origin = &ask.route.behavior.origin;
    let mut said = json!({ "name": origin.name });
    if let Ok(request) = ask.request(ask.forwarded(None), RequestBody::Empty) {
        said["request"] = json!(format!("{} {}", request.method(), request.uri()));
        said["headers"] = fields(request.headers());
    }
    if origin.target.is_none() {
        said["answer"] = json!("503 origin-missing");
    }
    said
}

fn fields(headers: &HeaderMap) -> Value {
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    headers.iter().map(line).collect()
}

/// What decides how long its response stays.
fn storing(behavior: &Behavior) -> Value {
    json!({
        "ttl": behavior.ttl,
        "setCookie": behavior.set_cookie,
        "viewerControls": behavior.viewer_controls,
        "stale": behavior.stale,
    })
}

fn print(output: Output, value: &Value) -> Result<(), String> {
    let text = match output {
        Output::Yaml => serde_saphyr::to_string(value).map_err(|error| error.to_string())?,
        Output::Json => serde_json::to_string_pretty(value).map_err(|error| error.to_string())? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("writing: {error}"))
}
