//! Files that are maintained by hand agree with the code: the CRD, the examples, the permissions, the
//! install manifest, the documents. No Kubernetes cluster is needed.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops where it cannot go on"
)]

mod bugs;
mod crd_size;
mod docs;
mod examples;
mod faults;
mod generated;
mod go;
mod health;
mod install;
mod kustomize;
mod packages;
mod plan;
mod prose;
mod rbac;
mod rbac_used;
mod reading;
mod security;
mod stacks;
mod suites;
mod texts;

use harness::bad_input::offline;
use std::{
    fs,
    path::{Path, PathBuf},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

#[test]
fn the_installed_crds_match_the_code() {
    for definition in logpilot_operator::api::crd::definitions() {
        let name = definition.metadata.name.clone().unwrap();
        let file: CustomResourceDefinition =
            serde_yaml::from_str(&read(&format!("crds/{name}.yaml"))).unwrap();
        assert!(file == definition, "crds/{name}.yaml is out of date; run `make crd`");
        assert!(read("crds/Kustomization").contains(&format!("- {name}.yaml")), "{name} is not installed");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file of the repository.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns all Rust code, including tests.
fn sources() -> String {
    ["src", "crates", "tests", "testing"].into_iter().flat_map(rust_files).map(|(_, text)| text).collect()
}

/// Returns the Rust files under a directory of the repository, which may be absent: their paths from
/// the root, and their texts.
fn rust_files(directory: &str) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(root().join(directory)) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries.map(Result::unwrap) {
        let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files.extend(rust_files(&path));
        } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
            files.push((path.clone(), read(&path)));
        }
    }
    files
}

/// Returns the YAML files of a directory, sorted.
fn yaml_files(directory: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(root().join(directory))
        .unwrap_or_else(|error| panic!("{directory}: {error}"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

/// Returns every document of a YAML text.
fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|document| !document.is_null())
        .collect()
}

/// Returns the one document of this kind and name.
fn object<T: DeserializeOwned>(text: &str, kind: &str, name: &str) -> T {
    let found = documents(text)
        .into_iter()
        .find(|it| it["kind"] == kind && it["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("there is no {kind} {name}"));
    serde_json::from_value(found).unwrap()
}
