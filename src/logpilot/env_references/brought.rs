//! Evaluates what the objects behind `envFrom` and `valueFrom` set: by the same rules as a literal
//! variable, and without revealing a value.

use std::{borrow::Cow, collections::BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::Value;

use crate::{
    api::component::EnvVar,
    engine::api_client::named,
    kinds::Managed,
    logpilot::{
        environment::{Finding, Source, Variable, of_variables},
        model::{Cluster, Component},
        objects::env::{JAVA_OPTIONS, OURS},
        warnings::instead,
    },
    reasons::{ENV_IGNORED, REFERENCE_INVALID},
    workload::{
        api::common::EnvFromSource,
        references::{Objects, Refused, decode},
    },
};

/// A variable and the object that sets it; `None` for a literal value.
struct Brought<'a> {
    variable: Variable<'a>,
    object: Option<String>,
    /// The object or its key does not exist, so it sets nothing.
    missing: bool,
}

/// Returns the variables of a component that set what the operator owns, and those that have no effect.
///
/// Follows the kubelet: sources first, then the entries of `env` in their order. An entry replaces the
/// value of a source from its own position on, and only if its value exists; entries before it still
/// refer to the value of the source.
pub(super) fn refused(cluster: &Cluster, component: &Component, objects: &Objects) -> Vec<Refused> {
    let mut found = Vec::new();
    let mut sources: Vec<Brought<'_>> = Vec::new();
    let is_named = |name: &str| component.env.iter().any(|given| given.name == name);
    for from in component.env_from.iter().flat_map(|from| of_source(cluster, from, objects)) {
        let name = from.variable.name.as_ref();
        if OURS.contains(&name) && !is_named(name) {
            found.push(hidden(&from));
        } else {
            // The last source wins.
            sources.retain(|known| known.variable.name != from.variable.name);
            sources.push(from);
        }
    }
    let entries: Vec<Brought<'_>> =
        component.env.iter().map(|given| of_entry(cluster, given, objects)).collect();
    let replaced: BTreeSet<&str> =
        entries.iter().filter(|entry| !entry.missing).map(|entry| entry.variable.name.as_ref()).collect();
    let judged = |all: &mut dyn Iterator<Item = &Brought<'_>>| -> Vec<Finding> {
        of_variables(&all.map(|brought| brought.variable.clone()).collect::<Vec<_>>(), None)
    };
    let of_sources = judged(&mut sources.iter());
    // The findings about the sources come first: no later entry changes them.
    let of_entries = judged(&mut sources.iter().chain(&entries)).into_iter().skip(of_sources.len());
    let of_sources: Vec<_> =
        of_sources.into_iter().filter(|finding| !replaced.contains(named_by(finding))).collect();
    let without_finding = |brought: &&Brought<'_>| {
        let name = brought.variable.name.as_ref();
        !replaced.contains(name) && !of_sources.iter().any(|finding| named_by(finding) == name)
    };
    found.extend(sources.iter().filter(without_finding).filter_map(ignored));
    let refusal = |finding: &Finding, origins: &[Brought<'_>]| {
        let name = named_by(finding);
        let origin = origins.iter().find(|brought| brought.variable.name == name);
        let object = origin.and_then(|brought| brought.object.clone());
        let object = object.unwrap_or_else(|| format!("Deployment {}", cluster.key(component.name.as_str())));
        let message = format!(
            "the variable {name} of component {}, which {object} sets, {}; the pods are left unchanged until that object no longer sets it",
            component.role.name,
            finding.hidden(),
        );
        Refused { reason: REFERENCE_INVALID, holds: true, object, message }
    };
    found.extend(of_sources.iter().map(|finding| refusal(finding, &sources)));
    found.extend(of_entries.map(|finding| refusal(&finding, &entries)));
    found
}

fn named_by(finding: &Finding) -> &str {
    finding.variable.as_deref().unwrap_or_default()
}

/// Reports a placeholder of the server's built-in file whose property application.yml sets.
fn ignored(brought: &Brought<'_>) -> Option<Refused> {
    let instead = instead(&brought.variable.name)?;
    let why = format!("the generated application.yml sets the property; use {instead}");
    Some(without_effect(brought, &why))
}

fn hidden(brought: &Brought<'_>) -> Refused {
    without_effect(
        brought,
        if brought.variable.name == JAVA_OPTIONS {
            "the operator sets it itself; name it in `env` of the component, with `valueFrom`, to replace the operator's"
        } else {
            "the operator sets it itself; remove it"
        },
    )
}

