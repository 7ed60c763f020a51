use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment in whole seconds since the Unix epoch, in RFC 3339 wherever it is stored. Whole seconds keep the
/// status stable: a value that is read back equals the value that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    /// The seconds from `earlier` to `self`.
    #[must_use]
    pub fn since(self, earlier: Time) -> i64 {
        self.0 - earlier.0
    }

    #[must_use]
    pub fn plus(self, seconds: i64) -> Time {
        Time(self.0 + seconds)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let moment = jiff::Timestamp::from_second(self.0).map_err(serde::ser::Error::custom)?;
        serializer.collect_str(&moment)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let moment: jiff::Timestamp = text.parse().map_err(de::Error::custom)?;
        Ok(Time(moment.as_second()))
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn a_time_is_stored_as_rfc_3339() {
        let text = serde_json::to_string(&Time(1_788_256_931)).unwrap();
        assert_eq!(text, "\"2026-09-01T10:02:11Z\"");
        assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), Time(1_788_256_931));
    }
}
