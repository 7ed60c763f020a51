//! The data: a backup taken while clients write, and its restore.

use std::{path::Path, time::Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::support::{Case, ROLLOUT, SOON, problems, quick, shared, spec};

const SECONDS: u64 = 20;
const CHANNEL: &str = "kept";

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn a_backup_during_writes_restores_rows_and_offsets() {
    let world = shared().await;
    let mut wanted = with_backups(2);
    let case = Case::new(&world, "data", &wanted);
    case.ready().await;
    let (client, _reach) = case.answering("all").await;
    let early = messages("early", 50);
    for message in &early {
        client.send(CHANNEL, message).unwrap();
    }
    assert_eq!(client.consume(CHANNEL, "reader", 20).unwrap(), early[..20]);

    let writing = case.write("writing", &case.address("all"), SECONDS, &[]).await;
    let began = Instant::now();
    let last = backup(&case, "backup-manual").await;
    let backed_up = began.elapsed();
    writing.stop();
    let report = writing.report().await;
    assert_eq!([&report["failed"], &report["lost"], &report["duplicated"]], [0, 0, 0], "{report}");
    let file = last["file"].as_str().unwrap().to_owned();
    let rows = last["rows"].as_i64().unwrap();
    assert_eq!(last["available"], json!([file]));
    if let Some(nodes) = world.nodes("the copy itself") {
        let claim = world.kubectl.get("pvc/data-backup -n data").unwrap();
        check_copy(&nodes.volume(&claim).join(&file), rows, &early);
    }

    // The records that the restore discards.
    let late = messages("late", 10);
    for message in &late {
        client.send(CHANNEL, message).unwrap();
    }
    assert_eq!(client.consume(CHANNEL, "reader", 100).unwrap(), [&early[20..], &late].concat());
    drop(client);

    let began = Instant::now();
    wanted["restore"] = json!({ "requestId": "once", "from": file });
    case.apply(&wanted).unwrap();
    let status = restored(&case).await;
    let took = began.elapsed();
    assert_eq!(status["restore"]["rows"], rows, "{status}");
    let (client, _reach) = case.answering("all").await;
    assert_eq!(client.consume(CHANNEL, "reader", 100).unwrap(), early[20..], "the offset of the backup");
    assert_eq!(client.consume(CHANNEL, "new", 100).unwrap(), early, "the rows of the backup");
    if let Some(nodes) = world.nodes("the database that was replaced") {
        let claim = world.kubectl.get("pvc/data-data -n data").unwrap();
        let replaced = nodes.volume(&claim).join(status["restore"]["replaced"].as_str().unwrap());
        assert_eq!(
            count(&replaced, "logs"),
            60 + report["acked"].as_i64().unwrap(),
            "{}",
            replaced.display()
        );
    }

    // The same request again: removed and requested once more, then by a new resource that finds the volume.
    client.send(CHANNEL, "after").unwrap();
    let pods = case.uids("all");
    for restore in [Value::Null, json!({ "requestId": "once", "from": file })] {
        case.patch(&json!({ "spec": { "restore": restore } }));
        case.ready().await;
    }
    assert_eq!(case.uids("all"), pods, "nothing stopped");
    world.kubectl.must("delete logpilotcluster/data --timeout=60s");
    world.kubectl.until("deployment/data-all -n data", "is gone", ROLLOUT, Value::is_null).await;
    case.apply(&wanted).unwrap();
    case.ready().await;
    let (client, _reach) = case.answering("all").await;
    assert_eq!(client.consume(CHANNEL, "reader", 100).unwrap(), ["after"], "nothing was put back again");

    println!(
        "FIGURE backup by hand: {:.1} s, {rows} rows while {} records were written, 0 failed; restore in place with 2 pods: {:.1} s",
        backed_up.as_secs_f64(),
        report["acked"],
        took.as_secs_f64(),
    );
    case.remove().await;
}

#[tokio::test]
#[ignore = "needs a real cluster: make e2e, or make e2e-kind"]
async fn damaged_backups_are_refused_and_databases_repaired() {
    let world = shared().await;
    let Some(nodes) = world.nodes("damage to a database") else { return };
    let case = Case::new(&world, "damage", &with_backups(1));
    case.ready().await;
    let (client, _reach) = case.answering("all").await;
    let written = messages("kept", 20);
    for message in &written {
        client.send(CHANNEL, message).unwrap();
    }
    drop(client);
    let good = backup(&case, "good").await["file"].as_str().unwrap().to_owned();
    let bad = backup(&case, "bad").await["file"].as_str().unwrap().to_owned();
    let volume = |claim: &str| nodes.volume(&world.kubectl.get(&format!("pvc/{claim} -n damage")).unwrap());
    scribble(&volume("damage-backup").join(&bad));

    case.patch(&json!({ "spec": { "restore": { "requestId": "bad", "from": bad } } }));
    let failed =
        |status: &Value| status["restore"]["phase"] == "Failed" && problems(status).contains("RestoreFailed");
    let status = case.until("refuses the damaged backup", ROLLOUT, failed).await;
    assert!(status["restore"]["message"].as_str().unwrap().contains(&bad), "{status}");
    case.until("serves again", ROLLOUT, |status| status["pods"] == "1/1").await;
    let (client, _reach) = case.answering("all").await;
    assert_eq!(client.consume(CHANNEL, "one", 100).unwrap(), written, "the data as it was");
    drop(client);

    let database = volume("damage-data").join("logpilot.db");
    // The server leaves its rows in the write-ahead log for a while, where they would survive.
    let merged = open(&database).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    assert_eq!(merged.unwrap(), 0, "nothing was in the way");
    scribble(&database);
    case.patch(&json!({ "spec": { "restore": { "requestId": "good", "from": good } } }));
    restored(&case).await;
    let (client, _reach) = case.answering("all").await;
    assert_eq!(client.consume(CHANNEL, "two", 100).unwrap(), written);
    println!("FIGURE damaged backup refused: {}", status["restore"]["message"]);
    case.remove().await;
}

fn with_backups(replicas: u32) -> Value {
    let mut wanted = spec(&json!({ "all": quick(&json!({ "replicas": replicas })) }));
    wanted["backup"] = json!({});
    wanted
}

fn messages(word: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{word} {number}")).collect()
}

/// Runs the CronJob by hand, and returns what the status then reports about it.
async fn backup(case: &Case<'_>, job: &str) -> Value {
    let (name, namespace) = (&case.name, &case.namespace);
    case.world.kubectl.must(&format!("create job -n {namespace} --from=cronjob/{name}-backup {job}"));
    let selector = format!("pods -n {namespace} -l batch.kubernetes.io/job-name={job}");
    let ended =
        |seen: &Value| matches!(seen["items"][0]["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let pods = case.world.kubectl.until(&selector, "end", ROLLOUT, ended).await;
    let pod = &pods["items"][0];
    let container = &pod["status"]["containerStatuses"][0];
    assert_eq!(container["state"]["terminated"]["exitCode"], 0, "{pod}");
    // The server's user, who owns these files.
    assert_eq!(container["user"]["linux"]["uid"], 10001, "{container}");
    assert_eq!(pod["spec"]["containers"][0]["image"], case.world.operator_image());
    assert_eq!(pods["items"].as_array().unwrap().len(), 1, "one try");
    let said: Value =
        serde_json::from_str(container["state"]["terminated"]["message"].as_str().unwrap()).unwrap();
    let listed = |status: &Value| {
        let backup = &status["backups"][0];
        backup["lastResult"] == "Succeeded" && backup["lastSuccess"]["file"] == said["file"]
    };
    let status = case.until(&format!("lists {}", said["file"]), SOON, listed).await;
    status["backups"][0]["lastSuccess"].clone()
}

async fn restored(case: &Case<'_>) -> Value {
    let status = case.until("Succeeded", ROLLOUT, |status| {
        assert_ne!(status["restore"]["phase"], "Failed", "{status}");
        status["restore"]["phase"] == "Succeeded"
    });
    status.await;
    case.ready().await
}

fn check_copy(path: &Path, rows: i64, messages: &[String]) {
    let copy = open(path);
    let verdict: String = copy.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    assert_eq!(count(path, "logs") + count(path, "consumer_offsets"), rows);
    let mut query = copy.prepare("SELECT message FROM logs WHERE channel = ?1 ORDER BY id").unwrap();
    let found = query.query_map([CHANNEL], |row| row.get(0)).unwrap();
    assert_eq!(found.collect::<Result<Vec<String>, _>>().unwrap(), messages);
}

fn count(path: &Path, table: &str) -> i64 {
    open(path).query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Opens the database for reading, including its write-ahead log.
fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
}

/// Overwrites all but the first page, as a broken disk may.
fn scribble(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    assert!(bytes.len() > 4096, "{}", path.display());
    bytes[4096..].fill(0xA5);
    std::fs::write(path, bytes).unwrap();
}
