//! Credentials for requests to a bucket: from the environment, or short-lived ones for the pod's
//! ServiceAccount.
//!
//! On Amazon EKS, a webhook gives the pods of a ServiceAccount a token in a file, and sets variables
//! for the service that accepts the token: the token service of a role (IRSA), or the Pod Identity
//! agent of the node. The returned keys are valid for about an hour, and a copy may take longer, so new
//! keys are requested in time.

use std::{cell::RefCell, env, fs};

use http::{Method, Request, header};
use jiff::{SignedDuration, Timestamp};
use rusty_s3::Credentials;
use serde::Deserialize;
use url::{Host, Url, form_urlencoded};

use super::{
    Error,
    failure::{S3Error, S3Operation, between},
    s3_client::{S3Client, with_retries},
};

/// Remaining validity of a key at which a new one is requested.
const IN_TIME: SignedDuration = SignedDuration::from_mins(10);
/// Session name, visible in the account's audit trail.
const SESSION: &str = "logpilot-backup";
const FORM: &str = "application/x-www-form-urlencoded";
const TRUST: &str = "set the role in `serviceAccount.annotations`, and allow this ServiceAccount and namespace in its trust \
                     policy; or use `backup.s3.credentialsSecret`";

/// The keys that sign the requests.
pub enum Keys {
    /// Keys from the environment, valid as long as the pod runs.
    Given(Credentials),
    Lent(Box<Lender>),
}

pub struct Lender {
    from: Source,
    wire: S3Client,
    held: RefCell<Option<Held>>,
}

struct Held {
    keys: Credentials,
    until: Timestamp,
}

/// The service that accepts the pod's token.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// The token service, for a role.
    AssumedRole { at: Url, role: String, session: String, token: String },
    /// The agent of the node.
    Agent { at: Url, token: String },
}

impl Keys {
    /// Reads the environment. Sends no request yet.
    pub fn of_environment(region: &str) -> Result<Self, Error> {
        Self::of(|name| env::var(name).ok(), region)
    }

    fn of(variable: impl Fn(&str) -> Option<String>, region: &str) -> Result<Self, Error> {
        // A value from a file, as created by `kubectl create secret --from-file`, includes the line
        // ending.
        let given =
            |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if let (Some(key), Some(secret)) = (given("AWS_ACCESS_KEY_ID"), given("AWS_SECRET_ACCESS_KEY")) {
            return Ok(Self::Given(match given("AWS_SESSION_TOKEN") {
                Some(token) => Credentials::new_with_token(key, secret, token),
                None => Credentials::new(key, secret),
            }));
        }
        let Some(from) = source(given, region)? else {
            return Err(unusable(
                "there are no credentials",
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: in a pod, both keys of the Secret must have a value; \
                 with `credentials: WorkloadIdentity`, the platform must know the ServiceAccount: a pod that is created \
                 earlier has no identity",
            ));
        };
        // The CA of a private S3 server does not apply: these services have certificates of a public
        // CA.
        Ok(Self::Lent(Box::new(Lender { from, wire: S3Client::new(None)?, held: RefCell::new(None) })))
    }

    /// Returns keys that are valid for the next request.
    pub fn now(&self) -> Result<Credentials, Error> {
        match self {
            Self::Given(keys) => Ok(keys.clone()),
            Self::Lent(lender) => lender.at(Timestamp::now()),
        }
    }
}

impl Lender {
    fn at(&self, now: Timestamp) -> Result<Credentials, Error> {
        let held =
            self.held.borrow().as_ref().filter(|held| now + IN_TIME < held.until).map(|it| it.keys.clone());
        if let Some(keys) = held {
            return Ok(keys);
        }
        // The token is read each time, because the kubelet replaces it.
        let lent = match &self.from {
            Source::AssumedRole { at, role, session, token } => {
                self.of_assumed_role(at, (role, session), token)
            }
            Source::Agent { at, token } => self.of_agent(at, token),
        }?;
        let keys = lent.keys.clone();
        *self.held.borrow_mut() = Some(lent);
        Ok(keys)
    }

