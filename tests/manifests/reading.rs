//! The program reads manifests as kubectl does: its reader and kubectl itself process the same texts.

use std::{
    env,
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use logpilot_operator::manifest;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

use super::{kustomize::kubectl, yaml_files};

const SCALARS: usize = 3000;
const SEED: u64 = 13_370_489_961_137_072_803;
const TEXTS: usize = 120;

/// Texts that `plan` rejects and kubectl accepts, or the other way round, with the reason.
const DIFFERENCES: [(&str, &str); 4] = [
    (
        "is given twice",
        "kubectl takes the last of several; the API server, asked with YAML, refuses them as plan does",
    ),
    ("is a number; quote it", "kubectl writes such a key with an exponent, which nobody means"),
    ("found unexpected ':'", "kubectl reads `{a:}` as a key `a:`, which nobody means"),
    ("!!binary", "kubectl sends the bytes as text, whatever they are"),
];

#[test]
fn documents_are_read_as_by_kubectl() {
    let Some(kubectl) = required() else { return };
    let mut wrong = Vec::new();
    for text in written() {
        wrong.extend(difference(&kubectl, &text));
    }
    for path in yaml_files("examples") {
        wrong.extend(difference(&kubectl, &std::fs::read_to_string(path).unwrap()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Plain scalars of the characters that numbers, booleans and dates consist of.
#[test]
fn random_scalars_are_read_as_by_kubectl() {
    let Some(kubectl) = required() else { return };
    let mut random = seeded();
    let mut text = "kind: A\napiVersion: v1\nmetadata: {name: a}\nx:\n".to_owned();
    let letters: Vec<char> = "0011789__xXobB..eE+-:yYnNoOfFsS~<aTZ ".chars().collect();
    let mut count = 0;
    while count < SCALARS {
        let length = random.random_range(1..7);
        let scalar: String = (0..length).map(|_| letters[random.random_range(0..letters.len())]).collect();
        let scalar = scalar.trim();
        // Texts that are not plain scalars are covered by the other tests.
        if scalar.is_empty()
            || scalar.starts_with("- ")
            || scalar == "-"
            || scalar.contains(": ")
            || scalar.ends_with(':')
        {
            continue;
        }
        writeln!(text, "- {scalar}").unwrap();
        count += 1;
    }
    let wrong = difference(&kubectl, &text);
    assert!(wrong.is_none(), "{}", wrong.unwrap());
}

/// Examples with a few characters changed.
#[test]
fn broken_texts_are_rejected_as_by_kubectl() {
    let Some(kubectl) = required() else { return };
    let mut random = seeded();
    let sources: Vec<String> =
        yaml_files("examples").iter().map(|it| std::fs::read_to_string(it).unwrap()).collect();
    let pieces = [
        ":", " ", "  ", "\n", "- ", "'", "\"", "{", "}", "[", "]", ",", "#", "\t", "&a ", "*a", "!", "|",
        ">", "---\n", "...\n", "? ", "%", "@", "`", "<<: ", "yes", "0o7", "\\", "é", "\u{a0}",
    ];
    let mut wrong = Vec::new();
    let (mut read, mut refused) = (0, 0);
    for _ in 0..texts() {
        let mut text = sources[random.random_range(0..sources.len())].clone();
        for _ in 0..random.random_range(1..4) {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let at = places[random.random_range(0..places.len())];
            if random.random_bool(0.3) {
                text.remove(at);
            } else {
                text.insert_str(at, pieces[random.random_range(0..pieces.len())]);
            }
        }
        if manifest::read(text.as_bytes()).is_ok() {
            read += 1;
        } else {
            refused += 1;
        }
        wrong.extend(difference(&kubectl, &text));
    }
    println!("{read} texts read, {refused} refused");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn texts() -> usize {
    env::var("LOGPILOT_TEXTS").ok().and_then(|it| it.parse().ok()).unwrap_or(TEXTS)
}

/// `LOGPILOT_SEED` selects other texts. The default keeps the result of a commit the same on each run.
fn seeded() -> StdRng {
    let seed = env::var("LOGPILOT_SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(SEED);
    println!("LOGPILOT_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

fn required() -> Option<std::path::PathBuf> {
    let found = kubectl();
    if found.is_none() {
        let _ = writeln!(io::stderr(), "SKIPPED the reading of manifests: no kubectl; set KUBECTL");
    }
    found
}

/// Returns `None` if both read the same, or both reject the text.
fn difference(kubectl: &Path, text: &str) -> Option<String> {
    let (ours, theirs) = (ours(text), theirs(kubectl, text));
    // The text was read, and is not an object.
    if theirs.as_ref().is_err_and(|why| why.contains("unable to decode")) {
        return None;
    }
    if let Err(why) = &ours
        && DIFFERENCES.iter().any(|(known, _)| why.contains(known))
    {
        return None;
    }
    let same = match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => ours == theirs,
        (Err(_), Err(_)) => true,
        _ => false,
    };
    (!same).then(|| {
        format!("--- text\n{text}\n--- plan reads\n{}\n--- kubectl reads\n{}", told(&ours), told(&theirs))
    })
}

fn told(read: &Result<Vec<Value>, String>) -> String {
    match read {
        Ok(objects) => format!("{objects:#?}"),
        Err(why) => format!("refused: {why}"),
    }
}

fn ours(text: &str) -> Result<Vec<Value>, String> {
    let documents = manifest::read(text.as_bytes()).map_err(|error| error.to_string())?;
    // kubectl ignores documents that name no kind.
    if documents.iter().any(|it| it.value["kind"].as_str().is_none_or(str::is_empty)) {
        return Err("no kind".to_owned());
    }
    Ok(documents.into_iter().map(|it| floats(it.value)).collect())
}

/// Returns the objects that kubectl sends, by a command that needs no server and only adds an
/// annotation.
fn theirs(kubectl: &Path, text: &str) -> Result<Vec<Value>, String> {
    let mut child = Command::new(kubectl)
        .args(["annotate", "--local", "--output=json", "--filename=-", "read=here"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = text.to_owned();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        let nothing =
            ["no objects passed to annotate", "no resources found"].iter().any(|it| error.contains(it));
        return if nothing { Ok(Vec::new()) } else { Err(error) };
    }
    let objects = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    Ok(objects.map(|it| floats(without_annotation(it.unwrap()))).collect())
}

fn without_annotation(mut object: Value) -> Value {
    // kubectl adds no annotation to an object that it treats as a list.
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return object };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else {
        return object;
    };
    annotations.remove("read");
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    object
}

/// Numbers beyond 64 bits are floats, however they are written. Empty metadata is equivalent to none.
fn floats(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_i64().is_none() => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(floats).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(name, value)| {
                !(name == "metadata" && value.as_object().is_some_and(serde_json::Map::is_empty))
            })
            .map(|(name, value)| (name, floats(value)))
            .collect(),
        other => other,
    }
}

/// Texts for each detail in which YAML readers differ.
fn written() -> impl Iterator<Item = String> {
    let head = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n";
    let bodies = BODIES.iter().map(move |body| format!("{head}{body}"));
    bodies.chain(DOCUMENTS.iter().map(|&it| it.to_owned()))
}

/// Texts that may follow the head of an object.
const BODIES: &[&str] = &[
    "x: [yes, 0777, 0100, 1_000, 08, 0o17, .5_0, ._5, 1e3, 1.0, 1e21, 12345678901234567890, -0, 0x_1, 0b1_1, 1:30]\n",
    "x: [=, ~, null, Null, nULL, '', \"yes\", 'off', on, Off, y, N, 2001-1-1, 2001-12-14t21:59:43.10-05:00]\n",
    "x: [!!str yes, !!int \"3\", !!float \"3\", !foo bar, ! yes, !!bool on, !!null '', !!str 012]\n",
    "x: {1: a, 1.5: b, yes: c, 0x10: d}\n",
    "x: &x {a: 1, b: 2}\nz: {<<: *x, b: 3}\n",
    "x: &x {a: 1, b: 2}\nz: {b: 3, <<: *x}\n",
    "x: &x {a: 1}\nw: &w {a: 2, c: 3}\nz:\n  <<: [*x, *w]\n",
    "x: &x {a: {b: 1}}\nz:\n  <<: *x\n  a: {c: 1}\n",
    "x: &x\n- 1\nz: {<<: *x}\n",
    "z: {<<: 1}\n",
    "z: {\"<<\": {a: 1}}\n",
    "x: *nothing\n",
    "x: &x [*x]\n",
    "x: {null: 1}\n",
    "x: {? [a] : 1}\n",
    "? x\n: 1\n",
    "x:\n\tz: 1\n",
    "x: 1\t# tab\n",
    "x: |\n  text\n  ---\n  more\n",
    "x: >-\n  folded\n  text\n\n  end\n",
    "x: |+\n  kept\n\n",
    "x: \"a\\u00e9\\x41\\n\"\n",
    "x: 'it''s'\n",
    "x: a: b\n",
    "x: http://a:80/b?c=d#e\n",
    "x: [http://a:80/b, a:b, {c:d}]\n",
    "x: {a: http://b, c}\n",
    "x: [http://a?b, c]\n",
    "x: {a?b: 1}\n",
    "x: {a:}\n",
    "x: [a:, b]\n",
    "x: {a:,b: 1}\n",
    "x: {\"a\":1, 'b':2}\n",
    "x: [\"a\":1]\n",
    "x: [a: 1, ? b, ? c : 2]\n",
    "x: http://a?b\n",
    "x: a[0]{1},b\n",
    "x: [a[0]]\n",
    "x: [a]b\n",
    "x: \"a\"b\n",
    "x: &a\nz: *a\n",
    "x: !!str\n",
    "x: [a,, b]\n",
    "x: [, a]\n",
    "x: - a\n",
    "x: -\n",
    "x: ?a\n",
    "x: :a\n",
    "x: >2\n    a\n  b\n",
    "x: |1-\n a\n",
    "  x: 1\n",
    "x: @a\n",
    "x: `a`\n",
    "x: %a\n",
    "x: a #b\n",
    "x: a#b\n",
    "x:\n- a\n-  b\n- - c\n  - d\n",
    "x:\n  - a\n - b\n",
    "x: .inf\n",
    "x: -.INF\n",
    "x: .nan\n",
    "x: \"\\ud83d\\ude00\"\n",
    "x: \u{a0}\n",
    "x: \u{feff}a\n",
    "x: a\u{0}b\n",
    "x: a\r\nz: b\r\n",
    "x: !!binary aGk=\n",
    "x: !!int three\n",
    "x: !!timestamp 2001-01-01\n",
    "x: 1\n...\nz: 2\n",
    "x: 1\n---\n",
    "x: 1\n--- # a comment\n",
    "x: 1\n--- a: b\n",
    "x: 1\n---a\n",
    "x: 1\n...\n---\napiVersion: v1\nkind: B\n",
    "x: [1, 2\n",
    "x: {a: 1\n",
    "x: 'open\n",
    "x: 99999999999999999999999999\n",
    "x: -9223372036854775808\n",
    "x: -9223372036854775809\n",
    "x: 0x8000000000000000\n",
    "x: +9223372036854775808\n",
    "x: [1e400, 1E5, 1e-7, 1.5e300, 00, 0_0, 0b, 0x, 0o, 0o8, 09.5, 1_.5, 1__2]\n",
];

/// Whole texts.
const DOCUMENTS: &[&str] = &[
    "",
    "---\n",
    "# only a comment\n",
    "---\n# one\n---\n# two\n",
    "\u{feff}apiVersion: v1\nkind: A\n",
    "%YAML 1.1\n---\napiVersion: v1\nkind: A\n",
    "--- \napiVersion: v1\nkind: A\n",
    "{\"apiVersion\": \"v1\", \"kind\": \"A\", \"x\": 1.0}",
    "{\"apiVersion\": \"v1\", \"kind\": \"A\"}{\"apiVersion\": \"v1\", \"kind\": \"B\"}",
    "{\"apiVersion\": \"v1\", \"kind\": \"A\"}\n---\napiVersion: v1\nkind: B\n",
    "\n  {\"apiVersion\": \"v1\", \"kind\": \"A\", \"x\": \"\\ud83d\\ude00 \\/\"}\n",
    "{apiVersion: v1, kind: A, x: yes}\n",
    "{\"apiVersion\": \"v1\", \"kind\": \"A\",}\n",
    "[1, 2]\n",
    "text\n",
    "kind: A\n",
    "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A, x: 0777}\n- {apiVersion: v1, kind: B}\n",
    "apiVersion: v1\nkind: AList\nitems:\n- {apiVersion: v1, kind: A}\n",
    "apiVersion: v1\nkind: List\nitems: []\n",
    "apiVersion: v1\nkind: A\nkind: B\n",
];
