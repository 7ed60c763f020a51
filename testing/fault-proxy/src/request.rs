//! The meaning of a request to the Kubernetes API, read from its method and path.

use http::{Method, Uri, request::Parts};
use serde::{Deserialize, Serialize};

/// Verb, kind and name, in the terms of RBAC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    pub group: String,
    /// The plural; empty if the path names no resource, such as `/version`.
    pub resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subresource: Option<String>,
}

impl Asked {
    /// Reads the head of a request.
    #[must_use]
    pub fn of(head: &Parts) -> Self {
        Self::read(&head.method, &head.uri)
    }

    fn read(method: &Method, uri: &Uri) -> Self {
        let segments: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
        let (group, rest) = match segments.as_slice() {
            ["api", _, rest @ ..] => ("", rest),
            ["apis", group, _, rest @ ..] => (*group, rest),
            _ => ("", [].as_slice()),
        };
        let (namespace, rest) = match rest {
            // A namespace by its name, or one of its own subresources.
            ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => (None, rest),
            ["namespaces", namespace, rest @ ..] => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let name = rest.get(1).copied();
        let watch = query(uri, "watch").is_some_and(|value| matches!(value, "1" | "true"));
        let verb = match (method.as_str(), name) {
            ("GET", _) if watch => "watch",
            ("GET", Some(_)) => "get",
            ("GET", None) => "list",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", Some(_)) => "delete",
            ("DELETE", None) => "deletecollection",
            _ => "other",
        };
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: rest.first().copied().unwrap_or_default().to_owned(),
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
            subresource: rest.get(2).map(|part| (*part).to_owned()),
        }
    }

    /// Returns whether the request can change anything.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }
}

/// Returns the raw value of a query parameter.
#[must_use]
pub fn query<'a>(uri: &'a Uri, key: &str) -> Option<&'a str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, uri: &str) -> Asked {
        Asked::read(&method.parse().unwrap(), &uri.parse().unwrap())
    }

    fn words(asked: &Asked) -> String {
        let or = |part: &Option<String>| part.clone().unwrap_or("-".to_owned());
        format!(
            "{} {}/{} {} {} {}",
            asked.verb,
            asked.group,
            asked.resource,
            or(&asked.namespace),
            or(&asked.name),
            or(&asked.subresource)
        )
    }

    #[test]
    fn every_path_form_is_parsed() {
        for (method, uri, expected) in [
            ("GET", "/api/v1/pods", "list /pods - - -"),
            ("GET", "/api/v1/pods?watch=true&limit=1", "watch /pods - - -"),
            ("GET", "/apis/apps/v1/namespaces/a/deployments/d", "get apps/deployments a d -"),
            ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", "patch apps/deployments a d scale"),
            ("POST", "/api/v1/namespaces", "create /namespaces - - -"),
            ("DELETE", "/api/v1/namespaces/a", "delete /namespaces - a -"),
            ("PUT", "/api/v1/namespaces/a/status", "update /namespaces - a status"),
            ("DELETE", "/api/v1/namespaces/a/pods", "deletecollection /pods a - -"),
            (
                "PATCH",
                "/apis/logpilot.io/v1alpha1/logpilotclusters/x/status",
                "patch logpilot.io/logpilotclusters - x status",
            ),
            ("GET", "/version", "list / - - -"),
        ] {
            assert_eq!(words(&read(method, uri)), expected, "{method} {uri}");
        }
    }

    #[test]
    fn only_mutating_requests_are_writes() {
        assert!(read("PATCH", "/api/v1/namespaces/a").writes());
        assert!(!read("GET", "/api/v1/namespaces/a").writes());
    }
}
