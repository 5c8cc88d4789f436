//! What happened on the way to origins into OpenMetrics text.

use std::fmt::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

/// What walls say an address is, and the word for it in metrics; last, whatever else they may say.
const REFUSALS: [(&str, &str); 10] = [
    ("a loopback address", "loopback"),
    ("an unspecified address", "unspecified"),
    ("a link-local address", "link-local"),
    ("a multicast address", "multicast"),
    ("a broadcast address", "broadcast"),
    ("the address of a metadata service", "metadata"),
    ("an address kept for protocols", "protocols"),
    ("the address of an API server", "api-server"),
    ("an address of the cluster itself", "cluster"),
    ("", "other"),
];

/// Counts of one edge.
#[derive(Debug, Default)]
pub struct Counts {
    refused: [AtomicU64; REFUSALS.len()],
    /// Lookups that were answered by what DNS said long before.
    pub stale_names: Count,
    /// Requests that were sent, or that another address was dialled for, once more at the origin's cost.
    pub retries: Count,
    /// Requests for which that would have been one too many.
    pub retries_refused: Count,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counts {
    /// An address was not asked, because a wall says that it is this.
    pub fn refused(&self, reason: &str) {
        let at = REFUSALS.iter().position(|(known, _)| *known == reason).unwrap_or(REFUSALS.len() - 1);
        if let Some(counter) = self.refused.get(at) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often, by word; only what happened.
    pub fn refusals(&self) -> Vec<(&'static str, u64)> {
        let counts = self.refused.iter().map(|count| count.load(Ordering::Relaxed));
        counts.zip(REFUSALS).filter(|(count, _)| *count > 0).map(|(count, (_, word))| (word, count)).collect()
    }
}

/// Reads the counts of an edge.
#[derive(Debug)]
pub struct CountsCollector(pub Arc<Counts>);

impl Collector for CountsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let Counts { refused: _, stale_names, retries, retries_refused } = &*self.0;
        let help = "Addresses of origins that were not asked, by what no origin may be at";
        let mut family = encoder.encode_descriptor("origin_refused", help, None, MetricType::Counter)?;
        for (word, count) in self.0.refusals() {
            ConstCounter::new(count).encode(family.encode_family(&[("reason", word)])?)?;
        }
        let rest = [
            ("origin_stale_names", "Lookups answered by what DNS said before it fell silent", stale_names),
            ("origin_retries", "Attempts after the first that an origin had to bear", retries),
            ("origin_retries_refused", "Requests given up because an origin had borne enough of them", retries_refused),
        ];
        for (name, help, count) in rest {
            let metric = ConstCounter::new(count.so_far());
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }
}
