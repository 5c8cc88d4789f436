//! What happened to requests, stored bytes and the purge log into OpenMetrics text.
//!
//! Counters of requests sit with their behavior, so that a request touches no map and no lock; they are read at a scrape.

use std::fmt::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use edge_cache::coding::Coding;
use http::StatusCode;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::collapse::places::Crowded;
use crate::config::{BehaviorTable, SiteTable};
use crate::forward::counts::{Counts, CountsCollector};
use crate::live::Live;
use crate::tier::counts::{TierCollector, TierCounts};

/// Upper bounds of the origin's answer times, in seconds.
const ORIGIN_SECONDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// What the cache did for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheResult {
    /// A fresh stored response.
    Hit,
    /// A stale one, knowingly.
    Stale,
    /// A stored one that the origin said still holds.
    Revalidated,
    /// The origin's answer to this request.
    Miss,
    /// The origin's answer to another request that was under way.
    Collapsed,
    /// Nothing: the request is not the cache's to answer.
    Pass,
    /// Nothing: the edge itself refused or failed.
    Edge,
}

const RESULTS: [(CacheResult, &str); 7] = [
    (CacheResult::Hit, "hit"),
    (CacheResult::Stale, "stale"),
    (CacheResult::Revalidated, "revalidated"),
    (CacheResult::Miss, "miss"),
    (CacheResult::Collapsed, "collapsed"),
    (CacheResult::Pass, "pass"),
    (CacheResult::Edge, "edge"),
];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const CODINGS: [Coding; 2] = [Coding::Brotli, Coding::Gzip];
/// What a stale response is served for, as `Cache-Status` words it; last, whatever else there may be.
const STALE_USES: [&str; 5] = ["stale-while-revalidate", "stale-unreachable", "stale-if-error", "max-stale", "other"];

/// What became of a request that would have asked the origin for itself while too many did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowding {
    /// It had to wait for its turn.
    Waited,
    /// Too many waited already.
    Refused,
    /// Its turn did not come in time.
    TimedOut,
}

const CROWDINGS: [(Crowding, &str); 3] =
    [(Crowding::Waited, "waited"), (Crowding::Refused, "refused"), (Crowding::TimedOut, "timed-out")];

impl From<Crowded> for Crowding {
    fn from(why: Crowded) -> Self {
        match why {
            Crowded::Refused => Self::Refused,
            Crowded::TimedOut => Self::TimedOut,
        }
    }
}

impl CacheResult {
    /// How many there are.
    pub const COUNT: usize = RESULTS.len();

    /// Its place among them.
    pub fn place(self) -> usize {
        RESULTS.iter().position(|(known, _)| *known == self).unwrap_or_default()
    }

    /// Their words, each at its place.
    pub fn words() -> impl Iterator<Item = &'static str> {
        RESULTS.iter().map(|(_, word)| *word)
    }

    /// Its word in labels and logs.
    pub fn word(self) -> &'static str {
        RESULTS.iter().find(|(result, _)| *result == self).map_or("", |(_, word)| word)
    }
}

/// The counts of one behavior.
#[derive(Debug, Default)]
pub struct BehaviorCounters {
    requests: [[AtomicU64; RESULTS.len()]; CLASSES.len()],
    body_bytes: AtomicU64,
    coded: [AtomicU64; CODINGS.len()],
    stale: [AtomicU64; STALE_USES.len()],
    crowded: [AtomicU64; CROWDINGS.len()],
}

impl BehaviorCounters {
    /// Counts a response at its end.
    pub fn count(&self, status: StatusCode, result: CacheResult, body_bytes: u64) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        let at = RESULTS.iter().position(|(known, _)| *known == result);
        if let Some(counter) = self.requests.get(class).zip(at).and_then(|(row, at)| row.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.body_bytes.fetch_add(body_bytes, Ordering::Relaxed);
    }

    /// Counts a response that the edge had coded.
    pub fn count_coded(&self, coding: Coding) {
        count_at(&self.coded, CODINGS.iter().position(|known| *known == coding));
    }

