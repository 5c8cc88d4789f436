//! HTTPS origins that are verified by what is mounted, and that verify who asks.

use edge_contract::{EdgeConfig, Identity, Mounted, MountedKind, OriginTls};
use http::StatusCode;

use crate::edge::Edge;
use crate::https::{Authority, Secure};
use crate::mounts::Folder;

fn file(key: &str) -> Mounted {
    Mounted { kind: MountedKind::Secret, name: "shop".into(), key: key.into(), field: format!("spec.{key}") }
}

fn with(mut config: EdgeConfig, tls: OriginTls) -> EdgeConfig {
    config.sites[0].origins[0].tls = tls;
    config
}

/// Verified by what is mounted as `ca.crt`.
fn by_mounted() -> OriginTls {
    OriginTls { authorities: Some(file("ca.crt")), ..OriginTls::default() }
}

/// The same, and as whom `tls.crt` and `tls.key` say.
fn as_mounted() -> OriginTls {
    OriginTls { identity: Some(Identity { certificate: file("tls.crt"), key: file("tls.key") }), ..by_mounted() }
}

async fn edge(folder: &Folder, config: EdgeConfig) -> Edge {
    Edge::with(&["--mounts", folder.text()], config).await
}

/// What a viewer is told of an origin that is not asked.
async fn detail(edge: &Edge, path: &str) -> (StatusCode, String) {
    let reply = edge.get(path).await;
    let status = reply.cache_status();
    (reply.status, status.split_once("detail=").map(|(_, detail)| detail.to_owned()).unwrap_or_default())
}

#[tokio::test]
async fn an_origin_may_be_vouched_for_by_an_authority_of_ones_own() {
    let (folder, own) = (Folder::new(), Authority::new("own"));
    folder.write(&file("ca.crt"), &own.pem());
    let origin = Secure::showing(own.certificate("localhost", |_| ())).await;
    let edge = edge(&folder, with(origin.at("localhost"), by_mounted())).await;
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
}

#[tokio::test]
async fn whom_another_authority_vouches_for_is_not_believed_where_one_is_mounted() {
    let (folder, own, other) = (Folder::new(), Authority::new("own"), Authority::new("other"));
    folder.write(&file("ca.crt"), &own.pem());
    let origin = Secure::showing(other.certificate("localhost", |_| ())).await;
    let edge = edge(&folder, with(origin.at("localhost"), by_mounted())).await;
    assert_eq!(detail(&edge, "/a").await, (StatusCode::BAD_GATEWAY, "origin-certificate".into()));
    assert_eq!(origin.origin.reads(), 0);
}

#[tokio::test]
async fn an_authority_that_is_taken_away_is_believed_no_more_by_kept_connections_either() {
    let (folder, own, other) = (Folder::new(), Authority::new("own"), Authority::new("other"));
    folder.write(&file("ca.crt"), &own.pem());
    let origin = Secure::showing(own.certificate("localhost", |_| ())).await;
    let edge = edge(&folder, with(origin.at("localhost"), by_mounted())).await;
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
    folder.write(&file("ca.crt"), &other.pem());
    edge.live().mounts().look();
    assert_eq!(detail(&edge, "/b").await, (StatusCode::BAD_GATEWAY, "origin-certificate".into()));
    folder.write(&file("ca.crt"), &format!("{}{}", other.pem(), own.pem()));
    edge.live().mounts().look();
    assert_eq!(edge.get("/c").await.status, StatusCode::OK, "both are believed");
}

#[tokio::test]
async fn what_is_unchanged_keeps_its_connections_whatever_else_changes() {
    let (folder, own) = (Folder::new(), Authority::new("own"));
    folder.write(&file("ca.crt"), &own.pem());
    let origin = Secure::showing(own.certificate("localhost", |_| ())).await;
    let edge = edge(&folder, with(origin.at("localhost"), by_mounted())).await;
    edge.get("/a").await;
    folder.write(&file("ca.crt"), "");
    edge.live().mounts().look();
    folder.write(&file("ca.crt"), &own.pem());
    edge.live().mounts().look();
    edge.get("/b").await;
    assert_eq!(origin.names().len(), 1, "one connection");
}

