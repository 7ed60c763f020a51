//! Arbitrary input is accepted or refused, and never terminates the operator.

use jiff::{Timestamp, ToSpan, Zoned, tz::TimeZone};
use kube::api::DynamicObject;
use proptest::prelude::*;
use test_support::proptest_config;

use super::{
    specs::{Judge, near, schema},
    *,
};
use crate::{
    engine::{contention::Contention, resource::ResourceRef},
    kinds::LOGPILOT_CLUSTER,
    logpilot::{
        config, config_check, contention, effective, patches,
        properties::{self, Known},
        schedule::Schedule,
        warnings::warnings,
    },
    workload::image::Image,
};

/// Everything that the operator does with a spec before it sends a request.
fn taken(object: Value) -> Option<Result<Cluster, Vec<Violation>>> {
    let loose: DynamicObject = serde_json::from_value(object.clone()).ok()?;
    let _ = contention::contention_keys(&loose);
    let of = ResourceRef::of(&LOGPILOT_CLUSTER, &loose);
    let _ = contention::route_conflicts(&of, &loose, &Contention::default());
    contention::shared_places(&loose, [&loose].into_iter());
    let cr: LogPilotCluster = serde_json::from_value(object).ok()?;
    let cluster = validate(&cr);
    if let Ok(cluster) = &cluster {
        for config_checks in [config_check::all_pending(cluster), std::collections::BTreeMap::new()] {
            let made = plan(cluster, &Facts { config_checks, ..Facts::default() });
            let _ = (patches::unmatched(cluster, &made), effective::of(cluster, &made));
        }
        let _ = warnings(cluster);
    }
    Some(cluster)
}

proptest! {
    #![proptest_config(proptest_config(160))]

    #[test]
    fn any_resource_is_planned_or_refused_by_path(spec in near(&schema()["properties"]["spec"]), name in "[a-z]{1,8}|.{0,70}") {
        let object = json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "metadata": { "name": name }, "spec": spec,
        });
        if let Some(Err(violations)) = taken(object) {
            prop_assert!(!violations.is_empty());
            for violation in violations {
                let known = ["spec", "metadata"].iter().any(|root| violation.path.starts_with(root));
                prop_assert!(known && !violation.message.is_empty(), "{violation:?}");
            }
        }
    }

    #[test]
    fn any_overlay_is_accepted_or_refused_by_path(overlay in super::specs::anything()) {
        let object = json!({
            "apiVersion": "logpilot.io/v1alpha1", "kind": "LogPilotCluster", "metadata": { "name": "a" },
            "spec": { "image": "a:1", "config": { "overlay": overlay } },
        });
        match taken(object) {
            Some(Err(violations)) => {
                for violation in violations {
                    prop_assert!(violation.path.starts_with("spec.config.overlay"), "{violation}");
                }
            }
            Some(Ok(cluster)) => {
                let file: Value = serde_yaml::from_str(&cluster.components[0].config.text).expect("YAML");
                prop_assert_eq!(&file["logpilot"]["server"]["protocol"], "all");
            }
            None => prop_assert!(!overlay.is_object()),
        }
    }
}

/// Returns an overlay with this property in a spelling that Spring still resolves: letters of
/// either case, followed by characters that Spring ignores; a part of the name nested below the
/// previous one, joined to it in one key, or in brackets.
fn spelled(property: &str, letters: &[(bool, &str)], places: &[u8], value: Value) -> Value {
    let mut letters = letters.iter().cycle();
    let mut keys = Vec::<String>::new();
    for (part, place) in property.split('.').zip(places.iter().cycle()) {
        let mut word = String::new();
        for (char, (upper, passed_over)) in part.chars().zip(&mut letters) {
            word.push(if *upper { char.to_ascii_uppercase() } else { char });
            word.push_str(passed_over);
        }
        match (keys.last_mut(), place) {
            (Some(key), 1) => key.extend([".", &word]),
            (Some(key), 2) => key.extend(["[", part, "]"]),
            _ => keys.push(word),
        }
    }
    keys.into_iter().rev().fold(value, |below, key| json!({ key: below }))
}

