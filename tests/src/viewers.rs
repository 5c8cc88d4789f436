//! A Service's address into viewers that ask all the time, and into what they were not given.
#![expect(clippy::missing_panics_doc, reason = "a test's means fail by panicking, and say why when they do")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::task::{JoinHandle, JoinSet};

use crate::{cluster::eventually, viewer};

/// Viewers that ask until they are stopped, each over a connection of its own.
pub struct Viewers {
    tally: Arc<Tally>,
    asking: JoinHandle<()>,
}

#[derive(Default)]
struct Tally {
    asked: AtomicU64,
    faults: std::sync::Mutex<Vec<String>>,
    stopped: AtomicBool,
}

impl Viewers {
    /// Half of them ask for a page that is stored, half for pages that nobody asked for before.
    pub fn at(address: SocketAddr, a_second: u32) -> Self {
        let stored_or_new = |number: u64| {
            if number.is_multiple_of(2) { "/stored".to_owned() } else { format!("/new/{number}") }
        };
        Self::of(address, a_second, stored_or_new)
    }

    /// Begins, at this many requests a second, whether or not those before are answered; each has a number, and by it its path.
    pub fn of(address: SocketAddr, a_second: u32, path: fn(u64) -> String) -> Self {
        let tally = Arc::new(Tally::default());
        let asking = tokio::spawn(ask(address, a_second, path, tally.clone()));
        Self { tally, asking }
    }

    /// Waits until so many more have asked: time as viewers see it.
    pub async fn ask_more(&self, count: u64) {
        let asked = || self.tally.asked.load(Ordering::Relaxed);
        let until = asked() + count;
        eventually("viewers go on asking", || async { asked() >= until }).await;
    }

    /// How many have asked so far.
    pub fn asked(&self) -> u64 {
        self.tally.asked.load(Ordering::Relaxed)
    }

    /// How many of them were not answered as they should be.
    pub fn failed(&self) -> usize {
        self.tally.faults.lock().expect("nobody panicked").len()
    }

    /// Ends them once all are answered; how many asked.
    ///
    /// # Panics
    /// If one of them got an error or nothing, with the first of those.
    pub async fn all_were_served(self) -> u64 {
        let Self { tally, asking } = self;
        tally.stopped.store(true, Ordering::Relaxed);
        asking.await.expect("the viewers end");
        let (asked, faults) = (tally.asked.load(Ordering::Relaxed), tally.faults.lock().expect("nobody panicked"));
        assert!(
            faults.is_empty(),
            "{} of {asked} requests failed: {:#?}",
            faults.len(),
            &faults[..faults.len().min(10)]
        );
        asked
    }
}

async fn ask(address: SocketAddr, a_second: u32, path: fn(u64) -> String, tally: Arc<Tally>) {
    let mut due = tokio::time::interval(Duration::from_secs(1) / a_second);
    let mut running = JoinSet::new();
    while !tally.stopped.load(Ordering::Relaxed) {
        due.tick().await;
        let number = tally.asked.fetch_add(1, Ordering::Relaxed);
        let path = path(number);
        let tally = tally.clone();
        running.spawn(async move {
            let fault = match viewer::get(address, "shop-edge", &path).await {
                Ok(seen) if seen.status.is_success() => return,
                Ok(seen) => format!("{path}: {} {}", seen.status, seen.field("cache-status")),
                Err(error) => format!("{path}: {error}"),
            };
            tally.faults.lock().expect("nobody panicked").push(fault);
        });
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
}
