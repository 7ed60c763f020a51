//! The reason why the server does not start, in the words of Spring Boot, which a pod's status shows.

use crate::log;

/// Ends the process with code 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A value that cannot be converted to the type of its property.
    Bind { property: String, value: String, origin: String, target: &'static str, reason: String },
    /// Description and action, as the banner shows them.
    Banner { description: String, action: String },
    /// An exception without its stack trace.
    Run(String),
    /// An exception with its stack trace: the outermost one first, `cause` last, each with its frames.
    Trace { trace: Trace, cause: String },
}

/// The origin of an exception, which determines the frames before and after it. They are those of
/// Spring Boot 3.3.4 with HikariCP and sqlite-jdbc, as a program of two beans printed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// The driver opens the database.
    Open,
    /// The pool configures a connection.
    Pragma,
    /// The storage writes at startup.
    Statement,
    /// The storage of files.
    File,
    /// The web server's certificate.
    KeyStore,
    /// The JVM has no memory left.
    Heap,
    /// One unwrapped exception: its last 2,048 bytes are frames.
    Frames,
}

impl Trace {
    /// Each with its name, and its most common cause.
    pub const ALL: [(Self, &'static str, &'static str); 7] = [
        (Self::Open, "open", "java.sql.SQLException: opening db: '/data/logpilot.db': Permission denied"),
        (
            Self::Pragma,
            "pragma",
            "org.sqlite.SQLiteException: [SQLITE_NOTADB] File opened that is not a database file (file is not a database)",
        ),
        (
            Self::Statement,
            "statement",
            "org.sqlite.SQLiteException: [SQLITE_FULL] Insertion failed because database is full (database or disk is full)",
        ),
        (Self::File, "file", "java.nio.file.AccessDeniedException: /data/logs"),
        (Self::KeyStore, "key-store", "java.io.FileNotFoundException: /nope.p12"),
        (Self::Heap, "heap", ""),
        (Self::Frames, "frames", ""),
    ];

    /// The printed text, with `{cause}` and `{message}`, which is the cause without its class.
    fn template(self) -> &'static str {
        match self {
            Self::Open => include_str!("traces/open.txt"),
            Self::Pragma => include_str!("traces/pragma.txt"),
            Self::Statement => include_str!("traces/statement.txt"),
            Self::File => include_str!("traces/file.txt"),
            Self::KeyStore => include_str!("traces/key_store.txt"),
            Self::Heap => include_str!("traces/heap.txt"),
            Self::Frames => include_str!("traces/main.txt"),
        }
    }

    fn print(self, cause: &str) -> String {
        let message = cause.split_once(": ").map_or(cause, |(_, message)| message);
        self.template().replace("{cause}", cause).replace("{message}", message)
    }
}

impl Failure {
    pub fn report(&self) {
        let spring = "o.s.boot.SpringApplication";
        match self {
            Self::Bind { property, value, origin, target, reason } => {
                let description = format!(
                    "Failed to bind properties under '{property}' to {target}:\n\n    Property: {property}\n    \
                     Value: \"{value}\"\n    Origin: {origin}\n    Reason: {reason}"
                );
                banner(&description, "Update your application's configuration");
            }
            Self::Banner { description, action } => banner(description, action),
            Self::Run(cause) => log::error(spring, &format!("Application run failed\n\n{cause}")),
            Self::Trace { trace, cause } => {
                log::error(spring, &format!("Application run failed\n\n{}", trace.print(cause)));
            }
        }
    }
}

fn banner(description: &str, action: &str) {
    let stars = "*".repeat(27);
    log::error(
        "o.s.b.d.LoggingFailureAnalysisReporter",
        &format!(
            "\n\n{stars}\nAPPLICATION FAILED TO START\n{stars}\n\nDescription:\n\n{description}\n\nAction:\n\n{action}\n"
        ),
    );
}