    /// Counts a stale response by the word for what allowed it.
    pub fn count_stale(&self, why: Option<&str>) {
        let at = STALE_USES.iter().position(|known| Some(*known) == why);
        count_at(&self.stale, Some(at.unwrap_or(STALE_USES.len() - 1)));
    }

    /// Counts a request that found no place at once among those who ask for themselves.
    pub fn count_crowded(&self, what: Crowding) {
        count_at(&self.crowded, CROWDINGS.iter().position(|(known, _)| *known == what));
    }
}

fn count_at(counters: &[AtomicU64], at: Option<usize>) {
    if let Some(counter) = at.and_then(|at| counters.get(at)) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What is counted for the edge as a whole.
#[derive(Debug)]
pub struct Metrics {
    live: Live,
    registry: Mutex<Registry>,
    /// From a request's sending to its response head, in seconds.
    pub origin_seconds: Histogram,
}

impl Metrics {
    /// Counts for this edge.
    pub fn new(live: Live, on_the_way: &Arc<Counts>, tiers: &Arc<TierCounts>) -> Self {
        let origin_seconds = Histogram::new(ORIGIN_SECONDS);
        let mut registry = Registry::with_prefix("kubefront_edge");
        registry.register(
            "origin_response_seconds",
            "From sending a request to an origin to its response head",
            origin_seconds.clone(),
        );
        registry.register_collector(Box::new(LiveCollector(live.clone())));
        registry.register_collector(Box::new(CountsCollector(Arc::clone(on_the_way))));
        registry.register_collector(Box::new(TierCollector(Arc::clone(tiers))));
        Self { live, registry: Mutex::new(registry), origin_seconds }
    }

    /// OpenMetrics text.
    pub fn text(&self) -> Result<String, Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry.lock())?;
        Ok(text)
    }

    /// The edge that is counted.
    pub fn live(&self) -> &Live {
        &self.live
    }
}

/// Reads the counts where they are kept.
#[derive(Debug)]
struct LiveCollector(Live);

impl Collector for LiveCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        self.requests(&mut encoder)?;
        self.bytes(&mut encoder)?;
        self.coded(&mut encoder)?;
        self.stale(&mut encoder)?;
        self.crowded(&mut encoder)?;
        self.failovers(&mut encoder)?;
        self.breakers(&mut encoder)?;
        let store = self.0.store();
        let purge = self.0.purge();
        gauge(&mut encoder, "store_bytes", "Bytes that stored responses hold", store.held() as u64)?;
        gauge(&mut encoder, "store_bound_bytes", "Bytes that they may hold", store.bound() as u64)?;
        gauge(&mut encoder, "store_responses", "Stored responses", store.responses() as u64)?;
        counter(&mut encoder, "store_evictions", "Keys that had to leave for others", store.evicted())?;
        let applied = purge.applied().sequence.unwrap_or_default();
        gauge(&mut encoder, "purge_sequence", "The number up to which the purge log is applied", applied)?;
        gauge(&mut encoder, "purge_unswept", "Changes of the purge log not yet swept for", purge.behind())?;
        let revision = self.0.serving_revision().map_or(0, |(_, revision)| revision);
        gauge(&mut encoder, "config_revision", "The configuration that serves", revision)
    }
}

