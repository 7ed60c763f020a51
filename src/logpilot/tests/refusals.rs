//! Refusals: each names the path that the user wrote and says what to do.

use rstest::rstest;

use super::*;

#[rstest]
#[case::name("{ nameOverride: Upper }", "spec.nameOverride", "lower-case")]
#[case::kube("{ namespace: { name: kube-system } }", "spec.namespace.name", "another namespace")]
#[case::own(
    "{ systemNamespace: { name: logpilot-operator-system } }",
    "spec.systemNamespace.name",
    "another namespace"
)]
#[case::namespace_policy(
    "{ namespace: { deletionPolicy: Delete } }",
    "spec.namespace.deletionPolicy",
    "storage.volume.deletionPolicy"
)]
#[case::image("{ image: 'http://x/y:1' }", "spec.image", "'http://x/y:1'")]
#[case::untagged("{ image: danpung2/logpilot }", "spec.image", "tag or a digest")]
#[case::component_image("{ components: { all: { image: 'a b' } } }", "spec.components.all.image", "'a b'")]
#[case::nothing_runs("{ components: { all: { enabled: false } } }", "spec.components", "enable one")]
#[case::both_scales(
    "{ components: { all: { replicas: 2, autoscaling: { maxReplicas: 3 } } } }",
    "spec.components.all.replicas",
    "minReplicas"
)]
#[case::min_max(
    "{ components: { all: { autoscaling: { minReplicas: 4, maxReplicas: 3 } } } }",
    "spec.components.all.autoscaling.maxReplicas",
    "4"
)]
#[case::request_over_default_limit(
    "{ components: { rest: { resources: { requests: { memory: 1Gi } } } } }",
    "spec.components.rest.resources.requests.memory",
    "'512Mi' by default"
)]
#[case::limit_under_default_request(
    "{ components: { rest: { resources: { limits: { cpu: 10m } } } } }",
    "spec.components.rest.resources.limits.cpu",
    "'50m' by default"
)]
#[case::request_over_limit(
    "{ components: { all: { resources: { requests: { cpu: 2 }, limits: { cpu: 1500m } } } } }",
    "spec.components.all.resources.requests.cpu",
    "'1500m'"
)]
#[case::milli_bytes(
    "{ components: { all: { resources: { limits: { memory: 400m } } } } }",
    "spec.components.all.resources.limits.memory",
    "'400m'"
)]
#[case::no_quantity(
    "{ components: { all: { resources: { limits: { memory: 1GB } } } } }",
    "spec.components.all.resources.limits.memory",
    "'1GB'"
)]
#[case::scratch(
    "{ components: { all: { resources: { requests: { ephemeral-storage: 2Gi }, limits: { ephemeral-storage: 1Gi } } } } }",
    "spec.components.all.resources.requests.ephemeral-storage",
    "at most"
)]
#[case::grpc_probe(
    "{ components: { rest: { probes: { mode: Grpc } } } }",
    "spec.components.rest.probes.mode",
    "ActuatorGroups"
)]
#[case::exec_probe(
    "{ components: { all: { probes: { mode: Exec } } } }",
    "spec.components.all.probes.command",
    "Exec"
)]
#[case::idle_command(
    "{ components: { all: { probes: { command: [x] } } } }",
    "spec.components.all.probes.command",
    "Exec"
)]
#[case::both_budgets(
    "{ components: { all: { podDisruptionBudget: { minAvailable: 1, maxUnavailable: 1 } } } }",
    "spec.components.all.podDisruptionBudget",
    "remove one"
)]
#[case::recreate_settings(
    "{ components: { all: { strategy: { type: Recreate, maxSurge: 1 } } } }",
    "spec.components.all.strategy",
    "remove"
)]
#[case::spread_twice(
    "{ components: { all: { topologySpread: [{ topologyKey: z }, { topologyKey: z, maxSkew: 2 }] } } }",
    "spec.components.all.topologySpread",
    "'z'"
)]
#[case::owned_variable(
    "{ components: { all: { env: [{ name: SERVER_PORT, value: '1' }] } } }",
    "spec.components.all.env[SERVER_PORT]",
    "loadBalancer"
)]
#[case::wrong_port(
    "{ components: { rest: { loadBalancer: { grpcPort: 1 } } } }",
    "spec.components.rest.loadBalancer.grpcPort",
    "gRPC"
)]
#[case::wrong_node_port(
    "{ components: { grpc: { nodePort: { http: 30000 } } } }",
    "spec.components.grpc.nodePort.http",
    "HTTP"
)]
#[case::same_port(
    "{ components: { all: { loadBalancer: { httpPort: 50051 } } } }",
    "spec.components.all.loadBalancer.grpcPort",
    "50051"
)]
#[case::same_node_port(
    "{ components: { all: { nodePort: { http: 30000, grpc: 30000 } } } }",
    "spec.components.all.nodePort.grpc",
    "differ"
)]
#[case::own_volume(
    "{ components: { all: { volume: { size: 1Gi } } } }",
    "spec.components.all.volume",
    "PerComponent"
)]
#[case::shared_pvc(
    "{ storage: { sharing: PerComponent, volume: { existingClaim: c } } }",
    "spec.storage.volume.existingClaim",
    "Shared"
)]
#[case::size("{ storage: { volume: { size: ten } } }", "spec.storage.volume.size", "'ten'")]
#[case::pool(
    "{ config: { sqlitePool: { maximumSize: 2, minimumIdle: 3 } } }",
    "spec.config.sqlitePool.minimumIdle",
    "2"
)]
#[case::timeout(
    "{ monitoring: { serviceMonitor: { interval: 1m, scrapeTimeout: 61s } } }",
    "spec.monitoring.serviceMonitor.scrapeTimeout",
    "'1m'"
)]
#[case::which_component(
    "{ components: { all: {}, rest: {} }, exposure: { ingress: { rules: [{ host: a.b }] } } }",
    "spec.exposure.ingress.rules[0].component",
    "must be given"
)]
#[case::no_component(
    "{ exposure: { ingress: { rules: [{ host: a.b, component: rest }] } } }",
    "spec.exposure.ingress.rules[0].component",
    "'rest'"
)]
#[case::wrong_protocol(
    "{ components: { rest: {} }, exposure: { ingress: { rules: [{ host: a.b, protocol: Grpc }] } } }",
    "spec.exposure.ingress.rules[0].protocol",
    "'rest'"
)]
#[case::same_place(
    "{ exposure: { ingress: { rules: [{ host: a.b }, { host: a.b, path: /, protocol: Grpc }] } } }",
    "spec.exposure.ingress.rules[1]",
    "twice"
)]
fn is_refused(#[case] spec: &str, #[case] path: &str, #[case] says: &str) {
    let violations = violations(spec);
    let [violation] = violations.as_slice() else { panic!("one violation: {violations:#?}") };
    assert_eq!(violation.path, path);
    assert!(violation.message.contains(says), "{violation}");
}

