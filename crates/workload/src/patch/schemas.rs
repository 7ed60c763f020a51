//! Schemas of the built-in kinds, from the client library: names of fields and their types. They do
//! not contain checks that only the API server performs, such as the range of a port. Kinds from
//! CRDs (routes, monitors, rules) have no schema here.

use std::{collections::HashMap, sync::LazyLock};

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    core::v1::{
        ConfigMap, LimitRange, Namespace, PersistentVolumeClaim, ResourceQuota, Service, ServiceAccount,
    },
    networking::v1::{Ingress, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use super::structure;

/// The release of Kubernetes that the fields are from.
pub const RELEASE: &str = "1.36";

/// Numbers are accepted too, because the API server reads their text.
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

static SCHEMAS: LazyLock<HashMap<&'static str, LazyLock<Value>>> = LazyLock::new(|| {
    HashMap::from([
        ("ConfigMap", LazyLock::new(of::<ConfigMap> as fn() -> Value)),
        ("CronJob", LazyLock::new(of::<CronJob>)),
        ("Deployment", LazyLock::new(of::<Deployment>)),
        ("HorizontalPodAutoscaler", LazyLock::new(of::<HorizontalPodAutoscaler>)),
        ("Ingress", LazyLock::new(of::<Ingress>)),
        ("Job", LazyLock::new(of::<Job>)),
        ("LimitRange", LazyLock::new(of::<LimitRange>)),
        ("Namespace", LazyLock::new(of::<Namespace>)),
        ("NetworkPolicy", LazyLock::new(of::<NetworkPolicy>)),
        ("PersistentVolumeClaim", LazyLock::new(of::<PersistentVolumeClaim>)),
        ("PodDisruptionBudget", LazyLock::new(of::<PodDisruptionBudget>)),
        ("ResourceQuota", LazyLock::new(of::<ResourceQuota>)),
        ("Service", LazyLock::new(of::<Service>)),
        ("ServiceAccount", LazyLock::new(of::<ServiceAccount>)),
        ("StatefulSet", LazyLock::new(of::<StatefulSet>)),
    ])
});

/// Whether the fields of a kind are known.
#[must_use]
pub fn is_known(kind: &str) -> bool {
    SCHEMAS.contains_key(kind)
}

/// Returns unknown fields, values of a wrong type, and missing required fields, by path. Empty for
/// a kind without a schema here.
#[must_use]
pub fn faults(kind: &str, object: &Value) -> Vec<(String, String)> {
    let Some(schema) = SCHEMAS.get(kind) else { return Vec::new() };
    let (mut unknown, mut found) = (Vec::new(), Vec::new());
    structure::unknown_fields(object, schema, "", &mut unknown);
    let mut object = object.clone();
    structure::prune_null(&mut object, schema);
    structure::check(&object, schema, "", &mut found);
    // A mapping in place of a list also has no known field.
    let within = |path: &str, above: &str| {
        path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    unknown.retain(|fault| !found.iter().any(|above| within(&fault.path, &above.path)));
    let unknown = unknown.into_iter().map(|fault| {
        (fault.path, format!("{} (Kubernetes {RELEASE}, as the operator knows it)", fault.message))
    });
    unknown.chain(found.into_iter().map(|fault| (fault.path, fault.message))).collect()
}

/// Returns the schema of a type, without references and descriptions.
fn of<K: JsonSchema>() -> Value {
    let mut generator = SchemaGenerator::default();
    let root = Value::from(K::json_schema(&mut generator));
    let definitions = generator.take_definitions(false);
    inlined(&root, &definitions)
}

fn inlined(schema: &Value, definitions: &Map<String, Value>) -> Value {
    match schema {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
            match name {
                Some(QUANTITY) => Value::Object(Map::new()),
                Some(name) => inlined(definitions.get(name).unwrap_or(&Value::Null), definitions),
                None => {
                    let kept =
                        fields.iter().filter(|(name, value)| *name != "description" || !value.is_string());
                    kept.map(|(name, value)| (name.clone(), inlined(value, definitions))).collect()
                }
            }
        }
        Value::Array(items) => items.iter().map(|item| inlined(item, definitions)).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_complete_and_small() {
        for (kind, schema) in SCHEMAS.iter() {
            let text = schema.to_string();
            assert!(!text.contains("$ref") && !text.contains("null"), "{kind}");
            assert!(text.len() < 200_000, "{kind} has {}", text.len());
            assert!(schema["properties"]["metadata"]["properties"]["labels"].is_object(), "{kind}");
        }
    }

    #[test]
    fn a_quantity_is_a_text_or_a_number() {
        let pod = |cpu: Value| {
            json!({ "metadata": {}, "spec": { "selector": {}, "template": { "spec": { "containers": [
                { "name": "a", "resources": { "limits": { "cpu": cpu } } },
            ] } } } })
        };
        for cpu in [json!("1"), json!(1), json!(0.5)] {
            assert_eq!(faults("Deployment", &pod(cpu)), []);
        }
        assert_eq!(faults("HTTPRoute", &json!({ "foo": 1 })), []);
    }
}
