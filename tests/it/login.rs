//! The service login: one for all, never in a loop, and back by itself.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use wesal_gateway::config::Secret;
use wesal_simulator::Fault;

use crate::harness::{Act, Answer, FaultProxy, Setup, World, http, secs, until};

/// Many callers, each with a question of its own, so that nothing but the login can be shared.
async fn many_ask(world: &World, callers: u32) -> Vec<Answer> {
    let ask = |n| async move { world.get(&format!("/survey/queries/questions/100301?n={n}")).await };
    join_all((0..callers).map(ask)).await
}

/// What makes such questions differ.
fn with_a_number() -> Setup {
    let mut setup = Setup::default();
    setup.config.upstream.forward_query.push("n".to_owned());
    setup
}

async fn logged_in_for_a_while() -> World {
    let world = with_a_number().start().await;
    world.logged_in().await;
    world.advance(secs(10));
    world
}

#[tokio::test]
async fn however_many_wait_there_is_one_login() {
    let world = with_a_number().start().await;
    let login = world.vendor.block_requests("login");
    let release = async {
        // Each waits with its own deadline; the login has one, and the tidying.
        world.clock.sleepers(202).await;
        login.release();
    };
    let (answers, ()) = tokio::join!(many_ask(&world, 200), release);
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!((world.logins(), world.vendor_calls("login")), ((1, 0), 1));
    assert_eq!(world.vendor_calls("questions"), 200);
}

#[tokio::test]
async fn a_token_that_dies_in_use_is_replaced_unseen() {
    for fault in [Fault::Unauthorized, Fault::TokenDead, Fault::WrongDomain] {
        let world = logged_in_for_a_while().await;
        world.vendor.enqueue_fault("questions", fault);
        world.get("/survey/queries/questions/100301").await.ok();
        assert_eq!((world.vendor_calls("questions"), world.logins()), (2, (2, 0)), "{fault}");
        world.get("/queries/organization").await.ok();
        assert_eq!(world.vendor_calls("organization"), 1, "the new token serves all");
    }
}

#[tokio::test]
async fn a_hundred_callers_whose_token_died_share_one_new_login() {
    let world = logged_in_for_a_while().await;
    world.vendor.expire_tokens();
    let answers = many_ask(&world, 100).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(world.logins(), (2, 0));
    assert!(world.vendor_calls("questions") <= 200, "each was tried again more than once");
}

#[tokio::test]
async fn a_token_refused_at_once_is_no_login_loop() {
    let world = logged_in_for_a_while().await;
    (0..1000).for_each(|_| world.vendor.enqueue_fault("questions", Fault::Unauthorized));
    let refused = world.get("/survey/queries/questions/100301").await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "upstream_login_failed"));
    assert_eq!(refused.header("retry-after"), "2");
    for company in 1..50 {
        for _ in 0..2 {
            let answer = world.get(&format!("/survey/queries/questions/{company}")).await;
            assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_login_failed"));
        }
    }
    assert_eq!((world.logins(), world.vendor_calls("questions")), ((2, 0), 51), "one call per company");
    for _ in 0..20 {
        world.advance(secs(1));
        assert_eq!(world.get("/survey/queries/questions/100301").await.status, 503);
    }
    let (logins, refused) = world.logins();
    assert!((3..=6).contains(&logins) && refused == 0, "{logins} logins in 20 seconds");
}

#[tokio::test]
async fn a_route_that_the_account_may_not_use_costs_ever_fewer_logins_and_no_other_route() {
    let mut setup = Setup::default();
    setup.config.cache.organization.ttl = secs(1);
    setup.config.cache.organization.stale_while_revalidate = secs(0);
    let world = setup.start().await;
    world.logged_in().await;
    world.advance(secs(10));
    (0..10_000).for_each(|_| world.vendor.enqueue_fault("questions", Fault::WrongDomain));
    for _ in 0..600 {
        world.get("/queries/organization").await.ok();
        let refused = world.get("/survey/queries/questions/100301").await;
        assert_eq!((refused.status, refused.problem().as_str()), (503, "upstream_login_failed"));
        world.advance(secs(1));
    }
    let (logins, refused) = world.logins();
    assert!((5..=12).contains(&logins) && refused == 0, "{logins} logins in ten minutes");
    assert!(world.vendor_calls("questions") <= 100, "{} calls in vain", world.vendor_calls("questions"));
    world.vendor.clear_faults("questions");
    world.advance(secs(8));
    world.get("/survey/queries/questions/100301").await.ok();
}

