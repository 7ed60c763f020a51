//! Small bounded types shared by the kinds of this group.
//!
//! Types of k8s-openapi stay out of the schema: they carry no bounds, and unbounded fields make the
//! cost of CEL rules unbounded too.

// On the module, because the derive makes a copy of each struct.
#![allow(clippy::struct_field_names, reason = "the names are those of a Pod")]

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

use super::rules::{self, forbidden};

/// A Kubernetes quantity such as `512Mi` or `250m`; a bare integer is accepted as in a Pod.
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
    /// A percentage of the wanted pods, such as `25%`.
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

/// Names an object in the cluster's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct LocalReference {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
}

/// One key of a Secret or ConfigMap in the cluster's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct KeyReference {
    /// Name of the Secret or ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Key inside it.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::data_key())]
    pub key: String,
    /// The pod starts even where the object or key is missing.
    pub optional: Option<bool>,
}

/// CPU, memory and ephemeral storage; other resources are not supported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ResourceList {
    /// Processor time, such as `500m` or `2`.
    #[schemars(schema_with = "super::schema::cpu")]
    #[serde(default)]
    pub cpu: Option<Quantity>,
    /// Memory, such as `512Mi`.
    #[schemars(schema_with = "super::schema::memory")]
    #[serde(default)]
    pub memory: Option<Quantity>,
    /// Disk for logs and temporary files, such as `1Gi`.
    #[schemars(schema_with = "super::schema::memory")]
    #[serde(rename = "ephemeral-storage", default)]
    pub ephemeral_storage: Option<Quantity>,
}

/// Compute resources of the server container. Each value not given keeps its default, except the CPU limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Resources {
    /// What the scheduler sets aside for the pod.
    pub requests: Option<ResourceList>,
    /// What the pod may use at most. Without `cpu` here there is no CPU limit where `requests.cpu` is given, unless
    /// `spec.limits` asks every container for one.
    pub limits: Option<ResourceList>,
}

/// Where a variable's value comes from: exactly one of these.
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
    /// Such as `limits.memory`. A CPU limit that the container does not have is the node's processors.
    pub resource: ResourceField,
    /// The unit of the number, rounded up: `1m` or `1` for CPU; `1`, `1k` to `1E` or `1Ki` to `1Ei` for memory and disk.
    /// Default `1`.
    #[schemars(schema_with = "super::schema::divisor")]
    #[serde(default)]
    pub divisor: Option<Quantity>,
    /// Only the server container of the component can be named, which is the default.
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
    /// As it is written.
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
    /// The version of the Pod that the path is of. Only `v1`, which is the default.
    pub api_version: Option<PodVersion>,
    /// Such as `metadata.name` or `status.podIP`.
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

/// All keys of a Secret or ConfigMap as variables: exactly one of the references.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.configMapRef) != has(self.secretRef)")
    .message("must have exactly one of `configMapRef` and `secretRef`"))]
pub struct EnvFromSource {
    /// Put before each key.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::environment::variable_name())]
    pub prefix: Option<String>,
    /// All keys of a ConfigMap.
    pub config_map_ref: Option<SourceReference>,
    /// All keys of a Secret.
    pub secret_ref: Option<SourceReference>,
}

/// A Secret or ConfigMap in the cluster's namespace whose keys become variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SourceReference {
    /// Name of the Secret or ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// The pod starts even where the object is missing.
    pub optional: Option<bool>,
}

/// Lets pods run on nodes with a matching taint.
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
    /// The taint's key; not given, with `operator: Exists`, every taint is tolerated.
    #[schemars(length(min = 1, max = 317))]
    #[x_kube(validation = rules::metadata::qualified_name())]
    pub key: Option<String>,
    /// Default `Equal`.
    pub operator: Option<TolerationOperator>,
    /// The taint's value, with `operator: Equal`.
    #[schemars(length(max = 63))]
    #[x_kube(validation = rules::metadata::label_value())]
    pub value: Option<String>,
    /// Not given: every effect.
    pub effect: Option<TaintEffect>,
    /// How long a pod stays on a node after a `NoExecute` taint appeared.
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

/// Spreads a component's pods over failure domains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologySpread {
    /// Label of the nodes whose values are the domains, such as `topology.kubernetes.io/zone`.
    #[schemars(length(min = 1, max = 317))]
    #[x_kube(validation = rules::metadata::qualified_name())]
    pub topology_key: String,
    /// How many more pods a domain may have than the emptiest one. Default 1.
    #[schemars(range(min = 1, max = 100))]
    pub max_skew: Option<i32>,
    /// Default `ScheduleAnyway`. `DoNotSchedule` contradicts a volume that keeps pods on one node.
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
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

// No doc comment: it would stand in the schema in place of what each field says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It stays, with its data; a new cluster of the same name picks it up.
    #[default]
    Retain,
    /// It goes with the cluster. Data is lost.
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
