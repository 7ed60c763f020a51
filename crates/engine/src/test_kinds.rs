//! A kind table for unit tests.

use crate::{
    kind::{Domain, Kind, Management, Nature},
    resource::ResourceKind,
};

pub static DOMAIN: Domain = Domain {
    field_manager: "toy-operator",
    owner_group: "toys.example.com",
    resources: &[&FLEET, &TOY],
    handed_over: ("toys.example.com/replicas", "autoscaled"),
    main_container: "toy",
    volume_label: "toys.example.com/volume",
    restores_annotation: "toys.example.com/restores",
    grant_annotation: "toys.example.com/grant",
};

/// A cluster-scoped kind of resource.
pub static FLEET: ResourceKind = ResourceKind {
    group: "toys.example.com",
    version: "v1",
    kind: "Fleet",
    plural: "fleets",
    namespaced: false,
    label: "toys.example.com/fleet",
    watch: "fleets",
    field_manager: "toy-operator",
};

/// A namespaced one.
pub static TOY: ResourceKind = ResourceKind {
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
    management: Management,
    nature: Nature,
) -> Kind {
    let namespaced = !matches!(nature, Nature::Namespace);
    Kind {
        group,
        version: "v1",
        kind,
        plural,
        namespaced,
        optional: false,
        wave: 1,
        management,
        nature,
        purpose: "",
        domain: &DOMAIN,
    }
}

pub static NAMESPACE: Kind = kind("", "Namespace", "namespaces", Management::Retained, Nature::Namespace);
pub static CLAIM: Kind =
    kind("", "PersistentVolumeClaim", "persistentvolumeclaims", Management::Retained, Nature::Plain);
pub static CONFIG_MAP: Kind = kind("", "ConfigMap", "configmaps", Management::Managed, Nature::Configuration);
pub static DEPLOYMENT: Kind =
    kind("apps", "Deployment", "deployments", Management::Managed, Nature::Workload);
pub static POD: Kind = kind("", "Pod", "pods", Management::ReadOnly, Nature::Plain);
pub static JOB: Kind = kind("batch", "Job", "jobs", Management::RunToCompletion, Nature::Plain);
static REPLICA_SET: Kind = kind("apps", "ReplicaSet", "replicasets", Management::ReadOnly, Nature::Plain);
static SERVICE: Kind = kind("", "Service", "services", Management::Managed, Nature::Plain);
static CRON_JOB: Kind = kind("batch", "CronJob", "cronjobs", Management::Managed, Nature::Plain);
static SLICE: Kind =
    kind("discovery.k8s.io", "EndpointSlice", "endpointslices", Management::ReadOnly, Nature::Plain);
static AUTOSCALER: Kind = kind(
    "autoscaling",
    "HorizontalPodAutoscaler",
    "horizontalpodautoscalers",
    Management::Managed,
    Nature::Plain,
);
static GATEWAY: Kind =
    kind("gateway.networking.k8s.io", "Gateway", "gateways", Management::Managed, Nature::Plain);
static ROUTE: Kind =
    kind("gateway.networking.k8s.io", "HTTPRoute", "httproutes", Management::Managed, Nature::Plain);

/// Every kind of which something is read, and one of which nothing is.
pub static KINDS: &[&Kind] = &[
    &NAMESPACE,
    &CLAIM,
    &CONFIG_MAP,
    &DEPLOYMENT,
    &POD,
    &JOB,
    &REPLICA_SET,
    &SERVICE,
    &CRON_JOB,
    &SLICE,
    &AUTOSCALER,
    &GATEWAY,
    &ROUTE,
];
