//! `LogPilotCluster`: one LogPilot installation.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workload::{
    StringMap,
    api::{
        common::{DeletionPolicy, ImagePullPolicy, LocalReference},
        limits::Limits,
        network::NetworkPolicy,
    },
};

use super::{
    backup::Backup,
    component::ComponentSpec,
    config::{Auth, Config, ServiceAccount},
    exposure::{ComponentKey, Exposure},
    monitoring::Monitoring,
    patches::ObjectPatch,
    restore::Restore,
    rules,
    status::LogPilotClusterStatus,
    storage::Storage,
};

/// One LogPilot installation: its namespace, servers, storage, exposure and monitoring.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "logpilot.io",
    version = "v1alpha1",
    kind = "LogPilotCluster",
    plural = "logpilotclusters",
    shortname = "lpc",
    category = "logpilot",
    status = "LogPilotClusterStatus",
    derive = "PartialEq",
    validation = rules::identity::name_length(),
    validation = rules::identity::name_format(),
    validation = rules::identity::implied_namespace(),
    validation = rules::identity::separate_system_namespace(),
    validation = rules::identity::name_is_immutable(),
    validation = rules::identity::namespace_is_immutable(),
    doc = "One LogPilot installation: its namespace, servers, storage, exposure and monitoring.",
    printcolumn(name = "Namespace", type_ = "string", json_path = ".status.namespace"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Pods", type_ = "string", json_path = ".status.pods"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Problems", type_ = "integer", json_path = ".status.problemCount"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Warnings", type_ = "integer", json_path = ".status.warningCount", priority = 1),
    printcolumn(name = "Components", type_ = "string", json_path = ".status.componentSummary", priority = 1),
    printcolumn(name = "Storage", type_ = "string", json_path = ".status.storageSummary", priority = 1),
    printcolumn(name = "LastBackup", type_ = "date", json_path = ".status.lastBackup", priority = 1),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::identity::system_namespace_is_immutable(),
    validation = rules::identity::namespace_policy_needs_storage_policy(),
    validation = rules::components::no_root_where_restricted(),
    validation = rules::components::sharers_have_one_identity(),
    validation = rules::storage::file_has_one_pod(),
    validation = rules::storage::sqlite_stays_on_one_host(),
    validation = rules::storage::once_pod_has_one_pod(),
    validation = rules::storage::single_writer_is_recreated(),
    validation = rules::storage::one_node_is_not_spread(),
    validation = rules::storage::one_node_is_selected_once(),
    validation = rules::storage::own_volumes_only_per_component(),
    validation = rules::storage::pool_only_with_sqlite(),
    validation = rules::storage::backend_is_immutable(),
    validation = rules::storage::sharing_is_immutable(),
    validation = rules::storage::access_mode_is_immutable(),
    validation = rules::storage::class_is_immutable(),
    validation = rules::storage::existing_claim_is_immutable(),
    validation = rules::backup::only_sqlite(),
    validation = rules::backup::volume_can_be_mounted_twice(),
    validation = rules::backup::existing_claim_is_shared(),
    validation = rules::backup::existing_claim_is_another(),
    validation = rules::backup::class_is_immutable(),
    validation = rules::restore::needs_backups(),
    validation = rules::restore::component_says_whose_data(),
    validation = rules::restore::component_runs(),
    validation = rules::ingress::component_runs("ingress"),
    validation = rules::ingress::component_runs("gateway"),
    validation = rules::ingress::component_is_named("ingress"),
    validation = rules::ingress::component_is_named("gateway"),
    validation = rules::ingress::component_serves_protocol("ingress"),
    validation = rules::ingress::component_serves_protocol("gateway"),
    validation = rules::presence::components_are_kept(),
    validation = rules::presence::clients_are_kept(),
    validation = rules::presence::backups_are_kept(),
    validation = rules::presence::protection_is_kept(),
    validation = rules::presence::monitoring_peer_is_kept(),
    validation = rules::presence::ingress_controller_is_kept(),
    validation = rules::presence::api_key_is_kept(),
    validation = rules::presence::operation_is_kept("paused", "the operator would change objects again"),
    validation = rules::presence::operation_is_kept("stopped", "pods would start")
)]
pub struct LogPilotClusterSpec {
    /// Prefix of the names of all objects. Immutable. Default: the name of the resource.
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = rules::identity::name_override_format())]
    pub name_override: Option<String>,
    /// Namespace of the servers.
    pub namespace: Option<Namespace>,
    /// Namespace for monitoring objects. Immutable. Default: the namespace of the servers.
    pub system_namespace: Option<SystemNamespace>,
    /// Preset of defaults. You can override each of them. `Development` runs one pod per component,
    /// `Staging` two, and `Production` two (three for `rest`). Default `Production`.
    pub environment: Option<Environment>,
    /// Image of all components, with a tag or a digest.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::image_format(), validation = rules::image_version())]
    pub image: String,
    /// Registry mirror prefix for all images of the servers, for air-gapped sites. Backups,
    /// restores and configuration checks run the operator's own image, which this field does not
    /// change. Mirror it in the operator's Deployment.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::image_registry())]
    pub image_registry: Option<String>,
    /// Pull policy of the images. Default: as in Kubernetes, `Always` for the tag `latest` and
    /// `IfNotPresent` for others.
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Secrets with the credentials of the image registry, in the namespace of the servers.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub image_pull_secrets: Option<Vec<LocalReference>>,
    /// Labels that are added to every object and pod.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_labels())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub common_labels: StringMap,
    /// Annotations that are added to every object.
    #[schemars(schema_with = "super::schema::annotations")]
    #[x_kube(
        validation = rules::metadata::qualified_keys(),
        validation = rules::metadata::no_reserved_annotations(),
        validation = rules::metadata::nothing_for_the_ingress()
    )]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub common_annotations: StringMap,
    /// ServiceAccount of the pods. Its token is not mounted.
    pub service_account: Option<ServiceAccount>,
    /// Components to run, by key: `all`, `rest`, `grpc`. Write a component that uses only defaults
    /// with braces, as in `rest: {}`. Default: `all: {}`.
    #[schemars(schema_with = "super::schema::components")]
    #[x_kube(
        validation = rules::presence::some_component(),
        validation = rules::components::known_roles(),
        validation = rules::components::cpu_within_limit("all"),
        validation = rules::components::cpu_within_limit("rest"),
        validation = rules::components::cpu_within_limit("grpc"),
        validation = rules::components::rest_has_no_grpc_probe(),
        validation = rules::components::role_can_answer_probes("rest"),
        validation = rules::components::role_can_answer_probes("grpc"),
        validation = rules::components::role_serves("rest", "loadBalancer", "grpcPort", "gRPC", "httpPort"),
        validation = rules::components::role_serves("grpc", "loadBalancer", "httpPort", "HTTP", "grpcPort"),
        validation = rules::components::role_serves("rest", "nodePort", "grpc", "gRPC", "http"),
        validation = rules::components::role_serves("grpc", "nodePort", "http", "HTTP", "grpc"),
        validation = rules::components::load_balancer_ports_differ(),
        validation = rules::components::node_ports_differ()
    )]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub components: BTreeMap<ComponentKey, ComponentSpec>,
    /// Settings of the server's `application.yml`.
    pub config: Option<Config>,
    /// Source of the API key that clients use.
    pub auth: Option<Auth>,
    /// Storage of the servers and its PersistentVolumeClaims.
    pub storage: Option<Storage>,
    /// Scheduled backups of the data. Absent: no backups.
    pub backup: Option<Backup>,
    /// Replaces the data with a backup, once per `requestId`.
    pub restore: Option<Restore>,
    /// Access for clients outside the Kubernetes cluster. Absent: no access from outside, except
    /// through `loadBalancer` and `nodePort` of a component.
    pub exposure: Option<Exposure>,
    /// Metrics, alerts, objectives and dashboards.
    pub monitoring: Option<Monitoring>,
    /// Network access to and from the servers. Absent: all clients may connect to the service
    /// ports, and only the pods of `monitoring` may connect to the management port.
    pub network_policy: Option<NetworkPolicy>,
    /// Resource limits of the namespace: defaults for containers, and a quota.
    pub limits: Option<Limits>,
    /// `true` prevents deletion of this resource, of its PVCs, and of its namespace if the operator
    /// created it. An admission policy enforces this. The policy is part of `install.yaml`
    /// (`config/admission`). Without the policy, this field only sets a label. Default `false`.
    pub deletion_protection: Option<bool>,
    /// Pauses reconciliation or stops the servers.
    pub operation: Option<Operation>,
    /// Changes to generated objects that have no field of their own. Patches are applied in order,
    /// after everything else.
    #[schemars(length(max = 32))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<ObjectPatch>,
}

