//! The examples of ServiceStack: each agrees with its page, and works with the tools that deliver manifests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use logpilot_operator::{
    engine::plan::Planned,
    stack::{
        api::ServiceStack,
        facts::{Facts, SecretFact},
        model::GeneratedSecret,
        plan::plan,
        resolve::resolve,
    },
};
use serde_json::Value;

use super::{docs::rows, documents, kustomize, offline::Judge, read, root, sources};

const EXAMPLES: [&str; 3] = ["erp", "codebeaker", "restaurant"];

/// Everything that the operator creates for a stack.
fn planned(object: &Value) -> Vec<Planned> {
    let cr: ServiceStack = serde_json::from_value(object.clone()).unwrap();
    let stack = resolve(&cr).unwrap_or_else(|found| panic!("{found:?}"));
    let generated =
        |secret: &GeneratedSecret| (secret.name.clone(), SecretFact::Generate { values: BTreeMap::new() });
    let secrets = stack.secrets.iter().map(generated).collect();
    plan(&stack, &Facts { secrets, ..Facts::default() }).objects
}

fn example(name: &str) -> Value {
    documents(&read(&format!("examples/stacks/{name}.yaml"))).remove(0)
}

/// `Kind name`, without the hash in the name of a ConfigMap.
fn title(planned: &Planned) -> String {
    let (kind, name) = (planned.kind.kind, planned.key.name.as_str());
    match (kind, name.rsplit_once('-')) {
        ("ConfigMap", Some((name, _))) => format!("{kind} {name}"),
        _ => format!("{kind} {name}"),
    }
}

/// Entries of the left column, so that none is lost.
const PUBLISHED: [(&str, usize); 3] = [("erp", 29), ("codebeaker", 11), ("restaurant", 25)];

/// Returns objects of the plan without a row, rows without an object, and objects with two rows.
fn unequal(page: &str, plan: &[Planned]) -> Vec<String> {
    let rows = rows(page, "| Published | Objects of the stack |");
    let cells = rows.iter().map(|row| row[1].as_str()).filter(|cell| !cell.starts_with("none: "));
    let named: Vec<String> = cells.flat_map(|cell| cell.split(", ").map(str::to_owned)).collect();
    let exist: BTreeSet<String> = plan.iter().map(title).collect();
    let set: BTreeSet<String> = named.iter().cloned().collect();
    let mut wrong: Vec<String> = exist.symmetric_difference(&set).cloned().collect();
    wrong.extend((named.len() != set.len()).then(|| "an object has two rows".to_owned()));
    wrong.extend(rows.is_empty().then(|| "there is no table".to_owned()));
    wrong
}

/// Scenario 30.
#[test]
fn every_published_object_has_its_counterpart() {
    for (name, published) in PUBLISHED {
        let page = read(&format!("docs/from-manifests/{name}.md"));
        let wrong = unequal(&page, &planned(&example(name)));
        assert!(wrong.is_empty(), "docs/from-manifests/{name}.md: {wrong:#?}");
        let rows = rows(&page, "| Published | Objects of the stack |");
        let left = rows.iter().map(|row| row[0].as_str()).filter(|cell| !cell.starts_with("in addition"));
        assert_eq!(left.flat_map(|cell| cell.split(", ")).count(), published, "{name}");
    }
}

#[test]
fn a_missing_and_a_wrong_object_are_seen() {
    let plan = planned(&example("codebeaker"));
    let page = read("docs/from-manifests/codebeaker.md");
    let without = page.replace("ServiceAccount `codebeaker`", "ServiceAccount `other`");
    assert_eq!(unequal(&without, &plan), ["ServiceAccount codebeaker", "ServiceAccount other"]);
    assert_eq!(unequal("", &plan).len(), plan.len() + 1);
}

/// Scenario 24: references are no variables of Flux, which fails on one that it does not know.
#[test]
fn no_example_contains_a_variable_of_flux() {
    for name in EXAMPLES {
        for file in [format!("{name}.yaml"), format!("{name}/base/stack.yaml")] {
            let text = read(&format!("examples/stacks/{file}"));
            assert!(!text.contains("${"), "{file}");
            assert!(text.contains("$(") || name == "codebeaker", "{file} has references");
        }
    }
}

