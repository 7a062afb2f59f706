//! What a simulator remembers, behind one lock, and what its calls wait for.

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

/// How many faults may be scripted ahead for one route; further ones are dropped.
const SCRIPTED: usize = 10_000;

/// A simulator's inside, shared by its handles.
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) queues: Vec<Queue>,
    state: Mutex<State>,
    /// How many calls of each route have arrived.
    pub(crate) arrivals: watch::Sender<BTreeMap<Route, u64>>,
    /// The blocks in force, by number.
    pub(crate) blocks: watch::Sender<BTreeMap<u64, Route>>,
    /// Changes when a server closes: whatever waits then waits no longer.
    pub(crate) closing: watch::Sender<u64>,
}

/// The changing part.
pub(crate) struct State {
    pub(crate) account: Account,
    pub(crate) tokens: Tokens,
    pub(crate) answers: BTreeMap<Route, Bytes>,
    /// Whether it has ever been told what to answer.
    pub(crate) has_override: bool,
    /// Where the token stands in the answer to a login.
    pub(crate) token_pointer: String,
    /// The word before the token in `Authorization`, if there is to be one.
    pub(crate) scheme: Option<String>,
    pub(crate) history: CallHistory,
    scripts: BTreeMap<Route, VecDeque<Fault>>,
    rng: SmallRng,
    blocks: u64,
}

impl State {
    /// A number that no block had before.
    pub(crate) fn next_block(&mut self) -> u64 {
        self.blocks += 1;
        self.blocks
    }

    pub(crate) fn enqueue_fault(&mut self, route: Route, fault: Fault) {
        let script = self.scripts.entry(route).or_default();
        if script.len() < SCRIPTED {
            script.push_back(fault);
        }
    }

    pub(crate) fn clear_faults(&mut self, route: Route) {
        self.scripts.remove(&route);
    }
}

/// What is settled when a call arrives.
pub(crate) struct Decision {
    pub(crate) fault: Option<Fault>,
    pub(crate) latency: Duration,
    /// The blocks that were in force.
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
            history: CallHistory::default(),
            scripts: BTreeMap::new(),
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

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        milliseconds((self.options.now)())
    }

    /// Writes a call down, lets its decision be known, and tells those who wait for arrivals. A fault asked for by the
    /// call itself goes before a scripted one, and that before chance.
    pub(crate) fn on_request(&self, route: Route, call: Recorded, asked: Option<Fault>) -> Decision {
        let blocked_by =
            self.blocks.borrow().iter().filter(|(_, blocked)| **blocked == route).map(|(id, _)| *id).collect();
        let decision = {
            let mut state = self.state();
            state.history.arrive(route, call);
            let fault = asked
                .or_else(|| state.scripts.get_mut(&route).and_then(VecDeque::pop_front))
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
