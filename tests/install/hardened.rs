//! The program as its pod runs it: uid 65532, no capabilities and no way to gain any, a read-only
//! root; with the permissions of the install manifest and subject to its policies. Even with all
//! log levels, it reveals no Secret.

use std::{
    fs::{self, File},
    future::ready,
    io::{self, Write as _},
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Stdio},
};

use local_cluster::{Port, wait_for};

use super::{Kubectl, SOON};

const NAMESPACE: &str = "logpilot-operator-system";
/// In the Secrets that the resource names.
const KEY: &str = "canary-Tj6wP3eL9v-key";
const VARIABLE: &str = "canary-Gx1mD7oY4z-variable";

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the reason why the program cannot be confined here.
fn obstacle() -> Option<String> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() != b"0" {
        return Some("only root can give a program its own root directory".to_owned());
    }
    let tried = Command::new("unshare").args(["--mount", "setpriv", "--version"]).output();
    match tried {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    }
}

pub async fn the_program_needs_no_privilege_and_tells_no_secret(kubectl: &Kubectl) {
    if let Some(why) = obstacle() {
        // Bypasses the capture of a passing test's output: a skipped check must be visible.
        let _ = writeln!(io::stderr(), "SKIPPED the program without privilege: {why}");
        return;
    }
    let access = kubectl.plane.access();
    let kubeconfig = access.service_account_kubeconfig(NAMESPACE, "logpilot-operator").await.unwrap();
    let written = serde_json::to_value(&kubeconfig).unwrap();
    let token = written["users"][0]["user"]["token"].as_str().unwrap_or_default().to_owned();
    let kubeconfig = kubectl.plane.write_kubeconfig("operator", &kubeconfig).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let port = Port::free(Ipv4Addr::LOCALHOST).unwrap();
    let address = format!("127.0.0.1:{port}");
    let child = Command::new("unshare")
        .args(["--mount", "--propagation=private", "sh", "-c", include_str!("confined.sh"), "confined"])
        .args([&root, Path::new(env!("CARGO_BIN_EXE_logpilot-operator")), &kubeconfig])
        .env_clear()
        .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("KUBECONFIG", "/kubeconfig"), ("LOG", "trace")])
        .envs([("LOG_FORMAT", "json"), ("LEASE_NAMESPACE", NAMESPACE), ("POD_NAME", "hardened")])
        .envs([("LISTEN", address.as_str()), ("OPERATOR_IMAGE", "logpilot-operator:test")])
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut program = Program(child);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    wait_for("/readyz", SOON, || {
        assert!(program.0.try_wait().unwrap().is_none(), "the program ended:\n{}", said());
        ready(get(&format!("http://{address}/readyz")).map(drop))
    })
    .await
    .unwrap();
    is_confined(program.0.id());

    for command in [
        "create namespace hardened".to_owned(),
        format!("create secret generic clients -n hardened --from-literal=api-key={KEY}"),
        format!("create secret generic variables -n hardened --from-literal=token={VARIABLE}"),
        "apply -f tests/install/hardened.yaml -f examples/quickstart.yaml".to_owned(),
        "wait --for=condition=Ready lpc/hardened lpc/quickstart --timeout=60s".to_owned(),
    ] {
        kubectl.must(&command);
    }
    let made = kubectl.must("get secret quickstart-api-key -n quickstart -o jsonpath={.data.api-key}");
    let mut places = vec![
        ("log", said()),
        ("metrics", get(&format!("http://{address}/metrics")).unwrap()),
        ("audit log", fs::read_to_string(kubectl.plane.audit().path()).unwrap()),
    ];
    for what in ["lpc", "events", "deployments,configmaps,cronjobs,jobs,pods,replicasets,services"] {
        places.push((what, kubectl.must(&format!("get {what} -A -o yaml --show-managed-fields"))));
    }
    assert!(places[0].1.contains("\"level\":\"TRACE\""), "every line that there is");
    let values = [("the operator's token", token), ("a generated key", made)]
        .into_iter()
        .chain([KEY, VARIABLE].map(|value| ("a canary", value.to_owned())));
    for (what, value) in values {
        assert!(value.len() > 16, "{what}: '{value}'");
        for form in [value.clone(), plain(&value), encoded(&value)] {
            for (place, text) in &places {
                assert!(!text.contains(&form), "{what} is in the {place}");
            }
        }
    }

    kubectl.must("delete lpc hardened quickstart --timeout=60s");
    kubectl.must("delete namespace hardened quickstart --timeout=60s");
    Command::new("kill").arg(program.0.id().to_string()).status().unwrap();
    let ended = wait_for("the program to end", SOON, || {
        ready(program.0.try_wait().unwrap().ok_or_else(|| "it runs".to_owned()))
    });
    let ended = ended.await.unwrap();
    assert!(ended.success(), "{ended}: {}", said().lines().rev().take(5).collect::<Vec<_>>().join("\n"));
}

fn get(url: &str) -> Result<String, String> {
    let mut answer = ureq::get(url).call().map_err(|error| error.to_string())?;
    answer.body_mut().read_to_string().map_err(|error| error.to_string())
}

/// Compares the restrictions of a process with those that the kernel reports.
fn is_confined(id: u32) {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    for line in [
        "Uid:\t65532\t65532\t65532\t65532",
        "Gid:\t65532\t65532\t65532\t65532",
        "Groups:\t ",
        "CapInh:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.lines().any(|it| it == line), "{line}\n{status}");
    }
    let mounts = fs::read_to_string(format!("/proc/{id}/mountinfo")).unwrap();
    for mount in mounts.lines() {
        let fields: Vec<&str> = mount.split(' ').collect();
        let read_only = |options: &str| options.split(',').any(|option| option == "ro");
        // Its own file is bind-mounted by root from a writable directory.
        let of_root = fields[4] == "/";
        assert!(!of_root || read_only(fields[5]) || read_only(fields[fields.len() - 1]), "{mount}");
    }
    assert!(mounts.lines().any(|mount| mount.split(' ').nth(4) == Some("/")), "{mounts}");
}

/// Decodes base64 if the text is base64.
fn plain(text: &str) -> String {
    let bytes: Option<k8s_openapi::ByteString> = serde_json::from_value(text.into()).ok();
    let plain = bytes.and_then(|bytes| String::from_utf8(bytes.0).ok());
    plain.filter(|plain| plain.len() > 16).unwrap_or_else(|| text.to_owned())
}

fn encoded(text: &str) -> String {
    let value = serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap();
    value.as_str().unwrap().trim_end_matches('=').to_owned()
}
