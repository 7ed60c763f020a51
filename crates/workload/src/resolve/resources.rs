//! Validation of requests and limits after defaults. Nothing is raised silently: a request above
//! its limit is a violation.

use k8s_openapi::apimachinery::pkg::api::resource;

use super::Violations;
use crate::{
    Quantities,
    api::common::{Quantity, ResourceList, Resources as Given},
    model::Resources,
    quantity,
};

/// A smaller value is a mistyped unit: `400m` of memory is less than one byte.
const LEAST_MEMORY: i128 = quantity::units(16 * 1024 * 1024);
const LEAST_CPU: i128 = quantity::units(1) / 1000;

/// The product's defaults for values that the spec does not set.
#[derive(Clone, Copy, Debug)]
pub struct Defaults<'a> {
    pub cpu_request: &'a str,
    pub cpu_limit: &'a str,
    pub memory_request: &'a str,
    pub memory_limit: &'a str,
}

pub fn resolve(
    given: Option<&Given>,
    defaults: &Defaults<'_>,
    cpu_is_limited: bool,
    path: &str,
    violations: &mut Violations,
) -> Resources {
    let given = given.cloned().unwrap_or_default();
    let requests = given.requests.unwrap_or_default();
    let limits = given.limits.unwrap_or_default();
    // A user who sets a request and no limit does not want a limit. A default limit would throttle
    // what the request was chosen for. Memory keeps its limit, because the JVM derives its heap
    // size from it.
    let unlimited = requests.cpu.is_some() && limits.cpu.is_none() && !cpu_is_limited;
    let cpu = Pair {
        resource: "cpu",
        request: Value::of(requests.cpu.as_ref(), defaults.cpu_request),
        limit: (!unlimited).then(|| Value::of(limits.cpu.as_ref(), defaults.cpu_limit)),
        least: LEAST_CPU,
    };
    let memory = Pair {
        resource: "memory",
        request: Value::of(requests.memory.as_ref(), defaults.memory_request),
        limit: Some(Value::of(limits.memory.as_ref(), defaults.memory_limit)),
        least: LEAST_MEMORY,
    };
    cpu.check(path, violations);
    memory.check(path, violations);
    ephemeral(path, &requests, &limits, violations);
    Resources {
        requests: quantities(ResourceList {
            cpu: Some(cpu.request.quantity),
            memory: Some(memory.request.quantity),
            ephemeral_storage: requests.ephemeral_storage,
        }),
        limits: quantities(ResourceList {
            cpu: cpu.limit.map(|limit| limit.quantity),
            memory: memory.limit.map(|limit| limit.quantity),
            ephemeral_storage: limits.ephemeral_storage,
        }),
    }
}

/// Returns the present resources by name.
#[must_use]
pub fn quantities(list: ResourceList) -> Quantities {
    [("cpu", list.cpu), ("memory", list.memory), ("ephemeral-storage", list.ephemeral_storage)]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), resource::Quantity(value?.0))))
        .collect()
}

/// The request and the limit of one resource.
struct Pair {
    resource: &'static str,
    request: Value,
    limit: Option<Value>,
    least: i128,
}

/// A quantity, and whether the user wrote it.
struct Value {
    quantity: Quantity,
    given: bool,
}

impl Value {
    fn of(given: Option<&Quantity>, default: &str) -> Self {
        Self {
            quantity: given.cloned().unwrap_or_else(|| Quantity(default.to_owned())),
            given: given.is_some(),
        }
    }

    fn quoted(&self) -> String {
        format!("'{}'{}", self.quantity.0, if self.given { "" } else { " by default" })
    }

    /// Returns `None` after a violation.
    fn amount(&self, path: &str, least: i128, violations: &mut Violations) -> Option<i128> {
        let Some(amount) = quantity::nano(&self.quantity.0) else {
            violations.add(path, format!("{} must be a quantity such as '512Mi' or '250m'", self.quoted()));
            return None;
        };
        violations.require(
            amount >= least,
            path,
            format!("{} is too small; 'm' means a thousandth, 'Mi' means 1,048,576", self.quoted()),
        );
        (amount >= least).then_some(amount)
    }
}

impl Pair {
    fn check(&self, path: &str, violations: &mut Violations) {
        let Self { resource, request, limit, least } = self;
        let request_path = format!("{path}.requests.{resource}");
        let limit_path = format!("{path}.limits.{resource}");
        let requested = request.amount(&request_path, *least, violations);
        let Some(limit) = limit else { return };
        let limited = limit.amount(&limit_path, *least, violations);
        if requested.zip(limited).is_none_or(|(requested, limited)| requested <= limited) {
            return;
        }
        // The violation is reported at the field that the user wrote, because the default of the
        // other field contradicts it.
        if request.given {
            violations.add(
                request_path,
                format!("must be at most `limits.{resource}`, which is {}; set both", limit.quoted()),
            );
        } else {
            violations.add(
                limit_path,
                format!("must be at least `requests.{resource}`, which is {}; set both", request.quoted()),
            );
        }
    }
}

fn ephemeral(path: &str, requests: &ResourceList, limits: &ResourceList, violations: &mut Violations) {
    let mut value = |kind: &str, given: &Option<Quantity>| {
        let given = given.as_ref()?;
        let value = quantity::nano(&given.0);
        violations.require(
            value.is_some_and(|value| value > 0),
            format!("{path}.{kind}.ephemeral-storage"),
            format!("'{}' must be a quantity such as '1Gi'", given.0),
        );
        value
    };
    let request = value("requests", &requests.ephemeral_storage);
    let limit = value("limits", &limits.ephemeral_storage);
    if let (Some(request), Some(limit)) = (request, limit) {
        violations.require(
            request <= limit,
            format!("{path}.requests.ephemeral-storage"),
            "must be at most `limits.ephemeral-storage`",
        );
    }
}
