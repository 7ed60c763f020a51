//! The interpretation of YAML scalars by kubectl.
//!
//! kubectl uses goyaml v2, which resolves by YAML 1.1 with its own rules: `yes` and `off` are
//! booleans, `0777` and `0o17` are octal, `1_000` is a number, `1:30` and dates are text. This
//! module contains its table (`resolve.go`).

use serde_json::{Number, Value};

/// Whole numbers below this are written without an exponent and read back as integers on their way
/// to the server.
const LONGEST_WHOLE: f64 = 1e21;

/// A scalar as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Scalar<'a> {
    pub text: &'a str,
    /// The full tag, such as `tag:yaml.org,2002:str`. Empty without a tag.
    pub tag: &'a str,
    /// Plain style without a tag: the text determines the type.
    pub plain: bool,
}

/// Returns the value of a scalar.
///
/// # Errors
/// Returns a message if tag and text contradict each other, or if JSON cannot express the value.
pub fn resolve(scalar: Scalar) -> Result<Value, String> {
    let Scalar { text, tag, plain } = scalar;
    if tag.is_empty() {
        return if plain { of_looks(text) } else { Ok(text.into()) };
    }
    let Some(kind) = tag.strip_prefix("tag:yaml.org,2002:") else { return Ok(text.into()) };
    let refused = || Err(format!("cannot read '{text}' as !!{kind}"));
    match (kind, of_looks(text)?) {
        ("bool", value @ Value::Bool(_))
        | ("null", value @ Value::Null)
        | ("float", value @ Value::Number(_)) => Ok(value),
        ("int", value @ Value::Number(_)) if !looks_like_float(text) => Ok(value),
        ("bool" | "null" | "int" | "float", _) => refused(),
        // The content of `!!binary` would be decoded before it reaches the server. No field of the
        // resource contains bytes.
        ("binary", _) => Err("!!binary is not supported; write the text itself".to_owned()),
        _ => Ok(text.into()),
    }
}

/// Returns the text of the key of a mapping. JSON has only text keys.
///
/// # Errors
/// Returns a message if the key has no text form.
pub fn key(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| float_key(number), |whole| Ok(whole.to_string()))
        }
        Value::Null => Err("a key must not be empty or null".to_owned()),
        Value::Array(_) | Value::Object(_) => Err("a key must be text, not a list or a mapping".to_owned()),
    }
}

fn of_looks(text: &str) -> Result<Value, String> {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => true.into(),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => false.into(),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => {
            return Err(format!("'{text}' is no number that JSON can express; quote it to make it text"));
        }
        _ => number(text).map_or_else(|| text.into(), Value::Number),
    };
    Ok(value)
}

fn number(text: &str) -> Option<Number> {
    let digit = |char: char| char.is_ascii_digit();
    match text.chars().next()? {
        '.' if text.split('_').all(|part| part.ends_with(digit) && !part.is_empty()) => {
            float(&text.replace('_', ""))
        }
        '+' | '-' | '0'..='9' => {
            let plain = text.replace('_', "");
            integer(&plain).or_else(|| if is_float(&plain) { float(&plain) } else { None })
        }
        _ => None,
    }
}

fn looks_like_float(text: &str) -> bool {
    let plain = text.replace('_', "");
    integer(&plain).is_none() && is_float(&plain)
}

/// Parses as Go's `ParseInt` with base 0: a prefix selects the base, and a leading zero means
/// octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let signed = digits.len() < text.len();
    let (base, digits) = match digits.get(..2).unwrap_or_default() {
        "0x" | "0X" => (16, digits.get(2..)?),
        "0o" | "0O" => (8, digits.get(2..)?),
        "0b" | "0B" => (2, digits.get(2..)?),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if !digits.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    let size = i128::from_str_radix(digits, base).ok()?;
    let value = if negative { -size } else { size };
    match i64::try_from(value) {
        Ok(value) => Some(value.into()),
        // A value beyond the integers of the server is a float there. goyaml accepts no sign here.
        Err(_) if !signed => u64::try_from(value).ok().and_then(|value| whole(to_float(value))),
        Err(_) => None,
    }
}

#[allow(clippy::cast_precision_loss, reason = "the server does the same")]
fn to_float(value: u64) -> f64 {
    value as f64
}

