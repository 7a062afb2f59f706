//! What stands in `deploy/` is about this gateway: its metrics, its settings, its alerts' pages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use serde_json::Value;
use wesal_gateway::{
    config::{Config, Environment, ServerConfig, load},
    server::LAST_STEPS,
};

const METRICS: &str = include_str!("../docs/metrics.md");
const OPERATING: &str = include_str!("../docs/operating.md");
const ALERTS: &str = include_str!("../deploy/prometheus/alerts.yaml");
const ALERTS_TESTS: &str = include_str!("../deploy/prometheus/alerts.test.yaml");
const DASHBOARD: &str = include_str!("../deploy/grafana/dashboard.json");
const DEPLOYMENT: &str = include_str!("../deploy/kubernetes/deployment.yaml");
const SECRETS: &str = include_str!("../deploy/kubernetes/secrets.example.yaml");
const UNIT: &str = include_str!("../deploy/systemd/wesal-gateway.service");
const COMPOSE: &str = include_str!("../deploy/compose.yaml");
const IMAGE: &str = include_str!("../Dockerfile");

/// What Prometheus itself adds.
const ADDED: [&str; 3] = ["job", "instance", "le"];

/// The tables of docs/metrics.md.
struct Page {
    /// By metric: its type and labels.
    metrics: BTreeMap<&'static str, (&'static str, BTreeSet<&'static str>)>,
    /// By label: what is said of its values.
    values: BTreeMap<&'static str, &'static str>,
}

impl Page {
    fn read() -> Self {
        let (mut metrics, mut values) = (BTreeMap::new(), BTreeMap::new());
        for line in METRICS.lines() {
            let Some(row) = line.strip_prefix("| `") else { continue };
            let (name, rest) = row.split_once("` | ").unwrap();
            if name.starts_with("wesal_gateway_") {
                let columns: Vec<_> = rest.split(" | ").collect();
                let labels = columns[1].split('`').skip(1).step_by(2).collect();
                metrics.insert(name, (columns[0], labels));
            } else {
                values.insert(name, rest);
            }
        }
        assert!(metrics.len() > 20 && values.len() > 10, "the tables are not found");
        Self { metrics, values }
    }

    /// The labels that a series of this name has.
    fn labels(&self, series: &str) -> Option<&BTreeSet<&'static str>> {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|ending| series.strip_suffix(ending));
        let histogram = histogram.and_then(|name| self.metrics.get(name)).filter(|(kind, _)| *kind == "histogram");
        let plain = self.metrics.get(series).filter(|(kind, _)| *kind != "histogram");
        histogram.or(plain).map(|(_, labels)| labels)
    }

    /// What is wrong with the series that `text` names, and all labels that they have.
    fn judge(&self, text: &str) -> (Vec<String>, BTreeSet<&'static str>) {
        let (mut wrong, mut all) = (Vec::new(), BTreeSet::from(ADDED));
        for (at, _) in text.match_indices("wesal_gateway_") {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let rest = &text[at..];
            let (name, rest) = rest.split_at(rest.find(|c| !word(c)).unwrap_or(rest.len()));
            let Some(labels) = self.labels(name) else {
                wrong.push(format!("{name} is no series"));
                continue;
            };
            all.extend(labels);
            let Some((selectors, _)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else { continue };
            for selector in selectors.split(',').map(str::trim) {
                let (label, value) = selector.split_at(selector.find(|c| !word(c)).unwrap());
                if !labels.contains(label) && !ADDED.contains(&label) {
                    wrong.push(format!("{name} has no label {label}"));
                }
                let value = value.split('"').nth(1).unwrap();
                let known = |value: &str| {
                    let spelt_out = value.chars().all(|c| word(c) || "-/".contains(c));
                    let said = self.values.get(label).is_none_or(|said| said.contains(&format!("`{value}`")));
                    // The page does not list every status.
                    !spelt_out || label == "status" || said
                };
                wrong.extend(value.split('|').filter(|value| !known(value)).map(|v| format!("{label} is never {v}")));
            }
        }
        (wrong, all)
    }
}

