//! Every file of `examples/`, applied as it says and held to what it promises, by requests.

mod policies;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crds::{Distribution, Invalidation};
use http::{Method, Request};
use k8s_openapi::api::{core::v1::Service, networking::v1::Ingress};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tests::{
    cluster::{apply, documents, eventually, in_namespace, until},
    product::{
        ask, ask_edge_with, complete, edges, grants_exist, installed, is, origin, origin_named, run, service_address,
        set_content, status, until_ready,
    },
    viewer::{self, Seen},
};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_owned()
}

/// The text of an example.
fn example(file: &str) -> String {
    let path = repository().join("examples").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs `kubectl … -f examples/FILE` in a namespace, as the example says.
async fn kubectl(namespace: &str, verb: &str, file: &str) {
    assert!(!example(file).is_empty());
    run("kubectl", &[verb, "--namespace", namespace, "--filename", &format!("examples/{file}")]).await;
}

/// What every edge answers, asked one after the other.
async fn each_edge(client: &Client, namespace: &str, path: &str) -> Vec<Seen> {
    each_edge_with(client, namespace, path, &[]).await
}

/// What every edge answers to a request with these fields.
async fn each_edge_with(client: &Client, namespace: &str, path: &str, fields: &[(&str, &str)]) -> Vec<Seen> {
    let mut answers = Vec::new();
    for edge in edges(client, namespace).await {
        answers.push(ask_edge_with(&edge, path, fields).await);
    }
    answers
}

/// Has every edge store a path, and checks that it did.
async fn store(client: &Client, namespace: &str, path: &str) {
    each_edge(client, namespace, path).await;
    for seen in each_edge(client, namespace, path).await {
        assert!(seen.is_hit(), "{path}: {seen:?}");
    }
}

/// Sends a POST through the Service in front of all edges.
async fn post(client: &Client, namespace: &str, path: &str) -> Seen {
    let address = service_address(client, namespace, "shop-edge").await;
    let request = Request::builder().method(Method::POST).uri(path).header("host", "shop-edge").body("sent".into());
    viewer::ask(address, request.expect("legal")).await.unwrap_or_else(|error| panic!("POST {path}: {error}"))
}

#[test]
fn every_example_has_a_test_and_a_place_in_the_readme() {
    let tests = [include_str!("main.rs"), include_str!("policies.rs")].concat();
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("reads");
    let files = std::fs::read_dir(repository().join("examples")).expect("the examples");
    let names: Vec<_> = files.map(|file| file.expect("a file").file_name().into_string().expect("UTF-8")).collect();
    assert!(names.len() >= 16, "{names:?}");
    for name in names {
        assert!(tests.contains(&format!("\"{name}\"")), "no test applies examples/{name}");
        assert!(readme.contains(&format!("(examples/{name})")), "README.md does not name examples/{name}");
    }
}

#[tokio::test]
async fn the_quickstart_serves_a_service_from_the_cache_of_two_edges() {
    installed().await;
    in_namespace("quickstart", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "quickstart.yaml").await;
        until_ready(&client, &namespace).await;
        assert_eq!(edges(&client, &namespace).await.len(), 2);
        store(&client, &namespace, "/page").await;
        assert!(ask(&client, &namespace, "/page").await.is_hit(), "whichever edge the Service leads to");
    })
    .await;
}

#[tokio::test]
async fn two_origins_answer_for_their_paths_by_their_own_rules() {
    installed().await;
    in_namespace("two-origins", |client, namespace| async move {
        origin(&client, &namespace).await;
        origin_named(&client, &namespace, "api-origin").await;
        kubectl(&namespace, "apply", "two-origins.yaml").await;
        until_ready(&client, &namespace).await;
        for (path, from) in [("/api/users", "api-origin"), ("/img/logo", "shop-origin"), ("/", "shop-origin")] {
            let seen = ask(&client, &namespace, path).await;
            assert!(seen.text().contains(&format!("content {from}")), "{path}: {seen:?}");
        }
        for _ in 0..2 {
            let answers = each_edge(&client, &namespace, "/api/users").await;
            assert!(answers.iter().all(|seen| !seen.is_hit()), "nothing below /api/ is cached: {answers:?}");
        }
        assert!(post(&client, &namespace, "/api/users").await.status.is_success(), "writes pass");
        assert_eq!(post(&client, &namespace, "/page").await.status, 405, "and only there");

        store(&client, &namespace, "/img/logo?width=10&campaign=a").await;
        let same = each_edge(&client, &namespace, "/img/logo?width=10&campaign=b").await;
        assert!(same.iter().all(Seen::is_hit), "campaign tells no images apart: {same:?}");
        let other = each_edge(&client, &namespace, "/img/logo?width=20&campaign=a").await;
        assert!(other.iter().all(|seen| !seen.is_hit()), "width does: {other:?}");
    })
    .await;
}

