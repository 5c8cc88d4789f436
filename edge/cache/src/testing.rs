//! Header lines and a few settings into the requests, responses and sites that tests judge.

use std::time::Duration;

use edge_contract::{Behavior, Choice, HostHeader, Key, Methods, Origin, OriginHeader, Site, Ttl};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, request, response};

use crate::{
    Label, Moment, Policy, Received, Stored,
    date::Date,
    storing::{self, Exchange, Storing},
};

/// `Sun, 22 Nov 2026 16:00:00 GMT`, the wall clock of every test.
pub(crate) const NOW: Date = Date(1_795_363_200);

/// The same moment on the steady clock.
pub(crate) const ARRIVAL: Moment = Moment(Duration::from_secs(1_000));

/// Read and answered at once, now.
pub(crate) const AT_ONCE: Received = Received { asked: ARRIVAL, answered: ARRIVAL, date: NOW };

/// Before the first head.
pub(crate) const UNKNOWN: Label = Label { log: None, local: 0 };

pub(crate) fn after(seconds: u64) -> Moment {
    Moment(ARRIVAL.0 + Duration::from_secs(seconds))
}

/// `name: value` lines.
pub(crate) fn fields(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a colon");
        let name = HeaderName::try_from(name).expect("a name");
        headers.append(name, HeaderValue::from_bytes(value.trim().as_bytes()).expect("a value"));
    }
    headers
}

pub(crate) fn response(status: u16, lines: &[&str]) -> response::Parts {
    let mut parts = Response::new(()).into_parts().0;
    parts.status = StatusCode::from_u16(status).expect("a status");
    parts.headers = fields(lines);
    parts
}

pub(crate) fn request(method: &str, target: &str, version: Version, lines: &[&str]) -> request::Parts {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let request = Request::builder().method(method).uri(target).version(version).body(()).expect("a request");
    let mut parts = request.into_parts().0;
    parts.headers = fields(lines);
    parts
}

/// Bounds in seconds, and no stale use.
pub(crate) fn policy(min: u64, default: u64, max: u64) -> Policy {
    let stale = edge_contract::Stale { while_revalidate: 0, if_error: 0, if_unreachable: 0 };
    let ttl = Ttl { min, default, max, ..Ttl::default() };
    Policy::of(&Behavior { ttl, stale, ..Behavior::plain("*", "app") })
}

/// What a GET that forwarded these fields makes of a response.
pub(crate) fn judge(forwarded: &[&str], response: &response::Parts, policy: &Policy) -> Storing {
    let exchange = Exchange {
        method: &Method::GET,
        forwarded: &fields(forwarded),
        authorized: false,
        received: AT_ONCE,
        label: UNKNOWN,
    };
    storing::decide(&exchange, response, policy)
}

/// A stored 200 with these fields, whatever a policy would say.
pub(crate) fn stored(lines: &[&str]) -> Stored {
    Stored::new(&response(200, lines), &HeaderMap::new(), AT_ONCE, UNKNOWN)
}

pub(crate) fn behavior(pattern: &str, query_key: Choice, methods: Methods, max: u64) -> Behavior {
    Behavior {
        methods,
        ttl: Ttl { min: 0, default: 0, max, ..Ttl::default() },
        key: Key { query_strings: query_key, ..Key::default() },
        ..Behavior::plain(pattern, "app")
    }
}

pub(crate) fn origin(host_header: HostHeader, headers: &[(&str, &str)]) -> Origin {
    Origin {
        base_path: "/base".to_owned(),
        host_header,
        headers: headers.iter().map(|(name, value)| OriginHeader::plain(*name, *value)).collect(),
        ..Origin::plain("app", "app.local")
    }
}

pub(crate) fn site(root: Option<&str>, behaviors: Vec<Behavior>) -> Site {
    Site {
        default_root_object: root.map(ToOwned::to_owned),
        origins: vec![origin(HostHeader::Fixed("app.local".to_owned()), &[])],
        behaviors,
        ..Site::plain("uid", "default/shop")
    }
}
