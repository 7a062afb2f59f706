//! Finds the bad ids of a rejected request: halves what was rejected, one call after another, smallest known part first.
//! Pure.

use crate::model::QueueId;

/// Beside 2 × log2 of the number of ids.
const MAX_MORE_CALLS: usize = 4;

/// The most calls that one request for `ids` ids may cause if it is rejected (5.8): 2 × log2 n + 4. More only where its
/// first calls, each of at most `ids_per_call` ids, would leave too few to find one bad id: then these and 2 × log2 of
/// `ids_per_call`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
pub(super) fn max_calls(ids: usize, ids_per_call: usize) -> usize {
    let log2 = |ids: usize| (ids.max(1) as f64).log2();
    let calls = (2.0 * log2(ids)).floor() as usize + MAX_MORE_CALLS;
    calls.max(ids.div_ceil(ids_per_call) + 2 * log2(ids.min(ids_per_call)).ceil() as usize)
}

/// What is left to try.
#[derive(Default)]
pub(super) struct Bisection {
    /// The next to try is the last.
    pieces: Vec<Piece>,
    /// What was handed out by [`next`](Self::next) and has no result yet.
    trying: Option<Piece>,
}

#[derive(Clone)]
struct Piece {
    ids: Vec<QueueId>,
    /// Whether a call with just these ids would be rejected.
    is_rejected: bool,
    /// Whether the other half of the same rejected piece comes right after this one.
    is_first_half: bool,
}

impl Bisection {
    /// `ids` are to be tried; a call with just these was rejected, if `is_rejected`.
    pub(super) fn add(&mut self, ids: Vec<QueueId>, is_rejected: bool) {
        if !ids.is_empty() {
            self.pieces.push(Piece { ids, is_rejected, is_first_half: false });
        }
    }

    /// The ids of the next call; `None` when nothing is left to try.
    pub(super) fn next(&mut self) -> Option<Vec<QueueId>> {
        loop {
            let mut piece = self.pieces.pop()?;
            if piece.is_rejected && piece.ids.len() > 1 {
                let second = piece.ids.split_off(piece.ids.len() / 2);
                self.pieces.push(Piece { ids: second, is_rejected: false, is_first_half: false });
                self.pieces.push(Piece { ids: piece.ids, is_rejected: false, is_first_half: true });
                continue;
            }
            self.trying = Some(piece.clone());
            return Some(piece.ids);
        }
    }

    /// The call for what [`next`](Self::next) gave was rejected. Of a single id that settles it.
    pub(super) fn rejected(&mut self) {
        if let Some(piece) = self.trying.take().filter(|piece| piece.ids.len() > 1) {
            self.pieces.push(Piece { is_rejected: true, is_first_half: false, ..piece });
        }
    }

    /// It was answered. Where it was the first half of a rejected piece, the second is known to be rejected.
    pub(super) fn accepted(&mut self) {
        if self.trying.take().is_some_and(|piece| piece.is_first_half)
            && let Some(second) = self.pieces.last_mut()
        {
            second.is_rejected = true;
        }
    }

    /// The ids that have no result.
    pub(super) fn rest(self) -> impl Iterator<Item = QueueId> {
        self.pieces.into_iter().chain(self.trying).flat_map(|piece| piece.ids)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::{collection::hash_set, prelude::*};

    use super::*;

    fn queue(n: usize) -> QueueId {
        QueueId::try_from(n.to_string()).unwrap()
    }

    /// The bad ids that are found of `0..n` in calls of at most `per_call` within the calls that the request may still make,
    /// and how many calls all that took, the first calls included.
    fn bisect(n: usize, per_call: usize, bad: &HashSet<usize>) -> (HashSet<usize>, usize) {
        let bad: HashSet<QueueId> = bad.iter().map(|n| queue(*n)).collect();
        let ids: Vec<_> = (0..n).map(queue).collect();
        let chunks = ids.chunks(per_call);
        let mut calls = chunks.len();
        let mut bisection = Bisection::default();
        chunks.filter(|ids| ids.iter().any(|id| bad.contains(id))).for_each(|ids| bisection.add(ids.to_vec(), true));
        let mut found = HashSet::new();
        while calls < max_calls(n, per_call) {
            let Some(ids) = bisection.next() else { break };
            calls += 1;
            if ids.iter().any(|id| bad.contains(id)) {
                bisection.rejected();
                found.extend(ids.first().filter(|_| ids.len() == 1).map(|id| id.as_str().parse::<usize>().unwrap()));
            } else {
                bisection.accepted();
            }
        }
        (found, calls)
    }

    #[test]
    fn number_of_calls_is_bounded_by_the_number_of_ids() {
        assert_eq!([1, 2, 100, 500].map(|ids| max_calls(ids, 100)), [4, 6, 17, 21]);
        for ids in 1..=500 {
            assert_eq!(max_calls(ids, 100), max_calls(ids, usize::MAX), "{ids} ids");
        }
        let all = (0..500).collect();
        let (found, calls) = bisect(500, 100, &all);
        assert!(!found.is_empty() && calls <= 21, "{found:?}, {calls}");
    }

    #[test]
    fn small_calls_leave_enough_to_find_one_bad_id() {
        assert_eq!(max_calls(500, 10), 50 + 8);
        assert_eq!(max_calls(500, 1), 500);
    }

    #[test]
    fn ids_without_a_result_are_the_rest() {
        let mut bisection = Bisection::default();
        bisection.add((0..4).map(queue).collect(), true);
        assert_eq!(bisection.next().unwrap(), [queue(0), queue(1)]);
        bisection.accepted();
        assert_eq!(bisection.next().unwrap(), [queue(2)], "one of the second half is bad");
        assert_eq!(bisection.rest().collect::<HashSet<_>>(), HashSet::from([queue(2), queue(3)]));
    }

    proptest! {
        #[test]
        fn single_bad_id_is_found_whatever_its_place(
            n in 1_usize..=500,
            per_call in 2_usize..=100,
            bad: prop::sample::Index,
        ) {
            let bad = HashSet::from([bad.index(n)]);
            prop_assert_eq!(bisect(n, per_call, &bad).0, bad);
        }

        #[test]
        fn at_least_one_bad_id_is_found(
            n in 1_usize..=500,
            per_call in 2_usize..=100,
            bad in hash_set(0_usize..500, 1..500),
        ) {
            let bad: HashSet<usize> = bad.into_iter().filter(|bad| *bad < n).collect();
            let (found, calls) = bisect(n, per_call, &bad);
            prop_assert!(calls <= max_calls(n, per_call));
            prop_assert!(found.is_subset(&bad));
            prop_assert!(bad.is_empty() || !found.is_empty(), "{n} {bad:?}");
        }
    }
}
