//! Three locations of two edges each, and a thousand viewers who want at once what none of the six has: how often the origin is read.

use std::collections::BTreeSet;
use std::fmt;

use http::Request;
use http_body_util::Full;
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tests::cluster::{eventually, in_namespace};
use tests::crowd::{Crowd, Given};
use tests::product::{distribution, edges, explained, installed, origin, ready};
use tests::{replicas, viewer};

use crate::{admin, reads, until_shielded};

const VIEWERS: usize = 1_000;

/// The first location stands before the origin.
fn three_locations() -> Value {
    distribution(|spec| {
        let location = |name: &str| json!({ "name": name, "replicas": 2, "cache": { "memory": "16Mi" } });
        spec["locations"] = json!([location("near-origin"), location("east"), location("west")]);
        spec["origins"][0]["shield"] = json!({ "location": "near-origin" });
    })
}

/// The uid of the edge before the origin that owns a path, by the word of an edge that is none of them.
async fn owner(edges: &[Pod], path: &str) -> String {
    let outer = edges.iter().find(|edge| edge.labels()["cdn.kubefront.io/location"] == "west").expect("is there");
    let shield = explained(outer, path).await["origin"]["shield"].take();
    shield["edge"].as_str().unwrap_or_else(|| panic!("nobody owns {path}: {shield}")).to_owned()
}

/// Lets the origin answer, until all who wait have heard of it.
async fn release(client: &Client, namespace: &str, name: &str, crowd: &Crowd) {
    let admin = admin(client, namespace).await;
    eventually("everybody is answered", || async {
        let request = Request::post(format!("/release/{name}")).header("host", "shop-origin").body(Full::default());
        viewer::ask(admin, request.expect("legal")).await.expect("the origin answers");
        crowd.is_over()
    })
    .await;
}

/// What viewers were given, counted.
#[derive(Default)]
struct Counted {
    served: usize,
    failed: usize,
    /// Of those who were served, the ones who waited for another's read.
    waited: usize,
    bodies: BTreeSet<String>,
}

impl Counted {
    fn of<'a>(given: impl IntoIterator<Item = &'a Given>) -> Self {
        let mut counted = Self::default();
        for answer in given.into_iter().flat_map(|given| &given.answers) {
            match answer.as_deref().unwrap_or_default().split_once("\r\n\r\n") {
                Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => {
                    counted.served += 1;
                    counted.waited += usize::from(head.contains("; collapsed"));
                    counted.bodies.insert(body.to_owned());
                }
                _ => counted.failed += 1,
            }
        }
        counted
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { served, failed, waited, bodies } = self;
        write!(f, "{served} served ({waited} of them waited, bodies: {}), {failed} failed", bodies.len())
    }
}

#[tokio::test]
async fn what_a_thousand_viewers_of_six_edges_want_is_read_once_and_once_more_if_the_edge_that_reads_it_is_killed() {
    installed().await;
    in_namespace("shield-crowd", |client, namespace| async move {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &three_locations()).await;
        let edges = edges(&client, &namespace).await;
        // Both edges of that location answer all others.
        let (mut owners, mut paths) = (BTreeSet::new(), 0..);
        while owners.len() < 2 {
            let name = format!("path-{}", paths.next().expect("numbers do not end"));
            let path = until_shielded(&client, &namespace, &name, 6).await;
            owners.insert(owner(&edges, &path).await);
        }

        let crowd = Crowd::asks(&edges, VIEWERS, "/hold/once").await;
        release(&client, &namespace, "once", &crowd).await;
        let counted = Counted::of(&crowd.given().await);
        let read = reads(&client, &namespace, "/hold/once").await;
        println!("{VIEWERS} viewers of six edges, reads of the origin: {read}; {counted}");
        assert_eq!((counted.served, counted.failed, counted.bodies.len()), (VIEWERS, 0, 1));
        // At each edge one does not wait for another's read, and almost nobody came too late to wait.
        assert!(counted.waited > VIEWERS * 9 / 10, "{counted}");
        assert_eq!(read, "1");

        let owner = owner(&edges, "/hold/killed").await;
        let crowd = Crowd::asks(&edges, VIEWERS, "/hold/killed").await;
        let pod = edges.iter().find(|edge| edge.uid().as_ref() == Some(&owner)).expect("it is one of them");
        replicas::kill(pod, "kubefront-edge").await;
        eventually("another edge reads it", || async { reads(&client, &namespace, "/hold/killed").await != "1" }).await;
        release(&client, &namespace, "killed", &crowd).await;
        let given = crowd.given().await;
        let (of_dead, of_living): (Vec<_>, Vec<_>) = given.iter().partition(|given| given.edge == owner);
        let (of_dead, of_living) = (Counted::of(of_dead), Counted::of(of_living));
        let read = reads(&client, &namespace, "/hold/killed").await;
        println!(
            "the edge that reads it killed meanwhile: {read}; at the five others {of_living}; at itself {of_dead}"
        );
        assert_eq!((of_living.failed, of_living.bodies.len()), (0, 1), "{of_living}");
        assert_eq!(of_living.served + of_dead.failed, VIEWERS);
        assert_eq!(read, "2");
    })
    .await;
}
