//! The dashboard as a browser meets it: its files, and how all stands as it goes on.

use std::time::Duration;

use serde_json::{Value, json};
use wesal_gateway::{config::Secret, server::Drained};

use crate::harness::{SALES, Setup, World, secs};

const EVENTS: &str = "/admin/events";
const SUMMARY: &str = "/analytics/runtime/queues/summary";
const VIEWERS: usize = 16;

/// One who watches.
struct Viewer {
    response: reqwest::Response,
    held: String,
}

impl Viewer {
    async fn at(world: &World) -> Self {
        let response = world.request_admin("GET", EVENTS).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, held: String::new() }
    }

    /// The next event; `None` at the end, which must be a proper one.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.held.split_once("\n\n") {
                let event = event.strip_prefix("data: ").map(|event| serde_json::from_str(event).unwrap());
                self.held = rest.to_owned();
                // What is no event is a comment.
                if event.is_some() {
                    return event;
                }
                continue;
            }
            self.held.push_str(std::str::from_utf8(&self.response.chunk().await.unwrap()?).unwrap());
        }
    }

    /// The next event that `wanted` says yes to, while time passes: no faster than the gateway works out how all stands.
    async fn sees(&mut self, world: &World, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            tokio::select! {
                biased;
                event = self.next() => {
                    let event = event.expect("the events have ended");
                    if wanted(&event) {
                        return event;
                    }
                }
                _ = world.get_admin("/admin/status") => world.advance(Duration::from_millis(250)),
            }
        }
    }
}

fn headline(event: &Value) -> &str {
    event["health"]["says"].as_str().unwrap()
}

fn uptime(event: &Value) -> f64 {
    event["uptime"].as_f64().unwrap()
}

async fn ask(world: &World) {
    world.passing(world.post(SUMMARY, &json!({ "queues": [SALES] }).to_string())).await;
}

#[tokio::test]
async fn the_page_and_its_files_run_nothing_that_came_from_elsewhere() {
    let world = World::new().await;
    let page = world.get_admin("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(page.header("content-security-policy").contains(rule), "{rule}");
    }
    let version = format!(" data-version={}>", world.get_admin("/admin/status").await.ok().json()["version"]);
    assert!(page.text().contains(&version), "{version}");
    let files: Vec<_> = page.text().split('"').filter(|text| text.starts_with("dashboard/")).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for (file, kind) in [("css", "text/css"), ("js", "text/javascript")] {
        let file = world.get_admin(&format!("/dashboard/dashboard.{file}")).await;
        assert_eq!((file.status, file.header("content-type")), (200, format!("{kind}; charset=utf-8").as_str()));
        assert_eq!((file.header("x-content-type-options"), file.header("cache-control")), ("nosniff", "no-store"));
    }
    assert_eq!(world.get_admin("/dashboard/other.js").await.problem(), "not_found");
    let head = world.send(world.request_admin("HEAD", "/")).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for (path, allow) in [("/", "GET,HEAD"), (EVENTS, "GET")] {
        let refused = world.send(world.request_admin("POST", path)).await;
        assert_eq!((refused.problem().as_str(), refused.header("allow")), ("method_not_allowed", allow));
    }
}

#[tokio::test]
async fn the_page_is_shown_to_all_and_what_it_tells_to_who_has_the_token() {
    let mut setup = Setup::default();
    setup.config.admin.token = Secret::new("s3cret");
    let world = setup.start().await;
    for path in ["/", "/dashboard/dashboard.js"] {
        let page = world.get_admin(path).await;
        assert!(page.status == 200 && !page.text().contains("s3cret"), "{path}");
    }
    for path in [EVENTS, "/admin/status"] {
        assert_eq!(world.get_admin(path).await.problem(), "missing_credential");
        let wrong = world.request_admin("GET", path).header("authorization", "Bearer wrong");
        assert_eq!(world.send(wrong).await.problem(), "invalid_key");
    }
    let good = world.request_admin("GET", EVENTS).header("authorization", "Bearer s3cret");
    assert_eq!(good.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn another_sites_page_is_shown_nothing_and_takes_no_viewers_place() {
    let world = World::new().await;
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("host", "evil.example"),
    ] {
        let request = world.request_admin("GET", EVENTS).header(name, value);
        assert_eq!(world.send(request).await.problem(), "forbidden", "{name}: {value}");
    }
    let rebound = world.request_admin("GET", "/").header("host", "evil.example");
    assert_eq!(world.send(rebound).await.problem(), "forbidden");
}

#[tokio::test]
async fn who_watches_hears_at_once_and_then_each_second_what_the_status_tells() {
    let world = World::new().await;
    world.logged_in().await;
    let mut viewer = Viewer::at(&world).await;
    let first = viewer.next().await.unwrap();
    let status = world.get_admin("/admin/status").await.ok().json();
    let members = |told: &Value| told.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((members(&first), headline(&first)), (members(&status), "All is well"));
    // The test's time runs on while an event is on its way: it may come later by that, and never sooner.
    let second = viewer.sees(&world, |_| true).await;
    assert!(uptime(&second) >= uptime(&first) + 1.0, "{}", second["uptime"]);
    // A second viewer sees what the first does.
    let mut other = Viewer::at(&world).await;
    assert_eq!(other.next().await.unwrap(), second);
}

#[tokio::test]
async fn only_so_many_watch_at_once_and_who_leaves_makes_room() {
    let world = World::new().await;
    let mut viewers = Vec::new();
    for _ in 0..VIEWERS {
        viewers.push(Viewer::at(&world).await);
    }
    let refused = world.get_admin(EVENTS).await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "overloaded"));
    assert_eq!(refused.header("retry-after"), "10");
    // The status is no event, and has room.
    world.get_admin("/admin/status").await.ok();
    viewers.truncate(VIEWERS - 1);
    loop {
        let response = world.request_admin("GET", EVENTS).send().await.unwrap();
        if response.status() == 200 {
            break;
        }
        world.advance(secs(1));
    }
}

