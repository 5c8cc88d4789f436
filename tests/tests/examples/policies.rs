//! The examples of caching policies: what is told apart, what is sent on, what is shown, and what viewers get on failure.

use http::{Method, Request};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tests::{
    cluster::{apply, eventually, in_namespace, until},
    product::{ask, installed, origin, service_address, until_ready},
    viewer::{self, Seen},
};

use crate::{each_edge, each_edge_with, example, kubectl, store};

#[tokio::test]
async fn pages_are_cached_by_language_and_by_currency_and_by_nothing_else() {
    installed().await;
    in_namespace("by-header", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "cache-by-header-or-cookie.yaml").await;
        until_ready(&client, &namespace).await;
        let ask = async |path: &str, language: &str, cookie: &str| {
            each_edge_with(&client, &namespace, path, &[("accept-language", language), ("cookie", cookie)]).await
        };
        ask("/page?item=1&gclid=1", "de", "currency=EUR; tracking=1").await;
        let same = ask("/page?item=1&gclid=2", "de", "tracking=2; currency=EUR").await;
        assert!(same.iter().all(Seen::is_hit), "tracking tells no pages apart: {same:?}");
        for (path, language, cookie) in [
            ("/page?item=1&gclid=1", "fr", "currency=EUR"),
            ("/page?item=1&gclid=1", "de", "currency=USD"),
            ("/page?item=2&gclid=1", "de", "currency=EUR"),
        ] {
            let other = ask(path, language, cookie).await;
            assert!(other.iter().all(|seen| !seen.is_hit()), "{path} {language} {cookie}: {other:?}");
        }
        for seen in ask("/headers", "de", "currency=EUR; tracking=1").await {
            let sent = seen.text();
            assert!(sent.contains("accept-language: de\n") && sent.contains("currency=EUR"), "{sent}");
            assert!(!sent.contains("tracking"), "{sent}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_response_that_sets_a_cookie_is_stored_only_without_it() {
    installed().await;
    in_namespace("set-cookie", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "cookies-that-the-origin-sets.yaml").await;
        until_ready(&client, &namespace).await;
        for _ in 0..2 {
            for seen in each_edge(&client, &namespace, "/page?header=Set-Cookie:id%3D1").await {
                assert!(!seen.is_hit() && seen.field("set-cookie") == "id=1", "{seen:?}");
            }
        }
        store(&client, &namespace, "/static/page?header=Set-Cookie:id%3D1").await;
        let stripped = each_edge(&client, &namespace, "/static/page?header=Set-Cookie:id%3D1").await;
        assert!(stripped.iter().all(|seen| seen.field("set-cookie").is_empty()), "{stripped:?}");
    })
    .await;
}

#[tokio::test]
async fn an_origin_is_sent_what_the_example_names_and_nothing_more() {
    installed().await;
    in_namespace("forward", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "forward-more-to-the-origin.yaml").await;
        until_ready(&client, &namespace).await;
        let fields = [("user-agent", "viewer/1"), ("x-other", "1"), ("cookie", "consent=yes; id=1")];
        for seen in each_edge_with(&client, &namespace, "/headers", &fields).await {
            let sent = seen.text();
            assert!(sent.contains("user-agent: viewer/1\n") && sent.contains("consent=yes"), "{sent}");
            assert!(!sent.contains("x-other") && !sent.contains("id=1"), "{sent}");
        }
    })
    .await;
}

#[tokio::test]
async fn viewers_get_what_is_stored_while_the_origin_is_away() {
    installed().await;
    in_namespace("stale", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "stale-when-the-origin-fails.yaml").await;
        until_ready(&client, &namespace).await;
        store(&client, &namespace, "/page?max-age=5").await;
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
        let none = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
        deployments.patch("shop-origin", &PatchParams::default(), &none).await.expect("takes the origin away");
        until(&deployments, "shop-origin", "the origin is away", |deployment| {
            deployment.status.as_ref().is_none_or(|status| status.replicas.unwrap_or_default() == 0)
        })
        .await;
        eventually("what is stored is past its time, and is shown", || async {
            let answers = each_edge(&client, &namespace, "/page?max-age=5").await;
            let is_stale =
                |seen: &Seen| seen.status == 200 && seen.field("age").parse::<u64>().is_ok_and(|age| age > 5);
            assert!(answers.iter().all(|seen| seen.text().contains("content shop-origin\n")), "{answers:?}");
            answers.iter().all(is_stale)
        })
        .await;
        let missing = each_edge(&client, &namespace, "/never-asked").await;
        assert!(missing.iter().all(|seen| seen.status.is_server_error()), "{missing:?}");
    })
    .await;
}

