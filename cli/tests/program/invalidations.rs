//! Invalidations without a cluster: dropped into the files, or posted.

use crate::dev::{origin, shop};
use crate::folder::Folder;
use crate::process::Dev;

fn invalidation(metadata: &str, paths: &str) -> String {
    format!(
        "apiVersion: cdn.kubefront.io/v1alpha1\nkind: Invalidation\nmetadata: {metadata}\nspec: {{distributionRef: {{name: shop}}, paths: [{paths}]}}\n"
    )
}

#[tokio::test]
async fn one_that_is_dropped_into_the_folder_removes_what_it_names() {
    let (_origin, service) = origin("shop-origin").await;
    let folder = Folder::new();
    folder.put("shop.yaml", &shop("shop", ""));
    let mut dev = Dev::start(&["-f", folder.text(), &service]).await;
    for target in ["/img/a?max-age=60", "/img/b?max-age=60", "/page?max-age=60"] {
        dev.get(target).await;
    }
    folder.put("inv.yaml", &invalidation("{name: images}", "\"/img/*\""));
    dev.says("Invalidation default/images: 2 stored responses of default/shop removed").await;
    assert!(dev.get("/img/a?max-age=60").await.body.contains("read 4"));
    assert!(dev.get("/page?max-age=60").await.body.contains("read 3"), "nothing else");
    folder.put("inv.yaml", &invalidation("{name: images}", "/page"));
    dev.says("inv.yaml:4: error: spec: an Invalidation is immutable").await;
}

#[tokio::test]
async fn a_file_that_is_emptied_for_a_moment_fires_nothing_again() {
    let (_origin, service) = origin("shop-origin").await;
    let folder = Folder::new();
    folder.put("shop.yaml", &shop("shop", ""));
    folder.put("inv.yaml", &invalidation("{name: images}", "\"/img/*\""));
    let mut dev = Dev::start(&["-f", folder.text(), &service]).await;
    dev.says("Invalidation default/images: 0 stored responses").await;
    dev.get("/img/a?max-age=60").await;
    folder.put("inv.yaml", "");
    dev.says("inv.yaml: error: is empty").await;
    folder.put("inv.yaml", &invalidation("{name: images}", "\"/img/*\""));
    dev.says("all is well again").await;
    assert!(dev.get("/img/a?max-age=60").await.body.contains("read 1"), "it was never out of the files");
}

#[tokio::test]
async fn one_that_is_posted_is_answered_with_what_it_removed() {
    let (_origin, service) = origin("shop-origin").await;
    let (_folder, file) = Folder::with("shop.yaml", &shop("shop", ""));
    let dev = Dev::start(&["-f", &file, &service]).await;
    for target in ["/a?max-age=60", "/b?max-age=60"] {
        dev.get(target).await;
    }
    let reply = dev.post(&invalidation("{generateName: shop-}", "\"/*\""), "").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let said: serde_json::Value = serde_json::from_str(&reply.body).expect("is JSON");
    let expect = serde_json::json!({ "invalidations": [
        { "invalidation": "default/shop-1", "distribution": "default/shop", "sequence": 1, "removed": 2 },
    ]});
    assert_eq!(said, expect);
    assert!(dev.get("/a?max-age=60").await.body.contains("read 3"));
    let again = dev.post(&invalidation("{generateName: shop-}", "/a?max-age=60"), "").await;
    assert!(again.body.contains("\"removed\":1") && again.body.contains("\"sequence\":2"), "{again:?}");
}

#[tokio::test]
async fn what_is_posted_wrongly_is_refused_with_the_reason() {
    let (_origin, service) = origin("shop-origin").await;
    let (_folder, file) = Folder::with("shop.yaml", &shop("shop", ""));
    let dev = Dev::start(&["-f", &file, &service]).await;
    dev.get("/a?max-age=60").await;
    let everything = invalidation("{generateName: shop-}", "\"/*\"");
    for (text, headers, status, expect) in [
        (everything.as_str(), "origin: http://evil.example\r\n", 403, "not from a web page"),
        (&everything.replace("name: shop}", "name: blog}"), "", 404, "there is no Distribution default/blog here"),
        (&everything.replace("/*", "*"), "", 422, "request:4: error: spec.paths[0]: must be a path that begins with /"),
        (&shop("shop", ""), "", 422, "give Invalidations, and nothing else"),
        ("spec: [", "", 422, "is no YAML"),
        (&everything.replace('\n', ""), "", 422, "use --data-binary"),
        (&format!("# comment{everything}").replace('\n', ""), "", 422, "use --data-binary"),
        (&format!("{everything}---\n{}", everything.replace("name: shop}", "name: blog}")), "", 404, "default/blog"),
    ] {
        let reply = dev.post(text, headers).await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(reply.body.contains(expect), "{reply:?}");
    }
    assert!(dev.get("/a?max-age=60").await.body.contains("read 1"), "nothing was removed");
    let paths = dev.admin("GET", "/").await;
    assert_eq!(
        (paths.status, paths.body.starts_with("/invalidations, /conditions, /healthz")),
        (404, true),
        "{paths:?}"
    );
    assert_eq!(dev.admin("GET", "/invalidations").await.status, 405);
    assert_eq!(dev.admin("GET", "/readyz").await.body, "serving revision 1 of epoch 1\n");
}
