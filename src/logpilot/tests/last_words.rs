//! The files in the directory beside this one are the last 2,048 bytes that failed starts of Spring Boot 3.3.4 with Tomcat, HikariCP 5.1 and
//! sqlite-jdbc 3.45 wrote on Java 17, as a kubelet keeps them.

use std::fmt::Write as _;

use engine::last_words::LastWords;

/// Most characters that are kept of one end.
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
fn root_causes_of_real_starts_are_found() {
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
        // With Logback's %rEx{4}, which prints the root cause first: just that is cut off.
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
    // A description that is longer than what is kept of it, or whose beginning the kubelet cut off.
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
fn frames_alone_are_no_cause() {
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
fn other_shapes_of_an_end_are_read() {
    let log = |level: &str, message: &str| {
        format!(
            "2026-11-21T09:16:26.410Z {level:>5} 951 --- [logpilot-server] [main] o.s.boot.SpringApplication : {message}\n"
        )
    };
    let trace = "a.OuterException: outer\n\tat a.B.c(B.java:1)\nCaused by: a.InnerException: inner\n\tat a.D.e(D.java:2)\n\t... 3 more\n";
    for (text, words) in [
        // Programs that are no Java: their last words are the cause, as before.
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
        // The last exception, not one that was survived before it.
        (format!("{trace}{}", "b.LastError: last\n\tat b.C.d(C.java:3)\n"), "b.LastError: last"),
        // An error after the exception explains the end.
        (format!("{trace}{}{}", log("INFO", "goes on"), log("ERROR", "gives up")), "gives up"),
        (format!("{}{trace}", log("ERROR", "Application run failed\n")), "a.InnerException: inner"),
        // A message of several lines, and one without any.
        (
            "Caused by: a.B$CException: first\n  second\n\tat a.D.e(D.java:2)\n".to_owned(),
            "a.B$CException: first   second",
        ),
        ("Caused by: java.lang.NullPointerException\n\tat a.D.e(D.java:2)\n".to_owned(), "java.lang.NullPointerException"),
        // What an exception suppresses did not end anything.
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
        // Before Spring has its configuration.
        (
            "09:16:41.086 [main] ERROR org.springframework.boot.SpringApplication -- Application run failed\n".to_owned(),
            "Application run failed",
        ),
    ] {
        let LastWords::Cause(found) = LastWords::read(&text) else { panic!("{text}: {:?}", LastWords::read(&text)) };
        assert_eq!(found.split_whitespace().collect::<Vec<_>>(), words.split_whitespace().collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn every_cut_of_a_trace_gives_a_cause_or_nothing() {
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
