//! tests/README.md says which target runs each suite, and the Makefile does so.

use std::{collections::BTreeMap, fs};

use super::{docs::rows, read, root, rust_files, sources};

const HEADER: &str = "| Suite | What it shows | Target |";

/// Returns the words of a variable of the Makefile.
fn variable(name: &str) -> Vec<String> {
    let makefile = read("Makefile");
    let line = makefile.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" := "));
    line.unwrap_or_else(|| panic!("the Makefile has no {name}")).split(' ').map(str::to_owned).collect()
}

/// Returns the test programs of a folder: single files, and folders with a `main.rs`.
fn programs(folder: impl AsRef<std::path::Path>) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return Vec::new() };
    let entries = entries.map(|entry| entry.unwrap().path());
    let programs = entries.filter(|path| {
        path.join("main.rs").exists() || path.extension().is_some_and(|extension| extension == "rs")
    });
    programs.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

/// Returns each suite with the target that runs it.
fn targets() -> BTreeMap<String, String> {
    let (long, others) = (variable("LONG"), variable("PROGRAMS"));
    let target = |suite: String| {
        let target = if long.contains(&suite) { "make test-faults" } else { "make test" };
        (suite, target.to_owned())
    };
    let mut targets: BTreeMap<_, _> = programs("tests").into_iter().map(target).collect();
    let packages = ["testing", "crates"].map(|all| fs::read_dir(root().join(all)).unwrap());
    for package in packages.into_iter().flatten() {
        let folder = package.unwrap().path().join("tests");
        for suite in programs(&folder) {
            let target = if others.contains(&suite) { "make test" } else { "make e2e" };
            let taken = targets.insert(suite.clone(), target.to_owned());
            assert_eq!(taken, None, "two suites of the name {suite}: `cargo test --test {suite}` runs both");
        }
    }
    targets
}

#[test]
fn every_suite_has_its_target() {
    let table = rows(&read("tests/README.md"), HEADER);
    let table: BTreeMap<_, _> = table.into_iter().map(|row| (row[0].clone(), row[2].clone())).collect();
    let mut expected = targets();
    expected.insert("unit".to_owned(), "make test".to_owned());
    assert_eq!(table, expected, "tests/README.md");
    for name in variable("LONG").iter().chain(&variable("WAITING")).chain(&variable("PROGRAMS")) {
        assert!(expected.contains_key(name), "the Makefile names the suite {name}, which does not exist");
    }
}

/// rstest takes an attribute that ends in `test` for the test attribute of another crate, and then adds
/// none: the cases of the function would never run.
#[test]
fn no_case_is_named_test() {
    let trap = concat!("#[case", "::test");
    let found: Vec<_> = ["src", "crates", "tests", "testing"]
        .into_iter()
        .flat_map(rust_files)
        .filter(|(_, text)| text.contains(trap))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(found, [""; 0], "{trap}");
}

/// A filter that matches no test makes cargo run none and succeed.
#[test]
fn filters_of_commands_match_a_test() {
    let sources = sources();
    let mut found = 0;
    for file in ["Makefile", ".ci/run", "tests/beside"] {
        let text = read(file);
        let commands = text.lines().filter(|line| {
            line.contains("cargo test") || line.contains("CARGO) test") || line.contains("CAMPAIGN)")
        });
        for word in commands.flat_map(|line| line.split(|it: char| !it.is_ascii_lowercase() && it != '_')) {
            if word.matches('_').count() >= 2 {
                assert!(sources.contains(&format!("fn {word}")), "{file}: no test is named {word}…");
                found += 1;
            }
        }
    }
    assert!(found >= 5, "only {found} filters were found");
}
