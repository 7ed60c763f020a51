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
    validation = rules::presence::operation_is_kept("paused", "the operator would change what it left alone"),
    validation = rules::presence::operation_is_kept("stopped", "pods would start")
)]
pub struct LogPilotClusterSpec {
    /// Prefix of every child's name. Default: the resource's name. Immutable.
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = rules::identity::name_override_format())]
    pub name_override: Option<String>,
    /// The namespace of the servers.
    pub namespace: Option<Namespace>,
    /// Namespace for objects of monitoring; not given: they live beside the servers. Immutable.
    pub system_namespace: Option<SystemNamespace>,
    /// A set of defaults, every one of which can be overridden: with `Development` components run one pod,
    /// with `Staging` two, with `Production` two, and three of rest. Default `Production`.
    pub environment: Option<Environment>,
    /// Image of every component, with a tag or a digest.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::image_format(), validation = rules::image_version())]
    pub image: String,
    /// Mirror prefix put before every image of the servers, for air-gapped sites. Backups, restores and checks of them run
    /// the operator's own image, as its installation names it: mirror that one in the operator's Deployment.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::image_registry())]
    pub image_registry: Option<String>,
    /// Default: the kubelet's, `Always` for the tag `latest` and `IfNotPresent` for others.
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Secrets in the cluster's namespace that log in to the registry.
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub image_pull_secrets: Option<Vec<LocalReference>>,
    /// Added to the metadata of every object and pod.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_labels())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub common_labels: StringMap,
    /// Added to the metadata of every object.
    #[schemars(schema_with = "super::schema::annotations")]
    #[x_kube(
        validation = rules::metadata::qualified_keys(),
        validation = rules::metadata::no_reserved_annotations(),
        validation = rules::metadata::nothing_for_the_ingress()
    )]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub common_annotations: StringMap,
    /// The pods' ServiceAccount; no token of it is mounted.
    pub service_account: Option<ServiceAccount>,
    /// The server roles to run, by key: `all`, `rest`, `grpc`. Left out, it means `all: {}`; a component with
    /// its defaults needs its braces, as in `rest: {}`.
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
    /// What goes into the server's `application.yml`.
    pub config: Option<Config>,
    /// Where the clients' API key comes from.
    pub auth: Option<Auth>,
    /// The server's storage and the claim under it.
    pub storage: Option<Storage>,
    /// Scheduled copies of the data.
    pub backup: Option<Backup>,
    /// Puts a backup in the place of the data, once.
    pub restore: Option<Restore>,
    /// How clients outside the cluster reach the servers.
    pub exposure: Option<Exposure>,
    /// How the servers are observed.
    pub monitoring: Option<Monitoring>,
    /// Who may talk to the servers. Not given: anyone on the service ports, and the monitoring on its port.
    pub network_policy: Option<NetworkPolicy>,
    /// Limits of the namespace: defaults for containers, and a quota.
    pub limits: Option<Limits>,
    /// With `true` an admission policy refuses to delete this resource, the claims made for it, and its namespace
    /// where the operator made that. The policy is part of `install.yaml` (`config/admission`): without it this is a label
    /// and no more. Default `false`.
    pub deletion_protection: Option<bool>,
    /// What the operator does with the cluster, apart from what it should be.
    pub operation: Option<Operation>,
    /// Changes to generated objects that have no field here, applied in order after everything else.
    #[schemars(length(max = 32))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<ObjectPatch>,
}

/// The namespace of the servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Namespace {
    /// Default: the resource's name. Immutable. An existing namespace is used and never changed.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::dns_label(), validation = rules::allowed_namespace())]
    pub name: Option<String>,
    /// Labels of a namespace that the operator makes. One that is there already and lacks them is reported as
    /// `SettingIgnored`.
    #[schemars(schema_with = "super::schema::labels")]
    #[x_kube(validation = rules::metadata::qualified_keys(), validation = rules::metadata::no_reserved_labels())]
    #[serde(default, skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
    /// Pod Security Standard enforced in a namespace that the operator makes. Default `Restricted`.
    pub pod_security: Option<PodSecurity>,
    /// With `Delete` a namespace that the operator made goes with the cluster; the storage must say so too.
    /// Default `Retain`.
    pub deletion_policy: Option<DeletionPolicy>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SystemNamespace {
    /// Its name. Made if it is absent; an existing one is used and never changed.
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

/// What the operator does with the cluster, apart from what it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Operation {
    /// Nothing is written but the status, which stays true.
    pub paused: Option<bool>,
    /// No pods; everything else stays, the data above all. Set to false, as many pods come back as there were.
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
