//! Examples of where origins are and how they are asked.

use std::collections::BTreeSet;

use crds::Distribution;
use k8s_openapi::api::{core::v1::Service, networking::v1::Ingress};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tests::{
    cluster::{apply, eventually, in_namespace, until},
    product::{ask, grants_exist, installed, is, origin, origin_named, service_address, status, until_ready},
    viewer::{self, Seen},
};

use crate::{each_edge, example, kubectl, post, store};

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
