//! Tests with real files, and with concurrent writers.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::{history::History, manifest::Manifest, *};

fn directory() -> (TempDir, PathBuf, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let (database, to) = (home.path().join("logpilot.db"), home.path().join("backups"));
    fs::create_dir(&to).unwrap();
    (home, database, to)
}

/// A backup without the identity of a resource.
fn take(database: &Path, to: &Path, keep: usize, now: Timestamp) -> Result<Taken, Error> {
    take_of(&Selection::default(), database, to, keep, now)
}

fn take_of(of: &Selection, database: &Path, to: &Path, keep: usize, now: Timestamp) -> Result<Taken, Error> {
    super::take(database, to, of, keep, now)
}

fn of(resource: &str, uid: &str, exclusive: bool) -> Selection {
    Selection { origin: Some(Origin { resource: resource.into(), uid: uid.into() }), exclusive }
}

/// Opens the database as the server does: with a write-ahead log, which is not merged automatically.
fn open(database: &Path) -> Connection {
    let connection = Connection::open(database).unwrap();
    connection.busy_timeout(Duration::from_secs(20)).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS logs (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
             CREATE TABLE IF NOT EXISTS \"odd \"\"name\" (x)",
        )
        .unwrap();
    connection
}

fn add(connection: &Connection, id: u64) {
    connection.execute("INSERT INTO logs VALUES (?1, ?2)", (id.cast_signed(), "x".repeat(200))).unwrap();
}

/// Returns everything in a database, in order.
fn dump(database: &Path) -> Vec<(i64, String)> {
    let connection = Connection::open(database).unwrap();
    let mut query = connection.prepare("SELECT id, text FROM logs ORDER BY id").unwrap();
    query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + second.seconds()
}

fn files_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !name.contains(".lock"));
    names.sort();
    names
}

#[test]
fn a_backup_contains_all_previously_acknowledged_rows() {
    let (_home, database, to) = directory();
    open(&database);
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = {
        let (database, stop, acknowledged) = (database.clone(), Arc::clone(&stop), Arc::clone(&acknowledged));
        thread::spawn(move || {
            let connection = open(&database);
            let mut id = 0;
            while !stop.load(Ordering::Relaxed) {
                id += 1;
                add(&connection, id);
                acknowledged.store(id, Ordering::SeqCst);
            }
        })
    };
    while acknowledged.load(Ordering::SeqCst) < 500 {
        thread::yield_now();
    }
    for second in 0..5 {
        let before = acknowledged.load(Ordering::SeqCst);
        let taken = take(&database, &to, 9, at(second)).unwrap();
        let copied = dump(&to.join(&taken.file));
        let last = u64::try_from(copied.last().unwrap().0).unwrap();
        // The rows have no gap, and include at least the last one that was acknowledged before.
        assert_eq!(copied.len() as u64, last);
        assert!(last >= before, "{last} of {before}");
        assert_eq!(taken.rows, last);
    }
    let all = acknowledged.load(Ordering::SeqCst);
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert!(all > 500, "the writer stood still");
    // The backups caused no data loss for the servers.
    assert!(dump(&database).len() as u64 >= all);
}

#[test]
fn rows_in_a_crashed_servers_log_are_copied() {
    let (home, database, to) = directory();
    let server = open(&database);
    server.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    for id in 1..=50 {
        add(&server, id);
    }
    // A kill leaves both files, and no shared memory.
    let crashed = home.path().join("crashed.db");
    fs::copy(&database, &crashed).unwrap();
    fs::copy(home.path().join("logpilot.db-wal"), home.path().join("crashed.db-wal")).unwrap();
    let log = fs::read(home.path().join("crashed.db-wal")).unwrap();
    let taken = take(&crashed, &to, 1, at(0)).unwrap();
    assert_eq!(dump(&to.join(&taken.file)).len(), 50);
    assert_eq!(fs::read(home.path().join("crashed.db-wal")).unwrap(), log, "the server's log was touched");
    // The file alone is not a usable copy.
    let alone = home.path().join("alone.db");
    fs::copy(&database, &alone).unwrap();
    assert!(matches!(take(&alone, &to, 1, at(1)), Err(Error::NoTables(_))));
}

