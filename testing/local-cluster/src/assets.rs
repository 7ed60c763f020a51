//! The source of the control plane's programs.
//!
//! In this order: `KUBEBUILDER_ASSETS`, if it contains every tool; a cache outside the checkout; a
//! build of the pinned Go modules under `tools/` into that cache (once, a few minutes). No program
//! is downloaded.

use std::{env, fs, path::PathBuf};

use crate::{
    Error, Result,
    build::{CONTROL_PLANE, STAGE_FILES, write_stages},
    error::IoContext,
};

/// The Kubernetes version of the control plane. `tools/kubernetes/go.mod` pins the same one (a test
/// compares them).
pub const KUBERNETES_VERSION: &str = "1.36.3";
/// kwok's own stages for nodes, completed Jobs and deleted pods, stored next to the programs.
pub(crate) const STAGES: &str = "kwok-stages.yaml";

const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// A directory that holds every tool.
#[derive(Debug, Clone)]
pub struct Assets {
    dir: PathBuf,
}

impl Assets {
    /// Finds the programs, or builds them; progress goes to stderr. Blocks, for minutes when it builds.
    pub fn find_or_build() -> Result<Self> {
        if let Some(dir) = env::var_os(ASSETS_VARIABLE).map(PathBuf::from) {
            match CONTROL_PLANE.missing(&dir).as_slice() {
                [] => return Ok(Self { dir }),
                missing => eprintln!(
                    "local-cluster: {ASSETS_VARIABLE}={} is not used: it lacks {}",
                    dir.display(),
                    missing.join(", ")
                ),
            }
        }
        let key = CONTROL_PLANE.key(&STAGE_FILES.concat());
        let dir = cache_dir()?.join(CONTROL_PLANE.name).join(key).join("bin");
        if !CONTROL_PLANE.missing(&dir).is_empty() {
            CONTROL_PLANE.build_into(&dir, write_stages)?;
        }
        Ok(Self { dir })
    }

    /// Path of a tool by its program name: `kubectl`, `kube-apiserver`, `etcd`…
    #[must_use]
    pub fn tool(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn stages(&self) -> Result<String> {
        let path = self.dir.join(STAGES);
        fs::read_to_string(&path).at("read", path)
    }
}

/// `${XDG_CACHE_HOME:-~/.cache}/logpilot-operator`.
pub fn cache_dir() -> Result<PathBuf> {
    let given = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("XDG_CACHE_HOME")
        .or_else(|| given("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("logpilot-operator"))
        .ok_or_else(|| Error::Assets {
            tool: "cache".to_owned(),
            step: "find a directory".to_owned(),
            cause: "neither XDG_CACHE_HOME nor HOME is set".to_owned(),
            advice: "set one of them".to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::KUBERNETES;

    #[test]
    fn the_version_is_pinned_in_go_mod() {
        let pinned =
            KUBERNETES.go_mod.lines().find_map(|line| line.strip_prefix("require k8s.io/kubernetes v"));
        assert_eq!(pinned, Some(KUBERNETES_VERSION));
    }

    #[test]
    fn an_empty_directory_lacks_every_tool() {
        let empty = tempfile::tempdir().expect("a directory");
        assert_eq!(CONTROL_PLANE.missing(empty.path()).len(), CONTROL_PLANE.tools.len() + 1);
        fs::write(empty.path().join("etcd"), "").expect("a file");
        assert!(!CONTROL_PLANE.missing(empty.path()).contains(&"etcd"));
    }
}
