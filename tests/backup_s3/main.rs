//! `backup` and `restore` against a real S3 server, in this process, on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::large_futures,
    clippy::duration_suboptimal_units,
    clippy::single_match_else,
    clippy::default_trait_access,
    clippy::needless_pass_by_value,
    clippy::similar_names,
    reason = "a test that cannot continue fails"
)]

mod lender;
mod server;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use lender::{Lender, Lends};
use server::{BUCKET, Fault, KEY, SECRET, Server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_logpilot-operator");
/// The ServiceAccount's token.
const PROOF: &str = "eyJh.pr00f.x";
const MANIFEST: &str = ".json";
/// A backup of a run that ended long ago.
const OLD: &str = "logpilot-20250101T000000.000Z.db";

/// A database, a server with a bucket, and the program between them.
struct Case {
    home: TempDir,
    server: Server,
}

impl Case {
    fn new(rows: u64) -> Self {
        Self::with(Server::start(), rows)
    }

    fn with(server: Server, rows: u64) -> Self {
        let case = Self { home: tempfile::tempdir().unwrap(), server };
        fs::create_dir(case.home.path().join("scratch")).unwrap();
        let connection = open(&case.database());
        (1..=rows).for_each(|id| add(&connection, id));
        case
    }

    fn database(&self) -> std::path::PathBuf {
        self.home.path().join("logpilot.db")
    }

    fn command(&self, verb: &str, place: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", KEY)
            // The value as `kubectl create secret --from-file` stores it.
            .env("AWS_SECRET_ACCESS_KEY", format!("{SECRET}\n"))
            .arg(verb)
            .arg(format!("--database={}", self.database().display()))
            .arg(place)
            .arg(format!("--endpoint={}", self.server.url))
            .arg("--path-style")
            .arg(format!("--scratch={}", self.home.path().join("scratch").display()))
            .arg(format!("--termination-log={}", self.home.path().join("log").display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn backup(&self, keep: u16) -> Command {
        let mut command = self.command("backup", &format!("--to=s3://{BUCKET}/a/b"));
        command.arg(format!("--keep={keep}"));
        command
    }

    fn restore(&self, name: &str) -> Command {
        self.command("restore", &format!("--from=s3://{BUCKET}/a/b/{name}"))
    }

    /// Returns the names under the prefix, in order.
    fn objects(&self) -> Vec<String> {
        self.server.objects("a/b")
    }

    fn scratch_is_empty(&self) -> bool {
        fs::read_dir(self.home.path().join("scratch")).unwrap().next().is_none()
    }
}

fn open(database: &Path) -> Connection {
    let connection = Connection::open(database).unwrap();
    connection.busy_timeout(Duration::from_secs(20)).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE IF NOT EXISTS logs (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
        )
        .unwrap();
    connection
}

fn add(connection: &Connection, id: u64) {
    connection.execute("INSERT INTO logs VALUES (?1, ?2)", (id.cast_signed(), "x".repeat(500))).unwrap();
}

fn rows(database: &Path) -> u64 {
    let count: i64 = Connection::open(database)
        .unwrap()
        .query_row("SELECT count(*) FROM logs", [], |row| row.get(0))
        .unwrap();
    count.cast_unsigned()
}

fn good(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns the message of a refusal, and checks that it contains no secret.
fn refused(command: &mut Command) -> String {
    let Output { status, stderr, stdout } = command.output().unwrap();
    assert_eq!(status.code(), Some(1), "{stdout:?}");
    let words = String::from_utf8(stderr).unwrap();
    for hidden in [SECRET, PROOF, lender::TOKEN, "X-Amz-", "Signature="] {
        assert!(!words.contains(hidden), "{words}");
    }
    words
}

fn name(said: &Value) -> String {
    said["file"].as_str().unwrap().to_owned()
}

#[test]
fn acknowledged_records_are_backed_up_and_restored() {
    let case = Case::new(0);
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = {
        let (database, stop, acknowledged) = (case.database(), Arc::clone(&stop), Arc::clone(&acknowledged));
        thread::spawn(move || {
            let connection = open(&database);
            for id in 1.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                add(&connection, id);
                acknowledged.store(id, Ordering::SeqCst);
            }
        })
    };
    while acknowledged.load(Ordering::SeqCst) < 500 {
        thread::yield_now();
    }
    let before = acknowledged.load(Ordering::SeqCst);
    let said = good(&mut case.backup(3));
    let after = acknowledged.load(Ordering::SeqCst);
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    let taken = said["rows"].as_u64().unwrap();
    assert!(before <= taken && taken <= after, "{before} <= {taken} <= {after}");
    assert_eq!(said["available"], serde_json::json!([name(&said)]));
    assert_eq!(case.objects(), [name(&said), name(&said) + MANIFEST], "and no note is left");
    assert_eq!(case.server.uploads(), 0);
    assert!(case.scratch_is_empty());

    let restored = good(&mut case.restore(&name(&said)));
    assert_eq!((restored["rows"].as_u64(), rows(&case.database())), (Some(taken), taken));
    assert!(case.scratch_is_empty());
}

#[test]
fn a_multipart_copy_is_reassembled_unchanged() {
    let case = Case::new(1);
    let connection = open(&case.database());
    // 40 MiB that neither compress nor repeat: three parts.
    connection
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 41)
             INSERT INTO logs SELECT i, randomblob(1048576) FROM n",
        )
        .unwrap();
    drop(connection);
    let said = good(&mut case.backup(1));
    assert!(said["size"].as_u64().unwrap() > 40 << 20);
    assert_eq!(case.server.seen("PUT", "partNumber="), 3);
    open(&case.database()).execute("DELETE FROM logs", []).unwrap();
    good(&mut case.restore(&name(&said)));
    assert_eq!(rows(&case.database()), 41);
}

#[test]
fn only_own_old_backups_are_deleted() {
    let case = Case::new(5);
    let foreign = [
        "logpilot-20200102T030405.678Z.db",
        // With a foreign manifest.
        "logpilot-20200202T030405.678Z.db",
        "logpilot-20200202T030405.678Z.db.json",
        "notes.txt",
    ];
    for name in foreign {
        case.server.put(&format!("a/b/{name}"), b"theirs");
    }
    case.server.put("a/b/c/logpilot-20200102T030405.678Z.db", b"of a component");
    let taken: Vec<_> = (0..4).map(|_| good(&mut case.backup(2))).collect();
    let mut expected: Vec<_> = foreign.map(str::to_owned).into();
    expected.extend(taken[2..].iter().flat_map(|said| [name(said), name(said) + MANIFEST]));
    expected.sort();
    assert_eq!(case.objects(), expected);
    assert_eq!(case.server.objects("a/b/c").len(), 1);
    let last = taken.last().unwrap();
    assert_eq!(last["available"], serde_json::json!([name(last), name(&taken[2])]));
    assert_eq!(last["pruned"], 1);
}

/// The two resources are in one Kubernetes cluster or in two: neither knows of the other.
#[test]
fn two_resources_share_a_prefix_without_interference() {
    let case = Case::new(5);
    let by_hand = name(&good(&mut case.backup(1)));
    let of = |uid: &str, keep| {
        let mut command = case.backup(keep);
        command.args(["--resource=logpilot".to_owned(), format!("--resource-uid={uid}")]);
        command
    };
    // A backup of a third resource, whose removal has begun.
    let third = OLD.replace(".db", "-0123456789.db");
    let begun = [format!(".{third}.part"), third];
    for name in &begun {
        case.server.put(&format!("a/b/{name}"), b"");
    }
    let first = name(&good(&mut of("1", 1)));
    let taken: Vec<_> = (0..3).map(|_| good(&mut of("2", 1))).collect();
    let last = name(&taken[2]);
    let mut expected = begun.to_vec();
    expected.extend(
        [&by_hand, &first, &last].into_iter().flat_map(|name| [name.clone(), name.clone() + MANIFEST]),
    );
    expected.sort();
    assert_eq!(case.objects(), expected);
    assert_eq!(taken[2]["pruned"], 1);
    // A recreated resource of the same name restores the backup of the earlier one.
    assert_eq!(taken[2]["available"], serde_json::json!([last, first, by_hand]));
    open(&case.database()).execute("DELETE FROM logs", []).unwrap();
    good(&mut case.restore(&first));
    assert_eq!(rows(&case.database()), 5);
}

/// The process is killed, not stopped, so it cannot clean up.
#[test]
fn a_killed_run_leaves_no_backup() {
    let case = Case::new(5);
    good(&mut case.backup(9));
    for (fault, remains) in [
        // The copy exists, its manifest does not.
        (Fault::Hang("PUT", MANIFEST), 2),
        // The copy is not visible yet; the parts that were sent are stored.
        (Fault::Hang("POST", "uploadId="), 1),
    ] {
        case.server.fail(Some(fault));
        let mut child = case.backup(9).spawn().unwrap();
        case.server.wait_until_hit();
        child.kill().unwrap();
        child.wait().unwrap();
        case.server.fail(None);
        let said = good(&mut case.backup(1));
        assert_eq!(said["available"], serde_json::json!([name(&said)]));
        assert_eq!(case.objects().len(), 2 + remains, "{:?}", case.objects());
        let note = case.objects().into_iter().find(|name| name.starts_with('.')).unwrap();
        let unfinished = note.trim_start_matches('.').trim_end_matches(".part");
        let words = refused(&mut case.restore(unfinished));
        assert!(words.contains(&format!("the newest backups are {}", name(&said))), "{words}");
        // A day later, when no Job can be working on it any more.
        case.server.rename(&format!("a/b/{note}"), &format!("a/b/.{OLD}.part"));
        if case.objects().iter().any(|name| name == unfinished) {
            case.server.rename(&format!("a/b/{unfinished}"), &format!("a/b/{OLD}"));
        }
        let said = good(&mut case.backup(1));
        assert_eq!(case.objects(), [name(&said), name(&said) + MANIFEST]);
        assert_eq!(case.server.uploads(), 0, "the parts that were sent still cost");
    }
    // The same, but its manifest was written: it is a backup, and only the upload marker is removed.
    let said = good(&mut case.backup(9));
    case.server.put(&format!("a/b/.{OLD}.part"), b"x");
    for suffix in ["", MANIFEST] {
        let of_ours = String::from_utf8(case.server.get(&format!("a/b/{}.json", name(&said)))).unwrap();
        case.server.put(&format!("a/b/{OLD}{suffix}"), of_ours.replace(&name(&said), OLD).as_bytes());
    }
    let said = good(&mut case.backup(9));
    assert_eq!(said["available"].as_array().unwrap().last().unwrap(), OLD);
    assert!(!case.objects().iter().any(|name| name.starts_with('.')));
}

#[test]
fn a_refused_restore_leaves_the_database_unchanged() {
    let case = Case::new(50);
    let file = name(&good(&mut case.backup(9)));
    add(&open(&case.database()), 51);
    let whole = case.server.get(&format!("a/b/{file}"));
    let manifest = case.server.get(&format!("a/b/{file}.json"));
    let told = |what: &str, file: &str| {
        let words = refused(&mut case.restore(file));
        assert!(words.contains(what) && words.contains(&format!("s3://{BUCKET}/a/b/{file}")), "{words}");
        assert_eq!(rows(&case.database()), 51);
        assert!(case.scratch_is_empty());
    };
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    case.server.put(&format!("a/b/{file}"), &flipped);
    told("SHA-256", &file);
    case.server.put(&format!("a/b/{file}"), &whole[..whole.len() - 4096]);
    told("bytes", &file);
    case.server.put(&format!("a/b/{file}"), &whole);
    case.server.put(&format!("a/b/{file}.json"), b"{}");
    told("not a manifest", &file);
    case.server.remove(&format!("a/b/{file}.json"));
    told("there is no backup", &file);
    case.server.put(&format!("a/b/{file}.json"), &manifest);
    case.server.remove(&format!("a/b/{file}"));
    told("NoSuchKey", &file);
    told("there is no backup", "logpilot-20200102T030405.678Z.db");
    told("not the name of a backup", "logpilot.db");
}

/// The server stores other bytes than were sent, which only reading them back detects.
#[test]
fn a_copy_corrupted_by_the_server_is_rejected() {
    let case = Case::new(20);
    let kept = name(&good(&mut case.backup(9)));
    case.server.fail(Some(Fault::Spoil));
    let words = refused(&mut case.backup(1));
    assert!(words.contains("differs from what was backed up"), "{words}");
    case.server.fail(None);
    assert_eq!(case.objects(), [kept.clone(), kept + MANIFEST]);
}

#[test]
fn transient_server_errors_are_retried() {
    let case = Case::new(5);
    for fault in [
        Fault::Once(503, "POST", "uploads"),
        Fault::Once(500, "PUT", MANIFEST),
        Fault::Once(429, "GET", "list-type"),
    ] {
        case.server.fail(Some(fault));
        good(&mut case.backup(1));
        case.server.wait_until_hit();
    }
    assert_eq!(case.objects().len(), 2);
}

#[test]
fn a_private_ca_is_trusted_only_where_given() {
    let (server, ca) = Server::start_tls();
    let case = Case::with(server, 5);
    let [given, empty] = ["ca.crt", "empty.crt"].map(|name| case.home.path().join(name));
    fs::write(&given, ca).unwrap();
    fs::write(&empty, "").unwrap();
    let words = refused(&mut case.backup(1));
    assert!(words.contains("certificate") && words.contains("caConfigMap"), "{words}");
    let words = refused(case.backup(1).arg(format!("--ca-file={}", empty.display())));
    assert!(words.contains("it contains no certificates"), "{words}");
    let said = good(case.backup(1).arg(format!("--ca-file={}", given.display())));
    good(case.restore(&name(&said)).arg(format!("--ca-file={}", given.display())));
    assert_eq!(case.objects().len(), 2);
}

#[test]
fn obstacles_are_reported_with_actions() {
    let case = Case::new(5);
    let told = |command: &mut Command, words: &[&str]| {
        let said = refused(command);
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert_eq!(fs::read_dir(case.home.path().join("scratch")).unwrap().count(), 0);
    };
    let key = ["Secret", "credentialsSecret", "s3://logs-backup/a/b/"];
    told(
        case.backup(1).env("AWS_SECRET_ACCESS_KEY", "wrong"),
        &[&key[..], &["SignatureDoesNotMatch"]].concat(),
    );
    told(case.backup(1).env("AWS_ACCESS_KEY_ID", "nobody"), &key);
    told(case.backup(1).env("AWS_ACCESS_KEY_ID", " "), &["there are no credentials", "Secret"]);
    told(
        &mut case.command("backup", "--to=s3://absent/x"),
        &["list s3://absent/x/", "NoSuchBucket", "create the bucket"],
    );
    told(case.backup(1).arg("--ca-file=/nowhere/ca.crt"), &["trust /nowhere/ca.crt", "caConfigMap"]);
    // Repeating an argument would be an error of its own.
    let mut closed = Command::new(PROGRAM);
    closed.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).args([
        "backup",
        "--to=s3://abc",
        "--endpoint=http://127.0.0.1:1",
        "--path-style",
    ]);
    closed.arg(format!("--database={}", case.database().display()));
    let started = Instant::now();
    told(&mut closed, &["list s3://abc/", "NetworkPolicies"]);
    assert!(started.elapsed() > Duration::from_secs(5), "it was tried once");
    let scratch = case.home.path().join("scratch");
    fs::remove_dir(&scratch).unwrap();
    let words = refused(&mut case.backup(1));
    assert!(words.contains("scratch"), "{words}");
    assert_eq!(case.objects(), [] as [&str; 0]);
}

#[test]
fn shell_metacharacters_are_refused_or_inert() {
    let case = Case::new(1);
    let canary = case.home.path().join("canary");
    for place in [
        "s3://$(x)/a".to_owned(),
        "s3://abc;rm -rf".to_owned(),
        format!("s3://abc/$(touch {})", canary.display()),
        "s3://abc/../../etc".to_owned(),
    ] {
        for (verb, argument) in [("backup", "--to"), ("restore", "--from")] {
            let output = case.command(verb, &format!("{argument}={place}")).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{verb} {place}");
        }
    }
    let mut odd = case.command("backup", &format!("--to=s3://{BUCKET}/a/b"));
    odd.arg(format!("--region=$(touch {})", canary.display()));
    let _ = odd.output().unwrap();
    assert!(!canary.exists());
}

/// The environment as the webhook of Amazon's Kubernetes sets it in a pod of an annotated
/// ServiceAccount.
fn as_role<'a>(command: &'a mut Command, case: &Case, lender: &Lender) -> &'a mut Command {
    let token = case.home.path().join("token");
    fs::write(&token, format!("{PROOF}\n")).unwrap();
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/a")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token)
        .env("AWS_ENDPOINT_URL_STS", &lender.url)
}

