//! How a stack is observed.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{component::Resources, rules as rule};
use crate::workload::api::{common::Quantity, monitoring::Monitor, rules};

/// Bundled monitoring of the stack, in its own namespace and without access to the Kubernetes API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// A Prometheus that scrapes the components with `metrics`, and probes those without by HTTP.
    pub prometheus: Option<Prometheus>,
    /// A Grafana with the Prometheus as its datasource and four dashboards. It needs `prometheus`.
    pub grafana: Option<Grafana>,
    /// A ServiceMonitor, for the Prometheus operator of the Kubernetes cluster.
    pub service_monitor: Option<Monitor>,
}

/// A Prometheus. It becomes a component of the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prometheus {
    /// `false` removes the Prometheus and keeps the settings.
    pub enabled: Option<bool>,
    /// Name of the component. Default `prometheus`.
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = rules::dns_label())]
    pub name: Option<String>,
    /// Image. Default: the version that this operator was tested with.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::image_format())]
    pub image: Option<String>,
    /// Time between two scrapes. Default `30s`.
    #[schemars(length(max = 16))]
    #[x_kube(validation = rules::duration())]
    pub scrape_interval: Option<String>,
    /// How long samples are kept, such as `15d` or `200h`. Default `15d`.
    #[schemars(length(max = 16), regex(pattern = "^[1-9][0-9]{0,5}(h|d|w|y)$"))]
    pub retention: Option<String>,
    /// Creates a PVC of this size. Default: samples are deleted with the pod.
    #[schemars(schema_with = "crate::workload::api::schema::memory")]
    #[serde(default)]
    pub size: Option<Quantity>,
    /// CPU and memory.
    pub resources: Option<Resources>,
}

/// A Grafana. It becomes a component of the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grafana {
    /// `false` removes the Grafana and keeps the settings.
    pub enabled: Option<bool>,
    /// Name of the component. Default `grafana`.
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = rules::dns_label())]
    pub name: Option<String>,
    /// Image. Default: the version that this operator was tested with.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rule::image_format())]
    pub image: Option<String>,
    /// Creates a PVC of this size. Default: what is changed in Grafana is deleted with the pod.
    #[schemars(schema_with = "crate::workload::api::schema::memory")]
    #[serde(default)]
    pub size: Option<Quantity>,
    /// Name of a Secret with the key `admin-password`. Default: a Secret `<stack>-grafana` with a random
    /// password.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub admin_secret: Option<String>,
    /// CPU and memory.
    pub resources: Option<Resources>,
}
