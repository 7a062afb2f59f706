//! What of a shape is asked for steadily, and when it must be fetched again so that who asks never waits. Pure but for
//! the interest it reads.
//!
//! Hot is what was asked for at two moments or more within three `ttl`s: a question that nobody repeats costs no call of
//! its own.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    calls::{Calls, Landed, Miss, Outcome},
    part::{Kept, Part},
};
use crate::{
    cache::{Interest, Policy, Stretch},
    clock::Moment,
    model::{PartId, Shape},
    upstream::UpstreamError,
};

/// Parts of one shape remembered at most.
const MOST_PARTS: usize = 10_000;
/// Vendor calls whose time is remembered.
const RECENT_CALLS: usize = 16;
/// Interest counts for this many `ttl`s (CONTRACT, section 11).
const HOT_TTLS: u32 = 3;

/// What one lane knows of its parts.
#[derive(Default)]
pub(super) struct Ahead {
    parts: HashMap<PartId, Seen>,
    /// How long the last groups took.
    took: VecDeque<Duration>,
    /// After a failure nothing is fetched ahead until a fetch that somebody waits for succeeds.
    failing: bool,
    /// Under which policies the parts were remembered.
    policies: u64,
}

struct Seen {
    began: Moment,
    policy: Policy,
    stretch: Stretch,
    interest: Arc<Interest>,
}

impl Seen {
    fn is_hot(&self, now: Moment) -> bool {
        self.interest.is_steady(now, self.policy.ttl.saturating_mul(HOT_TTLS))
    }

    fn fresh_for(&self, stretch: Stretch) -> Duration {
        self.policy.fresh_for(self.stretch.at_least(stretch))
    }

    fn left(&self, now: Moment, stretch: Stretch) -> Duration {
        self.began.after(self.fresh_for(stretch)).since(now)
    }
}

impl Ahead {
    /// When the next fetch ahead is due, of what is not `coming` anyhow; `None` if nothing is hot.
    pub(super) fn due(&self, now: Moment, stretch: Stretch, coming: impl Fn(&PartId) -> bool) -> Option<Moment> {
        if self.failing {
            return None;
        }
        let hot = self.parts.iter().filter(|(part, seen)| seen.is_hot(now) && !coming(part)).map(|(_, seen)| seen);
        let due = |seen: &Seen| {
            let fresh_for = seen.fresh_for(stretch);
            seen.began.after(fresh_for.saturating_sub(self.lead().min(fresh_for / 2)))
        };
        hot.map(due).min()
    }

    /// The hot parts with half of their time left at the most: they go along with whatever is fetched.
    pub(super) fn along(&self, now: Moment, stretch: Stretch) -> impl Iterator<Item = (PartId, Arc<Interest>)> {
        let soon = move |seen: &Seen| seen.left(now, stretch) <= seen.fresh_for(stretch) / 2;
        let soon = self.parts.iter().filter(move |(_, seen)| soon(seen) && seen.is_hot(now));
        soon.map(|(part, seen)| (part.clone(), Arc::clone(&seen.interest)))
    }

    /// Learns from a group that landed in this time; `None` if it was taken apart, which no refresh takes.
    pub(super) fn landed(&mut self, whole: &Landed, took: Option<Duration>) {
        let failed = |outcome: &Outcome| match outcome {
            // The vendor answered.
            Err(Miss::Upstream(UpstreamError::Rejected(_)) | Miss::Whole) | Ok(_) => false,
            Err(Miss::Upstream(_) | Miss::Lost) => true,
        };
        self.failing = whole.outcomes.values().all(failed);
        if let (false, Some(took)) = (self.failing, took) {
            self.took.push_back(took);
            if self.took.len() > RECENT_CALLS {
                self.took.pop_front();
            }
        }
    }

    /// Learns what came of some parts.
    pub(super) fn learn(&mut self, calls: &Calls, shape: &Shape, some: &Landed) {
        let now = calls.clock.now();
        self.parts.retain(|_, seen| seen.is_hot(now) || seen.left(now, Stretch::NONE) > Duration::ZERO);
        for (part, outcome) in &some.outcomes {
            match outcome {
                Ok(kept) if !matches!(kept.content, Part::Refused(_)) => {
                    self.remember(part, kept, calls.policy(shape, kept));
                }
                // What failed, or is refused, is fetched again when somebody waits for it, and not before.
                Ok(_) | Err(_) => {
                    self.parts.remove(part);
                }
            }
        }
    }

    /// Once there are other policies, what is known of the parts is judged anew.
    pub(super) fn heed_policies(&mut self, calls: &Calls, shape: &Shape) {
        let number = calls.policies_number();
        if std::mem::replace(&mut self.policies, number) == number {
            return;
        }
        for (part, _) in std::mem::take(&mut self.parts) {
            if let Some(kept) = calls.store.get(&shape.part(part.clone())) {
                self.remember(&part, &kept, calls.policy(shape, &kept));
            }
        }
    }

    fn remember(&mut self, part: &PartId, kept: &Kept, policy: Policy) {
        if policy.ttl.is_zero() {
            // It is not kept: there is nothing to be fetched ahead of.
            self.parts.remove(part);
        } else if self.parts.len() < MOST_PARTS || self.parts.contains_key(part) {
            let seen = Seen { began: kept.began, policy, stretch: kept.stretch, interest: Arc::clone(&kept.interest) };
            self.parts.insert(part.clone(), seen);
        }
    }

    /// How long before its end a part is fetched again: the longest that a group lately took, and a little.
    fn lead(&self) -> Duration {
        let longest = self.took.iter().max().copied().unwrap_or_default();
        longest + longest / 4 + Duration::from_millis(5)
    }
}
