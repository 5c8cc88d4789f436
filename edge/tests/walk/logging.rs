//! What is written of each request, and what never is.

use std::net::SocketAddr;

use edge_contract::{EdgeConfig, Logging, OriginHeader, S3};
use http::{Method, Request};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::edge::{Raw, config, open, read, request};
use crate::failover::pair;
use crate::https::{Authority, agreeing, https};
use crate::origin::{Origin, Then, nobody};
use crate::program::{Place, Program};

/// A program that serves this, and where.
async fn serving(config: &EdgeConfig) -> (Program, SocketAddr, Place) {
    let mounted = Place::of(config);
    let mut program = Program::start(&["--drain-accept", "0", "--config", mounted.text()]);
    let viewers = program.viewers().await;
    (program, viewers, mounted)
}

fn logged(origin: SocketAddr, access: bool, include_cookies: bool) -> EdgeConfig {
    let mut config = config(origin);
    config.sites[0].logging = Logging { access, include_cookies };
    config
}

type Sent = Request<http_body_util::combinators::BoxBody<bytes::Bytes, hyper::Error>>;

async fn send(viewers: SocketAddr, request: Sent) {
    let response = open(viewers, request).await.expect("there is a response");
    read(response).await.expect("is complete");
}

fn secretive(target: &str) -> Sent {
    let mut request = request(Method::GET, target);
    for (name, value) in [("cookie", "sid=c00kie"), ("authorization", "Bearer t0ken"), ("x-api-key", "k3y")] {
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    request
}

/// The next line about a request.
async fn line(program: &mut Program) -> Value {
    program.says("method").await
}

#[tokio::test]
async fn a_line_says_what_became_of_a_request_and_why() {
    let origin = Origin::numbered("cache-control: max-age=60\r\n").await;
    let (mut program, viewers, _mounted) = serving(&logged(origin.address, true, false)).await;
    send(viewers, request(Method::GET, "/a?x=1")).await;
    let miss = line(&mut program).await;
    assert_eq!((&miss["method"], &miss["path"], &miss["status"]), (&"GET".into(), &"/a?x=1".into(), &200.into()));
    assert_eq!((&miss["cache"], &miss["fwd"], &miss["stored"]), (&"miss".into(), &"uri-miss".into(), &true.into()));
    assert_eq!((&miss["origin"], &miss["origin_status"]), (&"app".into(), &200.into()));
    assert!(
        miss["origin_seconds"]
            .as_f64()
            .is_some_and(|took| took > 0.0 && took <= miss["seconds"].as_f64().unwrap_or_default())
    );
    assert_eq!((&miss["peer"], &miss["bytes"], &miss["complete"]), (&"127.0.0.1".into(), &6.into(), &true.into()));
    send(viewers, request(Method::GET, "/a?x=1")).await;
    let hit = line(&mut program).await;
    assert_eq!((&hit["cache"], &hit["fwd"], &hit["stored"]), (&"hit".into(), &Value::Null, &false.into()));
    assert!(
        hit["ttl"].as_i64().is_some_and(|ttl| ttl > 50) && hit["age"].as_u64().is_some_and(|age| age < 10),
        "{hit}"
    );
    assert_eq!(
        (&hit["origin_seconds"], &hit["site"], &hit["behavior"]),
        (&Value::Null, &"default/shop".into(), &"*".into())
    );
    send(viewers, request(Method::POST, "/a")).await;
    let passed = line(&mut program).await;
    assert_eq!((&passed["cache"], &passed["fwd"]), (&"pass".into(), &"method".into()));
}

#[tokio::test]
async fn a_line_says_what_went_through_a_connection_that_has_left_http() {
    let origin = Origin::start(|_, mut exchange| async move {
        exchange.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nhello").await;
        exchange.rest().await;
        Then::Close
    })
    .await;
    let (mut program, viewers, _mounted) = serving(&logged(origin.address, true, false)).await;
    let mut viewer = Raw::to(viewers).await;
    viewer.say("GET /a HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nabc").await;
    viewer.head().await;
    viewer.finish().await;
    assert_eq!(viewer.rest().await, "hello");
    let line = line(&mut program).await;
    assert_eq!((&line["status"], &line["cache"], &line["fwd"]), (&101.into(), &"pass".into(), &"bypass".into()));
    assert_eq!((&line["bytes"], &line["received"], &line["complete"]), (&5.into(), &3.into(), &true.into()));
}

#[tokio::test]
async fn a_line_says_why_nothing_came_from_an_origin() {
    let (mut program, viewers, _mounted) = serving(&logged(nobody(), true, false)).await;
    send(viewers, request(Method::GET, "/a")).await;
    assert_eq!(program.says("error").await["path"], "/a");
    let failed = line(&mut program).await;
    assert_eq!(
        (&failed["status"], &failed["detail"], &failed["fwd"]),
        (&502.into(), &"origin-connect".into(), &"uri-miss".into())
    );
}

#[tokio::test]
async fn what_is_wrong_with_an_origin_is_said_with_what_to_do_about_it() {
    let origin = Origin::numbered("").await;
    let behind_tls = config(agreeing(origin.address, &[]).await);
    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let in_plain = https(plain.local_addr().expect("is bound"), "127.0.0.1");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    for (config, detail, error, advice) in [
        (config(nobody()), "origin-connect", "connecting to ", "nobody listens there"),
        (in_plain, "origin-tls", "does not speak TLS", "ask it by http, "),
        (https(origin.address, "127.0.0.1"), "origin-tls", "TLS with ", "does it speak TLS?"),
        (behind_tls, "origin-not-http", "the exchange with the origin failed", "ask it by https"),
    ] {
        let (mut program, viewers, _mounted) = serving(&config).await;
        send(viewers, request(Method::GET, "/a")).await;
        let line = program.says("error").await;
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        assert_eq!((text("detail"), text("origin")), (detail.into(), "app".into()));
        assert!(text("error").contains(error) && text("advice").starts_with(advice), "{line}");
    }
    assert_eq!(origin.reads(), 0);
}

#[tokio::test]
async fn what_a_bucket_refuses_has_its_word_in_the_line_of_the_request() {
    let origin = Origin::start(|_, exchange| async move {
        exchange.respond("403 Forbidden", "", "<Error><Code>AccessDenied</Code></Error>").await
    })
    .await;
    let mut config = logged(origin.address, true, false);
    config.sites[0].origins[0].s3 = Some(S3 { region: "eu-west-1".into(), credentials: None });
    let (mut program, viewers, _mounted) = serving(&config).await;
    for method in [Method::GET, Method::POST] {
        send(viewers, request(method, "/a")).await;
        let line = line(&mut program).await;
        assert_eq!((&line["detail"], &line["origin_status"]), (&"s3-access-denied".into(), &403.into()), "{line}");
    }
}

#[tokio::test]
async fn no_line_names_a_file_of_what_the_edge_was_built_of() {
    let origin = Origin::numbered("").await;
    let config = https(agreeing(origin.address, &[]).await, "localhost");
    let (mounted, roots) = (Place::of(&config), Place::holding("roots.pem", Authority::new("trusted").pem()));
    let arguments = ["--drain-accept", "0", "--config", mounted.text()];
    let mut program = Program::with(&arguments, &[("SSL_CERT_FILE", roots.path())]);
    let viewers = program.viewers().await;
    send(viewers, request(Method::GET, "/a")).await;
    assert_eq!(line(&mut program).await["detail"], "origin-certificate");
    program.terminate();
    let said = program.said().await;
    assert!(!said.contains(".rs\"") && !said.contains("log.file"), "{said}");
}

#[tokio::test]
async fn a_line_says_which_of_two_origins_answered() {
    let spare = Origin::numbered("cache-control: max-age=60\r\n").await;
    let mut config = pair(nobody(), spare.address);
    config.sites[0].logging = Logging { access: true, include_cookies: false };
    let (mut program, viewers, _mounted) = serving(&config).await;
    send(viewers, request(Method::GET, "/a")).await;
    let line = line(&mut program).await;
    assert_eq!((&line["origin"], &line["detail"]), (&"spare".into(), &"failover".into()), "{line}");
}

#[tokio::test]
async fn why_the_other_origin_of_a_group_is_asked_is_told_once_a_minute() {
    let busy = Origin::start(|_, exchange| async move { exchange.respond("503 Service Unavailable", "", "").await });
    let (busy, spare) = (busy.await, Origin::numbered("").await);
    for (primary, detail, status) in [(nobody(), "origin-connect", Value::Null), (busy.address, "status", 503.into())] {
        let (mut program, viewers, _mounted) = serving(&pair(primary, spare.address)).await;
        for number in 0..3 {
            send(viewers, request(Method::GET, &format!("/{number}"))).await;
        }
        let line = program.says("untold").await;
        assert_eq!(
            (&line["origin"], &line["detail"], &line["status"]),
            (&"app".into(), &detail.into(), &status),
            "{line}"
        );
        assert_eq!((&line["level"], &line["untold"]), (&"WARN".into(), &0.into()), "{line}");
        program.terminate();
        assert_eq!(program.said().await.matches("untold").count(), 1);
    }
}

#[tokio::test]
async fn cookies_are_in_a_line_only_where_the_owner_wants_them_and_other_secrets_never() {
    for include in [false, true] {
        let origin = Origin::numbered("set-cookie: sid=n3w\r\n").await;
        let mut config = logged(origin.address, true, include);
        config.sites[0].origins[0].headers = vec![OriginHeader::plain("x-origin-key", "own3r")];
        let (mut program, viewers, _mounted) = serving(&config).await;
        send(viewers, secretive("/a?q=1")).await;
        let line = line(&mut program).await;
        assert_eq!(line["cookies"], if include { "sid=c00kie".into() } else { Value::Null });
        let text = line.to_string();
        assert_eq!(text.contains("c00kie"), include);
        for secret in ["t0ken", "k3y", "n3w", "own3r"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn a_site_that_wants_no_lines_gets_none() {
    let origin = Origin::numbered("").await;
    let (mut program, viewers, _mounted) = serving(&logged(origin.address, false, false)).await;
    send(viewers, request(Method::GET, "/quiet")).await;
    // What is no site's is told all the same, and after it.
    send(
        viewers,
        Request::builder().uri("/").header("host", "a b").body(request(Method::GET, "/").into_body()).expect("is one"),
    )
    .await;
    let next = line(&mut program).await;
    assert_eq!((&next["path"], &next["status"]), (&"/".into(), &400.into()));
}

#[tokio::test]
async fn lines_are_bounded_whatever_a_viewer_sends() {
    let origin = Origin::numbered("").await;
    let (mut program, viewers, _mounted) = serving(&logged(origin.address, true, true)).await;
    let mut long = request(Method::GET, &format!("/{}", "a".repeat(8_000)));
    long.headers_mut().insert("cookie", "c".repeat(9_000).parse().expect("a value"));
    send(viewers, long).await;
    let line = line(&mut program).await;
    assert_eq!(line["path"].as_str().map(str::len), Some(4_096));
    assert_eq!(line["cookies"].as_str().map(str::len), Some(4_096));
}
