//! A request of another site's script into the fields by which its browser lets it have the answer (the Fetch standard's CORS protocol).

use edge_contract::Cors;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request};

use crate::vary::vary_on;

/// What scripts of other sites may do, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsRules {
    origins: Origins,
    methods: Names,
    headers: Names,
    expose: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
    credentials: bool,
}

/// Whose scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origins {
    /// Everyone's: the answer is the same for all, so `*` is sent and nothing varies.
    Any,
    /// Theirs.
    Listed(Vec<OriginPattern>),
}

/// One origin, or all subdomains of one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum OriginPattern {
    Exact(String),
    /// The scheme with `://`, and the host from its first dot on, with the port.
    Below {
        scheme: String,
        suffix: String,
    },
}

/// Methods or header fields.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    Any,
    Listed { names: Vec<String>, value: Option<HeaderValue> },
}

/// What a preflight comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preflight {
    /// The request that it asks for may be made: 204 with these fields.
    Granted(HeaderMap),
    /// It may not: no field says so, which is how a browser understands it.
    Refused,
}

impl CorsRules {
    /// Reads the rules of a behavior. What could not be a field's value is left out; validation has refused it before.
    pub fn of(cors: &Cors) -> Self {
        let any = cors.origins.iter().any(|origin| origin == "*");
        let listed = || Origins::Listed(cors.origins.iter().map(|origin| OriginPattern::of(origin)).collect());
        Self {
            origins: if any && !cors.credentials { Origins::Any } else { listed() },
            methods: Names::of(&cors.methods),
            headers: Names::of(&cors.headers),
            expose: list(&cors.expose_headers),
            max_age: cors.max_age.map(HeaderValue::from),
            credentials: cors.credentials,
        }
    }

