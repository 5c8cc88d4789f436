//! `kubefront explain`: what becomes of a request, as a table.

use serde_json::Value;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::dev::shop;
use crate::folder::Folder;
use crate::process::{run, text};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/two-origins.yaml");

async fn explained(arguments: &[&str]) -> Value {
    explained_by(EXAMPLE, arguments).await
}

async fn explained_by(file: &str, arguments: &[&str]) -> Value {
    let mut all = vec!["explain", "-f", file, "-o", "json"];
    all.extend(arguments);
    let output = run(&all).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("is JSON")
}

async fn check(arguments: &[&str], pointer: &str, expect: Value) {
    let said = explained(arguments).await;
    assert_eq!(said.pointer(pointer), Some(&expect), "{arguments:?}: {said:#}");
}

#[tokio::test]
async fn a_request_is_explained_from_its_host_to_what_the_origin_is_asked() {
    let image = "http://any.example/img/./%61?b=1&width=2";
    check(&[image], "/route/site", "default/shop".into()).await;
    check(&[image], "/route/behavior", "/img/*".into()).await;
    check(&[image], "/route/place", 2.into()).await;
    check(&[image], "/route/path", "/img/a".into()).await;
    check(&[image], "/key/target", "/img/a?width=2".into()).await;
    check(&[image], "/origin/target", "/img/a?width=2".into()).await;
    check(&[image], "/storing/ttl/min", 3600.into()).await;
    check(&[image], "/verdict/cacheStatus", "kubefront; fwd=uri-miss".into()).await;
    check(&["/"], "/route/behavior", "*".into()).await;
    check(&["/", "-X", "POST"], "/refusal/detail", "method-not-allowed".into()).await;
    check(&["/%00"], "/refusal/detail", "path-nul".into()).await;
    check(&["/api/x", "-X", "POST"], "/origin/target", "/api/x".into()).await;
}

/// The part of an explanation that is there, or not.
async fn has(arguments: &[&str], part: &str) -> bool {
    explained(arguments).await.get(part).is_some()
}

#[tokio::test]
async fn what_is_not_answered_from_a_store_has_no_key_and_no_lifetime() {
    for part in ["key", "storing"] {
        assert!(has(&["/img/a"], part).await);
        assert!(!has(&["/api/x"], part).await, "caching is off there");
        assert!(!has(&["/api/x", "-X", "POST"], part).await);
    }
    assert!(!has(&["/img/a"], "stored").await, "nobody has stored anything");
}

#[tokio::test]
async fn what_a_viewer_sends_is_forwarded_where_nothing_is_stored() {
    let has_cookie = |said: &Value| {
        let headers = said["origin"]["headers"].as_array().expect("a list").clone();
        headers.iter().any(|name| name == "cookie")
    };
    assert!(has_cookie(&explained(&["/api/x", "-H", "cookie: a=b"]).await));
    assert!(!has_cookie(&explained(&["/img/x", "-H", "cookie: a=b"]).await));
}

#[tokio::test]
async fn both_origins_of_a_group_are_told_and_when_the_second_is_asked() {
    let example = EXAMPLE.replace("two-origins", "two-origins-for-one-path");
    for (method, asked) in [("GET", "where the first gives no answer"), ("DELETE", "never")] {
        let file = std::fs::read_to_string(&example).expect("is there") + "    methods: All\n";
        let (_folder, file) = Folder::with("shop.yaml", &file);
        let said = explained_by(&file, &["/a?b=c", "-X", method]).await;
        let (origin, secondary) = (&said["origin"], &said["origin"]["secondary"]);
        assert_eq!((&origin["name"], &secondary["name"]), (&"app".into(), &"spare".into()), "{said:#}");
        assert_eq!((&secondary["target"], &secondary["asked"]), (&"/a?b=c".into(), &asked.into()), "{said:#}");
        assert_eq!(origin["failoverOn"], serde_json::json!([500, 502, 503, 504]));
    }
    let output = run(&["explain", "-f", &example, "/"]).await;
    assert!(text(&output.stdout).contains("name: spare"), "{}", text(&output.stdout));
}

