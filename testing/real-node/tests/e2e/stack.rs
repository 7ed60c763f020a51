//! A stack of real databases, a service that needs them, a migration and the bundled Prometheus.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use k8s_openapi::jiff::Timestamp;
use local_cluster::wait_for;
use serde_json::{Value, json};

use crate::support::{Client, Nodes, ROLLOUT, SOON, Stack, World, condition, shared};

/// Seconds for which the temporary server of the first start runs.
const INITIALISATION: u32 = 12;
/// Port of the service.
const HTTP: u16 = 8080;

/// Selects the pods of the service, and all but those of the migration.
const SERVICE: &str = "app.kubernetes.io/component=orders";
const RUNNING: &str = "app.kubernetes.io/component!=migration";

/// The script with which the database starts for the first time takes some seconds.
fn spec(initialisation: u32) -> Value {
    let database =
        "postgresql://postgres:$(secrets.db.password)@$(db.address)/shop?sslmode=disable&connect_timeout=2";
    let each_second = json!({ "readiness": { "periodSeconds": 1 }, "startup": { "periodSeconds": 1 } });
    let small = json!({ "requests": { "cpu": "10m", "memory": "32Mi" }, "limits": { "memory": "512Mi" } });
    json!({
        "secrets": { "db": { "generate": ["password"] }, "cache": { "generate": ["password"] } },
        "components": {
            "db": {
                "kind": "StatefulSet", "image": "postgres:15", "user": 70, "readOnlyRootFilesystem": true,
                "ports": [{ "name": "postgres", "port": 5432 }],
                "env": {
                    "POSTGRES_DB": "shop", "POSTGRES_USER": "postgres",
                    "POSTGRES_PASSWORD": "$(secrets.db.password)", "PGDATA": "/var/lib/postgresql/data/pgdata",
                },
                "volumes": {
                    "data": { "path": "/var/lib/postgresql/data", "size": "256Mi" },
                    "socket": { "path": "/var/run/postgresql", "scratch": "16Mi" },
                    "tmp": { "path": "/tmp", "scratch": "16Mi" },
                },
                "files": {
                    "/docker-entrypoint-initdb.d/slow.sql": format!("SELECT pg_sleep({initialisation});\n"),
                },
                "probes": each_second, "resources": small,
            },
            "cache": {
                "kind": "StatefulSet", "image": "redis:7", "user": 999, "readOnlyRootFilesystem": true,
                "args": ["redis-server", "--appendonly", "yes", "--requirepass", "$(secrets.cache.password)"],
                "ports": [{ "name": "redis", "port": 6379 }],
                "volumes": { "data": { "path": "/data", "size": "64Mi" } },
                "probes": each_second, "resources": small,
            },
            "migration": {
                "kind": "Job", "dependsOn": ["db"], "image": "orders:1", "args": ["migrate"], "user": 65532,
                "env": { "DATABASE_URL": database }, "resources": small,
            },
            "orders": {
                "dependsOn": ["db", "cache", "migration"], "image": "orders:1", "user": 65532, "replicas": 2,
                "ports": [{ "name": "http", "port": HTTP }],
                "env": {
                    "DATABASE_URL": database,
                    "REDIS_URL": "redis://:$(secrets.cache.password)@$(cache.address)",
                },
                "readOnlyRootFilesystem": true, "metrics": {}, "resources": small,
                "probes": {
                    "path": "/health", "liveness": { "path": "/live" },
                    "readiness": { "periodSeconds": 1 }, "startup": { "periodSeconds": 1 },
                },
            },
        },
    })
}

