//! Failures are reported soon, in the words of their source; old pods keep serving; reverting the
//! change heals.

use std::{
    cell::Cell,
    fs::{self, File},
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use local_cluster::wait_for;
use serde_json::{Value, json};

use crate::support::{Case, ROLLOUT, World, condition, quick, shared, spec};

/// From the kubelet's own report to the resource's status.
const NAMED_WITHIN: Duration = Duration::from_secs(10);
const COMPONENT: &str = "all";

/// A healthy resource of one pod, that pod, and a client to write with.
async fn serving<'a>(world: &'a World, name: &str) -> (Case<'a>, Value) {
    let case = Case::new(world, name, &spec(&json!({ COMPONENT: quick(&json!({})) })));
    case.ready().await;
    let pod = case.pods(COMPONENT).remove(0);
    (case, pod)
}

/// Returns the states of the servers' containers, including the previous one.
fn states(pods: &[Value]) -> Vec<Value> {
    let all = pods.iter().filter_map(|pod| pod["status"]["containerStatuses"].as_array()).flatten();
    all.flat_map(|container| [container["state"].clone(), container["lastState"].clone()]).collect()
}

fn ended(state: &Value) -> bool {
    state["terminated"].is_object()
}

/// Waits until the kubelet reports it for a pod and the status names it, and asserts how long that
/// took. Returns the problem.
async fn named(case: &Case<'_>, reason: &str, kubelet: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    let said = Cell::new(None);
    let lpc = format!("logpilotcluster/{}", case.name);
    let look = || {
        let pods = case.pods(COMPONENT);
        if said.get().is_none() && states(&pods).iter().any(&kubelet) {
            said.set(Some(Instant::now()));
        }
        let seen = case.world.kubectl.get(&lpc)?;
        let problems = seen["status"]["problems"].as_array().into_iter().flatten();
        let found = problems.clone().find(|it| it["reason"] == reason).cloned();
        found.ok_or_else(|| format!("{:?}", problems.collect::<Vec<_>>()))
    };
    let what = format!("{}: {reason} in the status", case.name);
    let problem = wait_for(what, ROLLOUT, async || look()).await.unwrap_or_else(|error| panic!("{error}"));
    // Reported before the poll that would have shown it.
    let after = said.get().map_or(Duration::ZERO, |said| said.elapsed());
    println!(
        "FIGURE {}: {reason} reported {:.1} s after the kubelet's report, {:.1} s after the change: {}",
        case.name,
        after.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        problem["message"].as_str().unwrap_or_default().replace('\n', " ")
    );
    assert!(after <= NAMED_WITHIN, "{after:?} for {problem}");
    assert!(problem["action"].as_str().is_some_and(|it| !it.is_empty()), "{problem}");
    problem
}

fn assert_words(problem: &Value, words: &[&str]) {
    let message = problem["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "{word}: {message}");
    }
}

/// Checks that the pod from before a change still serves, and was never restarted.
async fn still_serves(case: &Case<'_>, old: &Value) {
    let name = &old["metadata"]["name"];
    let pods = case.pods(COMPONENT);
    let pod = pods.iter().find(|pod| pod["metadata"]["uid"] == old["metadata"]["uid"]);
    let pod = pod.unwrap_or_else(|| panic!("{name} is deleted"));
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0, "{name}");
    assert_eq!(pod["status"]["containerStatuses"][0]["ready"], true, "{name}");
    let (client, _reach) = case.client(COMPONENT).await;
    for number in 0..10 {
        client.send("causes", &format!("message {number}")).unwrap();
    }
}

/// Reverts a change: Ready without a further step, without problems, on the pod that existed all
/// the time.
async fn heals(case: &Case<'_>, old: &Value, patch: &Value) {
    let began = Instant::now();
    case.patch(patch);
    case.until("Ready without a problem", ROLLOUT, |status| {
        condition(status, "Ready").0 == "True" && status["problemCount"] == 0
    })
    .await;
    println!("FIGURE {}: healed {:.1} s after the revert", case.name, began.elapsed().as_secs_f64());
    still_serves(case, old).await;
}

fn component(patch: &Value) -> Value {
    json!({ "spec": { "components": { COMPONENT: patch } } })
}

fn overlay(overlay: &Value) -> Value {
    json!({ "spec": { "config": { "overlay": overlay } } })
}

