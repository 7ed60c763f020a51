//! Validation of the bucket of backups, and of the servers that `endpoint` may name.
//!
//! The backup pods have no token and follow no redirects, but they send requests from inside the
//! Kubernetes cluster to a host that the resource names. The host must not be a server that trusts
//! every client that can reach it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::{
    api::backup::{S3, S3CredentialsFrom},
    logpilot::model::{Bucket, BucketKey, ServerRole},
    workload::{model::Claim, names::NamePrefix, resolve::Violations},
};

const REGION: &str = "us-east-1";
const KEY_ID_KEY: &str = "access-key-id";
const SECRET_KEY_KEY: &str = "secret-access-key";
const CA_KEY: &str = "ca.crt";

pub(super) fn check(given: &S3, violations: &mut Violations) {
    let objection = given.endpoint.as_deref().and_then(|endpoint| refusal(endpoint).err());
    if let Some(why) = objection {
        violations.add("spec.backup.s3.endpoint", why);
    }
    let by_identity = given.credentials == Some(S3CredentialsFrom::WorkloadIdentity);
    violations.require(
        given.credentials_secret.is_some() != by_identity,
        "spec.backup.s3.credentialsSecret",
        "must be given, except with `credentials: WorkloadIdentity`; set exactly one of the two",
    );
}

pub(super) fn resolve(
    given: &S3,
    (namespace, prefix, role): (&str, &NamePrefix, Option<&'static ServerRole>),
    data: Option<&Claim>,
) -> Bucket {
    let base = given.prefix.clone().unwrap_or_else(|| format!("{namespace}/{prefix}"));
    let or = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned());
    Bucket {
        name: given.bucket.clone(),
        prefix: role.map_or(base.clone(), |role| format!("{base}/{}", role.name)),
        endpoint: given.endpoint.clone(),
        region: or(&given.region, REGION),
        // A bucket name with a dot, as part of a host name, matches no certificate of Amazon.
        path_style: given.path_style.unwrap_or(given.endpoint.is_some() || given.bucket.contains('.')),
        key: given.credentials_secret.as_ref().map(|credentials| BucketKey {
            secret: credentials.name.clone(),
            key_id_key: or(&credentials.access_key_id_key, KEY_ID_KEY),
            secret_key_key: or(&credentials.secret_access_key_key, SECRET_KEY_KEY),
        }),
        ca: given.ca_config_map.as_ref().map(|ca| (ca.name.clone(), or(&ca.key, CA_KEY))),
        scratch: data.map(|claim| claim.size.clone()),
    }
}

/// Uses the same parser as the backup program, because an address has many spellings.
fn refusal(endpoint: &str) -> Result<(), String> {
    let url = Url::parse(endpoint).map_err(|error| {
        format!("'{endpoint}' is not a URL ({error}); use one such as 'https://minio.example.com:9000'")
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("must begin with 'https://' or 'http://', not '{}://'", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must not contain a user or password; put the access key into the Secret of `credentialsSecret`"
                .into(),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or fragment; use only the URL of the server".into());
    }
    if url.host().is_none() {
        return Err("has no host; use a URL such as 'https://minio.example.com:9000'".into());
    }
    match forbidden_host(url.host()) {
        Some(what) => Err(format!(
            "must not be {what} ('{}'): name the S3 server by its own address",
            url.host_str().unwrap_or_default()
        )),
        None => Ok(()),
    }
}

/// Returns what a host is, if nothing inside the Kubernetes cluster may be made to send requests to
/// it.
pub(super) fn forbidden_host(host: Option<Host<&str>>) -> Option<&'static str> {
    match host? {
        Host::Domain(name) => forbidden_name(name),
        Host::Ipv4(address) => forbidden_address(address.into()),
        Host::Ipv6(address) => forbidden_address(address.to_ipv4_mapped().map_or(address.into(), IpAddr::V4)),
    }
}

fn forbidden_name(name: &str) -> Option<&'static str> {
    // A trailing dot does not change the name.
    let name = name.trim_end_matches('.');
    let is_or_is_under =
        |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if name == "kubernetes" || name == "kubernetes.default" || name.starts_with("kubernetes.default.") {
        Some("the API server of the cluster")
    } else if ["metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"]
        .into_iter()
        .any(is_or_is_under)
    {
        Some("the metadata service of a cloud")
    } else if is_or_is_under("localhost") || is_or_is_under("localdomain") || name.is_empty() {
        Some("the pod itself")
    } else {
        None
    }
}

fn forbidden_address(address: IpAddr) -> Option<&'static str> {
    /// The metadata services of Azure and Alibaba, outside of the link-local range.
    const METADATA: [IpAddr; 3] = [
        IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
        IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    ];
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if METADATA.contains(&address) {
        Some("the metadata service of a cloud")
    } else if link_local {
        Some("a link-local address, where clouds have their metadata service")
    } else if address.is_loopback() || address.is_unspecified() {
        Some("the pod itself")
    } else if address.is_multicast() {
        Some("a multicast address")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_trusts_its_neighbours_is_asked() {
        for bad in [
            "http://169.254.169.254",
            "http://169.254.169.254/latest/meta-data/",
            "http://169.254.170.2",
            "http://2852039166",
            "http://0xA9FEA9FE",
            "http://0251.0376.0251.0376",
            "http://169.254.43518",
            "http://[::ffff:169.254.169.254]",
            "http://[::ffff:a9fe:a9fe]:80",
            "http://[fe80::1]",
            "http://[fd00:ec2::254]",
            "http://168.63.129.16",
            "http://100.100.100.200",
            "http://metadata.google.internal",
            "http://METADATA.google.internal.",
            "http://metadata/computeMetadata/v1",
            "http://instance-data",
            "http://instance-data.ec2.internal",
            "http://255.255.255.255",
            "http://a.localdomain",
            "https://kubernetes",
            "https://kubernetes.default",
            "https://kubernetes.default.svc:443",
            "https://Kubernetes.Default.svc.cluster.local.",
            "http://localhost:2379",
            "http://a.localhost",
            "http://127.0.0.1:10250",
            "http://127.1",
            "http://[::1]:10250",
            "http://0.0.0.0",
            "http://224.0.0.1",
            "http://user:password@minio.example.com",
            "http://minio.example.com@169.254.169.254",
            "https://minio.example.com?x=1",
            "https://minio.example.com#x",
            "file:///etc/passwd",
            "gopher://minio.example.com",
            "https://",
            "minio.example.com",
            "https://mini o",
        ] {
            assert!(refusal(bad).is_err(), "{bad}");
        }
        assert!(refusal("http://169.254.169.254").unwrap_err().contains("metadata service"));
        assert!(refusal("https://kubernetes.default.svc").unwrap_err().contains("the API server"));
    }

    #[test]
    fn servers_inside_and_outside_of_the_cluster_are_asked() {
        for good in [
            "https://minio.example.com:9000",
            "http://minio.minio.svc:9000",
            "https://10.0.0.7:9000",
            "https://[2001:db8::7]:9000",
            "https://s3.eu-central-1.amazonaws.com",
            "https://example.com/storage/v1/s3",
            "https://kubernetes-backups.example.com",
            "https://metadata-store.example.com",
        ] {
            assert_eq!(refusal(good), Ok(()), "{good}");
        }
    }
}
