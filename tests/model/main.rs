//! Random days of callers, a changing and failing vendor, and a clock, in memory: whatever happens, an answer is the
//! right one, was true not too long ago, says its age, and never goes back; nobody waits for ever; and callers who ask
//! steadily cost the vendor no more calls than they must.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub
)]

mod rejecting;
mod rejections;
mod vendor;

use std::{collections::HashMap, sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*, sample::subsequence, test_runner::RngSeed};
use serde_json::Value;
use tokio::task::{JoinHandle, yield_now};
use vendor::{
    BURST, FOREIGN, Landing, MAX_STRETCH, Model, NOTE, Outcome, Plan, QUEUES, REFUSED, TENANT_QUEUES, has_note, id,
    id_member,
};
use wesal_gateway::{
    clock::{Clock, ManualClock, Moment},
    config::{Config, FreshnessConfig},
    fetch::{Demand, Failure, FetchError, Found, Parts, PreparedQuery, Served},
    model::{CallerName, CompanyId, Figures, Forwarded, Interval, Query, QueuesQuery, Route, Subject},
    telemetry::{Metrics, Traces, traces::RequestSpan},
    upstream::UpstreamError,
};

const STEP: Duration = Duration::from_millis(20);
const NEGATIVE_TTL: Duration = Duration::from_secs(4);
/// Longer than the slowest call and what may gather behind it.
const LONGEST_WAIT: Duration = Duration::from_secs(25);
const ROUTES: [Route; 5] =
    [Route::QueueSummary, Route::QueueActivity, Route::QueuePerformance, Route::Organization, Route::Questions];

/// `ttl`, `stale_while_revalidate`, `stale_if_error`
fn windows(route: Route) -> [Duration; 3] {
    let seconds = match route {
        Route::QueueSummary => [3, 2, 10],
        Route::QueueActivity => [3, 0, 0],
        Route::QueuePerformance => [5, 5, 20],
        Route::Organization => [6, 0, 12],
        _ => [4, 4, 0],
    };
    seconds.map(Duration::from_secs)
}

fn config() -> Config {
    let mut config = Config::default();
    config.upstream.max_queues_per_call = 4.try_into().unwrap();
    config.upstream.max_stretch = MAX_STRETCH;
    config.cache.negative_ttl = NEGATIVE_TTL;
    let freshness = |route| {
        let [ttl, stale_while_revalidate, stale_if_error] = windows(route);
        FreshnessConfig { ttl, stale_while_revalidate, stale_if_error }
    };
    config.cache.queue_summary = freshness(Route::QueueSummary);
    config.cache.queue_activity = freshness(Route::QueueActivity);
    config.cache.organization = freshness(Route::Organization);
    config.cache.questions = freshness(Route::Questions);
    let performance = &mut config.cache.queue_performance;
    [performance.ttl, performance.stale_while_revalidate, performance.stale_if_error] =
        windows(Route::QueuePerformance);
    config
}

/// What a caller asks. Two shapes of each route, so that one can be taken for the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    /// Whether it is the caller that may see some queues only.
    by_tenant: bool,
    route: Route,
    other_shape: bool,
    queues: Vec<usize>,
}

impl Asked {
    fn query(&self) -> Query {
        let queues = |figures| {
            let queues = self.queues.iter().map(|queue| id(*queue)).collect();
            Subject::Queues(QueuesQuery { figures, queues, extended: self.other_shape.then_some(true) })
        };
        let subject = match self.route {
            Route::QueueSummary => queues(Figures::Summary),
            Route::QueueActivity => queues(Figures::Activity),
            Route::QueuePerformance => {
                let interval = Interval::parse("2026-11-22T11:00:00Z/2026-11-22T23:00:00Z").unwrap();
                queues(Figures::Performance { interval, partial: None })
            }
            Route::Organization => Subject::Organization,
            _ => Subject::Questions(CompanyId::try_from(1 + u64::from(self.other_shape)).unwrap()),
        };
        Query { subject, forwarded: Forwarded::default() }
    }

    fn is_about_queues(&self) -> bool {
        !matches!(self.route, Route::Organization | Route::Questions)
    }
}

#[derive(Clone, Debug)]
enum Op {
    Ask(Asked, Option<Duration>),
    /// The last caller but so many hangs up.
    Leave(usize),
    Change(usize, bool),
    Plan(Vec<Plan>),
    /// So much of the vendor's budget is left.
    Budget(u32),
    Pass(Duration),
}

