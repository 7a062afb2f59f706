use futures_util::FutureExt;

use super::*;
use crate::{
    clock::{Clock, ManualClock},
    config::RateLimit,
};

const MS: Duration = Duration::from_millis(1);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn gate(slots: usize, burst: u32) -> (Gate, ManualClock) {
    let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
    (gate_at(slots, burst, Arc::new(clock.clone())), clock)
}

fn gate_at(slots: usize, burst: u32, clock: SharedClock) -> Gate {
    let count = std::num::NonZeroU32::new;
    let config = UpstreamConfig {
        rate_limit: RateLimit { requests: count(240).unwrap(), per: secs(60), burst: count(burst) },
        max_connections: std::num::NonZeroUsize::new(slots).unwrap(),
        ..UpstreamConfig::default()
    };
    Gate::new(&config, clock)
}

fn caller(name: &str) -> Queue {
    Queue::Caller(CallerName::try_from(name.to_owned()).unwrap())
}

async fn enter<'a>(gate: &'a Gate, name: &str, mut waited: Duration) -> Result<Permit<'a>, UpstreamError> {
    let deadline = gate.clock.now().after(secs(20));
    gate.enter(Entry { queue: caller(name), deadline, waited: &mut waited }).await
}

#[test]
fn pause_stops_calls_that_wait_for_a_slot() {
    let (gate, _clock) = gate(1, 30);
    let first = enter(&gate, "a", Duration::ZERO).now_or_never().unwrap().unwrap();
    let mut second = Box::pin(enter(&gate, "b", Duration::ZERO));
    assert!(second.as_mut().now_or_never().is_none());
    gate.pause(false, secs(60));
    drop(first);
    let refused = second.now_or_never().unwrap().err();
    assert_eq!(refused, Some(UpstreamError::RateLimited { retry_after: secs(60) }));
    assert_eq!(gate.budget().remaining, 29, "a refused call takes nothing of the budget");
}

#[test]
fn pause_of_exactly_max_wait_is_waited_out() {
    /// Time passes between any two readings, as with a real clock.
    struct Creeping(ManualClock);
    impl crate::clock::Clock for Creeping {
        fn now(&self) -> Moment {
            self.0.advance(Duration::from_micros(5));
            self.0.now()
        }
        fn wall(&self) -> jiff::Timestamp {
            self.0.wall()
        }
        fn sleep_until(&self, moment: Moment) -> crate::clock::Pause {
            self.0.sleep_until(moment)
        }
    }
    let clock = ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
    let gate = gate_at(1, 30, Arc::new(Creeping(clock.clone())));
    let mut waited = 20 * MS;
    let deadline = clock.now().after(secs(20));
    let entry = Entry { queue: caller("a"), deadline, waited: &mut waited };
    gate.pause(false, secs(2));
    let mut call = Box::pin(gate.enter(entry));
    assert!(call.as_mut().now_or_never().is_none());
    clock.advance(secs(2));
    assert!(call.now_or_never().unwrap().is_ok());
    assert!(waited >= secs(2));
}

#[test]
fn one_caller_takes_half_of_a_scarce_budget() {
    let (gate, clock) = gate(32, 30);
    let mut refused = 0;
    for n in 0..13 {
        for _ in 0..20 {
            let _ = enter(&gate, "greedy", secs(2)).now_or_never().unwrap();
            clock.advance(50 * MS);
        }
        let modest = enter(&gate, "modest", secs(2)).now_or_never().unwrap();
        refused += u32::from(modest.is_err());
        assert!(n == 0 || gate.budget().remaining >= 8, "{} left", gate.budget().remaining);
    }
    assert_eq!(refused, 0);
}

#[test]
fn waiting_calls_are_admitted_round_robin_by_caller() {
    let (gate, clock) = gate(1, 30);
    let slot = enter(&gate, "a", Duration::ZERO).now_or_never().unwrap().unwrap();
    let mut calls: Vec<_> = [("a", 0), ("a", 1), ("a", 2), ("b", 3), ("c", 4)]
        .map(|(name, n)| (n, Box::pin(enter(&gate, name, Duration::ZERO))))
        .into();
    assert!(calls.iter_mut().all(|(_, call)| call.as_mut().now_or_never().is_none()));
    drop(slot);
    let mut order = Vec::new();
    while !calls.is_empty() {
        let Some(next) = (0..calls.len()).find(|n| calls[*n].1.as_mut().now_or_never().is_some()) else {
            clock.advance(250 * MS);
            continue;
        };
        order.push(calls.remove(next).0);
    }
    assert_eq!(order, [0, 3, 4, 1, 2]);
}

#[test]
fn abandoned_waiting_call_leaves_its_queue() {
    let (gate, _clock) = gate(1, 30);
    let slot = enter(&gate, "a", Duration::ZERO).now_or_never().unwrap().unwrap();
    let mut first = Box::pin(enter(&gate, "b", Duration::ZERO));
    let mut second = Box::pin(enter(&gate, "c", Duration::ZERO));
    assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
    drop(first);
    drop(slot);
    assert!(second.now_or_never().unwrap().is_ok());
    assert!(gate.state.lock().queues.is_empty());
}

#[test]
fn calls_in_a_minute_never_exceed_requests_plus_burst() {
    let (gate, clock) = gate(32, 30);
    clock.advance(secs(17));
    let mut began = Vec::new();
    for n in 0..2400 {
        let name = format!("caller-{}", n % 7);
        if enter(&gate, &name, secs(2)).now_or_never().unwrap().is_ok() {
            began.push(clock.now());
        }
        clock.advance(50 * MS);
    }
    for (n, from) in began.iter().enumerate() {
        let within = began[n..].iter().take_while(|at| at.since(*from) < secs(60)).count();
        assert!(within <= 270, "{within} calls in a minute");
    }
}
