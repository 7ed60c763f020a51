//! docs/dev/fault-catalogue.md: every fault of the catalogue has a row, and every test that it names exists.

use super::{docs::cells, read};

const FAULTS: usize = 78;

/// Tests named in a text: `file::function`.
fn named(text: &str) -> Vec<(String, String)> {
    let words = text.split([' ', ',', '(', ')']).filter(|word| word.contains(".rs::"));
    words
        .filter_map(|word| word.split_once("::"))
        .map(|(file, name)| (file.to_owned(), name.to_owned()))
        .collect()
}

/// Numbers that have no row or several, tests that do not exist, rows with neither a test nor a reason.
fn wrong(text: &str, source: impl Fn(&str) -> String) -> Vec<String> {
    let rows: Vec<Vec<String>> = text.lines().filter(|line| line.starts_with("| F")).map(cells).collect();
    let rows: Vec<_> = rows.into_iter().filter(|row| row[0] != "Fault").collect();
    let mut wrong = Vec::new();
    for number in 1..=FAULTS {
        let id = format!("F{number:02}");
        let count = rows.iter().filter(|row| row[0] == id).count();
        if count != 1 {
            wrong.push(format!("{id} has {count} rows"));
        }
    }
    for row in &rows {
        let tests = named(&row[2]);
        if tests.is_empty() && !row[2].starts_with("cannot happen: ") {
            wrong.push(format!("{} has neither a test nor a reason", row[0]));
        }
        for (file, name) in tests {
            if !source(&file).contains(&format!("fn {name}(")) {
                wrong.push(format!("{}: {file} has no {name}", row[0]));
            }
        }
    }
    wrong
}

#[test]
fn every_fault_has_a_test_that_exists() {
    let wrong = wrong(&read("docs/dev/fault-catalogue.md"), read);
    assert!(wrong.is_empty(), "docs/dev/fault-catalogue.md: {wrong:#?}");
}

#[test]
fn a_row_that_names_nothing_is_seen() {
    let rows = (3..=FAULTS).map(|number| format!("| F{number:02} | a | tests/a.rs::b (class `c`) |\n"));
    let text = format!(
        "| F01 | a | later |\n| F01 | a | tests/a.rs::c, tests/a.rs::b |\n{}",
        rows.collect::<String>()
    );
    let expected = [
        "F01 has 2 rows",
        "F02 has 0 rows",
        "F01 has neither a test nor a reason",
        "F01: tests/a.rs has no c",
    ];
    assert_eq!(wrong(&text, |_| "fn b() {}".to_owned()), expected);
}
