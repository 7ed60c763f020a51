//! docs/dev/fault-catalogue.md: every fault has a row, and each suite that a row names has as many
//! tests of that fault as the row says. A test names its faults by ID, in a line of its doc comment:
//! `/// Fault catalogue: F22, F23.`

use std::collections::{BTreeMap, BTreeSet};

use super::{docs::cells, read, rust_files};

const FAULTS: usize = 78;

const MARK: &str = "/// Fault catalogue: ";

/// Number of tests for each fault and suite.
type Tests = BTreeMap<(String, String), usize>;

/// Parses the tests of a cell, such as ``faults ×2, campaign (class crash)``.
fn suites(cell: &str) -> Vec<(String, usize)> {
    let mut text = String::new();
    let mut depth = 0_u32;
    for letter in cell.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            letter if depth == 0 => text.push(letter),
            _ => {}
        }
    }
    let one = |item: &str| {
        let (suite, count) = item.split_once('×').unwrap_or((item, "1"));
        (suite.trim().to_owned(), count.trim().parse().unwrap_or_default())
    };
    text.split(',').map(one).collect()
}

/// Returns the suite that a file belongs to. The library's own tests are `unit`.
fn suite(file: &str) -> String {
    match file.strip_prefix("tests/") {
        Some(rest) => rest.split('/').next().unwrap_or_default().to_owned(),
        None => "unit".to_owned(),
    }
}

/// Returns the faults that the tests of a file name. A line that is not in the doc comment of a test is
/// an error.
fn named(file: &str, text: &str, tests: &mut Tests) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(ids) = line.strip_prefix(MARK) else { continue };
        let next = lines.clone().find(|line| !line.starts_with("///")).unwrap_or_default();
        if !next.starts_with("#[test]") && !next.starts_with("#[tokio::test") && !next.starts_with("#[rstest")
        {
            wrong.push(format!("{file}: '{line}' stands at no test"));
        }
        for id in ids.trim_end_matches('.').split(", ") {
            *tests.entry((id.to_owned(), suite(file))).or_default() += 1;
        }
    }
    wrong
}

/// Returns faults that have no row or several, rows with neither a test nor a reason, and differences
/// between rows and tests.
fn wrong(catalogue: &str, tests: &Tests) -> Vec<String> {
    let rows: Vec<Vec<String>> =
        catalogue.lines().filter(|line| line.starts_with("| F")).map(cells).collect();
    let rows: Vec<_> = rows.into_iter().filter(|row| row[0] != "Fault").collect();
    let mut wrong = Vec::new();
    for number in 1..=FAULTS {
        let id = format!("F{number:02}");
        let count = rows.iter().filter(|row| row[0] == id).count();
        if count != 1 {
            wrong.push(format!("{id} has {count} rows"));
        }
    }
    let mut expected = Tests::new();
    for row in rows.iter().filter(|row| !row[2].starts_with("cannot happen: ")) {
        for (suite, count) in suites(&row[2]) {
            expected.insert((row[0].clone(), suite), count);
        }
    }
    let both: BTreeSet<_> = expected.keys().chain(tests.keys()).collect();
    for at in both {
        let count = |of: &Tests| of.get(at).copied().unwrap_or_default();
        let (expected, found) = (count(&expected), count(tests));
        if expected != found || expected == 0 {
            let (id, suite) = at;
            wrong.push(format!("{id}: the row says {expected} tests in {suite}, and {found} name it"));
        }
    }
    wrong
}

#[test]
fn every_fault_has_its_tests() {
    let mut tests = Tests::new();
    let mut found = Vec::new();
    for (path, text) in ["src", "crates", "tests"].into_iter().flat_map(rust_files) {
        found.extend(named(&path, &text, &mut tests));
    }
    found.extend(wrong(&read("docs/dev/fault-catalogue.md"), &tests));
    assert!(found.is_empty(), "docs/dev/fault-catalogue.md: {found:#?}");
}

#[test]
fn a_row_and_its_tests_must_agree() {
    let mut tests = Tests::new();
    let ids: Vec<_> = (3..=FAULTS).map(|number| format!("F{number:02}")).collect();
    let marked = |ids: &str| format!("    /// Why.\n    {MARK}{ids}.\n    #[test]\n    fn b() {{}}\n");
    assert!(named("tests/a/x.rs", &marked(&ids.join(", ")), &mut tests).is_empty());
    assert!(named("crates/engine/src/x.rs", &marked("F04, F99"), &mut tests).is_empty());
    assert_eq!(
        named("src/y.rs", &format!("{MARK}F04.\nfn helper() {{}}\n"), &mut tests),
        ["src/y.rs: '/// Fault catalogue: F04.' stands at no test"]
    );
    let rows = ids.iter().map(|id| {
        let cell = if id == "F04" { "`a`, `unit` ×2" } else { "`a` (class `c`, or d)" };
        format!("| {id} | what | {cell} |\n")
    });
    let text = format!(
        "| Fault | What happens | Tests |\n| F01 | what | later |\n| F01 | what | cannot happen: so |\n{}",
        rows.collect::<String>()
    );
    let expected = [
        "F01 has 2 rows",
        "F02 has 0 rows",
        "F01: the row says 1 tests in later, and 0 name it",
        "F99: the row says 0 tests in unit, and 1 name it",
    ];
    assert_eq!(wrong(&text, &tests), expected);
}
