//! What a private bucket is asked, and what viewers hear of what it answers.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use edge_contract::{Choice, EdgeConfig, ErrorResponse, Forwarded, Mounted, MountedKind, S3, S3Credentials};
use http::{Method, StatusCode};

use crate::edge::{Edge, config, with_text};
use crate::origin::Origin;

/// The credentials of a bucket, as files; they are gone with their test.
struct Secrets(PathBuf);

impl Secrets {
    fn new(files: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let secrets = Self(std::env::temp_dir().join(format!("kubefront-bucket-{}-{number}", std::process::id())));
        secrets.write(files);
        secrets
    }

    fn write(&self, files: &[(&str, &str)]) {
        std::fs::create_dir_all(self.0.join("secret/s3")).expect("is created");
        for (key, value) in files {
            std::fs::write(self.0.join("secret/s3").join(key), value).expect("is written");
        }
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const KEY: [(&str, &str); 2] = [("id", "AKIAEXAMPLE\n"), ("key", "s3cr3t\n")];

fn file(key: &str) -> Mounted {
    Mounted { kind: MountedKind::Secret, name: "s3".into(), key: key.into(), field: "spec.origins[app].s3".into() }
}

/// All of a site from the bucket `shop` of an origin.
fn bucket(origin: &Origin) -> EdgeConfig {
    let mut config = config(origin.address);
    let origin = &mut config.sites[0].origins[0];
    origin.base_path = "/shop".into();
    let credentials =
        Some(S3Credentials { access_key_id: file("id"), secret_access_key: file("key"), session_token: file("token") });
    origin.s3 = Some(S3 { region: "eu-west-1".into(), credentials });
    config
}

async fn edge(secrets: &Secrets, config: EdgeConfig) -> Edge {
    Edge::with(&["--mounts", secrets.0.to_str().expect("is text")], config).await
}

async fn refusing(status: &'static str, code: &'static str, fields: &'static str) -> Origin {
    Origin::start(move |_, exchange| async move {
        let body = format!("<Error><Code>{code}</Code><Message>m</Message><BucketName>shop</BucketName></Error>");
        let fields = format!("content-type: application/xml\r\nx-amz-request-id: 1\r\nserver: AmazonS3\r\n{fields}");
        exchange.respond(status, &fields, &body).await
    })
    .await
}

#[tokio::test]
async fn a_bucket_is_asked_for_a_key_with_a_signature_and_nothing_that_could_command_it() {
    let (origin, secrets) = (Origin::numbered("").await, Secrets::new(&KEY));
    let edge = edge(&secrets, bucket(&origin)).await;
    let fields = [("authorization", "AWS4-HMAC-SHA256 x"), ("x-amz-acl", "public-read"), ("x-minio-force-delete", "1")];
    let reply = edge.ask(Method::GET, "/a+b%20c//ü?acl&list-type=2", &fields).await;
    assert_eq!(reply.status, StatusCode::OK);
    let seen = origin.seen(1);
    assert_eq!(seen.target, "/shop/a%2Bb%20c//%C3%BC");
    let authorization = seen.header("authorization").expect("is signed");
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/"), "{authorization}");
    assert!(authorization.contains("/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date,"));
    let amazons = seen.headers.iter().filter(|(name, _)| name.starts_with("x-amz") || name.starts_with("x-minio"));
    assert_eq!(amazons.count(), 2, "{:?}", seen.headers);
}

#[tokio::test]
async fn a_write_streams_without_its_hash_and_with_none_of_the_viewers_commands() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.read(3).await;
        exchange.respond("200 OK", "", "").await
    })
    .await;
    let secrets = Secrets::new(&[KEY[0], KEY[1], ("token", "lent")]);
    let edge = edge(&secrets, bucket(&origin)).await;
    let mut request = with_text(Method::PUT, "/a?acl", "new");
    request.headers_mut().insert("x-amz-copy-source", "/other/key".parse().expect("is one"));
    assert_eq!(edge.send(request).await.status, StatusCode::OK);
    let seen = origin.seen(1);
    assert_eq!((&*seen.method, &*seen.target), ("PUT", "/shop/a"));
    assert_eq!(seen.header("x-amz-content-sha256"), Some("UNSIGNED-PAYLOAD"));
    assert_eq!((seen.header("x-amz-security-token"), seen.header("x-amz-copy-source")), (Some("lent"), None));
    assert_eq!(seen.header("content-length"), Some("3"));
}

