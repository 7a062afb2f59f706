//! The parameters in a request's body. A mandatory parameter that is missing or null is X0000, an invalid one X004. Fields
//! that the reference does not have are ignored.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::envelope::Refusal;

/// The body of a request, a JSON object.
pub(crate) struct Params(Map<String, Value>);

impl Params {
    pub(crate) fn read(body: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(invalid("the body is not an object")),
            Err(_) => Err(invalid("the body is not JSON")),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn mandatory(&self, name: &'static str) -> Result<&Value, Refusal> {
        self.get(name).ok_or(Refusal::Missing(name))
    }

    /// Returns a mandatory text that is not empty.
    pub(crate) fn text(&self, name: &'static str) -> Result<&str, Refusal> {
        match self.mandatory(name)?.as_str() {
            Some("") => Err(Refusal::Missing(name)),
            Some(text) => Ok(text),
            None => Err(invalid(format!("{name} is not a string"))),
        }
    }

    /// Returns a boolean, false by default.
    pub(crate) fn boolean(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| invalid(format!("{name} is not a boolean"))),
        }
    }

    /// Returns a whole number within a range.
    pub(crate) fn number(&self, name: &str, default: usize, range: RangeInclusive<usize>) -> Result<usize, Refusal> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| invalid(format!("{name} is not a whole number from {} to {}", range.start(), range.end())))
    }
}

pub(crate) fn invalid(why: impl Into<String>) -> Refusal {
    Refusal::Invalid(why.into())
}
