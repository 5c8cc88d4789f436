//! A url into the address to connect to, the Host to send and the path to put before every path.

use std::net::SocketAddr;

use crds::condition::Reason;
use edge_contract::{OriginTarget, Scheme};
use kube::ResourceExt;
use url::{Host, Url};

use crate::distribution::observed::Observed;
use crate::distribution::resolve::host_names::{forbidden_name, is_of_another_namespace};
use crate::distribution::resolved::ResolvedOrigin;
use crate::finding::Finding;

/// The text itself, and where it points or why no origin may be there.
pub(super) fn resolve(text: &str, field: &str, observed: &Observed) -> (String, Result<ResolvedOrigin, Finding>) {
    let found = parse(text)
        .map_err(|message| Finding::in_spec(field, Reason::InvalidField, message))
        .and_then(|url| target(&url, field, observed));
    ("unresolved.invalid".into(), found)
}

/// The API server has checked the shape; whether the port exists and the host is one is only known now.
fn parse(text: &str) -> Result<Url, String> {
    let url = Url::parse(text)
        .map_err(|error| format!("{text} is not a url: {error}; give http:// or https:// and a host"))?;
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !is_plain {
        return Err(format!("{text} must be http or https with a host, and without user, query and fragment"));
    }
    if url.port_or_known_default() == Some(0) {
        return Err(format!("{text} names port 0; give one from 1 to 65535"));
    }
    Ok(url)
}

fn target(url: &Url, field: &str, observed: &Observed) -> Result<ResolvedOrigin, Finding> {
    let scheme = if url.scheme() == "https" { Scheme::Https } else { Scheme::Http };
    let port = url.port_or_known_default().unwrap_or_default();
    let (cluster, namespace) = (&observed.cluster, observed.distribution.namespace().unwrap_or_default());
    let (host, refused) = match url.host() {
        Some(Host::Ipv4(ip)) => (ip.to_string(), cluster.walls.forbid_outside(SocketAddr::new(ip.into(), port))),
        Some(Host::Ipv6(ip)) => (ip.to_string(), cluster.walls.forbid_outside(SocketAddr::new(ip.into(), port))),
        Some(Host::Domain(name)) => (name.to_owned(), forbidden_name(name, &namespace, cluster)),
        None => (String::new(), None),
    };
    if let Some(what) = refused {
        let instead = if what.ends_with("of the cluster itself") {
            "name the Service there as service"
        } else {
            "give another host"
        };
        let message = format!("{host} is {what}, which no origin may have; {instead}");
        return Err(Finding::in_spec(field, Reason::RefNotPermitted, message));
    }
    let whole = url.domain().and_then(|name| whole_name(name, observed));
    let meant = whole.as_deref().or(url.domain());
    if meant.is_some_and(|name| is_of_another_namespace(name, &namespace, cluster)) {
        let message = format!(
            "{host} is of another namespace; name the Service as service, with its namespace, and let a ReferenceGrant there allow it"
        );
        return Err(Finding::in_spec(field, Reason::RefNotPermitted, message));
    }
    if let Some(whole) = whole {
        let message = format!(
            "{host} is looked up as it stands, without search domains; give the whole name, {whole}, or end it with a dot if it is whole"
        );
        return Err(Finding::in_spec(field, Reason::InvalidField, message));
    }
    // RFC 9110 §7.2: the authority as it stands in the url, without its default port.
    let host_text = url.host_str().unwrap_or_default();
    let authority = url.port().map_or_else(|| host_text.to_owned(), |port| format!("{host_text}:{port}"));
    let target = OriginTarget::Address { scheme, host, port };
    Ok(ResolvedOrigin { target: Some(target), authority, url_path: url.path().to_owned(), ..ResolvedOrigin::default() })
}

/// What was meant by a name that only a pod's search domains would complete; edges have none.
fn whole_name(name: &str, observed: &Observed) -> Option<String> {
    let domain = &observed.cluster.domain;
    if observed.cluster.walls.local_origins || name.ends_with('.') {
        return None;
    }
    if name.rsplit('.').next() == Some("svc") {
        return Some(format!("{name}.{domain}"));
    }
    let namespace = observed.distribution.namespace().unwrap_or_default();
    (!name.contains('.')).then(|| format!("{name}.{namespace}.svc.{domain}"))
}
