//! Every field of the spec changes something that a user can see: an object or a warning.

use std::collections::BTreeSet;

use super::*;
use crate::{
    api::crd::crd,
    logpilot::warnings::{effective, warnings},
};

/// Fields that change nothing in the plan by design.
const ELSEWHERE: &[&str] = &["operation.paused"];

/// A path of the schema, and two specs that differ in it alone.
pub(super) type Leaf = (&'static str, &'static str, &'static str);

macro_rules! all {
    ($($text:tt)*) => { concat!("{ components: { all: { ", $($text)*, " } } }") };
}
macro_rules! ingress {
    ($($text:tt)*) => {
        concat!("{ exposure: { ingress: { className: nginx, rules: [{ host: a.b }], ", $($text)*, " } } }")
    };
}
macro_rules! rule {
    ($($text:tt)*) => {
        concat!("{ components: { all: {}, rest: {} }, exposure: { ingress: { className: nginx, rules: [{ ", $($text)*, " }] } } }")
    };
}

pub(super) const LEAVES: &[Leaf] = &[
    ("nameOverride", "{}", "{ nameOverride: other }"),
    ("namespace.name", "{}", "{ namespace: { name: other } }"),
    ("namespace.labels", "{}", "{ namespace: { labels: { a: b } } }"),
    ("namespace.podSecurity", "{}", "{ namespace: { podSecurity: Baseline } }"),
    (
        "namespace.deletionPolicy",
        "{ storage: { volume: { deletionPolicy: Delete } } }",
        "{ storage: { volume: { deletionPolicy: Delete } }, namespace: { deletionPolicy: Delete } }",
    ),
    ("systemNamespace.name", "{ systemNamespace: { name: a } }", "{ systemNamespace: { name: b } }"),
    ("environment", "{}", "{ environment: Development }"),
    ("image", "{}", "{ image: 'a:1' }"),
    ("imageRegistry", "{}", "{ imageRegistry: mirror.local }"),
    ("imagePullPolicy", "{}", "{ imagePullPolicy: Always }"),
    ("imagePullSecrets[].name", "{}", "{ imagePullSecrets: [{ name: a }] }"),
    ("commonLabels", "{}", "{ commonLabels: { a: b } }"),
    ("commonAnnotations", "{}", "{ commonAnnotations: { a: b } }"),
    ("serviceAccount.annotations", "{}", "{ serviceAccount: { annotations: { a: b } } }"),
    (
        "components.*.enabled",
        "{ components: { all: {}, rest: {} } }",
        "{ components: { all: {}, rest: { enabled: false } } }",
    ),
    ("components.*.image", "{}", all!("image: 'b:1'")),
    ("components.*.replicas", "{}", all!("replicas: 1")),
    ("components.*.resources.requests.cpu", "{}", all!("resources: { requests: { cpu: 200m } }")),
    ("components.*.resources.requests.memory", "{}", all!("resources: { requests: { memory: 300Mi } }")),
    (
        "components.*.resources.requests.ephemeral-storage",
        "{}",
        all!("resources: { requests: { ephemeral-storage: 1Gi } }"),
    ),
    ("components.*.resources.limits.cpu", "{}", all!("resources: { limits: { cpu: 1 } }")),
    ("components.*.resources.limits.memory", "{}", all!("resources: { limits: { memory: 1Gi } }")),
    (
        "components.*.resources.limits.ephemeral-storage",
        "{}",
        all!("resources: { limits: { ephemeral-storage: 1Gi } }"),
    ),
    ("components.*.probes.mode", "{}", all!("probes: { mode: Tcp }")),
    (
        "components.*.probes.command",
        all!("probes: { mode: Exec, command: [a] }"),
        all!("probes: { mode: Exec, command: [b] }"),
    ),
    ("components.*.probes.liveness.enabled", "{}", all!("probes: { liveness: { enabled: false } }")),
    (
        "components.*.probes.liveness.initialDelaySeconds",
        "{}",
        all!("probes: { liveness: { initialDelaySeconds: 1 } }"),
    ),
    ("components.*.probes.liveness.periodSeconds", "{}", all!("probes: { liveness: { periodSeconds: 1 } }")),
    (
        "components.*.probes.liveness.timeoutSeconds",
        "{}",
        all!("probes: { liveness: { timeoutSeconds: 1 } }"),
    ),
    (
        "components.*.probes.liveness.failureThreshold",
        "{}",
        all!("probes: { liveness: { failureThreshold: 1 } }"),
    ),
    (
        "components.*.probes.liveness.successThreshold",
        "{}",
        all!("probes: { liveness: { successThreshold: 1 } }"),
    ),
    ("components.*.probes.readiness.enabled", "{}", all!("probes: { readiness: { enabled: false } }")),
    (
        "components.*.probes.readiness.initialDelaySeconds",
        "{}",
        all!("probes: { readiness: { initialDelaySeconds: 1 } }"),
    ),
    (
        "components.*.probes.readiness.periodSeconds",
        "{}",
        all!("probes: { readiness: { periodSeconds: 1 } }"),
    ),
    (
        "components.*.probes.readiness.timeoutSeconds",
        "{}",
        all!("probes: { readiness: { timeoutSeconds: 1 } }"),
    ),
    (
        "components.*.probes.readiness.failureThreshold",
        "{}",
        all!("probes: { readiness: { failureThreshold: 1 } }"),
    ),
    (
        "components.*.probes.readiness.successThreshold",
        "{}",
        all!("probes: { readiness: { successThreshold: 2 } }"),
    ),
    ("components.*.probes.startup.enabled", "{}", all!("probes: { startup: { enabled: false } }")),
    (
        "components.*.probes.startup.initialDelaySeconds",
        "{}",
        all!("probes: { startup: { initialDelaySeconds: 1 } }"),
    ),
    ("components.*.probes.startup.periodSeconds", "{}", all!("probes: { startup: { periodSeconds: 1 } }")),
    ("components.*.probes.startup.timeoutSeconds", "{}", all!("probes: { startup: { timeoutSeconds: 1 } }")),
    (
        "components.*.probes.startup.failureThreshold",
        "{}",
        all!("probes: { startup: { failureThreshold: 1 } }"),
    ),
    (
        "components.*.probes.startup.successThreshold",
        "{}",
        all!("probes: { startup: { successThreshold: 1 } }"),
    ),
    ("components.*.strategy.type", "{}", all!("strategy: { type: Recreate }")),
    ("components.*.strategy.maxSurge", "{}", all!("strategy: { maxSurge: 1 }")),
    ("components.*.strategy.maxUnavailable", "{}", all!("strategy: { maxUnavailable: 1 }")),
    ("components.*.minReadySeconds", "{}", all!("minReadySeconds: 1")),
    ("components.*.progressDeadlineSeconds", "{}", all!("progressDeadlineSeconds: 1")),
    ("components.*.revisionHistoryLimit", "{}", all!("revisionHistoryLimit: 1")),
    ("components.*.terminationGracePeriodSeconds", "{}", all!("terminationGracePeriodSeconds: 1")),
    (
        "components.*.autoscaling.enabled",
        all!("autoscaling: { maxReplicas: 2 }"),
        all!("autoscaling: { enabled: false, maxReplicas: 2 }"),
    ),
    (
        "components.*.autoscaling.minReplicas",
        all!("autoscaling: { maxReplicas: 4 }"),
        all!("autoscaling: { maxReplicas: 4, minReplicas: 1 }"),
    ),
    (
        "components.*.autoscaling.maxReplicas",
        all!("autoscaling: { maxReplicas: 4 }"),
        all!("autoscaling: { maxReplicas: 5 }"),
    ),
    (
        "components.*.autoscaling.targetCPUUtilizationPercentage",
        all!("autoscaling: { maxReplicas: 4 }"),
        all!("autoscaling: { maxReplicas: 4, targetCPUUtilizationPercentage: 50 }"),
    ),
    (
        "components.*.autoscaling.targetMemoryUtilizationPercentage",
        all!("autoscaling: { maxReplicas: 4 }"),
        all!("autoscaling: { maxReplicas: 4, targetMemoryUtilizationPercentage: 50 }"),
    ),
    (
        "components.*.autoscaling.behavior.scaleUp.stabilizationWindowSeconds",
        all!("autoscaling: { maxReplicas: 4 }"),
        all!("autoscaling: { maxReplicas: 4, behavior: { scaleUp: { stabilizationWindowSeconds: 1 } } }"),
    ),
    (
        "components.*.autoscaling.behavior.scaleUp.selectPolicy",
        all!("autoscaling: { maxReplicas: 4 }"),
        all!("autoscaling: { maxReplicas: 4, behavior: { scaleUp: { selectPolicy: Min } } }"),
    ),
    (
        "components.*.autoscaling.behavior.scaleUp.policies[].type",
        all!(
            "autoscaling: { maxReplicas: 4, behavior: { scaleUp: { policies: [{ type: Pods, value: 1, periodSeconds: 1 }] } } }"
        ),
        all!(
            "autoscaling: { maxReplicas: 4, behavior: { scaleUp: { policies: [{ type: Percent, value: 1, periodSeconds: 1 }] } } }"
        ),
    ),
    (
        "components.*.autoscaling.behavior.scaleUp.policies[].value",
        all!(
            "autoscaling: { maxReplicas: 4, behavior: { scaleUp: { policies: [{ type: Pods, value: 1, periodSeconds: 1 }] } } }"
        ),
        all!(
            "autoscaling: { maxReplicas: 4, behavior: { scaleUp: { policies: [{ type: Pods, value: 2, periodSeconds: 1 }] } } }"
        ),
    ),
    (
        "components.*.autoscaling.behavior.scaleUp.policies[].periodSeconds",
        all!(
            "autoscaling: { maxReplicas: 4, behavior: { scaleUp: { policies: [{ type: Pods, value: 1, periodSeconds: 1 }] } } }"
        ),
        all!(
            "autoscaling: { maxReplicas: 4, behavior: { scaleUp: { policies: [{ type: Pods, value: 1, periodSeconds: 2 }] } } }"
        ),
    ),
    (
        "components.*.autoscaling.behavior.scaleDown.stabilizationWindowSeconds",
        all!("autoscaling: { maxReplicas: 4 }"),
        all!("autoscaling: { maxReplicas: 4, behavior: { scaleDown: { stabilizationWindowSeconds: 1 } } }"),
    ),
    (
        "components.*.autoscaling.behavior.scaleDown.selectPolicy",
        all!("autoscaling: { maxReplicas: 4 }"),
        all!("autoscaling: { maxReplicas: 4, behavior: { scaleDown: { selectPolicy: Disabled } } }"),
    ),
    (
        "components.*.autoscaling.behavior.scaleDown.policies[].type",
        all!(
            "autoscaling: { maxReplicas: 4, behavior: { scaleDown: { policies: [{ type: Pods, value: 1, periodSeconds: 1 }] } } }"
        ),
        all!(
            "autoscaling: { maxReplicas: 4, behavior: { scaleDown: { policies: [{ type: Percent, value: 1, periodSeconds: 1 }] } } }"
        ),
    ),
    (
        "components.*.autoscaling.behavior.scaleDown.policies[].value",
        all!(
            "autoscaling: { maxReplicas: 4, behavior: { scaleDown: { policies: [{ type: Pods, value: 1, periodSeconds: 1 }] } } }"
        ),
        all!(
            "autoscaling: { maxReplicas: 4, behavior: { scaleDown: { policies: [{ type: Pods, value: 2, periodSeconds: 1 }] } } }"
        ),
    ),
    (
        "components.*.autoscaling.behavior.scaleDown.policies[].periodSeconds",
        all!(
            "autoscaling: { maxReplicas: 4, behavior: { scaleDown: { policies: [{ type: Pods, value: 1, periodSeconds: 1 }] } } }"
        ),
        all!(
            "autoscaling: { maxReplicas: 4, behavior: { scaleDown: { policies: [{ type: Pods, value: 1, periodSeconds: 2 }] } } }"
        ),
    ),
    (
        "components.*.podDisruptionBudget.enabled",
        all!("podDisruptionBudget: { minAvailable: 1 }"),
        all!("podDisruptionBudget: { enabled: false, minAvailable: 1 }"),
    ),
    (
        "components.*.podDisruptionBudget.minAvailable",
        all!("podDisruptionBudget: { minAvailable: 1 }"),
        all!("podDisruptionBudget: { minAvailable: 0 }"),
    ),
    (
        "components.*.podDisruptionBudget.maxUnavailable",
        all!("podDisruptionBudget: { maxUnavailable: 1 }"),
        all!("podDisruptionBudget: { maxUnavailable: 50% }"),
    ),
    ("components.*.env[].name", all!("env: [{ name: A, value: x }]"), all!("env: [{ name: B, value: x }]")),
    ("components.*.env[].value", all!("env: [{ name: A, value: x }]"), all!("env: [{ name: A, value: y }]")),
    (
        "components.*.env[].valueFrom.secretKeyRef.name",
        all!("env: [{ name: A, valueFrom: { secretKeyRef: { name: s, key: k } } }]"),
        all!("env: [{ name: A, valueFrom: { secretKeyRef: { name: t, key: k } } }]"),
    ),
    (
        "components.*.env[].valueFrom.secretKeyRef.key",
        all!("env: [{ name: A, valueFrom: { secretKeyRef: { name: s, key: k } } }]"),
        all!("env: [{ name: A, valueFrom: { secretKeyRef: { name: s, key: l } } }]"),
    ),
    (
        "components.*.env[].valueFrom.secretKeyRef.optional",
        all!("env: [{ name: A, valueFrom: { secretKeyRef: { name: s, key: k } } }]"),
        all!("env: [{ name: A, valueFrom: { secretKeyRef: { name: s, key: k, optional: true } } }]"),
    ),
    (
        "components.*.env[].valueFrom.configMapKeyRef.name",
        all!("env: [{ name: A, valueFrom: { configMapKeyRef: { name: s, key: k } } }]"),
        all!("env: [{ name: A, valueFrom: { configMapKeyRef: { name: t, key: k } } }]"),
    ),
    (
        "components.*.env[].valueFrom.configMapKeyRef.key",
        all!("env: [{ name: A, valueFrom: { configMapKeyRef: { name: s, key: k } } }]"),
        all!("env: [{ name: A, valueFrom: { configMapKeyRef: { name: s, key: l } } }]"),
    ),
    (
        "components.*.env[].valueFrom.configMapKeyRef.optional",
        all!("env: [{ name: A, valueFrom: { configMapKeyRef: { name: s, key: k } } }]"),
        all!("env: [{ name: A, valueFrom: { configMapKeyRef: { name: s, key: k, optional: true } } }]"),
    ),
    (
        "components.*.env[].valueFrom.fieldRef.fieldPath",
        all!("env: [{ name: A, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]"),
        all!("env: [{ name: A, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }]"),
    ),
    (
        "components.*.envFrom[].prefix",
        all!("envFrom: [{ secretRef: { name: a } }]"),
        all!("envFrom: [{ prefix: P_, secretRef: { name: a } }]"),
    ),
    (
        "components.*.envFrom[].configMapRef.name",
        all!("envFrom: [{ configMapRef: { name: a } }]"),
        all!("envFrom: [{ configMapRef: { name: b } }]"),
    ),
    (
        "components.*.envFrom[].secretRef.name",
        all!("envFrom: [{ secretRef: { name: a } }]"),
        all!("envFrom: [{ secretRef: { name: b } }]"),
    ),
    ("components.*.podLabels", "{}", all!("podLabels: { a: b }")),
    ("components.*.podAnnotations", "{}", all!("podAnnotations: { a: b }")),
    ("components.*.nodeSelector", "{}", all!("nodeSelector: { a: b }")),
    (
        "components.*.tolerations[].key",
        all!("tolerations: [{ key: a, operator: Exists }]"),
        all!("tolerations: [{ key: b, operator: Exists }]"),
    ),
    (
        "components.*.tolerations[].operator",
        all!("tolerations: [{ key: a }]"),
        all!("tolerations: [{ key: a, operator: Exists }]"),
    ),
    (
        "components.*.tolerations[].value",
        all!("tolerations: [{ key: a, value: b }]"),
        all!("tolerations: [{ key: a, value: c }]"),
    ),
    (
        "components.*.tolerations[].effect",
        all!("tolerations: [{ key: a }]"),
        all!("tolerations: [{ key: a, effect: NoSchedule }]"),
    ),
    (
        "components.*.tolerations[].tolerationSeconds",
        all!("tolerations: [{ key: a, effect: NoExecute }]"),
        all!("tolerations: [{ key: a, effect: NoExecute, tolerationSeconds: 1 }]"),
    ),
    (
        "components.*.topologySpread[].topologyKey",
        all!("topologySpread: [{ topologyKey: a }]"),
        all!("topologySpread: [{ topologyKey: b }]"),
    ),
    (
        "components.*.topologySpread[].maxSkew",
        all!("topologySpread: [{ topologyKey: a }]"),
        all!("topologySpread: [{ topologyKey: a, maxSkew: 2 }]"),
    ),
    (
        "components.*.topologySpread[].whenUnsatisfiable",
        "{ storage: { volume: { accessMode: ReadWriteMany }, allowUnsafe: [SqliteOnSharedFilesystem] }, components: { all: { topologySpread: [{ topologyKey: a }] } } }",
        "{ storage: { volume: { accessMode: ReadWriteMany }, allowUnsafe: [SqliteOnSharedFilesystem] }, components: { all: { topologySpread: [{ topologyKey: a, whenUnsatisfiable: DoNotSchedule }] } } }",
    ),
    ("components.*.priorityClassName", "{}", all!("priorityClassName: a")),
    ("components.*.loadBalancer.enabled", all!("loadBalancer: {}"), all!("loadBalancer: { enabled: false }")),
    ("components.*.loadBalancer.httpPort", all!("loadBalancer: {}"), all!("loadBalancer: { httpPort: 81 }")),
    ("components.*.loadBalancer.grpcPort", all!("loadBalancer: {}"), all!("loadBalancer: { grpcPort: 81 }")),
    ("components.*.loadBalancer.class", all!("loadBalancer: {}"), all!("loadBalancer: { class: a.b/c }")),
    (
        "components.*.loadBalancer.sourceRanges",
        all!("loadBalancer: {}"),
        all!("loadBalancer: { sourceRanges: [10.0.0.0/8] }"),
    ),
    (
        "components.*.loadBalancer.annotations",
        all!("loadBalancer: {}"),
        all!("loadBalancer: { annotations: { a: b } }"),
    ),
    ("components.*.nodePort.enabled", all!("nodePort: {}"), all!("nodePort: { enabled: false }")),
    ("components.*.nodePort.http", all!("nodePort: {}"), all!("nodePort: { http: 30080 }")),
    ("components.*.nodePort.grpc", all!("nodePort: {}"), all!("nodePort: { grpc: 30051 }")),
    (
        "components.*.volume.size",
        "{ storage: { sharing: PerComponent }, components: { all: {} } }",
        "{ storage: { sharing: PerComponent }, components: { all: { volume: { size: 9Gi } } } }",
    ),
    ("config.serverRateLimit.capacity", "{}", "{ config: { serverRateLimit: { capacity: 1 } } }"),
    ("config.serverRateLimit.refillTokens", "{}", "{ config: { serverRateLimit: { refillTokens: 1 } } }"),
    ("config.serverRateLimit.refillSeconds", "{}", "{ config: { serverRateLimit: { refillSeconds: 1 } } }"),
    ("config.sqlitePool.maximumSize", "{}", "{ config: { sqlitePool: { maximumSize: 5 } } }"),
    ("config.sqlitePool.minimumIdle", "{}", "{ config: { sqlitePool: { minimumIdle: 1 } } }"),
    ("config.logLevels", "{}", "{ config: { logLevels: { com.logpilot: DEBUG } } }"),
    ("config.overlay", "{}", "{ config: { overlay: { a: b } } }"),
    ("auth.apiKeySecret.name", "{}", "{ auth: { apiKeySecret: { name: a } } }"),
    (
        "auth.apiKeySecret.key",
        "{ auth: { apiKeySecret: { name: a } } }",
        "{ auth: { apiKeySecret: { name: a, key: b } } }",
    ),
    (
        "storage.backend",
        all!("replicas: 1"),
        "{ storage: { backend: File }, components: { all: { replicas: 1 } } }",
    ),
    ("storage.sharing", "{}", "{ storage: { sharing: PerComponent } }"),
    ("storage.volume.size", "{}", "{ storage: { volume: { size: 11Gi } } }"),
    ("storage.volume.storageClassName", "{}", "{ storage: { volume: { storageClassName: fast } } }"),
    (
        "storage.volume.accessMode",
        all!("replicas: 1"),
        "{ storage: { volume: { accessMode: ReadWriteMany } }, components: { all: { replicas: 1 } } }",
    ),
    ("storage.volume.existingClaim", "{}", "{ storage: { volume: { existingClaim: old } } }"),
    ("storage.volume.deletionPolicy", "{}", "{ storage: { volume: { deletionPolicy: Delete } } }"),
    (
        "storage.allowUnsafe",
        "{ storage: { volume: { accessMode: ReadWriteMany } }, components: { all: { replicas: 1 } } }",
        "{ storage: { volume: { accessMode: ReadWriteMany }, allowUnsafe: [SqliteOnSharedFilesystem] }, components: { all: { replicas: 1 } } }",
    ),
    ("exposure.ingress.enabled", ingress!("enabled: true"), ingress!("enabled: false")),
    (
        "exposure.ingress.className",
        "{ exposure: { ingress: { rules: [{ host: a.b }] } } }",
        ingress!("enabled: true"),
    ),
    ("exposure.ingress.annotations", ingress!("enabled: true"), ingress!("annotations: { a: b }")),
    ("exposure.ingress.rules[].host", rule!("component: all, host: a.b"), rule!("component: all, host: c.d")),
    (
        "exposure.ingress.rules[].path",
        rule!("component: all, host: a.b"),
        rule!("component: all, host: a.b, path: /c"),
    ),
    (
        "exposure.ingress.rules[].component",
        rule!("component: all, host: a.b"),
        rule!("component: rest, host: a.b"),
    ),
    (
        "exposure.ingress.rules[].protocol",
        rule!("component: all, host: a.b"),
        rule!("component: all, host: a.b, protocol: Grpc"),
    ),
    (
        "exposure.ingress.tls.secretName",
        ingress!("tls: { secretName: a }"),
        ingress!("tls: { secretName: b }"),
    ),
    (
        "exposure.ingress.tls.issuerRef.kind",
        ingress!("tls: { secretName: a, issuerRef: { name: i } }"),
        ingress!("tls: { secretName: a, issuerRef: { name: i, kind: ClusterIssuer } }"),
    ),
    (
        "exposure.ingress.tls.issuerRef.name",
        ingress!("tls: { secretName: a, issuerRef: { name: i } }"),
        ingress!("tls: { secretName: a, issuerRef: { name: j } }"),
    ),
    ("exposure.ingress.cors.enabled", ingress!("cors: {}"), ingress!("cors: { enabled: false }")),
    (
        "exposure.ingress.cors.allowOrigins",
        ingress!("cors: {}"),
        ingress!("cors: { allowOrigins: ['https://a.b', 'https://c.d'] }"),
    ),
    (
        "exposure.ingress.cors.allowMethods",
        ingress!("cors: {}"),
        ingress!("cors: { allowMethods: [GET, POST] }"),
    ),
    ("exposure.ingress.cors.allowHeaders", ingress!("cors: {}"), ingress!("cors: { allowHeaders: [X-A] }")),
    (
        "exposure.ingress.rateLimit.enabled",
        ingress!("rateLimit: { requestsPerSecond: 1 }"),
        ingress!("rateLimit: { enabled: false, requestsPerSecond: 1 }"),
    ),
    (
        "exposure.ingress.rateLimit.requestsPerSecond",
        ingress!("rateLimit: { requestsPerSecond: 1 }"),
        ingress!("rateLimit: { requestsPerSecond: 2 }"),
    ),
    (
        "monitoring.serviceMonitor.enabled",
        "{ monitoring: { serviceMonitor: {} } }",
        "{ monitoring: { serviceMonitor: { enabled: false } } }",
    ),
    (
        "monitoring.serviceMonitor.interval",
        "{ monitoring: { serviceMonitor: {} } }",
        "{ monitoring: { serviceMonitor: { interval: 1m } } }",
    ),
    (
        "monitoring.serviceMonitor.scrapeTimeout",
        "{ monitoring: { serviceMonitor: {} } }",
        "{ monitoring: { serviceMonitor: { scrapeTimeout: 5s } } }",
    ),
    (
        "monitoring.serviceMonitor.labels",
        "{ monitoring: { serviceMonitor: {} } }",
        "{ monitoring: { serviceMonitor: { labels: { a: b } } } }",
    ),
];

/// Everything a user can see of a spec before it runs.
fn seen(spec: &str) -> String {
    let cluster = cluster(spec);
    let plan = plan(&cluster, &Facts::default());
    let objects: Vec<_> = plan.objects.iter().map(|it| (&it.body, it.replicas, it.held)).collect();
    format!("{objects:?} {:?} {:?}", warnings(&cluster), effective(&cluster).environment)
}

#[test]
fn each_changes_something() {
    for (path, one, other) in LEAVES {
        assert_ne!(seen(one), seen(other), "{path} changes nothing");
    }
}

#[test]
fn none_is_missing() {
    let crd = serde_json::to_value(crd()).expect("JSON");
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut schema = BTreeSet::new();
    collect(spec, "", &mut schema);
    let listed: BTreeSet<_> = LEAVES
        .iter()
        .map(|leaf| leaf.0.to_owned())
        .chain(ELSEWHERE.iter().map(|path| (*path).to_owned()))
        .collect();
    assert_eq!(schema.difference(&listed).collect::<Vec<_>>(), [""; 0], "in the schema only");
    assert_eq!(listed.difference(&schema).collect::<Vec<_>>(), [""; 0], "in the table only");
}

fn collect(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, schema) in properties {
            collect(schema, &below(name), into);
        }
    } else if schema.pointer("/items/properties").is_some() {
        collect(&schema["items"], &format!("{path}[]"), into);
    } else if schema.pointer("/additionalProperties/properties").is_some() {
        collect(&schema["additionalProperties"], &below("*"), into);
    } else {
        into.insert(path.to_owned());
    }
}
