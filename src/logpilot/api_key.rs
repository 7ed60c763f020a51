//! Reads the API key's Secret: by name, rarely, and keeps a hash of the value only. Secrets are never
//! listed or watched, because the right to watch them is the right to read all of them.

use k8s_openapi::api::core::v1::Secret;
use rand::{Rng, distr::Alphanumeric};
use serde_json::Value;

use super::facts::{ApiKeyFact, Redacted};
use crate::{
    api,
    engine::{
        api_client::ApiClient,
        backoff,
        child::Child,
        error::Error,
        owner::{Foreign, Owner, Ownership},
        plan::Key,
        resource::ResourceRef,
        retry::Retry,
    },
    kinds::Managed,
    workload::references::{
        decode, fingerprint,
        read_cache::{Moment, REFRESH_HELD, ReadCache},
    },
};

/// Delays of the reads until the garbage collector has deleted a Secret.
const DELETION: Retry = Retry::new(backoff::FIRST, REFRESH_HELD);

/// Characters of a generated key: 40 of 62 are 238 bits.
const GENERATED: usize = 40;

/// The longest API key in bytes. Tomcat reads 8 KiB of headers, and other headers need a part of that.
const LONGEST: usize = 8000;

/// The Secret, its key, and what to do if it does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretQuery {
    pub secret: Key,
    pub key: String,
    /// Whether the spec names no Secret, so that the operator creates one if none exists.
    pub generated: bool,
    /// Salts the hash, so that equal keys of two resources have different hashes.
    pub salt: String,
    /// The resource that the key is for.
    pub owner: ResourceRef,
}

/// The last known state of a resource's Secret.
#[derive(Default)]
pub struct ApiKeyReader {
    looks: ReadCache<SecretQuery, ApiKeyFact>,
}

impl ApiKeyReader {
    /// Returns the fact about the API key. It is read again if the spec changed, a pod misses it, or it
    /// is old.
    ///
    /// # Errors
    /// The read failed, so nothing is known.
    pub async fn fetch(
        &mut self,
        writer: &ApiClient,
        wanted: &SecretQuery,
        moment: &Moment,
        suspect: bool,
    ) -> Result<ApiKeyFact, Error> {
        let before = match self.looks.last(wanted, moment, suspect) {
            // A key to be generated is read again until it is written.
            Some(last) if !last.old && !matches!(last.found, ApiKeyFact::Generate { .. }) => {
                return Ok(last.found);
            }
            last => last.map(|last| last.found),
        };
        let found = writer.get(Secret::KIND, &wanted.secret).await?;
        let fact = with_growing_delay(evaluate(found.as_ref(), wanted), before.as_ref());
        self.remember(wanted, moment, fact.clone());
        Ok(fact)
    }

    /// Records a generated key that was written, so that no read is needed.
    pub fn record_created(&mut self, wanted: &SecretQuery, moment: &Moment, value: &Redacted) {
        let hash = fingerprint(&wanted.salt, value.0.as_bytes());
        self.remember(wanted, moment, ApiKeyFact::Present { hash });
    }

    /// Makes the next lookup read the Secret.
    pub fn forget(&mut self) {
        self.looks.forget();
    }

    fn remember(&mut self, wanted: &SecretQuery, moment: &Moment, fact: ApiKeyFact) {
        let held = match fact {
            ApiKeyFact::Present { .. } => None,
            ApiKeyFact::Going { again } => Some(again),
            ApiKeyFact::Foreign { .. } => Some(backoff::LONGEST_FOR_NAME),
            _ => Some(REFRESH_HELD),
        };
        self.looks.remember(wanted.clone(), moment, fact, held);
    }
}

