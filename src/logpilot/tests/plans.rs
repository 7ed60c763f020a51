//! Whole plans, as the command line prints them.

use std::fmt::Write;

use super::*;
use crate::{
    engine::plan::Replicas,
    logpilot::facts::{ApiKeyFact, NamespaceFact, Redacted},
};

/// Prints every object in apply order, with what the engine knows in addition to the body.
fn print(plan: &Plan) -> String {
    let mut text = String::new();
    for planned in plan.in_apply_order() {
        let replicas = match planned.replicas {
            Replicas::Planned => String::new(),
            autoscaled => format!(" {autoscaled:?}"),
        };
        writeln!(text, "--- # {planned}{replicas}").expect("to memory");
        text.push_str(&serde_yaml::to_string(&planned.body).expect("YAML"));
    }
    text
}

macro_rules! snapshot {
    ($test:ident, $spec:expr) => {
        snapshot!($test, $spec, Facts::default());
    };
    ($test:ident, $spec:expr, $facts:expr) => {
        #[test]
        fn $test() {
            insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
                insta::assert_snapshot!(print(&plan(&cluster($spec), &$facts)));
            });
        }
    };
}

snapshot!(quickstart, "{ environment: Development }");

snapshot!(three_modes_on_one_volume, "{ components: { all: {}, rest: {}, grpc: {} } }");

snapshot!(
    separate_volumes,
    "
environment: Development
components:
  rest: { volume: { size: 7Gi } }
  grpc: {}
storage:
  sharing: PerComponent
  volume: { storageClassName: fast, deletionPolicy: Delete }
namespace: { name: logs, labels: { team: a }, podSecurity: Baseline, deletionPolicy: Delete }
"
);

snapshot!(
    exposed_with_nginx,
    "
components:
  all:
    replicas: 1
    loadBalancer:
      annotations: { service.beta.kubernetes.io/aws-load-balancer-type: nlb }
      class: example.com/lb
      sourceRanges: [10.0.0.0/8]
    nodePort: { http: 30080, grpc: 30051 }
exposure:
  ingress:
    className: nginx
    annotations: { nginx.ingress.kubernetes.io/proxy-body-size: 8m }
    rules:
      - { host: logpilot.example.com }
      - { host: logpilot.example.com, path: /v2 }
      - { host: grpc.example.com, protocol: Grpc }
    tls: { secretName: logpilot-tls-secret, issuerRef: { kind: ClusterIssuer, name: letsencrypt-prod } }
    cors: {}
    rateLimit: { requestsPerSecond: 100 }
"
);

snapshot!(
    autoscaled_over_nodes,
    "
components:
  rest:
    autoscaling:
      maxReplicas: 10
      targetMemoryUtilizationPercentage: 80
      behavior:
        scaleDown: { stabilizationWindowSeconds: 300, policies: [{ type: Percent, value: 50, periodSeconds: 60 }] }
storage:
  volume: { accessMode: ReadWriteMany }
  allowUnsafe: [SqliteOnSharedFilesystem]
"
);

snapshot!(
    monitored_by_prometheus_and_grafana,
    "
systemNamespace: { name: monitoring }
components: { all: { replicas: 1 } }
monitoring:
  podMonitor: { interval: 15s }
  scrapeAnnotations: {}
  rules:
    labels: { release: prometheus }
    alertLabels: { team: logs }
    alertAnnotations: { dashboard: 'https://grafana.example.com/d/logs' }
    runbookUrl: https://docs.example.com/runbooks
    thresholds: { memoryPercent: 90, latencyMilliseconds: 1500 }
"
);