/// The labels that an expression groups by, and those that a text for people names: `by (a, b)`, `{{a}}`, `$labels.a`.
fn grouped_by(text: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for word in ["by (", "ignoring (", "on ("] {
        for rest in text.split(word).skip(1) {
            labels.extend(rest.split(')').next().unwrap().split(',').map(|label| label.trim().to_owned()));
        }
    }
    for rest in text.split("{{").skip(1) {
        let name = rest.split("}}").next().unwrap().trim();
        let name = name.strip_prefix("$labels.").unwrap_or(name);
        labels.extend((!name.starts_with("$value")).then(|| name.to_owned()));
    }
    labels
}

fn assert_about_this_gateway(page: &Page, text: &str, whose: &str) {
    let (wrong, labels) = page.judge(text);
    assert!(wrong.is_empty(), "{whose}: {wrong:?}");
    for label in grouped_by(text) {
        assert!(labels.contains(label.as_str()), "{whose}: there is no label {label} in {text}");
    }
}

/// Each alert's name, and its lines.
fn alerts() -> Vec<(&'static str, &'static str)> {
    let alerts: Vec<_> = ALERTS.split("- alert: ").skip(1).map(|rest| rest.split_once('\n').unwrap()).collect();
    assert!(alerts.len() > 20);
    alerts
}

/// `WesalGatewayDown` is `wesal-gateway-down`.
fn section(alert: &str) -> String {
    let mut section = String::new();
    for c in alert.chars() {
        if c.is_ascii_uppercase() && !section.is_empty() {
            section.push('-');
        }
        section.push(c.to_ascii_lowercase());
    }
    section
}

/// The alerts as the Prometheus operator wants them.
#[test]
fn a_cluster_has_the_same_alerts() {
    const HEAD: &str = "\
# deploy/prometheus/alerts.yaml for the Prometheus operator: `RENEW_PAGES=1 cargo test --test deploy` writes it anew. The operator
# of kube-prometheus-stack wants a label beside it, as service-monitor.yaml says.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: wesal-gateway
  labels: {app.kubernetes.io/name: wesal-gateway}
spec:
";
    let groups = &ALERTS[ALERTS.find("groups:\n").unwrap()..];
    let indented = groups.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") });
    let made = format!("{HEAD}{}", indented.collect::<String>());
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes/monitoring/prometheus-rule.yaml");
    if std::env::var_os("RENEW_PAGES").is_some() {
        fs::write(&place, &made).unwrap();
    }
    let given = fs::read_to_string(&place).unwrap_or_default();
    let differ = given.lines().zip(made.lines()).find(|(given, made)| given != made);
    assert!(given == made, "write it anew with RENEW_PAGES=1; it differs at {differ:?}");
}

#[test]
fn alerts_ask_for_series_that_there_are() {
    let page = Page::read();
    for (alert, lines) in alerts() {
        assert_about_this_gateway(&page, lines, alert);
    }
}

#[test]
fn the_dashboard_asks_for_series_that_there_are() {
    let page = Page::read();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut asked = 0;
    for panel in panels {
        assert!(ids.insert(panel["id"].as_i64().unwrap()), "two panels have the same id");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let (expr, legend) = (target["expr"].as_str().unwrap(), target["legendFormat"].as_str().unwrap());
            assert_about_this_gateway(&page, &format!("{expr} {legend}"), panel["title"].as_str().unwrap());
            asked += 1;
        }
    }
    assert!(asked > 30, "{asked}");
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let (wrong, _) = page.judge(variable["definition"].as_str().unwrap_or_default());
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

