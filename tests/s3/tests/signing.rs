//! Requests of every kind through this signer and through Amazon's own, which have to agree to the byte.
//!
//! `make soak-s3` compares a quarter of a million; `REQUESTS=n` says how many.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as Identity;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use edge::s3::credentials::Credentials;
use edge::s3::sign::{Content, Signer};
use edge_cache::NormalPath;
use edge_cache::date::Date;
use edge_cache::s3;
use edge_contract::{Behavior, Choice, Key};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

/// One request and who signs it.
#[derive(Clone, Debug)]
struct Case {
    method: Method,
    target: String,
    fields: Vec<(String, String)>,
    credentials: Credentials,
    region: String,
    date: i64,
    content: Content,
}

const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::PUT,
    Method::POST,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
    Method::TRACE,
];

/// What a viewer asked, as it is sent.
fn target() -> impl Strategy<Value = String> {
    let odd = "/([a-z./%+ =&~!$'()*,;:@\"<>\\[\\]{}|^`?#\u{fc}\u{65e5}\u{1f600}-]|%[2-7][0-9A-Fa-f]|\\PC){0,20}";
    let base = select(&["", "/bucket", "/bucket/pre%20fix+é"][..]);
    let pair = "(a|b|versionId|x y|x\\+y|%61|ü)(=([a-z+%/=~ *ü]|%[2-7][0-9A-F]){0,8})?";
    let query = proptest::option::of(proptest::collection::vec(pair, 0..6).prop_map(|pairs| pairs.join("&")));
    (base, odd, query).prop_filter_map("names no object", |(base, path, query)| {
        let object = s3::object_path(base, &NormalPath::parse(&path).ok()?).ok()?;
        let names = ["a", "versionId", "x y", "ü"].map(ToOwned::to_owned).to_vec();
        let key = Key { query_strings: Choice::Include(names), ..Key::default() };
        let query = s3::query(query.as_deref(), &Behavior { key, ..Behavior::plain("*", "bucket") });
        Some(query.map_or(object.clone(), |query| format!("{object}?{query}")))
    })
}

fn case() -> impl Strategy<Value = Case> {
    let host = select(&["bucket.s3.eu-west-1.amazonaws.com", "minio.store.svc:9000", "10.0.0.1:81", "[::1]:9000"][..]);
    let name = "x-amz-(request-payer|meta-[a-z0-9_.-]{1,8}|acl|a|b)|content-type|range|if-none-match|via|user-agent";
    let field = (name, "[!-~]?[ -~]{0,12}[ ]{0,3}[ -~]{0,5}");
    let fields = proptest::collection::vec(field, 0..5);
    let credentials = ("[A-Z0-9]{1,20}", "[!-~]{1,48}", proptest::option::of("[A-Za-z0-9+/=]{1,600}"));
    let content = select(&[Content::Empty, Content::Streaming][..]);
    let who = (credentials, select(&["us-east-1", "eu-west-1", "auto", "x"][..]), 0..7_258_118_400_i64, content);
    (select(&METHODS[..]), target(), host, fields, who).prop_map(|(method, target, host, mut fields, who)| {
        let ((access_key_id, secret_access_key, session_token), region, date, content) = who;
        fields.push(("host".to_owned(), host.to_owned()));
        let credentials = Credentials { access_key_id, secret_access_key, session_token };
        Case { method, target, fields, credentials, region: region.to_owned(), date, content }
    })
}

/// As it is sent, and signed here.
fn ours(case: &Case) -> HeaderMap {
    let mut request = Request::builder().method(case.method.clone()).uri(&case.target).body(()).expect("is legal");
    for (name, value) in &case.fields {
        let name: HeaderName = name.parse().expect("is a name");
        request.headers_mut().append(name, value.parse().expect("is a value"));
    }
    let signer = Signer { credentials: &case.credentials, region: &case.region, date: Date(case.date) };
    signer.sign(&mut request, case.content).expect("is signed");
    request.headers().clone()
}

/// What Amazon's own signer adds to a request. It signs all that it is shown, and S3 wants no more than this of it.
fn theirs(case: &Case) -> Vec<(String, String)> {
    let Credentials { access_key_id, secret_access_key, session_token } = &case.credentials;
    let identity = Identity::new(access_key_id, secret_access_key, session_token.clone(), None, "test").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(case.date).expect("is after 1970"));
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&case.region)
        .name("s3")
        .time(date)
        .settings(settings)
        .build()
        .expect("is whole")
        .into();
    let is_shown = |name: &str| name == "host" || name.starts_with("x-amz-");
    let fields = case.fields.iter().filter(|(name, _)| is_shown(name));
    let fields = fields.map(|(name, value)| (name.as_str(), value.as_str()));
    let host = case.fields.iter().find(|(name, _)| name == "host").map(|(_, host)| host).expect("has one");
    let body = if case.content == Content::Empty { SignableBody::Bytes(&[]) } else { SignableBody::UnsignedPayload };
    let request = SignableRequest::new(case.method.as_str(), format!("http://{host}{}", case.target), fields, body);
    let (signed, _) = sign(request.expect("is legal"), &params).expect("is signed").into_parts();
    signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn amazons_own_signer_signs_every_request_as_this_one_does() {
    let cases = std::env::var("REQUESTS").ok().map_or(20_000, |count| count.parse().expect("REQUESTS is a number"));
    let config = Config { cases, max_global_rejects: u32::MAX, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&case(), |case| {
            let ours = ours(&case);
            let theirs = theirs(&case);
            prop_assert!(theirs.iter().any(|(name, _)| name == "authorization"));
            for (name, value) in theirs {
                let found = ours.get(&name).map(HeaderValue::as_bytes);
                prop_assert_eq!(found.map(String::from_utf8_lossy), Some(value.as_str().into()), "{}", name);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    println!("{cases} requests, no difference");
}
