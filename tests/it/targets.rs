//! Targets that the vendor refuses: a company, a queue or a path. They cost no other target an answer (7.6).

use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::yield_now;
use wesal_gateway::{
    clock::{Clock, Moment},
    config::{RouteConfig, RouteMethod},
};

use crate::harness::{Act, Answer, FaultProxy, SALES, SUPPORT, Setup, World, asking, http, rate, secs};

const SUMMARY: &str = "/analytics/runtime/queues/summary";
const FOREIGN_COMPANY: &str = "/survey/queries/questions/777";
const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// The two forms in which the vendor refuses a target.
fn refusals() -> [Act; 2] {
    let body = r#"{"success":false,"code":"X002"}"#;
    [Act::say(http("401 Unauthorized", &[], "")), Act::say(http("200 OK", &[], body))]
}

async fn start(mut setup: Setup) -> (World, FaultProxy) {
    setup.proxy = Some(FaultProxy::new().await);
    let mut world = setup.start().await;
    let proxy = world.proxy.take().unwrap();
    world.logged_in().await;
    world.advance(secs(10));
    (world, proxy)
}

fn assert_refused(answer: &Answer) {
    assert_eq!((answer.status, answer.problem().as_str()), (503, "upstream_login_failed"));
}

/// The times of the logins since it began.
struct Logins {
    began: Moment,
    count: u64,
    times: Vec<Duration>,
}

impl Logins {
    fn since_now(world: &World, proxy: &FaultProxy) -> Self {
        Self { began: world.clock.now(), count: proxy.calls("login"), times: Vec::new() }
    }

    /// To be called before time passes.
    fn observe(&mut self, world: &World, proxy: &FaultProxy) {
        let new = proxy.calls("login") - self.count;
        self.count += new;
        self.times.extend((0..new).map(|_| world.clock.now().since(self.began)));
    }

    fn assert_bounded(&self) {
        let times = &self.times;
        assert!(times.len() >= 2, "{times:?}");
        assert!(times.iter().filter(|time| **time < secs(20)).count() <= 6, "{times:?}");
        let gaps: Vec<_> = times.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(gaps.windows(2).all(|two| two[0] <= two[1]), "{gaps:?}");
    }

    /// The waits of the login gate: 2 s, doubling.
    fn assert_doubling(&self) {
        let times = &self.times;
        assert!(times.len() >= 4, "{times:?}");
        let waits = times.windows(2).map(|two| two[1] - two[0]);
        let due = (1..).map(|n| secs(1 << n));
        assert!(waits.zip(due).all(|(wait, due)| wait >= due), "{times:?}");
    }
}

#[tokio::test]
async fn foreign_company_fails_no_other_company() {
    for refusal in refusals() {
        let mut setup = Setup::default();
        setup.config.upstream.forward_query.push("n".to_owned());
        let (world, proxy) = start(setup).await;
        proxy.always("questions", Act::when(|asked| asked.target.ends_with("/questions/777"), refusal));
        let mut logins = Logins::since_now(&world, &proxy);
        for n in 0..90 {
            let other = format!("/survey/queries/questions/{}?n={n}", 100_301 + n % 4);
            let (foreign, other) = tokio::join!(world.get(FOREIGN_COMPANY), world.get(&other));
            assert_refused(&foreign);
            other.ok();
            logins.observe(&world, &proxy);
            world.advance(HALF_A_SECOND);
        }
        logins.assert_bounded();
    }
}

/// A call is held each time, so that the requests after it are merged into one batch.
#[tokio::test]
async fn foreign_queue_fails_no_other_queue() {
    for refusal in refusals() {
        let mut setup = Setup::default();
        let hostile = setup.caller("hostile", |_| {});
        let other = setup.caller("other", |_| {});
        let (world, proxy) = start(setup).await;
        let ids = world.vendor.queue_ids();
        let foreign = ids[99].clone();
        let refused = foreign.clone();
        proxy.always("summary", Act::when(move |asked| asked.body.contains(&refused), refusal));
        let mut logins = Logins::since_now(&world, &proxy);
        let begin = |key: &str, queues: &[&str]| {
            let request = world.request("POST", SUMMARY).header("authorization", key);
            world.begin(request.header("content-type", "application/json").body(asking(queues)))
        };
        for n in 0..90 {
            let (first, second) = (&ids[2 + n % 40], &ids[42 + n % 40]);
            proxy.hold();
            let asked = [
                begin(world.key(), &[SALES, SUPPORT]),
                begin(world.key(), &[first]),
                begin(&hostile, &[&foreign, &ids[98]]),
                begin(&other, &[second, SALES]),
            ];
            for _ in 0..100 {
                yield_now().await;
            }
            proxy.release();
            let [wallboard, alone, hostile, other] = <[_; 4]>::try_from(join_all(asked).await).unwrap();
            assert_refused(&hostile.unwrap());
            for answer in [wallboard, alone, other] {
                let answer = answer.unwrap().ok();
                assert!(!answer.header("cache-status").contains("if-error"), "{}", answer.head());
            }
            logins.observe(&world, &proxy);
            world.advance(HALF_A_SECOND);
        }
        logins.assert_bounded();
    }
}

