//! The names of the objects of any product's components, and the rules of Kubernetes for names. Names
//! are created only here.

use std::fmt;

use sha2::{Digest, Sha256};

/// Longest label value and longest DNS-1035 name.
pub const LABEL: usize = 63;
/// Longest name of most objects.
const SUBDOMAIN: usize = 253;
/// Hexadecimal digits of a hash in a name: 40 bits, far more than enough for the few revisions that are
/// kept at the same time.
pub const HASH: usize = 10;

/// Prefix of the name of every object: a DNS-1035 label of at most 40 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamePrefix(String);

impl NamePrefix {
    /// Object names add up to 23 characters to the prefix.
    pub const MAX: usize = 40;

    /// Returns `None` if the text is not a lower-case DNS-1035 label of at most 40 characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() <= Self::MAX && is_dns_1035(text)).then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name of a component's Deployment, ClusterIP Service, autoscaler, disruption budget and network
    /// policy; also its `app` label.
    #[must_use]
    pub fn component(&self, kind: &str) -> String {
        format!("{self}-{kind}")
    }

    #[must_use]
    pub fn service_account(&self) -> String {
        self.0.clone()
    }

    #[must_use]
    pub fn ingress(&self) -> String {
        self.0.clone()
    }

    /// Name of the Ingress with the rules whose path is replaced.
    #[must_use]
    pub fn rewrite_ingress(&self) -> String {
        format!("{self}-rewrite")
    }

    #[must_use]
    pub fn grpc_ingress(&self) -> String {
        format!("{self}-grpc")
    }

    #[must_use]
    pub fn gateway(&self) -> String {
        self.0.clone()
    }

    /// Name of the HTTPRoute or GRPCRoute for the host at an index. A host that is added at the end
    /// renames no other route.
    #[must_use]
    pub fn route(&self, index: usize) -> String {
        match index {
            0 => self.0.clone(),
            index => format!("{self}-{}", index + 1),
        }
    }

    /// Name of the HTTPRoute that redirects port 80 to port 443.
    #[must_use]
    pub fn redirect_route(&self) -> String {
        format!("{self}-redirect")
    }

    #[must_use]
    pub fn limit_range(&self) -> String {
        self.0.clone()
    }

    #[must_use]
    pub fn resource_quota(&self) -> String {
        self.0.clone()
    }

    #[must_use]
    pub fn service_monitor(&self) -> String {
        self.0.clone()
    }

    #[must_use]
    pub fn pod_monitor(&self) -> String {
        self.0.clone()
    }

    #[must_use]
    pub fn prometheus_rule(&self) -> String {
        self.0.clone()
    }
}

impl fmt::Display for NamePrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Name of a component's Service of type LoadBalancer.
#[must_use]
pub fn load_balancer(component: &str) -> String {
    format!("{component}-loadbalancer")
}

/// Name of a component's Service of type NodePort.
#[must_use]
pub fn node_port(component: &str) -> String {
    format!("{component}-nodeport")
}

/// Name of a component's headless Service.
#[must_use]
pub fn pods(component: &str) -> String {
    format!("{component}-pods")
}

/// Returns a short hash of a content, for names and annotations.
#[must_use]
pub fn short_hash(content: &[u8]) -> String {
    let mut hex = format!("{:x}", Sha256::digest(content));
    hex.truncate(HASH);
    hex
}

/// Returns a name without the hash at its end.
#[must_use]
pub fn without_hash(name: &str) -> Option<&str> {
    let (head, hash) = name.rsplit_once('-')?;
    (hash.len() == HASH && hash.chars().all(|char| char.is_ascii_hexdigit())).then_some(head)
}

/// Returns a PVC's name as a label value: PVCs of other owners may have names of up to 253 characters.
#[must_use]
pub fn claim_label(claim: &str) -> String {
    if claim.len() <= LABEL {
        return claim.to_owned();
    }
    let head: String = claim.chars().take(LABEL - HASH - 1).collect();
    format!("{head}-{}", short_hash(claim.as_bytes()))
}

/// Returns whether a text is a lower-case label that starts with a letter, as the name of a Service
/// must be.
#[must_use]
pub fn is_dns_1035(text: &str) -> bool {
    text.len() <= LABEL
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-')
}

/// Returns whether a text is a lower-case label that may start with a digit, as the name of a Namespace
/// must be.
#[must_use]
pub fn is_dns_1123_label(text: &str) -> bool {
    text.len() <= LABEL
        && text.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && !text.ends_with('-')
        && text.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-')
}

/// Returns whether a text is a valid label value.
#[must_use]
pub fn is_label_value(text: &str) -> bool {
    text.len() <= LABEL
        && (text.is_empty()
            || text.starts_with(|first: char| first.is_ascii_alphanumeric())
                && text.ends_with(|last: char| last.is_ascii_alphanumeric()))
        && text.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.'))
}

/// Returns whether a text is a valid name for most objects: lower-case labels with dots between them.
#[must_use]
pub fn is_subdomain(text: &str) -> bool {
    let letter = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(letter)
            && label.ends_with(letter)
            && label.chars().all(|it| letter(it) || it == '-')
    };
    text.len() <= SUBDOMAIN && text.split('.').all(label)
}

/// Returns whether a text is a valid key of a label or name of a finalizer.
#[must_use]
pub fn is_qualified_name(text: &str) -> bool {
    let (domain, name) = match text.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    !name.is_empty() && is_label_value(name) && domain.is_none_or(is_subdomain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(test_support::proptest_config(256))]

        #[test]
        fn only_short_dns_labels_are_prefixes(text in "[-a-zA-Z0-9._ ]{0,50}|[a-z][-a-z0-9]{0,60}") {
            prop_assert_eq!(NamePrefix::parse(&text).is_some(), is_dns_1035(&text) && text.len() <= 40);
        }

        #[test]
        fn every_pvc_name_has_its_own_label(
            one in "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?",
            other in "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?",
        ) {
            prop_assert!(is_label_value(&claim_label(&one)));
            prop_assert_eq!(one == other, claim_label(&one) == claim_label(&other));
        }
    }

    #[test]
    fn long_pvc_names_have_distinct_labels() {
        let long = "c".repeat(200);
        assert_ne!(claim_label(&format!("{long}a")), claim_label(&format!("{long}b")));
    }

    #[test]
    fn qualified_names_follow_kubernetes() {
        for good in ["app", "a.b/c_D.e-1", "1", "0.a/x"] {
            assert!(is_qualified_name(good), "{good}");
        }
        for bad in ["", "/", "a/", "/a", "A.b/c", "a/b/c", "a b", "-a", &format!("a/{}", "b".repeat(64))] {
            assert!(!is_qualified_name(bad), "{bad}");
        }
        for (text, good) in
            [("a.b", true), ("a..b", false), ("a.", false), ("", false), ("A", false), ("a-", false)]
        {
            assert_eq!(is_subdomain(text), good, "{text}");
        }
    }

    #[test]
    fn label_values_follow_kubernetes() {
        for good in ["", "1.2.0", "v1_2-3", "A"] {
            assert!(is_label_value(good), "{good}");
        }
        for bad in ["-a", "a-", "_a", "a b", "a+b", &"a".repeat(64), "sha256:00"] {
            assert!(!is_label_value(bad), "{bad}");
        }
    }
}
