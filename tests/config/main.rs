//! Reads configurations through the public interface: every error, its place and its text; the environment; secrets; the
//! schema; the shipped file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod schema;
mod secrets;
mod shipped_file;

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use wesal_gateway::config::{Config, ConfigError, ConfigErrors, Environment, Loaded, Size, load, parse, schema};

const NOW: &str = "2026-11-22T12:00:00Z";
const CANARY: &str = "canary-5f2e";

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let environment = variables.iter().copied().collect();
    parse(text, Path::new("config.toml"), &environment, NOW.parse().unwrap())
}

fn read(text: &str) -> Result<Loaded, ConfigErrors> {
    read_with(text, &[])
}

fn faults_of(text: &str) -> String {
    read(text).expect_err(text).to_string()
}

/// The settings that have errors, in order, with their lines.
fn places(faults: &ConfigErrors) -> Vec<(Option<usize>, &str)> {
    faults.iter().map(|fault| (fault.line(), fault.setting())).collect()
}

fn hash(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

#[test]
fn an_empty_file_is_the_defaults() {
    let loaded = read("").unwrap();
    assert!(loaded.config == Config::default());
    assert_eq!(loaded.warnings.len(), 1);
}

#[test]
fn all_errors_are_reported_with_their_lines() {
    let text = format!(
        r#"[server]
listn = "127.0.0.1:8080"
max_body = 65536
[upstream]
retries = 3
try_timeout = "30s"
breaker = {{ failure_ratio = 0, window = "soon" }}
[cache.organization]
ttl = 3
[limits]
default = {{ requests = 0 }}
[[callers]]
name = "Wall Board"
key_hashes = ["{hash}", "wgw_{CANARY}"]
[[callers]]
name = "wallboard"
key_hashes = []
scopes = [
  "queues",
  "*",
]
colour = "red"
[[callers]]
key_hashes = ["{hash}"]
scopes = ["everything"]
"#,
        hash = hash('a'),
    );
    let faults = read(&text).unwrap_err();
    assert_eq!(
        places(&faults),
        [
            (Some(2), "server.listn"),
            (Some(3), "server.max_body"),
            (Some(5), "upstream.retries"),
            (Some(6), "upstream.try_timeout"),
            (Some(7), "upstream.breaker.failure_ratio"),
            (Some(7), "upstream.breaker.window"),
            (Some(9), "cache.organization.ttl"),
            (Some(11), "limits.default"),
            (Some(11), "limits.default.requests"),
            (Some(13), "callers[0].name"),
            (Some(14), "callers[0].key_hashes[1]"),
            (Some(17), "callers[1] (\"wallboard\").key_hashes"),
            (Some(20), "callers[1] (\"wallboard\").scopes[1]"),
            (Some(22), "callers[1] (\"wallboard\").colour"),
            (Some(23), "callers[2]"),
            (Some(24), "callers[2].key_hashes[0]"),
            (Some(25), "callers[2].scopes[0]"),
        ],
        "{faults}"
    );
    assert!(!faults.to_string().contains(CANARY), "{faults}");
}

#[test]
fn routes_must_be_reachable_and_safe() {
    let route = |rest: &str| format!("[[routes]]\nscope = \"agents\"\nttl = \"1m\"\n{rest}\n");
    for (text, place, why) in [
        ("path = \"/auth/refresh\"", "routes[0].path", "below /auth"),
        ("path = \"/queries/organization\"", "routes[0].path", "of the vendor's reference"),
        ("path = \"/survey/queries/questions/{id}\"", "routes[0].path", "of the vendor's reference"),
        ("path = \"queries/agents\"", "routes[0].path", "path of segments"),
        ("path = \"/a\"\nmethods = [\"PUT\"]", "routes[0].methods[0]", "expected one of \"GET\", \"POST\""),
        ("path = \"/a\"\nmethods = []", "routes[0].methods", "is empty"),
        ("path = \"/a\"\nmethods = [\"GET\", \"GET\"]", "routes[0].methods", "twice"),
        ("path = \"/a\"\nquery = [\"\"]", "routes[0].query", "empty name"),
        ("path = \"/a\"\nttl = \"0s\"\nstale_if_error = \"1s\"", "routes[0].stale_if_error", "ttl of zero"),
        ("path = \"/Auth/refresh\"", "routes[0].path", "below /auth"),
        ("path = \"/docs/{id}\"", "routes[0].path", "a page of the gateway's own"),
        ("path = \"/{area}/login\"", "routes[0].path", "must start with a literal segment"),
        ("path = \"/Queries/Organization\"", "routes[0].path", "of the vendor's reference"),
    ] {
        let text = route(text);
        let text = if text.matches("ttl").count() == 2 { text.replacen("ttl = \"1m\"\n", "", 1) } else { text };
        let faults = read(&text).unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.setting()).collect::<Vec<_>>(), [place], "{faults}");
        assert!(faults.to_string().contains(why), "{faults}");
    }
    for (earlier, later, why) in [
        ("path = \"/a/{x}\"", "path = \"/a/b\"", "is hidden by an earlier route"),
        ("path = \"/a/{x}\"", "path = \"/A/b\"", "is hidden by an earlier route"),
        ("path = \"/a/{x}\"", "path = \"/a/{y}\"\nmethods = [\"POST\"]", "with other parameter names"),
        ("path = \"/a/{x}\"", "path = \"/a/{x}\"", "has the path and a method of an earlier route"),
    ] {
        let faults = read(&(route(earlier) + &route(later))).unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.setting()).collect::<Vec<_>>(), ["routes[1].path"], "{faults}");
        assert!(faults.to_string().contains(why), "{faults}");
    }
    let both = route("path = \"/a/{x}\"") + &route("path = \"/a/b\"\nmethods = [\"POST\"]");
    let caller = format!(
        "[[callers]]\nname = \"app\"\nkey_hashes = [\"{}\"]\nqueues = [\"q\"]\nscopes = [\"agents\"]\n",
        hash('a')
    );
    let loaded = read(&format!("{both}{caller}")).unwrap();
    assert_eq!(loaded.warnings.len(), 2, "its queues hold back nothing on either: {:?}", loaded.warnings);
    let (plain, of_company) = (route("path = \"/a/{x}\""), route("path = \"/b/{companyId}\""));
    for (held, warned) in [
        ("companies = [7]", [true, false]),
        ("queues = [\"q\"]", [true, true]),
        ("companies = [7]\nqueues = [\"q\"]", [true, true]),
    ] {
        let warnings =
            read(&format!("{plain}{of_company}{}", caller.replace("queues = [\"q\"]", held))).unwrap().warnings;
        let about = |path: &str| warnings.iter().find(|warning| warning.contains(path));
        assert_eq!([about("/a/{x}"), about("/b/{companyId}")].map(|about| about.is_some()), warned, "{warnings:?}");
        assert!(about("/a/{x}").is_some_and(|warning| warning.contains("its companies and queues do not restrict")));
        assert!(
            about("/b/{companyId}").is_none_or(|warning| warning.contains("its queues do not restrict")),
            "{warnings:?}"
        );
    }
    assert!(read(&caller).unwrap_err().to_string().contains("is a scope that no route has"));
    let damaged = read(&(route("path = \"no path\"") + &caller)).unwrap_err();
    assert_eq!(damaged.iter().map(|fault| fault.setting()).collect::<Vec<_>>(), ["routes[0].path"], "{damaged}");
    assert!(
        read(&route("path = \"/a\"").replace("ttl = \"1m\"\n", ""))
            .unwrap_err()
            .to_string()
            .contains("`ttl` is missing")
    );
}

