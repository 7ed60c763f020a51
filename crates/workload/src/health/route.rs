//! The state of Gateways and routes, as the controllers of Gateways report it.

use engine::{kind::Domain, observed::Observe};
use gateway_api::httproutes::{HttpRouteParentRefs, HttpRouteStatusParents, HttpRouteStatusParentsParentRef};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Cause, integer, string};

/// Refused or not programmed, or not yet handled by its controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    pub unable: Option<Cause>,
    pub unseen: bool,
}

/// Refused by one of its Gateways, or not yet handled by one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    pub refused: Option<Cause>,
    pub unseen: Option<String>,
}

impl Observe for Gateway {
    fn read(live: &Value, _domain: &Domain) -> Self {
        gateway(live)
    }
}

impl Observe for Route {
    fn read(live: &Value, _domain: &Domain) -> Self {
        route(live)
    }
}

fn gateway(live: &Value) -> Gateway {
    let conditions: Vec<Condition> = items(live, "/status/conditions");
    let generation = integer(live, "/metadata/generation");
    let [accepted, programmed] =
        ["Accepted", "Programmed"].map(|type_| verdict(&conditions, type_, generation));
    let unseen = accepted == RouteVerdict::Unseen || programmed == RouteVerdict::Unseen;
    Gateway { unable: accepted.cause().or(programmed.cause()), unseen }
}

/// Reads a route. A GRPCRoute names its parents and contains their statuses in the same form as an
/// HTTPRoute.
fn route(live: &Value) -> Route {
    let generation = integer(live, "/metadata/generation");
    let own = string(live, "/metadata/namespace");
    let answers: Vec<HttpRouteStatusParents> = items(live, "/status/parents");
    let (mut refused, mut unseen) = (None, None);
    for parent in items::<HttpRouteParentRefs>(live, "/spec/parentRefs") {
        let wanted = Parent::new(parent.namespace, parent.name, parent.section_name, &own);
        let verdicts: Vec<RouteVerdict> = answers
            .iter()
            .filter(|answer| Parent::of_answer(&answer.parent_ref, &own) == wanted)
            .map(|answer| match verdict(&answer.conditions, "Accepted", generation) {
                RouteVerdict::Good => verdict(&answer.conditions, "ResolvedRefs", generation),
                other => other,
            })
            .collect();
        // More than one controller may report on a Gateway. It is enough that one accepts the route.
        if verdicts.contains(&RouteVerdict::Good) {
            continue;
        }
        match verdicts.into_iter().find_map(RouteVerdict::cause) {
            Some(cause) => {
                refused.get_or_insert(Cause {
                    message: format!("Gateway {}: {}", wanted.name(), cause.message),
                    ..cause
                });
            }
            None => {
                unseen.get_or_insert_with(|| wanted.name());
            }
        }
    }
    Route { refused, unseen }
}

/// Returns the items of a list that have the expected form. An item that an unusual CRD let through
/// does not affect the others.
fn items<T: DeserializeOwned>(live: &Value, pointer: &str) -> Vec<T> {
    let list = live.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|item| T::deserialize(item).ok()).collect()
}

/// The result of a condition for the newest generation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RouteVerdict {
    Good,
    Bad(Cause),
    /// The condition is missing, unknown, or about an older generation.
    Unseen,
}

impl RouteVerdict {
    fn cause(self) -> Option<Cause> {
        match self {
            Self::Bad(cause) => Some(cause),
            Self::Good | Self::Unseen => None,
        }
    }
}

fn verdict(conditions: &[Condition], type_: &str, generation: i64) -> RouteVerdict {
    let Some(condition) = conditions.iter().find(|condition| condition.type_ == type_) else {
        return RouteVerdict::Unseen;
    };
    // Without an observed generation, the condition is taken as current.
    let observed = condition.observed_generation.unwrap_or(generation);
    match condition.status.as_str() {
        _ if observed < generation => RouteVerdict::Unseen,
        "True" => RouteVerdict::Good,
        "False" => {
            RouteVerdict::Bad(Cause { reason: condition.reason.clone(), message: condition.message.clone() })
        }
        _ => RouteVerdict::Unseen,
    }
}

/// A Gateway, or one listener of it.
#[derive(PartialEq, Eq)]
struct Parent {
    namespace: String,
    name: String,
    section: Option<String>,
}

impl Parent {
    fn new(namespace: Option<String>, name: String, section: Option<String>, own_namespace: &str) -> Self {
        Self { namespace: namespace.unwrap_or_else(|| own_namespace.to_owned()), name, section }
    }

