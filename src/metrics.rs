//! Metrics of the operator itself. Labels are bounded: no object names.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

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

use crate::{
    engine::{
        outcome::{self, ApplyResult},
        resource::{ResourceKind, ResourceRef},
    },
    kinds::LOGPILOT_CLUSTER,
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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct Cause {
    kind: &'static str,
    reason: &'static str,
}

/// The countable parts of the status of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// The time since which it is not ready, in seconds since the epoch. `None` if it is ready.
    pub not_ready_since: Option<i64>,
    /// Reasons of its problems, without duplicates. They come from a fixed table, so that the label
    /// is bounded.
    pub reasons: Vec<&'static str>,
}

/// All metrics of the operator.
pub struct Metrics {
    registry: Registry,
    reconciles: Family<Outcome, Counter>,
    duration: Histogram,
    writes: Family<Write, Counter>,
    watch_failures: Family<Watched, Counter>,
    watch_silence: Family<Watched, Gauge<i64>>,
    children: Gauge<i64>,
    clusters: Family<State, Gauge<i64>>,
    stacks: Family<State, Gauge<i64>>,
    not_ready_seconds: Family<OfKind, Gauge<i64>>,
    problems: Family<Cause, Gauge<i64>>,
    judged: Mutex<HashMap<ResourceRef, Judged>>,
    started: Gauge<f64, AtomicU64>,
    leader: Gauge<i64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("logpilot_operator");
        // From 1 ms to 16 s: a reconcile without a write takes about 1 ms, its deadline is 60 s.
        let metrics = Self {
            reconciles: Family::default(),
            duration: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            writes: Family::default(),
            watch_failures: Family::default(),
            watch_silence: Family::default(),
            children: Gauge::default(),
            clusters: Family::default(),
            stacks: Family::default(),
            not_ready_seconds: Family::default(),
            problems: Family::default(),
            judged: Mutex::default(),
            started: Gauge::default(),
            leader: Gauge::default(),
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
        registry.register(
            "watch_silence_seconds",
            "Seconds since the last event or list of a resource from the API server",
            metrics.watch_silence.clone(),
        );
        registry.register("children", "Live objects kept as digests", metrics.children.clone());
        registry.register(
            "clusters",
            "LogPilotClusters by state: ready, not_ready, unknown",
            metrics.clusters.clone(),
        );
        registry.register(
            "stacks",
            "ServiceStacks by state: ready, not_ready, unknown",
            metrics.stacks.clone(),
        );
        registry.register(
            "longest_not_ready_seconds",
            "Age of the oldest Ready condition of a kind that is not True, 0 if all are True",
            metrics.not_ready_seconds.clone(),
        );
        registry.register(
            "problems",
            "Resources that have a problem, by their kind and its reason",
            metrics.problems.clone(),
        );
        registry.register(
            "start_time_seconds",
            "Start of the process, seconds since the epoch",
            metrics.started.clone(),
        );
        registry.register(
            "leader",
            "1 if this operator is the leader, 0 if it is a standby",
            metrics.leader.clone(),
        );
        metrics
            .started
            .set(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()));
        Self { registry, ..metrics }
    }
}

impl engine::metrics::Metrics for Metrics {
    fn reconciled(&self, result: &'static str, seconds: f64) {
        self.reconciles.get_or_create(&Outcome { result }).inc();
        self.duration.observe(seconds);
    }

    fn watch_failed(&self, resource: &'static str) {
        self.watch_failures.get_or_create(&Watched { resource }).inc();
    }
}

impl Metrics {
    /// Records the writes of a reconcile, by kind and operation.
    pub fn record_writes(&self, outcome: &outcome::Outcome) {
        for step in &outcome.steps {
            let operation = match step.result {
                ApplyResult::Created => "create",
                ApplyResult::Updated => "update",
                ApplyResult::Deleted | ApplyResult::Behind { withdrawn: true, .. } => "delete",
                _ => continue,
            };
            self.record_write(step.id.0.kind, operation);
        }
    }

