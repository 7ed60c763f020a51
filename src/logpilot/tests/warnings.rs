//! What is told but not refused.

use std::collections::BTreeSet;

use rstest::rstest;

use super::*;
use crate::logpilot::warnings::{REASONS, effective, warnings};

const FREE: &str =
    "storage: { volume: { accessMode: ReadWriteMany }, allowUnsafe: [SqliteOnSharedFilesystem] }";

fn reasons(spec: &str) -> Vec<String> {
    warnings(&cluster(spec)).into_iter().map(|problem| problem.reason).collect()
}

/// One component with one pod, where nothing is to be told.
fn one(component: &str) -> String {
    format!("{{ components: {{ all: {{ replicas: 1, {component} }} }} }}")
}

fn with_ingress(ingress: &str) -> String {
    format!("{{ components: {{ all: {{ replicas: 1 }} }}, exposure: {{ ingress: {{ {ingress} }} }} }}")
}

#[rstest]
#[case::nothing(one(""), &[])]
#[case::replicas("{}".into(), &["StorageSingleNode", "DrainInterrupts"])]
#[case::off("{ components: { all: { podDisruptionBudget: { enabled: false } } } }".into(), &["StorageSingleNode", "DrainInterrupts"])]
#[case::blocked("{ components: { all: { podDisruptionBudget: { minAvailable: 1 } } } }".into(), &["StorageSingleNode", "DrainBlocked"])]
#[case::one_at_a_time("{ components: { all: { podDisruptionBudget: {} } } }".into(), &["StorageSingleNode", "DrainBlocked"])]
#[case::all_may_go("{ components: { all: { podDisruptionBudget: { maxUnavailable: 100% } } } }".into(), &["StorageSingleNode"])]
#[case::free(format!("{{ {FREE} }}"), &[])]
#[case::free_budget(format!("{{ {FREE}, components: {{ all: {{ podDisruptionBudget: {{ maxUnavailable: 1 }} }} }} }}"), &[])]
#[case::free_blocked(format!("{{ {FREE}, components: {{ all: {{ podDisruptionBudget: {{ minAvailable: 100% }} }} }} }}"), &["DrainBlocked"])]
#[case::latest("{ image: 'a:latest', components: { all: { replicas: 1 } } }".into(), &["ImageTagLatest"])]
#[case::memory_low(one("resources: { limits: { memory: 319Mi } }"), &["MemoryLimitLow"])]
#[case::memory_enough(one("resources: { limits: { memory: 320Mi } }"), &[])]
#[case::slow_start(one("resources: { limits: { cpu: 199m } }"), &["StartupBudgetShort"])]
#[case::start_in_time(one("resources: { limits: { cpu: 200m } }"), &[])]
#[case::patient_start(one("resources: { limits: { cpu: 100m } }, probes: { startup: { failureThreshold: 21 } }"), &[])]
#[case::no_startup_probe(one("resources: { limits: { cpu: 100m } }, probes: { startup: { enabled: false } }"), &[])]
#[case::grpc_probe(one("probes: { mode: Grpc }"), &["GrpcProbeUnauthenticated"])]
#[case::nginx(with_ingress("className: nginx, rules: [{ host: a.b }], cors: {}, rateLimit: { requestsPerSecond: 1 }"), &[])]
#[case::other(with_ingress("className: traefik, rules: [{ host: a.b }], cors: {}, rateLimit: { requestsPerSecond: 1 }"), &["RateLimitUnsupported", "CorsUnsupported"])]
#[case::unnamed(with_ingress("rules: [{ host: a.b }], rateLimit: { requestsPerSecond: 1 }"), &["RateLimitUnsupported"])]
#[case::switched_off(with_ingress("rules: [{ host: a.b }], cors: { enabled: false }, rateLimit: { enabled: false, requestsPerSecond: 1 }"), &[])]
#[case::grpc(with_ingress("className: nginx, rules: [{ host: a.b, protocol: Grpc }], tls: { secretName: t }"), &[])]
#[case::grpc_bare(with_ingress("className: nginx, rules: [{ host: a.b, protocol: Grpc }]"), &["GrpcIngressUnsupported"])]
#[case::grpc_other(with_ingress("className: traefik, rules: [{ host: a.b, protocol: Grpc }], tls: { secretName: t }"), &["GrpcIngressUnsupported"])]
#[case::cors_of_grpc(with_ingress("className: nginx, rules: [{ host: a.b, protocol: Grpc }], tls: { secretName: t }, cors: {}"), &["CorsUnsupported"])]
fn tells(#[case] spec: String, #[case] wanted: &[&str]) {
    assert_eq!(reasons(&spec), wanted);
}

#[test]
fn every_reason_is_in_the_table_once_and_every_entry_says_something() {
    let names: BTreeSet<_> = REASONS.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), REASONS.len());
    for (name, meaning) in REASONS {
        assert!(name.chars().all(|char| char.is_ascii_alphanumeric()) && meaning.ends_with('.'), "{name}");
    }
    let everything = "{ image: 'a:latest', components: { all: { probes: { mode: Grpc }, podDisruptionBudget: { minAvailable: 1 }, resources: { limits: { cpu: 100m, memory: 256Mi } } }, rest: {} }, exposure: { ingress: { className: x, rules: [{ host: a.b, component: all, protocol: Grpc }], cors: {}, rateLimit: { requestsPerSecond: 1 } } } }";
    let told: BTreeSet<_> = reasons(everything).into_iter().collect();
    assert_eq!(told, names.into_iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn a_problem_says_which_object_what_and_what_next() {
    for problem in warnings(&cluster("{}")) {
        assert_eq!(problem.object, "PersistentVolumeClaim logpilot/logpilot-data");
        assert!(!problem.message.is_empty() && problem.action.ends_with('.'));
    }
}

#[test]
fn the_values_in_effect_are_shown() {
    let effective =
        effective(&cluster("{ components: { all: {}, rest: { autoscaling: { maxReplicas: 10 } } } }"));
    assert_eq!(effective.environment, "Production");
    let all = &effective.components["all"];
    assert_eq!((all.replicas.as_str(), all.cpu.as_str()), ("2", "100m/500m"));
    let rest = &effective.components["rest"];
    assert_eq!((rest.replicas.as_str(), rest.memory.as_str()), ("2-10", "256Mi/512Mi"));
    assert_eq!((rest.strategy.as_str(), rest.probes.as_str()), ("RollingUpdate", "ActuatorGroups"));
}