fn evaluate(found: Option<&Value>, wanted: &SecretQuery) -> ApiKeyFact {
    let invalid = |what: &str| {
        let SecretQuery { secret: Key { namespace, name }, key, .. } = wanted;
        let namespace = namespace.as_deref().unwrap_or_default();
        let message = format!(
            "Secret {} {what}; the pods are left unchanged until it has a key '{key}' that clients can send; write one with: \
             kubectl create secret generic {name} -n {namespace} --from-literal={key}=VALUE --dry-run=client -o yaml | kubectl apply -f -",
            wanted.secret
        );
        ApiKeyFact::Invalid { message }
    };
    let Some(secret) = found else {
        if wanted.generated {
            return generate_new(wanted);
        }
        return invalid("does not exist");
    };
    if wanted.generated && is_going(secret, wanted) {
        return ApiKeyFact::Going { again: DELETION.full_pause(0) };
    }
    if wanted.generated
        && let Some(foreign) = foreign(secret, wanted)
    {
        return ApiKeyFact::Foreign { secret: wanted.secret.clone(), whose: foreign.whose };
    }
    let value = secret.pointer("/data").and_then(|data| data.get(&wanted.key)).and_then(Value::as_str);
    match value {
        Some(encoded) => {
            let value = decode(encoded);
            match unsendable(&value) {
                Some(why) => invalid(&format!("has a key '{}' that {why}", wanted.key)),
                None => ApiKeyFact::Present { hash: fingerprint(&wanted.salt, &value) },
            }
        }
        None => invalid(&format!("has no key '{}'", wanted.key)),
    }
}

/// Returns why no client can send this key in an HTTP header or in gRPC metadata. The text contains
/// nothing of the key itself.
///
/// Tomcat strips blanks at both ends of a header value and drops a header with a control character;
/// gRPC metadata is visible ASCII and blanks. Sources: `parseHeader` of
/// org.apache.coyote.http11.Http11InputBuffer; the gRPC protocol over HTTP/2
fn unsendable(key: &[u8]) -> Option<&'static str> {
    match key {
        // An empty key would admit an empty header.
        [] => Some("is empty"),
        key if key.iter().all(u8::is_ascii_whitespace) => Some("consists only of blanks"),
        [.., b'\n' | b'\r'] => {
            Some("ends with a line break, which no header can carry; `echo` adds one, `printf %s` does not")
        }
        [b' ' | b'\t', ..] | [.., b' ' | b'\t'] => {
            Some("begins or ends with a blank, which servers strip from a header")
        }
        key if !key.iter().all(|byte| (b' '..=b'~').contains(byte)) => {
            Some("has characters other than visible ASCII, which no header carries unchanged")
        }
        key if key.len() > LONGEST => Some("is longer than the 8 KiB of headers that the server reads"),
        // Spring expands it, so the server would expect another key.
        key if key.windows(2).any(|pair| pair == b"${") => {
            Some("has '${' in it, which the server takes for a reference to another property")
        }
        _ => None,
    }
}

/// Increases the delay between two reads: the garbage collector deletes a Secret within a second unless
/// something blocks the deletion.
fn with_growing_delay(fact: ApiKeyFact, before: Option<&ApiKeyFact>) -> ApiKeyFact {
    match (fact, before) {
        (ApiKeyFact::Going { .. }, Some(ApiKeyFact::Going { again })) => {
            ApiKeyFact::Going { again: DELETION.after(*again) }
        }
        (fact, _) => fact,
    }
}

/// Returns whether the Secret is being deleted, or will be because it was created for an earlier
/// resource of the same name.
fn is_going(secret: &Value, wanted: &SecretQuery) -> bool {
    let owners = secret.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let earlier = |owner: &Value| {
        owner["kind"] == api::KIND && owner["name"] == *wanted.owner.name() && owner["uid"] != *wanted.salt
    };
    secret.pointer("/metadata/deletionTimestamp").is_some() || owners.into_iter().flatten().any(earlier)
}

/// Returns the owner of a Secret that the spec does not name and that was not created for this
/// resource: its creator knows the value.
fn foreign(secret: &Value, wanted: &SecretQuery) -> Option<Foreign> {
    let owner = Owner { resource: wanted.owner.clone(), uid: wanted.salt.clone() };
    match owner.of(&Child::read(Secret::KIND, secret)?) {
        Ownership::Foreign(foreign) => Some(foreign),
        Ownership::Ours | Ownership::PreviousOwner | Ownership::Lookalike => None,
    }
}

