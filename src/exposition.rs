//! The two text formats of metrics. The registry writes OpenMetrics. Clients that do not request it
//! receive the older format of Prometheus, in which a counter has the name of its sample, and which
//! has no end marker and no units.

use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    OpenMetrics,
    Text,
}

impl Format {
    /// The format that a client prefers by its `Accept` header. The default is the older format.
    #[must_use]
    pub fn preferred(accept: Option<&str>) -> Self {
        let accept = accept.unwrap_or_default();
        let weight = |media: &str| accept.split(',').filter_map(|range| weight(range, media)).max();
        match (weight("application/openmetrics-text"), weight("text/plain")) {
            (Some(open), text) if open > 0 && open >= text.unwrap_or(0) => Self::OpenMetrics,
            _ => Self::Text,
        }
    }

    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Returns the metrics in this format.
    #[must_use]
    pub fn written(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => text(&open_metrics),
        }
    }
}

/// Returns the weight of a media range in thousandths, if it matches this media type.
fn weight(range: &str, media: &str) -> Option<u32> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(media) {
        return None;
    }
    let Some(weight) = parts.find_map(|part| part.strip_prefix("q=")) else { return Some(1000) };
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    format!("{whole}{fraction:0<3}").parse().ok().filter(|weight| *weight <= 1000)
}

fn text(open_metrics: &str) -> String {
    let counters: BTreeSet<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let described = ["# HELP ", "# TYPE "].into_iter().find_map(|what| {
            let (name, rest) = line.strip_prefix(what)?.split_once(' ')?;
            counters.contains(name).then(|| format!("{what}{name}_total {rest}"))
        });
        text.push_str(described.as_deref().unwrap_or(line));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nothing(None, Format::Text)]
    #[case::anything(Some("*/*"), Format::Text)]
    #[case::a_browser(Some("text/html,application/xhtml+xml,*/*;q=0.8"), Format::Text)]
    #[case::prometheus_2(
        Some(
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        ),
        Format::OpenMetrics
    )]
    #[case::prometheus_3(
        Some(
            "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8; q=0.6, text/plain;version=0.0.4;q=0.4"
        ),
        Format::OpenMetrics
    )]
    #[case::the_older_one(
        Some("text/plain;version=0.0.4;q=1,application/openmetrics-text;q=0.1"),
        Format::Text
    )]
    #[case::refused(Some("application/openmetrics-text;q=0"), Format::Text)]
    #[case::nonsense(Some("application/openmetrics-text;q=much"), Format::Text)]
    #[case::large(Some("Application/OpenMetrics-Text"), Format::OpenMetrics)]
    fn a_client_gets_the_format_it_prefers(#[case] accept: Option<&str>, #[case] format: Format) {
        assert_eq!(Format::preferred(accept), format);
    }

    #[test]
    fn the_older_format_names_counters_as_their_samples() {
        let open = "# HELP a Things.\n# TYPE a counter\n# UNIT a seconds\na_total{b=\"# EOF\"} 1\n# TYPE a_size gauge\na_size 2\n# EOF\n";
        assert_eq!(
            Format::Text.written(open.into()),
            "# HELP a_total Things.\n# TYPE a_total counter\na_total{b=\"# EOF\"} 1\n# TYPE a_size gauge\na_size 2\n"
        );
        assert_eq!(Format::OpenMetrics.written(open.into()), open);
    }
}
