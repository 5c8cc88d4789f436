//! Whose objects are made, put right and removed, and whose are left alone.

use super::*;
use crate::fake_api::Fault;

#[tokio::test]
async fn nothing_that_exists_is_ever_created_over() {
    let site = Site::new();
    site.run().await.expect("creates");
    for call in CREATION.iter().filter(|call| call.starts_with("PATCH")) {
        let meta = &site.api.body(call)["metadata"];
        assert_eq!(meta["resourceVersion"], "1", "{call}: only where there is none");
        assert!(meta["uid"].is_null(), "{call}");
    }
}

#[tokio::test]
async fn a_location_that_goes_takes_exactly_its_children_with_it() {
    let (site, _edges) = Site::at_rest().await;
    let mut moved = spec();
    moved["locations"] = json!([{"name": "eu"}]);
    site.apply(&moved);
    let deletions = || site.api.writes().into_iter().filter(|call| call.starts_with("DELETE")).collect::<Vec<_>>();
    for ready in [false, true] {
        site.run().await.expect("moves");
        assert_eq!(deletions(), Vec::<String>::new(), "it serves, and nobody else does yet");
        site.there_is_a_pod_of("eu", "three", ready);
    }
    site.run().await.expect("removes");
    let of_it = ["deployments", "poddisruptionbudgets", "services"].map(|kind| format!("DELETE {kind}/shop--default"));
    assert_eq!(deletions(), of_it);
    assert!(site.api.object("deployments/shop--eu").is_some());
}

#[tokio::test]
async fn nothing_is_removed_while_something_could_not_be_written() {
    let (site, _edges) = Site::at_rest().await;
    let mut moved = spec();
    moved["locations"] = json!([{"name": "eu"}]);
    site.apply(&moved);
    site.there_is_a_pod_of("eu", "three", true);
    site.api.fail("PATCH deployments/shop--eu", Fault::Always(500));
    site.run().await.expect_err("fails");
    assert!(!site.api.writes().iter().any(|call| call.starts_with("DELETE")));
}

#[tokio::test]
async fn an_object_of_somebody_else_is_not_touched() {
    let site = Site::new();
    site.api.put("poddisruptionbudgets", json!({"metadata": {"namespace": "default", "name": "shop--default"}}));
    let wake = site.run().await.expect("leaves it");
    assert!(!site.api.writes().contains(&"PATCH poddisruptionbudgets/shop--default".to_owned()));
    assert!(site.condition(ConditionType::Accepted).starts_with("False/NameTaken"));
    assert!(wake.at.is_some(), "no watch tells when it goes");
}

#[tokio::test]
async fn what_appears_between_a_look_and_a_write_is_not_taken_over() {
    let site = Site::new();
    let observed =
        observe::observe(&site.context, site.context.stores.distributions.find("default", "shop").expect("there"));
    let observed = observed.await.expect("looks");
    let resolution = resolve::resolve(&observed);
    let plan = plan::plan(&observed, resolution.resolved.as_ref().expect("serves"), &plan::Turn::Ours);
    let accepted = accept::accept(&site.context, &observed, &plan.configuration).await.expect("takes a number");
    let foreign = site.api.put("networkpolicies", json!({"metadata": {"namespace": "default", "name": "shop-edge"}}));
    let applied = apply::apply(&site.context, &observed, &accepted, plan).await;
    assert_eq!(applied.failures.len(), 1, "{:?}", applied.failures);
    assert_eq!(site.api.object("networkpolicies/shop-edge"), Some(foreign));
}

#[tokio::test]
async fn a_child_that_is_gone_or_changed_is_put_right() {
    let (site, _edges) = Site::at_rest().await;
    let mut service = site.api.object("services/shop-edge").expect("exists");
    service["spec"]["ports"][0]["port"] = json!(8080);
    see(&site.context.stores.services, &site.api.put("services", service));
    site.run().await.expect("repairs");
    assert_eq!(site.api.writes(), ["PATCH services/shop-edge"]);
}

#[tokio::test]
async fn a_distribution_that_is_being_deleted_or_is_gone_makes_no_calls() {
    let (site, _edges) = Site::at_rest().await;
    let mut object = site.api.object("distributions/shop").expect("exists");
    object["metadata"]["deletionTimestamp"] = json!("2026-11-22T01:00:00Z");
    let object = site.api.put("distributions", object);
    see(&site.context.stores.distributions, &object);
    assert_eq!(site.run().await.expect("rests"), Wake::ON_CHANGE);
    let gone: DeserializeGuard<Distribution> = serde_json::from_value(object).expect("a Distribution");
    site.context.stores.distributions.feed(None).take(Event::Delete(gone));
    assert_eq!(site.run().await.expect("rests"), Wake::ON_CHANGE);
    assert_eq!(site.api.calls(), Vec::<String>::new());
}
