//! The CustomResourceDefinition as it is installed: the derived one, with a schema that is strict
//! about `null` and carries nothing the API server would ignore.

use std::borrow::Cow;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use super::LogPilotCluster;
use crate::stack;

/// The definition to install. Always this one: `LogPilotCluster::crd()` lacks what is done here.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    finished(LogPilotCluster::crd())
}

/// The definitions of every kind that users write.
#[must_use]
pub fn definitions() -> [CustomResourceDefinition; 2] {
    [crd(), stack::api::crd()]
}

/// A derived definition as it is installed.
#[must_use]
pub fn finished(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
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

/// Removes what the derive adds and the API server should not see, at every depth:
/// - `nullable`: without it a `null` is dropped before anything looks, so that it means "not given"
///   to schema, rules and operator alike; with it every rule would have to expect `null`;
/// - `default`: defaults are applied when objects are rendered, never stored;
/// - `null` among the values of an optional enum, for the same reason;
/// - the empty `anyOf` beside int-or-string.
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
            [("name".to_owned(), text(Some(253))), ("generateName".to_owned(), text(Some(253)))].into(),
        ),
        ..JSONSchemaProps::default()
    };
    let properties = schema.properties.get_or_insert_default();
    properties.insert("apiVersion".to_owned(), text(None));
    properties.insert("kind".to_owned(), text(None));
    properties.insert("metadata".to_owned(), metadata);
}

/// A definition as a manifest.
///
/// # Errors
/// Never in practice: the definition is plain data.
pub fn yaml(definition: &CustomResourceDefinition) -> Result<String, serde_yaml::Error> {
    let text = serde_yaml::to_string(definition)?;
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(&quoted(line));
        out.push('\n');
    }
    Ok(out)
}

/// Quotes what kubectl's YAML 1.1 would read as a boolean and a YAML 1.2 writer leaves bare: the
/// log level `OFF` would become `false` in its own list of values.
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

    /// Regenerates the files where `UPDATE_CRD` is set, as `make crd` does.
    #[test]
    fn the_checked_in_definition_is_the_generated_one() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
        for definition in definitions() {
            let generated = yaml(&definition).unwrap();
            let file = format!("{directory}/{}.yaml", definition.metadata.name.unwrap());
            if std::env::var_os("UPDATE_CRD").is_some() {
                std::fs::create_dir_all(directory).unwrap();
                std::fs::write(&file, &generated).unwrap();
            }
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(text == generated, "{file} is out of date; run `make crd`");
        }
    }

    #[test]
    fn the_level_off_stays_a_word_in_kubectl() {
        assert!(yaml(&crd()).unwrap().contains("- 'OFF'\n"));
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
        let mut found = Vec::new();
        for crd in definitions() {
            let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
            undescribed(&schema.properties.as_ref().unwrap()["spec"], "spec", &mut found);
        }
        assert!(found.is_empty(), "without a doc comment:\n{}", found.join("\n"));
    }

    #[test]
    // Above 256 KiB `kubectl apply` cannot remember what it applied.
    fn the_definition_stays_small() {
        for crd in definitions() {
            let size = serde_json::to_string(&crd).unwrap().len();
            assert!(size < 256 * 1024, "{}: {size} bytes", crd.spec.names.kind);
        }
    }
}
