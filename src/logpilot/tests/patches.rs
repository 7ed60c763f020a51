//! The escape hatch: what a patch may change, and what it may not.

use rstest::rstest;

use super::*;
use crate::logpilot::patches::unmatched;

fn spec(kind: &str, name: &str, patch: &str) -> String {
    format!("{{ patches: [{{ target: {{ kind: {kind}, name: {name} }}, patch: {patch} }}] }}")
}

#[test]
fn patches_apply_in_their_order() {
    let plan = planned(
        "
patches:
  - target: { kind: Deployment, name: logpilot-all }
    patch: { metadata: { labels: { a: one } }, spec: { template: { spec: { hostAliases: [{ ip: 10.0.0.1, hostnames: [h] }] } } } }
  - { target: { kind: Deployment, name: logpilot-all }, type: Merge, patch: { metadata: { labels: { a: two } } } }
  - target: { kind: Deployment, name: logpilot-all }
    type: Strategic
    patch: { spec: { template: { spec: { containers: [{ name: logpilot, workingDir: /tmp }] } } } }
",
    );
    let body = &object(&plan, "Deployment", "logpilot-all").body;
    assert_eq!(body["metadata"]["labels"]["a"], "two");
    let pod = &body["spec"]["template"]["spec"];
    assert_eq!(pod["hostAliases"], json!([{ "ip": "10.0.0.1", "hostnames": ["h"] }]));
    let name = pod["containers"][0]["name"].clone();
    assert_eq!(pod["containers"].as_array().map(Vec::len), Some(if name == "logpilot" { 1 } else { 2 }));
}

/// If the container's name is not the one that this file assumes.
fn container() -> String {
    let plan = planned("{}");
    let body = &object(&plan, "Deployment", "logpilot-all").body;
    body["spec"]["template"]["spec"]["containers"][0]["name"].as_str().expect("a name").to_owned()
}

#[test]
fn a_patch_without_target_is_reported() {
    let cluster = cluster(&spec("Deployment", "logpilot-rest", "{ spec: { paused: true } }"));
    let plan = plan(&cluster, &Facts::default());
    let told = unmatched(&cluster, &plan);
    assert_eq!((told.len(), told[0].reason.as_str()), (1, "PatchUnmatched"));
    assert!(
        told[0].message.contains("'logpilot-rest'") && told[0].message.contains("logpilot-all"),
        "{told:?}"
    );
    assert_eq!(unmatched(&self::cluster("{}"), &planned("{}")), []);
}

#[test]
fn a_stored_patch_cannot_change_a_secret() {
    let found = violations(&spec("Secret", "logpilot-api-key", "{ data: { api-key: eA== } }"));
    assert_eq!(found[0].path, "spec.patches[0].target.kind");
}

