//! Explains the errors of a bucket's server to users. The messages contain nothing of a request,
//! because its URL contains a signature.

use std::io;

use super::Error;

/// The failure of one attempt.
pub enum S3Error {
    /// A retry may succeed.
    Retryable(Error),
    /// The requested object does not exist.
    NotFound(Error),
    Permanent(Error),
}

impl From<Error> for S3Error {
    fn from(error: Error) -> Self {
        Self::Permanent(error)
    }
}

impl From<S3Error> for Error {
    fn from(failure: S3Error) -> Self {
        match failure {
            S3Error::Retryable(error) | S3Error::NotFound(error) | S3Error::Permanent(error) => error,
        }
    }
}

/// Longest part of a server's message that is reported.
const WORDS: usize = 200;

/// The operation and its object, for error messages.
pub struct S3Operation {
    pub doing: &'static str,
    pub at: String,
}

impl S3Operation {
    fn failed(&self, cause: impl Into<String>, help: &'static str) -> Error {
        Error::Bucket { doing: self.doing, at: self.at.clone(), cause: cause.into(), help }
    }

    /// Returns the error for a response with an error status.
    pub fn refused(&self, status: u16, body: &str) -> Error {
        let code = between(body, "<Code>", "</Code>").unwrap_or_default();
        self.refused_for(status, body, help(status, code))
    }

    /// As `refused`, with a given remedy.
    pub fn refused_for(&self, status: u16, body: &str, help: &'static str) -> Error {
        let told = |open, close| -> String {
            let words = between(body, open, close).unwrap_or_default();
            words.chars().take(WORDS).map(|char| if char.is_control() { ' ' } else { char }).collect()
        };
        let (code, words) = (told("<Code>", "</Code>"), told("<Message>", "</Message>"));
        let cause = match (code.as_str(), words.as_str()) {
            ("", _) => format!("the server answers {status}"),
            (code, "") => format!("the server answers {code} ({status})"),
            (code, words) => format!("the server answers {code} ({status}): {words}"),
        };
        self.failed(cause, help)
    }

    /// Returns the error for a server that could not be reached, or did not respond completely.
    pub fn unreached(&self, error: &ureq::Error) -> S3Error {
        const PRIVATE: &str = "for a certificate of a private CA, set `backup.s3.caConfigMap`";
        match error {
            ureq::Error::Rustls(error) => S3Error::Permanent(self.failed(error.to_string(), PRIVATE)),
            // The errors of the handshake arrive as errors of the socket.
            ureq::Error::Io(error) if error.to_string().contains("certificate") => {
                S3Error::Permanent(self.failed(error.to_string(), PRIVATE))
            }
            // The text of this error would be the whole URL.
            ureq::Error::BadUri(_) => S3Error::Permanent(self.failed("the endpoint is not a valid URL", "correct the endpoint")),
            ureq::Error::HostNotFound => S3Error::Retryable(
                self.failed("the host name in the endpoint cannot be resolved", "check the host in the endpoint"),
            ),
            error => S3Error::Retryable(self.failed(
                error.to_string(),
                "check the endpoint and its port, that the server is running, and that NetworkPolicies allow the connection",
            )),
        }
    }

    /// Returns the error for a response that could not be read completely, or could not be stored.
    pub fn unread(&self, error: io::Error) -> S3Error {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                S3Error::Permanent(
                    self.failed(error.to_string(), "provide space for one copy in the scratch directory"),
                )
            }
            _ => self.unreached(&ureq::Error::Io(error)),
        }
    }

    /// Returns the error for a response that is not from the S3 API.
    pub fn odd(&self, error: &dyn std::fmt::Display) -> Error {
        self.failed(
            format!("the response is not from the S3 API ({error})"),
            "check that the endpoint is the server's S3 API, and not its console",
        )
    }
}

fn help(status: u16, code: &str) -> &'static str {
    match (status, code) {
        (_, "NoSuchBucket") => {
            "create the bucket, or correct `backup.s3.bucket`; the operator never creates it"
        }
        (_, "NoSuchKey") => "name an existing backup",
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "NotSignedUp" | "InvalidToken") => {
            "the server does not know this access key ID, or the secret access key does not match it: correct the Secret of `backup.s3.credentialsSecret`"
        }
        (_, "ExpiredToken") => {
            "the keys of the workload identity have expired; the Job gets new ones when it retries"
        }
        (_, "RequestTimeTooSkewed" | "RequestExpired") => "correct the clock of the node or of the server",
        (301 | 307 | 308, _)
        | (_, "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException") => {
            "the bucket is in another region or on another server: correct `backup.s3.region` and `backup.s3.endpoint`"
        }
        (401 | 403, _) => {
            "grant the credentials s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload under the prefix"
        }
        (404, _) => {
            "check the endpoint and the bucket; a server that expects the bucket in the path needs `backup.s3.pathStyle`"
        }
        (429 | 500.., _) => "the server is overloaded or failing; the Job retries",
        _ => "check the endpoint, the region and the bucket",
    }
}

pub(super) fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    text.split_once(open)?.1.split_once(close).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reports_code_and_remedy_only() {
        let step = S3Operation { doing: "write", at: "s3://b/x".into() };
        let told = |status, body: &str| step.refused(status, body).to_string();
        let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId></Error>";
        let words = told(403, body);
        assert!(
            words.starts_with("cannot write s3://b/x: the server answers SignatureDoesNotMatch (403): no; "),
            "{words}"
        );
        assert!(words.contains("credentialsSecret") && !words.contains("AKIA"), "{words}");
        assert!(told(301, "").contains("region"));
        assert!(told(403, "<Code>AccessDenied</Code>").contains("s3:PutObject"));
        assert!(told(404, "<Code>NoSuchBucket</Code>").contains("create the bucket"));
        assert!(told(418, "<html>").contains("answers 418;"));
        let long = format!("<Code>Odd</Code><Message>{}</Message>", "x".repeat(5000));
        assert!(told(400, &long).len() < 400);
        let long = format!("<Code>{}\u{1b}[2J</Code>", "x".repeat(190));
        assert!(told(400, &long.repeat(50)).len() < 400 && !told(400, &long).contains('\u{1b}'));
        assert!(told(400, &format!("<Code>{}</Code>", "x".repeat(5000))).len() < 400);
        let signed = ureq::Error::BadUri("http://h/?X-Amz-Signature=1".into());
        assert!(!Error::from(step.unreached(&signed)).to_string().contains("Signature"));
    }
}
