//! Paths of the node: a component may mount those that an administrator granted to its namespace, and no
//! others.
//!
//! A path of the node can be the node: with a container runtime's socket a pod runs any container as
//! root. Tenants cannot write Namespaces, so an annotation there is an administrator's word. The
//! admission policy `logpilot-operator-reach` decides the same way a second time.

use std::collections::{BTreeMap, BTreeSet};

use super::{facts::Facts, model::Stack};
use crate::{engine::cache::ObjectCache, kinds::HOST_PATHS, reasons::HOST_PATH_FORBIDDEN, workload::health};

/// Paths that a namespace grants.
pub type Granted = BTreeSet<String>;

/// The paths that a stack's namespace grants, as the cache has it.
#[must_use]
pub fn granted(cache: &ObjectCache, namespace: &str) -> Granted {
    let child = cache.namespace(namespace);
    let granted = child.as_ref().and_then(|child| child.observed::<health::Namespace>()?.granted.as_deref());
    granted.map(parse).unwrap_or_default()
}

fn parse(text: &str) -> Granted {
    text.split(',').map(str::trim).filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

/// Blocks each component that mounts a path that was not granted. Its old pods keep running.
#[must_use]
pub fn hold(stack: &Stack, granted: &Granted, mut facts: Facts) -> Facts {
    let found = forbidden(stack, granted);
    facts.held.extend(found.keys().map(|component| (component.clone(), HOST_PATH_FORBIDDEN)));
    Facts { host_paths: found, ..facts }
}

/// Returns a message for each component that mounts a path without a grant, with the command that grants it.
fn forbidden(stack: &Stack, granted: &Granted) -> BTreeMap<String, String> {
    let refused = |paths: &[String]| -> Vec<String> {
        paths.iter().filter(|path| !granted.contains(*path)).cloned().collect()
    };
    let components = stack.components.values().filter(|component| component.workload.is_some());
    components
        .map(|component| (component, refused(&component.host_paths)))
        .filter(|(_, paths)| !paths.is_empty())
        .map(|(component, paths)| {
            (component.name.clone(), message(&stack.scope.namespace, &component.name, &paths, granted))
        })
        .collect()
}

fn message(namespace: &str, component: &str, paths: &[String], granted: &Granted) -> String {
    let all: BTreeSet<&str> = granted.iter().chain(paths).map(String::as_str).collect();
    let all: Vec<&str> = all.into_iter().collect();
    let overwrite = if granted.is_empty() { "" } else { " --overwrite" };
    format!(
        "component '{component}' mounts {} of the node, which no administrator granted to namespace {namespace}; remove it, or \
         have an administrator grant it, who then trusts the component as root on the node: kubectl annotate namespace \
         {namespace} {}{overwrite}",
        paths.join(" and "),
        quoted(&format!("{HOST_PATHS}={}", all.join(",")))
    )
}

/// As one word of a shell, whatever a tenant wrote.
#[must_use]
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::stack::{plan::plan, resolve::resolve, tests::example};

    #[test]
    fn a_component_without_the_grant_is_held() {
        let stack = resolve(&example("codebeaker")).unwrap();
        let facts = hold(&stack, &Granted::new(), Facts::default());
        assert_eq!(facts.host_paths.len(), 1);
        let workloads = plan(&stack, &facts).objects;
        let mut workloads: Vec<_> = workloads
            .iter()
            .filter(|it| it.kind.kind == "Deployment")
            .map(|it| (it.body["metadata"]["name"].as_str().unwrap(), it.held))
            .collect();
        workloads.sort_unstable();
        assert_eq!(workloads, [("codebeaker-api", None), ("codebeaker-worker", Some("HostPathForbidden"))]);
    }

    #[test]
    fn a_command_contains_no_second_one() {
        assert_eq!(quoted("/a'; reboot"), r"'/a'\''; reboot'");
    }

    #[rstest]
    #[case::nothing("", Some("'logpilot.io/host-paths=/var/run/docker.sock'"))]
    #[case::the_path("/var/run/docker.sock", None)]
    #[case::among_others(" /a , /var/run/docker.sock,", None)]
    #[case::another("/a", Some("'logpilot.io/host-paths=/a,/var/run/docker.sock' --overwrite"))]
    #[case::a_directory_above(
        "/var/run",
        Some("'logpilot.io/host-paths=/var/run,/var/run/docker.sock' --overwrite")
    )]
    #[case::a_longer_one("/var/run/docker.sock/", Some("--overwrite"))]
    fn only_granted_paths_are_mounted(#[case] annotation: &str, #[case] command: Option<&str>) {
        let stack = resolve(&example("codebeaker")).unwrap();
        let found = forbidden(&stack, &parse(annotation));
        match command {
            None => assert!(found.is_empty(), "{found:?}"),
            Some(command) => {
                assert_eq!(found.keys().collect::<Vec<_>>(), ["worker"]);
                let message = &found["worker"];
                assert!(
                    message.contains(": kubectl annotate namespace codebeaker 'logpilot.io/"),
                    "{message}"
                );
                assert!(message.ends_with(command), "{message}");
            }
        }
    }
}