#[rstest]
#[case::api_version("Deployment", "{ apiVersion: apps/v2 }", "apiVersion", "identifies the object")]
#[case::kind("Deployment", "{ kind: Pod }", "kind", "identifies the object")]
#[case::name("Deployment", "{ metadata: { name: x } }", "metadata.name", "only `labels`")]
#[case::namespace("Deployment", "{ metadata: { namespace: x } }", "metadata.namespace", "only `labels`")]
#[case::owner(
    "Deployment",
    "{ metadata: { ownerReferences: [] } }",
    "metadata.ownerReferences",
    "only `labels`"
)]
#[case::finalizers("Deployment", "{ metadata: { finalizers: [a] } }", "metadata.finalizers", "only `labels`")]
#[case::our_label(
    "Deployment",
    "{ metadata: { labels: { logpilot.io/cluster: x } } }",
    "metadata.labels.logpilot.io/cluster",
    "belongs to the operator"
)]
#[case::no_labels("Deployment", "{ metadata: { labels: null } }", "metadata.labels", "removed")]
#[case::no_metadata("Deployment", "{ metadata: null }", "metadata", "removed")]
#[case::our_annotation(
    "Deployment",
    "{ metadata: { annotations: { logpilot.io/replicas: x } } }",
    "metadata.annotations.logpilot.io/replicas",
    "belongs to the operator"
)]
#[case::no_spec("Deployment", "{ spec: null }", "spec", "as a whole")]
#[case::no_template("Deployment", "{ spec: { template: null } }", "spec.template", "as a whole")]
#[case::pod_label(
    "Deployment",
    "{ spec: { template: { metadata: { labels: { app: x } } } } }",
    "spec.template.metadata.labels.app",
    "belongs to the operator"
)]
#[case::selector(
    "Deployment",
    "{ spec: { selector: { matchLabels: { a: b } } } }",
    "spec.selector",
    "immutable"
)]
#[case::replicas("Deployment", "{ spec: { replicas: 9 } }", "spec.replicas", "`autoscaling`")]
#[case::strategy("Deployment", "{ spec: { strategy: { type: Recreate } } }", "spec.strategy", "storage")]
#[case::pod_affinity(
    "Deployment",
    "{ spec: { template: { spec: { affinity: null } } } }",
    "spec.template.spec.affinity.podAffinity",
    "one node"
)]
#[case::schedule("CronJob", "{ spec: { schedule: '@every 1s' } }", "spec.schedule", "`backup.schedule`")]
#[case::time_zone("CronJob", "{ spec: { timeZone: UTC } }", "spec.timeZone", "`backup.timeZone`")]
#[case::suspended("CronJob", "{ spec: { suspend: true } }", "spec.suspend", "`backup.suspend`")]
#[case::side_by_side(
    "CronJob",
    "{ spec: { concurrencyPolicy: Allow } }",
    "spec.concurrencyPolicy",
    "at the same time"
)]
#[case::service_selector("Service", "{ spec: { selector: { a: b } } }", "spec.selector", "immutable")]
#[case::external_name("Service", "{ spec: { type: ExternalName } }", "spec.type", "`loadBalancer`")]
#[case::external_ips(
    "Service",
    "{ spec: { externalIPs: [1.2.3.4] } }",
    "spec.externalIPs",
    "traffic of other addresses"
)]
#[case::cluster_ip("Service", "{ spec: { clusterIP: 10.0.0.1 } }", "spec.clusterIP", "cannot be changed")]
#[case::size(
    "PersistentVolumeClaim",
    "{ spec: { resources: { requests: { storage: 1Mi } } } }",
    "spec.resources",
    "storage.volume.size"
)]
#[case::config("ConfigMap", "{ data: { application.yml: '' } }", "data", "config.overlay")]
#[case::level(
    "Namespace",
    "{ metadata: { labels: { pod-security.kubernetes.io/enforce: privileged } } }",
    "metadata.labels.pod-security.kubernetes.io/enforce",
    "belongs to the operator"
)]
#[case::directive_in_merge(
    "Service",
    "{ spec: { ports: [{ port: 1, $patch: delete }] } }",
    "spec.ports[0].$patch",
    "only with `type: Strategic`"
)]
fn structural_fields_cannot_be_patched(
    #[case] kind: &str,
    #[case] patch: &str,
    #[case] path: &str,
    #[case] words: &str,
) {
    // A refusal does not depend on whether the object exists.
    for name in ["logpilot-all", "elsewhere"] {
        let found = violations(&spec(kind, name, patch));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, format!("spec.patches[0].patch.{path}"));
        assert!(found[0].message.contains(words), "{found:?}");
    }
}

#[test]
fn a_patched_pod_must_stay_restricted() {
    let container = container();
    let patch = format!(
        "{{ spec: {{ template: {{ spec: {{ hostNetwork: true, containers: [{{ name: {container}, securityContext: {{ privileged: true }} }}] }} }} }} }}"
    );
    let spec = |more: &str| {
        format!(
            "{{ {more} patches: [{{ target: {{ kind: Deployment, name: logpilot-all }}, type: Strategic, patch: {patch} }}] }}"
        )
    };
    let found: Vec<String> = violations(&spec("")).into_iter().map(|it| it.path).collect();
    let at = "spec.patches[0].patch.spec.template.spec";
    assert_eq!(
        found,
        [format!("{at}.hostNetwork"), format!("{at}.containers[0].securityContext.privileged")]
    );
    let plan = planned(&spec("namespace: { podSecurity: Privileged },"));
    let pod = &object(&plan, "Deployment", "logpilot-all").body["spec"]["template"]["spec"];
    assert_eq!(pod["hostNetwork"], true);
    assert_eq!(
        pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"], false,
        "merged, not replaced"
    );
}

