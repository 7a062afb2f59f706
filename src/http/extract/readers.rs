//! How the reference's types are read, and what each therefore takes. `null` is a wrong type everywhere.

use std::{borrow::Cow, ops::RangeInclusive};

use serde_json::{Value, json};

use super::fields::{Reader, Wrong};
use crate::model::{CompanyId, Interval, InvalidCompanyId, Json, QueueId};

fn wrong<T>(why: impl Into<Cow<'static, str>>) -> Result<T, Wrong> {
    Err(vec![(String::new(), why.into())])
}

fn not<T>(wanted: &str, got: &Json) -> Result<T, Wrong> {
    wrong(format!("this must be {wanted}, not {}", got.type_name()))
}

/// Whatever JSON there is.
pub(crate) struct Anything;

impl Reader for Anything {
    type Value = Json;

    fn read(self, json: Json) -> Result<Json, Wrong> {
        Ok(json)
    }

    fn schema(&self) -> Value {
        json!({})
    }
}

/// True or false.
pub(crate) struct Boolean;

impl Reader for Boolean {
    type Value = bool;

    fn read(self, json: Json) -> Result<bool, Wrong> {
        match json {
            Json::Bool(value) => Ok(value),
            other => not("true or false", &other),
        }
    }

    fn schema(&self) -> Value {
        json!({"type": "boolean"})
    }
}

/// A string.
pub(crate) struct Text;

impl Reader for Text {
    type Value = String;

    fn read(self, json: Json) -> Result<String, Wrong> {
        match json {
            Json::String(text) => Ok(text),
            other => not("a string", &other),
        }
    }

    fn schema(&self) -> Value {
        json!({"type": "string"})
    }
}

/// A string with more in it than white space.
pub(crate) struct SomeText;

impl SomeText {
    /// Any character that is not `White_Space` in Unicode; what `\s` means differs from one language to the next.
    const PATTERN: &str = r"[^\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";
}

impl Reader for SomeText {
    type Value = String;

    fn read(self, json: Json) -> Result<String, Wrong> {
        let text = Text.read(json)?;
        if text.trim().is_empty() { wrong("this may not be empty") } else { Ok(text) }
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "minLength": 1, "pattern": Self::PATTERN})
    }
}

/// One of some words.
pub(crate) struct OneOf<T: Copy + 'static> {
    pub(crate) all: &'static [T],
    pub(crate) word: fn(T) -> &'static str,
}

impl<T: Copy> OneOf<T> {
    fn words(&self) -> impl Iterator<Item = &'static str> {
        self.all.iter().map(|one| (self.word)(*one))
    }
}

impl<T: Copy> Reader for OneOf<T> {
    type Value = T;

    fn read(self, json: Json) -> Result<T, Wrong> {
        let text = Text.read(json)?;
        match self.all.iter().find(|one| (self.word)(**one) == text) {
            Some(one) => Ok(*one),
            None => {
                let words: Vec<_> = self.words().map(|word| format!("\"{word}\"")).collect();
                wrong(format!("this must be {}", words.join(" or ")))
            }
        }
    }

    fn schema(&self) -> Value {
        json!({"type": "string", "enum": self.words().collect::<Vec<_>>()})
    }
}

/// A whole number written in digits alone: `1.0` and `1e2` are refused, as the reference shows none.
pub(crate) struct WholeNumber(pub(crate) RangeInclusive<u64>);

impl Reader for WholeNumber {
    type Value = u64;

    fn read(self, json: Json) -> Result<u64, Wrong> {
        let Self(range) = self;
        match json {
            Json::Number(text) => match text.parse::<u64>() {
                Ok(number) if range.contains(&number) && !text.starts_with('+') => Ok(number),
                _ => wrong(format!("this must be a whole number from {} to {}", range.start(), range.end())),
            },
            other => not("a number", &other),
        }
    }

    fn schema(&self) -> Value {
        json!({"type": "integer", "minimum": self.0.start(), "maximum": self.0.end()})
    }
}

