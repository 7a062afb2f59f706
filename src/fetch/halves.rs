//! Which ids are to be asked for again of calls that the vendor refused, half by half until the bad ones stand alone.
//! Pure.
//!
//! A refused call is split between the questions in it where it can be, and the smallest piece is asked for first, so that
//! who asks for few good ids is not kept by who asks for many bad ones.

use std::time::Duration;

use crate::{clock::Moment, model::QueueId};

/// Calls that may be made for one call that was refused, that one included: enough for several bad ids among a hundred.
const MOST_CALLS: usize = 64;
/// How many of them are made side by side.
const SIDE_BY_SIDE: usize = 8;

/// The question that an id is asked for in: the smallest of those that name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asker {
    /// How many ids it asks for.
    pub(super) size: usize,
    /// Which of those that wait for the group.
    pub(super) number: usize,
}

impl Asker {
    /// Nobody: it goes along, and was good before.
    pub(super) const NOBODY: Self = Self { size: usize::MAX, number: 0 };
}

/// What is to be asked for again, and how often that may be done.
#[derive(Default)]
pub(super) struct Halves {
    to_ask: Vec<Vec<(Asker, QueueId)>>,
    calls: usize,
    most: usize,
    /// Calls after which it may be the question itself that the vendor minds.
    probes: usize,
    /// Whether the vendor has answered any call of the group: then it does not mind the question.
    answered: bool,
    /// The most ids that a call of the group was refused for: so many may be in one.
    largest: usize,
    /// How long calls are begun for who waits.
    longest: Duration,
    until: Option<Moment>,
    /// The last request that calls were allowed for.
    allowed: usize,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask for these in one call.
    Ask(Vec<QueueId>),
    /// Wait for a call to end; if none is under way, all is done.
    Wait,
    /// The vendor seems to mind the question: these are refused with it, and the vendor not asked about each.
    Refuse(Vec<QueueId>),
    /// Among so many bad ids the good ones are not found; that is no refusal of theirs.
    GiveUp(Vec<QueueId>),
    /// The same, because it takes too long.
    TooLate(Vec<QueueId>),
}

impl Halves {
    /// Whether a call was refused.
    pub(super) fn are_asked(&self) -> bool {
        self.until.is_some()
    }

    /// The vendor has answered a call of the group.
    pub(super) fn answered(&mut self) {
        self.answered = true;
    }

    /// A merged call for so many ids was refused. No more calls are begun when `longest` has passed since the first was.
    pub(super) fn begin(&mut self, ids: usize, now: Moment, longest: Duration) {
        self.most += MOST_CALLS - 1;
        self.probes += depth(ids) + 4;
        self.largest = self.largest.max(ids);
        self.longest = longest;
        self.until.get_or_insert_with(|| now.after(longest));
    }

    /// A request has come with a smaller question. It has time and calls of its own, enough for one bad id: those who came
    /// before may have used theirs up.
    pub(super) fn allow(&mut self, asker: Asker, now: Moment) {
        if self.allowed != asker.number {
            self.allowed = asker.number;
            self.most += 1 + 2 * depth(asker.size);
            self.until = Some(now.after(self.longest));
        }
    }

    /// Splits what was refused.
    pub(super) fn split(&mut self, mut ids: Vec<(Asker, QueueId)>) {
        ids.sort_by_key(|(asker, _)| *asker);
        let middle = ids.len() / 2;
        let is_border = |pair: &[(Asker, QueueId)]| matches!(pair, [(one, _), (other, _)] if one != other);
        let borders = ids.windows(2).enumerate().filter(|(_, pair)| is_border(pair)).map(|(i, _)| i + 1);
        let border = borders.min_by_key(|border| border.abs_diff(middle)).unwrap_or(middle);
        let rest = ids.split_off(border);
        self.to_ask.extend([ids, rest]);
    }

    /// Somebody asks for an id in a smaller question: it need not wait for the ids around it.
    pub(super) fn take_out(&mut self, id: &QueueId, asker: Asker) {
        for ids in &mut self.to_ask {
            ids.retain(|(_, other)| other != id);
        }
        self.to_ask.retain(|ids| !ids.is_empty());
        let is_its_own = |ids: &Vec<(Asker, QueueId)>| ids.iter().all(|(other, _)| *other == asker);
        match self.to_ask.iter_mut().find(|ids| is_its_own(ids) && ids.len() < self.largest) {
            Some(ids) => ids.push((asker, id.clone())),
            None => self.to_ask.push(vec![(asker, id.clone())]),
        }
    }