#[test]
fn patches_cannot_remove_the_server_key() {
    let container = container();
    for (type_, containers, path) in [
        ("Merge", "[{ name: other, image: 'a:1' }]".to_owned(), "containers"),
        (
            "Strategic",
            format!("[{{ name: {container}, env: [{{ name: LOGPILOT_SERVER_API_KEY, $patch: delete }}] }}]"),
            "containers[0].env[LOGPILOT_SERVER_API_KEY]",
        ),
    ] {
        let spec = format!(
            "{{ namespace: {{ podSecurity: Privileged }}, patches: [{{ target: {{ kind: Deployment, name: logpilot-all }}, type: {type_}, patch: {{ spec: {{ template: {{ spec: {{ containers: {containers} }} }} }} }} }}] }}"
        );
        let found = violations(&spec);
        assert_eq!(found[0].path, format!("spec.patches[0].patch.spec.template.spec.{path}"), "{found:?}");
        assert!(found[0].to_string().contains("LOGPILOT_SERVER_API_KEY"), "{found:?}");
    }
}

#[test]
fn the_patch_size_is_limited() {
    let text = "x".repeat(64 * 1024);
    let cr = resource_of(json!({ "patches": [{
        "target": { "kind": "Deployment", "name": "logpilot-all" }, "patch": { "metadata": { "annotations": { "a": text } } },
    }] }));
    let found = validate(&cr).expect_err("too large");
    assert_eq!(found[0].path, "spec.patches[0].patch");
    assert!(found[0].message.contains("65536"), "{found:?}");
}

#[test]
fn routes_and_gateways_can_be_patched() {
    let plan = planned(
        "
exposure: { gateway: { className: a, rules: [{ host: a.b }] } }
patches:
  - { target: { kind: Gateway, name: logpilot }, type: Strategic, patch: { spec: { listeners: [{ name: http, port: 8080 }] } } }
",
    );
    let listener = &object(&plan, "Gateway", "logpilot").body["spec"]["listeners"][0];
    assert_eq!((listener["port"].as_i64(), listener["protocol"].as_str()), (Some(8080), Some("HTTP")));
}

/// A spec with these operations on an object.
fn operations(kind: &str, name: &str, operations: &str) -> String {
    format!(
        "{{ patches: [{{ target: {{ kind: {kind}, name: {name} }}, type: Json6902, operations: {operations} }}] }}"
    )
}

#[test]
fn operations_run_in_their_order() {
    let plan = planned(&operations(
        "Deployment",
        "logpilot-all",
        "[
  { op: test, path: /spec/template/spec/containers/0/name, value: logpilot },
  { op: add, path: /spec/template/spec/hostAliases, value: [] },
  { op: add, path: /spec/template/spec/hostAliases/-, value: { ip: 10.0.0.1, hostnames: [h] } },
  { op: add, path: /spec/template/metadata/annotations/example.com~1a, value: b },
  { op: add, path: /metadata/annotations/a, value: b },
  { op: copy, from: /metadata/annotations/a, path: /metadata/annotations/c },
  { op: replace, path: /spec/template/spec/containers/0/livenessProbe/periodSeconds, value: 7 },
]",
    ));
    let body = &object(&plan, "Deployment", "logpilot-all").body;
    let template = &body["spec"]["template"];
    assert_eq!(template["spec"]["hostAliases"], json!([{ "ip": "10.0.0.1", "hostnames": ["h"] }]));
    assert_eq!(template["spec"]["containers"][0]["livenessProbe"]["periodSeconds"], 7);
    assert_eq!(template["metadata"]["annotations"]["example.com/a"], "b");
    assert_eq!(body["metadata"]["annotations"]["c"], "b");
}

