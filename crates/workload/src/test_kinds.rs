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
    grant_annotation: "toys.example.com/grant",
    hosts_annotation: "toys.example.com/hosts",
    template_annotation: "toys.example.com/template",
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
    nature: Nature,
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
        nature,
        purpose: "",
        domain: &DOMAIN,
        observe,
    }
}

const fn plain(
    group: &'static str,
    kind_name: &'static str,
    plural: &'static str,
    observe: fn(&Value, &Domain) -> Observed,
) -> Kind {
    kind(group, kind_name, plural, Nature::Plain, observe)
}

pub static DEPLOYMENT: Kind =
    kind("apps", "Deployment", "deployments", Nature::Workload, Observed::of::<health::Deployment>);
pub static POD: Kind = plain("", "Pod", "pods", Observed::of::<health::Pod>);
pub static CLAIM: Kind =
    plain("", "PersistentVolumeClaim", "persistentvolumeclaims", Observed::of::<health::Claim>);
pub static JOB: Kind = plain("batch", "Job", "jobs", Observed::of::<health::Job>);
pub static REPLICA_SET: Kind = plain("apps", "ReplicaSet", "replicasets", Observed::of::<health::ReplicaSet>);

const GATEWAY: &str = "gateway.networking.k8s.io";

/// Every kind of which something is read, and one of which nothing is.
pub static KINDS: &[&Kind] = &[
    &plain("", "Namespace", "namespaces", Observed::of::<health::Namespace>),
    &plain("", "PersistentVolumeClaim", "persistentvolumeclaims", Observed::of::<health::Claim>),
    &plain("", "ConfigMap", "configmaps", Observed::nothing),
    &DEPLOYMENT,
    &POD,
    &JOB,
    &REPLICA_SET,
    &plain("", "Service", "services", Observed::of::<health::Service>),
    &plain("batch", "CronJob", "cronjobs", Observed::of::<health::CronJob>),
    &plain("discovery.k8s.io", "EndpointSlice", "endpointslices", Observed::of::<health::Slice>),
    &plain(
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        Observed::of::<health::Autoscaler>,
    ),
    &plain(GATEWAY, "Gateway", "gateways", Observed::of::<health::Gateway>),
    &plain(GATEWAY, "HTTPRoute", "httproutes", Observed::of::<health::Route>),
];
