//! Why a server's container ended: a reason as precise as its last words allow, and a message with its cause.

use crate::{
    engine::{
        health::{LastWords, Probe, ProbeKill, Terminated},
        plan::Key,
    },
    logpilot::reasons,
};

/// Words of a cause, in lower case, and the reason that they mean; all words of a row have to be there. They are those of
/// `SQLite`, its Java driver, Java's file API and the kernel.
const CAUSES: &[(&[&str], &str)] = &[
    (&["sqlite_full"], reasons::VOLUME_FULL),
    (&["database or disk is full"], reasons::VOLUME_FULL),
    (&["no space left on device"], reasons::VOLUME_FULL),
    (&["disk quota exceeded"], reasons::VOLUME_FULL),
    (&["sqlite_notadb"], reasons::DATABASE_INVALID),
    (&["file is not a database"], reasons::DATABASE_INVALID),
    (&["sqlite_corrupt"], reasons::DATABASE_INVALID),
    (&["database disk image is malformed"], reasons::DATABASE_INVALID),
    (&["sqlite_readonly"], reasons::DATA_NOT_WRITABLE),
    (&["readonly database"], reasons::DATA_NOT_WRITABLE),
    (&["sqlite_cantopen"], reasons::DATA_NOT_WRITABLE),
    (&["unable to open database file"], reasons::DATA_NOT_WRITABLE),
    (&["opening db:", "permission denied"], reasons::DATA_NOT_WRITABLE),
    (&["/data", "permission denied"], reasons::DATA_NOT_WRITABLE),
    (&["/data", "accessdeniedexception"], reasons::DATA_NOT_WRITABLE),
    (&["/data", "read-only file system"], reasons::DATA_NOT_WRITABLE),
    (&["failed to create directory: /data"], reasons::DATA_NOT_WRITABLE),
];

/// What ended a container that was started again so often, as a reason and a message.
pub(super) fn describe(end: &Terminated, restarts: &str, pod: &Key) -> (&'static str, String) {
    let head = format!("exit code {} ({}), restarted {restarts}", end.exit_code, end.reason);
    match (&end.killed_by, &end.words) {
        (Some(kill), words) => {
            (reasons::CRASH_LOOP, format!("{head}: {}{}", killed(kill, pod), before(words)))
        }
        (None, LastWords::Cause(cause)) => (reason(end, cause), format!("{head}: {cause}")),
        (None, _) if end.reason == reasons::OOM_KILLED => (reasons::OOM_KILLED, head),
        (None, words) => {
            let why = match end.exit_code {
                137 => "killed by a signal that none of its probes explains",
                _ => "its last words tell no cause",
            };
            (reasons::CRASH_LOOP, format!("{head}: {why}; {}{}", logs(pod), before(words)))
        }
    }
}

fn reason(end: &Terminated, cause: &str) -> &'static str {
    if end.reason == reasons::OOM_KILLED {
        return reasons::OOM_KILLED;
    }
    let cause = cause.to_lowercase();
    let meant = CAUSES.iter().find(|(words, _)| words.iter().all(|word| cause.contains(word)));
    meant.map_or(reasons::CRASH_LOOP, |(_, reason)| reason)
}

/// The answers of a probe are in the pod's events alone, which the operator may not read.
fn killed(kill: &ProbeKill, pod: &Key) -> String {
    let ProbeKill { probe, ran, failures, budget } = kill;
    let allows = match probe {
        Probe::Startup => format!("its startup probe, which allows {budget} s for a start"),
        Probe::Liveness => {
            format!("its liveness probe, which allows {failures} failures in a row ({budget} s)")
        }
    };
    format!("killed after {ran} s by {allows}; the probe's last answer: {}", events(pod))
}

fn events(pod: &Key) -> String {
    let Key { namespace, name } = pod;
    let namespace = namespace.as_deref().unwrap_or_default();
    format!("kubectl get events -n {namespace} --field-selector reason=Unhealthy,involvedObject.name={name}")
}

fn logs(pod: &Key) -> String {
    format!("kubectl logs --previous -n {} {}", pod.namespace.as_deref().unwrap_or_default(), pod.name)
}

