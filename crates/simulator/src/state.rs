//! The state of a simulator, behind one lock, and the signals that requests wait for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use tokio::sync::watch;

use super::accounts::Account;
use super::call_history::{CallHistory, Recorded};
use super::data::queues::{self, Queue};
use super::faults::Fault;
use super::options::Options;
use super::rng::rng;
use super::route::Route;
use super::time::milliseconds;
use super::token::Tokens;

/// The most faults that are enqueued for one route. Further ones are dropped.
const MAX_ENQUEUED: usize = 10_000;

/// The part of a simulator that its handles share.
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) queues: Vec<Queue>,
    state: Mutex<State>,
    /// The number of requests that have arrived, by route.
    pub(crate) arrivals: watch::Sender<BTreeMap<Route, u64>>,
    /// The active blocks, by number.
    pub(crate) blocks: watch::Sender<BTreeMap<u64, Route>>,
    /// Changes when a server closes, which ends every wait.
    pub(crate) closing: watch::Sender<u64>,
}

/// The mutable part.
pub(crate) struct State {
    pub(crate) account: Account,
    pub(crate) tokens: Tokens,
    pub(crate) answers: BTreeMap<Route, Bytes>,
    /// Whether an answer was ever replaced.
    pub(crate) has_override: bool,
    /// The place of the token in the answer to a login, as a JSON pointer.
    pub(crate) token_pointer: String,
    /// The scheme that `Authorization` must have.
    pub(crate) scheme: Option<String>,
    pub(crate) history: CallHistory,
    enqueued: BTreeMap<Route, VecDeque<Fault>>,
    rng: SmallRng,
    blocks: u64,
}

impl State {
    /// Returns a number that no block has had.
    pub(crate) fn next_block(&mut self) -> u64 {
        self.blocks += 1;
        self.blocks
    }

    pub(crate) fn enqueue_fault(&mut self, route: Route, fault: Fault) {
        let faults = self.enqueued.entry(route).or_default();
        if faults.len() < MAX_ENQUEUED {
            faults.push_back(fault);
        }
    }

    pub(crate) fn clear_faults(&mut self, route: Route) {
        self.enqueued.remove(&route);
    }
}

/// Settled when a request arrives.
pub(crate) struct Decision {
    pub(crate) fault: Option<Fault>,
    pub(crate) latency: Duration,
    /// The blocks that were active.
    pub(crate) blocked_by: Vec<u64>,
}

impl Inner {
    pub(crate) fn new(options: Options) -> Self {
        let seed = options.seed;
        let state = State {
            account: Account::new(seed, options.credentials.clone()),
            tokens: Tokens::new(seed),
            answers: BTreeMap::new(),
            has_override: false,
            token_pointer: "/data/access_token".to_owned(),
            scheme: None,
            history: CallHistory::new(),
            enqueued: BTreeMap::new(),
            rng: rng(("faults", seed)),
            blocks: 0,
        };
        Self {
            queues: queues::all(seed),
            options,
            state: Mutex::new(state),
            arrivals: watch::Sender::default(),
            blocks: watch::Sender::default(),
            closing: watch::Sender::default(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time in milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        milliseconds((self.options.now)())
    }

    /// Records a request, decides on it, and signals its arrival. The fault that the request names takes precedence over
    /// an enqueued one, and that over a random one.
    pub(crate) fn on_request(&self, route: Route, request: Recorded, named: Option<Fault>) -> Decision {
        let blocked_by =
            self.blocks.borrow().iter().filter(|(_, blocked)| **blocked == route).map(|(id, _)| *id).collect();
        let decision = {
            let mut state = self.state();
            state.history.arrive(route, request);
            let fault = named
                .or_else(|| state.enqueued.get_mut(&route).and_then(VecDeque::pop_front))
                .or_else(|| self.random_fault(&mut state.rng, route));
            if let Some(fault) = fault {
                state.history.fault(fault);
            }
            let latency = self.options.latency.at(state.rng.random());
            Decision { fault, latency, blocked_by }
        };
        self.arrivals.send_modify(|arrivals| *arrivals.entry(route).or_default() += 1);
        decision
    }

    fn random_fault(&self, rng: &mut SmallRng, route: Route) -> Option<Fault> {
        let mut rules = self.options.faults.iter().filter(|rule| rule.applies_to(route));
        rules.find(|rule| rng.random::<f64>() < rule.probability()).map(|rule| rule.fault())
    }
}
