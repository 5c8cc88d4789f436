//! The head of a viewer's request into what it asks for, or the status and reason it is refused with.

use std::fmt;

use edge_contract::{Behavior, Methods};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header, request};

use crate::{
    NormalPath,
    answer::{self, Coding, Length},
    hops::CDN_LOOP,
    path::PathError,
};

/// The longest target, as it came and in normal form: 8 KiB.
const TARGET_LIMIT: usize = 8 * 1024;
/// The largest head, names, values and separators counted: 20 KiB.
const HEAD_LIMIT: usize = 20 * 1024;
/// The most fields.
const FIELD_LIMIT: usize = 100;
/// The longest `CDN-Loop`. Unlike other fields it goes to origins whatever is keyed, so it must not be what bursts their heads.
const LOOP_LIMIT: usize = 1024;

/// Why a request is refused. Its text is for logs and `detail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No `Host`, or more than one (RFC 9112 §3.2).
    HostCount,
    /// `Host` is no host.
    HostInvalid,
    /// `Host` and the target's authority differ.
    HostMismatch,
    /// `Transfer-Encoding` together with `Content-Length`, in HTTP/1.0 or in HTTP/2 (RFC 9112 §6.1).
    Framing,
    /// `Content-Length` is a list, repeated or no number (RFC 9112 §6.3).
    ContentLength,
    /// A coding other than `chunked`, once.
    TransferCoding,
    /// The target is no path: `*`, an authority.
    TargetForm,
    /// The path is refused.
    Path(PathError),
    /// `Expect` expects something else than `100-continue` (RFC 9110 §10.1.1).
    Expectation,
    /// The target is too long.
    TargetTooLong,
    /// The head is too large or has too many fields.
    HeadTooLarge,
    /// The request has been here (RFC 8586).
    Loop,
    /// A body where the answer comes from a cache: nothing could give it a meaning.
    BodyNotAllowed,
    /// The behavior does not let this method through.
    MethodNotAllowed,
}

impl Refusal {
    /// The word for `Cache-Status` and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::HostCount => "host-missing-or-repeated",
            Self::HostInvalid => "host-invalid",
            Self::HostMismatch => "host-mismatch",
            Self::Framing => "framing-ambiguous",
            Self::ContentLength => "content-length-invalid",
            Self::TransferCoding => "transfer-coding-unknown",
            Self::TargetForm => "target-form",
            Self::Expectation => "expectation-unknown",
            Self::TargetTooLong => "target-too-long",
            Self::HeadTooLarge => "head-too-large",
            Self::Loop => "loop",
            Self::BodyNotAllowed => "body-not-allowed",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Path(error) => error.word(),
        }
    }

    /// The status that says so.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Whether the connection (in HTTP/2: the stream) ends: after a head that does not fit, what follows cannot be trusted.
    pub fn closes(self) -> bool {
        !matches!(self, Self::Expectation | Self::Loop | Self::BodyNotAllowed | Self::MethodNotAllowed)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl std::error::Error for Refusal {}

/// What a fit request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The host, in lower case, without port and trailing dot. Absent only in HTTP/1.0.
    pub host: Option<String>,
    /// The host as it may be sent on: in lower case, with its port.
    pub authority: Option<String>,
    /// The path in normal form, before the default root object.
    pub path: NormalPath,
    /// The query as it came.
    pub query: Option<String>,
    /// Whether the viewer waits for a word before it sends its body.
    pub expects_continue: bool,
}

/// What every request must fulfil, before it is known whom it is for.
///
/// Bare line feeds, folded lines and control characters are the parser's to refuse; they cannot be in a `HeaderMap`.
pub fn examine(request: &request::Parts) -> Result<Asked, Refusal> {
    if request.uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        return Err(Refusal::TargetForm);
    }
    let target_length = request.uri.path_and_query().map_or(0, |target| target.as_str().len());
    check_size(request, target_length)?;
    check_framing(request)?;
    let authority = authority_of(request)?;
    let expects_continue = expectation(request)?;
    let host = authority.as_deref().map(|authority| bare_host(authority).to_owned());
    // RFC 9112 §3.2.3 and §3.2.4: neither an authority nor `*` names anything that is stored or routed here.
    let target =
        request.uri.path_and_query().filter(|_| request.method != Method::CONNECT).ok_or(Refusal::TargetForm)?;
    let raw_path = if target.path().is_empty() { "/" } else { target.path() };
    let path = NormalPath::parse(raw_path).map_err(|error| match error {
        PathError::NotAbsolute => Refusal::TargetForm,
        other => Refusal::Path(other),
    })?;
    // What is keyed and sent on is the normal form, which may be three times as long.
    if let Some(longer) = path.as_str().len().checked_sub(raw_path.len()).filter(|longer| *longer > 0) {
        check_size(request, target_length + longer)?;
    }
    Ok(Asked { host, authority, path, query: target.query().map(ToOwned::to_owned), expects_continue })
}

