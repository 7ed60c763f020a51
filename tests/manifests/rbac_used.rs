//! The granted permissions are those that the suites used. The audit logs of their clusters contain the
//! operator's requests; `make rbac-used` keeps the logs and runs this test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::Path,
};

use k8s_openapi::api::rbac::v1::Role;
use serde_json::Value;

use super::{
    object,
    rbac::{Right, granted, lines, operator_role, right},
    read,
};

/// The directory to which `make test` writes the audit logs.
const DIRECTORY: &str = "LOCAL_CLUSTER_AUDIT_DIR";
const OPERATOR: &str = "system:serviceaccount:logpilot-operator-system:logpilot-operator";
/// User agent of tests that use the operator's token for requests that must be denied.
const THIEF: &str = "stolen-token";
/// The election has a Role of its own.
const LEASES: (&str, &str) = ("coordination.k8s.io", "leases");

/// Granted permissions that are not used in every run.
const UNSEEN: &[(&str, &str, &str)] = &[
    // An object like others, but planned as long as there is a plan, so it is never pruned.
    ("delete", "serviceaccounts", ""),
    // Used after a watch was behind: the campaign's views of the past cause it, depending on their
    // seed.
    ("get", "namespaces", ""),
];

/// The requests by permission: how often they were allowed, and how often denied.
#[derive(Default)]
struct Traffic(BTreeMap<Right, (usize, usize)>);

impl Traffic {
    fn read(directory: &Path) -> Self {
        let mut traffic = Self::default();
        for entry in
            fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        {
            for line in BufReader::new(File::open(entry.unwrap().path()).unwrap()).lines() {
                // The last line of a cluster that was killed may be incomplete.
                let line = line.unwrap();
                if let Some(event) =
                    line.contains(OPERATOR).then(|| serde_json::from_str(&line).ok()).flatten()
                {
                    traffic.add(&event);
                }
            }
        }
        traffic
    }

    fn add(&mut self, event: &Value) {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let by_the_operator = text("/user/username") == OPERATOR
            && event.get("impersonatedUser").is_none()
            && text("/userAgent") != THIEF;
        // Every account may use paths without a resource: versions and API discovery.
        if !by_the_operator || text("/objectRef/resource").is_empty() {
            return;
        }
        let (verb, group) = (text("/verb"), text("/objectRef/apiGroup"));
        let resource = match text("/objectRef/subresource") {
            "" => text("/objectRef/resource").to_owned(),
            sub => format!("{}/{sub}", text("/objectRef/resource")),
        };
        let code = event.pointer("/responseStatus/code").and_then(Value::as_u64);
        let mut count = |verb: &str| {
            let (used, refused) = self.0.entry(right(group, &resource, verb)).or_default();
            *if code == Some(403) { refused } else { used } += 1;
        };
        count(verb);
        // An apply of an object that does not exist needs both permissions.
        if (verb, code) == ("patch", Some(201)) {
            count("create");
        }
    }

    fn used(&self) -> BTreeSet<Right> {
        self.0.iter().filter(|(_, (used, _))| *used > 0).map(|(right, _)| right.clone()).collect()
    }

    /// Returns permissions that were never granted, as opposed to those that a suite removed on
    /// purpose.
    fn refused(&self) -> BTreeSet<Right> {
        self.0.keys().filter(|right| !self.used().contains(*right)).cloned().collect()
    }
}

fn everything_granted() -> BTreeSet<Right> {
    let leases: Role = object(&read("config/rbac/lease.yaml"), "Role", "logpilot-operator-lease");
    let verbs: BTreeSet<String> = leases.rules.into_iter().flatten().flat_map(|rule| rule.verbs).collect();
    let leases = verbs.iter().map(|verb| right(LEASES.0, LEASES.1, verb));
    granted(&operator_role()).into_iter().chain(leases).collect()
}

/// Returns the differences: granted and not used, requested and not granted.
fn differences(traffic: &Traffic, granted: &BTreeSet<Right>, unseen: &BTreeSet<Right>) -> String {
    let used = traffic.used();
    let surplus: Vec<&Right> = granted.difference(&used).filter(|it| !unseen.contains(*it)).collect();
    let refused = traffic.refused();
    let missing = refused.union(&used).filter(|it| !granted.contains(*it));
    lines('-', surplus) + &lines('+', missing) + &lines('?', unseen.difference(granted))
}

#[test]
#[ignore = "after the suites, over what they recorded: make rbac-used"]
fn permissions_and_requests_match() {
    let directory = std::env::var_os(DIRECTORY).unwrap_or_else(|| panic!("{DIRECTORY} names no directory"));
    let traffic = Traffic::read(Path::new(&directory));
    let requests: usize = traffic.0.values().map(|(used, refused)| used + refused).sum();
    let granted = everything_granted();
    for ((verb, resource, group), (used, refused)) in &traffic.0 {
        println!("{used:>7} {refused:>5} {verb} {resource}.{group}");
    }
    let unseen = UNSEEN.iter().map(|(verb, resource, group)| right(group, resource, verb)).collect();
    let differs = differences(&traffic, &granted, &unseen);
    assert!(
        differs.is_empty(),
        "of {} rights, in {requests} requests (- granted and never used, + asked for and not granted, ? an exception that is not granted):\n{differs}",
        granted.len()
    );
    println!(
        "FIGURE {} rights, each used in the {requests} requests of the suites, none missing",
        granted.len()
    );
}

#[test]
fn surplus_and_missing_permissions_are_detected() {
    let event = |verb: &str, resource: &str, code: u16| {
        serde_json::json!({
            "verb": verb, "user": { "username": OPERATOR }, "userAgent": "",
            "objectRef": { "resource": resource }, "responseStatus": { "code": code },
        })
    };
    let mut traffic = Traffic::default();
    traffic.add(&event("patch", "services", 201));
    traffic.add(&event("get", "secrets", 403));
    traffic.add(&event("get", "secrets", 200));
    traffic.add(&event("list", "secrets", 403));
    let mut others = event("delete", "nodes", 200);
    others["userAgent"] = THIEF.into();
    traffic.add(&others);
    others["userAgent"] = "".into();
    others["impersonatedUser"] = serde_json::json!({ "username": "x" });
    traffic.add(&others);

    let rights = |list: &[(&str, &str)]| -> BTreeSet<Right> {
        list.iter().map(|(verb, resource)| right("", resource, verb)).collect()
    };
    let used = [("create", "services"), ("patch", "services"), ("get", "secrets")];
    assert_eq!(traffic.used(), rights(&used));
    let granted = rights(&[&used[..], &[("delete", "services"), ("watch", "pods")]].concat());
    let unseen = rights(&[("watch", "pods"), ("get", "nodes")]);
    assert_eq!(differences(&traffic, &granted, &unseen), "- delete services\n+ list secrets\n? get nodes\n");
}
