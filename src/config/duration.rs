use std::{borrow::Cow, time::Duration};

use jiff::fmt::friendly::{SpanParser, SpanPrinter};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// A [`Duration`] as the settings write it: a text with units, such as `3s`, `1h 30m`, `250ms` or `0s`
/// (jiff's friendly format, without calendar units). For use as `#[serde(with = "HumanDuration")]`.
#[derive(Clone, Copy, Debug)]
pub enum HumanDuration {}

/// Ten years: a longer duration is a mistake, and would overflow deadlines.
const MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

impl HumanDuration {
    /// Writes the duration with units.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Self::show(duration))
    }

    /// Reads a text with units.
    ///
    /// # Errors
    /// A number without unit, a negative or calendar span, or more than ten years.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = SpanParser::new().parse_unsigned_duration(&text).ok().filter(|_| is_unit_form(&text));
        match duration {
            None => Err(D::Error::custom("is not a duration")),
            Some(duration) if duration > MAX => Err(D::Error::custom("is longer than ten years")),
            Some(duration) => Ok(duration),
        }
    }

    /// The text form, such as `1h 30m`.
    pub fn show(duration: &Duration) -> String {
        SpanPrinter::new().unsigned_duration_to_string(duration)
    }
}

/// jiff accepts more: `1:30:00`, which may be meant as minutes and seconds, `+3s`, `0s ago`, `1,5h`, `1.h`.
fn is_unit_form(text: &str) -> bool {
    let mut pairs = text.as_bytes().windows(2);
    let is_odd = |pair: &[u8]| match pair {
        [before, b','] => before.is_ascii_digit(),
        [b'.', behind] => !behind.is_ascii_digit(),
        _ => false,
    };
    !text.contains([':', '+', '-']) && !text.ends_with("ago") && !pairs.any(is_odd)
}

/// Each unit at most once, the longest first, and a fraction only in the last. A `,` may separate two.
const PATTERN: &str = concat!(
    r"^(?=[0-9])",
    r"([0-9]+([.][0-9]{1,9}(?=\s*[a-z]+\s*$))?\s*h((ou)?rs?)?((,\s+|\s*)(?=[0-9]))?)?",
    r"([0-9]+([.][0-9]{1,9}(?=\s*[a-z]+\s*$))?\s*m(in(ute)?s?)?((,\s+|\s*)(?=[0-9]))?)?",
    r"([0-9]+([.][0-9]{1,9}(?=\s*[a-z]+\s*$))?\s*s(ec(ond)?s?)?((,\s+|\s*)(?=[0-9]))?)?",
    r"([0-9]+([.][0-9]{1,9}(?=\s*[a-z]+\s*$))?\s*(milli(s(econds?)?)?|ms(ecs?)?)((,\s+|\s*)(?=[0-9]))?)?",
    r"([0-9]+([.][0-9]{1,9}(?=\s*[a-zµ]+\s*$))?\s*(micro(s(econds?)?)?|[uµ]s(ecs?)?)((,\s+|\s*)(?=[0-9]))?)?",
    r"([0-9]+\s*(nano(s(econds?)?)?|ns(ecs?)?))?\s*$",
);

impl JsonSchema for HumanDuration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "a duration: numbers with units (h, m, s, ms, us, ns), such as \"3s\" or \"1h 30m\"",
            "pattern": PATTERN,
            "examples": ["3s", "250ms", "10m", "1h 30m"],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde::de::{IntoDeserializer, value::Error};

    use super::*;

    fn read(text: &str) -> Result<Duration, Error> {
        HumanDuration::deserialize(IntoDeserializer::<Error>::into_deserializer(text))
    }

    #[test]
    fn durations_need_units_and_round_trip() {
        for (text, millis) in [("0s", 0), ("3s", 3_000), ("250ms", 250), ("1h 30m", 5_400_000), ("48h", 172_800_000)] {
            let duration = read(text).unwrap();
            assert_eq!(duration, Duration::from_millis(millis));
            assert_eq!(HumanDuration::show(&duration), text);
        }
        for bad in ["", "3", "-3s", "3 fortnights", "1y", "1d", "s", "99999999h", "1:30:00", "0s ago"] {
            assert!(read(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
