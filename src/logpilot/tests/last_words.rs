//! The files in the neighbouring directory contain the last 2,048 bytes that failed starts of
//! Spring Boot 3.3.4 with Tomcat, HikariCP 5.1 and sqlite-jdbc 3.45 wrote on Java 17, as a kubelet
//! keeps them.

use std::fmt::Write as _;

use workload::health::{AFTERWARDS, LastWords};

/// The maximum number of characters kept of one termination message.
const MAX_CHARS: usize = 512;

macro_rules! tail {
    ($name:literal) => {
        ($name, include_str!(concat!("last_words/", $name, ".txt")))
    };
}

fn cause(text: &str) -> LastWords {
    LastWords::Cause(text.to_owned())
}

#[test]
fn root_causes_of_recorded_startups_are_found() {
    for ((name, tail), words) in [
        (
            tail!("sqlite_not_a_database"),
            "org.sqlite.SQLiteException: [SQLITE_NOTADB] File opened that is not a database file (file is not a database)",
        ),
        (
            tail!("sqlite_full"),
            "org.sqlite.SQLiteException: [SQLITE_FULL] Insertion failed because database is full (database or disk is full)",
        ),
        (tail!("sqlite_denied"), "java.sql.SQLException: opening db: '/data/logpilot.db': Permission denied"),
        (
            tail!("sqlite_read_only_volume"),
            "java.sql.SQLException: opening db: '/data/logpilot.db': Read-only file system",
        ),
        (
            tail!("sqlite_directory"),
            "org.sqlite.SQLiteException: [SQLITE_CANTOPEN] Unable to open the database file (unable to open database file)",
        ),
        (
            tail!("sqlite_malformed"),
            "org.sqlite.SQLiteException: [SQLITE_CORRUPT] The database disk image is malformed (database disk image is malformed)",
        ),
        (
            tail!("sqlite_read_only_file"),
            "org.sqlite.SQLiteException: [SQLITE_READONLY] Attempt to write a readonly database (attempt to write a readonly database)",
        ),
        (tail!("file_denied"), "java.nio.file.AccessDeniedException: /data/logs"),
        (tail!("key_store_missing"), "java.io.FileNotFoundException: /nope.p12"),
        (tail!("temp_dir"), "java.nio.file.NoSuchFileException: /nope/tomcat.0."),
        (tail!("heap_exhausted"), "java.lang.OutOfMemoryError: Java heap space"),
        (tail!("heap_exhausted_exit"), "Terminating due to java.lang.OutOfMemoryError: Java heap space"),
        (
            tail!("bind_enum"),
            "Failed to bind properties under 'logpilot.storage.type' to demo.Demo$StorageType: Property: logpilot.storage.type",
        ),
        (tail!("bind_number"), "Failed to bind properties under 'logpilot.storage.port' to int: "),
        (
            tail!("port_in_use"),
            "Web server failed to start. Port 8099 was already in use.; Action: Identify and stop the process",
        ),
        // With Logback's %rEx{4}, which prints the root cause first: exactly that part is cut off.
        (
            tail!("root_first_short"),
            "org.springframework.beans.BeanInstantiationException: Failed to instantiate [demo.Storage]: Constructor threw exception",
        ),
    ] {
        let LastWords::Cause(found) = LastWords::read(tail) else {
            panic!("{name}: {:?}", LastWords::read(tail))
        };
        assert!(found.starts_with(words), "{name}: {found}");
        assert!(!found.contains("\tat ") && !found.contains(".java:"), "{name}: {found}");
        assert!(found.chars().count() <= MAX_CHARS && !found.contains('\n'), "{name}: {found}");
    }
}

