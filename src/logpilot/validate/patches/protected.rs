//! Paths that no patch may change: what the operator depends on, and what a field of the spec
//! controls.

use crate::{
    logpilot::labels,
    workload::patch::protected::{Protection, Row},
};

pub(super) const PROTECTION: Protection = Protection {
    rows: PROTECTED,
    label: |key| labels::is_reserved(key) || key.starts_with("pod-security.kubernetes.io/"),
    annotation: |key| key.starts_with("logpilot.io/") || key.starts_with("argocd.argoproj.io/"),
};

/// Kind (`None`: all kinds), path, and what to do instead.
const PROTECTED: &[Row] = &[
    (None, &["apiVersion"], "identifies the object"),
    (None, &["kind"], "identifies the object"),
    (None, &["status"], "is written by Kubernetes"),
    (None, &["spec", "selector"], "is immutable: the operator would lose the objects that it selects"),
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
        "prevents two backups from pruning at the same time and must not change",
    ),
    (Some("Service"), &["spec", "clusterIP"], "cannot be changed"),
    (Some("Service"), &["spec", "clusterIPs"], "cannot be changed"),
    (
        Some("Service"),
        &["spec", "externalIPs"],
        "allows a Service to receive traffic of other addresses; use `loadBalancer`",
    ),
    (Some("Service"), &["spec", "externalName"], "redirects clients to another host"),
    (
        Some("HorizontalPodAutoscaler"),
        &["spec", "scaleTargetRef"],
        "identifies the Deployment that the autoscaler scales",
    ),
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
    (
        Some("NetworkPolicy"),
        &["spec", "podSelector"],
        "is immutable: the pods that it selects would lose their protection",
    ),
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
    (
        Some("LimitRange"),
        &["spec", "limits"],
        "determines which resources pods must set; use `limits.defaults`",
    ),
    (
        Some("ResourceQuota"),
        &["spec", "hard"],
        "determines which resources pods must set; use `limits.quota`",
    ),
    (Some("Job"), &["spec", "parallelism"], "must not change, because only one pod may access the data"),
    (Some("Job"), &["spec", "completions"], "must not change, because the work is done once"),
    (
        Some("CronJob"),
        &["spec", "jobTemplate", "spec", "parallelism"],
        "must not change, because only one pod may access the backups",
    ),
    (
        Some("CronJob"),
        &["spec", "jobTemplate", "spec", "completions"],
        "must not change, because the work is done once",
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
