//! Whether the process is well inside: are its threads free to run tasks, do the accept loops go round, are the tasks alive
//! that keep house? A task that never gives its thread back is otherwise seen by nobody but those whose requests wait for it.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{
    runtime::{Handle, RuntimeMetrics},
    task::{AbortHandle, JoinSet},
};

use super::listener::Pulse;
use crate::{
    clock::{Moment, SharedClock, before},
    telemetry::{Metrics, events},
};

const PACE: Pace = Pace { look_each: Duration::from_secs(1), stuck_after: Duration::from_secs(5) };
/// Before a task that panicked begins anew: what made it panic may last.
const ANEW_AFTER: Duration = Duration::from_secs(1);

/// The name of the runtime's threads, beside those of the listeners.
const THREADS: &str = "threads";

#[derive(Clone, Copy)]
struct Pace {
    /// How often it is looked.
    look_each: Duration,
    /// What does not come round for so long is stuck. Nothing here computes for a hundredth of it.
    stuck_after: Duration,
}

/// The tasks that keep house. They end with it.
pub(super) struct House {
    tasks: JoinSet<()>,
    metrics: Arc<Metrics>,
    clock: SharedClock,
}

impl House {
    pub(super) fn new(metrics: Arc<Metrics>, clock: SharedClock) -> Self {
        Self { tasks: JoinSet::new(), metrics, clock }
    }

    /// Runs what `begin` gives. If it panics, which is a bug, it begins anew; it ends when it ends by itself.
    pub(super) fn keep<F>(&mut self, task: &'static str, begin: impl Fn() -> F + Send + Sync + 'static) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (metrics, clock) = (Arc::clone(&self.metrics), self.clock.clone());
        metrics.vitals().kept(task);
        self.tasks.spawn(async move {
            while AssertUnwindSafe(begin()).catch_unwind().await.is_err() {
                // What panicked, and where, was logged where it arose.
                metrics.vitals().restarted(task);
                events::task_restarted(task);
                clock.sleep(ANEW_AFTER).await;
            }
        })
    }

    /// Looks at the runtime, and at the accept loops, as long as the house stands.
    pub(super) fn watch(&mut self, doors: Vec<(&'static str, Pulse)>) -> AbortHandle {
        let (metrics, clock) = (Arc::clone(&self.metrics), self.clock.clone());
        self.keep("vitals", move || watch(doors.clone(), Arc::clone(&metrics), clock.clone(), PACE))
    }
}

async fn watch(doors: Vec<(&'static str, Pulse)>, metrics: Arc<Metrics>, clock: SharedClock, pace: Pace) {
    let runtime = Handle::current().metrics();
    let mut threads: Vec<Progress> = (0..runtime.num_workers()).map(|_| Progress::default()).collect();
    let mut stuck_threads = Stuck { what: THREADS, many: 0 };
    let mut doors: Vec<_> = doors.into_iter().map(|(what, pulse)| (Stuck { what, many: 0 }, pulse)).collect();
    // From the beginning, so that nobody takes what is not told for what is well.
    metrics.vitals().alive(runtime.num_alive_tasks());
    for what in std::iter::once(THREADS).chain(doors.iter().map(|(stuck, _)| stuck.what)) {
        metrics.vitals().stuck(what, 0);
    }
    loop {
        clock.sleep(pace.look_each).await;
        let now = clock.now();
        metrics.vitals().alive(runtime.num_alive_tasks());
        let still = threads.iter_mut().enumerate().map(|(thread, progress)| {
            let at_the_same = progress.look(Activity::of(&runtime, thread), now);
            usize::from(at_the_same >= pace.stuck_after)
        });
        stuck_threads.tell(still.sum(), pace, &metrics);
        for (stuck, door) in &mut doors {
            // Each has its own time: one that stands must not use up the others'.
            let felt = before(clock.as_ref(), clock.now().after(pace.stuck_after), door.felt()).await;
            stuck.tell(usize::from(felt.is_none()), pace, &metrics);
        }
    }
}

/// What a thread of the runtime has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    /// It has nothing to do.
    Parked,
    /// It works: how often it was parked until now, and how long it has worked, which is told between tasks.
    Working(u64, Duration),
}

impl Activity {
    fn of(runtime: &RuntimeMetrics, thread: usize) -> Self {
        match runtime.worker_park_unpark_count(thread) {
            odd if odd % 2 == 1 => Self::Parked,
            even => Self::Working(even, runtime.worker_total_busy_duration(thread)),
        }
    }
}

/// Since when a thread has been at what it is at.
#[derive(Default)]
struct Progress {
    last: Option<(Activity, Moment)>,
}

impl Progress {
    /// How long it has been at the same task.
    fn look(&mut self, activity: Activity, now: Moment) -> Duration {
        match self.last {
            Some((last, since)) if last == activity && activity != Activity::Parked => now.since(since),
            _ => {
                self.last = Some((activity, now));
                Duration::ZERO
            }
        }
    }
}

