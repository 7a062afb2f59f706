use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    part::Kept,
    served::{Found, Served, Tally},
};
use crate::{
    cache::{Memo, Weigh},
    clock::Moment,
    model::{QueueId, Shape},
    upstream::Effort,
};

/// Answers that were put together of rows, for those who ask the same again before any of the rows changes.
pub(super) struct WholeAnswers(Memo<Question, Together>);

/// Exactly these queues in this order.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    shape: Shape,
    queues: Arc<[QueueId]>,
}

struct Together {
    body: Bytes,
    parts: Vec<Kept>,
    absent: u32,
    oldest: Moment,
    fresh_until: Moment,
}

impl WholeAnswers {
    /// Holds at most `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Self {
        Self(Memo::new(capacity))
    }

    /// The answer, if it still is what would be put together now. Notes the interest in its parts.
    pub(super) fn get(&self, shape: &Shape, queues: &Arc<[QueueId]>, now: Moment) -> Option<Served> {
        let question = Question { shape: shape.clone(), queues: Arc::clone(queues) };
        let together = self.0.get(&question).filter(|together| together.holds(now))?;
        together.parts.iter().for_each(|part| part.interest.note(now));
        Some(Served {
            body: together.body.clone(),
            etag: None,
            age: now.since(together.oldest),
            found: Found::Hit { left: together.fresh_until.since(now) },
            parts: Tally {
                hit: u32::try_from(together.parts.len()).unwrap_or(u32::MAX),
                absent: together.absent,
                ..Tally::default()
            },
            effort: Effort::default(),
        })
    }

    /// Remembers an answer all of whose parts are held and fresh, the first to cease to be for `left` longer.
    pub(super) fn put(
        &self,
        shape: &Shape,
        queues: &Arc<[QueueId]>,
        served: &Served,
        parts: Vec<Kept>,
        left: Duration,
        now: Moment,
    ) {
        let Some(oldest) = parts.iter().map(|part| part.began).min() else { return };
        let question = Question { shape: shape.clone(), queues: Arc::clone(queues) };
        let (body, absent, fresh_until) = (served.body.clone(), served.parts.absent, now.after(left));
        self.0.put(question, Arc::new(Together { body, parts, absent, oldest, fresh_until }));
    }

    /// Forgets what does not hold any more.
    pub(super) fn tidy(&self, now: Moment) {
        self.0.tidy(|together| together.holds(now));
    }
}

impl Together {
    /// No row has been fetched anew, and none has ceased to be fresh.
    fn holds(&self, now: Moment) -> bool {
        now < self.fresh_until && !self.parts.iter().any(|part| part.has_left())
    }
}

impl Weigh for Question {
    fn weight(&self) -> usize {
        self.shape.weight() + self.queues.iter().map(|queue| queue.as_str().len() + 48).sum::<usize>()
    }
}

impl Weigh for Together {
    fn weight(&self) -> usize {
        // The rows too, for they may have left the store meanwhile.
        self.body.len() + self.parts.iter().map(|part| part.weight()).sum::<usize>() + 256
    }
}
