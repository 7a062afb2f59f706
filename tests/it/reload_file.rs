//! The file, and what it names, changes while the gateway runs.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command, sync::mpsc};

use tokio::sync::oneshot;
use wesal_gateway::config::Secret;

use crate::harness::{Answer, Authority, OddClock, Setup, World, in_time, run_by, secs, text_of, until};

const ORGANIZATION: &str = "/queries/organization";
const GOOD: &str = "config_reloads_total{outcome=\"good\"}";
const REFUSED: &str = "config_reloads_total{outcome=\"refused\"}";

/// A gateway with a file in `folder`.
async fn with_file(folder: &Path, change: impl FnOnce(&mut Setup)) -> World {
    let mut setup = Setup::default();
    setup.file = Some(folder.join("config.toml"));
    change(&mut setup);
    let world = setup.start().await;
    world.logged_in().await;
    world
}

/// Lets time pass until a metric has come so far.
async fn comes_to(world: &World, metric: &str, count: f64) {
    let comes = async {
        while world.metric(metric).await < count {
            world.advance(secs(1));
        }
    };
    in_time(comes).await;
    assert_eq!(world.metric(metric).await, count);
}

async fn ttl(world: &World) -> String {
    let told = world.get(ORGANIZATION).await.ok();
    told.header("cache-status").rsplit("ttl=").next().unwrap().to_owned()
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_is_told_until_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let world = with_file(folder.path(), |_| {}).await;
    let (file, good) = (world.file.clone().unwrap(), text_of(&world.config));
    world.get(ORGANIZATION).await.ok();
    fs::write(&file, good.replace("max_in_flight = 2048", "max_in_flight = \"many\"")).unwrap();
    comes_to(&world, REFUSED, 1.0).await;
    world.get(ORGANIZATION).await.ok();
    for ready in [world.get_admin("/readyz").await, world.send(world.request_at_root("GET", "/readyz")).await] {
        let ready = ready.ok().json();
        assert!(ready["warnings"][0].as_str().unwrap().starts_with("configuration: the last reload was refused"));
    }
    let warned = "warnings{about=\"configuration_refused\"}";
    assert_eq!(world.metric(warned).await, 1.0);
    // Told once, however often it is looked at.
    for _ in 0..10 {
        world.advance(secs(1));
        world.get(ORGANIZATION).await.ok();
    }
    assert_eq!((world.metric(REFUSED).await, world.metric(GOOD).await), (1.0, 0.0));
    fs::write(&file, &good).unwrap();
    comes_to(&world, GOOD, 1.0).await;
    assert!(world.get_admin("/readyz").await.ok().json()["warnings"].is_null());
    assert_eq!(world.metric(warned).await, 0.0);
}

#[tokio::test]
async fn a_file_that_is_swapped_through_a_link_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    // As Kubernetes mounts a volume.
    for version in ["one", "two"] {
        fs::create_dir(folder.path().join(version)).unwrap();
    }
    symlink("one", folder.path().join("data")).unwrap();
    let world = with_file(&folder.path().join("data"), |_| {}).await;
    let longer =
        text_of(&world.config).replace("[cache.organization]\nttl = \"10m\"", "[cache.organization]\nttl = \"20h\"");
    fs::write(folder.path().join("two/config.toml"), longer).unwrap();
    ttl(&world).await;
    assert!(ttl(&world).await.parse::<u64>().unwrap() <= 600);
    symlink("two", folder.path().join("new")).unwrap();
    fs::rename(folder.path().join("new"), folder.path().join("data")).unwrap();
    comes_to(&world, GOOD, 1.0).await;
    assert!(ttl(&world).await.parse::<u64>().unwrap() > 600);
}

#[tokio::test]
async fn a_password_in_a_file_of_its_own_is_seen_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "open-sesame\n").unwrap();
    let world = with_file(folder.path(), |setup| {
        setup.config.upstream.password = Secret::from_file("open-sesame", &file);
    })
    .await;
    world.vendor.set_password("brand new");
    fs::write(&file, "brand new\n").unwrap();
    comes_to(&world, GOOD, 1.0).await;
    in_time(until(|| world.logins() == (2, 0))).await;
}

#[tokio::test]
async fn who_asks_has_the_file_read_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let world = with_file(folder.path(), |_| {}).await;
    world.reloader.ask();
    in_time(async { while world.metric(GOOD).await < 1.0 {} }).await;
}

#[tokio::test]
async fn certificates_that_are_half_renewed_are_no_reason_to_refuse_the_rest() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let world = with_file(folder.path(), |setup| setup.config.upstream.ca_file = Some(authority.file.clone())).await;
    fs::remove_file(&authority.file).unwrap();
    let longer =
        text_of(&world.config).replace("[cache.organization]\nttl = \"10m\"", "[cache.organization]\nttl = \"20m\"");
    fs::write(world.file.as_ref().unwrap(), longer).unwrap();
    comes_to(&world, GOOD, 1.0).await;
    assert_eq!(world.metric(REFUSED).await, 0.0);
}

#[tokio::test]
async fn a_reload_that_hangs_has_none_wait_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let (world, file) = (World::new().await, folder.path().join("config.toml"));
    let clock = OddClock::beside(&world.clock);
    let running = run_by(&world.config, std::sync::Arc::new(clock.clone()), Some(&file)).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let reload = || client.post(format!("http://{}/admin/reload", running.admin.unwrap()));
    // Else the login would be the next to ask for the date.
    let ready = || client.get(format!("http://{}/readyz", running.admin.unwrap()));
    in_time(async { while ready().send().await.unwrap().status() != 200 {} }).await;
    let ((hangs, hanging), (release, released)) = (oneshot::channel(), mpsc::channel::<()>());
    clock.next_time(move || {
        hangs.send(()).unwrap();
        let _ = released.recv();
    });
    let first = tokio::spawn(reload().send());
    in_time(hanging).await.unwrap();
    let refused = async || {
        let answer = Answer::read(reload().send().await.unwrap()).await;
        assert_eq!((answer.status, answer.problem().as_str()), (503, "overloaded"));
        assert_eq!(answer.header("retry-after"), "1");
    };
    refused().await;
    // It goes on though nobody waits for it.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    for _ in 0..50 {
        refused().await;
    }
    drop(release);
    in_time(async { while reload().send().await.unwrap().status() != 200 {} }).await;
}

#[tokio::test]
async fn a_pipe_in_place_of_a_file_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "open-sesame\n").unwrap();
    let world = with_file(folder.path(), |setup| {
        setup.config.upstream.password = Secret::from_file("open-sesame", &password);
    })
    .await;
    for file in [&password, world.file.as_ref().unwrap()] {
        fs::remove_file(file).unwrap();
        assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
        let refused = world.post_admin("/admin/reload", "").await;
        let told = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(told.contains("not a regular file"), "{told}");
    }
    world.get(ORGANIZATION).await.ok();
}