snapshot!(
    file_storage_with_everything_set,
    "
nameOverride: team-a
environment: Staging
image: docker.io/danpung2/logpilot:1.2.0
imageRegistry: registry.example.com/hub
imagePullPolicy: IfNotPresent
imagePullSecrets: [{ name: regcred }]
commonLabels: { team: a }
commonAnnotations: { owner: a@example.com }
serviceAccount: { annotations: { eks.amazonaws.com/role-arn: 'arn:aws:iam::1:role/a' } }
auth: { apiKeySecret: { name: my-key, key: token } }
storage: { backend: File, volume: { existingClaim: old-data } }
systemNamespace: { name: logpilot-system }
monitoring: { serviceMonitor: { interval: 15s, labels: { release: prometheus } } }
config:
  serverRateLimit: { capacity: 1000, refillTokens: 500, refillSeconds: 30 }
  logLevels: { com.logpilot: DEBUG }
  overlay: { spring: { jackson: { serialization: { write-dates-as-timestamps: false } } } }
components:
  grpc:
    image: docker.io/danpung2/logpilot:1.2.1
    replicas: 1
    resources: { requests: { cpu: 200m, memory: 300Mi, ephemeral-storage: 1Gi }, limits: { cpu: 1, memory: 1Gi } }
    probes: { mode: Exec, command: [/bin/check], startup: { failureThreshold: 30 }, readiness: { enabled: false } }
    minReadySeconds: 5
    progressDeadlineSeconds: 900
    revisionHistoryLimit: 3
    terminationGracePeriodSeconds: 8
    podDisruptionBudget: { minAvailable: 1 }
    env:
      - { name: JAVA_TOOL_OPTIONS, value: -Xmx128m }
      - { name: NODE, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }
      - { name: TOKEN, valueFrom: { secretKeyRef: { name: s, key: k, optional: true } } }
    envFrom: [{ configMapRef: { name: extra } }, { prefix: X_, secretRef: { name: more } }]
    podLabels: { tier: back }
    podAnnotations: { note: x }
    nodeSelector: { disk: ssd }
    tolerations: [{ key: dedicated, operator: Equal, value: logs, effect: NoExecute, tolerationSeconds: 60 }]
    topologySpread: [{ topologyKey: topology.kubernetes.io/zone, maxSkew: 2, whenUnsatisfiable: DoNotSchedule }]
    priorityClassName: high
",
    Facts {
        namespace: NamespaceFact::Foreign,
        api_key: ApiKeyFact::Present { hash: "0123456789".into() },
        ..Facts::default()
    }
);

snapshot!(
    nightly_backup,
    "
environment: Development
backup:
  schedule: '30 2 * * *'
  timeZone: Asia/Seoul
  retention: { count: 14 }
  volume: { size: 50Gi, storageClassName: slow }
"
);

snapshot!(
    backup_to_a_bucket,
    "
environment: Development
storage: { volume: { size: 30Gi } }
backup:
  s3:
    bucket: logs
    endpoint: https://minio.example.com:9000
    credentialsSecret: { name: minio }
    caConfigMap: { name: ours }
"
);

/// An apply keeps port fields that it does not name. Two ports with one node port are rejected with
/// error 500.
#[test]
fn a_moved_node_port_leaves_the_other_port() {
    for (given, has, planned) in [
        ("{ http: 30007 }", (30_001, 30_007), (Some(30_007), Some(0))),
        ("{ grpc: 30007 }", (30_007, 30_001), (Some(0), Some(30_007))),
        ("{ http: 30007 }", (30_007, 30_001), (Some(30_007), None)),
        ("{}", (30_001, 30_007), (None, None)),
    ] {
        let cluster = cluster(&format!("components: {{ all: {{ replicas: 1, nodePort: {given} }} }}"));
        let held = [(8080, has.0), (50051, has.1)].into();
        let facts =
            Facts { node_ports: [("logpilot-all-nodeport".to_owned(), held)].into(), ..Facts::default() };
        let plan = plan(&cluster, &facts);
        let ports = &object(&plan, "Service", "logpilot-all-nodeport").body["spec"]["ports"];
        let seen = (ports[0]["nodePort"].as_i64(), ports[1]["nodePort"].as_i64());
        assert_eq!(seen, planned, "{given}: {ports:#}");
    }
}

#[test]
fn a_generated_key_is_only_in_its_secret() {
    let facts = Facts {
        api_key: ApiKeyFact::Generate { value: Redacted("s3cr3t-value".into()), hash: "abcdef0123".into() },
        ..Facts::default()
    };
    let plan = plan(&cluster("{}"), &facts);
    let secret = object(&plan, "Secret", "logpilot-api-key");
    assert_eq!(secret.body["data"]["api-key"], "czNjcjN0LXZhbHVl");
    assert_eq!(secret.body["metadata"]["ownerReferences"][0]["uid"], "11111111-2222-3333-4444-555555555555");
    for planned in plan.objects.iter().filter(|planned| planned.kind.kind != "Secret") {
        let text = planned.body.to_string();
        assert!(!text.contains("s3cr3t-value") && !text.contains("czNjcjN0"), "{planned}");
    }
}