fn without_effect(brought: &Brought<'_>, why: &str) -> Refused {
    let object = brought.object.clone().unwrap_or_default();
    let message = format!("the variable {} from {object} has no effect: {why}", brought.variable.name);
    Refused { reason: ENV_IGNORED, holds: false, object, message }
}

/// Returns every key of an object, with the prefix.
fn of_source<'a>(cluster: &Cluster, from: &EnvFromSource, objects: &'a Objects) -> Vec<Brought<'a>> {
    let prefix = from.prefix.as_deref().unwrap_or_default();
    let secret = from.secret_ref.as_ref().map(|from| (Secret::KIND, &from.name));
    let map = from.config_map_ref.as_ref().map(|from| (ConfigMap::KIND, &from.name));
    let sources = secret.into_iter().chain(map);
    let keys = sources.flat_map(|(kind, name)| {
        let object = named(kind, &cluster.key(name));
        let data = data(objects, kind.plural, name).and_then(Value::as_object).into_iter().flatten();
        data.map(move |(key, value)| Brought {
            variable: Variable { name: format!("{prefix}{key}").into(), source: text(kind.plural, value) },
            object: Some(object.clone()),
            missing: false,
        })
    });
    keys.collect()
}

fn of_entry<'a>(cluster: &Cluster, given: &'a EnvVar, objects: &'a Objects) -> Brought<'a> {
    let mut variable = Variable::from(given);
    let from = given.value_from.as_ref();
    let secret = from.and_then(|from| from.secret_key_ref.as_ref()).map(|from| (Secret::KIND, from));
    let map = from.and_then(|from| from.config_map_key_ref.as_ref()).map(|from| (ConfigMap::KIND, from));
    let Some((kind, from)) = secret.or(map) else {
        return Brought { variable, object: None, missing: false };
    };
    // A missing object is reported as missing, and sets nothing.
    let value = data(objects, kind.plural, &from.name).and_then(|data| data.get(&from.key));
    variable.source = value.map_or(Source::Later, |value| text(kind.plural, value));
    let missing = value.is_none();
    Brought { variable, object: Some(named(kind, &cluster.key(&from.name))), missing }
}

fn data<'a>(objects: &'a Objects, plural: &'static str, name: &str) -> Option<&'a Value> {
    objects.get(&(plural, name.to_owned()))?.as_ref()?.get("data")
}

