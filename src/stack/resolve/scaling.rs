//! How many pods a component has, and their size.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::{
    stack::{
        api::{
            component::{Autoscaling, ComponentKind, ComponentSpec},
            spec::{Defaults, Environment},
        },
        model::Capped,
    },
    workload::{
        api::common::ResourceList,
        model::{Autoscaler, Resources, Scale},
        resolve::{Violations, resources::quantities, scaling::behavior},
    },
};

/// Percent of the request, where no target is given.
const TARGET_CPU: i32 = 70;

/// Replicas, requests and limits of a preset.
struct Preset {
    replicas: i32,
    /// CPU and memory.
    requests: (&'static str, &'static str),
    /// CPU, where there is a limit, and memory.
    limits: (Option<&'static str>, &'static str),
    /// Whether `defaults.autoscaling` is used.
    autoscales: bool,
}

const SMALL: Preset =
    Preset { replicas: 1, requests: ("100m", "256Mi"), limits: (None, "512Mi"), autoscales: true };

fn preset(environment: Option<Environment>) -> Preset {
    match environment {
        None => SMALL,
        Some(Environment::Development) => {
            Preset { limits: (Some("200m"), "512Mi"), autoscales: false, ..SMALL }
        }
        Some(Environment::Staging) => Preset {
            replicas: 2,
            requests: ("250m", "512Mi"),
            limits: (Some("500m"), "1Gi"),
            autoscales: true,
        },
        Some(Environment::Production) => {
            Preset { replicas: 3, requests: ("500m", "1Gi"), limits: (Some("1"), "2Gi"), autoscales: true }
        }
    }
}

/// Returns requests and limits. Values of the spec replace the preset as a whole. Presets do not resize
/// databases.
pub fn resources(
    component: &ComponentSpec,
    defaults: &Defaults,
    environment: Option<Environment>,
) -> Resources {
    let deployment = component.kind() == ComponentKind::Deployment;
    let given = component.resources.as_ref().or(defaults.resources.as_ref().filter(|_| deployment));
    if let Some(given) = given {
        let list = |list: Option<&ResourceList>| list.cloned().map(quantities).unwrap_or_default();
        return Resources { requests: list(given.requests.as_ref()), limits: list(given.limits.as_ref()) };
    }
    let preset = if deployment { preset(environment) } else { SMALL };
    let quantity = |text: &str| Quantity(text.to_owned());
    let pair = |cpu: Option<&str>, memory: &str| {
        let cpu = cpu.map(|cpu| ("cpu".to_owned(), quantity(cpu)));
        cpu.into_iter().chain([("memory".to_owned(), quantity(memory))]).collect()
    };
    Resources {
        requests: pair(Some(preset.requests.0), preset.requests.1),
        limits: pair(preset.limits.0, preset.limits.1),
    }
}

/// The number of pods, and whether `replicaLimits` cut one that the user wrote for this component.
pub fn scale(
    component: &ComponentSpec,
    defaults: &Defaults,
    environment: Option<Environment>,
    resources: &Resources,
    path: &str,
    violations: &mut Violations,
) -> (Scale, Option<Capped>) {
    let kind = component.kind();
    if kind != ComponentKind::Deployment {
        return (Scale::Fixed(component.replicas.unwrap_or(1)), None);
    }
    let preset = preset(environment);
    let limits = component.replica_limits.as_ref();
    let (fewest, most) = (
        limits.and_then(|limits| limits.min).unwrap_or(0),
        limits.and_then(|limits| limits.max).unwrap_or(i32::MAX),
    );
    let cap = |asked: i32, written: bool| {
        let given = asked.clamp(fewest, most.max(fewest));
        let reason = limits.map(|limits| limits.reason.clone()).unwrap_or_default();
        (given, (written && given != asked).then_some(Capped { asked, given, reason }))
    };
    let Some(auto) = autoscaling(component, defaults, &preset) else {
        let written = component.replicas.is_some();
        let asked = component.replicas.or(defaults.replicas).unwrap_or(preset.replicas);
        // Zero pods are always possible: the component is switched off that way.
        let (given, capped) = if asked == 0 { (0, None) } else { cap(asked, written) };
        return (Scale::Fixed(given), capped);
    };
    let Some(asked) = auto.max_replicas else {
        violations.add(
            format!("{path}.autoscaling.maxReplicas"),
            "must be given, here or in `spec.defaults.autoscaling`",
        );
        return (Scale::Fixed(preset.replicas), None);
    };
    let own = component.autoscaling.as_ref();
    let (max, capped) = cap(asked, own.is_some_and(|own| own.max_replicas.is_some()));
    let (min, _) = cap(auto.min_replicas.unwrap_or(preset.replicas), false);
    let min = min.clamp(1, max.max(1));
    if max <= 1 {
        return (Scale::Fixed(1), capped);
    }
    let memory = auto.target_memory_utilization_percentage;
    let cpu = auto.target_cpu_utilization_percentage.or_else(|| memory.is_none().then_some(TARGET_CPU));
    for (name, target) in [("cpu", cpu), ("memory", memory)] {
        violations.require(
            target.is_none() || resources.requests.contains_key(name) || resources.limits.contains_key(name),
            format!("{path}.resources.requests.{name}"),
            format!("must be given: the autoscaler compares the use of {name} with it"),
        );
    }
    let behavior = auto.behavior.as_ref().and_then(behavior);
    (Scale::Autoscaled(Autoscaler { min, max, cpu, memory, behavior }), capped)
}

/// `None` where the number of pods is fixed.
fn autoscaling(component: &ComponentSpec, defaults: &Defaults, preset: &Preset) -> Option<Autoscaling> {
    let own = component.autoscaling.clone();
    if own.is_none() && (component.replicas.is_some() || !preset.autoscales) {
        return None;
    }
    let under = defaults.autoscaling.clone();
    let merged = match (own, under) {
        (Some(own), Some(under)) => Autoscaling {
            enabled: own.enabled.or(under.enabled),
            min_replicas: own.min_replicas.or(under.min_replicas),
            max_replicas: own.max_replicas.or(under.max_replicas),
            target_cpu_utilization_percentage: own
                .target_cpu_utilization_percentage
                .or(under.target_cpu_utilization_percentage),
            target_memory_utilization_percentage: own
                .target_memory_utilization_percentage
                .or(under.target_memory_utilization_percentage),
            behavior: own.behavior.or(under.behavior),
        },
        (own, under) => own.or(under)?,
    };
    Some(merged).filter(|merged| merged.enabled != Some(false))
}