#[tokio::test]
async fn parameters_that_a_behavior_names_are_keyed_and_sent() {
    let (origin, secrets) = (Origin::numbered("").await, Secrets::new(&KEY));
    let mut config = bucket(&origin);
    config.sites[0].behaviors[0].key.query_strings = Choice::Include(vec!["versionId".into()]);
    config.sites[0].behaviors[0].forward.query_strings = Forwarded::Include(vec!["response-content-type".into()]);
    let edge = edge(&secrets, config).await;
    edge.get("/a?versionId=2&acl&response-content-type=a/b").await;
    assert_eq!(origin.seen(1).target, "/shop/a?response-content-type=a%2Fb&versionId=2");
    assert_eq!(edge.get("/a?versionId=2").await.body, "read 1");
    assert_eq!(edge.get("/a?versionId=1").await.body, "read 2");
}

#[tokio::test]
async fn a_bucket_itself_is_asked_for_by_no_method() {
    let (origin, secrets) = (Origin::numbered("").await, Secrets::new(&KEY));
    let edge = edge(&secrets, bucket(&origin)).await;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::POST, Method::OPTIONS] {
        for (target, detail) in [("/", "s3-no-key"), ("//", "s3-no-key"), ("/private%2Fa", "s3-escaped-slash")] {
            let reply = edge.ask(method.clone(), target, &[]).await;
            assert_eq!(reply.status, StatusCode::NOT_FOUND, "{method} {target}");
            assert!(reply.cache_status().ends_with(&format!("detail={detail}")), "{}", reply.cache_status());
        }
    }
    assert_eq!(origin.reads(), 0);
}

#[tokio::test]
async fn what_a_bucket_refuses_keeps_its_status_and_none_of_its_words() {
    for (status, code, detail) in [
        ("403 Forbidden", "AccessDenied", "s3-access-denied"),
        ("403 Forbidden", "SignatureDoesNotMatch", "s3-wrong-secret"),
        ("403 Forbidden", "InvalidAccessKeyId", "s3-unknown-access-key"),
        ("403 Forbidden", "RequestTimeTooSkewed", "s3-clock"),
        ("400 Bad Request", "ExpiredToken", "s3-expired-token"),
        ("400 Bad Request", "AuthorizationHeaderMalformed", "s3-wrong-region"),
        ("404 Not Found", "NoSuchBucket", "s3-no-such-bucket"),
        ("404 Not Found", "NoSuchKey", "s3-no-such-key"),
        ("503 Slow Down", "SlowDown", "s3-busy"),
    ] {
        let (origin, secrets) = (refusing(status, code, "retry-after: 7\r\n").await, Secrets::new(&KEY));
        let edge = edge(&secrets, bucket(&origin)).await;
        let reply = edge.get("/a").await;
        assert_eq!(reply.status.as_str(), &status[..3], "{code}");
        assert!(reply.body.ends_with(&format!(": {detail}\n")), "{}", reply.body);
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(reply.header("retry-after"), Some("7"));
        assert_eq!((reply.header("x-amz-request-id"), reply.header("server")), (None, None));
        let head = edge.ask(Method::HEAD, "/b", &[]).await;
        assert_eq!((head.status, &*head.body), (reply.status, ""), "{code}");
        edge.ask(Method::PUT, "/c", &[]).await;
        assert_eq!(origin.seen(2).connection, 1, "a connection whose refusal was read is used again");
    }
}

#[tokio::test]
async fn a_page_of_the_site_stands_in_for_what_a_bucket_refuses() {
    let origin = Origin::start(|seen, exchange| async move {
        if seen.target == "/shop/sorry.html" {
            return exchange.respond("200 OK", "", "sorry").await;
        }
        exchange.respond("403 Forbidden", "", "<Error><Code>AccessDenied</Code></Error>").await
    })
    .await;
    let (mut config, secrets) = (bucket(&origin), Secrets::new(&KEY));
    config.sites[0].error_responses =
        vec![ErrorResponse { code: 403, cache_ttl: None, path: Some("/sorry.html".into()), response_code: Some(404) }];
    let reply = edge(&secrets, config).await.get("/a").await;
    assert_eq!((reply.status, &*reply.body), (StatusCode::NOT_FOUND, "sorry"));
}

