//! A kind table for unit tests.

use engine::{
    kind::{Domain, Kind, Management, Nature},
    observed::Observed,
    resource::ResourceKind,
};
use serde_json::Value;

use crate::health;

pub static DOMAIN: Domain = Domain {
    field_manager: "toy-operator",
    owner_group: "toys.example.com",
    resources: &[&TOY],
    handed_over: ("toys.example.com/replicas", "autoscaled"),
    main_container: "toy",
    volume_label: "toys.example.com/volume",
    restores_annotation: "toys.example.com/restores",
};

static TOY: ResourceKind = ResourceKind {
    group: "toys.example.com",
    version: "v1",
    kind: "Toy",
    plural: "toys",
    namespaced: true,
    label: "toys.example.com/toy",
    watch: "toys",
    field_manager: "toy-operator",
};

const fn kind(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    observe: fn(&Value, &Domain) -> Observed,
) -> Kind {
    Kind {
        group,
        version: "v1",
        kind,
        plural,
        namespaced: true,
        optional: false,
        wave: 1,
        management: Management::Managed,
        nature: Nature::Plain,
        purpose: "",
        domain: &DOMAIN,
        observe,
    }
}

const GATEWAY: &str = "gateway.networking.k8s.io";

/// Every kind of which something is read, and one of which nothing is.
pub static KINDS: &[&Kind] = &[
    &kind("", "Namespace", "namespaces", Observed::of::<health::Namespace>),
    &kind("", "PersistentVolumeClaim", "persistentvolumeclaims", Observed::of::<health::Claim>),
    &kind("", "ConfigMap", "configmaps", Observed::nothing),
    &kind("apps", "Deployment", "deployments", Observed::of::<health::Deployment>),
    &kind("", "Pod", "pods", Observed::of::<health::Pod>),
    &kind("batch", "Job", "jobs", Observed::of::<health::Job>),
    &kind("apps", "ReplicaSet", "replicasets", Observed::of::<health::ReplicaSet>),
    &kind("", "Service", "services", Observed::of::<health::Service>),
    &kind("batch", "CronJob", "cronjobs", Observed::of::<health::CronJob>),
    &kind("discovery.k8s.io", "EndpointSlice", "endpointslices", Observed::of::<health::Slice>),
    &kind(
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        Observed::of::<health::Autoscaler>,
    ),
    &kind(GATEWAY, "Gateway", "gateways", Observed::of::<health::Gateway>),
    &kind(GATEWAY, "HTTPRoute", "httproutes", Observed::of::<health::Route>),
];
