//! Monitors of the Prometheus operator.

use super::Violations;
use crate::{api::monitoring::Monitor as Given, model::Monitor};

/// The metrics endpoint of a product's components, and the default scrape settings.
#[derive(Clone, Copy, Debug)]
pub struct Defaults<'a> {
    /// Name of the port.
    pub port: &'a str,
    pub path: &'a str,
    pub interval: &'a str,
    pub scrape_timeout: &'a str,
}

/// The monitor lives in `namespace`.
pub fn monitor(
    given: Option<&Given>,
    namespace: &str,
    defaults: &Defaults<'_>,
    path: &str,
    violations: &mut Violations,
) -> Option<Monitor> {
    let given = given.filter(|it| it.enabled != Some(false))?;
    let or = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.into());
    let interval = or(&given.interval, defaults.interval);
    let mut scrape_timeout = or(&given.scrape_timeout, defaults.scrape_timeout);
    let longer = seconds(&scrape_timeout) > seconds(&interval);
    if longer && given.scrape_timeout.is_none() {
        // The default timeout is reduced to a shorter interval.
        scrape_timeout.clone_from(&interval);
    }
    violations.require(
        !longer || given.scrape_timeout.is_none(),
        format!("{path}.scrapeTimeout"),
        format!("'{scrape_timeout}' must not be longer than `interval`, which is '{interval}'"),
    );
    Some(Monitor {
        namespace: namespace.to_owned(),
        port: defaults.port.into(),
        path: defaults.path.into(),
        interval,
        scrape_timeout,
        labels: given.labels.clone(),
    })
}

/// Returns the seconds of a duration such as `30s`, `5m` or `1h`.
#[must_use]
pub fn seconds(duration: &str) -> Option<u64> {
    let (number, unit) = duration.split_at_checked(duration.len().checked_sub(1)?)?;
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "s" => number,
        "m" => number * 60,
        "h" => number * 3600,
        _ => return None,
    })
}
