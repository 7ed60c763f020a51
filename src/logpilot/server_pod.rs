//! Checks what a pod must keep regardless of patches: its program, the input of the program, and the
//! data. A pod is evaluated as it would be applied, against the planned pod. Pure.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    environment::{Finding, Source, Variable, of_arguments, of_variables},
    model::Cluster,
};
use crate::{api::storage::Backend, workload::json::list};

/// The working directory of the image. Spring searches it for a configuration in addition to the
/// operator's.
const DIRECTORY: &str = "/app";
/// Paths whose content is lost with the pod, so that any volume is suitable.
const SCRATCH: [&str; 2] = ["/tmp", "/scratch"];

/// Returns everything that is wrong with a pod after a patch: the path below the pod's spec, and why.
#[must_use]
pub fn violations(cluster: &Cluster, planned: &Value, patched: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for container in list(planned, "containers") {
        let name = text(container, "name");
        let is_server = cluster.components.iter().any(|component| component.role.container == name);
        let kept = list(patched, "containers").enumerate().find(|(_, other)| text(other, "name") == name);
        let Some((index, kept)) = kept else {
            let variables: Vec<&str> = list(container, "env").map(|entry| text(entry, "name")).collect();
            let why = format!(
                "must keep the container '{name}', with its variables {}: the operator's guarantees depend on it",
                variables.join(", ")
            );
            found.push(("containers".to_owned(), why));
            continue;
        };
        let program = Program { planned: container, patched: kept, is_server };
        let judged = program.violations(planned, patched);
        found.extend(judged.into_iter().map(|(field, why)| {
            let at =
                if field.starts_with("volumes") { field } else { format!("containers[{index}].{field}") };
            (at, why)
        }));
    }
    if planned.get("enableServiceLinks") != patched.get("enableServiceLinks") {
        let why = "must stay false: variables of Services would set ports of the server";
        found.push(("enableServiceLinks".to_owned(), why.to_owned()));
    }
    if cluster.storage.backend == Backend::File {
        found.extend(writers(planned, patched));
    }
    found
}

/// A container that the operator planned, before and after a patch.
struct Program<'a> {
    planned: &'a Value,
    patched: &'a Value,
    is_server: bool,
}

