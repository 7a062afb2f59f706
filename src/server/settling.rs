//! When a change of files counts. Pure.

/// Looks, after which what never rests counts as it is.
const MOST_LOOKS: u32 = 5;

/// What was seen of something that may be half of a change: it counts when it was seen twice alike, or when it has been
/// changing for [`MOST_LOOKS`] looks on end.
pub(super) struct Settling<T> {
    last: Option<T>,
    looks: u32,
}

impl<T> Default for Settling<T> {
    fn default() -> Self {
        Self { last: None, looks: 0 }
    }
}

impl<T: PartialEq> Settling<T> {
    /// Whether `now` counts, where `held` is what counted last.
    pub(super) fn counts(&mut self, now: T, held: &T) -> bool {
        if now == *held {
            *self = Self::default();
            return false;
        }
        self.looks += 1;
        let counts = self.last.as_ref() == Some(&now) || self.looks >= MOST_LOOKS;
        *self = if counts { Self::default() } else { Self { last: Some(now), looks: self.looks } };
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(seen: &str) -> String {
        let (mut settling, mut held) = (Settling::default(), 'a');
        let mut counted = String::new();
        for now in seen.chars() {
            if settling.counts(now, &held) {
                held = now;
                counted.push(now);
            }
        }
        counted
    }

    #[test]
    fn a_change_counts_when_it_is_seen_twice_alike_and_what_never_rests_counts_at_last() {
        for (seen, counts) in [
            ("aaa", ""),
            ("ab", ""),
            ("abb", "b"),
            ("abbbb", "b"),
            ("abc", ""),
            ("abcc", "c"),
            // What was begun was taken back.
            ("abab", ""),
            ("bcdef", "f"),
            ("bcdefghijk", "fk"),
            ("bcdaefgh", ""),
        ] {
            assert_eq!(counted(seen), counts, "{seen}");
        }
    }
}