#[test]
fn failure_analysis_keeps_reason_and_action() {
    for ((name, tail), reason) in [
        (
            tail!("bind_enum"),
            "Reason: failed to convert java.lang.String to demo.Demo$StorageType (caused by java.lang.IllegalArgumentException: \
             No enum constant demo.Demo.StorageType.foo); Action: Update your application's configuration. The following \
             values are valid: FILE SQLITE",
        ),
        (
            tail!("bind_number"),
            "(caused by java.lang.NumberFormatException: For input string: \"tcp://10.96.0.1:50051\"); Action: Update your \
             application's configuration",
        ),
    ] {
        let LastWords::Cause(found) = LastWords::read(tail) else { panic!("{name}") };
        assert!(found.ends_with(reason), "{name}: {found}");
    }
    // A description longer than what is kept of it, or whose beginning the kubelet cut off.
    let long = format!(
        "Description:\n\nBegins so.\n{}\nReason: ends so.\n\nAction:\n\nDo this.\n",
        "x".repeat(2000)
    );
    let LastWords::Cause(found) = LastWords::read(&long) else { panic!("{long}") };
    assert!(
        found.starts_with("Begins so. x") && found.ends_with("x Reason: ends so.; Action: Do this."),
        "{found}"
    );
    let cut = LastWords::read("ue: \"foo\"\n    Reason: no such constant\n\nAction:\n\nUpdate it\n\n");
    assert_eq!(cut, cause("ue: \"foo\" Reason: no such constant; Action: Update it"));
}

#[test]
fn stack_frames_alone_are_no_cause() {
    for (name, tail) in [tail!("yaml_broken"), tail!("root_first")] {
        assert_eq!(LastWords::read(tail), LastWords::Nothing, "{name}");
    }
    assert_eq!(LastWords::read(""), LastWords::Nothing);
    assert_eq!(
        LastWords::read("\n\tat a.B.c(B.java:1)\n\t... 58 common frames omitted\n\n"),
        LastWords::Nothing
    );
}

#[test]
fn a_log_without_errors_gives_its_last_line() {
    let (_, tail) = tail!("terminated");
    let last = "Started Demo in 1.8 seconds (process running for 2.24)";
    assert_eq!(LastWords::read(tail), LastWords::LogLine(last.to_owned()));
}

#[test]
fn other_termination_formats_are_read() {
    let log = |level: &str, message: &str| {
        format!(
            "2026-11-21T09:16:26.410Z {level:>5} 951 --- [logpilot-server] [main] o.s.boot.SpringApplication : {message}\n"
        )
    };
    let trace = "a.OuterException: outer\n\tat a.B.c(B.java:1)\nCaused by: a.InnerException: inner\n\tat a.D.e(D.java:2)\n\t... 3 more\n";
    for (text, words) in [
        // Programs not written in Java: their last output is the cause.
        ("boom: could not open database\n".to_owned(), "boom: could not open database"),
        ("error: nothing was restored:\n  no such backup\n".to_owned(), "error: nothing was restored: no such backup"),
        // JVMs that do not start.
        (
            "Unrecognized VM option 'Foo'\nError: Could not create the Java Virtual Machine.\nError: A fatal exception has \
             occurred. Program will exit.\n"
                .to_owned(),
            "Unrecognized VM option 'Foo'",
        ),
        (
            "Picked up JAVA_TOOL_OPTIONS: -Xmx9999q\nInvalid maximum heap size: -Xmx9999q\nError: Could not create the Java \
             Virtual Machine.\n"
                .to_owned(),
            "Invalid maximum heap size: -Xmx9999q",
        ),
        (
            "Error occurred during initialization of VM\nInitial heap size set to a larger value than the maximum heap size\n"
                .to_owned(),
            "Error occurred during initialization of VM Initial heap size set to a larger value than the maximum heap size",
        ),
        ("Error: Unable to access jarfile nope.jar\n".to_owned(), "Error: Unable to access jarfile nope.jar"),
        (
            "#\n# There is insufficient memory for the Java Runtime Environment to continue.\n# Native memory allocation (mmap) \
             failed to map 16384 bytes.\n#\n"
                .to_owned(),
            "There is insufficient memory for the Java Runtime Environment to continue. Native memory allocation (mmap) failed to \
             map 16384 bytes.",
        ),
        (
            "Exception in thread \"main\" java.lang.UnsupportedClassVersionError: a/B has been compiled by a more recent \
             version\n\tat java.base/java.lang.ClassLoader.defineClass1(Native Method)\n"
                .to_owned(),
            "Exception in thread \"main\" java.lang.UnsupportedClassVersionError: a/B has been compiled by a more recent version",
        ),
        // The last exception, not an earlier one that the process survived.
        (format!("{trace}{}", "b.LastError: last\n\tat b.C.d(C.java:3)\n"), "b.LastError: last"),
        // An error after the exception is also part of the termination message.
        (
            format!("{trace}{}{}", log("INFO", "goes on"), log("ERROR", "gives up")),
            "a.InnerException: inner; afterwards: gives up",
        ),
        (format!("{}{trace}", log("ERROR", "Application run failed\n")), "a.InnerException: inner"),
        // A message of several lines, and an exception without a message.
        (
            "Caused by: a.B$CException: first\n  second\n\tat a.D.e(D.java:2)\n".to_owned(),
            "a.B$CException: first   second",
        ),
        ("Caused by: java.lang.NullPointerException\n\tat a.D.e(D.java:2)\n".to_owned(), "java.lang.NullPointerException"),
        // A suppressed exception did not terminate the process.
        (
            format!("{trace}\tSuppressed: a.OtherException: other\n\t\tat a.D.e(D.java:2)\n\tCaused by: a.ThirdException: third\n"),
            "a.InnerException: inner",
        ),
        // A log in JSON.
        (
            r#"essage":"Application run failed","stack_trace":"a.OuterException: \"outer\"\n\tat a.B.c(B.java:1)\nCaused by: a.InnerException: \"inner\"\n\tat a.D.e(D.java:2)\n\t... 3 more\n"}"#
                .to_owned(),
            "a.InnerException: \"inner\"",
        ),
        // Root cause first.
        (
            "a.InnerException: inner\n\tat a.D.e(D.java:2)\nWrapped by: a.OuterException: outer: inner\n\tat a.B.c(B.java:1)\n".to_owned(),
            "a.InnerException: inner",
        ),
        ("\tat a.D.e(D.java:2)\nWrapped by: a.OuterException: outer: inner\n\tat a.B.c(B.java:1)\n".to_owned(), "a.OuterException: outer: inner"),
        // Failures before Spring has read its configuration.
        (
            "09:16:41.086 [main] ERROR org.springframework.boot.SpringApplication -- Application run failed\n".to_owned(),
            "Application run failed",
        ),
    ] {
        let LastWords::Cause(found) = LastWords::read(&text) else { panic!("{text}: {:?}", LastWords::read(&text)) };
        assert_eq!(found.split_whitespace().collect::<Vec<_>>(), words.split_whitespace().collect::<Vec<_>>(), "{text}");
    }
}