/// Generates a new key.
#[must_use]
pub fn generate_new(wanted: &SecretQuery) -> ApiKeyFact {
    ApiKeyFact::generate(&wanted.salt, random_key())
}

fn random_key() -> Redacted {
    Redacted(rand::rng().sample_iter(Alphanumeric).take(GENERATED).map(char::from).collect())
}

impl ApiKeyFact {
    /// Creates a key.
    #[must_use]
    pub fn generate(salt: &str, value: Redacted) -> Self {
        let hash = fingerprint(salt, value.0.as_bytes());
        Self::Generate { value, hash }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::kinds::LOGPILOT_CLUSTER;

    fn wanted(generated: bool) -> SecretQuery {
        SecretQuery {
            secret: Key { namespace: Some("n".into()), name: "s".into() },
            key: "api-key".into(),
            generated,
            salt: "uid".into(),
            owner: ResourceRef::new(&LOGPILOT_CLUSTER, None, "logs"),
        }
    }

    #[test]
    fn a_secret_must_have_the_key_and_a_value() {
        let message = |found: Option<Value>| match evaluate(found.as_ref(), &wanted(false)) {
            ApiKeyFact::Invalid { message } => message,
            other => format!("{other:?}"),
        };
        assert!(message(None).contains("does not exist"));
        assert!(message(Some(json!({ "data": {} }))).contains("has no key 'api-key'"));
        assert!(message(Some(json!({ "data": { "api-key": "" } }))).contains("is empty"));
        assert!(message(Some(json!({ "data": { "api-key": "a2V5" } }))).contains("Present"));
    }

    #[rstest]
    #[case::blanks(b" \t\n", "only of blanks")]
    #[case::line_break(b"canary\n", "printf %s")]
    #[case::windows_line_break(b"canary\r\n", "printf %s")]
    #[case::leading_blank(b" canary", "blank")]
    #[case::trailing_blank(b"canary ", "blank")]
    #[case::trailing_tab(b"canary\t", "blank")]
    #[case::leading_line_break(b"\ncanary", "visible ASCII")]
    #[case::line_break_inside(b"can\nary", "visible ASCII")]
    #[case::nul(b"canary\0", "visible ASCII")]
    #[case::not_ascii("canary\u{e9}".as_bytes(), "visible ASCII")]
    #[case::binary(&[0xff, 0xfe, 0x00, 0x41], "visible ASCII")]
    #[case::long(&[b'a'; 8001], "8 KiB")]
    #[case::placeholder(b"canary${HOME}", "'${'")]
    fn a_key_that_no_client_can_send_is_invalid(#[case] key: &[u8], #[case] why: &str) {
        let encoded = serde_json::to_value(k8s_openapi::ByteString(key.to_vec())).unwrap();
        let fact = evaluate(Some(&json!({ "data": { "api-key": encoded } })), &wanted(false));
        let ApiKeyFact::Invalid { message } = fact else { panic!("{fact:?}") };
        assert!(message.contains(why), "{message}");
        assert!(
            message.contains("kubectl create secret generic s -n n --from-literal=api-key=VALUE"),
            "{message}"
        );
        assert!(!message.contains("canary"), "{message}");
    }

    #[rstest]
    #[case(b"a")]
    #[case(b"two words")]
    #[case(b"!#$%&'*+-.^_`|~{}()<>@,;:\\\"/[]?=")]
    #[case(&[b'a'; 8000])]
    fn a_key_that_a_header_carries_is_good(#[case] key: &[u8]) {
        assert_eq!(unsendable(key), None);
    }

    #[test]
    fn only_a_secret_nobody_named_is_generated() {
        assert!(matches!(evaluate(None, &wanted(true)), ApiKeyFact::Generate { .. }));
        assert!(matches!(evaluate(None, &wanted(false)), ApiKeyFact::Invalid { .. }));
    }

    #[test]
    fn a_generated_key_is_never_printed_and_hashes_like_the_one_read_back() {
        let fact = evaluate(None, &wanted(true));
        let ApiKeyFact::Generate { value, hash } = &fact else { panic!("{fact:?}") };
        assert!(!format!("{fact:?}").contains(&value.0));
        assert_eq!(value.0.len(), GENERATED);
        let encoded = serde_json::to_value(k8s_openapi::ByteString(value.0.clone().into_bytes())).unwrap();
        let mut made = of("uid");
        made["data"]["api-key"] = encoded;
        let back = evaluate(Some(&made), &wanted(true));
        assert_eq!(back, ApiKeyFact::Present { hash: hash.clone() });
    }

    /// Returns the Secret as created for the resource with this UID.
    fn of(uid: &str) -> Value {
        json!({
            "metadata": {
                "name": "s", "namespace": "n", "uid": "its-own",
                "ownerReferences": [{
                    "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "name": "logs", "uid": uid,
                    "controller": true,
                }],
            },
            "data": { "api-key": "a2V5" },
        })
    }

    /// The creator knows the key, so neither labels nor a valid value prove that the operator created it.
    #[test]
    fn a_secret_of_our_generated_name_that_is_foreign_is_no_key() {
        let labels = |instance: &str| json!({ "app.kubernetes.io/managed-by": "logpilot-operator", "app.kubernetes.io/instance": instance });
        let mut bare = of("uid");
        bare["metadata"].as_object_mut().unwrap().remove("ownerReferences");
        let mut restored = bare.clone();
        restored["metadata"]["labels"] = labels("logs");
        let mut kept = bare.clone();
        kept["metadata"]["labels"] = labels("another");
        let mut others = of("uid-2");
        others["metadata"]["ownerReferences"][0]["name"] = json!("another");
        for (secret, words) in [
            (&bare, "not created by this operator"),
            (&restored, "not created by this operator"),
            (&kept, "belongs to LogPilotCluster 'another'"),
            (&others, "controlled by LogPilotCluster 'another'"),
        ] {
            let fact = evaluate(Some(secret), &wanted(true));
            assert!(matches!(&fact, ApiKeyFact::Foreign { whose, .. } if whose.contains(words)), "{fact:?}");
            assert!(
                matches!(evaluate(Some(secret), &wanted(false)), ApiKeyFact::Present { .. }),
                "named in the spec"
            );
        }
    }

    #[test]
    fn the_key_of_an_earlier_resource_of_the_name_goes_with_it() {
        let going = ApiKeyFact::Going { again: backoff::FIRST };
        assert_eq!(evaluate(Some(&of("earlier")), &wanted(true)), going);
        assert!(matches!(evaluate(Some(&of("uid")), &wanted(true)), ApiKeyFact::Present { .. }));
        assert!(matches!(evaluate(Some(&of("earlier")), &wanted(false)), ApiKeyFact::Present { .. }));
        let mut deleted = of("uid");
        deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(evaluate(Some(&deleted), &wanted(true)), going);
    }

    #[test]
    fn a_key_that_goes_is_soon_looked_for_and_one_that_stays_ever_more_rarely() {
        let seconds = |again| ApiKeyFact::Going { again: Duration::from_secs(again) };
        let present = ApiKeyFact::Present { hash: String::new() };
        assert_eq!(with_growing_delay(seconds(1), None), seconds(1));
        assert_eq!(with_growing_delay(seconds(1), Some(&present)), seconds(1), "gone once more");
        for (before, now) in [(1, 2), (2, 4), (8, 10), (10, 10)] {
            assert_eq!(with_growing_delay(seconds(1), Some(&seconds(before))), seconds(now));
        }
        assert_eq!(with_growing_delay(present.clone(), Some(&seconds(8))), present);
    }
}
