//! Fields that real manifests need, as the objects contain them.

use rstest::rstest;

use super::*;
use crate::{
    api::status::EffectiveComponent,
    logpilot::{config_check, effective},
};

const POD: &str = "/spec/template/spec";
const SERVER: &str = "/spec/template/spec/containers/0";

fn all(component: &str) -> String {
    format!("{{ components: {{ all: {{ {component} }} }} }}")
}

#[track_caller]
fn at(spec: &str, kind: &str, name: &str, pointer: &str) -> Value {
    let plan = planned(spec);
    object(&plan, kind, name).body.pointer(pointer).cloned().unwrap_or_default()
}

#[rstest]
#[case::nothing_given("", json!("100m"), json!("500m"))]
#[case::memory_only("resources: { requests: { memory: 300Mi } }", json!("100m"), json!("500m"))]
#[case::a_request("resources: { requests: { cpu: 2 } }", json!("2"), Value::Null)]
#[case::a_limit("resources: { limits: { cpu: 2 } }", json!("100m"), json!("2"))]
#[case::both("resources: { requests: { cpu: 1 }, limits: { cpu: 2 } }", json!("1"), json!("2"))]
#[case::empty_limits("resources: { requests: { cpu: 1 }, limits: {} }", json!("1"), Value::Null)]
fn a_cpu_request_alone_has_no_limit(#[case] resources: &str, #[case] request: Value, #[case] limit: Value) {
    let resources = at(&all(resources), "Deployment", "logpilot-all", &format!("{SERVER}/resources"));
    assert_eq!((&resources["requests"]["cpu"], &resources["limits"]["cpu"]), (&request, &limit));
    assert!(!resources["limits"]["memory"].is_null(), "the heap is derived from the memory limit");
}

/// The LimitRange would give the container a limit, and the quota would reject its pods.
#[rstest]
#[case::limit_range("defaults: {}", json!("500m"))]
#[case::limit_range_off("defaults: { enabled: false }", Value::Null)]
#[case::quota("quota: { limits: { cpu: 4 } }", json!("500m"))]
#[case::quota_of_memory("quota: { limits: { memory: 4Gi } }", Value::Null)]
#[case::quota_off("quota: { enabled: false, limits: { cpu: 4 } }", Value::Null)]
fn limits_of_the_namespace_keep_the_cpu_limit(#[case] limits: &str, #[case] limit: Value) {
    let spec = format!(
        "{{ limits: {{ {limits} }}, components: {{ all: {{ resources: {{ requests: {{ cpu: 200m }} }} }} }} }}"
    );
    let pointer = format!("{SERVER}/resources/limits/cpu");
    assert_eq!(at(&spec, "Deployment", "logpilot-all", &pointer), limit);
}

#[rstest]
#[case::defaults("", [Some(10001), Some(10001), Some(10001)], true)]
#[case::a_user("runAsUser: 1000", [Some(1000), Some(1000), Some(1000)], true)]
#[case::a_group("runAsGroup: 0", [Some(10001), Some(0), Some(10001)], true)]
#[case::a_group_of_the_volume("fsGroup: 2000", [Some(10001), Some(10001), Some(2000)], true)]
#[case::all_three("runAsUser: 1, runAsGroup: 2, fsGroup: 3", [Some(1), Some(2), Some(3)], true)]
#[case::the_platforms("assignedBy: Platform", [None, None, None], true)]
#[case::root("runAsUser: 0", [Some(0), Some(0), Some(0)], false)]
fn all_data_pods_share_one_identity(
    #[case] given: &str,
    #[case] wanted: [Option<i64>; 3],
    #[case] no_root: bool,
) {
    let spec = format!(
        "{{ namespace: {{ podSecurity: Baseline }}, config: {{ check: {{}} }}, backup: {{}}, \
         restore: {{ requestId: a, from: logpilot-20260102T030001.000Z.db }}, \
         components: {{ all: {{ securityContext: {{ {given} }} }} }} }}"
    );
    let cluster = cluster(&spec);
    let facts = Facts { config_checks: config_check::all_pending(&cluster), ..Facts::default() };
    let plan = plan(&cluster, &facts);
    let mut kinds = Vec::new();
    for planned in &plan.objects {
        let pod = match planned.kind.kind {
            "Deployment" | "Job" => &planned.body["spec"]["template"]["spec"],
            "CronJob" => &planned.body["spec"]["jobTemplate"]["spec"]["template"]["spec"],
            _ => continue,
        };
        kinds.push(planned.kind.kind);
        let context = &pod["securityContext"];
        let found = ["runAsUser", "runAsGroup", "fsGroup"].map(|field| context[field].as_i64());
        assert_eq!(found, wanted, "{planned}");
        assert_eq!(context["runAsNonRoot"].as_bool(), no_root.then_some(true), "{planned}");
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{planned}");
    }
    kinds.sort_unstable();
    assert_eq!(kinds, ["CronJob", "Deployment", "Job", "Job"]);
}