/// Returns the last 2,048 bytes, as a kubelet keeps them.
fn kept(text: &str) -> &str {
    let start =
        (text.len().saturating_sub(2048)..=text.len()).find(|start| text.is_char_boundary(*start)).unwrap();
    &text[start..]
}

fn log(level: &str, message: &str) -> String {
    format!(
        "2026-11-21T09:16:26.410Z {level:>5} 951 --- [logpilot-server] [           main] c.example.Class : {message}\n"
    )
}

fn trace(exceptions: &[&str]) -> String {
    let mut text = exceptions.join("\nCaused by: ");
    text.push('\n');
    for frame in 0..4 {
        writeln!(
            text,
            "\tat org.example.Factory.method{frame}(Factory.java:{frame}) ~[example-6.1.13.jar!/:6.1.13]"
        )
        .unwrap();
    }
    text
}

const NOT_A_DATABASE: &str = "org.sqlite.SQLiteException: [SQLITE_NOTADB] File opened that is not a database file (file is not a database)";

#[test]
fn a_jvm_crash_names_signal_and_frame() {
    let header = |signal: &str, frame: &str| {
        format!(
            "{}#\n# A fatal error has been detected by the Java Runtime Environment:\n#\n#  {signal}\n#\n# JRE version: OpenJDK \
             Runtime Environment Temurin-17.0.15+6 (17.0.15+6) (build 17.0.15+6)\n# Java VM: OpenJDK 64-Bit Server VM \
             Temurin-17.0.15+6 (17.0.15+6, mixed mode, sharing, tiered, compressed oops, serial gc, linux-amd64)\n{frame}#\n# Core \
             dump will be written. Default location: /app/core.1\n#\n# An error report file with more information is saved as:\n# \
             /tmp/hs_err_pid1.log\n#\n# If you would like to submit a bug report, please visit:\n#   \
             https://github.com/adoptium/adoptium-support/issues\n# The crash happened outside the Java Virtual Machine in native \
             code.\n# See problematic frame for where to report the bug.\n#\n",
            log("INFO", "Started").repeat(15)
        )
    };
    let told = "A fatal error has been detected by the Java Runtime Environment: ";
    for (signal, frame, words) in [
        (
            "SIGSEGV (0xb) at pc=0x00007f3b1c02f0a1, pid=1, tid=17",
            "# Problematic frame:\n# C  [sqlite-3.45.3.0-libsqlitejdbc.so+0x2f0a1]  sqlite3_step+0x41\n",
            "SIGSEGV (0xb); problematic frame: C [sqlite-3.45.3.0-libsqlitejdbc.so+0x2f0a1] sqlite3_step+0x41",
        ),
        (
            "SIGBUS (0x7) at pc=0x00007f3b1c02f0a1, pid=1, tid=17",
            "# Problematic frame:\n# v  ~StubRoutines::jlong_disjoint_arraycopy\n",
            "SIGBUS (0x7); problematic frame: v ~StubRoutines::jlong_disjoint_arraycopy",
        ),
        (
            "Internal Error (sharedRuntime.cpp:1234), pid=1, tid=17\n#  guarantee(cb != NULL) failed: must be",
            "",
            "Internal Error (sharedRuntime.cpp:1234): guarantee(cb != NULL) failed: must be",
        ),
    ] {
        let text = header(signal, frame);
        assert_eq!(LastWords::read(kept(&text)), cause(&format!("{told}{words}")));
        // Cut in the middle of the header.
        let cut = text.find("been detected").unwrap();
        assert_eq!(LastWords::read(&text[cut..]), cause(&format!("{told}{words}")));
    }
}

