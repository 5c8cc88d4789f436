//! What edges lack and say of origins, and what those that start wait for.

use edge_contract::{FromEdge, OriginState, ReferenceState};

use super::*;

#[tokio::test]
async fn what_an_edge_lacks_is_in_the_status_until_it_has_it_and_is_written_once() {
    let (site, _edges) = Site::at_rest().await;
    let report = |what: &[&str]| {
        let reference = |what: &&str| ReferenceState { field: "spec.origins[app]".into(), message: (*what).to_owned() };
        FromEdge::Observed { references: what.iter().map(reference).collect(), origins: vec![], waits_for: vec![] }
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

#[tokio::test(start_paused = true)]
async fn an_origin_that_comes_and_goes_is_written_at_most_every_ten_seconds() {
    let (site, _edges) = Site::at_rest().await;
    let edges: Vec<_> = ["one", "two"].map(|name| site.stream(name)).into_iter().flatten().collect();
    site.run().await.expect("greets");
    site.api.calls();
    let uid = site.api.object("distributions/shop").expect("exists")["metadata"]["uid"].clone();
    let says = |tenth: usize| {
        let message = format!("{tenth} of 20 tries within 10 s came to nothing");
        let site = uid.as_str().expect("text").to_owned();
        let state = OriginState { site, origin: "app".into(), healthy: false, message };
        let origins = if tenth.is_multiple_of(3) { vec![] } else { vec![state] };
        FromEdge::Observed { references: vec![], origins, waits_for: vec![] }
    };
    let mut wake = Wake::ON_CHANGE;
    for tenth in 0..600 {
        edges[tenth % 2].say(says(tenth));
        wake = site.run().await.expect("reports");
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let writes = site.api.writes();
    let count = |call: &str| writes.iter().filter(|made| *made == call).count();
    assert!((5..=7).contains(&count("PUT distributions/shop/status")), "in a minute: {writes:?}");
    assert_eq!(count("POST events"), 1, "{writes:?}");
    assert!(wake.at.is_some_and(|at| at <= crate::clock::monotonic() + Duration::from_secs(10)), "{wake:?}");

    for edge in &edges {
        edge.say(says(0));
    }
    let wake = site.run().await.expect("waits");
    assert!(site.condition(ConditionType::OriginsHealthy).starts_with("False"));
    tokio::time::sleep_until(wake.at.expect("looks again")).await;
    site.run().await.expect("reports");
    assert!(site.condition(ConditionType::OriginsHealthy).starts_with("True"));
}

#[tokio::test]
async fn what_is_mounted_anew_is_awaited_by_edges_that_start_until_all_pods_have_it() {
    let (site, _edges) = Site::at_rest().await;
    let mut edited = spec();
    edited["origins"][0]["headers"] = json!([{"name": "x-key", "secretKeyRef": {"name": "shop", "key": "token"}}]);
    site.apply(&edited);
    site.run().await.expect("edits");
    assert_eq!(site.awaited(), json!(["secret/shop/token"]));
    let before = site.configuration()["before"].clone();
    assert_eq!(before["config"]["revision"], 1, "pods that cannot have it start with what they were made for");
    let deployment = site.api.object("deployments/shop--default").expect("exists");
    assert!(deployment.to_string().contains("secret/shop/token"), "{deployment}");
    let args = deployment["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    assert!(args.contains(&format!("--mounted={}", before["notWith"].as_str().expect("a name"))), "{args}");

    site.deployments_roll();
    site.api.calls();
    site.run().await.expect("looks");
    assert_eq!(site.awaited(), json!(["secret/shop/token"]));
    assert!(!site.api.writes().contains(&"PATCH configmaps/shop-edge".to_owned()));

    site.deployments_are_through();
    site.run().await.expect("takes it back");
    assert_eq!((site.awaited(), site.configuration()["before"].clone()), (Value::Null, Value::Null));
    assert_eq!(site.status()["configRevision"], 2, "edges that run are told nothing");
    site.api.calls();
    site.run().await.expect("looks");
    assert_eq!(site.api.writes(), Vec::<String>::new());
}

#[tokio::test]
async fn what_an_edge_waits_for_is_told_while_it_serves_the_generation_before() {
    let (site, _edges) = Site::at_rest().await;
    let edge = site.stream("one").expect("leads");
    let mut edited = spec();
    edited["origins"][0]["headers"] = json!([{"name": "x-key", "secretKeyRef": {"name": "shop", "key": "token"}}]);
    site.apply(&edited);
    site.run().await.expect("edits");
    let waits_for = vec![ReferenceState { field: "spec.a".into(), message: "not here".into() }];
    edge.say(FromEdge::Observed { references: vec![], origins: vec![], waits_for });
    site.run().await.expect("reports");
    let programmed = site.condition(ConditionType::Programmed);
    assert!(programmed.ends_with("others wait for new pods: spec.a: not here"), "{programmed}");
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
