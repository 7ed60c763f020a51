//! Files that `make generate` writes: the operator's role, the rules of its admission policy and the
//! table of rights in SECURITY.md, which are derived from the kind table, the table of reasons, and
//! the page of texts. Other text in these files is maintained by hand.

#![allow(clippy::expect_used, clippy::format_collect, reason = "a test, and a page of text")]

use std::{collections::BTreeMap, fmt::Write, fs};

use logpilot_operator::{
    kinds::KINDS,
    reasons::{REASONS, Reason},
};

use super::{rbac::OWN, read, root, security, texts};

const ROLE: &str = "config/rbac/role.yaml";
const POLICY: &str = "config/admission/operator_reach.yaml";
const SECURITY: &str = "SECURITY.md";
const REASONS_PAGE: &str = "docs/reasons.md";
const TEXTS_PAGE: &str = "docs/dev/texts.md";

/// Width of a wrapped comment, in columns.
const WIDTH: usize = 100;

struct Rule {
    group: &'static str,
    resources: Vec<&'static str>,
    verbs: &'static [&'static str],
    purpose: &'static str,
}

/// Returns the permissions outside the kind table, then those of each kind. Kinds with the same group
/// and purpose share a rule.
fn rules() -> Vec<Rule> {
    let mut rules: Vec<Rule> = OWN
        .iter()
        .map(|&(group, resource, verbs, purpose)| Rule { group, resources: vec![resource], verbs, purpose })
        .collect();
    for kind in KINDS {
        let (group, verbs, purpose) = (kind.group, kind.management.verbs(), kind.purpose);
        let same = |rule: &&mut Rule| (rule.group, rule.verbs, rule.purpose) == (group, verbs, purpose);
        match rules.iter_mut().find(same) {
            Some(rule) => rule.resources.push(kind.plural),
            None => rules.push(Rule { group, resources: vec![kind.plural], verbs, purpose }),
        }
    }
    for rule in &mut rules {
        rule.resources.sort_unstable();
    }
    rules
}

fn comment(text: &str) -> String {
    let mut lines = vec![String::from("  #")];
    for word in text.split(' ') {
        if lines.last().unwrap().len() + 1 + word.len() > WIDTH {
            lines.push(String::from("  #"));
        }
        let line = lines.last_mut().unwrap();
        line.push(' ');
        line.push_str(word);
    }
    lines.join("\n")
}

fn group(name: &str) -> String {
    if name.is_empty() { "\"\"".to_owned() } else { name.to_owned() }
}

fn role(now: &str) -> String {
    let (head, _) = now.split_once("\nrules:\n").expect("a role has rules");
    let rule = |rule: &Rule| {
        let (comment, group) = (comment(rule.purpose), group(rule.group));
        let (resources, verbs) = (rule.resources.join(", "), rule.verbs.join(", "));
        format!("{comment}\n  - apiGroups: [{group}]\n    resources: [{resources}]\n    verbs: [{verbs}]\n")
    };
    format!("{head}\nrules:\n{}", rules().iter().map(rule).collect::<String>())
}

/// The policy covers every kind that the role allows the operator to write in any namespace. Events are
/// the exception: they are only informative, and a lost event breaks nothing.
fn policy(now: &str) -> String {
    const BEGIN: &str = "    resourceRules:\n";
    const END: &str = "  matchConditions:\n";
    let mut written = BTreeMap::<&str, Vec<&str>>::new();
    for rule in rules() {
        let writes = rule.verbs.iter().any(|verb| ["create", "patch", "delete"].contains(verb));
        if writes && rule.group != "events.k8s.io" && rule.group != logpilot_operator::api::GROUP {
            written.entry(rule.group).or_default().extend(&rule.resources);
        }
    }
    let mut text = String::new();
    for (name, mut resources) in written {
        resources.sort_unstable();
        let resources: String = resources.iter().map(|it| format!("          - {it}\n")).collect();
        let _ = write!(
            text,
            "      - apiGroups: [{}]\n        apiVersions: [\"*\"]\n        resources:\n{resources}        \
             operations: [CREATE, UPDATE, DELETE]\n",
            group(name)
        );
    }
    let (head, rest) = now.split_once(BEGIN).expect("a policy has rules");
    let (_, tail) = rest.split_once(END).expect("a policy has conditions");
    format!("{head}{BEGIN}{text}{END}{tail}")
}

/// Returns the table of permissions from the written roles: a row for each rule.
fn rights(now: &str, role: &str) -> String {
    let rows = security::rules(role).into_iter().chain(security::rules(&read("config/rbac/lease.yaml")));
    let rows: String = rows.map(|row| format!("| {} |\n", row.join(" | "))).collect();
    let (head, rest) = now.split_once(security::RIGHTS).expect("SECURITY.md has a table of rights");
    let tail: String = rest.split_inclusive('\n').skip(1).skip_while(|line| line.starts_with('|')).collect();
    format!("{head}{}\n|---|---|---|\n{rows}{tail}", security::RIGHTS)
}

/// Returns the table of reasons, after its introduction.
fn reasons(now: &str) -> String {
    const BEGIN: &str = "| Reason | Meaning | What to do |\n| --- | --- | --- |\n";
    let (head, _) = now.split_once(BEGIN).expect("docs/reasons.md has a table of reasons");
    let row = |it: &Reason| format!("| {} | {} | {} |\n", it.name, it.meaning, it.action);
    format!("{head}{BEGIN}{}", REASONS.iter().map(row).collect::<String>())
}

/// Writes the files if `UPDATE_GENERATED` is set, as `make generate` does.
#[test]
fn generated_files_are_up_to_date() {
    let role = role(&read(ROLE));
    let files = [
        (POLICY, policy(&read(POLICY))),
        (SECURITY, rights(&read(SECURITY), &role)),
        (ROLE, role),
        (REASONS_PAGE, reasons(&read(REASONS_PAGE))),
        (TEXTS_PAGE, texts::page()),
    ];
    for (file, text) in files {
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(root().join(file), &text).unwrap();
        }
        let line = read(file).lines().zip(text.lines()).position(|(now, wanted)| now != wanted);
        assert!(
            read(file) == text,
            "{file} is out of date from line {}; run `make generate`",
            line.unwrap_or_default() + 1
        );
    }
}
