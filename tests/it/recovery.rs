//! A vendor that was gone and is back is found within ten seconds, whatever was wrong and however long; and while it is
//! gone it is hardly asked.

use std::time::Duration;

use wesal_gateway::clock::Clock;
use wesal_simulator::Fault;

use crate::harness::{Setup, World, secs, until};

const QUESTIONS: &str = "/survey/queries/questions/100301";
const SURVEYS: (&str, &str) = ("/survey/queries/surveys", r#"{"companyId": 1}"#);
const ROUTES: [&str; 2] = ["login", "questions"];

/// What is wrong with the vendor for a while.
#[derive(Clone, Copy, Debug)]
enum Outage {
    /// Its port refuses connections.
    Gone,
    /// Every call goes wrong in this way, logins too.
    All(Fault),
    /// Logins succeed, and no token is taken.
    NoTokenIsTaken,
    /// Logins go wrong in this way, and the tokens of before are dead.
    NoLogin(Fault),
}

impl Outage {
    async fn begin(self, world: &mut World) {
        match self {
            Self::Gone => world.stop_vendor().await,
            Self::All(fault) => self.script(world, &ROUTES, fault),
            Self::NoTokenIsTaken => self.script(world, &["questions"], Fault::TokenDead),
            Self::NoLogin(fault) => {
                world.vendor.expire_tokens();
                self.script(world, &["login"], fault);
            }
        }
    }

    fn script(self, world: &World, routes: &[&str], fault: Fault) {
        for route in routes {
            (0..10_000).for_each(|_| world.vendor.enqueue_fault(route, fault));
        }
    }

    async fn end(self, world: &mut World) {
        match self {
            Self::Gone => world.restart_vendor().await,
            _ => ROUTES.iter().for_each(|route| world.vendor.clear_faults(route)),
        }
    }
}

/// The time from the outage's end to the first good answer, asking each second; and the calls and logins of the outage.
async fn weather(outage: Outage, length: Duration) -> (Duration, u64, u64) {
    let mut setup = Setup::default();
    // Nothing stands in for the vendor.
    (setup.config.cache.questions.ttl, setup.config.cache.questions.stale_if_error) = (secs(0), secs(0));
    setup.config.cache.questions.stale_while_revalidate = secs(0);
    let mut world = setup.start().await;
    world.get(QUESTIONS).await.ok();
    let before = (world.vendor_calls("questions"), world.vendor_calls("login"));
    outage.begin(&mut world).await;
    let began = world.clock.now();
    while world.clock.now().since(began) < length {
        assert!(world.passing(world.get(QUESTIONS)).await.status >= 500, "{outage:?}");
        world.advance(secs(1));
    }
    let calls = world.vendor_calls("questions") - before.0;
    let logins = world.vendor_calls("login") - before.1;
    outage.end(&mut world).await;
    let ended = world.clock.now();
    loop {
        let answer = world.passing(world.get(QUESTIONS)).await;
        let waited = world.clock.now().since(ended);
        if answer.status == 200 {
            return (waited, calls, logins);
        }
        assert!(waited < secs(600), "never found again: {outage:?}");
        world.advance(secs(1));
        // A login that is due now may run in the background.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_vendor_that_is_back_is_found_within_ten_seconds() {
    for outage in [
        Outage::Gone,
        Outage::All(Fault::Unavailable),
        Outage::All(Fault::Error),
        Outage::All(Fault::Html),
        Outage::All(Fault::Cut),
        Outage::All(Fault::Hang),
        Outage::NoTokenIsTaken,
        Outage::NoLogin(Fault::Hang),
        Outage::NoLogin(Fault::Unavailable),
        Outage::NoLogin(Fault::LoginNoToken),
        Outage::NoLogin(Fault::Html),
    ] {
        for seconds in [1, 20, 300] {
            let (waited, calls, logins) = weather(outage, secs(seconds)).await;
            // Ten, and at most one call that hangs a little longer, with the second until the next question.
            // After refused logins and refused new tokens, the next login may wait for as long as the outage lasted.
            let most = match outage {
                Outage::NoTokenIsTaken | Outage::NoLogin(Fault::LoginNoToken) => seconds.max(30),
                _ => 12,
            };
            assert!(waited <= secs(most), "{outage:?} of {seconds} s: found after {waited:?}");
            // Until the breaker opens each asks, with two further tries at most; then it is a probe now and then.
            assert!(calls <= 32 + seconds / 5 * 2, "{outage:?} of {seconds} s: {calls} calls");
            assert!(logins <= 3 + seconds / 6, "{outage:?} of {seconds} s: {logins} logins");
        }
    }
}

#[tokio::test]
async fn what_operators_see_of_an_outage() {
    let world = World::new().await;
    world.logged_in().await;
    let holds = async |name: &str, state: &str| world.metric(&format!("{name}{{state=\"{state}\"}}")).await > 0.0;
    assert!(holds("login_state", "good").await && holds("breaker_state", "closed").await);
    assert_eq!(world.metric("logins_total{outcome=\"good\"}").await, 1.0);

    (0..11).for_each(|_| world.vendor.enqueue_fault("questions", Fault::Error));
    for _ in 0..10 {
        world.get(QUESTIONS).await;
    }
    assert!(holds("breaker_state", "open").await && !holds("breaker_state", "closed").await);
    world.vendor.clear_faults("questions");
    world.advance(secs(5));
    let hold = world.vendor.block_requests("questions");
    let probe = world.begin_get(QUESTIONS);
    world.vendor.wait_for_requests("questions", 11).await;
    assert!(holds("breaker_state", "half_open").await);
    hold.release();
    probe.await.unwrap().ok();
    assert!(holds("breaker_state", "closed").await);

    // Only a target that accepted the token can show that it is dead.
    world.post(SURVEYS.0, SURVEYS.1).await.ok();
    world.vendor.expire_tokens();
    world.vendor.set_password("another one");
    assert_eq!(world.post(SURVEYS.0, SURVEYS.1).await.problem(), "upstream_login_failed");
    assert!(holds("login_state", "refused").await && !holds("login_state", "good").await);
    until(|| world.logins() == (1, 1)).await;
    assert_eq!(world.metric("logins_total{outcome=\"refused\"}").await, 1.0);
}