#[test]
fn the_judge_of_series_sees_what_is_wrong() {
    let page = Page::read();
    for (text, wrong) in [
        ("rate(wesal_gateway_requests[5m])", "wesal_gateway_requests is no series"),
        ("wesal_gateway_request_duration_seconds{}", "wesal_gateway_request_duration_seconds is no series"),
        ("wesal_gateway_cache_bytes_sum", "wesal_gateway_cache_bytes_sum is no series"),
        ("wesal_gateway_ready{state=\"good\"}", "wesal_gateway_ready has no label state"),
        ("wesal_gateway_login_state{state=\"fine\"}", "state is never fine"),
        ("wesal_gateway_vendor_calls_total{job=~\"$job\", outcome=~\"ok|odd\"}", "outcome is never odd"),
        ("wesal_gateway_requests_total{route!~\"/livez|/dead|/docs.*\"}", "route is never /dead"),
    ] {
        assert_eq!(page.judge(text).0, [wrong], "{text}");
    }
    assert_eq!(page.judge("wesal_gateway_request_duration_seconds_bucket{cache=\"hit\", le=\"1\"}").0, [""; 0]);
    let labels = grouped_by("sum by (a, b) (x) unless ignoring (c) y {{d}} {{ $labels.e }} {{ $value | humanize }}");
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
}

#[test]
fn each_alert_is_explained_and_shown_to_fire_and_not_to() {
    let (_, explained) = OPERATING.split_once("\n## Alerts\n").expect("docs/operating.md has a section on alerts");
    let explained = explained.split("\n## ").next().unwrap();
    let mut sections: BTreeMap<_, _> =
        explained.split("\n### ").skip(1).map(|rest| rest.split_once('\n').unwrap()).collect();
    for (alert, lines) in alerts() {
        let section = section(alert);
        assert!(lines.contains(&format!("runbook_url: docs/operating.md#{section}\n")), "{alert} leads elsewhere");
        let text = sections.remove(section.as_str()).unwrap_or_else(|| panic!("{section} is not explained"));
        assert!(text.trim().len() > 100, "{section} says nothing");
        assert!(lines.contains(" for: ") && lines.contains(" summary: "), "{alert}");
        assert!(["critical", "warning"].iter().any(|s| lines.contains(&format!("{{severity: {s}}}"))), "{alert}");
        let named = format!("alertname: {alert}");
        let tests = ALERTS_TESTS.split(&named).skip(1);
        let (quiet, firing): (Vec<_>, Vec<_>) =
            tests.partition(|rest| rest.lines().next().unwrap().ends_with("exp_alerts: []}"));
        assert!(quiet.len() >= 2 && !firing.is_empty(), "{alert} is not tested both ways");
    }
    assert!(sections.is_empty(), "there is no such alert: {:?}", sections.keys());
}

/// The variables that a file sets, as far as they are the gateway's.
fn variables(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(Environment::PREFIX) {
        let rest = &text[at..];
        let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_').unwrap();
        let (name, rest) = rest.split_at(end);
        let value = ["=", ": ", ", value: "].iter().find_map(|sign| rest.strip_prefix(sign));
        let Some(value) = value else { continue };
        let value = value.trim_start_matches('"').split(['"', '}', ' ', '\n']).next().unwrap();
        found.push((name.to_owned(), value.to_owned()));
    }
    found
}

