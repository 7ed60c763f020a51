//! The metrics that an expression queries, and those that exist.

use std::{collections::BTreeSet, time::Duration};

use logpilot_operator::{
    engine::{metrics::Metrics as _, resource::ResourceRef},
    kinds::LOGPILOT_CLUSTER,
    metrics::{Judged, Metrics},
};

use super::rules;

/// Words of the language that no parenthesis follows, or a list of labels.
const WORDS: &[&str] = &["and", "or", "unless", "bool", "offset", "by", "on", "without", "ignoring"];

/// Returns all existing metrics: those exposed, the operator's own, and those that rules record.
pub fn known() -> BTreeSet<String> {
    let listed =
        include_str!("metrics.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let recorded = rules::everything();
    let recorded =
        recorded.iter().flat_map(|(_, groups)| rules::of(groups)).filter_map(|rule| rule["record"].as_str());
    let text = of_operator();
    let shown =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next());
    listed.chain(recorded).chain(shown).map(str::to_owned).collect()
}

/// Returns the operator's own metrics.
pub fn of_operator() -> String {
    let metrics = Metrics::default();
    let resource = ResourceRef::new(&LOGPILOT_CLUSTER, None, "a");
    metrics.judged(&resource, Judged { not_ready_since: Some(0), reasons: vec!["Other"] });
    metrics.reconciled("finished", 1.0);
    metrics.record_write("Deployment", "created");
    metrics.watch_failed("services");
    metrics.render(&[(&LOGPILOT_CLUSTER, 1)], 1, true, &[("services", Duration::ZERO)])
}

/// Returns an expression without quoted, braced and bracketed parts.
fn bare(expr: &str) -> String {
    let (mut out, mut quoted, mut depth, mut escaped) = (String::new(), false, 0, false);
    for char in expr.chars() {
        match char {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            other if depth == 0 => out.push(other),
            _ => {}
        }
    }
    out
}

/// Returns the names of the series that an expression selects.
pub fn used(expr: &str) -> BTreeSet<String> {
    let text = bare(expr);
    let mut names = BTreeSet::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|char: char| char.is_ascii_alphanumeric() || char == '_') {
        let word_end = rest[start..]
            .find(|char: char| !(char.is_ascii_alphanumeric() || matches!(char, '_' | ':' | '.')))
            .map_or(rest.len(), |length| start + length);
        let word = &rest[start..word_end];
        rest = rest[word_end..].trim_start();
        if rest.starts_with("by (") || rest.starts_with("without (") {
            // An aggregation, whose labels precede its argument.
            rest = rest.split_once(')').map_or("", |(_, after)| after);
        } else if matches!(word, "by" | "on" | "without" | "ignoring") {
            // A list of labels follows.
            rest = rest.split_once(')').map_or("", |(_, after)| after);
        } else if !rest.starts_with('(')
            && !WORDS.contains(&word)
            && !word.starts_with(|first: char| first.is_ascii_digit())
        {
            names.insert(word.to_owned());
        }
    }
    names
}

/// Returns `name{matchers}` of every series that an expression selects.
pub fn selectors(expr: &str) -> Vec<String> {
    used(expr)
        .into_iter()
        .flat_map(|name| {
            expr.match_indices(&name)
                .filter(|(at, _)| {
                    let after = &expr[at + name.len()..];
                    let boundary = |char: Option<char>| {
                        !char.is_some_and(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | ':'))
                    };
                    boundary(expr[..*at].chars().next_back()) && boundary(after.chars().next())
                })
                .map(|(at, _)| {
                    let after = &expr[at..];
                    after.split_inclusive('}').next().unwrap_or(after).to_owned()
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn names_are_found_among_functions_and_labels() {
    let expr = r#"sum by (le, pod) (rate(a_total{x="b_total"}[5m] offset 30m)) / on (c) (max(d:e) > bool 0.5) unless vector(1) == 2"#;
    assert_eq!(used(expr), BTreeSet::from(["a_total", "d:e"].map(str::to_owned)));
    assert_eq!(selectors(expr)[0], r#"a_total{x="b_total"}"#);
}