struct Day {
    clock: ManualClock,
    vendor: Arc<Model>,
    parts: Arc<Parts>,
    waiting: Vec<Waiting>,
    /// When the newest row that somebody got was read, by what it is, and since when that is known.
    newest: HashMap<(Asked, Option<usize>), Vec<Had>>,
    hits: u64,
    answers: u64,
}

/// When somebody had a row, and when it was read.
type Had = (Moment, u64);

struct Waiting {
    asked: Asked,
    max_age: Option<Duration>,
    since: Moment,
    answer: JoinHandle<(Result<Served, Failure>, Moment)>,
}

impl Day {
    fn begin() -> Self {
        let clock = ManualClock::at("2026-11-22T12:00:00Z".parse().unwrap());
        let vendor = Model::new(clock.clone());
        let shared: Arc<ManualClock> = Arc::new(clock.clone());
        let parts =
            Arc::new(Parts::new(&config(), vendor.clone(), shared, Arc::new(Metrics::new()), Traces::default()));
        let refreshed = Arc::clone(&parts);
        tokio::spawn(async move { refreshed.refresh_ahead().await });
        Self { clock, vendor, parts, waiting: Vec::new(), newest: HashMap::new(), hits: 0, answers: 0 }
    }

    async fn live(&mut self, ops: Vec<Op>) {
        for op in ops {
            match op {
                Op::Ask(asked, max_age) => self.ask(asked, max_age),
                Op::Leave(back) => {
                    if let Some(leaving) = self.waiting.len().checked_sub(back + 1) {
                        self.waiting.remove(leaving).answer.abort();
                    }
                }
                Op::Change(queue, there) => self.vendor.change(queue, there),
                Op::Plan(plans) => self.vendor.plan(plans),
                Op::Budget(remaining) => self.vendor.set_budget(remaining),
                Op::Pass(time) => self.pass(time).await,
            }
            self.settle().await;
        }
        self.pass(LONGEST_WAIT).await;
        assert!(self.waiting.is_empty(), "still waiting: {:?}", self.waiting[0].asked);
    }

    fn ask(&mut self, asked: Asked, max_age: Option<Duration>) {
        let (parts, clock) = (Arc::clone(&self.parts), self.clock.clone());
        let demand = Demand { max_age, only_if_cached: false };
        let (name, sees_all) = if asked.by_tenant { ("tenant", false) } else { ("app", true) };
        let caller = CallerName::try_from(name.to_owned()).unwrap();
        // Both callers use the same words.
        let words = format!("{:?}", Asked { by_tenant: false, ..asked.clone() });
        let question: Result<Arc<PreparedQuery>, ()> = parts.prepare(words.as_bytes(), || Ok(asked.query()));
        let answer = async move {
            let answer = parts.get(&question.unwrap(), demand, (&caller, sees_all), &RequestSpan::default()).await;
            (answer, clock.now())
        };
        let since = self.clock.now();
        self.waiting.push(Waiting { asked, max_age, since, answer: tokio::spawn(answer) });
    }

    async fn pass(&mut self, time: Duration) {
        let end = self.clock.now().after(time);
        while self.clock.now() < end {
            self.clock.advance(STEP);
            self.settle().await;
        }
    }

    /// Lets all go on that can, and looks at what was answered.
    async fn settle(&mut self) {
        for _ in 0..16 {
            yield_now().await;
        }
        let now = self.clock.now();
        for i in (0..self.waiting.len()).rev() {
            if self.waiting[i].answer.is_finished() {
                let waiting = self.waiting.swap_remove(i);
                let (answer, at) = waiting.answer.await.unwrap();
                self.check(&waiting.asked, waiting.max_age, waiting.since, at, answer);
            } else {
                assert!(
                    now.since(self.waiting[i].since) <= LONGEST_WAIT,
                    "waits for ever: {:?}",
                    self.waiting[i].asked
                );
            }
        }
    }

    fn check(
        &mut self,
        asked: &Asked,
        max_age: Option<Duration>,
        since: Moment,
        at: Moment,
        answer: Result<Served, Failure>,
    ) {
        self.answers += 1;
        self.check_wait(asked, since, at);
        match answer {
            Ok(served) => self.check_answer(asked, max_age, since, at, &served),
            Err(Failure { error, .. }) => self.check_failure(asked, max_age, since, at, &error),
        }
    }

