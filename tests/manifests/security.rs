//! SECURITY.md repeats what the manifests grant, and names tests that exist.

use std::collections::BTreeSet;

use logpilot_operator::{
    kinds::KINDS,
    stack::{facts::Facts, plan, resolve::resolve},
};
use serde_json::Value;

use super::{docs, documents, read, sources};

pub const RIGHTS: &str = "| Resources | Verbs | Why |";
const THREATS: &str = "| # | Threat | What stands against it | Test |";

/// Returns the rows of the table with this header, without markup.
fn table(text: &str, header: &str) -> Vec<Vec<String>> {
    let rows = docs::rows(text, header);
    assert!(!rows.is_empty(), "SECURITY.md has no table with the header {header}");
    rows
}

/// Returns the rules of a role, each with the comment above it.
pub fn rules(text: &str) -> Vec<[String; 3]> {
    let parsed: Vec<Value> =
        documents(text).iter().filter_map(|role| role["rules"].as_array()).flatten().cloned().collect();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = (0..lines.len()).filter(|&at| lines[at].starts_with("- apiGroups:"));
    let why = |at: usize| {
        let above: Vec<&str> = lines[..at].iter().rev().map_while(|line| line.strip_prefix("# ")).collect();
        above.into_iter().rev().collect::<Vec<_>>().join(" ")
    };
    let list = |value: &Value| {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    begins
        .zip(parsed)
        .map(|(at, rule)| {
            let group = list(&rule["apiGroups"]);
            let of = if group.is_empty() { String::new() } else { format!(" ({group})") };
            let named = match list(&rule["resourceNames"]) {
                name if name.is_empty() => name,
                name => format!(" '{name}'"),
            };
            [format!("{}{named}{of}", list(&rule["resources"])), list(&rule["verbs"]), why(at)]
        })
        .collect()
}

#[test]
fn every_threat_has_a_row_and_tests() {
    let rows = table(&read("SECURITY.md"), THREATS);
    let ids: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let wanted: Vec<String> = (1..=27).map(|number| format!("S{number:02}")).collect();
    assert_eq!(ids, wanted);
    assert_tests_exist(&rows);
}

fn assert_tests_exist(rows: &[Vec<String>]) {
    let sources = sources();
    for row in rows {
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let tests: Vec<&str> = row[3].split(", ").filter(|word| !word.contains(' ')).collect();
        assert!(!tests.is_empty() || row[3].starts_with("none: "), "{row:?}");
        for test in tests {
            assert!(sources.contains(&format!("fn {test}(")), "{}: no test {test}", row[0]);
        }
    }
}

#[test]
fn every_threat_of_tenants_has_tests_that_exist() {
    assert_tests_exist(&table(&read("docs/tenancy.md"), "| # | A tenant tries | Why it fails | Test |"));
}

/// Kinds that no stack makes.
const NOT_OF_STACKS: [&str; 7] = [
    "cronjobs",
    "grpcroutes",
    "limitranges",
    "namespaces",
    "podmonitors",
    "prometheusrules",
    "resourcequotas",
];

/// A kind that the policy does not name could be created by tenants who may not.
#[test]
fn the_author_is_asked_about_each_kind_of_a_stack() {
    let policy = documents(&read("config/admission/stack_author.yaml")).remove(0);
    let spec = &policy["spec"];
    assert_eq!(spec["failurePolicy"], "Fail");
    assert_eq!(
        spec["matchConstraints"]["resourceRules"],
        serde_json::json!([{
            "apiGroups": ["logpilot.io"], "apiVersions": ["*"], "resources": ["servicestacks"],
            "operations": ["CREATE", "UPDATE"],
        }])
    );
    let rules: Vec<(&str, &str)> = spec["validations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["expression"].as_str().unwrap(), it["messageExpression"].as_str().unwrap()))
        .collect();
    let mut asked = BTreeSet::new();
    for kind in KINDS.iter().filter(|kind| kind.management.verbs().contains(&"create")) {
        let check = format!(
            "authorizer.group('{}').resource('{}').namespace(request.namespace).check('create').allowed()",
            kind.group, kind.plural
        );
        let message = format!("'you may not create {} ' + variables.refusal", kind.plural);
        if rules.iter().any(|(expression, text)| expression.contains(&check) && *text == message) {
            asked.insert(kind.plural);
        } else {
            assert!(NOT_OF_STACKS.contains(&kind.plural), "a stack may make {}", kind.plural);
        }
    }
    println!("{} kinds are asked about", asked.len());
    for example in ["erp", "codebeaker", "restaurant"] {
        let text = read(&format!("examples/stacks/{example}.yaml"));
        let Ok(stack) = resolve(&serde_yaml::from_str(&text).unwrap()) else { continue };
        for planned in plan::plan(&stack, &Facts::default()).objects {
            assert!(asked.contains(planned.kind.plural), "{example} makes {}", planned.kind.plural);
        }
    }
}

/// A kind that the policy does not name could be written anywhere with the operator's token.
#[test]
fn the_policy_covers_every_kind_the_operator_writes() {
    let policy = documents(&read("config/admission/operator_reach.yaml")).remove(0);
    let named: BTreeSet<(String, String)> = policy["spec"]["matchConstraints"]["resourceRules"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|rule| {
            assert_eq!(rule["operations"], serde_json::json!(["CREATE", "UPDATE", "DELETE"]));
            let group = rule["apiGroups"][0].as_str().unwrap().to_owned();
            let resources = rule["resources"].as_array().unwrap().iter();
            resources.map(move |it| (group.clone(), it.as_str().unwrap().to_owned())).collect::<Vec<_>>()
        })
        .collect();
    let writes = |verbs: &[&str]| verbs.iter().any(|verb| ["create", "patch", "delete"].contains(verb));
    let wanted: BTreeSet<(String, String)> = KINDS
        .iter()
        .filter(|kind| writes(kind.management.verbs()))
        .map(|kind| (kind.group.to_owned(), kind.plural.to_owned()))
        .chain([(String::new(), "pods/eviction".to_owned())])
        .collect();
    assert_eq!(named, wanted);
}
