//! Shapes whose answers cannot be cached row by row (5.13). Pure: `now` is an argument.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    time::Duration,
};

use crate::{
    clock::Moment,
    model::{QueueId, Shape},
};

/// How long a shape is cached as whole documents after an answer could not be split.
pub(super) const WHOLE_MODE_TTL: Duration = Duration::from_secs(60);
/// How long the envelope of a shape is remembered that is not fetched.
const ENVELOPE_TTL: Duration = Duration::from_secs(600);
/// Shapes that are remembered, and queues with two different rows.
pub(super) const MAX_SHAPES: usize = 1_000;

/// Which shapes are cached as whole documents, and the envelopes by which that is found out.
#[derive(Default)]
pub(super) struct WholeMode {
    until: HashMap<Shape, Moment>,
    /// Queues for which there were two different rows: requests that name one are answered as whole documents.
    ambiguous: HashMap<(Shape, QueueId), Moment>,
    /// The last envelope of a shape whose envelopes have members of their own.
    envelopes: HashMap<Shape, Observed>,
    hasher: RandomState,
}

/// Hashes only: the members of an envelope are the vendor's data.
struct Observed {
    queues: u64,
    extras: u64,
    at: Moment,
    /// What two calls with different ids told; `None` until there were two.
    is_constant: Option<bool>,
}

impl WholeMode {
    pub(super) fn is_on(&self, shape: &Shape, now: Moment) -> bool {
        self.until.get(shape).is_some_and(|until| now < *until)
    }

    /// Whether a request for these queues is answered as a whole document, to callers that may see all.
    pub(super) fn is_on_for(&self, shape: &Shape, queues: &[QueueId], now: Moment) -> bool {
        let is_ambiguous = |queue: &QueueId| {
            let until = self.ambiguous.get(&(shape.clone(), queue.clone()));
            until.is_some_and(|until| now < *until)
        };
        self.is_on(shape, now) || !self.ambiguous.is_empty() && queues.iter().any(is_ambiguous)
    }

    /// Remembers that there were two different rows for `queue`.
    pub(super) fn add_ambiguous(&mut self, shape: &Shape, queue: &QueueId, now: Moment) {
        if self.ambiguous.len() < MAX_SHAPES {
            self.ambiguous.insert((shape.clone(), queue.clone()), now.after(WHOLE_MODE_TTL));
        }
    }

    pub(super) fn turn_on(&mut self, shape: &Shape, now: Moment) {
        if self.until.len() < MAX_SHAPES {
            self.until.insert(shape.clone(), now.after(WHOLE_MODE_TTL));
        }
    }

    /// Learns the further envelope members of an answer for `queues`, `extras` being their text. Where they differ from
    /// those of the last call, which was for other ids, they depend on the ids: whole mode is turned on, and this gives true.
    pub(super) fn observe(&mut self, shape: &Shape, queues: &[QueueId], extras: &str, now: Moment) -> bool {
        if extras.is_empty() && !self.envelopes.contains_key(shape) {
            return false;
        }
        // As a set: the order of the ids makes no other call.
        let mut sorted: Vec<&QueueId> = queues.iter().collect();
        sorted.sort_unstable();
        let (queues, extras) = (self.hasher.hash_one(&sorted), self.hasher.hash_one(extras));
        if self.envelopes.len() >= MAX_SHAPES && !self.envelopes.contains_key(shape) {
            self.envelopes.clear();
        }
        let last = self.envelopes.get(shape);
        let has_other_ids = last.is_some_and(|last| last.queues != queues);
        let is_same = last.is_some_and(|last| last.extras == extras);
        let is_constant = if has_other_ids { Some(is_same) } else { last.and_then(|last| last.is_constant) };
        self.envelopes.insert(shape.clone(), Observed { queues, extras, at: now, is_constant });
        let differs = has_other_ids && !is_same;
        if differs {
            self.turn_on(shape, now);
        }
        differs
    }

    /// Whether two calls with different ids had the same members, `None` if that is not known: only then may those of one
    /// call stand around the rows of another.
    pub(super) fn is_constant(&self, shape: &Shape) -> Option<bool> {
        self.envelopes.get(shape).and_then(|observed| observed.is_constant)
    }

    /// Forgets what is over. To be called about each second.
    pub(super) fn tidy(&mut self, now: Moment) {
        self.until.retain(|_, until| now < *until);
        self.ambiguous.retain(|_, until| now < *until);
        self.envelopes.retain(|_, observed| now.since(observed.at) < ENVELOPE_TTL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Figures, Forwarded, Query, QueuesQuery, Subject};

    fn queues(ids: &[&str]) -> Vec<QueueId> {
        ids.iter().map(|id| QueueId::try_from((*id).to_owned()).unwrap()).collect()
    }

    fn shape() -> Shape {
        let query = QueuesQuery { figures: Figures::Summary, queues: queues(&["a"]).into(), extended: None };
        Query { subject: Subject::Queues(query), forwarded: Forwarded::default() }.shape()
    }

    #[test]
    fn envelope_that_differs_with_the_ids_turns_whole_mode_on() {
        let (mut mode, now) = (WholeMode::default(), Moment::default().after(Duration::from_secs(9)));
        let (one, two) = (queues(&["a"]), queues(&["a", "b"]));
        assert!(!mode.observe(&shape(), &one, "total:1", now));
        assert!(!mode.observe(&shape(), &one, "total:2", now), "the same ids: it is the time that differs");
        assert_eq!(mode.is_constant(&shape()), None);
        assert!(!mode.observe(&shape(), &two, "total:2", now), "other ids, the same members");
        assert_eq!(mode.is_constant(&shape()), Some(true));
        assert!(!mode.is_on(&shape(), now));
        assert!(mode.observe(&shape(), &one, "total:1", now));
        assert!(mode.is_on(&shape(), now) && !mode.is_on(&shape(), now.after(WHOLE_MODE_TTL)));
        assert_eq!(mode.is_constant(&shape()), Some(false), "also after that");
    }

    #[test]
    fn ambiguous_queue_affects_requests_that_name_it() {
        let (mut mode, now) = (WholeMode::default(), Moment::default());
        let (one, other) = (queues(&["a", "b"]), queues(&["c"]));
        mode.add_ambiguous(&shape(), &one[1], now);
        assert!(mode.is_on_for(&shape(), &one, now) && !mode.is_on_for(&shape(), &other, now));
        assert!(!mode.is_on_for(&shape(), &one, now.after(WHOLE_MODE_TTL)));
    }

    #[test]
    fn envelope_without_other_members_is_not_remembered() {
        let (mut mode, now) = (WholeMode::default(), Moment::default());
        assert!(!mode.observe(&shape(), &queues(&["a"]), "", now));
        assert!(mode.envelopes.is_empty());
        mode.observe(&shape(), &queues(&["a"]), "x", now);
        mode.tidy(now.after(ENVELOPE_TTL));
        assert!(mode.envelopes.is_empty());
    }
}
