//! Signed requests to an S3 server: bounded in memory, and tried again where that can help.

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

/// Three more tries: after half a second, 2 s, and 8 s.
const RETRY: ExponentialBuilder =
    ExponentialBuilder::new().with_min_delay(Duration::from_millis(500)).with_factor(4.0).with_max_times(3);
/// A signature is only good for so long.
const SIGNED: Duration = Duration::from_mins(15);
const CONNECT: Duration = Duration::from_secs(15);
/// Without a single byte.
const STALLED: Duration = Duration::from_mins(1);
/// Putting the parts of a large upload together takes a server minutes.
const ANSWER: Duration = Duration::from_mins(10);
/// Of anything but a copy.
const LONGEST_ANSWER: u64 = 4 << 20;

/// The body of a request.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    None,
    Bytes(&'a [u8]),
    /// Read while it is sent.
    Part {
        file: &'a Path,
        from: u64,
        length: u64,
    },
}

pub struct S3Client(Agent);

impl S3Client {
    /// `ca` are certificates that are trusted instead of the public ones.
    pub fn new(ca: Option<&Path>) -> Result<Self, Error> {
        let mut tls = TlsConfig::builder();
        if let Some(path) = ca {
            tls = tls.root_certs(roots(path)?);
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // A signature is for one host; and nobody sends us elsewhere.
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

    /// A small answer.
    pub fn text<'a>(
        &self,
        step: &S3Operation,
        action: &impl S3Action<'a>,
        content: Content<'_>,
    ) -> Result<String, S3Error> {
        with_retries(|| body(self.send(step, action, content)?).map_err(|error| step.unreached(&error)))
    }

    /// A request that is none of S3, in one try: its status, and a small answer.
    pub fn plain(&self, step: &S3Operation, request: Request<Vec<u8>>) -> Result<(u16, String), S3Error> {
        let answer = self.0.run(request).map_err(|error| step.unreached(&error))?;
        let status = answer.status().as_u16();
        Ok((status, body(answer).map_err(|error| step.unreached(&error))?))
    }

    /// One try.
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
            // A bucket that is not there is more than an object that is not there.
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
        help: "the ConfigMap of `backup.s3.caConfigMap` must exist and hold certificates in PEM form under its key",
    };
    let text = fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| unusable(error.to_string()))? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(unusable("there is no certificate in it".into())) } else { Ok(found.into()) }
}

#[cfg(test)]
mod tests {
    use backon::BackoffBuilder;

    use super::*;

    #[test]
    fn three_more_tries_with_growing_pauses() {
        let pauses: Vec<_> = RETRY.build().map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [500, 2000, 8000]);
    }
}