proptest! {
    #![proptest_config(proptest_config(1000))]

    #[test]
    fn owned_properties_are_refused_in_every_spelling(
        owned in prop::sample::select(properties::OWNED_PROPERTIES),
        below in prop::sample::select(&["", ".below"][..]),
        letters in prop::collection::vec((any::<bool>(), prop::sample::select(&["", "", "", "-", "_", "!", " ", "$", "이", "\u{301}"][..])), 1..30),
        places in prop::collection::vec(0..3u8, 1..6),
        value in super::specs::anything(),
    ) {
        let properties::Owned { name: property, instead, .. } = owned;
        let text = properties::text(&value);
        let kept = text.as_deref().is_some_and(|text| owned.is_kept(Known::Text(text)));
        prop_assume!(!kept || !below.is_empty());
        let overlay = spelled(&format!("{property}{below}"), &letters, &places, value);
        let found = validate(&resource_of(json!({ "config": { "overlay": overlay } })));
        let Err(found) = found else { return Err(TestCaseError::fail(format!("{overlay} was taken"))) };
        prop_assert_eq!(found.len(), 1);
        prop_assert!(found[0].path.starts_with("spec.config.overlay."), "{}", found[0]);
        prop_assert!(found[0].message.ends_with(instead), "{}", found[0]);
    }
}

/// The plain scalars that SnakeYAML does not resolve to strings, except times, which Spring leaves
/// as strings. Source: org.yaml.snakeyaml.resolver.Resolver
const YAML_1_1: [&str; 8] = [
    "yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
    "[-+]?0b[01_]{1,5}|[-+]?0[0-7_]{1,5}|[-+]?(0|[1-9][0-9_]{0,6})|[-+]?0x[0-9a-fA-F_]{1,6}",
    "[-+]?[1-9][0-9_]{0,3}(:[0-5]?[0-9]){1,3}",
    "[-+]?[0-9][0-9_]{0,3}\\.[0-9_]{0,4}([eE][-+]?[0-9]{1,2})?|[-+]?[0-9][0-9_]{0,3}[eE][-+]?[0-9]{1,2}",
    "\\.[0-9][0-9_]{0,3}([eE][-+]?[0-9]{1,2})?|[-+]?[0-9][0-9_]{0,3}(:[0-5]?[0-9]){1,2}\\.[0-9_]{0,3}",
    "[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)",
    "~|null|Null|NULL|",
    "<<|=",
];

fn yaml_1_1() -> impl Strategy<Value = String> {
    prop::sample::select(&YAML_1_1[..])
        .prop_flat_map(|pattern| proptest::string::string_regex(pattern).expect("a pattern"))
}

proptest! {
    #![proptest_config(proptest_config(2000))]

    #[test]
    fn yaml_1_1_special_scalars_are_quoted(text in yaml_1_1()) {
        let quoted = |text: &str| text.starts_with(['"', '\'']);
        let value = config::render(&json!({ "k": text }));
        let (_, written) = value.split_once(": ").expect("a value");
        prop_assert!(quoted(written), "{value}");
        let key = config::render(&json!({ text: 1 }));
        prop_assert!(quoted(key.trim_start_matches(['{', '\n', ' '])), "{key}");
    }

    #[test]
    fn an_image_is_written_as_it_was_read(text in any::<String>(), near in "([a-z0-9.-]{1,8}(:[0-9]{1,6})?/)?[a-zA-Z0-9._/-]{0,12}(:[a-zA-Z0-9._-]{0,8})?(@sha256:[0-9a-f]{63,65})?") {
        for text in [text, near] {
            if let Some(image) = Image::parse(&text) {
                prop_assert_eq!(image.to_string(), text.clone());
                prop_assert!(!text.contains(|char: char| char.is_whitespace() || char.is_control()));
                let mirrored = image.clone().mirrored("mirror.local:5000/hub").to_string();
                let again = Image::parse(&mirrored).expect("behind a mirror");
                prop_assert_eq!((again.tag, again.digest), (image.tag, image.digest));
            }
        }
    }
}

/// The minutes, hours, days, months and weekdays of an expression, and whether days and weekdays
/// are unrestricted.
struct Cron {
    fields: [u64; 5],
    any: [bool; 2],
}

