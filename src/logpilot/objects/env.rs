//! The server's environment. Settings are in `application.yml`; here is only what cannot or must not be there.

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

/// The operator's variables. They hide those of their names that `envFrom` brings.
pub const OURS: [&str; 4] = [CONFIG_LOCATION, API_KEY, SHUTDOWN, JAVA_OPTIONS];

/// Ours first, then the user's. An entry of the user's with a name of ours replaces it; names that may not
/// be replaced were refused before.
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
        // Without it a stored request's answer is lost at SIGTERM, and the client's retry doubles it.
        literal(SHUTDOWN, "graceful"),
        // The JVM's default heap is a quarter of the limit: too little for the reads of a busy server.
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
