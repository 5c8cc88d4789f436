//! Every right that the chart gives the operator, taken away once: without it an operator says what it may not do, and goes on.
//!
//! There is no list of deeds to keep. An operator lives through all that operators meet (`life`): once with every right of the
//! chart, when nothing may be refused, and once without each, when just that must be. So a right that nothing needs fails this
//! test, and so does a new one until something in this life needs it. The API server judges as always; but no edge runs, because
//! pods that fit on no node are all that an operator needs to see.

mod chart;
mod life;

use std::{sync::Arc, time::Duration};

use chart::{Chart, Right};
use futures::{StreamExt, stream};
use kube::Client;
use life::Life;
use tests::{
    cluster::{client, in_namespace},
    operator::{Log, Operator},
    product::{grants_exist, installed},
    replicas,
};
use tokio::time::timeout;

/// The operator as it ships.
const PROGRAM: &str = env!("CARGO_BIN_EXE_operator");

/// How many lives go on at a time.
const AT_ONCE: usize = 8;

/// How long an operator may take to do what it has no right to, once everything else is done.
const A_LITTLE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn each_right_is_missed_where_it_is_taken_away_and_no_other_is() {
    installed().await;
    let client = client().await;
    grants_exist(&client).await;
    // Nobody else is to look after the namespaces of this test.
    replicas::scale(&client, 0).await;
    let chart = Arc::new(Chart::render().await);
    let rights = chart.rights();
    println!("{} rights", rights.len());
    let lives = std::iter::once(None).chain(rights.into_iter().map(Some)).map(|missing| {
        let (name, chart) = (missing.as_ref().map_or("with every right".into(), Right::to_string), chart.clone());
        async move { tokio::spawn(in_place(chart, missing)).await.err().map(|_| name) }
    });
    let failed: Vec<Option<String>> = stream::iter(lives).buffer_unordered(AT_ONCE).collect().await;
    replicas::scale(&client, 2).await;
    let failed: Vec<_> = failed.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{} lives went wrong, see above: {failed:#?}", failed.len());
}

async fn in_place(chart: Arc<Chart>, missing: Option<Right>) {
    in_namespace("life", |client, namespace| live(client, namespace, chart, missing)).await;
}

/// One life: with every right, or without one.
async fn live(client: Client, namespace: String, chart: Arc<Chart>, missing: Option<Right>) {
    chart.grant(&client, &namespace, missing.as_ref()).await;
    let log = Log::default();
    let mut operator = Operator::start(PROGRAM, &namespace, &log);
    let mut life = Life { client, namespace, operator: &mut operator, log: &log };
    let Some(missing) = missing else {
        life.everything().await;
        let refused = log.lines_with("forbidden");
        assert!(refused.is_empty(), "the chart does not grant it: {refused:#?}");
        return;
    };
    let refusal = missing.refusal(&life.namespace);
    tokio::select! {
        () = log.until(&refusal) => {}
        () = life.everything() => {
            let late = timeout(A_LITTLE, log.until(&refusal)).await;
            late.unwrap_or_else(|_| panic!("{missing}: nobody missed it; refused was {:#?}", log.lines_with("forbidden")));
        }
    }
    life.goes_on_without(&missing).await;
}
