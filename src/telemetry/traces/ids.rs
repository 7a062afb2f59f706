//! Ids of traces and spans, and which traces are recorded.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// 128 bits, not all zero.
pub(super) type TraceId = [u8; 16];
/// 64 bits, not all zero.
pub(super) type SpanId = [u8; 8];

/// A trace's id that nobody else has, as good as random (Trace Context, section 3.2.2.3).
pub(super) fn new_trace() -> TraceId {
    let mut id = [0; 16];
    let (left, right) = id.split_at_mut(8);
    left.copy_from_slice(&new_span());
    right.copy_from_slice(&new_span());
    id
}

/// A span's id that nobody else has: a number that comes once, hashed with 128 bits that only this process knows, which costs
/// no call to the system.
pub(super) fn new_span() -> SpanId {
    static KEYED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    KEYED.hash_one(NEXT.fetch_add(1, Ordering::Relaxed)).max(1).to_be_bytes()
}

/// The bytes that hexadecimal digits stand for; `None` if they are not such digits, or too few or many.
pub(super) fn from_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// A trace's id in lower-case hexadecimal digits.
pub(super) fn to_hex(id: &TraceId) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'0'; 32];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(id) {
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
        *pair = [digit(byte >> 4), digit(byte & 0xf)];
    }
    text
}

/// Which traces that nobody decided about are recorded: by their ids, so that all who take part in one and hold the same share
/// decide alike (OpenTelemetry's `TraceIdRatioBased`).
#[derive(Clone, Copy)]
pub(super) struct Sampler {
    below: u64,
}

impl Sampler {
    /// Of ids' last 63 bits.
    const ALL: u64 = 1 << 63;

    /// `ratio` is from 0 to 1.
    pub(super) fn new(ratio: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of it"
        )]
        let below = (ratio.clamp(0.0, 1.0) * Self::ALL as f64) as u64;
        Self { below }
    }

    pub(super) fn takes(self, trace: &TraceId) -> bool {
        let [.., a, b, c, d, e, f, g, h] = *trace;
        (u64::from_be_bytes([a, b, c, d, e, f, g, h]) & (Self::ALL - 1)) < self.below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_are_read_and_written() {
        let text = b"4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(to_hex(&from_hex(text).unwrap()), *text);
        assert_eq!(from_hex::<8>(text), None);
        assert_eq!(from_hex::<1>(b"0g"), None);
        assert_eq!(from_hex::<1>(b"012"), None);
    }

    #[test]
    fn a_share_of_the_traces_is_recorded() {
        let taken = |ratio: f64| {
            let sampler = Sampler::new(ratio);
            (0..10_000).filter(|_| sampler.takes(&new_trace())).count()
        };
        assert_eq!((taken(0.0), taken(1.0)), (0, 10_000));
        // Ten standard deviations each way.
        let quarter = taken(0.25);
        assert!((2_050..2_950).contains(&quarter), "{quarter}");
    }

    #[test]
    fn ids_are_not_given_twice() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| new_span()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}
