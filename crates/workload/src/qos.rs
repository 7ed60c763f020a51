//! The quality-of-service class that Kubernetes assigns to a pod, computed from its template.

use serde_json::Value;

use super::quantity;

/// Returns `Guaranteed`, `Burstable` or `BestEffort`, according to
/// <https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/>. Reads JSON, because a patch may have
/// changed the template.
#[must_use]
pub fn class(pod: &Value) -> &'static str {
    let containers =
        ["containers", "initContainers"].iter().filter_map(|list| pod.get(list)?.as_array()).flatten();
    let (mut guaranteed, mut any) = (true, false);
    for container in containers {
        for resource in ["cpu", "memory"] {
            let amount = |list: &str| {
                let value = container.pointer(&format!("/resources/{list}/{resource}"))?;
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                quantity::nano(&text).filter(|amount| *amount > 0)
            };
            let limit = amount("limits");
            // A request that is not set equals its limit.
            let request = amount("requests").or(limit);
            any |= request.is_some();
            guaranteed &= limit.is_some() && request == limit;
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({}), "BestEffort")]
    #[case(json!({ "requests": { "cpu": "1" } }), "Burstable")]
    #[case(json!({ "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "cpu": "2", "memory": "1Gi" } }), "Burstable")]
    #[case(json!({ "requests": { "cpu": "1000m", "memory": "1024Mi" }, "limits": { "cpu": 1, "memory": "1Gi" } }), "Guaranteed")]
    #[case(json!({ "limits": { "cpu": "1", "memory": "1Gi" } }), "Guaranteed")]
    #[case(json!({ "limits": { "ephemeral-storage": "1Gi" } }), "BestEffort")]
    fn is_what_kubernetes_says(#[case] resources: Value, #[case] wanted: &str) {
        assert_eq!(class(&json!({ "containers": [{ "resources": resources }] })), wanted);
    }

    #[test]
    fn one_container_without_limits_ends_the_guarantee() {
        let full = json!({ "resources": { "limits": { "cpu": "1", "memory": "1Gi" } } });
        assert_eq!(class(&json!({ "containers": [full, {}] })), "Burstable");
    }
}
