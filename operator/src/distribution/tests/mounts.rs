//! What edges lack, and what those that start wait for.

use edge_contract::{FromEdge, ReferenceState};

use super::*;

#[tokio::test]
async fn what_an_edge_lacks_is_in_the_status_until_it_has_it_and_is_written_once() {
    let (site, _edges) = Site::at_rest().await;
    let report = |what: &[&str]| {
        let reference = |what: &&str| ReferenceState { field: "spec.origins[app]".into(), message: (*what).to_owned() };
        FromEdge::Observed { references: what.iter().map(reference).collect(), origins: vec![] }
    };
    // In the place of the two that are there already.
    let edges: Vec<_> = ["one", "two"].map(|name| site.stream(name)).into_iter().flatten().collect();
    for edge in &edges {
        edge.say(report(&["no Secret ca"]));
        site.run().await.expect("reports");
    }
    assert!(
        site.condition(ConditionType::ResolvedRefs).starts_with("False/RefUnusable: spec.origins[app]: no Secret ca"),
        "{}",
        site.condition(ConditionType::ResolvedRefs)
    );
    let writes = site.api.writes();
    let statuses = writes.iter().filter(|call| *call == "PUT distributions/shop/status").count();
    assert_eq!(statuses, 1, "that another edge says the same is no news: {writes:?}");
    edges[0].say(report(&[]));
    site.run().await.expect("reports");
    assert!(site.condition(ConditionType::ResolvedRefs).starts_with("False"), "the other still lacks it");
    edges[1].say(report(&[]));
    site.run().await.expect("reports");
    assert!(site.condition(ConditionType::Ready).starts_with("True"), "{}", site.condition(ConditionType::Ready));
}

#[tokio::test]
async fn what_is_mounted_anew_is_awaited_by_edges_that_start_until_all_pods_have_it() {
    let (site, _edges) = Site::at_rest().await;
    let mut edited = spec();
    edited["origins"][0]["headers"] = json!([{"name": "x-key", "secretKeyRef": {"name": "shop", "key": "token"}}]);
    site.apply(&edited);
    site.run().await.expect("edits");
    assert_eq!(site.awaited(), json!(["secret/shop/token"]));
    let deployment = site.api.object("deployments/shop--default").expect("exists");
    assert!(deployment.to_string().contains("secret/shop/token"), "{deployment}");

    site.deployments_roll();
    site.api.calls();
    site.run().await.expect("looks");
    assert_eq!(site.awaited(), json!(["secret/shop/token"]));
    assert!(!site.api.writes().contains(&"PATCH configmaps/shop-edge".to_owned()));

    site.deployments_are_through();
    site.run().await.expect("takes it back");
    assert_eq!(site.awaited(), Value::Null);
    assert_eq!(site.status()["configRevision"], 2, "edges that run are told nothing");
    site.api.calls();
    site.run().await.expect("looks");
    assert_eq!(site.api.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_first_generation_awaits_nothing() {
    let site = Site::new();
    let mut asking = spec();
    asking["origins"][0]["headers"] = json!([{"name": "x-key", "secretKeyRef": {"name": "shop", "key": "token"}}]);
    site.apply(&asking);
    site.run().await.expect("creates");
    assert_eq!(site.awaited(), Value::Null);
}