#[tokio::test]
async fn no_viewer_is_sent_to_the_bucket_itself() {
    for status in ["301 Moved Permanently", "307 Temporary Redirect"] {
        let location = "location: http://shop.s3.eu-central-1.amazonaws.com/a\r\nx-amz-bucket-region: eu-central-1\r\n";
        let (origin, secrets) = (refusing(status, "PermanentRedirect", location).await, Secrets::new(&KEY));
        let reply = edge(&secrets, bucket(&origin)).await.get("/a").await;
        assert_eq!((reply.status, reply.header("location")), (StatusCode::BAD_GATEWAY, None));
        assert!(reply.cache_status().ends_with("detail=s3-wrong-region"), "{}", reply.cache_status());
    }
}

#[tokio::test]
async fn without_its_key_a_bucket_is_not_asked_until_the_key_is_there() {
    let (origin, secrets) = (Origin::numbered("").await, Secrets::new(&KEY[..1]));
    let edge = edge(&secrets, bucket(&origin)).await;
    for unfit in [None, Some(""), Some(" \n"), Some("two\nlines")] {
        if let Some(content) = unfit {
            secrets.write(&[("key", content)]);
        }
        edge.live().mounts().look();
        let reply = edge.get("/a").await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{unfit:?}");
        assert!(reply.cache_status().ends_with("detail=origin-secret"), "{unfit:?}: {}", reply.cache_status());
        let told = edge.live().observing().now().references;
        assert_eq!(told.iter().map(|state| state.field.as_str()).collect::<Vec<_>>(), ["spec.origins[app].s3"]);
    }
    assert_eq!(origin.reads(), 0);
    secrets.write(&KEY);
    edge.live().mounts().look();
    assert_eq!(edge.get("/a").await.body, "read 1");
}

#[tokio::test]
async fn what_a_bucket_has_against_a_key_is_told_to_its_owner_until_it_is_taken() {
    let origin = Origin::start(|seen, exchange| async move {
        match seen.target.rsplit('/').next() {
            Some("here") => exchange.respond("200 OK", "", "").await,
            Some("gone") => exchange.respond("404 Not Found", "", "<Error><Code>NoSuchKey</Code></Error>").await,
            _ => exchange.respond("403 Forbidden", "", "<Error><Code>InvalidAccessKeyId</Code></Error>").await,
        }
    })
    .await;
    let secrets = Secrets::new(&KEY);
    let edge = edge(&secrets, bucket(&origin)).await;
    let wrong = || edge.live().observing().now().references;
    for (n, taken) in ["here", "gone"].into_iter().enumerate() {
        edge.get(&format!("/{n}/refused")).await;
        let said: Vec<String> = wrong().iter().map(|state| format!("{}: {}", state.field, state.message)).collect();
        assert_eq!(said, ["spec.origins[app].s3: S3 does not know the access key id"]);
        edge.get(&format!("/{n}/{taken}")).await;
        assert_eq!(wrong(), [], "{taken}");
    }
}

#[tokio::test]
async fn what_is_stored_is_validated_with_a_signature_of_that_time() {
    let origin = Origin::start(|seen, exchange| async move {
        if seen.header("if-none-match").is_some() {
            return exchange.respond("304 Not Modified", "etag: \"v\"\r\n", "").await;
        }
        exchange.respond("200 OK", "etag: \"v\"\r\ncache-control: max-age=60\r\n", "object").await
    })
    .await;
    let secrets = Secrets::new(&KEY);
    let edge = edge(&secrets, bucket(&origin)).await;
    edge.get("/a").await;
    edge.skip(3600);
    assert_eq!(edge.get("/a").await.body, "object");
    let dates = [1, 2].map(|number| origin.seen(number).header("x-amz-date").expect("is dated").to_owned());
    assert_ne!(dates[0], dates[1]);
    let hours = dates.map(|date| date.split('T').nth(1).map(|time| time[2..].to_owned()));
    assert_eq!(hours[0], hours[1], "an hour later, to the second");
}

#[tokio::test]
async fn ranges_and_conditions_of_viewers_pass_where_nothing_is_stored() {
    let (origin, secrets) = (Origin::numbered("").await, Secrets::new(&KEY));
    let mut config = bucket(&origin);
    config.sites[0].behaviors[0].ttl = edge_contract::Ttl { min: 0, default: 0, max: 0, ..Default::default() };
    edge(&secrets, config).await.ask(Method::GET, "/a", &[("range", "bytes=0-1"), ("if-match", "\"v\"")]).await;
    let seen = origin.seen(1);
    assert_eq!((seen.header("range"), seen.header("if-match")), (Some("bytes=0-1"), Some("\"v\"")));
    assert!(seen.header("authorization").is_some_and(|value| !value.contains("range")));
}
