//! `kubefront dev`: what it prints of what it serves.

use crate::dev::{origin, shop};
use crate::folder::Folder;
use crate::process::Dev;

const GROUP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/two-origins-for-one-path.yaml");

#[tokio::test]
async fn a_group_is_listed_and_who_stands_in_for_an_origin_that_is_nowhere() {
    let (_spare, service) = origin("api-origin").await;
    let mut dev = Dev::start(&["-f", GROUP, &service]).await;
    let said = dev.says("  app: ").await;
    assert_eq!(said, "  app: Service default/shop-origin, nowhere: spare answers in its place in ha");
    dev.says("  spare: Service default/api-origin at http://127.0.0.1:").await;
    let said = dev.says("  ha: ").await;
    assert_eq!(said, "  ha: app, and spare where app gives no answer or one of 500, 502, 503, 504");
    let said = dev.says("nothing says where Service default/shop-origin is on this machine").await;
    let mends = ", so spare answers in its place in ha; add --service default/shop-origin=HOST:PORT";
    assert!(said.ends_with(mends), "{said}");
    let reply = dev.get("/").await;
    assert_eq!((reply.status, reply.body.starts_with("content api-origin\n")), (200, true), "{reply:?}");
}

#[tokio::test]
async fn of_an_edit_only_what_is_new_is_said() {
    let (_origin, service) = origin("shop-origin").await;
    let (folder, file) = Folder::with("shop.yaml", &shop("shop", ""));
    let mut dev = Dev::start(&["-f", &file, &service]).await;
    dev.says("viewers: http://").await;
    folder.put("shop.yaml", &shop("shop", "  defaultRootObject: index.html\n"));
    assert_eq!(dev.says("").await, "serving default/shop generation 2");
    let with_other = shop("shop", "")
        .replace("  defaultBehavior", "    - {name: web, url: \"http://192.0.2.1\"}\n  defaultBehavior");
    folder.put("shop.yaml", &format!("{with_other}  aliases: [shop.example.com]\n"));
    assert_eq!(dev.says("").await, "serving default/shop generation 3 for shop.example.com");
    assert_eq!(dev.says("").await, "  web: http://192.0.2.1 at http://192.0.2.1:80");
    folder.put("shop.yaml", &shop("shop", "  aliases: [shop.example.com]\n"));
    assert_eq!(dev.says("").await, "serving default/shop generation 4");
    assert_eq!(dev.says("").await, "  web: is no more");
}
