//! `kubefront dev`: a manifest serves, follows its file, and says what is wrong.

use tests::clock;
use tests::origin::{Origin, Settings};

use crate::folder::Folder;
use crate::process::{Dev, run, text};

/// A Distribution in front of a Service, with these lines in its spec.
pub fn shop(name: &str, more: &str) -> String {
    format!(
        "apiVersion: cdn.kubefront.io/v1alpha1\nkind: Distribution\nmetadata:\n  name: {name}\nspec:\n  origins:\n    - name: app\n      service: {{name: {name}-origin, port: 80}}\n  defaultBehavior:\n    origin: app\n{more}"
    )
}

/// An origin, and the flag that says that it is this Service.
pub async fn origin(service: &str) -> (Origin, String) {
    let origin = Origin::start(Settings { content: service.into(), ..Settings::default() }).await.expect("starts");
    let flag = format!("--service={service}={}", origin.address());
    (origin, flag)
}

#[tokio::test]
async fn a_manifest_serves_from_the_cache_and_each_request_is_a_line() {
    let (_origin, service) = origin("shop-origin").await;
    let (_folder, file) = Folder::with("shop.yaml", &shop("shop", ""));
    let mut dev = Dev::start(&["-f", &file, &service]).await;
    let said = dev.says("serving default/shop").await;
    assert!(said.ends_with("shop.yaml) generation 1 for every Host"), "{said}");
    assert_eq!(dev.get("/a?max-age=60").await.body, "content shop-origin\nread 1\npath /a?max-age=60\n");
    assert!(dev.get("/a?max-age=60").await.head.contains("cache-status: kubefront; hit; ttl="));
    assert!(dev.logs("GET /a?max-age=60").await.contains("  200  miss         stored ttl 60s  "));
    let line = dev.logs("GET /a?max-age=60").await;
    assert!(line.contains("  200  hit  ") && line.contains("ttl ") && line.contains("age "), "{line}");
    assert!(!line.contains('\u{1b}'), "no colour where nobody sees it: {line:?}");
    assert_eq!(dev.get_of("localhost:8080", "/a").await.status, 200);
    assert!(dev.end().await.success(), "a person who ends it has no failure");
}

#[tokio::test]
async fn a_shield_is_skipped_and_that_is_said_once() {
    let (_origin, service) = origin("shop-origin").await;
    let manifest = shop("shop", "  locations: [{name: eu}, {name: us}]\n");
    let shielded = manifest.replace("port: 80}\n", "port: 80}\n      shield: {location: eu}\n");
    let (folder, file) = Folder::with("shop.yaml", &shielded);
    let mut dev = Dev::start(&["-f", &file, &service]).await;
    let said = dev.says("app: Service default/shop-origin at http://127.0.0.1").await;
    assert!(said.ends_with(", without its shield eu: there is one edge here"), "{said}");
    assert!(dev.get("/a").await.body.contains("path /a\n"));
    folder.put("shop.yaml", &manifest);
    let said = dev.says("app: Service default/shop-origin at http://127.0.0.1").await;
    assert!(!said.contains("shield"), "{said}");
}

#[tokio::test]
async fn requests_are_json_lines_where_they_are_asked_for() {
    let (_origin, service) = origin("shop-origin").await;
    let (_folder, file) = Folder::with("shop.yaml", &shop("shop", ""));
    let mut dev = Dev::start(&["-f", &file, &service, "--log-format", "json"]).await;
    dev.get("/a").await;
    let line: serde_json::Value = serde_json::from_str(&dev.logs("\"access\"").await).expect("is JSON");
    assert_eq!((line["path"].as_str(), line["status"].as_u64()), (Some("/a"), Some(200)));
}

