//! What edges asked of one another into OpenMetrics text.

use std::fmt::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::forward::ForwardError;
use crate::forward::connect::ConnectError;
use crate::forward::counts::Count;
use crate::metrics::CacheResult;

/// Why an edge asked an origin itself, or another edge than the one that it asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// It owns the target.
    Itself,
    /// It knows of none that stands before the origin.
    NoEdges,
    /// It has nothing to prove itself with.
    NoCertificate,
    /// Those that do failed a moment ago.
    Avoided,
    /// There was no connection.
    Connect,
    /// Whoever answered was not the edge that was meant, or did not take this one for one.
    Certificate,
    /// It broke off before it answered.
    Failed,
    /// It took longer than the origin may take.
    TimedOut,
    /// It serves an older configuration, or one of another epoch.
    Revision,
    /// It had too much to do.
    Crowded,
    /// It refused for another reason.
    Refused,
}

const FALLBACKS: [(Fallback, &str); 11] = [
    (Fallback::Itself, "itself"),
    (Fallback::NoEdges, "no-edges"),
    (Fallback::NoCertificate, "no-certificate"),
    (Fallback::Avoided, "avoided"),
    (Fallback::Connect, "connect"),
    (Fallback::Certificate, "certificate"),
    (Fallback::Failed, "failed"),
    (Fallback::TimedOut, "timed-out"),
    (Fallback::Revision, "revision"),
    (Fallback::Crowded, "crowded"),
    (Fallback::Refused, "refused"),
];

/// Because it serves an older configuration.
pub const REVISION: &str = "revision";
/// Because of too many who ask for the same.
pub const CROWDED: &str = "crowded";

impl Fallback {
    /// Its word in labels.
    pub fn word(self) -> &'static str {
        FALLBACKS.iter().find(|(known, _)| *known == self).map_or("", |(_, word)| word)
    }

    /// What went wrong with another edge.
    pub fn of(error: &ForwardError) -> Self {
        match error {
            ForwardError::Connect(ConnectError::Certificate { .. } | ConnectError::Tls { .. }) => Self::Certificate,
            ForwardError::Connect(_) => Self::Connect,
            ForwardError::HeadTimedOut(_) => Self::TimedOut,
            _ => Self::Failed,
        }
    }

    /// Why it did not want to.
    pub fn refused(why: &str) -> Self {
        match why {
            REVISION => Self::Revision,
            CROWDED => Self::Crowded,
            _ => Self::Refused,
        }
    }
}

/// Counts of one edge.
#[derive(Debug, Default)]
pub struct TierCounts {
    asked: Count,
    fallbacks: [AtomicU64; FALLBACKS.len()],
    answered: [AtomicU64; CacheResult::COUNT],
    refused: Count,
}

impl TierCounts {
    /// Another edge is asked.
    pub fn asks(&self) {
        self.asked.one();
    }

    /// Somebody else is asked than the edge whose turn it was.
    pub fn fell_back(&self, why: Fallback) {
        let at = FALLBACKS.iter().position(|(known, _)| *known == why);
        if let Some(counter) = at.and_then(|at| self.fallbacks.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Another edge was answered.
    pub fn answered(&self, result: CacheResult) {
        if let Some(counter) = self.answered.get(result.place()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Another edge was refused.
    pub fn refuses(&self) {
        self.refused.one();
    }
}

/// Reads the counts of an edge.
#[derive(Debug)]
pub struct TierCollector(pub Arc<TierCounts>);

impl Collector for TierCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let TierCounts { asked, fallbacks, answered, refused } = &*self.0;
        let whole = [
            ("shield_requests", "Requests to edges that stand before origins", asked),
            ("shield_refusals", "Requests of other edges that were refused here", refused),
        ];
        for (name, help, count) in whole {
            let metric = ConstCounter::new(count.so_far());
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let help =
            "Requests for which not the edge was asked that stands before their origin, or not the first of them";
        let mut family = encoder.encode_descriptor("shield_fallbacks", help, None, MetricType::Counter)?;
        let words = FALLBACKS.iter().map(|(_, word)| *word);
        for (word, count) in words.zip(fallbacks).map(|(word, count)| (word, count.load(Ordering::Relaxed))) {
            if count > 0 {
                ConstCounter::new(count).encode(family.encode_family(&[("reason", word)])?)?;
            }
        }
        let help = "Requests of other edges that were answered here, by what became of them";
        let mut family = encoder.encode_descriptor("shielded_requests", help, None, MetricType::Counter)?;
        for (word, count) in
            CacheResult::words().zip(answered).map(|(word, count)| (word, count.load(Ordering::Relaxed)))
        {
            if count > 0 {
                ConstCounter::new(count).encode(family.encode_family(&[("cache", word)])?)?;
            }
        }
        Ok(())
    }
}
