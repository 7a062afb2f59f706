use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    cache::{Memo, Weigh},
    clock::Moment,
    model::{Query, Shape},
};

/// A query, with what is worked out of it once and used each time that it is asked.
pub struct Question {
    pub(super) query: Query,
    pub(super) shape: Shape,
    /// What its answer is kept under; `None` if it is not expected again.
    pub(super) number: Option<u64>,
    /// When it was last asked, in nanoseconds.
    asked: AtomicU64,
}

/// Questions by the words that they were asked in, so that who asks the same every second is not read anew each time.
pub(super) struct Questions {
    memo: Memo<Box<[u8]>, Question>,
    next: AtomicU64,
}

/// A question that nobody has asked for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(600);

impl Question {
    /// A question that is not expected again.
    pub fn once(query: Query) -> Self {
        Self::new(query, None)
    }

    fn new(query: Query, number: Option<u64>) -> Self {
        Self { shape: query.shape(), query, number, asked: AtomicU64::new(0) }
    }

    /// What is asked.
    pub fn query(&self) -> &Query {
        &self.query
    }
}

impl Questions {
    /// Holds at most `capacity` bytes.
    pub(super) fn new(capacity: u64) -> Self {
        Self { memo: Memo::new(capacity), next: AtomicU64::new(0) }
    }

    /// The question that these words are; `read` makes it of them the first time.
    pub(super) fn get<E>(
        &self,
        words: &[u8],
        now: Moment,
        read: impl FnOnce() -> Result<Query, E>,
    ) -> Result<Arc<Question>, E> {
        let question = match self.memo.get(words) {
            Some(question) => question,
            None => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let question = Arc::new(Question::new(read()?, Some(number)));
                self.memo.put(words.into(), Arc::clone(&question));
                question
            }
        };
        question.asked.store(now.as_nanos(), Ordering::Relaxed);
        Ok(question)
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> u64 {
        self.memo.bytes()
    }

    /// Forgets what nobody asks any more.
    pub(super) fn sweep(&self, now: Moment) {
        let lately = u64::try_from(FORGET_AFTER.as_nanos()).unwrap_or(u64::MAX);
        self.memo.tidy(|question| now.as_nanos().saturating_sub(question.asked.load(Ordering::Relaxed)) < lately);
    }
}

impl Weigh for Question {
    fn weight(&self) -> usize {
        const OVERHEAD: usize = 400;
        let queues = self.query.queues().iter().map(|queue| queue.as_str().len() + 64).sum::<usize>();
        self.shape.weight() + queues + OVERHEAD
    }
}
