//! A JSON Schema as a list of fields for people.

use std::fmt::Write as _;

use serde_json::Value;

use super::{elements, followed, html::Html, members, text};

/// Deeper than this no body of ours goes; a schema that held itself would never end.
const DEEPEST: usize = 8;

/// One field, under its whole name, such as `filters[].dimension`.
struct Field<'a> {
    name: String,
    kind: String,
    is_mandatory: bool,
    about: &'a str,
    bounds: Vec<String>,
}

/// Writes the fields of a body. Of an answer it says nothing of what is mandatory: all that is not `or null` is there.
pub(crate) fn write(document: &Value, schema: &Value, is_request: bool, html: &mut Html) {
    let mut fields = Vec::new();
    collect(document, schema, "", 0, &mut fields);
    html.raw("<dl class=\"fields\">");
    for field in fields {
        html.raw("<div>");
        write_field(&field, is_request, html);
        html.raw("</div>");
    }
    html.raw("</dl>");
}

/// Writes a parameter as a field is written, within an element of its own.
pub(crate) fn write_parameter(document: &Value, parameter: &Value, html: &mut Html) {
    let schema = parameter.get("schema").unwrap_or(&Value::Null);
    let place = text(parameter, "in");
    let field = Field {
        name: text(parameter, "name").to_owned(),
        kind: format!("{}, in the {place}", kind(document, schema)),
        is_mandatory: parameter.get("required").is_some_and(|required| *required == Value::Bool(true)),
        about: text(parameter, "description"),
        bounds: bounds(document, schema),
    };
    write_field(&field, true, html);
}

fn write_field(field: &Field<'_>, is_request: bool, html: &mut Html) {
    html.raw("<dt>").code(&field.name).raw(" <span class=\"kind\">").text(&field.kind).raw("</span>");
    match (is_request, field.is_mandatory) {
        (true, true) => html.raw(" <span class=\"must\">mandatory</span>"),
        (true, false) => html.raw(" <span class=\"kind\">may be left out</span>"),
        (false, _) => html,
    };
    html.raw("</dt><dd>").words(field.about);
    if !field.bounds.is_empty() {
        let bounds = field.bounds.join("; ");
        let (first, rest) = bounds.split_at_checked(1).unwrap_or_default();
        html.raw(" <span class=\"bounds\">").words(&format!("{}{rest}.", first.to_ascii_uppercase())).raw("</span>");
    }
    html.raw("</dd>");
}

fn collect<'a>(document: &'a Value, schema: &'a Value, before: &str, depth: usize, fields: &mut Vec<Field<'a>>) {
    let schema = followed(document, schema);
    if depth > DEEPEST {
        return;
    }
    if let Some(items) = schema.get("items") {
        return collect(document, items, &format!("{before}[]"), depth + 1, fields);
    }
    let required: Vec<_> = elements(schema, "required").filter_map(Value::as_str).collect();
    let is_mandatory = |name: &str| required.contains(&name);
    let mut properties: Vec<_> = members(schema, "properties").map(|property| (property, "")).collect();
    properties.sort_by_key(|((name, _), _)| !is_mandatory(name));
    // One of several, that each has its reason.
    let either = |one: &'a Value| members(one, "properties").map(|property| (property, text(one, "description")));
    properties.extend(elements(schema, "oneOf").flat_map(either));
    for ((name, property), reason) in properties {
        let whole = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        let told = [text(property, "description"), text(followed(document, property), "description"), reason];
        fields.push(Field {
            kind: kind(document, property),
            is_mandatory: is_mandatory(name),
            about: told.into_iter().find(|about| !about.is_empty()).unwrap_or_default(),
            bounds: bounds(document, property),
            name: whole.clone(),
        });
        collect(document, property, &whole, depth + 1, fields);
    }
}

/// What a value is, in words.
fn kind(document: &Value, schema: &Value) -> String {
    let schema = followed(document, schema);
    let names: Vec<_> = match schema.get("type") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => return "any JSON value".to_owned(),
    };
    let named = |name: &&str| match (*name, schema.get("items")) {
        ("array", Some(items)) => format!("array of {}", kind(document, items)),
        ("integer", _) => "whole number".to_owned(),
        (name, _) => name.to_owned(),
    };
    names.iter().map(named).collect::<Vec<_>>().join(" or ")
}

/// What a value is held to, in words.
fn bounds(document: &Value, schema: &Value) -> Vec<String> {
    let schema = followed(document, schema);
    let mut bounds = Vec::new();
    for (least, most, unit) in
        [("minimum", "maximum", ""), ("minItems", "maxItems", " items"), ("minLength", "maxLength", " characters")]
    {
        bounds.extend(range(schema.get(least), schema.get(most), unit));
    }
    let words: Vec<_> = elements(schema, "enum").filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
    // The errors' codes have a page of their own.
    if (1..10).contains(&words.len()) {
        bounds.push(words.join(" or "));
    }
    bounds.extend(schema.get("const").map(|only| format!("always `{only}`")));
    if let Some(items) = schema.get("items") {
        bounds.extend(self::bounds(document, items).into_iter().map(|bound| format!("each {bound}")));
    }
    bounds
}

fn range(least: Option<&Value>, most: Option<&Value>, unit: &str) -> Option<String> {
    let mut words = String::new();
    // Writing to a String cannot fail.
    let _ = match (least, most) {
        (None, None) => return None,
        (Some(least), Some(most)) => write!(words, "{least} to {most}{unit}"),
        (Some(least), None) if unit.is_empty() => write!(words, "{least} or more"),
        (Some(_), None) => write!(words, "not empty"),
        (None, Some(most)) => write!(words, "at most {most}{unit}"),
    };
    Some(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_becomes_fields_with_what_they_are_held_to() {
        let document = json!({"x": {"type": "array", "minItems": 1, "maxItems": 3, "description": "Them.", "items": {
            "type": "object", "required": ["b"], "properties": {
                "a": {"type": ["integer", "null"], "minimum": 1},
                "b": {"type": "string", "enum": ["y", "z"], "description": "Of `them`."},
            },
        }}});
        let schema = json!({"type": "object", "properties": {"x": {"$ref": "#/x"}}});
        let mut html = Html::default();
        write(&document, &schema, true, &mut html);
        let html = html.finish();
        let names: Vec<_> = html.split("<dt><code>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
        assert_eq!(names, ["x", "x[].b", "x[].a"]);
        for told in [
            ">array of object<",
            "Them. <span class=\"bounds\">1 to 3 items.",
            "Of <code>them</code>.",
            "mandatory",
            "<code>y</code> or <code>z</code>.",
            ">whole number or null<",
            "1 or more.",
        ] {
            assert!(html.contains(told), "{told}: {html}");
        }
    }

    #[test]
    fn a_schema_that_holds_itself_comes_to_an_end() {
        let document = json!({"x": {"type": "object", "properties": {"x": {"$ref": "#/x"}}}});
        let mut html = Html::default();
        write(&document, &json!({"$ref": "#/x"}), false, &mut html);
        assert!(html.finish().matches("<dt>").count() < 20);
    }
}
