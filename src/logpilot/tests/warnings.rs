//! Warnings: settings that are reported but not refused.

use std::collections::BTreeSet;

use rstest::rstest;

use super::*;
use crate::{
    logpilot::{effective, warnings::warnings},
    reasons::{self as known, REASONS},
};

const FREE: &str =
    "storage: { volume: { accessMode: ReadWriteMany }, allowUnsafe: [SqliteOnSharedFilesystem] }";

fn reasons(spec: &str) -> Vec<String> {
    warnings(&cluster(spec)).into_iter().map(|problem| problem.reason).collect()
}

fn with_policy(ingress: &str, policy: &str) -> String {
    format!(
        "{{ components: {{ all: {{ replicas: 1 }} }}, exposure: {{ ingress: {{ {ingress} }} }}, networkPolicy: {{ {policy} }} }}"
    )
}

/// One pod of 100m/500m and 256Mi/512Mi, and a second one during an update.
fn with_quota(quota: &str) -> String {
    format!("{{ components: {{ all: {{ replicas: 1 }} }}, limits: {{ quota: {{ {quota} }} }} }}")
}

/// One component with one pod, for which nothing is reported.
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
#[case::rewrite(with_ingress("className: nginx, rules: [{ host: a.b, path: /x, rewrite: / }]"), &[])]
#[case::rewrite_other(with_ingress("className: traefik, rules: [{ host: a.b, path: /x, rewrite: / }]"), &["RewriteUnsupported"])]
#[case::unnamed(with_ingress("rules: [{ host: a.b }], rateLimit: { requestsPerSecond: 1 }"), &["RateLimitUnsupported"])]
#[case::switched_off(with_ingress("rules: [{ host: a.b }], cors: { enabled: false }, rateLimit: { enabled: false, requestsPerSecond: 1 }"), &[])]
#[case::spread_on_one_node(one("topologySpread: [{ topologyKey: zone }]"), &["SettingIgnored"])]
#[case::spread_off(one("topologySpread: []"), &[])]
#[case::scraped_twice("{ components: { all: { replicas: 1 } }, monitoring: { serviceMonitor: {}, scrapeAnnotations: {} } }".into(), &["ScrapedTwice"])]
#[case::scraped_twice_by_hand("{ components: { all: { replicas: 1, podAnnotations: { prometheus.io/scrape: 'true' } } }, monitoring: { podMonitor: {} } }".into(), &["ScrapedTwice"])]
#[case::scraped_once("{ components: { all: { replicas: 1, podAnnotations: { prometheus.io/scrape: 'false' } } }, monitoring: { podMonitor: {}, scrapeAnnotations: {} } }".into(), &[])]
#[case::scraped_rarely("{ components: { all: { replicas: 1 } }, monitoring: { serviceMonitor: { interval: 1h }, slo: {} } }".into(), &["ScrapeIntervalLong"])]
#[case::scraped_rarely_for_graphs("{ components: { all: { replicas: 1 } }, monitoring: { serviceMonitor: { interval: 1h } } }".into(), &[])]
#[case::scratch_of_unknown_size("{ components: { all: { replicas: 1 } }, storage: { volume: { existingClaim: mine } }, backup: { s3: { bucket: copies, credentialsSecret: { name: a } } }, limits: { defaults: { limits: { ephemeral-storage: 1Gi } } } }".into(), &["ScratchLimited"])]
#[case::grpc(with_ingress("className: nginx, rules: [{ host: a.b, protocol: Grpc }], tls: { secretName: t }"), &[])]
#[case::grpc_bare(with_ingress("className: nginx, rules: [{ host: a.b, protocol: Grpc }]"), &["GrpcIngressUnsupported"])]
#[case::grpc_other(with_ingress("className: traefik, rules: [{ host: a.b, protocol: Grpc }], tls: { secretName: t }"), &["GrpcIngressUnsupported"])]
#[case::cors_of_grpc(with_ingress("className: nginx, rules: [{ host: a.b, protocol: Grpc }], tls: { secretName: t }, cors: {}"), &["CorsUnsupported"])]
#[case::only_nginx(with_policy("className: nginx, rules: [{ host: a.b }]", "clients: []"), &[])]
#[case::no_clients(with_policy("className: traefik, rules: [{ host: a.b }]", "clients: []"), &["ClientsMayBeCut"])]
#[case::addresses_only(with_policy("className: traefik, rules: [{ host: a.b }]", "clients: [{ cidr: 10.0.0.0/8 }]"), &["ClientsMayBeCut"])]
#[case::the_controller(with_policy("className: traefik, rules: [{ host: a.b }]", "clients: [], ingressController: { namespaceSelector: {} }"), &[])]
#[case::policies_off(with_policy("className: traefik, rules: [{ host: a.b }]", "enabled: false, clients: []"), &[])]
#[case::load_balancer("{ networkPolicy: { clients: [{ podSelector: {} }] }, components: { all: { replicas: 1, loadBalancer: {} } } }".into(), &["ClientsMayBeCut"])]
#[case::load_balancer_let_in("{ networkPolicy: { clients: [{ cidr: 0.0.0.0/0 }] }, components: { all: { replicas: 1, nodePort: {} } } }".into(), &[])]
#[case::quota_fits(with_quota("pods: 2, requests: { cpu: 200m, memory: 512Mi }, limits: { cpu: 1, memory: 1Gi }, persistentVolumeClaims: 1, storage: 10Gi"), &[])]
#[case::quota_pods(with_quota("pods: 1"), &["QuotaTooSmall"])]
#[case::quota_requests(with_quota("requests: { cpu: 199m }"), &["QuotaTooSmall"])]
#[case::quota_limits(with_quota("limits: { memory: 1023Mi }"), &["QuotaTooSmall"])]
#[case::quota_pvcs(with_quota("persistentVolumeClaims: 0"), &["QuotaTooSmall"])]
#[case::quota_storage(with_quota("storage: 9Gi"), &["QuotaTooSmall"])]
#[case::quota_off(with_quota("enabled: false, pods: 1"), &[])]
#[case::env_ignored(one("env: [{ name: LOGPILOT_RATE_LIMIT_CAPACITY, value: '1' }, { name: TZ, value: UTC }]"), &["EnvIgnored"])]
#[case::env_heard(one("env: [{ name: LOGGING_LEVEL_ROOT, value: WARN }]"), &[])]
fn tells(#[case] spec: String, #[case] wanted: &[&str]) {
    assert_eq!(reasons(&spec), wanted);
}

