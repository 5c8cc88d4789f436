//! `kubefront dev`: what Secrets and `ConfigMap`s are in a cluster is a folder here.

use crate::dev::origin;
use crate::folder::Folder;
use crate::process::Dev;

const SECRET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/secret-header.yaml");
const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/origin-tls.yaml");

#[tokio::test]
async fn a_secret_that_is_missing_is_told_with_the_file_that_mends_it() {
    let ((_shop, shop), (_api, api)) = (origin("shop-origin").await, origin("api-origin").await);
    let folder = Folder::new();
    let mounts = format!("--mounts={}", folder.text());
    let mut dev = Dev::start(&["-f", SECRET, &shop, &api, &mounts]).await;
    let said = dev.says("key token of Secret shop-token is not on this machine").await;
    assert!(said.contains("warning: spec.origins[api].headers[X-Origin-Token].secretKeyRef: "), "{said}");
    let file = folder.path("secret/shop-token/token");
    let mends = format!("; put it into {file}; it counts within two seconds");
    assert!(said.ends_with(&format!(", and origin api is not asked without it{mends}")), "{said}");
    assert_eq!(dev.get("/api/a").await.status, 503);
    let said = dev.says("no answer").await;
    assert!(said.ends_with(&mends) && !said.contains("two minutes"), "{said}");
    std::fs::create_dir_all(folder.path("secret/shop-token")).expect("is made");
    std::fs::write(file, "a-token\n").expect("is written");
    dev.says("all is well again").await;
    let reply = dev.get("/api/a").await;
    assert_eq!((reply.status, reply.body.starts_with("content api-origin\n")), (200, true), "{reply:?}");
}

#[tokio::test]
async fn a_secret_without_a_folder_for_it_is_told_with_the_flag() {
    let ((_shop, shop), (_api, api)) = (origin("shop-origin").await, origin("api-origin").await);
    let mut dev = Dev::start(&["-f", SECRET, &shop, &api]).await;
    let said = dev.says("key token of Secret shop-token is not on this machine").await;
    assert!(said.ends_with("; add --mounts FOLDER, and put it into FOLDER/secret/shop-token/token"), "{said}");
}

#[tokio::test]
async fn of_several_that_are_missing_a_line_names_the_one_that_it_is_about() {
    let ((_shop, shop), (_api, api)) = (origin("shop-origin").await, origin("api-origin").await);
    let folder = Folder::new();
    let mounts = format!("--mounts={}", folder.text());
    let mut dev = Dev::start(&["-f", TLS, &shop, &api, &mounts]).await;
    for path in ["configmap/company-ca/ca.crt", "secret/edge-identity/tls.crt", "secret/edge-identity/tls.key"] {
        let mends = format!("; put it into {}; it counts within two seconds", folder.path(path));
        assert!(dev.says("is not on this machine").await.ends_with(&mends));
    }
    assert_eq!(dev.get("/api/a").await.status, 503);
    let said = dev.says("no answer").await;
    let file = folder.path("configmap/company-ca/ca.crt");
    assert!(said.contains("tls.caConfigMapRef: ConfigMap company-ca") && said.contains(&file), "{said}");
}
