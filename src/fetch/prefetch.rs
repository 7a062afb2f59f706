//! Refresh-ahead (5.10 to 5.12): which parts are hot, and when each is fetched again so that no steady caller waits. One
//! task for all shapes; the decisions are pure but for the interest that they read.
//!
//! A part is tracked from its first fetch until it expires. Hot is what was requested at two or more moments within three
//! `ttl`s.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::{
    part::{Kept, Part},
    upstream_fetch::{CallResult, PartFetcher},
};
use crate::{
    cache::{Interest, Policy, Stretch},
    clock::Moment,
    model::{Interval, PartId, Shape},
};

/// What is tracked takes at most this much memory; then the shape that is due last is forgotten.
pub(super) const MAX_TRACKED_BYTES: usize = 8 * 1024 * 1024;
/// Batches whose time is remembered.
const RECENT_BATCHES: usize = 16;
/// Interest counts for this many `ttl`s (5.10).
const HOT_TTLS: u32 = 3;
/// Added to the lead time, so that it is not zero where the vendor answers within the clock's resolution.
const MIN_LEAD: Duration = Duration::from_millis(5);
/// The least time between two looks at a shape.
const MIN_LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// A requested fetch that has not come back for so long after the part's end is given up.
const MAX_FETCH: Duration = Duration::from_secs(60);
/// Bytes of a tracked part beside its id, and of a shape beside its text.
const PART_OVERHEAD: usize = 240;

/// Parts to fetch again, of one shape.
pub(super) struct Due {
    pub(super) shape: Shape,
    pub(super) interval: Option<Interval>,
    pub(super) parts: Vec<(PartId, Arc<Interest>)>,
}

/// The tracked parts of all shapes.
#[derive(Default)]
pub(super) struct Prefetcher {
    tracker: Mutex<Tracker>,
    changed: Notify,
}

#[derive(Default)]
struct Tracker {
    shapes: HashMap<Shape, TrackedShape>,
    /// When each shape is looked at next. The number makes moments unique.
    looks: BTreeMap<(Moment, u64), Shape>,
    last_number: u64,
    bytes: usize,
    policies: u64,
}

struct TrackedShape {
    parts: HashMap<PartId, TrackedPart>,
    interval: Option<Interval>,
    look: (Moment, u64),
    /// How long the last batches took.
    batches: VecDeque<Duration>,
    /// After a failed fetch there is no refresh-ahead until a fetch for a waiting request succeeds.
    is_failing: bool,
}

struct TrackedPart {
    began: Moment,
    policy: Policy,
    stretch: Stretch,
    interest: Arc<Interest>,
    /// Whether a fetch was asked for, and has not come back.
    is_requested: bool,
}

/// What to do for a part now.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Fetch,
    LookAt(Moment),
    Forget,
}

impl TrackedPart {
    fn is_hot(&self, now: Moment) -> bool {
        self.interest.is_steady(now, self.policy.ttl.saturating_mul(HOT_TTLS))
    }

    fn fresh_for(&self, stretch: Stretch) -> Duration {
        self.policy.fresh_for(self.stretch.at_least(stretch))
    }

    /// A part that is not hot when it is due is looked at again until it expires: it may become hot by then.
    fn step(&self, now: Moment, stretch: Stretch, lead: Duration, is_failing: bool) -> Step {
        let fresh_for = self.fresh_for(stretch);
        let lead = lead.min(fresh_for / 2);
        let (due, end) = (self.began.after(fresh_for.saturating_sub(lead)), self.began.after(fresh_for));
        if self.is_requested {
            let late = end.after(MAX_FETCH);
            if now < late { Step::LookAt(late) } else { Step::Forget }
        } else if now < due {
            Step::LookAt(due)
        } else if !is_failing && self.is_hot(now) {
            Step::Fetch
        } else if now < end {
            Step::LookAt(end.min(now.after(lead / 4)))
        } else {
            Step::Forget
        }
    }
}

impl TrackedShape {
    fn new(look: (Moment, u64)) -> Self {
        let (parts, batches) = Default::default();
        Self { parts, interval: None, look, batches, is_failing: false }
    }

    /// How long before its end a part is fetched again.
    fn lead(&self) -> Duration {
        let longest = self.batches.iter().max().copied().unwrap_or_default();
        longest + longest / 4 + MIN_LEAD
    }
}

