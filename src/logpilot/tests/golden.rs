//! Golden plans: the objects that each example and each row of the leaf table render to, as files
//! under `tests/golden`.
//!
//! A changed file is an object that an upgrade of the operator writes, and a changed pod template
//! is a rollout. Review it as such, then run `make golden`.

use std::{collections::BTreeSet, fmt::Write, fs, path::Path};

use super::{leaves::LEAVES, *};
use crate::{
    api::KIND,
    golden::{compare, print},
    logpilot::config_check,
};

fn rendered(cr: &LogPilotCluster) -> Plan {
    let cluster = validate(cr).expect("a valid resource");
    plan(&cluster, &Facts { config_checks: config_check::all_pending(&cluster), ..Facts::default() })
}

/// Returns the objects of a spec that differ from those of the default spec, and the names of those
/// that it lacks.
fn difference(spec: &str, default: &Plan) -> String {
    let plan = rendered(&resource(spec));
    let changed: Vec<_> =
        plan.in_apply_order().into_iter().filter(|it| !default.objects.contains(it)).collect();
    let names = |plan: &Plan| plan.objects.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let mut text = format!("# {}\n", spec.split_whitespace().collect::<Vec<_>>().join(" "));
    for name in names(default).difference(&names(&plan)) {
        writeln!(text, "# without {name}").expect("to memory");
    }
    text + &print(&changed)
}

fn examples() -> Vec<(String, String)> {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).expect("examples");
    let mut found = Vec::new();
    for path in files.map(|entry| entry.expect("an entry").path()) {
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("an example");
        let mut plans = String::new();
        for document in serde_yaml::Deserializer::from_str(&text) {
            let mut object = <Value as serde::Deserialize>::deserialize(document).expect("YAML");
            if object["kind"] == KIND {
                object["metadata"]["uid"] = json!("11111111-2222-3333-4444-555555555555");
                let cr = serde_json::from_value(object).expect("a resource");
                plans.push_str(&print(&rendered(&cr).in_apply_order()));
            }
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        found.push((format!("examples/{name}"), plans));
    }
    found
}

fn leaves() -> Vec<(String, String)> {
    let default = rendered(&resource("{}"));
    let one = |(path, from, to): &(&str, &str, &str)| {
        let name = path.replace('*', "any").replace("[]", "-each");
        (format!("leaves/{name}.yaml"), difference(from, &default) + &difference(to, &default))
    };
    LEAVES.iter().map(one).collect()
}

#[test]
fn golden_plans_are_unchanged() {
    let plans: Vec<_> = examples().into_iter().chain(leaves()).collect();
    compare(&["examples", "leaves"], &plans);
}
