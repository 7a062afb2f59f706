//! Apps that were written for Wesal, and log in as they would there.

use serde_json::{Value, json};

use crate::harness::{Answer, SALES, Setup, World, secs};

const ORGANIZATION: &str = "/queries/organization";

/// An app as the vendor's reference shows it: it knows a base URL, a client id, an email and a password.
struct App<'w> {
    world: &'w World,
    email: &'static str,
    password: String,
    token: String,
}

impl App<'_> {
    async fn log_in(&mut self) {
        let body = json!({"email": self.email, "password": self.password}).to_string();
        let request =
            self.world.request("POST", "/auth/login").header("X-Client-Id", "RW5jb2RlIHRvIEJhc2U2NCBmb3JtYXQ=");
        let answer = self.world.send(request.header("Content-Type", "application/json").body(body)).await.ok().json();
        assert_eq!(answer["success"], true);
        self.token = answer["data"]["access_token"].as_str().unwrap().to_owned();
    }

    /// Asks, and logs in once more if the vendor says that the token is none.
    async fn ask(&mut self, method: &str, path: &str, body: Option<Value>) -> Value {
        for _ in 0..2 {
            let mut request = self.world.request(method, path).header("Authorization", &self.token);
            if let Some(body) = &body {
                request = request.header("Content-Type", "application/json").body(body.to_string());
            }
            let answer = self.world.send(request).await;
            if answer.status != 401 && answer.json()["wesalCode"] != "X003" {
                return answer.ok().json();
            }
            self.log_in().await;
        }
        panic!("logging in does not help");
    }
}

#[tokio::test]
async fn an_app_written_for_wesal_works_by_configuration_alone() {
    let mut setup = Setup::default();
    let password = setup.caller("crm", |caller| caller.login("crm@example.com"));
    let world = setup.start().await;
    let mut app = App { world: &world, email: "crm@example.com", password, token: String::new() };
    app.log_in().await;
    let organization = app.ask("GET", ORGANIZATION, None).await;
    let company = organization["data"]["companies"][0]["id"].clone();
    let questions = app.ask("GET", &format!("/survey/queries/questions/{company}"), None).await;
    assert!(questions["data"]["questions"][0]["id"].is_number());
    let surveys = json!({"filters": [], "companyId": company, "extended": false, "offset": 0, "limit": 2});
    let surveys = app.ask("POST", "/survey/queries/surveys", Some(surveys)).await;
    assert_eq!(surveys["data"]["surveys"].as_array().unwrap().len(), 2);
    for (path, member) in
        [("/analytics/runtime/queues/summary", "id"), ("/analytics/runtime/queues/activity", "queueId")]
    {
        let figures = app.ask("POST", path, Some(json!({"queues": [SALES]}))).await;
        assert_eq!(figures["data"]["result"][0][member], SALES);
    }
    let interval =
        json!({"queues": [SALES], "interval": "2026-11-22T09:00:00.000Z/2026-11-22T10:00:00.000Z", "partial": false});
    let performance = app.ask("POST", "/analytics/queues/performance", Some(interval)).await;
    assert_eq!(performance["data"]["result"][0]["queryId"], SALES);

    assert_eq!(app.ask("GET", "/auth/logout", None).await, json!({"success": true}));
    let ended = app.token.clone();
    app.ask("GET", ORGANIZATION, None).await;
    assert_ne!(app.token, ended, "it had to log in again");
    app.world.advance(secs(12 * 3600));
    let expired = app.token.clone();
    app.ask("GET", ORGANIZATION, None).await;
    assert_ne!(app.token, expired);
    assert_eq!(world.logins(), (1, 0), "none of all this was the vendor's business");
}

async fn session(world: &World, name: &str, key: &str) -> String {
    let answer = world.post_as("", "/auth/login", &json!({"email": name, "password": key}).to_string()).await.ok();
    answer.json()["data"]["access_token"].as_str().unwrap().to_owned()
}

fn refused(answer: &Answer) {
    assert_eq!((answer.status, answer.problem().as_str()), (401, "invalid_session"));
    assert_eq!(answer.json()["wesalCode"], "X003");
    assert!(!answer.header("www-authenticate").is_empty());
}

#[tokio::test]
async fn a_session_is_one_callers_and_ends_alone() {
    let mut setup = Setup::default();
    let key = setup.caller("board", |caller| caller.companies(&[100_301]));
    let world = setup.start().await;
    let (one, other) = (session(&world, "board", &key).await, session(&world, "board", &key).await);
    assert_eq!(one.split('.').count(), 3);
    assert!(!one.contains(&key) && one != other);
    for bearer in [one.clone(), format!("Bearer {one}"), format!("bearer {one}")] {
        let companies = world.get_as(&bearer, ORGANIZATION).await.ok().json()["data"]["companies"].clone();
        assert_eq!(companies.as_array().unwrap().len(), 1, "with the caller's rights");
    }
    let misplaced = world.request("GET", ORGANIZATION).header("x-api-key", &one);
    refused(&world.send(misplaced).await);
    let both = world.request("GET", ORGANIZATION).header("authorization", &one).header("x-api-key", &key);
    assert_eq!(world.send(both).await.problem(), "invalid_request");

    world.get_as(&one, "/auth/reset_pwd").await.ok();
    refused(&world.get_as(&one, ORGANIZATION).await);
    refused(&world.get_as(&one, "/auth/logout").await);
    world.get_as(&other, ORGANIZATION).await.ok();
    world.get_as(&key, ORGANIZATION).await.ok();
    assert_eq!(
        world.get_as(&key, "/auth/logout").await.ok().text(),
        r#"{"success":true}"#,
        "with a key it does nothing"
    );
    world.get_as(&other, ORGANIZATION).await.ok();

    world.advance(secs(12 * 3600 - 1));
    world.get_as(&other, ORGANIZATION).await.ok();
    world.advance(secs(1));
    refused(&world.get_as(&other, ORGANIZATION).await);
}

#[tokio::test]
async fn no_other_token_is_a_session() {
    let (world, elsewhere) = (World::new().await, World::new().await);
    let good = session(&world, "app", world.key()).await;
    let foreign = session(&elsewhere, "app", elsewhere.key()).await;
    let (head, rest) = good.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    for token in [
        foreign,
        format!("{none}.{rest}"),
        format!("{none}.{}.", rest.split_once('.').unwrap().0),
        format!("{head}.{}", rest.replace('A', "B")),
        format!("{good}A"),
        good[..good.len() - 1].to_owned(),
        "eyJ".to_owned(),
        format!("eyJ{}", "A".repeat(8_000)),
    ] {
        refused(&world.get_as(&token, ORGANIZATION).await);
    }
    world.get_as(&good, ORGANIZATION).await.ok();
}