/// What a request must fulfil where it is routed to. `has_body`: its framing announces content.
pub fn admit(request: &request::Parts, has_body: bool, site: &str, behavior: &Behavior) -> Result<(), Refusal> {
    if loops(&request.headers, site) {
        return Err(Refusal::Loop);
    }
    if !allows(behavior.methods, &request.method) {
        return Err(Refusal::MethodNotAllowed);
    }
    let cached = behavior.ttl.max > 0 && [Method::GET, Method::HEAD].contains(&request.method);
    if cached && has_body {
        return Err(Refusal::BodyNotAllowed);
    }
    Ok(())
}

/// The methods of a behavior, as `Allow` lists them.
pub fn allowed(methods: Methods) -> &'static str {
    match methods {
        Methods::ReadOnly => "GET, HEAD",
        Methods::ReadOptions => "GET, HEAD, OPTIONS",
        Methods::All => "GET, HEAD, OPTIONS, PUT, POST, PATCH, DELETE",
    }
}

fn allows(methods: Methods, method: &Method) -> bool {
    match *method {
        Method::GET | Method::HEAD => true,
        Method::OPTIONS => methods != Methods::ReadOnly,
        Method::CONNECT | Method::TRACE => false,
        _ => methods == Methods::All,
    }
}

/// RFC 8586 §2: our id among those of the CDNs passed; parameters do not count. A chain longer than any that ends is a loop without us.
fn loops(headers: &HeaderMap, site: &str) -> bool {
    let length: usize = headers.get_all(CDN_LOOP).iter().map(HeaderValue::len).sum();
    length > LOOP_LIMIT
        || headers.get_all(CDN_LOOP).iter().any(|line| {
            let ids = line.as_bytes().split(|b| *b == b',').filter_map(|member| member.split(|b| *b == b';').next());
            ids.map(<[u8]>::trim_ascii).any(|id| id == site.as_bytes())
        })
}

fn check_size(request: &request::Parts, target: usize) -> Result<(), Refusal> {
    if target > TARGET_LIMIT {
        return Err(Refusal::TargetTooLong);
    }
    let mut cookies = 0;
    let mut bytes = target;
    for (name, value) in &request.headers {
        cookies += usize::from(name == header::COOKIE);
        bytes += name.as_str().len() + value.len() + 4;
    }
    // RFC 9113 §8.2.3: the crumbs of a cookie are one field.
    let crumbs = if request.version == Version::HTTP_2 { cookies.saturating_sub(1) } else { 0 };
    let fields = request.headers.len().saturating_sub(crumbs);
    if bytes > HEAD_LIMIT || fields > FIELD_LIMIT { Err(Refusal::HeadTooLarge) } else { Ok(()) }
}

/// RFC 9112 §6.1 and §6.3.
fn check_framing(request: &request::Parts) -> Result<(), Refusal> {
    let has_length = match answer::content_length(&request.headers) {
        Length::Invalid => return Err(Refusal::ContentLength),
        Length::Known => true,
        Length::Absent => false,
    };
    match answer::transfer_coding(&request.headers) {
        Coding::Absent => Ok(()),
        _ if has_length || request.version != Version::HTTP_11 => Err(Refusal::Framing),
        Coding::Unknown => Err(Refusal::TransferCoding),
        Coding::Chunked => Ok(()),
    }
}

/// RFC 9110 §10.1.1: there is one expectation to know. HTTP/1.0 has none.
fn expectation(request: &request::Parts) -> Result<bool, Refusal> {
    let mut expects = false;
    if request.version == Version::HTTP_10 {
        return Ok(false);
    }
    for value in request.headers.get_all(header::EXPECT) {
        for member in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            match member {
                b"" => {}
                known if known.eq_ignore_ascii_case(b"100-continue") => expects = true,
                _ => return Err(Refusal::Expectation),
            }
        }
    }
    Ok(expects)
}

