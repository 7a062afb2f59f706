//! Holds a document against the JSON Schema of the settings, so that names, types and bounds are written once: at the
//! fields. All errors are found in one pass, and serde, whose messages repeat values, only sees values of the right form.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::{
    document::{Document, child, parent},
    settings::Config,
};

/// The JSON Schema (draft 2020-12) of the settings file, with every default; secrets are `writeOnly`.
pub fn schema() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// The schema of the settings, and the values of a configuration without any.
pub(super) struct Structure {
    schema: Value,
    defaults: Value,
}

/// They are the same in the whole life of the process, and take milliseconds to generate.
static OF_SETTINGS: LazyLock<Structure> = LazyLock::new(|| Structure {
    schema: schema(),
    // Not null in any case: the settings always have a JSON form.
    defaults: serde_json::to_value(Config::default()).unwrap_or_default(),
});

impl Structure {
    /// The structure of [`Config`].
    pub(super) fn of_settings() -> &'static Self {
        &OF_SETTINGS
    }

    /// Reports unknown and missing settings, wrong types and numbers out of bounds. Adds the defaults of settings that are
    /// not written.
    pub(super) fn check(&self, document: &mut Document<'_>) {
        self.check_value(document, "", &self.schema);
    }

    fn check_value(&self, document: &mut Document<'_>, pointer: &str, property: &Value) {
        let schema = self.resolve(property);
        let Some(value) = document.value.pointer(pointer) else { return };
        match value {
            Value::Object(members) if schema.get("properties").is_some() => {
                let names = members.keys().cloned().collect();
                self.check_table(document, pointer, schema, names);
            }
            _ if document.is_broken(pointer) => self.invalidate(document, pointer, property),
            Value::Array(items) if type_of(schema) == Some("array") => {
                let (count, item) = (items.len(), schema.get("items").unwrap_or(&Value::Null));
                (0..count).for_each(|index| self.check_value(document, &child(pointer, &index.to_string()), item));
            }
            value if is_valid(value, schema) => {
                for null in nulls(value, pointer) {
                    document.report(&null, mismatch(&Value::Null, &Value::Null), "write a finite number of 64 bits");
                    document.mark_invalid(&null);
                }
            }
            value => {
                let reason = mismatch(value, schema);
                let remedy = brackets(document, pointer, schema, value);
                let remedy = remedy.unwrap_or_else(|| format!("expected {}", self.expected(property)));
                document.report(pointer, reason, &remedy);
                self.invalidate(document, pointer, property);
            }
        }
    }

    fn check_table(&self, document: &mut Document<'_>, pointer: &str, schema: &Value, names: Vec<String>) {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        for name in names {
            let below = child(pointer, &name);
            match properties.get(&name) {
                Some(property) => self.check_value(document, &below, property),
                None => {
                    document.report(&below, "is not a known setting", &did_you_mean(&name, properties));
                    document.replace(&below, None);
                }
            }
        }
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, property) in properties {
            let below = child(pointer, name);
            if document.value.pointer(&below).is_some() {
                continue;
            }
            if !required.contains(&name.as_str()) {
                // A table with mandatory settings is one value, and does not mix with its default.
                let default = self.defaults.pointer(&below).filter(|_| required.is_empty());
                document.replace(&below, default.cloned());
                continue;
            }
            if !document.may_be_on_broken_line(pointer) {
                document.report(pointer, &format!("`{name}` is missing"), &format!("add `{name} = …`"));
            }
            self.invalidate(document, &below, property);
        }
    }

    /// Puts the default, else an example in the place of an invalid setting, so that the rest can be checked.
    pub(super) fn invalidate(&self, document: &mut Document<'_>, pointer: &str, property: &Value) {
        document.mark_invalid(pointer);
        let value = self.defaults.pointer(pointer).cloned().or_else(|| {
            let table = parent(pointer).and_then(|(table, _)| document.value.pointer(table));
            let is_item = table.is_some_and(Value::is_array);
            (is_item || self.is_required(pointer)).then(|| self.placeholder(property))
        });
        document.replace(pointer, value);
    }

    /// The schema of a setting, as its table names it.
    pub(super) fn property(&self, pointer: &str) -> Option<&Value> {
        pointer.split('/').skip(1).try_fold(&self.schema, |property, name| {
            let schema = self.resolve(property);
            schema.get("items").or_else(|| schema.get("properties")?.get(name))
        })
    }

    fn is_required(&self, pointer: &str) -> bool {
        let Some((table, name)) = parent(pointer) else { return false };
        let required = self.property(table).and_then(|table| self.resolve(table).get("required")?.as_array());
        required.is_some_and(|required| required.iter().any(|required| required == name))
    }

    /// Follows a reference, and the alternative of an optional value that is not null.
    pub(super) fn resolve<'a>(&'a self, property: &'a Value) -> &'a Value {
        let alternatives = property.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        let property = alternatives.clone().find(|one| type_of(one) != Some("null")).unwrap_or(property);
        let definition = property.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
        definition.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(property)
    }

    /// The remedy for a value of the right kind that its type refuses, which says itself what it expects.
    pub(super) fn remedy(&self, property: &Value) -> String {
        match (self.example(property), self.type_description(property)) {
            (Some(example), _) => format!("write it as in {example}"),
            (None, Some(description)) => format!("expected {description}"),
            (None, None) => "correct the value".to_owned(),
        }
    }

    /// What belongs in a setting.
    fn expected(&self, property: &Value) -> String {
        let schema = self.resolve(property);
        let bound = |name: &str, word: &str| Some(format!(" {word} {}", schema.get(name)?));
        let range = || {
            let bounds = match bound("exclusiveMinimum", "above") {
                Some(limit) => [Some(limit), bound("maximum", "and at most")],
                None => [bound("minimum", "from"), bound("maximum", "to")],
            };
            bounds.into_iter().flatten().collect::<String>()
        };
        let choices: Vec<String> = choices(schema).map(ToString::to_string).collect();
        match (type_of(schema), self.type_description(property)) {
            _ if !choices.is_empty() => format!("one of {}", choices.join(", ")),
            (_, Some(description)) => description.to_owned(),
            (Some("boolean"), _) => "true or false".to_owned(),
            (Some("integer"), _) => format!("a whole number{}", range()),
            (Some("number"), _) => format!("a number{}", range()),
            (Some("array"), _) => "a list in [ ]".to_owned(),
            (Some("object"), _) => "a table of settings".to_owned(),
            _ => match self.example(property) {
                Some(example) => format!("a text such as {example}"),
                None => "a text in quotes".to_owned(),
            },
        }
    }

    /// How a type of our own describes itself. The description of a plain type is the setting's.
    fn type_description<'a>(&'a self, property: &'a Value) -> Option<&'a str> {
        let schema = self.resolve(property);
        let is_own_type = !std::ptr::eq(schema, property) && schema.get("properties").is_none();
        schema.get("description").filter(|_| is_own_type)?.as_str()
    }

    /// An example of a setting whose type does not describe itself.
    fn example<'a>(&'a self, property: &'a Value) -> Option<&'a Value> {
        let schema = Some(self.resolve(property)).filter(|_| self.type_description(property).is_none());
        example(property).or_else(|| example(schema?))
    }

    fn placeholder(&self, property: &Value) -> Value {
        let schema = self.resolve(property);
        if let Some(example) = example(property).or_else(|| example(schema)).or_else(|| choices(schema).next()) {
            return example.clone();
        }
        match type_of(schema) {
            Some("object") => {
                let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
                let members = required.filter_map(|name| {
                    let name = name.as_str()?;
                    Some((name.to_owned(), self.placeholder(schema.get("properties")?.get(name)?)))
                });
                Value::Object(members.collect())
            }
            Some("array") => Value::Array(Vec::new()),
            Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(1.into()),
            Some("boolean") => false.into(),
            _ => "placeholder".into(),
        }
    }
}