#[tokio::test]
async fn a_shield_asks_the_origin_once_for_all_edges() {
    installed().await;
    in_namespace("shield", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "shield.yaml").await;
        until_ready(&client, &namespace).await;
        // Edges hear of each other a moment after they are ready.
        let mut tries = 0..;
        eventually("all edges are given one answer of the origin", || {
            let path = format!("/page-{}", tries.next().expect("numbers do not end"));
            let (client, namespace) = (&client, &namespace);
            async move {
                let answers = each_edge(client, namespace, &path).await;
                let reads: BTreeSet<_> = answers.iter().map(|seen| seen.field("x-read").to_owned()).collect();
                answers.len() == 4 && reads.len() == 1
            }
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_ingress_is_asked_at_its_address_by_its_own_host() {
    installed().await;
    in_namespace("ingress", |client, namespace| async move {
        origin(&client, &namespace).await;
        origin_named(&client, &namespace, "moved-origin").await;
        let backend = json!({ "service": { "name": "shop-origin", "port": { "number": 80 } } });
        let paths = json!([{ "path": "/", "pathType": "Prefix", "backend": backend }]);
        let ingress = json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": "shop" },
            "spec": { "rules": [{ "host": "www.example.com", "http": { "paths": paths } }] } });
        apply(&client, &namespace, &ingress.to_string()).await;
        kubectl(&namespace, "apply", "ingress-origin.yaml").await;

        let distributions: Api<Distribution> = Api::namespaced(client.clone(), &namespace);
        until(&distributions, "shop", "waits for an address", |found| is(found, "ResolvedRefs", "False")).await;
        let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
        until(&services, "shop-edge", "is there", |_| true).await;
        let edge = service_address(&client, &namespace, "shop-edge").await;
        eventually("edges answer 503 until there is an address", || async {
            viewer::get(edge, "cdn.example.com", "/").await.is_ok_and(|seen| seen.status == 503)
        })
        .await;

        // As the controller of a load balancer does it.
        balanced_by(&client, &namespace, "shop-origin").await;
        until_ready(&client, &namespace).await;
        let seen = viewer::get(edge, "cdn.example.com", "/headers").await.expect("answers");
        assert!(seen.text().contains("host: www.example.com\n"), "{}", seen.text());
        balanced_by(&client, &namespace, "moved-origin").await;
        eventually("the new address is asked", || async {
            let seen = viewer::get(edge, "cdn.example.com", "/page?no-store").await;
            seen.is_ok_and(|seen| seen.text().contains("content moved-origin"))
        })
        .await;
        assert_eq!(
            viewer::get(edge, "www.example.com", "/").await.expect("answers").status,
            421,
            "only the alias is served"
        );
    })
    .await;
}

/// Writes the address of a Service into the status of the Ingress `shop`.
async fn balanced_by(client: &Client, namespace: &str, service: &str) {
    let address = service_address(client, namespace, service).await.ip().to_string();
    let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": address }] } } });
    let ingresses: Api<Ingress> = Api::namespaced(client.clone(), namespace);
    ingresses.patch_status("shop", &PatchParams::default(), &Patch::Merge(status)).await.expect("writes the status");
}

#[tokio::test]
async fn a_service_of_another_namespace_is_asked_once_that_namespace_grants_it() {
    installed().await;
    in_namespace("near", |client, namespace| async move {
        grants_exist(&client).await;
        origin(&client, &namespace).await;
        in_namespace("far", |client, far| async move {
            origin_named(&client, &far, "api").await;
            // The test's own namespaces, and a path at which the origin says who it is.
            let text = example("service-of-another-namespace.yaml");
            let here = |text: &str| {
                text.replace("team-b", &far).replace("namespace: default", &format!("namespace: {namespace}"))
            };
            apply(&client, &namespace, &here(&text).replace("\"/api/*\"", "/page")).await;
            let distributions: Api<Distribution> = Api::namespaced(client.clone(), &namespace);
            until(&distributions, "shop", "is not permitted", |found| is(found, "ResolvedRefs", "False")).await;
            let grant: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
            apply(&client, &far, &here(&grant.join("\n"))).await;
            until_ready(&client, &namespace).await;
            let seen = ask(&client, &namespace, "/page").await;
            assert!(seen.text().contains("content api\n"), "{seen:?}");
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_origin_is_sent_the_secret_of_the_day() {
    installed().await;
    in_namespace("secret", |client, namespace| async move {
        origin(&client, &namespace).await;
        origin_named(&client, &namespace, "api-origin").await;
        let token = |token: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "shop-token" }, "stringData": { "token": token } });
        apply(&client, &namespace, &token("monday").to_string()).await;
        // The path at which the origin shows what it is sent.
        apply(&client, &namespace, &example("secret-header.yaml").replace("\"/api/*\"", "/headers")).await;
        until_ready(&client, &namespace).await;
        let sent = async || ask(&client, &namespace, "/headers?no-store").await.text();
        assert!(sent().await.contains("x-origin-token: monday\n"), "{}", sent().await);
        apply(&client, &namespace, &token("tuesday").to_string()).await;
        eventually("the new one is sent", || async { sent().await.contains("x-origin-token: tuesday\n") }).await;
    })
    .await;
}

/// What the origin would have to prove is the business of the edge's own tests: nobody here speaks TLS.
#[tokio::test]
async fn an_origin_of_my_own_authority_is_verified_by_what_is_mounted() {
    installed().await;
    in_namespace("tls", |client, namespace| async move {
        origin(&client, &namespace).await;
        let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "api-origin" },
            "spec": { "selector": { "app.kubernetes.io/name": "shop-origin" }, "ports": [{ "port": 443, "targetPort": 8080 }] } });
        apply(&client, &namespace, &service.to_string()).await;
        kubectl(&namespace, "apply", "origin-tls.yaml").await;
        let distributions: Api<Distribution> = Api::namespaced(client.clone(), &namespace);
        let waiting = until(&distributions, "shop", "names what is not mounted", |found| is(found, "ResolvedRefs", "False"));
        let told = serde_json::to_string(&status(&waiting.await).conditions).expect("plain data");
        assert!(told.contains("spec.origins[api].tls."), "{told}");
        // Nobody has waited for the edges, nor for their Service to lead to them.
        eventually("the other origin serves", || async {
            let address = service_address(&client, &namespace, "shop-edge").await;
            viewer::get(address, "shop-edge", "/page").await.is_ok_and(|seen| seen.status.is_success())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_second_origin_answers_where_the_first_fails() {
    installed().await;
    in_namespace("group", |client, namespace| async move {
        origin(&client, &namespace).await;
        origin_named(&client, &namespace, "api-origin").await;
        kubectl(&namespace, "apply", "two-origins-for-one-path.yaml").await;
        until_ready(&client, &namespace).await;
        assert!(ask(&client, &namespace, "/first").await.text().contains("content shop-origin"));
        let services: Api<Service> = Api::namespaced(client.clone(), &namespace);
        let nobody = json!({ "spec": { "selector": { "app": "nobody" } } });
        services.patch("shop-origin", &PatchParams::default(), &Patch::Merge(nobody)).await.expect("patches");
        eventually("the second one answers", || async {
            ask(&client, &namespace, "/second?no-store").await.text().contains("content api-origin")
        })
        .await;
    })
    .await;
}

/// The test network leads to no bucket: that requests are signed rightly is the business of the edge's own tests.
#[tokio::test]
async fn a_bucket_is_served_once_its_credentials_are_there() {
    installed().await;
    in_namespace("bucket", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "s3.yaml").await;
        let distributions: Api<Distribution> = Api::namespaced(client.clone(), &namespace);
        until(&distributions, "shop", "misses its credentials", |found| is(found, "ResolvedRefs", "False")).await;
        let credentials = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "shop-s3" },
            "stringData": { "accessKeyId": "id", "secretAccessKey": "key" } });
        apply(&client, &namespace, &credentials.to_string()).await;
        until_ready(&client, &namespace).await;
    })
    .await;
}

