//! Checks of patched objects other than pods, by the rules of the corresponding fields of the spec.
//! Pure.

use serde_json::Value;

use super::super::exposure;
use crate::{
    logpilot::defaults::MANAGEMENT,
    workload::{
        json::list,
        patch::{Found, new_ones},
    },
};

/// The default of Kubernetes for a Deployment.
const PROGRESS_DEADLINE_SECONDS: i64 = 600;

/// Returns all violations of a patched object, by path below it.
pub(super) fn violations(kind: &str, old: &Value, new: &Value) -> Found {
    match kind {
        "Deployment" => new_ones(&rollout(old), rollout(new)),
        "Service" => new_ones(&management_outside(old), management_outside(new)),
        "NetworkPolicy" => new_ones(&management_open(old), management_open(new)),
        "Ingress" => [ingress(old, new), new_ones(&ingress_backends(old), ingress_backends(new))].concat(),
        "HTTPRoute" | "GRPCRoute" => new_ones(&route_backends(old), route_backends(new)),
        "ServiceMonitor" => endpoints("endpoints", old, new),
        "PodMonitor" => endpoints("podMetricsEndpoints", old, new),
        _ => Found::new(),
    }
}

fn rollout(body: &Value) -> Found {
    let number = |field: &str| body.pointer("/spec")?.get(field)?.as_i64();
    let mut found = Found::new();
    let ready = number("minReadySeconds").unwrap_or_default();
    let deadline = number("progressDeadlineSeconds").unwrap_or(PROGRESS_DEADLINE_SECONDS);
    // A deadline that is invalid by itself is reported below.
    if ready >= deadline && deadline > 0 {
        let why = format!("must be greater than `minReadySeconds` ({ready}); the default is 600");
        found.push(("spec.progressDeadlineSeconds".to_owned(), why));
    }
    for (field, least, most) in [
        ("minReadySeconds", 0, 3600),
        ("progressDeadlineSeconds", 1, 86400),
        ("revisionHistoryLimit", 1, 100),
    ] {
        if number(field).is_some_and(|value| !(least..=most).contains(&value)) {
            found.push((format!("spec.{field}"), format!("must be from {least} to {most}")));
        }
    }
    found
}

/// Health and metrics require no API key, so their port must stay inside the Kubernetes cluster.
fn management_outside(body: &Value) -> Found {
    let type_ = body.pointer("/spec/type").and_then(Value::as_str).unwrap_or_default();
    // Inside the Kubernetes cluster it has a separate port. Under another number, rules for
    // external clients could name it.
    let own = |port: &Value| type_ == "ClusterIP" && port.get("port").is_some_and(is_management);
    let ports = body.get("spec").into_iter().flat_map(|spec| list(spec, "ports")).enumerate();
    ports
        .filter(|(_, port)| {
            // A port without a target port targets its own number.
            port.get("targetPort").or_else(|| port.get("port")).is_some_and(is_management) && !own(port)
        })
        .map(|(index, _)| {
            let why = format!(
                "may not target the port '{}' in a Service of type {type_}: health and metrics require no API key",
                MANAGEMENT.name
            );
            (format!("spec.ports[{index}].targetPort"), why)
        })
        .collect()
}

fn is_management(port: &Value) -> bool {
    *port == MANAGEMENT.name || *port == MANAGEMENT.number
}

const NO_WAY_TO_MANAGEMENT: &str =
    "may not be the port of health and metrics, which require no API key: external clients could read them";

fn ingress_backends(body: &Value) -> Found {
    let rules = body.get("spec").into_iter().flat_map(|spec| list(spec, "rules")).enumerate();
    rules
        .flat_map(|(rule, it)| {
            let paths = it.get("http").into_iter().flat_map(|http| list(http, "paths")).enumerate();
            paths.filter_map(move |(index, path)| {
                let port = path.pointer("/backend/service/port")?;
                let field = ["name", "number"]
                    .into_iter()
                    .find(|field| port.get(field).is_some_and(is_management))?;
                let at = format!("spec.rules[{rule}].http.paths[{index}].backend.service.port.{field}");
                Some((at, NO_WAY_TO_MANAGEMENT.to_owned()))
            })
        })
        .collect()
}

fn route_backends(body: &Value) -> Found {
    let rules = body.get("spec").into_iter().flat_map(|spec| list(spec, "rules")).enumerate();
    rules
        .flat_map(|(rule, it)| {
            let backends = list(it, "backendRefs").enumerate();
            backends.filter(|(_, backend)| backend.get("port").is_some_and(is_management)).map(
                move |(index, _)| {
                    let at = format!("spec.rules[{rule}].backendRefs[{index}].port");
                    (at, NO_WAY_TO_MANAGEMENT.to_owned())
                },
            )
        })
        .collect()
}

