//! What the pages say is so: their links lead somewhere, the bounds are those of the code, and every event that asks for
//! somebody's attention is explained. What they show of the program is walked by `scripts/walk-the-docs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod configuration;
mod metrics;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use wesal_gateway::{config::Config, http::Warning};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every page of ours.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && !["target", "node_modules", "corpus"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                pages.push(path);
            }
        }
    }
    assert!(pages.len() > 8, "only {} pages were found", pages.len());
    pages
}

/// The lines of a page that are not in a block of code, without what is code in them.
fn prose(text: &str) -> impl Iterator<Item = String> {
    let mut in_code = false;
    text.lines().filter_map(move |line| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
            return None;
        }
        (!in_code).then(|| line.split('`').step_by(2).collect::<Vec<_>>().join("`"))
    })
}

/// The anchors that GitHub gives a page's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut in_code = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        in_code ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if in_code || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().to_lowercase();
        let kept: String = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect();
        anchors.insert(kept.replace(' ', "-"));
    }
    anchors
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let mut links = 0;
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for line in prose(&text) {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                links += 1;
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let there = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
                let good = there.exists()
                    && (anchor.is_empty() || anchors(&fs::read_to_string(&there).unwrap()).contains(anchor));
                if !good {
                    broken.push(format!("{}: {target}", page.strip_prefix(root()).unwrap().display()));
                }
            }
        }
    }
    assert!(links > 20, "only {links} links were found");
    assert!(broken.is_empty(), "these lead nowhere: {broken:#?}");
}

#[test]
fn every_page_of_docs_stands_in_its_index() {
    let index = read("docs/README.md");
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && name != "README.md" {
            assert!(index.contains(&format!("]({name})")), "docs/README.md does not name {name}");
        }
    }
}

#[test]
fn the_page_of_limits_tells_the_bounds_of_the_code() {
    let settings = serde_json::to_value(Config::default()).unwrap();
    let page = read("docs/limits.md");
    let mut rows = 0;
    for line in
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| bound") && !line.contains("---"))
    {
        let cells: Vec<&str> = line.split(" | ").collect();
        let (told, place) = (cells[1], cells[2]);
        let true_value = match place.strip_prefix("[`") {
            Some(link) => {
                let (name, file) = link.split_once("`](../").unwrap();
                constant(name, file.trim_end_matches(')'))
            }
            None => {
                let pointer = format!("/{}", place.trim_matches('`').replace('.', "/"));
                shown(settings.pointer(&pointer).unwrap_or_else(|| panic!("{place} is no setting")))
            }
        };
        assert_eq!(told, true_value, "{line}");
        rows += 1;
    }
    assert!(rows > 50, "only {rows} rows were found");
}

/// A setting's default as the page tells it.
fn shown(default: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match default.get("per") {
        Some(per) => format!("{} in {}, {} at once", default["requests"], text(per), default["burst"]),
        None => text(default),
    }
}

/// A constant of the code as the page tells it: products of whole numbers, bytes and durations are all that is needed.
fn constant(name: &str, file: &str) -> String {
    let source = read(file);
    let after = source.split(&format!("const {name}: ")).nth(1).unwrap_or_else(|| panic!("{file} has no {name}"));
    let value = after.split_once(" = ").unwrap().1.split(';').next().unwrap();
    let (unit, number) = match value.split_once('(') {
        Some((from, number)) => (if from.ends_with("millis") { " ms" } else { " s" }, number.trim_end_matches(')')),
        None => ("", value),
    };
    let number: u64 = number.split(" * ").map(|factor| factor.replace('_', "").parse::<u64>().unwrap()).product();
    let in_bytes = name.contains("BYTES");
    match number {
        mib if in_bytes && mib % (1 << 20) == 0 => format!("{} MiB", mib >> 20),
        kib if in_bytes => format!("{} KiB", kib >> 10),
        number => format!("{number}{unit}"),
    }
}

#[test]
fn every_event_that_asks_for_attention_is_explained() {
    let source = read("src/telemetry/events.rs");
    let page = read("docs/operating.md");
    let mut events = 0;
    for level in ["warn", "error"] {
        for call in source.split(&format!("tracing::{level}!(")).skip(1) {
            let call = call.split_once(");\n").or_else(|| call.split_once(")\n")).unwrap().0;
            let Some(message) = call.rsplit('"').nth(1) else { continue };
            let message = message.split("\\\n").map(str::trim_start).collect::<String>();
            // What a warning of the configuration says, it says itself.
            if message == "{warning}" {
                continue;
            }
            events += 1;
            assert!(
                page.contains(&format!("\n| {message} | {level} |")),
                "docs/operating.md lacks: | {message} | {level} |"
            );
        }
    }
    assert!(events > 15, "only {events} events were found");
}

#[test]
fn every_reason_not_to_be_ready_and_every_warning_is_explained() {
    let page = read("docs/operating.md");
    let readiness = read("src/fetch/readiness.rs");
    let texts = readiness.split('"').skip(1).step_by(2);
    let whole = texts.map(|text| text.split("\\\n").map(str::trim_start).collect::<String>());
    let reasons: BTreeSet<String> = whole.filter(|text| text.contains(": ")).collect();
    assert_eq!(reasons.len(), 4, "{reasons:#?}");
    let all = reasons.into_iter().chain(Warning::ALL.map(Warning::text));
    for reason in all {
        assert!(page.contains(&format!("\n| `{reason}` |")), "docs/operating.md lacks: {reason}");
    }
}
