//! Every text that users see, in one page. `make generate` writes docs/dev/texts.md, and `make prose`
//! checks it, which brings the strings of the program under the rules for prose.

use std::{collections::BTreeSet, fmt::Write as _, sync::LazyLock};

use clap::CommandFactory as _;
use logpilot_operator::{cli::Cli, reasons::REASONS};
use regex::Regex;
use serde_json::Value;

use super::{documents, read, rust_files, yaml_files};

/// A string literal with fewer words is a name, a path or a fragment of a format.
const WORDS: usize = 3;

/// A value that the program or Prometheus fills in.
static VALUE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{\{[^}]*\}\}|\{[^{}]*\}").unwrap());
/// A string literal of CEL.
static CEL_STRING: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#""([^"]*)"|'([^']*)'"#).unwrap());

#[derive(Default)]
struct Texts {
    page: String,
    seen: BTreeSet<String>,
}

impl Texts {
    fn section(&mut self, title: &str) {
        let _ = write!(self.page, "\n## {title}\n\n| Where | Text |\n| --- | --- |\n");
    }

    /// Adds a row. A text that occurs several times has one row, at its first place.
    fn row(&mut self, place: &str, text: &str) {
        let text = cell(text);
        if !text.is_empty() && self.seen.insert(text.clone()) {
            let _ = writeln!(self.page, "| `{place}` | {text} |");
        }
    }
}

/// A text as one cell of a table: on one line, with `…` for each value that the program fills in.
fn cell(text: &str) -> String {
    let text = VALUE.replace_all(text, "…");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace('|', "\\|").replace('<', "&lt;")
}

fn is_prose(text: &str) -> bool {
    let word = |it: &&str| {
        let it = it.trim_matches(|it: char| it.is_ascii_punctuation());
        it.len() > 1 && it.chars().all(|it| it.is_ascii_lowercase() || it == '\'')
    };
    text.split_whitespace().filter(word).count() >= WORDS
}

/// The string literals of Rust code, without comments, lint reasons and the test module at the end.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let before = &rest[..at];
        rest = &rest[at..];
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, it)| it);
        } else if let Some(text) = rest.strip_prefix('"') {
            let prefix = before.trim_end_matches('#');
            let (literal, tail) = if prefix.ends_with('r') && !prefix.ends_with("er") {
                let end = format!("\"{}", &before[prefix.len()..]);
                let (literal, tail) = text.split_once(&end).unwrap();
                (literal.to_owned(), tail)
            } else {
                escaped(text)
            };
            if !before.trim_end().ends_with("reason =") {
                found.push(literal);
            }
            rest = tail;
        } else if let Some(escape) = rest.strip_prefix("'\\") {
            let mut letters = escape.chars();
            letters.next();
            rest = letters.as_str().split_once('\'').unwrap().1;
        } else if rest.chars().nth(2) == Some('\'') {
            let mut letters = rest.chars();
            letters.nth(2);
            rest = letters.as_str();
        } else {
            rest = &rest[1..];
        }
    }
    found
}

/// The literal that begins here, and the code after it.
fn escaped(text: &str) -> (String, &str) {
    let mut literal = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => match letters.next().unwrap() {
                // A continued line goes on with its first letter.
                '\n' => letters = letters.as_str().trim_start().chars(),
                'n' | 't' => literal.push(' '),
                other => literal.push(other),
            },
            other => literal.push(other),
        }
    }
    (literal, letters.as_str())
}

/// Descriptions and messages of CEL rules, below one schema.
fn schema(texts: &mut Texts, path: &str, schema: &Value) {
    if let Some(text) = schema["description"].as_str() {
        texts.row(path, text);
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        texts.row(&format!("{path} (CEL)"), rule["message"].as_str().unwrap_or_default());
        for part in CEL_STRING.captures_iter(rule["messageExpression"].as_str().unwrap_or_default()) {
            let text = part.get(1).or_else(|| part.get(2)).unwrap().as_str();
            if is_prose(text) {
                texts.row(&format!("{path} (CEL)"), text);
            }
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        self::schema(texts, &format!("{path}.{name}"), property);
    }
    for (field, suffix) in [("items", "[]"), ("additionalProperties", ".*")] {
        if schema[field].is_object() {
            self::schema(texts, &format!("{path}{suffix}"), &schema[field]);
        }
    }
}

fn command(texts: &mut Texts, name: &str, command: &clap::Command) {
    for text in [command.get_about(), command.get_after_help()].into_iter().flatten() {
        texts.row(name, &text.to_string());
    }
    for argument in command.get_arguments() {
        if let Some(text) = argument.get_help() {
            texts.row(&format!("{name} {}", argument.get_id()), &text.to_string());
        }
    }
    for subcommand in command.get_subcommands() {
        self::command(texts, &format!("{name} {}", subcommand.get_name()), subcommand);
    }
}

fn alerts(texts: &mut Texts, value: &Value) {
    if let Some(name) = value["alert"].as_str() {
        for annotation in ["summary", "description"] {
            texts.row(
                &format!("{name} {annotation}"),
                value["annotations"][annotation].as_str().unwrap_or_default(),
            );
        }
    }
    let inner: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    };
    for value in inner {
        alerts(texts, value);
    }
}

/// The whole page.
pub fn page() -> String {
    let mut texts = Texts {
        page: "# Texts\n\nThis page lists the texts that users see, each once. `make generate` writes it from the \
               code, and\n`make prose` checks it: correct a text where it comes from. `…` stands for a value.\n"
            .to_owned(),
        ..Texts::default()
    };
    texts.section("Reasons");
    for reason in REASONS {
        texts.row(&format!("{} meaning", reason.name), reason.meaning);
        texts.row(&format!("{} action", reason.name), reason.action);
    }
    for path in yaml_files("crds") {
        for crd in documents(&std::fs::read_to_string(path).unwrap()) {
            texts.section(&format!("Fields and rules of {}", crd["spec"]["names"]["kind"].as_str().unwrap()));
            for version in crd["spec"]["versions"].as_array().unwrap() {
                let properties = &version["schema"]["openAPIV3Schema"]["properties"];
                for part in ["spec", "status"] {
                    schema(&mut texts, part, &properties[part]);
                }
            }
        }
    }
    texts.section("Command line");
    command(&mut texts, "logpilot-operator", &Cli::command());
    texts.section("Alerts");
    for path in yaml_files("tests/golden/examples") {
        for document in documents(&std::fs::read_to_string(path).unwrap()) {
            alerts(&mut texts, &document);
        }
    }
    for document in documents(&read("config/monitoring/rules.yaml")) {
        alerts(&mut texts, &document);
    }
    texts.section("Messages in the code");
    let mut files: Vec<(String, String)> = ["src", "crates"].into_iter().flat_map(rust_files).collect();
    files.sort();
    for (file, source) in files {
        if file.contains("/tests/") || file.ends_with("/tests.rs") {
            continue;
        }
        for literal in literals(&source).iter().filter(|it| is_prose(it)) {
            texts.row(&file, literal);
        }
    }
    texts.page
}