#[test]
fn errors_have_a_place_a_reason_and_a_remedy() {
    assert_eq!(
        faults_of("[server]\nlistn = 1\n").split("; ").collect::<Vec<_>>(),
        [
            "config.toml:2: server.listn: is not a known setting",
            "did you mean `listen`? known here: base_path, body_timeout, drain_delay, drain_timeout, header_timeout, \
             idle_timeout, listen, max_body, max_connections, reuse_port, tls, trusted_proxies"
        ]
    );
    assert_eq!(
        faults_of("[cache]\ncapacity = 64"),
        "config.toml:2: cache.capacity: is a number; expected a size: a number of bytes with its unit, such as \"64 KiB\" or \
         \"16 MiB\""
    );
    for fault in read("callers = 5\nserver = 7\n[cache]\nqueue_summary = true").unwrap_err().iter() {
        assert!(fault.line().is_some() && !fault.reason().is_empty() && !fault.remedy().is_empty(), "{fault}");
    }
}

#[test]
fn each_rule_is_enforced() {
    for (text, said) in [
        ("server.listen = \"unix:gateway.sock\"", "neither IP:PORT"),
        ("server.listen = \"localhost:8080\"", "neither IP:PORT"),
        ("server.listen = \"127.0.0.1:9090\"", "same address"),
        ("server.listen = \"0.0.0.0:9090\"", "same address"),
        ("server.base_path = \"/\"", "plain path"),
        ("server.base_path = \"/api/\"", "plain path"),
        ("server.base_path = \"api\"", "plain path"),
        ("server.base_path = \"/{v}\"", "plain path"),
        ("server.max_connections = 0", "out of range"),
        ("server.max_connections = -1", "out of range"),
        ("server.max_connections = 2000000", "from 1 to 1000000"),
        ("server.header_timeout = \"0s\"", "is zero"),
        ("admin.listen = \"0.0.0.0:9090\"", "needed"),
        ("admin.token = \"canary-5f2e\"", "shorter than 16 characters"),
        ("upstream.base_url = \"http://api.wesal.dev\"", "not https"),
        ("upstream.base_url = \"https://me:canary-5f2e@api.wesal.dev\"", "user or a password"),
        ("upstream.base_url = \"https://api.wesal.dev/?a=canary-5f2e\"", "query"),
        ("upstream.base_url = \"ftp://canary-5f2e\"", "https://"),
        ("upstream.proxy = \"http://me:canary-5f2e@proxy:3128\"", "user or a password"),
        ("upstream.auth_scheme = \"Bearer \"", "scheme"),
        ("upstream.client_id = \"canary-5f2e\\n\"", "header"),
        ("upstream.request_timeout = \"5s\"", "longer than request_timeout"),
        ("upstream.connect_timeout = \"11s\"", "longer than try_timeout"),
        ("upstream.breaker.failure_ratio = 1.5", "above 0 and at most 1"),
        ("upstream.breaker.min_calls = 0", "out of range"),
        ("upstream.breaker.pause = \"2m\"", "longer than max_pause"),
        ("upstream.retry_budget = nan", "finite"),
        ("upstream.retry_budget = 1.1", "from 0 to 1"),
        ("upstream.max_stretch = 0.9", "from 1 to 100"),
        ("upstream.max_stretch = nan", "finite"),
        ("upstream.rate_limit = { requests = 5 }", "`per` is missing"),
        ("upstream.rate_limit = { requests = 5, per = \"0s\" }", "is zero"),
        ("upstream.forward_fields = [\"limit\"]", "reference defines"),
        ("upstream.login.fields = { password = \"canary-5f2e\" }", "setting of its own"),
        ("upstream.login.token_pointers = []", "is empty"),
        ("upstream.login.token_pointers = [\"token\"]", "not a JSON pointer"),
        ("upstream.login.refresh_ahead = 0", "above 0 and at most 1"),
        ("cache.capacity = \"0 B\"", "is zero"),
        ("cache.capacity = \"64\"", "not a size"),
        ("cache.queue_summary = { ttl = \"0s\" }", "caches nothing"),
        ("cache.surveys.stale_while_revalidate = \"1s\"", "caches nothing"),
        ("cache.queue_performance.closed_after = \"50h\"", "longer than settled_after"),
        ("telemetry.log_format = \"xml\"", "\"auto\", \"json\", \"text\""),
        ("telemetry.log_filter = \"\"", "is empty"),
        ("telemetry.log_filter = \"inof\"", "unknown level or target"),
        ("telemetry.otlp_sample_ratio = 1.1", "from 0 to 1"),
        ("telemetry.otlp_sample_ratio = nan", "finite"),
        ("server.trusted_proxies = [\"10.0.0.0/8\", \"here\"]", "invalid network"),
        ("sessions.ttl = \"0s\"", "is zero"),
        ("sessions.ttl = \"9600h\"", "longer than a year"),
        ("sessions.secret = \"short\"", "shorter than 32 bytes"),
    ] {
        let faults = read(text).expect_err(text);
        assert_eq!(faults.len(), 1, "{text}: {faults}");
        assert!(faults.to_string().contains(said) && !faults.to_string().contains(CANARY), "{text}: {faults}");
        assert_eq!(faults.iter().next().and_then(ConfigError::line), Some(1), "{text}: {faults}");
    }
}