    pub fn record_write(&self, kind: &'static str, operation: &'static str) {
        self.writes.get_or_create(&Write { kind, operation }).inc();
    }

    /// Records the current status of a resource, whether it was written or not.
    pub fn judged(&self, resource: &ResourceRef, judged: Judged) {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner).insert(resource.clone(), judged);
    }

    /// Removes a deleted resource from the metrics.
    pub fn forget(&self, resource: &ResourceRef) {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner).remove(resource);
    }

    fn count_judged(&self, resources: &[(&'static ResourceKind, usize)], now: i64) {
        let judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, known) in resources {
            let of_kind = || judged.iter().filter(|(resource, _)| resource.kind() == *kind);
            let since: Vec<i64> = of_kind().filter_map(|(_, it)| it.not_ready_since).collect();
            let states = [
                ("ready", of_kind().count() - since.len()),
                ("not_ready", since.len()),
                ("unknown", known.saturating_sub(of_kind().count())),
            ];
            let family = if **kind == LOGPILOT_CLUSTER { &self.clusters } else { &self.stacks };
            for (state, number) in states {
                family.get_or_create(&State { state }).set(count(number));
            }
            let longest = since.into_iter().min().map_or(0, |since| (now - since).max(0));
            self.not_ready_seconds.get_or_create(&OfKind { kind: kind.kind }).set(longest);
        }
        let mut causes: BTreeMap<Cause, i64> = BTreeMap::new();
        for (resource, it) in judged.iter() {
            for reason in &it.reasons {
                *causes.entry(Cause { kind: resource.kind().kind, reason }).or_default() += 1;
            }
        }
        // Reasons without any resource are omitted instead of reported as 0, because there are
        // dozens.
        self.problems.clear();
        for (cause, number) in causes {
            self.problems.get_or_create(&cause).set(number);
        }
    }

    /// Returns the metrics in the format of OpenMetrics, with the current sizes: the number of known
    /// resources of each kind, and of live objects.
    #[must_use]
    pub fn render(
        &self,
        resources: &[(&'static ResourceKind, usize)],
        children: usize,
        leads: bool,
        silences: &[(&'static str, Duration)],
    ) -> String {
        self.watch_silence.clear();
        for (resource, silence) in silences {
            let seconds = i64::try_from(silence.as_secs()).unwrap_or(i64::MAX);
            self.watch_silence.get_or_create(&Watched { resource }).set(seconds);
        }
        self.leader.set(i64::from(leads));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // Only the leader reports the state of resources.
        let known = resources.iter().map(|(kind, number)| (*kind, if leads { *number } else { 0 }));
        self.count_judged(&known.collect::<Vec<_>>(), i64::try_from(now).unwrap_or(i64::MAX));
        self.children.set(count(children));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use engine::metrics::Metrics as _;

    use super::*;
    use crate::{exposition::Format, kinds::SERVICE_STACK};

    fn named(name: &str) -> ResourceRef {
        ResourceRef::new(&LOGPILOT_CLUSTER, None, name)
    }

    fn shown(metrics: &Metrics, clusters: usize) -> Vec<String> {
        let text = metrics.render(&[(&LOGPILOT_CLUSTER, clusters), (&SERVICE_STACK, 1)], 0, true, &[]);
        let of = |name: &str| {
            let lines = text.lines().filter(|line| line.starts_with(&format!("logpilot_operator_{name}")));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let mut lines =
            [of("clusters{"), of("stacks{"), of("longest_not_ready_seconds"), of("problems{")].concat();
        lines.sort();
        lines
    }

    #[test]
    fn the_start_is_now_and_not_1970() {
        let text = Metrics::default().render(&[], 0, true, &[]);
        let line = text.lines().find_map(|line| line.strip_prefix("logpilot_operator_start_time_seconds "));
        let started: f64 = line.unwrap().parse().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(started <= now && now - started < 60.0, "{started} at {now}");
    }

    #[test]
    fn the_document_has_every_metric_and_no_other() {
        let metrics = Metrics::default();
        metrics.reconciled("finished", 0.1);
        metrics.record_write("Deployment", "created");
        metrics.watch_failed("pods");
        metrics.judged(&named("bad"), Judged { not_ready_since: Some(0), reasons: vec!["Unschedulable"] });
        let all = [(&LOGPILOT_CLUSTER, 1), (&SERVICE_STACK, 0)];
        let text = Format::Text.written(metrics.render(&all, 1, true, &[("pods", Duration::ZERO)]));
        let told: BTreeSet<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let document = include_str!("../docs/monitoring.md");
        let rows = document.lines().filter_map(|line| line.strip_prefix("| `logpilot_operator_"));
        let named: BTreeSet<String> = rows
            .filter_map(|row| Some(format!("logpilot_operator_{}", row.split(['{', '`']).next()?)))
            .collect();
        assert_eq!(
            told,
            named.iter().map(String::as_str).collect(),
            "metrics, and rows of docs/monitoring.md"
        );
    }

    #[test]
    fn clusters_are_counted_by_state_and_problems_by_reason_and_never_named() {
        let metrics = Metrics::default();
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        metrics.judged(&named("good"), Judged::default());
        let bad =
            Judged { not_ready_since: Some(now - 1000), reasons: vec!["Unschedulable", "VolumePending"] };
        metrics.judged(&named("bad"), bad.clone());
        metrics.judged(
            &named("worse"),
            Judged { not_ready_since: Some(now - 5000), reasons: vec!["Unschedulable"] },
        );
        let stack = ResourceRef::new(&SERVICE_STACK, Some("n"), "worse");
        metrics.judged(&stack, Judged { not_ready_since: Some(now - 70), reasons: vec!["Unschedulable"] });
        let lines = shown(&metrics, 4).join("\n");
        for line in [
            "logpilot_operator_clusters{state=\"ready\"} 1",
            "logpilot_operator_clusters{state=\"not_ready\"} 2",
            "logpilot_operator_clusters{state=\"unknown\"} 1",
            "logpilot_operator_stacks{state=\"not_ready\"} 1",
            "logpilot_operator_stacks{state=\"unknown\"} 0",
            "logpilot_operator_problems{kind=\"LogPilotCluster\",reason=\"Unschedulable\"} 2",
            "logpilot_operator_problems{kind=\"LogPilotCluster\",reason=\"VolumePending\"} 1",
            "logpilot_operator_problems{kind=\"ServiceStack\",reason=\"Unschedulable\"} 1",
            "logpilot_operator_longest_not_ready_seconds{kind=\"LogPilotCluster\"} 500",
            "logpilot_operator_longest_not_ready_seconds{kind=\"ServiceStack\"} 7",
        ] {
            assert!(lines.contains(line), "{line} in\n{lines}");
        }
        assert!(!lines.contains("worse"));
        metrics.judged(&named("bad"), Judged::default());
        metrics.forget(&named("worse"));
        metrics.forget(&stack);
        assert_eq!(
            shown(&metrics, 2),
            [
                "logpilot_operator_clusters{state=\"not_ready\"} 0",
                "logpilot_operator_clusters{state=\"ready\"} 2",
                "logpilot_operator_clusters{state=\"unknown\"} 0",
                "logpilot_operator_longest_not_ready_seconds{kind=\"LogPilotCluster\"} 0",
                "logpilot_operator_longest_not_ready_seconds{kind=\"ServiceStack\"} 0",
                "logpilot_operator_stacks{state=\"not_ready\"} 0",
                "logpilot_operator_stacks{state=\"ready\"} 0",
                "logpilot_operator_stacks{state=\"unknown\"} 1",
            ]
        );
    }
}
