//! A bucket of s3s-fs, which checks every signature, behind an edge. It asks no policy, knows one region and no missing bucket, and reads
//! whatever a condition says: that is moto's part.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tests_s3::bucket::{Edge, Folder, Key};
use tests_s3::keys;
use tokio::net::TcpListener;

/// A server of one bucket, `shop`, and of nobody but who has this key.
struct Server {
    address: SocketAddr,
    key: Key,
    folder: Folder,
}

impl Server {
    async fn start() -> Self {
        let key = Key { id: "AKIDEXAMPLE".into(), secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCY".into(), token: None };
        let folder = Folder::new();
        std::fs::create_dir(folder.0.join("shop")).expect("is created");
        let mut builder = S3ServiceBuilder::new(FileSystem::new(&folder.0).expect("is a folder"));
        builder.set_auth(SimpleAuth::from_single(key.id.as_str(), key.secret.as_str()));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("is bound");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone()));
            }
        });
        Self { address, key, folder }
    }

    async fn edge(&self) -> Edge {
        Edge::before(self.address, "shop", &self.key).await
    }

    /// What lies in the bucket, whoever put it there.
    fn holds(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.0.join("shop").join(key)).ok()
    }
}

/// What a file system cannot hold under its own name, and why.
fn unfit(key: &str) -> Option<&'static str> {
    match key {
        _ if key.starts_with('/') => Some("a key that begins with a slash leads out of the folder of the bucket"),
        _ if key.contains("//") => Some("two slashes are one to a file system"),
        _ if key.ends_with('/') => Some("it is a folder"),
        _ if key.len() > 150 => {
            Some("beside the object lies a file whose name is the key in base64, at most 255 bytes")
        }
        _ => None,
    }
}

#[tokio::test]
async fn odd_keys_are_written_and_read_and_lie_in_the_bucket_under_their_own_names() {
    let server = Server::start().await;
    let (fit, others): (Vec<String>, Vec<String>) = keys::all().into_iter().partition(|key| unfit(key).is_none());
    assert!(fit.len() >= 300 && others.len() < 12, "{} and {others:?}", fit.len());
    let lost = keys::write_and_read(&server.edge().await, &fit).await;
    assert!(lost.is_empty(), "{} of {}: {lost:#?}", lost.len(), fit.len());
    for key in &fit {
        assert_eq!(server.holds(key).as_deref(), Some(&keys::object(key)[..]), "{key:?}");
    }
    println!("{} keys, byte-equal; {} that a file system cannot hold:", fit.len(), others.len());
    for key in &others {
        let beginning: String = key.chars().take(40).collect();
        println!("  {beginning:?}: {}", unfit(key).unwrap_or_default());
    }
}

#[track_caller]
fn refused(reply: &tests_s3::bucket::Reply, status: StatusCode, detail: &str) {
    assert_eq!((reply.status, reply.text()), (status, format!("{status}: {detail}\n")));
}

#[tokio::test]
async fn each_thing_that_is_wrong_with_an_origin_is_told_apart() {
    let server = Server::start().await;
    let get = async |key: Key| Edge::before(server.address, "shop", &key).await.send(Method::GET, "/a", "").await;
    let wrong = Key { secret: "another".into(), ..server.key.clone() };
    refused(&get(wrong).await, StatusCode::FORBIDDEN, "s3-wrong-secret");
    let unknown = Key { id: "AKIDUNKNOWN".into(), ..server.key.clone() };
    refused(&get(unknown).await, StatusCode::FORBIDDEN, "s3-unknown-access-key");
    refused(&get(server.key.clone()).await, StatusCode::NOT_FOUND, "s3-no-such-key");
    let edge = server.edge().await;
    edge.clock.skip(Duration::from_hours(1));
    refused(&edge.send(Method::GET, "/a", "").await, StatusCode::FORBIDDEN, "s3-clock");
}

#[tokio::test]
async fn a_bucket_that_a_signature_could_list_or_delete_does_neither_for_viewers() {
    let server = Server::start().await;
    let edge = server.edge().await;
    edge.send(Method::PUT, "/a", "object").await;
    for target in ["/", "/?list-type=2", "//", "/%2F", "/?delete"] {
        for method in [Method::GET, Method::DELETE, Method::PUT, Method::POST] {
            assert_eq!(edge.send(method, target, "").await.status, StatusCode::NOT_FOUND, "{target}");
        }
    }
    let read = edge.send(Method::GET, "/a?acl&tagging&versionId=9&uploads", "").await;
    assert_eq!((read.status, read.text()), (StatusCode::OK, "object".to_owned()));
    let copied = Request::put("/b").header("host", "shop.test").header("x-amz-copy-source", "/shop/a");
    let copied = edge.viewer().await.send(copied.body(Full::new("own".into())).expect("is one")).await;
    assert_eq!(copied.status, StatusCode::OK);
    assert_eq!(server.holds("b").as_deref(), Some(&b"own"[..]));
}

#[tokio::test]
async fn writes_of_every_size_and_ranges_pass() {
    let server = Server::start().await;
    let edge = server.edge().await;
    for size in [0, 1, 65_536, 9_000_000] {
        let object: Vec<u8> = (0..size).map(|at: u32| u8::try_from(at % 251).expect("is small")).collect();
        assert_eq!(edge.send(Method::PUT, "/big", object.clone()).await.status, StatusCode::OK, "{size}");
        assert_eq!(server.holds("big"), Some(object.clone()), "{size}");
        assert!(edge.send(Method::GET, "/big", "").await.body == object, "{size}");
    }
    let part = Request::get("/big").header("host", "shop.test").header("range", "bytes=100-103");
    let part = edge.viewer().await.send(part.body(Full::default()).expect("is one")).await;
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &[100, 101, 102, 103][..]));
    assert_eq!(edge.send(Method::HEAD, "/big", "").await.headers["content-length"], "9000000");
    assert!(edge.send(Method::DELETE, "/big", "").await.status.is_success());
    assert_eq!(server.holds("big"), None);
}
