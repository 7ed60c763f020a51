//! Extracts the cause of a container's termination from the end of its log.
//!
//! The kubelet keeps the last 2,048 bytes of a container's log, so the text may begin in the middle of
//! a line. Java prints the outermost exception first and the root cause last, each with its stack
//! frames: the last `Caused by` is the cause. In eleven failed starts of Spring Boot 3.3 with Hikari
//! and a JDBC driver, it was 55 to 1,714 bytes before the end. An exception without a wrapper was 4,000
//! bytes before the end; then only frames are left.
//!
//! An exception that a program logged below ERROR, and after which its log goes on, was handled: it did
//! not terminate the program.

mod json_log;

/// Longest text that is kept of one termination, in characters.
const MAX_CHARS: usize = 512;
/// Part of [`MAX_CHARS`] for the advice of Spring's failure analysis.
const MAX_ACTION_CHARS: usize = 120;
/// A text of at least this length was truncated by the kubelet, at 2,048 bytes or before a character
/// that did not fit.
const CUT_BYTES: usize = 2045;

/// Part of [`MAX_CHARS`] for an error that was logged after the exception that is the cause.
const MAX_AFTERWARDS_CHARS: usize = 160;

const CAUSED_BY: &str = "Caused by: ";

/// Separates an exception from an error that was logged after it.
pub const AFTERWARDS: &str = "; afterwards: ";

/// The end of a container's log, reduced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LastWords {
    /// The log is empty, or only stack frames are left.
    #[default]
    Nothing,
    /// An exception, an error, or Spring's failure analysis. For a program without log levels:
    /// everything that is left of the log.
    Cause(String),
    /// The last line of a log that contains no error. It shows how far the program got.
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

    /// Returns the text that is left, which may be empty.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Nothing => "",
            Self::Cause(text) | Self::LogLine(text) => text,
        }
    }
}

/// One line and its kind.
struct Line<'a> {
    text: &'a str,
    /// True if the kubelet cut off the beginning of the line.
    partial: bool,
    role: LineKind<'a>,
}

#[derive(PartialEq)]
enum LineKind<'a> {
    Blank,
    /// A stack frame, or the number of omitted frames.
    Frame,
    /// `Caused by:`, the first line of an exception, or an error of the JVM.
    Cause(&'a str),
    /// An exception that wraps the preceding one, in logs that print the root cause first.
    Wrapper(&'a str),
    /// A line of Spring Boot's log: whether it is an error, and its message.
    Log {
        error: bool,
        message: &'a str,
    },
    /// A line without any information of its own.
    Noise,
    Text,
}

impl<'a> Line<'a> {
    fn read(text: &'a str, partial: bool) -> Self {
        Self { text, partial, role: role(text, partial) }
    }

    /// The line's text as part of a message.
    fn words(&self) -> String {
        let words = match self.role {
            LineKind::Cause(words) | LineKind::Wrapper(words) | LineKind::Log { message: words, .. } => words,
            _ => self.text.trim_start_matches(['#', '\t', ' ']),
        };
        // If nothing was removed from the beginning of the line, the text may start in the middle of a
        // word.
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
    // The causes of suppressed exceptions are indented.
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

/// Returns the text after the rest of a truncated `Caused by: `.
fn cut_cause(text: &str) -> Option<&str> {
    (1..CAUSED_BY.len() - 1).find_map(|start| text.strip_prefix(CAUSED_BY.get(start..)?))
}

fn is_frame(trimmed: &str) -> bool {
    let omitted = |rest: &str| rest.ends_with(" more") || rest.ends_with(" omitted");
    trimmed.strip_prefix("at ").is_some_and(|rest| rest.contains('(') || !rest.contains(' '))
        || trimmed.strip_prefix("... ").is_some_and(omitted)
}

/// Returns whether a text is the end of a frame: a single word, or the frame's position in its file or
/// archive.
fn is_end_of_frame(text: &str) -> bool {
    !text.contains(' ')
        || text.ends_with(" omitted")
        || ["~[", ".java:", "Native Method)"].iter().any(|it| text.contains(it))
}

/// Returns whether a line is part of the JVM's output for every failed start, or for every start.
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

/// Returns whether a text is a class name with its package, alone or before a colon:
/// `java.io.IOException: No space left on device`.
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

/// Returns the message of a JVM that cannot start or continue.
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

/// Parses a log line: `2026-11-21T09:16:26.410Z ERROR 951 --- [app] [thread] logger : message`, or the
/// form before the configuration is loaded: `09:16:41.086 [main] ERROR logger -- message`.
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

/// Summarises a crash of the JVM itself: the signal or internal error, and the frame in which it
/// happened. Addresses and process IDs are omitted because they differ from crash to crash.
fn vm_crash(lines: &[Line<'_>]) -> Option<String> {
    let told = |line: &Line<'_>| line.text.strip_prefix("#  ").map(str::to_owned);
    let is_crash = |text: &str| ["SIG", "Internal Error"].iter().any(|it| text.starts_with(it));
    let at = lines.iter().rposition(|line| told(line).is_some_and(|text| is_crash(&text)))?;
    let (_, from) = lines.split_at_checked(at)?;
    let first = told(from.first()?)?;
    let signal = first.split(" at pc=").next().and_then(|text| text.split(", pid=").next())?;
    // The message of an internal error is in the next line.
    let words = from.get(1).and_then(told).map(|text| format!(": {text}")).unwrap_or_default();
    let title = from.iter().position(|line| line.is("# Problematic frame:"));
    let frame = title.and_then(|title| from.get(title + 1)).map(|line| line.text.trim_start_matches('#'));
    let frame = frame.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let frame = frame.map(|frame| format!("; problematic frame: {frame}")).unwrap_or_default();
    Some(format!("A fatal error has been detected by the Java Runtime Environment: {signal}{words}{frame}"))
}

/// Returns Spring's own explanation of a failed start: the problem, and the remedy.
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

/// Returns the last unhandled exception of the text, with the lines of its message. If the root cause
/// is printed first, it is the one before all wrappers.
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
    // The exception explains the log lines after it, for example that a pool or an application did not
    // start.
    let is_error = |line: &&Line<'_>| matches!(line.role, LineKind::Log { error: true, .. });
    let Some(error) = from.iter().rfind(is_error).map(|line| shorten(&line.words(), MAX_AFTERWARDS_CHARS))
    else {
        return Some(root);
    };
    let left = MAX_CHARS - AFTERWARDS.len() - error.chars().count();
    Some(format!("{}{AFTERWARDS}{error}", shorten(&root, left)))
}

/// Returns whether the log continued after an exception that was logged below ERROR. Nothing handles an
/// error of the JVM itself, or an exception that a thread did not catch.
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

/// Returns the file that the wrapping exception names, if the exception about a file does not name it.
/// It shows which disk is full.
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

/// Returns the first line if it is the rest of a message that has frames.
fn cut_message(lines: &[Line<'_>]) -> Option<usize> {
    let [first, second, ..] = lines else { return None };
    (first.partial && first.role == LineKind::Text && second.role == LineKind::Frame).then_some(0)
}

/// Returns the last error of a log, otherwise its last line. For a text without log lines, returns
/// everything that is left.
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

/// Keeps the beginning and the end: a description begins with the attempted action and ends with the
/// reason.
fn without_middle(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let half = most / 2;
    text.chars().take(half).chain(['…']).chain(text.chars().skip(count - half + 1)).collect()
}
