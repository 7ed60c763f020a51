//! The output of the demo: headings, commands with their output, and a table at the end.

use std::{fmt::Display, io::IsTerminal as _, time::Duration};

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const CYAN: &str = "36";
/// Longer lines of output are broken between words.
const WIDTH: usize = 112;

/// A sentence to the reader.
pub fn say(text: impl Display) {
    println!("   {text}");
}

/// The output of the demo. Colours only on a terminal, and not if `NO_COLOR` is set.
pub struct Page {
    colour: bool,
    headings: usize,
    rows: Vec<[String; 3]>,
}

impl Page {
    pub fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let head = ["step", "time", "requests of the operator, by the API server's audit log"];
        Self { colour, headings: 0, rows: vec![head.map(str::to_owned)] }
    }

    pub fn heading(&mut self, text: &str) {
        self.headings += 1;
        println!("\n{}", self.paint(BOLD, &format!("{}. {text}", self.headings)));
    }

    /// A command as the reader could type it.
    pub fn command(&self, text: &str) {
        println!("   {}", self.paint(CYAN, &format!("$ {text}")));
    }

    /// Prints the output of a program.
    pub fn output(&self, text: &str) {
        for line in text.lines() {
            let mut rest = line.trim_end();
            while let Some((limit, _)) = rest.char_indices().nth(WIDTH) {
                let at = rest[..limit].rfind(' ').unwrap_or(limit);
                println!("     {}", self.paint(DIM, &rest[..at]));
                rest = rest[at..].trim_start();
            }
            println!("     {}", self.paint(DIM, rest));
        }
    }

    /// The result of a step, which also becomes a row of the final table.
    pub fn result(&mut self, step: &str, took: Duration, requests: Option<&dyn Display>) {
        let took = match took.as_millis() {
            milliseconds @ 0..1000 => format!("{milliseconds} ms"),
            _ => format!("{:.1} s", took.as_secs_f64()),
        };
        let requests = requests.map(ToString::to_string);
        let told =
            requests.as_ref().map(|told| format!(" (requests of the operator: {told})")).unwrap_or_default();
        println!("   {} {step}: {took}{told}", self.paint(GREEN, "✓"));
        self.rows.push([step.to_owned(), took, requests.unwrap_or_else(|| "-".to_owned())]);
    }

    /// Prints every result again.
    pub fn summary(&self) {
        println!("\n{}", self.paint(BOLD, "Summary"));
        let width = self.rows.iter().map(|[step, ..]| step.chars().count()).max().unwrap_or(0);
        for (number, [step, took, requests]) in self.rows.iter().enumerate() {
            let line = format!("   {step:width$}  {took:>6}  {requests}");
            println!("{}", if number == 0 { self.paint(DIM, &line) } else { line });
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
