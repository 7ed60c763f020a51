//! Rules that every planned object keeps, checked over many plans by [`super::properties`].

use std::collections::BTreeSet;

use super::*;
use crate::workload::names::{is_dns_1035, is_label_value};

/// Returns all violations of a plan.
pub(super) fn broken(plan: &Plan) -> Vec<String> {
    let mut broken = Vec::new();
    let mut keys = BTreeSet::new();
    for planned in &plan.objects {
        let mut say = |what: String| broken.push(format!("{planned}: {what}"));
        if !keys.insert((planned.kind.kind, planned.key.clone())) {
            say("planned twice".into());
        }
        // A ConfigMap's name is no DNS label, and the longest name of a dashboard exceeds one.
        let name = &planned.key.name;
        let dashboard =
            planned.kind.kind == "ConfigMap" && name.len() <= 253 && is_dns_1035(&name[..name.len().min(63)]);
        if !is_dns_1035(name) && !dashboard {
            say("name".into());
        }
        if planned.key.namespace.is_some() != planned.kind.namespaced {
            say("scope".into());
        }
        metadata(planned, &mut say);
        nothing_empty(&planned.body, "", &mut say);
        match planned.kind.kind {
            "Deployment" => {
                let template = &planned.body["spec"]["template"];
                let labels = &template["metadata"]["labels"];
                if planned.body["spec"]["selector"] != json!({ "matchLabels": { "app": planned.key.name } })
                    || labels["app"] != planned.key.name
                {
                    say("the selector is frozen".into());
                }
                for complaint in restricted(&template["spec"]) {
                    say(complaint);
                }
                for port in list(&template["spec"]["containers"][0]["ports"]) {
                    if port["protocol"] != "TCP" {
                        say("a port without protocol".into());
                    }
                }
            }
            "CronJob" => {
                for complaint in restricted(&planned.body["spec"]["jobTemplate"]["spec"]["template"]["spec"])
                {
                    say(complaint);
                }
            }
            "Service" => {
                for port in list(&planned.body["spec"]["ports"]) {
                    if port["protocol"] != "TCP" || port["targetPort"].is_null() {
                        say("a port without protocol or target".into());
                    }
                }
                let selector = planned.body["spec"]["selector"].as_object().expect("a selector");
                if selector.keys().collect::<Vec<_>>()
                    != ["app.kubernetes.io/component", "app.kubernetes.io/instance"]
                {
                    say("the selector is frozen".into());
                }
            }
            "NetworkPolicy" => {
                for complaint in closed(&planned.body["spec"]) {
                    say(complaint);
                }
            }
            "Ingress" => {
                for rule in list(&planned.body["spec"]["rules"]) {
                    for path in list(&rule["http"]["paths"]) {
                        if path["pathType"].is_null() {
                            say("a path without type".into());
                        }
                    }
                }
            }
            _ => {}
        }
    }
    broken
}

