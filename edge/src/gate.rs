//! A routed request into whether it may go on, before anything is looked up for it.

use edge_cache::head::{self, Refusal};
use edge_cache::max_forwards;
use edge_contract::Protocol;
use http::{StatusCode, Version, request};

use crate::route::Route;

/// Why a routed request is answered here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The distribution is switched off.
    Disabled,
    /// Viewers of this distribution may not speak this protocol.
    Protocol,
    /// Its head says why.
    Head(Refusal),
    /// It asks who is this far on its way (RFC 9110 §7.6.2).
    LastHop,
}

impl Refused {
    /// The status that says so.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Disabled => StatusCode::SERVICE_UNAVAILABLE,
            // RFC 9110 §15.6.6: also for a version that a server refuses to support.
            Self::Protocol => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Head(refusal) => refusal.status(),
            Self::LastHop => StatusCode::NO_CONTENT,
        }
    }

    /// The word for `Cache-Status` and logs.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Disabled => "distribution-disabled",
            Self::Protocol => "protocol-not-allowed",
            Self::Head(refusal) => refusal.word(),
            Self::LastHop => "max-forwards",
        }
    }
}

/// Whether a preflight is answered: what it asks for beforehand is not yet done, so it is no matter whether its own method would pass.
pub fn hears_preflight(admitted: Result<(), Refused>) -> bool {
    matches!(admitted, Ok(()) | Err(Refused::Head(Refusal::MethodNotAllowed) | Refused::LastHop))
}

/// Lets a request through, or says why not. `has_body`: its framing announces content.
pub fn admit(request: &request::Parts, has_body: bool, route: &Route) -> Result<(), Refused> {
    let site = &route.site.site;
    if !site.protocols.contains(&spoken(request.version)) {
        return Err(Refused::Protocol);
    }
    if !site.enabled {
        return Err(Refused::Disabled);
    }
    head::admit(request, has_body, &site.id, &route.behavior.behavior).map_err(Refused::Head)?;
    if max_forwards::ends_here(request) { Err(Refused::LastHop) } else { Ok(()) }
}

fn spoken(version: Version) -> Protocol {
    if version == Version::HTTP_2 { Protocol::HTTP2 } else { Protocol::HTTP1 }
}

#[cfg(test)]
mod tests {
    use edge_cache::NormalPath;
    use edge_contract::{Methods, Site};
    use http::{Method, Request};

    use super::*;
    use crate::config::Sites;
    use crate::route;
    use crate::testing::{config, site};

    #[track_caller]
    fn check(change: impl FnOnce(&mut Site), request: http::request::Builder, expect: Result<(), Refused>) {
        let mut site = site("s");
        change(&mut site);
        let sites = Sites::compile(config(vec![site]), None).expect("is sound");
        let route = route::find(&sites, None, NormalPath::parse("/").expect("is one")).expect("is served");
        let (parts, ()) = request.body(()).expect("is one").into_parts();
        assert_eq!(admit(&parts, false, &route), expect);
    }

    #[test]
    fn a_site_answers_only_what_it_is_open_for() {
        check(|_| (), Request::get("/"), Ok(()));
        check(|s| s.enabled = false, Request::get("/"), Err(Refused::Disabled));
        check(|s| s.protocols = vec![Protocol::HTTP1], Request::get("/"), Ok(()));
        check(|s| s.protocols = vec![Protocol::HTTP2], Request::get("/"), Err(Refused::Protocol));
        check(
            |s| s.protocols = vec![Protocol::HTTP1],
            Request::get("/").version(Version::HTTP_2),
            Err(Refused::Protocol),
        );
    }

    #[test]
    fn purge_is_an_unknown_method_like_any_other() {
        let purge = || Method::from_bytes(b"PURGE").expect("a token");
        let refused = Err(Refused::Head(Refusal::MethodNotAllowed));
        check(|_| (), Request::get("/").method(purge()), refused);
        check(|s| s.behaviors[0].methods = Methods::All, Request::get("/").method(purge()), Ok(()));
    }
}
