//! The CEL rules that the API server checks, with the sentence a user reads when one refuses.
//!
//! A rule stands as deep as it can, so that the API server names the field and quotes its value by
//! itself. Rules about fields that may be absent, and about what may not change, stand at the
//! parent: a rule on an absent field never runs, and setting it later would slip through.
//!
//! Every rule must also be one that the client-side evaluator of the tests understands (no optional
//! syntax, no two-variable macros) and one that Kubernetes 1.33 accepts.

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

/// A rule whose message is itself an expression, for texts that quote values.
///
/// Two traps: a message with a line break is dropped, so that free text goes through
/// `strings.quote`; and the text of a number has no bound when it is joined with `+`, which makes
/// the rule too costly, so that numbers go through `format`.
pub fn explained(rule: impl Into<String>, message: impl Into<String>) -> Rule {
    Rule::new(rule).message(Message::Expression(message.into()))
}

/// A combination that is not allowed, shown as `Forbidden`.
pub fn forbidden(rule: impl Into<String>, message: &str) -> Rule {
    Rule::new(rule).message(message).reason(Reason::FieldValueForbidden)
}

/// Quantity `small` is at most quantity `large`; both are expressions of text. What is no quantity
/// passes: its own rule says so, and an error here would bury that.
pub fn at_most(small: &str, large: &str) -> String {
    format!(
        "[{small}].all(s, [{large}].all(l, !isQuantity(s) || !isQuantity(l) || quantity(s).compareTo(quantity(l)) <= 0))"
    )
}

/// A namespace's name.
pub fn dns_label() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')").message(
        "must be a lower-case DNS label: letters a-z, digits and '-', starting and ending with a letter or digit",
    )
}

/// The name of a Secret, claim, class or other object that lives beside the servers.
pub fn object_name() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')").message(
        "must be an object's name: lower-case letters, digits, '-' and '.', without a namespace before it",
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
        "must be an image such as '{tagged}' or '{pinned}', without scheme, spaces or upper-case letters in the repository"
    )))
}

/// The example is an image of the product with a tag.
pub fn image_version(tagged: &str) -> Rule {
    Rule::new(format!(
        "self.matches('(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}|@sha256:[a-f0-9]{{64}})$') || !self.matches({IMAGE})"
    ))
    .message(Message::Message(format!(
        "must end with a tag or a digest, such as '{tagged}': without one the image can change under a running cluster and cannot be rolled back"
    )))
}

pub fn image_registry() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$')").message(
        "must be a registry such as 'registry.example.com:5000/mirror', without scheme and without a '/' at the end",
    )
}

/// A scrape interval or timeout.
pub fn duration() -> Rule {
    Rule::new("self.matches('^[1-9][0-9]{0,4}(s|m|h)$')")
        .message("must be a duration such as '30s': a whole number from 1 to 99999 followed by s, m or h")
}

/// Prometheus refuses a monitor whose scrapes outlast their interval. The defaults are 10s and 30s.
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
