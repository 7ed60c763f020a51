//! The CustomResourceDefinition as it is installed: the derived one, with a schema that is strict
//! about `null` and carries nothing the API server would ignore.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use super::LogPilotCluster;

/// The definition to install. Always this one: `LogPilotCluster::crd()` lacks what is done here.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = LogPilotCluster::crd();
    for version in &mut crd.spec.versions {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|validation| validation.open_api_v3_schema.as_mut())
        {
            tidy(schema);
            describe_root(schema);
        }
    }
    crd
}

/// Removes what the derive adds and the API server should not see, at every depth:
/// - `nullable`: without it a `null` is dropped before anything looks, so that it means "not given"
///   to schema, rules and operator alike; with it every rule would have to expect `null`;
/// - `default`: defaults are applied when objects are rendered, never stored;
/// - the empty `anyOf` beside int-or-string.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.default = None;
    if schema.x_kubernetes_int_or_string == Some(true) {
        schema.any_of = None;
    }
    for property in schema.properties.iter_mut().flat_map(|map| map.values_mut()) {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        tidy(values);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = schema.items.as_mut() {
        tidy(items);
    }
}

/// Names `metadata.name`, so that rules can point at it, and bounds it, so that they are cheap.
fn describe_root(schema: &mut JSONSchemaProps) {
    let text = |max_length| JSONSchemaProps {
        type_: Some("string".to_owned()),
        max_length,
        ..JSONSchemaProps::default()
    };
    let metadata = JSONSchemaProps {
        type_: Some("object".to_owned()),
        properties: Some(
            [
                ("name".to_owned(), text(Some(253))),
                ("generateName".to_owned(), text(Some(253))),
            ]
            .into(),
        ),
        ..JSONSchemaProps::default()
    };
    let properties = schema.properties.get_or_insert_default();
    properties.insert("apiVersion".to_owned(), text(None));
    properties.insert("kind".to_owned(), text(None));
    properties.insert("metadata".to_owned(), metadata);
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/logpilotclusters.logpilot.io.yaml");

    /// Regenerates the file where `UPDATE_CRD` is set, as `make crd` does.
    #[test]
    fn the_checked_in_definition_is_the_generated_one() {
        let generated = serde_yaml::to_string(&crd()).unwrap();
        if std::env::var_os("UPDATE_CRD").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/crds")).unwrap();
            std::fs::write(FILE, &generated).unwrap();
        }
        let file = std::fs::read_to_string(FILE).unwrap();
        assert!(file == generated, "{FILE} is out of date; run `make crd`");
    }

    #[test]
    fn the_definition_stays_small() {
        let size = serde_json::to_string(&crd()).unwrap().len();
        assert!(size < 128 * 1024, "{size} bytes");
    }
}
