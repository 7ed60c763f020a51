//! What explains the end of a container, from the end of what it wrote.
//!
//! A kubelet keeps the last 2,048 bytes of a container's log, so the text may begin in the middle of a line. Java prints
//! the outermost exception first and the root cause last, each with its frames: the last `Caused by` is what explains.
//! In eleven failed starts of Spring Boot 3.3 with Hikari and a JDBC driver it stood 55 to 1,714 bytes before the end. An exception
//! that nothing wraps stood 4,000 before it: then only frames are left.
//!
//! An exception that a program logged below ERROR, and after which its log goes on, was handled: it ended nothing.

mod json_log;

/// Most characters that are kept of one end.
const MAX_CHARS: usize = 512;
/// Part of [`MAX_CHARS`] for the advice of Spring's failure analysis.
const MAX_ACTION_CHARS: usize = 120;
/// A text of this length was cut by the kubelet, at 2,048 bytes or before a character that did not fit.
const CUT_BYTES: usize = 2045;

/// Part of [`MAX_CHARS`] for an error that was logged after the exception that explains the end.
const MAX_AFTERWARDS_CHARS: usize = 160;

const CAUSED_BY: &str = "Caused by: ";

/// Stands between an exception and an error that was logged after it.
pub const AFTERWARDS: &str = "; afterwards: ";

/// The end of a container's log, reduced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LastWords {
    /// It wrote nothing, or only stack frames are left.
    #[default]
    Nothing,
    /// An exception, an error, Spring's failure analysis; or all there is of a program that has no log levels.
    Cause(String),
    /// The last line of a log in which no error is left. It tells how far the program was.
    LogLine(String),
}

impl LastWords {
    /// Reduces a termination message to one line of at most 512 characters.
    #[must_use]
    pub fn read(message: &str) -> Self {
        let text = json_log::plain(message);
        let cut = message.len() >= CUT_BYTES;
        let lines: Vec<Line<'_>> = text
            .lines()
            .enumerate()
            .map(|(number, line)| Line::read(line.trim_end(), cut && number == 0))
            .collect();
        let cause = vm_crash(&lines).or_else(|| failure_analysis(&lines)).or_else(|| exception(&lines));
        if let Some(cause) = cause {
            return Self::Cause(shorten(&cause, MAX_CHARS));
        }
        last_lines(&lines)
    }

    /// Whatever is left of it; empty where nothing is.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Nothing => "",
            Self::Cause(text) | Self::LogLine(text) => text,
        }
    }
}

/// One line and what it is.
struct Line<'a> {
    text: &'a str,
    /// What is left of it, where the kubelet cut its beginning off.
    partial: bool,
    role: LineKind<'a>,
}

#[derive(PartialEq)]
enum LineKind<'a> {
    Blank,
    /// A stack frame, or the number of those left out.
    Frame,
    /// `Caused by:`, an exception's first line, or an error of the JVM.
    Cause(&'a str),
    /// An exception around the one before, where the root cause is printed first.
    Wrapper(&'a str),
    /// A line of Spring Boot's log: whether it is an error, and its message.
    Log {
        error: bool,
        message: &'a str,
    },
    /// Says nothing of its own.
    Noise,
    Text,
}

impl<'a> Line<'a> {
    fn read(text: &'a str, partial: bool) -> Self {
        Self { text, partial, role: role(text, partial) }
    }

    /// As a part of a message.
    fn words(&self) -> String {
        let words = match self.role {
            LineKind::Cause(words) | LineKind::Wrapper(words) | LineKind::Log { message: words, .. } => words,
            _ => self.text.trim_start_matches(['#', '\t', ' ']),
        };
        // Where nothing was taken off the beginning of the line, it may be the middle of a word.
        let mark = if self.partial && words.len() == self.text.len() { "…" } else { "" };
        format!("{mark}{words}")
    }

    fn is(&self, text: &str) -> bool {
        self.text.trim() == text
    }
}

fn role(text: &str, partial: bool) -> LineKind<'_> {
    let trimmed = text.trim_start();
    if trimmed.is_empty() || trimmed == "#" {
        return LineKind::Blank;
    }
    if is_frame(trimmed) || partial && is_end_of_frame(trimmed) {
        return LineKind::Frame;
    }
    if is_noise(trimmed) {
        return LineKind::Noise;
    }
    if let Some((error, message)) = log_line(text) {
        return LineKind::Log { error, message };
    }
    // Those of suppressed exceptions are indented.
    if let Some(cause) = text.strip_prefix(CAUSED_BY).or_else(|| cut_cause(text).filter(|_| partial)) {
        return LineKind::Cause(cause);
    }
    if let Some(wrapper) = text.strip_prefix("Wrapped by: ") {
        return LineKind::Wrapper(wrapper);
    }
    if is_exception(text) {
        return LineKind::Cause(text);
    }
    jvm_error(text).map_or(LineKind::Text, LineKind::Cause)
}

/// What follows the rest of a `Caused by: ` that was cut.
fn cut_cause(text: &str) -> Option<&str> {
    (1..CAUSED_BY.len() - 1).find_map(|start| text.strip_prefix(CAUSED_BY.get(start..)?))
}