#[test]
fn a_later_error_does_not_replace_the_cause() {
    let failed = log("ERROR", "Exception during pool initialization.");
    let chain = trace(&["a.PoolException: Failed to initialize pool", NOT_A_DATABASE]);
    for (after, words) in [
        (log("ERROR", "Application run failed"), "Application run failed"),
        (log("WARN", "closing") + &log("ERROR", "Unable to start"), "Unable to start"),
    ] {
        let text = format!("{}{failed}\n{chain}{after}", log("INFO", "Starting").repeat(20));
        assert_eq!(LastWords::read(kept(&text)), cause(&format!("{NOT_A_DATABASE}{AFTERWARDS}{words}")));
    }
    let long = format!(
        "{failed}{}{}",
        trace(&[&format!("a.BException: {}", "x".repeat(700))]),
        log("ERROR", &"y".repeat(300))
    );
    let LastWords::Cause(found) = LastWords::read(&long) else { panic!("{long}") };
    assert!(found.chars().count() <= MAX_CHARS && found.contains("x…; afterwards: y"), "{found}");
}

#[test]
fn handled_errors_are_no_cause() {
    let handled = log("WARN", "cannot reach the collector")
        + &trace(&["java.net.ConnectException: Connection refused"]);
    let goes_on = log("INFO", "Tomcat started on port 8080");
    for (text, words) in [
        (format!("{handled}{goes_on}"), LastWords::LogLine("Tomcat started on port 8080".into())),
        (
            format!("{handled}{goes_on}{}", log("ERROR", "the schema is newer than the server")),
            cause("the schema is newer than the server"),
        ),
        // The cause was logged earlier.
        (
            format!("{}{}{handled}{goes_on}", log("ERROR", "failed"), trace(&[NOT_A_DATABASE])),
            cause(NOT_A_DATABASE),
        ),
        // Nothing follows it, so it may be the cause of the termination; the same for an exception
        // that a thread did not catch.
        (handled.clone(), cause("java.net.ConnectException: Connection refused")),
        (
            format!(
                "{}Exception in thread \"main\" {}{goes_on}",
                log("INFO", "a"),
                trace(&["a.BException: b"])
            ),
            cause("Exception in thread \"main\" a.BException: b"),
        ),
        (
            format!(
                "{}Terminating due to java.lang.OutOfMemoryError: Java heap space\n{goes_on}",
                log("INFO", "a")
            ),
            cause("Terminating due to java.lang.OutOfMemoryError: Java heap space"),
        ),
    ] {
        assert_eq!(LastWords::read(kept(&text)), words, "{text}");
    }
}

