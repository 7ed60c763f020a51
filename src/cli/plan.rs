//! The `plan` command: prints the objects that manifests would create, or all violations with file,
//! line and path.

use std::{
    fmt, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::print;
use crate::{
    api::{self, GROUP, status::Problem},
    logpilot::{patches, warnings::warnings},
    manifest::{self, Document, Place},
    stack,
    verdict::{Judge, Refusal, Remark},
    workload::patch::structure::nearest,
};

/// The kinds that a plan can be made of.
const KINDS: [&str; 2] = [api::KIND, stack::api::KIND];

/// The exit code for rejected input, which is also that of clap for an invalid command line.
pub const REFUSED: u8 = 2;

pub const HELP: &str = "\
The command parses the input as kubectl does, validates it as the API server does with strict field validation, and then
as the operator does. It ignores objects of other kinds and prints warnings to standard error.

Exit codes:
  0  all resources are valid; their objects are printed
  2  a resource is invalid or cannot be read; only the reasons are printed
  1  any other failure";

/// The objects that manifests would create.
#[derive(Debug)]
pub struct Shown {
    /// The objects as YAML documents, in apply order.
    pub plans: String,
    pub warnings: Vec<String>,
}

/// The reasons why manifests are rejected, in the order of the text.
#[derive(Debug)]
pub struct Refused(Vec<String>);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("\nerror: "))
    }
}

/// Returns the plans of all resources in the files, or all violations of any of them.
///
/// # Errors
/// Returns one line for each reason, with the file, the line and the column.
pub fn plan(files: &[PathBuf]) -> Result<Shown, Refused> {
    let mut inputs = Vec::new();
    let mut refused = Vec::new();
    for path in files {
        match contents(path) {
            Ok(contents) => inputs.extend(contents),
            Err(error) => refused.push(format!("{}: {error}", name(path))),
        }
    }
    let (clusters, stacks) = (Judge::new(), Judge::of_stacks());
    let mut shown = Shown { plans: String::new(), warnings: Vec::new() };
    let mut resources = 0;
    for (path, bytes) in &inputs {
        match manifest::read(bytes) {
            Ok(documents) => {
                for document in documents.iter().filter(|it| is_meant(it)) {
                    resources += 1;
                    let of_stacks = kind(document) == stack::api::KIND;
                    let judge = if of_stacks { &stacks } else { &clusters };
                    match judge_one(judge, of_stacks, document) {
                        Ok(accepted) => {
                            shown.plans.push_str(&accepted.plans);
                            let start = document.places.start();
                            shown
                                .warnings
                                .extend(remarks(judge, document).map(|(at, it)| line(path, at, &it)));
                            let warnings = accepted.warnings.iter().map(|it| line(path, start, it));
                            shown.warnings.extend(warnings);
                        }
                        Err(reasons) => {
                            refused.extend(reasons.iter().map(|(place, why)| line(path, *place, why)));
                        }
                    }
                }
            }
            Err(error) => refused.push(line(path, error.place, &error.message)),
        }
    }
    if resources == 0 && refused.is_empty() {
        let names: Vec<_> = files.iter().map(|it| name(it)).collect();
        refused.push(format!("{}: contains no {}", names.join(", "), KINDS.join(" and no ")));
    }
    if refused.is_empty() { Ok(shown) } else { Err(Refused(refused)) }
}

/// Returns `true` for an object of this operator by its kind or its group, even if one of the two
/// is misspelled or missing.
fn is_meant(document: &Document) -> bool {
    let text = |field: &str| document.value.get(field).and_then(|it| it.as_str());
    match (text("apiVersion"), text("kind")) {
        (Some(version), Some(kind)) => {
            version.split('/').next() == Some(GROUP)
                || KINDS.iter().any(|known| kind.eq_ignore_ascii_case(known))
        }
        _ => true,
    }
}

/// Returns the kind by which a document is judged: its own, or the nearest one if that is misspelled.
fn kind(document: &Document) -> &str {
    let given = document.value.get("kind").and_then(|it| it.as_str()).unwrap_or_default();
    nearest(given, KINDS.into_iter()).unwrap_or(api::KIND)
}

/// Returns the fields that are dropped silently, in the order of the text.
fn remarks(judge: &Judge, document: &Document) -> impl Iterator<Item = (Place, String)> + use<> {
    let of = |it: Remark| {
        let path = document.places.pretty(&it.path);
        (document.places.of(&it.path), format!("{path}: {}", it.message))
    };
    let mut found: Vec<_> = judge.remarks(&document.value).into_iter().map(of).collect();
    found.sort();
    found.into_iter()
}

/// Returns the plan of a document and its warnings, without those about dropped fields.
fn judge_one(judge: &Judge, of_stacks: bool, document: &Document) -> Result<Shown, Vec<(Place, String)>> {
    let judged = if of_stacks { stack(judge, document) } else { cluster(judge, document) };
    let repeated = document.repeated.iter().map(|it| {
        let why = "is given twice; kubectl would silently use the last one";
        (it.place, format!("{}: {why}", it.path))
    });
    let mut reasons: Vec<_> = repeated.collect();
    if let Err(refusals) = &judged {
        reasons.extend(refusals.iter().map(|it| {
            let path = document.places.pretty(&it.path);
            let why = if path.is_empty() { it.message.clone() } else { format!("{path}: {}", it.message) };
            (document.places.of(&it.path), why)
        }));
    }
    match judged {
        Ok(shown) if reasons.is_empty() => Ok(shown),
        _ => {
            reasons.sort();
            reasons.dedup();
            Err(reasons)
        }
    }
}

fn cluster(judge: &Judge, document: &Document) -> Result<Shown, Vec<Refusal>> {
    let cluster = judge.judge(&document.value)?;
    let plan = print::planned(&cluster);
    let told = warnings(&cluster).into_iter().chain(patches::unmatched(&cluster, &plan));
    Ok(Shown { plans: print::print(&plan), warnings: told.map(|it| sentence(&it)).collect() })
}

fn stack(judge: &Judge, document: &Document) -> Result<Shown, Vec<Refusal>> {
    let stack = judge.judge_stack(&document.value)?;
    let told = stack::warnings::warnings(&stack).into_iter().map(|it| sentence(&it.problem));
    Ok(Shown { plans: print::stack(&stack), warnings: told.collect() })
}

fn sentence(it: &Problem) -> String {
    format!("{}: {}: {}. {}", it.reason, it.object, it.message, it.action)
}

fn line(path: &Path, place: Place, what: &str) -> String {
    format!("{}:{}:{}: {what}", name(path), place.line, place.column)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn name(path: &Path) -> String {
    if is_stdin(path) { "stdin".to_owned() } else { path.display().to_string() }
}

/// Returns the bytes of a file, or of each manifest of a directory.
fn contents(path: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    if is_stdin(path) {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes)?;
        return Ok(vec![(path.to_owned(), bytes)]);
    }
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = fs::read_dir(path)?.map(|entry| entry.map(|it| it.path()));
        let is_manifest = |path: &PathBuf| {
            path.extension().is_some_and(|it| ["yaml", "yml", "json"].iter().any(|known| it == *known))
        };
        files = entries.filter(|it| it.as_ref().map_or(true, is_manifest)).collect::<io::Result<_>>()?;
        files.sort();
    }
    files.into_iter().map(|path| fs::read(&path).map(|bytes| (path, bytes))).collect()
}
