//! `ServiceStack`: the spec of the whole.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    component::{Autoscaling, ComponentSpec, Probes, Resources},
    exposure::Exposure,
    monitoring::Monitoring,
    rules as rule,
    status::ServiceStackStatus,
    volume::SharedVolume,
};
use crate::workload::{
    StringMap,
    api::{
        common::{ImagePullPolicy, LocalReference, Toleration},
        component::PodDisruptionBudget,
        network::{Egress, Peer},
        rules,
    },
};

/// A few services that start in the order of their dependencies, with their storage, secrets, network
/// rules and exposure.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "logpilot.io",
    version = "v1alpha1",
    kind = "ServiceStack",
    plural = "servicestacks",
    shortname = "stack",
    category = "logpilot",
    namespaced,
    status = "ServiceStackStatus",
    derive = "PartialEq",
    validation = rule::name_length(),
    validation = rule::name_format(),
    doc = "A few services that start in the order of their dependencies, with their storage, secrets, network rules and exposure.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Components", type_ = "string", json_path = ".status.ready"),
    printcolumn(name = "Waiting", type_ = "string", json_path = ".status.waiting"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Problems", type_ = "integer", json_path = ".status.problemCount"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Environment", type_ = "string", json_path = ".spec.environment", priority = 1),
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.release.tag", priority = 1),
    printcolumn(name = "Tiers", type_ = "integer", json_path = ".status.tiers", priority = 1),
    printcolumn(name = "Warnings", type_ = "integer", json_path = ".status.warningCount", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::dependencies_exist(),
    validation = rule::no_mutual_dependencies(),
    validation = rule::images_have_a_version(),
    validation = rule::shared_volumes_exist(),
    validation = rule::prefix_is_immutable(),
    validation = rule::generated_keys_are_immutable(),
    validation = rule::component_kinds_are_kept(),
    validation = rule::exposed_components_exist()
)]
pub struct ServiceStackSpec {
    /// Preset of replicas and resources for components of kind Deployment: one pod with `Development`,
    /// two with `Staging`, three with `Production`. Default: one pod. Each value can be overridden.
    pub environment: Option<Environment>,
    /// Registry and tag of the images that have none of their own.
    pub release: Option<Release>,
    /// Mirror prefix put before every image, for air-gapped sites. It replaces the registry of each image.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::image_registry())]
    pub image_registry: Option<String>,
    /// Default: the kubelet's, `Always` for the tag `latest` and `IfNotPresent` for others.
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Secrets of this namespace with which images are pulled.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub image_pull_secrets: Option<Vec<LocalReference>>,
    /// Prefix of the names of every component's objects, such as `codebeaker-`. Default: none, so that a
    /// component's Service has the component's name. Immutable.
    #[schemars(length(min = 2, max = 24))]
    #[x_kube(validation = rule::name_prefix_format())]
    pub name_prefix: Option<String>,
    /// Labels of every object and pod.
    #[schemars(schema_with = "crate::workload::api::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_labels())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub common_labels: StringMap,
    /// Secrets that components refer to as `$(secrets.<entry>.<key>)`. Keys: lower-case DNS labels of at
    /// most 40 characters.
    #[schemars(schema_with = "super::schema::secrets")]
    #[x_kube(validation = rule::entry_names())]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretEntry>,
    /// PVCs that several components mount, as `volumes.<name>.shared: <entry>`. The PVC is named
    /// `<stack>-<entry>`.
    #[schemars(schema_with = "super::schema::shared_volumes")]
    #[x_kube(validation = rule::entry_names())]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, SharedVolume>,
    /// Settings of every component of kind Deployment. A component's own settings win, key by key.
    pub defaults: Option<Defaults>,
    /// The components, by name. A component's Service has this name, after `namePrefix`. At most 32.
    #[schemars(schema_with = "super::schema::components")]
    #[x_kube(validation = rule::component_names())]
    pub components: BTreeMap<String, ComponentSpec>,
    /// How clients outside the Kubernetes cluster reach the components.
    pub exposure: Option<Exposure>,
    /// Prometheus and Grafana of the stack's own, and a ServiceMonitor.
    pub monitoring: Option<Monitoring>,
    /// NetworkPolicies, on by default: each component accepts connections only from the components that
    /// depend on it or refer to it, and from what exposes it.
    pub network_policy: Option<NetworkPolicy>,
    /// Pausing and stopping the stack.
    pub operation: Option<Operation>,
    /// With `true` an admission policy refuses to delete this resource and its PVCs. The policy is part
    /// of `install.yaml` (`config/admission`). Default `false`.
    pub deletion_protection: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Environment {
    Development,
    Staging,
    Production,
}

/// Registry and tag of the images that have none of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Release {
    /// Put before images that have neither a registry nor a tag of their own, such as
    /// `registry.example.com/erp`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::image_registry())]
    pub registry: Option<String>,
    /// Tag of images that have neither a tag nor a digest.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = rule::tag_format())]
    pub tag: Option<String>,
}

