//! What is changed in the head of a response into the reasons for which an edge would refuse it.

use crate::{Cors, ResponseHeaders};

use super::{is_field_value, is_token, names::OF_ONE_CONNECTION};

/// Fields that say how a message is framed, how its bytes are coded, where it has been and how old it is: beside those of the connection,
/// an edge writes them for each response, and nobody changes them (RFC 9110 §7.6, RFC 9111 §5.1, RFC 9112 §6).
const EDGES_OWN: [&str; 6] = ["age", "content-encoding", "content-length", "content-range", "date", "via"];
/// Fields that may be taken away, but that nobody else knows the value of.
const NEVER_SET: [&str; 3] = ["cache-status", "etag", "last-modified"];

/// Whether a response field, in lower case, is the edge's own: neither removed nor set by anyone else.
pub fn is_edges_own(name: &str) -> bool {
    EDGES_OWN.contains(&name) || OF_ONE_CONNECTION.contains(&name)
}

pub(super) fn faults(rules: &ResponseHeaders) -> Vec<String> {
    let mut faults = Vec::new();
    for name in &rules.remove {
        if !is_name(name) {
            faults.push(format!("{name:?} is not the name of a field in lower case"));
        } else if is_edges_own(name) {
            faults.push(format!("{name} is the edge's own and is not removed"));
        }
    }
    for field in &rules.set {
        let name = field.name.as_str();
        if !is_name(name) || !is_field_value(&field.value) {
            faults.push(format!("{name:?} is not a legal field"));
        } else if is_edges_own(name) || NEVER_SET.contains(&name) {
            faults.push(format!("{name} is the edge's own and is not set"));
        }
    }
    faults.extend(rules.cors.iter().flat_map(cors_faults));
    faults
}

fn cors_faults(cors: &Cors) -> Vec<String> {
    let mut faults = Vec::new();
    if cors.origins.is_empty() || cors.methods.is_empty() {
        faults.push("cors needs an origin and a method".into());
    }
    // The Fetch standard lets no browser take `*` for a request with credentials, and to name whoever asks would trust everyone.
    if cors.credentials && cors.origins.iter().any(|origin| origin == "*") {
        faults.push("cors with credentials needs origins by name".into());
    }
    for origin in cors.origins.iter().filter(|origin| !is_origin(origin)) {
        faults.push(format!("cors: {origin:?} is no origin: *, https://host or https://*.host, with a port perhaps"));
    }
    for method in cors.methods.iter().filter(|method| !is_token(method)) {
        faults.push(format!("cors: {method:?} is no method"));
    }
    for name in cors.headers.iter().chain(&cors.expose_headers).filter(|name| *name != "*" && !is_name(name)) {
        faults.push(format!("cors: {name:?} is not the name of a field in lower case"));
    }
    faults
}

fn is_name(name: &str) -> bool {
    is_token(name) && !name.bytes().any(|b| b.is_ascii_uppercase())
}

/// RFC 6454 §6.2, a leading label `*` allowed; no path, no user, no `null`.
fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let host_and_port = authority.strip_prefix("*.").unwrap_or(authority);
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (host_and_port, None),
    };
    let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => !authority.starts_with("*.") && address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    };
    is_scheme(scheme) && is_host && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Header;

    #[track_caller]
    fn check(rules: &ResponseHeaders, expect: &[&str]) {
        assert_eq!(faults(rules), expect);
    }

    fn set(name: &str, value: &str) -> ResponseHeaders {
        ResponseHeaders { set: vec![Header { name: name.into(), value: value.into() }], ..ResponseHeaders::default() }
    }

    fn remove(name: &str) -> ResponseHeaders {
        ResponseHeaders { remove: vec![name.into()], ..ResponseHeaders::default() }
    }

    fn cors(change: impl FnOnce(&mut Cors)) -> ResponseHeaders {
        let mut cors = Cors {
            origins: vec![
                "*".into(),
                "https://a.example:8443".into(),
                "http://*.example".into(),
                "https://[::1]:1".into(),
            ],
            methods: vec!["GET".into(), "*".into()],
            headers: vec!["*".into(), "x-a".into()],
            expose_headers: vec!["*".into()],
            ..Cors::default()
        };
        change(&mut cors);
        ResponseHeaders { cors: Some(cors), ..ResponseHeaders::default() }
    }

    #[test]
    fn rules_about_the_owners_own_fields_are_sound() {
        check(&ResponseHeaders::default(), &[]);
        check(&set("strict-transport-security", "max-age=63072000"), &[]);
        check(&set("x-empty", ""), &[]);
        check(&remove("cache-status"), &[]);
        check(&cors(|_| ()), &[]);
    }

    #[test]
    fn rules_that_would_break_a_message_are_refused() {
        for name in ["content-length", "transfer-encoding", "connection", "age", "via", "content-encoding"] {
            check(&set(name, "1"), &[&format!("{name} is the edge's own and is not set")]);
            check(&remove(name), &[&format!("{name} is the edge's own and is not removed")]);
        }
        check(&set("etag", "\"a\""), &["etag is the edge's own and is not set"]);
        check(&set("x-a", "a\r\nset-cookie: b"), &["\"x-a\" is not a legal field"]);
        check(&set("X-A", "a"), &["\"X-A\" is not a legal field"]);
        check(&remove("a b"), &["\"a b\" is not the name of a field in lower case"]);
    }

    #[test]
    fn cors_rules_that_no_browser_could_follow_are_refused() {
        check(&cors(|c| c.origins.clear()), &["cors needs an origin and a method"]);
        check(&cors(|c| c.credentials = true), &["cors with credentials needs origins by name"]);
        for origin in ["null", "a.example", "https://", "https://a.example/", "https://u@a", "https://*", "https://a:x"]
        {
            let fault =
                format!("cors: {origin:?} is no origin: *, https://host or https://*.host, with a port perhaps");
            check(&cors(|c| c.origins = vec![origin.into()]), &[&fault]);
        }
        check(&cors(|c| c.methods = vec!["A B".into()]), &["cors: \"A B\" is no method"]);
        check(&cors(|c| c.headers = vec!["X-A".into()]), &["cors: \"X-A\" is not the name of a field in lower case"]);
    }
}
