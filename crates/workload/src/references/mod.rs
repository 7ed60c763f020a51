//! Reads the Secrets and ConfigMaps that a component's variables refer to: by name, rarely, and keeps a hash only.
//! A variable is read once, when its container starts, so a change has to roll the pods. Pull Secrets are looked at
//! beside them, because a kubelet that does not find one says nothing and pulls without it.

pub mod read_cache;

use std::{collections::BTreeMap, fmt::Write};

use engine::{
    api_client::{ApiClient, named},
    error::Error,
    kind::Kind,
    plan::Key,
};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::ByteString;
use serde_json::Value;
use sha2::{Digest, Sha256};

use read_cache::{Moment, REFRESH_HELD, ReadCache};

/// Reads in flight for one resource.
const IN_FLIGHT: usize = 4;

/// What one variable, or all keys of one object, refer to.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    pub kind: &'static Kind,
    pub name: String,
    /// `None`: every key.
    pub key: Option<String>,
    pub optional: bool,
    /// It logs in to a registry: no variable has it, and no pod has to be rolled for it.
    pub pulls: bool,
}

/// Where a pull Secret may have its logins, by its type.
const LOGINS: [&str; 2] = [".dockerconfigjson", ".dockercfg"];

/// The references of every component, by its Deployment's name, and the pull Secrets, by the ServiceAccount's, whose
/// they are as a rule; what has none is left out.
pub type ReferenceQuery = BTreeMap<String, Vec<Reference>>;

/// What the variables of one component refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedReferences {
    /// Changes when a value does, and rolls the pods.
    pub hash: String,
    pub missing: Vec<Missing>,
    pub refused: Vec<Refused>,
}

impl ResolvedReferences {
    /// Whether a new pod could not start, or may not.
    #[must_use]
    pub fn hold(&self) -> bool {
        self.is_missing() || self.is_refused()
    }

    /// Whether a new pod could not start.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.missing.iter().any(|missing| !missing.optional)
    }

    /// Whether a new pod may not start.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused.iter().any(|refused| refused.holds)
    }
}

/// An object that variables refer to brings one that has no effect, or that the server may not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// A reason of the status.
    pub reason: &'static str,
    /// It holds the component.
    pub holds: bool,
    /// `Secret namespace/name`.
    pub object: String,
    pub message: String,
}

/// An object that a variable refers to, or a key of it, is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// `Secret namespace/name`.
    pub object: String,
    pub message: String,
    /// The pods start without it.
    pub optional: bool,
}

/// Changes when the value does, and tells nothing about it: 64 bits of a salted SHA-256.
#[must_use]
pub fn fingerprint(salt: &str, value: &[u8]) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update([0]).chain_update(value).finalize();
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Secret data is base64; k8s-openapi decodes it.
#[must_use]
pub fn decode(encoded: &str) -> Vec<u8> {
    serde_json::from_value::<ByteString>(Value::from(encoded)).map(|bytes| bytes.0).unwrap_or_default()
}

/// Objects by what they are called; `None` for one that does not exist.
pub type Objects = BTreeMap<(&'static str, String), Option<Value>>;

/// What is known of a resource's references.
#[derive(Default)]
pub struct ReferenceReader {
    looks: ReadCache<ReferenceQuery, BTreeMap<String, ResolvedReferences>>,
}

/// Which references are looked at.
pub struct ReferenceRequest<'a> {
    pub query: ReferenceQuery,
    pub of: Origin<'a>,
    pub moment: &'a Moment,
    /// A pod says that something it needs is missing.
    pub suspect: bool,
    /// The namespace is not there yet, so nothing is in it: no read needed.
    pub nothing_there: bool,
}

/// Where the objects are that a resource refers to, and what its hashes are salted with.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    pub namespace: &'a str,
    /// The resource's UID: pod templates show the hashes to more people than may read the objects.
    pub salt: &'a str,
}

impl ReferenceReader {
    /// What a resource refers to, read again where the spec changed, a pod misses one, or the last read is old. `refused`
    /// judges what the objects bring to a component.
    ///
    /// # Errors
    /// A read failed; nothing is known then.
    pub async fn fetch(
        &mut self,
        writer: &ApiClient,
        asked: ReferenceRequest<'_>,
        refused: impl Fn(&str, &Objects) -> Vec<Refused>,
    ) -> Result<BTreeMap<String, ResolvedReferences>, Error> {
        let ReferenceRequest { query, of, .. } = asked;
        if query.is_empty() {
            self.looks.forget();
            return Ok(BTreeMap::new());
        }
        if asked.nothing_there {
            self.looks.forget();
            return Ok(resolve(&query, &Objects::new(), of, refused));
        }
        if let Some(last) = self.looks.last(&query, asked.moment, asked.suspect)
            && !last.old
        {
            return Ok(last.found);
        }
        let objects = read(writer, of.namespace, &query).await?;
        let found = resolve(&query, &objects, of, refused);
        let held = found.values().any(ResolvedReferences::hold).then_some(REFRESH_HELD);
        self.looks.remember(query, asked.moment, found.clone(), held);
        Ok(found)
    }
}

