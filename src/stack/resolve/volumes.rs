//! Volumes of a stack and of its components.

use k8s_openapi::{
    api::core::v1::{ConfigMapVolumeSource, HostPathVolumeSource, SecretVolumeSource, Volume, VolumeMount},
    apimachinery::pkg::api::resource::Quantity,
};

use super::names;
use crate::{
    stack::{
        api::{
            ServiceStack,
            component::{ComponentSpec, HostPathType},
            volume::ComponentVolume,
        },
        model::Files,
    },
    workload::resolve::Violations,
    workload::{
        StringMap,
        api::{common::DeletionPolicy, storage::AccessMode},
        build::pod,
        model::Claim,
    },
};

/// Permissions of files from a Secret: the container's group may read them.
const SECRET_MODE: i32 = 0o440;
/// Volume with the files of a component.
const FILES: &str = "stack-files";
/// All files of a component together, as bytes. A ConfigMap may have 1 MiB.
const FILES_BYTES: usize = 256 * 1024;
/// Longest key of a ConfigMap.
const KEY_LENGTH: usize = 253;

/// The volumes of a component's pods.
#[derive(Default)]
pub struct Volumes {
    pub all: Vec<Volume>,
    pub mounts: Vec<VolumeMount>,
    /// PVCs that the component creates.
    pub claims: Vec<Claim>,
    /// Volumes whose PVC may have one writer only, or of which the operator does not know.
    pub single_writer: Vec<String>,
    /// The PVC with which its pods have to share a node.
    pub one_node: Option<String>,
    pub groups: Vec<i64>,
}

/// PVCs of `spec.volumes`.
pub fn shared(cr: &ServiceStack) -> Vec<Claim> {
    let claim = |(entry, given): (&String, &crate::stack::api::volume::SharedVolume)| {
        claim(
            names::shared_claim(cr, entry),
            &given.size.0,
            (given.storage_class_name.as_ref(), given.access_mode, given.deletion_policy),
        )
    };
    cr.spec.volumes.iter().map(claim).collect()
}

fn claim(
    name: String,
    size: &str,
    (class, mode, policy): (Option<&String>, Option<AccessMode>, Option<DeletionPolicy>),
) -> Claim {
    Claim {
        name,
        labels: StringMap::new(),
        annotations: StringMap::new(),
        size: Quantity(size.to_owned()),
        storage_class_name: class.cloned(),
        access_mode: format!("{:?}", mode.unwrap_or_default()),
        owned: policy == Some(DeletionPolicy::Delete),
    }
}

