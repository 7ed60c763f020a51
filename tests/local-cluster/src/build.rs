//! Builds the control plane's programs from pinned Go modules.
//!
//! The module files are compiled into this crate, so a build needs Go and its module proxy but no checkout. The result
//! appears in one rename: a directory of programs is complete or absent.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

use crate::{
    Error, KUBERNETES_VERSION, Result,
    assets::{STAGES, missing},
    error::IoContext,
};

/// A Go module that pins one upstream.
pub(crate) struct Module {
    pub name: &'static str,
    pub go_mod: &'static str,
    pub go_sum: &'static str,
    tools_go: &'static str,
}

macro_rules! module {
    ($name:literal) => {
        Module {
            name: $name,
            go_mod: include_str!(concat!("../tools/", $name, "/go.mod")),
            go_sum: include_str!(concat!("../tools/", $name, "/go.sum")),
            tools_go: include_str!(concat!("../tools/", $name, "/tools.go")),
        }
    };
}

pub(crate) const MODULES: [Module; 3] = [module!("etcd"), module!("kubernetes"), module!("kwok")];

/// Not among [`MODULES`]: nothing is built from it, so that another pin is no other control plane.
pub(crate) const GATEWAY_API: Module = module!("gateway-api");

/// A program, the module that pins it, and its main package.
pub(crate) struct Tool {
    pub name: &'static str,
    module: &'static str,
    pub package: &'static str,
}

pub(crate) const TOOLS: [Tool; 6] = [
    Tool { name: "etcd", module: "etcd", package: "go.etcd.io/etcd/server/v3" },
    Tool { name: "kube-apiserver", module: "kubernetes", package: "k8s.io/kubernetes/cmd/kube-apiserver" },
    Tool {
        name: "kube-controller-manager",
        module: "kubernetes",
        package: "k8s.io/kubernetes/cmd/kube-controller-manager",
    },
    Tool { name: "kube-scheduler", module: "kubernetes", package: "k8s.io/kubernetes/cmd/kube-scheduler" },
    Tool { name: "kubectl", module: "kubernetes", package: "k8s.io/kubernetes/cmd/kubectl" },
    Tool { name: "kwok", module: "kwok", package: "sigs.k8s.io/kwok/cmd/kwok" },
];

/// kwok's own stages that are used as they are. What makes a pod ready is in this crate's `stages/`.
pub(crate) const STAGE_FILES: [&str; 4] = [
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
];

/// Flags of every `go build` here. Without the version the server reports v0.0.0 and clients misbehave.
pub(crate) fn flags() -> Vec<String> {
    let mut numbers = KUBERNETES_VERSION.split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let version = "-X k8s.io/component-base/version";
    let linker = format!(
        "-s -w {version}.gitVersion=v{KUBERNETES_VERSION} {version}.gitMajor={major} {version}.gitMinor={minor}"
    );
    vec!["-trimpath".to_owned(), "-p=2".to_owned(), format!("-ldflags={linker}")]
}

/// Builds everything into `bin`, unless another process just did.
pub(crate) fn into(bin: &Path) -> Result<()> {
    let parent = bin.parent().unwrap_or(bin);
    fs::create_dir_all(parent).at("create", parent)?;
    let lock_path = parent.join("lock");
    let lock = File::create(&lock_path).at("create", &lock_path)?;
    if lock.try_lock().is_err() {
        eprintln!("local-cluster: another process builds the control plane; waiting for it");
        lock.lock().at("lock", &lock_path)?;
    }
    if missing(bin).is_empty() {
        return Ok(());
    }

    let started = Instant::now();
    eprintln!("local-cluster: building the control plane once, from Go modules, into {}", bin.display());
    let work =
        tempfile::Builder::new().prefix("build-").tempdir_in(parent).at("create a directory in", parent)?;
    let output = work.path().join("bin");
    fs::create_dir(&output).at("create", &output)?;
    for module in MODULES {
        write_module(&module, work.path())?;
    }
    for (number, tool) in TOOLS.iter().enumerate() {
        let begun = Instant::now();
        eprint!("local-cluster: [{}/{}] {}", number + 1, TOOLS.len(), tool.name);
        let target = output.join(tool.name);
        let mut command = go(&work.path().join(tool.module));
        command.arg("build").args(flags()).arg("-o").arg(&target).arg(tool.package);
        let built = run(command, tool.name, "go build");
        eprintln!(" {} s", begun.elapsed().as_secs());
        built?;
    }
    let stages = output.join(STAGES);
    fs::write(&stages, default_stages(&work.path().join("kwok"))?).at("write", stages)?;

    if bin.exists() {
        fs::remove_dir_all(bin).at("remove the incomplete", bin)?;
    }
    fs::rename(&output, bin).at("move the programs to", bin)?;
    eprintln!("local-cluster: control plane built in {} s", started.elapsed().as_secs());
    Ok(())
}

pub(crate) fn write_module(module: &Module, work: &Path) -> Result<()> {
    let dir = work.join(module.name);
    fs::create_dir(&dir).at("create", &dir)?;
    for (file, text) in [("go.mod", module.go_mod), ("go.sum", module.go_sum), ("tools.go", module.tools_go)]
    {
        let path = dir.join(file);
        fs::write(&path, text).at("write", path)?;
    }
    Ok(())
}

/// The stages, out of the module itself, as one multi-document file.
fn default_stages(module: &Path) -> Result<String> {
    let mut command = go(module);
    command.args(["list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"]);
    let found = run(command, "kwok", "go list")?;
    let stages = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim()).join("kustomize/stage");
    let mut text = String::new();
    for file in STAGE_FILES {
        let path = stages.join(file);
        text.push_str("---\n");
        text.push_str(&fs::read_to_string(&path).at("read", path)?);
    }
    Ok(text)
}

pub(crate) fn go(dir: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(dir).env("CGO_ENABLED", "0").env("GOWORK", "off").env_remove("GOFLAGS");
    command
}

pub(crate) fn run(mut command: Command, tool: &str, step: &str) -> Result<Output> {
    let failed = |cause: String, advice: &str| Error::Assets {
        tool: tool.to_owned(),
        step: step.to_owned(),
        cause,
        advice: advice.to_owned(),
    };
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => failed(
            "the program `go` is not installed".to_owned(),
            "install Go 1.26 or newer, or let KUBEBUILDER_ASSETS name a directory with every tool, \
             or give a cluster by KUBECONFIG",
        ),
        _ => failed(error.to_string(), "see the cause"),
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(20).collect();
    let cause = last.into_iter().rev().collect::<Vec<_>>().join("\n");
    Err(failed(
        cause,
        "check that the Go module proxy can be reached (GOPROXY) and that the disk has 8 GB free",
    ))
}