#[rstest]
#[case::restricted(
    "{ components: { all: { securityContext: { runAsUser: 0 } } } }",
    "all.securityContext.runAsUser",
    "root"
)]
#[case::two_users(
    "{ components: { all: {}, rest: { securityContext: { runAsUser: 1000 } } } }",
    "rest.securityContext",
    "share a volume"
)]
#[case::platform(
    "{ components: { all: { securityContext: { assignedBy: Platform, fsGroup: 1 } } } }",
    "all.securityContext.assignedBy",
    "Platform"
)]
#[case::container(
    "{ components: { all: { env: [{ name: A, valueFrom: { resourceFieldRef: { resource: limits.cpu, containerName: x } } }] } } }",
    "all.env[A].valueFrom.resourceFieldRef.containerName",
    "'logpilot'"
)]
#[case::port(
    "{ components: { rest: { probes: { liveness: { mode: Tcp, port: grpc } } } } }",
    "rest.probes.liveness.port",
    "http, management"
)]
#[case::number(
    "{ components: { all: { probes: { liveness: { port: 0 } } } } }",
    "all.probes.liveness.port",
    "65535"
)]
#[case::grpc(
    "{ components: { rest: { probes: { startup: { mode: Grpc } } } } }",
    "rest.probes.startup.mode",
    "gRPC port"
)]
#[case::no_path(
    "{ components: { all: { probes: { startup: { mode: Http } } } } }",
    "all.probes.startup.path",
    "'Http'"
)]
#[case::a_path(
    "{ components: { all: { probes: { startup: { mode: Tcp, path: /a } } } } }",
    "all.probes.startup.path",
    "HTTP probe"
)]
#[case::a_port(
    "{ components: { all: { probes: { startup: { mode: Exec, command: [a], port: http } } } } }",
    "all.probes.startup.port",
    "'Exec'"
)]
#[case::a_command(
    "{ components: { all: { probes: { startup: { command: [a] } } } } }",
    "all.probes.startup.command",
    "'Exec'"
)]
#[case::no_command(
    "{ components: { all: { probes: { startup: { mode: Exec } } } } }",
    "all.probes.startup.command",
    "must be given"
)]
#[case::limited(
    "{ limits: { defaults: {} }, components: { rest: { resources: { requests: { cpu: 400m } } } } }",
    "rest.resources.requests.cpu",
    "'300m' by default"
)]
fn is_refused_without_the_rules(#[case] spec: &str, #[case] path: &str, #[case] says: &str) {
    let found = violations(spec);
    let [one] = found.as_slice() else { panic!("one violation: {found:#?}") };
    assert_eq!(one.path, format!("spec.components.{path}"));
    assert!(one.message.contains(says), "{one}");
}

#[rstest]
#[case::path("liveness: { path: /x }", "liveness", json!({ "httpGet": { "path": "/x", "port": "management" } }))]
#[case::port("readiness: { port: http }", "readiness", json!({ "httpGet": { "path": "/actuator/health/readiness", "port": "http" } }))]
#[case::http("startup: { mode: Http, path: /up, port: 9000 }", "startup", json!({ "httpGet": { "path": "/up", "port": 9000 } }))]
#[case::tcp("mode: Tcp, liveness: { port: grpc }", "liveness", json!({ "tcpSocket": { "port": "grpc" } }))]
#[case::tcp_of_all("mode: Tcp, liveness: { port: grpc }", "startup", json!({ "tcpSocket": { "port": "http" } }))]
#[case::grpc("readiness: { mode: Grpc }", "readiness", json!({ "grpc": { "port": 50051 } }))]
#[case::grpc_named("readiness: { mode: Grpc, port: management }", "readiness", json!({ "grpc": { "port": 8081 } }))]
#[case::exec("command: [a], startup: { mode: Exec }", "startup", json!({ "exec": { "command": ["a"] } }))]
#[case::exec_of_its_own("mode: Exec, command: [a], startup: { command: [b] }", "startup", json!({ "exec": { "command": ["b"] } }))]
#[case::others("startup: { mode: Tcp }", "liveness", json!({ "httpGet": { "path": "/actuator/health/liveness", "port": "management" } }))]
fn each_probe_uses_its_own_handler(#[case] probes: &str, #[case] probe: &str, #[case] wanted: Value) {
    let spec = all(&format!("probes: {{ {probes} }}"));
    let mut found = at(&spec, "Deployment", "logpilot-all", &format!("{SERVER}/{probe}Probe"));
    found
        .as_object_mut()
        .expect("a probe")
        .retain(|field, _| !field.ends_with("Seconds") && !field.ends_with("Threshold"));
    assert_eq!(found, wanted);
}