impl Tracker {
    fn track(&mut self, shape: &Shape, part: &PartId, tracked: TrackedPart) {
        if !self.shapes.contains_key(shape) {
            self.last_number += 1;
            let look = (Moment::default(), self.last_number);
            self.shapes.insert(shape.clone(), TrackedShape::new(look));
            self.looks.insert(look, shape.clone());
            self.bytes += shape_bytes(shape);
        }
        let Some(of_shape) = self.shapes.get_mut(shape) else { return };
        if of_shape.parts.insert(part.clone(), tracked).is_none() {
            self.bytes += part_bytes(part);
        }
    }

    fn forget_part(&mut self, shape: &Shape, part: &PartId) {
        if self.shapes.get_mut(shape).is_some_and(|of_shape| of_shape.parts.remove(part).is_some()) {
            self.bytes = self.bytes.saturating_sub(part_bytes(part));
        }
    }

    fn forget_shape(&mut self, shape: &Shape) {
        if let Some(of_shape) = self.shapes.remove(shape) {
            self.looks.remove(&of_shape.look);
            let parts: usize = of_shape.parts.keys().map(part_bytes).sum();
            self.bytes = self.bytes.saturating_sub(parts + shape_bytes(shape));
        }
    }

    /// The shape is to be looked at then.
    fn look_at(&mut self, shape: &Shape, moment: Moment) {
        let Some(of_shape) = self.shapes.get_mut(shape) else { return };
        let look = (moment, of_shape.look.1);
        self.looks.remove(&std::mem::replace(&mut of_shape.look, look));
        self.looks.insert(look, shape.clone());
    }

    /// Looks at a shape: gives what of it is to be fetched now, and notes when it is looked at next.
    fn look(&mut self, shape: &Shape, now: Moment, stretch: Stretch) -> Option<Due> {
        let of_shape = self.shapes.get_mut(shape)?;
        let (lead, is_failing) = (of_shape.lead(), of_shape.is_failing);
        let (mut next, mut due, mut over) = (None, Vec::new(), Vec::new());
        for (part, tracked) in &mut of_shape.parts {
            let step = match tracked.step(now, stretch, lead, is_failing) {
                Step::Fetch => {
                    tracked.is_requested = true;
                    due.push((part.clone(), Arc::clone(&tracked.interest)));
                    tracked.step(now, stretch, lead, is_failing)
                }
                step => step,
            };
            match step {
                Step::LookAt(moment) => next = Some(next.map_or(moment, |next: Moment| next.min(moment))),
                Step::Forget | Step::Fetch => over.push(part.clone()),
            }
        }
        let interval = of_shape.interval;
        match next {
            None => self.forget_shape(shape),
            Some(next) => {
                self.look_at(shape, next.max(now.after(MIN_LOOK_INTERVAL)));
                over.iter().for_each(|part| self.forget_part(shape, part));
            }
        }
        (!due.is_empty()).then(|| Due { shape: shape.clone(), interval, parts: due })
    }

    /// Looks at every shape whose time has come; gives what is to be fetched, and when to look next.
    fn due(&mut self, now: Moment, stretch: Stretch) -> (Vec<Due>, Option<Moment>) {
        let mut due = Vec::new();
        while let Some(((moment, _), shape)) = self.looks.first_key_value()
            && *moment <= now
        {
            let shape = shape.clone();
            due.extend(self.look(&shape, now, stretch));
        }
        (due, self.looks.first_key_value().map(|((moment, _), _)| *moment))
    }
}

impl Prefetcher {
    /// Learns what a call of `shape` brought. What failed or is rejected is fetched again when a request waits for it, not
    /// before.
    pub(super) fn learn(
        &self,
        fetcher: &PartFetcher,
        shape: &Shape,
        interval: Option<Interval>,
        outcomes: &CallResult,
    ) {
        let mut tracker = self.tracker();
        for (part, outcome) in &outcomes.outcomes {
            match outcome {
                Ok(kept) if !matches!(kept.content, Part::Refused(_)) && fetcher.keeps(shape, kept) => {
                    tracker.track(shape, part, tracked(kept, fetcher.policy(shape, kept)));
                }
                Ok(_) | Err(_) => tracker.forget_part(shape, part),
            }
        }
        if let Some(of_shape) = tracker.shapes.get_mut(shape) {
            of_shape.interval = interval;
        }
        tracker.look_at(shape, fetcher.clock.now());
        while tracker.bytes > MAX_TRACKED_BYTES
            && let Some((_, shape)) = tracker.looks.last_key_value()
        {
            let shape = shape.clone();
            tracker.forget_shape(&shape);
        }
        drop(tracker);
        self.changed.notify_one();
    }