#[test]
fn a_backup_is_one_file_with_a_manifest() {
    let (_home, database, to) = directory();
    add(&open(&database), 1);
    let taken = take(&database, &to, 3, "2026-01-02T03:04:05.678Z".parse().unwrap()).unwrap();
    assert_eq!(taken.file, "logpilot-20260102T030405.678Z.db");
    assert_eq!(files_in(&to), [taken.file.clone(), format!("{}.json", taken.file)]);
    let manifest = Manifest::of(&to.join(&taken.file)).unwrap();
    assert_eq!(
        manifest.tables.iter().map(|(name, rows)| (name.as_str(), *rows)).collect::<Vec<_>>(),
        [("logs", 1), ("odd \"name", 0)]
    );
    assert_eq!(
        (manifest.journal_mode.as_str(), manifest.size),
        ("wal", fs::metadata(to.join(&taken.file)).unwrap().len())
    );
    let line = serde_json::to_string(&taken).unwrap();
    assert!(line.contains("\"takenAt\":\"2026-01-02T03:04:05.678Z\"") && !line.contains('\n'), "{line}");
}

#[test]
fn old_backups_are_removed_after_a_good_one() {
    let (home, database, to) = directory();
    add(&open(&database), 1);
    let foreign = ["logpilot-20200102T030405.678Z.db", "notes.txt", "logpilot-20200202T030405.678Z.db.json"];
    for name in foreign {
        fs::write(to.join(name), "theirs").unwrap();
    }
    // Leftovers of an earlier run.
    fs::write(to.join(".logpilot-19700101T000000.000Z.db.part"), "half").unwrap();
    for second in 0..5 {
        take(&database, &to, 2, at(second)).unwrap();
    }
    let [kept, newest] = ["logpilot-19700101T000003.000Z.db", "logpilot-19700101T000004.000Z.db"];
    let mut expected: Vec<String> = foreign.map(str::to_owned).into();
    expected.extend([kept, newest].iter().flat_map(|name| [(*name).to_owned(), format!("{name}.json")]));
    expected.sort();
    assert_eq!(files_in(&to), expected);
    assert!(take(&home.path().join("none.db"), &to, 1, at(9)).is_err());
    assert_eq!(files_in(&to), expected, "a failed backup removed a good one");
    let taken = take(&database, &to, 1, at(10)).unwrap();
    assert_eq!((taken.available.len(), taken.pruned), (1, 2));
}

/// Only the retention of the resource that took a backup removes it.
#[test]
fn two_resources_in_one_location_keep_their_backups() {
    let (_home, database, to) = directory();
    add(&open(&database), 1);
    let (a, b) = (of("a", "1", false), of("b", "2", false));
    let mut taken = Vec::new();
    for second in 0..3 {
        // Each pair in the same millisecond.
        taken.push([&a, &b].map(|it| take_of(it, &database, &to, 2, at(second)).unwrap()));
    }
    let [first, second, third] = taken.try_into().unwrap();
    let [of_a, of_b] = [0, 1].map(|who| vec![third[who].file.clone(), second[who].file.clone()]);
    assert_eq!([third[0].available.clone(), third[1].available.clone()], [of_a.clone(), of_b.clone()]);
    let mut left: Vec<_> = of_a.into_iter().chain(of_b).collect();
    assert!(
        left.iter().all(|name| is_backup_name(name) && !first.iter().any(|it| it.file == *name)),
        "{left:?}"
    );
    left.extend(left.clone().iter().map(|name| format!("{name}.json")));
    left.sort();
    assert_eq!(files_in(&to), left);
    // A restore by file name may name a backup of another resource: to clone it, or to recreate it.
    put_back(&to.join(&third[1].file), &database, None, at(9)).unwrap();
}

