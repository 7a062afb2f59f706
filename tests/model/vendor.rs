//! A vendor that remembers all that was ever true, and writes into each row when it was read.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use wesal_gateway::{
    cache::Stretch,
    clock::{Clock, ManualClock, Moment},
    model::{QueueId, Route, Shape},
    upstream::{Answer, Budget, Called, Effort, Rejection, TargetState, UpstreamError, Vendor, VendorCall},
};

/// Queues that there may be, one more that the vendor rejects, and one for which it refuses our credentials.
pub const QUEUES: usize = 7;
pub const REFUSED: usize = QUEUES;
pub const FOREIGN: usize = QUEUES + 1;
/// Those that the restricted caller may see.
pub const TENANT_QUEUES: usize = 3;
/// A member of the envelope that the restricted caller must not see.
pub const NOTE: &str = "for all to see";
/// How long a refused target is left alone.
const BACKOFF: Duration = Duration::from_secs(2);
/// The vendor's budget at best, and how far it stretches a `ttl` when it is spent.
pub const BURST: u32 = 4;
pub const MAX_STRETCH: f64 = 2.5;

/// How a call goes.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub latency: Duration,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Good,
    Fails,
    Panics,
}

/// A call that came to its end.
#[derive(Clone, Debug)]
pub struct Landing {
    pub route: Route,
    pub began: Moment,
    pub landed: Moment,
    pub outcome: Outcome,
}

/// What was true of a queue from some moment on: its version, or that it is not there.
type History = Vec<(Moment, Option<u64>)>;

pub struct Model {
    clock: ManualClock,
    state: Mutex<State>,
}

struct State {
    /// What was left of the budget, from some moment on.
    budgets: Vec<(Moment, u32)>,
    queues: Vec<History>,
    plans: VecDeque<Plan>,
    landings: Vec<Landing>,
    begun: u64,
    /// Until when the foreign queue is left alone, once it was refused alone.
    foreign_until: Option<Moment>,
}

/// Whether the answers of a route have the further member.
pub fn has_note(route: Route) -> bool {
    route == Route::QueuePerformance
}

pub fn id(queue: usize) -> QueueId {
    QueueId::try_from(format!("queue-{queue}")).unwrap()
}

/// The member that names a row's queue.
pub fn id_member(route: Route) -> &'static str {
    match route {
        Route::QueueSummary => "id",
        Route::QueueActivity => "queueId",
        _ => "queryId",
    }
}

