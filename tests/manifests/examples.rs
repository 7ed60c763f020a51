//! Whoever copies an example gets what it promises.

use std::collections::BTreeMap;

use logpilot_operator::{
    api::{KIND, LogPilotCluster},
    logpilot::{facts::Facts, plan::plan, validate::validate},
};

use super::{documents, offline::Judge, read, root, yaml_files};

#[test]
fn every_example_is_accepted_and_makes_a_deployment() {
    let judge = Judge::new();
    let mut seen = 0;
    for path in yaml_files("examples") {
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        let text = read(&file);
        assert!(text.starts_with("# "), "{file}: begins with what it is for");
        let clusters: Vec<_> = documents(&text).into_iter().filter(|it| it["kind"] == KIND).collect();
        assert!(!clusters.is_empty(), "{file}: there is no {KIND}");
        for object in clusters {
            let refusals = judge.refusals(&object, None);
            assert!(refusals.is_empty(), "{file}: the API server would refuse it: {refusals:#?}");
            let cr: LogPilotCluster =
                serde_json::from_value(object).unwrap_or_else(|error| panic!("{file}: {error}"));
            let cluster = validate(&cr).unwrap_or_else(|violations| {
                panic!(
                    "{file}: {:?}",
                    violations.iter().map(|it| format!("{}: {}", it.path, it.message)).collect::<Vec<_>>()
                )
            });
            let mut kinds = BTreeMap::<&str, usize>::new();
            for planned in &plan(&cluster, &Facts::default()).objects {
                *kinds.entry(planned.kind.kind).or_default() += 1;
            }
            let components = cluster.components.len();
            assert_eq!(kinds.get("Deployment"), Some(&components), "{file}: {kinds:?}");
            assert!(kinds.get("Service") >= Some(&components), "{file}: {kinds:?}");
            seen += 1;
        }
    }
    println!("{seen} examples");
}
