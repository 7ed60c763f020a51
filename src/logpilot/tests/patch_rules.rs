//! One row for each field rule that a patch could bypass: the patch, and the answer.

use super::*;

enum Answer {
    /// Refused, at this path below the patch, with this message.
    No(&'static str, &'static str),
    /// Accepted: within the power of a user who writes patches.
    Yes,
}
use Answer::{No, Yes};

/// The field whose rule it is, the spec around it, kind and name of the object, the patch, and the
/// answer.
type Rule = (&'static str, &'static str, &'static str, &'static str, &'static str, Answer);

/// A pod's fields, and the path below its patch.
macro_rules! pod {
    ($($text:tt)*) => { concat!("{ spec: { template: { spec: { ", $($text)*, " } } } }") };
}
macro_rules! server {
    ($($text:tt)*) => { pod!("containers: [{ name: logpilot, ", $($text)*, " }]") };
}
macro_rules! at {
    ($path:literal) => {
        concat!("spec.template.spec.", $path)
    };
}
macro_rules! of_server {
    ($path:literal) => {
        concat!("spec.template.spec.containers[0].", $path)
    };
}

const ALL: &str = "logpilot-all";
const TWO: &str = "components: { all: {}, rest: {} }";
const BACKUP: &str = "backup: {}";
const INGRESS: &str = "exposure: { ingress: { className: a, rules: [{ host: a.b, path: /x }] } }";
const GATEWAY: &str = "exposure: { gateway: { className: a, rules: [{ host: a.b, path: /x }] } }";
const BALANCER: &str = "components: { all: { loadBalancer: { sourceRanges: [10.0.0.0/8] } } }";
const MONITOR: &str = "monitoring: { serviceMonitor: {} }";
const POD_MONITOR: &str = "monitoring: { podMonitor: {} }";
const LIMITS: &str = "limits: { defaults: { limits: { cpu: 1 } }, quota: { pods: 10 } }";
const BUDGET: &str = "components: { all: { podDisruptionBudget: {} } }";

const RULES: &[Rule] = &[
    // ---- how a pod stops
    (
        "terminationGracePeriodSeconds",
        "",
        "Deployment",
        ALL,
        pod!("terminationGracePeriodSeconds: 0"),
        No(at!("terminationGracePeriodSeconds"), "must be at least 6"),
    ),
    (
        "terminationGracePeriodSeconds",
        "",
        "Deployment",
        ALL,
        pod!("terminationGracePeriodSeconds: 5"),
        No(at!("terminationGracePeriodSeconds"), "must be at least 6"),
    ),
    ("terminationGracePeriodSeconds", "", "Deployment", ALL, pod!("terminationGracePeriodSeconds: 120"), Yes),
    (
        "preStop",
        "",
        "Deployment",
        ALL,
        server!("lifecycle: null"),
        No(of_server!("lifecycle.preStop"), "at least 5 s"),
    ),
    (
        "preStop",
        "",
        "Deployment",
        ALL,
        server!("lifecycle: { preStop: null }"),
        No(of_server!("lifecycle.preStop"), "at least 5 s"),
    ),
    (
        "preStop",
        "",
        "Deployment",
        ALL,
        server!("lifecycle: { preStop: { sleep: { seconds: 1 } } }"),
        No(of_server!("lifecycle.preStop"), "at least 5 s"),
    ),
    (
        "preStop",
        "",
        "Deployment",
        ALL,
        server!("lifecycle: { preStop: { sleep: null, exec: { command: ['true'] } } }"),
        No(of_server!("lifecycle.preStop"), "at least 5 s"),
    ),
    (
        "preStop",
        "",
        "Deployment",
        ALL,
        server!("lifecycle: { preStop: { sleep: { seconds: 10 } }, postStart: { exec: { command: [x] } } }"),
        Yes,
    ),
    (
        "(Kubernetes)",
        "",
        "Deployment",
        ALL,
        pod!("activeDeadlineSeconds: 60"),
        No(at!("activeDeadlineSeconds"), "for Jobs"),
    ),
    (
        "(Kubernetes)",
        "",
        "Deployment",
        ALL,
        pod!("restartPolicy: Never"),
        No(at!("restartPolicy"), "may not be changed"),
    ),
    // ---- probes
    (
        "probes.liveness.enabled",
        "",
        "Deployment",
        ALL,
        server!("livenessProbe: null, readinessProbe: null, startupProbe: null"),
        Yes,
    ),
    (
        "probes.liveness.successThreshold",
        "",
        "Deployment",
        ALL,
        server!("livenessProbe: { successThreshold: 2 }"),
        No(of_server!("livenessProbe.successThreshold"), "must be 1"),
    ),
    (
        "probes.readiness.periodSeconds",
        "",
        "Deployment",
        ALL,
        server!("readinessProbe: { periodSeconds: 0 }"),
        No(of_server!("readinessProbe.periodSeconds"), "from 1 to 3600"),
    ),
    (
        "probes.readiness.port",
        "",
        "Deployment",
        ALL,
        server!("readinessProbe: { httpGet: { port: metrics } }"),
        No(of_server!("readinessProbe.httpGet.port"), "management"),
    ),
    (
        "probes.readiness.mode",
        "",
        "Deployment",
        ALL,
        server!("readinessProbe: { tcpSocket: { port: http } }"),
        No(of_server!("readinessProbe.tcpSocket"), "only one handler"),
    ),
    (
        "probes.readiness.path",
        "",
        "Deployment",
        ALL,
        server!("readinessProbe: { successThreshold: 3, httpGet: { path: /up, port: 9000 } }"),
        Yes,
    ),
    // ---- what runs, and where
    (
        "priorityClassName",
        "",
        "Deployment",
        ALL,
        pod!("priorityClassName: system-node-critical"),
        No(at!("priorityClassName"), "may not start with 'system-'"),
    ),
    (
        "priorityClassName",
        "",
        "Deployment",
        ALL,
        pod!("priorityClassName: system-cluster-critical"),
        No(at!("priorityClassName"), "may not start with 'system-'"),
    ),
    (
        "priorityClassName",
        BACKUP,
        "CronJob",
        "logpilot-backup",
        "{ spec: { jobTemplate: { spec: { template: { spec: { priorityClassName: system-node-critical } } } } } }",
        No("spec.jobTemplate.spec.template.spec.priorityClassName", "may not start with 'system-'"),
    ),
    ("priorityClassName", "", "Deployment", ALL, pod!("priorityClassName: high"), Yes),
    (
        "image",
        "",
        "Deployment",
        ALL,
        server!("image: danpung2/logpilot"),
        No(of_server!("image"), "tag or a digest"),
    ),
    (
        "image",
        "",
        "Deployment",
        ALL,
        server!("image: 'http://x/y:1'"),
        No(of_server!("image"), "image reference"),
    ),
    ("image", "", "Deployment", ALL, server!("image: null"), No(of_server!("image"), "image reference")),
    ("image", "", "Deployment", ALL, server!("image: 'mirror.example.com/logpilot:1.2.1'"), Yes),
    (
        "image",
        "namespace: { podSecurity: Baseline }",
        "Deployment",
        ALL,
        pod!("containers: [{ name: sidecar, image: envoy }]"),
        Yes,
    ),
    (
        "config.overlay",
        "",
        "Deployment",
        ALL,
        server!("workingDir: /data"),
        No(of_server!("workingDir"), "second configuration"),
    ),
    (
        "config.overlay",
        "",
        "Deployment",
        ALL,
        server!("workingDir: /data/x"),
        No(of_server!("workingDir"), "second configuration"),
    ),
    (
        "config.overlay",
        "",
        "Deployment",
        ALL,
        server!("workingDir: /"),
        No(of_server!("workingDir"), "second configuration"),
    ),
    ("config.overlay", "", "Deployment", ALL, server!("workingDir: /tmp"), Yes),
    (
        "topologySpread",
        "",
        "Deployment",
        ALL,
        pod!(
            "topologySpreadConstraints: [{ topologyKey: zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule }]"
        ),
        No(at!("topologySpreadConstraints"), "contradicts the storage"),
    ),
    (
        "resources",
        "",
        "Deployment",
        ALL,
        server!("resources: { requests: { memory: 1Gi } }"),
        No(of_server!("resources.requests.memory"), "which is '512Mi'"),
    ),
    (
        "resources",
        "",
        "Deployment",
        ALL,
        server!("resources: { limits: { memory: 1GB } }"),
        No(of_server!("resources.limits.memory"), "must be a quantity"),
    ),
    (
        "resources",
        "",
        "Deployment",
        ALL,
        server!("resources: { limits: { memory: 1Gi, example.com/gpu: 1 } }"),
        Yes,
    ),
    (
        "securityContext",
        TWO,
        "Deployment",
        ALL,
        pod!("securityContext: { runAsUser: 1000 }"),
        No(at!("securityContext"), "as the other pods of PVC 'logpilot-data'"),
    ),
    (
        "securityContext",
        TWO,
        "Deployment",
        ALL,
        server!("securityContext: { runAsUser: 1000 }"),
        No(at!("securityContext"), "as the other pods of PVC"),
    ),
    (
        "securityContext",
        BACKUP,
        "Deployment",
        ALL,
        pod!("securityContext: { fsGroup: 1000 }"),
        No(at!("securityContext"), "as the other pods of PVC"),
    ),
    ("securityContext", "", "Deployment", ALL, pod!("securityContext: { runAsUser: 1000 }"), Yes),
    ("serviceAccount", "", "Deployment", ALL, pod!("serviceAccountName: other"), Yes),
    (
        "nodeSelector",
        "",
        "Deployment",
        ALL,
        pod!("nodeSelector: { a: b }, schedulerName: x, runtimeClassName: y, dnsPolicy: Default"),
        Yes,
    ),
    // ---- the Deployment
    (
        "minReadySeconds",
        "",
        "Deployment",
        ALL,
        "{ spec: { minReadySeconds: 900 } }",
        No("spec.progressDeadlineSeconds", "greater than `minReadySeconds` (900)"),
    ),
    (
        "progressDeadlineSeconds",
        "",
        "Deployment",
        ALL,
        "{ spec: { progressDeadlineSeconds: 0 } }",
        No("spec.progressDeadlineSeconds", "from 1 to 86400"),
    ),
    (
        "revisionHistoryLimit",
        "",
        "Deployment",
        ALL,
        "{ spec: { revisionHistoryLimit: 0 } }",
        No("spec.revisionHistoryLimit", "from 1 to 100"),
    ),
    (
        "minReadySeconds",
        "",
        "Deployment",
        ALL,
        "{ spec: { minReadySeconds: 900, progressDeadlineSeconds: 1000, paused: true } }",
        Yes,
    ),
    // ---- who may connect
    (
        "networkPolicy.enabled",
        "",
        "NetworkPolicy",
        ALL,
        "{ spec: { policyTypes: [Egress] } }",
        No("spec.policyTypes", "`networkPolicy.enabled`"),
    ),
    (
        "networkPolicy.monitoring",
        "",
        "NetworkPolicy",
        ALL,
        "{ spec: { ingress: [{}] } }",
        No("spec.ingress[0].from", "no API key"),
    ),
    (
        "networkPolicy.monitoring",
        "",
        "NetworkPolicy",
        ALL,
        "{ spec: { ingress: [{ ports: [{ port: 8000, endPort: 9000 }] }] } }",
        No("spec.ingress[0].from", "no API key"),
    ),
    (
        "networkPolicy.clients",
        "",
        "NetworkPolicy",
        ALL,
        "{ spec: { ingress: [{ ports: [{ port: 8080 }] }, { from: [{ podSelector: {} }] }] } }",
        Yes,
    ),
    ("networkPolicy.clients", "", "NetworkPolicy", ALL, "{ spec: { ingress: null } }", Yes),
    (
        "loadBalancer.sourceRanges",
        BALANCER,
        "Service",
        "logpilot-all-loadbalancer",
        "{ spec: { loadBalancerSourceRanges: null } }",
        No("spec.loadBalancerSourceRanges", "`loadBalancer.sourceRanges`"),
    ),
    (
        "loadBalancer.class",
        BALANCER,
        "Service",
        "logpilot-all-loadbalancer",
        "{ spec: { loadBalancerClass: x } }",
        No("spec.loadBalancerClass", "`loadBalancer.class`"),
    ),
    (
        "loadBalancer.httpPort",
        BALANCER,
        "Service",
        "logpilot-all-loadbalancer",
        "{ spec: { ports: [{ name: m, port: 1, targetPort: management }] } }",
        No("spec.ports[2].targetPort", "no API key"),
    ),
    (
        "(management)",
        "",
        "Service",
        ALL,
        "{ spec: { ports: [{ name: x, port: 80, targetPort: management }] } }",
        No("spec.ports[3].targetPort", "no API key"),
    ),
    (
        "(management)",
        INGRESS,
        "Ingress",
        "logpilot",
        "{ spec: { rules: [{ host: a.b, http: { paths: [{ path: /a, pathType: Prefix, backend: { service: { name: logpilot-all, port: { name: management } } } }] } }] } }",
        No("spec.rules[0].http.paths[0].backend.service.port.name", "no API key"),
    ),
    (
        "(management)",
        INGRESS,
        "Ingress",
        "logpilot",
        "{ spec: { rules: [{ host: a.b, http: { paths: [{ path: /a, pathType: Prefix, backend: { service: { name: logpilot-all, port: { number: 8081 } } } }] } }] } }",
        No("spec.rules[0].http.paths[0].backend.service.port.number", "no API key"),
    ),
    (
        "(management)",
        GATEWAY,
        "HTTPRoute",
        "logpilot",
        "{ spec: { rules: [{ backendRefs: [{ name: logpilot-all, port: 8081 }] }] } }",
        No("spec.rules[0].backendRefs[0].port", "no API key"),
    ),
    (
        "(management)",
        "",
        "NetworkPolicy",
        ALL,
        "{ spec: { ingress: [{ from: [{ ipBlock: { cidr: 0.0.0.0/0 } }], ports: [{ port: 8081 }] }] } }",
        No("spec.ingress[0].from", "no API key"),
    ),
    (
        "(management)",
        "",
        "NetworkPolicy",
        ALL,
        "{ spec: { ingress: [{ from: [{ namespaceSelector: {} }] }] } }",
        No("spec.ingress[0].from", "no API key"),
    ),
    (
        "(management)",
        "",
        "NetworkPolicy",
        ALL,
        "{ spec: { ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { a: b } } }], ports: [{ port: 8080 }] }] } }",
        Yes,
    ),
    (
        "(container)",
        "namespace: { podSecurity: Baseline }",
        "Deployment",
        ALL,
        pod!("containers: [{ name: server, resources: { limits: { memory: 1Gi } } }]"),
        No(at!("containers[1].image"), "to change a container of the object, name it: 'logpilot'"),
    ),
    (
        "loadBalancer.httpPort",
        BALANCER,
        "Service",
        "logpilot-all-loadbalancer",
        "{ spec: { ports: [{ name: m, port: 8081 }] } }",
        No("spec.ports[2].targetPort", "no API key"),
    ),
    (
        "loadBalancer.httpPort",
        BALANCER,
        "Service",
        "logpilot-all-loadbalancer",
        "{ spec: { externalTrafficPolicy: Local, ports: [{ name: x, port: 81, targetPort: http }] } }",
        Yes,
    ),
    (
        "(none)",
        "",
        "Service",
        ALL,
        "{ spec: { publishNotReadyAddresses: true, sessionAffinity: ClientIP } }",
        Yes,
    ),
    (
        "exposure.ingress.rules",
        INGRESS,
        "Ingress",
        "logpilot",
        "{ spec: { rules: [{ host: other.b, http: { paths: [{ path: /, pathType: Prefix, backend: { service: { name: a, port: { number: 1 } } } }] } }] } }",
        No("spec.rules[0].host", "`exposure.ingress.rules`"),
    ),
    (
        "exposure.ingress.rules",
        INGRESS,
        "Ingress",
        "logpilot",
        "{ spec: { defaultBackend: { service: { name: a, port: { number: 1 } } } } }",
        No("spec.defaultBackend", "all hosts"),
    ),
    (
        "exposure.ingress.rules",
        INGRESS,
        "Ingress",
        "logpilot",
        "{ spec: { rules: [{ host: a.b, http: { paths: [{ path: /x, pathType: Exact, backend: { service: { name: a, port: { number: 1 } } } }] } }] } }",
        Yes,
    ),
    (
        "exposure.gateway.rules",
        GATEWAY,
        "HTTPRoute",
        "logpilot",
        "{ spec: { hostnames: [other.b] } }",
        No("spec.hostnames", "`exposure.gateway.rules`"),
    ),
    (
        "exposure.gateway.rules",
        GATEWAY,
        "HTTPRoute",
        "logpilot",
        "{ spec: { rules: [{ matches: [{ path: { type: PathPrefix, value: / } }] }] } }",
        Yes,
    ),
    (
        "exposure.gateway.rules",
        GATEWAY,
        "HTTPRoute",
        "logpilot",
        "{ spec: { rules: [{ matches: [{ path: { type: PathPrefix, value: /x } }], timeouts: { request: 10s } }] } }",
        Yes,
    ),
    // ---- disruption, scale and limits
    (
        "podDisruptionBudget.minAvailable",
        BUDGET,
        "PodDisruptionBudget",
        ALL,
        "{ spec: { minAvailable: 100% } }",
        No("spec.minAvailable", "`podDisruptionBudget.minAvailable`"),
    ),
    (
        "podDisruptionBudget.maxUnavailable",
        BUDGET,
        "PodDisruptionBudget",
        ALL,
        "{ spec: { maxUnavailable: 0 } }",
        No("spec.maxUnavailable", "`podDisruptionBudget.maxUnavailable`"),
    ),
    (
        "limits.defaults",
        LIMITS,
        "LimitRange",
        "logpilot",
        "{ spec: { limits: [] } }",
        No("spec.limits", "`limits.defaults`"),
    ),
    (
        "limits.quota",
        LIMITS,
        "ResourceQuota",
        "logpilot",
        "{ spec: { hard: { pods: '1' } } }",
        No("spec.hard", "`limits.quota`"),
    ),
    (
        "(one backup at a time)",
        BACKUP,
        "CronJob",
        "logpilot-backup",
        "{ spec: { jobTemplate: { spec: { parallelism: 2 } } } }",
        No("spec.jobTemplate.spec.parallelism", "one pod"),
    ),
    (
        "(one restore at a time)",
        "",
        "Job",
        "logpilot-restore",
        "{ spec: { completions: 2 } }",
        No("spec.completions", "done once"),
    ),
    ("(none)", BACKUP, "CronJob", "logpilot-backup", "{ spec: { failedJobsHistoryLimit: 3 } }", Yes),
    // ---- monitoring
    (
        "monitoring.serviceMonitor.interval",
        MONITOR,
        "ServiceMonitor",
        "logpilot",
        "{ spec: { endpoints: [{ port: management, path: /actuator/prometheus, interval: 1h, scrapeTimeout: 10s }] } }",
        No("spec.endpoints", "`monitoring.serviceMonitor`"),
    ),
    (
        "monitoring.podMonitor.interval",
        POD_MONITOR,
        "PodMonitor",
        "logpilot",
        "{ spec: { podMetricsEndpoints: [] } }",
        No("spec.podMetricsEndpoints", "`monitoring.podMonitor`"),
    ),
    // ---- fields that the kind does not have: the API server would reject the apply
    ("(schema)", "", "Deployment", ALL, "{ spec: { foo: 1 } }", No("spec.foo", "unknown field")),
    (
        "(schema)",
        "",
        "Deployment",
        ALL,
        server!("imagee: x"),
        No(of_server!("imagee"), "did you mean `image`?"),
    ),
    (
        "(schema)",
        "",
        "Deployment",
        ALL,
        "{ spec: { minReadySeconds: '5' } }",
        No("spec.minReadySeconds", "must be an integer"),
    ),
    (
        "(schema)",
        "",
        "Deployment",
        ALL,
        server!("env: [{ name: A, value: 1 }]"),
        No(of_server!("env[4].value"), "quote it"),
    ),
    ("(schema)", "", "Deployment", ALL, server!("env: [1]"), No(of_server!("env[0]"), "must be a mapping")),
    (
        "(schema)",
        "",
        "Deployment",
        ALL,
        pod!("hostAliases: { ip: a }"),
        No(at!("hostAliases"), "must be a list"),
    ),
    (
        "(schema)",
        "",
        "Deployment",
        ALL,
        server!("volumeMounts: [{ mountPath: /x }]"),
        No(of_server!("volumeMounts[3].name"), "is required"),
    ),
    (
        "(schema)",
        "",
        "Service",
        ALL,
        "{ spec: { ports: [{ name: x, port: eighty }] } }",
        No("spec.ports[3].port", "must be an integer"),
    ),
    ("(schema)", "", "ServiceAccount", "logpilot", "{ spec: { a: b } }", No("spec", "unknown field")),
    ("(schema)", GATEWAY, "HTTPRoute", "logpilot", "{ spec: { foo: bar } }", Yes),
    (
        "(schema)",
        "",
        "Deployment",
        ALL,
        server!("resources: { limits: { cpu: 2 } }, livenessProbe: { httpGet: { port: 8081 } }"),
        Yes,
    ),
];

/// Each row is tried as a strategic patch. Lists of the other patch types replace the whole list
/// and reach the same judge.
#[test]
fn patches_obey_the_rules_of_fields() {
    let mut wrong = Vec::new();
    for (field, around, kind, name, patch, answer) in RULES {
        let separator = if around.is_empty() { "" } else { ", " };
        let spec = format!(
            "{{ {around}{separator}patches: [{{ target: {{ kind: {kind}, name: {name} }}, type: Strategic, patch: {patch} }}] }}"
        );
        let found = validate(&resource(&spec)).err().unwrap_or_default();
        let right = match answer {
            Yes => found.is_empty(),
            No(path, words) => {
                let path = format!("spec.patches[0].patch.{path}");
                matches!(found.as_slice(), [one] if one.path == path && one.message.contains(words))
            }
        };
        if !right {
            wrong.push(format!("{field}: {kind} {patch}\n    {found:?}"));
        }
        // A row about an object that does not exist would test nothing.
        let facts = Facts { restore: crate::logpilot::facts::RestoreJob::None, ..Facts::default() };
        let bare = format!("{{ {around} }}");
        let there = find(&plan(&cluster(&bare), &facts), kind, name).is_some();
        if !there && *kind != "Job" {
            wrong.push(format!("{field}: there is no {kind} {name}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), RULES.len(), wrong.join("\n"));
}

/// One patch changes both pods in the same way, so they do not differ from each other.
#[test]
fn one_identity_patched_everywhere_is_accepted() {
    let one = |name: &str| {
        format!(
            "{{ target: {{ kind: Deployment, name: {name} }}, patch: {} }}",
            pod!("securityContext: { runAsUser: 1000 }")
        )
    };
    cluster(&format!("{{ {TWO}, patches: [{}, {}] }}", one("logpilot-all"), one("logpilot-rest")));
}
