//! Limits of the namespace.

use super::*;

#[test]
fn nothing_is_limited_unless_asked_for() {
    for spec in ["{}", "{ limits: { defaults: { enabled: false }, quota: { enabled: false, pods: 3 } } }"] {
        assert_eq!(names(&planned(spec), "LimitRange"), [""; 0]);
        assert_eq!(names(&planned(spec), "ResourceQuota"), [""; 0]);
    }
}

#[test]
fn an_empty_block_gives_a_container_what_a_server_gets() {
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
fn a_limit_without_a_request_is_its_request_as_the_api_server_would_write_it() {
    let plan = planned("{ limits: { defaults: { limits: { ephemeral-storage: 1Gi } } } }");
    let item = &object(&plan, "LimitRange", "logpilot").body["spec"]["limits"][0];
    assert_eq!(item["defaultRequest"]["ephemeral-storage"], "1Gi");
}

#[test]
fn a_quota_bounds_what_was_named_and_nothing_else() {
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
fn a_quota_that_is_too_small_says_what_is_needed() {
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
