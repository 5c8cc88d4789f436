//! `kubefront explain`: what becomes of a request, as a table.

use serde_json::Value;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::process::{run, text};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/two-origins.yaml");
const SERVICES: [&str; 2] = ["--service=shop-origin=127.0.0.1:1", "--service=api-origin=127.0.0.1:2"];

async fn explained(arguments: &[&str]) -> Value {
    let mut all = vec!["explain", "-f", EXAMPLE, "-o", "json"];
    all.extend(SERVICES);
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
    check(&[image], "/distribution", "default/shop".into()).await;
    check(&[image], "/behavior", "/img/* (2 of 3)".into()).await;
    check(&[image], "/path", "/img/a".into()).await;
    check(&[image], "/key/target", "/img/a?width=2".into()).await;
    check(&[image], "/origin/request", "GET /img/a?width=2".into()).await;
    check(&[image], "/storing/ttl/min", 3600.into()).await;
    check(&["/"], "/behavior", "* (3 of 3)".into()).await;
    check(&["/", "-X", "POST"], "/answer", "405 method-not-allowed".into()).await;
    check(&["/%00"], "/answer", "400 path-nul".into()).await;
    check(&["/api/x", "-X", "POST"], "/origin/request", "POST /api/x".into()).await;
    check(&["/api/x"], "/key", "none: nothing is stored under this behavior".into()).await;
}

#[tokio::test]
async fn what_a_viewer_sends_is_forwarded_where_nothing_is_stored() {
    let has_cookie = |said: &Value| {
        let headers = said["origin"]["headers"].as_array().expect("a list").clone();
        headers.iter().any(|line| line == "cookie: a=b")
    };
    assert!(has_cookie(&explained(&["/api/x", "-H", "cookie: a=b"]).await));
    assert!(!has_cookie(&explained(&["/img/x", "-H", "cookie: a=b"]).await));
}

#[tokio::test]
async fn a_request_that_is_none_is_a_mistake() {
    let output = run(&["explain", "-f", EXAMPLE, "/", "-H", "no field"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("\"no field\" is not NAME: VALUE"), "{}", text(&output.stderr));
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