    /// What is to be done next, where so many calls of the group are under way and so many requests wait for it.
    ///
    /// One bad id is found after as many refusals as the number can be halved. When one request alone has met more, and no
    /// success at all, it may be the question that the vendor minds. Until that is known, one call is made at a time. Where
    /// several wait it is not concluded, for one's many bad ids would refuse the others.
    pub(super) fn next(&mut self, under_way: usize, askers: usize, now: Moment) -> Next {
        let alone = askers <= 1 && !self.answered;
        // What was good before shows best whether it is the question; else the smallest question's comes first, and its
        // smallest piece.
        let order = |ids: &Vec<(Asker, QueueId)>| {
            let is_asked_for = ids.iter().any(|(asker, _)| *asker != Asker::NOBODY);
            let question = ids.iter().map(|(asker, _)| asker.size).min();
            (alone && is_asked_for, question, ids.len())
        };
        let pieces = self.to_ask.iter().enumerate();
        let Some((first, (.., len))) = pieces.map(|(i, ids)| (i, order(ids))).min_by_key(|(_, order)| *order) else {
            return Next::Wait;
        };
        let late = self.until.is_some_and(|until| until <= now);
        let spent = self.calls >= self.most;
        let minded = alone && self.calls >= self.probes && len > 1;
        if late || spent || minded {
            if under_way > 0 {
                return Next::Wait;
            }
            let rest = self.to_ask.drain(..).flatten().map(|(_, id)| id).collect();
            return match (late, spent) {
                (true, _) => Next::TooLate(rest),
                (false, true) => Next::GiveUp(rest),
                (false, false) => Next::Refuse(rest),
            };
        }
        if under_way >= if alone { 1 } else { SIDE_BY_SIDE } {
            return Next::Wait;
        }
        self.calls += 1;
        Next::Ask(self.to_ask.remove(first).into_iter().map(|(_, id)| id).collect())
    }
}

