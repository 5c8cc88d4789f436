//! `kubefront dev`: an origin on this machine is spoken to as in a cluster, or as a flag says.

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::dev::shop;
use crate::folder::Folder;
use crate::process::Dev;

/// How a handshake begins: a record of that kind, in a version that says nothing any more (RFC 8446 §5.1).
const HANDSHAKE: [u8; 2] = [22, 3];

/// How HTTP/2 with prior knowledge begins (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// What an edge says first to an origin, which then hangs up.
async fn first_words(manifest: &str, scheme: &str) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("is one");
    let hears = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let mut heard = vec![0; 4096];
        let length = stream.read(&mut heard).await.expect("hears");
        heard.truncate(length);
        heard
    });
    let (_folder, file) = Folder::with("shop.yaml", manifest);
    let dev = Dev::start(&["-f", &file, &format!("--service=shop-origin={scheme}{address}")]).await;
    assert_eq!(dev.get("/").await.status, 502, "nobody answered");
    hears.await.expect("ends")
}

fn names(heard: &[u8], host: &str) -> bool {
    heard.windows(host.len()).any(|window| window == host.as_bytes())
}

#[tokio::test]
async fn an_origin_is_spoken_to_as_the_manifest_says() {
    let plain = shop("shop", "");
    assert!(first_words(&plain, "").await.starts_with(b"GET / HTTP/1.1\r\n"));
    let with_tls = plain.replace("port: 80}\n", "port: 80}\n      tls: {}\n");
    let heard = first_words(&with_tls, "").await;
    assert!(heard.starts_with(&HANDSHAKE) && names(&heard, "shop-origin.default.svc"), "{heard:?}");
    let declared = "---\napiVersion: v1\nkind: Service\nmetadata: {name: shop-origin}\nspec: {ports: [{port: 80, appProtocol: kubernetes.io/h2c}]}\n";
    assert!(first_words(&format!("{plain}{declared}"), "").await.starts_with(PREFACE));
}

#[tokio::test]
async fn an_origin_is_spoken_to_as_its_flag_says() {
    let plain = shop("shop", "");
    let heard = first_words(&plain, "https://").await;
    assert!(heard.starts_with(&HANDSHAKE) && names(&heard, "shop-origin.default.svc"), "{heard:?}");
    assert!(first_words(&plain, "h2c://").await.starts_with(PREFACE));
    let with_tls = plain.replace("port: 80}\n", "port: 80}\n      tls: {}\n");
    assert!(first_words(&with_tls, "http://").await.starts_with(b"GET / HTTP/1.1\r\n"));
}
