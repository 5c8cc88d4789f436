//! What becomes of objects that a webhook changes whenever they are applied.

use super::*;

const DEPLOYMENT: &str = "PATCH deployments/shop--default";

/// As a webhook does that has all images come from a registry of its own, and another that says how much a container may use.
fn mirror(deployment: &mut Value) {
    let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
    let image = container["image"].as_str().unwrap_or_default().replace("registry.example.com", "mirror.internal");
    container["image"] = json!(image);
    container["resources"] = json!({"limits": {"cpu": "2"}, "requests": {"cpu": "2"}});
}

/// A Distribution at rest before such an API.
async fn at_rest() -> Site {
    let site = Site::new();
    site.api.change_all("deployments", mirror);
    let wake = site.run().await.expect("creates");
    assert!(wake.at.is_some_and(|at| at <= crate::clock::monotonic()), "it is looked again at once: {wake:?}");
    site.deployments_are_through();
    site.run().await.expect("looks");
    site.api.calls();
    site
}

#[tokio::test]
async fn what_a_webhook_changes_is_applied_once() {
    let site = at_rest().await;
    assert_eq!(site.run().await.expect("looks"), Wake::ON_CHANGE);
    assert_eq!(site.api.writes(), [""; 0]);
    assert!(!site.condition(ConditionType::Reconciling).contains("RollingOut"));
}

#[tokio::test]
async fn what_somebody_changes_afterwards_is_put_right() {
    let site = at_rest().await;
    let mut edited = site.api.object("deployments/shop--default").expect("exists");
    edited["spec"]["template"]["spec"]["containers"][0]["image"] = json!("mirror.internal/other:1");
    see(&site.context.stores.deployments, &site.api.put("deployments", edited));
    site.run().await.expect("repairs");
    assert_eq!(site.api.writes()[0], DEPLOYMENT);
    site.deployments_are_through();
    site.run().await.expect("looks");
    assert!(!site.api.writes().contains(&DEPLOYMENT.to_owned()));
}

#[tokio::test]
async fn a_new_release_goes_through_a_webhook_and_on_to_the_next() {
    let site = at_rest().await;
    let mut cluster = (*site.context.cluster.load_full()).clone();
    cluster.edge.name = "registry.example.com/edge:2.0.0".into();
    site.context.cluster.store(cluster.into());
    site.run().await.expect("rolls");
    assert_eq!(site.api.writes()[0], DEPLOYMENT);
    let blog = DistributionKey::new("default", "blog");
    let owed = plan::Upgrade { owed: true, ..plan::Upgrade::default() };
    assert_eq!(site.context.turns.ask(&blog, owed), plan::Turn::After(key()));
    site.deployments_roll();
    site.run().await.expect("waits");
    assert_eq!(site.context.turns.ask(&blog, owed), plan::Turn::After(key()));
    site.deployments_are_through();
    site.run().await.expect("is through");
    assert!(!site.api.writes().contains(&DEPLOYMENT.to_owned()));
    assert_eq!(site.context.turns.ask(&blog, owed), plan::Turn::Ours);
}

#[tokio::test]
async fn locations_follow_one_another_through_a_webhook() {
    let site = at_rest().await;
    let mut edited = spec();
    edited["locations"] = json!([{"name": "default", "pod": {"nodeSelector": {"disk": "fast"}}}, {"name": "far"}]);
    site.apply(&edited);
    site.run().await.expect("rolls the one, makes the other");
    site.deployments_are_through();
    let mut far = site.api.object("deployments/shop--far").expect("exists");
    far["metadata"]["generation"] = json!(1);
    far["status"] = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2});
    see(&site.context.stores.deployments, &site.api.put("deployments", far));
    for location in 0..2 {
        edited["locations"][location]["pod"] = json!({"nodeSelector": {"disk": "faster"}});
    }
    site.apply(&edited);
    site.api.calls();
    site.run().await.expect("rolls the first");
    let writes = site.api.writes();
    assert!(writes.contains(&DEPLOYMENT.to_owned()), "{writes:?}");
    assert!(!writes.contains(&"PATCH deployments/shop--far".to_owned()), "{writes:?}");
    site.deployments_are_through();
    site.run().await.expect("rolls the second");
    let writes = site.api.writes();
    assert!(writes.contains(&"PATCH deployments/shop--far".to_owned()), "{writes:?}");
    assert!(!writes.contains(&DEPLOYMENT.to_owned()), "{writes:?}");
}
