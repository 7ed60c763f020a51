//! What the machine has to have, and what is installed where it is missing.

use std::{fs, path::Path, process::Command};

use crate::error::{run, run_line};

/// Version 1 controllers that a kubelet and runc use. The last is the empty hierarchy that runc looks for.
pub(crate) const CONTROLLERS: [&str; 9] =
    ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"];

/// A program and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 6] = [
    ("/usr/sbin/runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/sbin/iptables", "iptables"),
    ("/usr/sbin/nft", "nftables"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/bin/setpriv", "util-linux"),
];

/// Why no real node can run here, after missing packages have been installed; nothing where one can.
#[must_use]
pub fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can make a node's namespaces and cgroups".to_owned());
    }
    let absent: Vec<_> = CONTROLLERS
        .into_iter()
        .filter(|name| !Path::new("/sys/fs/cgroup").join(name).join("tasks").is_file())
        .collect();
    if !absent.is_empty() {
        return Some(format!(
            "no version 1 cgroup controllers at /sys/fs/cgroup: {}; a machine with version 2 can use `make e2e-kind`",
            absent.join(", ")
        ));
    }
    if !fs::read_to_string("/proc/filesystems").is_ok_and(|list| list.contains("overlay")) {
        return Some("the kernel has no overlay file system".to_owned());
    }
    if let Err(error) = install(&missing_packages(|program| Path::new(program).exists())) {
        return Some(error);
    }
    let namespaces = "unshare --mount --net --pid --ipc --uts --fork --mount-proc mount -t tmpfs probe /mnt";
    run_line(namespaces).err().map(|error| format!("namespaces cannot be made: {error}"))
}

fn missing_packages(exists: impl Fn(&str) -> bool) -> Vec<&'static str> {
    PROGRAMS.into_iter().filter(|(program, _)| !exists(program)).map(|(_, package)| package).collect()
}

fn install(packages: &[&str]) -> Result<(), String> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    eprintln!("real-node: installing {list}");
    let apt = |arguments: &[&str]| {
        run(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
            .map_err(|error| format!("needed are the Debian packages {list}, and: {error}"))
    };
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat())?;
    match missing_packages(|program| Path::new(program).exists()).as_slice() {
        [] => Ok(()),
        still => {
            Err(format!("{} was installed, and its programs are not where Debian has them", still.join(" ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_missing_when_its_program_is() {
        assert_eq!(missing_packages(|_| true), Vec::<&str>::new());
        assert_eq!(missing_packages(|program| program != "/usr/sbin/nft"), ["nftables"]);
    }
}