/// How far a container was that did not end by itself.
fn before(words: &LastWords) -> String {
    match words.text() {
        "" => String::new(),
        line => format!("; the end of its log: {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Key {
        Key { namespace: Some("logs".into()), name: "logs-all-1".into() }
    }

    fn end(exit_code: i64, words: LastWords) -> Terminated {
        Terminated { exit_code, reason: "Error".into(), words, killed_by: None }
    }

    #[test]
    fn causes_have_the_reason_that_their_words_mean() {
        for (cause, expected) in [
            (
                "org.sqlite.SQLiteException: [SQLITE_NOTADB] File opened that is not a database file (file is not a database)",
                "DatabaseInvalid",
            ),
            (
                "org.sqlite.SQLiteException: [SQLITE_CORRUPT] The database disk image is malformed (database disk image is malformed)",
                "DatabaseInvalid",
            ),
            (
                "org.sqlite.SQLiteException: [SQLITE_FULL] Insertion failed because database is full (database or disk is full)",
                "VolumeFull",
            ),
            ("java.io.IOException: No space left on device", "VolumeFull"),
            ("java.nio.file.FileSystemException: /data/logs/a: No space left on device", "VolumeFull"),
            ("java.nio.file.FileSystemException: /data/logs/a: Disk quota exceeded", "VolumeFull"),
            ("java.sql.SQLException: opening db: '/data/logpilot.db': Permission denied", "DataNotWritable"),
            (
                "java.sql.SQLException: opening db: '/data/logpilot.db': Read-only file system",
                "DataNotWritable",
            ),
            (
                "org.sqlite.SQLiteException: [SQLITE_READONLY] Attempt to write a readonly database (attempt to write a readonly database)",
                "DataNotWritable",
            ),
            (
                "org.sqlite.SQLiteException: [SQLITE_CANTOPEN] Unable to open the database file (unable to open database file)",
                "DataNotWritable",
            ),
            ("java.nio.file.AccessDeniedException: /data/logs", "DataNotWritable"),
            ("java.io.FileNotFoundException: /data/logs/web.log (Permission denied)", "DataNotWritable"),
            ("java.lang.RuntimeException: Failed to create directory: /data/x", "DataNotWritable"),
            // Not of the data.
            ("java.io.FileNotFoundException: /certs/key.p12 (Permission denied)", "CrashLoopBackOff"),
            ("java.nio.file.AccessDeniedException: /tmp/tomcat.0.1", "CrashLoopBackOff"),
            ("java.io.FileNotFoundException: /nope.p12", "CrashLoopBackOff"),
            ("java.lang.OutOfMemoryError: Java heap space", "CrashLoopBackOff"),
            ("boom: could not open database", "CrashLoopBackOff"),
        ] {
            let (reason, message) = describe(&end(1, LastWords::Cause(cause.into())), "twice", &pod());
            assert_eq!(reason, expected, "{cause}");
            assert_eq!(message, format!("exit code 1 (Error), restarted twice: {cause}"));
        }
    }

    #[test]
    fn every_cause_is_compared_in_lower_case() {
        for (words, reason) in CAUSES {
            assert!(words.iter().all(|word| *word == word.to_lowercase()), "{words:?}");
            assert!(reasons::REASONS.iter().any(|row| row.name == *reason), "{reason}");
        }
    }

    #[test]
    fn a_kill_names_its_probe_and_how_to_see_its_answer() {
        let kill = |probe| ProbeKill { probe, ran: 141, failures: 10, budget: 110 };
        let killed = |probe| Terminated {
            killed_by: Some(kill(probe)),
            ..end(137, LastWords::LogLine("Starting service [Tomcat]".into()))
        };
        let events =
            "kubectl get events -n logs --field-selector reason=Unhealthy,involvedObject.name=logs-all-1";
        assert_eq!(
            describe(&killed(Probe::Startup), "3 times", &pod()),
            (
                "CrashLoopBackOff",
                format!(
                    "exit code 137 (Error), restarted 3 times: killed after 141 s by its startup probe, which allows 110 s for a \
                     start; the probe's last answer: {events}; the end of its log: Starting service [Tomcat]"
                )
            )
        );
        let (_, message) = describe(&killed(Probe::Liveness), "once", &pod());
        assert!(
            message.contains("by its liveness probe, which allows 10 failures in a row (110 s)"),
            "{message}"
        );
    }

    #[test]
    fn an_end_without_a_cause_says_so_and_where_to_look() {
        for (exit_code, words, expected) in [
            (
                1,
                LastWords::Nothing,
                "restarted once: its last words tell no cause; kubectl logs --previous -n logs logs-all-1",
            ),
            (
                1,
                LastWords::LogLine("Stopping service [Tomcat]".into()),
                "logs-all-1; the end of its log: Stopping service [Tomcat]",
            ),
            (
                137,
                LastWords::Nothing,
                "restarted once: killed by a signal that none of its probes explains; kubectl logs",
            ),
        ] {
            let (reason, message) = describe(&end(exit_code, words), "once", &pod());
            assert!(reason == "CrashLoopBackOff" && message.contains(expected), "{message}");
        }
        let oom = Terminated { reason: "OOMKilled".into(), ..end(137, LastWords::Nothing) };
        assert_eq!(
            describe(&oom, "once", &pod()),
            ("OOMKilled", "exit code 137 (OOMKilled), restarted once".into())
        );
    }
}