#[rstest]
#[case::absent(
    "[{ op: remove, path: /spec/template/spec/hostAliases }]",
    "[0]",
    "'/spec/template/spec/hostAliases'"
)]
#[case::beyond(
    "[{ op: replace, path: /spec/template/spec/containers/7/image, value: 'a:1' }]",
    "[0]",
    "containers/7"
)]
#[case::another_value(
    "[{ op: add, path: /metadata/labels/a, value: b }, { op: test, path: /spec/template/spec/containers/0/name, value: x }]",
    "[1]",
    "cannot be applied"
)]
#[case::no_value("[{ op: add, path: /metadata/labels/a }]", "[0]", "value")]
#[case::null("[{ op: add, path: /metadata/labels/a, value: null }]", "[0]", "value")]
#[case::selector("[{ op: remove, path: /spec/selector }]", "[0].path", "immutable")]
#[case::in_the_selector(
    "[{ op: add, path: /spec/selector/matchLabels/a, value: b }]",
    "[0].path",
    "immutable"
)]
#[case::replicas_read("[{ op: test, path: /spec/replicas, value: 2 }]", "[0].path", "autoscaling")]
#[case::replicas_moved(
    "[{ op: move, from: /spec/replicas, path: /spec/minReadySeconds }]",
    "[0].from",
    "autoscaling"
)]
#[case::spec("[{ op: remove, path: /spec }]", "[0].path", "as a whole")]
#[case::template("[{ op: replace, path: /spec/template, value: {} }]", "[0].path", "as a whole")]
#[case::labels(
    "[{ op: add, path: /metadata/labels, value: {} }]",
    "[0].path",
    "some of its entries belong to the operator"
)]
#[case::our_label("[{ op: remove, path: /metadata/labels/app }]", "[0].path", "belongs to the operator")]
#[case::our_annotation(
    "[{ op: add, path: /spec/template/metadata/annotations/logpilot.io~1restart, value: x }]",
    "[0].path",
    "belongs to the operator"
)]
#[case::name("[{ op: replace, path: /metadata/name, value: x }]", "[0].path", "only `labels`")]
#[case::grace(
    "[{ op: replace, path: /spec/template/spec/terminationGracePeriodSeconds, value: 0 }]",
    "",
    "at least 6"
)]
#[case::key("[{ op: remove, path: /spec/template/spec/containers/0/env/1 }]", "", "env[")]
#[case::unknown("[{ op: add, path: /spec/foo, value: 1 }]", "", "unknown field")]
#[case::root("[{ op: add, path: '/', value: 1 }]", "", "unknown field")]
fn operations_are_refused_with_their_index(#[case] given: &str, #[case] path: &str, #[case] words: &str) {
    let found = violations(&operations("Deployment", "logpilot-all", given));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].path, format!("spec.patches[0].operations{path}"), "{found:?}");
    assert!(found[0].message.contains(words), "{found:?}");
}

/// The reason why the client library does not apply strategic patches: see docs/decisions/0011.
#[test]
fn the_client_library_merges_differently() {
    use k8s_openapi::{DeepMerge as _, api::core::v1::PodSpec};
    let merged = |base: Value, patch: Value| {
        let mut base: PodSpec = serde_json::from_value(base).expect("a pod");
        base.merge_from(serde_json::from_value(patch).expect("a pod"));
        serde_json::to_value(base).expect("JSON")
    };
    let ours = |base: Value, patch: &Value| {
        let target = crate::api::patches::PatchTarget { kind: "Pod".into(), name: "a".into() };
        let patch = crate::api::patches::ObjectPatch {
            target,
            type_: Some(crate::workload::api::patches::PatchType::Strategic),
            patch: patch.as_object().expect("an object").clone(),
            operations: None,
        };
        let mut base = base;
        crate::logpilot::patches::lay_over(&mut base, &patch).expect("laid");
        base
    };
    let base = json!({ "priorityClassName": "a", "containers": [{ "name": "a", "ports": [{ "containerPort": 1, "protocol": "TCP" }] }] });
    // It cannot remove fields, and silently drops fields it does not know.
    let removal = json!({ "priorityClassName": null, "containers": [{ "name": "a", "$patch": "delete" }] });
    assert_eq!(ours(base.clone(), &removal), json!({}));
    assert_eq!(merged(base.clone(), removal), base);
    // It merges as server-side apply does, and not as kubectl's patches do: there the labels of
    // nodes are one value.
    let base = json!({ "containers": [], "nodeSelector": { "a": "b" } });
    let patch = json!({ "nodeSelector": { "c": "d" } });
    assert_eq!(ours(base.clone(), &patch)["nodeSelector"], json!({ "a": "b", "c": "d" }));
    assert_eq!(merged(base, patch)["nodeSelector"], json!({ "c": "d" }));
}
