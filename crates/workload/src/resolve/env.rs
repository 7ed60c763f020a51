//! Where variables come from, in the words of Kubernetes.

use k8s_openapi::{
    api::core::v1::{
        ConfigMapEnvSource, ConfigMapKeySelector, EnvFromSource, EnvVarSource, ObjectFieldSelector,
        ResourceFieldSelector, SecretEnvSource, SecretKeySelector,
    },
    apimachinery::pkg::api::resource::Quantity,
};

use crate::{api::common, metadata};

#[must_use]
pub fn sources(given: &[common::EnvFromSource]) -> Vec<EnvFromSource> {
    given
        .iter()
        .map(|source| EnvFromSource {
            prefix: metadata::non_blank(source.prefix.as_ref()),
            config_map_ref: source
                .config_map_ref
                .as_ref()
                .map(|it| ConfigMapEnvSource { name: it.name.clone(), optional: it.optional }),
            secret_ref: source
                .secret_ref
                .as_ref()
                .map(|it| SecretEnvSource { name: it.name.clone(), optional: it.optional }),
        })
        .collect()
}

#[must_use]
pub fn value_source(source: &common::EnvVarSource) -> EnvVarSource {
    EnvVarSource {
        secret_key_ref: source.secret_key_ref.as_ref().map(|key| SecretKeySelector {
            name: key.name.clone(),
            key: key.key.clone(),
            optional: key.optional,
        }),
        config_map_key_ref: source.config_map_key_ref.as_ref().map(|key| ConfigMapKeySelector {
            name: key.name.clone(),
            key: key.key.clone(),
            optional: key.optional,
        }),
        field_ref: source.field_ref.as_ref().map(|field| ObjectFieldSelector {
            // The operator owns the whole field, so the default would be applied as its own value.
            api_version: Some("v1".into()),
            field_path: field.field_path.clone(),
        }),
        resource_field_ref: source.resource_field_ref.as_ref().map(|field| ResourceFieldSelector {
            // The operator owns the whole field here too. If there is no value, 0 is stored. Both
            // mean 1.
            divisor: Some(Quantity(field.divisor.as_ref().map_or("1", |given| &given.0).to_owned())),
            resource: field.resource.name().into(),
            container_name: field.container_name.clone(),
        }),
        ..EnvVarSource::default()
    }
}