#[tokio::test]
async fn a_file_that_breaks_leaves_what_serves_and_says_why_and_a_mended_one_serves() {
    let (_origin, service) = origin("shop-origin").await;
    let (folder, file) = Folder::with("shop.yaml", &shop("shop", ""));
    let mut dev = Dev::start(&["-f", &file, &service]).await;
    assert!(dev.get("/").await.body.contains("path /\n"));
    folder.put("shop.yaml", &shop("shop", "  defaultRootObjet: index.html\n"));
    let said = dev.says("defaultRootObjet").await;
    assert!(said.contains("shop.yaml:11: error: spec.defaultRootObjet: is not a field; there are "), "{said}");
    assert!(dev.get("/").await.body.contains("path /\n"), "the last good one serves");
    folder.put("shop.yaml", "spec: [");
    dev.says("shop.yaml:1: error: is no YAML").await;
    dev.says("shop.yaml: not taken; generation 1 of default/shop serves on").await;
    assert_eq!(dev.get("/").await.status, 200);
    folder.put("shop.yaml", "");
    dev.says("is empty: what it held before counts on").await;
    folder.put("shop.yaml", &shop("shop", "  defaultRootObject: index.html\n"));
    dev.says("serving default/shop").await;
    dev.says("all is well again").await;
    assert!(dev.get("/").await.body.contains("path /index.html\n"));
}

#[tokio::test]
async fn a_folder_is_followed_as_a_whole() {
    let (_origin, service) = origin("shop-origin").await;
    let (_other, other) = origin("blog-origin").await;
    let folder = Folder::new();
    folder.put("shop.yaml", &shop("shop", "  aliases: [shop.example.com]\n"));
    folder.put("names.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n");
    let mut dev = Dev::start(&["-f", folder.text(), &service, &other]).await;
    dev.says("Namespace of v1 is nothing that is looked at here: skipped").await;
    dev.says("command line: warning: --service default/blog-origin: no origin uses this Service; there is default/shop-origin").await;
    assert_eq!(dev.get_of("blog.example.com", "/").await.status, 421);
    folder.put("blog.yaml", &shop("blog", "  aliases: [blog.example.com, \"*.blog.example.com\"]\n"));
    let said = dev.says("serving default/blog").await;
    assert!(said.ends_with("for blog.example.com, *.blog.example.com"), "{said}");
    assert!(dev.get_of("a.blog.example.com", "/").await.body.starts_with("content blog-origin\n"));
    assert!(dev.get_of("shop.example.com", "/").await.body.starts_with("content shop-origin\n"));
}

#[tokio::test]
async fn a_service_that_is_nowhere_answers_503_and_the_flag_is_named() {
    let (_folder, file) = Folder::with("shop.yaml", &shop("shop", ""));
    let mut dev = Dev::start(&["-f", &file]).await;
    let said = dev.says("nothing says where").await;
    assert!(said.contains("shop.yaml:8: warning: spec.origins[app].service: "), "{said}");
    assert!(said.ends_with("add --service default/shop-origin=HOST:PORT"), "{said}");
    assert_eq!(dev.get("/a").await.status, 503);
    let said = dev.says("no answer: ").await;
    assert!(said.contains("path: /a") && said.ends_with("; add --service default/shop-origin=HOST:PORT"), "{said}");
    assert_eq!(dev.get("/../a").await.status, 400);
    assert!(dev.logs("/../a").await.ends_with("  path-above-root"), "as /explain says");
}

#[tokio::test]
async fn an_origin_on_this_machine_by_url_needs_its_flag() {
    let (origin, _) = origin("shop-origin").await;
    let text = shop("shop", "")
        .replace("service: {name: shop-origin, port: 80}", &format!("url: http://{}", origin.address()));
    let (_folder, file) = Folder::with("shop.yaml", &text);
    let mut dev = Dev::start(&["-f", &file]).await;
    dev.says("or allow it here with --allow-local-origins").await;
    assert_eq!(dev.get("/").await.status, 503);
    let dev = Dev::start(&["-f", &file, "--allow-local-origins"]).await;
    assert_eq!(dev.get("/").await.status, 200);
}

