//! Time, handed in. Nothing else in the crate asks the system what time it is or goes to sleep, so that a
//! test can hold the hours in its hand: [`ManualClock`] moves only when told, and wakes who waited.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::watch;

/// A point on a clock that never goes back; only its distance to another means something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `by` later; the end of time if there is none.
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// Nanoseconds since the clock was made.
    pub fn as_nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The moment so many nanoseconds after the clock was made.
    pub fn from_nanos(nanos: u64) -> Self {
        Self(Duration::from_nanos(nanos))
    }
}

/// A pause that some clock ends.
pub type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What time it is, and how to wait.
pub trait Clock: Send + Sync + 'static {
    /// For measuring: steady, never back.
    fn now(&self) -> Moment;
    /// For dates: may step when the machine's time is set.
    fn wall(&self) -> Timestamp;
    /// Ends when `moment` has come.
    fn sleep_until(&self, moment: Moment) -> Pause;

    /// Ends after `length`.
    fn sleep(&self, length: Duration) -> Pause {
        self.sleep_until(self.now().after(length))
    }
}

/// A clock as it is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// What `work` gives, or `None` if `deadline` comes first; `work` is then dropped.
pub async fn before<T>(clock: &dyn Clock, deadline: Moment, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    // Most work is done at once, and then a timer is not even made.
    if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        return Some(done);
    }
    tokio::select! {
        biased;
        done = work => Some(done),
        () = clock.sleep_until(deadline) => None,
    }
}

/// The same clock for `governor`, whose own choice reads a counter that can step back between cores.
#[derive(Clone)]
pub struct GcraClock(pub SharedClock);

impl governor::clock::Clock for GcraClock {
    type Instant = governor::nanos::Nanos;

    fn now(&self) -> Self::Instant {
        self.0.now().as_nanos().into()
    }
}

/// The machine's own time.
pub struct SystemClock {
    start: tokio::time::Instant,
}

impl SystemClock {
    /// A clock whose moments count from now.
    pub fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }

    /// The same, as it is handed around.
    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment(self.start.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, moment: Moment) -> Pause {
        // Timers have an end; who sleeps longer than a year is woken then, and looks again.
        let far = Duration::from_secs(86_400 * 365);
        Box::pin(tokio::time::sleep(moment.since(self.now()).min(far)))
    }
}

/// A clock that stands still until [`advance`](ManualClock::advance)d. For tests.
#[derive(Clone)]
pub struct ManualClock {
    elapsed: watch::Sender<Duration>,
    start: Timestamp,
    sleepers: watch::Sender<usize>,
    wall_offset: Arc<Mutex<jiff::SignedDuration>>,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn at(start: Timestamp) -> Self {
        Self {
            // Not zero: a moment before the first one can then be told from the first one.
            elapsed: watch::Sender::new(Duration::from_secs(1)),
            start,
            sleepers: watch::Sender::new(0),
            wall_offset: Arc::default(),
        }
    }

    /// Lets `by` pass and wakes all whose time has come.
    pub fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed += by);
    }

    /// Sets the wall clock off by `by` without any time passing, as an operator or NTP would.
    pub fn step_wall(&self, by: jiff::SignedDuration) {
        *self.wall_offset.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// Ends when at least `n` are asleep.
    pub async fn sleepers(&self, n: usize) {
        let mut asleep = self.sleepers.subscribe();
        // The sender lives in `self`, so this ends only by the condition.
        let _ = asleep.wait_for(|now| *now >= n).await;
    }
}

struct Asleep(watch::Sender<usize>);

impl Drop for Asleep {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        Moment(*self.elapsed.borrow())
    }

    fn wall(&self) -> Timestamp {
        let offset = *self.wall_offset.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = jiff::SignedDuration::try_from(*self.elapsed.borrow()).unwrap_or(jiff::SignedDuration::MAX);
        self.start.saturating_add(elapsed + offset).unwrap_or(Timestamp::MAX)
    }

    fn sleep_until(&self, moment: Moment) -> Pause {
        let mut elapsed = self.elapsed.subscribe();
        let counter = self.sleepers.clone();
        Box::pin(async move {
            counter.send_modify(|n| *n += 1);
            let _asleep = Asleep(counter);
            if elapsed.wait_for(|now| *now >= moment.0).await.is_err() {
                // The clock is gone: time never comes.
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_only_whose_time_has_come() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let soon = tokio::spawn(clock.sleep(Duration::from_secs(1)));
        let later = tokio::spawn(clock.sleep(Duration::from_secs(5)));
        clock.sleepers(2).await;
        clock.advance(Duration::from_secs(2));
        soon.await.unwrap();
        assert!(!later.is_finished());
        clock.advance(Duration::from_secs(3));
        later.await.unwrap();
    }

    #[tokio::test]
    async fn a_deadline_drops_the_work() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let deadline = clock.now().after(Duration::from_secs(1));
        let waiting = {
            let clock = clock.clone();
            tokio::spawn(async move { before(&clock, deadline, std::future::pending::<()>()).await })
        };
        clock.sleepers(1).await;
        clock.advance(Duration::from_secs(1));
        assert!(waiting.await.unwrap().is_none());
        assert_eq!(before(&clock, clock.now(), async { 7 }).await, Some(7));
    }
}
