//! The nodes of `make e2e`, and operations that only their owner can perform.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

pub struct Nodes {
    dir: PathBuf,
    programs: PathBuf,
}

/// A process of a container, as seen from outside the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pid(u32);

impl Nodes {
    pub fn from_environment() -> Option<Self> {
        let dir = PathBuf::from(std::env::var_os(real_node::DIRECTORY)?);
        Some(Self { dir, programs: real_node::NODE.find_or_build().unwrap() })
    }

    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.dir).unwrap().map(|entry| entry.unwrap().file_name());
        let names = entries.map(|name| name.to_string_lossy().into_owned());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("node-")).collect();
        names.sort();
        names
    }

    /// Returns whether every image of Debian's packages could be packed.
    pub fn have_databases(&self) -> bool {
        let images = self.dir.join(real_node::IMAGES);
        real_node::PACKAGED.iter().all(|image| images.join(image.file()).exists())
    }

    /// The directory that the volumes of a class share.
    pub fn class(&self, name: &str) -> PathBuf {
        self.dir.join("volumes").join(name)
    }

    /// The directory of the volume to which a PVC is bound: the data itself.
    pub fn volume(&self, claim: &Value) -> PathBuf {
        let class = claim["spec"]["storageClassName"].as_str().unwrap();
        self.class(class).join(claim["spec"]["volumeName"].as_str().unwrap())
    }

    /// Gives an existing image of the nodes another name: the same program, and a rollout for a
    /// resource that uses the name. Full names: `docker.io/library/name:tag`.
    pub fn tag(&self, image: &str, name: &str) {
        for node in self.names() {
            self.ctr(&node, &["images", "tag", "--force", image, name]);
        }
    }

    /// Sends a signal to a container, without the kubelet.
    pub fn kill(&self, pod: &Value, signal: &str) {
        let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().unwrap();
        let node = pod["spec"]["nodeName"].as_str().unwrap();
        self.ctr(node, &["tasks", "kill", "--signal", signal, id.trim_start_matches("containerd://")]);
    }

    /// The first process of a pod's container.
    pub fn pid(&self, pod: &Value) -> Pid {
        let group = self.cgroup("memory", pod);
        let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().unwrap();
        let list = group.join(id.trim_start_matches("containerd://")).join("cgroup.procs");
        let text = fs::read_to_string(&list).unwrap_or_else(|error| panic!("{}: {error}", list.display()));
        Pid(text.lines().next().unwrap().parse().unwrap())
    }

    /// Bytes in use by a pod, as its memory limit counts them, without the page cache.
    pub fn memory(&self, pod: &Value) -> u64 {
        let file = self.cgroup("memory", pod).join("memory.stat");
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let value = text.lines().find_map(|line| line.strip_prefix("total_rss "));
        value.unwrap().parse().unwrap()
    }

    /// The folder of a pod's cgroups.
    fn cgroup(&self, controller: &str, pod: &Value) -> PathBuf {
        let name = format!("pod{}", pod["metadata"]["uid"].as_str().unwrap());
        let run = self.dir.file_name().unwrap();
        let root = Path::new("/sys/fs/cgroup")
            .join(controller)
            .join(run)
            .join(pod["spec"]["nodeName"].as_str().unwrap());
        let classes = ["kubepods", "kubepods/burstable", "kubepods/besteffort"];
        let found = classes.iter().map(|class| root.join(class).join(&name)).find(|path| path.is_dir());
        found.unwrap_or_else(|| panic!("no cgroup {name} below {}", root.display()))
    }

    fn ctr(&self, node: &str, arguments: &[&str]) {
        let socket = self.dir.join(node).join("containerd.sock");
        let mut ctr = Command::new(self.programs.join("ctr"));
        let output =
            ctr.arg("--address").arg(socket).args(["--namespace", "k8s.io"]).args(arguments).output();
        let output = output.unwrap();
        assert!(
            output.status.success(),
            "ctr {arguments:?} on {node}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Pid {
    /// The root of its file system.
    pub fn root(self) -> PathBuf {
        format!("/proc/{}/root", self.0).into()
    }

    /// A line of `/proc/{pid}/status`, without its name.
    pub fn status(self, field: &str) -> String {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {field} in {text}")).trim().to_owned()
    }

    /// Options of the mount that the process sees at a path.
    pub fn mount(self, at: &str) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{}/mounts", self.0)).unwrap();
        let mut mounts = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        mounts
            .find(|fields| fields.get(1) == Some(&at))
            .and_then(|fields| fields.get(3).map(|&it| it.to_owned()))
    }
}