    /// Puts the edge's fields in place of those that the origin sent.
    pub fn show(&self, viewer: &HeaderMap, headers: &mut HeaderMap) {
        let theirs: Vec<HeaderName> = headers.keys().filter(|name| is_cors(name)).cloned().collect();
        for name in theirs {
            headers.remove(name);
        }
        if self.allow_origin(viewer, headers)
            && let Some(expose) = &self.expose
        {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    /// Answers a preflight. None: the request is none, and goes its way as any other.
    pub fn preflight(&self, request: &request::Parts) -> Option<Preflight> {
        let method = single(&request.headers, &header::ACCESS_CONTROL_REQUEST_METHOD)?;
        if request.method != Method::OPTIONS || !request.headers.contains_key(header::ORIGIN) {
            return None;
        }
        Some(self.grant(request, method).map_or(Preflight::Refused, Preflight::Granted))
    }

    fn grant(&self, request: &request::Parts, method: &HeaderValue) -> Option<HeaderMap> {
        let mut fields = HeaderMap::new();
        if !self.allow_origin(&request.headers, &mut fields) {
            return None;
        }
        let method = method.to_str().ok().filter(|method| Method::from_bytes(method.as_bytes()).is_ok())?;
        let wanted = requested_headers(&request.headers)?;
        // Methods are case-sensitive, field names are not.
        if !self.methods.hold(method) || !wanted.iter().all(|name| self.headers.hold(name)) {
            return None;
        }
        set(&mut fields, header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.granted(&[method.to_owned()]));
        set(&mut fields, header::ACCESS_CONTROL_ALLOW_HEADERS, self.headers.granted(&wanted));
        set(&mut fields, header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        Some(fields)
    }

    /// Says for whom the response is, if it is for anyone, and that another origin would have got another answer.
    fn allow_origin(&self, viewer: &HeaderMap, headers: &mut HeaderMap) -> bool {
        let Origins::Listed(listed) = &self.origins else {
            // Also to those who do not ask: a browser may have the answer of a plain request at hand when a script asks for it.
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return true;
        };
        vary_on(headers, &header::ORIGIN);
        let origin = single(viewer, &header::ORIGIN);
        let text = origin.and_then(|origin| origin.to_str().ok()).unwrap_or_default();
        let Some(origin) = origin.filter(|_| listed.iter().any(|pattern| pattern.matches(text))) else { return false };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        true
    }
}

impl OriginPattern {
    /// Browsers write origins in lower case and without the port that the scheme implies; owners may not.
    fn of(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let port = if text.starts_with("https://") { ":443" } else { ":80" };
        let text = text.strip_suffix(port).unwrap_or(&text);
        match text.split_once("://*") {
            Some((scheme, suffix)) => Self::Below { scheme: format!("{scheme}://"), suffix: suffix.to_owned() },
            None => Self::Exact(text.to_owned()),
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(text) => text == origin,
            Self::Below { scheme, suffix } => {
                let star = origin.strip_prefix(scheme.as_str()).and_then(|host| host.strip_suffix(suffix.as_str()));
                star.is_some_and(|labels| {
                    !labels.is_empty() && labels.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
                })
            }
        }
    }
}

impl Names {
    fn of(names: &[String]) -> Self {
        if names.iter().any(|name| name == "*") {
            return Self::Any;
        }
        Self::Listed { names: names.to_vec(), value: list(names) }
    }

    fn hold(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed { names, .. } => names.iter().any(|known| known == name),
        }
    }

    /// Any is said by naming what was asked for: to browsers, `*` means neither credentials nor `Authorization`.
    fn granted(&self, wanted: &[String]) -> Option<HeaderValue> {
        match self {
            Self::Any => list(wanted),
            Self::Listed { value, .. } => value.clone(),
        }
    }
}

/// `Access-Control-Request-Headers`, in lower case. None: a member is no field name.
fn requested_headers(headers: &HeaderMap) -> Option<Vec<String>> {
    let lines = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let members = lines.iter().flat_map(|line| line.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii);
    let names = members.filter(|name| !name.is_empty()).map(|name| HeaderName::from_bytes(name).ok());
    names.map(|name| name.map(|name| name.as_str().to_owned())).collect()
}

fn is_cors(name: &HeaderName) -> bool {
    name.as_str().starts_with("access-control-")
}

fn list(names: &[String]) -> Option<HeaderValue> {
    HeaderValue::try_from(names.join(", ")).ok().filter(|value| !value.is_empty())
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;
    use crate::testing::{self, fields};

    fn rules(origins: &[&str]) -> Cors {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Cors {
            origins: owned(origins),
            methods: owned(&["GET", "PUT"]),
            headers: owned(&["x-a", "x-b"]),
            ..Cors::default()
        }
    }

    #[track_caller]
    fn check_origin(listed: &str, origin: &str, expect: bool) {
        let mut shown = HeaderMap::new();
        CorsRules::of(&rules(&[listed])).show(&fields(&[&format!("origin: {origin}")]), &mut shown);
        let expect = expect.then(|| HeaderValue::from_str(origin).expect("a value"));
        assert_eq!(shown.get(header::ACCESS_CONTROL_ALLOW_ORIGIN), expect.as_ref(), "{listed} {origin}");
        assert_eq!(shown.get(header::VARY), Some(&HeaderValue::from_static("origin")));
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        check_origin("https://app.example", "https://app.example", true);
        check_origin("https://App.Example:443", "https://app.example", true);
        check_origin("http://app.example:80", "http://app.example", true);
        check_origin("http://app.example:443", "http://app.example:443", true);
        check_origin("https://app.example:8443", "https://app.example:8443", true);
        for other in ["http://app.example", "https://app.example:8443", "https://app.example.evil", "https://b", "null"]
        {
            check_origin("https://app.example", other, false);
        }
    }

    #[test]
    fn a_wildcard_stands_for_subdomains_alone() {
        check_origin("https://*.example", "https://a.example", true);
        check_origin("https://*.example", "https://a.b.example", true);
        check_origin("https://*.example:8443", "https://a.example:8443", true);
        for other in [
            "https://example",
            "https://.example",
            "https://evil/.example",
            "https://u@a.example",
            "https://evil:1.example",
            "https://a.example:8443",
            "http://a.example",
            "https://aexample",
            "null",
        ] {
            check_origin("https://*.example", other, false);
        }
    }

    #[track_caller]
    fn check_shown(cors: &Cors, viewer: &[&str], expect: &[&str]) {
        let origins =
            ["access-control-allow-origin: *", "access-control-allow-private-network: true", "vary: accept", "x: y"];
        let mut shown = fields(&origins);
        CorsRules::of(cors).show(&fields(viewer), &mut shown);
        assert_eq!(shown, fields(expect), "{cors:?} {viewer:?}");
    }

    #[test]
    fn the_edges_fields_replace_the_origins() {
        let listed = rules(&["https://a.example"]);
        let allowed = "access-control-allow-origin: https://a.example";
        check_shown(&listed, &["origin: https://a.example"], &["x: y", "vary: accept", "vary: origin", allowed]);
        check_shown(&listed, &["origin: https://b.example"], &["x: y", "vary: accept", "vary: origin"]);
        check_shown(&listed, &[], &["x: y", "vary: accept", "vary: origin"]);
        check_shown(
            &listed,
            &["origin: https://a.example", "origin: https://a.example"],
            &["x: y", "vary: accept", "vary: origin"],
        );
    }

    #[test]
    fn everyone_is_answered_alike_where_everyone_is_allowed() {
        for viewer in [&["origin: https://a.example"][..], &["origin: null"], &[]] {
            check_shown(&rules(&["*"]), viewer, &["x: y", "vary: accept", "access-control-allow-origin: *"]);
        }
    }

    #[test]
    fn credentials_are_only_for_those_who_are_named() {
        let with =
            |origins| Cors { credentials: true, expose_headers: vec!["x-id".into(), "etag".into()], ..rules(origins) };
        let allowed = [
            "x: y",
            "vary: accept",
            "vary: origin",
            "access-control-allow-origin: https://a.example",
            "access-control-allow-credentials: true",
            "access-control-expose-headers: x-id, etag",
        ];
        check_shown(&with(&["https://a.example"]), &["origin: https://a.example"], &allowed);
        check_shown(&with(&["*"]), &["origin: https://a.example"], &["x: y", "vary: accept", "vary: origin"]);
    }

    #[track_caller]
    fn check_preflight(cors: &Cors, method: &str, lines: &[&str], expect: Option<Result<&[&str], ()>>) {
        let answer = CorsRules::of(cors).preflight(&testing::request(method, "/", Version::HTTP_11, lines));
        let expect = expect.map(|fit| fit.map_or(Preflight::Refused, |lines| Preflight::Granted(fields(lines))));
        assert_eq!(answer, expect, "{method} {lines:?}");
    }

    const ORIGIN: &str = "origin: https://a.example";

    #[test]
    fn a_preflight_is_told_what_may_be_asked_for() {
        let listed = Cors { max_age: Some(600), ..rules(&["https://a.example"]) };
        let granted = [
            "vary: origin",
            "access-control-allow-origin: https://a.example",
            "access-control-allow-methods: GET, PUT",
            "access-control-allow-headers: x-a, x-b",
            "access-control-max-age: 600",
        ];
        let put = "access-control-request-method: PUT";
        check_preflight(&listed, "OPTIONS", &[ORIGIN, put], Some(Ok(&granted)));
        check_preflight(
            &listed,
            "OPTIONS",
            &[ORIGIN, put, "access-control-request-headers: X-B,x-a"],
            Some(Ok(&granted)),
        );
        check_preflight(
            &listed,
            "OPTIONS",
            &[ORIGIN, put, "access-control-request-private-network: true"],
            Some(Ok(&granted)),
        );
    }

    #[test]
    fn a_preflight_for_something_else_is_refused() {
        let listed = rules(&["https://a.example"]);
        let put = "access-control-request-method: PUT";
        for lines in [
            &["origin: https://b.example", put][..],
            &["origin: null", put],
            &[ORIGIN, "access-control-request-method: DELETE"],
            &[ORIGIN, "access-control-request-method: put"],
            &[ORIGIN, "access-control-request-method: a b"],
            &[ORIGIN, put, "access-control-request-headers: x-a, x-c"],
            &[ORIGIN, put, "access-control-request-headers: a b"],
        ] {
            check_preflight(&listed, "OPTIONS", lines, Some(Err(())));
        }
    }

    #[test]
    fn any_field_and_any_method_are_granted_by_name() {
        let any = Cors {
            methods: vec!["*".into()],
            headers: vec!["*".into()],
            credentials: true,
            ..rules(&["https://a.example"])
        };
        check_preflight(
            &any,
            "OPTIONS",
            &[ORIGIN, "access-control-request-method: PATCH", "access-control-request-headers: Authorization, x-z"],
            Some(Ok(&[
                "vary: origin",
                "access-control-allow-origin: https://a.example",
                "access-control-allow-credentials: true",
                "access-control-allow-methods: PATCH",
                "access-control-allow-headers: authorization, x-z",
            ])),
        );
    }

    #[test]
    fn what_is_no_preflight_is_not_answered_as_one() {
        let listed = rules(&["https://a.example"]);
        check_preflight(&listed, "OPTIONS", &[ORIGIN], None);
        check_preflight(&listed, "OPTIONS", &["access-control-request-method: PUT"], None);
        check_preflight(&listed, "GET", &[ORIGIN, "access-control-request-method: PUT"], None);
    }
}
