//! What viewers and users see while parts are away. These tests take the one operator away, so they run one after the other.

use crds::Distribution;
use kube::{Api, api::DeleteParams};
use tests::{
    cluster::{apply, in_namespace, until, until_gone},
    deaths,
    outages::{self, Pace},
    product::{distribution, installed, is, origin, ready, until_ready},
    replicas, rolls,
};

/// There is one operator, so one test at a time does something to it.
static OPERATOR: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn viewers_notice_nothing_while_parts_are_away() {
    let _alone = OPERATOR.lock().await;
    installed().await;
    let pace = Pace { a_second: 100, edits: 3, absence: 5 };
    in_namespace("away", async |client, namespace| outages::are_not_noticed(&client, &namespace, pace).await).await;
}

#[tokio::test]
async fn viewers_notice_nothing_while_the_pods_of_an_origin_are_replaced() {
    let _alone = OPERATOR.lock().await;
    installed().await;
    in_namespace("roll", async |client, namespace| rolls::are_not_noticed(&client, &namespace, 2, 200).await).await;
}

#[tokio::test]
async fn whatever_the_operator_does_when_it_is_killed_the_same_objects_come_out() {
    let _alone = OPERATOR.lock().await;
    installed().await;
    in_namespace("deaths", async |client, namespace| deaths::change_nothing(&client, &namespace, 4, 1).await).await;
}

#[tokio::test]
async fn a_deletion_needs_no_operator() {
    let _alone = OPERATOR.lock().await;
    installed().await;
    in_namespace("alone", async |client, namespace| {
        origin(&client, &namespace).await;
        ready(&client, &namespace, &distribution(|_| ())).await;
        replicas::scale(&client, 0).await;
        let api: Api<Distribution> = Api::namespaced(client.clone(), &namespace);
        api.delete("shop", &DeleteParams::foreground()).await.expect("deletes");
        until_gone(&api, "shop").await;
        replicas::scale(&client, 2).await;
    })
    .await;
}

#[tokio::test]
async fn a_distribution_that_is_made_while_the_operator_is_away_is_in_progress_and_then_ready() {
    let _alone = OPERATOR.lock().await;
    installed().await;
    in_namespace("unseen", async |client, namespace| {
        origin(&client, &namespace).await;
        replicas::scale(&client, 0).await;
        apply(&client, &namespace, &distribution(|_| ()).to_string()).await;
        let api: Api<Distribution> = Api::namespaced(client.clone(), &namespace);
        let unseen = until(&api, "shop", "is there", |_| true).await;
        assert_eq!(
            unseen.status.as_ref().and_then(|status| status.observed_generation),
            Some(-1),
            "nobody has seen it"
        );
        assert!(!is(&unseen, "Ready", "True"));
        replicas::scale(&client, 2).await;
        until_ready(&client, &namespace).await;
    })
    .await;
}