fn is_frame(trimmed: &str) -> bool {
    let omitted = |rest: &str| rest.ends_with(" more") || rest.ends_with(" omitted");
    trimmed.strip_prefix("at ").is_some_and(|rest| rest.contains('(') || !rest.contains(' '))
        || trimmed.strip_prefix("... ").is_some_and(omitted)
}

/// A single word, or the place of a frame in its file or archive.
fn is_end_of_frame(text: &str) -> bool {
    !text.contains(' ')
        || text.ends_with(" omitted")
        || ["~[", ".java:", "Native Method)"].iter().any(|it| text.contains(it))
}

/// What the JVM adds to every failed start, and to every start.
fn is_noise(trimmed: &str) -> bool {
    const NOISE: [&str; 5] = [
        "Picked up ",
        "Error: Could not create the Java Virtual Machine",
        "Error: A fatal exception has occurred",
        "Error starting ApplicationContext. To display",
        "***",
    ];
    NOISE.iter().any(|noise| trimmed.starts_with(noise))
}

/// A class name with its package, alone or before a colon: `java.io.IOException: No space left on device`.
fn is_exception(text: &str) -> bool {
    let text = text
        .strip_prefix("Exception in thread \"")
        .and_then(|rest| rest.split_once("\" "))
        .map_or(text, |it| it.1);
    let class = text.split(':').next().unwrap_or_default();
    let name = class.rsplit(['.', '$']).next().unwrap_or_default();
    class.contains('.')
        && class.chars().all(|char| char.is_alphanumeric() || ".$_".contains(char))
        && ["Exception", "Error", "Failure"].iter().any(|end| name.ends_with(end))
}

/// What a JVM says that cannot start or go on.
fn jvm_error(text: &str) -> Option<&str> {
    const ERRORS: [&str; 9] = [
        "Error: ",
        "Error occurred during initialization of VM",
        "Error opening zip file",
        "Unrecognized ",
        "Invalid ",
        "Terminating due to ",
        "Aborting due to ",
        "There is insufficient memory",
        "A fatal error has been detected",
    ];
    let text = text.strip_prefix("# ").unwrap_or(text);
    ERRORS.iter().any(|error| text.starts_with(error)).then_some(text)
}

/// `2026-11-21T09:16:26.410Z ERROR 951 --- [app] [thread] logger : message`, and the form before there is a
/// configuration: `09:16:41.086 [main] ERROR logger -- message`.
fn log_line(text: &str) -> Option<(bool, &str)> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (head, message) = match text.split_once(" --- ") {
        Some((head, rest)) => (head, rest.split_once(" : ").map_or("", |it| it.1)),
        None => text.split_once(" -- ")?,
    };
    let mut words = head.split_whitespace();
    let level = words.find(|word| ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].contains(word))?;
    Some((matches!(level, "ERROR" | "FATAL"), message))
}