impl Program<'_> {
    fn violations(&self, planned: &Value, patched: &Value) -> Vec<(String, String)> {
        let mut found = self.command();
        found.extend(self.environment());
        found.extend(self.ports());
        found.extend(self.directory());
        found.extend(self.mounts());
        found.extend(self.volumes(planned, patched));
        found
    }

    fn changes(&self, field: &str) -> bool {
        self.planned.get(field) != self.patched.get(field)
    }

    /// The effects of another program are unknown. The server's arguments can be checked.
    fn command(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        if self.changes("command") {
            let why = "may not be patched: another program would ignore what this resource declares; use `args`, or Java options in `env` of the component";
            found.push(("command".to_owned(), why.to_owned()));
        }
        if !self.is_server && self.changes("args") {
            let why = "may not be patched: they define the source and the target of the copy; use `spec.backup` and `spec.restore`";
            found.push(("args".to_owned(), why.to_owned()));
        }
        if self.is_server {
            let known = arguments(self.planned);
            let judged = arguments(self.patched).into_iter().filter(|finding| !known.contains(finding));
            found.extend(judged.map(|finding| ("args".to_owned(), finding.message())));
        }
        found
    }

    fn environment(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        if self.is_server && self.changes("envFrom") {
            let why = "may not be patched: the operator must read what it refers to; use `envFrom` of the component";
            found.push(("envFrom".to_owned(), why.to_owned()));
        }
        let at = |name: &str| format!("env[{name}]");
        for name in names(self.patched) {
            if entries(self.patched, name).count() > 1 {
                found.push((at(name), "is specified twice; keep one".to_owned()));
            }
        }
        let (before, after) = (self.findings(self.planned), self.findings(self.patched));
        let is_known = |finding: &Finding, name: &str| {
            before.contains(finding) && entries(self.planned, name).eq(entries(self.patched, name))
        };
        let judged = after.iter().filter_map(|finding| Some((finding, finding.variable.as_deref()?)));
        found.extend(
            judged
                .filter(|(finding, name)| !is_known(finding, name))
                .map(|(finding, name)| (at(name), finding.message())),
        );
        // Variables that belong to the operator by name are already reported. The programs of backups
        // have no others.
        let by_name = |name: &str| before.iter().any(|finding| finding.is_of(name));
        let ours = |name: &&str| !self.is_server || by_name(name);
        for name in names(self.planned).into_iter().filter(ours) {
            let judged = after.iter().any(|finding| finding.variable.as_deref() == Some(name));
            let kept = entries(self.planned, name).eq(entries(self.patched, name));
            if !kept && !judged {
                let why = "must be kept: without it the program would run without protection, or with other settings than this resource declares";
                found.push((at(name), why.to_owned()));
            }
        }
        found
    }

    /// Applies only to the server: other programs read no properties.
    fn findings(&self, container: &Value) -> Vec<Finding> {
        if self.is_server { of_variables(&variables(container), undefined(container)) } else { Vec::new() }
    }

    fn ports(&self) -> Vec<(String, String)> {
        let same = |port: &Value, other: &Value| {
            ["name", "containerPort"].iter().all(|field| port.get(field) == other.get(field))
        };
        list(self.planned, "ports")
            .filter(|port| !list(self.patched, "ports").any(|other| same(port, other)))
            .map(|port| {
                let why = format!(
                    "must keep the port '{}': Services, probes and metrics use it",
                    text(port, "name")
                );
                ("ports".to_owned(), why)
            })
            .collect()
    }

    /// Returns the mounts that the program relies on.
    fn kept_mounts(&self) -> impl Iterator<Item = &Value> {
        list(self.planned, "volumeMounts").filter(|mount| !SCRATCH.contains(&text(mount, "mountPath")))
    }

    fn mounts(&self) -> Vec<(String, String)> {
        let is_kept = |mount: &Value| list(self.patched, "volumeMounts").any(|other| other == mount);
        let mut found: Vec<_> = self
            .kept_mounts()
            .filter(|mount| !is_kept(mount))
            .map(|mount| {
                let path = text(mount, "mountPath");
                (
                    format!("volumeMounts[{path}]"),
                    "must stay as it is: the program reads or writes there".to_owned(),
                )
            })
            .collect();
        let is_planned = |mount: &Value| list(self.planned, "volumeMounts").any(|other| other == mount);
        for mount in list(self.patched, "volumeMounts").filter(|mount| !is_planned(mount)) {
            let path = text(mount, "mountPath");
            // A changed planned mount is already reported.
            let changed = self.kept_mounts().any(|kept| text(kept, "mountPath") == path && !is_kept(kept));
            let over = self.kept_mounts().any(|kept| overlap(path, text(kept, "mountPath")));
            if !changed && (over || self.is_server && self.is_configuration(path)) {
                let why = "may not be mounted there: it would hide what the program reads or writes, or add a second configuration; choose another path";
                found.push((format!("volumeMounts[{path}]"), why.to_owned()));
            }
        }
        found
    }

    /// Returns whether Spring would search there for a configuration in addition to the operator's.
    fn is_configuration(&self, path: &str) -> bool {
        let given = text(self.patched, "workingDir");
        let directory = steps(if given.is_empty() { DIRECTORY } else { given });
        let path = steps(path);
        match path.strip_prefix(directory.as_slice()) {
            Some([]) => true,
            Some([first, ..]) => *first == "config" || first.starts_with("application"),
            None => directory.starts_with(&path),
        }
    }

    /// Rejects a working directory that the program reads or writes: it would provide a second
    /// configuration.
    fn directory(&self) -> Option<(String, String)> {
        let moved = self.is_server && self.changes("workingDir");
        let found = self.kept_mounts().any(|mount| self.is_configuration(text(mount, "mountPath")));
        let why = "may not be set to this path: the server reads a second configuration from it; choose a directory outside `/config` and `/data`";
        (moved && found).then(|| ("workingDir".to_owned(), why.to_owned()))
    }

    fn volumes(&self, planned: &Value, patched: &Value) -> Vec<(String, String)> {
        let named = |pod: &Value, name: &str| -> Vec<Value> {
            list(pod, "volumes").filter(|volume| text(volume, "name") == name).cloned().collect()
        };
        self.kept_mounts()
            .map(|mount| text(mount, "name"))
            .filter(|name| named(planned, name) != named(patched, name))
            .map(|name| {
                let why = "must stay as it is: it holds the configuration or the data; use `spec.config` and `spec.storage`";
                (format!("volumes[{name}]"), why.to_owned())
            })
            .collect()
    }
}

