//! A directory or a bucket may contain data of anyone: reading it returns a result and never panics.

use std::{fs, path::Path};

use jiff::Timestamp;
use proptest::prelude::*;
use rusty_s3::actions::{CompleteMultipartUploadResponse, CreateMultipartUpload, ListObjectsV2};
use serde_json::{Value, json};

use super::{
    failure::S3Operation, files, history::History, location::Location, manifest::Manifest,
    s3_client::S3Client,
};
use test_support::proptest_config;

const NAME: &str = "logpilot-20260102T030405.678Z.db";

const FIELDS: &[&str] =
    &["writtenBy", "version", "file", "takenAt", "size", "sha256", "journalMode", "tables"];

/// A manifest with fields that are missing, of other types, or far out of bounds.
fn manifest() -> impl Strategy<Value = Value> {
    let number = || prop_oneof![Just(u64::MAX), Just(0), any::<u64>()];
    let tables = prop::collection::btree_map(".{0,8}", number(), 0..4);
    let whole = (tables, number(), number(), any::<String>()).prop_map(|(tables, size, millis, text)| {
        json!({
            "writtenBy": "logpilot-operator", "version": text, "file": NAME, "takenAt": text, "size": size,
            "sha256": text, "journalMode": text, "tables": tables, "durationMillis": millis,
        })
    });
    let odd = prop_oneof![
        Just(Value::Null),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!({ "a": -1 })),
        Just(json!([]))
    ];
    (whole, prop::option::weighted(0.3, (prop::sample::select(FIELDS), odd))).prop_map(
        |(mut whole, change)| {
            if let Some((field, value)) = change {
                whole[field] = value;
            }
            whole
        },
    )
}

/// A response with the parts that are parsed, and any text between them.
fn answer() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => prop::sample::select(&[
            "<Error>", "<Code>", "</Code>", "<Message>", "</Message>", "NoSuchKey", "<?xml version=\"1.0\"?>",
            "<ListBucketResult>", "</ListBucketResult>", "<Contents>", "<Key>a</Key>", "<Size>-1</Size>", "</Contents>",
            "<NextContinuationToken>", "<ETag>", "&#0;", "&lol;", "<!DOCTYPE a [<!ENTITY lol \"lol\">]>",
        ][..]).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => Just("x".repeat(3000)),
    ];
    let parts = prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat());
    let words = || prop_oneof![any::<String>(), Just("x".repeat(3000)), Just("\r\n\u{1b}[2J".to_owned())];
    let error = (words(), words())
        .prop_map(|(code, words)| format!("<Error><Code>{code}</Code><Message>{words}</Message></Error>"));
    prop_oneof![parts, error]
}

#[test]
fn the_row_count_of_a_manifest_saturates() {
    let tables = json!({ "a": u64::MAX, "b": 1 });
    let manifest = json!({
        "writtenBy": "logpilot-operator", "version": "", "file": NAME, "takenAt": "", "size": 1, "sha256": "",
        "journalMode": "", "tables": tables, "durationMillis": 1,
    });
    let manifest = Manifest::read(&manifest.to_string(), NAME, Path::new(NAME)).unwrap();
    assert_eq!(manifest.rows(), u64::MAX);
}

proptest! {
    #![proptest_config(proptest_config(256))]

    #[test]
    fn only_generated_names_are_backups(text in any::<String>(), near in "logpilot-[0-9TZ./]{20,22}(-[0-9a-g]{9,11})?\\.db", second in 0_i64..253_402_300_799) {
        for text in [text, near] {
            if files::is_backup_name(&text) {
                prop_assert!([0, 11].contains(&(text.len() - NAME.len())) && !text.contains('/') && !text.contains(".."));
            }
        }
        for tag in [None, Some("0123456789")] {
            let name = files::name(Timestamp::from_second(second).unwrap(), tag);
            prop_assert!(files::is_backup_name(&name), "{name}");
            prop_assert_eq!(files::tag_of(&name), tag);
        }
    }

    #[test]
    fn any_text_is_a_manifest_or_rejected(text in any::<String>(), near in manifest(), bytes in any::<Vec<u8>>()) {
        let at = Path::new(NAME);
        prop_assert!(Manifest::read(&text, NAME, at).is_err());
        prop_assert!(Manifest::read(&String::from_utf8_lossy(&bytes), NAME, at).is_err());
        if let Ok(manifest) = Manifest::read(&near.to_string(), NAME, at) {
            let most = manifest.tables.values().copied().max().unwrap_or_default();
            prop_assert!(manifest.rows() >= most);
            let again = Manifest::read(&String::from_utf8(manifest.text()).unwrap(), NAME, at);
            prop_assert_eq!(again.ok(), Some(manifest));
        }
    }

    #[test]
    fn no_location_escapes_its_bucket(text in any::<String>(), near in "s3://[a-zA-Z0-9./_%?~-]{0,24}") {
        for text in [text, near] {
            if let Ok(Location::Bucket { bucket, key }) = text.parse::<Location>() {
                prop_assert!((3..=63).contains(&bucket.len()));
                prop_assert!(!key.split('/').any(|part| part == ".." || part == "."), "{key}");
                prop_assert_eq!(format!("s3://{bucket}/{key}").parse(), Ok(Location::Bucket { bucket, key }));
            }
        }
    }

    #[test]
    fn any_response_of_a_bucket_becomes_short(status in any::<u16>(), answer in answer()) {
        let told = S3Operation { doing: "read", at: "s3://b/x".into() }.refused(status, &answer).to_string();
        prop_assert!(told.chars().count() < 600, "{} characters", told.chars().count());
        prop_assert!(!told.contains(char::is_control), "{told:?}");
        let _ = ListObjectsV2::parse_response(&answer);
        let _ = CreateMultipartUpload::parse_response(&answer);
        let _ = CompleteMultipartUploadResponse::parse(&answer);
    }

    #[test]
    fn any_history_and_certificates_are_read_or_rejected(bytes in any::<Vec<u8>>(), near in manifest(), pem in "(-----BEGIN CERTIFICATE-----\n)?[A-Za-z0-9+/=\n]{0,60}(-----END CERTIFICATE-----)?") {
        let home = tempfile::tempdir().unwrap();
        let (database, part) = (home.path().join("a.db"), home.path().join("part"));
        let restored = json!({ "file": near["file"], "takenAt": near["takenAt"], "rows": near["size"], "durationMillis": 1 });
        let entry = json!({ "requestId": "a", "pending": true, "restored": restored }).to_string();
        for bytes in [bytes.as_slice(), entry.as_bytes()] {
            fs::write(files::beside(&database, ".restored"), bytes).unwrap();
            if let Ok(history) = History::of(&database, &part) {
                prop_assert!(bytes.is_empty() || history.restored("a").is_some() || bytes.iter().all(|it| *it == b'\n'));
            }
        }
        let ca = home.path().join("ca.pem");
        fs::write(&ca, &pem).unwrap();
        prop_assert!(S3Client::new(Some(&ca)).is_err() || pem.contains("BEGIN"));
    }
}