#[test]
#[cfg(feature = "otlp")]
fn otlp_endpoint_is_the_base_of_its_paths() {
    for good in ["http://127.0.0.1:4318", "http://collector:4318/", "https://collector.example/otlp"] {
        read(&format!("telemetry.otlp_endpoint = {good:?}")).unwrap();
    }
    for (bad, said) in [
        ("127.0.0.1:4318", "http://"),
        ("http://collector:4318/v1/traces", "appended to it"),
        ("http://collector:4318/?key=canary-5f2e", "query"),
        ("http://me:canary-5f2e@collector:4318", "user or a password"),
    ] {
        let faults = faults_of(&format!("telemetry.otlp_endpoint = {bad:?}"));
        assert!(faults.contains(said) && !faults.contains(CANARY), "{bad}: {faults}");
    }
}

#[test]
#[cfg(not(feature = "otlp"))]
fn otlp_endpoint_needs_the_feature_otlp() {
    let faults = faults_of("telemetry.otlp_endpoint = \"http://127.0.0.1:4318\"");
    assert!(faults.contains("build with --features otlp"), "{faults}");
}

#[test]
fn invalid_value_is_not_also_a_contradiction() {
    let faults = read("[upstream]\ntry_timeout = 9\nrequest_timeout = \"5s\"").unwrap_err();
    assert_eq!(places(&faults), [(Some(2), "upstream.try_timeout")]);
}

