//! Changes that a schema does not distinguish: features on and off, equivalent notations, and
//! misoperations.

/// A name, the first spec, and the specs to which it is changed and back.
pub const MEANINGS: &[(&str, &str, &[&str])] = &[
    (
        "components",
        "{ components: { all: { replicas: 1 } } }",
        &[
            "{ components: { rest: { replicas: 1 }, grpc: { replicas: 1 } } }",
            "{ components: { all: { replicas: 1 }, rest: { replicas: 2 }, grpc: { replicas: 1 } } }",
            "{ components: { all: { replicas: 0 } } }",
            "{ components: { all: { replicas: 3 } } }",
        ],
    ),
    (
        "same quantity",
        "{ components: { all: { resources: { requests: { cpu: 500m, memory: 512Mi }, limits: { cpu: 1, memory: 1Gi } } } } }",
        &[
            "{ components: { all: { resources: { requests: { cpu: '0.5', memory: 512Mi }, limits: { cpu: 1000m, memory: 1024Mi } } } } }",
            "{ components: { all: { resources: { requests: { cpu: '0.500', memory: '536870912' }, limits: { cpu: '1', memory: 1073741824 } } } } }",
        ],
    ),
    (
        "growing volume",
        "{ storage: { volume: { size: 10Gi } } }",
        &["{ storage: { volume: { size: 10240Mi } } }", "{ storage: { volume: { size: 11Gi } } }"],
    ),
    (
        "autoscaler",
        "{ components: { rest: { replicas: 2 } } }",
        &[
            "{ components: { rest: { autoscaling: { minReplicas: 1, maxReplicas: 3 } } } }",
            "{ components: { rest: { autoscaling: { minReplicas: 3, maxReplicas: 3 } } } }",
            "{ components: { rest: { replicas: 2, autoscaling: { enabled: false, maxReplicas: 3 } } } }",
        ],
    ),
    (
        "services",
        "{ components: { all: {}, rest: {} } }",
        &[
            "{ components: { all: { loadBalancer: {} }, rest: { nodePort: {} } } }",
            "{ components: { all: { nodePort: {} }, rest: { loadBalancer: {} } } }",
            "{ components: { all: { nodePort: {}, loadBalancer: {} }, rest: {} } }",
        ],
    ),
    (
        "everything",
        "{}",
        &[
            "{ backup: {}, limits: { defaults: {} }, monitoring: { serviceMonitor: {}, rules: {}, slo: {}, dashboards: {} }, \
             networkPolicy: { clients: [{ namespaceSelector: {} }] }, exposure: { ingress: { className: nginx, rules: [{ host: a.b }] } } }",
        ],
    ),
    (
        "bad image",
        "{}",
        &[
            "{ image: 'never-ready:1', components: { all: { progressDeadlineSeconds: 5 } } }",
            "{ image: 'crash-loop:1' }",
            "{ image: 'image-pull:1' }",
            "{ image: 'no-such.example/a:1' }",
        ],
    ),
    (
        "no node",
        "{}",
        &[
            "{ components: { all: { nodeSelector: { no: node } } } }",
            "{ components: { all: { resources: { requests: { cpu: 100 }, limits: { cpu: 100 } } } } }",
        ],
    ),
    (
        "restore without a node",
        "{ backup: {} }",
        &["{ backup: {}, components: { all: { nodeSelector: { no: node } } }, \
             restore: { requestId: nowhere, from: logpilot-20260102T030001.000Z.db } }"],
    ),
    (
        "no room",
        "{ limits: { quota: { pods: 9 } } }",
        &[
            "{ limits: { quota: { pods: 0 } }, components: { all: { podAnnotations: { a: b } } } }",
            "{ limits: { quota: { requests: { memory: 16Mi } } }, components: { all: { podAnnotations: { a: c } } } }",
        ],
    ),
    ("no Secret", "{}", &["{ auth: { apiKeySecret: { name: none } } }"]),
    (
        "nothing there",
        "{}",
        &[
            "{ components: { all: { env: [{ name: A, valueFrom: { secretKeyRef: { name: none, key: k } } }] } } }",
            "{ components: { all: { envFrom: [{ configMapRef: { name: none } }] } } }",
            "{ components: { all: { priorityClassName: none } } }",
            "{ imagePullSecrets: [{ name: none }] }",
        ],
    ),
    (
        "probes",
        "{}",
        &[
            "{ components: { all: { probes: { mode: Tcp } } } }",
            "{ components: { all: { probes: { mode: Grpc } } } }",
            "{ components: { all: { probes: { mode: Exec, command: ['false'] } } } }",
            "{ components: { all: { probes: { liveness: { enabled: false }, readiness: { enabled: false }, startup: { enabled: false } } } } }",
        ],
    ),
    (
        "configuration",
        "{ config: { check: {} } }",
        &[
            "{ config: { check: {}, logLevels: { root: DEBUG } } }",
            "{ config: { check: { enabled: false }, overlay: { 'a.b': 1, c: { d: [1, 2] } } } }",
        ],
    ),
    (
        "stopped",
        "{ backup: { suspend: false }, operation: { stopped: false, paused: false } }",
        &[
            "{ backup: {}, operation: { stopped: true } }",
            "{ backup: {}, operation: { paused: true } }",
            "{ backup: { suspend: true } }",
            "{ backup: { schedule: '0 4 * * 0' } }",
        ],
    ),
    (
        "patches",
        "{}",
        &[
            "{ patches: [{ target: { kind: Deployment, name: logpilot-all }, patch: { spec: { template: { metadata: { annotations: { a: b } } } } } }] }",
            "{ patches: [{ target: { kind: Service, name: none }, patch: { metadata: { labels: { a: b } } } }] }",
            "{ patches: [{ target: { kind: Deployment, name: logpilot-all }, patch: { spec: { template: { spec: { hostNetwork: true } } } } }] }",
        ],
    ),
];