#[tokio::test]
async fn login_without_a_token_counts_as_refused() {
    let world = World::new().await;
    world.vendor.enqueue_fault("login", Fault::LoginNoToken);
    assert_refused_for(&world, 30).await;
    world.advance(secs(29));
    assert_refused_for(&world, 1).await;
    assert_eq!(world.vendor_calls("login"), 1);
    world.advance(secs(1));
    world.get("/queries/organization").await.ok();
}

#[tokio::test]
async fn foreign_company_loses_no_request_of_other_targets() {
    let mut setup = Setup::default();
    setup.config.upstream.forward_query.push("n".to_owned());
    let world = setup.start().await;
    world.logged_in().await;
    world.advance(secs(10));
    for n in 0..90 {
        (0..2).for_each(|_| world.vendor.enqueue_fault("questions", Fault::WrongDomain));
        let answer = world.get("/survey/queries/questions/777").await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_login_failed"));
        world.vendor.clear_faults("questions");
        world.get(&format!("/survey/queries/questions/100301?n={n}")).await.ok();
        world.advance(Duration::from_millis(500));
    }
    let (logins, refused) = world.logins();
    assert!((2..=7).contains(&logins) && refused == 0, "{logins} logins in 45 s");
}

#[tokio::test]
async fn a_refused_login_is_asked_half_a_minute_later_and_then_ever_more_seldom() {
    let world = World::new().await;
    let right = world.vendor.credentials().password;
    world.vendor.set_password("another one");
    let due = [0, 30, 90, 210, 450];
    for now in (0..=240).step_by(10) {
        let answers = join_all((1..=50).map(|company| {
            let world = &world;
            async move { world.get(&format!("/survey/queries/questions/{company}")).await }
        }));
        let next = due.into_iter().find(|at| *at > now).unwrap();
        for answer in answers.await {
            assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_login_failed"));
            assert_eq!(answer.header("retry-after"), (next - now).to_string(), "at {now} seconds");
        }
        let logins = due.into_iter().filter(|at| *at <= now).count() as u64;
        assert_eq!(world.logins(), (0, logins), "at {now} seconds");
        world.advance(secs(10));
    }
    world.vendor.set_password(&right);
    world.advance(secs(190));
    assert_eq!(world.get("/queries/organization").await.problem(), "upstream_login_failed", "the wait is not over");
    world.advance(secs(10));
    world.logged_in().await;
    world.get("/queries/organization").await.ok();
    assert_eq!((world.logins(), world.vendor_calls("questions")), ((1, 4), 0));
}

/// A gateway that remembers refusals in a folder.
async fn that_remembers(folder: &tempfile::TempDir) -> World {
    let mut setup = Setup::default();
    setup.config.upstream.login.state_dir = Some(folder.path().join("state"));
    setup.start().await
}

/// What stands in the files of that folder.
fn remembered(folder: &tempfile::TempDir) -> String {
    let files = folder.path().join("state").read_dir().into_iter().flatten();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default()).collect()
}

async fn assert_refused_for(world: &World, left: u64) {
    let answer = world.get("/queries/organization").await;
    let told = (answer.problem(), answer.header("retry-after").to_owned());
    assert_eq!(told, ("upstream_login_failed".to_owned(), left.to_string()));
}

