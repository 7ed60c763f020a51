//! Reads the Secrets and ConfigMaps that a component refers to: by name, rarely, and keeps only a hash. A
//! variable is read once, when its container starts, so a change must trigger a rollout.
//! Pull Secrets are also checked, because a kubelet that does not find one reports nothing and pulls
//! without it.

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

/// Number of concurrent reads for one resource.
const IN_FLIGHT: usize = 4;

/// The part of a pod that refers to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Variable,
    Volume,
    /// A registry login: no variable contains it, and no rollout is needed for it.
    Pull,
}

/// The reference to one key, or to all keys of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    pub kind: &'static Kind,
    pub name: String,
    /// `None`: every key.
    pub key: Option<String>,
    pub optional: bool,
    pub reader: Reader,
}

/// Kind of the objects whose UID salts a hash.
const SECRET: &str = "Secret";
/// Keys that may contain the logins of a pull Secret, depending on its type.
const LOGINS: [&str; 2] = [".dockerconfigjson", ".dockercfg"];

/// The references of every component by the name of its Deployment, and the pull Secrets by the name of
/// the ServiceAccount, which usually owns them; entries without references are omitted.
pub type ReferenceQuery = BTreeMap<String, Vec<Reference>>;

/// The references of the variables of one component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedReferences {
    /// Changes when a value does, and triggers a rollout.
    pub hash: String,
    pub missing: Vec<Missing>,
    pub refused: Vec<Refused>,
}

impl ResolvedReferences {
    /// Returns whether a new pod could not start, or must not.
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

/// An object that variables refer to and that sets a variable without effect, or one that the server
/// must not have.
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

/// An object that a variable refers to, or a key of it, that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// `Secret namespace/name`.
    pub object: String,
    pub message: String,
    /// Whether the pods start without it.
    pub optional: bool,
}

/// Returns a fingerprint that changes with the value and reveals nothing about it: 64 bits of a salted
/// SHA-256.
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

/// Objects by their description; `None` for one that does not exist.
pub type Objects = BTreeMap<(&'static str, String), Option<Value>>;

/// Reads the references of a resource, and remembers the result.
#[derive(Default)]
pub struct ReferenceReader {
    looks: ReadCache<ReferenceQuery, BTreeMap<String, ResolvedReferences>>,
}

/// The references to read.
pub struct ReferenceRequest<'a> {
    pub query: ReferenceQuery,
    pub of: Origin<'a>,
    pub moment: &'a Moment,
    /// Whether a pod reports that something it needs is missing.
    pub suspect: bool,
    /// Whether the namespace does not exist yet, so that it contains nothing and no read is needed.
    pub nothing_there: bool,
}

/// Where the objects are that a resource refers to, and what its hashes are salted with.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    pub namespace: &'a str,
    pub salt: Salt<'a>,
}

/// The salt keeps a hash from showing a short value: pod templates show the hashes to more people than
/// may read the objects.
#[derive(Clone, Copy)]
pub enum Salt<'a> {
    /// The resource's UID.
    Resource(&'a str),
    /// The UID of each Secret, which only its readers know. A Secret that is recreated with the same
    /// content triggers a rollout.
    Secret,
}

impl ReferenceReader {
    /// Returns the objects that a resource refers to. They are read again if the spec changed, a pod
    /// misses one, or the last read is old. `refused` judges what the objects bring to a component.
    ///
    /// # Errors
    /// A read failed, so nothing is known.
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

/// Reads each object once, regardless of how many variables refer to it.
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

/// Resolves the references of a resource, given the objects that were read.
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
                None if reference.reader == Reader::Pull => {
                    LOGINS.iter().find_map(|key| data?.get(key)).map(|_| Value::Null)
                }
                Some(key) => data.and_then(|data| data.get(key)).cloned(),
                // An object without data has no keys.
                None => object.map(|_| data.cloned().unwrap_or(Value::Null)),
            };
            if seen.is_none() {
                missing.push(missing_reference(of.namespace, reference, object.is_some()));
            }
            // Hashed as JSON, so that different values never serialise alike. The keys of a map are
            // sorted.
            let mut entry = vec![id.0.into(), id.1.into(), reference.key.clone().into(), seen.into()];
            if matches!(of.salt, Salt::Secret) && reference.kind.kind == SECRET {
                entry.push(object.and_then(|object| object.pointer("/metadata/uid")).cloned().into());
            }
            content.push(Value::Array(entry));
        }
        missing.dedup();
        let content = serde_json::to_vec(&content).unwrap_or_default();
        let salt = match of.salt {
            Salt::Resource(uid) => uid,
            Salt::Secret => "",
        };
        ResolvedReferences { hash: fingerprint(salt, &content), missing, refused: refused(name, objects) }
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
    if reference.reader == Reader::Pull {
        let message = format!("{what}, which spec.imagePullSecrets names; images are pulled without a login");
        return Missing { object, message, optional: true };
    }
    let reader = if reference.reader == Reader::Volume { "a volume" } else { "a variable" };
    let then = if reference.optional {
        "the variable is not set; the pods roll when it appears"
    } else {
        "the pods are left unchanged until it exists"
    };
    Missing {
        object,
        message: format!("{what}, to which {reader} refers; {then}"),
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
        grant_annotation: "toys.example.com/grant",
        hosts_annotation: "toys.example.com/hosts",
        template_annotation: "toys.example.com/template",
        restores_annotation: "toys.example.com/restores",
    };

    static KIND: Kind = Kind {
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
        salted(Salt::Resource(salt), optional, secret)
    }

    fn salted(salt: Salt<'_>, optional: bool, secret: Option<Value>) -> ResolvedReferences {
        let (name, key) = ("s".to_owned(), Some("k".to_owned()));
        let reference = Reference { kind: &KIND, name, key, optional, reader: Reader::Variable };
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
    fn the_uid_of_a_secret_salts_its_hash() {
        let of = |uid: &str, value: &str| {
            let secret = json!({ "metadata": { "uid": uid }, "data": { "k": value } });
            salted(Salt::Secret, false, Some(secret)).hash
        };
        assert_eq!(of("a", "b25l"), of("a", "b25l"));
        assert_ne!(of("a", "b25l"), of("a", "dHdv"));
        assert_ne!(of("a", "b25l"), of("b", "b25l"), "known only to readers of the Secret");
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
