//! What an edge says would become of a request, and that saying so changes nothing.

use edge_contract::{
    Cors, Endpoints, ErrorResponse, Key, Methods, Origin as Configured, OriginHeader, OriginTarget, ResponseHeaders,
    S3, S3Credentials, Scheme, Scope,
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::edge::{Edge, SITE, config, request};
use crate::failover::pair;
use crate::mounts::{Folder, file, keyed};
use crate::origin::{Origin, nobody};

async fn explained(edge: &Edge, query: &str) -> Value {
    let reply = edge.admin(&format!("/explain?{query}")).await;
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, Some("application/json")), "{reply:?}");
    serde_json::from_str(&reply.body).expect("is JSON")
}

#[tokio::test]
async fn the_example_of_the_documents_is_what_an_edge_says() {
    let fields = "content-type: text/html\r\ncache-control: max-age=60\r\netag: \"v1\"\r\nvary: accept-language\r\n";
    let origin = Origin::numbered(fields).await;
    let mut config = config(origin.address);
    config.sites[0].behaviors[0].ttl.max = 30;
    config.sites[0].behaviors[0].ttl.default = 30;
    let edge = Edge::start(config).await;
    edge.begin_log();
    edge.get("/a/../index.html?page=2").await;
    edge.skip(12);
    let mut said = explained(&edge, "url=http://shop.test/index.html%3Fpage=2&header=accept-language:de").await;
    assert_eq!(said["origin"]["at"], json!([origin.address.to_string()]));
    said["origin"]["at"] = json!(["app.test:80"]);
    let document = include_str!("../../../docs/explain.md");
    let example = document.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let example: Value = serde_json::from_str(example).expect("is JSON");
    assert_eq!(said, example, "docs/explain.md should show:\n{said:#}");
}

#[tokio::test]
async fn explaining_asks_stores_counts_and_remembers_nothing() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let before = edge.admin("/metrics").await.body;
    for _ in 0..3 {
        assert_eq!(explained(&edge, "url=/a").await["verdict"]["does"], "ask the origin");
    }
    assert_eq!((origin.reads(), edge.live().store().responses(), edge.admin("/metrics").await.body), (0, 0, before));
    edge.get("/a").await;
    let before = edge.admin("/metrics").await.body;
    assert_eq!(explained(&edge, "url=/a").await["verdict"]["does"], "answer from the store");
    assert_eq!((origin.reads(), edge.admin("/metrics").await.body), (1, before));
}

#[tokio::test]
async fn each_verdict_is_told_with_its_clause() {
    let origin = Origin::numbered("cache-control: max-age=10\r\netag: \"v\"\r\n").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.begin_log();
    let verdict = async |query: &str| {
        let said = explained(&edge, query).await;
        let text = |name: &str| said["verdict"][name].as_str().unwrap_or_default().to_owned();
        (text("cacheStatus"), text("clause"))
    };
    assert_eq!(verdict("url=/a").await.0, "kubefront; fwd=uri-miss");
    edge.get("/a").await;
    let (status, clause) = verdict("url=/a").await;
    assert_eq!((status.as_str(), clause.starts_with("RFC 9111 §4.2")), ("kubefront; hit; ttl=10", true));
    assert_eq!(verdict("url=/a&method=POST").await.0, "kubefront; fwd=method");
    edge.skip(11);
    assert_eq!(verdict("url=/a").await.0, "kubefront; fwd=stale");
    edge.get("/a").await;
    edge.order(2, vec![Scope::Prefix("/".into())]);
    let (status, clause) = verdict("url=/a").await;
    assert!(
        status == "kubefront; fwd=miss; detail=purged" || status == "kubefront; fwd=uri-miss",
        "{status}: {clause}"
    );
}

#[tokio::test]
async fn what_is_not_answered_from_a_store_has_no_key_and_no_lifetime() {
    let edge = Edge::start(config(nobody())).await;
    let parts = async |query: &str| {
        let said = explained(&edge, query).await;
        ["key", "storing", "stored", "origin"].map(|part| said.get(part).is_some())
    };
    assert_eq!(parts("url=/a").await, [true; 4]);
    assert_eq!(parts("url=/a&method=POST").await, [false, false, false, true]);
}

#[tokio::test]
async fn a_preflight_to_a_distribution_that_is_off_is_refused_as_the_edge_does() {
    let mut config = config(nobody());
    config.sites[0].enabled = false;
    let cors = Cors { origins: vec!["*".into()], methods: vec!["GET".into()], ..Cors::default() };
    config.sites[0].behaviors[0].response_headers = ResponseHeaders { cors: Some(cors), ..ResponseHeaders::default() };
    let edge = Edge::start(config).await;
    let query = "url=/&method=OPTIONS&header=origin:https://a&header=access-control-request-method:GET";
    assert_eq!(explained(&edge, query).await["refusal"]["detail"], "distribution-disabled");
}

