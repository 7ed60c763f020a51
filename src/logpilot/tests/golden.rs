//! Golden plans: the objects that each example and each row of the leaf table render to, as files
//! under `tests/golden`.
//!
//! A changed file is an object that an upgrade of the operator writes, and a changed pod template
//! is a rollout. Review it as such, then run `make golden`.

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use super::{leaves::LEAVES, *};
use crate::{api::KIND, logpilot::config_check};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Prints every object in apply order, with what the engine knows in addition to the body.
fn print(objects: &[&Planned]) -> String {
    let mut text = String::new();
    for planned in objects {
        writeln!(text, "--- # {planned}, replicas {:?}, held {:?}", planned.replicas, planned.held)
            .expect("to memory");
        text.push_str(&serde_yaml::to_string(&planned.body).expect("YAML"));
    }
    text
}

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

/// Writes the files if `UPDATE_GOLDEN` is set, as `make golden` does.
#[test]
fn golden_plans_are_unchanged() {
    let plans: Vec<_> = examples().into_iter().chain(leaves()).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let _ = fs::remove_dir_all(directory());
        for (name, text) in &plans {
            let path = directory().join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(path, text).expect("a golden file");
        }
    }
    let mut wrong = Vec::new();
    for (name, text) in &plans {
        let golden = fs::read_to_string(directory().join(name)).unwrap_or_default();
        let line = golden.lines().zip(text.lines()).position(|(golden, now)| golden != now);
        if golden != *text {
            wrong.push(format!("{name}, from line {}", line.unwrap_or_default() + 1));
        }
    }
    let known: BTreeSet<_> = plans.iter().map(|(name, _)| name.clone()).collect();
    for part in ["examples", "leaves"] {
        for entry in fs::read_dir(directory().join(part)).expect("golden files") {
            let name = format!("{part}/{}", entry.expect("an entry").file_name().to_string_lossy());
            if !known.contains(&name) {
                wrong.push(format!("{name}, which nothing renders any more"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "these plans differ from tests/golden; an upgrade would write them. Review, then `make golden`:\n{}",
        wrong.join("\n")
    );
}
