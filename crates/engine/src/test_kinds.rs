//! A kind table for unit tests.

use crate::{
    kind::{Domain, Kind, Management, Nature},
    observed::Observed,
    resource::ResourceKind,
};

pub static DOMAIN: Domain = Domain {
    field_manager: "toy-operator",
    owner_group: "toys.example.com",
    resources: &[&FLEET, &TOY],
    handed_over: ("toys.example.com/replicas", "autoscaled"),
    main_container: "toy",
    volume_label: "toys.example.com/volume",
    template_annotation: "toys.example.com/template",
    restores_annotation: "toys.example.com/restores",
    grant_annotation: "toys.example.com/grant",
    hosts_annotation: "toys.example.com/hosts",
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

/// A namespaced kind of resource.
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
        observe: Observed::nothing,
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
