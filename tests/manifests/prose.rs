//! The prose check finds what it is for: `tests/prose`, with the rules of `.vale.ini`.

use std::{fs, process::Command};

use super::root;

/// Each sentence breaks the rule in front of it.
const PLANTED: [(&str, &str); 10] = [
    ("House.Subject", "/// Who reads this learns nothing."),
    ("House.Subject", "/// Of both kinds: the pods keep their logs."),
    ("House.Subject", "/// That a pod runs is shown in the status."),
    ("House.Fragment", "/// None for a pod without volumes."),
    ("House.Actors", "/// The operator waits until somebody creates the Secret."),
    ("House.Terms", "/// The operator puts it right."),
    ("House.Claim", "/// The pod mounts the claim."),
    ("House.Spelling", "/// The operator recieves an event."),
    ("House.British", "/// The dashboard shows another color."),
    (
        "Width",
        "/// The operator deletes an object that is no longer planned, with preconditions on its UID and on its resourceVersion.",
    ),
];

#[test]
fn planted_sentences_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("planted.rs");
    let mut text = "//! The operator reconciles resources.\n\n".to_owned();
    for (_, line) in PLANTED {
        text.push_str(line);
        text.push_str("\nfn item() {}\n\n");
    }
    fs::write(&file, text).unwrap();

    let output = Command::new(root().join("tests/prose")).arg(&file).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let found: Vec<(usize, &str)> = printed
        .lines()
        .filter_map(|line| line.strip_prefix(file.to_str().unwrap())?.strip_prefix(':'))
        .map(|finding| {
            let mut parts = finding.split(':');
            (parts.next().unwrap().parse().unwrap(), parts.nth(1).unwrap())
        })
        .collect();
    let expected: Vec<_> =
        PLANTED.iter().enumerate().map(|(index, (rule, _))| (3 + 3 * index, *rule)).collect();
    assert_eq!(found, expected, "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success(), "a finding fails the check");
}
