use std::sync::{Arc, Mutex};

use wesal_gateway::clock::{Clock, ManualClock, Moment, Pause};

type Once = Box<dyn FnOnce() + Send>;

/// A clock that does something odd when it is next asked for the date: every request asks once who calls, and every reload
/// of files, so that both can be made to panic or to hang where they are.
#[derive(Clone)]
pub struct OddClock {
    clock: ManualClock,
    next: Arc<Mutex<Option<Once>>>,
}

impl OddClock {
    pub fn beside(clock: &ManualClock) -> Self {
        Self { clock: clock.clone(), next: Arc::default() }
    }

    /// What it does the next time.
    pub fn next_time(&self, does: impl FnOnce() + Send + 'static) {
        *self.next.lock().unwrap() = Some(Box::new(does));
    }
}

impl Clock for OddClock {
    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn wall(&self) -> jiff::Timestamp {
        let odd = self.next.lock().unwrap().take();
        if let Some(odd) = odd {
            odd();
        }
        self.clock.wall()
    }

    fn sleep_until(&self, moment: Moment) -> Pause {
        self.clock.sleep_until(moment)
    }
}
