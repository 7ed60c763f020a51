//! Checks a pod against the `restricted` Pod Security Standard. The operator's own pods comply; patched
//! ones are checked, because a Deployment is admitted regardless of its template, and only its pods are
//! rejected later.
//!
//! Source: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>

use serde_json::Value;

use crate::json::list;

/// Volume types that are allowed.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
const SYSCTLS: [&str; 10] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
];

/// Returns everything that is not allowed: the path below the pod's spec, and why.
#[must_use]
pub fn violations(pod: &Value) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod.get(field) == Some(&Value::Bool(true)) {
            found.push((field.to_owned(), "may not be true"));
        }
    }
    let context = pod.get("securityContext").unwrap_or(&Value::Null);
    found.extend(of_context(context).map(|(field, why)| (format!("securityContext.{field}"), why)));
    for sysctl in list(context, "sysctls") {
        let name = sysctl.get("name").and_then(Value::as_str).unwrap_or_default();
        if !SYSCTLS.contains(&name) {
            found.push((
                "securityContext.sysctls".to_owned(),
                "may only name sysctls that Kubernetes classifies as safe",
            ));
        }
    }
    for (index, volume) in list(pod, "volumes").enumerate() {
        for type_ in
            volume.as_object().into_iter().flatten().map(|(field, _)| field).filter(|field| *field != "name")
        {
            if !VOLUMES.contains(&type_.as_str()) {
                found.push((format!("volumes[{index}].{type_}"), "is a volume type that reaches the node"));
            }
        }
    }
    for kind in ["initContainers", "containers"] {
        for (index, container) in list(pod, kind).enumerate() {
            let at = format!("{kind}[{index}]");
            found.extend(
                of_container(container, context)
                    .into_iter()
                    .map(|(field, why)| (format!("{at}.{field}"), why)),
            );
        }
    }
    found
}

fn of_container(container: &Value, pod: &Value) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    if list(container, "ports")
        .any(|port| port.get("hostPort").and_then(Value::as_i64).is_some_and(|port| port != 0))
    {
        found.push(("ports".to_owned(), "may not have a hostPort"));
    }
    let context = container.get("securityContext").unwrap_or(&Value::Null);
    let mut say = |field: &str, why| found.push((format!("securityContext.{field}"), why));
    if is(context, "/privileged", true) {
        say("privileged", "may not be true");
    }
    if !is(context, "/allowPrivilegeEscalation", false) {
        say("allowPrivilegeEscalation", "must be false");
    }
    if !list(context.get("capabilities").unwrap_or(&Value::Null), "drop").any(|name| name == "ALL") {
        say("capabilities.drop", "must have ALL");
    }
    if list(context.get("capabilities").unwrap_or(&Value::Null), "add").any(|name| name != "NET_BIND_SERVICE")
    {
        say("capabilities.add", "may only have NET_BIND_SERVICE");
    }
    if context.get("procMount").is_some_and(|mount| mount != "Default") {
        say("procMount", "must be Default");
    }
    // The pod's setting applies to a container that has none.
    if !is(context, "/runAsNonRoot", true)
        && (context.get("runAsNonRoot").is_some() || !is(pod, "/runAsNonRoot", true))
    {
        say("runAsNonRoot", "must be true");
    }
    if context.get("seccompProfile").is_none() && pod.get("seccompProfile").is_none() {
        say("seccompProfile", "must be RuntimeDefault or Localhost");
    }
    for (field, why) in of_context(context) {
        say(field, why);
    }
    found
}