#[tokio::test]
async fn scripts_of_other_sites_and_careful_browsers_are_told_what_the_example_says() {
    installed().await;
    in_namespace("headers", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "cors-and-security-headers.yaml").await;
        until_ready(&client, &namespace).await;
        store(&client, &namespace, "/page?header=Server:origin").await;
        for seen in each_edge(&client, &namespace, "/page?header=Server:origin").await {
            for (name, value) in [
                ("permissions-policy", "camera=()"),
                ("strict-transport-security", "max-age=31536000; includeSubDomains"),
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "SAMEORIGIN"),
                ("referrer-policy", "strict-origin-when-cross-origin"),
                ("content-security-policy", "default-src 'self'"),
                ("server", ""),
            ] {
                assert_eq!(seen.field(name), value, "{name}");
            }
        }
        for site in ["https://shop.example.com", "https://app.example.com"] {
            for seen in each_edge_with(&client, &namespace, "/api/page", &[("origin", site)]).await {
                assert_eq!(seen.field("access-control-allow-origin"), site);
                assert_eq!(seen.field("access-control-allow-credentials"), "true");
            }
        }
        for seen in each_edge_with(&client, &namespace, "/api/page", &[("origin", "https://example.org")]).await {
            assert_eq!(seen.field("access-control-allow-origin"), "", "{seen:?}");
        }
        let preflight = Request::builder().method(Method::OPTIONS).uri("/api/page").header("host", "shop-edge");
        let preflight = preflight.header("origin", "https://shop.example.com");
        let preflight = preflight.header("access-control-request-method", "PUT").body("".into()).expect("legal");
        let address = service_address(&client, &namespace, "shop-edge").await;
        let seen = viewer::ask(address, preflight).await.expect("answers");
        assert!(seen.status.is_success() && seen.field("access-control-allow-methods").contains("PUT"), "{seen:?}");
        assert_eq!(seen.field("access-control-max-age"), "600");
    })
    .await;
}

#[tokio::test]
async fn viewers_see_the_owners_pages_in_place_of_errors() {
    installed().await;
    in_namespace("errors", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "error-pages.yaml").await;
        until_ready(&client, &namespace).await;
        for (path, status, page) in
            [("/status/404", 404, "/errors/404.html"), ("/status/503", 503, "/errors/sorry.html")]
        {
            let seen = ask(&client, &namespace, path).await;
            assert_eq!(seen.status, status, "{path}: {seen:?}");
            assert!(seen.text().contains(&format!("path {page}\n")), "{path}: {seen:?}");
        }
        let seen = ask(&client, &namespace, "/status/500").await;
        assert!(seen.status == 500 && seen.text().contains("path /status/500\n"), "others stay as they are: {seen:?}");
    })
    .await;
}

/// The test network has networks of its own, so one of them takes the place of the load balancer's.
#[tokio::test]
async fn an_origin_learns_the_viewers_address_from_a_load_balancer_and_from_nobody_else() {
    installed().await;
    in_namespace("behind", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "behind-a-load-balancer.yaml").await;
        until_ready(&client, &namespace).await;
        let told = async |path: &str| {
            let said = [("x-forwarded-for", "203.0.113.7")];
            let answers = each_edge_with(&client, &namespace, path, &said).await;
            answers.iter().map(|seen| seen.text().contains("x-forwarded-for: 203.0.113.7, ")).collect::<Vec<_>>()
        };
        assert!(told("/headers?1").await.iter().all(|told| !told), "the network of this test is not named");
        let example = example("behind-a-load-balancer.yaml");
        let here = example.replace("\"192.0.2.0/24\"", "\"198.18.0.0/15\", \"10.244.0.0/16\"");
        assert_ne!(here, example);
        apply(&client, &namespace, &here).await;
        until_ready(&client, &namespace).await;
        assert!(told("/headers?2").await.iter().all(|told| *told), "now it is");
    })
    .await;
}

#[tokio::test]
async fn text_is_compressed_but_not_where_the_example_says() {
    installed().await;
    in_namespace("compressed", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "compressed-responses.yaml").await;
        until_ready(&client, &namespace).await;
        // The origin shows the path in its body: long enough to be worth it.
        let (page, download) =
            (format!("/page?{0}", "x".repeat(2_000)), format!("/downloads/page?{0}", "x".repeat(2_000)));
        let codings = async |path: &str, accepted: &str| {
            let answers = each_edge_with(&client, &namespace, path, &[("accept-encoding", accepted)]).await;
            answers.iter().map(|seen| seen.field("content-encoding").to_owned()).collect::<Vec<_>>()
        };
        // What is stored is compressed beside the requests for it, so the first ones get it as it is.
        let is_coded = async |path: &str| codings(path, "gzip").await.iter().all(|coding| coding == "gzip");
        eventually("the page is compressed", || is_coded(&page)).await;
        assert!(codings(&page, "identity").await.iter().all(String::is_empty), "only for those who accept it");
        for _ in 0..3 {
            assert!(codings(&download, "gzip").await.iter().all(String::is_empty), "downloads never");
        }
    })
    .await;
}