#[tokio::test]
async fn a_restart_does_not_ask_again_before_the_wait_is_over_unless_the_credentials_have_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = that_remembers(&folder).await;
    let right = world.vendor.credentials().password;
    world.vendor.set_password("another one");
    assert_refused_for(&world, 30).await;
    for left in [30, 20, 10] {
        world.restart_gateway().await;
        assert_refused_for(&world, left).await;
        assert_eq!(world.logins(), (0, 1), "asked again {left} seconds too soon");
        assert!(world.get_admin("/readyz").await.text().contains("refuses the service login"));
        let text = remembered(&folder);
        assert!(!text.is_empty() && !text.contains(&right), "{text}");
        world.advance(secs(10));
    }
    until(|| world.logins() == (0, 2)).await;
    assert_refused_for(&world, 60).await;
    let password = std::mem::replace(&mut world.config.upstream.password, Secret::new("another one"));
    world.restart_gateway().await;
    world.get("/queries/organization").await.ok();
    assert_eq!(world.logins(), (1, 2), "a changed password is tried at once");
    // Whatever is good meanwhile: what was refused is not tried sooner for it.
    world.vendor.set_password(&right);
    world.config.upstream.password = password;
    world.restart_gateway().await;
    assert_refused_for(&world, 60).await;
    world.advance(secs(60));
    world.get("/queries/organization").await.ok();
    until(|| remembered(&folder).is_empty()).await;
    assert_eq!(world.logins(), (2, 2));
}

#[tokio::test]
async fn who_goes_to_and_fro_between_two_wrong_passwords_tries_none_before_its_wait_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = that_remembers(&folder).await;
    let right = world.config.upstream.password.clone();
    world.logged_in().await;
    for restarts in [false, true] {
        for (password, logins, left) in [("wrong", 1, 30), ("as wrong", 2, 60), ("wrong", 2, 30), ("as wrong", 2, 60)] {
            world.config.upstream.password = Secret::new(&format!("{password} {restarts}"));
            if restarts {
                world.restart_gateway().await;
            } else {
                world.vendor.expire_tokens();
                world.advance(secs(2));
                world.reloader.reload(&world.config).unwrap();
            }
            let before = if restarts { 2 } else { 0 };
            until(|| world.logins().1 == before + logins).await;
            let refused = world.get("/survey/queries/questions/100301").await;
            assert_eq!(refused.problem(), "upstream_login_failed");
            let told: u64 = refused.header("retry-after").parse().unwrap();
            assert!(told <= left && told + 8 > left, "{told} of {left}");
            assert_eq!(world.logins().1, before + logins, "{password}");
        }
        world.config.upstream.password = right.clone();
        if restarts {
            world.restart_gateway().await;
        } else {
            world.reloader.reload(&world.config).unwrap();
        }
        world.get("/survey/queries/questions/100301").await.ok();
    }
    assert_eq!(world.logins(), (3, 4), "the good one at once, and no wrong one more");
}

#[tokio::test]
async fn a_login_under_way_when_the_process_ends_is_waited_for() {
    for right in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut world = that_remembers(&folder).await;
        let login = world.vendor.block_requests("login");
        if !right {
            world.vendor.set_password("another one");
        }
        world.vendor.wait_for_requests("login", 1).await;
        let ending = world.tell_to_stop();
        login.release();
        ending.await.unwrap();
        assert_eq!((world.logins(), remembered(&folder).is_empty()), (if right { (1, 0) } else { (0, 1) }, right));
        world.start_gateway().await;
        if right {
            world.get("/queries/organization").await.ok();
        } else {
            assert_refused_for(&world, 30).await;
        }
    }
}

#[tokio::test]
async fn a_login_whose_end_nobody_lived_to_see_counts_as_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = that_remembers(&folder).await;
    let login = world.vendor.block_requests("login");
    world.vendor.wait_for_requests("login", 1).await;
    world.kill_gateway_and_start_again().await;
    assert!(world.get_admin("/readyz").await.text().contains("refuses the service login"));
    assert_refused_for(&world, 30).await;
    assert_eq!(world.vendor_calls("login"), 1);
    login.release();
    world.advance(secs(30));
    world.get("/queries/organization").await.ok();
}

#[tokio::test]
async fn a_vendor_who_is_merely_gone_is_asked_by_each_new_process_and_by_the_next_one_once_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = that_remembers(&folder).await;
    world.logged_in().await;
    world.stop_vendor().await;
    for _ in 0..5 {
        world.restart_gateway().await;
        let answer = world.passing(world.get("/queries/organization")).await;
        assert_eq!(answer.problem(), "upstream_unreachable", "nothing was refused");
    }
    world.restart_vendor().await;
    world.restart_gateway().await;
    world.get("/queries/organization").await.ok();
    world.tell_to_stop().await.unwrap();
    assert_eq!(remembered(&folder), "");
}

