//! A flag into where something is on this machine that only exists in a cluster: `--service` and `--ingress`.

use std::fmt;
use std::str::FromStr;

use edge_contract::{OriginTarget, Scheme};

/// `[NS/]NAME=HOST:PORT`.
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
    /// A name for DNS or an IP literal without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not [NAMESPACE/]NAME=HOST:PORT");
        let (whose, address) = text.split_once('=').ok_or_else(wrong)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let (namespace, name) = whose.split_once('/').map_or((None, whose), |(ns, name)| (Some(ns.to_owned()), name));
        if host.is_empty() || host.contains('/') || name.is_empty() || namespace.as_deref() == Some("") {
            return Err(wrong());
        }
        Ok(Self { namespace, name: name.to_owned(), address: Address { host: host.to_owned(), port } })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Address {
    /// The same for an edge.
    pub fn target(&self) -> OriginTarget {
        OriginTarget::Address { scheme: Scheme::Http, host: self.host.clone(), port: self.port }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<(Option<&str>, &str, &str, u16)>) {
        let parsed = text.parse::<Place>().ok();
        let parsed = parsed.as_ref().map(|place| {
            (place.namespace.as_deref(), place.name.as_str(), place.address.host.as_str(), place.address.port)
        });
        assert_eq!(parsed, expect, "{text}");
    }

    #[test]
    fn a_place_is_a_name_and_an_address() {
        check("web/shop=127.0.0.1:3000", Some((Some("web"), "shop", "127.0.0.1", 3000)));
        check("shop=localhost:80", Some((None, "shop", "localhost", 80)));
        check("shop=[::1]:80", Some((None, "shop", "::1", 80)));
        for wrong in ["shop", "shop=3000", "shop=a:0", "shop=a:b", "=a:1", "/shop=a:1", "shop=:1", "a=http://b:1"] {
            check(wrong, None);
        }
    }
}