/// What was told last of how many are stuck.
struct Stuck {
    what: &'static str,
    many: usize,
}

impl Stuck {
    fn tell(&mut self, many: usize, pace: Pace, metrics: &Metrics) {
        if many > self.many {
            events::stuck(self.what, many, pace.stuck_after);
        } else if many == 0 && self.many > 0 {
            events::stuck_no_more(self.what);
        }
        self.many = many;
        metrics.vitals().stuck(self.what, many);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_thread_is_stuck_while_it_works_and_comes_round_to_nothing() {
        let mut progress = Progress::default();
        let at = |seconds: u32| Moment::default().after(SECOND * seconds);
        let working = Activity::Working(2, SECOND);
        assert_eq!(progress.look(working, at(0)), Duration::ZERO);
        assert_eq!(progress.look(working, at(7)), SECOND * 7);
        // It came round to other tasks, without ever being idle.
        assert_eq!(progress.look(Activity::Working(2, SECOND * 2), at(8)), Duration::ZERO);
        assert_eq!(progress.look(Activity::Working(4, SECOND * 2), at(20)), Duration::ZERO);
        // An idle one may be so for ever.
        assert_eq!(progress.look(Activity::Parked, at(21)), Duration::ZERO);
        assert_eq!(progress.look(Activity::Parked, at(99)), Duration::ZERO);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn a_task_that_keeps_its_thread_is_told_until_it_gives_it_back() {
        let metrics = Arc::new(Metrics::new());
        let pace = Pace { look_each: Duration::from_millis(5), stuck_after: Duration::from_millis(50) };
        let watching = tokio::spawn(watch(Vec::new(), Arc::clone(&metrics), crate::clock::SystemClock::shared(), pace));
        let told = |many: u32| {
            let line = format!("wesal_gateway_stuck{{what=\"threads\"}} {many}\n");
            let metrics = Arc::clone(&metrics);
            async move {
                while !metrics.render(&crate::telemetry::metrics::Present::default()).contains(&line) {
                    tokio::task::yield_now().await;
                }
            }
        };
        told(0).await;
        let (give_back, kept) = std::sync::mpsc::channel::<()>();
        let keeping = tokio::spawn(async move { kept.recv() });
        told(1).await;
        drop(give_back);
        told(0).await;
        assert!(keeping.await.unwrap().is_err());
        watching.abort();
    }

    #[tokio::test]
    async fn an_accept_loop_that_stands_is_told_and_the_one_beside_it_is_not() {
        let clock = crate::clock::ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let metrics = Arc::new(Metrics::new());
        let (stands, _unfelt) = Pulse::new();
        let (goes_round, mut felt) = Pulse::new();
        let answering = tokio::spawn(async move {
            while let Some(asked) = felt.recv().await {
                let _ = asked.send(());
            }
        });
        let doors = vec![("public", stands), ("admin", goes_round)];
        let watching = tokio::spawn(watch(doors, Arc::clone(&metrics), Arc::new(clock.clone()), PACE));
        let told = |what: &str, many: u32| {
            let line = format!("wesal_gateway_stuck{{what=\"{what}\"}} {many}\n");
            metrics.render(&crate::telemetry::metrics::Present::default()).contains(&line)
        };
        let mut rounds = 0;
        while rounds < 5 {
            clock.advance(SECOND);
            // Whoever can go on does.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            rounds += u32::from(told("public", 1));
            assert!(!told("admin", 1), "the one beside it goes round");
        }
        assert!(told("admin", 0));
        watching.abort();
        answering.abort();
    }

    #[tokio::test]
    async fn what_keeps_house_begins_anew_after_a_panic_and_ends_when_it_ends() {
        let clock = crate::clock::ManualClock::at(jiff::Timestamp::UNIX_EPOCH);
        let metrics = Arc::new(Metrics::new());
        let begun = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let counted = Arc::clone(&begun);
        let mut house = House::new(Arc::clone(&metrics), Arc::new(clock.clone()));
        house.keep("tidy", move || {
            let nth = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move { assert!(nth == 2, "planted") }
        });
        for nth in 1..=2 {
            while begun.load(std::sync::atomic::Ordering::Relaxed) < nth {
                tokio::task::yield_now().await;
            }
            clock.sleepers(1).await;
            clock.advance(ANEW_AFTER);
        }
        house.tasks.join_next().await.unwrap().unwrap();
        assert_eq!(begun.load(std::sync::atomic::Ordering::Relaxed), 3);
        let told = metrics.render(&crate::telemetry::metrics::Present::default());
        assert!(told.contains("wesal_gateway_task_restarts_total{task=\"tidy\"} 2"), "{told}");
    }
}
