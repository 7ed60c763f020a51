//! PrometheusRule of the Prometheus operator. The type has only the fields that the operator sets,
//! because the CRD may be absent.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use crate::{StringMap, labels, metadata, scope::Scope};

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PrometheusRule {
    pub metadata: ObjectMeta,
    pub spec: PrometheusRuleSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PrometheusRuleSpec {
    pub groups: Vec<Group>,
}

/// A group of rules that are evaluated in sequence.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    pub name: String,
    /// `None`: Prometheus' default evaluation interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    pub rules: Vec<Rule>,
}

/// An alert or a recording rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    pub expr: String,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub for_: Option<String>,
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    pub labels: StringMap,
    #[serde(skip_serializing_if = "StringMap::is_empty")]
    pub annotations: StringMap,
}

/// Builds the rules. `own` are labels by which a Prometheus selects its rules.
#[must_use]
pub fn build(scope: &Scope, namespace: &str, own: &StringMap, groups: Vec<Group>) -> PrometheusRule {
    let labels = labels::with(scope, own);
    PrometheusRule {
        metadata: metadata::owned(scope, namespace, scope.prefix.prometheus_rule(), labels),
        spec: PrometheusRuleSpec { groups },
    }
}
