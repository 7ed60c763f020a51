//! Warnings about specs that work, but perhaps not as the user expects. They are reported and never
//! rejected.

mod env;
mod ignored;
mod network;
mod quota;

use k8s_openapi::apimachinery::pkg::{api::resource::Quantity, util::intstr::IntOrString};

use super::model::{Cluster, Component};
use crate::{
    api::status::{Problem, Severity},
    reasons::{
        CORS_UNSUPPORTED, DRAIN_BLOCKED, DRAIN_INTERRUPTS, GRPC_INGRESS_UNSUPPORTED,
        GRPC_PROBE_UNAUTHENTICATED, IMAGE_TAG_LATEST, MEMORY_LIMIT_LOW, RATE_LIMIT_UNSUPPORTED,
        REWRITE_UNSUPPORTED, STARTUP_BUDGET_SHORT, STORAGE_SINGLE_NODE,
    },
    workload::{
        build::ingress_nginx,
        model::{PdbPolicy, ProbeType, Protocol},
        quantity,
    },
};

pub use env::{ENV_IGNORED, instead};
pub use ignored::{SCRAPE_INTERVAL_LONG, SCRAPED_TWICE, SCRATCH_LIMITED, SETTING_IGNORED};
pub use network::CLIENTS_MAY_BE_CUT;
pub use quota::QUOTA_TOO_SMALL;

/// Resident memory exceeds 286 MiB during large reads, even with a small heap.
const LEAST_MEMORY: i128 = quantity::units(320 * 1024 * 1024);
/// CPU seconds from start to ready: 13 were measured at limits from 100m to 300m; the rest is a margin
/// for slower machines. With the default startup probe of 110 s this requires 200m.
const START_CPU_SECONDS: i128 = 22;

/// Returns all warnings in a stable order.
#[must_use]
pub fn warnings(cluster: &Cluster) -> Vec<Problem> {
    let mut found = Vec::new();
    found.extend(claims_in_use(cluster).iter().flat_map(|claim| storage(cluster, claim)));
    found.extend(cluster.components.iter().flat_map(|component| of_component(cluster, component)));
    found.extend(of_ingress(cluster));
    found.extend(network::warnings(cluster));
    found.extend(quota::warning_of(cluster));
    found.extend(ignored::warnings(cluster));
    found.extend(cluster.components.iter().flat_map(|component| env::warnings(cluster, component)));
    found
}