    /// Learns how long a batch of `shape` took, and whether all of it failed.
    pub(super) fn learn_batch(&self, fetcher: &PartFetcher, shape: &Shape, took: Duration, has_failed: bool) {
        let mut tracker = self.tracker();
        let Some(of_shape) = tracker.shapes.get_mut(shape) else { return };
        of_shape.is_failing = has_failed;
        if !has_failed {
            of_shape.batches.push_back(took);
            if of_shape.batches.len() > RECENT_BATCHES {
                of_shape.batches.pop_front();
            }
        }
        tracker.look_at(shape, fetcher.clock.now());
        drop(tracker);
        self.changed.notify_one();
    }

    /// These are fetched again only when a request waits for them.
    pub(super) fn forget<'p>(&self, shape: &Shape, parts: impl Iterator<Item = &'p PartId>) {
        let mut tracker = self.tracker();
        parts.for_each(|part| tracker.forget_part(shape, part));
    }

    /// Those of `due` that no call has brought since.
    pub(super) fn still_due(
        &self,
        shape: &Shape,
        mut due: Vec<(PartId, Arc<Interest>)>,
    ) -> Vec<(PartId, Arc<Interest>)> {
        if !due.is_empty() {
            let tracker = self.tracker();
            let of_shape = tracker.shapes.get(shape);
            let is_requested =
                |part: &PartId| of_shape.is_some_and(|of| of.parts.get(part).is_some_and(|p| p.is_requested));
            due.retain(|(part, _)| is_requested(part));
        }
        due
    }

    /// The hot parts of `shape` that go along with any fetch of it (5.11): those with at most half of the time left from
    /// one refresh to the next.
    pub(super) fn along(&self, shape: &Shape, now: Moment, stretch: Stretch) -> Vec<(PartId, Arc<Interest>)> {
        let tracker = self.tracker();
        let Some(of_shape) = tracker.shapes.get(shape) else { return Vec::new() };
        let lead = of_shape.lead();
        let goes = |part: &TrackedPart| {
            let fresh_for = part.fresh_for(stretch);
            let left = part.began.after(fresh_for).since(now);
            left <= (fresh_for + lead.min(fresh_for / 2)) / 2 && part.is_hot(now)
        };
        let parts = of_shape.parts.iter().filter(|(_, part)| goes(part));
        parts.map(|(part, tracked)| (part.clone(), Arc::clone(&tracked.interest))).collect()
    }

    /// Has everything looked at again: the policies have changed.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Waits until parts are to be fetched again.
    pub(super) async fn next_due(&self, fetcher: &PartFetcher) -> Vec<Due> {
        loop {
            let next = {
                let mut tracker = self.tracker();
                tracker.follow_policies(fetcher);
                let (due, next) = tracker.due(fetcher.clock.now(), fetcher.stretch());
                if !due.is_empty() {
                    return due;
                }
                next
            };
            let is_due = async {
                match next {
                    Some(moment) => fetcher.clock.sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = is_due => {}
            }
        }
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock()
    }
}

impl Tracker {
    /// Once there are other policies, the tracked parts are judged by those.
    fn follow_policies(&mut self, fetcher: &PartFetcher) {
        let number = fetcher.policies_number();
        if std::mem::replace(&mut self.policies, number) == number {
            return;
        }
        let shapes: Vec<Shape> = self.shapes.keys().cloned().collect();
        for shape in shapes {
            let parts: Vec<PartId> =
                self.shapes.get(&shape).map_or_else(Vec::new, |of| of.parts.keys().cloned().collect());
            for part in parts {
                match fetcher.store.get(&shape.part(part.clone())).filter(|kept| fetcher.keeps(&shape, kept)) {
                    Some(kept) => self.track(&shape, &part, tracked(&kept, fetcher.policy(&shape, &kept))),
                    None => self.forget_part(&shape, &part),
                }
            }
            self.look_at(&shape, fetcher.clock.now());
        }
    }
}

fn tracked(kept: &Kept, policy: Policy) -> TrackedPart {
    let (began, stretch, interest) = (kept.began, kept.stretch, Arc::clone(&kept.interest));
    TrackedPart { began, policy, stretch, interest, is_requested: false }
}

fn shape_bytes(shape: &Shape) -> usize {
    shape.weight() + PART_OVERHEAD
}

fn part_bytes(part: &PartId) -> usize {
    PART_OVERHEAD + part.weight()
}