/// How often so many ids can be halved.
fn depth(ids: usize) -> usize {
    usize::try_from(ids.next_power_of_two().ilog2()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashSet, VecDeque};

    use super::*;

    const LONGEST: Duration = Duration::from_secs(20);

    fn queue(n: usize) -> QueueId {
        QueueId::try_from(n.to_string()).unwrap()
    }

    /// Ids that one request asks for.
    fn asked(number: usize, ids: std::ops::Range<usize>) -> Vec<(Asker, QueueId)> {
        let asker = Asker { size: ids.len(), number };
        ids.map(|n| (asker, queue(n))).collect()
    }

    #[derive(Debug, Default, PartialEq)]
    struct End {
        calls: usize,
        at_once: usize,
        good: usize,
        bad: usize,
        refused: usize,
        given_up: usize,
    }

    /// Takes a refused call apart, before a vendor that refuses what is `bad`, or all if `minds` the question.
    fn take_apart(ids: Vec<(Asker, QueueId)>, askers: usize, bad: &HashSet<usize>, minds: bool) -> End {
        let of: std::collections::HashMap<_, _> = ids.iter().map(|(asker, id)| (id.clone(), *asker)).collect();
        let mut halves = Halves::default();
        halves.begin(ids.len(), Moment::default(), LONGEST);
        halves.split(ids);
        let mut under_way: VecDeque<Vec<QueueId>> = VecDeque::new();
        let mut end = End { calls: 1, ..End::default() };
        loop {
            match halves.next(under_way.len(), askers, Moment::default()) {
                Next::Ask(ids) => {
                    under_way.push_back(ids);
                    end.calls += 1;
                    end.at_once = end.at_once.max(under_way.len());
                }
                Next::Wait => {
                    let Some(ids) = under_way.pop_front() else { return end };
                    let is_bad = |id: &QueueId| minds || bad.contains(&id.as_str().parse().unwrap());
                    match ids.len() {
                        len if !ids.iter().any(is_bad) => {
                            halves.answered();
                            end.good += len;
                        }
                        1 => end.bad += 1,
                        _ => halves.split(ids.into_iter().map(|id| (of[&id], id)).collect()),
                    }
                }
                Next::Refuse(ids) => end.refused += ids.len(),
                Next::GiveUp(ids) | Next::TooLate(ids) => end.given_up += ids.len(),
            }
        }
    }

    #[test]
    fn one_bad_id_among_a_hundred_costs_fifteen_calls_at_most() {
        for bad in 0..100 {
            for askers in [1, 2] {
                let end = take_apart(asked(1, 0..100), askers, &HashSet::from([bad]), false);
                assert_eq!((end.good, end.bad, end.refused + end.given_up), (99, 1, 0));
                assert!(end.calls <= 15, "{} calls", end.calls);
            }
        }
    }

    #[test]
    fn a_question_that_the_vendor_minds_is_refused_after_few_calls_one_at_a_time_if_one_request_waits() {
        let end = take_apart(asked(1, 0..100), 1, &HashSet::new(), true);
        assert_eq!((end.calls, end.at_once), (12, 1));
        assert_eq!(end.bad + end.refused, 100);
        // As one asks, but nobody is refused for another's ids.
        let end = take_apart(asked(1, 0..100), 2, &HashSet::new(), true);
        assert_eq!((end.calls, end.at_once, end.refused), (64, 8, 0));
        assert!(end.given_up > 0);
    }

    #[test]
    fn few_bad_ids_of_one_request_are_each_found() {
        for number in 2..=5 {
            let end = take_apart(asked(1, 0..number), 1, &(0..number).collect(), false);
            assert_eq!((end.bad, end.refused + end.given_up), (number, 0), "{number} ids");
        }
    }

    #[test]
    fn who_asks_for_a_good_id_gets_it_whatever_others_ask_for() {
        let bad: HashSet<usize> = (0..95).collect();
        for middle in [0, 30, 95] {
            // The narrow question stands anywhere among the ids of the wide one.
            let mut ids = asked(1, 0..95);
            ids.splice(middle..middle, asked(2, 95..97));
            let end = take_apart(ids, 2, &bad, false);
            assert_eq!((end.good, end.refused), (2, 0));
        }
    }

    #[test]
    fn what_goes_along_is_found_good_before_the_question_is_minded() {
        let mut ids = asked(1, 0..50);
        ids.extend((50..100).map(|n| (Asker::NOBODY, queue(n))));
        let end = take_apart(ids, 1, &(0..50).collect(), false);
        assert_eq!((end.good, end.refused), (50, 0));
    }

    #[test]
    fn who_asks_for_an_id_in_a_smaller_question_does_not_wait_for_those_around_it() {
        let mut halves = Halves::default();
        halves.begin(40, Moment::default(), LONGEST);
        halves.split(asked(1, 0..40));
        let narrow = Asker { size: 2, number: 2 };
        halves.take_out(&queue(7), narrow);
        halves.take_out(&queue(33), narrow);
        assert_eq!(halves.next(1, 2, Moment::default()), Next::Ask(vec![queue(7), queue(33)]));
        let Next::Ask(rest) = halves.next(2, 2, Moment::default()) else { panic!() };
        assert_eq!(rest.len(), 19, "without it");
    }

    #[test]
    fn no_call_is_for_more_ids_than_those_that_were_refused() {
        let mut halves = Halves::default();
        for first in [0, 10] {
            halves.begin(10, Moment::default(), LONGEST);
            halves.split(asked(1, first..first + 10));
        }
        let narrow = Asker { size: 19, number: 2 };
        (0..19).for_each(|n| halves.take_out(&queue(n), narrow));
        let mut sizes = Vec::new();
        while let Next::Ask(ids) = halves.next(0, 2, Moment::default()) {
            sizes.push(ids.len());
        }
        assert_eq!(sizes, [1, 9, 10]);
    }

    #[test]
    fn who_comes_when_calls_or_time_are_used_up_has_both() {
        for (calls, passed) in [(MOST_CALLS - 1, Duration::ZERO), (0, LONGEST)] {
            let mut halves = Halves::default();
            halves.begin(100, Moment::default(), LONGEST);
            halves.split(asked(1, 0..100));
            halves.calls += calls;
            let now = Moment::default().after(passed);
            assert_eq!(halves.next(1, 2, now), Next::Wait, "the end of what is under way");
            let narrow = Asker { size: 1, number: 2 };
            halves.allow(narrow, now);
            halves.take_out(&queue(7), narrow);
            assert_eq!(halves.next(1, 2, now), Next::Ask(vec![queue(7)]));
        }
    }

    #[test]
    fn what_takes_too_long_ends_when_the_calls_that_are_under_way_have() {
        let mut halves = Halves::default();
        halves.begin(4, Moment::default(), LONGEST);
        halves.split(asked(1, 0..4));
        let late = Moment::default().after(LONGEST);
        assert_eq!(halves.next(1, 2, late), Next::Wait);
        let Next::TooLate(rest) = halves.next(0, 2, late) else { panic!() };
        assert_eq!(rest.len(), 4);
        assert_eq!(halves.next(0, 2, late), Next::Wait, "all is done");
    }
}
