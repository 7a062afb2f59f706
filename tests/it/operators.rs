//! What an operator does to the running program: a file changed, a signal sent, a filter set.

use std::{
    fs,
    sync::{Arc, mpsc},
};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::oneshot};

use crate::{
    harness::{OddClock, World, in_time, log, run_by, until},
    program::Service,
};

/// Sends SIGHUP, and ends when it has been acted on.
async fn hang_up(service: &Service) {
    service.signal("HUP");
    service.told("RELOADING=1\n").await;
    service.told("READY=1\n").await;
}

async fn callers_and_outcome(service: &Service) -> (Value, Value) {
    let status = service.operate("GET", "/admin/status", "").await;
    let names = status["callers"].as_array().unwrap().iter().map(|caller| caller["name"].clone()).collect();
    (Value::Array(names), status["configuration"]["lastReload"]["outcome"].clone())
}

#[tokio::test]
async fn at_sighup_the_program_takes_the_changed_file_over_and_refuses_a_broken_one() {
    let world = World::new().await;
    let service = Service::start(&world, "", None).await;
    let before = fs::read_to_string(service.config()).unwrap();
    assert_eq!(callers_and_outcome(&service).await, (json!(["app"]), Value::Null));
    fs::write(service.config(), before.replace("name = \"app\"", "name = \"wallboard\"")).unwrap();
    hang_up(&service).await;
    assert_eq!(callers_and_outcome(&service).await, (json!(["wallboard"]), json!("good")));
    fs::write(service.config(), "nonsense = 1\n").unwrap();
    hang_up(&service).await;
    assert_eq!(callers_and_outcome(&service).await, (json!(["wallboard"]), json!("refused")));
    service.logs("config.toml:1").await;
    service.signal("TERM");
    assert_eq!(service.code().await, Some(0));
}