/// The configuration of a place: its file, and what its surroundings set. Secrets are made up.
fn placed(file: &str, surroundings: &[&str], secrets: usize) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let mut given = 0;
    let variables: Vec<_> = surroundings
        .iter()
        .flat_map(|text| variables(text))
        .map(|(name, value)| {
            if !name.ends_with("_FILE") {
                return (name, value);
            }
            given += 1;
            let secret = folder.path().join(Path::new(&value).file_name().unwrap());
            fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
            (name, secret.display().to_string())
        })
        .collect();
    assert_eq!(given, secrets, "{variables:?}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let environment: Environment = variables.into_iter().collect();
    let loaded = load(&file, &environment, jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(loaded.warnings, [""; 0]);
    assert_eq!(loaded.config.missing_credentials(), [""; 0]);
    loaded.config
}

#[test]
fn each_place_gives_the_gateway_a_configuration_that_is_good() {
    let unit = placed("deploy/config.toml", &[UNIT], 3);
    let composed = placed("deploy/config.toml", &[IMAGE, COMPOSE], 4);
    let pod = placed("deploy/kubernetes/config.toml", &[IMAGE, DEPLOYMENT], 4);
    let beyond = |config: &Config| {
        let admin = config.admin.listen.as_ref().unwrap();
        assert_eq!(config.server.listen.to_string(), "0.0.0.0:8080");
        assert_eq!(config.upstream.login.state_dir.as_deref(), Some(Path::new("/var/lib/wesal-gateway")));
        admin.to_string()
    };
    assert_eq!((beyond(&composed), beyond(&pod)), ("0.0.0.0:9090".to_owned(), "0.0.0.0:9090".to_owned()));
    assert!(unit.server == Config::default().server && unit.admin == Config::default().admin);
}

#[test]
fn what_the_example_of_a_secret_holds_is_no_secret() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes/config.toml");
    let refused = |variable: &str, secret: &str| {
        let environment: Environment = [(variable.to_owned(), secret.to_owned())].into_iter().collect();
        match load(&file, &environment, jiff::Timestamp::UNIX_EPOCH) {
            Ok(_) => false,
            Err(faults) => faults.to_string().contains(variable),
        }
    };
    for (key, variable) in
        [("admin-token", "WESAL_GATEWAY__ADMIN__TOKEN"), ("session-secret", "WESAL_GATEWAY__SESSIONS__SECRET")]
    {
        let (_, rest) = SECRETS.split_once(&format!("\n  {key}: ")).unwrap_or_else(|| panic!("{key} is not there"));
        assert!(refused(variable, rest.lines().next().unwrap()), "{key} would be taken as it stands");
        assert!(!refused(variable, "0123456789abcdef0123456789abcdef"), "{key} is refused whatever it is");
    }
}

/// How long a place waits for the end before it kills: the number after `name`, in seconds.
fn patience(text: &str, name: &str) -> Duration {
    let (_, rest) = text.split_once(name).unwrap_or_else(|| panic!("{name} is not set"));
    Duration::from_secs(rest.lines().next().unwrap().trim_end_matches('s').parse().unwrap())
}

#[test]
fn each_place_waits_as_long_for_the_end_as_it_may_take() {
    let unit = placed("deploy/config.toml", &[UNIT], 3).server;
    let composed = placed("deploy/config.toml", &[IMAGE, COMPOSE], 4).server;
    let pod = placed("deploy/kubernetes/config.toml", &[IMAGE, DEPLOYMENT], 4).server;
    assert!(!pod.drain_delay.is_zero(), "it closes before the nodes know");
    for (text, name, ServerConfig { drain_delay, drain_timeout, .. }) in [
        (UNIT, "\nTimeoutStopSec=", unit),
        (COMPOSE, "\n    stop_grace_period: ", composed),
        (DEPLOYMENT, "\n      terminationGracePeriodSeconds: ", pod),
    ] {
        // A busy machine is no reason to be killed.
        let needed = drain_delay + drain_timeout + LAST_STEPS + Duration::from_secs(5);
        assert!(patience(text, name) >= needed, "{name}{needed:?}");
    }
}

#[test]
fn the_pods_of_a_cluster_spend_together_what_one_process_may() {
    let pod = placed("deploy/kubernetes/config.toml", &[IMAGE, DEPLOYMENT], 4);
    let (of_pod, budget) = (pod.upstream.rate_limit, Config::default().upstream.rate_limit);
    assert_eq!((of_pod.requests.get() * 2, of_pod.per), (budget.requests.get(), budget.per));
    assert!(DEPLOYMENT.contains("replicas: 2\n"));
    assert!(DEPLOYMENT.contains("maxSurge: 0,"), "a third pod would spend too while new ones come");
}