    /// No request waits while nothing is fetched: from the request to the answer some call of the route was in progress. A
    /// rejected request may wait for the bisection of another, whatever its route.
    fn check_wait(&self, asked: &Asked, since: Moment, at: Moment) {
        let mut calls = self.vendor.landings();
        let is_rejected = asked.queues.iter().any(|queue| [REFUSED, FOREIGN].contains(queue));
        calls.retain(|landing| (landing.route == asked.route || is_rejected) && landing.landed >= since);
        calls.sort_by_key(|landing| landing.began);
        let mut covered = since;
        for call in calls {
            if call.began <= covered.after(STEP) {
                covered = covered.max(call.landed);
            }
        }
        assert!(at.since(covered) <= STEP, "{asked:?} waited while nothing was fetched");
    }

    fn check_answer(&mut self, asked: &Asked, max_age: Option<Duration>, since: Moment, at: Moment, served: &Served) {
        assert!(!asked.queues.contains(&REFUSED), "a rejection was papered over: {asked:?}");
        assert!(!asked.queues.contains(&FOREIGN), "a refused target was answered: {asked:?}");
        let shows_note = std::str::from_utf8(&served.body).unwrap().contains(NOTE);
        // It is shown to the other once it is known to be constant.
        assert!(!shows_note || has_note(asked.route) && !asked.by_tenant, "{asked:?}");
        self.hits += u64::from(matches!(served.found, Found::Hit { .. }));
        if matches!(served.found, Found::StaleIfError { .. }) {
            assert!(self.has_failed_call(asked, since), "{asked:?} was answered stale although no call failed");
        }
        let body: Value = serde_json::from_slice(&served.body).unwrap();
        let rows: Vec<(Option<usize>, &Value)> = if asked.is_about_queues() {
            let rows = body["data"]["result"].as_array().unwrap();
            let number = |row: &Value| {
                let name = row[id_member(asked.route)].as_str().unwrap();
                name.strip_prefix("queue-").unwrap().parse().unwrap()
            };
            rows.iter().map(|row| (Some(number(row)), row)).collect()
        } else {
            vec![(None, &body["data"])]
        };

        // Each once, in the order asked; what is not there was away not long ago.
        if asked.is_about_queues() {
            let got: Vec<usize> = rows.iter().filter_map(|(queue, _)| *queue).collect();
            let mut wanted = Vec::new();
            for queue in &asked.queues {
                let lately = Moment::default().after(since.since(Moment::default().after(NEGATIVE_TTL + LONGEST_WAIT)));
                if !wanted.contains(queue) && (got.contains(queue) || !self.vendor.was_away(*queue, lately, at)) {
                    wanted.push(*queue);
                }
            }
            assert_eq!(got, wanted, "{asked:?}");
        }

        let mut oldest = at;
        for (queue, row) in rows {
            let shape = asked.query().shape();
            assert_eq!(row["target"], shape.target(), "another route's row");
            assert_eq!(
                row["fields"],
                String::from_utf8(shape.body(&[]).unwrap_or_default().into()).unwrap(),
                "another shape's row"
            );
            let read = Moment::default().after(Duration::from_nanos(row["at"].as_u64().unwrap()));
            oldest = oldest.min(read);
            if let Some(queue) = queue {
                assert_eq!(self.vendor.truth(queue, read), row["version"].as_u64(), "this never was true: {asked:?}");
            }
            self.check_age(asked, max_age, since, at, read, served.found);
            self.check_order(asked, queue, since, at, read);
        }
        if !asked.is_about_queues() || served.parts.absent == 0 {
            assert_eq!(served.age, at.since(oldest), "{asked:?} is not as old as it says");
        }
    }

    /// Not too old: fresh when it is answered, or fetched since it was asked for, or in the stale window that is told.
    fn check_age(
        &self,
        asked: &Asked,
        max_age: Option<Duration>,
        since: Moment,
        at: Moment,
        read: Moment,
        found: Found,
    ) {
        let [ttl, revalidate, if_error] = windows(asked.route);
        let fetched =
            |landing: &Landing| landing.route == asked.route && landing.began == read && landing.landed >= since;
        if let Some(max_age) = max_age {
            let landings = self.vendor.landings();
            assert!(since.since(read) <= max_age || landings.iter().any(fetched), "older than demanded");
        }
        let age = at.since(read);
        let fresh_for = self.vendor.stretched(ttl, read, at);
        let good = match found {
            Found::Hit { stretched, .. } => age < if stretched { fresh_for } else { ttl.max(fresh_for) },
            Found::StaleWhileRevalidate { .. } => age < fresh_for.max(ttl + revalidate),
            Found::StaleIfError { .. } => age < fresh_for.max(ttl + if_error.max(revalidate)),
            Found::Fetched { .. } => {
                age < fresh_for.max(ttl + revalidate) || self.vendor.landings().iter().any(fetched)
            }
        };
        assert!(good, "{asked:?} was read {:?} before it was answered: {found:?}", age);
    }

