//! What the client counts, against a server that keeps, loses and doubles.

use std::time::Duration;

use log_server::client::{self, Failed, Load, Target};
use rstest::rstest;

use crate::support::{KEY, Server};

fn load(rate: f64, seconds: f64) -> Load {
    Load {
        channel: "steady".into(),
        rate,
        lasting: Duration::from_secs_f64(seconds),
        timeout: Duration::from_secs(5),
        retry_unsent: false,
        read_for: Duration::from_secs(5),
    }
}

const UNLIMITED: (&str, &str) = ("LOGPILOT_RATE_LIMIT_CAPACITY", "1000000");

#[tokio::test]
async fn the_client_counts_what_it_wrote_over_rest_and_over_grpc() {
    let it = Server::ready(&[UNLIMITED]).await;
    for place in [format!("http://{}", it.http_place), format!("grpc://{}", it.grpc_place)] {
        for fresh in [false, true] {
            let target = Target::new(&place, KEY, fresh).unwrap();
            let report =
                client::run(&target, &load(100.0, 0.3), &format!("run-{fresh}-{}", place.len())).await;
            assert!(report.sent >= 20, "{place}: {report:?}");
            assert_eq!((report.acked, report.failed, report.lost, report.duplicated), (report.sent, 0, 0, 0));
        }
    }
}

#[tokio::test]
async fn the_client_sees_what_is_lost_and_what_is_refused() {
    let it = Server::ready(&[UNLIMITED]).await;
    let target = Target::new(&format!("http://{}", it.http_place), KEY, false).unwrap();
    let database = rusqlite::Connection::open(it.server.path("data/logpilot.db")).unwrap();
    database
        .execute_batch(
            "CREATE TRIGGER lose AFTER INSERT ON logs WHEN new.message = 'run-3'
             BEGIN DELETE FROM logs WHERE id = new.id; END;
             CREATE TRIGGER twice AFTER INSERT ON logs WHEN new.message = 'run-5'
             BEGIN INSERT INTO logs (channel, level, message, timestamp)
                   VALUES (new.channel, new.level, new.message, new.timestamp); END;",
        )
        .unwrap();
    let report = client::run(&target, &load(100.0, 0.2), "run").await;
    assert_eq!((report.failed, report.lost, report.duplicated), (0, 1, 1), "{report:?}");

    let wrong = Target::new(&format!("http://{}", it.http_place), "wrong", false).unwrap();
    let mut brief = load(100.0, 0.1);
    brief.read_for = Duration::ZERO;
    let report = client::run(&wrong, &brief, "other").await;
    assert_eq!((report.acked, report.failed), (0, report.sent));
    assert_eq!(report.errors.keys().collect::<Vec<_>>(), ["403 Forbidden "]);
}

#[rstest]
#[case("http")]
#[case("grpc")]
#[tokio::test]
async fn only_a_connection_that_was_refused_is_tried_again_and_only_when_told(#[case] scheme: &str) {
    // Free a moment ago: nobody listens.
    let place = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = Target::new(&format!("{scheme}://{place}"), KEY, false).unwrap();
    let refused = target.send("web", "m").await.unwrap_err();
    assert!(matches!(refused, Failed::Unsent(_)), "{refused:?}");

    let mut brief = load(20.0, 0.1);
    (brief.retry_unsent, brief.timeout, brief.read_for) = (true, Duration::from_millis(300), Duration::ZERO);
    let report = client::run(&target, &brief, "run").await;
    assert_eq!(report.errors.keys().collect::<Vec<_>>(), ["no answer in time"], "it went on trying");
    brief.retry_unsent = false;
    let report = client::run(&target, &brief, "run").await;
    assert!(report.errors.keys().all(|error| error.contains("refused")), "{report:?}");
}

#[tokio::test]
async fn the_program_prints_one_line_of_json_and_fails_where_something_was_lost() {
    let it = Server::ready(&[UNLIMITED]).await;
    let place = format!("grpc://{}", it.grpc_place);
    for (key, code) in [(KEY, 0), ("wrong", 1)] {
        let arguments =
            ["--to", &place, "--api-key", key, "--rate", "50", "--seconds", "0.2", "--read-seconds", "0"];
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_log-client"))
            .args(arguments)
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["acked"] == report["sent"], code == 0, "{report}");
    }
}
