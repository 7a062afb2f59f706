//! `docs/configuration.md` is made from the settings' own schema, so that the two are the same.

use std::fmt::Write;

use serde_json::{Map, Value};

use wesal_gateway::config::{Environment, is_reloadable, schema};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
/// What stands before it is written by hand.
const MARK: &str = "<!-- Made from the code from here on: `RENEW_PAGES=1 cargo test --test pages` rewrites it. -->\n";

/// Tables that can be there several times, and are not set by the environment.
const LISTS: [&str; 2] = ["callers", "routes"];

#[test]
fn the_page_and_the_settings_are_the_same() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (by_hand, made) = page.split_once(MARK).expect("the page has lost its mark");
    let rendered = rendered();
    if std::env::var_os("RENEW_PAGES").is_some() {
        std::fs::write(PAGE, format!("{by_hand}{MARK}{rendered}")).unwrap();
        return;
    }
    let differ = made.lines().zip(rendered.lines()).find(|(page, code)| page != code);
    assert!(made == rendered, "write the page anew with RENEW_PAGES=1; it differs at {differ:?}");
}

/// Every table of settings, in the order of the file.
fn rendered() -> String {
    let root = schema();
    let mut page = String::new();
    for section in ["server", "admin", "upstream", "cache", "limits", "sessions", "telemetry"] {
        table(&mut page, &root, section, &root["properties"][section], None);
    }
    for list in LISTS {
        table(&mut page, &root, list, &root["properties"][list]["items"], None);
    }
    page
}

fn table(page: &mut String, root: &Value, name: &str, schema: &Value, defaults: Option<&Value>) {
    let table_of = followed(root, schema);
    let is_list = LISTS.contains(&name);
    let title = if is_list { format!("[[{name}]]") } else { format!("[{name}]") };
    // Of a table below another, what its setting says; of a section, its own words without its name.
    let said = match defaults {
        Some(_) => line(&schema["description"]),
        None => line(&table_of["description"]).split_once(": ").map(|(_, said)| capital(said)).unwrap_or_default(),
    };
    write!(page, "\n## `{title}`\n\n{said}\n\n").unwrap();
    page.push_str("| setting | type | default | changed by | |\n| --- | --- | --- | --- | --- |\n");
    let mut below = Vec::new();
    let members = table_of["properties"].as_object().cloned().unwrap_or_default();
    for (member, setting) in &members {
        let dotted = format!("{name}.{member}");
        let default = defaults.and_then(|defaults| defaults.get(member)).or_else(|| setting.get("default"));
        let inner = followed(root, setting);
        if inner.get("properties").is_some() && !is_a_rate(&inner) {
            below.push((dotted, setting.clone(), default.cloned().unwrap_or(Value::Null)));
            continue;
        }
        let default = match default {
            _ if table_of["required"].as_array().is_some_and(|all| all.contains(&Value::from(member.as_str()))) => {
                "none: must be set".to_owned()
            }
            None => "left out".to_owned(),
            Some(default) => format!("`{}`", toml(default)),
        };
        let how = if holds_after_reload(&dotted, &members) { "reload" } else { "restart" };
        let variable = if is_list { String::new() } else { format!("<br>`{}`", variable(&dotted)) };
        let (kind, said) = (kind(root, setting), line(&setting["description"]));
        writeln!(page, "| `{member}`{variable} | {kind} | {default} | {how} | {said} |").unwrap();
    }
    for (dotted, setting, default) in below {
        table(page, root, &dotted, &setting, Some(&default));
    }
}

/// A file with a secret goes with that secret.
fn holds_after_reload(dotted: &str, members: &Map<String, Value>) -> bool {
    let secret = dotted.strip_suffix("_file").filter(|secret| {
        let member = secret.rsplit('.').next().unwrap_or_default();
        members.contains_key(member)
    });
    is_reloadable(secret.unwrap_or(dotted))
}

fn variable(dotted: &str) -> String {
    format!("{}{}", Environment::PREFIX, dotted.to_uppercase().replace('.', "__"))
}

/// Where a reference leads, or the alternative that is not `null`.
fn followed(root: &Value, schema: &Value) -> Value {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return followed(root, root.pointer(name.trim_start_matches('#')).unwrap());
    }
    let some = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten().find(|one| one["type"] != "null");
    some.map_or_else(|| schema.clone(), |some| followed(root, some))
}

fn is_a_rate(schema: &Value) -> bool {
    schema["properties"].get("per").is_some()
}

fn kind(root: &Value, schema: &Value) -> String {
    let schema = followed(root, schema);
    let words = |list: &Value, of: fn(&Value) -> &Value| {
        let words: Vec<String> =
            list.as_array().into_iter().flatten().map(|one| format!("`{}`", toml(of(one)))).collect();
        words.join(", ")
    };
    let is = |name: &str| schema == root["$defs"][name];
    let kind = match &schema["type"] {
        _ if is_a_rate(&schema) => "rate".to_owned(),
        _ if is("Duration") => "duration".to_owned(),
        _ if is("Size") => "size".to_owned(),
        _ if is("Secret") => "secret".to_owned(),
        _ if is("KeyHash") => "hash of a key".to_owned(),
        _ if schema.get("enum").is_some() => words(&schema["enum"], |word| word),
        _ if schema.get("oneOf").is_some() => words(&schema["oneOf"], |one| &one["const"]),
        Value::Array(kinds) => kinds[0].as_str().unwrap().to_owned(),
        kind => kind.as_str().unwrap_or_else(|| panic!("{schema} has no type")).to_owned(),
    };
    match kind.as_str() {
        "string" if schema["format"] == "date-time" => "instant".to_owned(),
        "string" => "text".to_owned(),
        "boolean" => "`true`, `false`".to_owned(),
        "integer" | "number" => {
            format!("{}{}", if kind == "integer" { "whole number" } else { "number" }, range(&schema))
        }
        "array" => format!("list: {}", self::kind(root, &schema["items"])),
        "object" => "table".to_owned(),
        _ => kind,
    }
}

fn range(schema: &Value) -> String {
    let bound = |name: &str, word: &str| schema.get(name).map(|bound| format!("{word} {bound}"));
    let least = bound("minimum", "from").or_else(|| bound("exclusiveMinimum", "above"));
    let bounds: Vec<String> = [least, bound("maximum", "to")].into_iter().flatten().collect();
    if bounds.is_empty() { String::new() } else { format!(" {}", bounds.join(" ")) }
}

/// As it stands in the file.
fn toml(value: &Value) -> String {
    let all = |items: Vec<String>| items.join(", ");
    match value {
        Value::Array(items) => format!("[{}]", all(items.iter().map(toml).collect())),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            format!("{{ {} }}", all(members.iter().map(|(name, value)| format!("{name} = {}", toml(value))).collect()))
        }
        other => other.to_string(),
    }
}

fn line(text: &Value) -> String {
    text.as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect::<String>()
}
