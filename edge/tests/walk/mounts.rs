//! What is mounted for an origin: sent to it, followed while it changes, and seen by nobody else.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use edge_contract::{
    EdgeConfig, Identity, Mounted, MountedKind, OriginHeader, OriginHeaderValue, OriginTls, S3, S3Credentials,
};
use http::{Method, StatusCode};

use crate::edge::{Edge, config, open, read, request};
use crate::origin::{Origin, nobody};
use crate::program::{Place, Program};

/// A folder of mounted files. It is gone with its test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("kubefront-walk-mounts-{}-{number}", std::process::id())))
    }

    pub fn text(&self) -> &str {
        self.0.to_str().expect("is text")
    }

    pub fn write(&self, file: &Mounted, content: &str) {
        let path = self.0.join(file.path());
        fs::create_dir_all(path.parent().expect("lies in a folder")).expect("is created");
        fs::write(path, content).expect("is written");
    }

    pub fn remove(&self, file: &Mounted) {
        fs::remove_file(self.0.join(file.path())).expect("was there");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn file(key: &str) -> Mounted {
    Mounted { kind: MountedKind::Secret, name: "shop".into(), key: key.into(), field: format!("spec.{key}") }
}

/// One origin, which wants to be sent what is mounted as `token`.
pub fn keyed(origin: SocketAddr) -> EdgeConfig {
    let mut config = config(origin);
    let value = OriginHeaderValue::ValueFrom(file("token"));
    config.sites[0].origins[0].headers = vec![OriginHeader { name: "x-origin-key".into(), value }];
    config
}

#[tokio::test]
async fn an_origin_is_sent_what_is_mounted_for_it_and_what_it_changes_to() {
    let (folder, origin) = (Folder::new(), Origin::numbered("").await);
    folder.write(&file("token"), "one\n");
    let edge = Edge::with(&["--mounts", folder.text()], keyed(origin.address)).await;
    edge.get("/a").await;
    folder.write(&file("token"), "two");
    edge.live().mounts().look();
    edge.ask(Method::POST, "/b", &[("x-origin-key", "of the viewer")]).await;
    let sent: Vec<_> = (1..=2).map(|number| origin.seen(number).header("x-origin-key").map(str::to_owned)).collect();
    assert_eq!(sent, [Some("one".to_owned()), Some("two".to_owned())]);
}

#[tokio::test]
async fn an_origin_is_not_asked_without_what_it_is_to_be_sent() {
    let (folder, origin) = (Folder::new(), Origin::numbered("").await);
    let edge = Edge::with(&["--mounts", folder.text()], keyed(origin.address)).await;
    for unfit in [None, Some(""), Some("\n"), Some("two\nlines")] {
        if let Some(content) = unfit {
            folder.write(&file("token"), content);
        }
        edge.live().mounts().look();
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let reply = edge.ask(method, "/a", &[("x-origin-key", "of the viewer")]).await;
            assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{unfit:?}");
            assert!(reply.cache_status().ends_with("detail=origin-secret"), "{unfit:?}: {reply:?}");
        }
    }
    assert_eq!(origin.reads(), 0);
    folder.write(&file("token"), "here");
    edge.live().mounts().look();
    assert_eq!(edge.get("/a").await.status, StatusCode::OK, "it heals by itself");
}

#[tokio::test]
async fn what_is_stored_stands_in_while_a_secret_is_missing() {
    let (folder, origin) = (Folder::new(), Origin::numbered("cache-control: max-age=10\r\n").await);
    folder.write(&file("token"), "one");
    let edge = Edge::with(&["--mounts", folder.text()], keyed(origin.address)).await;
    edge.get("/a").await;
    folder.remove(&file("token"));
    edge.live().mounts().look();
    edge.skip(20);
    let stale = edge.get("/a").await;
    assert_eq!((stale.status, stale.body.as_str()), (StatusCode::OK, "read 1"));
    assert_eq!(stale.cache_status(), "kubefront; hit; ttl=-10; detail=stale-unreachable");
}

/// What no eye may see stands in every file.
const MARK: &str = "n0b0dys-bus1ness";

/// Origins that are mounted all that can be.
fn secretive(origin: SocketAddr) -> EdgeConfig {
    let mut config = keyed(origin);
    let site = &mut config.sites[0];
    site.origins[0].s3 = Some(S3 {
        region: "eu-west-1".into(),
        credentials: Some(S3Credentials {
            access_key_id: file("id"),
            secret_access_key: file("key"),
            session_token: file("session"),
        }),
    });
    site.origins[0].tls = OriginTls {
        authorities: Some(file("ca.crt")),
        identity: Some(Identity { certificate: file("tls.crt"), key: file("tls.key") }),
        ..OriginTls::default()
    };
    config
}

#[tokio::test]
async fn nothing_of_what_is_mounted_is_seen_by_anyone_but_the_origin() {
    let (folder, origin) = (Folder::new(), Origin::numbered("cache-control: max-age=60\r\n").await);
    let config = secretive(origin.address);
    for reference in config.sites[0].references() {
        folder.write(reference.mounted, &format!("{MARK}-{}", reference.mounted.key));
    }
    let mounted = Place::of(&config);
    let arguments = ["--drain-accept", "0", "--config", mounted.text(), "--mounts", folder.text()];
    let mut program = Program::with(&arguments, &[("RUST_LOG", Path::new("trace"))]);
    let accepting = program.says("viewers").await;
    let at = |name: &str| accepting[name].as_str().and_then(|at| at.parse().ok()).expect("an address");
    let (viewers, admin) = (at("viewers"), at("admin"));
    let mut seen = Vec::new();
    for method in [Method::GET, Method::GET, Method::HEAD, Method::POST] {
        seen.push(read(open(viewers, request(method, "/a")).await.expect("answers")).await.expect("is complete"));
    }
    for target in ["/metrics", "/readyz", "/explain?url=/a", "/explain?url=/b&header=x-origin-key:x"] {
        seen.push(read(open(admin, request(Method::GET, target)).await.expect("answers")).await.expect("is complete"));
    }
    // Of no use, and so told about.
    folder.write(&file("token"), &format!("{MARK}\n{MARK}"));
    program.says("generation").await;
    seen.push(read(open(viewers, request(Method::GET, "/c")).await.expect("answers")).await.expect("is complete"));
    assert_eq!(
        origin.seen(1).header("x-origin-key"),
        Some(format!("{MARK}-token").as_str()),
        "the test is about something"
    );
    assert_eq!(seen.last().map(|reply| reply.status), Some(StatusCode::SERVICE_UNAVAILABLE));
    program.terminate();
    let said = program.said().await;
    assert!(said.contains("origin-secret"), "what it said last is there");
    let all = format!("{said}\n{seen:?}");
    let at = all.find(MARK).map(|at| &all[at.saturating_sub(200)..at]);
    assert_eq!(at, None);
}

#[tokio::test]
async fn nothing_that_is_printed_for_developers_holds_a_secret() {
    let folder = Folder::new();
    let config = secretive(nobody());
    for reference in config.sites[0].references() {
        folder.write(reference.mounted, MARK);
    }
    let edge = Edge::with(&["--mounts", folder.text()], config).await;
    assert_eq!(edge.live().mounts().read(&file("token")).expect("is there").bytes(), MARK.as_bytes());
    assert!(!format!("{:?}", edge.live()).contains(MARK));
}