/// The type that is not null.
pub(super) fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        name => name.as_str(),
    }
}

fn example(schema: &Value) -> Option<&Value> {
    schema.get("examples")?.get(0)
}

fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    let list = |name: &str| schema.get(name).and_then(Value::as_array).into_iter().flatten();
    list("enum").chain(list("oneOf").filter_map(|one| one.get("const")))
}

fn is_valid(value: &Value, schema: &Value) -> bool {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let is_in_bounds = |number: f64| {
        bound("minimum").is_none_or(|least| number >= least)
            && bound("exclusiveMinimum").is_none_or(|limit| number > limit)
            && bound("maximum").is_none_or(|most| number <= most)
            && (schema.get("format").is_none_or(|format| format != "uint32") || number <= f64::from(u32::MAX))
    };
    let mut choices = choices(schema).peekable();
    match (type_of(schema), value) {
        _ if choices.peek().is_some() => choices.any(|choice| choice == value),
        (Some("string"), Value::String(_)) | (Some("boolean"), Value::Bool(_)) | (Some("object"), Value::Object(_)) => {
            true
        }
        (Some("integer"), Value::Number(number)) => !number.is_f64() && number.as_f64().is_some_and(is_in_bounds),
        (Some("number"), Value::Number(number)) => number.as_f64().is_some_and(is_in_bounds),
        (None, value) => !value.is_null(),
        _ => false,
    }
}