/// The environment as Pod Identity sets it.
fn by_agent<'a>(command: &'a mut Command, case: &Case, lender: &Lender) -> &'a mut Command {
    as_role(command, case, lender)
        .env_remove("AWS_ROLE_ARN")
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v1/credentials", lender.url))
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", case.home.path().join("token"))
}

#[test]
fn web_identity_credentials_are_used() {
    let (case, lender) = (Case::new(5), Lender::start(Lends::Minutes(60)));
    let said = good(as_role(&mut case.backup(2), &case, &lender));
    assert_eq!(lender.asked(), 1, "it is good for the whole run");
    let with = lender.with();
    for part in [
        "Action=AssumeRoleWithWebIdentity",
        "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fa",
        "RoleSessionName=logpilot-backup",
        &format!("WebIdentityToken={PROOF}"),
    ] {
        assert!(with.split('&').any(|it| it == part), "{part} in {with}");
    }
    assert_eq!(
        case.server.seen("PUT", ""),
        case.server.seen("PUT", "X-Amz-Security-Token="),
        "each is signed so"
    );
    good(as_role(&mut case.restore(&name(&said)), &case, &lender));
}

#[test]
fn node_agent_credentials_are_used() {
    let (case, lender) = (Case::new(5), Lender::start(Lends::Minutes(60)));
    let said = good(by_agent(&mut case.backup(2), &case, &lender));
    assert_eq!((lender.asked(), lender.with().as_str()), (1, PROOF));
    good(by_agent(&mut case.restore(&name(&said)), &case, &lender));
}

