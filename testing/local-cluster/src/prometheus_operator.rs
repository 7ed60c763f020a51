//! The Prometheus operator's CRDs, reduced to what the API server needs: it stores their objects
//! unchanged.

use serde_json::{Value, json};

/// ServiceMonitor, PodMonitor and PrometheusRule, without a controller.
#[must_use]
pub fn crds() -> Vec<Value> {
    ["ServiceMonitor", "PodMonitor", "PrometheusRule"].map(crd).into()
}

fn crd(kind: &str) -> Value {
    let singular = kind.to_lowercase();
    let plural = format!("{singular}s");
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.monitoring.coreos.com") },
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": { "kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": singular },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                    "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                } } },
            }],
        },
    })
}