#[test]
fn an_exception_without_path_keeps_its_wrapper() {
    let space = "java.io.IOException: No space left on device";
    let around = "a.WebServerException: Unable to create tempDir. java.io.tmpdir is set to /tmp";
    let chain = format!("{}Caused by: {}", trace(&[around]), trace(&[space]));
    assert_eq!(LastWords::read(&chain), cause(&format!("{space}; in: {around}")));
    let chain = format!("{}Caused by: {}", trace(&["a.BException: no path"]), trace(&[space]));
    assert_eq!(LastWords::read(&chain), cause(space));
}

#[test]
fn json_logs_are_read_like_plain_text() {
    let stack = trace(&["a.PoolException: outer \"quoted\"", NOT_A_DATABASE]);
    let stack = serde_json::to_string(&stack).unwrap();
    let message = "Application run failed";
    let info = r#"{"@timestamp":"2026-11-21T09:16:26.410Z","level":"INFO","message":"Starting","logger_name":"a.B"}"#;
    let lines = [
        // logstash-logback-encoder.
        format!(
            r#"{{"@timestamp":"2026-11-21T09:16:26.410Z","@version":"1","message":"{message}","logger_name":"o.s.SpringApplication","thread_name":"main","level":"ERROR","level_value":40000,"stack_trace":{stack}}}"#
        ),
        // Spring Boot: ECS, flat and nested, and GELF.
        format!(
            r#"{{"@timestamp":"2026-11-21T09:16:26.410Z","log.level":"ERROR","process.pid":1,"service.name":"logpilot","message":"{message}","error.type":"a.PoolException","error.message":"outer","error.stack_trace":{stack},"ecs.version":"8.11"}}"#
        ),
        format!(
            r#"{{"log":{{"level":"ERROR","logger":"o.s.SpringApplication"}},"message":"{message}","error":{{"type":"a.PoolException","message":"outer","stack_trace":{stack}}}}}"#
        ),
        format!(
            r#"{{"version":"1.1","short_message":"{message}","timestamp":1763716586.410,"level":3,"_level_name":"ERROR","full_message":{stack}}}"#
        ),
        // Logback's own format.
        format!(
            r#"{{"sequenceNumber":9,"timestamp":1763716586410,"nanoseconds":410000000,"level":"ERROR","threadName":"main","loggerName":"o.s.SpringApplication","context":{{"name":"default"}},"mdc":{{}},"message":"{message}","throwable":{{"className":"a.PoolException","message":"outer","stepArray":[{{"className":"a.B","methodName":"c","fileName":"B.java","lineNumber":1}}],"cause":{{"className":"org.sqlite.SQLiteException","message":"[SQLITE_NOTADB] File opened that is not a database file (file is not a database)","commonFramesCount":3,"stepArray":[{{"className":"a.D","methodName":"e","fileName":"D.java","lineNumber":2}}]}}}}}}"#
        ),
    ];
    for line in &lines {
        let text = format!("{info}\n").repeat(20) + line + "\n";
        assert_eq!(LastWords::read(kept(&text)), cause(NOT_A_DATABASE), "{line}");
        // The kubelet cut within the line, up to the root cause: the raw JSON is never reported.
        let root = line.find("\"className\":\"org.sqlite").or(line.find("org.sqlite")).unwrap();
        for start in (0..root).filter(|start| line.is_char_boundary(*start)) {
            let tail = format!("{}\n", &line[start..]);
            let found = LastWords::read(&tail);
            let LastWords::Cause(found) = &found else { panic!("{tail}: {found:?}") };
            assert!(found.contains("[SQLITE_NOTADB]") && !found.contains("\":"), "{tail}: {found}");
        }
    }
    // Without an exception.
    let of =
        |level: &str, message: &str| format!("{info}\n{{\"level\":\"{level}\",\"message\":\"{message}\"}}\n");
    assert_eq!(LastWords::read(&of("ERROR", "gives up")), cause("gives up"));
    assert_eq!(LastWords::read(&of("WARN", "closing")), LastWords::LogLine("closing".into()));
    assert_eq!(LastWords::read(&of("fatal", "gives up")), cause("gives up"));
    // A JSON object that is not a log line stays unchanged.
    assert_eq!(LastWords::read("{\"a\":1}\n"), cause("{\"a\":1}"));
    let analysis = r#"{"level":"ERROR","message":"\n\n***\nAPPLICATION FAILED TO START\n***\n\nDescription:\n\nPort 8080 was already in use.\n\nAction:\n\nStop the other.\n"}"#;
    let LastWords::Cause(found) = LastWords::read(analysis) else { panic!("{analysis}") };
    assert_eq!(found, "Port 8080 was already in use.; Action: Stop the other.");
}

