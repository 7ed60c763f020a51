//! The client's counts, against a server that keeps, loses and duplicates records.

use std::time::Duration;

use log_server::client::{self, Failed, Load, Target};
use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{self, KEY, Server};

fn load(rate: f64, seconds: f64) -> Load {
    Load {
        channel: "steady".into(),
        rate,
        lasting: Duration::from_secs_f64(seconds),
        until: None,
        timeout: Duration::from_secs(5),
        retry_unsent: false,
        retry_unanswered: false,
        read_for: Duration::from_secs(5),
    }
}

const UNLIMITED: (&str, &str) = ("LOGPILOT_RATE_LIMIT_CAPACITY", "1000000");

#[tokio::test]
async fn the_client_counts_rest_and_grpc_writes() {
    let it = Server::ready(&[UNLIMITED]).await;
    for place in [format!("http://{}", it.http_place), format!("grpc://{}", it.grpc_place)] {
        for fresh in [false, true] {
            let target = Target::new(&place, KEY, fresh).unwrap();
            let report =
                client::run(&target, &load(100.0, 0.3), &format!("run-{fresh}-{}", place.len())).await;
            assert!(report.sent > 0, "{place}: {report:?}");
            assert_eq!((report.acked, report.failed, report.lost, report.duplicated), (report.sent, 0, 0, 0));
        }
    }
}

#[tokio::test]
async fn the_client_reports_lost_and_refused_records() {
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
async fn failed_connections_are_retried_only_with_retry(#[case] scheme: &str) {
    // Free a moment ago: no process listens.
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
async fn the_client_stops_when_a_file_appears() {
    let it = Server::ready(&[UNLIMITED]).await;
    let file = it.server.path("stop");
    let target = Target::new(&format!("http://{}", it.http_place), KEY, false).unwrap();
    let endless = Load { until: Some(file.clone()), ..load(100.0, 600.0) };
    let (report, ()) = tokio::join!(client::run(&target, &endless, "run"), async {
        support::until("five records", || async {
            it.read("steady?consumerId=other&limit=9&autoCommit=false").await.len() > 4
        })
        .await;
        std::fs::write(&file, "").unwrap();
    });
    assert_eq!((report.acked, report.failed), (report.sent, 0));
}

/// The first request of a connection is read and not answered; the next connection is answered.
#[rstest]
#[case(false)]
#[case(true)]
#[tokio::test]
async fn a_retry_after_disconnect_may_duplicate_a_record(#[case] told: bool) {
    let it = Server::ready(&[UNLIMITED]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::new(&format!("http://{}", listener.local_addr().unwrap()), KEY, false).unwrap();
    tokio::spawn(async move {
        let mut first = true;
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = tokio::net::TcpStream::connect(&it.http_place).await.unwrap();
            if std::mem::take(&mut first) {
                let mut request = vec![0; 4096];
                let length = near.read(&mut request).await.unwrap();
                far.write_all(&request[..length]).await.unwrap();
                assert_ne!(far.read(&mut request).await.unwrap(), 0, "it was stored");
                continue;
            }
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let mut brief = load(10.0, 0.25);
    brief.retry_unanswered = told;
    let report = client::run(&target, &brief, "run").await;
    let [failed, doubled] = [u64::from(!told), u64::from(told)];
    assert_eq!([report.failed, report.retried, report.duplicated], [failed, doubled, doubled], "{report:?}");
    assert_eq!(report.stored_unacked, failed, "{report:?}");
}

/// An HTTP/2 server that accepts one connection, waits for a call, sends GOAWAY and closes. Returns
/// its address.
async fn goodbye(last_call: u32, reason: u32) -> std::net::SocketAddr {
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const HEADERS: u8 = 1;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        stream.write_all(&SETTINGS).await.unwrap();
        stream.read_exact(&mut [0; "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()]).await.unwrap();
        let mut frame = [0; 9];
        while frame[3] != HEADERS {
            stream.read_exact(&mut frame).await.unwrap();
            let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
            stream.read_exact(&mut vec![0; length as usize]).await.unwrap();
        }
        let go_away = [&[0, 0, 8, 7, 0, 0, 0, 0, 0][..], &last_call.to_be_bytes(), &reason.to_be_bytes()];
        stream.write_all(&go_away.concat()).await.unwrap();
        stream.shutdown().await.unwrap();
        // If the socket closed with unread data, the GOAWAY could be lost in transit.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    place
}

/// The first call of a connection has number 1.
#[rstest]
#[case::left_out_in_good_order(0, h2::Reason::NO_ERROR, true)]
#[case::perhaps_looked_at(1, h2::Reason::NO_ERROR, false)]
#[case::left_out_in_anger(0, h2::Reason::ENHANCE_YOUR_CALM, false)]
#[tokio::test]
async fn calls_after_goaway_were_not_processed(
    #[case] last_call: u32,
    #[case] reason: h2::Reason,
    #[case] unseen: bool,
) {
    let place = goodbye(last_call, reason.into()).await;
    let target = Target::new(&format!("grpc://{place}"), KEY, false).unwrap();
    let failed = target.send("web", "m").await.unwrap_err();
    assert_eq!(matches!(failed, Failed::Unsent(_)), unseen, "{failed:?}");
}

#[tokio::test]
async fn the_client_prints_json_and_fails_on_loss() {
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
