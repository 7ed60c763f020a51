//! `backup` and `restore` as a Job runs them: arguments, exit code, termination message.

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

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use rusqlite::Connection;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_logpilot-operator");

fn database(home: &Path, rows: usize) -> String {
    let path = home.join("logpilot.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE logs (text TEXT)").unwrap();
    for _ in 0..rows {
        connection.execute("INSERT INTO logs VALUES (?1)", ["x".repeat(1000)]).unwrap();
    }
    path.to_str().unwrap().to_owned()
}

fn run(command: &mut Command, log: &Path) -> (Output, String) {
    fs::write(log, "before").unwrap();
    let output = command.arg(format!("--termination-log={}", log.display())).output().unwrap();
    (output, fs::read_to_string(log).unwrap())
}

#[test]
fn backup_and_restore_write_a_json_termination_message() {
    let home = tempfile::tempdir().unwrap();
    // A name with characters that a shell would interpret, and with something that looks like an
    // option.
    let to = home.path().join("-o $(id); rm *\n'x'");
    fs::create_dir(&to).unwrap();
    let (database, log) = (database(home.path(), 10), home.path().join("log"));
    let mut backup = Command::new(PROGRAM);
    backup.args(["backup", "--keep=2", &format!("--database={database}"), &format!("--to={}", to.display())]);
    let (output, words) = run(&mut backup, &log);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), words);
    let said: Value = serde_json::from_str(&words).unwrap();
    assert_eq!(said["rows"], 10);
    let file = to.join(said["file"].as_str().unwrap());
    assert_eq!(said["size"], fs::metadata(&file).unwrap().len());

    let mut restore = Command::new(PROGRAM);
    restore.args(["restore", &format!("--from={}", file.display()), &format!("--database={database}")]);
    let (output, words) = run(&mut restore, &log);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(serde_json::from_str::<Value>(&words).unwrap()["rows"], 10);
}

#[test]
fn a_failure_exits_with_its_message() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log");
    let mut backup = Command::new(PROGRAM);
    backup.args(["backup", "--database=/nowhere/x.db", &format!("--to={}", home.path().display())]);
    let (output, words) = run(&mut backup, &log);
    assert_eq!(output.status.code(), Some(1));
    assert!(words.contains("the database /nowhere/x.db does not exist"), "{words}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("error: no backup was taken: "), "{told}");
    for keep in ["0", "-1", "x"] {
        let output = Command::new(PROGRAM)
            .args(["backup", "--database=a", "--to=b", &format!("--keep={keep}")])
            .output();
        assert_eq!(output.unwrap().status.code(), Some(2), "{keep}");
    }
}

/// A limit on the size of files stands in for a full disk: the write fails in the middle.
#[test]
fn a_full_disk_costs_no_older_backup() {
    let home = tempfile::tempdir().unwrap();
    let to = home.path().join("backups");
    fs::create_dir(&to).unwrap();
    let (database, log) = (database(home.path(), 500), home.path().join("log"));
    let arguments = format!("backup --keep=1 --database={database} --to={}", to.display());
    let good = Command::new(PROGRAM).args(arguments.split(' ')).output().unwrap();
    assert!(good.status.success(), "{good:?}");
    let files = || {
        let mut names: Vec<_> = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = files();
    let mut full = Command::new("sh");
    full.args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "sh", PROGRAM]).args(arguments.split(' '));
    let (output, words) = run(&mut full, &log);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(words.contains("cannot write") && words.contains(".part"), "{words}");
    assert_eq!(files(), before);
}
