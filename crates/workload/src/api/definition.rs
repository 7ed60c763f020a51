//! A CustomResourceDefinition as it is installed: the derived one, with a schema that is strict
//! about `null` and carries nothing the API server would ignore.

use std::borrow::Cow;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

/// Placeholder in rules for the domain of the product's own labels and annotations: a derived type
/// takes no argument.
pub const DOMAIN: &str = "<domain>";

/// Returns the definition to install, from the derived one. `domain` is that of the product's own
/// labels and annotations.
#[must_use]
pub fn finish(mut crd: CustomResourceDefinition, domain: &str) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(schema) =
            version.schema.as_mut().and_then(|validation| validation.open_api_v3_schema.as_mut())
        {
            tidy(schema, domain);
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
///
/// And puts the domain where a rule names it.
fn tidy(schema: &mut JSONSchemaProps, domain: &str) {
    schema.nullable = None;
    schema.default = None;
    if let Some(values) = schema.enum_.as_mut() {
        values.retain(|value| !value.0.is_null());
    }
    if schema.x_kubernetes_int_or_string == Some(true) {
        schema.any_of = None;
    }
    for rule in schema.x_kubernetes_validations.iter_mut().flatten() {
        name_domain(rule, domain);
    }
    for property in schema.properties.iter_mut().flat_map(|map| map.values_mut()) {
        tidy(property, domain);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        tidy(values, domain);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = schema.items.as_mut() {
        tidy(items, domain);
    }
}

fn name_domain(rule: &mut ValidationRule, domain: &str) {
    for text in
        [Some(&mut rule.rule), rule.message.as_mut(), rule.message_expression.as_mut()].into_iter().flatten()
    {
        *text = text.replace(DOMAIN, domain);
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

/// The definition as a manifest.
///
/// # Errors
/// Never in practice: the definition is plain data.
pub fn yaml(crd: &CustomResourceDefinition) -> Result<String, serde_yaml::Error> {
    let text = serde_yaml::to_string(crd)?;
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
    use kube::{CustomResource, CustomResourceExt, KubeSchema};
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::api::{common::Resources, exposure::Tls, monitoring::Monitor, network::NetworkPolicy, rules};

    /// A kind of another product.
    #[derive(CustomResource, Clone, Debug, Serialize, Deserialize, KubeSchema)]
    #[kube(group = "example.com", version = "v1", kind = "Shop", namespaced)]
    #[serde(rename_all = "camelCase")]
    struct ShopSpec {
        #[x_kube(validation = rules::components::memory_within_limit("1Gi", "2Gi"))]
        resources: Option<Resources>,
        monitor: Option<Monitor>,
        network_policy: Option<NetworkPolicy>,
        tls: Option<Tls>,
    }

    #[test]
    fn another_kind_reserves_its_own_domain() {
        let derived = serde_json::to_string(&Shop::crd()).unwrap();
        assert!(derived.contains(DOMAIN));
        let installed = serde_json::to_string(&finish(Shop::crd(), "example.com")).unwrap();
        assert!(!installed.contains(DOMAIN) && installed.contains("k.startsWith('example.com/')"));
    }

    #[test]
    fn words_of_yaml_1_1_are_quoted() {
        assert_eq!(quoted("  - off"), "  - 'off'");
        assert_eq!(quoted("  a: No"), "  a: 'No'");
        assert_eq!(quoted("  text: turn it off"), "  text: turn it off");
    }
}
