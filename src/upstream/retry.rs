//! Whether to try again, and when. Pure: what happened comes in, a decision goes out.

use std::time::Duration;

/// The first pause is at most this, the next twice it, and so on.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The pause before the next try after `tried` tries failed; `None` if there is to be none. `unit` is a
/// random number from 0 to 1: full jitter, so that those who failed together do not return together.
pub(super) fn pause(tried: u32, retries: u32, unit: f64) -> Option<Duration> {
    if tried > retries {
        return None;
    }
    let most = FIRST_PAUSE.saturating_mul(1 << tried.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    Some(most.mul_f64(unit.clamp(0.0, 1.0)))
}

/// How many more tries the recent calls have earned: each call earns a share, each further try costs one.
/// When everything fails, tries are then at most that share of calls, not a multiple of them.
pub(super) struct RetryBudget {
    share: f64,
    balance: f64,
}

impl RetryBudget {
    const MOST: f64 = 10.0;

    /// `share` is `upstream.retry_budget`. Begins full, so that a quiet gateway can retry too.
    pub(super) fn new(share: f64) -> Self {
        Self { share, balance: if share > 0.0 { Self::MOST } else { 0.0 } }
    }

    /// A call was made.
    pub(super) fn earn(&mut self) {
        self.balance = (self.balance + self.share).min(Self::MOST);
    }

    /// Takes what one more try costs, if there is enough.
    pub(super) fn spend(&mut self) -> bool {
        let enough = self.balance >= 1.0;
        if enough {
            self.balance -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let longest = |tried| pause(tried, 2, 1.0).map(|pause| pause.as_millis());
        assert_eq!([longest(1), longest(2), longest(3)], [Some(100), Some(200), None]);
        assert_eq!(pause(1, 2, 0.0), Some(Duration::ZERO));
        assert_eq!(pause(1, 0, 1.0), None);
    }

    #[test]
    fn when_all_fails_tries_are_a_share_of_calls() {
        let mut budget = RetryBudget::new(0.2);
        let mut spent = 0;
        for _ in 0..1000 {
            budget.earn();
            spent += u32::from(budget.spend());
        }
        assert!((200..=210).contains(&spent), "{spent}");
        assert!(!RetryBudget::new(0.0).spend());
    }
}
