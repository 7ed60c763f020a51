//! Packages depend on each other in one direction, and those that serve any product name none.

use std::fs;

use super::{read, root, rust_files};

/// The packages under `crates/`: which of them each may depend on, and whether it serves any product.
const PACKAGES: [(&str, &[&str], bool); 4] =
    [("engine", &[], true), ("workload", &["engine"], true), ("release", &[], true), ("backup", &[], false)];

/// Words that belong to one product.
const PRODUCT: [&str; 2] = ["logpilot", "sqlite"];

/// Returns the packages under `crates/` that a manifest depends on, except for tests.
fn named(manifest: &str) -> Vec<&str> {
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let names =
        lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split([' ', '.']).next());
    names.filter(|name| *name == "logpilot-operator" || PACKAGES.iter().any(|it| it.0 == *name)).collect()
}

#[test]
fn packages_depend_in_one_direction() {
    for (name, may, _) in PACKAGES {
        assert_eq!(named(&read(&format!("crates/{name}/Cargo.toml"))), may, "dependencies of {name}");
    }
    let found = fs::read_dir(root().join("crates")).unwrap().count();
    assert_eq!(found, PACKAGES.len(), "packages under crates/ that no row is about");
    assert_eq!(
        named("[dependencies]\nserde = \"1\"\nengine.workspace = true\n[dev-dependencies]\nbackup = 1\n"),
        ["engine"]
    );
}

#[test]
fn shared_packages_name_no_product() {
    for (name, ..) in PACKAGES.iter().filter(|package| package.2) {
        let files = rust_files(&format!("crates/{name}"));
        assert!(!files.is_empty());
        for (path, text) in files {
            let line =
                text.lines().find(|line| PRODUCT.iter().any(|word| line.to_lowercase().contains(word)));
            assert_eq!(line, None, "{path}");
        }
    }
}
