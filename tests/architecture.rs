//! Reads `src/` and refuses what breaks the map in `src/lib.rs`: an import against the ranks, a crate where it does
//! not belong, a file that has outgrown its room.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const MOST_LINES: usize = 350;

struct File {
    path: PathBuf,
    module: String,
    /// Without comments and without the unit tests at its end.
    code: String,
}

/// The gateway's.
fn source() -> Vec<File> {
    source_in("src")
}

/// Every package's.
fn every_source() -> Vec<File> {
    source().into_iter().chain(source_in("crates/simulator/src")).collect()
}

fn source_in(folder: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&root).unwrap();
                let first = below.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
                let is_code = |line: &&str| !line.trim_start().starts_with("//");
                let code = text.lines().filter(is_code).collect::<Vec<_>>().join("\n");
                files.push(File { path: below.to_owned(), module: first.trim_end_matches(".rs").to_owned(), code });
            }
        }
    }
    assert!(files.len() > 20, "only {} files were found", files.len());
    files
}

/// The table in `src/lib.rs`.
fn ranks() -> BTreeMap<String, u32> {
    let map = include_str!("../src/lib.rs");
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | "));
    let mut ranks = BTreeMap::new();
    for row in rows {
        let Some((rank, modules)) = row.split_once(" | ") else { continue };
        let Ok(rank) = rank.trim().parse() else { continue };
        for module in modules.split('`').skip(1).step_by(2) {
            ranks.insert(module.to_owned(), rank);
        }
    }
    ranks
}

/// The modules of ours that a file names: `crate::x` and `use crate::{x::…, y::…}`.
fn named(code: &str) -> BTreeSet<String> {
    let identifier = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(identifier(rest));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (i, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                c if start && depth == 0 && c.is_alphabetic() => {
                    names.insert(identifier(&group[i..]));
                    start = false;
                }
                _ => {}
            }
        }
    }
    names
}

#[test]
fn a_module_imports_only_lower_ranks_and_never_a_sibling() {
    let ranks = ranks();
    let mut wrong = Vec::new();
    for file in source().iter().filter(|file| !matches!(file.module.as_str(), "lib" | "main")) {
        let own = ranks.get(&file.module);
        assert!(own.is_some(), "{} has no rank in src/lib.rs", file.module);
        for name in named(&file.code).into_iter().filter(|name| *name != file.module) {
            if ranks.get(&name).is_none_or(|other| Some(other) >= own) {
                wrong.push(format!("{} imports {name}", file.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the ranks:\n{}", wrong.join("\n"));
}

#[test]
fn the_import_reader_sees_every_form() {
    let names = named("use crate::a::B; use crate::{c::{D, E}, f, g::H}; let x = crate::i::J;");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "c", "f", "g", "i"]);
}

#[test]
fn crates_stay_where_they_belong() {
    let homes: [(&str, &[&str]); 17] = [
        ("axum::", &["http", "admin", "server"]),
        ("reqwest::", &["telemetry", "upstream"]),
        ("hyper::", &["server", "upstream"]),
        ("moka::", &["cache"]),
        ("clap::", &["cli"]),
        ("rustls::", &["server", "upstream"]),
        ("x509_parser::", &["server"]),
        ("socket2::", &["server"]),
        ("listenfd::", &["server"]),
        ("sd_notify::", &["server"]),
        ("prometheus_client::", &["telemetry"]),
        ("opentelemetry", &["telemetry"]),
        ("prost::", &["telemetry"]),
        ("wesal_simulator::", &["cli"]),
        ("feature = \"otlp\"", &["config", "telemetry"]),
        ("feature = \"sandbox\"", &["cli"]),
        ("std::env::", &["config"]),
    ];
    let mut wrong = Vec::new();
    for file in source() {
        for (name, modules) in homes {
            if file.code.contains(name) && !modules.contains(&file.module.as_str()) {
                wrong.push(format!("{} uses {name}", file.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "not at home:\n{}", wrong.join("\n"));
}

#[test]
fn only_telemetry_events_writes_events() {
    let targets = wesal_gateway::config::LogFilter::TARGETS;
    assert!(targets.iter().all(|target| target.starts_with("wesal_gateway")));
    for file in source() {
        let writes = ["error!(", "warn!(", "info!(", "debug!(", "trace!(", "event!("]
            .iter()
            .any(|call| file.code.contains(&format!("tracing::{call}")));
        let is_home = file.path == Path::new("telemetry/events.rs");
        assert_eq!(writes, is_home, "{}: only telemetry/events.rs writes events", file.path.display());
        if is_home {
            assert!(file.code.contains("ACCESS: &str = \"wesal_gateway::access\""));
            assert!(
                targets.contains(&"wesal_gateway::access") && targets.contains(&"wesal_gateway::telemetry::events")
            );
            let named: Vec<_> = file.code.split("target: ").skip(1).collect();
            assert!(!named.is_empty() && named.iter().all(|rest| rest.starts_with("ACCESS")));
        }
    }
}

#[test]
fn pure_files_neither_wait_nor_ask_the_time() {
    const PURE: &[&str] = &[
        "admin/auth.rs",
        "cache/freshness.rs",
        "cache/stretch.rs",
        "fetch/policies.rs",
        "http/cache_headers.rs",
        "http/client_address.rs",
        "http/credential.rs",
        "admin/health.rs",
        "http/openapi/errors.rs",
        "http/openapi/headers.rs",
        "http/route_table.rs",
        "server/connection/frames.rs",
        "server/settling.rs",
        "telemetry/classic.rs",
        "telemetry/totals.rs",
        "upstream/breaker.rs",
        "upstream/login/account.rs",
        "upstream/login/machine.rs",
        "upstream/login/refusals.rs",
        "upstream/retry.rs",
        "upstream/retry_after.rs",
        "upstream/streak.rs",
        "upstream/verdict.rs",
        "upstream/wire.rs",
        "upstream/words.rs",
    ];
    let files = source();
    for pure in PURE {
        let file = files.iter().find(|file| file.path == Path::new(pure)).unwrap_or_else(|| panic!("{pure} is gone"));
        for word in ["async ", ".await", "Clock", "tokio::", "Mutex"] {
            assert!(!file.code.contains(word), "{pure} holds {word:?}");
        }
    }
}

#[test]
fn no_file_outgrows_its_room() {
    let large: Vec<_> = every_source()
        .into_iter()
        .map(|file| (file.code.lines().count(), file.path))
        .filter(|(lines, path)| *lines > MOST_LINES && !path.ends_with("tests.rs"))
        .collect();
    assert!(large.is_empty(), "over {MOST_LINES} lines of code: {large:?}");
}

#[test]
fn nothing_unfinished_is_left() {
    for file in every_source() {
        for word in ["todo!", "unimplemented!", "dbg!", "FIXME", "#[ignore"] {
            assert!(!file.code.contains(word), "{} holds {word}", file.path.display());
        }
    }
}