impl LiveCollector {
    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut family =
            encoder.encode_descriptor("requests", "Requests by what became of them", None, MetricType::Counter)?;
        let Some(sites) = self.0.sites() else { return Ok(()) };
        for table in &sites.sites {
            for behavior in &table.behaviors {
                for (row, class) in behavior.counters.requests.iter().zip(CLASSES) {
                    for (count, (_, result)) in row.iter().zip(RESULTS) {
                        let count = count.load(Ordering::Relaxed);
                        if count == 0 {
                            continue;
                        }
                        let labels = [
                            ("site", table.site.name.as_str()),
                            ("behavior", behavior.behavior.path_pattern.as_str()),
                            ("status", class),
                            ("cache", result),
                        ];
                        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn coded(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Responses that the edge had coded itself, by coding";
        let mut family = encoder.encode_descriptor("coded_responses", help, None, MetricType::Counter)?;
        let Some(sites) = self.0.sites() else { return Ok(()) };
        for (table, behavior) in sites.behaviors() {
            for (coding, counter) in CODINGS.iter().zip(&behavior.counters.coded) {
                labelled(&mut family, table, behavior, ("coding", coding.token()), counter)?;
            }
        }
        Ok(())
    }

    fn stale(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Stale responses that were served, by what allowed it";
        let mut family = encoder.encode_descriptor("stale_responses", help, None, MetricType::Counter)?;
        let Some(sites) = self.0.sites() else { return Ok(()) };
        for (table, behavior) in sites.behaviors() {
            for (why, counter) in STALE_USES.iter().zip(&behavior.counters.stale) {
                labelled(&mut family, table, behavior, ("why", why), counter)?;
            }
        }
        Ok(())
    }

    fn crowded(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Requests that found too many asking the origin for the same thing, by what became of them";
        let mut family = encoder.encode_descriptor("crowded_requests", help, None, MetricType::Counter)?;
        let Some(sites) = self.0.sites() else { return Ok(()) };
        for (table, behavior) in sites.behaviors() {
            for ((_, what), counter) in CROWDINGS.iter().zip(&behavior.counters.crowded) {
                labelled(&mut family, table, behavior, ("outcome", what), counter)?;
            }
        }
        Ok(())
    }

    fn failovers(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Requests that went on from the first origin of a group to the second, by why";
        let mut family = encoder.encode_descriptor("failovers", help, None, MetricType::Counter)?;
        let Some(sites) = self.0.sites() else { return Ok(()) };
        for table in &sites.sites {
            for origin in &table.origins {
                for (reason, count) in origin.health.failovers.so_far() {
                    let labels =
                        [("site", table.site.name.as_str()), ("origin", origin.name.as_str()), ("reason", reason)];
                    ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }

    /// A line for each origin that is configured, so that an alert can be made of it before it ever opens.
    fn breakers(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help =
            "Whether an origin is not asked, but to find out whether it is back, because nobody was there lately";
        let mut family = encoder.encode_descriptor("origin_breaker_open", help, None, MetricType::Gauge)?;
        let Some(sites) = self.0.sites() else { return Ok(()) };
        for table in &sites.sites {
            for origin in &table.origins {
                let labels = [("site", table.site.name.as_str()), ("origin", origin.name.as_str())];
                ConstGauge::new(i64::from(origin.health.is_open())).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn bytes(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut family =
            encoder.encode_descriptor("body_bytes", "Bytes of bodies sent to viewers", None, MetricType::Counter)?;
        let Some(sites) = self.0.sites() else { return Ok(()) };
        for table in &sites.sites {
            for behavior in &table.behaviors {
                let labels =
                    [("site", table.site.name.as_str()), ("behavior", behavior.behavior.path_pattern.as_str())];
                let sent = behavior.counters.body_bytes.load(Ordering::Relaxed);
                ConstCounter::new(sent).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// One counter of a behavior, unless it has counted nothing: what never happens needs no line.
fn labelled(
    family: &mut MetricEncoder<'_>,
    table: &SiteTable,
    behavior: &BehaviorTable,
    label: (&str, &str),
    counter: &AtomicU64,
) -> Result<(), Error> {
    let count = counter.load(Ordering::Relaxed);
    if count == 0 {
        return Ok(());
    }
    let labels = [("site", table.site.name.as_str()), ("behavior", behavior.behavior.path_pattern.as_str()), label];
    ConstCounter::new(count).encode(family.encode_family(&labels)?)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> Result<(), Error> {
    let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> Result<(), Error> {
    let metric = ConstCounter::new(value);
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
}
