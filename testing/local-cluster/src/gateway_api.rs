//! The CRDs of the Gateway API, as its project publishes them in its Go module: with the validation
//! and the defaults of a real cluster.

use std::{fs, path::PathBuf};

use crate::{
    Result,
    build::{GATEWAY_API, go, run, write_module},
    error::IoContext,
};

const MODULE: &str = "sigs.k8s.io/gateway-api";
const FILES: [&str; 4] = ["gatewayclasses", "gateways", "grpcroutes", "httproutes"];

/// The CRDs of the standard channel. Blocks; the Go module cache keeps the download.
pub fn crds() -> Result<Vec<String>> {
    let work = tempfile::tempdir().at("create a directory in", std::env::temp_dir())?;
    write_module(&GATEWAY_API, work.path())?;
    let dir = work.path().join(GATEWAY_API.name);
    let mut download = go(&dir);
    download.args(["mod", "download", MODULE]);
    run(download, GATEWAY_API.name, "go mod download")?;
    let mut list = go(&dir);
    list.args(["list", "-m", "-f", "{{.Dir}}", MODULE]);
    let found = run(list, GATEWAY_API.name, "go list")?;
    let standard = PathBuf::from(String::from_utf8_lossy(&found.stdout).trim()).join("config/crd/standard");
    FILES
        .iter()
        .map(|file| {
            let path = standard.join(format!("gateway.networking.k8s.io_{file}.yaml"));
            fs::read_to_string(&path).at("read", path)
        })
        .collect()
}