#[tokio::test]
async fn a_changed_content_version_removes_what_is_stored() {
    let (_origin, service) = origin("shop-origin").await;
    let (folder, file) = Folder::with("shop.yaml", &shop("shop", "  contentVersion: \"1\"\n"));
    let mut dev = Dev::start(&["-f", &file, &service]).await;
    dev.get("/a?max-age=60").await;
    folder.put("shop.yaml", &shop("shop", "  contentVersion: \"2\"\n"));
    dev.says("contentVersion of default/shop changed: 1 stored response removed").await;
    assert!(dev.get("/a?max-age=60").await.body.contains("read 2"));
}

#[tokio::test]
async fn a_save_that_empties_the_file_first_loses_no_content_version() {
    let (_origin, service) = origin("shop-origin").await;
    let (folder, file) = Folder::with("shop.yaml", &shop("shop", "  contentVersion: \"1\"\n"));
    let mut dev = Dev::start(&["-f", &file, &service]).await;
    dev.get("/a?max-age=60").await;
    folder.put("shop.yaml", "");
    dev.says("is empty: what it held before counts on").await;
    assert!(dev.get("/a?max-age=60").await.body.contains("read 1"), "it serves on");
    folder.put("shop.yaml", &shop("shop", "  contentVersion: \"2\"\n"));
    dev.says("contentVersion of default/shop changed: 1 stored response removed").await;
    assert!(dev.get("/a?max-age=60").await.body.contains("read 2"));
}

#[tokio::test]
async fn a_distribution_that_was_gone_comes_back_with_nothing_stored() {
    let (_origin, service) = origin("shop-origin").await;
    let folder = Folder::new();
    let with_alias = shop("shop", "  aliases: [shop.example.com]\n");
    folder.put("shop.yaml", &with_alias);
    folder.put("blog.yaml", &shop("blog", "  aliases: [blog.example.com]\n"));
    let mut dev = Dev::start(&["-f", folder.text(), &service]).await;
    dev.get_of("shop.example.com", "/a?max-age=60").await;
    folder.remove("shop.yaml");
    dev.says("default/shop is served no more").await;
    assert_eq!(dev.get_of("shop.example.com", "/a").await.status, 421);
    folder.put("shop.yaml", &with_alias);
    dev.says("default/shop was out of the files and begins anew: 1 stored response removed").await;
    folder.remove("blog.yaml");
    dev.says("default/blog is served no more").await;
    folder.remove("shop.yaml");
    dev.says("holds no Distribution any more, and nothing else does").await;
    assert_eq!(dev.get_of("shop.example.com", "/a").await.status, 200, "the last one serves on");
}

#[tokio::test]
async fn files_in_which_nothing_serves_end_it() {
    let (_folder, file) = Folder::with("shop.yaml", &shop("shop", "").replace("origin: app", "origin: web"));
    let ended = run(&["dev", "-f", &file]).await;
    assert_eq!(ended.status.code(), Some(1));
    let said = text(&ended.stderr);
    assert!(said.contains("shop.yaml:10: error: spec.defaultBehavior.origin: "), "{said}");
    assert_eq!(run(&["dev", "-f", "not-there.yaml"]).await.status.code(), Some(1));
    assert_eq!(run(&["dev"]).await.status.code(), Some(2), "a wrong command line is another status");
    let (_folder, file) = Folder::with("shop.yaml", &shop("shop", ""));
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = taken.local_addr().expect("is one").to_string();
    let ended = run(&["dev", "-f", &file, "--listen", &address]).await;
    assert!(text(&ended.stderr).contains("; --listen says where else"), "{}", text(&ended.stderr));
}

/// Prints the figure that docs/command-line.md names; nothing here depends on how fast a machine is.
#[tokio::test]
async fn the_first_response_comes_soon_after_the_start() {
    let (_origin, service) = origin("shop-origin").await;
    let (_folder, file) = Folder::with("shop.yaml", &shop("shop", ""));
    let began = clock::now();
    let dev = Dev::start(&["-f", &file, &service]).await;
    assert_eq!(dev.get("/").await.status, 200);
    println!("first response {} ms after the start", began.elapsed().as_millis());
}
