//! Properties of every valid spec: random selections of the fields in [`super::leaves`].

use std::collections::BTreeSet;

use proptest::prelude::*;
use test_support::proptest_config;

use super::{
    rules::broken,
    specs::{Judge, choices, laid, schema, turned},
    *,
};
use crate::{
    logpilot::{
        config_check,
        facts::{ApiKeyFact, Redacted},
        warnings::warnings,
    },
    workload::patch::pod_security,
};

const CANARY: &str = "canary-5b0a6f";

/// The most that planning may know: a key to be generated, and every configuration under check.
fn facts(cluster: &Cluster) -> Facts {
    let key = ApiKeyFact::Generate { value: Redacted(CANARY.into()), hash: "hash".into() };
    Facts { api_key: key, config_checks: config_check::all_pending(cluster), ..Facts::default() }
}

/// Returns the template of the pods that an object creates.
fn template(planned: &Planned) -> Option<&Value> {
    let at = match planned.kind.kind {
        "Deployment" | "Job" => "/spec/template",
        "CronJob" => "/spec/jobTemplate/spec/template",
        _ => return None,
    };
    planned.body.pointer(at)
}

fn within(labels: &Value, selector: &Value) -> bool {
    selector
        .as_object()
        .is_some_and(|wanted| wanted.iter().all(|(name, value)| labels.get(name) == Some(value)))
}

/// Returns every name that a plan refers to and no object in it has.
fn dangling(cluster: &Cluster, plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    let of_kind = |kind: &'static str| plan.objects.iter().filter(move |it| it.kind.kind == kind);
    let named = |kind: &'static str, name: &Value| of_kind(kind).any(|it| *name == it.key.name);
    for planned in &plan.objects {
        let spec = &planned.body["spec"];
        let selector = match planned.kind.kind {
            "Service" => Some(&spec["selector"]),
            "NetworkPolicy" => Some(&spec["podSelector"]["matchLabels"]),
            "PodDisruptionBudget" | "PodMonitor" => Some(&spec["selector"]["matchLabels"]),
            _ => None,
        };
        let pods = || plan.objects.iter().filter_map(template).map(|pod| &pod["metadata"]["labels"]);
        if selector
            .is_some_and(|selector| !selector.is_null() && !pods().any(|labels| within(labels, selector)))
        {
            found.push(format!("{planned} selects no pod"));
        }
        let selector = &spec["selector"]["matchLabels"];
        let mut services = of_kind("Service").map(|service| &service.body["metadata"]["labels"]);
        if planned.kind.kind == "ServiceMonitor" && !services.any(|labels| within(labels, selector)) {
            found.push(format!("{planned} selects no Service"));
        }
        if planned.kind.kind == "HorizontalPodAutoscaler"
            && !named("Deployment", &spec["scaleTargetRef"]["name"])
        {
            found.push(format!("{planned} scales nothing"));
        }
        for backend in deep(spec, "backendRefs")
            .into_iter()
            .flat_map(|list| list.as_array().cloned().unwrap_or_default())
        {
            if !named("Service", &backend["name"]) {
                found.push(format!("{planned} leads nowhere"));
            }
        }
        for service in deep(spec, "service").into_iter().filter(|_| planned.kind.kind == "Ingress") {
            if !named("Service", &service["name"]) {
                found.push(format!("{planned} leads nowhere"));
            }
        }
        let Some(pod) = template(planned) else { continue };
        for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
            let claim = &volume["persistentVolumeClaim"]["claimName"];
            let given = cluster.storage.existing_claim.as_ref().is_some_and(|it| claim == it)
                || cluster.backup.iter().flat_map(|it| &it.jobs).any(|job| job.volume.is_none());
            if !claim.is_null() && !given && !named("PersistentVolumeClaim", claim) {
                found.push(format!("{planned} mounts no PVC"));
            }
        }
        for complaint in pod_security::violations(&pod["spec"]) {
            found.push(format!("{planned}: {complaint:?}"));
        }
    }
    found
}

/// Returns every value of a field with this name, at any depth.
fn deep<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    match value {
        Value::Object(fields) => {
            fields.get(name).into_iter().chain(fields.values().flat_map(|below| deep(below, name))).collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| deep(item, name)).collect(),
        _ => Vec::new(),
    }
}

/// Returns the value with every list sorted.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect(),
        Value::Array(items) => {
            let mut items: Vec<_> = items.iter().map(sorted).collect();
            items.sort_by_key(ToString::to_string);
            Value::Array(items)
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(proptest_config(256))]

    #[test]
    fn every_plan_is_deterministic_and_keeps_the_rules(
        choices in choices(8),
        override_name in prop::option::of("[a-z]([-a-z0-9]{0,38}[a-z0-9])?"),
    ) {
        let mut spec = laid(json!({}), &choices);
        if let Some(name) = override_name {
            spec["nameOverride"] = json!(name);
        }
        let cr = resource_of(spec);
        // Violations are permitted: they must only be the same each time.
        let (one, other) = (validate(&cr), validate(&cr));
        prop_assert_eq!(&one, &other);
        if let Ok(cluster) = one {
            let made = plan(&cluster, &Facts::default());
            prop_assert_eq!(&made, &plan(&cluster, &Facts::default()));
            prop_assert_eq!(broken(&made), Vec::<String>::new());
            prop_assert_eq!(warnings(&cluster), warnings(&cluster));
        }
    }

}

proptest! {
    // Each case evaluates the rules up to ten times.
    #![proptest_config(proptest_config(64))]

    #[test]
    fn a_plan_is_complete_and_keeps_its_secret(choices in choices(10)) {
        thread_local!(static JUDGE: Judge = Judge::new());
        let cluster = cluster_of(JUDGE.with(|judge| judge.change(&json!({}), &choices)));
        let made = plan(&cluster, &facts(&cluster));
        prop_assert_eq!(dangling(&cluster, &made), Vec::<String>::new());
        let secrets: BTreeSet<_> = made
            .objects
            .iter()
            .filter(|planned| planned.body.to_string().contains(CANARY))
            .map(|planned| planned.kind.kind)
            .collect();
        prop_assert!(secrets.iter().all(|kind| *kind == "Secret"), "{secrets:?}");
        let printed = format!("{made:?} {:?}", facts(&cluster));
        prop_assert!(!printed.contains(CANARY));
    }

    #[test]
    fn set_lists_are_read_in_any_order(choices in choices(10)) {
        thread_local!(static SCHEMA: Value = schema());
        let spec = laid(json!({}), &choices);
        let other = SCHEMA.with(|schema| turned(&schema["properties"]["spec"], &spec));
        match (validate(&resource_of(spec)), validate(&resource_of(other))) {
            (Ok(one), Ok(other)) => {
                let bodies = |cluster: &Cluster| -> Vec<Value> {
                    plan(cluster, &facts(cluster)).objects.iter().map(|planned| sorted(&planned.body)).collect()
                };
                prop_assert_eq!(bodies(&one), bodies(&other));
            }
            (Err(one), Err(other)) => prop_assert_eq!(one.len(), other.len()),
            (one, other) => prop_assert!(false, "one order is refused: {one:?} {other:?}"),
        }
    }
}

#[track_caller]
fn cluster_of(spec: Value) -> Cluster {
    validate(&resource_of(spec)).expect("a valid spec")
}