impl Model {
    pub fn new(clock: ManualClock) -> Arc<Self> {
        let now = clock.now();
        let queues = (0..=FOREIGN).map(|_| vec![(now, Some(0))]).collect();
        let state = State {
            budgets: vec![(now, BURST)],
            queues,
            plans: VecDeque::new(),
            landings: Vec::new(),
            begun: 0,
            foreign_until: None,
        };
        Arc::new(Self { clock, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A queue's figures change now; or the queue is gone, or there again.
    pub fn change(&self, queue: usize, there: bool) {
        // Not in the moment in which a call read what was true before.
        self.clock.advance(Duration::from_nanos(1));
        let now = self.clock.now();
        let mut state = self.state();
        let history = &mut state.queues[queue];
        let last = history.iter().filter_map(|(_, version)| *version).max().unwrap();
        history.push((now, there.then_some(last + 1)));
    }

    /// From now on so much of the budget is left.
    pub fn set_budget(&self, remaining: u32) {
        let now = self.clock.now();
        self.state().budgets.push((now, remaining));
    }

    /// The furthest that a `ttl` may have been stretched at some moment from `from` to `to`.
    pub fn stretched(&self, ttl: Duration, from: Moment, to: Moment) -> Duration {
        let state = self.state();
        let before = state.budgets.iter().rev().find(|(since, _)| *since <= from);
        let within = state.budgets.iter().filter(|(since, _)| (from..=to).contains(since));
        let least = before.into_iter().chain(within).map(|(_, remaining)| *remaining).min().unwrap();
        Stretch::new(least, BURST, MAX_STRETCH).of(ttl)
    }

    /// The next calls go so; when there is no plan left, they are quick and good.
    pub fn plan(&self, plans: impl IntoIterator<Item = Plan>) {
        let mut state = self.state();
        state.plans = plans.into_iter().collect();
    }

    pub fn landings(&self) -> Vec<Landing> {
        self.state().landings.clone()
    }

    /// What was true of a queue at a moment.
    pub fn truth(&self, queue: usize, at: Moment) -> Option<u64> {
        let state = self.state();
        state.queues[queue].iter().rev().find(|(since, _)| *since <= at).unwrap().1
    }

    /// Whether a queue was away at some moment from `from` to `to`.
    pub fn was_away(&self, queue: usize, from: Moment, to: Moment) -> bool {
        let state = self.state();
        let changes = state.queues[queue].iter().filter(|(since, _)| (from..=to).contains(since));
        changes.map(|(_, version)| version).any(Option::is_none) || {
            drop(state);
            self.truth(queue, from.max(Moment::default())).is_none()
        }
    }

    fn answer(&self, shape: &Shape, queues: &[QueueId], began: Moment, call: u64) -> Result<String, UpstreamError> {
        let stamp = format!(
            r#""target":"{}","fields":{:?},"at":{},"call":{call}"#,
            shape.target(),
            String::from_utf8(shape.body(&[]).unwrap_or_default().into()).unwrap(),
            began.as_nanos()
        );
        if queues.is_empty() {
            return Ok(format!(r#"{{"data":{{{stamp}}},"success":true}}"#));
        }
        let numbers: Vec<usize> = (0..=FOREIGN).filter(|queue| queues.contains(&id(*queue))).collect();
        assert_eq!(numbers.len(), queues.len(), "an id that nobody asked for, or one twice");
        if numbers.contains(&REFUSED) {
            let words = format!("simulated {numbers:?}");
            return Err(UpstreamError::Rejected(Rejection { status: 400, code: None, words }));
        }
        if numbers.contains(&FOREIGN) {
            if numbers.len() == 1 {
                let now = self.clock.now();
                self.state().foreign_until = Some(now.after(BACKOFF));
            }
            return Err(UpstreamError::TargetRefused { retry_after: BACKOFF });
        }
        // In an order of its own.
        let row = |queue: &usize| {
            let version = self.truth(*queue, began)?;
            let member = id_member(shape.route());
            Some(format!(r#"{{"{member}":"{}","version":{version},{stamp}}}"#, id(*queue).as_str()))
        };
        let rows: Vec<String> = numbers.iter().rev().filter_map(row).collect();
        // A further member of the envelope, which is constant.
        let note = if has_note(shape.route()) { format!(r#""note":"{NOTE}","#) } else { String::new() };
        Ok(format!(r#"{{"data":{{"success":true,{note}"result":[{}]}},"success":true}}"#, rows.join(",")))
    }
}

impl Vendor for Model {
    fn queue_target(&self, _: &Shape, queue: &QueueId) -> TargetState {
        if *queue != id(FOREIGN) {
            return TargetState::Allowed;
        }
        match self.state().foreign_until {
            None => TargetState::Allowed,
            Some(until) if until <= self.clock.now() => TargetState::Suspect,
            Some(until) => TargetState::Backoff(until.since(self.clock.now())),
        }
    }

    fn call<'a>(&'a self, call: VendorCall<'a>) -> BoxFuture<'a, Called> {
        async move {
            let VendorCall { shape, queues, .. } = call;
            let (began, began_at) = (self.clock.now(), self.clock.wall());
            let quick = Plan { latency: Duration::from_millis(100), outcome: Outcome::Good };
            let (plan, call) = {
                let mut state = self.state();
                state.begun += 1;
                (state.plans.pop_front().unwrap_or(quick), state.begun)
            };
            // Read when the call begins: who counts from its end serves what is too old.
            let body = self.answer(shape, queues, began, call);
            self.clock.sleep_until(began.after(plan.latency)).await;
            let landed = self.clock.now();
            self.state().landings.push(Landing { route: shape.route(), began, landed, outcome: plan.outcome });
            let result = match plan.outcome {
                Outcome::Good => body.map(|body| Answer { body: body.into(), began, began_at }),
                Outcome::Fails => Err(UpstreamError::Unreachable),
                Outcome::Panics => panic!("planned"),
            };
            Called { result, began, effort: Effort { calls: 1, time: landed.since(began) } }
        }
        .boxed()
    }

    fn budget(&self) -> Budget {
        Budget { remaining: self.state().budgets.last().unwrap().1, burst: BURST }
    }
}