    /// Never back: what was read is not older than what somebody had before this was asked for.
    fn check_order(&mut self, asked: &Asked, queue: Option<usize>, since: Moment, at: Moment, read: Moment) {
        let key = (Asked { queues: Vec::new(), ..asked.clone() }, queue);
        let had = self.newest.entry(key).or_default();
        let before = had.iter().filter(|(when, _)| *when < since).map(|(_, read)| *read).max();
        assert!(before.is_none_or(|before| before <= read.as_nanos()), "{asked:?} went back");
        had.push((at, read.as_nanos()));
    }

    /// Whether a call of the route has failed since the request came.
    fn has_failed_call(&self, asked: &Asked, since: Moment) -> bool {
        let landings = self.vendor.landings();
        let mut own = landings.iter().filter(|landing| landing.route == asked.route && landing.landed >= since);
        own.any(|landing| landing.outcome != Outcome::Good)
    }

    fn check_failure(&self, asked: &Asked, max_age: Option<Duration>, since: Moment, at: Moment, error: &FetchError) {
        let refused = matches!(error, FetchError::Refused { .. } | FetchError::Upstream(UpstreamError::Rejected(_)));
        if refused {
            assert!(asked.queues.contains(&REFUSED), "{asked:?} was rejected for another's bad id");
            let words = match error {
                FetchError::Refused { rejection, .. } | FetchError::Upstream(UpstreamError::Rejected(rejection)) => {
                    &rejection.words
                }
                _ => unreachable!(),
            };
            let named = (0..=FOREIGN).filter(|queue| words.contains(&queue.to_string())).collect::<Vec<_>>();
            assert!(named.iter().all(|queue| asked.queues.contains(queue)), "{asked:?} was told of {named:?}");
            return;
        }
        if matches!(error, FetchError::Upstream(UpstreamError::TargetRefused { .. })) {
            assert!(asked.queues.contains(&FOREIGN), "{asked:?} failed for another's target");
            return;
        }
        assert!(self.has_failed_call(asked, since), "{asked:?} failed with {error} although no call did");
        // What may stand in stands in. Of queues it is not known here which row came with which call.
        if !asked.is_about_queues() && max_age.is_none() {
            let [ttl, _, if_error] = windows(asked.route);
            let key = (Asked { queues: Vec::new(), ..asked.clone() }, None);
            let held = self.newest.get(&key).into_iter().flatten().map(|(_, read)| *read).max();
            let held = held.map(|read| at.since(Moment::default().after(Duration::from_nanos(read))));
            assert!(held.is_none_or(|age| age >= ttl + if_error), "{asked:?} failed with an answer at hand");
        }
    }
}

fn asked() -> impl Strategy<Value = Asked> {
    // Mostly good queues in any order, some twice; sometimes the one that is refused.
    let queues = vec(prop_oneof![30 => 0..QUEUES, 1 => Just(REFUSED), 1 => Just(FOREIGN)], 1..7);
    let by_tenant = prop::bool::weighted(0.4);
    (by_tenant, prop::sample::select(&ROUTES[..]), any::<bool>(), queues).prop_map(
        |(by_tenant, route, other_shape, mut queues)| {
            if matches!(route, Route::Organization | Route::Questions) {
                queues.clear();
            }
            if by_tenant {
                queues.iter_mut().filter(|queue| **queue < QUEUES).for_each(|queue| *queue %= TENANT_QUEUES);
            }
            Asked { by_tenant, route, other_shape: other_shape && route != Route::Organization, queues }
        },
    )
}

fn plan() -> impl Strategy<Value = Plan> {
    let latency = prop_oneof![4 => 20_u64..400, 1 => 400_u64..6000].prop_map(Duration::from_millis);
    let outcome = prop_oneof![6 => Just(Outcome::Good), 3 => Just(Outcome::Fails), 1 => Just(Outcome::Panics)];
    (latency, outcome).prop_map(|(latency, outcome)| Plan { latency, outcome })
}

fn op() -> impl Strategy<Value = Op> {
    let max_age = prop_oneof![9 => Just(None), 1 => (0_u64..4).prop_map(|s| Some(Duration::from_secs(s)))];
    prop_oneof![
        8 => (asked(), max_age).prop_map(|(asked, max_age)| Op::Ask(asked, max_age)),
        1 => (0_usize..3).prop_map(Op::Leave),
        3 => (0..QUEUES, prop::bool::weighted(0.8)).prop_map(|(queue, there)| Op::Change(queue, there)),
        2 => vec(plan(), 0..8).prop_map(Op::Plan),
        1 => (0..=BURST).prop_map(Op::Budget),
        6 => (1_u64..150).prop_map(|steps| Op::Pass(STEP * u32::try_from(steps).unwrap())),
    ]
}

