//! What a user wants changed in the heads of responses into fields that are removed and set, and the answers to other sites.

use std::collections::BTreeMap;

use crds::distribution::{self, ContentTypeOptions, CorsMethod, FrameOptions, Hsts, ReferrerPolicy, Security};
use edge_contract::{Cors, Header, ResponseHeaders};

use super::choices::{in_lower_case, sorted};
use super::durations::seconds;

/// What is changed. By name, so that the order in which fields are written makes no new revision.
pub(super) fn compile(given: Option<&distribution::ResponseHeaders>) -> ResponseHeaders {
    let Some(given) = given else { return ResponseHeaders::default() };
    let mut set: BTreeMap<String, String> = given.security.iter().flat_map(security).collect();
    set.extend(given.set.iter().map(|header| (header.name.to_ascii_lowercase(), header.value.clone())));
    ResponseHeaders {
        remove: in_lower_case(&given.remove),
        set: set.into_iter().map(|(name, value)| Header { name, value }).collect(),
        cors: given.cors.as_ref().map(cors),
    }
}

fn security(given: &Security) -> impl Iterator<Item = (String, String)> {
    let fields = [
        ("strict-transport-security", given.hsts.as_ref().map(hsts)),
        ("x-content-type-options", given.content_type_options.map(|ContentTypeOptions::NoSniff| "nosniff".into())),
        ("x-frame-options", given.frame_options.map(|frame_options| self::frame_options(frame_options).into())),
        ("referrer-policy", given.referrer_policy.map(|policy| referrer_policy(policy).into())),
        ("content-security-policy", given.content_security_policy.clone()),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))
}

/// RFC 6797 §6.1.
fn hsts(given: &Hsts) -> String {
    let mut value = format!("max-age={}", seconds(Some(&given.max_age)).unwrap_or_default());
    if given.include_sub_domains == Some(true) {
        value.push_str("; includeSubDomains");
    }
    if given.preload == Some(true) {
        value.push_str("; preload");
    }
    value
}

/// RFC 7034 §2.1.
fn frame_options(given: FrameOptions) -> &'static str {
    match given {
        FrameOptions::Deny => "DENY",
        FrameOptions::SameOrigin => "SAMEORIGIN",
    }
}

fn referrer_policy(given: ReferrerPolicy) -> &'static str {
    match given {
        ReferrerPolicy::NoReferrer => "no-referrer",
        ReferrerPolicy::NoReferrerWhenDowngrade => "no-referrer-when-downgrade",
        ReferrerPolicy::Origin => "origin",
        ReferrerPolicy::OriginWhenCrossOrigin => "origin-when-cross-origin",
        ReferrerPolicy::SameOrigin => "same-origin",
        ReferrerPolicy::StrictOrigin => "strict-origin",
        ReferrerPolicy::StrictOriginWhenCrossOrigin => "strict-origin-when-cross-origin",
        ReferrerPolicy::UnsafeUrl => "unsafe-url",
    }
}

fn cors(given: &distribution::Cors) -> Cors {
    let named = if given.methods.is_empty() { &[CorsMethod::Get, CorsMethod::Head][..] } else { &given.methods };
    Cors {
        origins: sorted(given.origins.iter().cloned()),
        methods: sorted(named.iter().map(|one| method(*one).to_owned())),
        headers: in_lower_case(&given.headers),
        expose_headers: in_lower_case(&given.expose_headers),
        max_age: seconds(given.max_age.as_ref()),
        credentials: given.credentials.unwrap_or_default(),
    }
}

fn method(given: CorsMethod) -> &'static str {
    match given {
        CorsMethod::Any => "*",
        CorsMethod::Get => "GET",
        CorsMethod::Head => "HEAD",
        CorsMethod::Post => "POST",
        CorsMethod::Put => "PUT",
        CorsMethod::Patch => "PATCH",
        CorsMethod::Delete => "DELETE",
        CorsMethod::Options => "OPTIONS",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "reads best with literals")]
    fn check_security(given: Value, expect: &[(&str, &str)]) {
        let security: Security = serde_json::from_value(given.clone()).expect("security fields");
        let given = distribution::ResponseHeaders { security: Some(security), ..Default::default() };
        let set = compile(Some(&given)).set;
        let set: Vec<_> = set.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
        assert_eq!(set, expect);
    }

    #[test]
    fn security_becomes_fields_that_are_set() {
        check_security(json!({}), &[]);
        check_security(
            json!({
                "hsts": { "maxAge": "8760h", "includeSubDomains": true, "preload": true },
                "contentTypeOptions": "nosniff",
                "frameOptions": "SAMEORIGIN",
                "referrerPolicy": "strict-origin-when-cross-origin",
                "contentSecurityPolicy": "default-src 'self'",
            }),
            &[
                ("content-security-policy", "default-src 'self'"),
                ("referrer-policy", "strict-origin-when-cross-origin"),
                ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "SAMEORIGIN"),
            ],
        );
        check_security(
            json!({ "hsts": { "maxAge": "1m", "includeSubDomains": false }, "frameOptions": "DENY" }),
            &[("strict-transport-security", "max-age=60"), ("x-frame-options", "DENY")],
        );
    }

    /// A word that reads otherwise in a manifest than in the field would be told to browsers as something else.
    #[test]
    fn every_referrer_policy_is_told_in_its_own_word() {
        for word in [
            "no-referrer",
            "no-referrer-when-downgrade",
            "origin",
            "origin-when-cross-origin",
            "same-origin",
            "strict-origin",
            "strict-origin-when-cross-origin",
            "unsafe-url",
        ] {
            check_security(json!({ "referrerPolicy": word }), &[("referrer-policy", word)]);
        }
    }

    #[test]
    fn scripts_may_read_unless_more_is_said() {
        let given = serde_json::from_value(json!({ "cors": { "origins": ["*"] } })).expect("response headers");
        let expect = Cors { origins: vec!["*".into()], methods: vec!["GET".into(), "HEAD".into()], ..Cors::default() };
        assert_eq!(compile(Some(&given)).cors, Some(expect));
    }
}
