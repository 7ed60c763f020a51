//! The limits of the namespace: LimitRange and ResourceQuota.

use super::*;

#[test]
fn nothing_is_limited_unless_asked_for() {
    for spec in ["{}", "{ limits: { defaults: { enabled: false }, quota: { enabled: false, pods: 3 } } }"] {
        assert_eq!(names(&planned(spec), "LimitRange"), [""; 0]);
        assert_eq!(names(&planned(spec), "ResourceQuota"), [""; 0]);
    }
}

#[test]
fn empty_limits_default_to_the_server_resources() {
    let plan = planned("{ limits: { defaults: {} } }");
    assert_eq!(
        object(&plan, "LimitRange", "logpilot").body["spec"]["limits"],
        json!([{
            "type": "Container",
            "default": { "cpu": "500m", "memory": "512Mi" },
            "defaultRequest": { "cpu": "100m", "memory": "256Mi" },
        }])
    );
}

#[test]
fn a_limit_without_request_becomes_the_request() {
    let plan = planned("{ limits: { defaults: { limits: { ephemeral-storage: 1Gi } } } }");
    let item = &object(&plan, "LimitRange", "logpilot").body["spec"]["limits"][0];
    assert_eq!(item["defaultRequest"]["ephemeral-storage"], "1Gi");
}

#[test]
fn a_quota_bounds_only_the_named_resources() {
    let spec = "{ limits: { quota: { pods: 20, requests: { cpu: 4, ephemeral-storage: 5Gi }, limits: { memory: 16Gi }, persistentVolumeClaims: 3, storage: 50Gi } } }";
    assert_eq!(
        object(&planned(spec), "ResourceQuota", "logpilot").body["spec"]["hard"],
        json!({
            "pods": "20", "requests.cpu": "4", "requests.ephemeral-storage": "5Gi", "limits.memory": "16Gi",
            "persistentvolumeclaims": "3", "requests.storage": "50Gi",
        })
    );
}

#[test]
fn a_default_request_above_its_limit_is_refused() {
    let found = violations("{ limits: { defaults: { requests: { memory: 1Gi } } } }");
    assert_eq!(found[0].path, "spec.limits.defaults.requests.memory");
}

#[test]
fn a_small_quota_reports_the_required_amount() {
    let spec = "{ components: { all: { replicas: 1 }, rest: { autoscaling: { maxReplicas: 4 } } }, limits: { quota: { pods: 6, requests: { cpu: 1 }, limits: { memory: 2Gi } } } }";
    let told = crate::logpilot::warnings::warnings(&cluster(spec));
    let told = told.iter().find(|problem| problem.reason == "QuotaTooSmall").expect("a warning");
    // 1 + 4 pods, and one more of each for an update.
    assert!(
        told.message.starts_with("limits.memory is 2Gi and up to 3584Mi is needed; pods is 6 and up to 7"),
        "{}",
        told.message
    );
    assert!(!told.message.contains("requests.cpu"));
}

/// Returns the ephemeral-storage request and limit of a pod's only container.
fn disk(pod: &Value) -> (Value, Value) {
    let resources = &pod["containers"][0]["resources"];
    (resources["requests"]["ephemeral-storage"].clone(), resources["limits"]["ephemeral-storage"].clone())
}

fn disks(spec: &str) -> Vec<(String, String)> {
    let plan = planned(spec);
    let text = |(request, limit): (Value, Value)| {
        let text = |value: Value| value.as_str().unwrap_or("none").to_owned();
        format!("{}/{}", text(request), text(limit))
    };
    let of = |kind: &str, pod: &str| {
        let found = plan.objects.iter().filter(|planned| planned.kind.kind == kind);
        found
            .map(|planned| (planned.to_string(), text(disk(planned.body.pointer(pod).expect("a pod")))))
            .collect::<Vec<_>>()
    };
    [
        of("Deployment", "/spec/template/spec"),
        of("CronJob", "/spec/jobTemplate/spec/template/spec"),
        of("Job", "/spec/template/spec"),
    ]
    .concat()
}

