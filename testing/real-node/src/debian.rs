//! Images of programs as Debian packages them: the databases and the Prometheus of a stack.
//!
//! The packages are downloaded by apt and unpacked, not installed, so that the machine stays as it is. An
//! image is packed once, into the cache.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use local_cluster::cache_dir;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    error::{Context as _, Result, create, run, write},
    image::{archive, hex},
};

/// An image of programs from packages, with the name, user and entrypoint that the official image has.
pub struct Packaged {
    /// The name in a pod's spec.
    pub name: &'static str,
    /// Lists of packages: of the program, and of every library that it loads.
    packages: &'static [&'static [&'static str]],
    /// Path and text of further files; those in `/bin` and `/usr/bin` are programs.
    files: &'static [(&'static str, &'static str)],
    /// Links by their targets.
    links: &'static [(&'static str, &'static str)],
    /// A command that fails if a library is missing.
    check: &'static [&'static str],
    /// The configuration of the image, as JSON.
    config: &'static str,
}

const BASE: &[&str] = &["libc6", "libgcc-s1"];
const SYSTEMD: &[&str] = &[
    "libssl3",
    "libstdc++6",
    "libsystemd0",
    "libcap2",
    "libgcrypt20",
    "libgpg-error0",
    "liblz4-1",
    "liblzma5",
    "libzstd1",
];
/// The libraries of the server and its clients, without LLVM, the largest: the server then compiles no
/// expressions.
const POSTGRES_LIBRARIES: &[&str] = &[
    "libaudit1",
    "libbsd0",
    "libcap-ng0",
    "libcom-err2",
    "libedit2",
    "libffi8",
    "libgmp10",
    "libgnutls30",
    "libgssapi-krb5-2",
    "libhogweed6",
    "libicu72",
    "libidn2-0",
    "libk5crypto3",
    "libkeyutils1",
    "libkrb5-3",
    "libkrb5support0",
    "libldap-2.5-0",
    "libmd0",
    "libnettle8",
    "libp11-kit0",
    "libpam0g",
    "libpq5",
    "libreadline8",
    "libsasl2-2",
    "libtasn1-6",
    "libtinfo6",
    "libunistring2",
    "libxml2",
    "tzdata",
    "zlib1g",
];

/// The images that a stack on the nodes uses.
pub const PACKAGED: [Packaged; 3] = [
    Packaged {
        name: "postgres:15",
        // With a shell, through which `initdb` runs the server.
        packages: &[BASE, SYSTEMD, POSTGRES_LIBRARIES, &["dash", "postgresql-15", "postgresql-client-15"]],
        files: &[
            // `initdb` looks up the name of its user.
            ("etc/passwd", "postgres:x:70:70::/var/lib/postgresql:/bin/sh\n"),
            ("usr/bin/docker-entrypoint.sh", include_str!("../tools/debian/postgres.sh")),
        ],
        links: &[],
        check: &["/usr/lib/postgresql/15/bin/psql", "--version"],
        config: r#"{
            "User": "70:70", "Entrypoint": ["/usr/bin/docker-entrypoint.sh"], "Cmd": ["postgres"],
            "Env": ["PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin", "PGDATA=/var/lib/postgresql/data"],
            "StopSignal": "SIGINT"
        }"#,
    },
    Packaged {
        name: "redis:7",
        packages: &[BASE, SYSTEMD, &["libatomic1", "libjemalloc2", "liblzf1", "redis-server", "redis-tools"]],
        files: &[],
        links: &[],
        check: &["/usr/bin/redis-server", "--version"],
        config: r#"{ "User": "999:999", "Cmd": ["redis-server"], "Env": ["PATH=/usr/bin"], "WorkingDir": "/data" }"#,
    },
    Packaged {
        name: "prometheus:2",
        packages: &[BASE, &["prometheus"]],
        files: &[],
        links: &[("bin/prometheus", "/usr/bin/prometheus")],
        check: &["/bin/prometheus", "--version"],
        config: r#"{ "User": "65534:65534", "Entrypoint": ["/bin/prometheus"], "WorkingDir": "/prometheus" }"#,
    },
];

