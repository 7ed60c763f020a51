//! The CustomResourceDefinition as it is installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use workload::api::definition;

use super::{GROUP, LogPilotCluster};
use crate::stack;

/// Returns the definition to install. Use it instead of `LogPilotCluster::crd()`, which lacks these
/// changes.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    definition::finish(LogPilotCluster::crd(), GROUP)
}

/// Returns the definitions of both kinds that users write.
#[must_use]
pub fn definitions() -> [CustomResourceDefinition; 2] {
    [crd(), stack::api::crd()]
}

/// Returns a definition as a YAML manifest.
///
/// # Errors
/// Never in practice: the definition is plain data.
pub fn yaml(crd: &CustomResourceDefinition) -> Result<String, serde_yaml::Error> {
    definition::yaml(crd)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    };

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
        for crd in [crd(), crate::stack::api::crd()] {
            let kind = &crd.spec.names.kind;
            let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
            let mut found = Vec::new();
            for part in ["spec", "status"] {
                undescribed(&schema.properties.as_ref().unwrap()[part], part, &mut found);
            }
            assert!(found.is_empty(), "{kind} without a doc comment:\n{}", found.join("\n"));
        }
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