/// A company's id.
pub(crate) struct Company;

impl Reader for Company {
    type Value = CompanyId;

    fn read(self, json: Json) -> Result<CompanyId, Wrong> {
        match json {
            Json::Number(text) => text.parse().or_else(|error: InvalidCompanyId| wrong(error.to_string())),
            other => not("a number", &other),
        }
    }

    fn schema(&self) -> Value {
        json!({"type": "integer", "minimum": 1, "maximum": CompanyId::MAX})
    }
}

/// Two instants in order.
pub(crate) struct Span;

impl Reader for Span {
    type Value = Interval;

    fn read(self, json: Json) -> Result<Interval, Wrong> {
        let text = Text.read(json)?;
        Interval::parse(&text).or_else(|error| wrong(error.to_string()))
    }

    /// That the end is after the start, and the day in its month, no pattern can say.
    fn schema(&self) -> Value {
        json!({"type": "string", "format": "interval", "pattern": Interval::PATTERN})
    }
}

/// So many queue ids at most, in the order asked, doubled ones too.
pub(crate) struct Queues(pub(crate) usize);

impl Reader for Queues {
    type Value = Vec<QueueId>;

    fn read(self, json: Json) -> Result<Vec<QueueId>, Wrong> {
        let ids = match json {
            Json::Array(ids) => ids,
            other => return not("an array of queue ids", &other),
        };
        if ids.is_empty() {
            return wrong("this must name one queue at least");
        }
        if ids.len() > self.0 {
            return wrong(format!("this may name {} queues at most, not {}", self.0, ids.len()));
        }
        let mut faults = Wrong::new();
        let mut queues = Vec::with_capacity(ids.len());
        for (i, id) in ids.into_iter().enumerate() {
            match id {
                Json::String(text) => match QueueId::try_from(text) {
                    Ok(id) => queues.push(id),
                    Err(error) => faults.push((format!("/{i}"), error.to_string().into())),
                },
                other => {
                    faults.push((format!("/{i}"), format!("this must be a string, not {}", other.type_name()).into()))
                }
            }
        }
        if faults.is_empty() { Ok(queues) } else { Err(faults) }
    }

    fn schema(&self) -> Value {
        let id =
            json!({"type": "string", "minLength": 1, "maxLength": QueueId::MAX_CHARS, "pattern": QueueId::PATTERN});
        json!({"type": "array", "minItems": 1, "maxItems": self.0, "items": id})
    }
}

/// Objects with a `dimension`, a string, and a `value`, whatever the vendor takes.
pub(crate) struct Filters;

impl Reader for Filters {
    type Value = Vec<Json>;

    fn read(self, json: Json) -> Result<Vec<Json>, Wrong> {
        let filters = match json {
            Json::Array(filters) => filters,
            other => return not("an array of filters", &other),
        };
        let faults: Wrong = filters.iter().enumerate().flat_map(|(i, filter)| filter_faults(i, filter)).collect();
        if faults.is_empty() { Ok(filters) } else { Err(faults) }
    }

    fn schema(&self) -> Value {
        let dimension = json!({"type": "string", "description": "What is compared, such as `dateTime`."});
        let value = json!({"description": "What Wesal compares it with; for `dateTime`, an object."});
        let properties = json!({"dimension": dimension, "value": value});
        let filter = json!({"type": "object", "properties": properties, "required": ["dimension", "value"]});
        json!({"type": "array", "items": filter})
    }
}