/// The places in a value of any form whose number has no JSON form, which are null.
fn nulls(value: &Value, pointer: &str) -> Vec<String> {
    match value {
        Value::Null => vec![pointer.to_owned()],
        Value::Array(items) => {
            items.iter().zip(0..).flat_map(|(item, i)| nulls(item, &child(pointer, &i.to_string()))).collect()
        }
        Value::Object(members) => {
            members.iter().flat_map(|(name, member)| nulls(member, &child(pointer, name))).collect()
        }
        _ => Vec::new(),
    }
}

/// Why a value is not valid. It never repeats the value, which may be a secret.
fn mismatch(value: &Value, schema: &Value) -> &'static str {
    match (value, type_of(schema)) {
        (Value::Null, _) => "is not a finite number of 64 bits",
        (Value::Number(number), Some("integer")) if number.is_f64() => "is not a whole number",
        (Value::Number(_), Some("integer" | "number")) => "is out of range",
        (Value::String(_), _) if choices(schema).next().is_some() => "is unknown",
        (Value::Bool(_), _) => "is a boolean",
        (Value::Number(_), _) => "is a number",
        (Value::String(_), _) => "is a text",
        (Value::Array(_), _) => "is a list",
        (Value::Object(_), _) => "is a table",
    }
}

/// The remedy where one kind of header is in the place of the other: `[callers]` for `[[callers]]`, or the reverse.
fn brackets(document: &Document<'_>, pointer: &str, schema: &Value, value: &Value) -> Option<String> {
    let name = document.label(pointer);
    let is_top = pointer.matches('/').count() == 1;
    match (type_of(schema)?, value) {
        ("array", Value::Object(_)) if is_top => Some(format!("write `[[{name}]]`, in double brackets, above each")),
        ("object", Value::Array(_)) if !name.contains('[') => {
            Some(format!("write `[{name}]`, in single brackets, and once"))
        }
        _ => None,
    }
}

fn did_you_mean(name: &str, properties: &Map<String, Value>) -> String {
    let limit = (name.chars().count() / 3).max(1);
    let distances = properties.keys().map(|known| (strsim::levenshtein(name, known), known));
    let nearest = distances.filter(|(distance, _)| *distance <= limit).min();
    let known = properties.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let question = nearest.map(|(_, nearest)| format!("did you mean `{nearest}`? ")).unwrap_or_default();
    format!("{question}known here: {known}")
}