/// Matches `1.5`, `.5`, `1.`, `1e3`: digits on at least one side of the point.
fn is_float(text: &str) -> bool {
    let digits = |text: &str| text.chars().all(|char| char.is_ascii_digit());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(before)
        && digits(after)
        && !(before.is_empty() && after.is_empty())
        && exponent.is_none_or(|text| {
            let text = text.strip_prefix(['+', '-']).unwrap_or(text);
            !text.is_empty() && digits(text)
        })
}

fn float(text: &str) -> Option<Number> {
    if !is_float(text) {
        return None;
    }
    whole(text.parse().ok()?)
}

/// Returns a float as the server reads it. A float without a fraction is written as an integer on
/// the way.
pub fn whole(value: f64) -> Option<Number> {
    if value.fract() == 0.0
        && value.abs() < LONGEST_WHOLE
        && let Ok(value) = value.to_string().parse::<i64>()
    {
        return Some(value.into());
    }
    // `None` if it is not finite: goyaml treats such a number as text.
    Number::from_f64(value)
}

/// Formats as Go formats a float with 32 bits, which is what kubectl does with a key such as
/// `1.5:`.
fn float_key(number: &Number) -> Result<String, String> {
    #[allow(clippy::cast_possible_truncation, reason = "kubectl does the same")]
    let value = number.as_f64().unwrap_or_default() as f32;
    if (1e-4..1e6).contains(&value.abs()) {
        return Ok(value.to_string());
    }
    Err(format!("the key {number} is a number; quote it to make it text"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(text: &str) -> Result<Value, String> {
        resolve(Scalar { text, tag: "", plain: true })
    }

    #[test]
    fn plain_scalars_mean_what_goyaml_makes_of_them() {
        for (text, meaning) in [
            ("yes", json!(true)),
            ("On", json!(true)),
            ("y", json!(true)),
            ("off", json!(false)),
            ("N", json!(false)),
            ("yEs", json!("yEs")),
            ("", Value::Null),
            ("~", Value::Null),
            ("Null", Value::Null),
            ("0777", json!(511)),
            ("0100", json!(64)),
            ("-010", json!(-8)),
            ("08", json!(8)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("-0b11", json!(-3)),
            ("0x", json!("0x")),
            ("1_000", json!(1000)),
            ("_1", json!("_1")),
            (".5_0", json!(0.5)),
            ("._5", json!("._5")),
            ("+7", json!(7)),
            ("1:30", json!("1:30")),
            ("190:20:30", json!("190:20:30")),
            ("2001-01-01", json!("2001-01-01")),
            ("1e3", json!(1000)),
            ("1.0", json!(1)),
            ("1.", json!(1)),
            (".5", json!(0.5)),
            (".5e1", json!(5)),
            ("1.5", json!(1.5)),
            ("1.5.0", json!("1.5.0")),
            (".", json!(".")),
            ("-", json!("-")),
            ("1e400", json!("1e400")),
            ("9223372036854775807", json!(i64::MAX)),
            ("9223372036854775808", json!(9_223_372_036_854_775_808.0)),
            // The shortest digits of the float, which is one more than fits.
            ("-9223372036854775809", json!(-9_223_372_036_854_775_808.0)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("1.2.0", json!("1.2.0")),
            ("500m", json!("500m")),
        ] {
            assert_eq!(plain(text), Ok(meaning), "{text:?}");
        }
        assert!(plain(".inf").is_err());
    }

    #[test]
    fn tags_decide_where_they_stand() {
        let tagged = |tag: &str, text| {
            resolve(Scalar { text, tag: &format!("tag:yaml.org,2002:{tag}"), plain: false })
        };
        assert_eq!(tagged("str", "yes"), Ok(json!("yes")));
        assert_eq!(tagged("int", "3"), Ok(json!(3)));
        assert_eq!(tagged("float", "3"), Ok(json!(3)));
        assert_eq!(tagged("bool", "no"), Ok(json!(false)));
        assert!(tagged("int", "three").is_err());
        assert!(tagged("int", "1.5").is_err());
        assert_eq!(resolve(Scalar { text: "yes", tag: "", plain: false }), Ok(json!("yes")));
    }

    #[test]
    fn keys_become_text() {
        for (value, text) in [(json!(true), "true"), (json!(8080), "8080"), (json!(1.5), "1.5")] {
            assert_eq!(key(&value).as_deref(), Ok(text));
        }
        assert!(key(&Value::Null).is_err());
    }
}
