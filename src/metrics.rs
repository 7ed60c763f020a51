//! Metrics of the operator itself. Labels are bounded: no object names.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Write {
    kind: &'static str,
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Watched {
    resource: &'static str,
}

/// Everything the operator counts.
pub struct Metrics {
    registry: Registry,
    reconciles: Family<Outcome, Counter>,
    duration: Histogram,
    writes: Family<Write, Counter>,
    watch_failures: Family<Watched, Counter>,
    children: Gauge<i64>,
    clusters: Gauge<i64>,
    started: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("logpilot_operator");
        // 1 ms to 16 s: a reconcile without a write takes about one, its deadline is 60 s.
        let metrics = Self {
            reconciles: Family::default(),
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            writes: Family::default(),
            watch_failures: Family::default(),
            children: Gauge::default(),
            clusters: Gauge::default(),
            started: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register(
            "reconciles",
            "Reconciles by result: finished, panicked, timed_out",
            metrics.reconciles.clone(),
        );
        registry.register("reconcile_duration_seconds", "Duration of a reconcile", metrics.duration.clone());
        registry.register("writes", "Objects written by kind and operation", metrics.writes.clone());
        registry.register(
            "watch_failures",
            "Failed lists and watches by resource",
            metrics.watch_failures.clone(),
        );
        registry.register("children", "Live objects kept as digests", metrics.children.clone());
        registry.register("clusters", "LogPilotClusters known", metrics.clusters.clone());
        registry.register(
            "start_time_seconds",
            "Start of the process, seconds since the epoch",
            metrics.started.clone(),
        );
        Self { registry, ..metrics }
    }
}

impl Metrics {
    pub fn reconciled(&self, result: &'static str, seconds: f64) {
        self.reconciles.get_or_create(&Outcome { result }).inc();
        self.duration.observe(seconds);
    }

    pub fn wrote(&self, kind: &'static str, operation: &'static str) {
        self.writes.get_or_create(&Write { kind, operation }).inc();
    }

    pub fn watch_failed(&self, resource: &'static str) {
        self.watch_failures.get_or_create(&Watched { resource }).inc();
    }

    pub fn started(&self, seconds: f64) {
        self.started.set(seconds);
    }

    /// The text exposition, with the sizes of the moment.
    #[must_use]
    pub fn render(&self, clusters: usize, children: usize) -> String {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.clusters.set(count(clusters));
        self.children.set(count(children));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
