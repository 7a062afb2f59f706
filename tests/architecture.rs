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

/// Groups of files that import each other, each with its reason.
const KNOWN_CYCLES: &[&str] = &[
    // A batcher starts the task of a shape, which takes its batches from the batcher.
    "fetch::batch_task fetch::batcher",
    // The events know the format that they are written in, which knows the events' targets.
    "telemetry::events telemetry::json_lines telemetry::start",
    // The exporter's own code; the OpenTelemetry SDK is to take its place.
    "telemetry::traces telemetry::traces::encode telemetry::traces::exporter telemetry::traces::spans",
];

/// The paths that `use` items of a file name, with `super` and `self` resolved.
fn imported_paths(file: &[String], code: &str) -> Vec<Vec<String>> {
    fn expand(prefix: &[String], item: &str, paths: &mut Vec<Vec<String>>) {
        let split = |text: &str| -> Vec<String> {
            text.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
        };
        let Some((before, group)) = item.split_once('{') else {
            let item = item.split(" as ").next().unwrap();
            paths.push([prefix, &split(item)].concat());
            return;
        };
        let prefix = [prefix, &split(before)].concat();
        let (mut depth, mut start) = (0, 0);
        let group = group.rsplit_once('}').unwrap().0;
        for (i, c) in group.char_indices().chain([(group.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&prefix, group[start..i].trim(), paths);
                    start = i + 1;
                }
                _ => {}
            }
        }
    }
    let mut paths = Vec::new();
    for (place, _) in code.match_indices("use ") {
        let before = code[..place].rsplit('\n').next().unwrap().trim();
        if before.is_empty() || before == "pub" || before.starts_with("pub(") && before.ends_with(')') {
            expand(&[], code[place + 4..].split(';').next().unwrap(), &mut paths);
        }
    }
    let resolve = |path: Vec<String>| {
        let ups = path.iter().take_while(|name| *name == "super").count();
        match path.first().map(String::as_str) {
            Some("crate") => Some(path[1..].to_vec()),
            Some("super") => Some([&file[..file.len().saturating_sub(ups)], &path[ups..]].concat()),
            Some("self") => Some([file, &path[1..]].concat()),
            _ => None,
        }
    };
    paths.into_iter().filter_map(resolve).collect()
}

#[test]
fn files_of_a_module_import_each_other_in_no_cycle() {
    let files = source();
    let names: Vec<Vec<String>> = files
        .iter()
        .map(|file| {
            let path = file.path.with_extension("");
            let names = path.components().map(|name| name.as_os_str().to_string_lossy().into_owned());
            names.filter(|name| name != "mod").collect()
        })
        .collect();
    let mut imports: Vec<BTreeSet<usize>> = Vec::new();
    for (own, file) in names.iter().zip(&files) {
        let mut imported = BTreeSet::new();
        for mut path in imported_paths(own, &file.code) {
            // The file is the longest part of the path that is one. A module's root only re-exports.
            while path.len() > 1 && path[0] == own[0] {
                if let Some(place) = names.iter().position(|name| *name == path && name != own) {
                    imported.insert(place);
                    break;
                }
                path.pop();
            }
        }
        imports.push(imported);
    }
    let reachable = |from: usize| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(file) = next.pop() {
            next.extend(imports[file].iter().filter(|other| seen.insert(**other)));
        }
        seen
    };
    let reachable: Vec<_> = (0..files.len()).map(reachable).collect();
    let cycles: BTreeSet<String> = (0..files.len())
        .filter(|file| names[*file].len() > 1 && reachable[*file].contains(file))
        .map(|file| {
            let group = reachable[file].iter().filter(|other| reachable[**other].contains(&file));
            let mut group: Vec<_> = group.map(|other| names[*other].join("::")).collect();
            group.sort();
            group.join(" ")
        })
        .collect();
    assert!(files.len() > 100 && imports.iter().map(BTreeSet::len).sum::<usize>() > 200, "imports were not read");
    let known = KNOWN_CYCLES.iter().map(|cycle| (*cycle).to_owned()).collect();
    assert_eq!(cycles, known, "import cycles, or a known one that is gone");
}

#[test]
fn the_import_reader_sees_every_form() {
    let names = named("use crate::a::B; use crate::{c::{D, E}, f, g::H}; let x = crate::i::J;");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "c", "f", "g", "i"]);
}

#[test]
fn crates_stay_where_they_belong() {
    let homes: [(&str, &[&str]); 18] = [
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
        ("jsonwebtoken::", &["auth"]),
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