/// Returns `true` if a peer is all addresses or all namespaces.
fn is_everyone(peer: &Value) -> bool {
    let block = peer.get("ipBlock").is_some_and(|block| {
        let cidr = block.get("cidr").and_then(Value::as_str).unwrap_or_default();
        cidr.ends_with("/0") && list(block, "except").next().is_none()
    });
    let selects_all =
        |field: &str| peer.get(field).is_some_and(|it| it.as_object().is_some_and(serde_json::Map::is_empty));
    block
        || selects_all("namespaceSelector")
            && (peer.get("podSelector").is_none() || selects_all("podSelector"))
}

/// Finds rules that allow all clients, including to the port of health and metrics.
fn management_open(body: &Value) -> Found {
    let empty = |rule: &Value, field: &str| list(rule, field).next().is_none();
    let number = |port: &Value, field: &str| port.get(field).and_then(Value::as_i64);
    let covers = |port: &Value| {
        let first = number(port, "port");
        let last = number(port, "endPort").or(first);
        port.get("port").is_none_or(is_management)
            || first.zip(last).is_some_and(|(first, last)| (first..=last).contains(&MANAGEMENT.number.into()))
    };
    let rules = body.get("spec").into_iter().flat_map(|spec| list(spec, "ingress")).enumerate();
    rules
        .filter(|(_, rule)| {
            let open = empty(rule, "from") || list(rule, "from").any(is_everyone);
            open && (empty(rule, "ports") || list(rule, "ports").any(covers))
        })
        .map(|(index, _)| {
            let why = format!(
                "must name its peers, or ports other than '{}': health and metrics require no API key; use `networkPolicy.monitoring`",
                MANAGEMENT.name
            );
            (format!("spec.ingress[{index}].from"), why)
        })
        .collect()
}

/// Returns what the rules of an Ingress would reject.
fn ingress(old: &Value, new: &Value) -> Found {
    let mut found = Found::new();
    let annotations =
        |body: &Value| body.pointer("/metadata/annotations").and_then(Value::as_object).cloned();
    let known = annotations(old).unwrap_or_default();
    for (key, value) in annotations(new).unwrap_or_default() {
        let added = known.get(&key) != Some(&value);
        let why = exposure::annotation(&key, value.as_str().unwrap_or_default()).filter(|_| added);
        if let Some(why) = why {
            found.push((format!("metadata.annotations.{key}"), why.to_owned()));
        }
    }
    let mut texts = Vec::new();
    texts_of(new.pointer("/spec").unwrap_or(&Value::Null), &mut texts);
    if texts.into_iter().any(exposure::ends_its_place) {
        let why = "must not contain spaces, quotes or any of {};#: the value becomes part of the ingress controller's configuration";
        found.push(("spec".to_owned(), why.to_owned()));
    }
    let known: Vec<&str> = hosts(old).collect();
    for (index, host) in hosts(new).enumerate().filter(|(_, host)| !known.contains(host)) {
        let why = format!(
            "'{host}' is not a host of `exposure.ingress.rules`: the operator compares hosts with those of other resources; add it there"
        );
        found.push((format!("spec.rules[{index}].host"), why));
    }
    if new.pointer("/spec/defaultBackend").is_some_and(|backend| !backend.is_null()) {
        let why = "may not be patched: it would serve all hosts; use a rule without `host` in `exposure.ingress.rules`";
        found.push(("spec.defaultBackend".to_owned(), why.to_owned()));
    }
    found
}

/// Returns the host of each rule. It is empty for a rule that matches all hosts without a rule.
fn hosts(body: &Value) -> impl Iterator<Item = &str> {
    let rules = body.get("spec").into_iter().flat_map(|spec| list(spec, "rules"));
    rules.map(|rule| rule.get("host").and_then(Value::as_str).unwrap_or_default())
}

fn texts_of<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts_of(field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Checks the endpoint that alerts and dashboards depend on.
fn endpoints(field: &str, old: &Value, new: &Value) -> Found {
    let of = |body: &Value| -> Vec<Value> {
        body.get("spec").into_iter().flat_map(|spec| list(spec, field)).cloned().collect()
    };
    let kept = |planned: &Value| {
        of(new).iter().any(|endpoint| {
            ["port", "path", "interval", "scrapeTimeout"]
                .iter()
                .all(|field| planned.get(field) == endpoint.get(field))
        })
    };
    let monitor = if field == "endpoints" { "serviceMonitor" } else { "podMonitor" };
    of(old)
        .iter()
        .filter(|planned| !kept(planned))
        .map(|_| {
            let why = format!(
                "must keep the port, path, interval and timeout of the endpoint, because alerts depend on them; use `monitoring.{monitor}`"
            );
            (format!("spec.{field}"), why)
        })
        .collect()
}
