//! Dependencies between the objects of a plan.

use super::*;
use crate::engine::dependencies;

/// Returns one line for each object that depends on others, in the order of the writes.
fn lines(spec: &str) -> Vec<String> {
    let facts = Facts {
        api_key: crate::logpilot::facts::ApiKeyFact::Generate {
            value: crate::logpilot::facts::Redacted("k".into()),
            hash: "h".into(),
        },
        ..Facts::default()
    };
    let plan = plan(&cluster(spec), &facts);
    let objects = plan.in_apply_order();
    let name = |planned: &Planned| {
        let name = crate::workload::names::without_hash(&planned.key.name).unwrap_or(&planned.key.name);
        format!("{} {name}", planned.kind.kind)
    };
    let all = dependencies::of(&objects);
    let batches = dependencies::batches(&objects, &all);
    let of = |place: &usize| {
        let targets: Vec<String> = all[*place].iter().map(|target| name(objects[*target])).collect();
        (!targets.is_empty()).then(|| format!("{}: {}", name(objects[*place]), targets.join(", ")))
    };
    batches.iter().flatten().filter_map(of).collect()
}

#[test]
fn every_object_lists_what_it_acts_on() {
    let found = lines(
        "
components:
  all: { autoscaling: { maxReplicas: 3 }, loadBalancer: {}, nodePort: {}, podDisruptionBudget: { maxUnavailable: 1 } }
exposure:
  ingress:
    className: nginx
    rules: [{ host: a.example.com }, { host: b.example.com, protocol: Grpc }]
    tls: { secretName: t }
  gateway:
    className: envoy
    rules: [{ host: c.example.com }, { host: d.example.com, protocol: Grpc }]
monitoring: { serviceMonitor: {}, rules: {}, dashboards: {} }
backup: {}
restore: { requestId: r, from: logpilot-20260102T030001.000Z.db }
limits: { defaults: {} }
",
    );
    let pod = "ServiceAccount logpilot, PersistentVolumeClaim logpilot-data";
    let deployment = "Deployment logpilot-all";
    let mut wanted = vec![
        format!("CronJob logpilot-backup: {pod}, PersistentVolumeClaim logpilot-backup"),
        format!("Job logpilot-restore: {pod}, PersistentVolumeClaim logpilot-backup"),
        format!("{deployment}: Secret logpilot-api-key, {pod}, ConfigMap logpilot-all-config"),
    ];
    for kind in [
        "Service logpilot-all",
        "Service logpilot-all-loadbalancer",
        "Service logpilot-all-nodeport",
        "HorizontalPodAutoscaler logpilot-all",
        "PodDisruptionBudget logpilot-all",
        "NetworkPolicy logpilot-all",
    ] {
        wanted.push(format!("{kind}: {deployment}"));
    }
    for kind in ["Ingress logpilot", "Ingress logpilot-grpc"] {
        wanted.push(format!("{kind}: Service logpilot-all"));
    }
    for kind in ["HTTPRoute logpilot", "GRPCRoute logpilot"] {
        wanted.push(format!("{kind}: Service logpilot-all, Gateway logpilot"));
    }
    wanted.push("ServiceMonitor logpilot: Service logpilot-all".to_owned());
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    assert_eq!(sorted(found), sorted(wanted));
}

#[test]
fn user_named_objects_are_no_dependencies() {
    let found = lines(
        "
auth: { apiKeySecret: { name: mine } }
imagePullSecrets: [{ name: login }]
components: { all: { envFrom: [{ secretRef: { name: more } }] } }
storage: { volume: { existingClaim: mine } }
backup: { volume: { existingClaim: nfs } }
exposure: { gateway: { parentRefs: [{ name: logpilot, namespace: infra }], rules: [{ host: a.example.com }] } }
monitoring: { podMonitor: {} }
",
    );
    let deployment = "Deployment logpilot-all";
    let mut wanted = vec![
        "CronJob logpilot-backup: ServiceAccount logpilot".to_owned(),
        format!("{deployment}: ServiceAccount logpilot, ConfigMap logpilot-all-config"),
        "HTTPRoute logpilot: Service logpilot-all".to_owned(),
    ];
    for kind in ["Service logpilot-all", "NetworkPolicy logpilot-all", "PodMonitor logpilot"] {
        wanted.push(format!("{kind}: {deployment}"));
    }
    for line in wanted {
        assert!(found.contains(&line), "{line} in {found:#?}");
    }
    assert!(
        !found.iter().any(|line| line.contains("mine") || line.contains("nfs") || line.contains("Gateway"))
    );
}

/// Each component waits only for its own volume.
#[test]
fn separate_volumes_hold_only_their_component() {
    let found = lines(
        "{ environment: Development, components: { all: {}, rest: {} }, storage: { sharing: PerComponent } }",
    );
    for component in ["all", "rest"] {
        let line = format!(
            "Deployment logpilot-{component}: Secret logpilot-api-key, ServiceAccount logpilot, \
             PersistentVolumeClaim logpilot-{component}-data, ConfigMap logpilot-{component}-config"
        );
        assert!(found.contains(&line), "{line} in {found:#?}");
    }
}