#[tokio::test]
async fn what_manifests_name_is_taken_to_be_there_and_what_can_be_no_origin_is_not() {
    let example = EXAMPLE.replace("two-origins", "secret-header");
    let said = explained_by(&example, &["/api/a"]).await;
    assert_eq!(
        (&said["verdict"]["does"], &said["origin"]["unasked"]),
        (&"ask the origin".into(), &Value::Null),
        "{said:#}"
    );
    let mounted = serde_json::json!([{ "for": "x-origin-token", "from": "key token of Secret shop-token" }]);
    assert_eq!(said["origin"]["mounted"], mounted);
    assert_eq!(said["origin"]["at"], serde_json::json!(["api-origin.default.svc.cluster.local:80"]));
    let text = shop("shop", "").replace("service: {name: shop-origin, port: 80}", "url: http://127.0.0.1:3000");
    let (_folder, file) = Folder::with("shop.yaml", &text);
    let output = run(&["explain", "-f", &file, "-o", "json", "/"]).await;
    let said: Value = serde_json::from_slice(&output.stdout).expect("is JSON");
    assert_eq!(said["origin"]["unasked"]["detail"], "origin-invalid", "{said:#}");
    assert_eq!(said["verdict"]["does"], "answer 503", "{said:#}");
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_edge_alone() {
    let cors = "    responseHeaders: {cors: {origins: [\"https://app.example.com\"]}}\n";
    let (_folder, file) = Folder::with("shop.yaml", &shop("shop", cors));
    let asked = ["-X", "OPTIONS", "-H", "origin: https://app.example.com", "-H", "access-control-request-method: GET"];
    let output = run(&[&["explain", "-f", &file, "-o", "json", "/"], &asked[..]].concat()).await;
    let said: Value = serde_json::from_slice(&output.stdout).expect("is JSON");
    assert_eq!(said["preflight"], "granted", "{said:#}");
    assert!(said.get("key").is_none() && said.get("origin").is_none(), "{said:#}");
}

#[tokio::test]
async fn an_ingress_is_taken_to_exist() {
    let example = EXAMPLE.replace("two-origins", "ingress-origin");
    let output = run(&["explain", "-f", &example, "/"]).await;
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

#[tokio::test]
async fn files_without_a_distribution_explain_nothing() {
    let invalidation = EXAMPLE.replace("two-origins", "invalidation");
    let output = run(&["explain", "-f", &invalidation, "/"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no Distribution in these files"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn a_request_that_is_none_is_a_wrong_command_line() {
    for (arguments, said) in [
        (&["/", "-H", "no field"][..], "write NAME: VALUE"),
        (&["img/x"], "begin with / or http://"),
        (&["/", "-X", "FO O"], "invalid HTTP method"),
        (&["/", "-n", "Foo"], "a namespace has a-z"),
    ] {
        let output = run(&[&["explain", "-f", EXAMPLE], arguments].concat()).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {}", text(&output.stderr));
    }
    let output = run(&["explain", "/"]).await;
    assert!(text(&output.stderr).contains("--admin"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn an_edge_that_runs_is_asked_instead_of_files() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let admin = format!("http://{}", listener.local_addr().expect("an address"));
    let answering = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("is asked");
        let mut asked = [0; 1_024];
        let length = stream.read(&mut asked).await.expect("is read");
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"key\":1}").await.expect("is written");
        String::from_utf8_lossy(&asked[..length]).into_owned()
    });
    let output = run(&["explain", "--admin", &admin, "/a?b=c", "-X", "HEAD", "-H", "accept: text/html"]).await;
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "key: 1\n"), "{}", text(&output.stderr));
    let asked = answering.await.expect("is whole");
    let target = "GET /explain?url=%2Fa%3Fb%3Dc&method=HEAD&header=accept%3A+text%2Fhtml HTTP/1.1\r\n";
    assert!(asked.starts_with(target), "{asked}");
}
