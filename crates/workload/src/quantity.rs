//! Comparison of Kubernetes quantities.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

pub use engine::quantity::{nano, units};

/// Returns a quantity in nano-units, or `None` if the text is not a quantity.
#[must_use]
pub fn parse(quantity: &Quantity) -> Option<i128> {
    nano(&quantity.0)
}

/// Returns a slightly larger quantity, for Kubernetes rules that require "more than" this one: 1 MiB
/// more, which is the smallest step in which volumes are allocated.
#[must_use]
pub fn above(quantity: &Quantity) -> Option<Quantity> {
    const MEBI: i128 = units(1024 * 1024);
    let more = parse(quantity)?.checked_add(MEBI)?;
    let text = if more % MEBI == 0 { format!("{}Mi", more / MEBI) } else { format!("{}", more / units(1)) };
    Some(Quantity(text))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1", units(1))]
    #[case("500m", units(1) / 2)]
    #[case("0.5", units(1) / 2)]
    #[case(".5", units(1) / 2)]
    #[case("1.", units(1))]
    #[case("1n", 1)]
    #[case("0.0000000001", 1)]
    #[case("2k", units(2000))]
    #[case("1e3", units(1000))]
    #[case("15E-1", units(3) / 2)]
    #[case("1Ki", units(1024))]
    #[case("1.5Gi", units(1536 * 1024 * 1024))]
    #[case("-1Gi", -units(1024 * 1024 * 1024))]
    #[case("+1", units(1))]
    #[case("1E", units(1_000_000_000_000_000_000))]
    fn reads_a_quantity(#[case] text: &str, #[case] nano: i128) {
        assert_eq!(parse(&Quantity(text.into())), Some(nano));
    }

    #[rstest]
    #[case("10Gi", "10241Mi")]
    #[case("10G", "10001048576")]
    fn a_little_more_is_one_mebibyte(#[case] text: &str, #[case] more: &str) {
        assert_eq!(above(&Quantity(text.into())), Some(Quantity(more.into())));
    }

    #[rstest]
    #[case("")]
    #[case("Gi")]
    #[case("1GB")]
    #[case("512 Mi")]
    #[case("1e")]
    #[case("1.2.3")]
    #[case("--1")]
    #[case("1e99")]
    #[case("999999999999999999999999999999Ei")]
    #[case("NaN")]
    #[case("1\u{0661}")]
    fn refuses_what_is_none(#[case] text: &str) {
        assert_eq!(parse(&Quantity(text.into())), None);
    }
}
