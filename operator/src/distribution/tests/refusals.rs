//! What becomes of a Distribution when the API refuses, is ahead or does not answer.

use super::*;
use crate::causes::chain;
use crate::fake_api::Fault;
use crate::runner::DEADLINE;
use crate::setback::Setback;

#[tokio::test]
async fn a_generation_that_cannot_be_taken_leaves_everything_as_it_is() {
    let (site, _edges) = Site::at_rest().await;
    let mut broken = spec();
    broken["origins"][0]["service"]["name"] = json!("missing");
    site.apply(&broken);
    site.run().await.expect("refuses");
    let writes = site.api.writes();
    assert!(writes.iter().all(|call| call == "PUT distributions/shop/status" || call == "POST events"), "{writes:?}");
    assert_eq!(site.status()["configRevision"], 1);
    assert_eq!(site.status()["programmedGeneration"], 1);
    assert!(site.condition(ConditionType::ResolvedRefs).starts_with("False/NotFound"));

    site.there_is_a_service("missing");
    assert_eq!(site.context.interests.of(&crate::table::Group::Service("default".into(), "missing".into())), [key()]);
    site.run().await.expect("takes it");
    assert_eq!(site.status()["configRevision"], 2);
    assert!(site.condition(ConditionType::ResolvedRefs).starts_with("True"));
}

#[tokio::test]
async fn a_number_is_not_used_when_somebody_else_wrote_meanwhile() {
    let site = Site::new();
    site.api.fail("PUT distributions/shop/status", Fault::Once(409));
    let error = site.run().await.expect_err("conflicts");
    assert!(matches!(error, Error::Accept(_)), "{error:?}");
    assert_eq!(site.api.writes(), ["PUT distributions/shop/status"], "nothing bears a number that was not taken");

    // Another leader took it: what it wrote is what counts.
    let mut object = site.api.object("distributions/shop").expect("exists");
    object["status"] =
        json!({"configRevision": 7, "invalidation": {"epoch": 5, "sequence": 0, "floor": 0, "flush": 0}});
    see(&site.context.stores.distributions, &site.api.put("distributions", object));
    site.run().await.expect("creates");
    assert_eq!(site.status()["configRevision"], 8);
    assert_eq!(site.status()["invalidation"]["epoch"], 5);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_written_keeps_its_number_and_no_pod_is_made() {
    let site = Site::new();
    site.api.fail("PATCH configmaps/shop-edge", Fault::Always(403));
    for _ in 0..3 {
        site.run().await.expect_err("is refused");
        assert!(!site.api.writes().contains(&"PATCH deployments/shop--default".to_owned()));
    }
    assert_eq!(site.status()["configRevision"], 1, "numbers are not spent on retries");
    site.api.mend();
    site.run().await.expect("creates");
    assert!(site.api.writes().contains(&"PATCH deployments/shop--default".to_owned()));
    assert_eq!(site.status()["configRevision"], 1);
}

#[tokio::test]
async fn an_object_that_may_not_be_written_is_named_and_holds_up_no_other() {
    let site = Site::new();
    site.api.fail("PATCH networkpolicies/shop-edge", Fault::Always(403));
    let error = site.run().await.expect_err("is refused");
    let told = chain(&error);
    assert!(told.contains("could not apply NetworkPolicy default/shop-edge"), "{told}");
    assert_eq!(site.api.writes(), CREATION, "everything was tried");
    let reconciling = site.condition(ConditionType::Reconciling);
    assert!(
        reconciling.starts_with("True/WriteFailed: could not apply NetworkPolicy default/shop-edge"),
        "{reconciling}"
    );

    site.run().await.expect_err("still is");
    assert_eq!(site.api.writes(), ["PATCH networkpolicies/shop-edge"], "a failure that is known is not reported again");
    site.api.mend();
    site.run().await.expect("creates");
    assert!(!site.condition(ConditionType::Reconciling).contains("WriteFailed"));
}

#[tokio::test]
async fn a_webhook_that_fails_from_another_port_each_time_is_told_of_once() {
    let site = Site::new();
    site.api.fail("PATCH networkpolicies/shop-edge", Fault::WebhookResets);
    site.run().await.expect_err("is refused");
    let reconciling = site.condition(ConditionType::Reconciling);
    assert!(reconciling.contains("read tcp 10.0.0.1->10.96.3.4:443: read: connection reset"), "{reconciling}");
    site.api.calls();
    site.run().await.expect_err("still is");
    assert_eq!(site.api.writes(), ["PATCH networkpolicies/shop-edge"]);
}

#[tokio::test]
async fn that_a_look_was_out_of_date_is_nothing_to_tell_of() {
    let (site, _edges) = Site::at_rest().await;
    let mut service = site.api.object("services/shop-edge").expect("exists");
    service["spec"]["ports"][0]["port"] = json!(8080);
    see(&site.context.stores.services, &site.api.put("services", service));
    site.api.fail("PATCH services/shop-edge", Fault::Once(409));
    let error = site.run().await.expect_err("conflicts");
    assert_eq!(Setback::of(&error), Setback::Overtaken);
    assert_eq!(site.api.writes(), ["PATCH services/shop-edge"], "no word of it in the status");
    site.run().await.expect("repairs");
}

#[tokio::test]
async fn a_failure_is_told_though_a_conflict_came_first() {
    let site = Site::new();
    site.api.fail("PATCH networkpolicies/shop-edge", Fault::Always(409));
    site.api.fail("PATCH services/shop-edge", Fault::Always(403));
    let error = site.run().await.expect_err("is refused");
    assert_eq!(Setback::of(&error), Setback::Failure);
    let reconciling = site.condition(ConditionType::Reconciling);
    assert!(reconciling.starts_with("True/WriteFailed: could not apply Service default/shop-edge"), "{reconciling}");
}

#[tokio::test]
async fn in_a_namespace_that_ends_nothing_is_made_again() {
    let (site, _edges) = Site::at_rest().await;
    for (child, resource) in [("shop-edge", "networkpolicies"), ("shop-edge", "serviceaccounts")] {
        site.api.remove(&format!("{resource}/{child}"));
        site.api.fail(&format!("PATCH {resource}/{child}"), Fault::NamespaceEnds);
    }
    let site = site.restarted(Duration::from_mins(5));
    site.api.calls();
    let error = site.run().await.expect_err("is refused");
    assert_eq!(Setback::of(&error), Setback::NamespaceEnds);
    assert_eq!(site.api.writes()[0], "PATCH serviceaccounts/shop-edge");
    assert!(!site.api.writes().contains(&"PATCH networkpolicies/shop-edge".to_owned()), "the first refusal is enough");
    let reconciling = site.condition(ConditionType::Reconciling);
    assert!(reconciling.starts_with("True/WriteFailed: the namespace is being removed"), "{reconciling}");
    site.run().await.expect_err("still is");
    assert_eq!(site.api.writes(), ["PATCH serviceaccounts/shop-edge"], "and it is said once");
}

#[tokio::test(start_paused = true)]
async fn an_api_that_does_not_answer_ends_at_the_deadline() {
    let site = Site::new();
    site.api.fail("PUT distributions/shop/status", Fault::Silence);
    assert!(tokio::time::timeout(DEADLINE, site.run()).await.is_err());
    assert_eq!(site.api.writes(), ["PUT distributions/shop/status"]);
}