/// Each object once, however many variables refer to it.
async fn read(writer: &ApiClient, namespace: &str, wanted: &ReferenceQuery) -> Result<Objects, Error> {
    let names: BTreeMap<(&'static str, String), &'static Kind> = wanted
        .values()
        .flatten()
        .map(|reference| ((reference.kind.plural, reference.name.clone()), reference.kind))
        .collect();
    let mut reads = Vec::new();
    for (id, kind) in names {
        let key = Key { namespace: Some(namespace.to_owned()), name: id.1.clone() };
        reads.push(async move { Ok((id, writer.get(kind, &key).await?)) });
    }
    stream::iter(reads).buffer_unordered(IN_FLIGHT).try_collect().await
}

/// What a resource's references come to, given the objects that were read.
#[must_use]
pub fn resolve(
    query: &ReferenceQuery,
    objects: &Objects,
    of: Origin<'_>,
    refused: impl Fn(&str, &Objects) -> Vec<Refused>,
) -> BTreeMap<String, ResolvedReferences> {
    let fact = |name: &String, references: &Vec<Reference>| {
        let mut content = Vec::new();
        let mut missing: Vec<Missing> = Vec::new();
        for reference in references {
            let id = (reference.kind.plural, reference.name.clone());
            let object = objects.get(&id).and_then(Option::as_ref);
            let data = object.and_then(|object| object.get("data"));
            let seen = match &reference.key {
                None if reference.pulls => LOGINS.iter().find_map(|key| data?.get(key)).map(|_| Value::Null),
                Some(key) => data.and_then(|data| data.get(key)).cloned(),
                // An object without data is one with no key at all.
                None => object.map(|_| data.cloned().unwrap_or(Value::Null)),
            };
            if seen.is_none() {
                missing.push(missing_reference(of.namespace, reference, object.is_some()));
            }
            // As JSON, so that one value cannot pass for two. Keys of a map are in order.
            content.push(serde_json::json!([id.0, id.1, reference.key, seen]));
        }
        missing.dedup();
        let content = serde_json::to_vec(&content).unwrap_or_default();
        ResolvedReferences { hash: fingerprint(of.salt, &content), missing, refused: refused(name, objects) }
    };
    query.iter().map(|(name, references)| (name.clone(), fact(name, references))).collect()
}

fn missing_reference(namespace: &str, reference: &Reference, exists: bool) -> Missing {
    let key = Key { namespace: Some(namespace.to_owned()), name: reference.name.clone() };
    let object = named(reference.kind, &key);
    let what = match &reference.key {
        Some(key) if exists => format!("{object} has no key '{key}'"),
        None if exists => format!("{object} has no key '{}'", LOGINS.join("' or '")),
        _ => format!("{object} does not exist"),
    };
    if reference.pulls {
        let message = format!("{what}, which spec.imagePullSecrets names; images are pulled without a login");
        return Missing { object, message, optional: true };
    }
    let then = if reference.optional {
        "the variable is not set; the pods roll when it appears"
    } else {
        "the pods are left as they are until it is there"
    };
    Missing {
        object,
        message: format!("{what}, to which a variable refers; {then}"),
        optional: reference.optional,
    }
}

#[cfg(test)]
mod tests {
    use engine::kind::{Domain, Management, Nature};
    use serde_json::json;

    use super::*;

    static DOMAIN: Domain = Domain {
        field_manager: "toy-operator",
        owner_group: "toys.example.com",
        resources: &[],
        handed_over: ("toys.example.com/replicas", "autoscaled"),
        main_container: "toy",
        volume_label: "toys.example.com/volume",
        restores_annotation: "toys.example.com/restores",
    };

    static SECRET: Kind = Kind {
        group: "",
        version: "v1",
        kind: "Secret",
        plural: "secrets",
        namespaced: true,
        optional: false,
        wave: 1,
        management: Management::CreateOnly,
        nature: Nature::Plain,
        domain: &DOMAIN,
        observe: engine::observed::Observed::nothing,
        purpose: "",
    };

    /// A component refers to a key `k` of a Secret `s`.
    fn found(salt: &str, optional: bool, secret: Option<Value>) -> ResolvedReferences {
        let (name, key) = ("s".to_owned(), Some("k".to_owned()));
        let reference = Reference { kind: &SECRET, name, key, optional, pulls: false };
        let query = ReferenceQuery::from([("erp".to_owned(), vec![reference])]);
        let objects = Objects::from([(("secrets", "s".to_owned()), secret)]);
        let of = Origin { namespace: "n", salt };
        resolve(&query, &objects, of, |_, _| Vec::new()).remove("erp").unwrap()
    }

    #[test]
    fn the_hash_follows_the_value_and_the_resource() {
        let with = |value: &str| Some(json!({ "data": { "k": value } }));
        let one = found("u", false, with("b25l"));
        assert!(!one.hold() && one.hash.len() == 16);
        assert_eq!(one, found("u", true, with("b25l")));
        assert_ne!(one.hash, found("u", false, with("dHdv")).hash);
        assert_ne!(
            one.hash,
            found("v", false, with("b25l")).hash,
            "a short value could be guessed without a salt"
        );
    }

    #[test]
    fn a_missing_object_holds_unless_it_is_optional() {
        for (secret, words) in
            [(None, "Secret n/s does not exist"), (Some(json!({ "data": {} })), "Secret n/s has no key 'k'")]
        {
            for optional in [false, true] {
                let found = found("u", optional, secret.clone());
                assert!(found.missing[0].message.starts_with(words), "{found:?}");
                assert_eq!(
                    (found.hold(), found.is_missing(), found.is_refused()),
                    (!optional, !optional, false)
                );
            }
        }
    }
}
