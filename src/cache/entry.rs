use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::clock::Moment;

/// A part that is held: the vendor's bytes, and when its call began.
#[derive(Clone)]
pub struct Entry {
    /// The vendor's answer, byte for byte.
    pub body: Bytes,
    /// A strong entity tag with its quotes (RFC 9110, section 8.8.3).
    pub etag: Box<str>,
    /// When the vendor call began, for age.
    pub began: Moment,
    /// How much its content could still change then.
    pub phase: Phase,
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

impl Entry {
    /// An entry for an answer whose call began at `began`.
    pub fn new(body: Bytes, began: Moment, phase: Phase) -> Self {
        Self { etag: entity_tag(&body), body, began, phase }
    }

    /// Bytes that it takes in memory, its share of allocations included.
    pub fn weight(&self) -> usize {
        const OVERHEAD: usize = 256;
        self.body.len() + self.etag.len() + OVERHEAD
    }
}

/// A strong entity tag with its quotes: 128 bits of the body's SHA-256, so that equal tags mean equal bytes.
pub fn entity_tag(body: &[u8]) -> Box<str> {
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