/// Returns what neither a pod nor a container may set.
fn of_context(context: &Value) -> impl Iterator<Item = (&'static str, &'static str)> {
    let type_ = |profile: &str| context.pointer(profile).and_then(Value::as_str);
    let unconfined =
        |profile: &str| type_(profile).is_some_and(|type_| !["RuntimeDefault", "Localhost"].contains(&type_));
    [
        (context.get("runAsUser").and_then(Value::as_i64) == Some(0), ("runAsUser", "may not be 0")),
        (unconfined("/seccompProfile/type"), ("seccompProfile", "must be RuntimeDefault or Localhost")),
        (unconfined("/appArmorProfile/type"), ("appArmorProfile", "must be RuntimeDefault or Localhost")),
        (
            type_("/seLinuxOptions/user").is_some_and(|user| !user.is_empty())
                || type_("/seLinuxOptions/role").is_some_and(|role| !role.is_empty()),
            ("seLinuxOptions", "may not set `user` or `role`"),
        ),
        (is(context, "/windowsOptions/hostProcess", true), ("windowsOptions.hostProcess", "may not be true")),
    ]
    .into_iter()
    .filter_map(|(bad, told)| bad.then_some(told))
}

fn is(value: &Value, pointer: &str, wanted: bool) -> bool {
    value.pointer(pointer) == Some(&Value::Bool(wanted))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
            "volumes": [{ "name": "a", "emptyDir": {} }],
            "containers": [{ "name": "c", "ports": [{ "containerPort": 80 }], "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
            } }],
        })
    }

    #[test]
    fn a_restricted_pod_is_let_through() {
        assert_eq!(violations(&good()), []);
    }

    #[rstest]
    #[case("/hostNetwork", json!(true), "hostNetwork")]
    #[case("/securityContext/runAsNonRoot", json!(false), "containers[0].securityContext.runAsNonRoot")]
    #[case("/securityContext/runAsUser", json!(0), "securityContext.runAsUser")]
    #[case("/securityContext/seccompProfile/type", json!("Unconfined"), "securityContext.seccompProfile")]
    #[case("/securityContext/sysctls", json!([{ "name": "kernel.msgmax", "value": "1" }]), "securityContext.sysctls")]
    #[case("/securityContext/seLinuxOptions", json!({ "user": "u" }), "securityContext.seLinuxOptions")]
    #[case("/securityContext/windowsOptions", json!({ "hostProcess": true }), "securityContext.windowsOptions.hostProcess")]
    #[case("/volumes/0", json!({ "name": "h", "hostPath": { "path": "/" } }), "volumes[0].hostPath")]
    #[case("/initContainers", json!([{ "name": "i" }]), "initContainers[0].securityContext.allowPrivilegeEscalation")]
    #[case("/containers/0/ports/0/hostPort", json!(80), "containers[0].ports")]
    #[case("/containers/0/securityContext/privileged", json!(true), "containers[0].securityContext.privileged")]
    #[case("/containers/0/securityContext/allowPrivilegeEscalation", json!(true), "containers[0].securityContext.allowPrivilegeEscalation")]
    #[case("/containers/0/securityContext/capabilities", json!({}), "containers[0].securityContext.capabilities.drop")]
    #[case("/containers/0/securityContext/capabilities/add", json!(["SYS_ADMIN"]), "containers[0].securityContext.capabilities.add")]
    #[case("/containers/0/securityContext/procMount", json!("Unmasked"), "containers[0].securityContext.procMount")]
    #[case("/containers/0/securityContext/runAsNonRoot", json!(false), "containers[0].securityContext.runAsNonRoot")]
    #[case("/containers/0/securityContext/appArmorProfile", json!({ "type": "Unconfined" }), "containers[0].securityContext.appArmorProfile")]
    fn each_liberty_is_named(#[case] pointer: &str, #[case] value: Value, #[case] path: &str) {
        let mut pod = good();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        let parent = pod.pointer_mut(parent).unwrap();
        match parent.as_array_mut() {
            Some(items) => items[field.parse::<usize>().unwrap()] = value,
            None => parent[field] = value,
        }
        let found: Vec<String> = violations(&pod).into_iter().map(|(path, _)| path).collect();
        assert!(found.contains(&path.to_owned()), "{found:?}");
    }
}