/// RFC 9112 §3.2 and RFC 9113 §8.3.1: one valid `Host`, the same as the target's authority where both are there.
fn authority_of(request: &request::Parts) -> Result<Option<String>, Refusal> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::HostCount);
    }
    let host =
        host.map(|value| value.to_str().map_err(|_| Refusal::HostInvalid).and_then(valid_authority)).transpose()?;
    let target = request.uri.authority().map(|authority| valid_authority(authority.as_str())).transpose()?;
    match (host, target) {
        (Some(host), Some(target)) if host != target => Err(Refusal::HostMismatch),
        // RFC 9112 §3.2: an HTTP/1.1 request without Host is refused even when its target has an authority.
        (None, Some(_)) if request.version == Version::HTTP_11 => Err(Refusal::HostCount),
        (None, None) if request.version != Version::HTTP_10 => Err(Refusal::HostCount),
        (host, target) => Ok(host.or(target)),
    }
}

/// RFC 3986 §3.2.2: a name, an IPv4 address or a bracketed IPv6 one, and digits for a port. In lower case.
fn valid_authority(text: &str) -> Result<String, Refusal> {
    let text = text.trim_matches([' ', '\t']);
    let (host, port) = split_port(text);
    // Of RFC 3986's names only what host names are made of: the rest (`,`, `%`, `'`, no label) serves nobody but who probes parsers.
    let legal_label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let legal_name = |name: &str| name.strip_suffix('.').unwrap_or(name).split('.').all(legal_label);
    let legal_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => legal_name(host),
    };
    let legal_port = port.is_none_or(|port| port.is_empty() || port.parse::<u16>().is_ok() && !port.starts_with('+'));
    if !legal_host || !legal_port {
        return Err(Refusal::HostInvalid);
    }
    Ok(text.strip_suffix(':').unwrap_or(text).to_ascii_lowercase())
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let colon = authority.get(after_bracket..).and_then(|rest| rest.find(':')).map(|at| at + after_bracket);
    match colon.and_then(|at| authority.split_at_checked(at)) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => (authority, None),
    }
}

