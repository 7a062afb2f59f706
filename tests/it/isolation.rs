//! What one app may see stays what it may see, whoever asked before.

use serde_json::{Value, json};

use crate::harness::{Answer, SALES, SUPPORT, Setup, World, secs};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// Two apps, each with a company and a queue of its own, and one that sees all.
struct Tenants {
    world: World,
    mine: String,
    others: String,
}

impl Tenants {
    async fn new() -> Self {
        let mut setup = Setup::default();
        let mine = setup.caller("mine", |caller| {
            caller.companies(&[100_301]);
            caller.queues(&[SALES]);
        });
        let others = setup.caller("others", |caller| {
            caller.companies(&[100_302]);
            caller.queues(&[SUPPORT]);
        });
        Self { world: setup.start().await, mine, others }
    }
}

/// A question about these ids: queues, or the one company.
fn question(route: &str, ids: &[&str]) -> (&'static str, String, String) {
    match route {
        "organization" => ("GET", "/queries/organization".to_owned(), String::new()),
        "questions" => ("GET", format!("/survey/queries/questions/{}", ids[0]), String::new()),
        "surveys" => {
            let body = format!(r#"{{"companyId": {}, "limit": 3}}"#, ids[0]);
            ("POST", "/survey/queries/surveys".to_owned(), body)
        }
        "performance" => {
            let interval = "2026-11-22T09:00:00Z/2026-11-22T10:00:00Z";
            (
                "POST",
                "/analytics/queues/performance".to_owned(),
                json!({"queues": ids, "interval": interval}).to_string(),
            )
        }
        route => ("POST", format!("/analytics/runtime/queues/{route}"), json!({"queues": ids}).to_string()),
    }
}

async fn ask(world: &World, key: &str, route: &str, ids: &[&str]) -> Answer {
    let (method, path, body) = question(route, ids);
    if method == "GET" { world.get_as(key, &path).await } else { world.post_as(key, &path, &body).await }
}

const QUEUE_ROUTES: [&str; 3] = ["summary", "activity", "performance"];
const COMPANY_ROUTES: [&str; 2] = ["questions", "surveys"];

/// What may be there when somebody asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Held {
    Nothing,
    Fresh,
    Stale,
}

async fn prepared(held: Held) -> Tenants {
    let tenants = Tenants::new().await;
    let world = &tenants.world;
    if held != Held::Nothing {
        // The app that sees all, in the same words as the others will use, and in its own.
        for ids in [&[SALES][..], &[SUPPORT], &[SALES, SUPPORT], &[SUPPORT, SALES]] {
            for route in QUEUE_ROUTES {
                for _ in 0..2 {
                    ask(world, world.key(), route, ids).await.ok();
                }
            }
        }
        for company in ["100301", "100302"] {
            for route in COMPANY_ROUTES {
                ask(world, world.key(), route, &[company]).await.ok();
            }
        }
        ask(world, world.key(), "organization", &[]).await.ok();
    }
    if held == Held::Stale {
        world.advance(secs(20));
    }
    tenants
}

#[tokio::test]
async fn no_answer_ever_holds_what_is_anothers() {
    for held in [Held::Nothing, Held::Fresh, Held::Stale] {
        let tenants = prepared(held).await;
        let Tenants { world, mine, others } = &tenants;
        for (key, own, foreign, own_company, foreign_company) in
            [(mine, SALES, SUPPORT, "100301", "100302"), (others, SUPPORT, SALES, "100302", "100301")]
        {
            for route in QUEUE_ROUTES {
                for ids in [&[foreign][..], &[own, foreign], &[foreign, own], &[UNKNOWN], &[own, UNKNOWN]] {
                    let answer = ask(world, key, route, ids).await;
                    assert_eq!(answer.problem(), "forbidden", "{held:?} {route} {ids:?}");
                    assert_eq!(answer.header("cache-status"), "", "nothing is looked up before");
                    for id in ids {
                        assert!(!answer.text().contains(id), "{held:?} {route} {ids:?}");
                    }
                }
                let answer = ask(world, key, route, &[own]).await.ok();
                assert!(answer.text().contains(own) && !answer.text().contains(foreign), "{held:?} {route}");
            }
            for route in COMPANY_ROUTES {
                for company in [foreign_company, "4711"] {
                    let answer = ask(world, key, route, &[company]).await;
                    assert_eq!(answer.problem(), "forbidden", "{held:?} {route} {company}");
                    assert_eq!(answer.header("cache-status"), "");
                }
                ask(world, key, route, &[own_company]).await.ok();
            }
            let organization = ask(world, key, "organization", &[]).await.ok().json();
            let companies = organization["data"]["companies"].as_array().unwrap().clone();
            let ids: Vec<String> = companies.iter().map(|company| company["id"].to_string()).collect();
            assert_eq!(ids, [own_company], "{held:?}");
        }
        let all = ask(world, world.key(), "organization", &[]).await.ok().json();
        assert!(all["data"]["companies"].as_array().unwrap().len() > 1);
    }
}

