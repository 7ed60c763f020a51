//! Fragments of PromQL. Every external value is quoted by [`quoted`]. Names are matched as a whole,
//! never by prefix, so that two LogPilotClusters in one namespace never match the pods of each
//! other.

use crate::logpilot::model::{Cluster, Component};

/// The suffix of pod names after the name of the Deployment.
const POD_SUFFIX: &str = "-[a-z0-9]+-[a-z0-9]+";

/// Returns a string literal.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Returns a regular expression that matches one of the texts, as it is written inside a literal.
fn one_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut texts: Vec<String> = texts.into_iter().map(literal).collect();
    texts.sort_unstable();
    texts.dedup();
    match texts.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join("|")),
    }
}

/// Returns a regular expression that matches exactly the text. It uses brackets, because a
/// backslash would have to be doubled.
fn literal(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        match char {
            '.' | '*' | '+' | '?' | '(' | ')' | '[' | '{' | '}' | '|' | '$' => {
                out.push('[');
                out.push(char);
                out.push(']');
            }
            '\\' | '^' | ']' => {
                out.push('\\');
                out.push(char);
            }
            other => out.push(other),
        }
    }
    out
}

fn namespace(cluster: &Cluster) -> String {
    format!("namespace={}", quoted(&cluster.namespace.name))
}

/// Returns a matcher for the pods of the given components, or `None` if there are none.
#[must_use]
pub fn pods(cluster: &Cluster, of: impl Fn(&Component) -> bool) -> Option<String> {
    let names: Vec<&str> = cluster.components.iter().filter(|it| of(it)).map(|it| it.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let pattern = format!("{}{POD_SUFFIX}", one_of(names));
    Some(format!("{},pod=~{}", namespace(cluster), quoted(&pattern)))
}

/// Returns a matcher for the server containers, without sidecars and without the sums over a pod,
/// whose container label is empty.
#[must_use]
pub fn containers(cluster: &Cluster) -> Option<String> {
    let pods = pods(cluster, |_| true)?;
    let names = one_of(cluster.components.iter().map(|it| it.role.container));
    Some(format!("{pods},container!=\"\",container=~{}", quoted(&names)))
}

/// Returns a matcher for REST requests of clients. A request to an unknown path is also answered
/// with 500. It is excluded, because it is an error of the client.
#[must_use]
pub fn rest(cluster: &Cluster) -> Option<String> {
    Some(format!("{},uri=~\"/api/.+\"", pods(cluster, |it| it.role.http.is_some())?))
}

/// Returns a matcher for gRPC calls of clients, without health checks and reflection.
#[must_use]
pub fn grpc(cluster: &Cluster) -> Option<String> {
    Some(format!("{},grpc_method=~\"logpilot[.]LogService/.+\"", pods(cluster, |it| it.role.grpc.is_some())?))
}

/// The shortest window of a rule about the metrics of the servers.
#[must_use]
pub fn window(cluster: &Cluster) -> String {
    format!("{}m", cluster.monitoring.window_minutes())
}

/// The gRPC status codes of server errors.
pub const GRPC_FAULTS: &str = "grpc_status=~\"UNKNOWN|DEADLINE_EXCEEDED|INTERNAL|UNAVAILABLE|DATA_LOSS\"";

#[must_use]
pub fn deployments(cluster: &Cluster) -> String {
    let names = one_of(cluster.components.iter().map(|it| it.name.as_str()));
    format!("{},deployment=~{}", namespace(cluster), quoted(&names))
}

/// Returns a matcher for the PVCs that the pods mount.
#[must_use]
pub fn claims(cluster: &Cluster) -> String {
    let names = one_of(cluster.components.iter().map(|it| it.claim.as_str()));
    format!("{},persistentvolumeclaim=~{}", namespace(cluster), quoted(&names))
}

/// Returns `value` thousandths, hundred-thousandths, and so on as an exact decimal, without a
/// float.
#[must_use]
pub fn decimal(value: u32, digits: usize) -> String {
    let text = format!("{value:0>width$}", width = digits + 1);
    let (whole, fraction) = text.split_at(text.len() - digits);
    match fraction.trim_end_matches('0') {
        "" => whole.to_owned(),
        fraction => format!("{whole}.{fraction}"),
    }
}

/// Returns the share of errors in all events: 0 without errors, and no value without traffic.
#[must_use]
pub fn share(errors: &str, all: &str) -> String {
    format!("({errors} or 0 * {all}) / ({all} > 0)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_its_literal_or_match_another() {
        assert_eq!(quoted("a\"} or vector(1) #\n\\"), r#""a\"} or vector(1) #\n\\""#);
        assert_eq!(one_of(["a.b", "c", "c"]), "(a[.]b|c)");
        assert_eq!(literal("a|b^c"), "a[|]b\\^c");
    }

    #[test]
    fn numbers_are_exact() {
        for (value, digits, text) in [
            (80, 2, "0.8"),
            (5, 2, "0.05"),
            (1500, 3, "1.5"),
            (1000, 3, "1"),
            (10, 5, "0.0001"),
            (100, 5, "0.001"),
        ] {
            assert_eq!(decimal(value, digits), text);
        }
    }

    /// Reads a literal in double quotes as Prometheus does.
    fn unquoted(literal: &str) -> String {
        let inner = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
        let (mut text, mut chars) = (String::new(), inner.chars());
        while let Some(char) = chars.next() {
            match char {
                '\\' => match chars.next().unwrap() {
                    'n' => text.push('\n'),
                    escaped @ ('\\' | '"') => text.push(escaped),
                    other => panic!("\\{other} in {literal}"),
                },
                '"' | '\n' => panic!("the literal ends early: {literal}"),
                other => text.push(other),
            }
        }
        text
    }

    proptest::proptest! {
        #![proptest_config(test_support::proptest_config(256))]

        #[test]
        fn any_text_in_a_matcher_is_read_back_as_it_was(
            text in proptest::prop_oneof![
                proptest::prelude::any::<String>(),
                "[\\\\\"\n{}=~,()|*+?.$^\\[\\] a]{0,12}",
            ],
        ) {
            proptest::prop_assert_eq!(unquoted(&quoted(&text)), text.clone());
            // As a regular expression every character means itself: alone, in brackets, or after a backslash.
            let mut pattern = literal(&text);
            for char in text.chars() {
                let written = [format!("[{char}]"), format!("\\{char}"), char.to_string()];
                let special = ".*+?()[]{}|$^\\".contains(char);
                let written = written.iter().take(if special { 2 } else { 3 }).find(|it| pattern.starts_with(*it));
                proptest::prop_assert!(written.is_some(), "{:?} at {:?}", char, pattern);
                pattern = pattern.split_off(written.map_or(0, String::len));
            }
            proptest::prop_assert_eq!(pattern, "");
        }
    }
}