#[test]
fn backups_of_earlier_versions_need_an_exclusive_location() {
    let (_home, database, to) = directory();
    add(&open(&database), 1);
    let [old, older] = [1, 0].map(|second| take(&database, &to, 9, at(second)).unwrap().file);
    let gone = take_of(&of("a", "0", false), &database, &to, 9, at(2)).unwrap().file;
    let kept = take_of(&of("a", "1", false), &database, &to, 1, at(3)).unwrap();
    assert_eq!((kept.pruned, &kept.available), (0, &vec![kept.file.clone(), gone, old, older]));
    let alone = take_of(&of("a", "1", true), &database, &to, 2, at(4)).unwrap();
    assert_eq!((alone.pruned, alone.available), (3, vec![alone.file, kept.file]));
}

#[test]
fn backups_at_the_same_time_take_turns() {
    let (_home, database, to) = directory();
    add(&open(&database), 1);
    let threads: Vec<_> = (0..4)
        .map(|second| {
            let (database, to) = (database.clone(), to.clone());
            thread::spawn(move || take(&database, &to, 9, at(second)).unwrap())
        })
        .collect();
    let mut files: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap().file).collect();
    files.sort();
    files.dedup();
    assert_eq!(files.len(), 4);
    assert_eq!(files_in(&to).len(), 8);
}

#[test]
fn obstacles_are_reported() {
    let (home, database, to) = directory();
    let told = |result: Result<_, Error>| result.map(|_: Taken| ()).unwrap_err().to_string();
    assert!(told(take(&database, &to, 1, at(0))).contains("does not exist"));
    fs::write(&database, "this is no database at all, but long enough to be read as one").unwrap();
    assert!(told(take(&database, &to, 1, at(0))).contains("not a database"));
    fs::remove_file(&database).unwrap();
    add(&open(&database), 1);
    let nowhere = home.path().join("logpilot.db/x");
    assert!(told(take(&database, &nowhere, 1, at(0))).contains("cannot write into"));
    assert!(told(take(&database, &home.path().join("missing"), 1, at(0))).contains("missing"));
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_changes() {
    let (_home, database, to) = directory();
    let server = open(&database);
    (1..=100).for_each(|id| add(&server, id));
    let good = to.join(take(&database, &to, 9, at(0)).unwrap().file);
    server.execute("DELETE FROM logs WHERE id > 10", []).unwrap();
    server.close().unwrap();
    let whole = fs::read(&good).unwrap();
    let manifest = fs::read_to_string(Manifest::path(&good)).unwrap();
    let now = dump(&database);
    let refused = |what: &str| {
        let error = put_back(&good, &database, None, at(1)).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        assert_eq!(dump(&database), now);
    };
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&good, &flipped).unwrap();
    refused("SHA-256");
    fs::write(&good, &whole[..whole.len() - 4096]).unwrap();
    refused("bytes");
    fs::write(&good, &whole).unwrap();
    fs::write(Manifest::path(&good), manifest.replace("\"logs\": 100", "\"logs\": 101")).unwrap();
    refused("row counts");
    fs::write(Manifest::path(&good), manifest.replace("logpilot-1970", "logpilot-1971")).unwrap();
    refused("it describes");
    fs::write(Manifest::path(&good), "{}").unwrap();
    refused("not a manifest");
    fs::remove_file(Manifest::path(&good)).unwrap();
    refused("cannot read");
    fs::write(Manifest::path(&good), &manifest).unwrap();
    put_back(&good, &database, None, at(1)).unwrap();
    assert_eq!(dump(&database).len(), 100);
}

#[test]
fn a_restore_needs_an_unused_database() {
    let (home, database, to) = directory();
    let server = open(&database);
    (1..=20).for_each(|id| add(&server, id));
    let backup = to.join(take(&database, &to, 9, at(0)).unwrap().file);
    add(&server, 21);
    assert!(
        matches!(put_back(&backup, &database, None, at(1)), Err(Error::InUse(_))),
        "an idle connection counts as use"
    );
    assert_eq!(dump(&database).len(), 21);
    server.close().unwrap();
    let restored = put_back(&backup, &database, None, at(1)).unwrap();
    assert_eq!((dump(&database).len(), restored.rows), (20, 20));
    assert_eq!(restored.before.as_deref(), Some("logpilot.db.before-restore-19700101T000001.000Z"));
    assert_eq!(dump(&home.path().join(restored.before.unwrap())).len(), 21);
    // The server finds what it left, a database in WAL mode, and continues.
    let mode: String =
        Connection::open(&database).unwrap().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    add(&open(&database), 22);
}

