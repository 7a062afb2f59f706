use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::clock::Moment;

/// How lately a part was asked for, and the time before: it goes with the part from fetch to fetch.
#[derive(Debug, Default)]
pub struct Interest {
    last: AtomicU64,
    before: AtomicU64,
}

impl Interest {
    /// Somebody asks for the part.
    pub fn note(&self, now: Moment) {
        let now = now.as_nanos();
        // Two who ask in the same moment may both be counted as one; that is close enough.
        let last = self.last.swap(now, Ordering::Relaxed);
        if last != now {
            self.before.store(last, Ordering::Relaxed);
        }
    }

    /// Whether it was asked for at two moments or more within the last `window`: what nobody asks for again is not
    /// worth a call of its own.
    pub fn is_steady(&self, now: Moment, window: Duration) -> bool {
        let before = self.before.load(Ordering::Relaxed);
        let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        // Zero is the default: there was no earlier request.
        before > 0 && now.as_nanos().saturating_sub(before) <= window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_is_no_steady_interest_and_old_interest_has_ended() {
        let at = |seconds: u64| Moment::default().after(Duration::from_secs(100 + seconds));
        let window = Duration::from_secs(9);
        let interest = Interest::default();
        assert!(!interest.is_steady(at(0), window));
        interest.note(at(0));
        interest.note(at(0));
        assert!(!interest.is_steady(at(0), window));
        interest.note(at(1));
        assert!(interest.is_steady(at(9), window));
        assert!(!interest.is_steady(at(10), window));
    }
}
