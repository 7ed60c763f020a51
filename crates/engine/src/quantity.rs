//! Kubernetes quantities as numbers, so that they are compared by value. They are written in their
//! original form.
//!
//! Suffixes: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>

/// Digits after the decimal point: quantities have a resolution of one nano-unit.
const SCALE: u32 = 9;

/// Returns a quantity in nano-units, rounded up as Kubernetes does. Returns `None` for an invalid or
/// absurdly large quantity.
#[must_use]
pub fn nano(text: &str) -> Option<i128> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let digits: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let (base, exponent) = unit(suffix)?;
    // digits × base^exponent × 10^(SCALE − fraction digits), as an integer.
    let shift = i32::try_from(SCALE).ok()? - i32::try_from(fraction.len()).ok()?;
    let (factor, ten) = match base {
        2 => (2_i128.checked_pow(u32::try_from(exponent).ok()?)?, shift),
        _ => (1, shift.checked_add(exponent)?),
    };
    let value = digits.checked_mul(factor)?;
    let power = 10_i128.checked_pow(ten.unsigned_abs())?;
    let nano = if ten >= 0 { value.checked_mul(power)? } else { value.checked_add(power - 1)? / power };
    Some(if negative { -nano } else { nano })
}

/// A number of whole units, in nano-units.
#[must_use]
pub const fn units(number: i128) -> i128 {
    number * 10_i128.pow(SCALE)
}

/// Returns base and exponent of a suffix.
fn unit(suffix: &str) -> Option<(u8, i32)> {
    Some(match suffix {
        "n" => (10, -9),
        "u" => (10, -6),
        "m" => (10, -3),
        "" => (10, 0),
        "k" => (10, 3),
        "M" => (10, 6),
        "G" => (10, 9),
        "T" => (10, 12),
        "P" => (10, 15),
        "E" => (10, 18),
        "Ki" => (2, 10),
        "Mi" => (2, 20),
        "Gi" => (2, 30),
        "Ti" => (2, 40),
        "Pi" => (2, 50),
        "Ei" => (2, 60),
        _ => (10, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}