/// The test network leads nowhere, so a Service stands for the server outside: the url says another host and plain HTTP.
#[tokio::test]
async fn a_server_outside_is_asked_below_its_base_path_by_its_own_name() {
    installed().await;
    in_namespace("external", |client, namespace| async move {
        origin(&client, &namespace).await;
        let host = format!("shop-origin.{namespace}.svc.cluster.local");
        let here = example("external-url.yaml").replace("https://legacy.example.com", &format!("http://{host}"));
        assert!(here.contains(&format!("url: http://{host}/base\n")), "{here}");
        apply(&client, &namespace, &here).await;
        until_ready(&client, &namespace).await;
        let seen = ask(&client, &namespace, "/page").await;
        assert!(seen.text().contains("path /base/page\n"), "{seen:?}");
        store(&client, &namespace, "/page").await;

        // Without the base path the origin shows what it is sent.
        apply(&client, &namespace, &here.replace("/base\n", "\n")).await;
        until_ready(&client, &namespace).await;
        let sent = ask(&client, &namespace, "/headers").await.text();
        assert!(sent.contains(&format!("host: {host}\n")) && sent.contains("x-served-for: cdn\n"), "{sent}");
    })
    .await;
}

#[tokio::test]
async fn two_locations_have_edges_and_a_service_each() {
    installed().await;
    in_namespace("two-locations", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "two-locations.yaml").await;
        let made = until_ready(&client, &namespace).await;
        let locations = status(&made).locations;
        let counts: Vec<_> = locations.iter().map(|place| (place.name.as_str(), place.acknowledged)).collect();
        assert_eq!(counts, [("zone-1", 2), ("zone-2", 2)]);
        store(&client, &namespace, "/page").await;
        for service in ["shop--zone-1", "shop--zone-2", "shop-edge"] {
            let address = service_address(&client, &namespace, service).await;
            eventually("the Service leads to an edge", || async {
                viewer::get(address, service, "/page").await.is_ok_and(|seen| seen.is_hit())
            })
            .await;
        }
    })
    .await;
}