/// Every warning that a spec alone can cause.
const WARNINGS: [&str; 18] = [
    known::STORAGE_SINGLE_NODE,
    known::DRAIN_INTERRUPTS,
    known::DRAIN_BLOCKED,
    known::IMAGE_TAG_LATEST,
    known::MEMORY_LIMIT_LOW,
    known::STARTUP_BUDGET_SHORT,
    known::GRPC_PROBE_UNAUTHENTICATED,
    known::RATE_LIMIT_UNSUPPORTED,
    known::REWRITE_UNSUPPORTED,
    known::CORS_UNSUPPORTED,
    known::GRPC_INGRESS_UNSUPPORTED,
    known::CLIENTS_MAY_BE_CUT,
    known::QUOTA_TOO_SMALL,
    known::ENV_IGNORED,
    known::SETTING_IGNORED,
    known::SCRAPED_TWICE,
    known::SCRAPE_INTERVAL_LONG,
    known::SCRATCH_LIMITED,
];

#[test]
fn every_warning_can_be_caused_and_explained() {
    let everything = "{ image: 'a:latest', components: { all: { probes: { mode: Grpc }, podDisruptionBudget: { minAvailable: 1 }, resources: { limits: { cpu: 100m, memory: 256Mi } }, env: [{ name: LOGPILOT_SQLITE_POOL_SIZE, value: '1' }], topologySpread: [{ topologyKey: zone }] }, rest: {} }, networkPolicy: { clients: [] }, limits: { quota: { pods: 1 }, defaults: { limits: { ephemeral-storage: 1Gi } } }, storage: { volume: { existingClaim: mine } }, backup: { s3: { bucket: copies, credentialsSecret: { name: a } } }, monitoring: { serviceMonitor: { interval: 1h }, scrapeAnnotations: {}, rules: {} }, exposure: { ingress: { className: x, rules: [{ host: a.b, component: all, protocol: Grpc }, { host: c.d, component: all, rewrite: / }], cors: {}, rateLimit: { requestsPerSecond: 1 } } } }";
    let told: BTreeSet<_> = reasons(everything).into_iter().collect();
    assert_eq!(told, WARNINGS.into_iter().map(str::to_owned).collect());
    for name in WARNINGS {
        assert!(REASONS.iter().any(|row| row.name == name), "{name} has no row in the table of reasons");
    }
}

#[test]
fn a_problem_names_object_cause_and_action() {
    for problem in warnings(&cluster("{}")) {
        assert_eq!(problem.object, "PersistentVolumeClaim logpilot/logpilot-data");
        assert!(!problem.message.is_empty() && problem.action.ends_with('.'));
    }
}

#[test]
fn the_values_in_effect_are_shown() {
    let spec = "{ components: { all: {}, rest: { autoscaling: { maxReplicas: 10 } } } }";
    let effective = effective::of(&cluster(spec), &planned(spec));
    assert_eq!(effective.environment, "Production");
    let all = &effective.components["all"];
    assert_eq!((all.replicas.as_str(), all.cpu.as_str()), ("2", "100m/500m"));
    let rest = &effective.components["rest"];
    assert_eq!((rest.replicas.as_str(), rest.memory.as_str()), ("2-10", "256Mi/512Mi"));
    assert_eq!((rest.strategy.as_str(), rest.probes.as_str()), ("RollingUpdate", "ActuatorGroups"));
}
