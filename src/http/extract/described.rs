use serde_json::{Map, Value, json};

use super::{Form, fields::Reader};

/// A form that nobody has filled in: it learns which fields are asked for.
#[derive(Default)]
pub(crate) struct Described {
    properties: Map<String, Value>,
    required: Vec<&'static str>,
}

impl Described {
    /// The JSON Schema of a body that is read as this form was. `forwarded` are the further fields that the
    /// configuration lets through.
    pub(crate) fn schema(mut self, forwarded: &[String]) -> Value {
        for name in forwarded {
            let about = "Handed on to Wesal as it is (`upstream.forward_fields`).";
            self.properties.entry(name).or_insert_with(|| json!({"description": about}));
        }
        let mut schema = json!({
            "type": "object",
            "properties": self.properties,
            "additionalProperties": false,
        });
        if let (Some(schema), false) = (schema.as_object_mut(), self.required.is_empty()) {
            schema.insert("required".to_owned(), self.required.into());
        }
        schema
    }
}

impl Form for Described {
    fn required<R: Reader>(&mut self, name: &'static str, reader: R, about: &'static str) -> Option<R::Value> {
        self.required.push(name);
        self.optional(name, reader, about)
    }

    fn optional<R: Reader>(&mut self, name: &'static str, reader: R, about: &'static str) -> Option<R::Value> {
        let mut schema = reader.schema();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), about.into());
        }
        self.properties.insert(name.to_owned(), schema);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::extract::readers::{Boolean, Text};

    #[test]
    fn a_form_tells_what_it_is_asked_for() {
        let mut form = Described::default();
        assert_eq!(form.required("a", Text, "The first."), None);
        assert_eq!(form.optional("b", Boolean, "The second."), None);
        let expected = json!({
            "type": "object",
            "properties": {
                "a": {"type": "string", "description": "The first."},
                "b": {"type": "boolean", "description": "The second."},
                "zone": {"description": "Handed on to Wesal as it is (`upstream.forward_fields`)."},
            },
            "required": ["a"],
            "additionalProperties": false,
        });
        assert_eq!(form.schema(&["zone".to_owned()]), expected);
    }
}
