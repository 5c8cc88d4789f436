//! What a behavior keys and forwards into the reasons for which an edge cannot do that.

use crate::{Behavior, Forwarded};

/// Fields that concern one connection (RFC 9110 §7.6.1, RFC 9111 §3.1): nobody else ever sees them. What `Connection` names comes on top.
pub const OF_ONE_CONNECTION: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields of which an edge sends what it knows itself, or nothing.
const WRITTEN_BY_EDGES: [&str; 11] = [
    "cdn-loop",
    "content-length",
    "expect",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "via",
    "x-forwarded-for",
];

/// What of both an origin's owner may set all the same: what tells it who asks, and what means nothing in a request.
const THE_OWNERS: [&str; 4] =
    ["proxy-authenticate", "proxy-authentication-info", "proxy-authorization", "x-forwarded-for"];

/// Whether a field, in whatever case, frames requests or is otherwise an edge's own, which no owner of an origin sets. These are the names
/// that the schema refuses, and no more: what it lets pass must be served.
pub(super) fn is_edges_request(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.as_str();
    let is_ours = name == "host" || OF_ONE_CONNECTION.contains(&name) || WRITTEN_BY_EDGES.contains(&name);
    is_ours && !THE_OWNERS.contains(&name)
}

/// Every reason for which the names in a behavior cannot be what tells responses apart, or what an origin is sent.
pub(super) fn faults(behavior: &Behavior) -> Vec<String> {
    let pattern = &behavior.path_pattern;
    let keyed = behavior.key.headers.iter().filter_map(|name| {
        let coding = behavior.compress && name == "accept-encoding";
        let why = if coding { Some("is there already where compress is on") } else { unkeyable(name) };
        why.map(|why| format!("behavior {pattern}: key.headers: {name:?} {why}"))
    });
    let forwarded = match &behavior.forward.headers {
        Forwarded::Include(names) | Forwarded::Exclude(names) => &names[..],
        _ => &[],
    };
    let includes = matches!(behavior.forward.headers, Forwarded::Include(_));
    let forwarded = forwarded.iter().filter_map(|name| {
        let why = match name.as_str() {
            "host" if includes => Some("goes along where it is in the key, or where the origin's hostHeader says so"),
            _ if includes => unkeyable(name),
            _ => illegal(name),
        };
        why.map(|why| format!("behavior {pattern}: forward.headers: {name:?} {why}"))
    });
    keyed.chain(forwarded).collect()
}

fn unkeyable(name: &str) -> Option<&'static str> {
    match name {
        "cookie" => Some("has rules of its own, by the names of cookies"),
        name if OF_ONE_CONNECTION.contains(&name) => Some("concerns one connection only"),
        name if WRITTEN_BY_EDGES.contains(&name) => Some("is written by edges themselves"),
        name => illegal(name),
    }
}

fn illegal(name: &str) -> Option<&'static str> {
    let legal = super::is_token(name) && !name.bytes().any(|byte| byte.is_ascii_uppercase());
    (!legal).then_some("is not a field name in lower case")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Behavior), expect: &[&str]) {
        let mut behavior = Behavior { compress: false, ..Behavior::plain("/a", "app") };
        change(&mut behavior);
        assert_eq!(faults(&behavior), expect);
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_viewer_sends_for_the_origin_may_be_keyed() {
        let fine = ["accept-encoding", "accept-language", "authorization", "host", "x-forwarded-proto"];
        check(|b| b.key.headers = names(&fine), &[]);
    }

    #[test]
    fn what_edges_write_or_keep_to_one_connection_cannot_be_keyed() {
        check(
            |b| b.key.headers = names(&["via"]),
            &["behavior /a: key.headers: \"via\" is written by edges themselves"],
        );
        check(|b| b.key.headers = names(&["te"]), &["behavior /a: key.headers: \"te\" concerns one connection only"]);
        check(
            |b| b.key.headers = names(&["cookie", "Accept", ""]),
            &[
                "behavior /a: key.headers: \"cookie\" has rules of its own, by the names of cookies",
                "behavior /a: key.headers: \"Accept\" is not a field name in lower case",
                "behavior /a: key.headers: \"\" is not a field name in lower case",
            ],
        );
        for name in OF_ONE_CONNECTION.iter().chain(&WRITTEN_BY_EDGES) {
            assert!(unkeyable(name).is_some());
        }
    }

    #[test]
    fn a_coding_is_keyed_once() {
        check(
            |b| {
                b.compress = true;
                b.key.headers = names(&["accept-encoding"]);
            },
            &["behavior /a: key.headers: \"accept-encoding\" is there already where compress is on"],
        );
    }

    #[test]
    fn only_what_can_go_along_is_forwarded_by_name() {
        check(|b| b.forward.headers = Forwarded::Include(names(&["user-agent", "x-forwarded-proto"])), &[]);
        check(|b| b.forward.headers = Forwarded::Exclude(names(&["host", "via", "cookie"])), &[]);
        check(
            |b| b.forward.headers = Forwarded::Exclude(names(&["a b"])),
            &["behavior /a: forward.headers: \"a b\" is not a field name in lower case"],
        );
        check(
            |b| b.forward.headers = Forwarded::Include(names(&["host", "upgrade", "range"])),
            &[
                "behavior /a: forward.headers: \"host\" goes along where it is in the key, or where the origin's hostHeader says so",
                "behavior /a: forward.headers: \"upgrade\" concerns one connection only",
                "behavior /a: forward.headers: \"range\" is written by edges themselves",
            ],
        );
    }
}
