use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{Interest, Stretch};
use crate::clock::Moment;

/// A part that is held, and when its vendor call began.
pub struct Entry<T> {
    /// What is held.
    pub content: T,
    /// When the vendor call began, for age.
    pub began: Moment,
    /// The interval that the content covers, if it covers one.
    pub coverage: Option<Coverage>,
    /// Who asked for it.
    pub interest: Arc<Interest>,
    /// How far its `ttl` was stretched when it came: it is fresh for at least that long, so that who fetches ahead knows
    /// when.
    pub stretch: Stretch,
    left: AtomicBool,
    /// In nanoseconds; the greatest number: never.
    purged: AtomicU64,
}

const NEVER: u64 = u64::MAX;

impl<T> Entry<T> {
    /// An entry that is to be held.
    pub fn new(
        content: T,
        began: Moment,
        coverage: Option<Coverage>,
        interest: Arc<Interest>,
        stretch: Stretch,
    ) -> Self {
        Self {
            content,
            began,
            coverage,
            interest,
            stretch,
            left: AtomicBool::new(false),
            purged: AtomicU64::new(NEVER),
        }
    }

    /// Whether it is held no more, or no more as it was: a newer one took its place, it was dropped, or purged. What was
    /// made of it must be made anew.
    pub fn has_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// From `now` on it is fresh no more, however young it is.
    pub fn purge(&self, now: Moment) {
        self.purged.fetch_min(now.as_nanos(), Ordering::Relaxed);
        self.leave();
    }

    /// When it was purged, if it was.
    pub fn purged(&self) -> Option<Moment> {
        let purged = self.purged.load(Ordering::Relaxed);
        (purged != NEVER).then(|| Moment::from_nanos(purged))
    }

    pub(super) fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
    }
}

/// An interval of dates that a part's content covers, and the date of its fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The end of the interval.
    pub end: Timestamp,
    /// The wall-clock time when the part's vendor call began. The wall clock may have been wrong then.
    fetched: Timestamp,
}

impl Coverage {
    /// An interval that ends at `end`, in an answer to a call that began at `fetched` by the wall clock.
    pub fn new(end: Timestamp, fetched: Timestamp) -> Self {
        Self { end, fetched }
    }

    /// The date of the fetch of a part of this `age`. Two clocks must agree that the fetch was late: the wall clock at the
    /// fetch, and the present wall clock less the part's age. The earlier date counts, so that a wall clock that was ahead
    /// for a while has no effect after it is set right.
    pub fn fetched(&self, age: Duration, wall: Timestamp) -> Timestamp {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        self.fetched.min(wall.saturating_sub(age).unwrap_or(Timestamp::MIN))
    }
}

/// What can say how much memory it takes.
pub trait Weigh {
    /// Bytes, its share of allocations included.
    fn weight(&self) -> usize;
}

impl<T: Weigh> Weigh for Entry<T> {
    fn weight(&self) -> usize {
        const OVERHEAD: usize = 320;
        self.content.weight() + OVERHEAD
    }
}

/// A strong entity tag with its quotes (RFC 9110, section 8.8.3): 128 bits of the body's SHA-256, so that equal tags
/// mean equal bytes.
pub fn entity_tag(body: &[u8]) -> Bytes {
    use std::fmt::Write as _;

    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in Sha256::digest(body).iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag.into()
}
