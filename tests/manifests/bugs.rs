//! Lists of faults that were found. Each row names a test that exists, and says on which code the test
//! was seen failing.

use super::{docs, read, sources};

/// A table: its file, its header, and the allowed values of its last column. The test is in the column
/// before that one.
struct List {
    file: &'static str,
    header: &'static str,
    seen: &'static [&'static str],
}

const BUGS: List = List {
    file: "docs/dev/campaign-log.md",
    header: "| Bug | Test | Seen failing |",
    seen: &["before", "without"],
};

const FIELD: List = List {
    file: "docs/dev/field-cases.md",
    header: "| Kind | Input | Answer | Test | Seen failing |",
    seen: &["before", "repair out", "guard", "new field"],
};

/// Returns rows without a test, tests that do not exist, and rows that do not say on which code the
/// test failed.
fn wrong(list: &List, text: &str, sources: &str) -> Vec<String> {
    let rows = docs::rows(text, list.header);
    let mut wrong = Vec::new();
    for row in &rows {
        let [.., named, seen] = row.as_slice() else { continue };
        let is_name = |word: &&str| {
            word.contains('_')
                && word.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_')
        };
        let tests: Vec<_> = named.split([' ', ',']).filter(is_name).collect();
        if tests.is_empty() {
            wrong.push(format!("'{}' has no test", row[0]));
        }
        let missing = tests.iter().filter(|name| !sources.contains(&format!("fn {name}(")));
        wrong.extend(missing.map(|name| format!("'{}': there is no {name}", row[0])));
        if !list.seen.contains(&seen.as_str()) {
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
    for list in [BUGS, FIELD] {
        let wrong = wrong(&list, &read(list.file), &sources());
        assert!(wrong.is_empty(), "{}: {wrong:#?}", list.file);
    }
}

#[test]
fn a_bug_that_names_nothing_is_seen() {
    let rows = "| a | `is_there` (`x/y of 1`) | before |\n| b | later | without |\n| c | `is_there`, `is_not` | yes |\n";
    let found = wrong(&BUGS, &format!("{}\n|---|---|---|\n{rows}\n| d |", BUGS.header), "fn is_there() {}");
    assert_eq!(found, ["'b' has no test", "'c': there is no is_not", "'c' does not say what was seen"]);
    assert_eq!(wrong(&BUGS, "", ""), ["there is no list"]);
}
