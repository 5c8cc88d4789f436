//! What another operator makes of what it finds.

use super::*;

#[tokio::test]
async fn a_new_leader_turns_nothing_false_because_edges_have_not_called_yet() {
    let (site, edges) = Site::at_rest().await;
    drop(edges);
    let site = site.restarted(Duration::from_secs(1));
    let wake = site.run().await.expect("looks");
    assert_eq!(site.api.calls(), Vec::<String>::new());
    assert_eq!(wake.why, "edges had time to call");

    let site = site.restarted(Duration::from_secs(31));
    site.run().await.expect("looks");
    assert!(site.condition(ConditionType::Programmed).starts_with("False/WaitingForEdges"));
    assert_eq!(site.status()["edges"]["summary"], "0/2");
}

#[tokio::test]
async fn a_restarted_operator_serves_the_generation_that_was_taken_and_not_the_broken_one() {
    let (site, _edges) = Site::at_rest().await;
    let mut broken = spec();
    broken["origins"][0]["service"]["name"] = json!("missing");
    site.apply(&broken);
    site.run().await.expect("refuses");
    let site = site.restarted(Duration::from_mins(5));
    site.api.calls();
    site.run().await.expect("looks");
    assert!(site.api.writes().iter().all(|call| !call.starts_with("PATCH")));
    assert_eq!(site.status()["configRevision"], 1);
}

#[tokio::test]
async fn counters_that_were_lost_begin_a_new_epoch() {
    let (site, _edges) = Site::at_rest().await;
    let (before, _) = site.number();
    let mut object = site.api.object("distributions/shop").expect("exists");
    object["status"] = Value::Null;
    see(&site.context.stores.distributions, &site.api.put("distributions", object));
    site.run().await.expect("repairs");
    let (now, _) = site.number();
    assert_ne!(before, now);
    assert_eq!(site.status()["invalidation"]["floor"], 1, "whatever edges hold of the old life is dropped");
}
