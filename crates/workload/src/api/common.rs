//! Small bounded types that the kinds of this group share.
//!
//! The schema uses no types of k8s-openapi: they carry no bounds, and the cost of CEL rules on
//! unbounded fields is unbounded too.

// The attribute is on the module, because the derive copies each struct.
#![allow(clippy::struct_field_names, reason = "the names are those of a Pod")]

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

use super::rules::{self, forbidden};

/// A Kubernetes quantity such as `512Mi` or `250m`. A bare integer is accepted as in a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Int(i64),
            Text(String),
        }
        Ok(match Raw::deserialize(deserializer)? {
            Raw::Int(number) => Self(number.to_string()),
            Raw::Text(text) => Self(text),
        })
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        super::schema::quantity()
    }
}

/// A count or a percentage, as in `maxSurge: 25%`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrPercent {
    /// An absolute number of pods.
    Int(i32),
    /// A percentage of the desired pods, such as `25%`.
    Percent(String),
}

impl From<&IntOrPercent> for IntOrString {
    fn from(count: &IntOrPercent) -> Self {
        match count {
            IntOrPercent::Int(number) => Self::Int(*number),
            IntOrPercent::Percent(text) => Self::String(text.clone()),
        }
    }
}

impl JsonSchema for IntOrPercent {
    fn schema_name() -> Cow<'static, str> {
        "IntOrPercent".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        super::schema::int_or_percent()
    }
}

/// A reference to an object in the namespace of the servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct LocalReference {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
}

/// A reference to one key of a Secret or ConfigMap in the namespace of the servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct KeyReference {
    /// Name of the Secret or ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Key inside the object.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::data_key())]
    pub key: String,
    /// `true` lets the pod start even if the object or the key does not exist. Default `false`.
    pub optional: Option<bool>,
}

/// CPU, memory and ephemeral storage. Other resources are not supported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ResourceList {
    /// CPU, such as `500m` or `2`.
    #[schemars(schema_with = "super::schema::cpu")]
    #[serde(default)]
    pub cpu: Option<Quantity>,
    /// Memory, such as `512Mi`.
    #[schemars(schema_with = "super::schema::memory")]
    #[serde(default)]
    pub memory: Option<Quantity>,
    /// Ephemeral storage for container logs and temporary files, such as `1Gi`.
    #[schemars(schema_with = "super::schema::memory")]
    #[serde(rename = "ephemeral-storage", default)]
    pub ephemeral_storage: Option<Quantity>,
}

/// Compute resources of the server container. Absent values keep their defaults, except the CPU
/// limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Resources {
    /// Resources that the scheduler reserves for the container.
    pub requests: Option<ResourceList>,
    /// Maximum resources of the container. If `requests.cpu` is set and `cpu` is absent here, the
    /// container has no CPU limit, unless `spec.limits` requires one for every container.
    pub limits: Option<ResourceList>,
}

/// Source of the value of a variable. Exactly one field must be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef), has(self.resourceFieldRef)].exists_one(given, given)")
    .message("must have exactly one of `secretKeyRef`, `configMapKeyRef`, `fieldRef` and `resourceFieldRef`"))]
pub struct EnvVarSource {
    /// One key of a Secret.
    pub secret_key_ref: Option<KeyReference>,
    /// One key of a ConfigMap.
    pub config_map_key_ref: Option<KeyReference>,
    /// A field of the pod.
    pub field_ref: Option<FieldReference>,
    /// A request or limit of the server container.
    pub resource_field_ref: Option<ResourceFieldReference>,
}

/// A request or limit of the server container, as a whole number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::environment::divisor_fits())]
pub struct ResourceFieldReference {
    /// Resource to read, such as `limits.memory`. If the container has no CPU limit, `limits.cpu`
    /// yields the CPUs of the node.
    pub resource: ResourceField,
    /// Unit of the number, which is rounded up. CPU: `1m` or `1`. Memory and ephemeral storage:
    /// `1`, `1k` to `1E`, or `1Ki` to `1Ei`. Default `1`.
    #[schemars(schema_with = "super::schema::divisor")]
    #[serde(default)]
    pub divisor: Option<Quantity>,
    /// Name of the container. Only the server container of the component is allowed, which is the
    /// default.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::dns_label())]
    pub container_name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ResourceField {
    #[serde(rename = "limits.cpu")]
    LimitsCpu,
    #[serde(rename = "limits.memory")]
    LimitsMemory,
    #[serde(rename = "limits.ephemeral-storage")]
    LimitsEphemeralStorage,
    #[serde(rename = "requests.cpu")]
    RequestsCpu,
    #[serde(rename = "requests.memory")]
    RequestsMemory,
    #[serde(rename = "requests.ephemeral-storage")]
    RequestsEphemeralStorage,
}

impl ResourceField {
    /// Returns the name as it is written in the resource.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LimitsCpu => "limits.cpu",
            Self::LimitsMemory => "limits.memory",
            Self::LimitsEphemeralStorage => "limits.ephemeral-storage",
            Self::RequestsCpu => "requests.cpu",
            Self::RequestsMemory => "requests.memory",
            Self::RequestsEphemeralStorage => "requests.ephemeral-storage",
        }
    }
}

