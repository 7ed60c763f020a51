//! Shared by several suites: the Kubernetes cluster under test, a bench with a fault proxy,
//! observers, and the tables of inputs.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::new_without_default,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops where it cannot go on"
)]

pub mod bad_input;
pub mod blocks;
pub mod cluster;
pub mod leaf_table;
pub mod leaves;
pub mod process;
pub mod stand;
pub mod witness;

use std::path::{Path, PathBuf};

/// Returns `target/tmp`. Cargo gives its path to test programs only when they are compiled.
pub fn scratch() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let directory = program.ancestors().nth(3).unwrap().join("tmp");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
