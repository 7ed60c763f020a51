//! Probes leave a healthy server alone, and remove a failing one from its Service.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use crate::support::{Case, Nodes, ROLLOUT, SOON, World, condition, quick, shared, spec, stays};

/// Longer than any probe here takes to fail: its period is 1 s.
const LOOKED_AT: Duration = Duration::from_secs(8);
/// While this file exists, the server's storage fails.
const FAULT: &str = "/tmp/fault";

fn env() -> Value {
    json!([{ "name": "LOG_SERVER_STORAGE_FAULT", "value": FAULT }])
}

/// Names of the pods that a component's Service routes to.
fn led_to(case: &Case<'_>, component: &str) -> Vec<String> {
    let slices = format!(
        "endpointslices -n {} -l kubernetes.io/service-name={}-{component}",
        case.namespace, case.name
    );
    let slices = case.world.kubectl.get(&slices).unwrap();
    let endpoints = slices["items"].as_array().unwrap().iter().filter_map(|it| it["endpoints"].as_array());
    let ready = endpoints.flatten().filter(|it| it["conditions"]["ready"] == true);
    let mut names: Vec<_> = ready.map(|it| it["targetRef"]["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

async fn until_led_to(case: &Case<'_>, component: &str, names: &[&str]) {
    let what = format!("endpoints of {component} are {names:?}");
    let look = async || {
        let seen = led_to(case, component);
        if seen == names { Ok(()) } else { Err(format!("{seen:?}")) }
    };
    local_cluster::wait_for(what, SOON, look).await.unwrap_or_else(|error| panic!("{error}"));
}

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap()
}

/// The nodes, if a server's storage can be made to fail.
fn faulty(world: &World) -> Option<&Nodes> {
    let what = "a storage fault";
    world.nodes(what).filter(|_| world.misbehaves(what))
}

/// The path, seen from here, of the file that breaks one pod's storage.
fn fault(nodes: &Nodes, pod: &Value) -> PathBuf {
    nodes.pid(pod).root().join(FAULT.trim_start_matches('/'))
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn no_probe_mode_restarts_a_healthy_server() {
    const COMPONENTS: [&str; 3] = ["all", "rest", "grpc"];
    let components = |mode: &str| {
        let component = quick(&json!({ "probes": { "mode": mode } }));
        json!({ "all": component, "rest": component, "grpc": component })
    };
    let world = shared().await;
    let case = Case::new(&world, "probes", &spec(&components("ActuatorGroups")));
    for (mode, liveness, readiness) in [
        ("ActuatorGroups", "/actuator/health/liveness", "/actuator/health/readiness"),
        ("Actuator", "/actuator/health", "/actuator/health"),
        ("Tcp", "", ""),
    ] {
        case.patch(&json!({ "spec": { "components": components(mode) } }));
        case.ready().await;
        for component in COMPONENTS {
            for pod in case.pods(component) {
                let container = &pod["spec"]["containers"][0];
                let path = |probe: &str| container[probe]["httpGet"]["path"].as_str().unwrap_or_default();
                assert_eq!([path("livenessProbe"), path("readinessProbe")], [liveness, readiness], "{mode}");
                assert_eq!(
                    container["readinessProbe"]["tcpSocket"].is_object(),
                    mode == "Tcp",
                    "{container}"
                );
            }
        }
        stays(mode, LOOKED_AT, || {
            for component in COMPONENTS {
                let (ready, restarts) = (led_to(&case, component).len(), case.restarts(component));
                if ready == 0 || restarts > 0 {
                    return Err(format!("{component}: {ready} ready, {restarts} restarts"));
                }
            }
            Ok(())
        })
        .await;
        println!("FIGURE probes: mode {mode} passes for all, rest and grpc");
    }
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_storage_fault_removes_endpoints_without_a_restart() {
    let world = shared().await;
    let Some(nodes) = faulty(&world) else { return };
    let two = quick(&json!({ "replicas": 2, "env": env() }));
    let case = Case::new(&world, "probes-fault", &spec(&json!({ "all": two })));
    case.ready().await;
    let pods = case.pods("all");
    let [broken, sound] = [&pods[0], &pods[1]];
    let both = led_to(&case, "all");
    assert_eq!(both.len(), 2);

    let fault = fault(nodes, broken);
    fs::write(&fault, "").unwrap();
    until_led_to(&case, "all", &[name(sound)]).await;
    case.until("not Ready", SOON, |status| condition(status, "Ready").0 == "False").await;
    let (client, _reach) = case.client("all").await;
    // The nodes learn of it up to a second after the EndpointSlices show it.
    let alone = local_cluster::wait_for("the Service to leave the broken pod out", SOON, async || {
        (0..12).try_for_each(|_| client.send("probes", "a message"))
    });
    alone.await.unwrap_or_else(|error| panic!("{error}"));
    stays("the healthy pod serves alone, no pod is restarted", LOOKED_AT, || {
        client.send("probes", "a message")?;
        match (led_to(&case, "all"), case.restarts("all")) {
            (led, 0) if led == [name(sound)] => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    })
    .await;

    fs::remove_file(&fault).unwrap();
    let both: Vec<_> = both.iter().map(String::as_str).collect();
    until_led_to(&case, "all", &both).await;
    case.ready().await;
    assert_eq!(case.restarts("all"), 0);
    println!("FIGURE probes-fault: out of the Service and back, 0 restarts");
    case.remove().await;
}

/// The problem that the default avoids: the seed's probe, which restarts a server although a
/// restart cannot help.
#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_shared_health_endpoint_restarts_on_storage_fault() {
    let world = shared().await;
    let Some(nodes) = faulty(&world) else { return };
    let one = quick(&json!({ "probes": { "mode": "Actuator" }, "env": env() }));
    let case = Case::new(&world, "probes-actuator", &spec(&json!({ "all": one })));
    case.ready().await;
    let pod = case.pods("all").remove(0);
    fs::write(fault(nodes, &pod), "").unwrap();
    until_led_to(&case, "all", &[]).await;
    let what = format!("pod/{} -n {}", name(&pod), case.namespace);
    let restarted = |seen: &Value| seen["status"]["containerStatuses"][0]["restartCount"].as_u64() > Some(0);
    case.world.kubectl.until(&what, "is restarted", ROLLOUT, restarted).await;
    case.remove().await;
}