fn text<'a>(plural: &str, value: &'a Value) -> Source<'a> {
    let given = value.as_str().unwrap_or_default();
    Source::Text(if plural == Secret::KIND.plural {
        Cow::Owned(String::from_utf8_lossy(&decode(given)).into_owned())
    } else {
        Cow::Borrowed(given)
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::{api::LogPilotCluster, logpilot::validate::validate};

    /// Returns the findings if the component refers to a ConfigMap `m` and a Secret `s` with this data.
    fn found(all: &Value, data: &Value) -> Vec<Refused> {
        let cr: LogPilotCluster = serde_json::from_value(json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "metadata": { "name": "c", "uid": "u" },
            "spec": { "image": "a:1", "components": { "all": all } },
        }))
        .unwrap();
        let cluster = validate(&cr).unwrap();
        let encode = |value: &Value| {
            let bytes = value.as_str().unwrap().as_bytes().to_vec();
            serde_json::to_value(k8s_openapi::ByteString(bytes)).unwrap()
        };
        let secret: serde_json::Map<String, Value> =
            data.as_object().unwrap().iter().map(|(key, value)| (key.clone(), encode(value))).collect();
        let objects: Objects = [
            (("configmaps", "m".to_owned()), Some(json!({ "data": data }))),
            (("secrets", "s".to_owned()), Some(json!({ "data": secret }))),
        ]
        .into();
        refused(&cluster, &cluster.components[0], &objects)
    }

    #[rstest]
    #[case::port("", "SERVER_PORT", "1", "loadBalancer")]
    #[case::prefix("SERVER_", "PORT", "1", "loadBalancer")]
    #[case::json("", "SPRING_APPLICATION_JSON", "{}", "overlay")]
    #[case::key("", "logpilot_server_apikey", "canary", "auth.apiKeySecret")]
    #[case::java("", "JDK_JAVA_OPTIONS", "-Dcanary=1 -Dserver.port=1", "'server.port'")]
    #[case::probes("", "MANAGEMENT_ENDPOINT_HEALTH_PROBES_ENABLED", "false", "health")]
    #[case::path("", "MANAGEMENT_ENDPOINTS_WEB_BASE_PATH", "/canary", "/actuator")]
    fn a_source_brings_nothing_of_ours(
        #[case] prefix: &str,
        #[case] key: &str,
        #[case] value: &str,
        #[case] instead: &str,
    ) {
        for (kind, name, object) in [("secretRef", "s", "Secret c/s"), ("configMapRef", "m", "ConfigMap c/m")]
        {
            let all = json!({ "envFrom": [{ "prefix": prefix, kind: { "name": name } }] });
            let found = found(&all, &json!({ key: value, "OTHER": "-Dserver.port=1" }));
            let [one] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!((one.reason, one.object.as_str()), (REFERENCE_INVALID, object));
            assert!(one.message.contains(instead) && one.message.contains(key), "{one:?}");
            assert!(!one.message.contains("canary"), "{one:?}");
        }
    }

    #[test]
    fn one_key_brings_no_option_of_ours() {
        let from = |name: &str| json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } });
        let judged = |env: Value, value: &str| found(&json!({ "env": env }), &json!({ "k": value }));
        let bad = "-Dlogpilot.server.api-key=";
        let found = judged(json!([from("JAVA_TOOL_OPTIONS")]), bad);
        assert_eq!((found[0].reason, found[0].object.as_str()), (REFERENCE_INVALID, "Secret c/s"));
        let referred = json!([from("X"), { "name": "JAVA_TOOL_OPTIONS", "value": "-Xmx1g $(X)" }]);
        assert_eq!(judged(referred.clone(), bad)[0].reason, REFERENCE_INVALID);
        assert_eq!(judged(referred, "-Xms1g"), []);
        assert_eq!(judged(json!([from("OTHER")]), bad), []);
    }

    #[test]
    fn what_our_own_variable_hides_is_reported() {
        let all = json!({ "envFrom": [{ "configMapRef": { "name": "m" } }] });
        let found = found(&all, &json!({ "JAVA_TOOL_OPTIONS": "-Dserver.port=1", "X": "1" }));
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.reason, one.object.as_str()), (ENV_IGNORED, "ConfigMap c/m"));
        assert!(one.message.contains("valueFrom"), "{one:?}");
    }

    #[test]
    fn a_placeholder_of_the_servers_file_is_reported() {
        let all = json!({ "envFrom": [{ "secretRef": { "name": "s" } }] });
        let found = found(&all, &json!({ "LOGPILOT_RATE_LIMIT_CAPACITY": "7" }));
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.reason, ENV_IGNORED);
        assert!(one.message.contains("config.serverRateLimit.capacity"), "{one:?}");
    }

    #[test]
    fn what_the_users_own_variable_hides_is_nothing() {
        let all = json!({
            "envFrom": [{ "configMapRef": { "name": "m" } }],
            "env": [{ "name": "JAVA_TOOL_OPTIONS", "value": "-Xmx1g" }],
        });
        assert_eq!(found(&all, &json!({ "JAVA_TOOL_OPTIONS": "-Dserver.port=1" })), []);
    }

    /// The kubelet expands `$(X)` from a source if the entry of that name comes later.
    #[test]
    fn a_later_entry_hides_no_source_from_an_earlier_one() {
        let all = |first: &str, second: &str| {
            let entry = |name: &str| match name {
                "X" => json!({ "name": "X", "value": "harmless" }),
                name => json!({ "name": name, "value": "-Xmx256m $(X)" }),
            };
            json!({ "envFrom": [{ "configMapRef": { "name": "m" } }], "env": [entry(first), entry(second)] })
        };
        let data = json!({ "X": "-Dlogpilot.server.api-key=" });
        let found = found(&all("JAVA_TOOL_OPTIONS", "X"), &data);
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert!(one.reason == REFERENCE_INVALID && one.message.contains("JAVA_TOOL_OPTIONS"), "{one:?}");
        assert_eq!(
            self::found(&all("X", "JAVA_TOOL_OPTIONS"), &data),
            [],
            "replaced before it is referred to"
        );
    }

    #[test]
    fn a_missing_key_hides_no_source() {
        let all = |key: &str| {
            let from = json!({ "configMapKeyRef": { "name": "m", "key": key, "optional": true } });
            json!({
                "envFrom": [{ "configMapRef": { "name": "m" } }],
                "env": [{ "name": "JAVA_TOOL_OPTIONS", "valueFrom": from }],
            })
        };
        let data = json!({ "JAVA_TOOL_OPTIONS": "-Dlogpilot.server.api-key=", "OPTIONS": "-Xmx1g" });
        assert_eq!(found(&all("OPTIONS"), &data), []);
        let found = found(&all("ABSENT"), &data);
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.reason, one.object.as_str()), (REFERENCE_INVALID, "ConfigMap c/m"));
    }
}