#[rstest::rstest]
#[case::nothing_asked("limits: { defaults: {}, quota: { pods: 9 } }", "none/none", "none/none")]
// 256Mi of scratch and 256Mi of logs; a copy of 10Gi, 64Mi and the logs.
#[case::small(
    "limits: { defaults: { limits: { ephemeral-storage: 100Mi } } }",
    "100Mi/512Mi",
    "100Mi/10560Mi"
)]
#[case::between(
    "limits: { defaults: { limits: { ephemeral-storage: 1Gi } } }",
    "none/none",
    "1024Mi/10560Mi"
)]
#[case::large("limits: { defaults: { limits: { ephemeral-storage: 20Gi } } }", "none/none", "none/none")]
#[case::off(
    "limits: { defaults: { enabled: false, limits: { ephemeral-storage: 100Mi } } }",
    "none/none",
    "none/none"
)]
#[case::request_only(
    "limits: { defaults: { requests: { ephemeral-storage: 100Mi } } }",
    "none/none",
    "none/none"
)]
#[case::quota("limits: { quota: { limits: { ephemeral-storage: 20Gi } } }", "64Mi/512Mi", "64Mi/10560Mi")]
#[case::quota_of_requests(
    "limits: { quota: { requests: { ephemeral-storage: 20Gi } } }",
    "64Mi/512Mi",
    "64Mi/10560Mi"
)]
#[case::own_limit(
    "components: { all: { resources: { limits: { ephemeral-storage: 3Gi } } } }, limits: { defaults: { limits: { ephemeral-storage: 100Mi } } }",
    "none/3Gi",
    "100Mi/10560Mi"
)]
#[case::own_request(
    "components: { all: { resources: { requests: { ephemeral-storage: 2Gi } } } }, limits: { defaults: { limits: { ephemeral-storage: 1Gi } } }",
    "2Gi/2048Mi",
    "1024Mi/10560Mi"
)]
fn namespace_limits_keep_ephemeral_storage_requests(
    #[case] spec: &str,
    #[case] server: &str,
    #[case] copy: &str,
) {
    let found = disks(&format!(
        "{{ backup: {{ s3: {{ bucket: copies, credentialsSecret: {{ name: a }} }} }}, {spec} }}"
    ));
    let amounts: Vec<&str> = found.iter().map(|(_, amounts)| amounts.as_str()).collect();
    assert_eq!(amounts, [server, copy], "{found:?}");
}

#[test]
fn restore_and_check_pods_request_ephemeral_storage() {
    let limits = "limits: { defaults: { limits: { ephemeral-storage: 100Mi } } }";
    let restore = "restore: { requestId: a, from: logpilot-20260102T030001.000Z.db }";
    let found = disks(&format!("{{ backup: {{}}, {restore}, {limits} }}"));
    let amounts: Vec<&str> = found.iter().map(|(_, amounts)| amounts.as_str()).collect();
    assert_eq!(amounts, ["100Mi/512Mi", "100Mi/320Mi", "100Mi/320Mi"], "{found:?}");
    let cluster = cluster(&format!("{{ config: {{ check: {{}} }}, {limits} }}"));
    let job =
        crate::logpilot::objects::config_check_job::job(&cluster, &cluster.components[0], &Facts::default());
    let job = serde_json::to_value(job.expect("a trial")).expect("JSON");
    assert_eq!(disk(&job["spec"]["template"]["spec"]), (json!("100Mi"), json!("768Mi")));
}

#[test]
fn a_quota_counts_the_backup_pod() {
    let told = |backup: &str| {
        let spec = format!(
            "{{ components: {{ all: {{ replicas: 1 }} }}, {backup} limits: {{ quota: {{ pods: 2, persistentVolumeClaims: 1 }} }} }}"
        );
        let told = crate::logpilot::warnings::warnings(&cluster(&spec));
        told.into_iter().find(|problem| problem.reason == "QuotaTooSmall").map(|problem| problem.message)
    };
    assert_eq!(told(""), None);
    let message = told("backup: {},").expect("a warning");
    assert!(
        message.starts_with("persistentvolumeclaims is 1 and up to 2 is needed; pods is 2 and up to 3"),
        "{message}"
    );
}

#[rstest::rstest]
#[case::nothing("{}", &[], &[])]
#[case::default_level("{ namespace: {} }", &[("a", "b")], &[])]
#[case::has_all("{ namespace: { labels: { a: b }, podSecurity: Baseline } }", &[("a", "b"), ("pod-security.kubernetes.io/enforce", "baseline")], &[])]
#[case::lacks_label("{ namespace: { labels: { a: b, c: d } } }", &[("a", "b"), ("c", "e")], &["`namespace.labels` c=d"])]
#[case::lacks_level("{ namespace: { podSecurity: Restricted } }", &[], &["`namespace.podSecurity` (pod-security.kubernetes.io/enforce=restricted)"])]
#[case::policy(
    "{ namespace: { deletionPolicy: Delete }, storage: { volume: { deletionPolicy: Delete } } }", &[], &["`namespace.deletionPolicy: Delete`"]
)]
fn existing_namespace_settings_are_named(
    #[case] spec: &str,
    #[case] there: &[(&str, &str)],
    #[case] named: &[&str],
) {
    let there = there.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(crate::logpilot::objects::namespace::ignored(&cluster(spec), &there), named);
}