/// A value with which no server starts.
fn bad() -> Value {
    overlay(&json!({ "management": { "info": { "env": { "enabled": "maybe" } } } }))
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn an_image_that_does_not_exist() {
    let world = shared().await;
    let (case, old) = serving(&world, "cause-image").await;
    case.patch(&component(&json!({ "image": "danpung2/logpilot:0.0.0-absent" })));
    let pulls = |state: &Value| {
        matches!(state["waiting"]["reason"].as_str(), Some("ErrImagePull" | "ImagePullBackOff"))
    };
    let problem = named(&case, "ImagePullBackOff", pulls).await;
    assert_words(&problem, &["logpilot:0.0.0-absent"]);
    still_serves(&case, &old).await;
    heals(&case, &old, &component(&json!({ "image": null }))).await;
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_value_that_the_server_refuses() {
    let world = shared().await;
    let (case, old) = serving(&world, "cause-value").await;
    case.patch(&bad());
    let problem = named(&case, "CrashLoopBackOff", ended).await;
    assert_words(&problem, &["exit code 1", "management.info.env.enabled"]);
    still_serves(&case, &old).await;
    heals(&case, &old, &overlay(&Value::Null)).await;
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_server_that_never_starts() {
    let world = shared().await;
    if !world.misbehaves("a server that never starts") {
        return;
    }
    let crash = json!({ "env": [{ "name": "LOG_SERVER_CRASH_ON", "value": "server.port" }] });
    let case = Case::new(&world, "cause-crash", &spec(&json!({ COMPONENT: quick(&crash) })));
    let problem = named(&case, "CrashLoopBackOff", ended).await;
    assert_words(&problem, &["exit code 1", "server.port"]);
    let began = Instant::now();
    case.patch(&component(&json!({ "env": null })));
    case.ready().await;
    println!("FIGURE {}: healed {:.1} s after it was corrected", case.name, began.elapsed().as_secs_f64());
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn root_causes_behind_stack_frames() {
    let world = shared().await;
    if !world.misbehaves("a server that ends with a stack trace") {
        return;
    }
    let (case, old) = serving(&world, "cause-trace").await;
    for (trace, reason, words) in [
        (
            "pragma",
            "DatabaseInvalid",
            "org.sqlite.SQLiteException: [SQLITE_NOTADB] File opened that is not a database file",
        ),
        (
            "open",
            "DataNotWritable",
            "java.sql.SQLException: opening db: '/data/logpilot.db': Permission denied",
        ),
        ("statement", "VolumeFull", "[SQLITE_FULL] Insertion failed because database is full"),
        ("file", "DataNotWritable", "java.nio.file.AccessDeniedException: /data/logs"),
        ("key-store", "CrashLoopBackOff", "java.io.FileNotFoundException: /nope.p12"),
        ("heap", "CrashLoopBackOff", "java.lang.OutOfMemoryError: Java heap space"),
        ("frames", "CrashLoopBackOff", "its termination message names no cause; kubectl logs --previous"),
    ] {
        let env = json!([{ "name": "LOG_SERVER_END_WITH", "value": trace }]);
        case.patch(&component(&json!({ "env": env })));
        let shown = case.until(trace, ROLLOUT, |status| {
            let mut problems = status["problems"].as_array().into_iter().flatten();
            problems.any(|it| {
                it["reason"] == reason
                    && it["message"].as_str().is_some_and(|message| message.contains(words))
            })
        });
        let status = shown.await;
        assert!(!status.to_string().contains(".java:"), "{status}");
        println!("FIGURE {}: {trace} is {reason}", case.name);
    }
    still_serves(&case, &old).await;
    heals(&case, &old, &component(&json!({ "env": null }))).await;
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_server_terminated_by_its_startup_probe() {
    let world = shared().await;
    if !world.misbehaves("a server that starts slowly") {
        return;
    }
    let slow = json!({
        "env": [{ "name": "LOG_SERVER_SLOW_START_SECONDS", "value": "600" }],
        "probes": { "startup": { "initialDelaySeconds": 1, "periodSeconds": 1, "failureThreshold": 5 } },
    });
    let case = Case::new(&world, "cause-startup", &spec(&json!({ COMPONENT: quick(&slow) })));
    let problem =
        named(&case, "CrashLoopBackOff", |state| state["waiting"]["reason"] == "CrashLoopBackOff").await;
    assert_words(&problem, &["by its startup probe, which allows 6 s for a start", "reason=Unhealthy"]);
    // The object that the message requests exists.
    let message = problem["message"].as_str().unwrap();
    let command = message.split("kubectl ").nth(1).unwrap().split(';').next().unwrap();
    let answer = world.kubectl.must(command);
    assert!(answer.contains("Startup probe failed"), "{answer}");
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_server_exceeding_its_memory_limit() {
    let world = shared().await;
    if !world.misbehaves("a server that leaks") {
        return;
    }
    let (case, old) = serving(&world, "cause-memory").await;
    // The leak exceeds the limit within the first second.
    let leak = json!([{ "name": "LOG_SERVER_LEAK_MIB_PER_SECOND", "value": "400" }]);
    case.patch(&component(&json!({ "env": leak, "resources": { "limits": { "memory": "128Mi" } } })));
    let killed = |state: &Value| state["terminated"]["reason"] == "OOMKilled";
    let problem = named(&case, "OOMKilled", killed).await;
    assert_words(&problem, &["exit code 137"]);
    still_serves(&case, &old).await;
    heals(&case, &old, &component(&json!({ "env": null, "resources": { "limits": null } }))).await;
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_full_volume() {
    let world = shared().await;
    let Some(nodes) = world.nodes("a full volume") else { return };
    // All volumes of the class share one file system: full before the server has written anything.
    let fill = || Filler::new(nodes.class("small").join("filler"));
    let filler = fill();
    let mut small = spec(&json!({ COMPONENT: quick(&json!({})) }));
    small["storage"] = json!({ "volume": { "storageClassName": "small", "size": "1Gi" } });
    let case = Case::new(&world, "cause-volume", &small);
    let problem = named(&case, "VolumeFull", ended).await;
    drop(filler);
    assert_words(&problem, &["exit code 1", "full"]);
    let began = Instant::now();
    case.ready().await;
    println!("FIGURE {}: healed {:.1} s after there was room", case.name, began.elapsed().as_secs_f64());

    // A server that already serves refuses what it cannot store, and returns what it has.
    let restarts = case.restarts(COMPONENT);
    let (client, _reach) = case.answering(COMPONENT).await;
    client.send("causes", "kept").unwrap();
    let filler = fill();
    let large = "x".repeat(100_000);
    let refused = (0..100).find_map(|_| client.send("causes", &large).err());
    let refused = refused.expect("10 MB had room in a full volume");
    println!("FIGURE {}: a write without room is answered with {refused}", case.name);
    assert_eq!(client.consume("causes", "reader", 1).unwrap(), ["kept"]);
    drop(filler);
    client.send("causes", "there is room again").unwrap();
    assert_eq!(case.restarts(COMPONENT), restarts);
    case.remove().await;
}

/// A file that occupies all space of its file system as long as it exists.
struct Filler(PathBuf);

impl Filler {
    fn new(path: PathBuf) -> Self {
        let mut file = File::create(&path).unwrap();
        let error = io::copy(&mut io::repeat(b'x'), &mut file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_configuration_checked_before_the_rollout() {
    let mut checked = spec(&json!({ COMPONENT: quick(&json!({})) }));
    checked["config"]["check"] = json!({ "timeoutSeconds": 120 });
    let world = shared().await;
    let case = Case::new(&world, "cause-checked", &checked);
    case.ready().await;
    let old = case.pods(COMPONENT).remove(0);
    let sets = format!("replicasets -n {} -l app={}-{COMPONENT}", case.namespace, case.name);
    let revisions = || case.world.kubectl.get(&sets).unwrap()["items"].as_array().unwrap().len();

    case.patch(&bad());
    let status = case
        .until("ConfigCheckFailed", ROLLOUT, |status| condition(status, "Stalled").1 == "ConfigCheckFailed");
    let status = status.await;
    let problem =
        status["problems"].as_array().unwrap().iter().find(|it| it["reason"] == "ConfigCheckFailed");
    assert_words(problem.unwrap(), &["exit code 1", "management.info.env.enabled", "keep serving"]);
    assert_eq!(revisions(), 1, "no serving pod was touched");
    still_serves(&case, &old).await;

    let began = Instant::now();
    case.patch(&overlay(&json!({ "management": null, "info": { "stage": "second" } })));
    case.ready().await;
    println!("FIGURE {}: checked and rolled in {:.1} s", case.name, began.elapsed().as_secs_f64());
    assert_eq!(revisions(), 2);
    let pods = case.pods(COMPONENT);
    assert!(pods.iter().all(|pod| pod["metadata"]["uid"] != old["metadata"]["uid"]), "the old pod serves on");
    assert_eq!(case.restarts(COMPONENT), 0);
    case.remove().await;
}
