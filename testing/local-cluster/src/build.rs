//! Builds programs from pinned Go modules into a cache outside the checkout.
//!
//! The module files are compiled into this crate, so a build needs Go and its module proxy but no
//! checkout. The result appears in one rename: a directory of programs is complete or absent.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

use sha2::{Digest as _, Sha256};

use crate::{
    Error, KUBERNETES_VERSION, Result,
    assets::{STAGES, cache_dir},
    error::IoContext,
};

/// A Go module that pins the version of what is built from it.
pub struct Module {
    pub name: &'static str,
    pub go_mod: &'static str,
    pub go_sum: &'static str,
    /// Keeps `go mod tidy` from dropping the pins; not part of any program.
    pub tools_go: &'static str,
    /// Path and text of sources that this crate itself contains.
    pub sources: &'static [(&'static str, &'static str)],
}

macro_rules! module {
    ($name:literal) => {
        Module {
            name: $name,
            go_mod: include_str!(concat!("../tools/", $name, "/go.mod")),
            go_sum: include_str!(concat!("../tools/", $name, "/go.sum")),
            tools_go: include_str!(concat!("../tools/", $name, "/tools.go")),
            sources: &[],
        }
    };
}

/// Pins every program of Kubernetes itself, including those of a node.
pub const KUBERNETES: Module = module!("kubernetes");

/// Separate from [`CONTROL_PLANE`]: nothing is built from it, so a change of its pin does not
/// change the control plane.
pub(crate) const GATEWAY_API: Module = module!("gateway-api");

/// A program, the module that pins it, and its main package.
pub struct Tool {
    pub name: &'static str,
    pub module: &'static str,
    pub package: &'static str,
}

/// Programs that are built together, into one directory.
pub struct Programs {
    /// The name of the set; also the name of its directory in the cache.
    pub name: &'static str,
    pub modules: &'static [Module],
    pub tools: &'static [Tool],
    /// Names of further files in the directory.
    pub files: &'static [&'static str],
}

pub(crate) const CONTROL_PLANE: Programs = Programs {
    name: "control-plane",
    modules: &[module!("etcd"), KUBERNETES, module!("kwok")],
    tools: &[
        Tool { name: "etcd", module: "etcd", package: "go.etcd.io/etcd/server/v3" },
        Tool {
            name: "kube-apiserver",
            module: "kubernetes",
            package: "k8s.io/kubernetes/cmd/kube-apiserver",
        },
        Tool {
            name: "kube-controller-manager",
            module: "kubernetes",
            package: "k8s.io/kubernetes/cmd/kube-controller-manager",
        },
        Tool {
            name: "kube-scheduler",
            module: "kubernetes",
            package: "k8s.io/kubernetes/cmd/kube-scheduler",
        },
        Tool { name: "kubectl", module: "kubernetes", package: "k8s.io/kubernetes/cmd/kubectl" },
        Tool { name: "kwok", module: "kwok", package: "sigs.k8s.io/kwok/cmd/kwok" },
    ],
    files: &[STAGES],
};

/// The stages of kwok that are used unchanged. The stages that make a pod ready are in this crate's
/// `stages/`.
pub(crate) const STAGE_FILES: [&str; 4] = [
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
];

/// The flags of every `go build` here. Without the version, the server reports v0.0.0 and clients
/// misbehave.
pub(crate) fn flags() -> Vec<String> {
    let mut numbers = KUBERNETES_VERSION.split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let version = "-X k8s.io/component-base/version";
    let linker = format!(
        "-s -w {version}.gitVersion=v{KUBERNETES_VERSION} {version}.gitMajor={major} {version}.gitMinor={minor}"
    );
    vec!["-trimpath".to_owned(), "-p=2".to_owned(), format!("-ldflags={linker}")]
}

impl Programs {
    /// Returns their directory in the cache, and builds them first if they do not exist. Progress
    /// goes to stderr. Blocks, for minutes when it builds.
    pub fn find_or_build(&self) -> Result<PathBuf> {
        let bin = cache_dir()?.join(self.name).join(self.key("")).join("bin");
        if !self.missing(&bin).is_empty() {
            self.build_into(&bin, |_, _| Ok(()))?;
        }
        Ok(bin)
    }

