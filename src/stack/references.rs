//! References in texts: `$(mysql.address)`, `$(secrets.mysql.password)`, `$(pod.name)`, `$(stack.name)`.
//!
//! A reference has a dot, so that `$(OTHER)`, which Kubernetes expands, is left as it is. `$$` escapes,
//! as in Kubernetes: `$$(a.b)` is the text `$(a.b)`. The operator never reads a secret value: a secret
//! inside a longer text becomes a variable of its own that Kubernetes expands.

use std::fmt;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text as it was written, with `$(NAME)` and `$$` in it.
    Text(String),
    Reference(Reference),
}

/// The meaning of a reference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// Host, port or both of a component.
    Component { name: String, what: Address },
    /// A key of an entry of `spec.secrets`.
    Secret { entry: String, key: String },
    /// A field of the pod.
    Pod(PodField),
    /// A property of the stack.
    Stack(StackField),
}

/// A component's address; a port is named or the main port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    Host,
    Port(Option<String>),
    HostAndPort(Option<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodField {
    Name,
    Ip,
    Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StackField {
    Name,
    Namespace,
    Environment,
}

impl PodField {
    /// Path of the field in the downward API.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Name => "metadata.name",
            Self::Ip => "status.podIP",
            Self::Node => "spec.nodeName",
        }
    }
}

/// A reference that means nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The reference in its original form.
    pub text: String,
    pub why: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; write ${} if it is no reference", self.text, self.why, self.text)
    }
}

/// Splits a text at its references.
///
/// # Errors
/// Every reference that has a dot and a form that means nothing.
pub fn parse(text: &str) -> Result<Vec<Part>, Vec<Malformed>> {
    let mut parts = Vec::new();
    let mut malformed = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        if let Some(after) = from.strip_prefix("$$") {
            plain.push_str("$$");
            rest = after;
            continue;
        }
        let inside = from.strip_prefix("$(").and_then(|inside| inside.split_once(')'));
        let Some((name, after)) = inside.filter(|(name, _)| name.contains('.')) else {
            plain.push('$');
            rest = from.get(1..).unwrap_or_default();
            continue;
        };
        match reference(name) {
            Ok(reference) => {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Reference(reference));
            }
            Err(why) => malformed.push(Malformed { text: format!("$({name})"), why }),
        }
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    if malformed.is_empty() { Ok(parts) } else { Err(malformed) }
}

fn reference(name: &str) -> Result<Reference, &'static str> {
    let mut words = name.splitn(3, '.');
    let (scope, what, more) = (words.next().unwrap_or_default(), words.next(), words.next());
    let what = what.unwrap_or_default();
    match scope {
        // A key may have dots.
        "secrets" => match more {
            Some(key) if !what.is_empty() && !key.is_empty() => {
                Ok(Reference::Secret { entry: what.to_owned(), key: key.to_owned() })
            }
            _ => Err("must be $(secrets.<entry>.<key>)"),
        },
        "pod" => match (what, more) {
            ("name", None) => Ok(Reference::Pod(PodField::Name)),
            ("ip", None) => Ok(Reference::Pod(PodField::Ip)),
            ("node", None) => Ok(Reference::Pod(PodField::Node)),
            _ => Err("must be $(pod.name), $(pod.ip) or $(pod.node)"),
        },
        "stack" => match (what, more) {
            ("name", None) => Ok(Reference::Stack(StackField::Name)),
            ("namespace", None) => Ok(Reference::Stack(StackField::Namespace)),
            ("environment", None) => Ok(Reference::Stack(StackField::Environment)),
            _ => Err("must be $(stack.name), $(stack.namespace) or $(stack.environment)"),
        },
        name => {
            let port = more.map(str::to_owned);
            let what = match what {
                "host" if port.is_none() => Address::Host,
                "port" => Address::Port(port),
                "address" => Address::HostAndPort(port),
                _ => {
                    return Err(
                        "must be $(<component>.host), $(<component>.port) or $(<component>.address), \
                                the last two with the name of a port where it is not the main port",
                    );
                }
            };
            Ok(Reference::Component { name: name.to_owned(), what })
        }
    }
}