/// A copy may take longer than a key is valid.
#[test]
fn expiring_credentials_are_renewed() {
    let (case, lender) = (Case::new(5), Lender::start(Lends::Minutes(9)));
    good(as_role(&mut case.backup(2), &case, &lender));
    assert!(lender.asked() > 3, "{}", lender.asked());
}

#[test]
fn transient_credential_errors_are_retried() {
    let case = Case::new(5);
    for (status, code) in [(503, "ServiceUnavailable"), (400, "IDPCommunicationError")] {
        let lender = Lender::start(Lends::After(status, code));
        good(as_role(&mut case.backup(2), &case, &lender));
        assert_eq!(lender.asked(), 2, "{code}");
    }
}

#[test]
fn refused_credentials_are_reported_with_actions() {
    let case = Case::new(5);
    let told = |lends: Lends, words: &[&str]| {
        let lender = Lender::start(lends);
        let said = refused(as_role(&mut case.backup(2), &case, &lender));
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert_eq!(lender.asked(), 1, "another try would not help");
    };
    let role = "cannot assume arn:aws:iam::123456789012:role/a";
    told(
        Lends::Refuses(403, "AccessDenied"),
        &[role, "AccessDenied (403)", "trust policy", "serviceAccount.annotations"],
    );
    told(Lends::Refuses(400, "InvalidIdentityToken"), &[role, "InvalidIdentityToken"]);
    told(Lends::Odd, &[role, "contains no keys"]);
    let lender = Lender::start(Lends::Odd);
    let said = refused(by_agent(&mut case.backup(2), &case, &lender));
    assert!(said.contains("Pod Identity") && said.contains("contains no keys"), "{said}");
    let gone = case.home.path().join("gone");
    let said =
        refused(as_role(&mut case.backup(2), &case, &lender).env("AWS_WEB_IDENTITY_TOKEN_FILE", &gone));
    assert!(said.contains("ServiceAccount's token") && said.contains("gone"), "{said}");
    let mut nobody = case.backup(2);
    let said = refused(nobody.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY"));
    assert!(said.contains("there are no credentials") && said.contains("WorkloadIdentity"), "{said}");
}
