//! The meaning of the last words of a server.

use crate::{
    reasons,
    workload::problems::{EndCause, Place},
};

const ANY: Place = Place::Any;
const DATA: Place = Place::Data;
const NOWHERE_ELSE: Place = Place::NowhereElse;

/// The path at which servers mount the data.
pub(super) const DATA_PATH: &str = "/data";

/// Substrings of a cause (in lower case), the paths that it must name, and the reason that they mean.
/// All substrings of a row must occur. They come from `SQLite`, its Java driver, Java's file API and
/// the kernel.
pub(super) const CAUSES: &[EndCause] = &[
    cause(&["sqlite_full"], ANY, reasons::VOLUME_FULL),
    cause(&["database or disk is full"], ANY, reasons::VOLUME_FULL),
    cause(&["no space left on device"], NOWHERE_ELSE, reasons::VOLUME_FULL),
    cause(&["disk quota exceeded"], NOWHERE_ELSE, reasons::VOLUME_FULL),
    cause(&["sqlite_notadb"], ANY, reasons::DATABASE_INVALID),
    cause(&["file is not a database"], ANY, reasons::DATABASE_INVALID),
    cause(&["sqlite_corrupt"], ANY, reasons::DATABASE_INVALID),
    cause(&["database disk image is malformed"], ANY, reasons::DATABASE_INVALID),
    cause(&["sqlite_readonly"], ANY, reasons::DATA_NOT_WRITABLE),
    cause(&["readonly database"], ANY, reasons::DATA_NOT_WRITABLE),
    cause(&["sqlite_cantopen"], ANY, reasons::DATA_NOT_WRITABLE),
    cause(&["unable to open database file"], ANY, reasons::DATA_NOT_WRITABLE),
    cause(&["opening db:", "permission denied"], NOWHERE_ELSE, reasons::DATA_NOT_WRITABLE),
    cause(&["permission denied"], DATA, reasons::DATA_NOT_WRITABLE),
    cause(&["accessdeniedexception"], DATA, reasons::DATA_NOT_WRITABLE),
    cause(&["read-only file system"], DATA, reasons::DATA_NOT_WRITABLE),
    cause(&["failed to create directory"], DATA, reasons::DATA_NOT_WRITABLE),
];

const fn cause(words: &'static [&'static str], place: Place, reason: &'static str) -> EndCause {
    EndCause { words, place, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::plan::Key,
        logpilot::problems::PROFILE,
        workload::{
            health::{LastWords, Terminated},
            problems::{self, Source},
        },
    };

    /// Returns the report on a server that ended with these words, in a pod of one container.
    fn describe(cause: &str) -> (&'static str, String) {
        let words = LastWords::Cause(cause.into());
        let end = Terminated { exit_code: 1, reason: "Error".into(), words, killed_by: None };
        let key = Key { namespace: Some("logs".into()), name: "logs-all-1".into() };
        problems::describe(&PROFILE, &end, "twice", &Source { key: &key, container: None, sidecar: false })
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
            ("java.io.FileNotFoundException: /data (Permission denied)", "DataNotWritable"),
            ("Cannot open jdbc:sqlite:/data/a.db: Permission denied", "DataNotWritable"),
            // An error with its own path that was logged afterwards.
            (
                "java.nio.file.FileSystemException: /data/logs/a: No space left on device; afterwards: GET /api/logs failed",
                "VolumeFull",
            ),
            (
                "java.lang.IllegalStateException: x; afterwards: [SQLITE_NOTADB] file is not a database",
                "DatabaseInvalid",
            ),
            // Paths outside the data.
            (
                "java.nio.file.FileSystemException: /tmp/tomcat.8080.1: No space left on device",
                "CrashLoopBackOff",
            ),
            ("java.nio.file.FileSystemException: /database: No space left on device", "CrashLoopBackOff"),
            (
                "java.io.IOException: No space left on device; in: a.X: tmpdir is set to /tmp",
                "CrashLoopBackOff",
            ),
            ("java.io.FileNotFoundException: /certs/database.p12 (Permission denied)", "CrashLoopBackOff"),
            ("java.io.FileNotFoundException: /certs/data/key.p12 (Permission denied)", "CrashLoopBackOff"),
            ("java.io.FileNotFoundException: /datastore/a (Permission denied)", "CrashLoopBackOff"),
            ("java.nio.file.FileSystemException: /etc/x: Read-only file system", "CrashLoopBackOff"),
            ("java.io.FileNotFoundException: /certs/key.p12 (Permission denied)", "CrashLoopBackOff"),
            ("java.nio.file.AccessDeniedException: /tmp/tomcat.0.1", "CrashLoopBackOff"),
            ("java.io.FileNotFoundException: /nope.p12", "CrashLoopBackOff"),
            ("java.lang.OutOfMemoryError: Java heap space", "CrashLoopBackOff"),
            ("boom: could not open database", "CrashLoopBackOff"),
        ] {
            let (reason, message) = describe(cause);
            assert_eq!(reason, expected, "{cause}");
            assert_eq!(message, format!("exit code 1 (Error), restarted twice: {cause}"));
        }
    }

    #[test]
    fn every_cause_is_compared_in_lower_case() {
        for EndCause { words, reason, .. } in CAUSES {
            assert!(words.iter().all(|word| *word == word.to_lowercase()), "{words:?}");
            assert!(reasons::REASONS.iter().any(|row| row.name == *reason), "{reason}");
        }
    }
}
