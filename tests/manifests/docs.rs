//! Tables in documents that repeat the code.

use logpilot_operator::logpilot::reasons::REASONS;

use super::read;

const HEADER: &str = "| Reason | Meaning | What to do |";

#[test]
fn the_readme_explains_every_reason_as_the_code_does() {
    let text = read("README.md");
    let written: Vec<Vec<String>> = text
        .lines()
        .skip_while(|line| line.trim() != HEADER)
        .skip(2)
        .take_while(|line| line.trim_start().starts_with('|'))
        .map(cells)
        .collect();
    assert!(!written.is_empty(), "README.md has no table with the header {HEADER}");
    let wanted: Vec<Vec<String>> = REASONS
        .iter()
        .map(|it| vec![it.name.to_owned(), it.meaning.to_owned(), it.action.to_owned()])
        .collect();
    let differs: Vec<String> = wanted
        .iter()
        .filter(|row| !written.contains(row))
        .map(|row| format!("+ | {} |", row.join(" | ")))
        .chain(
            written
                .iter()
                .filter(|row| !wanted.contains(row))
                .map(|row| format!("- | {} |", row.join(" | "))),
        )
        .collect();
    assert!(differs.is_empty(), "README.md's reasons differ from reasons.rs:\n{}", differs.join("\n"));
}

/// The cells of a table's row, without markup.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_matches('|').replace("\\|", "\u{0}");
    line.split('|').map(|cell| cell.replace('\u{0}', "|").replace('`', "").trim().to_owned()).collect()
}