#[tokio::test]
async fn a_refusal_has_one_word_wherever_it_is_told() {
    let edge = Edge::start(config(nobody())).await;
    assert_eq!(explained(&edge, "url=/../x").await["refusal"]["detail"], "path-above-root");
    assert_eq!(edge.get("/../x").await.cache_status(), "kubefront; detail=path-above-root");
}

#[tokio::test]
async fn refusals_and_preflights_are_told() {
    let mut config = config(nobody());
    config.sites[0].aliases = vec!["shop.test".into()];
    let behavior = &mut config.sites[0].behaviors[0];
    behavior.methods = Methods::ReadOnly;
    let cors = Cors { origins: vec!["*".into()], methods: vec!["GET".into()], ..Cors::default() };
    behavior.response_headers = ResponseHeaders { cors: Some(cors), ..ResponseHeaders::default() };
    let edge = Edge::start(config).await;
    let refusal = async |query: &str| explained(&edge, query).await["refusal"].clone();
    assert_eq!(refusal("url=http://other.test/").await, json!({ "status": 421, "detail": "no-such-host" }));
    assert_eq!(refusal("url=/..").await["status"], 400);
    assert_eq!(refusal("url=/&method=POST").await, json!({ "status": 405, "detail": "method-not-allowed" }));
    let preflight = "url=/&method=OPTIONS&header=origin:https://a&header=access-control-request-method";
    assert_eq!(explained(&edge, &format!("{preflight}:GET")).await["preflight"], "granted");
    assert_eq!(explained(&edge, &format!("{preflight}:PUT")).await["preflight"], "refused");
    let wrong = edge.admin("/explain?method=GET").await;
    assert_eq!((wrong.status, wrong.body.as_str()), (StatusCode::BAD_REQUEST, "url: there is none\n"));
}

/// Makes something else of an origin.
type Change = fn(&mut Configured);

/// An edge before that origin, and what goes wrong with it before anyone is asked.
async fn ailing(edge: &Edge, detail: &str) {
    let said = explained(edge, "url=/a").await;
    let status = &said["origin"]["unasked"]["status"];
    assert_eq!(said["origin"]["unasked"]["detail"], detail, "{said:#}");
    let does = format!("answer {status}");
    assert!(said["verdict"]["does"].as_str().is_some_and(|said| said.starts_with(&does)), "{said:#}");
    let reply = edge.get("/a").await;
    assert_eq!(
        (json!(reply.status.as_u16()), json!(reply.cache_status())),
        (status.clone(), said["verdict"]["cacheStatus"].clone())
    );
}

#[tokio::test]
async fn what_keeps_an_origin_from_being_asked_is_foretold_as_it_happens() {
    let origin = Origin::numbered("").await;
    let folder = Folder::new();
    ailing(&Edge::with(&["--mounts", folder.text()], keyed(origin.address)).await, "origin-secret").await;
    let changed = |change: Change| {
        let mut config = config(origin.address);
        change(&mut config.sites[0].origins[0]);
        config
    };
    let cases: [(Change, &str); 4] = [
        (|origin| origin.target = None, "origin-missing"),
        (|origin| (origin.target, origin.invalid) = (None, Some("no".into())), "origin-invalid"),
        (
            |origin| {
                let target = |host: &str| OriginTarget::Address { scheme: Scheme::Http, host: host.into(), port: 80 };
                origin.target = Some(target("0.0.0.0"));
            },
            "origin-forbidden",
        ),
        (|origin| origin.tls.authorities = Some(file("ca.crt")), "origin-secret"),
    ];
    for (change, detail) in cases {
        let mut config = changed(change);
        if detail == "origin-secret"
            && let Some(OriginTarget::Address { scheme, .. }) = &mut config.sites[0].origins[0].target
        {
            *scheme = Scheme::Https;
        }
        ailing(&Edge::with(&["--mounts", folder.text()], config).await, detail).await;
    }
    let service =
        OriginTarget::Service { dns_name: "app.shop.svc.test".into(), port: 80, scheme: Scheme::Http, granted: false };
    let mut config = config(origin.address);
    config.sites[0].origins[0].target = Some(service.clone());
    let edge = Edge::start(config).await;
    edge.endpoints(&[]);
    ailing(&edge, "origin-no-endpoints").await;
    edge.live().take_endpoints(Endpoints {
        site: SITE.into(),
        origin: "app".into(),
        target: service,
        version: 2,
        addresses: vec![origin.address.to_string()],
    });
    let said = explained(&edge, "url=/a").await;
    assert_eq!((&said["verdict"]["does"], &said["origin"]["unasked"]), (&json!("ask the origin"), &Value::Null));
    assert_eq!(said["origin"]["at"], json!([origin.address.to_string()]));
    assert_eq!(origin.reads(), 0);
}

