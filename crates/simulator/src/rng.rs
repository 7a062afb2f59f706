//! Chance that repeats: everything the simulator invents comes from its seed by way of these functions.

/// SplitMix64's finalizer: spreads one number over all 64 bits.
pub(crate) fn splitmix64(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One number out of several; their order matters.
pub(crate) fn hash(parts: &[u64]) -> u64 {
    parts.iter().fold(0x5745_5341_4c00_0000, |state, part| splitmix64(state ^ splitmix64(*part)))
}

/// A number below `bound` (0 if `bound` is 0), evenly spread when `hash` is.
pub(crate) fn below(hash: u64, bound: u64) -> u64 {
    let scaled = (u128::from(hash) * u128::from(bound)) >> 64;
    u64::try_from(scaled).unwrap_or_default()
}

/// One of the words of a list (the empty word of an empty list).
pub(crate) fn pick(hash: u64, words: &[&'static str]) -> &'static str {
    let index = usize::try_from(below(hash, words.len() as u64)).unwrap_or_default();
    words.get(index).copied().unwrap_or_default()
}

/// A text in the shape of a version 4 UUID, lower case.
pub(crate) fn uuid(hash: u64) -> String {
    let (high, low) = (splitmix64(hash), splitmix64(!hash));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// `length` letters and digits.
pub(crate) fn letters(hash: u64, length: u64) -> String {
    const ALPHABET: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let size = ALPHABET.len() as u64;
    (0..length)
        .filter_map(|place| ALPHABET.get(usize::try_from(below(splitmix64(hash ^ splitmix64(place)), size)).ok()?))
        .map(|letter| char::from(*letter))
        .collect()
}

/// Chance that depends on how often it was asked before: for latency and for faults by probability.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(splitmix64(seed ^ 0xd1ce))
    }

    /// Evenly spread in 0 ≤ x < 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (splitmix64(self.0) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_the_usual_shape() {
        let id = uuid(7);
        assert_eq!(id.len(), 36);
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(id, uuid(7));
        assert_ne!(id, uuid(8));
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        assert!((0..1000).all(|n| below(splitmix64(n), 7) < 7));
        assert_eq!(below(splitmix64(1), 0), 0);
        let mut rng = Rng::new(1);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&rng.fraction())));
    }
}
