//! The shipped `config.toml` says what the gateway does without it, and leaves no setting out.

use std::path::Path;

use serde_json::Value;
use wesal_gateway::config::{Config, Environment, load, schema};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml");

#[test]
fn the_shipped_file_holds_the_defaults() {
    let loaded = load(Path::new(FILE), &Environment::empty(), jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(loaded.config.effective(), Config::default().effective());
    assert!(loaded.config == Config::default());
    assert_eq!(loaded.config.missing_credentials().len(), 3);
    assert_eq!(loaded.warnings.len(), 1, "only that there are no callers: {:?}", loaded.warnings);
}

#[test]
fn the_shipped_file_names_every_setting_and_each_once() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let schema = schema();
    let mut settings = Vec::new();
    collect(&schema, &schema, "", &mut settings);
    assert!(settings.len() > 80, "the schema lists only {settings:?}");
    let written = written(&text);
    for setting in &settings {
        let times = written.iter().filter(|name| *name == setting).count();
        assert_eq!(times, 1, "{setting} stands {times} times in config.toml");
    }
    for name in &written {
        assert!(settings.contains(name), "{name} is in config.toml, but is no setting");
    }
}

/// The dotted names of all settings below a schema.
fn collect(root: &Value, schema: &Value, prefix: &str, settings: &mut Vec<String>) {
    let followed = |part: &Value| match part.get("$ref").and_then(Value::as_str) {
        Some(name) => root.pointer(name.trim_start_matches('#')).cloned().unwrap_or_default(),
        None => part.clone(),
    };
    let alternatives = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    let parts = std::iter::once(schema).chain(alternatives).chain(schema.get("items"));
    let mut is_table = false;
    for part in parts.map(followed) {
        for (name, inner) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
            is_table = true;
            let dotted = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            collect(root, inner, &dotted, settings);
        }
    }
    if !is_table && !prefix.is_empty() {
        settings.push(prefix.to_owned());
    }
}

/// The dotted names in the file, those in comments included.
fn written(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut table = String::new();
    for line in text.lines() {
        let line = line.trim_start_matches("# ");
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_matches(['[', ']']).to_owned();
        } else if let Some((name, value)) = line.split_once(" = ")
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            match value.strip_prefix("{ ").and_then(|rest| rest.split_once(" }")) {
                Some((inner, _)) => names.extend(
                    inner
                        .split(", ")
                        .filter_map(|part| part.split_once(" = "))
                        .map(|(n, _)| format!("{table}.{name}.{n}")),
                ),
                None => names.push(format!("{table}.{name}")),
            }
        }
    }
    names
}