#[tokio::test]
async fn an_edge_proves_itself_to_an_origin_that_asks_who_it_is() {
    let (folder, own, askers) = (Folder::new(), Authority::new("own"), Authority::new("askers"));
    folder.write(&file("ca.crt"), &own.pem());
    let (certificate, key) = askers.identity("edge.test");
    folder.write(&file("tls.crt"), &certificate);
    folder.write(&file("tls.key"), &key);
    let shown = || own.certificate("localhost", |_| ());
    let origin = Secure::letting_in(shown(), askers.verifying()).await;
    let known = edge(&folder, with(origin.at("localhost"), as_mounted())).await;
    assert_eq!(known.get("/a").await.status, StatusCode::OK);
    let unknown = edge(&folder, with(origin.at("localhost"), by_mounted())).await;
    assert_eq!(detail(&unknown, "/a").await, (StatusCode::BAD_GATEWAY, "origin-client-certificate".into()));
    let mut is_left_alone = false;
    for number in 0..30 {
        is_left_alone |= detail(&unknown, &format!("/{number}")).await.1 == "origin-breaker-open";
    }
    assert!(is_left_alone, "a handshake that fails is no connection, whenever TLS tells of it");
    let (certificate, key) = Authority::new("strangers").identity("edge.test");
    folder.write(&file("tls.crt"), &certificate);
    folder.write(&file("tls.key"), &key);
    known.live().mounts().look();
    assert_eq!(detail(&known, "/b").await, (StatusCode::BAD_GATEWAY, "origin-client-certificate".into()));
    assert_eq!(origin.origin.reads(), 1);
}

#[tokio::test]
async fn whoever_answers_is_believed_where_the_owner_says_so() {
    let (folder, other) = (Folder::new(), Authority::new("other"));
    let origin = Secure::showing(other.certificate("elsewhere.test", |_| ())).await;
    let careless = OriginTls { insecure_skip_verify: true, ..OriginTls::default() };
    let edge = edge(&folder, with(origin.at("localhost"), careless)).await;
    assert_eq!(edge.get("/a").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_of_no_use_is_said_before_anyone_asks_and_heals() {
    let (folder, own) = (Folder::new(), Authority::new("own"));
    let (certificate, key) = own.identity("edge.test");
    let (another, key_of_another) = own.identity("edge.test");
    let origin = Secure::showing(own.certificate("localhost", |_| ())).await;
    let not_its_key = "key tls.key of Secret shop is of no use: it is not the key of that certificate";
    let cases = [
        ("ca.crt", "none", "ca.crt", "key ca.crt of Secret shop is of no use: it holds no certificate in PEM form"),
        ("tls.crt", "none", "tls.crt", "key tls.crt of Secret shop is of no use: it holds no certificate in PEM form"),
        ("tls.key", "none", "tls.key", "key tls.key of Secret shop is of no use: it holds no private key in PEM form"),
        ("tls.key", &key_of_another, "tls.key", not_its_key),
        // It is said of the key, and another file mends it.
        ("tls.crt", &another, "tls.key", not_its_key),
    ];
    for (name, content, blamed, expect) in cases {
        for (name, content) in [("ca.crt", &own.pem()), ("tls.crt", &certificate), ("tls.key", &key)] {
            folder.write(&file(name), content);
        }
        folder.write(&file(name), content);
        let edge = edge(&folder, with(origin.at("localhost"), as_mounted())).await;
        let mut seen = edge.live().observing().changes();
        let said = seen.wait_for(|seen| !seen.references.is_empty()).await.expect("the edge lives").clone().references;
        assert_eq!((said[0].field.as_str(), said[0].message.as_str()), (format!("spec.{blamed}").as_str(), expect));
        assert_eq!(detail(&edge, "/a").await, (StatusCode::SERVICE_UNAVAILABLE, "origin-secret".into()));
        let sound = if name == "ca.crt" {
            own.pem()
        } else if name == "tls.crt" {
            certificate.clone()
        } else {
            key.clone()
        };
        folder.write(&file(name), &sound);
        edge.live().mounts().look();
        assert_eq!(edge.get("/a").await.status, StatusCode::OK, "{name} heals");
        assert_eq!(seen.borrow().references, []);
        // Astray and back: what is made of it was made before.
        folder.write(&file(name), content);
        edge.live().mounts().look();
        assert_eq!(detail(&edge, "/b").await, (StatusCode::SERVICE_UNAVAILABLE, "origin-secret".into()));
        folder.write(&file(name), &sound);
        edge.live().mounts().look();
        assert_eq!(edge.get("/c").await.status, StatusCode::OK, "{name} heals again");
        assert_eq!(seen.borrow().references, []);
    }
}