    /// Returns the names that `dir` lacks.
    pub(crate) fn missing(&self, dir: &Path) -> Vec<&'static str> {
        let needed = self.tools.iter().map(|tool| tool.name).chain(self.files.iter().copied());
        needed.filter(|name| !dir.join(name).is_file()).collect()
    }

    /// Returns a directory name derived from everything the programs are built from: another pin or
    /// flag is another build. `files` describes the inputs of the further files.
    pub(crate) fn key(&self, files: &str) -> String {
        let mut hash = Sha256::new();
        for module in self.modules {
            hash.update(module.go_mod);
            hash.update(module.go_sum);
            for (path, text) in module.sources {
                hash.update(path);
                hash.update(text);
            }
        }
        for tool in self.tools {
            hash.update(tool.name);
            hash.update(tool.package);
        }
        for flag in flags() {
            hash.update(flag);
        }
        hash.update(files);
        hash.finalize().iter().take(8).fold(String::new(), |key, byte| format!("{key}{byte:02x}"))
    }

    /// Builds everything into `bin`, unless another process just did. `add_files` creates the
    /// further files; its arguments are the directory of the modules and that of the programs.
    pub(crate) fn build_into(
        &self,
        bin: &Path,
        add_files: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<()> {
        let parent = bin.parent().unwrap_or(bin);
        fs::create_dir_all(parent).at("create", parent)?;
        let lock_path = parent.join("lock");
        let lock = File::create(&lock_path).at("create", &lock_path)?;
        if lock.try_lock().is_err() {
            eprintln!("local-cluster: another process builds the {}; waiting for it", self.name);
            lock.lock().at("lock", &lock_path)?;
        }
        if self.missing(bin).is_empty() {
            return Ok(());
        }

        let started = Instant::now();
        eprintln!("local-cluster: building the {} once, from Go modules, into {}", self.name, bin.display());
        let work = tempfile::Builder::new().prefix("build-").tempdir_in(parent);
        let work = work.at("create a directory in", parent)?;
        let output = work.path().join("bin");
        fs::create_dir(&output).at("create", &output)?;
        for module in self.modules {
            write_module(module, work.path())?;
        }
        for (number, tool) in self.tools.iter().enumerate() {
            let begun = Instant::now();
            eprint!("local-cluster: [{}/{}] {}", number + 1, self.tools.len(), tool.name);
            let target = output.join(tool.name);
            let mut command = go(&work.path().join(tool.module));
            command.arg("build").args(flags()).arg("-o").arg(&target).arg(tool.package);
            let built = run(command, tool.name, "go build");
            eprintln!(" {} s", begun.elapsed().as_secs());
            built?;
        }
        add_files(work.path(), &output)?;

        if bin.exists() {
            fs::remove_dir_all(bin).at("remove the incomplete", bin)?;
        }
        fs::rename(&output, bin).at("move the programs to", bin)?;
        eprintln!("local-cluster: {} built in {} s", self.name, started.elapsed().as_secs());
        Ok(())
    }
}

pub(crate) fn write_module(module: &Module, work: &Path) -> Result<()> {
    let dir = work.join(module.name);
    let own = [("go.mod", module.go_mod), ("go.sum", module.go_sum), ("tools.go", module.tools_go)];
    for (file, text) in own.iter().chain(module.sources) {
        let path = dir.join(file);
        let parent = path.parent().unwrap_or(&dir);
        fs::create_dir_all(parent).at("create", parent)?;
        fs::write(&path, text).at("write", path)?;
    }
    Ok(())
}

/// Writes kwok's stages, taken from the module itself, as one multi-document file.
pub(crate) fn write_stages(work: &Path, output: &Path) -> Result<()> {
    let mut command = go(&work.join("kwok"));
    command.args(["list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"]);
    let found = run(command, "kwok", "go list")?;
    let stages = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim()).join("kustomize/stage");
    let mut text = String::new();
    for file in STAGE_FILES {
        let path = stages.join(file);
        text.push_str("---\n");
        text.push_str(&fs::read_to_string(&path).at("read", path)?);
    }
    let target = output.join(STAGES);
    fs::write(&target, text).at("write", target)
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