#[test]
fn common_failures_keep_their_messages() {
    let main =
        |text: &str| format!("{}Exception in thread \"main\" {}", log("INFO", "a").repeat(3), trace(&[text]));
    let failed =
        |root: &str| log("ERROR", "Application run failed\n") + &trace(&["a.OuterException: outer", root]);
    for (text, words) in [
        (failed("java.net.UnknownHostException: db.example: Name or service not known"), "java.net.UnknownHostException: db.example: Name or service not known"),
        (failed("java.net.BindException: Address already in use"), "java.net.BindException: Address already in use"),
        (main("java.lang.OutOfMemoryError: Java heap space"), "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space"),
        (
            "Error: LinkageError occurred while loading main class a.Main\n\tjava.lang.UnsupportedClassVersionError: a/Main has been \
             compiled by a more recent version of the Java Runtime (class file version 65.0), this version of the Java Runtime \
             only recognizes class file versions up to 61.0\n"
                .to_owned(),
            "Error: LinkageError occurred while loading main class a.Main java.lang.UnsupportedClassVersionError: a/Main has been \
             compiled by a more recent version of the Java Runtime (class file version 65.0), this version of the Java Runtime \
             only recognizes class file versions up to 61.0",
        ),
        ("Error: Unable to access jarfile /app/logpilot-server.jar\n".to_owned(), "Error: Unable to access jarfile /app/logpilot-server.jar"),
        ("exec /opt/java/openjdk/bin/java: exec format error\n".to_owned(), "exec /opt/java/openjdk/bin/java: exec format error"),
    ] {
        assert_eq!(LastWords::read(kept(&text)), cause(words), "{text}");
    }
}

#[test]
fn every_truncated_trace_gives_cause_or_nothing() {
    let mut text = String::from("Application run failed\n\n");
    for (depth, cause) in [
        "a.b.OuterException: outer one",
        "a.b.MiddleException: middle one",
        "a.b.RootException: the root: Permission denied",
    ]
    .iter()
    .enumerate()
    {
        let caused = if depth > 0 { "Caused by: " } else { "" };
        writeln!(text, "{caused}{cause}").unwrap();
        for frame in 0..25 {
            writeln!(text, "\tat org.springframework.beans.Factory.method{frame}(Factory.java:{frame}) ~[spring-beans-6.1.13.jar!/:6.1.13]")
                .unwrap();
        }
        writeln!(text, "\t... 37 common frames omitted").unwrap();
    }
    for start in 0..text.len() - 1 {
        let tail = format!("{}{}", &text[start..], " ".repeat(2048));
        match LastWords::read(&tail) {
            LastWords::Nothing => {}
            LastWords::Cause(found) => assert!(
                "a.b.RootException: the root: Permission denied".ends_with(found.trim_start_matches('…')),
                "{found}"
            ),
            other @ LastWords::LogLine(_) => panic!("{other:?}"),
        }
    }
}

proptest::proptest! {
    #![proptest_config(test_support::proptest_config(20))]
    #[test]
    fn any_text_is_reduced_to_a_short_line(text in "([a-zA-Z:.# \\-\\n\\t\"é…]|Caused by: |at |Action:\n|Description:\n|\\.\\.\\. 5 more|ERROR --- x : ){0,300}") {
        match LastWords::read(&text) {
            LastWords::Nothing => {}
            LastWords::Cause(words) | LastWords::LogLine(words) => {
                assert!(words.chars().count() <= MAX_CHARS && !words.contains('\n'), "{words}");
            }
        }
    }
}