#[test]
fn partial_freshness_keeps_the_other_defaults() {
    let cache = read("cache.queue_summary.ttl = \"5s\"\ncache.questions.ttl = \"2h\"").unwrap().config.cache;
    assert_eq!(cache.queue_summary.ttl, Duration::from_secs(5));
    assert_eq!(cache.queue_summary.stale_if_error, Duration::from_secs(30));
    assert_eq!(cache.questions.stale_while_revalidate, Duration::from_secs(6 * 3600));
}

#[test]
fn vendor_on_loopback_needs_no_https() {
    for url in ["http://127.0.0.1:9191/api/v1/", "http://[::1]:9191/api/v1", "http://localhost/api/v1"] {
        let config = read(&format!("upstream.base_url = {url:?}")).unwrap().config;
        assert_eq!(config.upstream.base_url, url.trim_end_matches('/'));
    }
    read("[upstream]\nallow_http = true\nbase_url = \"http://vendor.test\"").unwrap();
}

#[test]
fn caller_settings_round_trip() {
    let text = format!(
        "[[callers]]\nname = \"wall\"\nkey_hashes = [\"{}\"]\nscopes = [\"queues\"]\ncompanies = [7]\n\
         queues = [\"q\"]\nrate_limit = {{ requests = 2, per = \"1s\" }}\nexpires = 2027-01-01T00:00:00Z\n\
         login = \"wall\"\nenabled = false\n",
        hash('1')
    );
    let loaded = read(&text).unwrap();
    let caller = &loaded.config.callers[0];
    assert_eq!(caller.rate_limit.as_ref().unwrap().burst().get(), 2);
    assert_eq!(caller.expires.unwrap().to_string(), "2027-01-01T00:00:00Z");
    assert!(!caller.enabled && loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let again = read(&loaded.config.effective()).unwrap();
    assert!(again.config == loaded.config, "{:?}", again.config);
}

#[test]
fn callers_must_be_distinguishable() {
    let caller = |name: &str, digit, login: &str| {
        format!(
            "[[callers]]\nname = \"{name}\"\nkey_hashes = [\"{}\"]\nscopes = [\"queues\"]\nlogin = \"{login}\"\n",
            hash(digit)
        )
    };
    let text =
        [caller("a", '1', "a@x"), caller("b", '1', "a@x"), caller("b", '2', "b@x"), caller("c", '3', "a")].concat();
    let faults = read(&text).unwrap_err();
    assert_eq!(
        places(&faults),
        [
            (Some(8), "callers[1] (\"b\").key_hashes[0]"),
            (Some(10), "callers[1] (\"b\").login"),
            (Some(12), "callers[2] (\"b\").name"),
            (Some(20), "callers[3] (\"c\").login"),
        ],
        "{faults}"
    );
}

#[test]
fn past_expiry_warns_with_the_callers_name() {
    let text = format!(
        "[[callers]]\nname = \"old\"\nkey_hashes = [\"{}\"]\nscopes = [\"queues\"]\nexpires = \"2026-01-01T00:00:00Z\"",
        hash('1')
    );
    let warnings = read(&text).unwrap().warnings;
    assert_eq!(warnings, ["callers[0] (\"old\"): expires is in the past, so its keys are refused"]);
    assert!(faults_of("[[callers]]\nname = \"x\"\nexpires = \"tomorrow\"").contains("RFC 3339"));
}

#[test]
fn environment_overrides_the_file_at_any_depth() {
    let callers = format!("[{{ name = 'a', key_hashes = ['{}'], scopes = ['queues'] }}]", hash('1'));
    let variables = [
        ("WESAL_GATEWAY__SERVER__LISTEN", "0.0.0.0:80"),
        ("WESAL_GATEWAY__SERVER__MAX_BODY", "1 MiB"),
        ("WESAL_GATEWAY__CACHE__QUEUE_SUMMARY__TTL", "9s"),
        ("WESAL_GATEWAY__UPSTREAM__ALLOW_HTTP", "true"),
        ("WESAL_GATEWAY__UPSTREAM__RATE_LIMIT__REQUESTS", "300"),
        ("WESAL_GATEWAY__UPSTREAM__LOGIN__REFRESH_AHEAD", "0.5"),
        ("WESAL_GATEWAY__UPSTREAM__FORWARD_QUERY", "[\"lang\"]"),
        ("WESAL_GATEWAY__UPSTREAM__AUTH_SCHEME", "7"),
        ("WESAL_GATEWAY__UPSTREAM__PASSWORD", "123456"),
        ("WESAL_GATEWAY__UPSTREAM__EMAIL", "\"quoted\""),
        ("WESAL_GATEWAY__UPSTREAM__LOGIN__FIELDS__companyCode", "ACME"),
        ("WESAL_GATEWAY__CALLERS", callers.as_str()),
        ("WESAL_GATEWAY_CONFIG", "ignored"),
        ("PATH", "ignored"),
    ];
    let file = "server.listen = \"127.0.0.1:1\"\nupstream.rate_limit = { requests = 1, per = \"1m\" }";
    let config = read_with(file, &variables).unwrap().config;
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:80");
    assert_eq!(config.server.max_body, Size::from_mib(1));
    assert_eq!(config.cache.queue_summary.ttl, Duration::from_secs(9));
    assert!(config.upstream.allow_http);
    assert_eq!(config.upstream.rate_limit.requests.get(), 300);
    assert_eq!(config.upstream.login.refresh_ahead, 0.5);
    assert_eq!(config.upstream.forward_query, ["lang"]);
    assert_eq!(config.upstream.auth_scheme, "7");
    assert_eq!(config.upstream.login.fields["companyCode"], "ACME");
    assert_eq!(config.callers.len(), 1);
    assert!(!config.effective().contains("ACME"));
    assert_eq!(config.upstream.password.expose(), "123456");
    assert_eq!(config.upstream.email.expose(), "\"quoted\"");
}

#[test]
fn environment_errors_name_the_variable() {
    let variables = [
        ("WESAL_GATEWAY__SERVER__LISTN", "x"),
        ("WESAL_GATEWAY__SERVER__LISTEN", "8080"),
        ("WESAL_GATEWAY__CACHE__CAPACITY", "64"),
        ("WESAL_GATEWAY__SERVER__MAX_CONNECTIONS", "-5"),
        ("WESAL_GATEWAY__UPSTREAM__RETRIES", "many"),
        ("WESAL_GATEWAY__UPSTREAM__PASSWORD__X", CANARY),
    ];
    let faults = read_with("", &variables).unwrap_err();
    let text = faults.to_string();
    assert_eq!(faults.len(), 6, "{text}");
    for said in [
        "WESAL_GATEWAY__SERVER__LISTN: server.listn: is not a known setting; did you mean `listen`?",
        "WESAL_GATEWAY__SERVER__LISTEN: server.listen: is neither IP:PORT nor",
        "WESAL_GATEWAY__CACHE__CAPACITY: cache.capacity: is not a size",
        "WESAL_GATEWAY__SERVER__MAX_CONNECTIONS: server.max_connections: is out of range",
        "WESAL_GATEWAY__UPSTREAM__RETRIES: upstream.retries: is a text; expected a whole number from 0 to 2",
        "WESAL_GATEWAY__UPSTREAM__PASSWORD__X: upstream.password: is a table; expected",
    ] {
        assert!(text.contains(said), "{said} is not in\n{text}");
    }
    assert!(!text.contains(CANARY), "{text}");
}

#[test]
fn broken_line_does_not_hide_other_errors() {
    let faults = read("[server]\nmax_body = 64 KiB\nlistn = 1\n[cache]\ncapacity = 64\n").unwrap_err();
    let lines: Vec<_> = faults.iter().filter_map(ConfigError::line).collect();
    assert!(lines.starts_with(&[2]) && lines.ends_with(&[3, 5]), "{faults}");
    let text = "[server]\nmax_body = 64k\n[upstream]\nretries = 7\nmax_stretch = 500\nbase_url = \"ftp://x\"\n\
                password_file = \"/nonexistent/password\"\n";
    let faults = read(text).unwrap_err();
    let lines: BTreeSet<_> = faults.iter().map(|fault| fault.line().unwrap()).collect();
    assert_eq!(lines, (2..=7).filter(|line| *line != 3).collect(), "{faults}");
    assert_eq!(faults.iter().filter(|fault| fault.line() > Some(2)).count(), 4, "{faults}");
}

#[test]
fn tables_after_a_broken_header_are_checked() {
    let errors = read("[server\nlistn = 1\n[upstream]\nretries = 7\ntry_timeout = \"30s\"").unwrap_err();
    assert_eq!(errors.iter().map(|error| error.line().unwrap()).collect::<Vec<_>>(), [1, 4], "{errors}");
}

/// Every setting of the schema refuses each other kind of value with one error, at its line, without the value.
#[test]
fn wrong_types_are_refused_without_their_value() {
    let values =
        [format!("\"{CANARY}\""), format!("[\"{CANARY}\"]"), format!("{{ x = \"{CANARY}\" }}"), "true".to_owned()];
    let (schema, mut checked) = (schema(), 0);
    let mut tables = vec![(String::new(), schema.clone())];
    while let Some((table, properties)) = tables.pop() {
        for (name, property) in properties["properties"].as_object().unwrap() {
            let target = property["$ref"].as_str().map_or(property, |name| schema.pointer(&name[1..]).unwrap());
            if target.get("properties").is_some() {
                tables.push((format!("{table}{name}."), target.clone()));
            }
            for value in &values {
                let text = format!("{table}{name} = {value}");
                if name.ends_with("_file") && value.starts_with('"') {
                    continue;
                }
                let Err(errors) = read(&text) else { continue };
                let shown = format!("{errors} {errors:?}");
                assert!(!shown.contains(CANARY), "{text}: {shown}");
                assert!(errors.iter().all(|error| error.line() == Some(1)), "{text}: {shown}");
                checked += 1;
            }
        }
    }
    assert!(checked > 250, "only {checked} values were refused");
}

#[test]
fn broken_lines_cause_no_further_errors() {
    let hash = hash('a');
    for (text, line) in [
        // What is missing now.
        ("[[callers]]\nname = \"a\"\nkey_hashes = [sha256:0]\nscopes = [\"queues\"]\n".to_owned(), 3),
        (format!("[[callers]]\nname = wall board\nkey_hashes = [{hash:?}]\nscopes = [\"queues\"]\n"), 2),
        (format!("[[callers]]\nname = \"a\"\nkey_hashes = [{hash:?}]\nexpires = tomorrow\n"), 4),
        // What contradicts only a default.
        ("[upstream]\ntry_timeout = \"30s\"\nrequest_timeout = 40 s\n".to_owned(), 3),
        // What may belong to another table.
        ("[server\nlisten = \"127.0.0.1:1\"\nretries = 7\n[upstream]\nretries = 2\n".to_owned(), 1),
        // What may be defined on it.
        (
            format!(
                "[[callers]]\nname = \"a\"\nkey_hashes = [{hash:?}]\nscopes = [\"reports\"]\n[[routes]]\n\
                 path = \"/a/b\"\nttl = \"1m\"\nscope = reports\n"
            ),
            8,
        ),
    ] {
        let faults = read(&text).expect_err(&text);
        assert!(faults.iter().all(|fault| fault.line() == Some(line)), "{text}\n{faults}");
    }
}

#[test]
fn mixed_up_brackets_are_explained() {
    for (text, place, remedy) in [
        ("[callers]\nname = \"a\"", "callers: ", "write `[[callers]]`, in double brackets, above each"),
        ("[routes]\npath = \"/a\"", "routes: ", "write `[[routes]]`, in double brackets, above each"),
        ("[[server]]\nlisten = \"127.0.0.1:1\"", "server: ", "write `[server]`, in single brackets, and once"),
        ("[[cache.surveys]]\nttl = \"1m\"", "cache.surveys: ", "write `[cache.surveys]`, in single brackets"),
        ("[upstream.forward_query]\na = 1", "upstream.forward_query: ", "expected a list in [ ]"),
        ("[[callers]]\nname = \"a\"\nrate_limit = [1]", ".rate_limit: ", "expected a table of settings"),
    ] {
        let faults = read(text).unwrap_err();
        let said = faults.iter().map(ToString::to_string).find(|said| said.contains(place));
        assert!(said.is_some_and(|said| said.contains(remedy)), "{faults}");
    }
}

#[test]
fn file_is_bounded_and_must_be_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let load = |path: &Path| load(path, &Environment::empty(), NOW.parse().unwrap());
    let bound = 16 * 1024 * 1024;
    fs::write(&file, " ".repeat(bound)).unwrap();
    load(&file).unwrap();
    fs::write(&file, " ".repeat(bound + 1)).unwrap();
    for endless in [&file, Path::new("/dev/zero")] {
        let faults = load(endless).unwrap_err().to_string();
        assert!(faults.contains("is larger than 16 MiB; name a configuration file"), "{faults}");
    }
    fs::write(&file, b"# one\nserver.listen = \"\xff\"\n").unwrap();
    let faults = load(&file).unwrap_err().to_string();
    assert!(faults.contains("config.toml:2: is not UTF-8 text; save the file as UTF-8"), "{faults}");
}

