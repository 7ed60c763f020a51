//! The monitoring of a validated cluster, with every default filled in.

use crate::{
    api::alerting::Percent,
    workload::{StringMap, model::Monitor, resolve::monitoring::seconds},
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitoring {
    pub service_monitor: Option<Monitor>,
    pub pod_monitor: Option<Monitor>,
    pub scrape_annotations: bool,
    pub alerting: Option<Alerting>,
    /// Extra labels of the dashboards.
    pub dashboards: Option<StringMap>,
}

impl Monitoring {
    /// Whether the resource itself configures a scrape of the pods.
    #[must_use]
    pub fn scraped(&self) -> bool {
        self.service_monitor.is_some() || self.pod_monitor.is_some() || self.scrape_annotations
    }

    /// Seconds between two scrapes. If the resource has no monitor, external scrapes are assumed to
    /// have the default interval.
    #[must_use]
    pub fn interval_seconds(&self) -> u64 {
        let monitor = self.service_monitor.as_ref().or(self.pod_monitor.as_ref());
        monitor.and_then(|monitor| seconds(&monitor.interval)).unwrap_or(DEFAULT_INTERVAL)
    }

    /// Minutes of the shortest window of the rules: it contains four scrapes, so that one may be
    /// missed. Up to an interval of 75 s that is 5. The bound is for resources older than the rule on
    /// intervals.
    #[must_use]
    pub fn window_minutes(&self) -> u64 {
        self.interval_seconds().saturating_mul(4).div_ceil(60).clamp(5, 20)
    }
}

/// [`super::defaults::SCRAPE_INTERVAL`] in seconds.
const DEFAULT_INTERVAL: u64 = 30;

/// The content of the PrometheusRule: at least one of alerts and objectives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alerting {
    pub labels: StringMap,
    pub alert_labels: StringMap,
    pub alert_annotations: StringMap,
    pub runbook_url: Option<String>,
    pub thresholds: Option<Thresholds>,
    pub slo: Option<Slo>,
}

/// Percentages, milliseconds and minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    pub memory_percent: i32,
    pub cpu_percent: i32,
    pub storage_percent: i32,
    pub error_percent: i32,
    pub grpc_error_percent: i32,
    pub latency_milliseconds: i32,
    pub grpc_latency_milliseconds: i32,
    pub ingest_stopped_minutes: i32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            memory_percent: 80,
            cpu_percent: 80,
            storage_percent: 85,
            error_percent: 10,
            grpc_error_percent: 10,
            latency_milliseconds: 1000,
            grpc_latency_milliseconds: 1000,
            ingest_stopped_minutes: 30,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slo {
    pub rest: Objectives,
    pub grpc: Objectives,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objectives {
    pub availability: Percent,
    pub latency: Percent,
    pub latency_milliseconds: i32,
}

impl Default for Objectives {
    fn default() -> Self {
        Self { availability: Percent(99_900), latency: Percent(99_000), latency_milliseconds: 500 }
    }
}
