//! Alerts and service level objectives.

use std::borrow::Cow;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use workload::StringMap;

use super::rules;

/// Alerts, as a PrometheusRule. Skipped, with a condition, if the PrometheusRule CRD is not
/// installed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// `false` removes the alerts and keeps their settings. `slo.enabled` controls the objectives.
    /// Default true.
    pub enabled: Option<bool>,
    /// Additional labels of the PrometheusRule, for a Prometheus that selects its rules by label.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_labels())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
    /// Labels that are added to every alert, for routing in Alertmanager. Keys are Prometheus label
    /// names such as `team`.
    #[schemars(schema_with = "super::schema::alert_texts")]
    #[x_kube(
        validation = rules::monitoring::prometheus_names(),
        validation = rules::monitoring::no_reserved_alert_labels(),
        validation = rules::monitoring::no_templates()
    )]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub alert_labels: StringMap,
    /// Annotations that are added to every alert, such as the URL of a dashboard.
    #[schemars(schema_with = "super::schema::alert_texts")]
    #[x_kube(
        validation = rules::monitoring::prometheus_names(),
        validation = rules::monitoring::no_reserved_alert_annotations(),
        validation = rules::monitoring::no_templates()
    )]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub alert_annotations: StringMap,
    /// URL where your copy of `docs/runbooks.md` is served. The `runbook_url` annotation of each
    /// alert then links to its section.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::monitoring::page_url())]
    pub runbook_url: Option<String>,
    /// Thresholds at which alerts fire.
    pub thresholds: Option<Thresholds>,
}

/// Thresholds at which alerts fire. The defaults suit the default resource sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Thresholds {
    /// Memory usage in percent of the limit. Default 80.
    #[schemars(range(min = 1, max = 100))]
    pub memory_percent: Option<i32>,
    /// CPU usage in percent of the limit. Default 80.
    #[schemars(range(min = 1, max = 100))]
    pub cpu_percent: Option<i32>,
    /// Used space of a volume, in percent. Default 85.
    #[schemars(range(min = 1, max = 99))]
    pub storage_percent: Option<i32>,
    /// REST requests that are answered with a 5xx status, in percent. Default 10.
    #[schemars(range(min = 1, max = 99))]
    pub error_percent: Option<i32>,
    /// gRPC calls that fail because of a server error, in percent. Default 10.
    #[schemars(range(min = 1, max = 99))]
    pub grpc_error_percent: Option<i32>,
    /// Mean duration of a REST request, in milliseconds. Default 1000.
    #[schemars(range(min = 1, max = 600_000))]
    pub latency_milliseconds: Option<i32>,
    /// 99th percentile of the duration of gRPC calls, in milliseconds. Default 1000.
    #[schemars(range(min = 1, max = 100_000))]
    pub grpc_latency_milliseconds: Option<i32>,
    /// Minutes without any incoming log record, if records arrived within the last day. Default 30.
    #[schemars(range(min = 5, max = 1440))]
    pub ingest_stopped_minutes: Option<i32>,
}

/// Service level objectives over 30 days, for the interfaces that the running components serve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Slo {
    /// `false` removes the objectives and keeps their settings. Default true.
    pub enabled: Option<bool>,
    /// Objectives of the REST interface.
    pub rest: Option<RestObjectives>,
    /// Objectives of the gRPC interface.
    pub grpc: Option<GrpcObjectives>,
}

/// Objectives of the REST interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestObjectives {
    /// Requests that are not answered with a 5xx status, in percent. From 95 to 99.99. Default
    /// 99.9.
    pub availability_percent: Option<Percent>,
    /// Share of time, in percent, in which the mean duration of requests is at most
    /// `latencyMilliseconds`. The share is measured in time and not in requests, because the server
    /// has no histogram of REST requests. From 95 to 99.99. Default 99.
    pub latency_percent: Option<Percent>,
    /// Mean duration of REST requests that `latencyPercent` refers to, in milliseconds. Default 500.
    #[schemars(range(min = 1, max = 600_000))]
    pub latency_milliseconds: Option<i32>,
}

/// Objectives of the gRPC interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcObjectives {
    /// Calls that do not fail because of a server error, in percent. From 95 to 99.99. Default
    /// 99.9.
    pub availability_percent: Option<Percent>,
    /// Successful calls that take at most `latencyMilliseconds`, in percent. From 95 to 99.99.
    /// Default 99.
    pub latency_percent: Option<Percent>,
    /// Duration of gRPC calls that `latencyPercent` refers to, in milliseconds. One of the bucket
    /// bounds of the server's histogram. Default 500.
    #[schemars(schema_with = "grpc_bounds")]
    #[serde(default)]
    pub latency_milliseconds: Option<i32>,
}

/// A percentage, stored in thousandths of a percent for exact comparison and printing. It is
/// written as a number, such as `99.9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u32);

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = f64::deserialize(deserializer)?;
        if !(0.0..=100.0).contains(&given) {
            return Err(serde::de::Error::custom("must be a percentage from 0 to 100"));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100000")]
        Ok(Self((given * 1000.0).round() as u32))
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1000) {
            serializer.serialize_u32(self.0 / 1000)
        } else {
            serializer.serialize_f64(f64::from(self.0) / 1000.0)
        }
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }
    fn inline_schema() -> bool {
        true
    }
    /// The bounds of an objective. Below 95 an alert on the fastest burn rate (14.4) could never
    /// fire. 100 leaves no error budget.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 95, "maximum": 99.99 })
    }
}

/// The upper bounds of the buckets of `grpc_server_call_duration_seconds` from 10 ms on, as in the
/// source of the library. An exact share of calls is known only at these bounds.
fn grpc_bounds(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "integer",
        "format": "int32",
        "enum": [10, 20, 30, 40, 50, 80, 100, 200, 250, 300, 400, 500, 650, 800, 1000, 2000, 5000, 10000, 20000],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_and_written_exactly() {
        for (text, thousandths) in [("99.9", 99_900), ("99", 99_000), ("99.95", 99_950), ("95.001", 95_001)] {
            let read: Percent = serde_json::from_str(text).unwrap();
            assert_eq!(read, Percent(thousandths));
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
        for text in ["-1", "100.5", "\"99\"", "null"] {
            assert!(serde_json::from_str::<Percent>(text).is_err(), "{text}");
        }
    }
}