pub fn resolve(
    cr: &ServiceStack,
    component: &str,
    given: &ComponentSpec,
    files: Option<&Files>,
    path: &str,
    violations: &mut Violations,
) -> Volumes {
    let mut all = Volumes::default();
    for (name, volume) in &given.volumes {
        one(cr, component, (name, volume), &format!("{path}.volumes.{name}"), &mut all, violations);
    }
    if let Some(files) = files {
        all.all.push(Volume {
            name: FILES.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: files.config_map.clone(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        });
        for (index, path) in given.files.keys().enumerate() {
            all.mounts.push(VolumeMount {
                name: FILES.to_owned(),
                mount_path: path.clone(),
                sub_path: Some(file_key(index, path)),
                read_only: Some(true),
                ..VolumeMount::default()
            });
        }
    }
    for (index, host) in given.host_paths.iter().flatten().enumerate() {
        let name = format!("host-{index}");
        let type_ = host.type_.map(|type_| {
            match type_ {
                HostPathType::Directory => "Directory",
                HostPathType::File => "File",
                HostPathType::Socket => "Socket",
            }
            .to_owned()
        });
        all.all.push(Volume {
            name: name.clone(),
            host_path: Some(HostPathVolumeSource { path: host.path.clone(), type_ }),
            ..Volume::default()
        });
        all.mounts.push(VolumeMount {
            name,
            mount_path: host.path.clone(),
            read_only: host.read_only.filter(|read_only| *read_only),
            ..VolumeMount::default()
        });
        all.groups.extend(host.group);
    }
    check_names(given, &all.all, path, violations);
    all
}

/// Refuses a name that the operator gives to another volume of the pod.
fn check_names(given: &ComponentSpec, all: &[Volume], path: &str, violations: &mut Violations) {
    for name in given.volumes.keys() {
        violations.require(
            all.iter().filter(|volume| volume.name == *name).count() <= 1,
            format!("{path}.volumes.{name}"),
            format!("'{name}' is the name that the operator gives to the volume of `files` or `hostPaths`; use another name"),
        );
    }
}

fn one(
    cr: &ServiceStack,
    component: &str,
    (name, given): (&str, &ComponentVolume),
    path: &str,
    all: &mut Volumes,
    violations: &mut Violations,
) {
    let writes = given.read_only != Some(true);
    let mut sub_path = given.sub_path.clone().filter(|sub_path| !sub_path.is_empty());
    let volume = if let Some(size) = &given.size {
        let claim_name = format!("{}-{name}", names::component(cr, component));
        let settings = (given.storage_class_name.as_ref(), given.access_mode, given.deletion_policy);
        if given.access_mode.unwrap_or_default() == AccessMode::ReadWriteOnce {
            all.one_node.get_or_insert_with(|| claim_name.clone());
        }
        all.claims.push(claim(claim_name.clone(), &size.0, settings));
        // The root of a new file system has a `lost+found`, which databases take for data of others.
        sub_path = given.sub_path.clone().or_else(|| Some(name.to_owned())).filter(|it| !it.is_empty());
        pod::claim(name, &claim_name)
    } else if let Some(entry) = &given.shared {
        let claim_name = names::shared_claim(cr, entry);
        let Some(shared) = cr.spec.volumes.get(entry) else {
            let known = cr.spec.volumes.keys().map(String::as_str);
            violations.add(
                format!("{path}.shared"),
                format!("no entry '{entry}' in `spec.volumes`{}", names::hint(entry, known)),
            );
            return;
        };
        if shared.access_mode.unwrap_or_default() != AccessMode::ReadWriteMany && writes {
            all.single_writer.push(name.to_owned());
        }
        if shared.access_mode.unwrap_or_default() == AccessMode::ReadWriteOnce {
            // Pods of other components need this node too.
            all.one_node = Some(claim_name.clone());
        }
        pod::claim(name, &claim_name)
    } else if let Some(existing) = &given.existing_claim {
        if writes {
            all.single_writer.push(name.to_owned());
        }
        pod::claim(name, existing)
    } else if let Some(size) = &given.scratch {
        pod::scratch(name, Some(&size.0))
    } else if let Some(secret) = &given.secret {
        let secret_name =
            if cr.spec.secrets.contains_key(secret) { names::secret(cr, secret) } else { secret.clone() };
        Volume {
            name: name.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret_name),
                default_mode: Some(SECRET_MODE),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        }
    } else if let Some(config_map) = &given.config_map {
        Volume {
            name: name.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: config_map.clone(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        }
    } else {
        violations.add(
            path,
            "must have one of `size`, `shared`, `existingClaim`, `scratch`, `secret` and `configMap`",
        );
        return;
    };
    all.mounts.push(VolumeMount {
        name: name.to_owned(),
        mount_path: given.path.clone(),
        sub_path,
        read_only: given.read_only.filter(|read_only| *read_only),
        ..VolumeMount::default()
    });
    all.all.push(volume);
}

/// Key of a file in its ConfigMap: paths have letters that a key may not have.
pub fn file_key(index: usize, path: &str) -> String {
    let base = path.rsplit('/').next().unwrap_or_default();
    let base: String = base
        .chars()
        .map(|it| if it.is_ascii_alphanumeric() || "-._".contains(it) { it } else { '_' })
        .collect();
    format!("{index:02}-{base}")
}

/// Objections to the paths and the size of a component's files.
pub fn check_files(given: &ComponentSpec, path: &str, violations: &mut Violations) {
    let size: usize = given.files.values().map(String::len).sum();
    violations.require(
        size <= FILES_BYTES,
        format!("{path}.files"),
        format!(
            "have {size} bytes and must have at most {FILES_BYTES}; use a ConfigMap of your own and `volumes`"
        ),
    );
    for (index, file) in given.files.keys().enumerate() {
        let key = file_key(index, file).len();
        violations.require(
            key <= KEY_LENGTH,
            format!("{path}.files.{file}"),
            format!("makes a ConfigMap key of {key} characters; a key has at most {KEY_LENGTH}, so shorten the file's name"),
        );
        let clean = file.starts_with('/')
            && !file.ends_with('/')
            && file.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
        violations.require(
            clean && !file.contains(':'),
            format!("{path}.files.{file}"),
            "must be an absolute path without '.', '..', ':' and empty segments",
        );
        let under = given.volumes.iter().find(|(_, volume)| {
            file.strip_prefix(volume.path.as_str()).is_some_and(|rest| rest.starts_with('/'))
        });
        if let Some((volume, _)) = under {
            violations.add(
                format!("{path}.files.{file}"),
                format!("is below the path of volume '{volume}'; choose another directory"),
            );
        }
    }
    let mut paths: Vec<&str> = given.volumes.values().map(|volume| volume.path.as_str()).collect();
    paths.extend(given.host_paths.iter().flatten().map(|host| host.path.as_str()));
    paths.extend(given.files.keys().map(String::as_str));
    paths.sort_unstable();
    if let Some(twice) = paths.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    }) {
        violations
            .add(path, format!("two volumes or files are mounted at '{twice}'; change one of the paths"));
    }
}