#[test]
fn an_absent_or_unreadable_database_is_replaced() {
    let (home, database, to) = directory();
    let server = open(&database);
    server.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    (1..=20).for_each(|id| add(&server, id));
    let log = fs::read(home.path().join("logpilot.db-wal")).unwrap();
    let backup = to.join(take(&database, &to, 9, at(0)).unwrap().file);
    server.close().unwrap();
    for rubbish in [None, Some(vec![7; 8192])] {
        fs::remove_file(&database).unwrap();
        if let Some(rubbish) = rubbish {
            fs::write(&database, rubbish).unwrap();
        }
        fs::write(home.path().join("logpilot.db-wal"), &log).unwrap();
        put_back(&backup, &database, None, at(1)).unwrap();
        assert!(!home.path().join("logpilot.db-wal").exists());
        assert_eq!(dump(&database).len(), 20);
    }
}

/// A database of 10 rows, and a backup from when it had 5.
fn restorable() -> (TempDir, PathBuf, PathBuf) {
    let (home, database, to) = directory();
    let server = open(&database);
    (1..=5).for_each(|id| add(&server, id));
    let backup = to.join(take(&database, &to, 9, at(0)).unwrap().file);
    (6..=10).for_each(|id| add(&server, id));
    server.close().unwrap();
    (home, database, backup)
}

fn ask(backup: &Path, database: &Path, request: &str) -> (bool, usize) {
    let restored = put_back(backup, database, Some(request), at(1)).unwrap();
    assert_eq!((restored.rows, restored.file.as_str()), (5, "logpilot-19700101T000000.000Z.db"));
    (restored.already, dump(database).len())
}

fn write_more(database: &Path, ids: std::ops::RangeInclusive<u64>) {
    let server = open(database);
    ids.for_each(|id| add(&server, id));
    server.close().unwrap();
}

#[test]
fn a_restore_request_runs_once() {
    let (_home, database, backup) = restorable();
    assert_eq!(ask(&backup, &database, "a"), (false, 5));
    write_more(&database, 6..=7);
    assert_eq!(ask(&backup, &database, "a"), (true, 7));
    assert_eq!(ask(&backup, &database, "b"), (false, 5));
    write_more(&database, 6..=8);
    assert_eq!(ask(&backup, &database, "a"), (true, 8), "an older one is not forgotten");
    // After the restore the backup is not needed again: it may have been removed.
    fs::remove_file(&backup).unwrap();
    fs::remove_file(Manifest::path(&backup)).unwrap();
    assert_eq!(ask(&backup, &database, "b"), (true, 8));
}

/// Creates the state after a crash immediately before the rename: the pending entry, and the copy under
/// its temporary name.
fn crash_before_the_rename(database: &Path, backup: &Path) {
    let part = restore::part_of(database);
    fs::copy(backup, &part).unwrap();
    let planned = Restored {
        file: "never.db".into(),
        taken_at: String::new(),
        rows: 0,
        before: None,
        duration_millis: 0,
        already: false,
    };
    let absent = database.with_file_name("absent");
    History::of(database, &absent).unwrap().begin("a", &planned).unwrap();
}

#[test]
fn a_crash_before_the_rename_repeats_the_restore() {
    let (_home, database, backup) = restorable();
    crash_before_the_rename(&database, &backup);
    assert_eq!(dump(&database).len(), 10);
    assert_eq!(ask(&backup, &database, "a"), (false, 5));
    assert!(!restore::part_of(&database).exists());
    assert_eq!(ask(&backup, &database, "a"), (true, 5));
}

#[test]
fn a_crash_after_the_rename_repeats_nothing() {
    let (home, database, backup) = restorable();
    let first = put_back(&backup, &database, Some("a"), at(1)).unwrap();
    // The last write was lost: the entry is still as it was written before the rename.
    let notes = home.path().join("logpilot.db.restored");
    let text = fs::read_to_string(&notes).unwrap();
    let pending = text.replace("\"requestId\":\"a\"", "\"requestId\":\"a\",\"pending\":true");
    assert_ne!(pending, text);
    fs::write(&notes, pending).unwrap();
    write_more(&database, 6..=7);
    assert_eq!(ask(&backup, &database, "a"), (true, 7));
    let again = put_back(&backup, &database, Some("a"), at(2)).unwrap();
    assert_eq!(
        (again.before, again.taken_at),
        (first.before, first.taken_at),
        "and returns the first result"
    );
}

