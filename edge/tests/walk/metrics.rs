//! What is counted of requests, under names that no viewer can make more of.

use std::collections::BTreeSet;

use http::Method;

use crate::edge::{Edge, Reply, config, request, until};
use crate::origin::Origin;

/// The value of a series.
fn count(metrics: &Reply, series: &str) -> Option<u64> {
    let line = metrics.body.lines().find_map(|line| line.strip_prefix(series))?;
    line.trim().parse().ok()
}

const BEHAVIOR: &str = "site=\"default/shop\",behavior=\"*\"";

#[tokio::test]
async fn requests_are_counted_by_what_became_of_them() {
    let html = "content-type: text/html\r\ncache-control: max-age=10, stale-while-revalidate=60\r\n";
    let origin =
        Origin::start(move |_, exchange| async move { exchange.respond("200 OK", html, &"text ".repeat(1_000)).await })
            .await;
    let mut config = config(origin.address);
    config.sites[0].behaviors[0].compress = true;
    let edge = Edge::start(config).await;
    let get = || async {
        let mut viewer = request(Method::GET, "/a");
        viewer.headers_mut().insert("accept-encoding", "gzip".parse().expect("a value"));
        edge.send(viewer).await
    };
    get().await;
    until("it is coded", || edge.running.edge.coder.coded() == 1).await;
    get().await;
    edge.skip(11);
    get().await;
    edge.send(request(Method::POST, "/a")).await;
    let metrics = edge.admin("/metrics").await;
    let requests = |cache: &str| {
        count(&metrics, &format!("kubefront_edge_requests_total{{{BEHAVIOR},status=\"2xx\",cache=\"{cache}\"}}"))
    };
    assert_eq!(
        [requests("miss"), requests("hit"), requests("stale"), requests("pass")],
        [Some(1); 4],
        "{}",
        metrics.body
    );
    let coded = format!("kubefront_edge_coded_responses_total{{{BEHAVIOR},coding=\"gzip\"}}");
    assert_eq!(count(&metrics, &coded), Some(2));
    let stale = format!("kubefront_edge_stale_responses_total{{{BEHAVIOR},why=\"stale-while-revalidate\"}}");
    assert_eq!(count(&metrics, &stale), Some(1));
    assert!(
        count(&metrics, &format!("kubefront_edge_body_bytes_total{{{BEHAVIOR}}}")).is_some_and(|bytes| bytes > 10_000)
    );
}

#[tokio::test]
async fn no_request_makes_a_series_of_its_own() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    let series = |metrics: &Reply| -> BTreeSet<String> {
        let named = metrics.body.lines().filter(|line| !line.starts_with('#'));
        named.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
    };
    edge.get("/a").await;
    edge.send(request(Method::PUT, "/a")).await;
    let before = series(&edge.admin("/metrics").await);
    for n in 0..20 {
        edge.get(&format!("/path-{n}?query={n}")).await;
        let method = Method::from_bytes(format!("METHOD{n}").as_bytes()).expect("a token");
        let mut viewer = request(method, "/a");
        viewer.headers_mut().insert("host", format!("host-{n}.test").parse().expect("a value"));
        edge.send(viewer).await;
    }
    let after = series(&edge.admin("/metrics").await);
    assert_eq!(after, before);
}

#[tokio::test]
async fn every_metric_is_in_the_documents() {
    let origin = Origin::numbered("").await;
    let edge = Edge::start(config(origin.address)).await;
    edge.get("/a").await;
    let metrics = edge.admin("/metrics").await;
    let documents = include_str!("../../../docs/responses.md");
    let names: Vec<_> =
        metrics.body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        assert!(documents.contains(name), "docs/responses.md does not tell of {name}");
    }
}
