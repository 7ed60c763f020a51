//! Golden files under `tests/golden`: what plans render to.

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use crate::engine::plan::Planned;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Prints every object in apply order, with what the engine knows in addition to the body.
pub fn print(objects: &[&Planned]) -> String {
    let mut text = String::new();
    for planned in objects {
        writeln!(text, "--- # {planned}, replicas {:?}, held {:?}", planned.replicas, planned.held)
            .expect("to memory");
        text.push_str(&serde_yaml::to_string(&planned.body).expect("YAML"));
    }
    text
}

/// Compares plans, by path, with the files of these parts. Writes the files if `UPDATE_GOLDEN` is
/// set, as `make golden` does.
pub fn compare(parts: &[&str], plans: &[(String, String)]) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        for part in parts {
            let _ = fs::remove_dir_all(directory().join(part));
        }
        for (name, text) in plans {
            let path = directory().join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(path, text).expect("a golden file");
        }
    }
    let mut wrong = Vec::new();
    for (name, text) in plans {
        let golden = fs::read_to_string(directory().join(name)).unwrap_or_default();
        let line = golden.lines().zip(text.lines()).position(|(golden, now)| golden != now);
        if golden != *text {
            wrong.push(format!("{name}, from line {}", line.unwrap_or_default() + 1));
        }
    }
    let known: BTreeSet<_> = plans.iter().map(|(name, _)| name.clone()).collect();
    for part in parts {
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