/// A field of the pod itself, such as `metadata.name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldReference {
    /// API version of the Pod that `fieldPath` refers to. Only `v1`, which is the default.
    pub api_version: Option<PodVersion>,
    /// Path of the field, such as `metadata.name` or `status.podIP`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::environment::pod_field())]
    pub field_path: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PodVersion {
    #[default]
    #[serde(rename = "v1")]
    V1,
}

/// All keys of a Secret or ConfigMap as environment variables. Exactly one of the references must
/// be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.configMapRef) != has(self.secretRef)")
    .message("must have exactly one of `configMapRef` and `secretRef`"))]
pub struct EnvFromSource {
    /// Prefix of each variable name.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::environment::variable_name())]
    pub prefix: Option<String>,
    /// All keys of a ConfigMap.
    pub config_map_ref: Option<SourceReference>,
    /// All keys of a Secret.
    pub secret_ref: Option<SourceReference>,
}

/// A reference to a Secret or ConfigMap in the namespace of the servers. Its keys become
/// environment variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SourceReference {
    /// Name of the Secret or ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// `true` lets the pod start even if the object does not exist. Default `false`.
    pub optional: Option<bool>,
}

/// A toleration that allows pods to run on nodes with a matching taint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = forbidden(
        "!has(self.operator) || self.operator != 'Exists' || !has(self.value) || self.value == ''",
        "may not be set with `operator: Exists`, which tolerates every value; remove one of them"
    ).field_path(".value"),
    validation = Rule::new("has(self.key) || (has(self.operator) && self.operator == 'Exists')")
        .message("must be given unless `operator` is 'Exists'").field_path(".key"),
    validation = forbidden(
        "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        "may only be set when `effect` is 'NoExecute'"
    ).field_path(".tolerationSeconds")
)]
pub struct Toleration {
    /// Key of the taint. Absent, with `operator: Exists`: all taints are tolerated.
    #[schemars(length(min = 1, max = 317))]
    #[x_kube(validation = rules::metadata::qualified_name())]
    pub key: Option<String>,
    /// How `value` is compared. `Exists` matches every value. Default `Equal`.
    pub operator: Option<TolerationOperator>,
    /// Value of the taint, with `operator: Equal`.
    #[schemars(length(max = 63))]
    #[x_kube(validation = rules::metadata::label_value())]
    pub value: Option<String>,
    /// Effect of the taint. Absent: all effects.
    pub effect: Option<TaintEffect>,
    /// Seconds that a pod stays on a node after a `NoExecute` taint was added. Absent: no limit.
    #[schemars(range(min = 0))]
    pub toleration_seconds: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    Exists,
    Equal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

/// A constraint that spreads the pods of a component over failure domains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologySpread {
    /// Node label whose values are the failure domains, such as `topology.kubernetes.io/zone`.
    #[schemars(length(min = 1, max = 317))]
    #[x_kube(validation = rules::metadata::qualified_name())]
    pub topology_key: String,
    /// Maximum difference in the number of pods between two domains. Default 1.
    #[schemars(range(min = 1, max = 100))]
    pub max_skew: Option<i32>,
    /// Action of the scheduler if the constraint cannot be met. `DoNotSchedule` is rejected if the
    /// volume keeps all pods on one node. Default `ScheduleAnyway`.
    pub when_unsatisfiable: Option<WhenUnsatisfiable>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WhenUnsatisfiable {
    DoNotSchedule,
    ScheduleAnyway,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImagePullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl ImagePullPolicy {
    /// Returns the value as written in a manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

// No doc comment: it would replace the descriptions of the fields in the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// The object and its data are kept. A new resource of the same name uses them.
    #[default]
    Retain,
    /// The object is deleted with the resource. Data is lost.
    Delete,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_may_be_written_as_text_or_as_a_number() {
        let list: ResourceList = serde_yaml::from_str("{ cpu: 2, memory: 512Mi }").unwrap();
        assert_eq!(list.cpu, Some(Quantity("2".into())));
        assert_eq!(list.memory, Some(Quantity("512Mi".into())));
        assert!(serde_yaml::from_str::<ResourceList>("{ cpu: 1.5 }").is_err());
        assert!(serde_yaml::from_str::<ResourceList>("{ cpu: [1] }").is_err());
    }

    #[test]
    fn a_count_stays_a_number_and_a_share_stays_text() {
        for (text, value) in [("3", IntOrPercent::Int(3)), ("25%", IntOrPercent::Percent("25%".into()))] {
            let read: IntOrPercent = serde_yaml::from_str(text).unwrap();
            assert_eq!(read, value);
            assert_eq!(serde_yaml::to_string(&read).unwrap().trim(), text);
        }
    }
}
