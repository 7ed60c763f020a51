//! Faults between an operator and its API server: requests fail in every way, watches lie or fall
//! silent, the Lease cannot be renewed. Each test has its own proxy, operator and resource, and all
//! share one API server. docs/dev/fault-catalogue.md lists which test covers which fault.
//!
//! Tests that inherently take minutes run only with CAMPAIGN=full.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::large_futures,
    clippy::duration_suboptimal_units,
    clippy::single_match_else,
    clippy::default_trait_access,
    reason = "a test that cannot continue fails"
)]

mod credentials;
mod ends;
mod leadership;
mod limits;
mod requests;
mod secrets;
mod trial;
mod views;
mod watches;

use harness::{cluster, process, stand};
use serde_json::{Value, json};

fn quickstart() -> Value {
    json!({ "image": "danpung2/logpilot:1.2.0", "components": { "all": { "replicas": 1 } } })
}

/// One object of nearly every kind that needs no further installation.
fn many() -> Value {
    json!({
        "image": "danpung2/logpilot:1.2.0",
        "components": {
            "all": { "replicas": 1, "podDisruptionBudget": { "maxUnavailable": 1 } },
            "rest": { "autoscaling": { "minReplicas": 1, "maxReplicas": 3 } },
        },
        "exposure": { "ingress": { "className": "nginx", "rules": [{ "host": "faults.example.com", "component": "rest" }] } },
        "monitoring": { "serviceMonitor": {}, "rules": {} },
        "networkPolicy": { "clients": [{ "namespaceSelector": {} }] },
        "limits": { "defaults": {} },
        "backup": {},
    })
}

fn with_replicas(replicas: u32) -> Value {
    let mut spec = quickstart();
    spec["components"]["all"]["replicas"] = json!(replicas);
    spec
}

/// Returns whether tests of minutes run; prints a line if not.
fn full(what: &str) -> bool {
    let full = cluster::whole_campaign();
    if !full {
        println!("skipped: {what}; CAMPAIGN=full runs it");
    }
    full
}
