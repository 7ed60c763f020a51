//! Finds the planned objects that an object uses or acts on: what its pods mount, run as and read, and
//! what it selects, scales and routes to. Dependencies are derived from the rendered bodies, so they
//! include the effect of user patches. An object that is not planned is the user's responsibility and
//! is no dependency.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{kind::Nature, plan::Planned};

/// A reference of an object, before it is resolved to a planned object.
enum Reference<'a> {
    Name {
        kind: &'a str,
        namespace: Option<&'a str>,
        name: &'a str,
    },
    /// Pods, which represent the workload that creates them.
    Pods(Selection<'a>),
    Services(Selection<'a>),
}

struct Selection<'a> {
    namespaces: Vec<&'a str>,
    labels: Vec<(&'a str, &'a str)>,
}

/// Fields of a pod spec that name other objects, with the kind of those objects.
const POD: &[(&str, &str)] = &[
    ("serviceAccountName", "ServiceAccount"),
    ("imagePullSecrets/*/name", "Secret"),
    ("volumes/*/persistentVolumeClaim/claimName", "PersistentVolumeClaim"),
    ("volumes/*/configMap/name", "ConfigMap"),
    ("volumes/*/secret/secretName", "Secret"),
    ("volumes/*/projected/sources/*/configMap/name", "ConfigMap"),
    ("volumes/*/projected/sources/*/secret/name", "Secret"),
];

/// Fields of a container that name other objects.
const CONTAINER: &[(&str, &str)] = &[
    ("env/*/valueFrom/configMapKeyRef/name", "ConfigMap"),
    ("env/*/valueFrom/secretKeyRef/name", "Secret"),
    ("envFrom/*/configMapRef/name", "ConfigMap"),
    ("envFrom/*/secretRef/name", "Secret"),
];

/// Returns for each object the indices of the objects that it depends on.
#[must_use]
pub fn of(objects: &[&Planned]) -> Vec<BTreeSet<usize>> {
    let of_one = |user: &&Planned| {
        let references = references(user);
        let places = objects.iter().enumerate();
        places
            .filter(|(_, target)| references.iter().any(|reference| reference.is_to(target)))
            .map(|(place, _)| place)
            .collect()
    };
    objects.iter().map(of_one).collect()
}

/// Returns the objects in the order in which they are written: wave by wave, and within each wave the
/// dependencies first. The objects of one batch are written in parallel.
#[must_use]
pub fn batches(objects: &[&Planned], dependencies: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let mut levels = vec![0_usize; objects.len()];
    // One iteration for each object covers the longest possible chain, so the loop ends even for a
    // cycle.
    for _ in 0..objects.len() {
        let next: Vec<usize> = dependencies
            .iter()
            .map(|targets| targets.iter().filter_map(|at| levels.get(*at)).max().map_or(0, |level| level + 1))
            .collect();
        if next == levels {
            break;
        }
        levels = next;
    }
    let mut order: Vec<(u8, usize, usize)> = objects
        .iter()
        .zip(levels)
        .enumerate()
        .map(|(place, (planned, level))| (planned.kind.wave, level, place))
        .collect();
    order.sort_unstable();
    order
        .chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
        .map(|batch| batch.iter().map(|(_, _, place)| *place).collect())
        .collect()
}

impl Reference<'_> {
    fn is_to(&self, target: &Planned) -> bool {
        let namespace = target.key.namespace.as_deref();
        match self {
            Self::Name { kind, namespace: of, name } => {
                target.kind.kind == *kind && namespace == *of && target.key.name == *name
            }
            // Pods of Jobs terminate, and nothing selects them on purpose.
            Self::Pods(selection) => {
                target.kind.nature == Nature::Workload
                    && selection.takes(namespace, target.body.pointer("/spec/template/metadata/labels"))
            }
            Self::Services(selection) => {
                target.kind.kind == "Service"
                    && selection.takes(namespace, target.body.pointer("/metadata/labels"))
            }
        }
    }
}

impl Selection<'_> {
    fn takes(&self, namespace: Option<&str>, labels: Option<&Value>) -> bool {
        let has = |(key, value): &(&str, &str)| {
            labels.and_then(|labels| labels.get(*key)).and_then(Value::as_str) == Some(*value)
        };
        namespace.is_some_and(|namespace| self.namespaces.contains(&namespace)) && self.labels.iter().all(has)
    }
}

