//! Requests and limits after defaults. Nothing is raised silently: a request above its limit is an objection.

use super::Objections;
use crate::{
    api::common::{Quantity, ResourceList, Resources as Given},
    logpilot::{
        defaults,
        model::{Resources, Role},
        quantity,
    },
};

/// Less than this is a mistyped unit: `400m` of memory is less than one byte.
const LEAST_MEMORY: i128 = quantity::units(16 * 1024 * 1024);
const LEAST_CPU: i128 = quantity::units(1) / 1000;

pub(super) fn resolve(
    role: &Role,
    path: &str,
    given: Option<&Given>,
    objections: &mut Objections,
) -> Resources {
    let given = given.cloned().unwrap_or_default();
    let requests = given.requests.unwrap_or_default();
    let limits = given.limits.unwrap_or_default();
    compare(
        path,
        "cpu",
        &requests.cpu,
        &limits.cpu,
        [role.cpu_request, role.cpu_limit],
        LEAST_CPU,
        objections,
    );
    compare(
        path,
        "memory",
        &requests.memory,
        &limits.memory,
        [defaults::MEMORY_REQUEST, defaults::MEMORY_LIMIT],
        LEAST_MEMORY,
        objections,
    );
    ephemeral(path, &requests, &limits, objections);
    let or =
        |given: Option<Quantity>, default: &str| Some(given.unwrap_or_else(|| Quantity(default.to_owned())));
    Resources {
        requests: ResourceList {
            cpu: or(requests.cpu, role.cpu_request),
            memory: or(requests.memory, defaults::MEMORY_REQUEST),
            ephemeral_storage: requests.ephemeral_storage,
        },
        limits: ResourceList {
            cpu: or(limits.cpu, role.cpu_limit),
            memory: or(limits.memory, defaults::MEMORY_LIMIT),
            ephemeral_storage: limits.ephemeral_storage,
        },
    }
}

fn compare(
    path: &str,
    resource: &str,
    request: &Option<Quantity>,
    limit: &Option<Quantity>,
    [default_request, default_limit]: [&str; 2],
    least: i128,
    objections: &mut Objections,
) {
    let request_path = format!("{path}.requests.{resource}");
    let limit_path = format!("{path}.limits.{resource}");
    let request_value = amount(&request_path, request, default_request, least, objections);
    let limit_value = amount(&limit_path, limit, default_limit, least, objections);
    let (Some(request_value), Some(limit_value)) = (request_value, limit_value) else { return };
    if request_value <= limit_value {
        return;
    }
    let text = |given: &Option<Quantity>, default: &str| match given {
        Some(given) => format!("'{}'", given.0),
        None => format!("'{default}' by default"),
    };
    let (path, what) = if request.is_some() {
        (
            request_path,
            format!("must be at most `limits.{resource}`, which is {}", text(limit, default_limit)),
        )
    } else {
        (
            limit_path,
            format!("must be at least `requests.{resource}`, which is {}", text(request, default_request)),
        )
    };
    objections.add(path, format!("{what}; set both"));
}

/// `None` after an objection.
fn amount(
    path: &str,
    given: &Option<Quantity>,
    default: &str,
    least: i128,
    objections: &mut Objections,
) -> Option<i128> {
    let quantity = given.clone().unwrap_or_else(|| Quantity(default.to_owned()));
    let Some(value) = quantity::parse(&quantity) else {
        objections.add(path, format!("'{}' must be a quantity such as '512Mi' or '250m'", quantity.0));
        return None;
    };
    objections.unless(
        value >= least,
        path,
        format!("'{}' is too small to be meant; 'm' means a thousandth, 'Mi' 1,048,576", quantity.0),
    );
    (value >= least).then_some(value)
}

fn ephemeral(path: &str, requests: &ResourceList, limits: &ResourceList, objections: &mut Objections) {
    let mut value = |kind: &str, given: &Option<Quantity>| {
        let given = given.as_ref()?;
        let value = quantity::parse(given);
        objections.unless(
            value.is_some_and(|value| value > 0),
            format!("{path}.{kind}.ephemeral-storage"),
            format!("'{}' must be a quantity such as '1Gi'", given.0),
        );
        value
    };
    let request = value("requests", &requests.ephemeral_storage);
    let limit = value("limits", &limits.ephemeral_storage);
    if let (Some(request), Some(limit)) = (request, limit) {
        objections.unless(
            request <= limit,
            format!("{path}.requests.ephemeral-storage"),
            "must be at most `limits.ephemeral-storage`",
        );
    }
}