    fn of_answer(parent: &HttpRouteStatusParentsParentRef, own_namespace: &str) -> Self {
        let HttpRouteStatusParentsParentRef { namespace, name, section_name, .. } = parent.clone();
        Self::new(namespace, name, section_name, own_namespace)
    }

    fn name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(type_: &str, status: &str, generation: i64) -> Value {
        json!({
            "type": type_, "status": status, "observedGeneration": generation,
            "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": format!("{type_}Reason"), "message": "words",
        })
    }

    fn route_with(parents: &Value) -> Route {
        route(&json!({
            "metadata": { "namespace": "logs", "generation": 2 },
            "spec": { "parentRefs": [{ "name": "shared", "namespace": "infra", "sectionName": "https" }] },
            "status": { "parents": parents },
        }))
    }

    fn answer(namespace: &str, conditions: &Value) -> Value {
        json!([{
            "parentRef": { "name": "shared", "namespace": namespace, "sectionName": "https" },
            "controllerName": "example.com/gateway", "conditions": conditions,
        }])
    }

    #[test]
    fn a_route_needs_acceptance_and_resolved_backends() {
        let good = json!([condition("Accepted", "True", 2), condition("ResolvedRefs", "True", 2)]);
        assert_eq!(route_with(&answer("infra", &good)), Route { refused: None, unseen: None });
        // Without an observed generation, the condition is taken as current.
        let mut silent = good.clone();
        for condition in silent.as_array_mut().unwrap() {
            condition.as_object_mut().unwrap().remove("observedGeneration");
        }
        assert_eq!(route_with(&answer("infra", &silent)), Route { refused: None, unseen: None });
        // A malformed status does not affect the others.
        let mut odd = answer("infra", &good);
        odd.as_array_mut().unwrap().insert(0, json!({ "parentRef": "infra/shared", "conditions": 3 }));
        assert_eq!(route_with(&odd), Route { refused: None, unseen: None });
        // One of two controllers is enough.
        let mut both = answer("infra", &json!([condition("Accepted", "False", 2)]));
        both.as_array_mut().unwrap().extend(answer("infra", &good).as_array().unwrap().clone());
        assert_eq!(route_with(&both), Route { refused: None, unseen: None });
    }

    #[test]
    fn a_rejection_names_the_gateway_and_its_message() {
        for conditions in [
            json!([condition("Accepted", "False", 2)]),
            json!([condition("Accepted", "True", 2), condition("ResolvedRefs", "False", 2)]),
        ] {
            let Route { refused: Some(cause), unseen: None } = route_with(&answer("infra", &conditions))
            else {
                panic!("{conditions}")
            };
            assert_eq!(cause.message, "Gateway infra/shared: words");
            assert!(cause.reason.ends_with("Reason"));
        }
    }

    #[test]
    fn missing_or_outdated_conditions_count_as_unseen() {
        let waits = Route { refused: None, unseen: Some("infra/shared".into()) };
        let old = json!([condition("Accepted", "True", 1), condition("ResolvedRefs", "True", 1)]);
        let half = json!([condition("Accepted", "True", 2)]);
        let elsewhere = json!([condition("Accepted", "True", 2), condition("ResolvedRefs", "True", 2)]);
        for parents in [
            json!([]),
            answer("infra", &old),
            answer("infra", &half),
            answer("infra", &json!([condition("Accepted", "Unknown", 2)])),
            answer("other", &elsewhere),
        ] {
            assert_eq!(route_with(&parents), waits, "{parents}");
        }
    }

    #[test]
    fn a_gateway_needs_accepted_and_programmed() {
        let gateway_with = |conditions: Value| {
            gateway(&json!({ "metadata": { "generation": 1 }, "status": { "conditions": conditions } }))
        };
        let (yes, no, open) = ("True", "False", "Unknown");
        for (accepted, programmed, bad, unseen) in [
            (yes, yes, None, false),
            (no, open, Some("Accepted"), true),
            (yes, no, Some("Programmed"), false),
            (open, open, None, true),
        ] {
            let seen = gateway_with(json!([
                condition("Accepted", accepted, 1),
                condition("Programmed", programmed, 1)
            ]));
            let unable = bad.map(|type_| Cause { reason: format!("{type_}Reason"), message: "words".into() });
            assert_eq!(seen, Gateway { unable, unseen });
        }
        assert_eq!(gateway_with(json!(null)), Gateway { unable: None, unseen: true });
    }
}
