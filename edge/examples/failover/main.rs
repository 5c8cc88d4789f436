//! Two origins of which the first dies under load into what viewers notice of it: `make bench-origins` prints it.
//!
//! All of it is one process on loopback: the origins, the edge, and viewers who ask for something new 200 times a second, each over a
//! connection of its own.

mod server;
mod viewers;

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use edge::clock::Clock;
use edge::process::{self, Running};
use edge::settings::Settings;
use edge_contract::{Behavior, EdgeConfig, Epoch, Origin, OriginGroup, OriginTarget, Scheme, Site, Walls};
use server::Server;
use viewers::{Seen, Viewers};

/// How long the first origin is well, dead, and well again.
const BEFORE: Duration = Duration::from_secs(5);
const DEAD: Duration = Duration::from_secs(10);
const AFTER: Duration = Duration::from_secs(5);

/// What is waited for a head of the first origin.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() {
    println!("| the primary | meanwhile | requests | failed | wait, median | P99 | longest |");
    println!("|---|---|---|---|---|---|---|");
    let mut notes = Vec::new();
    for (what, hangs) in [("is killed: connections are refused", false), ("stops: no answer", true)] {
        notes.push(run(what, hangs).await);
    }
    println!("\nAn origin has {} ms for the head of its answer.", RESPONSE_TIMEOUT.as_millis());
    for note in notes {
        println!("{note}");
    }
}

/// One death and what came of it.
async fn run(what: &str, hangs: bool) -> String {
    let (mut primary, secondary) = (Server::start("primary").await, Server::start("secondary").await);
    let clock = Clock::system();
    let edge = start(&clock, primary.address, secondary.address).await;
    let mut observed = edge.edge.live.observing().changes();
    let viewers = Viewers::of(edge.viewers, &clock);
    tokio::time::sleep(BEFORE).await;
    let died = clock.now().monotonic;
    if hangs {
        primary.hang();
    } else {
        primary.kill();
    }
    let opened = tokio::time::timeout(DEAD, observed.wait_for(|observed| !observed.origins.is_empty())).await.is_ok();
    let opened = if opened { clock.now().monotonic } else { died + DEAD };
    tokio::time::sleep((died + DEAD).saturating_sub(clock.now().monotonic)).await;
    let revived = clock.now().monotonic;
    primary.revive().await;
    tokio::time::sleep(AFTER).await;
    let seen = viewers.stop().await;
    let back = seen.iter().filter(|one| one.by == "primary" && one.ended >= revived).map(|one| one.ended).min();
    // Whoever asked before it opened may have waited beyond that.
    for (meanwhile, from, to) in [
        ("well", Duration::ZERO, died),
        ("dead, its breaker closed", died, opened),
        ("dead, its breaker open", opened, revived),
        ("well again", revived, Duration::MAX),
    ] {
        row(what, meanwhile, seen.iter().filter(|one| one.asked >= from && one.asked < to));
    }
    let back = back.map_or("never".into(), |back| milliseconds(back.saturating_sub(revived)));
    format!(
        "It {what}: its breaker is open after {}; it is asked again {back} after it is back.",
        milliseconds(opened.saturating_sub(died))
    )
}

fn row<'a>(what: &str, meanwhile: &str, seen: impl Iterator<Item = &'a Seen>) {
    let (mut waits, mut failed) = (Vec::new(), 0);
    for one in seen {
        waits.push(one.ended.saturating_sub(one.asked));
        failed += usize::from(!one.is_answered());
    }
    waits.sort();
    let at = |percent: usize| waits.get((waits.len() * percent / 100).min(waits.len().saturating_sub(1)));
    let shown = |percent: usize| at(percent).map_or("—".into(), |wait| milliseconds(*wait));
    println!("| {what} | {meanwhile} | {} | {failed} | {} | {} | {} |", waits.len(), shown(50), shown(99), shown(100));
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

async fn start(clock: &Clock, primary: SocketAddr, secondary: SocketAddr) -> Running {
    let arguments = ["edge", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "false"];
    let edge = process::start(&Settings::parse_from(arguments), clock.clone()).await.expect("starts");
    let origin = |name: &str, at: SocketAddr| Origin {
        response_timeout_ms: u64::try_from(RESPONSE_TIMEOUT.as_millis()).unwrap_or(u64::MAX),
        ..Origin::plain(name, "shop.test").at(OriginTarget::Address {
            scheme: Scheme::Http,
            host: at.ip().to_string(),
            port: at.port(),
        })
    };
    let group = OriginGroup {
        name: "ha".into(),
        primary: "primary".into(),
        secondary: "secondary".into(),
        failover_on: vec![500, 502, 503, 504],
    };
    let site = Site {
        origins: vec![origin("primary", primary), origin("secondary", secondary)],
        origin_groups: vec![group],
        behaviors: vec![Behavior::plain("*", "ha")],
        walls: Walls { local_origins: true, ..Walls::default() },
        ..Site::plain("uid", "default/shop")
    };
    edge.edge.live.take_config(EdgeConfig::of(Epoch(1), 1, vec![site])).expect("is sound");
    edge
}
