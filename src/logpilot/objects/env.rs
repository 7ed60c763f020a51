//! The environment variables of the server. Settings are in `application.yml`. This module contains
//! only what cannot or must not be there.

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector};

use crate::{
    api::component as given,
    logpilot::model::{Cluster, Component},
    workload::{metadata, resolve::env::value_source},
};

pub const API_KEY: &str = "LOGPILOT_SERVER_API_KEY";
pub const CONFIG_LOCATION: &str = "SPRING_CONFIG_ADDITIONAL_LOCATION";
const SHUTDOWN: &str = "SERVER_SHUTDOWN";
pub const JAVA_OPTIONS: &str = "JAVA_TOOL_OPTIONS";

/// The variables of the operator. They take precedence over variables of the same name from
/// `envFrom`.
pub const OURS: [&str; 4] = [CONFIG_LOCATION, API_KEY, SHUTDOWN, JAVA_OPTIONS];

/// The variables of the operator come first, then those of the user, which replace them if the
/// names are equal. Names that must not be replaced were rejected before.
#[must_use]
pub fn variables(cluster: &Cluster, component: &Component) -> Vec<EnvVar> {
    let ours = [
        literal(CONFIG_LOCATION, "file:/config/"),
        EnvVar {
            name: API_KEY.into(),
            value_from: Some(EnvVarSource {
                secret_key_ref: Some(SecretKeySelector {
                    name: cluster.api_key.secret.clone(),
                    key: cluster.api_key.key.clone(),
                    optional: None,
                }),
                ..EnvVarSource::default()
            }),
            value: None,
        },
        // Without it, the response to a stored request is lost at SIGTERM, and the retry of the
        // client duplicates the record.
        literal(SHUTDOWN, "graceful"),
        // The default heap of the JVM is a quarter of the limit, which is too little for the reads
        // of a busy server.
        literal(JAVA_OPTIONS, "-XX:MaxRAMPercentage=50"),
    ];
    let replaced = |name: &str| component.env.iter().any(|given| given.name == name);
    ours.into_iter()
        .filter(|variable| !replaced(&variable.name))
        .chain(component.env.iter().map(variable))
        .collect()
}

fn literal(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.into(), value: Some(value.into()), value_from: None }
}

fn variable(variable: &given::EnvVar) -> EnvVar {
    EnvVar {
        name: variable.name.clone(),
        value: metadata::non_blank(variable.value.as_ref()),
        value_from: variable.value_from.as_ref().map(value_source),
    }
}
