//! The CustomResourceDefinition to install. It is the derived definition, with a schema that is
//! strict about `null` and contains nothing that the API server would ignore.

use std::borrow::Cow;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use super::LogPilotCluster;

/// Returns the definition to install. Use it instead of `LogPilotCluster::crd()`, which lacks these
/// changes.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    let mut crd = LogPilotCluster::crd();
    for version in &mut crd.spec.versions {
        if let Some(schema) =
            version.schema.as_mut().and_then(|validation| validation.open_api_v3_schema.as_mut())
        {
            tidy(schema);
            describe_root(schema);
        }
    }
    crd
}

/// Removes parts that the derive adds and the API server must not see, at every depth:
/// - `nullable`: without it the API server drops a `null` before any validation, so that `null`
///   means "absent" to schema, rules and operator. With it every rule would have to handle `null`.
/// - `default`: defaults are applied when objects are rendered, never stored.
/// - `null` among the values of an optional enum, for the same reason.
/// - the empty `anyOf` next to int-or-string.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.default = None;
    if let Some(values) = schema.enum_.as_mut() {
        values.retain(|value| !value.0.is_null());
    }
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

/// Adds `metadata.name` to the schema, so that rules can refer to it, and bounds its length, which
/// keeps the cost of the rules low.
fn describe_root(schema: &mut JSONSchemaProps) {
    let text = |max_length| JSONSchemaProps {
        type_: Some("string".to_owned()),
        max_length,
        ..JSONSchemaProps::default()
    };
    let metadata = JSONSchemaProps {
        type_: Some("object".to_owned()),
        properties: Some(
            [("name".to_owned(), text(Some(253))), ("generateName".to_owned(), text(Some(253)))].into(),
        ),
        ..JSONSchemaProps::default()
    };
    let properties = schema.properties.get_or_insert_default();
    properties.insert("apiVersion".to_owned(), text(None));
    properties.insert("kind".to_owned(), text(None));
    properties.insert("metadata".to_owned(), metadata);
}

/// Returns the definition as a YAML manifest.
///
/// # Errors
/// Never in practice: the definition is plain data.
pub fn yaml() -> Result<String, serde_yaml::Error> {
    let text = serde_yaml::to_string(&crd())?;
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(&quoted(line));
        out.push('\n');
    }
    Ok(out)
}

/// Quotes values that kubectl's YAML 1.1 reads as booleans and a YAML 1.2 writer leaves unquoted.
/// Without quotes the log level `OFF` would become `false` in its own enum.
fn quoted(line: &str) -> Cow<'_, str> {
    const BOOLEANS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    match line.rsplit_once(' ') {
        Some((before, value))
            if BOOLEANS.contains(&value.to_lowercase().as_str()) && before.ends_with([':', '-']) =>
        {
            format!("{before} '{value}'").into()
        }
        _ => line.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crds/logpilotclusters.logpilot.io.yaml");

    /// Regenerates the file where `UPDATE_CRD` is set, as `make crd` does.
    #[test]
    fn the_checked_in_definition_is_the_generated_one() {
        let generated = yaml().unwrap();
        if std::env::var_os("UPDATE_CRD").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/crds")).unwrap();
            std::fs::write(FILE, &generated).unwrap();
        }
        let file = std::fs::read_to_string(FILE).unwrap();
        assert!(file == generated, "{FILE} is out of date; run `make crd`");
    }

    #[test]
    fn the_level_off_stays_a_word_in_kubectl() {
        assert!(yaml().unwrap().contains("- 'OFF'\n"));
        assert_eq!(quoted("  - off"), "  - 'off'");
        assert_eq!(quoted("  a: No"), "  a: 'No'");
        assert_eq!(quoted("  text: turn it off"), "  text: turn it off");
    }

    #[test]
    fn every_field_is_explained() {
        fn undescribed(schema: &JSONSchemaProps, path: &str, found: &mut Vec<String>) {
            for (name, property) in schema.properties.iter().flatten() {
                let path = format!("{path}.{name}");
                if property.description.is_none() {
                    found.push(path.clone());
                }
                undescribed(property, &path, found);
            }
            if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
                undescribed(values, &format!("{path}[]"), found);
            }
            if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
                undescribed(items, &format!("{path}[]"), found);
            }
        }
        let crd = crd();
        let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
        let mut found = Vec::new();
        for part in ["spec", "status"] {
            undescribed(&schema.properties.as_ref().unwrap()[part], part, &mut found);
        }
        assert!(found.is_empty(), "without a doc comment:\n{}", found.join("\n"));
    }

    #[test]
    // Above 256 KiB `kubectl apply` cannot remember what it applied.
    fn the_definition_stays_small() {
        let size = serde_json::to_string(&crd()).unwrap().len();
        assert!(size < 256 * 1024, "{size} bytes");
    }
}
