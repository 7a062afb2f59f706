//! A JSON document as a caller wrote it: no doubled keys, bounded depth, numbers as their own text.
//!
//! `serde_json::Value` would do none of the three: it keeps the last of two doubled keys in silence, and
//! sends every number through `f64`.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// How deep a caller's document may be. The reference's deepest is 4.
pub const MAX_DEPTH: usize = 32;

/// A checked JSON value. Written out again it is canonical: members sorted by name, no white space,
/// numbers letter for letter as they came.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(Box<str>),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

/// Why a text is not taken as JSON.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON at all.
    #[error("the body is not valid JSON: {0}")]
    Malformed(String),
    /// A value in it cannot be kept exactly, or the name of one of its members cannot.
    #[error("{why}")]
    Unkept {
        /// JSON pointer (RFC 6901) to the value.
        pointer: String,
        /// What is wrong with it.
        why: String,
    },
    /// A member's name stands twice in one object.
    #[error("the member stands twice in one object")]
    DuplicateKey {
        /// JSON pointer (RFC 6901) to the member.
        pointer: String,
    },
    /// Deeper than any query of the reference.
    #[error("the body is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

impl Json {
    /// Reads one JSON value that fills all of `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let raw: &RawValue = serde_json::from_slice(bytes).map_err(|error| JsonError::Malformed(error.to_string()))?;
        Self::read(raw, &Path::Root, 0)
    }

    fn read(raw: &RawValue, path: &Path<'_>, depth: usize) -> Result<Self, JsonError> {
        if depth >= MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        let text = raw.get();
        let unkept = |error| JsonError::Unkept { pointer: path.to_string(), why: without_position(&error) };
        match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = serde_json::from_str(text).map_err(unkept)?;
                let mut object = BTreeMap::new();
                for (name, value) in members {
                    let value = Self::read(value, &Path::Member(path, &name), depth + 1)?;
                    if object.contains_key(name.as_ref()) {
                        return Err(JsonError::DuplicateKey { pointer: Path::Member(path, &name).to_string() });
                    }
                    object.insert(name.into_owned(), value);
                }
                Ok(Self::Object(object))
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(unkept)?;
                let read = |(i, item)| Self::read(item, &Path::Index(path, i), depth + 1);
                Ok(Self::Array(items.into_iter().enumerate().map(read).collect::<Result<_, _>>()?))
            }
            Some(b'"') => Ok(Self::String(serde_json::from_str(text).map_err(unkept)?)),
            Some(b't') => Ok(Self::Bool(true)),
            Some(b'f') => Ok(Self::Bool(false)),
            Some(b'n') => Ok(Self::Null),
            _ => {
                // The check refuses what no double holds, such as 1e999.
                serde_json::from_str::<f64>(text).map_err(unkept)?;
                Ok(Self::Number(text.into()))
            }
        }
    }

    /// Appends the canonical text to `out`.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(text) => out.push_str(text),
            Self::String(text) => write_string(text, out),
            Self::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (i, (name, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_string(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// What a person would call this value's type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// The type only: a caller's filter can hold a phone number.
impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())
    }
}

/// What an inner reader says, which counts anew from its own beginning. The library's words never repeat the caller's text.
fn without_position(error: &serde_json::Error) -> String {
    let told = error.to_string();
    told.split_once(" at line ").map_or(told.as_str(), |(what, _)| what).to_owned()
}

/// Appends `text` as a JSON string.
pub fn write_string(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// One reference token of a JSON pointer, escaped (RFC 6901, section 3).
pub fn pointer_token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => write!(f, "{parent}/{}", pointer_token(name)),
            Self::Index(parent, i) => write!(f, "{parent}/{i}"),
        }
    }
}

/// An object's members as they stand, doubled names included.
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((Cow::Owned(name), value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> String {
        let mut out = String::new();
        Json::parse(text.as_bytes()).unwrap().write(&mut out);
        out
    }

    #[test]
    fn numbers_stay_letter_for_letter() {
        assert_eq!(canonical("[1.0, 1e2, -0, 12345678901234567890]"), "[1.0,1e2,-0,12345678901234567890]");
    }

    #[test]
    fn members_are_sorted_so_that_equal_objects_are_equal_texts() {
        assert_eq!(canonical(r#"{"b": 1, "a": {"d": [], "c": "é\n"}}"#), r#"{"a":{"c":"é\n","d":[]},"b":1}"#);
    }

    #[test]
    fn a_doubled_key_is_refused_wherever_it_stands() {
        let pointer = |text: &str| match Json::parse(text.as_bytes()) {
            Err(JsonError::DuplicateKey { pointer }) => pointer,
            other => panic!("{text} gave {other:?}"),
        };
        assert_eq!(pointer(r#"{"a":1,"a":1}"#), "/a");
        assert_eq!(pointer(r#"{"f":[{},{"x/y":1,"x\/y":2}]}"#), "/f/1/x~1y");
        assert_eq!(pointer(r#"{"a":1,"\u0061":2}"#), "/a");
    }

    #[test]
    fn nonsense_is_refused() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(Json::parse(deep.as_bytes()), Err(JsonError::TooDeep));
        for bad in [&b""[..], b"{", b"{}x", b"\xff", b"\"\xff\"", b"[1,]", b"NaN"] {
            assert!(matches!(Json::parse(bad), Err(JsonError::Malformed(_))), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_place_is_told_by_line_and_column_of_the_whole_or_else_by_a_pointer() {
        for (text, told) in [
            ("[1,\n 2,]", "the body is not valid JSON: expected value at line 2 column 4"),
            (r#"{"a":"#, "the body is not valid JSON: EOF while parsing a value at line 1 column 5"),
        ] {
            assert_eq!(Json::parse(text.as_bytes()).unwrap_err().to_string(), told, "{text}");
        }
        for (text, place, told) in [
            (r#""\ud800""#, "", "unexpected end of hex escape"),
            (r#"{"queues":["a","\ud800"]}"#, "/queues/1", "unexpected end of hex escape"),
            (r#"{"queues":["\udc00\ud800"]}"#, "/queues/0", "lone leading surrogate in hex escape"),
            (r#"{"queues":["a"],"extended":1e999}"#, "/extended", "number out of range"),
            (r#"[{"x/y":[-1e999]}]"#, "/0/x~1y/0", "number out of range"),
            // The member has no name to point to it by.
            (r#"{"f":[{"\ud800":1}]}"#, "/f/0", "unexpected end of hex escape"),
        ] {
            let unkept = JsonError::Unkept { pointer: place.to_owned(), why: told.to_owned() };
            assert_eq!(Json::parse(text.as_bytes()), Err(unkept), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_a_panic(bytes: Vec<u8>) {
            let _ = Json::parse(&bytes);
        }

        #[test]
        fn the_canonical_text_is_a_fixed_point(text in "[\\[\\]{}\",:0-9a-z.\\\\ -]{0,40}") {
            if let Ok(json) = Json::parse(text.as_bytes()) {
                let mut once = String::new();
                json.write(&mut once);
                prop_assert_eq!(Json::parse(once.as_bytes()).unwrap(), json);
            }
        }
    }
}
