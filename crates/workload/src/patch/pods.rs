//! Checks of the pods of patched objects, by the rules of the corresponding fields of the spec.
//! Pure.

use engine::quantity;
use serde_json::Value;

use super::{Found, new_ones, pod_security};
use crate::{image::Image, json::list};

/// The path of the pod in each kind of object.
pub const PODS: [&str; 2] = ["spec.template.spec", "spec.jobTemplate.spec.template.spec"];
const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];
/// Numeric fields of a probe, with the bounds of the fields of the same name.
const TIMINGS: [(&str, i64, i64); 5] = [
    ("initialDelaySeconds", 0, 3600),
    ("periodSeconds", 1, 3600),
    ("timeoutSeconds", 1, 3600),
    ("failureThreshold", 1, 1000),
    ("successThreshold", 1, 100),
];
const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];

/// Rules for all pods, from the product's fields.
#[derive(Clone, Copy, Debug)]
pub struct PodRules {
    /// The namespace admits restricted pods only.
    pub restricted: bool,
    /// Pods of one PVC have to run on one node.
    pub one_node: bool,
    /// For messages.
    pub example_image: &'static str,
    /// The shortest grace period in seconds, and why.
    pub grace: (i64, &'static str),
    /// The prefix that no name of a priority class may have, and why.
    pub no_class: (&'static str, &'static str),
}

/// Returns the pod of an object and its path.
#[must_use]
pub fn of(body: &Value) -> Option<(&'static str, &Value)> {
    PODS.into_iter().find_map(|path| Some((path, body.pointer(&format!("/{}", path.replace('.', "/")))?)))
}

/// Returns everything that is wrong with the pods of a patched object, by path below the object. `own`
/// is the product's own check of a pod, as planned and as patched.
#[must_use]
pub fn violations(
    rules: PodRules,
    kind: &str,
    (old, new): (&Value, &Value),
    own: impl Fn(&Value, &Value) -> Found,
) -> Found {
    let (Some((path, old)), Some((_, new))) = (of(old), of(new)) else { return Found::new() };
    let mut found = own(old, new);
    if has_token(new) {
        found.push((
            "automountServiceAccountToken".to_owned(),
            "must stay false, and no volume may contain a ServiceAccount token: pods of the operator have none"
                .to_owned(),
        ));
    }
    if rules.restricted {
        found.extend(restricted(old, new));
    }
    found.extend(lifetime(rules, kind, old, new));
    found.extend(new_ones(&placement(rules, kind, old), placement(rules, kind, new)));
    for (index, container) in list(new, "containers").enumerate() {
        let name = container.get("name");
        let Some(planned) = list(old, "containers").find(|planned| planned.get("name") == name) else {
            found.extend(no_image(old, container).map(|why| (format!("containers[{index}].image"), why)));
            continue;
        };
        let judged = pre_stop(planned, container)
            .into_iter()
            .chain(image(rules, planned, container))
            .chain(probes(planned, container))
            .chain(new_ones(&resources(planned), resources(container)));
        found.extend(judged.map(|(field, why)| (format!("containers[{index}].{field}"), why)));
    }
    found.into_iter().map(|(field, why)| (format!("{path}.{field}"), why)).collect()
}

/// The policy in config/admission/operator_reach.yaml rejects such pods.
fn has_token(pod: &Value) -> bool {
    let projected = list(pod, "volumes")
        .filter_map(|volume| volume.get("projected"))
        .flat_map(|projected| list(projected, "sources"))
        .any(|source| source.get("serviceAccountToken").is_some());
    projected || pod.get("automountServiceAccountToken") != Some(&Value::Bool(false))
}

fn restricted(old: &Value, new: &Value) -> Found {
    let known = pod_security::violations(old);
    let is_new = |field: &str| !known.iter().any(|(known, _)| known == field);
    pod_security::violations(new)
        .into_iter()
        .filter(|(field, _)| is_new(field))
        .map(|(field, why)| {
            let why = format!(
                "{why} if `namespace.podSecurity` is Restricted: the pods would be rejected; set it to Baseline or Privileged, or change the patch"
            );
            (field, why)
        })
        .collect()
}

/// Checks the lifetime of a pod and its termination.
fn lifetime(rules: PodRules, kind: &str, old: &Value, new: &Value) -> Found {
    let mut found = Found::new();
    let mut say = |field: &str, why: &str| found.push((field.to_owned(), why.to_owned()));
    let changes = |field: &str| given(old, field) != given(new, field);
    let grace = "terminationGracePeriodSeconds";
    let ((least, why), (reserved, why_not)) = (rules.grace, rules.no_class);
    let short = number(new, grace).is_some_and(|seconds| seconds < least);
    if kind == "Deployment" && changes(grace) && short {
        say(grace, why);
    }
    if changes("restartPolicy") && given(new, "restartPolicy") != Some(&Value::from("Always")) {
        say("restartPolicy", "may not be changed: the operator relies on it to interpret a failed pod");
    }
    if kind == "Deployment" && given(new, "activeDeadlineSeconds").is_some() {
        say("activeDeadlineSeconds", "is only for Jobs: Kubernetes rejects it in the pods of a Deployment");
    }
    let class = text(new, "priorityClassName");
    if changes("priorityClassName") && class.starts_with(reserved) {
        say("priorityClassName", why_not);
    }
    found
}

/// Finds settings that contradict pods that must run on one node.
fn placement(rules: PodRules, kind: &str, pod: &Value) -> Found {
    let hard = list(pod, "topologySpreadConstraints")
        .any(|spread| text(spread, "whenUnsatisfiable") != "ScheduleAnyway");
    if kind != "Deployment" || !rules.one_node || !hard {
        return Found::new();
    }
    let why = "'DoNotSchedule' contradicts the storage: all pods that mount the PVC must run on one node; use 'ScheduleAnyway' or remove it";
    vec![("topologySpreadConstraints".to_owned(), why.to_owned())]
}

/// Without the delay, a pod terminates while it still receives requests.
fn pre_stop(planned: &Value, patched: &Value) -> Option<(String, String)> {
    let handler = |container: &Value| container.pointer("/lifecycle/preStop").cloned();
    let seconds = |handler: &Value| handler.pointer("/sleep/seconds").and_then(Value::as_i64);
    let (before, after) = (handler(planned)?, handler(patched));
    let least = seconds(&before)?;
    let others = |after: &Value| HANDLERS.iter().any(|field| given(after, field).is_some());
    let kept = after.is_some_and(|after| seconds(&after) >= Some(least) && !others(&after));
    let why = format!(
        "must sleep for at least {least} s: otherwise requests reach a closed port while the pod is removed from its Services"
    );
    (!kept).then(|| ("lifecycle.preStop".to_owned(), why))
}

/// A name that no container has adds a container, which is seldom intended if it has no image.
fn no_image(old: &Value, container: &Value) -> Option<String> {
    if !text(container, "image").is_empty() {
        return None;
    }
    let names: Vec<&str> = list(old, "containers").map(|it| text(it, "name")).collect();
    Some(format!(
        "is required: the patch adds a container '{}'; to change a container of the object, name it: '{}'",
        text(container, "name"),
        names.join("', '")
    ))
}

fn image(rules: PodRules, planned: &Value, patched: &Value) -> Option<(String, String)> {
    let image = text(patched, "image");
    if text(planned, "image") == image {
        return None;
    }
    Image::objection(image, rules.example_image).map(|why| ("image".to_owned(), why))
}

/// Removing a probe is the same as disabling it with the field of the component.
fn probes(planned: &Value, patched: &Value) -> Found {
    let changed = |field: &&str| given(planned, field) != given(patched, field);
    PROBES
        .into_iter()
        .filter(changed)
        .flat_map(|field| {
            let faults =
                given(patched, field).map(|probe| one_probe(field, probe, patched)).unwrap_or_default();
            faults.into_iter().map(move |(below, why)| (format!("{field}.{below}"), why))
        })
        .collect()
}

fn one_probe(name: &str, probe: &Value, container: &Value) -> Found {
    let mut found = Found::new();
    let handlers: Vec<&str> =
        HANDLERS.into_iter().filter(|handler| given(probe, handler).is_some()).collect();
    if let [first, second, ..] = handlers.as_slice() {
        let why = format!(
            "may not be combined with `{first}`: a probe has only one handler; remove that one with `{first}: {{$patch: delete}}`"
        );
        found.push(((*second).to_owned(), why));
    }
    for (field, least, most) in TIMINGS {
        let most = if field == "successThreshold" && name != "readinessProbe" { 1 } else { most };
        if number(probe, field).is_some_and(|seconds| !(least..=most).contains(&seconds)) {
            let why = if most == 1 {
                "must be 1 for liveness and startup probes".to_owned()
            } else {
                format!("must be from {least} to {most}")
            };
            found.push((field.to_owned(), why));
        }
    }
    let names: Vec<&str> = list(container, "ports").map(|port| text(port, "name")).collect();
    for handler in ["httpGet", "tcpSocket"] {
        let port = probe.get(handler).and_then(|handler| handler.get("port")).and_then(Value::as_str);
        if port.is_some_and(|port| !names.contains(&port)) {
            let why = format!("must be a port of this container ({}) or a number", names.join(", "));
            found.push((format!("{handler}.port"), why));
        }
    }
    found
}

/// Finds invalid quantities, and requests above their limits.
fn resources(container: &Value) -> Found {
    let mut found = Found::new();
    let amount = |list: &str, name: &str| {
        let given = container.pointer("/resources")?.get(list)?.get(name)?;
        Some(given.as_str().map_or_else(|| given.to_string(), ToOwned::to_owned))
    };
    let names = ["requests", "limits"].into_iter().flat_map(|list| {
        let amounts = container.pointer("/resources").and_then(|resources| resources.get(list));
        amounts.and_then(Value::as_object).into_iter().flatten().map(move |(name, _)| (list, name))
    });
    for (list, name) in names {
        let Some(given) = amount(list, name) else { continue };
        let at = format!("resources.{list}.{name}");
        let Some(value) = quantity::nano(&given) else {
            found.push((at, format!("'{given}' must be a quantity such as '512Mi' or '250m'")));
            continue;
        };
        let limit = amount("limits", name).filter(|_| list == "requests");
        if let Some(limit) = limit.filter(|limit| quantity::nano(limit).is_some_and(|limit| limit < value)) {
            found.push((at, format!("must be at most `limits.{name}`, which is '{limit}'; set both")));
        }
    }
    found
}

/// Returns a field that exists and is not null.
fn given<'a>(value: &'a Value, field: &str) -> Option<&'a Value> {
    value.get(field).filter(|value| !value.is_null())
}

fn number(value: &Value, field: &str) -> Option<i64> {
    value.get(field).and_then(Value::as_i64)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