#[test]
fn missing_file_is_an_error() {
    let faults = load(Path::new("/nonexistent/c.toml"), &Environment::empty(), NOW.parse().unwrap()).unwrap_err();
    assert!(faults.to_string().starts_with("/nonexistent/c.toml: cannot be read"), "{faults}");
}

/// The lines and settings that have errors.
fn places_of(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let faults = read_with(text, variables).expect_err(text);
    faults.iter().map(|fault| format!("{} {}", fault.line().unwrap_or(0), fault.setting())).collect()
}

#[test]
fn numbers_without_a_value_are_refused_in_free_tables() {
    let text = "upstream.login.fields = {a = nan, b = 99999999999999999999, c = [{d = inf}]}";
    let expected = ["1 upstream.login.fields.a", "1 upstream.login.fields.b", "1 upstream.login.fields.c[0].d"];
    assert_eq!(places_of(text, &[]), expected);
}

#[test]
fn prefix_of_a_variable_is_removed_once() {
    let variable = ("WESAL_GATEWAY__WESAL_GATEWAY__SERVER__LISTEN", "127.0.0.1:77");
    assert_eq!(places_of("", &[variable]), ["0 wesal_gateway"]);
}

#[test]
fn placeholders_conflict_with_no_real_setting() {
    let caller = |name: &str, hashes: &str, more: &str| {
        format!("[[callers]]\nname = \"{name}\"\nkey_hashes = [{hashes}]\nscopes = [\"queues\"]\n{more}\n")
    };
    let (a, b) = (format!("\"{}\"", hash('a')), format!("\"{}\"", hash('b')));
    let named = caller("wallboard", &a, "login = \"wallboard\"") + &caller("B!", &b, "");
    assert_eq!(places_of(&named, &[]), ["7 callers[1].name"]);
    let hashed = caller("a", "\"nope\"", "") + &caller("b", &format!("\"sha256:{}\"", "0".repeat(64)), "");
    assert_eq!(places_of(&hashed, &[]), ["3 callers[0] (\"a\").key_hashes[0]"]);
    let doubled = caller("a", &a, "") + &caller("b", &format!("{a}, \"nope\""), "");
    let expected = ["8 callers[1] (\"b\").key_hashes[0]", "8 callers[1] (\"b\").key_hashes[1]"];
    assert_eq!(places_of(&doubled, &[]), expected);
}