/// Parses an expression as the CronJob controller does. Source: github.com/robfig/cron/v3, parser.go
fn cron(text: &str) -> Option<Cron> {
    const BOUNDS: [(u64, u64); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let given: Vec<&str> = text.split_whitespace().collect();
    let mut cron = Cron { fields: [0; 5], any: [false; 2] };
    if given.len() != 5 {
        return None;
    }
    for (at, field) in given.iter().enumerate() {
        let (least, most) = BOUNDS[at];
        let number = |text: &str| {
            let lower = text.to_lowercase();
            let named = |names: &[&str], first| {
                names.iter().position(|name| *name == lower).map(|it| it as u64 + first)
            };
            let name = match at {
                3 => named(&MONTHS, 1),
                4 => named(&DAYS, 0),
                _ => None,
            };
            name.or_else(|| text.parse().ok())
        };
        for part in field.split(',').filter(|part| !part.is_empty()) {
            let (range, step) =
                part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
            let (low, high) = range.split_once('-').map_or((range, None), |(low, high)| (low, Some(high)));
            let star = matches!(low, "*" | "?");
            let start = if star { least } else { number(low)? };
            let end = match high {
                _ if star => most,
                Some(high) => number(high)?,
                None if step.is_some() => most,
                None => start,
            };
            let step: u64 = step.map_or(Some(1), |step| step.parse().ok())?;
            if start < least || end > most || start > end || step == 0 {
                return None;
            }
            if star && step == 1 && (at == 2 || at == 4) {
                cron.any[at / 4] = true;
            }
            cron.fields[at] |=
                (start..=end).step_by(usize::try_from(step).ok()?).fold(0, |bits, it| bits | 1 << it);
        }
    }
    Some(cron)
}

impl Cron {
    fn has(&self, field: usize, value: i8) -> bool {
        self.fields[field] & (1 << value) != 0
    }

    /// If both days are restricted, either one is enough.
    fn day(&self, day: &Zoned) -> bool {
        let (date, week) = (self.has(2, day.day()), self.has(4, day.weekday().to_sunday_zero_offset()));
        let days = if self.any[0] || self.any[1] { date && week } else { date || week };
        days && self.has(3, day.month())
    }

    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let first = after.to_zoned(TimeZone::UTC);
        let mut day = first.start_of_day().ok()?;
        for _ in 0..366 * 9 {
            if self.day(&day) {
                let minutes = (0..24_i8).flat_map(|hour| (0..60_i8).map(move |minute| (hour, minute)));
                let mut times = minutes.filter(|(hour, minute)| self.has(1, *hour) && self.has(0, *minute));
                let at = |(hour, minute): (i8, i8)| day.checked_add(hour.hours().minutes(minute)).ok();
                if let Some(found) = times.find_map(|time| at(time).filter(|it| it.timestamp() > after)) {
                    return Some(found.timestamp());
                }
            }
            day = day.checked_add(1.day()).ok()?;
        }
        None
    }
}

fn expression() -> impl Strategy<Value = String> {
    let field = |value: &str| {
        let item = format!(
            "([*]|{value}|{value}-{value}|{value}-{value}/[0-9]{{1,2}}|[*]/[0-9]{{1,2}}|{value}/[0-9]{{1,2}})"
        );
        proptest::string::string_regex(&format!("{item}(,{item}){{0,2}}")).expect("a pattern")
    };
    let (minute, hour, day) = (field("[0-6]?[0-9]"), field("[0-2]?[0-9]"), field("[0-3]?[0-9]"));
    let (month, week) = (field("(1?[0-9]|JAN|Dec)"), field("([0-7]|MON|sat)"));
    (minute, hour, day, month, week).prop_map(|(a, b, c, d, e)| format!("{a} {b} {c} {d} {e}"))
}

proptest! {
    #![proptest_config(proptest_config(300))]

    #[test]
    fn an_accepted_schedule_matches_the_cronjob(
        text in any::<String>(), odd in "[0-9*,/?LW#HJANSU@ -]{0,16}", near in expression(), second in 1_700_000_000_i64..1_900_000_000,
    ) {
        thread_local!(static JUDGE: Judge = Judge::new());
        for text in [text, odd, near] {
            // Both parsers return, whatever the input is.
            let (ours, theirs) = (Schedule::parse(&text, "Etc/UTC"), cron(&text));
            let spec = json!({ "backup": { "schedule": text } });
            if ours.is_ok() && JUDGE.with(|judge| judge.accepts(&spec, None)) {
                let Some(theirs) = theirs else { panic!("the CronJob refuses '{text}'") };
                let after = Timestamp::from_second(second).expect("a time");
                prop_assert_eq!(ours.expect("parsed").next(after), theirs.next(after), "'{}'", text);
            }
        }
    }
}
