//! Runs the Go programs under tests/tools, which answer questions that only Go libraries can answer. Go
//! caches the builds.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use super::root;

/// Runs one program and returns its output.
pub fn run(program: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("go")
        .args(["run", "-trimpath", "."])
        .args(arguments)
        .current_dir(root().join("tests/tools").join(program))
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .env_remove("GOFLAGS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("go run {program}: {error}; Go is needed, as for the control plane"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