/// A Secret: exactly one of `generate` and `existing`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.generate) != has(self.existing)")
    .message("must have exactly one of `generate` (keys with random values) and `existing` (the name of a Secret)"))]
pub struct SecretEntry {
    /// Keys of a Secret `<stack>-<entry>` that is created once, each with 32 random letters and digits.
    /// The values are kept as long as the data that they open. Immutable: add another entry for another
    /// key.
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 63), regex(pattern = "^[-._a-zA-Z0-9]+$")), extend("x-kubernetes-list-type" = "set"))]
    pub generate: Option<Vec<String>>,
    /// Name of a Secret of this namespace, which is used as it is.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub existing: Option<String>,
}

/// Settings of every component of kind Deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::replicas_or_autoscaling())]
pub struct Defaults {
    /// Environment variables by name.
    #[schemars(schema_with = "super::schema::env")]
    #[x_kube(validation = rule::variable_names(), validation = rule::variables_are_not_hidden())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub env: StringMap,
    /// Health checks.
    pub probes: Option<Probes>,
    /// CPU and memory of the container.
    pub resources: Option<Resources>,
    /// Number of pods. Not used for a component with `autoscaling`.
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<i32>,
    /// A HorizontalPodAutoscaler. Not used for a component with `replicas`.
    pub autoscaling: Option<Autoscaling>,
    /// A PodDisruptionBudget.
    pub pod_disruption_budget: Option<PodDisruptionBudget>,
    /// User ID of the container. Default 10001.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub user: Option<i64>,
    /// Labels that a node must have to run the pods.
    #[schemars(schema_with = "crate::workload::api::schema::labels")]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub node_selector: StringMap,
    /// Taints that the pods tolerate.
    #[schemars(length(max = 16))]
    pub tolerations: Option<Vec<Toleration>>,
}

/// NetworkPolicies of the components.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// `false` creates no policies and keeps the settings.
    pub enabled: Option<bool>,
    /// Clients that may connect to every component, in addition to those that the graph gives.
    #[schemars(length(max = 16))]
    pub clients: Option<Vec<Peer>>,
    /// Clients that may connect to the ports that an Ingress or Gateway exposes. Default: any.
    #[schemars(length(max = 16))]
    pub ingress_from: Option<Vec<Peer>>,
    /// Connections that pods may open, in addition to DNS and the components that they depend on or refer
    /// to. Default: any.
    #[schemars(length(max = 16))]
    pub egress: Option<Vec<Egress>>,
}

/// Pausing and stopping the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Operation {
    /// With `true` the operator writes nothing but the status. Default `false`.
    pub paused: Option<bool>,
    /// With `true` components stop tier by tier, dependents first; objects and data stay. With `false`
    /// they start again in order. Default `false`.
    pub stopped: Option<bool>,
}