/// Returns the containers of a patch that may write files which the server caches. SQLite locks its
/// file, so other containers may write it; a reader of its log must be able to.
fn writers(planned: &Value, patched: &Value) -> Vec<(String, String)> {
    let claim = |volume: &Value| volume.pointer("/persistentVolumeClaim/claimName").cloned();
    let claims: Vec<Value> = list(planned, "volumes").filter_map(claim).collect();
    let of_data = |mount: &Value| {
        let volume = list(patched, "volumes").find(|volume| text(volume, "name") == text(mount, "name"));
        volume.and_then(claim).is_some_and(|claim| claims.contains(&claim))
    };
    let is_ours = |name: &str| list(planned, "containers").any(|container| text(container, "name") == name);
    let mut found = Vec::new();
    for field in ["containers", "initContainers"] {
        for (index, container) in list(patched, field).enumerate() {
            let beside = field == "containers" || text(container, "restartPolicy") == "Always";
            if !beside || is_ours(text(container, "name")) {
                continue;
            }
            let writes = |mount: &&Value| of_data(mount) && mount.get("readOnly") != Some(&Value::Bool(true));
            found.extend(list(container, "volumeMounts").filter(writes).map(|mount| {
                (
                    format!("{field}[{index}].volumeMounts[{}].readOnly", text(mount, "mountPath")),
                    "must be true: with `storage.backend: File` only the server may write the data"
                        .to_owned(),
                )
            }));
        }
    }
    found
}

/// Returns whether one path equals the other, or is above or below it.
fn overlap(one: &str, other: &str) -> bool {
    steps(one).iter().zip(&steps(other)).all(|(one, other)| one == other)
}

fn steps(path: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    steps
}

/// Returns what the arguments of a server set, with the variables that they refer to.
fn arguments(container: &Value) -> Vec<Finding> {
    let given: Vec<&str> = list(container, "args").filter_map(Value::as_str).collect();
    of_arguments(&given, &variables(container), undefined(container))
}

/// Returns the variables of a container, as far as its spec contains them.
fn variables(container: &Value) -> Vec<Variable<'_>> {
    let source = |entry: &Value| match entry.get("valueFrom") {
        None | Some(Value::Null) => Source::Text(Cow::Owned(text(entry, "value").to_owned())),
        Some(from) => of_pod(from),
    };
    list(container, "env")
        .map(|entry| Variable { name: text(entry, "name").into(), source: source(entry) })
        .collect()
}

/// Annotations may contain any text.
fn of_pod(from: &Value) -> Source<'static> {
    let field = from.pointer("/fieldRef/fieldPath").and_then(Value::as_str);
    match field {
        Some(field) if !field.starts_with("metadata.annotations") => Source::Plain,
        None if from.get("resourceFieldRef").is_some() => Source::Plain,
        _ => Source::Unread,
    }
}

/// Returns what `envFrom` may define.
fn undefined(container: &Value) -> Option<&'static Source<'static>> {
    list(container, "envFrom").next().map(|_| &Source::Unread)
}

fn names(container: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = list(container, "env").map(|entry| text(entry, "name")).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn entries<'a>(container: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    list(container, "env").filter(move |entry| text(entry, "name") == name)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