    fn of_assumed_role(&self, at: &Url, (role, session): (&str, &str), token: &str) -> Result<Held, Error> {
        let step = S3Operation { doing: "assume", at: role.to_owned() };
        let token = read(token)?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "AssumeRoleWithWebIdentity")
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", role)
            .append_pair("RoleSessionName", session)
            .append_pair("WebIdentityToken", token.trim())
            .finish();
        let text = with_retries(|| {
            let request = Request::builder()
                .method(Method::POST)
                .uri(at.as_str())
                .header(header::CONTENT_TYPE, FORM)
                .body(form.clone().into_bytes());
            self.send(&step, request)
        })?;
        let told =
            |field: &str| between(&text, &format!("<{field}>"), &format!("</{field}>")).map(str::to_owned);
        held(told("AccessKeyId"), told("SecretAccessKey"), told("SessionToken"), told("Expiration"))
            .ok_or_else(|| strange(&step))
    }

    fn of_agent(&self, at: &Url, token: &str) -> Result<Held, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            access_key_id: Option<String>,
            secret_access_key: Option<String>,
            token: Option<String>,
            expiration: Option<String>,
        }
        let step = S3Operation { doing: "use", at: "the Pod Identity of this ServiceAccount".to_owned() };
        let token = read(token)?;
        let text = with_retries(|| {
            let request = Request::builder()
                .uri(at.as_str())
                .header(header::AUTHORIZATION, token.trim())
                .body(Vec::new());
            self.send(&step, request)
        })?;
        let answer: Answer = serde_json::from_str(&text).map_err(|_| strange(&step))?;
        held(answer.access_key_id, answer.secret_access_key, answer.token, answer.expiration)
            .ok_or_else(|| strange(&step))
    }

    fn send(&self, step: &S3Operation, request: http::Result<Request<Vec<u8>>>) -> Result<String, S3Error> {
        let request = request.map_err(|_| strange(step))?;
        let (status, text) = self.wire.plain(step, request)?;
        if (200..300).contains(&status) {
            return Ok(text);
        }
        let error = step.refused_for(status, &text, TRUST);
        // The service could not reach the cluster's issuer. According to the error itself, a retry may
        // succeed.
        let passing = status == 429 || status >= 500 || text.contains("<Code>IDPCommunicationError<");
        Err(if passing { S3Error::Retryable(error) } else { S3Error::Permanent(error) })
    }
}