#[tokio::test]
async fn a_log_that_nobody_reads_keeps_the_program_from_nothing() {
    let world = World::new().await;
    // A pipe that is open at both ends, and holds less than what follows.
    let unread = "mkfifo \"$1.log\" && exec 2<>\"$1.log\"";
    let service = Service::start(&world, unread, None).await;
    let dropped = async || {
        let told = service.operate_as("GET", "/metrics", "", "-").await;
        let name = "wesal_gateway_log_events_dropped_total ";
        told.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(dropped().await, 0.0);
    // Until the buffers are full too, of which each thread has one.
    let mut floods = 0;
    while dropped().await == 0.0 {
        assert!(floods < 200);
        service.flood("/livez", 2_000).await;
        floods += 1;
    }
    service.signal("TERM");
    assert_eq!(service.code().await, Some(0));
}

#[tokio::test]
async fn a_filter_that_an_operator_sets_holds_for_the_lines_that_follow() {
    let world = World::new().await;
    let service = Service::start(&world, "", None).await;
    let set = async |filter: &str| {
        let told = service.operate("PUT", "/admin/log-filter", &json!({ "filter": filter }).to_string()).await;
        assert_eq!(told, json!({ "filter": filter }));
    };
    service.ask_as("/api/v1/queries/organization", "before").await;
    service.logs("\"before\"").await;
    set("info,wesal_gateway::access=off").await;
    service.ask_as("/api/v1/queries/organization", "meanwhile").await;
    set("info").await;
    service.ask_as("/api/v1/queries/organization", "after").await;
    service.logs("\"after\"").await;
    assert!(!fs::read_to_string(service.log()).unwrap().contains("\"meanwhile\""));
    let refused = json!({ "filter": "inof" }).to_string();
    let told = service.operate("PUT", "/admin/log-filter", &refused).await;
    assert!(told["detail"].as_str().unwrap().contains("unknown level or target"), "{told}");
    assert_eq!(service.operate("GET", "/admin/log-filter", "").await["filter"], "info");
}

#[tokio::test]
async fn a_filter_that_an_operator_sets_holds_until_the_file_names_another() {
    let world = World::new().await;
    let service = Service::start(&world, "", None).await;
    let filter = async || service.operate("GET", "/admin/log-filter", "").await["filter"].clone();
    service
        .operate("PUT", "/admin/log-filter", &json!({ "filter": "info,wesal_gateway::access=off" }).to_string())
        .await;
    let before = fs::read_to_string(service.config()).unwrap();
    fs::write(service.config(), before.replace("name = \"app\"", "name = \"wallboard\"")).unwrap();
    hang_up(&service).await;
    assert_eq!(callers_and_outcome(&service).await.1, json!("good"));
    assert_eq!(filter().await, "info,wesal_gateway::access=off", "the file says nothing new of it");
    fs::write(service.config(), format!("telemetry.log_filter = \"warn\"\n{before}")).unwrap();
    hang_up(&service).await;
    assert_eq!(filter().await, "warn");
}

#[tokio::test]
async fn what_an_operator_does_is_logged_with_the_request_that_asked_for_it() {
    let world = World::new().await;
    let service = Service::start(&world, "", None).await;
    let filter = json!({ "filter": "info" }).to_string();
    for (method, path, body, act, status) in [
        ("POST", "/admin/cache/purge", "hard=true", "purge", 415),
        ("POST", "/admin/cache/purge", "{}", "purge", 200),
        ("POST", "/admin/cache/purge", "[]", "purge", 400),
        ("POST", "/admin/reload", "", "reload", 200),
        ("PUT", "/admin/log-filter", &filter, "log_filter", 200),
    ] {
        let id = format!("{act}-{status}");
        let kind = if status == 415 { "application/x-www-form-urlencoded" } else { "application/json" };
        service.operate_with(method, path, (kind, body), &id).await;
        service.logs(&format!("\"{id}\"")).await;
        let log = fs::read_to_string(service.log()).unwrap();
        let line = log.lines().find(|line| line.contains(&format!("\"{id}\""))).unwrap();
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line.to_string().contains("an operator acted"), "{line}");
        let member = |name: &str| line.get(name).or_else(|| line["fields"].get(name)).unwrap().clone();
        assert_eq!((member("act"), member("status")), (json!(act), json!(status)));
    }
    service.operate_as("GET", "/admin/log-filter", "", "looked").await;
    // Lines come in order: had there been one, it would stand there now.
    service.operate_as("POST", "/admin/reload", "", "afterwards").await;
    service.logs("\"afterwards\"").await;
    assert!(!fs::read_to_string(service.log()).unwrap().contains("\"looked\""));
}

#[tokio::test]
async fn what_an_operator_does_is_logged_though_the_operator_has_left() {
    let folder = tempfile::tempdir().unwrap();
    let (world, file) = (World::new().await, folder.path().join("config.toml"));
    let clock = OddClock::beside(&world.clock);
    let running = run_by(&world.config, Arc::new(clock.clone()), Some(&file)).await;
    let (client, admin) = (reqwest::Client::builder().no_proxy().build().unwrap(), running.admin.unwrap());
    // Else the login would be the next to ask for the date.
    let ready = || client.get(format!("http://{admin}/readyz")).send();
    in_time(async { while ready().await.unwrap().status() != 200 {} }).await;
    let (log, _guard) = log();
    let log = || String::from_utf8(log.lock().unwrap().clone()).unwrap();
    let ((hangs, hanging), (release, released)) = (oneshot::channel(), mpsc::channel::<()>());
    clock.next_time(move || {
        hangs.send(()).unwrap();
        let _ = released.recv();
    });
    let mut stream = TcpStream::connect(admin).await.unwrap();
    let head = "POST /admin/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nX-Request-Id: has-left\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    in_time(hanging).await.unwrap();
    drop(stream);
    // By then the gateway has seen it leave.
    for _ in 0..50 {
        assert!(client.get(format!("http://{admin}/livez")).send().await.unwrap().status().is_success());
    }
    assert!(!log().contains("has-left"), "{}", log());
    drop(release);
    in_time(until(|| log().contains("has-left"))).await;
    let line = log().lines().find(|line| line.contains("has-left")).unwrap().to_owned();
    assert!(line.contains("an operator acted act=\"reload\" status=200"), "{line}");
}