#[tokio::test]
async fn dynamic_paths_are_asked_of_the_origin_every_time() {
    installed().await;
    in_namespace("dynamic", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "dynamic-paths.yaml").await;
        until_ready(&client, &namespace).await;
        for path in ["/account/orders", "/cart"] {
            let mut reads = Vec::new();
            for _ in 0..3 {
                let seen = ask(&client, &namespace, path).await;
                assert!(seen.status.is_success() && !seen.is_hit(), "{path}: {seen:?}");
                reads.push(seen.field("x-read").parse::<u64>().expect("a number"));
            }
            assert!(reads.is_sorted_by(|earlier, later| earlier < later), "{path}: a read for each: {reads:?}");
            assert!(post(&client, &namespace, path).await.status.is_success(), "{path}: writes pass");
        }
        store(&client, &namespace, "/page").await;
    })
    .await;
}

#[tokio::test]
async fn an_invalidation_is_complete_when_no_edge_has_the_old_content() {
    installed().await;
    in_namespace("invalidation", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "quickstart.yaml").await;
        until_ready(&client, &namespace).await;
        for path in ["/", "/img/logo", "/page"] {
            store(&client, &namespace, path).await;
        }
        set_content(&client, &namespace, "fresh").await;
        kubectl(&namespace, "create", "invalidation.yaml").await;
        let wait = ["wait", "--namespace", &namespace, "--for=condition=Complete", "inv", "--all", "--timeout=2m"];
        run("kubectl", &wait).await;
        for path in ["/", "/img/logo"] {
            let answers = each_edge(&client, &namespace, path).await;
            assert!(answers.iter().all(|seen| seen.text().contains("content fresh\n")), "{path}: {answers:?}");
        }
        let others = each_edge(&client, &namespace, "/page").await;
        assert!(others.iter().all(Seen::is_hit), "what it does not name stays: {others:?}");
    })
    .await;
}

#[tokio::test]
async fn a_file_is_removed_by_waiting_by_invalidating_and_by_letting_it_expire() {
    installed().await;
    in_namespace("remove", |client, namespace| async move {
        origin(&client, &namespace).await;
        kubectl(&namespace, "apply", "quickstart.yaml").await;
        until_ready(&client, &namespace).await;
        let short = "/files/old.pdf?max-age=1";
        for path in ["/files/old.pdf", "/files/kept.pdf", short] {
            store(&client, &namespace, path).await;
        }
        set_content(&client, &namespace, "removed").await;
        let all_say = async |path: &str, content: &str| {
            let text = format!("content {content}\n");
            each_edge(&client, &namespace, path).await.iter().all(|seen| seen.text().contains(&text))
        };
        // 1. Its time is over.
        eventually("it is served no longer", || all_say(short, "removed")).await;
        // 2. An Invalidation with its path.
        let example = example("remove-a-file.yaml");
        let [distribution, order] = documents(&example).try_into().expect("a Distribution and an Invalidation");
        let done = complete(&client, &namespace, &order).await;
        assert!(all_say("/files/old.pdf", "removed").await);
        assert!(all_say("/files/kept.pdf", "shop-origin").await, "what it does not name stays");
        // 3. Its times at 0s: what is stored is not used any more.
        store(&client, &namespace, "/files/old.pdf").await;
        set_content(&client, &namespace, "removed again").await;
        apply(&client, &namespace, &distribution.to_string()).await;
        until_ready(&client, &namespace).await;
        assert!(all_say("/files/old.pdf", "removed again").await);
        // All of it as a user applies it: the Invalidation is found done.
        kubectl(&namespace, "apply", "remove-a-file.yaml").await;
        let api: Api<Invalidation> = Api::namespaced(client.clone(), &namespace);
        let found = api.get("remove-old-pdf").await.expect("is there");
        let completed = |it: &Invalidation| it.status.as_ref().and_then(|status| status.completed_at.clone());
        assert!(completed(&found).is_some() && completed(&found) == completed(&done), "{found:?}");
    })
    .await;
}
