//! The distance of the CRD from the limits of the API server.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use logpilot_operator::api::crd::definitions;
use serde::Deserialize;

use super::{go, read};

/// The API server limits an object to about 1.5 MiB, and `kubectl apply` keeps a copy of the object in
/// an annotation, as JSON without white space. The indentation of the file does not count.
const LIMIT: usize = 256 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    total: u64,
    limit: u64,
    rule_limit: u64,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    path: String,
    #[serde(rename = "rule")]
    text: String,
    cost: u64,
}

#[test]
fn the_definition_fits_and_its_rules_are_cheap() {
    for definition in definitions() {
        fits(&definition);
    }
}

fn fits(definition: &CustomResourceDefinition) {
    let file = format!("crds/{}.yaml", definition.metadata.name.as_deref().unwrap());
    let yaml = read(&file);
    let json = serde_json::to_string(definition).unwrap();
    println!("{file}: {} bytes as YAML, {} as JSON, of {LIMIT}", yaml.len(), json.len());
    assert!(json.len() < LIMIT, "as JSON");

    let file = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    let report: Report = serde_json::from_str(&go::run("crd-cost", &[&file], "")).unwrap();
    let share = |cost: u64, of: u64| {
        let thousandths = u128::from(cost) * 1000 / u128::from(of);
        format!("{}.{}", thousandths / 10, thousandths % 10)
    };
    println!(
        "CEL: {} rules, estimated cost {}, {} % of the budget of {}",
        report.rules.len(),
        report.total,
        share(report.total, report.limit),
        report.limit
    );
    for rule in report.rules.iter().take(10) {
        let text: String = rule.text.chars().take(80).collect();
        println!("{:>8} {:>4} %  {}: {text}", rule.cost, share(rule.cost, report.limit), rule.path);
    }
    assert_eq!(report.limit, 100_000_000, "the API server's, for a whole definition");
    assert!(report.rules.len() > 100, "{} rules were found", report.rules.len());
    assert!(report.total * 2 <= report.limit, "more than half of the budget is used");
    let dearest = report.rules.first().unwrap();
    assert!(dearest.cost * 2 <= report.rule_limit, "{}: {}", dearest.path, dearest.text);
}
