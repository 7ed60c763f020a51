//! Converts log lines in JSON to the lines of a plain log. It supports the encoders of Logback and of
//! logstash, and Spring Boot's structured formats (ECS, GELF). A line is searched for its fields
//! instead of being parsed, because the kubelet may have cut off its beginning.

use std::fmt::Write as _;

const LEVELS: [&str; 3] = ["level\":\"", "level_name\":\"", "\"severity\":\""];
const MESSAGES: [&str; 3] = ["\"message\":\"", "\"short_message\":\"", "\"msg\":\""];
const TRACES: [&str; 3] = ["stack_trace\":\"", "stacktrace\":\"", "\"full_message\":\""];
const CLASS: &str = "\"className\":\"";

/// Returns the text with its JSON lines converted. A text without JSON lines is returned unchanged.
pub(super) fn plain(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for (number, line) in text.lines().enumerate() {
        match rewritten(line, number == 0) {
            Some(lines) => all.push_str(&lines),
            None => all.push_str(line),
        }
        all.push('\n');
    }
    all
}

fn rewritten(line: &str, first: bool) -> Option<String> {
    let trimmed = line.trim();
    let partial = first && !trimmed.starts_with('{');
    let is_json = trimmed.ends_with('}') && trimmed.contains("\":") && (partial || trimmed.starts_with('{'));
    if !is_json {
        return None;
    }
    let field = |names: &[&str]| names.iter().find_map(|name| string_after(trimmed, name));
    let rest = partial.then(|| rest_of_value(trimmed)).flatten();
    let trace =
        rest.filter(|rest| rest.contains('\n')).or_else(|| field(&TRACES)).or_else(|| throwable(trimmed));
    let message = field(&MESSAGES);
    if trace.is_none() && message.is_none() {
        return None;
    }
    let mut lines = String::new();
    // A line without its beginning may have lost its own message. Another message in it, such as that
    // of a nested error, is not used.
    if let Some(message) = message.filter(|_| !partial || trace.is_none()) {
        let level = field(&LEVELS).map(|level| level.to_uppercase()).filter(|level| is_level(level));
        let level = level.as_deref().unwrap_or("INFO");
        let level = if level == "WARNING" { "WARN" } else { level };
        // The format that `log_line` parses.
        let _ = writeln!(lines, "0 {level} --- json : {message}");
    }
    lines.push_str(&trace.unwrap_or_default());
    Some(lines)
}

fn is_level(level: &str) -> bool {
    ["TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL"].contains(&level)
}

/// Returns the first value of a truncated line, which may start in the middle of that value or of its
/// key.
fn rest_of_value(text: &str) -> Option<String> {
    let (value, rest) = json_string(text)?;
    if rest.starts_with([',', '}']) {
        return Some(value);
    }
    json_string(rest.strip_prefix(":\"").unwrap_or(rest)).map(|(value, _)| value)
}

fn string_after(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(name)?;
    json_string(rest).map(|(value, _)| value)
}

/// Returns the innermost cause from Logback's own encoder, which nests exceptions as objects.
fn throwable(text: &str) -> Option<String> {
    let mut causes = text.match_indices(CLASS).filter_map(|(at, _)| {
        let (class, rest) = json_string(text.get(at + CLASS.len()..)?)?;
        // A frame has a class name too, but no message.
        let message = rest.strip_prefix(",\"message\":")?;
        let message =
            message.strip_prefix('"').and_then(json_string).map(|(message, _)| format!(": {message}"));
        Some(format!("Caused by: {class}{}", message.unwrap_or_default()))
    });
    let first = causes.next()?;
    Some(causes.last().unwrap_or(first))
}

/// Reads a string whose opening quote was removed. Returns it with the text after its closing quote.
fn json_string(text: &str) -> Option<(String, &str)> {
    let mut escaped = false;
    let end = text.find(|char| match char {
        _ if escaped => {
            escaped = false;
            false
        }
        '\\' => {
            escaped = true;
            false
        }
        char => char == '"',
    })?;
    let (raw, rest) = text.split_at_checked(end)?;
    let value = serde_json::from_str(&format!("\"{raw}\"")).unwrap_or_else(|_| raw.replace("\\n", "\n"));
    Some((value, rest.strip_prefix('"')?))
}
