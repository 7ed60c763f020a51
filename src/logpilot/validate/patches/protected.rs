//! What no patch may mention: what keeps the cluster together, and what a field of the spec decides.

use crate::{
    logpilot::labels,
    workload::patch::protected::{Protection, Row},
};

pub(super) const PROTECTION: Protection = Protection {
    rows: PROTECTED,
    label: |key| labels::is_reserved(key) || key.starts_with("pod-security.kubernetes.io/"),
    annotation: |key| key.starts_with("logpilot.io/") || key.starts_with("argocd.argoproj.io/"),
};

/// Kind (none: every kind), path, and what to do instead.
const PROTECTED: &[Row] = &[
    (None, &["apiVersion"], "says which object it is"),
    (None, &["kind"], "says which object it is"),
    (None, &["status"], "is written by Kubernetes"),
    (None, &["spec", "selector"], "is frozen: the objects that it selects would be lost"),
    (
        Some("Deployment"),
        &["spec", "replicas"],
        "is checked against the storage; use `replicas` or `autoscaling` of the component",
    ),
    (
        Some("Deployment"),
        &["spec", "strategy"],
        "is checked against the storage; use `strategy` of the component",
    ),
    (
        Some("Deployment"),
        &["spec", "template", "spec", "affinity", "podAffinity"],
        "keeps pods that share a volume on one node; use `nodeSelector` or node affinity",
    ),
    (
        Some("Service"),
        &["spec", "type"],
        "has fields of its own; use `loadBalancer` or `nodePort` of the component",
    ),
    (Some("CronJob"), &["spec", "schedule"], "decides which backups are kept; use `backup.schedule`"),
    (Some("CronJob"), &["spec", "timeZone"], "has a field of its own; use `backup.timeZone`"),
    (Some("CronJob"), &["spec", "suspend"], "has a field of its own; use `backup.suspend`"),
    (
        Some("CronJob"),
        &["spec", "concurrencyPolicy"],
        "keeps two backups from pruning at once; it has to stay as it is",
    ),
    (Some("Service"), &["spec", "clusterIP"], "cannot be changed"),
    (Some("Service"), &["spec", "clusterIPs"], "cannot be changed"),
    (
        Some("Service"),
        &["spec", "externalIPs"],
        "lets a Service take the traffic of others; use `loadBalancer`",
    ),
    (Some("Service"), &["spec", "externalName"], "sends clients elsewhere"),
    (Some("HorizontalPodAutoscaler"), &["spec", "scaleTargetRef"], "is what the autoscaler is for"),
    (
        Some("HorizontalPodAutoscaler"),
        &["spec", "minReplicas"],
        "has a field of its own; use `autoscaling.minReplicas`",
    ),
    (
        Some("HorizontalPodAutoscaler"),
        &["spec", "maxReplicas"],
        "is checked against the storage; use `autoscaling.maxReplicas`",
    ),
    (Some("NetworkPolicy"), &["spec", "podSelector"], "is frozen: the pods that it selects would be open"),
    (
        Some("NetworkPolicy"),
        &["spec", "policyTypes"],
        "decides whether the policy applies at all; use `networkPolicy.enabled`",
    ),
    (
        Some("PodDisruptionBudget"),
        &["spec", "minAvailable"],
        "decides whether nodes can be drained; use `podDisruptionBudget.minAvailable` of the component",
    ),
    (
        Some("PodDisruptionBudget"),
        &["spec", "maxUnavailable"],
        "decides whether nodes can be drained; use `podDisruptionBudget.maxUnavailable` of the component",
    ),
    (
        Some("Service"),
        &["spec", "loadBalancerSourceRanges"],
        "decides who may connect; use `loadBalancer.sourceRanges` of the component",
    ),
    (
        Some("Service"),
        &["spec", "loadBalancerClass"],
        "cannot be changed; use `loadBalancer.class` of the component",
    ),
    (
        Some("HTTPRoute"),
        &["spec", "hostnames"],
        "is compared with the routes of other resources; use `exposure.gateway.rules`",
    ),
    (
        Some("GRPCRoute"),
        &["spec", "hostnames"],
        "is compared with the routes of other resources; use `exposure.gateway.rules`",
    ),
    (Some("LimitRange"), &["spec", "limits"], "decides what pods have to state; use `limits.defaults`"),
    (Some("ResourceQuota"), &["spec", "hard"], "decides what pods have to state; use `limits.quota`"),
    (Some("Job"), &["spec", "parallelism"], "has to stay as it is: one pod works on the data"),
    (Some("Job"), &["spec", "completions"], "has to stay as it is: the work is done once"),
    (
        Some("CronJob"),
        &["spec", "jobTemplate", "spec", "parallelism"],
        "has to stay as it is: one pod works on the backups",
    ),
    (
        Some("CronJob"),
        &["spec", "jobTemplate", "spec", "completions"],
        "has to stay as it is: the work is done once",
    ),
    (
        Some("PersistentVolumeClaim"),
        &["spec", "accessModes"],
        "cannot be changed; use `storage.volume.accessMode`",
    ),
    (
        Some("PersistentVolumeClaim"),
        &["spec", "resources"],
        "has a field of its own; use `storage.volume.size`",
    ),
    (
        Some("PersistentVolumeClaim"),
        &["spec", "storageClassName"],
        "cannot be changed; use `storage.volume.storageClassName`",
    ),
    (Some("PersistentVolumeClaim"), &["spec", "volumeMode"], "cannot be changed"),
    (Some("ConfigMap"), &["data"], "is named by its hash; use `config.overlay`"),
    (Some("ConfigMap"), &["binaryData"], "is named by its hash; use `config.overlay`"),
    (Some("ConfigMap"), &["immutable"], "is named by its hash; use `config.overlay`"),
];