#[tokio::test]
async fn a_drain_is_watched_to_its_end_and_does_not_wait_for_who_watches() {
    let mut world = World::new().await;
    world.logged_in().await;
    let mut viewer = Viewer::at(&world).await;
    viewer.next().await.unwrap();
    let vendor = world.vendor.block_requests("organization");
    let held = world.begin_get("/queries/organization");
    world.vendor.wait_for_requests("organization", 1).await;
    let ended = world.tell_to_stop();
    let event = viewer.sees(&world, |event| event["lifecycle"] == "draining").await;
    assert_eq!(headline(&event), "The gateway is draining");
    assert_eq!(event["health"]["notes"][0]["more"], "1 request is still worked on; then the process ends.");
    vendor.release();
    held.await.unwrap().ok();
    assert_eq!(ended.await.unwrap(), Drained { cut_off: 0 });
    while viewer.next().await.is_some() {}
}

#[tokio::test]
async fn an_outage_is_told_by_the_next_event_and_so_is_its_end() {
    let mut world = World::new().await;
    world.logged_in().await;
    ask(&world).await;
    let mut viewer = Viewer::at(&world).await;
    assert_eq!(headline(&viewer.next().await.unwrap()), "All is well");
    world.stop_vendor().await;
    world.advance(secs(10));
    ask(&world).await;
    let known = world.get_admin("/admin/status").await.ok().json();
    assert_eq!(headline(&known), "Wesal is not answering: serving what is held");
    let event = viewer.sees(&world, |event| uptime(event) >= uptime(&known)).await;
    assert_eq!(headline(&event), headline(&known));
    let failing = &event["vendor"]["calls"]["failing"];
    assert_eq!((&failing["calls"], &failing["outcome"]), (&json!(3), &json!("unreachable")));
    world.restart_vendor().await;
    world.advance(secs(10));
    ask(&world).await;
    let event = viewer.sees(&world, |event| event["vendor"]["calls"]["failing"].is_null()).await;
    assert_eq!(headline(&event), "All is well");
}

#[tokio::test]
async fn what_went_on_in_the_last_minute_and_before_is_told() {
    let world = World::new().await;
    world.logged_in().await;
    let traffic = async || world.get_admin("/admin/status").await.ok().json()["traffic"].clone();
    assert_eq!(traffic().await["lastMinute"]["callerTimes"], json!({"mean": null, "p50": null, "p95": null}));
    let samples = async |so_many: usize| {
        while traffic().await["history"].as_array().unwrap().len() < so_many {
            world.advance(secs(1));
            tokio::task::yield_now().await;
        }
    };
    world.get("/queries/organization").await.ok();
    for _ in 0..3 {
        world.get("/queries/organization").await.ok();
    }
    world.get("/survey/queries/questions/0").await.problem();
    let minute = traffic().await["lastMinute"].clone();
    let figures = ["requests", "fromMemory", "fetched", "failed", "refused", "vendorCalls", "vendorFailed", "saved"];
    assert_eq!(figures.map(|figure| minute[figure].as_u64().unwrap()), [5, 3, 1, 0, 1, 1, 0, 3]);
    assert_eq!(minute["callerTimes"]["p95"], json!(0.000_05));
    samples(1).await;
    let first = traffic().await["history"][0].clone();
    assert_eq!((&first["requests"], &first["saved"]), (&json!(5), &json!(3)));
    // A minute later it is past.
    samples(8).await;
    let status = world.get_admin("/admin/status").await.ok().json();
    let app = &status["callers"][0];
    assert_eq!((&app["requests"], &app["lastMinute"]["requests"]), (&json!(5), &json!(0)));
    let told = traffic().await;
    assert_eq!(told["lastMinute"]["requests"], 0);
    assert_eq!(told["history"][0]["requests"], 5);
}
