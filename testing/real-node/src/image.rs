//! Container images without a registry and without a builder: one static program in an empty file
//! system, or a directory of files, written as the OCI archive that `ctr images import` and `kind load
//! image-archive` read.

use std::{
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::error::{Context as _, Result, create, run, write};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image of one program.
#[derive(Debug, Clone)]
pub struct Image {
    /// The name in a pod's spec.
    pub name: String,
    /// A static program; `/{file name}` in the image, and its entrypoint.
    pub program: PathBuf,
    /// The default arguments.
    pub command: Vec<String>,
    pub labels: Value,
}

/// The user of every image here, and of the Dockerfile's image.
pub const USER: &str = "65532:65532";

impl Image {
    #[must_use]
    pub fn new(name: &str, program: impl Into<PathBuf>) -> Self {
        Self { name: name.to_owned(), program: program.into(), command: Vec::new(), labels: json!({}) }
    }

    /// The operator as the Dockerfile packs it.
    #[must_use]
    pub fn operator(name: &str, program: impl Into<PathBuf>) -> Self {
        Self {
            command: vec!["run".to_owned()],
            labels: json!({
                "org.opencontainers.image.title": "logpilot-operator",
                "org.opencontainers.image.description": "Kubernetes operator that runs LogPilot from one custom resource",
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            }),
            ..Self::new(name, program)
        }
    }

    /// Writes the archive to `{dir}/{file name of the program}.tar`.
    pub fn pack(&self, dir: &Path) -> Result<PathBuf> {
        let file = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        create(dir)?;
        let root = tempfile::tempdir_in(dir).during("create a directory for an image")?;
        let copy = root.path().join(&file);
        fs::copy(&self.program, &copy).during(format_args!("copy {}", self.program.display()))?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o555)).during("set the program's mode")?;
        let config = json!({
            "User": USER, "Entrypoint": [format!("/{file}")], "Cmd": self.command, "Labels": self.labels,
        });
        archive(root.path(), &self.name, &config, &dir.join(format!("{file}.tar")))
    }
}

/// Writes the files below `root` as an archive of one layer, and returns its path.
pub(crate) fn archive(root: &Path, name: &str, config: &Value, archive: &Path) -> Result<PathBuf> {
    let dir = archive.parent().unwrap_or(root);
    let work = tempfile::tempdir_in(dir).during("create a directory for an image")?;
    let layer = work.path().join("layer.tar");
    tar(root, &layer, &names(root)?)?;

    let layout = Layout(work.path().join("layout"));
    let layer = layout.file(LAYER, &layer)?;
    let config = layout.text(
        CONFIG,
        &json!({
            "architecture": architecture(), "os": "linux", "created": "1970-01-01T00:00:00Z",
            "config": config,
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        }),
    )?;
    let mut manifest = layout.text(
        MANIFEST,
        &json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] }),
    )?;
    manifest["annotations"] = json!({ "io.containerd.image.name": full_name(name) });
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    write(&layout.0.join("index.json"), index.to_string())?;
    write(&layout.0.join("oci-layout"), json!({ "imageLayoutVersion": "1.0.0" }).to_string())?;
    tar(&layout.0, archive, &["oci-layout", "index.json", "blobs"].map(str::to_owned))?;
    Ok(archive.to_owned())
}

/// Names of the entries of a directory, in order.
fn names(dir: &Path) -> Result<Vec<String>> {
    let step = || format!("list {}", dir.display());
    let entries = fs::read_dir(dir).during(step())?;
    let names = entries.map(|entry| entry.map(|it| it.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<std::io::Result<Vec<_>>>().during(step())?;
    names.sort();
    Ok(names)
}

/// Links an existing archive into `dir`, because it may be too large to copy.
pub fn link(archive: &Path, dir: &Path) -> Result<()> {
    let step = || format!("find {}", archive.display());
    let file = archive.file_name().ok_or("no file name").during(step())?;
    let target = archive.canonicalize().during(step())?;
    std::os::unix::fs::symlink(target, dir.join(file)).during(step())
}

/// A directory of blobs by their digests.
struct Layout(PathBuf);

impl Layout {
    fn text(&self, media_type: &str, value: &Value) -> Result<Value> {
        let text = value.to_string();
        let digest = hex(&Sha256::digest(&text));
        write(&self.blob(&digest), &text)?;
        Ok(descriptor(media_type, &digest, text.len() as u64))
    }

    fn file(&self, media_type: &str, path: &Path) -> Result<Value> {
        let mut bytes = Vec::new();
        let read = fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
        let size = read.during(format_args!("read {}", path.display()))?;
        let digest = hex(&Sha256::digest(&bytes));
        write(&self.blob(&digest), bytes)?;
        Ok(descriptor(media_type, &digest, size as u64))
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.0.join("blobs/sha256").join(digest)
    }
}

fn descriptor(media_type: &str, digest: &str, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Returns the same bytes for the same files, regardless of packer and time.
fn tar(dir: &Path, archive: &Path, names: &[String]) -> Result<()> {
    let fixed = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
    run(Command::new("tar").args(fixed).arg("-cf").arg(archive).arg("-C").arg(dir).args(names)).map(drop)
}

/// The name under which a kubelet looks up the image that a pod calls `name`.
fn full_name(name: &str) -> String {
    match name.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_completed_as_the_kubelet_does() {
        for (name, full) in [
            ("logpilot-operator:0.1.0", "docker.io/library/logpilot-operator:0.1.0"),
            ("danpung2/logpilot:1.2.0", "docker.io/danpung2/logpilot:1.2.0"),
            ("real-node.local/pause:1", "real-node.local/pause:1"),
            ("localhost:5000/pause:1", "localhost:5000/pause:1"),
        ] {
            assert_eq!(full_name(name), full);
        }
    }

    #[test]
    fn an_archive_is_reproducible_and_lists_its_content() {
        let dir = tempfile::tempdir().expect("a directory");
        let program = dir.path().join("program");
        fs::write(&program, "text").expect("a program");
        let image = Image::operator("name:1", program);
        let [one, two] =
            ["one", "two"].map(|name| fs::read(image.pack(&dir.path().join(name)).expect("packed")));
        assert_eq!(one.expect("one"), two.expect("two"));

        let archive = dir.path().join("one/program.tar");
        let index = run(Command::new("tar").arg("-xOf").arg(&archive).arg("index.json")).expect("an index");
        let index: Value = serde_json::from_str(&index).expect("JSON");
        let name = index.pointer("/manifests/0/annotations/io.containerd.image.name");
        assert_eq!(name, Some(&json!("docker.io/library/name:1")));
        let listed = run(Command::new("tar").arg("-tf").arg(&archive)).expect("a list");
        assert_eq!(
            listed.matches("blobs/sha256/").count(),
            4,
            "the folder, layer, config, manifest: {listed}"
        );
    }

    #[test]
    fn the_operator_image_matches_the_dockerfile() {
        let dockerfile = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Dockerfile");
        let dockerfile = fs::read_to_string(dockerfile).expect("the Dockerfile");
        let image = Image::operator("name:1", "logpilot-operator");
        assert!(dockerfile.contains(&format!("USER {USER}\n")));
        assert!(dockerfile.contains("ENTRYPOINT [\"/logpilot-operator\"]\n"));
        assert!(dockerfile.contains(&format!("CMD {}", json!(image.command))));
        for (label, value) in image.labels.as_object().expect("labels") {
            let value = if label.ends_with(".version") { &json!("${VERSION}") } else { value };
            assert!(dockerfile.contains(&format!("{label}={value}")), "{label}");
        }
    }
}
