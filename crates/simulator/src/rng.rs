//! Seeded randomness. Everything that the simulator makes up comes from its seed through these functions.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

/// Returns the generator of one thing. Within one build, the same `key` always gives the same numbers.
pub(crate) fn rng(key: impl Hash) -> SmallRng {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    SmallRng::seed_from_u64(hasher.finish())
}

/// Returns one of the words of a list that is not empty.
pub(crate) fn pick<'a>(rng: &mut SmallRng, words: &'a [impl AsRef<str>]) -> &'a str {
    words.choose(rng).map_or("", |word| word.as_ref())
}

/// Returns a version 4 UUID in lower case.
pub(crate) fn uuid(rng: &mut SmallRng) -> String {
    let (high, low): (u64, u64) = rng.random();
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_has_the_usual_shape_and_follows_its_key() {
        let id = uuid(&mut rng(7));
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert_eq!(id, uuid(&mut rng(7)));
        assert_ne!(id, uuid(&mut rng(8)));
    }
}
