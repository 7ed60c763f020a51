//! Signed requests to an S3 server, with bounded memory, and with retries where they can help.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

use backon::{BlockingRetryable, ExponentialBuilder};
use http::{Request, Response, header};
use rusty_s3::S3Action;
use ureq::{
    Agent, Body, SendBody,
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use super::{
    Error,
    failure::{S3Error, S3Operation},
};

/// Three retries: after half a second, 2 s, and 8 s.
const RETRY: ExponentialBuilder =
    ExponentialBuilder::new().with_min_delay(Duration::from_millis(500)).with_factor(4.0).with_max_times(3);
/// Validity of a signature.
const SIGNED: Duration = Duration::from_mins(15);
const CONNECT: Duration = Duration::from_secs(15);
/// Timeout without a single byte.
const STALLED: Duration = Duration::from_mins(1);
/// Timeout of a response. A server may take minutes to assemble the parts of a large upload.
const ANSWER: Duration = Duration::from_mins(10);
/// Longest response, except for a copy, in bytes.
const LONGEST_ANSWER: u64 = 4 << 20;

/// The body of a request.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    None,
    Bytes(&'a [u8]),
    /// A part of a file, which is read while it is sent.
    Part {
        file: &'a Path,
        from: u64,
        length: u64,
    },
}

pub struct S3Client(Agent);

impl S3Client {
    /// `ca` contains certificates that are trusted instead of the public CAs.
    pub fn new(ca: Option<&Path>) -> Result<Self, Error> {
        let mut tls = TlsConfig::builder();
        if let Some(path) = ca {
            tls = tls.root_certs(roots(path)?);
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // A signature is valid for one host only, and no server is expected to redirect.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("logpilot-operator/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.build())
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(STALLED))
            .timeout_per_write(Some(STALLED))
            .build()
            .new_agent();
        Ok(Self(agent))
    }

    /// Sends a request with a small response. Retries it.
    pub fn text<'a>(
        &self,
        step: &S3Operation,
        action: &impl S3Action<'a>,
        content: Content<'_>,
    ) -> Result<String, S3Error> {
        with_retries(|| body(self.send(step, action, content)?).map_err(|error| step.unreached(&error)))
    }

    /// Sends a request that is not for S3, without retries. Returns its status and a small response.
    pub fn plain(&self, step: &S3Operation, request: Request<Vec<u8>>) -> Result<(u16, String), S3Error> {
        let answer = self.0.run(request).map_err(|error| step.unreached(&error))?;
        let status = answer.status().as_u16();
        Ok((status, body(answer).map_err(|error| step.unreached(&error))?))
    }

    /// Sends a request once.
    pub fn send<'a, A: S3Action<'a>>(
        &self,
        step: &S3Operation,
        action: &A,
        content: Content<'_>,
    ) -> Result<Response<Body>, S3Error> {
        let request = Request::builder().method(A::METHOD.to_str()).uri(action.sign(SIGNED).as_str());
        let odd = |error| step.odd(&error);
        let (length, mut reader): (u64, Box<dyn Read>) = match content {
            Content::None => (0, Box::new(io::empty())),
            Content::Bytes(bytes) => (bytes.len() as u64, Box::new(bytes)),
            Content::Part { file, from, length } => {
                let mut part = File::open(file).map_err(Error::file("read", file))?;
                part.seek(SeekFrom::Start(from)).map_err(Error::file("read", file))?;
                (length, Box::new(part.take(length)))
            }
        };
        let answer = if matches!(content, Content::None) {
            self.0.run(request.body(()).map_err(odd)?)
        } else {
            let body = SendBody::from_reader(&mut reader);
            self.0.run(request.header(header::CONTENT_LENGTH, length).body(body).map_err(odd)?)
        };
        let answer = answer.map_err(|error| step.unreached(&error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = body(answer).unwrap_or_default();
        let error = step.refused(status.as_u16(), &text);
        Err(match status.as_u16() {
            // A missing bucket is a more serious error than a missing object.
            404 if !text.contains("<Code>NoSuchBucket<") => S3Error::NotFound(error),
            429 | 500.. => S3Error::Retryable(error),
            _ => S3Error::Permanent(error),
        })
    }
}

pub fn with_retries<T>(attempt: impl FnMut() -> Result<T, S3Error>) -> Result<T, S3Error> {
    attempt.retry(RETRY).when(|error| matches!(error, S3Error::Retryable(_))).call()
}

fn body(mut answer: Response<Body>) -> Result<String, ureq::Error> {
    answer.body_mut().with_config().limit(LONGEST_ANSWER).lossy_utf8(true).read_to_string()
}

fn roots(path: &Path) -> Result<RootCerts, Error> {
    let unusable = |cause: String| Error::Bucket {
        doing: "trust",
        at: path.display().to_string(),
        cause,
        help: "the ConfigMap of `backup.s3.caConfigMap` must exist and contain PEM certificates under its key",
    };
    let text = fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| unusable(error.to_string()))? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(unusable("it contains no certificates".into())) } else { Ok(found.into()) }
}

#[cfg(test)]
mod tests {
    use backon::BackoffBuilder;

    use super::*;

    #[test]
    fn three_retries_with_growing_pauses() {
        let pauses: Vec<_> = RETRY.build().map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [500, 2000, 8000]);
    }
}
