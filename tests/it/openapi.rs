//! The gateway describes itself, truly: the document is the committed one, is served to whoever asks, and says neither
//! more nor less than what is answered. What it says of each answer, every test holds: the harness compares.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use crate::harness::{Setup, World};

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");

async fn described(world: &World) -> Value {
    world.send(world.request_at_root("GET", "/openapi.json")).await.ok().json()
}

fn committed() -> Value {
    serde_json::from_str(&fs::read_to_string(COMMITTED).unwrap()).unwrap()
}

#[tokio::test]
async fn the_description_is_the_committed_one() {
    let world = World::new().await;
    let served = world.send(world.request_at_root("GET", "/openapi.json")).await.ok();
    if fs::read_to_string(COMMITTED).unwrap_or_default() != served.text() {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi.json");
        fs::write(&new, served.text()).unwrap();
        panic!("what is served has changed. If it was meant to: cp {} docs/openapi.json", new.display());
    }
}

#[tokio::test]
async fn the_description_is_there_for_all_and_need_not_be_sent_twice() {
    let world = World::new().await;
    let ask = |method: &str| world.request_at_root(method, "/openapi.json");
    let first = world.send(ask("GET")).await.ok();
    assert_eq!(first.header("cache-control"), "no-cache");
    assert_eq!(first.header("access-control-allow-origin"), "");
    let etag = first.header("etag").to_owned();
    assert!(etag.len() > 30, "{etag}");

    let again = world.send(ask("GET").header("if-none-match", &etag)).await;
    assert_eq!((again.status, again.header("etag"), again.body.len()), (304, etag.as_str(), 0));
    let other = world.send(ask("GET").header("if-none-match", "\"other\"")).await.ok();
    assert_eq!(other.body, first.body);

    let head = world.send(ask("HEAD")).await.ok();
    assert_eq!((head.header("etag"), head.body.len()), (etag.as_str(), 0));
    assert_eq!(head.header("content-length"), first.body.len().to_string());
    assert_eq!(world.send(ask("POST")).await.problem(), "method_not_allowed");
    assert_eq!(world.vendor_calls_in_all(), 0);
}

#[tokio::test]
async fn settings_shape_it_and_a_reload_renews_it() {
    let mut setup = Setup::default();
    setup.config.server.base_path = "/wesal".to_owned();
    setup.config.limits.max_queues_per_request = 7.try_into().unwrap();
    setup.config.upstream.forward_fields = vec!["zone".to_owned()];
    setup.config.upstream.forward_query = vec!["lang".to_owned()];
    let folder = tempfile::tempdir().unwrap();
    setup.file = Some(folder.path().join("config.toml"));
    let mut world = setup.start().await;

    let ids = |document: &Value| document["components"]["schemas"]["QueuesRequest"]["properties"]["queues"].clone();
    let document = described(&world).await;
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(ids(&document)["maxItems"], 7);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/wesal/queries/organization") && paths.contains_key("/livez"));
    let parameters = paths["/wesal/queries/organization"]["get"]["parameters"].as_array().unwrap();
    assert!(parameters.iter().any(|parameter| parameter["name"] == "lang" && parameter["in"] == "query"));
    for (schema, takes) in [("QueuesRequest", true), ("VerifyByPhoneRequest", true), ("LoginRequest", false)] {
        let known = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
        assert_eq!(known.contains_key("zone"), takes, "{schema}");
    }

    world.config.limits.max_queues_per_request = 8.try_into().unwrap();
    fs::write(folder.path().join("config.toml"), crate::harness::text_of(&world.config)).unwrap();
    let reloaded = world.send(world.request_admin("POST", "/admin/reload")).await;
    assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    assert_eq!(ids(&described(&world).await)["maxItems"], 8);
}

#[tokio::test]
async fn what_is_described_is_answered_and_no_other_method_is() {
    let world = World::new().await;
    for (template, item) in committed()["paths"].as_object().unwrap() {
        let path = template.replace("{companyId}", "100301");
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let request = world.request_at_root(method, &path).header("content-type", "application/json").body("{}");
            let answer = world.send(request).await;
            let described = item.get(method.to_ascii_lowercase()).is_some();
            assert_eq!(answer.status != 405, described, "{method} {path}: {}", answer.status);
            assert_ne!(answer.status, 404, "{method} {path}");
        }
    }
}

#[test]
fn the_examples_of_errors_fit_the_operations_that_they_stand_at() {
    let document = committed();
    let followed = |value: &Value| match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap().clone(),
        None => value.clone(),
    };
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let body = followed(&operation["requestBody"]["content"]["application/json"]["schema"]);
            let bodies: Vec<_> = match body["oneOf"].as_array() {
                Some(all) => all.iter().map(followed).collect(),
                None => vec![body],
            };
            let examples = &followed(&operation["responses"]["400"])["content"]["application/problem+json"]["examples"];
            let errors = |code: &str| examples[code]["value"]["errors"][0].clone();
            if let Some(pointer) = errors("missing_parameter")["pointer"].as_str() {
                for body in &bodies {
                    assert!(body["required"].as_array().unwrap().contains(&pointer[1..].into()), "{path}: {pointer}");
                }
                seen += 1;
            }
            let wrong = errors("invalid_request");
            if !wrong.is_null() {
                let has_body = operation.get("requestBody").is_some();
                assert_eq!(
                    (wrong["pointer"].is_string(), wrong["parameter"].is_string()),
                    (has_body, !has_body),
                    "{path}"
                );
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn the_operations_have_their_own_names() {
    let document = committed();
    let mut ids = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert_eq!(ids.insert(id.clone(), (path, method)), None, "{id}");
        }
    }
    assert_eq!(ids["get_questions"].0, "/api/v1/survey/queries/questions/{companyId}");
    assert_eq!(ids["query_surveys"].1, "post");
}
