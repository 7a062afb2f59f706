use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;

use super::{
    assemble::Slot,
    calls::Calls,
    part::Kept,
    served::{Found, Served, Tally},
};
use crate::{
    cache::{Memo, Stretch, Weigh},
    clock::Moment,
    model::PartKey,
    upstream::Effort,
};

/// How often the store is told that the rows of an answer are still of use.
const TOUCH_EACH: Duration = Duration::from_secs(1);

/// Answers as they were put together, by the question's number, for those who ask the same again before any of the parts
/// changes.
pub(super) struct WholeAnswers(Memo<u64, Together>);

struct Together {
    body: Bytes,
    etag: Option<Bytes>,
    parts: Vec<(PartKey, Kept)>,
    absent: u32,
    oldest: Moment,
    /// When the first of the parts is as old as its `ttl`.
    ttl_until: Moment,
    /// The same, `ttl`s being stretched as far as they were.
    fresh_until: Moment,
    stretch: Stretch,
    /// When the store was last told, in nanoseconds.
    touched: AtomicU64,
}

impl WholeAnswers {
    /// Holds at most `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Self {
        Self(Memo::new(capacity))
    }

    /// The answer, if it still is what would be put together now. Notes the interest in its parts.
    pub(super) fn get(&self, calls: &Calls, question: u64) -> Option<Served> {
        let now = calls.clock.now();
        let together = self.0.get(&question).filter(|together| together.holds(now, calls.stretch()))?;
        together.touch(calls, now);
        let left = together.fresh_until.since(now);
        Some(Served {
            body: together.body.clone(),
            etag: together.etag.clone(),
            age: now.since(together.oldest),
            found: Found::Hit { left, stretched: now >= together.ttl_until },
            parts: Tally {
                hit: u32::try_from(together.parts.len()).unwrap_or(u32::MAX).saturating_sub(together.absent),
                absent: together.absent,
                ..Tally::default()
            },
            effort: Effort::default(),
        })
    }

    /// Remembers an answer all of whose parts are held and fresh.
    pub(super) fn put(&self, calls: &Calls, question: u64, served: &Served, slots: Vec<Slot>, now: Moment) {
        let parts: Vec<_> = slots.into_iter().filter_map(|slot| Some((slot.key, slot.kept?))).collect();
        let stretch = calls.stretch();
        let until = |stretch| {
            let end =
                |(key, kept): &(PartKey, Kept)| kept.began.after(calls.policy(&key.shape, kept).fresh_for(stretch));
            parts.iter().map(end).min()
        };
        let oldest = parts.iter().map(|(_, kept)| kept.began).min();
        let (Some(oldest), Some(ttl_until), Some(fresh_until)) = (oldest, until(Stretch::NONE), until(stretch)) else {
            return;
        };
        let together = Together {
            body: served.body.clone(),
            etag: served.etag.clone(),
            absent: served.parts.absent,
            parts,
            oldest,
            ttl_until,
            fresh_until,
            stretch,
            touched: AtomicU64::new(now.as_nanos()),
        };
        self.0.put(question, Arc::new(together));
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Forgets what does not hold any more.
    pub(super) fn tidy(&self, calls: &Calls) {
        let (now, stretch) = (calls.clock.now(), calls.stretch());
        self.0.tidy(|together| together.holds(now, stretch));
    }
}

impl Together {
    /// No row has been fetched anew, and none has ceased to be fresh.
    fn holds(&self, now: Moment, stretch: Stretch) -> bool {
        now < self.fresh_until && stretch == self.stretch && !self.parts.iter().any(|(_, part)| part.has_left())
    }

    /// Somebody asks for the parts, although not one by one.
    fn touch(&self, calls: &Calls, now: Moment) {
        self.parts.iter().for_each(|(_, part)| part.interest.note(now));
        let touched = self.touched.load(Ordering::Relaxed);
        if now.as_nanos().saturating_sub(touched) >= u64::try_from(TOUCH_EACH.as_nanos()).unwrap_or(u64::MAX) {
            self.touched.store(now.as_nanos(), Ordering::Relaxed);
            // Else a flood would push them out: the store drops what was asked for the longest ago.
            self.parts.iter().for_each(|(key, _)| drop(calls.store.get(key)));
        }
    }
}

impl Weigh for Together {
    fn weight(&self) -> usize {
        // The rows too, for they may have left the store meanwhile.
        self.body.len() + self.parts.iter().map(|(key, part)| key.weight() + part.weight()).sum::<usize>() + 256
    }
}