/// A text for files, which Kubernetes does not expand: `$$(` means `$(`. Every other `$$` stays, since
/// SQL and shells have a meaning for it.
#[must_use]
pub fn unescaped(text: &str) -> String {
    text.replace("$$(", "$(")
}

/// Names of the variables that Kubernetes expands in a text: `$(NAME)`.
#[must_use]
pub fn variables(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let from = rest.get(at..).unwrap_or_default();
        if let Some(after) = from.strip_prefix("$$") {
            rest = after;
            continue;
        }
        if let Some((name, after)) = from.strip_prefix("$(").and_then(|inside| inside.split_once(')')) {
            found.push(name);
            rest = after;
        } else {
            rest = from.get(1..).unwrap_or_default();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn text(text: &str) -> Part {
        Part::Text(text.into())
    }

    fn component(name: &str, what: Address) -> Part {
        Part::Reference(Reference::Component { name: name.into(), what })
    }

    fn secret(entry: &str, key: &str) -> Part {
        Part::Reference(Reference::Secret { entry: entry.into(), key: key.into() })
    }

    #[rstest]
    #[case::plain("plain", vec![text("plain")])]
    #[case::empty("", vec![])]
    #[case::address("$(mysql.address)", vec![component("mysql", Address::HostAndPort(None))])]
    #[case::named_port("$(mysql.port.admin)", vec![component("mysql", Address::Port(Some("admin".into())))])]
    #[case::inside(
        "jdbc:mysql://$(mysql.address)/erp?x=$(secrets.mysql.root-password)",
        vec![
            text("jdbc:mysql://"),
            component("mysql", Address::HostAndPort(None)),
            text("/erp?x="),
            secret("mysql", "root-password"),
        ]
    )]
    #[case::dots_in_a_key("$(secrets.tls.tls.crt)", vec![secret("tls", "tls.crt")])]
    #[case::kubernetes_own("$(OTHER)-$(pod.name)", vec![text("$(OTHER)-"), Part::Reference(Reference::Pod(PodField::Name))])]
    #[case::escaped("$$(a.b)", vec![text("$$(a.b)")])]
    #[case::escaped_dollar("$$$(a.host)", vec![text("$$"), component("a", Address::Host)])]
    #[case::no_reference("cost: 5$ $(open", vec![text("cost: 5$ $(open")])]
    fn text_is_split_at_references(#[case] given: &str, #[case] parts: Vec<Part>) {
        assert_eq!(parse(given), Ok(parts));
    }

    #[rstest]
    #[case("$(mysql.adress)")]
    #[case("$(mysql.host.admin)")]
    #[case("$(secrets.mysql)")]
    #[case("$(secrets..x)")]
    #[case("$(pod.uid)")]
    #[case("$(stack.version)")]
    fn malformed_references_are_refused(#[case] given: &str) {
        let malformed = parse(&format!("a {given} b")).unwrap_err();
        assert_eq!(malformed.len(), 1);
        assert_eq!(malformed[0].text, given);
    }

    #[test]
    fn all_malformed_references_are_reported() {
        assert_eq!(parse("$(a.b) $(c.host) $(d.e)").unwrap_err().len(), 2);
    }

    #[test]
    fn variables_are_those_kubernetes_expands() {
        assert_eq!(variables("$(A)-$$(B)-$(C) $x"), ["A", "C"]);
        assert_eq!(unescaped("$$(a.b) $5"), "$(a.b) $5");
    }

    #[test]
    fn dollar_quotes_of_a_file_stay() {
        let text = "AS $$ BEGIN END $$;";
        assert_eq!(parse(text), Ok(vec![self::text(text)]));
        assert_eq!(unescaped(text), text);
    }

    #[test]
    fn refusal_shows_the_escape() {
        let malformed = parse("$(basename a.b .b)").unwrap_err();
        assert!(malformed[0].to_string().contains("write $$(basename a.b .b)"), "{}", malformed[0]);
    }
}