#[test]
fn an_interrupted_request_never_looks_completed() {
    for by_hand in [false, true] {
        let (home, database, backup) = restorable();
        crash_before_the_rename(&database, &backup);
        if by_hand {
            put_back(&backup, &database, None, at(1)).unwrap();
        } else {
            // The second attempt settles the entry, removes the old copy to make a new one, and is
            // killed.
            History::of(&database, &restore::part_of(&database)).unwrap();
            fs::remove_file(restore::part_of(&database)).unwrap();
        }
        assert!(!fs::read_to_string(home.path().join("logpilot.db.restored")).unwrap().contains("\"a\""));
        assert_eq!(ask(&backup, &database, "a"), (false, 5));
    }
}

#[test]
fn a_failed_restore_leaves_no_traces() {
    let (home, database, backup) = restorable();
    let whole = fs::read(&backup).unwrap();
    fs::write(&backup, &whole[..whole.len() - 4096]).unwrap();
    assert!(put_back(&backup, &database, Some("a"), at(1)).is_err());
    fs::write(&backup, &whole).unwrap();
    let server = open(&database);
    assert!(matches!(put_back(&backup, &database, Some("a"), at(1)), Err(Error::InUse(_))));
    server.close().unwrap();
    assert_eq!(files_in(home.path()), ["backups", "logpilot.db"]);
    assert_eq!(ask(&backup, &database, "a"), (false, 5));
    fs::write(home.path().join("logpilot.db.restored"), "rubbish").unwrap();
    let error = put_back(&backup, &database, Some("b"), at(1)).unwrap_err().to_string();
    assert!(error.contains("records the completed restores"), "{error}");
}

#[test]
fn only_backup_names_can_be_restored() {
    assert!(is_backup_name("logpilot-20260102T030405.678Z.db"));
    for bad in [
        "",
        "logpilot.db",
        "../logpilot-20260102T030405.678Z.db",
        "logpilot-20260102T030405.678Z.db.json",
        "logpilot-2026010/T030405.678Z.db",
        "logpilot-20260102T030405.678Z.dB",
        "logpilot-20260102T030405Z.db",
        "-o",
        "logpilot-20260102T030405.678Z.db\n",
        "$(id)",
    ] {
        assert!(!is_backup_name(bad), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_restore_returns_what_was_backed_up(
        rows in prop::collection::btree_map(0_i64..10_000, ".{0,80}", 0..200),
        later in prop::collection::vec(10_000_i64..20_000, 0..20),
        merged in any::<bool>(),
    ) {
        let (_home, database, to) = directory();
        let server = open(&database);
        for (id, text) in &rows {
            server.execute("INSERT INTO logs VALUES (?1, ?2)", (id, text)).unwrap();
        }
        if merged {
            server.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        }
        let backup = to.join(take(&database, &to, 1, at(0)).unwrap().file);
        for id in later {
            server.execute("INSERT OR IGNORE INTO logs VALUES (?1, 'later')", [id]).unwrap();
        }
        server.close().unwrap();
        put_back(&backup, &database, None, at(1)).unwrap();
        prop_assert_eq!(dump(&database), rows.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_locked_database_does_not_block_a_backup() {
    let (_home, database, to) = directory();
    let server = open(&database);
    add(&server, 1);
    // In WAL mode even a writer in the middle of a transaction does not block a backup. Its rows are
    // not in the copy.
    server.execute_batch("BEGIN IMMEDIATE").unwrap();
    add(&server, 2);
    let started = Instant::now();
    assert_eq!(take(&database, &to, 1, at(0)).unwrap().rows, 1);
    assert!(started.elapsed() < Duration::from_secs(10));
    server.execute_batch("COMMIT").unwrap();
}
