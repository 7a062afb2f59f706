use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{Interest, Stretch};
use crate::clock::Moment;

/// A part that is held, and when its vendor call began.
pub struct Entry<T> {
    /// What is held.
    pub content: T,
    /// When the vendor call began, for age.
    pub began: Moment,
    /// How much its content could still change then.
    pub phase: Phase,
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
    pub fn new(content: T, began: Moment, phase: Phase, interest: Arc<Interest>, stretch: Stretch) -> Self {
        Self { content, began, phase, interest, stretch, left: AtomicBool::new(false), purged: AtomicU64::new(NEVER) }
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

/// How much a part's content could still change when its call began; what was settled may be held longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// At any time.
    Open,
    /// Late corrections only.
    Closed,
    /// Not any more.
    Settled,
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
