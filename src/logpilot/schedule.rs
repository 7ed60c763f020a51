//! Computes when backups are due. Pure, apart from the given time.

use std::time::Duration;

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions};
use jiff::{Timestamp, tz::TimeZone};

/// The longest time that a backup may take and still count as made on schedule.
const GRACE: Duration = Duration::from_hours(2);

#[derive(Debug)]
pub struct Schedule(Crontab);

impl Schedule {
    /// Parses a time zone of the IANA database in its exact spelling: the CronJob controller compares
    /// letter by letter.
    ///
    /// # Errors
    /// The database has no zone of that name.
    pub fn time_zone(name: &str) -> Result<(), String> {
        match TimeZone::get(name) {
            Ok(zone) if zone.iana_name() == Some(name) => Ok(()),
            Ok(zone) => Err(format!(
                "unknown time zone '{name}'; did you mean '{}'?",
                zone.iana_name().unwrap_or("Etc/UTC")
            )),
            Err(_) => Err(format!(
                "unknown time zone '{name}'; use one of the IANA database, such as 'Europe/Berlin'"
            )),
        }
    }

    /// # Errors
    /// The expression is not valid, or never matches.
    pub fn parse(expression: &str, time_zone: &str) -> Result<Self, String> {
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let read = |text: &str| cronexpr::parse_crontab_with(&format!("{text} {time_zone}"), options);
        let schedule =
            read(expression).and_then(|_| read(&days_in_full(expression))).map(Self).map_err(|error| {
                format!(
                    "'{expression}' must be a cron expression of five fields, such as '0 3 * * *': {error}"
                )
            })?;
        if schedule.next(Timestamp::UNIX_EPOCH).is_none() {
            return Err(format!("'{expression}' never matches: there is no such day"));
        }
        Ok(schedule)
    }

    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.0.find_next(MakeTimestamp(after)).ok().map(|next| next.timestamp())
    }

    /// Returns the time after which the newest backup, made at the given time, is too old: the next one
    /// was due and had time to end. Hourly: after two hours; daily: after 26.
    #[must_use]
    pub fn late(&self, newest: Timestamp) -> Option<Timestamp> {
        let due = self.next(newest)?;
        let interval = self.next(due)?.duration_since(due).unsigned_abs();
        due.checked_add(interval.min(GRACE)).ok()
    }
}

/// Rewrites both day fields so that they have only one meaning, that of the CronJob: if neither is
/// every day, either is sufficient. Every second day (`*/2`) is not every day, a list with `*` is, and
/// Sunday is 0, never 7.
fn days_in_full(expression: &str) -> String {
    let day = |(at, field): (usize, &str)| {
        let (least, most) = match at {
            2 => ("1", "31"),
            4 => ("0", "6"),
            _ => return field.to_owned(),
        };
        let every = |part: &str| {
            let (range, step) = part.split_once('/').unwrap_or((part, "1"));
            matches!(range, "*" | "?") && step.parse() == Ok(1)
        };
        if field.split(',').any(every) {
            return "*".to_owned();
        }
        let parts = field.split(',').map(|part| match part.split_once('/') {
            Some(("*" | "?", step)) => format!("{least}-{most}/{step}"),
            Some((first, step)) if !first.contains('-') => format!("{first}-{most}/{step}"),
            _ => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join(",")
    };
    expression.split_whitespace().enumerate().map(day).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_backup_is_late_when_the_next_one_had_time_to_end() {
        for (expression, zone, newest, late) in [
            ("0 3 * * *", "Etc/UTC", "2026-01-01T03:00:20Z", "2026-01-02T05:00:00Z"),
            ("0 3 * * *", "Europe/Berlin", "2026-01-01T03:00:00Z", "2026-01-02T04:00:00Z"),
            ("0 * * * *", "Etc/UTC", "2026-01-01T03:00:20Z", "2026-01-01T05:00:00Z"),
            ("*/5 * * * *", "Etc/UTC", "2026-01-01T03:00:20Z", "2026-01-01T03:10:00Z"),
            // Over the weekend nothing is due: 2 January 2026 is a Friday.
            ("0 3 * * MON-FRI", "Etc/UTC", "2026-01-02T03:01:00Z", "2026-01-05T05:00:00Z"),
            ("0 0 1 JAN *", "Etc/UTC", "2026-01-01T00:01:00Z", "2027-01-01T02:00:00Z"),
        ] {
            let schedule = Schedule::parse(expression, zone).unwrap();
            assert_eq!(schedule.late(at(newest)), Some(at(late)), "{expression}");
        }
    }

    #[test]
    fn days_are_read_as_the_cron_job_reads_them() {
        // 1 January 2026 is a Thursday.
        for (expression, next) in [
            ("0 0 2 * 0,*", "2026-01-02T00:00:00Z"),
            ("0 0 2 * */1", "2026-01-02T00:00:00Z"),
            ("0 0 */20 * */5", "2026-01-02T00:00:00Z"),
            ("0 0 */2 * *", "2026-01-03T00:00:00Z"),
            ("0 0 20 * SAT/1", "2026-01-03T00:00:00Z"),
            ("0 0 31 * FRI/7", "2026-01-02T00:00:00Z"),
            ("0 0 20/1 * *", "2026-01-20T00:00:00Z"),
            ("0 0 20 * 0-6", "2026-01-02T00:00:00Z"),
        ] {
            let schedule = Schedule::parse(expression, "Etc/UTC").unwrap();
            assert_eq!(schedule.next(at("2026-01-01T00:00:00Z")), Some(at(next)), "{expression}");
        }
        let sunday = Schedule::parse("0 0 31 2 MON/1", "Etc/UTC").unwrap();
        assert_eq!(sunday.next(at("2026-01-31T00:00:00Z")), Some(at("2026-02-02T00:00:00Z")));
    }

    #[test]
    fn what_never_comes_or_is_nowhere_is_refused() {
        for bad in ["0 0 30 2 *", "61 * * * *", "* * * *", "@every 1s", "0 0 31 4 *"] {
            assert!(Schedule::parse(bad, "Etc/UTC").is_err(), "{bad}");
        }
        assert!(Schedule::time_zone("Mars/Base").unwrap_err().contains("unknown time zone 'Mars/Base'"));
        assert!(Schedule::time_zone("europe/berlin").unwrap_err().contains("'Europe/Berlin'"));
        for good in ["Europe/Berlin", "Asia/Seoul", "Etc/UTC", "UTC"] {
            Schedule::time_zone(good).unwrap();
        }
    }
}
