//! The requirements of the machine, and the packages that are installed if they are missing.

use std::{fs, path::Path, process::Command};

use crate::error::{self, Context as _, run, run_line};

/// Version 1 controllers that a kubelet and runc use. The last is the empty hierarchy that runc
/// looks for.
pub(crate) const CONTROLLERS: [&str; 9] =
    ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"];

/// A program and the Debian package that contains it.
const PROGRAMS: [(&str, &str); 6] = [
    ("/usr/sbin/runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/sbin/iptables", "iptables"),
    ("/usr/sbin/nft", "nftables"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/bin/setpriv", "util-linux"),
];

/// Returns the reason why no real node can run here, after missing packages have been installed;
/// None if one can.
#[must_use]
pub fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can create a node's namespaces and cgroups".to_owned());
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
    run_line(namespaces).err().map(|error| format!("namespaces cannot be created: {error}"))
}

/// Nodes, images and logs of a run with two tests took 400 MB; this is three times that.
const ROOM: u64 = 1200 << 20;

/// Without disk space every pod is rejected, and each test would wait for its own until the deadline.
pub(crate) fn has_room(dir: &Path) -> error::Result<()> {
    let disk = rustix::fs::statvfs(dir).during(format!("read the free space of {}", dir.display()))?;
    enough(disk.f_bavail * disk.f_frsize).during(format!("run nodes in {}", dir.display()))
}

fn enough(free: u64) -> Result<(), String> {
    let mib = |bytes: u64| bytes >> 20;
    if free >= ROOM {
        return Ok(());
    }
    Err(format!("{} MiB of disk are free, and {} MiB are needed", mib(free), mib(ROOM)))
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
    fn a_package_without_program_is_missing() {
        assert_eq!(missing_packages(|_| true), Vec::<&str>::new());
        assert_eq!(missing_packages(|program| program != "/usr/sbin/nft"), ["nftables"]);
    }

    #[test]
    fn a_full_disk_is_refused_before_anything_starts() {
        assert_eq!(enough(ROOM), Ok(()));
        let said = enough(ROOM - 1).unwrap_err();
        assert_eq!(said, "1199 MiB of disk are free, and 1200 MiB are needed");
    }
}
