//! docs/reliability.md: every bug in its list names a test, and every test that it names exists.

use super::{docs, read, sources};

const BUGS: &str = "| Bug | Test | Seen failing |";

/// Rows without a test, tests that do not exist, rows that do not say on which code the test failed.
fn wrong(text: &str, sources: &str) -> Vec<String> {
    let rows = docs::rows(text, BUGS);
    let mut wrong = Vec::new();
    for row in &rows {
        let is_name = |word: &&str| {
            word.contains('_') && word.chars().all(|char| char.is_ascii_lowercase() || char == '_')
        };
        let tests: Vec<_> = row[1].split([' ', ',']).filter(is_name).collect();
        if tests.is_empty() {
            wrong.push(format!("'{}' has no test", row[0]));
        }
        let missing = tests.iter().filter(|name| !sources.contains(&format!("fn {name}(")));
        wrong.extend(missing.map(|name| format!("'{}': there is no {name}", row[0])));
        if !matches!(row[2].as_str(), "before" | "without") {
            wrong.push(format!("'{}' does not say what was seen", row[0]));
        }
    }
    if rows.is_empty() {
        wrong.push("there is no list".to_owned());
    }
    wrong
}

#[test]
fn every_bug_has_a_test_that_exists() {
    let wrong = wrong(&read("docs/reliability.md"), &sources());
    assert!(wrong.is_empty(), "docs/reliability.md: {wrong:#?}");
}

#[test]
fn a_bug_that_names_nothing_is_seen() {
    let rows = "| a | `is_there` (`x/y of 1`) | before |\n| b | later | without |\n| c | `is_there`, `is_not` | yes |\n";
    let found = wrong(&format!("{BUGS}\n|---|---|---|\n{rows}\n| d |"), "fn is_there() {}");
    assert_eq!(found, ["'b' has no test", "'c': there is no is_not", "'c' does not say what was seen"]);
    assert_eq!(wrong("", ""), ["there is no list"]);
}