/// With the bundled Prometheus of the nodes.
fn monitored() -> Value {
    let mut spec = spec(INITIALISATION);
    spec["monitoring"] = json!({ "prometheus": {
        "image": "prometheus:2", "scrapeInterval": "2s",
        "resources": { "requests": { "cpu": "10m", "memory": "64Mi" }, "limits": { "memory": "512Mi" } },
    } });
    spec
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_stack_starts_in_order_and_is_scraped() {
    let world = shared().await;
    let began = Instant::now();
    let Some(stack) = Stack::new(&world, "shop", &monitored()) else { return };
    the_temporary_server_opens_no_gate(&stack).await;
    let status = stack.ready().await;
    let took = began.elapsed().as_secs_f64();
    assert_eq!((&status["ready"], &status["tiers"]), (&json!("5/5"), &json!(3)), "{status}");

    let starts = Starts::of(&stack);
    for (dependent, dependencies) in [("migration", &["db"][..]), ("orders", &["db", "cache", "migration"])] {
        for dependency in dependencies {
            let (created, ready) = (starts.created[dependent], starts.ready[*dependency]);
            assert!(ready <= created, "{dependent} was created at {created}, {dependency} ready at {ready}");
        }
    }
    println!(
        "FIGURE stack of PostgreSQL, Redis, a migration, two pods of a service and Prometheus: Ready after {took:.1} s, {}; \
         the temporary server took {INITIALISATION} s of it",
        starts.tiers(&status)
    );

    passwords_reach_programs_and_no_object(&stack).await;
    network_rules_follow_the_graph(&stack);
    programs_are_unprivileged(&stack, stack.nodes);
    each_pod_is_scraped_once(&stack).await;
    stack.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn an_outage_is_named_and_heals() {
    let world = shared().await;
    let Some(stack) = Stack::new(&world, "till", &spec(0)) else { return };
    stack.ready().await;
    let (client, _reach) = stack.client("orders", HTTP).await;
    assert_eq!(client.get("/orders/tea").unwrap(), (200, "1 1".to_owned()));
    let before = uids(&stack, SERVICE);

    let began = Instant::now();
    crash(&stack, "db", 10).await;
    let root_cause = |status: &Value| {
        let [problem] = &status["problems"].as_array()?[..] else { return None };
        let affected = problem["affects"].as_array()?.contains(&json!("orders"));
        (problem["component"] == "db" && affected && row(status, "orders")["ready"] == "0/2")
            .then(|| problem.clone())
    };
    let status = stack.until("names the database alone", SOON, |status| root_cause(status).is_some()).await;
    let problem = root_cause(&status).unwrap();
    stack.ready().await;
    let took = began.elapsed().as_secs_f64();
    assert_eq!(uids(&stack, SERVICE), before, "the service stayed");
    assert!(stack.pods("orders").iter().all(|pod| restarts(pod) == 0));
    assert_eq!(answer(&client, "/orders/tea").await, "2 2", "the data is kept");
    println!(
        "FIGURE outage of PostgreSQL of {took:.1} s: {}, {}, affects {}; the service's pods stayed",
        problem["reason"], problem["object"], problem["affects"]
    );

    let (before, began) = (uids(&stack, RUNNING), Instant::now());
    world.kubectl.must("delete pods --all -n till --wait=false");
    let pods = format!("pods -n till -l {RUNNING}");
    let replaced = |seen: &Value| {
        let pods = seen["items"].as_array().unwrap();
        let new = |pod: &Value| !before.contains(pod["metadata"]["uid"].as_str().unwrap());
        pods.len() == 4 && pods.iter().all(|pod| new(pod) && is_ready(pod))
    };
    world.kubectl.until(&pods, "are replaced", ROLLOUT, replaced).await;
    stack.ready().await;
    println!(
        "FIGURE all pods of a stack deleted at once: Ready after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    assert_eq!(answer(&client, "/orders/tea").await, "3 3", "the data is kept");
    stack.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn pods_that_crashed_together_are_woken() {
    let world = shared().await;
    let (Some((woken, with)), Some((slept, without))) =
        tokio::join!(power_cut(&world, "woken", false), power_cut(&world, "slept", true))
    else {
        return;
    };
    println!(
        "FIGURE all containers of a stack crash, PostgreSQL for 40 s: the service is ready {with:.1} s after it; {without:.1} s \
         without the eviction of its pods in crash backoff"
    );
    assert!(woken && !slept, "only an operator that may write evicts pods");
    assert!(with < without, "{with} s with evictions, {without} s without");
}

/// Returns whether the pods of the service were replaced, and the seconds from the database's return until
/// the service was ready. A paused operator writes nothing.
async fn power_cut(world: &World, name: &str, paused: bool) -> Option<(bool, f64)> {
    let stack = Stack::new(world, name, &spec(0))?;
    stack.ready().await;
    stack.patch(&json!({ "spec": { "operation": { "paused": paused } } }));
    stack.until("has seen it", SOON, |_| true).await;
    let before = uids(&stack, SERVICE);
    crash(&stack, "db", 20).await;
    // The database now stays away for longer than the service waits between its first starts.
    for component in ["cache", "orders"] {
        for pod in stack.pods(component) {
            stack.nodes.kill(&pod, "KILL");
        }
    }
    crash(&stack, "db", 40).await;
    let ready = async |component: &str, count: usize| {
        let selector = format!("pods -n {name} -l app.kubernetes.io/component={component}");
        let ready = |seen: &Value| {
            seen["items"].as_array().unwrap().iter().filter(|pod| is_ready(pod)).count() == count
        };
        stack.world.kubectl.until(&selector, "are ready", ROLLOUT, ready).await;
    };
    ready("db", 1).await;
    let began = Instant::now();
    ready("orders", 2).await;
    let took = began.elapsed().as_secs_f64();
    let replaced = uids(&stack, SERVICE).is_disjoint(&before);
    stack.remove().await;
    Some((replaced, took))
}

/// Kills the only pod's container whenever it runs, until the kubelet waits this many seconds before its next
/// start.
async fn crash(stack: &Stack<'_>, component: &str, backoff: u32) {
    let killed = RefCell::new(BTreeSet::new());
    wait_for(format!("{component} in a backoff of {backoff} s"), ROLLOUT, async || {
        let pods = stack.pods(component);
        let container = &pods.first().ok_or("no pod")?["status"]["containerStatuses"][0];
        let waiting = &container["state"]["waiting"];
        let message = waiting["message"].as_str().unwrap_or_default();
        if waiting["reason"] == "CrashLoopBackOff" && message.starts_with(&format!("back-off {backoff}s")) {
            return Ok(());
        }
        // A container that was killed is shown as running for a moment.
        if container["state"]["running"].is_object()
            && killed.borrow_mut().insert(container["containerID"].to_string())
        {
            stack.nodes.kill(&pods[0], "KILL");
        }
        Err(container["state"].to_string())
    })
    .await
    .unwrap();
}

async fn answer(client: &Client, path: &str) -> String {
    let answered = wait_for("the service", SOON, async || match client.get(path)? {
        (200, text) => Ok(text),
        (code, text) => Err(format!("{code} {text}")),
    });
    answered.await.unwrap()
}

fn row<'a>(status: &'a Value, component: &str) -> &'a Value {
    let mut rows = status["components"].as_array().unwrap().iter();
    rows.find(|row| row["name"] == component).unwrap()
}

fn is_ready(pod: &Value) -> bool {
    condition(&pod["status"], "Ready").0 == "True"
}

fn restarts(pod: &Value) -> i64 {
    pod["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap()
}

/// UIDs of the selected pods that are not being deleted.
fn uids(stack: &Stack<'_>, selector: &str) -> BTreeSet<String> {
    let pods = stack.world.kubectl.pods(&stack.name, selector);
    pods.iter().map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
}

/// PostgreSQL creates its database with a server that listens on a socket only.
async fn the_temporary_server_opens_no_gate(stack: &Stack<'_>) {
    let log =
        || stack.world.kubectl.run(&format!("logs -n {} db-0 --tail=-1", stack.name)).unwrap_or_default();
    let socket = format!("exec -n {} db-0 -- pg_isready --username=postgres", stack.name);
    wait_for("the temporary server", ROLLOUT, async || {
        let seen = log();
        if seen.contains("running /docker-entrypoint-initdb.d/slow.sql") { Ok(()) } else { Err(seen) }
    })
    .await
    .unwrap();
    let answer = stack.world.kubectl.must(&socket);
    assert!(answer.contains("accepting connections"), "{answer}");
    // Read before the log: nothing that it shows can belong to the server after it.
    let looks = Cell::new(0);
    wait_for("the first start's end", ROLLOUT, async || {
        let (jobs, set) = (stack.get("jobs").unwrap(), stack.get("statefulset/db").unwrap());
        let waiting = stack.get(&format!("stack/{}", stack.name)).unwrap()["status"]["waiting"].clone();
        if log().contains("the first start is complete") {
            return Ok(());
        }
        looks.set(looks.get() + 1);
        assert_eq!(jobs["items"], json!([]), "the migration waits");
        assert_eq!(set["status"]["readyReplicas"].as_i64().unwrap_or(0), 0, "{}", set["status"]);
        assert_eq!(waiting, "db");
        Err("it runs".to_owned())
    })
    .await
    .unwrap();
    assert!(looks.get() > 0, "the temporary server was seen");
}

/// When workloads were created, and when they were first ready.
struct Starts {
    began: Timestamp,
    created: BTreeMap<String, Timestamp>,
    ready: BTreeMap<String, Timestamp>,
}

impl Starts {
    fn of(stack: &Stack<'_>) -> Self {
        let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
        let component = |object: &Value| {
            object["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap().to_owned()
        };
        let resource = stack.get(&format!("stack/{}", stack.name)).unwrap();
        let mut starts = Self {
            began: time(&resource["metadata"]["creationTimestamp"]),
            created: BTreeMap::new(),
            ready: BTreeMap::new(),
        };
        for object in stack.get("deployments,statefulsets,jobs").unwrap()["items"].as_array().unwrap() {
            starts.created.insert(component(object), time(&object["metadata"]["creationTimestamp"]));
            if object["kind"] == "Job" {
                starts.ready.insert(component(object), time(&object["status"]["completionTime"]));
            }
        }
        for pod in stack.get("pods").unwrap()["items"].as_array().unwrap() {
            let conditions = pod["status"]["conditions"].as_array().unwrap();
            let ready = conditions.iter().find(|it| it["type"] == "Ready" && it["status"] == "True");
            let Some(ready) = ready else { continue };
            let at = time(&ready["lastTransitionTime"]);
            starts.ready.entry(component(pod)).and_modify(|last| *last = (*last).max(at)).or_insert(at);
        }
        starts
    }

    /// Seconds until all components of a tier were ready, for each.
    fn tiers(&self, status: &Value) -> String {
        let mut tiers: BTreeMap<i64, i64> = BTreeMap::new();
        for row in status["components"].as_array().unwrap() {
            let seconds = self.ready[row["name"].as_str().unwrap()].duration_since(self.began).as_secs();
            tiers
                .entry(row["tier"].as_i64().unwrap())
                .and_modify(|it| *it = (*it).max(seconds))
                .or_insert(seconds);
        }
        tiers
            .iter()
            .map(|(tier, seconds)| format!("tier {tier} after {seconds} s"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// The service reaches both with passwords inside URLs, which only the Secrets contain.
async fn passwords_reach_programs_and_no_object(stack: &Stack<'_>) {
    let (client, _reach) = stack.client("orders", HTTP).await;
    for number in 1..=3 {
        assert_eq!(client.get("/orders/bread").unwrap(), (200, format!("{number} {number}")));
    }
    let pod = &stack.pods("orders")[0];
    let env = pod["spec"]["containers"][0]["env"].as_array().unwrap();
    let url = env.iter().find(|it| it["name"] == "DATABASE_URL").unwrap()["value"].as_str().unwrap();
    assert!(url.contains(":$(STACK_SECRET_DB_PASSWORD)@db:5432/"), "{url}");
}

/// Every edge of the graph, and no other.
fn network_rules_follow_the_graph(stack: &Stack<'_>) {
    let mut edges = BTreeSet::new();
    for policy in stack.get("networkpolicies").unwrap()["items"].as_array().unwrap() {
        let to = policy["metadata"]["name"].as_str().unwrap();
        for rule in policy["spec"]["ingress"].as_array().into_iter().flatten() {
            for peer in rule["from"].as_array().into_iter().flatten() {
                let from = &peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"];
                edges.insert(format!("{} -> {to}", from.as_str().unwrap()));
            }
        }
    }
    let expected = [
        "cache -> cache",
        "db -> db",
        "migration -> db",
        "orders -> cache",
        "orders -> db",
        "orders -> orders",
        "prometheus -> orders",
        "prometheus -> prometheus",
    ];
    assert_eq!(edges, expected.map(str::to_owned).into());
}

/// The users of the spec, without capabilities, and with a root that cannot be written.
fn programs_are_unprivileged(stack: &Stack<'_>, nodes: &Nodes) {
    for (component, user) in [("db", 70), ("cache", 999), ("orders", 65532), ("prometheus", 65534)] {
        let process = nodes.pid(&stack.pods(component)[0]);
        assert_eq!(process.status("Uid"), format!("{user}\t{user}\t{user}\t{user}"), "{component}");
        assert_eq!(process.status("CapEff"), "0000000000000000", "{component}");
        let root = process.mount("/").unwrap();
        assert!(root.split(',').any(|option| option == "ro"), "{component}: {root}");
    }
}

/// Prometheus finds both pods by DNS, and answers through its Service.
async fn each_pod_is_scraped_once(stack: &Stack<'_>) {
    let (client, _reach) = stack.client("prometheus", 9090).await;
    let query = |text: &str| {
        let text = text.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
        let (code, body) = client.get(&format!("/api/v1/query?query={text}"))?;
        let body: Value = serde_json::from_str(&body).map_err(|error| format!("{code} {body}: {error}"))?;
        Ok::<_, String>(body["data"]["result"].as_array().cloned().unwrap_or_default())
    };
    let pods: BTreeSet<String> = stack.pods("orders").iter().map(|pod| address(pod, HTTP)).collect();
    let series = wait_for("both pods to be scraped", ROLLOUT, async || {
        let series = query("count_over_time(orders_scrapes_total[1h]) > 3")?;
        if series.len() >= pods.len() { Ok(series) } else { Err(format!("{series:?}")) }
    });
    let series = series.await.unwrap();
    let instances: Vec<&str> = series.iter().map(|it| it["metric"]["instance"].as_str().unwrap()).collect();
    assert_eq!(instances.len(), pods.len(), "{series:?}");
    assert_eq!(instances.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), pods);
    // The service counts its scrapes: each one is a sample of Prometheus.
    let others = query("orders_scrapes_total - count_over_time(orders_scrapes_total[1h])").unwrap();
    assert!(others.iter().all(|it| it["value"][1] == "0"), "{others:?}");
    let down = query("up == 0").unwrap();
    assert!(down.is_empty(), "{down:?}");
}

fn address(pod: &Value, port: u16) -> String {
    format!("{}:{port}", pod["status"]["podIP"].as_str().unwrap())
}
