//! What the operator does into numbers for Prometheus.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// From a run that found nothing to do to one that waited for a slow API, in seconds.
const DURATIONS: [f64; 10] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Everything that is counted.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    durations: Family<Controller, Histogram>,
    failures: Family<Controller, Counter>,
    conflicts: Family<Controller, Counter>,
    writes: Family<Write, Counter>,
    leading: Gauge,
    distributions: Gauge,
    refused: Family<Namespace, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Namespace {
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Write {
    verb: &'static str,
    kind: String,
}

/// The numbers of one of the two reconciles.
#[derive(Clone)]
pub struct Reconciles {
    /// Which of the two.
    pub controller: &'static str,
    duration: Histogram,
    failures: Counter,
    conflicts: Counter,
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("kubefront");
        let durations = Family::<Controller, Histogram>::new_with_constructor(|| Histogram::new(DURATIONS));
        let (failures, conflicts, writes) = (Family::default(), Family::default(), Family::default());
        let (leading, distributions) = (Gauge::default(), Gauge::default());
        let refused = Family::<Namespace, Gauge>::default();
        registry.register("reconcile_duration_seconds", "How long runs of a reconcile took", durations.clone());
        registry.register(
            "reconcile_failures",
            "Runs of a reconcile that failed and were tried again",
            failures.clone(),
        );
        registry.register(
            "reconcile_conflicts",
            "Runs of a reconcile whose look was out of date, tried again at once",
            conflicts.clone(),
        );
        registry.register("api_writes", "Writes to the Kubernetes API, Leases and Events aside", writes.clone());
        registry.register("leading", "1 while this replica leads", leading.clone());
        registry.register("distributions", "Distributions that are looked after", distributions.clone());
        registry.register(
            "namespace_refused",
            "1 for a namespace that is not looked after, because something may not be listed there",
            refused.clone(),
        );
        let registry = Arc::new(Mutex::new(registry));
        Self { registry, durations, failures, conflicts, writes, leading, distributions, refused }
    }

    /// For `register`ing numbers that belong to another part of the operator.
    pub fn registry(&self) -> parking_lot::MutexGuard<'_, Registry> {
        self.registry.lock()
    }

    /// The numbers of the reconcile of this name.
    pub fn reconciles(&self, controller: &'static str) -> Reconciles {
        let label = Controller { controller };
        let duration = self.durations.get_or_create(&label).clone();
        let failures = self.failures.get_or_create(&label).clone();
        let conflicts = self.conflicts.get_or_create(&label).clone();
        Reconciles { controller, duration, failures, conflicts }
    }

    /// Counts a write to the Kubernetes API.
    pub fn wrote(&self, verb: &'static str, kind: &str) {
        self.writes.get_or_create(&Write { verb, kind: kind.to_owned() }).inc();
    }

    /// Says whether this replica leads.
    pub fn lead(&self, leading: bool) {
        self.leading.set(i64::from(leading));
    }

    /// Says how many Distributions there are.
    pub fn look_after(&self, distributions: usize) {
        self.distributions.set(i64::try_from(distributions).unwrap_or(i64::MAX));
    }

    /// Says whether a namespace is not looked after, because something may not be listed there.
    pub fn refused(&self, namespace: &str, is_refused: bool) {
        self.refused.get_or_create(&Namespace { namespace: namespace.to_owned() }).set(i64::from(is_refused));
    }

    /// All of it as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.registry.lock());
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Reconciles {
    /// Numbers that nobody reads.
    #[cfg(test)]
    pub fn unmeasured(controller: &'static str) -> Self {
        Metrics::new().reconciles(controller)
    }

    /// Counts a run and its time.
    pub fn took(&self, time: Duration) {
        self.duration.observe(time.as_secs_f64());
    }

    /// Counts a run that failed.
    pub fn failed(&self) {
        self.failures.inc();
    }

    /// Counts a run whose look was out of date.
    pub fn overtaken(&self) {
        self.conflicts.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_printed() {
        let metrics = Metrics::new();
        metrics.wrote("apply", "Deployment");
        metrics.reconciles("distribution").took(Duration::from_millis(2));
        metrics.reconciles("distribution").failed();
        metrics.reconciles("invalidation").overtaken();
        metrics.lead(true);
        metrics.refused("shop", true);
        let text = metrics.text();
        for line in [
            r#"kubefront_api_writes_total{verb="apply",kind="Deployment"} 1"#,
            r#"kubefront_reconcile_failures_total{controller="distribution"} 1"#,
            r#"kubefront_reconcile_conflicts_total{controller="invalidation"} 1"#,
            r#"kubefront_reconcile_duration_seconds_bucket{le="0.003",controller="distribution"} 1"#,
            "kubefront_leading 1",
            r#"kubefront_namespace_refused{namespace="shop"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
