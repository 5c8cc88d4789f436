//! Every file of `examples/`, applied as it says and held to what it promises, by requests.

mod origins;
mod policies;

use std::path::{Path, PathBuf};

use crds::Invalidation;
use http::{Method, Request};
use kube::{Api, Client};
use tests::{
    cluster::{apply, documents, eventually, in_namespace},
    product::{
        ask, ask_edge_with, complete, edges, installed, origin, run, service_address, set_content, status, until_ready,
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
    let tests = [include_str!("main.rs"), include_str!("origins.rs"), include_str!("policies.rs")].concat();
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
