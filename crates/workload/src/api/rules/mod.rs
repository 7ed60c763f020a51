//! The CEL rules that the API server checks, with the message that a user reads if a rule rejects
//! the resource.
//!
//! A rule is attached as deep as possible, so that the API server names the field and quotes its
//! value by itself. Rules about fields that may be absent, and about immutable fields, are attached
//! to the parent: a rule on an absent field never runs, so that it would not notice when the field
//! is set later.
//!
//! Each rule must also be valid for the client-side evaluator of the tests (no optional syntax, no
//! two-variable macros) and for Kubernetes 1.33.

pub mod components;
pub mod environment;
pub mod gateway;
pub mod ingress;
pub mod limits;
pub mod metadata;
pub mod network;
pub mod patches;
pub mod presence;
pub mod widening;

use kube::core::{Message, Reason, Rule};

/// A rule whose message is itself an expression, for messages that quote values.
///
/// Two pitfalls: Kubernetes drops a message with a line break, so free text goes through
/// `strings.quote`. The text of a number has no maximum length if it is joined with `+`, which
/// makes the rule too costly, so numbers go through `format`.
pub fn explained(rule: impl Into<String>, message: impl Into<String>) -> Rule {
    Rule::new(rule).message(Message::Expression(message.into()))
}

/// A combination that is not allowed, reported as `Forbidden`.
pub fn forbidden(rule: impl Into<String>, message: &str) -> Rule {
    Rule::new(rule).message(message).reason(Reason::FieldValueForbidden)
}

/// True if quantity `small` is at most quantity `large`. Both are expressions of text. A value that
/// is not a quantity passes: it has its own rule, and an error here would hide the message of that
/// rule.
pub fn at_most(small: &str, large: &str) -> String {
    format!(
        "[{small}].all(s, [{large}].all(l, !isQuantity(s) || !isQuantity(l) || quantity(s).compareTo(quantity(l)) <= 0))"
    )
}

/// The name of a namespace.
pub fn dns_label() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message(
        "must be a lower-case DNS label: letters a-z, digits and '-', starting and ending with a letter or digit",
    )
}

/// The name of a Secret, PVC, class or other object in the namespace of the servers.
pub fn object_name() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')").message(
        "must be an object's name: lower-case letters, digits, '-' and '.', without a namespace prefix",
    )
}

/// A key of a Secret or ConfigMap.
pub fn data_key() -> Rule {
    Rule::new("self.matches('^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$')")
        .message("must consist of letters, digits, '-', '_' or '.' and must not start with '..'")
}

/// An image reference as container runtimes read it.
const IMAGE: &str = "'^([a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[a-f0-9]{64})?$'";

/// The examples are images of the product, one with a tag and one with a registry and a digest.
pub fn image_format(tagged: &str, pinned: &str) -> Rule {
    Rule::new(format!("self.matches({IMAGE})")).message(Message::Message(format!(
        "must be an image such as '{tagged}' or '{pinned}', without a scheme, spaces or upper-case letters in the repository"
    )))
}

/// The example is an image of the product with a tag.
pub fn image_version(tagged: &str) -> Rule {
    Rule::new(format!(
        "self.matches('(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}|@sha256:[a-f0-9]{{64}})$') || !self.matches({IMAGE})"
    ))
    .message(Message::Message(format!(
        "must end with a tag or a digest, such as '{tagged}': without one the image of running pods can change and cannot be rolled back"
    )))
}

pub fn image_registry() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$')").message(
        "must be a registry such as 'registry.example.com:5000/mirror', without a scheme and without a trailing '/'",
    )
}

/// A scrape interval or timeout.
pub fn duration() -> Rule {
    Rule::new("self.matches('^[1-9][0-9]{0,4}(s|m|h)$')")
        .message("must be a duration such as '30s': a whole number from 1 to 99999 followed by s, m or h")
}

/// Prometheus rejects a monitor whose timeout is longer than its interval. The defaults are 10s and
/// 30s.
pub fn timeout_within_interval() -> Rule {
    let given = |field: &str, default: &str| format!("(has(self.{field}) ? self.{field} : '{default}')");
    let (timeout, interval) = (given("scrapeTimeout", "10s"), given("interval", "30s"));
    let valid = |value: &str| format!("{value}.matches('^[1-9][0-9]{{0,4}}(s|m|h)$')");
    explained(
        format!(
            "!{} || !{} || duration({timeout}) <= duration({interval})",
            valid(&timeout),
            valid(&interval)
        ),
        format!(
            "\"must be less than or equal to `interval`: '\" + {timeout} + \"' is longer than '\" + {interval} + \"'\""
        ),
    )
    .field_path(".scrapeTimeout")
}