/// Parts of packages that no program of an image reads: half of their size.
const LEFT_OUT: [&str; 8] = [
    "usr/share/doc",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "usr/bin/promtool",
    "usr/bin/redis-benchmark",
    "usr/lib/postgresql/15/lib/bitcode",
    "usr/share/bash-completion",
];

impl Packaged {
    /// Returns the archive in the cache, and packs it first if it does not exist.
    pub fn find_or_pack(&self) -> Result<PathBuf> {
        let dir = cache_dir()?.join("debian").join(self.key());
        let archive = dir.join(self.file());
        if !archive.is_file() {
            eprintln!("real-node: packing {} once, from Debian's packages", self.name);
            self.pack(&dir)?;
        }
        Ok(archive)
    }

    /// The name of its archive.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}.tar", self.name.replace(':', "-"))
    }

    /// Everything that the image is made of, except the versions that Debian serves.
    fn key(&self) -> String {
        let all = (self.packages, self.files, self.links, self.config, LEFT_OUT);
        hex(&Sha256::digest(format!("{all:?}"))).chars().take(16).collect()
    }

    fn pack(&self, dir: &Path) -> Result<()> {
        create(dir)?;
        let work = tempfile::tempdir_in(dir).during("create a directory for packages")?;
        let (debs, root) = (work.path().join("debs"), work.path().join("root"));
        create(&debs)?;
        create(&root)?;
        self.download(&debs)?;
        for entry in fs::read_dir(&debs).during("list the packages")? {
            let package = entry.during("list the packages")?.path();
            run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root))?;
        }
        self.arrange(&root)?;
        run(Command::new("chroot").arg(&root).args(self.check))?;
        let config: Value = serde_json::from_str(self.config).during("read the image's configuration")?;
        let packed = archive(&root, self.name, &config, &work.path().join(self.file()))?;
        // In one step: another run may look for it now.
        fs::rename(packed, dir.join(self.file())).during("move the archive")
    }

    fn download(&self, debs: &Path) -> Result<()> {
        let apt = |arguments: &[&str]| {
            // The user that apt otherwise downloads as cannot write into this directory.
            run(Command::new("apt-get")
                .current_dir(debs)
                .args(["-o", "APT::Sandbox::User=root"])
                .args(arguments))
        };
        let packages = [&["download"][..], &self.packages.concat()].concat();
        if apt(&packages).is_err() {
            // The machine's lists are absent or name older versions than are served.
            apt(&["update"])?;
            apt(&packages)?;
        }
        Ok(())
    }

    fn arrange(&self, root: &Path) -> Result<()> {
        for path in LEFT_OUT.map(|path| root.join(path)) {
            if path.is_dir() {
                fs::remove_dir_all(&path).during(format_args!("remove {}", path.display()))?;
            } else if path.exists() {
                fs::remove_file(&path).during(format_args!("remove {}", path.display()))?;
            }
        }
        for (path, text) in self.files {
            let file = root.join(path);
            write(&file, text)?;
            let mode = if path.contains("bin/") { 0o555 } else { 0o444 };
            mode_of(&file, mode)?;
        }
        for (path, target) in self.links {
            let link = root.join(path);
            create(link.parent().unwrap_or(root))?;
            std::os::unix::fs::symlink(target, &link).during(format_args!("link {}", link.display()))?;
        }
        create(&root.join("tmp"))?;
        mode_of(&root.join("tmp"), 0o1777)
    }
}

fn mode_of(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .during(format_args!("set the mode of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn configurations_are_json_with_an_unprivileged_user() {
        for image in PACKAGED {
            let config: Value = serde_json::from_str(image.config).expect(image.name);
            let user = config["User"].as_str().expect(image.name);
            assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{}", image.name);
        }
    }

    #[test]
    fn each_package_is_listed_once() {
        for image in PACKAGED {
            let all = image.packages.concat();
            let different: BTreeSet<_> = all.iter().collect();
            assert_eq!(all.len(), different.len(), "{}", image.name);
        }
    }

    #[test]
    fn another_entrypoint_is_another_archive() {
        let [image, ..] = PACKAGED;
        let key = image.key();
        assert_ne!(Packaged { files: &[], ..image }.key(), key);
    }
}
