//! A vendor that rejects each call with a bad id in it, and says which ids it held.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;
use tokio::task::{JoinHandle, yield_now};
use wesal_gateway::{
    clock::{Clock, ManualClock, Moment},
    config::Config,
    fetch::{Demand, Failure, FetchError, Parts, PreparedQuery, Served},
    model::{CallerName, Figures, Forwarded, Query, QueueId, QueuesQuery, Shape, Subject},
    telemetry::{Metrics, Traces, traces::RequestSpan},
    upstream::{Answer, Budget, Called, Effort, Rejection, TargetState, UpstreamError, Vendor, VendorCall},
};

pub const LATENCY: Duration = Duration::from_millis(300);

/// Ids that begin so are bad.
const BAD: &str = "bad";

/// One call, as the vendor saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub began: Moment,
    pub queues: Vec<String>,
    pub caller: Option<String>,
}

pub struct Rejecting {
    clock: ManualClock,
    calls: Mutex<Vec<Seen>>,
    /// How long the next calls take, where they differ from `LATENCY`.
    pub latencies: Mutex<Vec<Duration>>,
    /// Ids that are bad although they do not begin so.
    pub gone: Mutex<Vec<String>>,
    failing: AtomicU32,
    /// Whether it writes all ids in capitals, each once.
    pub upper: Mutex<bool>,
    /// Whether the envelope says how many rows there are.
    pub counts: AtomicBool,
}

impl Rejecting {
    /// The next calls fail.
    pub fn fail(&self, calls: u32) {
        self.failing.store(calls, Ordering::Relaxed);
    }

    pub fn calls(&self) -> Vec<Seen> {
        self.calls.lock().unwrap().clone()
    }

    fn answer(&self, queues: &[String], began: Moment) -> Result<String, UpstreamError> {
        let gone = self.gone.lock().unwrap();
        if queues.iter().any(|id| id.starts_with(BAD) || gone.contains(id)) {
            let words = format!("in a call with {}", queues.join(" "));
            return Err(UpstreamError::Rejected(Rejection { status: 400, code: None, words }));
        }
        let row =
            |id: &String| json!({"id": id, "at": u64::try_from(began.since(Moment::default()).as_millis()).unwrap()});
        let mut queues = queues.to_vec();
        if *self.upper.lock().unwrap() {
            queues.iter_mut().for_each(|id| id.make_ascii_uppercase());
            queues.sort();
            queues.dedup();
        }
        let rows: Vec<_> = queues.iter().map(row).collect();
        let mut answer = json!({"data": {"success": true, "result": rows}, "success": true});
        if self.counts.load(Ordering::Relaxed) {
            answer["data"]["total"] = queues.len().into();
        }
        Ok(answer.to_string())
    }
}

impl Vendor for Rejecting {
    fn queue_target(&self, _: &Shape, _: &QueueId) -> TargetState {
        TargetState::Allowed
    }

    fn call<'a>(&'a self, call: VendorCall<'a>) -> BoxFuture<'a, Called> {
        async move {
            let (began, began_at) = (self.clock.now(), self.clock.wall());
            let queues: Vec<String> = call.queues.iter().map(|id| id.as_str().to_owned()).collect();
            let caller = call.caller.map(|caller| caller.as_str().to_owned());
            self.calls.lock().unwrap().push(Seen { began, queues: queues.clone(), caller });
            let latency = self.latencies.lock().unwrap().pop().unwrap_or(LATENCY);
            let answer = self.answer(&queues, began);
            self.clock.sleep_until(began.after(latency)).await;
            let fails = self.failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            let result = match fails {
                Ok(_) => Err(UpstreamError::Unreachable),
                Err(_) => answer.map(|body| Answer { body: body.into(), began, began_at }),
            };
            Called { result, began, effort: Effort { calls: 1, time: latency } }
        }
        .boxed()
    }

    fn budget(&self) -> Budget {
        Budget { remaining: 30, burst: 30 }
    }
}

pub type Asked = JoinHandle<(Result<Served, Failure>, Duration)>;

/// A cache before such a vendor, and a clock that moves only when told.
pub struct Scene {
    pub clock: ManualClock,
    pub vendor: Arc<Rejecting>,
    pub parts: Arc<Parts>,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        let clock = ManualClock::at("2026-11-22T12:00:00Z".parse().unwrap());
        let vendor = Arc::new(Rejecting {
            clock: clock.clone(),
            calls: Mutex::default(),
            latencies: Mutex::default(),
            gone: Mutex::default(),
            failing: AtomicU32::new(0),
            upper: Mutex::default(),
            counts: AtomicBool::new(false),
        });
        let shared: Arc<ManualClock> = Arc::new(clock.clone());
        let parts = Arc::new(Parts::new(&config, vendor.clone(), shared, Arc::new(Metrics::new()), Traces::default()));
        let refreshed = Arc::clone(&parts);
        tokio::spawn(async move { refreshed.refresh_ahead().await });
        Self { clock, vendor, parts }
    }

    /// `caller` asks for the summary of these queues. Ends with the answer, and how long it took.
    pub fn ask(&self, caller: &str, queues: &[String]) -> Asked {
        let (parts, clock) = (Arc::clone(&self.parts), self.clock.clone());
        let caller = CallerName::try_from(caller.to_owned()).unwrap();
        let queues: Vec<QueueId> = queues.iter().map(|id| QueueId::try_from(id.clone()).unwrap()).collect();
        let query = QueuesQuery { figures: Figures::Summary, queues: queues.into(), extended: None };
        let query = Query { subject: Subject::Queues(query), forwarded: Forwarded::default() };
        tokio::spawn(async move {
            let since = clock.now();
            let question = Arc::new(PreparedQuery::once(&query));
            let span = RequestSpan::default();
            let answer = parts.get(&question, Demand::default(), (&caller, true), &span).await;
            (answer, clock.now().since(since))
        })
    }

    /// Lets time pass, and all go on that can.
    pub async fn pass(&self, time: Duration) {
        const STEP: Duration = Duration::from_millis(10);
        let end = self.clock.now().after(time);
        while self.clock.now() < end {
            self.clock.advance(STEP.min(end.since(self.clock.now())));
            self.settle().await;
        }
    }

    pub async fn settle(&self) {
        for _ in 0..40 {
            yield_now().await;
        }
    }

    /// The answer to what was asked, once time has passed.
    pub async fn end(&self, asked: Asked) -> (Result<Served, Failure>, Duration) {
        while !asked.is_finished() {
            self.pass(Duration::from_millis(10)).await;
        }
        asked.await.unwrap()
    }
}

/// `number` ids that begin with `prefix`.
pub fn ids(prefix: &str, number: usize) -> Vec<String> {
    (0..number).map(|i| format!("{prefix}-{i}")).collect()
}

/// The places of the rejected queues, and the vendor's words.
pub fn rejected(answer: Result<Served, Failure>) -> (Vec<usize>, String) {
    match answer.map(drop).map_err(|failure| failure.error) {
        Err(FetchError::Refused { rejection, queues }) => (queues, rejection.words),
        Err(FetchError::Upstream(UpstreamError::Rejected(rejection))) => (Vec::new(), rejection.words),
        other => panic!("not rejected: {other:?}"),
    }
}

/// When the oldest row was read, in milliseconds since the clock's beginning.
pub fn oldest(served: &Served) -> u64 {
    let answer: serde_json::Value = serde_json::from_slice(&served.body).unwrap();
    let rows = answer["data"]["result"].as_array().unwrap();
    rows.iter().map(|row| row["at"].as_u64().unwrap()).min().unwrap()
}