/// Namespace of the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Namespace {
    /// Name of the namespace. The operator uses an existing namespace and never changes it.
    /// Immutable. Default: the name of the resource.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::dns_label(), validation = rules::allowed_namespace())]
    pub name: Option<String>,
    /// Labels of a namespace that the operator creates. If an existing namespace lacks them, the
    /// operator reports `SettingIgnored`.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_labels())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
    /// Pod Security Standard that is enforced in a namespace that the operator creates. Default
    /// `Restricted`.
    pub pod_security: Option<PodSecurity>,
    /// `Delete` deletes a namespace that the operator created together with the LogPilotCluster.
    /// `storage.volume.deletionPolicy` must then be `Delete` too. Default `Retain`.
    pub deletion_policy: Option<DeletionPolicy>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SystemNamespace {
    /// Name of the namespace. The operator creates it if it does not exist. It uses an existing
    /// namespace and never changes it.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::dns_label(), validation = rules::allowed_namespace())]
    pub name: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PodSecurity {
    Privileged,
    Baseline,
    #[default]
    Restricted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Environment {
    Development,
    Staging,
    #[default]
    Production,
}

/// Operational switches that do not describe the desired state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Operation {
    /// `true` pauses reconciliation: the operator writes only the status and keeps it up to date.
    /// Default `false`.
    pub paused: Option<bool>,
    /// `true` scales all components to zero and keeps everything else, including the data. With
    /// `false`, the previous number of pods is restored. Default `false`.
    pub stopped: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_read_and_written_without_loss() {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/production.yaml"));
        let written: serde_json::Value = serde_yaml::from_str(text).unwrap();
        let cluster: LogPilotCluster = serde_yaml::from_str(text).unwrap();
        let again = without_null(serde_json::to_value(&cluster).unwrap());
        assert_eq!(again, written);
        assert_eq!(serde_json::from_value::<LogPilotCluster>(again).unwrap(), cluster);
    }

    fn without_null(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(fields) => fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, without_null(value)))
                .collect(),
            serde_json::Value::Array(items) => items.into_iter().map(without_null).collect(),
            other => other,
        }
    }
}