/// A policy covers ingress and egress, names every protocol, and never opens the management port to
/// all clients.
fn closed(spec: &Value) -> Vec<String> {
    let mut against = Vec::new();
    if spec["policyTypes"] != json!(["Ingress", "Egress"]) {
        against.push("policyTypes".to_owned());
    }
    for rule in list(&spec["ingress"]).iter().chain(list(&spec["egress"])) {
        if list(&rule["ports"]).iter().any(|port| port["protocol"].is_null()) {
            against.push("a port without protocol".to_owned());
        }
    }
    for rule in list(&spec["ingress"]) {
        if list(&rule["ports"]).is_empty() {
            against.push("every port".to_owned());
        }
        if list(&rule["ports"]).iter().any(|port| port["port"] == 8081) && list(&rule["from"]).is_empty() {
            against.push("the management port is open".to_owned());
        }
    }
    against
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn metadata(planned: &Planned, say: &mut impl FnMut(String)) {
    let metadata = &planned.body["metadata"];
    let empty = serde_json::Map::new();
    let labels = metadata["labels"].as_object().unwrap_or(&empty);
    for (key, value) in labels {
        if !value.as_str().is_some_and(is_label_value) {
            say(format!("label {key}={value}"));
        }
    }
    for key in [
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/managed-by",
        "logpilot.io/cluster",
    ] {
        if !labels.contains_key(key) {
            say(format!("no label {key}"));
        }
    }
    if labels.contains_key("app.kubernetes.io/version") && planned.kind.kind != "Deployment" {
        say("a version label rewrites the object at each change of image".into());
    }
    let kept = matches!(planned.kind.kind, "Namespace" | "PersistentVolumeClaim");
    match list(&metadata["ownerReferences"]) {
        [] if kept => {}
        [owner]
            if owner["controller"] == true
                && owner.get("blockOwnerDeletion").is_none()
                && owner["kind"] == "LogPilotCluster"
                && owner["apiVersion"] == "logpilot.io/v1alpha1" => {}
        other => say(format!("owner references {other:?}")),
    }
}

/// The operator would own an empty value, which would look like drift once the API server drops it.
fn nothing_empty(value: &Value, path: &str, say: &mut impl FnMut(String)) {
    match value {
        Value::Null => say(format!("{path} is null")),
        // An empty selector selects everything, and a volume may have any size. The API server
        // keeps both.
        Value::Object(map)
            if map.is_empty() && (path.ends_with("Selector") || path.ends_with(".emptyDir")) => {}
        Value::Object(map) if map.is_empty() => say(format!("{path} is empty")),
        Value::Array(list) if list.is_empty() => say(format!("{path} is empty")),
        Value::Object(map) => {
            for (key, value) in map {
                nothing_empty(value, &format!("{path}.{key}"), say);
            }
        }
        Value::Array(list) => {
            for value in list {
                nothing_empty(value, &format!("{path}[]"), say);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Returns what a pod violates of the `restricted` Pod Security Standard and of the operator's own
/// stricter rules.
fn restricted(pod: &Value) -> Vec<String> {
    let mut against = Vec::new();
    let mut check = |good: bool, what: &str| {
        if !good {
            against.push(what.to_owned());
        }
    };
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        check(pod.get(field).is_none(), field);
    }
    let context = &pod["securityContext"];
    check(context["runAsNonRoot"] == true, "runAsNonRoot");
    // A platform that assigns one assigns both.
    check(context["runAsUser"].is_null() || context["runAsUser"].as_i64() > Some(0), "runAsUser");
    check(context["fsGroup"].is_null() == context["runAsUser"].is_null(), "fsGroup");
    check(context["seccompProfile"]["type"] == "RuntimeDefault", "seccompProfile");
    check(context.get("sysctls").is_none(), "sysctls");
    for volume in list(&pod["volumes"]) {
        let allowed =
            ["configMap", "emptyDir", "persistentVolumeClaim", "secret", "projected", "downwardAPI"];
        let kinds: Vec<_> =
            volume.as_object().expect("a volume").keys().filter(|key| *key != "name").collect();
        check(kinds.iter().all(|kind| allowed.contains(&kind.as_str())), "volumes");
    }
    let containers = list(&pod["containers"]);
    check(!containers.is_empty() && pod.get("initContainers").is_none(), "containers");
    for container in containers {
        let context = &container["securityContext"];
        check(context["allowPrivilegeEscalation"] == false, "allowPrivilegeEscalation");
        check(context["capabilities"] == json!({ "drop": ["ALL"] }), "capabilities");
        check(context["readOnlyRootFilesystem"] == true, "readOnlyRootFilesystem");
        check(context.get("privileged").is_none() && context.get("procMount").is_none(), "privileged");
        check(list(&container["ports"]).iter().all(|port| port.get("hostPort").is_none()), "hostPort");
        check(container["terminationMessagePolicy"] == "FallbackToLogsOnError", "terminationMessagePolicy");
    }
    check(pod["enableServiceLinks"] == false, "enableServiceLinks");
    check(pod["automountServiceAccountToken"] == false, "automountServiceAccountToken");
    against
}

/// Tests the checks themselves: each reports a violation of its rule.
#[test]
fn a_broken_rule_is_detected() {
    let good = planned("{ exposure: { ingress: { rules: [{ host: a.b }] } } }");
    assert_eq!(broken(&good), [""; 0]);
    for (kind, pointer, value) in [
        ("Deployment", "/spec/template/spec/securityContext/runAsNonRoot", json!(false)),
        ("Deployment", "/spec/template/spec/securityContext/runAsUser", json!(0)),
        ("Deployment", "/spec/template/spec/securityContext/seccompProfile/type", json!("Unconfined")),
        ("Deployment", "/spec/template/spec/volumes/2", json!({ "name": "x", "hostPath": { "path": "/" } })),
        (
            "Deployment",
            "/spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation",
            json!(true),
        ),
        (
            "Deployment",
            "/spec/template/spec/containers/0/securityContext/capabilities",
            json!({ "drop": ["ALL"], "add": ["SYS_ADMIN"] }),
        ),
        (
            "Deployment",
            "/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem",
            json!(false),
        ),
        ("Deployment", "/spec/template/spec/containers/0/ports/0", json!({ "containerPort": 1 })),
        ("Deployment", "/spec/template/spec/enableServiceLinks", json!(true)),
        ("Deployment", "/spec/selector/matchLabels", json!({ "app": "x" })),
        ("Service", "/spec/ports/0", json!({ "port": 1 })),
        ("Service", "/spec/selector", json!({ "app": "x" })),
        ("Ingress", "/spec/rules/0/http/paths/0", json!({ "path": "/" })),
        ("NetworkPolicy", "/spec/policyTypes", json!(["Ingress"])),
        ("NetworkPolicy", "/spec/egress/0/ports/0", json!({ "port": 53 })),
        ("NetworkPolicy", "/spec/ingress/1/from", json!([])),
        ("NetworkPolicy", "/spec/ingress/0/ports", json!([])),
        ("ConfigMap", "/metadata/ownerReferences/0/controller", json!(false)),
        ("ConfigMap", "/metadata/labels", json!({ "a": "b" })),
        ("ConfigMap", "/data", json!({})),
        ("ServiceAccount", "/metadata/labels/x", json!("not a label value!")),
    ] {
        let mut plan = good.clone();
        let planned = plan.objects.iter_mut().find(|planned| planned.kind.kind == kind).expect("planned");
        if let Some(field) = planned.body.pointer_mut(pointer) {
            *field = value;
        } else {
            planned.body["metadata"]["labels"]["x"] = value;
        }
        assert!(!broken(&plan).is_empty(), "{kind} {pointer}");
    }
}
