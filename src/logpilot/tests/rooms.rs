//! Which room may know what.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a room").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// What any product uses knows none, or a second one could not use it.
#[test]
fn workload_knows_no_product() {
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/workload");
    let sources = sources(&room);
    assert!(sources.len() > 30, "{sources:?}");
    for path in sources {
        let text = fs::read_to_string(&path).expect("text");
        for (number, line) in text.lines().enumerate() {
            let small = line.to_lowercase();
            let product = ["logpilot", "sqlite", "crate::api"].iter().find(|word| small.contains(**word));
            assert_eq!(product, None, "{}:{}: {line}", path.display(), number + 1);
        }
    }
}
