//! `kubefront dev`: the conditions that a cluster would show.

use serde_json::Value;

use crate::dev::{origin, shop};
use crate::folder::Folder;
use crate::process::{Dev, PATIENCE};

async fn conditions(dev: &Dev) -> Value {
    let reply = dev.admin("GET", "/conditions").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let shown: Value = serde_json::from_str(&reply.body).expect("is JSON");
    shown["items"][0].clone()
}

#[track_caller]
fn check(shown: &Value, type_: &str, status: &str, message: &str) {
    let all = shown["status"]["conditions"].as_array().expect("are some");
    let one = all.iter().find(|one| one["type"] == type_).expect("is one");
    let said = one["message"].as_str().expect("is text");
    assert!(one["status"] == status && said.contains(message), "{one:#}");
}

#[tokio::test]
async fn conditions_are_those_that_a_cluster_would_show() {
    let (_origin, service) = origin("shop-origin").await;
    let (folder, file) = Folder::with("shop.yaml", &shop("shop", ""));
    let mut dev = Dev::start(&["-f", &file, &service]).await;
    let shown = conditions(&dev).await;
    assert_eq!((&shown["metadata"]["name"], &shown["status"]["programmedGeneration"]), (&"shop".into(), &1.into()));
    check(&shown, "Ready", "True", "every edge serves generation 1");
    let local = shop("shop", "").replace("service: {name: shop-origin, port: 80}", "url: http://169.254.0.1");
    folder.put("shop.yaml", &local);
    dev.says("not taken; generation 1 of default/shop serves on").await;
    let shown = conditions(&dev).await;
    assert_eq!((&shown["metadata"]["generation"], &shown["status"]["programmedGeneration"]), (&2.into(), &1.into()));
    check(&shown, "ResolvedRefs", "False", "spec.origins[app].url: 169.254.0.1 is a link-local address");
    check(&shown, "Programmed", "False", "generation 1 serves on, because generation 2 is refused");
    check(&shown, "Stalled", "True", "change spec.origins[app].url");
}

#[tokio::test]
async fn conditions_tell_what_the_edge_has_found_out() {
    let (_folder, file) = Folder::with("shop.yaml", &shop("shop", ""));
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = mute.local_addr().expect("is one");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = mute.accept().await {
            // Who ends a connection with something unread in it resets it.
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4_096]).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"+OK ready\r\n").await;
        }
    });
    let dev = Dev::start(&["-f", &file, &format!("--service=shop-origin={address}")]).await;
    check(&conditions(&dev).await, "OriginsHealthy", "True", "no origin is known to be down");
    assert_eq!(dev.get("/").await.status, 502);
    // The edge knows before it answers; that it is judged is a matter of a moment.
    let judged = async {
        while conditions(&dev).await.to_string().contains("no origin is known to be down") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, judged).await.expect("is judged");
    check(&conditions(&dev).await, "OriginsHealthy", "False", "does not speak HTTP");
    check(&conditions(&dev).await, "Ready", "True", "every edge serves");
    let dev = Dev::start(&["-f", &file]).await;
    let mends = "spec.origins[app]: it is nowhere on this machine; add --service default/shop-origin=HOST:PORT";
    check(&conditions(&dev).await, "OriginsHealthy", "False", mends);
}
