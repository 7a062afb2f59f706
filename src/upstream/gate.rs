//! Admission of calls to the vendor: connection slots, vendor pauses, breaker and call budget, checked together immediately
//! before a request is written. A waiting call holds nothing.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    breaker::{Breaker, BreakerState, Pass},
    budget::CallBudget,
    error::UpstreamError,
    vendor::Budget,
};
use crate::{
    clock::{Moment, SharedClock, before},
    config::UpstreamConfig,
    model::CallerName,
};

/// Calls that wait for admission.
const MAX_WAITING: usize = 4096;

/// The shortest interval at which a waiting call is checked again, beside the times at which it is woken.
const MIN_RECHECK: Duration = Duration::from_millis(100);

/// Admits calls. Calls of different callers are admitted round-robin.
pub(super) struct Gate {
    state: Mutex<State>,
    max_wait: Duration,
    clock: SharedClock,
}

/// The queue that a call waits in: first in, first out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Queue {
    /// The password routes. They have a pause of their own and are no breaker probe.
    Account,
    /// Refresh-ahead, charged to no caller.
    RefreshAhead,
    Caller(CallerName),
}

/// What a call wants of the gate.
pub(super) struct Entry<'a> {
    pub(super) queue: Queue,
    pub(super) deadline: Moment,
    /// The time that all tries of the call have waited for the budget and for pauses.
    pub(super) waited: &'a mut Duration,
}

struct State {
    free_slots: usize,
    breaker: Breaker,
    pauses: Pauses,
    budget: CallBudget,
    shares: Shares,
    /// The front is admitted next, if it can be.
    queues: VecDeque<(Queue, VecDeque<Waiter>)>,
    next_id: u64,
}

struct Waiter {
    id: u64,
    wake: Arc<Notify>,
}

/// The end of the vendor's pauses. A 429 on a password route concerns that account and stops no data route.
#[derive(Default)]
struct Pauses {
    data: Moment,
    account: Moment,
}

impl Pauses {
    fn of(&mut self, is_account: bool) -> &mut Moment {
        if is_account { &mut self.account } else { &mut self.data }
    }
}

/// The recent calls of each caller, forgotten at the rate at which the budget refills.
struct Shares {
    each: Duration,
    /// When the last of a caller's calls is forgotten. Only callers of the configuration have an entry.
    forgotten_at: HashMap<CallerName, Moment>,
}

impl Shares {
    fn spent(&self, caller: &CallerName, now: Moment) -> u32 {
        let left = self.forgotten_at.get(caller).map_or(Duration::ZERO, |at| at.since(now));
        u32::try_from(left.as_nanos().div_ceil(self.each.as_nanos().max(1))).unwrap_or(u32::MAX)
    }

    fn spend(&mut self, caller: &CallerName, now: Moment) {
        self.forgotten_at.retain(|_, at| *at > now);
        let at = self.forgotten_at.entry(caller.clone()).or_insert(now);
        *at = at.after(self.each);
    }

    /// Returns how long `queue` has more than its share: while less than half of the burst is left, one caller takes at
    /// most half of what is left.
    fn exceeded_for(&self, queue: &Queue, budget: Budget, now: Moment) -> Option<Duration> {
        let Queue::Caller(caller) = queue else { return None };
        if budget.remaining.saturating_mul(2) >= budget.burst {
            return None;
        }
        let excess = self.spent(caller, now).checked_sub(budget.remaining)?;
        if excess == 0 && budget.remaining == 0 {
            return None;
        }
        // Each refilled call adds one to what is left and takes one from what was spent.
        let until_fair = excess / 2 + 1;
        let until_plenty = budget.burst.div_ceil(2) - budget.remaining;
        Some(self.each.saturating_mul(until_fair.min(until_plenty)))
    }
}

/// Why a call is not admitted now.
#[derive(Debug, PartialEq, Eq)]
enum Blocked {
    /// No connection slot is free, for an unknown time.
    Slot,
    Pause(Moment),
    Budget(Moment),
    /// Another queue is first.
    Turn,
}

impl State {
    /// Returns what blocks a call that is first in its queue, the budget itself apart.
    fn obstacle(&mut self, queue: &Queue, now: Moment) -> Option<Blocked> {
        if self.free_slots == 0 {
            return Some(Blocked::Slot);
        }
        let pause = *self.pauses.of(*queue == Queue::Account);
        if pause > now {
            return Some(Blocked::Pause(pause));
        }
        let exceeded = self.shares.exceeded_for(queue, self.budget.left(now), now);
        exceeded.map(|wait| Blocked::Budget(now.after(wait)))
    }