/// The host that aliases are compared with: without port and without the dot that ends a full name.
fn bare_host(authority: &str) -> &str {
    let host = split_port(authority).0;
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use edge_contract::Choice;

    use super::*;
    use crate::testing;

    #[track_caller]
    fn check(version: Version, target: &str, lines: &[&str], expect: Result<(Option<&str>, &str), Refusal>) {
        let asked = examine(&testing::request("GET", target, version, lines));
        let seen = asked.as_ref().map(|asked| (asked.host.as_deref(), asked.path.as_str())).map_err(|refusal| *refusal);
        assert_eq!(seen, expect, "{target} {lines:?}");
    }

    #[track_caller]
    fn check_host(lines: &[&str], expect: Result<&str, Refusal>) {
        check(Version::HTTP_11, "/a", lines, expect.map(|host| (Some(host), "/a")));
    }

    #[test]
    fn a_host_is_compared_without_port_case_and_trailing_dot() {
        check_host(&["host: a.example"], Ok("a.example"));
        check_host(&["host: A.Example:8080"], Ok("a.example"));
        check_host(&["host: a.example."], Ok("a.example"));
        check_host(&["host: a.example:"], Ok("a.example"));
        check_host(&["host: my_host-1"], Ok("my_host-1"));
        check_host(&["host: 192.0.2.1:80"], Ok("192.0.2.1"));
        check_host(&["host: [2001:DB8::1]:80"], Ok("[2001:db8::1]"));
    }

    #[test]
    fn exactly_one_valid_host_is_needed() {
        check_host(&[], Err(Refusal::HostCount));
        check_host(&["host: a", "host: a"], Err(Refusal::HostCount));
        for invalid in [
            "", "a b", "a/b", "a@b", "a,b", "a:x", "a:99999", "a:+1", ":80", "[::1", "[x]", "::1", "\u{fc}", ".", "..",
            "a..b", ".a", "a..", ".:80",
        ] {
            check_host(&[&format!("host: {invalid}")], Err(Refusal::HostInvalid));
        }
        check(Version::HTTP_10, "/a", &[], Ok((None, "/a")));
        check(Version::HTTP_2, "/a", &[], Err(Refusal::HostCount));
    }

    #[test]
    fn host_and_the_targets_authority_are_the_same() {
        check(Version::HTTP_11, "http://a.example/x", &["host: a.example"], Ok((Some("a.example"), "/x")));
        check(Version::HTTP_11, "http://a.example", &["host: a.example"], Ok((Some("a.example"), "/")));
        check(Version::HTTP_11, "http://a.example/x", &["host: b.example"], Err(Refusal::HostMismatch));
        check(Version::HTTP_11, "http://a.example/x", &["host: a.example:81"], Err(Refusal::HostMismatch));
        check(Version::HTTP_11, "http://a.example/x", &[], Err(Refusal::HostCount));
        check(Version::HTTP_2, "http://a.example/x", &[], Ok((Some("a.example"), "/x")));
        check(Version::HTTP_2, "http://a.example/x", &["host: b"], Err(Refusal::HostMismatch));
        check(Version::HTTP_11, "http://u@a.example/x", &["host: a.example"], Err(Refusal::HostInvalid));
        check(Version::HTTP_11, "ftp://a.example/x", &["host: a.example"], Err(Refusal::TargetForm));
    }

    #[test]
    fn a_path_is_normalised_or_refused() {
        check(Version::HTTP_11, "/a/%2e%2E/b?x=/../y", &["host: a"], Ok((Some("a"), "/b")));
        check(Version::HTTP_11, "/..", &["host: a"], Err(Refusal::Path(PathError::AboveRoot)));
        check(Version::HTTP_11, "*", &["host: a"], Err(Refusal::TargetForm));
        check(Version::HTTP_11, "a.example:80", &["host: a.example:80"], Err(Refusal::TargetForm));
        let asked = examine(&testing::request("GET", "/a?x=1?y", Version::HTTP_11, &["host: A.b:1"])).expect("fit");
        assert_eq!((asked.query.as_deref(), asked.authority.as_deref()), (Some("x=1?y"), Some("a.b:1")));
    }

    #[track_caller]
    fn check_framing(version: Version, lines: &[&str], expect: Result<(), Refusal>) {
        let lines: Vec<&str> = ["host: a"].iter().chain(lines).copied().collect();
        assert_eq!(examine(&testing::request("POST", "/", version, &lines)).map(|_| ()), expect, "{lines:?}");
    }

    #[test]
    fn a_body_has_one_length() {
        let h1 = Version::HTTP_11;
        check_framing(h1, &["content-length: 5"], Ok(()));
        check_framing(h1, &["transfer-encoding: Chunked"], Ok(()));
        for invalid in [
            "content-length: 5, 5",
            "content-length: +5",
            "content-length:",
            "content-length: -1",
            "content-length: 0x5",
        ] {
            check_framing(h1, &[invalid], Err(Refusal::ContentLength));
        }
        check_framing(h1, &["content-length: 5", "content-length: 5"], Err(Refusal::ContentLength));
        check_framing(h1, &["content-length: 5", "transfer-encoding: chunked"], Err(Refusal::Framing));
        check_framing(Version::HTTP_10, &["transfer-encoding: chunked"], Err(Refusal::Framing));
        check_framing(Version::HTTP_2, &["transfer-encoding: chunked"], Err(Refusal::Framing));
        for coding in ["gzip, chunked", "chunked, chunked", "identity", "xchunked", "chunked;a=b", ""] {
            check_framing(h1, &[&format!("transfer-encoding: {coding}")], Err(Refusal::TransferCoding));
        }
        check_framing(h1, &["transfer-encoding: chunked", "transfer-encoding: chunked"], Err(Refusal::TransferCoding));
    }

    #[test]
    fn the_one_known_expectation_is_kept_and_others_are_refused() {
        let check = |version: Version, lines: &[&str], expect: Result<bool, Refusal>| {
            let lines: Vec<&str> = ["host: a"].iter().chain(lines).copied().collect();
            let asked = examine(&testing::request("POST", "/", version, &lines));
            assert_eq!(asked.map(|asked| asked.expects_continue), expect, "{lines:?}");
        };
        check(Version::HTTP_11, &[], Ok(false));
        check(Version::HTTP_11, &["expect: 100-Continue"], Ok(true));
        check(Version::HTTP_2, &["expect: , 100-continue"], Ok(true));
        check(Version::HTTP_10, &["expect: 100-continue"], Ok(false));
        check(Version::HTTP_10, &["expect: miracles"], Ok(false));
        for unknown in ["miracles", "100-continue, miracles", "100-continue; q=1", "\"100-continue\""] {
            check(Version::HTTP_11, &[&format!("expect: {unknown}")], Err(Refusal::Expectation));
        }
    }

    #[test]
    fn heads_are_bounded() {
        let host = "host: a".to_owned();
        let examined = |version, target: &str, lines: &[String]| {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            examine(&testing::request("GET", target, version, &lines)).map(|_| ())
        };
        let h1 = Version::HTTP_11;
        let path = |length: usize| format!("/{}", "a".repeat(length - 1));
        assert_eq!(examined(h1, &path(8_192), std::slice::from_ref(&host)), Ok(()));
        assert_eq!(examined(h1, &path(8_193), std::slice::from_ref(&host)), Err(Refusal::TargetTooLong));
        let field = |length: usize| format!("x: {}", "a".repeat(length));
        assert_eq!(examined(h1, "/", &[host.clone(), field(20_000)]), Ok(()));
        // In normal form each of them is three bytes.
        let braces = |count: usize| format!("/{}", "}".repeat(count));
        assert!(examined(h1, &braces(2_730), std::slice::from_ref(&host)).is_ok());
        assert_eq!(examined(h1, &braces(2_731), std::slice::from_ref(&host)), Err(Refusal::TargetTooLong));
        assert_eq!(examined(h1, &braces(2_700), &[host.clone(), field(13_000)]), Err(Refusal::HeadTooLarge));
        assert_eq!(examined(h1, "/", &[host.clone(), field(20_480)]), Err(Refusal::HeadTooLarge));
        let many = |name: &str, count: usize| -> Vec<String> {
            (1..count).map(|n| format!("{name}: {n}")).chain([host.clone()]).collect()
        };
        assert_eq!(examined(h1, "/", &many("x", 100)), Ok(()));
        assert_eq!(examined(h1, "/", &many("x", 101)), Err(Refusal::HeadTooLarge));
        assert_eq!(examined(Version::HTTP_2, "/", &many("cookie", 150)), Ok(()));
        assert_eq!(examined(h1, "/", &many("cookie", 150)), Err(Refusal::HeadTooLarge));
    }

    fn behavior(methods: Methods, max: u64) -> Behavior {
        testing::behavior("*", Choice::All, methods, max)
    }

    #[track_caller]
    fn check_admission(method: &str, has_body: bool, behavior: &Behavior, lines: &[&str], expect: Result<(), Refusal>) {
        let request = testing::request(method, "/", Version::HTTP_11, lines);
        assert_eq!(admit(&request, has_body, "uid", behavior), expect, "{method} {lines:?}");
    }

    #[test]
    fn a_request_that_has_been_here_is_a_loop() {
        let all = behavior(Methods::All, 1);
        check_admission("GET", false, &all, &["cdn-loop: other, uid; a=b"], Err(Refusal::Loop));
        check_admission("GET", false, &all, &["cdn-loop: other", "cdn-loop: uid"], Err(Refusal::Loop));
        check_admission("GET", false, &all, &["cdn-loop: other; x=uid, uid2"], Ok(()));
        let half = format!("cdn-loop: {}", "x".repeat(LOOP_LIMIT / 2));
        check_admission("GET", false, &all, &[&half, &half], Ok(()));
        check_admission("GET", false, &all, &[&half, "cdn-loop: x", &half], Err(Refusal::Loop));
    }

    #[test]
    fn a_body_has_no_place_where_answers_are_shared() {
        check_admission("GET", true, &behavior(Methods::All, 1), &[], Err(Refusal::BodyNotAllowed));
        check_admission("HEAD", true, &behavior(Methods::All, 1), &[], Err(Refusal::BodyNotAllowed));
        check_admission("GET", true, &behavior(Methods::All, 0), &[], Ok(()));
        check_admission("POST", true, &behavior(Methods::All, 1), &[], Ok(()));
    }

    #[test]
    fn a_behavior_lets_its_methods_through() {
        let check = |methods: Methods, passing: &[&str]| {
            for method in
                ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE", "PURGE", "get", "CONNECT", "TRACE"]
            {
                let expect = if passing.contains(&method) { Ok(()) } else { Err(Refusal::MethodNotAllowed) };
                check_admission(method, false, &behavior(methods, 1), &[], expect);
            }
        };
        check(Methods::ReadOnly, &["GET", "HEAD"]);
        check(Methods::ReadOptions, &["GET", "HEAD", "OPTIONS"]);
        check(Methods::All, &["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE", "PURGE", "get"]);
    }

    #[test]
    fn each_refusal_has_its_status() {
        let status = |refusal: Refusal| refusal.status().as_u16();
        assert_eq!(status(Refusal::HostCount), 400);
        assert_eq!(status(Refusal::Path(PathError::Nul)), 400);
        assert_eq!(status(Refusal::TransferCoding), 501);
        assert_eq!(status(Refusal::TargetTooLong), 414);
        assert_eq!(status(Refusal::HeadTooLarge), 431);
        assert_eq!(status(Refusal::Expectation), 417);
        assert_eq!(status(Refusal::Loop), 508);
        assert_eq!(status(Refusal::MethodNotAllowed), 405);
        assert!(Refusal::Framing.closes() && !Refusal::MethodNotAllowed.closes());
    }
}