/// What the JVM writes when it crashes itself: the signal or internal error, and the frame in which it happened. Addresses
/// and process IDs are left out: they differ from crash to crash.
fn vm_crash(lines: &[Line<'_>]) -> Option<String> {
    let told = |line: &Line<'_>| line.text.strip_prefix("#  ").map(str::to_owned);
    let is_crash = |text: &str| ["SIG", "Internal Error"].iter().any(|it| text.starts_with(it));
    let at = lines.iter().rposition(|line| told(line).is_some_and(|text| is_crash(&text)))?;
    let (_, from) = lines.split_at_checked(at)?;
    let first = told(from.first()?)?;
    let signal = first.split(" at pc=").next().and_then(|text| text.split(", pid=").next())?;
    // An internal error has its words in the next line.
    let words = from.get(1).and_then(told).map(|text| format!(": {text}")).unwrap_or_default();
    let title = from.iter().position(|line| line.is("# Problematic frame:"));
    let frame = title.and_then(|title| from.get(title + 1)).map(|line| line.text.trim_start_matches('#'));
    let frame = frame.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let frame = frame.map(|frame| format!("; problematic frame: {frame}")).unwrap_or_default();
    Some(format!("A fatal error has been detected by the Java Runtime Environment: {signal}{words}{frame}"))
}

/// Spring's own explanation of a failed start: what is wrong, and what to do.
fn failure_analysis(lines: &[Line<'_>]) -> Option<String> {
    let action = lines.iter().rposition(|line| line.is("Action:"))?;
    let (before, after) = lines.split_at_checked(action)?;
    let description = before.iter().rposition(|line| line.is("Description:")).map_or(0, |title| title + 1);
    let joined = |lines: &[Line<'_>]| {
        let told = lines
            .iter()
            .filter(|line| !matches!(line.role, LineKind::Blank | LineKind::Frame | LineKind::Noise));
        told.map(Line::words).collect::<Vec<_>>().join(" ")
    };
    let end = after.iter().position(|line| matches!(line.role, LineKind::Log { .. })).unwrap_or(after.len());
    let action = shorten(&joined(after.get(1..end)?), MAX_ACTION_CHARS);
    let description = without_middle(&joined(before.get(description..)?), MAX_CHARS - MAX_ACTION_CHARS - 16);
    Some(match (description.is_empty(), action.is_empty()) {
        (true, true) => return None,
        (false, true) => description,
        (true, false) => format!("Action: {action}"),
        (false, false) => format!("{description}; Action: {action}"),
    })
}

/// The last exception of the text that was not handled, with the lines of its message. Of one that is printed with its
/// root cause first, that is the one before all others.
fn exception(lines: &[Line<'_>]) -> Option<String> {
    let is_cause = |line: &Line<'_>| matches!(line.role, LineKind::Cause(_));
    let of_causes = (0..lines.len()).rev().filter(|place| lines.get(*place).is_some_and(is_cause));
    let last = of_causes
        .into_iter()
        .find(|place| !is_handled(lines, *place))
        .or_else(|| lines.iter().position(|line| matches!(line.role, LineKind::Wrapper(_))))
        // The beginning of the root cause is cut off, and its frames follow.
        .or_else(|| cut_message(lines))?;
    let (before, from) = lines.split_at_checked(last)?;
    let first = from.first()?.words();
    let more = from.iter().skip(1).take_while(|line| line.role == LineKind::Text);
    let root = more.fold(first, |all, line| format!("{all} {}", line.words().trim_start()));
    let root = format!("{root}{}", file_of(before, &root));
    // The exception explains what the log says after it, as that a pool or an application did not start.
    let is_error = |line: &&Line<'_>| matches!(line.role, LineKind::Log { error: true, .. });
    let Some(error) = from.iter().rfind(is_error).map(|line| shorten(&line.words(), MAX_AFTERWARDS_CHARS))
    else {
        return Some(root);
    };
    let left = MAX_CHARS - AFTERWARDS.len() - error.chars().count();
    Some(format!("{}{AFTERWARDS}{error}", shorten(&root, left)))
}

/// Whether the log went on after an exception that was logged below ERROR. What the JVM says itself, and what a thread did
/// not catch, is handled by nobody.
fn is_handled(lines: &[Line<'_>], place: usize) -> bool {
    let Some((before, from)) = lines.split_at_checked(place) else { return false };
    let is_log = |line: &Line<'_>| matches!(line.role, LineKind::Log { .. });
    let Some(header) = before.iter().rposition(is_log) else { return false };
    let trace = before.get(header..).unwrap_or_default().iter().chain(from.first());
    let mut trace = trace.map(|line| (line.text, &line.role));
    let own = |text: &str| jvm_error(text).is_some() || text.starts_with("Exception in thread");
    from.iter().any(is_log)
        && !trace.any(|(text, role)| own(text) || matches!(role, LineKind::Log { error: true, .. }))
}

/// The exception around one about a file that does not name it, if that one does: it tells whose disk is full.
fn file_of(before: &[Line<'_>], root: &str) -> String {
    const TROUBLE: [&str; 3] = ["No space left on device", "Read-only file system", "Disk quota exceeded"];
    if root.contains('/') || !TROUBLE.iter().any(|words| root.contains(words)) {
        return String::new();
    }
    let around = before.iter().rev().find(|line| line.role != LineKind::Frame);
    match around.map(|line| &line.role) {
        Some(LineKind::Cause(words)) if words.contains('/') => {
            format!("; in: {}", shorten(words, MAX_ACTION_CHARS))
        }
        _ => String::new(),
    }
}

/// The first line, where it is what is left of a message that has frames.
fn cut_message(lines: &[Line<'_>]) -> Option<usize> {
    let [first, second, ..] = lines else { return None };
    (first.partial && first.role == LineKind::Text && second.role == LineKind::Frame).then_some(0)
}

/// The last error of a log, else its last line; all there is of what has no log lines.
fn last_lines(lines: &[Line<'_>]) -> LastWords {
    let is_log = |line: &Line<'_>| matches!(line.role, LineKind::Log { .. });
    let error = |line: &Line<'_>| matches!(line.role, LineKind::Log { error: true, .. });
    let Some(last) = lines.iter().rposition(error).or_else(|| lines.iter().rposition(is_log)) else {
        let told = lines.iter().filter(|line| matches!(line.role, LineKind::Text));
        let words = told.map(Line::words).collect::<Vec<_>>().join(" ");
        return if words.is_empty() { LastWords::Nothing } else { LastWords::Cause(last_chars(&words)) };
    };
    let (_, from) = lines.split_at(last);
    let more =
        from.iter().skip(1).take_while(|line| !is_log(line)).filter(|line| line.role == LineKind::Text);
    let words = from.iter().take(1).chain(more).map(Line::words).collect::<Vec<_>>().join(" ");
    let words = shorten(words.trim(), MAX_CHARS);
    if from.first().is_some_and(error) { LastWords::Cause(words) } else { LastWords::LogLine(words) }
}

fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn last_chars(text: &str) -> String {
    let skip = text.chars().count().saturating_sub(MAX_CHARS);
    text.chars().skip(skip).collect()
}

/// Beginning and end: a description begins with what was wanted and ends with the reason.
fn without_middle(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let half = most / 2;
    text.chars().take(half).chain(['…']).chain(text.chars().skip(count - half + 1)).collect()
}
