//! What the process counts, as Prometheus reads it.

use crate::harness::{SALES, SUPPORT, Setup, World, secs};

const SUMMARY: &str = "/analytics/runtime/queues/summary";
const NOT_THERE: &str = "00000000-0000-4000-8000-000000000000";

fn asking(ids: &[&str]) -> String {
    serde_json::json!({ "queues": ids }).to_string()
}

async fn parts(world: &World, result: &str) -> f64 {
    world.metric(&format!("parts_total{{route=\"{SUMMARY}\",result=\"{result}\"}}")).await
}

async fn saved(world: &World) -> f64 {
    world.metric(&format!("vendor_calls_saved_total{{route=\"{SUMMARY}\"}}")).await
}

#[tokio::test]
async fn each_part_is_counted_once_where_it_came_from() {
    let mut setup = Setup::default();
    setup.config.limits.max_in_flight = 2.try_into().unwrap();
    let mut world = setup.start().await;
    world.logged_in().await;
    let row = |id: &str| format!(r#"{{"success": true, "id": "{id}"}}"#);
    let answer =
        format!(r#"{{"data": {{"success": true, "result": [{}, {}]}}, "success": true}}"#, row(SALES), row(SUPPORT));
    world.vendor.set_answer("summary", answer);

    let hold = world.vendor.block_requests("summary");
    let leading = world.begin_post(SUMMARY, &asking(&[SALES, SUPPORT, NOT_THERE]));
    world.vendor.wait_for_requests("summary", 1).await;
    let joining = world.begin_post(SUMMARY, &asking(&[SALES]));
    world.is_full().await;
    hold.release();
    leading.await.unwrap().ok();
    joining.await.unwrap().ok();
    assert_eq!([parts(&world, "fetched").await, parts(&world, "joined").await], [2.0, 1.0]);
    assert_eq!([parts(&world, "absent").await, saved(&world).await], [1.0, 1.0]);

    // Put together anew, then as it was put together.
    for hits in [1.0, 2.0] {
        world.post(SUMMARY, &asking(&[SALES, NOT_THERE])).await.ok();
        assert_eq!([parts(&world, "hit").await, parts(&world, "absent").await], [hits, 1.0 + hits]);
    }
    assert_eq!(saved(&world).await, 3.0);

    world.stop_vendor().await;
    world.advance(secs(10));
    world.passing(world.post(SUMMARY, &asking(&[SALES, SUPPORT]))).await.ok();
    assert_eq!([parts(&world, "stale").await, parts(&world, "fetched").await], [2.0, 2.0]);
    assert_eq!(saved(&world).await, 3.0, "its tries were calls of its own");
}

#[tokio::test]
async fn what_is_rarely_counted_is_there_at_zero_so_that_the_first_time_is_a_rise() {
    let world = World::new().await;
    world.logged_in().await;
    let told = world.get_admin("/metrics").await;
    let told = told.text();
    for series in [
        "config_reloads_total{outcome=\"refused\"}",
        "task_restarts_total{task=\"login\"}",
        "log_events_dropped_total",
        "internal_errors_total",
    ] {
        assert!(told.contains(&format!("wesal_gateway_{series} 0\n")), "{series}: {told}");
    }
}

#[tokio::test]
async fn requests_and_vendor_calls_are_counted_by_what_came_of_them() {
    let world = World::new().await;
    world.logged_in().await;
    for _ in 0..3 {
        world.post(SUMMARY, &asking(&[SALES])).await.ok();
    }
    world.send(world.request("GET", "/queries/organization")).await;
    world.send(world.request_at_root("GET", "/no/such/path/4711")).await;
    let hits = format!("requests_total{{caller=\"app\",route=\"{SUMMARY}\",status=\"200\",cache=\"hit\"}}");
    assert_eq!(world.metric(&hits).await, 2.0);
    assert_eq!(world.metric(&hits.replace("hit", "miss")).await, 1.0);
    let unknown = "requests_total{caller=\"-\",route=\"/queries/organization\",status=\"401\",cache=\"none\"}";
    assert_eq!(world.metric(unknown).await, 1.0);
    let other = "requests_total{caller=\"-\",route=\"other\",status=\"404\",cache=\"none\"}";
    assert_eq!(world.metric(other).await, 1.0);
    let times = format!("request_duration_seconds_count{{route=\"{SUMMARY}\",cache=\"hit\"}}");
    assert_eq!(world.metric(&times).await, 2.0);
    let calls = format!("vendor_calls_total{{route=\"{SUMMARY}\",outcome=\"ok\"}}");
    assert_eq!(world.metric(&calls).await, 1.0);
    let calls = format!("vendor_call_duration_seconds_count{{route=\"{SUMMARY}\"}}");
    assert_eq!(world.metric(&calls).await, 1.0);
    assert_eq!(world.metric("in_flight_requests").await, 0.0);
    let told = world.get_admin("/metrics").await;
    assert!(!told.text().contains("4711"));
    assert!(told.text().contains(&format!("wesal_gateway_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))));
}

/// The samples, without what is said of them.
fn samples(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

#[tokio::test]
async fn metrics_are_told_in_the_format_that_is_asked_for() {
    let world = World::new().await;
    world.logged_in().await;
    world.post(SUMMARY, &asking(&[SALES])).await.ok();
    let classic = world.get_admin("/metrics").await;
    assert_eq!(classic.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let prometheus = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let open = world.send(world.request_admin("GET", "/metrics").header("accept", prometheus)).await;
    assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    for (told, requests, build, end) in [
        (&classic, "# TYPE wesal_gateway_requests_total counter\n", "# TYPE wesal_gateway_build_info gauge\n", false),
        (&open, "# TYPE wesal_gateway_requests counter\n", "# TYPE wesal_gateway_build info\n", true),
    ] {
        assert_eq!(told.header("vary"), "accept");
        assert!(told.text().contains(requests) && told.text().contains(build), "{}", told.text());
        assert_eq!(told.text().ends_with("# EOF\n"), end);
    }
    assert_eq!(samples(classic.text()), samples(open.text()));
}

#[tokio::test]
async fn a_caller_who_left_is_counted_as_one() {
    let world = World::new().await;
    let hold = world.vendor.block_requests("organization");
    let leaving = world.begin_get("/queries/organization");
    world.vendor.wait_for_requests("organization", 1).await;
    leaving.abort();
    let left = "requests_total{caller=\"app\",route=\"/queries/organization\",status=\"499\",cache=\"none\"}";
    while world.metric(left).await < 1.0 {}
    assert_eq!(world.metric("in_flight_requests").await, 0.0);
    drop(hold);
}

#[tokio::test]
async fn what_is_held_is_told_in_parts_and_bytes() {
    let world = World::new().await;
    world.post(SUMMARY, &asking(&[SALES, SUPPORT])).await.ok();
    world.passing(async { while world.metric("cache_parts").await < 2.0 {} }).await;
    assert!(world.metric("cache_bytes").await > 500.0);
    assert_eq!(world.metric("ttl_stretch").await, 1.0);
}

#[tokio::test]
async fn a_gateway_that_nobody_asks_gives_its_memory_back() {
    let world = World::new().await;
    for _ in 0..2 {
        world.post(SUMMARY, &asking(&[SALES, SUPPORT])).await.ok();
        world.get("/survey/queries/questions/100301").await.ok();
    }
    world.advance(secs(3600 + 24 * 3600));
    // Swept about each minute; a question is forgotten after ten, and the list of questions was good for a day.
    while world.metric("cache_parts").await + world.metric("cache_bytes").await > 0.0 {
        world.advance(secs(1));
    }
    assert_eq!((world.vendor_calls("summary"), world.vendor_calls("questions")), (1, 1));
}

#[tokio::test]
async fn an_answer_that_cannot_be_taken_apart_is_counted() {
    let world = World::new().await;
    let twice = format!(
        r#"{{"data": {{"success": true, "result": [{{"id": "{SALES}", "n": 1}}, {{"id": "{SALES}", "n": 2}}]}}, "success": true}}"#
    );
    world.vendor.set_answer("summary", twice);
    world.post(SUMMARY, &asking(&[SALES])).await.ok();
    assert_eq!(world.metric(&format!("not_taken_apart_total{{route=\"{SUMMARY}\"}}")).await, 1.0);
}

#[tokio::test]
async fn a_queues_own_figures_are_told_while_they_are_held_and_cost_nothing() {
    let mut setup = Setup::default();
    let gauges = &mut setup.config.telemetry.queue_gauges;
    gauges.queues = [SALES, SUPPORT].map(|id| id.to_owned().try_into().unwrap()).to_vec();
    gauges.fields = ["memberCount", "name", "notThere"].map(str::to_owned).to_vec();
    let world = setup.start().await;
    world.logged_in().await;
    let figure = format!("queue_figure{{queue=\"{SALES}\",field=\"memberCount\"}}");
    let told = async || world.get_admin("/metrics").await.text().matches("\nwesal_gateway_queue_figure").count();
    assert_eq!(told().await, 0);
    let row = format!(r#"{{"success":true,"id":"{SALES}","name":"Sales","memberCount":17}}"#);
    world.vendor.set_answer("summary", format!(r#"{{"data":{{"success":true,"result":[{row}]}},"success":true}}"#));
    world.post(SUMMARY, &asking(&[SALES])).await.ok();
    world.advance(secs(2));
    assert_eq!(world.metric(&figure).await, 17.0);
    assert_eq!(world.metric(&format!("queue_figure_age_seconds{{queue=\"{SALES}\"}}")).await, 2.0);
    assert_eq!(told().await, 2, "only what is a number, of queues that are held");
    // It may stand in for a failing vendor until 33 s after its call, and is no longer told then.
    world.advance(secs(30));
    assert_eq!(told().await, 2);
    world.advance(secs(1));
    assert_eq!(told().await, 0);
    assert_eq!(world.vendor_calls("summary"), 1, "a look at the metrics was taken for interest");
}

#[tokio::test]
async fn refusals_are_counted_by_caller_and_by_reason() {
    let mut setup = Setup::default();
    let slow = setup.caller("slow", |caller| caller.rate_limit(crate::harness::rate(1, 60, 1)));
    let world = setup.start().await;
    for _ in 0..3 {
        world.get_as(&slow, "/auth/logout").await;
    }
    assert_eq!(world.metric("rate_limited_total{caller=\"slow\"}").await, 2.0);
    world.get_as("no-key", "/auth/logout").await;
    let told = world.get_admin("/metrics").await;
    let told = told.text();
    let failures: Vec<&str> =
        told.lines().filter(|line| line.starts_with("wesal_gateway_auth_failures_total{")).collect();
    let counted: Vec<_> = failures.iter().filter(|line| !line.ends_with(" 0")).collect();
    assert_eq!(counted.len(), 1, "{failures:?}");
    assert!(failures.len() > 5 && counted[0].ends_with(" 1"), "{failures:?}");
}

#[tokio::test]
async fn callers_connections_are_counted_while_they_are_open_and_what_is_no_request_is_counted_too() {
    let world = World::new().await;
    let stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    while world.metric("connections").await < 1.0 {}
    drop(stream);
    while world.metric("connections").await > 0.0 {}
    assert!(world.raw(b"GET / HTTP/9.9\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    while world.metric("malformed_requests_total").await < 1.0 {}
}
