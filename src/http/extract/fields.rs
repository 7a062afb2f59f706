use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    http::{
        error_code::ErrorCode,
        problem::{FieldError, Problem},
    },
    model::{Json, pointer_token},
};

/// Where a body's top-level fields are taken from: a request ([`Fields`]), or nothing at all, to learn what would be taken
/// ([`Described`](super::Described)). A route asks for its fields once, through this, so that what it reads and what its
/// description says cannot differ. `about` says what the field is for, in a sentence.
pub(crate) trait Form {
    /// A mandatory field. `None` if it is missing or wrong, which is then noted.
    fn required<R: Reader>(&mut self, name: &'static str, reader: R, about: &'static str) -> Option<R::Value>;

    /// A field that may be left out. `None` if it is, or if it is wrong, which is then noted.
    fn optional<R: Reader>(&mut self, name: &'static str, reader: R, about: &'static str) -> Option<R::Value>;
}

/// How a field's value is read, and what may therefore stand there.
pub(crate) trait Reader {
    /// What it is read as.
    type Value;

    /// Reads it, or says what is wrong.
    fn read(self, json: Json) -> Result<Self::Value, Wrong>;

    /// Its JSON Schema (2020-12): what it refuses is not taken by [`read`](Self::read) either.
    fn schema(&self) -> serde_json::Value;
}

/// What is said of a field that is not let through.
pub(crate) const UNKNOWN_FIELD: &str = "the vendor's reference does not know this field here";

/// A body's top-level members, taken out one by one. All that is wrong is noted, and told at once.
pub(crate) struct Fields {
    members: BTreeMap<String, Json>,
    faults: Vec<FieldError>,
    something_is_missing: bool,
}

/// What is wrong with a value: a pointer below its field, and why.
pub(crate) type Wrong = Vec<(String, Cow<'static, str>)>;

impl Fields {
    /// The members of an object; anything else is refused.
    pub(crate) fn of(json: Json) -> Result<Self, Problem> {
        match json {
            Json::Object(members) => Ok(Self { members, faults: Vec::new(), something_is_missing: false }),
            other => {
                let kind = other.type_name();
                let fault = FieldError::at("", format!("this must be an object, not {kind}"));
                Err(Problem::new(ErrorCode::InvalidRequest, format!("The body must be an object, not {kind}."))
                    .with_errors(vec![fault]))
            }
        }
    }

    /// The further fields that `upstream.forward_fields` lets through. What then remains is unknown, and noted.
    pub(crate) fn forwarded(&mut self, allowed: &[String]) -> BTreeMap<String, Json> {
        let (forwarded, unknown): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.members).into_iter().partition(|(name, _)| allowed.contains(name));
        let told = |name: &String| FieldError::at(format!("/{}", pointer_token(name)), UNKNOWN_FIELD);
        self.faults.extend(unknown.keys().map(told));
        forwarded
    }

    /// Every one that nobody has taken yet.
    pub(crate) fn all(&mut self) -> BTreeMap<String, Json> {
        std::mem::take(&mut self.members)
    }

    /// Whether nothing is wrong.
    pub(crate) fn are_good(&self) -> bool {
        self.faults.is_empty()
    }

    /// All that is wrong, as one problem.
    pub(crate) fn refusal(self) -> Problem {
        let code = if self.something_is_missing { ErrorCode::MissingParameter } else { ErrorCode::InvalidRequest };
        let detail = match self.faults.len() {
            1 => Cow::from("One field is missing or wrong; `errors` says which and why."),
            n => Cow::from(format!("{n} fields are missing or wrong; `errors` says which and why.")),
        };
        Problem::new(code, detail).with_errors(self.faults)
    }
}

impl Form for Fields {
    fn required<R: Reader>(&mut self, name: &'static str, reader: R, about: &'static str) -> Option<R::Value> {
        if !self.members.contains_key(name) {
            self.something_is_missing = true;
            self.faults.push(FieldError::at(format!("/{name}"), "this field is mandatory"));
        }
        self.optional(name, reader, about)
    }

    fn optional<R: Reader>(&mut self, name: &'static str, reader: R, _: &'static str) -> Option<R::Value> {
        match reader.read(self.members.remove(name)?) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.faults
                    .extend(wrong.into_iter().map(|(below, why)| FieldError::at(format!("/{name}{below}"), why)));
                None
            }
        }
    }
}
