//! `docs/metrics.md` and the metrics are the same, and all that was promised is among them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use wesal_gateway::{
    model::{CallerName, Route},
    telemetry::{
        CacheResult, CallOutcome, Metrics, classic,
        metrics::{Figures, Present, RequestCounters},
    },
};

const PAGE: &str = include_str!("../../docs/metrics.md");

/// CONTRACT, section 10, in its order: name, type, labels.
const PROMISED: &[(&str, &str, &[&str])] = &[
    ("requests_total", "counter", &["caller", "route", "status", "cache"]),
    ("request_duration_seconds", "histogram", &["route", "cache"]),
    ("vendor_calls_total", "counter", &["route", "outcome"]),
    ("vendor_call_duration_seconds", "histogram", &["route"]),
    ("vendor_calls_saved_total", "counter", &["route"]),
    ("parts_total", "counter", &["route", "result"]),
    ("cache_bytes", "gauge", &[]),
    ("cache_parts", "gauge", &[]),
    ("logins_total", "counter", &["outcome"]),
    ("login_state", "gauge", &["state"]),
    ("breaker_state", "gauge", &["state"]),
    ("vendor_budget_remaining", "gauge", &[]),
    ("ttl_stretch", "gauge", &[]),
    ("rate_limited_total", "counter", &["caller"]),
    ("auth_failures_total", "counter", &["reason"]),
    ("in_flight_requests", "gauge", &[]),
    ("connections", "gauge", &[]),
    ("config_reloads_total", "counter", &["outcome"]),
    ("log_events_dropped_total", "counter", &[]),
    ("build_info", "gauge", &["version"]),
    // Beyond it: what issue 6 asks for, and what operators need beside.
    ("internal_errors_total", "counter", &[]),
    ("not_taken_apart_total", "counter", &["route"]),
    ("queue_figure", "gauge", &["queue", "field"]),
    ("queue_figure_age_seconds", "gauge", &["queue"]),
    ("malformed_requests_total", "counter", &[]),
    ("tasks", "gauge", &[]),
    ("stuck", "gauge", &["what"]),
    ("task_restarts_total", "counter", &["task"]),
    ("tls_certificate_not_after_seconds", "gauge", &["listener"]),
    ("ready", "gauge", &[]),
    ("warnings", "gauge", &["about"]),
];

/// Those of a build with the feature `otlp`. The page holds them for every build, which cannot serve them without it.
const OF_TRACES: [(&str, &str, &[&str]); 2] =
    [("spans_exported_total", "counter", &[]), ("spans_dropped_total", "counter", &["reason"])];

/// What this build should serve.
fn promised() -> impl Iterator<Item = (&'static str, &'static str, &'static [&'static str])> {
    PROMISED.iter().copied().chain(OF_TRACES.into_iter().filter(|_| cfg!(feature = "otlp")))
}

/// Of a metric as it is served: its type, its labels in order, and its help.
#[derive(Debug, Default, PartialEq, Eq)]
struct Served {
    kind: String,
    help: String,
    labels: BTreeSet<Vec<String>>,
}

/// The classic text of metrics of which each was counted once.
fn everything() -> String {
    let metrics = Arc::new(Metrics::new());
    let caller = CallerName::try_from("wall-board".to_owned()).unwrap();
    metrics.request(&RequestCounters::default(), Some(&caller), "other", 200, CacheResult::Hit, Duration::ZERO);
    metrics.vendor_call(Route::Questions, CallOutcome::Ok, Duration::ZERO);
    metrics.rate_limited(&caller);
    metrics.auth_failure("unknown");
    metrics.login("good");
    metrics.config_reload("good");
    metrics.not_taken_apart(Route::QueueSummary);
    metrics.vitals().stuck("threads", 1);
    metrics.vitals().restarted("tidy");
    let figures = [("memberCount".to_owned(), 1.0)];
    let figures = [Figures { queue: "q", age: Duration::ZERO, figures: &figures }];
    let states = [("good", true)];
    let present = Present {
        login_states: &states,
        breaker_states: &states,
        warnings: &[("configuration_refused", true)],
        figures: &figures,
        certificate_not_after: Some(jiff::Timestamp::UNIX_EPOCH),
        ..Present::default()
    };
    classic(&metrics.render(&present))
}

fn served(text: &str) -> BTreeMap<String, Served> {
    let mut served: BTreeMap<String, Served> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) {
            served.entry(name.to_owned()).or_default().help = help.to_owned();
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
            served.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else {
            let (sample, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            let endings = ["_bucket", "_sum", "_count"].iter().find_map(|ending| name.strip_suffix(ending));
            let name = endings.filter(|name| served.contains_key(*name)).unwrap_or(name);
            let labels =
                labels.strip_suffix('}').unwrap().split(',').filter_map(|label| Some(label.split_once('=')?.0));
            let labels = labels.filter(|label| *label != "le").map(str::to_owned).collect();
            served.get_mut(name).unwrap_or_else(|| panic!("{name} has no type")).labels.insert(labels);
        }
    }
    served
}

#[test]
fn every_metric_that_was_promised_is_there_with_exactly_its_labels_and_no_other_is() {
    let served = served(&everything());
    let told: BTreeMap<_, _> =
        served.iter().map(|(name, served)| (name.as_str(), (served.kind.as_str(), served.labels.clone()))).collect();
    let promised: BTreeMap<_, _> = promised()
        .map(|(name, kind, labels)| {
            let labels = labels.iter().map(|label| (*label).to_owned()).collect();
            (format!("wesal_gateway_{name}"), (kind, BTreeSet::from([labels])))
        })
        .collect();
    let promised: BTreeMap<_, _> = promised.iter().map(|(name, promised)| (name.as_str(), promised.clone())).collect();
    assert_eq!(told, promised);
}

#[test]
fn the_page_and_the_metrics_are_the_same() {
    let served = served(&everything());
    let lines: Vec<String> = promised()
        .map(|(name, kind, labels)| {
            let name = format!("wesal_gateway_{name}");
            let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
            let help = served.get(&name).map(|served| served.help.as_str()).unwrap_or_default();
            format!("| `{name}` | {kind} | {} | {help} |", labels.join(", "))
        })
        .collect();
    let page: Vec<_> = PAGE
        .lines()
        .filter(|line| line.starts_with("| `wesal_gateway_"))
        .filter(|line| cfg!(feature = "otlp") || !line.starts_with("| `wesal_gateway_spans_"))
        .collect();
    assert_eq!(page, lines, "the page should hold:\n{}", lines.join("\n"));
    let labels: BTreeSet<_> = promised().flat_map(|(_, _, labels)| labels.iter().copied()).collect();
    let explained: BTreeSet<_> = PAGE
        .lines()
        .filter(|line| !line.starts_with("| `wesal_gateway_"))
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(label, _)| label)
        .collect();
    assert_eq!(explained, labels, "each label is explained");
}
