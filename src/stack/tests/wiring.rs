//! Properties of any stack: Services select their own pods, policies are the edges of the graph, and
//! every reference is resolved.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    batch::v1::Job,
    core::v1::Service,
    networking::v1::NetworkPolicy,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{
    engine::plan::Plan,
    kinds::Managed,
    stack::{api::ServiceStack, facts::Facts, plan, resolve},
    workload::patch::pod_security,
};

/// One component of a random stack.
#[derive(Clone, Debug)]
struct Random {
    kind: &'static str,
    ports: u8,
    volume: bool,
    replicas: Option<i32>,
    depends_on: BTreeSet<usize>,
    refers_to: BTreeSet<usize>,
    secret: bool,
}

fn component() -> impl Strategy<Value = Random> {
    (
        prop::sample::select(vec!["Deployment", "StatefulSet", "Job", "External"]),
        0u8..3,
        any::<bool>(),
        prop::option::of(0i32..4),
        prop::collection::btree_set(0usize..8, 0..3),
        prop::collection::btree_set(0usize..8, 0..3),
        any::<bool>(),
    )
        .prop_map(|(kind, ports, volume, replicas, depends_on, refers_to, secret)| Random {
            kind,
            ports,
            volume,
            replicas,
            depends_on,
            refers_to,
            secret,
        })
}

fn name(index: usize) -> String {
    format!("c{index}")
}

/// Whether a reference to a component is valid: it has an address.
fn refers(all: &[Random], to: usize) -> bool {
    all.get(to).is_some_and(|it| it.kind == "External" || (it.kind != "Job" && it.ports > 0))
}

/// Dependencies go to earlier components only, so that there is no cycle; references go anywhere.
fn stack(prefix: Option<&str>, all: &[Random]) -> ServiceStack {
    let mut components = Map::new();
    for (index, one) in all.iter().enumerate() {
        if one.kind == "External" {
            let external =
                json!({ "kind": "External", "external": { "host": "db.example.com", "port": 5432 } });
            components.insert(name(index), external);
            continue;
        }
        let depends_on: Vec<String> =
            one.depends_on.iter().filter(|on| **on < index).map(|on| name(*on)).collect();
        let mut env = Map::new();
        for to in one.refers_to.iter().filter(|to| refers(all, **to)) {
            let text = format!("x://$({}.host)/$(stack.name)", name(*to));
            env.insert(format!("TO_{to}"), json!(text));
        }
        if one.secret {
            env.insert("PASSWORD".into(), json!("$(secrets.s.key)"));
            env.insert("URL".into(), json!("u:$(secrets.s.key)@$(pod.name)"));
        }
        let ports: Vec<Value> = (0..one.ports)
            .map(|port| json!({ "name": format!("p{port}"), "port": 80 + i32::from(port), "targetPort": 8000 + i32::from(port) }))
            .collect();
        let mut component = json!({ "kind": one.kind, "image": "example/x:1", "ports": ports, "env": env, "dependsOn": depends_on });
        if one.kind == "Deployment" {
            component["replicas"] = json!(one.replicas);
        }
        if one.volume && one.kind != "Job" {
            component["volumes"] = json!({ "data": { "path": "/data", "size": "1Gi" } });
        }
        components.insert(name(index), component);
    }
    serde_json::from_value(json!({
        "apiVersion": "logpilot.io/v1alpha1", "kind": "ServiceStack",
        "metadata": { "name": "shop", "namespace": "a", "uid": "u" },
        "spec": {
            "namePrefix": prefix, "secrets": { "s": { "generate": ["key"] } }, "components": components,
        },
    }))
    .unwrap()
}

/// Pod templates by component.
fn templates(plan: &Plan) -> BTreeMap<String, Value> {
    let workloads = [Deployment::KIND, StatefulSet::KIND, Job::KIND];
    let of = plan.objects.iter().filter(|it| workloads.contains(&it.kind));
    of.map(|it| {
        let template = it.body["spec"]["template"].clone();
        (template["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap().to_owned(), template)
    })
    .collect()
}

fn selects(selector: &Value, template: &Value) -> bool {
    let labels = &template["metadata"]["labels"];
    selector.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value)
}

/// Components that a policy admits, by their label.
fn admitted(policy: &Value) -> BTreeSet<String> {
    let rules = policy["spec"]["ingress"].as_array().into_iter().flatten();
    let peers = rules.flat_map(|rule| rule["from"].as_array().into_iter().flatten());
    let labels = peers.map(|peer| &peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]);
    labels.map(|label| label.as_str().unwrap().to_owned()).collect()
}

proptest! {
    #![proptest_config(test_support::proptest_config(128))]

    #[test]
    fn wiring_follows_the_graph(
        prefix in prop::option::of(prop::sample::select(vec!["erp-", "x1-"])),
        all in prop::collection::vec(component(), 1..8),
    ) {
        let cr = stack(prefix, &all);
        let model = resolve::resolve(&cr).map_err(|found| TestCaseError::fail(format!("{found:?}")))?;
        let plan = plan::plan(&model, &Facts::default());
        prop_assert_eq!(&plan, &plan::plan(&model, &Facts::default()), "a plan is a function");
        let templates = templates(&plan);

        for object in plan.objects.iter().filter(|it| it.kind == Service::KIND) {
            let selector = &object.body["spec"]["selector"];
            let of = object.body["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap();
            let selected: Vec<&str> =
                templates.iter().filter(|(_, it)| selects(selector, it)).map(|(name, _)| name.as_str()).collect();
            prop_assert_eq!(selected, vec![of], "{}", object);
        }

        let runs = |index: usize| all[index].kind != "External";
        for object in plan.objects.iter().filter(|it| it.kind == NetworkPolicy::KIND) {
            let of = object.body["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap();
            let to: usize = of[1..].parse().unwrap();
            let serves = all[to].ports > 0 && all[to].kind != "Job";
            let edge = |from: usize| {
                let depends = all[from].depends_on.contains(&to) && to < from;
                from == to || depends || all[from].refers_to.contains(&to)
            };
            let wanted: BTreeSet<String> =
                (0..all.len()).filter(|from| serves && runs(*from) && edge(*from)).map(name).collect();
            prop_assert_eq!(admitted(&object.body), wanted, "{}", object);
        }

        for (name, template) in &templates {
            let container = &template["spec"]["containers"][0];
            let variables: Vec<&Value> = container["env"].as_array().into_iter().flatten().collect();
            let mut defined = BTreeSet::new();
            for variable in variables {
                let text = variable["value"].as_str().unwrap_or_default();
                for used in crate::stack::references::variables(text) {
                    prop_assert!(!used.contains('.'), "{} of {} is not resolved", text, name);
                    prop_assert!(defined.contains(used), "{} of {} is not defined before {}", used, name, text);
                }
                defined.insert(variable["name"].as_str().unwrap().to_owned());
            }
            let violations = pod_security::violations(&template["spec"]);
            prop_assert!(violations.is_empty(), "{}: {:?}", name, violations);
        }
    }
}
