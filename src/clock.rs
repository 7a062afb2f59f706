//! Time, handed in. Nothing else in the crate asks the system what time it is or goes to sleep, so that a
//! test can hold the hours in its hand: [`ManualClock`] moves only when told, and wakes who waited.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

/// A point on a clock that never goes back; only its distance to another means something. Every clock starts at
/// [`Moment::START`]. The default value means "never" and lies before the start by more than the longest duration that a
/// setting accepts (ten years), so that anything dated by it counts as expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Where every clock starts: 20 years after the default value.
    pub const START: Self = Self(Duration::from_secs(20 * 365 * 86_400));

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `by` later; the end of time if there is none.
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// Nanoseconds since the default value.
    pub fn as_nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The moment so many nanoseconds after the default value.
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

/// The machine's own time. Its moments count while the machine is suspended (`CLOCK_BOOTTIME`), so that a part ages during
/// a suspension. Timers of the runtime do not count it (`CLOCK_MONOTONIC`), so every sleep is cut into pieces of at most
/// ten seconds: after a resume, a wait that is due ends within that time.
#[derive(Clone, Copy)]
pub struct SystemClock {
    boot_time_at_start: Duration,
}

impl SystemClock {
    /// The longest timer of the runtime that one sleep uses.
    const MAX_TIMER: Duration = Duration::from_secs(10);

    /// A clock that starts now.
    pub fn new() -> Self {
        Self { boot_time_at_start: boot_time() }
    }

    /// The same, as it is handed around.
    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

/// The time since the machine started, suspension included.
fn boot_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    // The clock counts up from zero, so neither conversion fails.
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment::START.after(boot_time().saturating_sub(self.boot_time_at_start))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, moment: Moment) -> Pause {
        let clock = *self;
        Box::pin(async move {
            loop {
                let left = moment.since(clock.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(Self::MAX_TIMER)).await;
            }
        })
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
        *self.wall_offset.lock() += by;
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
        Moment::START.after(*self.elapsed.borrow())
    }

    fn wall(&self) -> Timestamp {
        let offset = *self.wall_offset.lock();
        let elapsed = jiff::SignedDuration::try_from(*self.elapsed.borrow()).unwrap_or(jiff::SignedDuration::MAX);
        self.start.saturating_add(elapsed + offset).unwrap_or(Timestamp::MAX)
    }

    fn sleep_until(&self, moment: Moment) -> Pause {
        let mut elapsed = self.elapsed.subscribe();
        let counter = self.sleepers.clone();
        Box::pin(async move {
            counter.send_modify(|n| *n += 1);
            let _asleep = Asleep(counter);
            let due = moment.since(Moment::START);
            if elapsed.wait_for(|now| *now >= due).await.is_err() {
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

    #[test]
    fn default_moment_is_older_than_any_setting() {
        let ten_years = Duration::from_secs(10 * 365 * 86_400);
        for clock in [SystemClock::shared(), Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH)) as SharedClock] {
            assert!(clock.now().since(Moment::default()) > ten_years);
        }
    }

    #[test]
    fn system_clock_reads_the_boot_time() {
        let clock = SystemClock { boot_time_at_start: Duration::ZERO };
        let since_boot = || boot_time();
        let (before, now, after) = (since_boot(), clock.now().since(Moment::START), since_boot());
        assert!(before <= now && now <= after, "{before:?} {now:?} {after:?}");
    }

    /// Pauses the runtime's timers, which then advance by themselves: the boot time stands still beside them, as the
    /// runtime's timers do beside the boot time in a suspension.
    #[tokio::test(start_paused = true)]
    async fn system_clock_sleep_rechecks_the_boot_time() {
        let started = tokio::time::Instant::now();
        let clock = SystemClock::new();
        let moment = clock.now().after(Duration::from_millis(20));
        clock.sleep_until(moment).await;
        assert!(clock.now() >= moment, "the sleep ended with the runtime's timer");
        assert!(started.elapsed() >= Duration::from_millis(20));
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
