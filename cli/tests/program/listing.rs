//! `kubefront dev`: what it prints of what it serves.

use crate::dev::origin;
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
