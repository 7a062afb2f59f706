//! Holds every answer that a test gets against the committed description of it.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::Answer;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")).unwrap();
    serde_json::from_str(&text).unwrap()
});

/// Schemas are dear to make ready, and the same for many tests.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// The headers that the description speaks of.
const HEADERS: [&str; 10] = [
    "x-request-id",
    "ratelimit-policy",
    "ratelimit",
    "retry-after",
    "cache-status",
    "age",
    "etag",
    "cache-control",
    "www-authenticate",
    "allow",
];

/// Panics where the answer to this request, by a gateway with the shipped base path, is not as described. Where the
/// vendor is made to talk nonsense (`vendor_is_sane` is false), what it says as a success is not held against anything.
pub(super) fn hold(method: &str, path: &str, answer: &Answer, vendor_is_sane: bool) {
    let what = format!("{method} {path}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
    let item = DOCUMENT["paths"].as_object().unwrap().iter().find(|(template, _)| is_of(template, path));
    let Some((template, item)) = item else {
        return response("elsewhere", &DOCUMENT["x-elsewhere"]["404"], answer, &what);
    };
    let Some(operation) = item.get(method.to_ascii_lowercase()) else {
        return response("elsewhere", &DOCUMENT["x-elsewhere"][answer.status.to_string()], answer, &what);
    };
    let described = followed(&operation["responses"][answer.status.to_string()]);
    assert!(described.is_object(), "this status is not described: {what}");
    if answer.status == 200 && template.starts_with("/api") && !vendor_is_sane {
        return headers(described, answer, &what);
    }
    response(&format!("{method} {template}"), described, answer, &what);
}

fn is_of(template: &str, path: &str) -> bool {
    match template.split_once('{') {
        None => template == path,
        Some((before, _)) => path.strip_prefix(before).is_some_and(|rest| !rest.is_empty() && !rest.contains('/')),
    }
}

fn response(operation: &str, described: &'static Value, answer: &Answer, what: &str) {
    assert!(described.is_object(), "not described: {what}");
    headers(described, answer, what);
    let kind = answer.header("content-type");
    let Some(content) = described.get("content") else {
        return assert_eq!((kind, answer.body.len()), ("", 0), "no content is described: {what}");
    };
    let content = content.get(kind.split(';').next().unwrap());
    let content = content.unwrap_or_else(|| panic!("{kind} is not described: {what}"));
    if what.starts_with("HEAD ") || !kind.contains("json") {
        return;
    }
    let validator = validator(&format!("{operation} {} {kind}", answer.status), &content["schema"]);
    let errors: Vec<_> =
        validator.iter_errors(&answer.json()).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "not as described: {what}\n{}", errors.join("\n"));
}

fn headers(described: &'static Value, answer: &Answer, what: &str) {
    let known: HashMap<_, _> = described["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, header)| (name.to_ascii_lowercase(), followed(header)))
        .collect();
    for (name, header) in &known {
        let required = header["required"] == true;
        assert!(!required || !answer.header(name).is_empty(), "{name} is missing: {what}\n{}", answer.head());
    }
    for name in HEADERS {
        let is_there = !answer.header(name).is_empty();
        assert!(!is_there || known.contains_key(name), "{name} is not described: {what}\n{}", answer.head());
    }
}

/// What a reference leads to.
fn followed(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

fn validator(key: &str, schema: &Value) -> Arc<Validator> {
    let mut validators = VALIDATORS.lock().unwrap();
    if let Some(known) = validators.get(key) {
        return Arc::clone(known);
    }
    let whole = json!({"allOf": [schema], "components": {"schemas": DOCUMENT["components"]["schemas"]}});
    let new = Arc::new(jsonschema::draft202012::new(&whole).unwrap());
    validators.insert(key.to_owned(), Arc::clone(&new));
    new
}