fn in_a_day<T>(day: impl AsyncFnOnce(Day) -> T) -> T {
    // A planned panic is no news.
    std::panic::set_hook(Box::new(|panic| {
        if panic.payload_as_str() != Some("planned") {
            eprintln!("{panic}");
        }
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { day(Day::begin()).await })
}

/// The same days each time, so that a failure is the change's. Others, and more of them, are lived with
/// `MODEL_SEED=2 MODEL_TIMES=50 cargo test --release --test model`.
fn days(cases: u32) -> ProptestConfig {
    let number = |text: Option<&str>, usual: u32| text.map_or(usual, |text| text.parse().unwrap());
    ProptestConfig {
        cases: cases * number(option_env!("MODEL_TIMES"), 1),
        rng_seed: RngSeed::Fixed(number(option_env!("MODEL_SEED"), 1).into()),
        max_shrink_iters: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(days(64))]

    #[test]
    fn whatever_happens_an_answer_is_true_and_says_so(ops in vec(op(), 1..70)) {
        in_a_day(async |mut day| day.live(ops).await);
    }
}

/// Requests for some of a few queues while calls take about as long as a row stays fresh, and none fails.
fn slow_op() -> impl Strategy<Value = Op> {
    let latency = (500_u64..4000).prop_map(Duration::from_millis);
    let plan = latency.prop_map(|latency| Plan { latency, outcome: Outcome::Good });
    let asked = (prop::sample::select(vec![Route::QueueSummary, Route::QueueActivity]), vec(0..QUEUES, 1..3));
    let asked = asked.prop_map(|(route, queues)| Asked { by_tenant: false, route, other_shape: false, queues });
    prop_oneof![
        6 => asked.prop_map(|asked| Op::Ask(asked, None)),
        2 => vec(plan, 1..8).prop_map(Op::Plan),
        6 => (1_u64..60).prop_map(|steps| Op::Pass(STEP * u32::try_from(steps).unwrap())),
    ]
}

proptest! {
    #![proptest_config(days(64))]

    #[test]
    fn rows_that_expire_while_others_are_fetched_fail_no_answer(ops in vec(slow_op(), 1..40)) {
        in_a_day(async |mut day| day.live(ops).await);
    }
}

proptest! {
    #![proptest_config(days(16))]

    /// After any such day, callers who ask twice a second never wait, and the vendor gets about one call a `ttl` for
    /// each shape, whatever sets they ask for.
    #[test]
    fn who_asks_steadily_never_waits_and_costs_the_least(
        ops in vec(op(), 0..30),
        sets in vec(subsequence((0..4_usize).collect::<Vec<_>>(), 1..=4), 1..4),
        route in prop::sample::select(&ROUTES[..]),
    ) {
        in_a_day(async |mut day| {
            day.live(ops).await;
            day.vendor.plan([]);
            day.vendor.set_budget(BURST);
            (0..QUEUES).for_each(|queue| day.vendor.change(queue, true));
            let [ttl, ..] = windows(route);
            let about_queues = !matches!(route, Route::Organization | Route::Questions);
            // The time that calls took is remembered for sixteen of them.
            let (warm, measured) = (ttl * 20, ttl * 10);
            let begin = day.clock.now().after(warm);
            let end = begin.after(measured);
            let mut before = None;
            while day.clock.now() < end {
                if day.clock.now() >= begin && before.is_none() {
                    before = Some((day.hits, day.answers, day.vendor.landings().len()));
                }
                for queues in &sets {
                    let queues = if about_queues { queues.clone() } else { Vec::new() };
                    day.ask(Asked { by_tenant: false, route, other_shape: false, queues }, None);
                }
                day.settle().await;
                day.pass(Duration::from_millis(500)).await;
            }
            let (hits, answers, calls) = before.unwrap();
            assert_eq!(day.hits - hits, day.answers - answers, "somebody waited");
            let calls = day.vendor.landings().len() - calls;
            // Each a lead before the end of a `ttl`: 130 ms and a step; and one for the edges.
            let least = measured.as_secs_f64() / (ttl.as_secs_f64() - 0.15);
            #[expect(clippy::cast_precision_loss)]
            let calls = calls as f64;
            assert!(calls <= least.ceil() + 1.0, "{calls} calls, {least} would do");
        });
    }
}
