//! The location of backups, as given on the command line.

use std::{path::PathBuf, str::FromStr};

use clap::Args;
use url::Url;

const SCHEME: &str = "s3://";

/// A path, or `s3://bucket/key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    Path(PathBuf),
    Bucket { bucket: String, key: String },
}

/// Access to a bucket, in addition to its location. The credentials come from the environment: every
/// user of a node can see arguments.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "With s3:// (credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or the identity of the pod)"
)]
pub struct Access {
    /// The server, such as `https://minio.example:9000`. Default: Amazon's server of the region.
    #[arg(long)]
    pub endpoint: Option<Url>,
    #[arg(long, default_value = "us-east-1")]
    pub region: String,
    /// The bucket is part of the path instead of the server's name.
    #[arg(long)]
    pub path_style: bool,
    /// Certificates (PEM) that are trusted instead of the public CAs.
    #[arg(long)]
    pub ca_file: Option<PathBuf>,
    /// Directory with space for one copy of the database.
    #[arg(long, default_value = "/tmp")]
    pub scratch: PathBuf,
}

impl FromStr for Location {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(rest) = text.strip_prefix(SCHEME) else { return Ok(Self::Path(text.into())) };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(bucket) {
            return Err(
                "a bucket name consists of 3 to 63 lower-case letters, digits, '.' and '-', as in 's3://bucket/prefix'",
            );
        }
        let key = key.strip_suffix('/').unwrap_or(key);
        if !key.is_empty() && !key.split('/').all(is_segment) {
            return Err(
                "a prefix consists of letters, digits, '.', '_' and '-', separated by single '/', and no part begins with '.'",
            );
        }
        Ok(Self::Bucket { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

fn is_bucket(name: &str) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| edge(byte) || byte == b'.' || byte == b'-')
        && name.bytes().next().is_some_and(edge)
        && name.bytes().last().is_some_and(edge)
}

/// Returns whether a segment contains nothing that a URL would encode or resolve.
fn is_segment(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_and_paths_are_parsed_without_escape() {
        let bucket =
            |bucket: &str, key: &str| Ok(Location::Bucket { bucket: bucket.into(), key: key.into() });
        assert_eq!("s3://abc".parse(), bucket("abc", ""));
        assert_eq!("s3://a.b-c/".parse(), bucket("a.b-c", ""));
        assert_eq!("s3://abc/x/y_1/".parse(), bucket("abc", "x/y_1"));
        assert_eq!("/backups/$(x)".parse(), Ok(Location::Path("/backups/$(x)".into())));
        for bad in [
            "s3://",
            "s3://ab",
            "s3://Abc",
            "s3://-abc",
            "s3://abc.",
            "s3://$(x)",
            "s3://abc;rm -rf",
            "s3://abc//x",
            "s3://abc/../x",
            "s3://abc/./x",
            "s3://abc/x y",
            "s3://abc/$(x)",
            "s3://abc/x?y",
            "s3://abc/%2e%2e",
        ] {
            assert!(bad.parse::<Location>().is_err(), "{bad}");
        }
    }
}