#[tokio::test]
async fn refused_path_of_a_custom_route_fails_no_other_path() {
    for refusal in refusals() {
        let mut setup = Setup::default();
        setup.config.routes = vec![RouteConfig {
            path: "/further/agents/{id}".parse().unwrap(),
            methods: vec![RouteMethod::Get],
            scope: "agents".parse().unwrap(),
            query: Vec::new(),
            ttl: secs(1),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
        }];
        setup.config.callers[0].scopes.push("agents".parse().unwrap());
        let (world, proxy) = start(setup).await;
        proxy.always("7", refusal);
        for _ in 0..30 {
            let paths = ["/further/agents/7", "/further/agents/8", "/further/agents/77"].map(|path| world.get(path));
            let [refused, other, third] = <[_; 3]>::try_from(join_all(paths).await).unwrap();
            assert_refused(&refused);
            other.ok();
            third.ok();
            world.advance(secs(1));
        }
        proxy.always("7", Act::Pass);
        world.advance(secs(8));
        world.get("/further/agents/7").await.ok();
    }
}

/// The busy targets accepted a token before; the foreign one never does.
#[tokio::test]
async fn token_death_beside_a_foreign_target_is_unseen() {
    for refusal in refusals() {
        let mut setup = Setup::default();
        setup.config.upstream.forward_query.push("n".to_owned());
        let (world, proxy) = start(setup).await;
        proxy.always("questions", Act::when(|asked| asked.target.contains("/questions/777"), refusal));
        let mut logins = Logins::since_now(&world, &proxy);
        let deaths = [1, 9, 20, 27, 50];
        for n in 0..60 {
            if deaths.contains(&n) {
                world.vendor.expire_tokens();
            }
            let busy = (100_301..100_305).map(|company| {
                let path = format!("/survey/queries/questions/{company}?n={n}");
                let world = &world;
                async move { world.get(&path).await }
            });
            let queues = asking(&[SALES, SUPPORT]);
            let wallboard = world.post(SUMMARY, &queues);
            let (foreign, busy, wallboard) = tokio::join!(world.get(FOREIGN_COMPANY), join_all(busy), wallboard);
            assert_refused(&foreign);
            busy.into_iter().for_each(|answer| drop(answer.ok()));
            wallboard.ok();
            logins.observe(&world, &proxy);
            world.advance(HALF_A_SECOND);
        }
        assert!(logins.times.len() <= 8 + deaths.len(), "{:?}", logins.times);
    }
}

/// The token that came for the refused company is accepted for others, which says nothing of that company.
#[tokio::test]
async fn refused_new_tokens_delay_logins_more_and_more() {
    for refusal in refusals() {
        let mut setup = Setup::default();
        setup.config.upstream.forward_query.push("n".to_owned());
        let (world, proxy) = start(setup).await;
        proxy.always("questions", Act::when(|asked| asked.target.ends_with("/questions/777"), refusal));
        let mut logins = Logins::since_now(&world, &proxy);
        for n in 0..300 {
            assert_refused(&world.get(FOREIGN_COMPANY).await);
            world.get(&format!("/survey/queries/questions/100301?n={n}")).await.ok();
            logins.observe(&world, &proxy);
            world.advance(secs(1));
        }
        logins.assert_doubling();
    }
}

/// One call per second: after the refusal and the login, the budget is spent, so that the new token is not tried.
#[tokio::test]
async fn new_token_that_is_not_tried_counts_as_refused() {
    let mut setup = Setup::default();
    setup.config.upstream.forward_query.push("n".to_owned());
    setup.config.upstream.rate_limit = rate(60, 60, 1);
    setup.config.upstream.max_wait = Duration::ZERO;
    let (world, proxy) = start(setup).await;
    let [refusal, _] = refusals();
    proxy.always("questions", Act::when(|asked| asked.target.ends_with("/questions/777"), refusal));
    let mut logins = Logins::since_now(&world, &proxy);
    for n in 0..150 {
        assert_eq!(world.get(FOREIGN_COMPANY).await.status, 503);
        world.advance(secs(1));
        world.get(&format!("/survey/queries/questions/100301?n={n}")).await.ok();
        logins.observe(&world, &proxy);
        world.advance(secs(1));
    }
    logins.assert_doubling();
}
