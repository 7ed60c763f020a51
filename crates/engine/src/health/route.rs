//! What the controllers of Gateways say about Gateways and routes.

use serde_json::Value;

use super::{Cause, ObservedStatus, integer, string};

pub fn gateway(live: &Value) -> ObservedStatus {
    let conditions = live.pointer("/status/conditions");
    let generation = integer(live, "/metadata/generation");
    let [accepted, programmed] =
        ["Accepted", "Programmed"].map(|type_| verdict(conditions, type_, generation));
    let unseen = accepted == RouteVerdict::Unseen || programmed == RouteVerdict::Unseen;
    ObservedStatus::Gateway { unable: accepted.cause().or(programmed.cause()), unseen }
}

pub fn route(live: &Value) -> ObservedStatus {
    let generation = integer(live, "/metadata/generation");
    let own = string(live, "/metadata/namespace");
    let list = |pointer: &str| live.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let answers = list("/status/parents");
    let (mut refused, mut unseen) = (None, None);
    for parent in list("/spec/parentRefs") {
        let wanted = Parent::read(&parent, &own);
        let verdicts: Vec<RouteVerdict> = answers
            .iter()
            .filter(|answer| {
                answer.get("parentRef").map(|it| Parent::read(it, &own)).as_ref() == Some(&wanted)
            })
            .map(|answer| {
                let conditions = answer.get("conditions");
                match verdict(conditions, "Accepted", generation) {
                    RouteVerdict::Good => verdict(conditions, "ResolvedRefs", generation),
                    other => other,
                }
            })
            .collect();
        // More than one controller may answer for a Gateway; one that takes the route is enough.
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
    ObservedStatus::Route { refused, unseen }
}

/// What a condition says about the newest generation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RouteVerdict {
    Good,
    Bad(Cause),
    /// Not there, unknown, or about an older generation.
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

fn verdict(conditions: Option<&Value>, type_: &str, generation: i64) -> RouteVerdict {
    let all = conditions.and_then(Value::as_array);
    let found = all.into_iter().flatten().find(|condition| string(condition, "/type") == type_);
    let Some(condition) = found else { return RouteVerdict::Unseen };
    // A controller that does not say which generation it looked at is believed.
    let observed = condition.get("observedGeneration").and_then(Value::as_i64).unwrap_or(generation);
    match condition.get("status").and_then(Value::as_str) {
        _ if observed < generation => RouteVerdict::Unseen,
        Some("True") => RouteVerdict::Good,
        Some("False") => RouteVerdict::Bad(Cause {
            reason: string(condition, "/reason"),
            message: string(condition, "/message"),
        }),
        _ => RouteVerdict::Unseen,
    }
}

/// A Gateway, and perhaps a listener of it.
#[derive(PartialEq, Eq)]
struct Parent {
    namespace: String,
    name: String,
    section: String,
}

impl Parent {
    fn read(reference: &Value, own_namespace: &str) -> Self {
        let given = string(reference, "/namespace");
        Self {
            namespace: if given.is_empty() { own_namespace.to_owned() } else { given },
            name: string(reference, "/name"),
            section: string(reference, "/sectionName"),
        }
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
        json!({ "type": type_, "status": status, "observedGeneration": generation, "reason": format!("{type_}Reason"), "message": "words" })
    }

    fn route_with(parents: &Value) -> ObservedStatus {
        route(&json!({
            "metadata": { "namespace": "logs", "generation": 2 },
            "spec": { "parentRefs": [{ "name": "shared", "namespace": "infra", "sectionName": "https" }] },
            "status": { "parents": parents },
        }))
    }

    fn answer(namespace: &str, conditions: &Value) -> Value {
        json!([{ "parentRef": { "name": "shared", "namespace": namespace, "sectionName": "https" }, "conditions": conditions }])
    }

    #[test]
    fn a_route_is_good_when_its_gateway_accepts_it_and_finds_the_backend() {
        let good = json!([condition("Accepted", "True", 2), condition("ResolvedRefs", "True", 2)]);
        assert_eq!(
            route_with(&answer("infra", &good)),
            ObservedStatus::Route { refused: None, unseen: None }
        );
        // Without a word on the generation the controller is believed.
        let mut silent = good.clone();
        for condition in silent.as_array_mut().unwrap() {
            condition.as_object_mut().unwrap().remove("observedGeneration");
        }
        assert_eq!(
            route_with(&answer("infra", &silent)),
            ObservedStatus::Route { refused: None, unseen: None }
        );
        // One of two controllers is enough.
        let mut both = answer("infra", &json!([condition("Accepted", "False", 2)]));
        both.as_array_mut().unwrap().extend(answer("infra", &good).as_array().unwrap().clone());
        assert_eq!(route_with(&both), ObservedStatus::Route { refused: None, unseen: None });
    }

    #[test]
    fn a_refusal_names_the_gateway_and_its_words() {
        for conditions in [
            json!([condition("Accepted", "False", 2)]),
            json!([condition("Accepted", "True", 2), condition("ResolvedRefs", "False", 2)]),
        ] {
            let ObservedStatus::Route { refused: Some(cause), unseen: None } =
                route_with(&answer("infra", &conditions))
            else {
                panic!("{conditions}")
            };
            assert_eq!(cause.message, "Gateway infra/shared: words");
            assert!(cause.reason.ends_with("Reason"));
        }
    }

    #[test]
    fn silence_and_answers_about_an_older_generation_are_no_answer() {
        let waits = ObservedStatus::Route { refused: None, unseen: Some("infra/shared".into()) };
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
    fn a_gateway_is_judged_by_accepted_and_programmed() {
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
            assert_eq!(seen, ObservedStatus::Gateway { unable, unseen });
        }
        assert_eq!(gateway_with(json!(null)), ObservedStatus::Gateway { unable: None, unseen: true });
    }
}