/// A foreign id and one that does not exist are refused in the same words.
#[tokio::test]
async fn a_refusal_does_not_tell_what_exists() {
    let tenants = prepared(Held::Fresh).await;
    let without_id = |answer: Answer| {
        let mut document = answer.json();
        document["requestId"] = Value::Null;
        (document.to_string(), answer.status)
    };
    for route in QUEUE_ROUTES {
        let foreign = ask(&tenants.world, &tenants.mine, route, &[SALES, SUPPORT]).await;
        let unknown = ask(&tenants.world, &tenants.mine, route, &[SALES, UNKNOWN]).await;
        assert_eq!(without_id(foreign), without_id(unknown), "{route}");
    }
    for route in COMPANY_ROUTES {
        let foreign = ask(&tenants.world, &tenants.mine, route, &["100302"]).await.json()["detail"].to_string();
        let unknown = ask(&tenants.world, &tenants.mine, route, &["100309"]).await.json()["detail"].to_string();
        assert_eq!(foreign.replace("100302", ""), unknown.replace("100309", ""), "{route}");
    }
}

/// The vendor's data, in which `theirs` belongs to the other app.
fn give(world: &World, theirs: &str) {
    let organization = format!(
        r#"{{"data":{{"organization":{{"id":1}},"companies":[{{"id":100301,"name":"Mine"}},{{"id":100302,"name":"{theirs}"}}]}},"success":true}}"#
    );
    world.vendor.set_answer("organization", organization);
    for (route, member) in [("summary", "id"), ("activity", "queueId"), ("performance", "queryId")] {
        let row = |id: &str, value: &str| format!(r#"{{"success":true,"{member}":"{id}","value":"{value}"}}"#);
        let answer = format!(
            r#"{{"data":{{"success":true,"result":[{},{}]}},"success":true}}"#,
            row(SALES, "mine"),
            row(SUPPORT, theirs)
        );
        world.vendor.set_answer(route, answer);
    }
}

/// Everything that `mine` gets to see in a day on which both apps ask, and one sees all.
async fn a_day(theirs: &str) -> Vec<(u16, Vec<String>, String)> {
    let Tenants { world, mine, others } = Tenants::new().await;
    world.logged_in().await;
    give(&world, theirs);
    let mut seen = Vec::new();
    for round in 0..6 {
        for route in QUEUE_ROUTES {
            ask(&world, &others, route, &[SUPPORT]).await.ok();
            if round % 2 == 0 {
                ask(&world, world.key(), route, &[SUPPORT, SALES]).await.ok();
            }
            for ids in [&[SALES][..], &[SALES, SUPPORT]] {
                seen.push(ask(&world, &mine, route, ids).await);
            }
        }
        ask(&world, &others, "organization", &[]).await.ok();
        seen.push(ask(&world, &mine, "organization", &[]).await);
        seen.push(ask(&world, &mine, "questions", &["100302"]).await);
        world.advance(secs(2));
    }
    let id = |answer: &Answer| answer.header("x-request-id").to_owned();
    let told = |answer: Answer| {
        let without_id = |text: &str| text.replace(&id(&answer), "");
        let head = without_id(&answer.head());
        let mut headers: Vec<_> = head.lines().filter(|line| !line.starts_with("date: ")).map(str::to_owned).collect();
        headers.sort();
        (answer.status, headers, without_id(answer.text()))
    };
    seen.into_iter().map(told).collect()
}

#[tokio::test]
async fn what_one_app_sees_does_not_depend_on_anothers_data() {
    let (one, other) = (a_day("Theirs").await, a_day("Something quite different, and longer").await);
    assert_eq!(one.len(), 48);
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other);
    }
}