#[test]
fn first_reading_a_generated_key_rolls_no_pod() {
    let template = |api_key| {
        let plan = plan(&cluster("{}"), &Facts { api_key, ..Facts::default() });
        object(&plan, "Deployment", "logpilot-all").body["spec"]["template"].clone()
    };
    let hash = "abcdef0123".to_owned();
    let made = template(ApiKeyFact::Generate { value: Redacted("k".into()), hash: hash.clone() });
    assert_eq!(made, template(ApiKeyFact::Present { hash }));
    assert_eq!(made["metadata"]["annotations"]["logpilot.io/api-key-hash"], "abcdef0123");
}

#[test]
fn an_unusable_key_holds_only_the_servers() {
    let facts = Facts { api_key: ApiKeyFact::Invalid { message: "empty".into() }, ..Facts::default() };
    for planned in &plan(&cluster("{ components: { all: {}, rest: {} } }"), &facts).objects {
        let wanted = (planned.kind.kind == "Deployment").then_some("ApiKeyInvalid");
        assert_eq!(planned.held, wanted, "{planned}");
    }
}

#[test]
fn a_user_named_key_is_never_created() {
    let facts = Facts {
        api_key: ApiKeyFact::Generate { value: Redacted("k".into()), hash: "h".into() },
        ..Facts::default()
    };
    let plan = plan(&cluster("{ auth: { apiKeySecret: { name: mine } } }"), &facts);
    assert_eq!(names(&plan, "Secret"), [""; 0]);
}

#[test]
fn foreign_or_terminating_namespaces_are_not_written() {
    let spec = "{ systemNamespace: { name: system } }";
    for (servers, system, wanted) in [
        (NamespaceFact::Absent, NamespaceFact::Absent, vec!["logpilot", "system"]),
        (NamespaceFact::Ours, NamespaceFact::Foreign, vec!["logpilot"]),
        (NamespaceFact::Foreign, NamespaceFact::Ours, vec!["system"]),
        (NamespaceFact::Terminating, NamespaceFact::Terminating, vec![]),
    ] {
        let facts = Facts { namespace: servers, system_namespace: system, ..Facts::default() };
        assert_eq!(names(&plan(&cluster(spec), &facts), "Namespace"), wanted);
    }
}

#[test]
fn data_is_owned_only_with_policy_delete() {
    let delete = "{ namespace: { deletionPolicy: Delete }, storage: { volume: { deletionPolicy: Delete } } }";
    let owned = |spec: &str, shared: bool, kind: &str, name: &str| {
        let plan = plan(&cluster(spec), &Facts { namespace_shared: shared, ..Facts::default() });
        let metadata = &object(&plan, kind, name).body["metadata"];
        let kept = &metadata["annotations"]["argocd.argoproj.io/sync-options"];
        assert_eq!(metadata["ownerReferences"].is_null(), *kept == "Prune=false,Delete=false");
        !metadata["ownerReferences"].is_null()
    };
    assert!(!owned("{}", false, "Namespace", "logpilot"));
    assert!(!owned("{}", false, "PersistentVolumeClaim", "logpilot-data"));
    assert!(owned(delete, false, "Namespace", "logpilot"));
    assert!(owned(delete, false, "PersistentVolumeClaim", "logpilot-data"));
    assert!(!owned(delete, true, "Namespace", "logpilot"), "held while another cluster lives in it");
    assert!(owned(delete, true, "PersistentVolumeClaim", "logpilot-data"));
}

#[test]
fn a_lost_pvc_is_not_recreated() {
    let facts =
        Facts { lost_claims: [("logpilot-data".to_owned(), "u".to_owned())].into(), ..Facts::default() };
    assert_eq!(names(&plan(&cluster("{}"), &facts), "PersistentVolumeClaim"), [""; 0]);
}

#[test]
fn one_certificate_covers_every_host() {
    let spec = "
components: { all: { replicas: 1 } }
exposure: { ingress: { className: nginx, tls: { secretName: t, issuerRef: { name: i } }, rules: [
  { host: a.example }, { host: b.example, protocol: Grpc } ] } }";
    let plan = planned(spec);
    let annotation = |name| {
        object(&plan, "Ingress", name).body["metadata"]["annotations"]["cert-manager.io/issuer"].clone()
    };
    assert_eq!(annotation("logpilot"), "i");
    assert!(annotation("logpilot-grpc").is_null());
    let hosts = |name| object(&plan, "Ingress", name).body["spec"]["tls"][0]["hosts"].clone();
    assert_eq!(hosts("logpilot"), json!(["a.example", "b.example"]));
    assert_eq!(hosts("logpilot-grpc"), json!(["b.example"]));
}
