//! Log lines in JSON, rewritten as the lines of a plain log: the encoders of Logback and of logstash, and Spring Boot's
//! structured formats (ECS, GELF). A line is searched for its fields rather than parsed, because the kubelet may have
//! cut its beginning off.

use std::fmt::Write as _;

const LEVELS: [&str; 3] = ["level\":\"", "level_name\":\"", "\"severity\":\""];
const MESSAGES: [&str; 3] = ["\"message\":\"", "\"short_message\":\"", "\"msg\":\""];
const TRACES: [&str; 3] = ["stack_trace\":\"", "stacktrace\":\"", "\"full_message\":\""];
const CLASS: &str = "\"className\":\"";

/// The same text where no line is JSON.
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
    // A line without its beginning may have lost its own message: another one, as of an error within it, is none.
    if let Some(message) = message.filter(|_| !partial || trace.is_none()) {
        let level = field(&LEVELS).map(|level| level.to_uppercase()).filter(|level| is_level(level));
        let level = level.as_deref().unwrap_or("INFO");
        let level = if level == "WARNING" { "WARN" } else { level };
        // The form of `log_line`.
        let _ = writeln!(lines, "0 {level} --- json : {message}");
    }
    lines.push_str(&trace.unwrap_or_default());
    Some(lines)
}

fn is_level(level: &str) -> bool {
    ["TRACE", "DEBUG", "INFO", "WARN", "WARNING", "ERROR", "FATAL"].contains(&level)
}

/// The first value of a line that the kubelet cut: in the middle of that value, or of its key.
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

/// The innermost cause of Logback's own encoder, which writes exceptions as objects within each other.
fn throwable(text: &str) -> Option<String> {
    let mut causes = text.match_indices(CLASS).filter_map(|(at, _)| {
        let (class, rest) = json_string(text.get(at + CLASS.len()..)?)?;
        // A frame has a class name too, and no message.
        let message = rest.strip_prefix(",\"message\":")?;
        let message =
            message.strip_prefix('"').and_then(json_string).map(|(message, _)| format!(": {message}"));
        Some(format!("Caused by: {class}{}", message.unwrap_or_default()))
    });
    let first = causes.next()?;
    Some(causes.last().unwrap_or(first))
}

/// A string whose opening quote was taken away, and what follows its closing one.
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