#[tokio::test]
async fn where_nothing_can_be_remembered_the_gateway_logs_in_and_leaves_what_was_refused_alone_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state"), "a file, and no folder").unwrap();
    let world = that_remembers(&folder).await;
    world.logged_in().await;
    world.vendor.set_password("another one");
    world.vendor.expire_tokens();
    world.advance(secs(10));
    assert_refused_for(&world, 30).await;
    world.advance(secs(29));
    assert_refused_for(&world, 1).await;
    assert_eq!(world.logins(), (1, 1));
}

#[tokio::test]
async fn a_login_that_fails_in_passing_is_tried_again_after_1_2_and_4_seconds() {
    for (fault, status, code) in [
        (Fault::Error, 502, "upstream_error"),
        (Fault::Unavailable, 502, "upstream_error"),
        (Fault::BadJson, 502, "upstream_invalid_response"),
        (Fault::Cut, 502, "upstream_unreachable"),
    ] {
        let world = World::new().await;
        (0..3).for_each(|_| world.vendor.enqueue_fault("login", fault));
        for (wait, logins) in [(1, 1), (2, 2), (4, 3)] {
            for _ in 0..5 {
                let answer = world.get("/queries/organization").await;
                assert_eq!((answer.status, answer.problem().as_str()), (status, code), "{fault}");
            }
            assert_eq!(world.vendor_calls("login"), logins, "{fault}");
            world.advance(secs(wait) - Duration::from_millis(1));
            assert_eq!(world.get("/queries/organization").await.problem(), code, "{fault}");
            assert_eq!(world.vendor_calls("login"), logins, "{fault}, a millisecond too soon");
            world.advance(Duration::from_millis(1));
        }
        world.get("/queries/organization").await.ok();
        assert_eq!(world.vendor_calls("login"), 4, "{fault}");
    }
}

#[tokio::test]
async fn a_throttled_login_waits_as_long_as_it_was_told() {
    let world = World::new().await;
    world.vendor.enqueue_fault("login", Fault::RateLimitedBare);
    let answer = world.get("/queries/organization").await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_rate_limited"));
    assert_eq!(answer.header("retry-after"), "5");
    world.advance(secs(4));
    assert_eq!(world.get("/queries/organization").await.status, 503);
    assert_eq!(world.vendor_calls("login"), 1);
    world.advance(secs(1));
    world.get("/queries/organization").await.ok();
}

#[tokio::test]
async fn a_login_without_an_answer_ends_with_its_deadline() {
    let world = World::new().await;
    world.vendor.enqueue_fault("login", Fault::Hang);
    let waiting = world.begin_get("/queries/organization");
    world.vendor.wait_for_requests("login", 1).await;
    world.advance(secs(10));
    let answer = waiting.await.unwrap();
    assert_eq!((answer.status, answer.problem().as_str()), (504, "upstream_timeout"));
    world.advance(secs(1));
    world.get("/queries/organization").await.ok();
}

#[tokio::test]
async fn the_next_login_comes_ahead_of_expiry_and_holds_nobody_up() {
    // A token that says how long it lives, one of which only the settings know, and one of which they know otherwise.
    for (token_says, settings_say) in [(Some(secs(100)), secs(0)), (None, secs(100)), (Some(secs(100)), secs(1000))] {
        let mut setup = Setup::default();
        setup.vendor.token_ttl = token_says;
        setup.config.upstream.token_ttl = settings_say;
        let world = setup.start().await;
        world.logged_in().await;
        let token =
            |world: &World| world.vendor.last_request("questions").unwrap().header("authorization").unwrap().to_owned();
        world.get("/survey/queries/questions/100301").await.ok();
        let old = token(&world);
        world.advance(secs(79));
        world.get("/survey/queries/questions/100302").await.ok();
        assert_eq!(world.logins(), (1, 0), "too early");

        let login = world.vendor.block_requests("login");
        world.advance(secs(1));
        world.vendor.wait_for_requests("login", 2).await;
        world.get("/survey/queries/questions/100303").await.ok();
        assert_eq!(token(&world), old);
        login.release();
        until(|| world.logins() == (2, 0)).await;

        world.advance(secs(21));
        world.get("/survey/queries/questions/100304").await.ok();
        assert_ne!(token(&world), old);
        assert_eq!((world.logins(), world.vendor_calls("questions")), ((2, 0), 4), "some caller met a dead token");
    }
}