#[tokio::test]
async fn what_stands_in_for_an_origin_that_cannot_be_asked_is_foretold() {
    let (folder, origin) = (Folder::new(), Origin::numbered("cache-control: max-age=10\r\n").await);
    folder.write(&file("token"), "one");
    let mut config = keyed(origin.address);
    let page = ErrorResponse { code: 503, cache_ttl: None, path: Some("/sorry".into()), response_code: Some(200) };
    config.sites[0].error_responses = vec![page];
    let edge = Edge::with(&["--mounts", folder.text()], config).await;
    edge.get("/a").await;
    folder.remove(&file("token"));
    edge.live().mounts().look();
    edge.skip(20);
    let verdict = explained(&edge, "url=/a").await["verdict"].clone();
    assert_eq!(verdict["does"], "answer from the store, stale");
    assert_eq!(verdict["cacheStatus"], edge.get("/a").await.cache_status());
    let verdict = explained(&edge, "url=/b").await["verdict"].clone();
    assert_eq!(
        (&verdict["does"], &verdict["errorPage"]),
        (&json!("answer 503"), &json!({"path": "/sorry", "status": 200}))
    );
}

#[tokio::test]
async fn which_of_a_group_is_asked_first_is_told_and_why() {
    let (folder, spare) = (Folder::new(), Origin::numbered("").await);
    let mut config = pair(nobody(), spare.address);
    config.sites[0].origins[0].headers = keyed(spare.address).sites[0].origins[0].headers.clone();
    let edge = Edge::with(&["--mounts", folder.text()], config).await;
    let said = explained(&edge, "url=/a").await;
    let group = json!({
        "name": "ha", "primary": "app", "secondary": "spare", "asksFirst": "spare",
        "why": "app would not be asked: origin-secret",
    });
    assert_eq!((&said["origin"]["group"], &said["verdict"]["does"]), (&group, &json!("ask the secondary")), "{said:#}");
    assert_eq!(edge.get("/a").await.body, "read 1");
    let written = explained(&edge, "url=/a&method=POST").await;
    assert_eq!(
        (&written["verdict"]["does"], &written["origin"]["group"]["asksFirst"]),
        (&json!("answer 503"), &json!("app"))
    );
    folder.write(&file("token"), "one");
    edge.live().mounts().look();
    let said = explained(&edge, "url=/b").await;
    assert_eq!(
        (&said["origin"]["group"]["asksFirst"], &said["verdict"]["does"]),
        (&json!("app"), &json!("ask the origin"))
    );
}

/// Names, in order.
fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    names
}

#[tokio::test]
async fn every_field_that_an_origin_is_sent_is_told_by_its_name() {
    let (folder, origin) = (Folder::new(), Origin::numbered("").await);
    for key in ["token", "id", "key", "session"] {
        folder.write(&file(key), "s3cr3t");
    }
    let plain = keyed(origin.address);
    let mut bucket = keyed(origin.address);
    let credentials =
        S3Credentials { access_key_id: file("id"), secret_access_key: file("key"), session_token: file("session") };
    bucket.sites[0].origins[0].s3 = Some(S3 { region: "eu-west-1".into(), credentials: Some(credentials) });
    for (read, config) in [(1, plain), (2, bucket)] {
        let edge = Edge::with(&["--mounts", folder.text()], config).await;
        let said = explained(&edge, "url=/a&header=connection:upgrade&header=upgrade:x").await;
        edge.ask(Method::GET, "/a", &[("connection", "upgrade"), ("upgrade", "x")]).await;
        let told = said["origin"]["headers"].as_array().expect("a list").iter();
        let told = sorted(told.map(|name| name.as_str().expect("a name").to_owned()));
        let sent = sorted(origin.seen(read).headers.iter().map(|(name, _)| name.to_ascii_lowercase()));
        assert_eq!(told, sent);
        assert_eq!(said["origin"]["mounted"][0], json!({ "for": "x-origin-key", "from": "key token of Secret shop" }));
        assert!(!said.to_string().contains("s3cr3t"), "{said}");
    }
}

#[tokio::test]
async fn no_secret_is_ever_told() {
    let origin = Origin::numbered("vary: cookie\r\nx-internal: 1nternal\r\n").await;
    let mut config = config(origin.address);
    config.sites[0].origins[0].headers = vec![OriginHeader::plain("x-origin-key", "own3r")];
    config.sites[0].behaviors[0].key = Key { headers: vec!["authorization".into()], ..Key::default() };
    let edge = Edge::start(config).await;
    let mut viewer = request(Method::GET, "/a");
    viewer.headers_mut().insert("cookie", "sid=c00kie".parse().expect("a value"));
    viewer.headers_mut().insert("authorization", "Bearer t0ken".parse().expect("a value"));
    edge.send(viewer).await;
    for query in [
        "url=/a",
        "url=/a&header=cookie:sid=c00kie&header=authorization:Bearer+t0ken",
        "url=/a&method=POST&header=cookie:c00kie",
    ] {
        let said = explained(&edge, query).await.to_string();
        assert!(said.contains("x-origin-key"), "names are told");
        for secret in ["c00kie", "t0ken", "own3r", "1nternal"] {
            assert!(!said.contains(secret), "{query}: {said}");
        }
    }
}
