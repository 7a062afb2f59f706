//! What a simulator remembers, behind one lock, and what its calls wait for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::accounts::Account;
use super::data::queues::{self, Queue};
use super::faults::Fault;
use super::options::Options;
use super::random::Dice;
use super::route::Route;
use super::stats::{Ledger, Recorded};
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
    /// The holds in force, by number.
    pub(crate) holds: watch::Sender<BTreeMap<u64, Route>>,
    /// Changes when a server closes: whatever waits then waits no longer.
    pub(crate) closing: watch::Sender<u64>,
}

/// The changing part.
pub(crate) struct State {
    pub(crate) account: Account,
    pub(crate) tokens: Tokens,
    pub(crate) answers: BTreeMap<Route, Bytes>,
    /// Whether it has ever been told what to answer.
    pub(crate) was_told: bool,
    /// Where the token stands in the answer to a login.
    pub(crate) token_pointer: String,
    /// The word before the token in `Authorization`, if there is to be one.
    pub(crate) scheme: Option<String>,
    pub(crate) ledger: Ledger,
    scripts: BTreeMap<Route, VecDeque<Fault>>,
    dice: Dice,
    holds: u64,
}

impl State {
    /// A number that no hold had before.
    pub(crate) fn next_hold(&mut self) -> u64 {
        self.holds += 1;
        self.holds
    }

    pub(crate) fn script(&mut self, route: Route, fault: Fault) {
        let script = self.scripts.entry(route).or_default();
        if script.len() < SCRIPTED {
            script.push_back(fault);
        }
    }

    pub(crate) fn unscript(&mut self, route: Route) {
        self.scripts.remove(&route);
    }
}

/// What is settled when a call arrives.
pub(crate) struct Fate {
    pub(crate) fault: Option<Fault>,
    pub(crate) latency: Duration,
    /// The holds that were in force.
    pub(crate) held_by: Vec<u64>,
}

impl Inner {
    pub(crate) fn new(options: Options) -> Self {
        let seed = options.seed;
        let state = State {
            account: Account::new(seed, options.credentials.clone()),
            tokens: Tokens::new(seed),
            answers: BTreeMap::new(),
            was_told: false,
            token_pointer: "/data/access_token".to_owned(),
            scheme: None,
            ledger: Ledger::default(),
            scripts: BTreeMap::new(),
            dice: Dice::new(seed),
            holds: 0,
        };
        Self {
            queues: queues::all(seed),
            options,
            state: Mutex::new(state),
            arrivals: watch::Sender::default(),
            holds: watch::Sender::default(),
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

    /// Writes a call down, lets its fate be known, and tells those who wait for arrivals. A fault asked for by the
    /// call itself goes before a scripted one, and that before chance.
    pub(crate) fn arrive(&self, route: Route, call: Recorded, asked: Option<Fault>) -> Fate {
        let held_by = self.holds.borrow().iter().filter(|(_, held)| **held == route).map(|(id, _)| *id).collect();
        let fate = {
            let mut state = self.state();
            state.ledger.arrive(route, call);
            let fault = asked
                .or_else(|| state.scripts.get_mut(&route).and_then(VecDeque::pop_front))
                .or_else(|| self.by_chance(&mut state.dice, route));
            if let Some(fault) = fault {
                state.ledger.fault(fault);
            }
            let latency = self.options.latency.at(state.dice.fraction());
            Fate { fault, latency, held_by }
        };
        self.arrivals.send_modify(|arrivals| *arrivals.entry(route).or_default() += 1);
        fate
    }

    fn by_chance(&self, dice: &mut Dice, route: Route) -> Option<Fault> {
        let mut rules = self.options.faults.iter().filter(|rule| rule.applies_to(route));
        rules.find(|rule| dice.fraction() < rule.probability()).map(|rule| rule.fault())
    }
}