    /// Admits the call `id`, or says what blocks it. Fails if the breaker is open.
    fn admit(&mut self, id: u64, queue: &Queue, now: Moment) -> Result<Option<Pass>, Result<Blocked, UpstreamError>> {
        if let Some(pause) = Some(*self.pauses.of(*queue == Queue::Account)).filter(|pause| *pause > now) {
            return Err(Ok(Blocked::Pause(pause)));
        }
        if let Some(retry_after) = self.breaker.probe_in(now).filter(|left| !left.is_zero()) {
            return Err(Err(UpstreamError::CircuitOpen { retry_after }));
        }
        if let Some(obstacle) = self.obstacle(queue, now) {
            return Err(Ok(obstacle));
        }
        let first = (0..self.queues.len()).find(|n| {
            let queue = self.queues.get(*n).map(|(queue, _)| queue.clone());
            queue.is_some_and(|queue| self.obstacle(&queue, now).is_none())
        });
        let first = first.and_then(|n| self.queues.get(n)).and_then(|(_, waiting)| waiting.front());
        if first.is_none_or(|waiter| waiter.id != id) {
            // It may wait for a moment that was estimated too late.
            first.inspect(|waiter| waiter.wake.notify_one());
            return Err(Ok(Blocked::Turn));
        }
        self.budget.take(now).map_err(|wait| Ok(Blocked::Budget(now.after(wait))))?;
        let pass = match queue {
            Queue::Account => None,
            _ => Some(self.breaker.admit(now).map_err(|retry_after| Err(UpstreamError::CircuitOpen { retry_after }))?),
        };
        if let Queue::Caller(caller) = queue {
            self.shares.spend(caller, now);
        }
        self.free_slots -= 1;
        self.leave(id);
        // Round-robin: this queue is last now.
        if let Some(mine) = self.queues.iter().position(|(other, _)| other == queue)
            && let Some(mine) = self.queues.remove(mine)
        {
            self.queues.push_back(mine);
        }
        Ok(pass)
    }

    fn join(&mut self, queue: &Queue) -> Option<(u64, Arc<Notify>)> {
        if self.queues.iter().map(|(_, waiting)| waiting.len()).sum::<usize>() >= MAX_WAITING {
            return None;
        }
        self.next_id += 1;
        let (id, wake) = (self.next_id, Arc::new(Notify::new()));
        let waiter = Waiter { id, wake: Arc::clone(&wake) };
        match self.queues.iter_mut().find(|(other, _)| other == queue) {
            Some((_, waiting)) => waiting.push_back(waiter),
            None => self.queues.push_back((queue.clone(), VecDeque::from([waiter]))),
        }
        Some((id, wake))
    }

    fn leave(&mut self, id: u64) {
        for (_, waiting) in &mut self.queues {
            waiting.retain(|waiter| waiter.id != id);
        }
        self.queues.retain(|(_, waiting)| !waiting.is_empty());
    }

    /// Lets the first of each queue look again.
    fn wake_heads(&self) {
        self.queues.iter().filter_map(|(_, waiting)| waiting.front()).for_each(|waiter| waiter.wake.notify_one());
    }

    /// Lets every waiting call look again.
    fn wake_all(&self) {
        self.queues.iter().flat_map(|(_, waiting)| waiting).for_each(|waiter| waiter.wake.notify_one());
    }
}

impl Gate {
    pub(super) fn new(config: &UpstreamConfig, clock: SharedClock) -> Self {
        let budget = CallBudget::new(&config.rate_limit, clock.clone());
        let state = State {
            free_slots: config.max_connections.get(),
            breaker: Breaker::new(config.breaker.clone()),
            pauses: Pauses::default(),
            shares: Shares { each: budget.each(), forgotten_at: HashMap::new() },
            budget,
            queues: VecDeque::new(),
            next_id: 0,
        };
        Self { state: Mutex::new(state), max_wait: config.max_wait, clock }
    }