/// Returns the names of the PVCs that pods mount, each once.
fn claims_in_use(cluster: &Cluster) -> Vec<&str> {
    let mut names: Vec<_> = cluster.components.iter().map(|component| component.claim.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn storage(cluster: &Cluster, claim: &str) -> Vec<Problem> {
    let bound: Vec<_> = cluster
        .components
        .iter()
        .filter(|component| component.claim == claim && component.co_scheduled)
        .collect();
    let pods: i32 = bound.iter().map(|component| component.scale.most()).sum();
    if pods < 2 {
        return Vec::new();
    }
    let object = object(cluster, "PersistentVolumeClaim", claim);
    let mut found = vec![warning(
        STORAGE_SINGLE_NODE,
        &object,
        format!("up to {pods} pods mount this PVC and all run on one node"),
        "Accept it, or use `replicas: 1`; SQLite cannot be spread over nodes.",
    )];
    // A budget that the user specified has its own warning if it blocks.
    if bound.iter().any(|component| matches!(component.budget, PdbPolicy::Default | PdbPolicy::Off)) {
        found.push(warning(
            DRAIN_INTERRUPTS,
            &object,
            "a drain of the node that holds this volume stops its pods until the volume is attached elsewhere".into(),
            "Drain when an interruption is acceptable.",
        ));
    }
    found
}

fn of_component(cluster: &Cluster, component: &Component) -> Vec<Problem> {
    let object = object(cluster, "Deployment", &component.name);
    let budget = self::object(cluster, "PodDisruptionBudget", &component.name);
    let limits = &component.resources.limits;
    [
        drain_blocked(component).map(|message| {
            warning(
                DRAIN_BLOCKED,
                &budget,
                message,
                "Use `maxUnavailable: 100%`, or remove `podDisruptionBudget`.",
            )
        }),
        component.image.is_latest().then(|| {
            let message = format!("image '{}' cannot be rolled back", component.image);
            warning(IMAGE_TAG_LATEST, &object, message, "Use a version tag or a digest.")
        }),
        memory_low(limits.get("memory")).map(|message| {
            warning(MEMORY_LIMIT_LOW, &object, message, "Set `resources.limits.memory` to 512Mi.")
        }),
        startup_short(component).map(|message| {
            warning(
                STARTUP_BUDGET_SHORT,
                &object,
                message,
                "Raise `resources.limits.cpu`, or `probes.startup.failureThreshold`.",
            )
        }),
        component.probes.all().any(|probe| matches!(probe.check, ProbeType::Grpc { .. })).then(|| {
            warning(
                GRPC_PROBE_UNAUTHENTICATED,
                &object,
                "a gRPC probe cannot send the API key, so the pods may never be ready".into(),
                "Use `probes.mode: ActuatorGroups` unless this server answers health without a key.",
            )
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A budget blocks drains if it allows no eviction at all. It also does if the pods are bound to one
/// node, unless it allows the eviction of all of them: the replacements stay Pending until the last old
/// pod has terminated.
fn drain_blocked(component: &Component) -> Option<String> {
    let most = component.scale.most();
    let may_go = match &component.budget {
        PdbPolicy::Default | PdbPolicy::Off => return None,
        PdbPolicy::MinAvailable(count) => most - pods(count, most),
        PdbPolicy::MaxUnavailable(count) => pods(count, most),
    };
    if component.co_scheduled && may_go < most {
        return Some(format!(
            "it allows the eviction of {may_go} of {most} pods, but all run on one node and none can be replaced until all have terminated"
        ));
    }
    (most > 0 && may_go <= 0).then(|| format!("it never allows the eviction of any of {most} pods"))
}

/// Returns a number of pods; percentages are rounded up, as the disruption controller does.
fn pods(count: &IntOrString, of: i32) -> i32 {
    match count {
        IntOrString::Int(number) => *number,
        IntOrString::String(text) => {
            let percent: i32 = text.trim_end_matches('%').parse().unwrap_or(0);
            (of * percent + 99) / 100
        }
    }
}

fn memory_low(limit: Option<&Quantity>) -> Option<String> {
    let limit = limit?;
    let low = quantity::parse(limit)? < LEAST_MEMORY;
    low.then(|| format!("memory limit '{}' is below the 320Mi that the server needs under load", limit.0))
}

fn startup_short(component: &Component) -> Option<String> {
    let limit = component.resources.limits.get("cpu")?;
    let probe = &component.probes.startup.as_ref()?.timing;
    let budget = i128::from(probe.initial_delay) + i128::from(probe.period) * i128::from(probe.failures);
    let short = START_CPU_SECONDS * quantity::units(1) > budget * quantity::parse(limit)?;
    short.then(|| {
        format!(
            "at a CPU limit of '{}' a start may take longer than the {budget} s of the startup probe",
            limit.0
        )
    })
}

fn of_ingress(cluster: &Cluster) -> Vec<Problem> {
    let Some(ingress) = &cluster.ingress else { return Vec::new() };
    let object = object(cluster, "Ingress", &cluster.scope.prefix.ingress());
    let known = ingress_nginx::speaks(ingress.class_name.as_deref());
    let class = match &ingress.class_name {
        Some(name) => format!("class '{name}'"),
        None => "the default class, which the spec does not name,".to_owned(),
    };
    let grpc = ingress.routes.iter().any(|route| route.protocol == Protocol::Grpc);
    let http = ingress.routes.iter().any(|route| route.protocol == Protocol::Http);
    let mut found = Vec::new();
    if ingress.requests_per_second.is_some() && !known {
        found.push(warning(
            RATE_LIMIT_UNSUPPORTED,
            &object,
            format!("the operator knows no rate limit setting for {class}; `rateLimit` has no effect"),
            "Set `className: nginx`, or the controller's own annotation in `annotations`.",
        ));
    }
    if ingress.cors.is_some() && !(known && http) {
        found.push(warning(
            CORS_UNSUPPORTED,
            &object,
            if known {
                "no rule serves HTTP; `cors` has no effect".to_owned()
            } else {
                format!("the operator knows no CORS setting for {class}; `cors` has no effect")
            },
            "Set `className: nginx`, or the controller's own annotation in `annotations`.",
        ));
    }
    if !known && ingress.routes.iter().any(|route| route.rewrite.is_some()) {
        found.push(warning(
            REWRITE_UNSUPPORTED,
            &object,
            format!(
                "the operator knows no rewrite for {class}; requests keep their path, and `rewrite` has no effect"
            ),
            "Set `className: nginx`, the controller's own annotation in `annotations`, or use `gateway`.",
        ));
    }
    if grpc && !(known && ingress.tls.is_some()) {
        found.push(warning(
            GRPC_INGRESS_UNSUPPORTED,
            &self::object(cluster, "Ingress", &cluster.scope.prefix.grpc_ingress()),
            if known {
                "without `tls` the controller speaks HTTP/1.1 to clients, which cannot carry gRPC".to_owned()
            } else {
                format!("the operator knows no gRPC backend setting for {class}")
            },
            "Set `tls` and `className: nginx`, or use `loadBalancer`.",
        ));
    }
    found
}

fn object(cluster: &Cluster, kind: &str, name: &str) -> String {
    format!("{kind} {}/{name}", cluster.namespace.name)
}

fn warning(reason: &str, object: &str, message: String, action: &str) -> Problem {
    Problem {
        severity: Severity::Warning,
        reason: reason.to_owned(),
        object: object.to_owned(),
        node: None,
        message,
        action: action.to_owned(),
    }
}