/// Scenario 24: a prefix, another namespace and a mirror, over each base.
#[test]
fn an_overlay_may_rename_a_stack() {
    for name in EXAMPLES {
        // Inside the repository, because Kustomize accepts no absolute path of a base.
        let directory = root().join(format!("target/overlay-{name}"));
        fs::create_dir_all(&directory).unwrap();
        let overlay = format!(
            "resources: [../../examples/stacks/{name}/base]\nnamePrefix: test-\nnamespace: other\nimages: [{{ name: mysql, newTag: '9' }}]\n"
        );
        fs::write(directory.join("kustomization.yaml"), overlay).unwrap();
        let Some(rendered) = kustomize::render(directory.to_str().unwrap(), "an overlay over the stacks")
        else {
            return;
        };
        let objects = documents(&rendered);
        let stack = objects.iter().find(|it| it["kind"] == "ServiceStack").unwrap();
        assert_eq!(stack["metadata"]["name"], format!("test-{name}"));
        assert_eq!(stack["metadata"]["namespace"], "other");
        let refusals = Judge::of_stacks().refusals(stack, None);
        assert!(refusals.is_empty(), "{name}: {refusals:#?}");
        // The spec passes unchanged, references included.
        assert_eq!(stack["spec"], example(name)["spec"], "{name}");
        let objects = planned(stack);
        assert!(objects.iter().all(|it| it.body["metadata"]["namespace"] == "other"));
        let account = objects.iter().find(|it| it.kind.kind == "ServiceAccount").unwrap();
        assert_eq!(account.key.name, format!("test-{name}"));
    }
}

/// T3, T5, T7, T14: what a tenant cannot write at all.
#[test]
fn a_stack_has_no_field_that_raises_its_rights() {
    let crd = read("crds/servicestacks.logpilot.io.yaml");
    let spec: Value = serde_yaml::from_str(&crd).unwrap();
    let schema = &spec["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut names = BTreeSet::new();
    fields(schema, &mut names);
    assert!(names.len() > 100, "{names:?}");
    for forbidden in [
        "serviceAccountName",
        "serviceAccount",
        "securityContext",
        "privileged",
        "capabilities",
        "sysctls",
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "hostPath",
        "priorityClassName",
        "annotations",
        "automountServiceAccountToken",
        "initContainers",
        "sidecars",
        "patches",
        "schedulerName",
        "runtimeClassName",
        "procMount",
    ] {
        assert!(!names.contains(forbidden), "{forbidden}");
    }
}

fn fields(schema: &Value, names: &mut BTreeSet<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        names.insert(name.clone());
        fields(property, names);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            fields(&schema[inner], names);
        }
    }
}

/// docs/dev/stack-scenarios.md: numbers that have no row, and rows that name a test that does not exist.
fn wrong(text: &str, sources: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let header = "| No. | Shown | Tests |";
    let tables = text.match_indices(header).map(|(at, _)| text.get(at..).unwrap_or_default());
    let all: Vec<_> = tables.flat_map(|table| rows(table, header)).collect();
    let expected = (1..=33).map(|number| number.to_string());
    let expected =
        expected.chain((1..=6).map(|it| format!("M{it}"))).chain((1..=20).map(|it| format!("T{it}")));
    for id in expected {
        match all.iter().filter(|row| row[0] == id).count() {
            1 => {}
            count => wrong.push(format!("{id} has {count} rows")),
        }
    }
    for row in &all {
        let cell = &row[2];
        if cell.starts_with("no test: ") {
            continue;
        }
        let is_name = |word: &&str| word.split("::").all(|part| !part.is_empty()) && word.contains("::");
        let named: Vec<&str> = cell.split([' ', ',', ';']).filter(is_name).collect();
        if named.is_empty() {
            wrong.push(format!("{} has neither a test nor a reason", row[0]));
        }
        for test in named {
            let name = test.rsplit("::").next().unwrap_or_default();
            if !sources.contains(&format!("fn {name}(")) {
                wrong.push(format!("{}: there is no {test}", row[0]));
            }
        }
    }
    wrong
}

#[test]
fn every_scenario_of_stacks_has_its_tests() {
    let found = wrong(&read("docs/dev/stack-scenarios.md"), &sources());
    assert!(found.is_empty(), "docs/dev/stack-scenarios.md: {found:#?}");
}

#[test]
fn a_scenario_without_its_test_is_seen() {
    let text = "| No. | Shown | Tests |\n|---|---|---|\n| 1 | a | `x::is_there` |\n| 2 | b | `x::is_not` |\n| 3 | c | later |\n| 4 | d | no test: cannot happen |\n";
    let found = wrong(text, "fn is_there() {}");
    assert_eq!(found.len(), 29 + 6 + 20 + 2, "{found:#?}");
    assert!(found.contains(&"2: there is no x::is_not".to_owned()));
    assert!(found.contains(&"3 has neither a test nor a reason".to_owned()));
}