#[test]
fn env_sources_may_be_optional() {
    let spec = all(
        "env: [{ name: A, valueFrom: { resourceFieldRef: { resource: limits.memory, divisor: 1Mi } } }, \
         { name: B, valueFrom: { resourceFieldRef: { resource: requests.cpu } } }], \
         envFrom: [{ secretRef: { name: a, optional: true } }, { configMapRef: { name: b } }]",
    );
    let server = at(&spec, "Deployment", "logpilot-all", SERVER);
    let env = server["env"].as_array().expect("a list");
    let of = |name: &str| &env.iter().find(|it| it["name"] == name).expect(name)["valueFrom"];
    assert_eq!(of("A"), &json!({ "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } }));
    assert_eq!(of("B"), &json!({ "resourceFieldRef": { "resource": "requests.cpu", "divisor": "1" } }));
    let sources =
        json!([{ "secretRef": { "name": "a", "optional": true } }, { "configMapRef": { "name": "b" } }]);
    assert_eq!(server["envFrom"], sources);
}

#[rstest]
#[case::default("podDisruptionBudget: {}", "AlwaysAllow")]
#[case::given("podDisruptionBudget: { unhealthyPodEvictionPolicy: IfHealthyBudget }", "IfHealthyBudget")]
fn a_broken_pod_blocks_no_drain(#[case] budget: &str, #[case] wanted: &str) {
    let policy = at(&all(budget), "PodDisruptionBudget", "logpilot-all", "/spec/unhealthyPodEvictionPolicy");
    assert_eq!(policy, wanted);
}

/// `kubectl get all -l app=logpilot-all` finds these objects. Check pods do not belong to the
/// component.
#[test]
fn component_objects_carry_the_app_label() {
    let cluster = cluster(
        "{ config: { check: {} }, storage: { sharing: PerComponent }, components: { all: { replicas: 1, \
         podDisruptionBudget: {}, loadBalancer: {}, nodePort: {} }, rest: { autoscaling: { maxReplicas: 2 } } } }",
    );
    let facts = Facts { config_checks: config_check::all_pending(&cluster), ..Facts::default() };
    let mut kinds = std::collections::BTreeSet::new();
    for planned in &plan(&cluster, &facts).objects {
        let labels = &planned.body["metadata"]["labels"];
        let Some(component) = labels["app.kubernetes.io/component"].as_str() else {
            // The namespace has the label of hand-written manifests.
            assert!(planned.kind.kind == "Namespace" || labels["app"].is_null(), "{planned}");
            continue;
        };
        kinds.insert(planned.kind.kind);
        assert_eq!(labels["app"], format!("logpilot-{component}"), "{planned}");
        if planned.kind.kind == "Job" {
            assert!(planned.body.pointer("/spec/template/metadata/labels/app").is_none(), "{planned}");
        }
    }
    let all = [
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Job",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "Service",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
}

fn in_effect(spec: &str) -> EffectiveComponent {
    effective::of(&cluster(spec), &planned(spec)).components["all"].clone()
}

#[test]
fn effective_values_include_patches() {
    let container = |fields: &str| {
        in_effect(&format!(
            "{{ patches: [{{ target: {{ kind: Deployment, name: logpilot-all }}, type: Strategic, patch: \
             {{ spec: {{ template: {{ spec: {{ containers: [{{ name: logpilot, {fields} }}] }} }} }} }} }}] }}"
        ))
    };
    assert_eq!(container("resources: { limits: { cpu: null } }").cpu, "100m/none");
    assert_eq!(container("resources: { limits: { memory: 1Gi } }").memory, "256Mi/1Gi");
    assert_eq!(container("livenessProbe: null").probes, "ActuatorGroups");
    let tcp = "livenessProbe: { httpGet: null, tcpSocket: { port: http } }";
    assert_eq!(container(tcp).probes, "Tcp/ActuatorGroups");
    assert_eq!(in_effect(&all("resources: { requests: { cpu: 1 } }")).cpu, "1/none");
    assert_eq!(in_effect(&all("probes: { startup: { mode: Tcp } }")).probes, "ActuatorGroups/Tcp");
    let off = "liveness: { enabled: false }, readiness: { enabled: false }, startup: { enabled: false }";
    assert_eq!(in_effect(&all(&format!("probes: {{ {off} }}"))).probes, "none");
}

#[test]
fn the_default_pod_is_unchanged() {
    let context = at("{}", "Deployment", "logpilot-all", &format!("{POD}/securityContext"));
    let before = json!({
        "runAsNonRoot": true, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001,
        "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": { "type": "RuntimeDefault" },
    });
    assert_eq!(context, before);
}