#[test]
fn all_violations_are_reported_together() {
    let paths: Vec<_> = violations(
        "
image: 'a b'
namespace: { name: kube-public }
components:
  all: { replicas: 1, autoscaling: { minReplicas: 3, maxReplicas: 2 }, resources: { requests: { cpu: 9, memory: 9Gi }, limits: { cpu: 8 } } }
  rest: { probes: { mode: Exec } }
storage: { backend: File }
config: { overlay: { server: { port: 1 } } }
",
    )
    .into_iter()
    .map(|violation| violation.path)
    .collect();
    for path in [
        "spec.namespace.name",
        "spec.config.overlay.server.port",
        "spec.image",
        "spec.components.all.replicas",
        "spec.components.all.autoscaling.maxReplicas",
        "spec.components.all.resources.requests.cpu",
        "spec.components.all.resources.requests.memory",
        "spec.components.rest.probes.command",
    ] {
        assert_eq!(paths.iter().filter(|found| *found == path).count(), 1, "{path} in {paths:?}");
    }
}

#[rstest]
#[case("a.b", "metadata.name")]
#[case("1abc", "metadata.name")]
#[case(&"a".repeat(41), "metadata.name")]
#[case("", "metadata.name")]
fn a_name_invalid_for_services_is_refused(#[case] name: &str, #[case] path: &str) {
    let mut cr = resource("{}");
    cr.metadata.name = Some(name.to_owned());
    let violations = validate(&cr).expect_err("refused");
    assert!(violations.iter().all(|violation| violation.path == path), "{violations:?}");
}

#[test]
fn a_resource_without_server_defaults_is_planned() {
    let mut cr = resource("{}");
    cr.metadata.uid = None;
    assert_eq!(validate(&cr).expect("valid").uid(), "00000000-0000-0000-0000-000000000000");
}

#[test]
fn storage_violations_hide_none_and_never_repeat() {
    let spec = "{ storage: { sharing: PerComponent, backend: File }, components: { all: { replicas: 2 }, rest: { replicas: 2 } } }";
    assert_eq!(violations(spec).len(), 2, "one for each PVC");
}