#[test]
fn broken_line_hides_errors_of_its_own_table_only() {
    let text = format!(
        "[[callers]]\nkey_hashes = [\"{}\"]\nscopes = [\"nope\"]\n[limits]\ndefault = {{ requests = 5 }}\n[server]\njunk\n",
        hash('a')
    );
    let expected = ["1 callers[0]", "3 callers[0].scopes[0]", "5 limits.default", "7 "];
    assert_eq!(places_of(&text, &[]), expected);
}

#[test]
fn doubled_header_hides_no_errors_below_it() {
    let text = "[server]\nreuse_port = true\n[admin]\nlisten = \"x\"\n[server]\nmax_body = \"q\"\nfoo = 1\n[cache]\ncapacity = \"q\"\n";
    let expected = ["4 admin.listen", "5 ", "6 server.max_body", "7 server.foo", "9 cache.capacity"];
    assert_eq!(places_of(text, &[]), expected);
}

#[test]
fn variable_below_a_value_is_blamed_itself() {
    let below = [("WESAL_GATEWAY__SERVER__LISTEN__X", "1")];
    let faults = read_with("server.listen = \"127.0.0.1:1\"", &below).unwrap_err().to_string();
    assert!(faults.contains("WESAL_GATEWAY__SERVER__LISTEN__X: ") && !faults.contains("config.toml:1"), "{faults}");
    let email = [("WESAL_GATEWAY__UPSTREAM__EMAIL", "a@b.example")];
    assert_eq!(places_of("upstream = 5", &email).len(), 2, "the value and the variable");
    let name = [("WESAL_GATEWAY__CALLERS__0__NAME", "b")];
    let callers = format!("[[callers]]\nname = \"a\"\nkey_hashes = [\"{}\"]\n", hash('a'));
    let faults = read_with(&callers, &name).unwrap_err().to_string();
    assert!(faults.contains("WESAL_GATEWAY__CALLERS__0__NAME: ") && !faults.contains("config.toml:1"), "{faults}");
    let deep = format!("WESAL_GATEWAY__{}X", "A__".repeat(20_000));
    let faults = read_with("", &[(&deep, "1")]).unwrap_err();
    assert_eq!(faults.iter().count(), 1);
}

#[test]
fn invalid_route_still_conflicts_by_its_path() {
    let route = |ttl: &str| format!("[[routes]]\npath = \"/q/w\"\nscope = \"agents\"\nttl = \"{ttl}\"\n");
    let expected = ["4 routes[0].ttl", "6 routes[1].path"];
    assert_eq!(places_of(&(route("5") + &route("1m")), &[]), expected);
}

#[test]
fn remedy_never_names_the_type_that_is_there() {
    for text in [
        "server.trusted_proxies = [\"10.0.0.0/8\", \"bad\"]",
        "telemetry.queue_gauges = { queues = [\"\"], fields = [\"x\"] }",
    ] {
        let faults = faults_of(text);
        assert!(!faults.contains("expected a list") && !faults.contains("expected a text in quotes"), "{faults}");
    }
}