    /// Waits until the call may begin. The request has to be written immediately.
    pub(super) async fn enter(&self, entry: Entry<'_>) -> Result<Permit<'_>, UpstreamError> {
        let Entry { queue, deadline, waited } = entry;
        let mut now = self.clock.now();
        let (id, wake, mut admitted) = {
            let mut state = self.state.lock();
            let Some((id, wake)) = state.join(&queue) else { return Err(UpstreamError::Crowded) };
            (id, wake, state.admit(id, &queue, now))
        };
        let _place = Place { gate: self, id };
        let mut waited_for_slot = false;
        loop {
            let blocked = match admitted {
                Ok(pass) => return Ok(Permit { gate: self, pass, waited_for_slot }),
                Err(blocked) => blocked?,
            };
            let budget_left = self.max_wait.saturating_sub(*waited);
            // In whole seconds, as `Retry-After` counts: the time that passes between two readings of the clock is no wait.
            let pause_left = self.max_wait.saturating_sub(Duration::from_secs(waited.as_secs()));
            let until = match blocked {
                // The budget may be spent by then.
                Blocked::Slot => now.after(self.max_wait.max(MIN_RECHECK)),
                Blocked::Pause(until) if until.since(now) <= pause_left => until,
                Blocked::Pause(until) => return Err(UpstreamError::RateLimited { retry_after: until.since(now) }),
                Blocked::Budget(until) if until.since(now) <= budget_left => until,
                // The first call is about to begin, and there is budget for this one too.
                Blocked::Turn if self.budget().remaining > 0 => now.after(MIN_RECHECK),
                Blocked::Turn if !budget_left.is_zero() => now.after(budget_left),
                Blocked::Budget(until) => return Err(UpstreamError::BudgetExhausted { retry_after: until.since(now) }),
                Blocked::Turn => {
                    let retry_after = self.state.lock().shares.each;
                    return Err(UpstreamError::BudgetExhausted { retry_after });
                }
            };
            before(self.clock.as_ref(), until.min(deadline), wake.notified()).await;
            if blocked == Blocked::Slot {
                waited_for_slot = true;
            } else {
                *waited = waited.saturating_add(self.clock.now().since(now));
            }
            now = self.clock.now();
            if now >= deadline {
                return Err(UpstreamError::Crowded);
            }
            admitted = self.state.lock().admit(id, &queue, now);
        }
    }

    /// Fails if no call may begin now because the breaker is open.
    pub(super) fn check_breaker(&self) -> Result<(), UpstreamError> {
        match self.state.lock().breaker.probe_in(self.clock.now()) {
            Some(retry_after) if !retry_after.is_zero() => Err(UpstreamError::CircuitOpen { retry_after }),
            _ => Ok(()),
        }
    }

    /// Pauses all calls of this kind for `length`. A pause never gets shorter.
    pub(super) fn pause(&self, is_account: bool, length: Duration) {
        let mut state = self.state.lock();
        let until = self.clock.now().after(length);
        let pause = state.pauses.of(is_account);
        *pause = (*pause).max(until);
        state.wake_all();
    }

    /// Returns the rest of the data routes' pause.
    pub(super) fn data_pause(&self) -> Duration {
        self.state.lock().pauses.data.since(self.clock.now())
    }

    pub(super) fn breaker_state(&self) -> BreakerState {
        self.state.lock().breaker.state()
    }

    /// Returns the time until the breaker lets a probe through, if it is not closed.
    pub(super) fn probe_in(&self) -> Option<Duration> {
        self.state.lock().breaker.probe_in(self.clock.now())
    }

    pub(super) fn budget(&self) -> Budget {
        self.state.lock().budget.left(self.clock.now())
    }
}

/// A place in a queue, given up on drop.
struct Place<'a> {
    gate: &'a Gate,
    id: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        state.leave(self.id);
        state.wake_heads();
    }
}

/// A connection slot and a pass through the breaker. Both are given back on drop.
pub(super) struct Permit<'a> {
    gate: &'a Gate,
    pass: Option<Pass>,
    pub(super) waited_for_slot: bool,
}

impl Permit<'_> {
    /// Returns whether the call probes a vendor that failed.
    pub(super) fn is_probe(&self) -> bool {
        self.pass == Some(Pass::Probe)
    }

    /// Reports to the breaker whether the vendor works.
    pub(super) fn record(&mut self, works: bool) {
        if let Some(pass) = self.pass.take() {
            let mut state = self.gate.state.lock();
            state.breaker.record(pass, works, self.gate.clock.now());
            if state.breaker.state() == BreakerState::Open {
                state.wake_all();
            }
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        if let Some(pass) = self.pass.take() {
            state.breaker.forfeit(pass, self.gate.clock.now());
        }
        state.free_slots += 1;
        state.wake_heads();
    }
}

#[cfg(test)]
mod tests;