fn source(given: impl Fn(&str) -> Option<String>, region: &str) -> Result<Option<Source>, Error> {
    let url = |text: &str| {
        Url::parse(text).map_err(|error| unusable(&format!("'{text}' is not a URL ({error})"), TRUST))
    };
    if let (Some(role), Some(token)) = (given("AWS_ROLE_ARN"), given("AWS_WEB_IDENTITY_TOKEN_FILE")) {
        let named = |region: &String| region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let region = given("AWS_REGION").filter(named).unwrap_or_else(|| region.to_owned());
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let at = given("AWS_ENDPOINT_URL_STS").unwrap_or_else(|| format!("https://sts.{region}.{domain}"));
        let session = given("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| SESSION.to_owned());
        return Ok(Some(Source::AssumedRole { at: url(&at)?, role, session, token }));
    }
    let agent =
        (given("AWS_CONTAINER_CREDENTIALS_FULL_URI"), given("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"));
    let (Some(at), Some(token)) = agent else { return Ok(None) };
    let at = url(&at)?;
    if at.scheme() != "https" && !is_near(&at) {
        return Err(unusable("the agent's address is neither on this node nor https", TRUST));
    }
    Ok(Some(Source::Agent { at, token }))
}

/// Returns whether an address is on this node. To any other address, the token would cross the network
/// in clear text.
fn is_near(at: &Url) -> bool {
    match at.host() {
        Some(Host::Ipv4(address)) => {
            address.is_loopback() || ["169.254.170.2", "169.254.170.23"].contains(&&*address.to_string())
        }
        Some(Host::Ipv6(address)) => address.is_loopback() || address.to_string() == "fd00:ec2::23",
        _ => false,
    }
}

fn held(
    key: Option<String>,
    secret: Option<String>,
    token: Option<String>,
    until: Option<String>,
) -> Option<Held> {
    let keys = Credentials::new_with_token(key?, secret?, token?);
    Some(Held { keys, until: until?.parse().ok()? })
}

fn read(file: &str) -> Result<String, Error> {
    fs::read_to_string(file).map_err(Error::file("read the ServiceAccount's token in", file))
}

fn unusable(cause: &str, help: &'static str) -> Error {
    Error::Bucket { doing: "use", at: "the bucket".to_owned(), cause: cause.to_owned(), help }
}

/// Returns the error for an unusable response. It contains nothing of the response, which may contain
/// keys.
fn strange(step: &S3Operation) -> Error {
    Error::Bucket {
        doing: step.doing,
        at: step.at.clone(),
        cause: "the response contains no keys".to_owned(),
        help: TRUST,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn found(variables: &[(&str, &str)]) -> Result<Option<Source>, String> {
        let all: BTreeMap<_, _> = variables.iter().copied().collect();
        source(|name| all.get(name).map(|it| (*it).to_owned()), "eu-west-1")
            .map_err(|error| error.to_string())
    }

    fn role(extra: (&'static str, &'static str)) -> String {
        let token = ("AWS_WEB_IDENTITY_TOKEN_FILE", "/t");
        match found(&[("AWS_ROLE_ARN", "arn"), token, extra]) {
            Ok(Some(Source::AssumedRole { at, .. })) => at.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_token_service_is_that_of_the_region() {
        assert_eq!(role(("X", "")), "https://sts.eu-west-1.amazonaws.com/");
        assert_eq!(role(("AWS_REGION", "us-west-2")), "https://sts.us-west-2.amazonaws.com/");
        assert_eq!(role(("AWS_REGION", "cn-north-1")), "https://sts.cn-north-1.amazonaws.com.cn/");
        assert_eq!(role(("AWS_REGION", "evil.example.com/?")), "https://sts.eu-west-1.amazonaws.com/");
        assert_eq!(role(("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")), "http://127.0.0.1:1/");
    }

    #[test]
    fn only_the_node_receives_a_clear_text_token() {
        let agent = |at| {
            found(&[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", at),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/t"),
            ])
        };
        for near in [
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://127.0.0.1:1/",
            "https://a.example/",
        ] {
            assert!(matches!(agent(near), Ok(Some(Source::Agent { .. }))), "{near}");
        }
        for far in ["http://169.254.169.254/", "http://a.example/", "http://10.0.0.1/", "x"] {
            assert!(agent(far).is_err(), "{far}");
        }
        assert_eq!(found(&[("AWS_ROLE_ARN", "arn")]), Ok(None), "an incomplete identity is ignored");
    }

    #[test]
    fn keys_from_the_environment_take_precedence() {
        let keys = |variables: &[(&str, &str)]| {
            let all: BTreeMap<_, _> = variables.iter().copied().collect();
            match Keys::of(|name| all.get(name).map(|it| (*it).to_owned()), "r") {
                Ok(Keys::Given(keys)) => keys,
                Ok(Keys::Lent(_)) => panic!("lent"),
                Err(error) => panic!("{error}"),
            }
        };
        let (key, secret) = (("AWS_ACCESS_KEY_ID", "k\n"), ("AWS_SECRET_ACCESS_KEY", "s"));
        let role = [("AWS_ROLE_ARN", "arn"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/t")];
        let both = keys(&[key, secret, role[0], role[1]]);
        assert_eq!((both.key(), both.secret(), both.token()), ("k", "s", None));
        assert_eq!(keys(&[key, secret, ("AWS_SESSION_TOKEN", "t")]).token(), Some("t"));
    }
}
