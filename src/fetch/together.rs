use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::{
    assemble::Slot,
    part::Kept,
    served::{Found, Served, Tally},
    upstream_fetch::PartFetcher,
};
use crate::{
    cache::{Stretch, Weigh},
    clock::Moment,
    model::PartKey,
    upstream::Effort,
};

/// How often an answer tells its parts that they are asked for. Between, a hit writes to no memory that other hits read.
const NOTE_EACH: Duration = Duration::from_millis(10);
/// How often it tells the store that they are still of use.
const TOUCH_EACH: Duration = Duration::from_secs(1);

/// An answer as it was put together, for those who ask the same again before any of its parts changes.
pub(super) struct Together {
    body: Bytes,
    restricted: Option<Bytes>,
    etag: Option<Bytes>,
    parts: Vec<(PartKey, Kept)>,
    tally: Tally,
    oldest: Moment,
    /// When the first of the parts is as old as its `ttl`.
    ttl_until: Moment,
    /// The same, `ttl`s being stretched as far as they were.
    fresh_until: Moment,
    /// The wall clock's lead over `Moment`s, if the two ends depend on the date.
    lead: Option<Lead>,
    stretch: Stretch,
    /// Under which policies all this was worked out.
    policies: u64,
    noted: Since,
    touched: Since,
}

impl Together {
    /// Remembers an answer all of whose parts are held and fresh.
    pub(super) fn new(fetcher: &PartFetcher, served: &Served, slots: Vec<Slot>, now: Moment) -> Option<Self> {
        let parts: Vec<_> = slots.into_iter().filter_map(|slot| Some((slot.key, slot.kept?))).collect();
        // Before they are read: those that come meanwhile have another number.
        let policies = fetcher.policies_number();
        let stretch = fetcher.stretch();
        let until = |stretch: &dyn Fn(&Kept) -> Stretch| {
            let end = |(key, kept): &(PartKey, Kept)| {
                kept.began.after(fetcher.policy(&key.shape, kept).fresh_for(stretch(kept)))
            };
            parts.iter().map(end).min()
        };
        let dated = parts.iter().any(|(_, kept)| kept.coverage.is_some());
        Some(Self {
            lead: dated.then(|| Lead { now: fetcher.clock.now(), wall: fetcher.clock.wall() }),
            oldest: parts.iter().map(|(_, kept)| kept.began).min()?,
            ttl_until: until(&|_| Stretch::NONE)?,
            fresh_until: until(&|kept| kept.stretch.at_least(stretch))?,
            stretch,
            policies,
            body: served.body.clone(),
            restricted: served.restricted.clone(),
            etag: served.etag.clone(),
            parts,
            tally: served.parts,
            noted: Since::new(now),
            touched: Since::new(now),
        })
    }

    /// The answer, if it still is what would be put together now. Notes the interest in its parts.
    pub(super) fn serve(&self, fetcher: &PartFetcher) -> Option<Served> {
        let now = fetcher.clock.now();
        if !self.holds(now, fetcher.stretch(), fetcher.policies_number()) || self.clock_went_back(fetcher) {
            return None;
        }
        if self.noted.is_over(NOTE_EACH, now) {
            self.parts.iter().for_each(|(_, part)| part.interest.note(now));
        }
        if self.touched.is_over(TOUCH_EACH, now) {
            // Else a flood would push them out: the store drops what was asked for the longest ago.
            self.parts.iter().for_each(|(key, _)| drop(fetcher.store.get(key)));
        }
        Some(Served {
            body: self.body.clone(),
            restricted: self.restricted.clone(),
            etag: self.etag.clone(),
            age: now.since(self.oldest),
            found: Found::Hit { left: self.fresh_until.since(now), stretched: now >= self.ttl_until },
            parts: self.tally,
            effort: Effort::default(),
        })
    }

    /// Whether no part has been fetched anew or purged, and none has ceased to be fresh.
    pub(super) fn holds(&self, now: Moment, stretch: Stretch, policies: u64) -> bool {
        now < self.fresh_until
            && stretch == self.stretch
            && policies == self.policies
            && !self.parts.iter().any(|(_, part)| part.has_left())
    }
}

impl Together {
    /// Whether the wall clock was set back since: what was settled by it may be open.
    fn clock_went_back(&self, fetcher: &PartFetcher) -> bool {
        self.lead.as_ref().is_some_and(|lead| lead.has_shrunk(fetcher.clock.now(), fetcher.clock.wall()))
    }
}

/// What both clocks said in one moment.
struct Lead {
    now: Moment,
    wall: Timestamp,
}

impl Lead {
    /// How far NTP may slow the wall clock before the date counts as set back.
    const TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

    fn has_shrunk(&self, now: Moment, wall: Timestamp) -> bool {
        let passed = SignedDuration::try_from(now.since(self.now)).unwrap_or(SignedDuration::MAX);
        passed.saturating_sub(wall.duration_since(self.wall)) > Self::TOLERANCE
    }
}

impl Weigh for Together {
    fn weight(&self) -> usize {
        // The parts too, for they may have left the store meanwhile.
        self.body.len()
            + self.restricted.as_ref().map_or(0, Bytes::len)
            + self.parts.iter().map(|(key, part)| key.weight() + part.weight()).sum::<usize>()
            + 256
    }
}

/// When something was last done, in nanoseconds.
pub(super) struct Since(AtomicU64);

impl Since {
    pub(super) fn new(now: Moment) -> Self {
        Self(AtomicU64::new(now.as_nanos()))
    }

    /// Whether `each` has passed since; then it begins anew.
    pub(super) fn is_over(&self, each: Duration, now: Moment) -> bool {
        let over = self.was_before(each, now);
        if over {
            self.0.store(now.as_nanos(), Ordering::Relaxed);
        }
        over
    }

    /// Whether `each` has passed since.
    pub(super) fn was_before(&self, each: Duration, now: Moment) -> bool {
        let each = u64::try_from(each.as_nanos()).unwrap_or(u64::MAX);
        now.as_nanos().saturating_sub(self.0.load(Ordering::Relaxed)) >= each
    }
}