fn filter_faults(i: usize, filter: &Json) -> Wrong {
    let Json::Object(members) = filter else {
        return vec![(format!("/{i}"), format!("this must be an object, not {}", filter.type_name()).into())];
    };
    let mut faults = Wrong::new();
    match members.get("dimension") {
        Some(Json::String(_)) => {}
        Some(other) => {
            faults
                .push((format!("/{i}/dimension"), format!("this must be a string, not {}", other.type_name()).into()));
        }
        None => faults.push((format!("/{i}/dimension"), "a filter must name its dimension".into())),
    }
    if !members.contains_key("value") {
        faults.push((format!("/{i}/value"), "a filter must have a value".into()));
    }
    faults
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read, and what the schema allows.
    fn both<R: Reader>(reader: R, text: &str) -> (bool, bool) {
        let schema = reader.schema();
        let allowed = jsonschema::draft202012::is_valid(&schema, &serde_json::from_str(text).unwrap());
        (reader.read(Json::parse(text.as_bytes()).unwrap()).is_ok(), allowed)
    }

    const VALUES: [&str; 34] = [
        "null",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "-0",
        "0.5",
        "100",
        "101",
        "9007199254740991",
        "9007199254740992",
        "18446744073709551615",
        "18446744073709551616",
        r#""""#,
        r#"" ""#,
        r#""\u0085\u2003\t""#,
        r#""\ufeff""#,
        r#""\u001c""#,
        r#""email""#,
        r#""Email""#,
        r#""2024-01-28T09:00:00Z/2024-01-28T10:00:00.000000001-03:00""#,
        r#""2024-01-28t09:00:00.5z/2024-01-28T23:59:60-05:00""#,
        r#""2024-01-28T09:00:00/2024-01-28T10:00:00""#,
        r#""2024-13-28T09:00:00Z/2025-01-28T10:00:00Z""#,
        "[]",
        "{}",
        r#"["a"]"#,
        r#"["a", ""]"#,
        r#"["\u007f"]"#,
        r#"["a", "b", "c", "d"]"#,
        "[1]",
        r#"[{"dimension": "x", "value": null}]"#,
        r#"[{"dimension": 1, "value": 1}, {"value": 1}, {"dimension": "x"}, 7]"#,
    ];

    #[test]
    fn what_the_schema_allows_is_read_and_nothing_else() {
        for text in VALUES {
            // As JSON Schema sees it `-0` is 0, and other spellings of whole numbers are whole numbers too.
            if text != "-0" {
                for range in [0..=u64::MAX, 1..=100] {
                    let (read, allowed) = both(WholeNumber(range), text);
                    assert_eq!(read, allowed, "a whole number: {text}");
                }
                let (read, allowed) = both(Company, text);
                assert_eq!(read, allowed, "a company: {text}");
            }
            let word = OneOf { all: &["email", "phone"], word: |word| word };
            for (what, (read, allowed)) in [
                ("anything", both(Anything, text)),
                ("a boolean", both(Boolean, text)),
                ("a text", both(Text, text)),
                ("some text", both(SomeText, text)),
                ("a word", both(word, text)),
                ("an interval", both(Span, text)),
                ("queues", both(Queues(3), text)),
                ("filters", both(Filters, text)),
            ] {
                assert_eq!(read, allowed, "{what}: {text}");
            }
        }
    }

    proptest! {
        #[test]
        fn some_text_and_queue_ids_are_what_their_patterns_say(text in "\\PC{0,3}|[\\s\\x00-\\x20\\x7f-\\xa0]{0,3}|.{120,140}") {
            let json = serde_json::Value::from(vec![text.clone()]).to_string();
            let (read, allowed) = both(Queues(1), &json);
            prop_assert_eq!(read, allowed);
            let (read, allowed) = both(SomeText, &serde_json::Value::from(text).to_string());
            prop_assert_eq!(read, allowed);
        }

        /// With days that each month has, and the later instant second, the pattern says it all.
        #[test]
        fn an_interval_is_what_its_pattern_says(
            day in 1..29_u8, hour in 0..26_u8, minute in 0..62_u8, second in 0..62_u8,
            fraction in "(\\.[0-9]{0,10})?", offset in "[Zz]|[+-][0-2][0-9]:[0-6][0-9]|",
        ) {
            let start = format!("2024-01-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}");
            let (read, allowed) = both(Span, &format!("\"{start}/2024-03-01T00:00:00Z\""));
            prop_assert_eq!(read, allowed, "{}", start);
        }
    }
}
