//! Turns long outages, rolls of an origin and many sudden deaths into one verdict: viewers notice nothing, and the same objects come
//! out. `make soak`.

use clap::Parser;
use tests::{
    cluster::in_namespace,
    deaths,
    outages::{self, Pace},
    product::installed,
    rolls,
};

/// Lets viewers ask while parts are away, then kills the leading operator at random moments. Needs root on the machine of the
/// cluster that KUBECONFIG names.
#[derive(Parser)]
struct Arguments {
    /// How many requests viewers make in a second.
    #[arg(long, default_value_t = 200)]
    requests: u32,
    /// How many live edits are made, one a second.
    #[arg(long, default_value_t = 30)]
    edits: u64,
    /// For how many seconds there is no operator.
    #[arg(long, default_value_t = 60)]
    absence: u64,
    /// How often an origin's pods are replaced; those of every second time end at once.
    #[arg(long, default_value_t = 6)]
    rolls: u32,
    /// How often the leader is killed.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// The same seed kills at the same moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Arguments { requests, edits, absence, rolls, kills, seed } = Arguments::parse();
    installed().await;
    let pace = Pace { a_second: requests, edits, absence };
    in_namespace("outages", async |client, namespace| outages::are_not_noticed(&client, &namespace, pace).await).await;
    in_namespace("rolls", async |client, namespace| {
        rolls::are_not_noticed(&client, &namespace, rolls, requests).await;
    })
    .await;
    in_namespace("deaths", async |client, namespace| deaths::change_nothing(&client, &namespace, kills, seed).await)
        .await;
}