#[tokio::test]
async fn a_login_that_fails_while_the_old_token_works_is_warned_of_everywhere_until_one_succeeds() {
    for (setback, about) in [("refused", "login_refused"), ("failed", "login_failing")] {
        let mut setup = Setup::default();
        setup.vendor.token_ttl = Some(secs(1000));
        let world = setup.start().await;
        world.logged_in().await;
        let warned = async || world.metric(&format!("warnings{{about=\"{about}\"}}")).await;
        assert_eq!(warned().await, 0.0);
        assert_eq!(world.get_admin("/readyz").await.ok().json()["warnings"], Value::Null);

        let right = world.vendor.credentials().password;
        match setback {
            "refused" => world.vendor.set_password("another one"),
            _ => world.vendor.enqueue_fault("login", Fault::Unavailable),
        }
        world.advance(secs(800));
        world.vendor.wait_for_requests("login", 2).await;
        while warned().await < 1.0 {
            tokio::task::yield_now().await;
        }
        world.vendor.set_password(&right);
        world.get("/queries/organization").await.ok();
        let ready = world.get_admin("/readyz").await.ok().json();
        assert!(ready["warnings"][0].as_str().unwrap().starts_with("login: the "), "{ready}");
        let status = world.get_admin("/admin/status").await.ok().json();
        let login = &status["vendor"]["login"];
        assert_eq!((&login["state"], &login["setback"]), (&json!("good"), &json!(setback)));
        assert_eq!(status["health"]["says"], "Somebody should see to the service login");
        assert_eq!(world.metric("login_state{state=\"good\"}").await, 1.0);

        // The wait is over: the next one is under way, and what came of the last one still holds.
        let hold = world.vendor.block_requests("login");
        world.advance(secs(30));
        world.vendor.wait_for_requests("login", 3).await;
        assert_eq!(warned().await, 1.0);
        hold.release();
        until(|| world.logins().0 == 2).await;
        assert_eq!(warned().await, 0.0);
        let status = world.get_admin("/admin/status").await.ok().json();
        assert_eq!((&status["vendor"]["login"]["setback"], &status["health"]["level"]), (&Value::Null, &json!("good")));
    }
}

#[tokio::test]
async fn further_login_fields_reach_the_vendor_beside_email_and_password() {
    let mut setup = Setup::default();
    setup.config.upstream.login.fields.insert("company".to_owned(), "ACME".into());
    let world = setup.start().await;
    world.logged_in().await;
    let sent = world.vendor.last_request("login").unwrap();
    let own = world.vendor.credentials();
    let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body, serde_json::json!({"company": "ACME", "email": own.email, "password": own.password}));
    assert_eq!(sent.header("x-client-id"), Some(own.client_id.as_str()));
    assert_eq!(sent.header("authorization"), None);
}

#[tokio::test]
async fn the_token_is_found_in_each_place_and_sent_in_each_scheme() {
    for pointer in ["/data/access_token", "/data/token", "/access_token", "/token"] {
        for scheme in [None, Some("Bearer")] {
            let mut setup = Setup::default();
            setup.config.upstream.auth_scheme = scheme.unwrap_or_default().to_owned();
            let world = setup.start().await;
            world.vendor.set_login_token(pointer);
            world.vendor.set_auth_scheme(scheme);
            world.get("/queries/organization").await.ok();
            assert_eq!((world.logins(), world.vendor_calls("organization")), ((1, 0), 1), "{pointer} {scheme:?}");
            let sent = world.vendor.last_request("organization").unwrap();
            assert_eq!(sent.header("authorization").unwrap().starts_with("Bearer "), scheme.is_some());
            assert_eq!(sent.header("x-client-id"), None);
        }
    }
}

