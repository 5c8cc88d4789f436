//! A flag into where something is on this machine that only exists in a cluster: `--service` and `--ingress`.

use std::fmt;
use std::str::FromStr;

use edge_contract::{OriginTarget, Scheme};

/// What may stand before an address, and what it says is spoken there.
const SCHEMES: [(&str, Scheme); 3] = [("http", Scheme::Http), ("https", Scheme::Https), ("h2c", Scheme::H2c)];

/// `[NS/]NAME=[SCHEME://]HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The namespace, where one was given.
    pub namespace: Option<String>,
    /// The name of the Service or Ingress.
    pub name: String,
    /// Where it is.
    pub address: Address,
}

/// A host name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What is spoken there; without it, what would be in a cluster.
    pub scheme: Option<Scheme>,
    /// A name for DNS or an IP literal without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("{text:?} is not [NAMESPACE/]NAME=HOST:PORT, perhaps with http://, https:// or h2c:// before HOST")
        };
        let (whose, url) = text.split_once('=').ok_or_else(wrong)?;
        let (scheme, address) = match url.split_once("://") {
            Some((scheme, rest)) => (Some(named(scheme).ok_or_else(wrong)?), rest.strip_suffix('/').unwrap_or(rest)),
            None => (None, url),
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let (namespace, name) = whose.split_once('/').map_or((None, whose), |(ns, name)| (Some(ns.to_owned()), name));
        if host.is_empty() || host.contains('/') || name.is_empty() || namespace.as_deref() == Some("") {
            return Err(wrong());
        }
        Ok(Self { namespace, name: name.to_owned(), address: Address { scheme, host: host.to_owned(), port } })
    }
}

/// RFC 3986 §3.1: in any case.
fn named(scheme: &str) -> Option<Scheme> {
    SCHEMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(scheme)).map(|(_, scheme)| *scheme)
}

/// What is written before an address where this is spoken.
pub fn name_of_scheme(scheme: Scheme) -> &'static str {
    SCHEMES.iter().find(|(_, known)| *known == scheme).map_or("", |(name, _)| name)
}

impl Address {
    /// The same for an edge; `usual` is what would be spoken in a cluster.
    pub fn target(&self, usual: Scheme) -> OriginTarget {
        let scheme = self.scheme.unwrap_or(usual);
        OriginTarget::Address { scheme, host: self.host.clone(), port: self.port }
    }
}

/// Where a target is, and what is spoken there, in the form in which the flags take it.
pub fn shown(target: &OriginTarget) -> String {
    if let OriginTarget::Service { dns_name, port, .. } = target {
        return format!("{dns_name}:{port}");
    }
    let url = |host: &String| Url { scheme: target.scheme(), host, port: target.port() }.to_string();
    target.hosts().iter().map(url).collect::<Vec<_>>().join(", ")
}

struct Url<'a> {
    scheme: Scheme,
    host: &'a str,
    port: u16,
}

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, Self { host, port, .. }) = (name_of_scheme(self.scheme), self);
        if host.contains(':') { write!(f, "{scheme}://[{host}]:{port}") } else { write!(f, "{scheme}://{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<(&str, Option<Scheme>, &str)>) {
        let parsed = text.parse::<Place>().ok().map(|Place { namespace, name, address }| {
            let whose = namespace.map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}"));
            (whose, address.scheme, format!("{} {}", address.host, address.port))
        });
        let parsed = parsed.as_ref().map(|(whose, scheme, at)| (whose.as_str(), *scheme, at.as_str()));
        assert_eq!(parsed, expect, "{text}");
    }

    #[test]
    fn a_place_is_a_name_and_an_address() {
        check("web/shop=127.0.0.1:3000", Some(("web/shop", None, "127.0.0.1 3000")));
        check("shop=localhost:80", Some(("shop", None, "localhost 80")));
        check("shop=[::1]:80", Some(("shop", None, "::1 80")));
        for wrong in ["shop", "shop=3000", "shop=a:0", "shop=a:b", "=a:1", "/shop=a:1", "shop=:1", "shop=a/b:1"] {
            check(wrong, None);
        }
    }

    #[test]
    fn what_stands_before_an_address_is_spoken_there() {
        check("shop=http://a:1", Some(("shop", Some(Scheme::Http), "a 1")));
        check("shop=HTTPS://[::1]:1/", Some(("shop", Some(Scheme::Https), "::1 1")));
        check("shop=h2c://a:1", Some(("shop", Some(Scheme::H2c), "a 1")));
        for wrong in ["shop=ftp://a:1", "shop=://a:1", "shop=http://a", "shop=http://a:1/b"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_target_is_shown_as_a_flag_takes_it() {
        for text in ["http://a:1", "https://[::1]:443", "h2c://127.0.0.1:50051"] {
            let place: Place = format!("shop={text}").parse().expect("is one");
            assert_eq!(shown(&place.address.target(Scheme::Http)), text);
        }
    }
}
