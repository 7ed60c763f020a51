//! Each field of the spec, with two specs that differ only in it. The campaign of operations uses
//! the table too.

/// A path of the schema, and two specs that differ only in it.
pub type Leaf = (&'static str, &'static str, &'static str);

macro_rules! all {
    ($($text:tt)*) => { concat!("{ components: { all: { ", $($text)*, " } } }") };
}
macro_rules! ingress {
    ($($text:tt)*) => {
        concat!("{ exposure: { ingress: { className: nginx, rules: [{ host: a.b }], ", $($text)*, " } } }")
    };
}
macro_rules! monitoring {
    ($($text:tt)*) => { concat!("{ monitoring: { ", $($text)*, " } }") };
}
macro_rules! threshold {
    ($name:literal) => {
        (
            concat!("monitoring.rules.thresholds.", $name),
            monitoring!("rules: {}"),
            monitoring!("rules: { thresholds: { ", $name, ": 42 } }"),
        )
    };
}
macro_rules! rule {
    ($($text:tt)*) => {
        concat!("{ components: { all: {}, rest: {} }, exposure: { ingress: { className: nginx, rules: [{ ", $($text)*, " }] } } }")
    };
}

macro_rules! gateway {
    ($($text:tt)*) => {
        concat!("{ components: { all: {}, rest: {} }, exposure: { gateway: { ", $($text)*, " } } }")
    };
}
macro_rules! s3 {
    ($($text:tt)*) => { concat!("{ backup: { s3: { ", $($text)*, " } } }") };
}
macro_rules! restore {
    ($($text:tt)*) => {
        concat!("{ backup: {}, restore: { from: logpilot-20260102T030001.000Z.db, ", $($text)*, " } }")
    };
}
macro_rules! own_restore {
    ($name:literal) => {
        concat!(
            "{ components: { all: {}, rest: {} }, storage: { sharing: PerComponent }, backup: {}, \
             restore: { requestId: a, from: logpilot-20260102T030001.000Z.db, component: ",
            $name,
            " } }"
        )
    };
}
macro_rules! patch {
    ($($text:tt)*) => { concat!("{ patches: [{ ", $($text)*, " }] }") };
}
macro_rules! operations {
    ($($text:tt)*) => {
        patch!("target: { kind: Deployment, name: logpilot-all }, type: Json6902, operations: [", $($text)*, "]")
    };
}

pub const LEAVES: &[Leaf] = &[
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
        "{ components: { all: {}, rest: { enabled: true } } }",
        "{ components: { all: {}, rest: { enabled: false } } }",
    ),
    ("components.*.image", "{}", all!("image: 'b:1'")),
    ("components.*.replicas", all!("replicas: 2"), all!("replicas: 1")),
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
    ("components.*.securityContext.assignedBy", "{}", all!("securityContext: { assignedBy: Platform }")),
    ("components.*.securityContext.runAsUser", "{}", all!("securityContext: { runAsUser: 1000 }")),
    ("components.*.securityContext.runAsGroup", "{}", all!("securityContext: { runAsGroup: 1000 }")),
    ("components.*.securityContext.fsGroup", "{}", all!("securityContext: { fsGroup: 1000 }")),
    ("components.*.probes.mode", "{}", all!("probes: { mode: Tcp }")),
    ("components.*.probes.liveness.mode", "{}", all!("probes: { liveness: { mode: Tcp } }")),
    ("components.*.probes.liveness.path", "{}", all!("probes: { liveness: { path: /a } }")),
    ("components.*.probes.liveness.port", "{}", all!("probes: { liveness: { port: http } }")),
    (
        "components.*.probes.liveness.command",
        all!("probes: { liveness: { mode: Exec, command: [a] } }"),
        all!("probes: { liveness: { mode: Exec, command: [b] } }"),
    ),
    ("components.*.probes.readiness.mode", "{}", all!("probes: { readiness: { mode: Tcp } }")),
    ("components.*.probes.readiness.path", "{}", all!("probes: { readiness: { path: /a } }")),
    ("components.*.probes.readiness.port", "{}", all!("probes: { readiness: { port: http } }")),
    (
        "components.*.probes.readiness.command",
        all!("probes: { readiness: { mode: Exec, command: [a] } }"),
        all!("probes: { readiness: { mode: Exec, command: [b] } }"),
    ),
    ("components.*.probes.startup.mode", "{}", all!("probes: { startup: { mode: Tcp } }")),
    ("components.*.probes.startup.path", "{}", all!("probes: { startup: { path: /a } }")),
    ("components.*.probes.startup.port", "{}", all!("probes: { startup: { port: http } }")),
    (
        "components.*.probes.startup.command",
        all!("probes: { startup: { mode: Exec, command: [a] } }"),
        all!("probes: { startup: { mode: Exec, command: [b] } }"),
    ),
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
    ("components.*.terminationGracePeriodSeconds", "{}", all!("terminationGracePeriodSeconds: 60")),
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
    (
        "components.*.podDisruptionBudget.unhealthyPodEvictionPolicy",
        all!("podDisruptionBudget: { minAvailable: 1 }"),
        all!("podDisruptionBudget: { minAvailable: 1, unhealthyPodEvictionPolicy: IfHealthyBudget }"),
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
        "components.*.env[].valueFrom.resourceFieldRef.resource",
        all!("env: [{ name: A, valueFrom: { resourceFieldRef: { resource: limits.memory } } }]"),
        all!("env: [{ name: A, valueFrom: { resourceFieldRef: { resource: requests.memory } } }]"),
    ),
    (
        "components.*.env[].valueFrom.resourceFieldRef.divisor",
        all!("env: [{ name: A, valueFrom: { resourceFieldRef: { resource: limits.memory } } }]"),
        all!(
            "env: [{ name: A, valueFrom: { resourceFieldRef: { resource: limits.memory, divisor: 1Mi } } }]"
        ),
    ),
    (
        "components.*.env[].valueFrom.resourceFieldRef.containerName",
        all!("env: [{ name: A, valueFrom: { resourceFieldRef: { resource: limits.memory } } }]"),
        all!(
            "env: [{ name: A, valueFrom: { resourceFieldRef: { resource: limits.memory, containerName: logpilot } } }]"
        ),
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
        "components.*.envFrom[].configMapRef.optional",
        all!("envFrom: [{ configMapRef: { name: a } }]"),
        all!("envFrom: [{ configMapRef: { name: a, optional: true } }]"),
    ),
    (
        "components.*.envFrom[].secretRef.optional",
        all!("envFrom: [{ secretRef: { name: a } }]"),
        all!("envFrom: [{ secretRef: { name: a, optional: true } }]"),
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
    (
        "components.*.loadBalancer.enabled",
        all!("loadBalancer: { enabled: true }"),
        all!("loadBalancer: { enabled: false }"),
    ),
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
    (
        "components.*.nodePort.enabled",
        all!("nodePort: { enabled: true }"),
        all!("nodePort: { enabled: false }"),
    ),
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
    ("config.check.enabled", "{ config: { check: {} } }", "{ config: { check: { enabled: false } } }"),
    (
        "config.check.timeoutSeconds",
        "{ config: { check: {} } }",
        "{ config: { check: { timeoutSeconds: 60 } } }",
    ),
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
    ("backup.enabled", "{ backup: {} }", "{ backup: { enabled: false } }"),
    ("backup.schedule", "{ backup: {} }", "{ backup: { schedule: '0 4 * * *' } }"),
    ("backup.timeZone", "{ backup: {} }", "{ backup: { timeZone: Asia/Seoul } }"),
    (
        "backup.retention.count",
        "{ backup: { retention: { count: 7 } } }",
        "{ backup: { retention: { count: 1 } } }",
    ),
    ("backup.volume.size", "{ backup: {} }", "{ backup: { volume: { size: 21Gi } } }"),
    (
        "backup.volume.storageClassName",
        "{ backup: {} }",
        "{ backup: { volume: { storageClassName: slow } } }",
    ),
    ("backup.volume.existingClaim", "{ backup: {} }", "{ backup: { volume: { existingClaim: nfs } } }"),
    (
        "backup.s3.bucket",
        s3!("bucket: abc, credentialsSecret: { name: a }"),
        s3!("bucket: abd, credentialsSecret: { name: a }"),
    ),
    (
        "backup.s3.prefix",
        s3!("bucket: abc, credentialsSecret: { name: a }"),
        s3!("bucket: abc, credentialsSecret: { name: a }, prefix: x"),
    ),
    (
        "backup.s3.endpoint",
        s3!("bucket: abc, credentialsSecret: { name: a }, pathStyle: true"),
        s3!("bucket: abc, credentialsSecret: { name: a }, pathStyle: true, endpoint: 'https://a.b'"),
    ),
    (
        "backup.s3.region",
        s3!("bucket: abc, credentialsSecret: { name: a }"),
        s3!("bucket: abc, credentialsSecret: { name: a }, region: eu-west-1"),
    ),
    (
        "backup.s3.pathStyle",
        s3!("bucket: abc, credentialsSecret: { name: a }"),
        s3!("bucket: abc, credentialsSecret: { name: a }, pathStyle: true"),
    ),
    (
        "backup.s3.credentials",
        s3!("bucket: abc, credentialsSecret: { name: a }"),
        s3!("bucket: abc, credentials: WorkloadIdentity"),
    ),
    (
        "backup.s3.credentialsSecret.name",
        s3!("bucket: abc, credentialsSecret: { name: a }"),
        s3!("bucket: abc, credentialsSecret: { name: b }"),
    ),
    (
        "backup.s3.credentialsSecret.accessKeyIdKey",
        s3!("bucket: abc, credentialsSecret: { name: a }"),
        s3!("bucket: abc, credentialsSecret: { name: a, accessKeyIdKey: b }"),
    ),
    (
        "backup.s3.credentialsSecret.secretAccessKeyKey",
        s3!("bucket: abc, credentialsSecret: { name: a }"),
        s3!("bucket: abc, credentialsSecret: { name: a, secretAccessKeyKey: b }"),
    ),
    (
        "backup.s3.caConfigMap.name",
        s3!("bucket: abc, credentialsSecret: { name: a }, caConfigMap: { name: a }"),
        s3!("bucket: abc, credentialsSecret: { name: a }, caConfigMap: { name: b }"),
    ),
    (
        "backup.s3.caConfigMap.key",
        s3!("bucket: abc, credentialsSecret: { name: a }, caConfigMap: { name: a }"),
        s3!("bucket: abc, credentialsSecret: { name: a }, caConfigMap: { name: a, key: b }"),
    ),
    ("backup.suspend", "{ backup: { suspend: false } }", "{ backup: { suspend: true } }"),
    ("restore.requestId", restore!("requestId: a"), restore!("requestId: b")),
    (
        "restore.from",
        restore!("requestId: a"),
        "{ backup: {}, restore: { requestId: a, from: logpilot-20260102T030001.001Z.db } }",
    ),
    ("restore.component", own_restore!("all"), own_restore!("rest")),
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
        "exposure.ingress.rules[].rewrite",
        rule!("component: all, host: a.b, path: /c"),
        rule!("component: all, host: a.b, path: /c, rewrite: /"),
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
    (
        "exposure.ingress.cors.enabled",
        ingress!("cors: { enabled: true }"),
        ingress!("cors: { enabled: false }"),
    ),
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
        "exposure.gateway.enabled",
        gateway!("className: a, enabled: true, rules: [{ host: a.b, component: all }]"),
        gateway!("className: a, enabled: false, rules: [{ host: a.b, component: all }]"),
    ),
    (
        "exposure.gateway.className",
        gateway!("className: a, rules: [{ host: a.b, component: all }]"),
        gateway!("className: b, rules: [{ host: a.b, component: all }]"),
    ),
    (
        "exposure.gateway.parentRefs[].name",
        gateway!("parentRefs: [{ name: a }], rules: [{ host: a.b, component: all }]"),
        gateway!("parentRefs: [{ name: b }], rules: [{ host: a.b, component: all }]"),
    ),
    (
        "exposure.gateway.parentRefs[].namespace",
        gateway!("parentRefs: [{ name: a }], rules: [{ host: a.b, component: all }]"),
        gateway!("parentRefs: [{ name: a, namespace: c }], rules: [{ host: a.b, component: all }]"),
    ),
    (
        "exposure.gateway.parentRefs[].sectionName",
        gateway!("parentRefs: [{ name: a }], rules: [{ host: a.b, component: all }]"),
        gateway!("parentRefs: [{ name: a, sectionName: s }], rules: [{ host: a.b, component: all }]"),
    ),
    (
        "exposure.gateway.rules[].host",
        gateway!("className: a, rules: [{ host: a.b, component: all }]"),
        gateway!("className: a, rules: [{ host: c.d, component: all }]"),
    ),
    (
        "exposure.gateway.rules[].path",
        gateway!("className: a, rules: [{ host: a.b, component: all }]"),
        gateway!("className: a, rules: [{ host: a.b, component: all, path: /c }]"),
    ),
    (
        "exposure.gateway.rules[].rewrite",
        gateway!("className: a, rules: [{ host: a.b, component: all, path: /c }]"),
        gateway!("className: a, rules: [{ host: a.b, component: all, path: /c, rewrite: / }]"),
    ),
    (
        "exposure.gateway.rules[].component",
        gateway!("className: a, rules: [{ host: a.b, component: all }]"),
        gateway!("className: a, rules: [{ host: a.b, component: rest }]"),
    ),
    (
        "exposure.gateway.rules[].protocol",
        gateway!("className: a, rules: [{ host: a.b, component: all }]"),
        gateway!("className: a, rules: [{ host: a.b, component: all, protocol: Grpc }]"),
    ),
    (
        "exposure.gateway.tls.secretName",
        gateway!("className: a, tls: { secretName: a }, rules: [{ host: a.b, component: all }]"),
        gateway!("className: a, tls: { secretName: b }, rules: [{ host: a.b, component: all }]"),
    ),
    (
        "exposure.gateway.tls.issuerRef.kind",
        gateway!(
            "className: a, tls: { secretName: a, issuerRef: { name: i } }, rules: [{ host: a.b, component: all }]"
        ),
        gateway!(
            "className: a, tls: { secretName: a, issuerRef: { name: i, kind: ClusterIssuer } }, rules: [{ host: a.b, component: all }]"
        ),
    ),
    (
        "exposure.gateway.tls.issuerRef.name",
        gateway!(
            "className: a, tls: { secretName: a, issuerRef: { name: i } }, rules: [{ host: a.b, component: all }]"
        ),
        gateway!(
            "className: a, tls: { secretName: a, issuerRef: { name: j } }, rules: [{ host: a.b, component: all }]"
        ),
    ),
    (
        "patches[].target.kind",
        patch!("target: { kind: Deployment, name: logpilot-all }, patch: { metadata: { labels: { a: b } } }"),
        patch!("target: { kind: Service, name: logpilot-all }, patch: { metadata: { labels: { a: b } } }"),
    ),
    (
        "patches[].target.name",
        patch!("target: { kind: Deployment, name: logpilot-all }, patch: { metadata: { labels: { a: b } } }"),
        patch!("target: { kind: Deployment, name: other }, patch: { metadata: { labels: { a: b } } }"),
    ),
    (
        "patches[].type",
        patch!(
            "target: { kind: Service, name: logpilot-all }, patch: { spec: { ports: [{ port: 1, name: x, targetPort: 1, protocol: TCP }] } }"
        ),
        patch!(
            "target: { kind: Service, name: logpilot-all }, type: Strategic, patch: { spec: { ports: [{ port: 1, name: x, targetPort: 1, protocol: TCP }] } }"
        ),
    ),
    (
        "patches[].patch",
        patch!("target: { kind: Deployment, name: logpilot-all }, patch: { metadata: { labels: { a: b } } }"),
        patch!("target: { kind: Deployment, name: logpilot-all }, patch: { metadata: { labels: { a: c } } }"),
    ),
    (
        "patches[].operations[].op",
        operations!(
            "{ op: add, path: /metadata/labels/a, value: b }, { op: copy, from: /metadata/labels/a, path: /metadata/labels/c }"
        ),
        operations!(
            "{ op: add, path: /metadata/labels/a, value: b }, { op: move, from: /metadata/labels/a, path: /metadata/labels/c }"
        ),
    ),
    (
        "patches[].operations[].path",
        operations!("{ op: add, path: /metadata/labels/a, value: b }"),
        operations!("{ op: add, path: /metadata/labels/c, value: b }"),
    ),
    (
        "patches[].operations[].from",
        operations!(
            "{ op: add, path: /metadata/labels/a, value: b }, { op: add, path: /metadata/labels/c, value: d }, { op: copy, from: /metadata/labels/a, path: /metadata/labels/e }"
        ),
        operations!(
            "{ op: add, path: /metadata/labels/a, value: b }, { op: add, path: /metadata/labels/c, value: d }, { op: copy, from: /metadata/labels/c, path: /metadata/labels/e }"
        ),
    ),
    (
        "patches[].operations[].value",
        operations!("{ op: add, path: /metadata/labels/a, value: b }"),
        operations!("{ op: add, path: /metadata/labels/a, value: c }"),
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
    (
        "monitoring.podMonitor.enabled",
        monitoring!("podMonitor: {}"),
        monitoring!("podMonitor: { enabled: false }"),
    ),
    (
        "monitoring.podMonitor.interval",
        monitoring!("podMonitor: {}"),
        monitoring!("podMonitor: { interval: 1m }"),
    ),
    (
        "monitoring.podMonitor.scrapeTimeout",
        monitoring!("podMonitor: {}"),
        monitoring!("podMonitor: { scrapeTimeout: 5s }"),
    ),
    (
        "monitoring.podMonitor.labels",
        monitoring!("podMonitor: {}"),
        monitoring!("podMonitor: { labels: { a: b } }"),
    ),
    (
        "monitoring.scrapeAnnotations.enabled",
        monitoring!("scrapeAnnotations: {}"),
        monitoring!("scrapeAnnotations: { enabled: false }"),
    ),
    ("monitoring.rules.enabled", monitoring!("rules: {}"), monitoring!("rules: { enabled: false }")),
    ("monitoring.rules.labels", monitoring!("rules: {}"), monitoring!("rules: { labels: { a: b } }")),
    (
        "monitoring.rules.alertLabels",
        monitoring!("rules: {}"),
        monitoring!("rules: { alertLabels: { a: b } }"),
    ),
    (
        "monitoring.rules.alertAnnotations",
        monitoring!("rules: {}"),
        monitoring!("rules: { alertAnnotations: { a: b } }"),
    ),
    (
        "monitoring.rules.runbookUrl",
        monitoring!("rules: {}"),
        monitoring!("rules: { runbookUrl: 'https://a.example/b' }"),
    ),
    threshold!("memoryPercent"),
    threshold!("cpuPercent"),
    threshold!("storagePercent"),
    threshold!("errorPercent"),
    threshold!("grpcErrorPercent"),
    threshold!("latencyMilliseconds"),
    threshold!("grpcLatencyMilliseconds"),
    threshold!("ingestStoppedMinutes"),
    ("monitoring.slo.enabled", monitoring!("slo: {}"), monitoring!("slo: { enabled: false }")),
    (
        "monitoring.slo.rest.availabilityPercent",
        monitoring!("slo: {}"),
        monitoring!("slo: { rest: { availabilityPercent: 99.5 } }"),
    ),
    (
        "monitoring.slo.rest.latencyPercent",
        monitoring!("slo: {}"),
        monitoring!("slo: { rest: { latencyPercent: 95 } }"),
    ),
    (
        "monitoring.slo.rest.latencyMilliseconds",
        monitoring!("slo: {}"),
        monitoring!("slo: { rest: { latencyMilliseconds: 750 } }"),
    ),
    (
        "monitoring.slo.grpc.availabilityPercent",
        monitoring!("slo: {}"),
        monitoring!("slo: { grpc: { availabilityPercent: 99.99 } }"),
    ),
    (
        "monitoring.slo.grpc.latencyPercent",
        monitoring!("slo: {}"),
        monitoring!("slo: { grpc: { latencyPercent: 99.5 } }"),
    ),
    (
        "monitoring.slo.grpc.latencyMilliseconds",
        monitoring!("slo: {}"),
        monitoring!("slo: { grpc: { latencyMilliseconds: 250 } }"),
    ),
    (
        "monitoring.dashboards.enabled",
        monitoring!("dashboards: {}"),
        monitoring!("dashboards: { enabled: false }"),
    ),
    (
        "monitoring.dashboards.labels",
        monitoring!("dashboards: {}"),
        monitoring!("dashboards: { labels: { a: b } }"),
    ),
    ("networkPolicy.enabled", "{}", "{ networkPolicy: { enabled: false } }"),
    (
        "networkPolicy.clients[].namespaceSelector.matchLabels",
        "{ networkPolicy: { clients: [{ namespaceSelector: {} }] } }",
        "{ networkPolicy: { clients: [{ namespaceSelector: { matchLabels: { a: b } } }] } }",
    ),
    (
        "networkPolicy.clients[].podSelector.matchLabels",
        "{ networkPolicy: { clients: [{ podSelector: {} }] } }",
        "{ networkPolicy: { clients: [{ podSelector: { matchLabels: { a: b } } }] } }",
    ),
    (
        "networkPolicy.clients[].cidr",
        "{ networkPolicy: { clients: [{ cidr: 10.0.0.0/8 }] } }",
        "{ networkPolicy: { clients: [{ cidr: 10.0.0.0/9 }] } }",
    ),
    (
        "networkPolicy.clients[].except",
        "{ networkPolicy: { clients: [{ cidr: 10.0.0.0/8 }] } }",
        "{ networkPolicy: { clients: [{ cidr: 10.0.0.0/8, except: [10.1.0.0/16] }] } }",
    ),
    (
        "networkPolicy.monitoring.namespaceSelector.matchLabels",
        "{ networkPolicy: { monitoring: { namespaceSelector: {} } } }",
        "{ networkPolicy: { monitoring: { namespaceSelector: { matchLabels: { a: b } } } } }",
    ),
    (
        "networkPolicy.monitoring.podSelector.matchLabels",
        "{ networkPolicy: { monitoring: { podSelector: {} } } }",
        "{ networkPolicy: { monitoring: { podSelector: { matchLabels: { a: b } } } } }",
    ),
    (
        "networkPolicy.ingressController.namespaceSelector.matchLabels",
        "{ networkPolicy: { clients: [], ingressController: { namespaceSelector: {} } }, exposure: { ingress: { rules: [{ host: a.b }] } } }",
        "{ networkPolicy: { clients: [], ingressController: { namespaceSelector: { matchLabels: { a: b } } } }, exposure: { ingress: { rules: [{ host: a.b }] } } }",
    ),
    (
        "networkPolicy.ingressController.podSelector.matchLabels",
        "{ networkPolicy: { clients: [], ingressController: { podSelector: {} } }, exposure: { ingress: { rules: [{ host: a.b }] } } }",
        "{ networkPolicy: { clients: [], ingressController: { podSelector: { matchLabels: { a: b } } } }, exposure: { ingress: { rules: [{ host: a.b }] } } }",
    ),
    (
        "networkPolicy.egress[].to[].namespaceSelector.matchLabels",
        "{ networkPolicy: { egress: [{ to: [{ namespaceSelector: {} }] }] } }",
        "{ networkPolicy: { egress: [{ to: [{ namespaceSelector: { matchLabels: { a: b } } }] }] } }",
    ),
    (
        "networkPolicy.egress[].to[].podSelector.matchLabels",
        "{ networkPolicy: { egress: [{ to: [{ podSelector: {} }] }] } }",
        "{ networkPolicy: { egress: [{ to: [{ podSelector: { matchLabels: { a: b } } }] }] } }",
    ),
    (
        "networkPolicy.egress[].to[].cidr",
        "{ networkPolicy: { egress: [{ to: [{ cidr: 10.0.0.0/8 }] }] } }",
        "{ networkPolicy: { egress: [{ to: [{ cidr: 10.0.0.0/9 }] }] } }",
    ),
    (
        "networkPolicy.egress[].to[].except",
        "{ networkPolicy: { egress: [{ to: [{ cidr: 10.0.0.0/8 }] }] } }",
        "{ networkPolicy: { egress: [{ to: [{ cidr: 10.0.0.0/8, except: [10.1.0.0/16] }] }] } }",
    ),
    (
        "networkPolicy.egress[].ports[].port",
        "{ networkPolicy: { egress: [{ to: [{ cidr: 10.0.0.0/8 }], ports: [{ port: 1 }] }] } }",
        "{ networkPolicy: { egress: [{ to: [{ cidr: 10.0.0.0/8 }], ports: [{ port: 2 }] }] } }",
    ),
    (
        "networkPolicy.egress[].ports[].endPort",
        "{ networkPolicy: { egress: [{ to: [{ cidr: 10.0.0.0/8 }], ports: [{ port: 1 }] }] } }",
        "{ networkPolicy: { egress: [{ to: [{ cidr: 10.0.0.0/8 }], ports: [{ port: 1, endPort: 2 }] }] } }",
    ),
    (
        "networkPolicy.egress[].ports[].protocol",
        "{ networkPolicy: { egress: [{ to: [{ cidr: 10.0.0.0/8 }], ports: [{ port: 1 }] }] } }",
        "{ networkPolicy: { egress: [{ to: [{ cidr: 10.0.0.0/8 }], ports: [{ port: 1, protocol: UDP }] }] } }",
    ),
    (
        "limits.defaults.enabled",
        "{ limits: { defaults: {} } }",
        "{ limits: { defaults: { enabled: false } } }",
    ),
    (
        "limits.defaults.requests.cpu",
        "{ limits: { defaults: {} } }",
        "{ limits: { defaults: { requests: { cpu: 1m } } } }",
    ),
    (
        "limits.defaults.requests.memory",
        "{ limits: { defaults: {} } }",
        "{ limits: { defaults: { requests: { memory: 16Mi } } } }",
    ),
    (
        "limits.defaults.requests.ephemeral-storage",
        "{ limits: { defaults: {} } }",
        "{ limits: { defaults: { requests: { ephemeral-storage: 1Gi } } } }",
    ),
    (
        "limits.defaults.limits.cpu",
        "{ limits: { defaults: {} } }",
        "{ limits: { defaults: { limits: { cpu: 1 } } } }",
    ),
    (
        "limits.defaults.limits.memory",
        "{ limits: { defaults: {} } }",
        "{ limits: { defaults: { limits: { memory: 1Gi } } } }",
    ),
    (
        "limits.defaults.limits.ephemeral-storage",
        "{ limits: { defaults: {} } }",
        "{ limits: { defaults: { limits: { ephemeral-storage: 1Gi } } } }",
    ),
    (
        "limits.quota.enabled",
        "{ limits: { quota: { pods: 9 } } }",
        "{ limits: { quota: { pods: 9, enabled: false } } }",
    ),
    ("limits.quota.pods", "{ limits: { quota: { pods: 9 } } }", "{ limits: { quota: { pods: 8 } } }"),
    (
        "limits.quota.persistentVolumeClaims",
        "{ limits: { quota: { pods: 9 } } }",
        "{ limits: { quota: { pods: 9, persistentVolumeClaims: 9 } } }",
    ),
    (
        "limits.quota.storage",
        "{ limits: { quota: { pods: 9 } } }",
        "{ limits: { quota: { pods: 9, storage: 100Gi } } }",
    ),
    (
        "limits.quota.requests.cpu",
        "{ limits: { quota: { pods: 9 } } }",
        "{ limits: { quota: { pods: 9, requests: { cpu: 9 } } } }",
    ),
    (
        "limits.quota.requests.memory",
        "{ limits: { quota: { pods: 9 } } }",
        "{ limits: { quota: { pods: 9, requests: { memory: 9Gi } } } }",
    ),
    (
        "limits.quota.requests.ephemeral-storage",
        "{ limits: { quota: { pods: 9 } } }",
        "{ limits: { quota: { pods: 9, requests: { ephemeral-storage: 9Gi } } } }",
    ),
    (
        "limits.quota.limits.cpu",
        "{ limits: { quota: { pods: 9 } } }",
        "{ limits: { quota: { pods: 9, limits: { cpu: 9 } } } }",
    ),
    (
        "limits.quota.limits.memory",
        "{ limits: { quota: { pods: 9 } } }",
        "{ limits: { quota: { pods: 9, limits: { memory: 9Gi } } } }",
    ),
    (
        "limits.quota.limits.ephemeral-storage",
        "{ limits: { quota: { pods: 9 } } }",
        "{ limits: { quota: { pods: 9, limits: { ephemeral-storage: 9Gi } } } }",
    ),
    ("deletionProtection", "{}", "{ deletionProtection: true }"),
    ("operation.stopped", "{ operation: { stopped: false } }", "{ operation: { stopped: true } }"),
];