fn references(user: &Planned) -> Vec<Reference<'_>> {
    let body = &user.body;
    let own = user.key.namespace.as_deref();
    let named = |kind: &'static str, path: &str| -> Vec<Reference<'_>> {
        texts(body, path).into_iter().map(|name| Reference::Name { kind, namespace: own, name }).collect()
    };
    match user.kind.kind {
        "Deployment" | "Job" => of_pod(body.pointer("/spec/template/spec"), own),
        "CronJob" => of_pod(body.pointer("/spec/jobTemplate/spec/template/spec"), own),
        "HorizontalPodAutoscaler" => of_references(body, "spec/scaleTargetRef", "Deployment", own),
        "PodDisruptionBudget" | "PodMonitor" => {
            vec![Reference::Pods(selection(body, "/spec/selector/matchLabels", own))]
        }
        "NetworkPolicy" => vec![Reference::Pods(selection(body, "/spec/podSelector/matchLabels", own))],
        // A Service without a selector selects nothing.
        "Service" if body.pointer("/spec/selector").is_none() => Vec::new(),
        "Service" => vec![Reference::Pods(selection(body, "/spec/selector", own))],
        "ServiceMonitor" => vec![Reference::Services(selection(body, "/spec/selector/matchLabels", own))],
        "Ingress" => {
            let mut all = named("Service", "spec/rules/*/http/paths/*/backend/service/name");
            all.extend(named("Service", "spec/defaultBackend/service/name"));
            all
        }
        "HTTPRoute" | "GRPCRoute" => {
            let mut all = of_references(body, "spec/rules/*/backendRefs/*", "Service", own);
            all.extend(of_references(body, "spec/parentRefs/*", "Gateway", own));
            all
        }
        _ => Vec::new(),
    }
}

fn of_pod<'a>(spec: Option<&'a Value>, namespace: Option<&'a str>) -> Vec<Reference<'a>> {
    let Some(spec) = spec else { return Vec::new() };
    let mut places = vec![(vec![spec], POD)];
    places.extend(["containers/*", "initContainers/*"].map(|list| (values(spec, list), CONTAINER)));
    let mut found = Vec::new();
    for (parts, paths) in places {
        for part in parts {
            for (path, kind) in paths {
                let names = texts(part, path).into_iter();
                found.extend(names.map(|name| Reference::Name { kind, namespace, name }));
            }
        }
    }
    found
}

/// References that contain the kind, and may contain the namespace.
fn of_references<'a>(
    body: &'a Value,
    path: &str,
    kind: &'a str,
    namespace: Option<&'a str>,
) -> Vec<Reference<'a>> {
    let text = |value: &'a Value, field: &str| value.get(field).and_then(Value::as_str);
    let references = values(body, path).into_iter();
    references
        .filter_map(|value| {
            Some(Reference::Name {
                kind: text(value, "kind").unwrap_or(kind),
                namespace: text(value, "namespace").or(namespace),
                name: text(value, "name")?,
            })
        })
        .collect()
}

/// A selection by labels, in another namespace if the object names one.
fn selection<'a>(body: &'a Value, labels: &str, namespace: Option<&'a str>) -> Selection<'a> {
    let named = texts(body, "spec/namespaceSelector/matchNames/*");
    let labels = body.pointer(labels).and_then(Value::as_object);
    Selection {
        namespaces: if named.is_empty() { namespace.into_iter().collect() } else { named },
        labels: labels
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
            .collect(),
    }
}

fn texts<'a>(value: &'a Value, path: &str) -> Vec<&'a str> {
    values(value, path).into_iter().filter_map(Value::as_str).collect()
}

/// Returns all values at a path of field names, where `*` stands for each item of a list.
fn values<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    path.split('/').fold(vec![value], |at, part| {
        let below = at.into_iter().map(|value| match part {
            "*" => value.as_array().map(|items| items.iter().collect()).unwrap_or_default(),
            field => value.get(field).into_iter().collect::<Vec<_>>(),
        });
        below.flatten().collect()
    })
}
