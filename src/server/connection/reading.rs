//! How a client reads an answer.

use std::time::Duration;

use crate::clock::Moment;

/// What of an answer is a good piece: who takes less of it in `server.idle_timeout` is as silent as who does not ask.
const SIGN_OF_LIFE_BYTES: usize = 64 * 1024;
/// How much longer a client may take for each. Who takes longer uses up what patience there is, so that how long a whole answer
/// may take is bound by its length at a rate that any honest line has.
const TIME_FOR_A_PIECE: Duration = Duration::from_secs(2);

/// How far an answer has been read, and how patient one still is.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    silent_since: Moment,
    /// Bytes since the last good piece.
    went: usize,
}

impl Reading {
    /// Nothing of it has been read yet.
    pub(super) fn begun(now: Moment) -> Self {
        Self { silent_since: now, went: 0 }
    }

    /// So many further bytes have been taken.
    pub(super) fn took(&mut self, bytes: usize, now: Moment) {
        let went = self.went.saturating_add(bytes);
        let pieces = u32::try_from(went / SIGN_OF_LIFE_BYTES).unwrap_or(u32::MAX);
        self.went = went % SIGN_OF_LIFE_BYTES;
        self.silent_since = now.min(self.silent_since.after(TIME_FOR_A_PIECE.saturating_mul(pieces)));
    }

    /// Since when the client counts as silent.
    pub(super) fn silent_since(&self) -> Moment {
        self.silent_since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::default().after(Duration::from_secs(seconds))
    }

    #[test]
    fn who_reads_fast_is_not_silent_and_gains_nothing_for_later() {
        let mut reading = Reading::begun(at(10));
        reading.took(100 * SIGN_OF_LIFE_BYTES, at(11));
        assert_eq!(reading.silent_since(), at(11));
        reading.took(SIGN_OF_LIFE_BYTES, at(41));
        assert_eq!(reading.silent_since(), at(13));
    }

    #[test]
    fn what_comes_in_bits_counts_as_what_comes_at_once() {
        let (mut at_once, mut in_bits) = (Reading::begun(at(0)), Reading::begun(at(0)));
        at_once.took(3 * SIGN_OF_LIFE_BYTES, at(60));
        for _ in 0..6 {
            in_bits.took(SIGN_OF_LIFE_BYTES / 2, at(60));
        }
        assert_eq!((at_once.silent_since(), in_bits.silent_since()), (at(6), at(6)));
    }
}
