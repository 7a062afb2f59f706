//! What an operator does to the running program: a file changed, a signal sent, a filter set.

use std::fs;

use serde_json::{Value, json};

use crate::{harness::World, program::Service};

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
}
