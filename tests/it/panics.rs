//! What panics in a request is that request's affair.

use reqwest::Version;

use crate::harness::{Answer, Authority, OddClock, Running, Setup, World, in_time, run_by, tls_files};

const ORGANIZATION: &str = "/api/v1/queries/organization";
const QUESTIONS: &str = "/api/v1/survey/queries/questions/100301";

/// One more gateway before the world's vendor, by a clock that can be made to panic.
async fn by_an_odd_clock(world: &World) -> (Running, OddClock) {
    let clock = OddClock::beside(&world.clock);
    let running = run_by(&world.config, std::sync::Arc::new(clock.clone()), None).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready = format!("http://{}/readyz", running.admin.unwrap());
    in_time(async { while client.get(&ready).send().await.unwrap().status() != 200 {} }).await;
    (running, clock)
}

fn panic_next_time(clock: &OddClock) {
    clock.next_time(|| panic!("planted"));
}

#[tokio::test]
async fn it_is_a_500_and_its_connection_goes_on() {
    let world = World::new().await;
    let (running, clock) = by_an_odd_clock(&world).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (address, path, good) in
        [(running.address.unwrap(), ORGANIZATION, 200), (running.admin.unwrap(), "/readyz", 200)]
    {
        let ask = async || {
            let request = client.get(format!("http://{address}{path}")).header("authorization", world.key());
            let answer = request.header("x-request-id", "mine").send().await.unwrap();
            (answer.remote_addr(), Answer::read(answer).await)
        };
        panic_next_time(&clock);
        let (_, answer) = ask().await;
        assert_eq!((answer.status, answer.problem().as_str()), (500, "internal"), "{path}");
        assert_eq!(answer.header("x-request-id"), "mine");
        assert!(!answer.text().contains("planted"), "{}", answer.text());
        assert_eq!(ask().await.1.status, good, "{path}");
    }
    let told = client.get(format!("http://{}/metrics", running.admin.unwrap())).send().await.unwrap();
    let told = Answer::read(told).await;
    assert!(told.text().contains("\nwesal_gateway_internal_errors_total 2\n"), "{}", told.text());
}

#[tokio::test]
async fn over_http2_the_request_beside_it_is_answered() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    authority.write(folder.path());
    let mut setup = Setup::default();
    setup.config.server.tls = Some(tls_files(folder.path()));
    let world = setup.start().await;
    world.logged_in().await;
    let (running, clock) = by_an_odd_clock(&world).await;
    let client = authority.client().build().unwrap();
    let port = running.address.unwrap().port();
    let request =
        |path: &str| client.get(format!("https://localhost:{port}{path}")).header("authorization", world.key());
    // From now on there is a connection, which all that follows is sent on.
    assert_eq!(request("/livez").send().await.unwrap().version(), Version::HTTP_2);
    let vendor = world.vendor.block_requests("organization");
    let beside = tokio::spawn(request(ORGANIZATION).send());
    world.vendor.wait_for_requests("organization", 1).await;
    panic_next_time(&clock);
    let answer = Answer::read(request(QUESTIONS).send().await.unwrap()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (500, "internal"));
    vendor.release();
    assert_eq!(beside.await.unwrap().unwrap().status(), 200);
}