#[tokio::test]
async fn it_is_ready_once_logged_in_and_while_it_holds_something_to_serve() {
    let world = World::new().await;
    let ready = async || {
        let public = world.send(world.request_at_root("GET", "/readyz")).await;
        let admin = world.get_admin("/readyz").await;
        assert_eq!((public.status, &public.body), (admin.status, &admin.body));
        let told = public.json();
        assert_eq!(told["ready"], public.status == 200);
        assert_eq!(world.metric("ready").await, f64::from(u8::from(public.status == 200)));
        assert_eq!(told["reasons"].as_array().unwrap().is_empty(), public.status == 200);
        (public.status, told["reasons"].to_string())
    };
    let login = world.vendor.block_requests("login");
    assert_eq!(ready().await, (503, r#"["login: not logged in at the vendor yet"]"#.to_owned()));
    login.release();
    world.logged_in().await;
    assert_eq!(ready().await.0, 200);

    world.get("/queries/organization").await.ok();
    world.advance(secs(10));
    world.vendor.expire_tokens();
    world.vendor.set_password("another one");
    assert_eq!(world.get("/survey/queries/questions/100301").await.problem(), "upstream_login_failed");
    assert_eq!(ready().await.0, 200, "the organization can still be served");
    world.advance(secs(600 + 24 * 3600));
    until(|| world.logins() == (1, 2)).await;
    assert_eq!(world.get("/queries/organization").await.problem(), "upstream_login_failed");
    let (status, reasons) = ready().await;
    assert_eq!(status, 503);
    assert!(reasons.contains("refuses"), "{reasons}");
}

#[tokio::test]
async fn a_route_that_refuses_even_a_new_token_is_barred_alone() {
    let world = World::new().await;
    world.logged_in().await;
    let surveys = r#"{"companyId": 100301}"#;
    for _ in 0..5 {
        world.advance(secs(3));
        (0..2).for_each(|_| world.vendor.enqueue_fault("surveys", Fault::WrongDomain));
        assert_eq!(world.post("/survey/queries/surveys", surveys).await.problem(), "upstream_login_failed");
        let summary = format!(r#"{{"queues": ["{}"]}}"#, crate::harness::SALES);
        world.post("/analytics/runtime/queues/summary", &summary).await.ok();
    }
    let (logins, _) = world.logins();
    assert!(logins <= 4, "{logins} logins for a route that the account may not use");
}

#[tokio::test]
async fn a_vendor_that_refuses_what_its_login_brought_is_told_though_callers_get_what_is_held() {
    let mut setup = Setup::default();
    setup.proxy = Some(FaultProxy::new().await);
    let mut world = setup.start().await;
    let mut proxy = world.proxy.take().unwrap();
    world.logged_in().await;
    let ask = async || {
        let summary = format!(r#"{{"queues": ["{}"]}}"#, crate::harness::SALES);
        world.post("/analytics/runtime/queues/summary", &summary).await.ok()
    };
    let warned = async || {
        let text = world.get_admin("/metrics").await.text().to_owned();
        let series = "wesal_gateway_warnings{about=\"route_refused\"} ";
        text.lines().find_map(|line| line.strip_prefix(series)).map(str::to_owned)
    };
    let status = async || world.get_admin("/admin/status").await.json();
    ask().await;
    assert_eq!(warned().await.as_deref(), Some("0"), "known from zero");

    proxy.always("summary", Act::say(http("401 Unauthorized", &[], "")));
    for _ in 0..3 {
        world.advance(secs(10));
        assert!(ask().await.header("cache-status").ends_with("; detail=stale-if-error"));
    }
    assert_eq!(warned().await.as_deref(), Some("1"));
    let ready = world.get_admin("/readyz").await;
    assert_eq!(ready.status, 200);
    assert!(ready.json()["warnings"][0].as_str().unwrap().starts_with("route: the vendor takes"), "{}", ready.text());
    let told = status().await;
    assert_eq!(told["vendor"]["calls"]["failing"]["outcome"], "token_dead");
    assert!(told["vendor"]["calls"]["lastGoodFor"].as_f64().unwrap() >= 30.0, "{}", told["vendor"]);
    assert_eq!(told["health"]["says"], "Wesal is failing: serving what is held");

    proxy.mend().await;
    world.advance(secs(10));
    ask().await;
    assert_eq!(warned().await.as_deref(), Some("0"));
    assert!(status().await["vendor"]["calls"]["failing"].is_null());
}
