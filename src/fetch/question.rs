use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    served::Served,
    together::{Since, Together},
    upstream_fetch::PartFetcher,
};
use crate::{
    cache::{Kept, Memo, Weigh},
    clock::Moment,
    model::{Query, Shape},
};

/// A query, with what is worked out of it once and used each time that it is asked.
pub struct Question {
    pub(super) query: Query,
    pub(super) shape: Shape,
    /// What it is remembered under; `None` if it is not expected again.
    words: Option<Arc<[u8]>>,
    asked: Since,
    answer: Mutex<Option<Together>>,
}

/// Questions by the words that they were asked in, so that who asks the same every second is not read anew each time,
/// and the answer not put together anew while none of its parts changes.
pub(super) struct Questions(Memo<Arc<[u8]>, Question>);

/// How exactly it is known when a question was last asked.
const ASKED_EACH: Duration = Duration::from_secs(1);
/// A question that nobody has asked for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);

impl Question {
    /// A question that is not expected again.
    pub fn once(query: Query) -> Self {
        Self::new(query, None, Moment::default())
    }

    fn new(query: Query, words: Option<Arc<[u8]>>, now: Moment) -> Self {
        Self { shape: query.shape(), query, words, asked: Since::new(now), answer: Mutex::default() }
    }

    /// What is asked.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Its answer as it was last put together, if that still holds.
    pub(super) fn answer(&self, fetcher: &PartFetcher) -> Option<Served> {
        self.together().as_ref()?.serve(fetcher)
    }

    fn together(&self) -> MutexGuard<'_, Option<Together>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Questions {
    /// Holds at most `capacity` bytes, the answers included.
    pub(super) fn new(capacity: u64) -> Self {
        Self(Memo::new(capacity))
    }

    /// The question that these words are; `read` makes it of them the first time.
    pub(super) fn get<E>(
        &self,
        words: &[u8],
        now: Moment,
        read: impl FnOnce() -> Result<Query, E>,
    ) -> Result<Arc<Question>, E> {
        if let Some(question) = self.0.get(words) {
            question.asked.is_over(ASKED_EACH, now);
            return Ok(question);
        }
        let words: Arc<[u8]> = words.into();
        let question = Arc::new(Question::new(read()?, Some(Arc::clone(&words)), now));
        self.0.put(words, Arc::clone(&question));
        Ok(question)
    }

    /// Remembers how `question` was answered.
    pub(super) fn answered(&self, question: &Arc<Question>, together: Together) {
        let Some(words) = &question.words else { return };
        *question.together() = Some(together);
        // To be weighed anew.
        self.0.put(Arc::clone(words), Arc::clone(question));
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    /// Forgets questions that nobody asks any more, and answers that do not hold any more.
    pub(super) fn sweep(&self, fetcher: &PartFetcher) {
        let (now, stretch, policies) = (fetcher.clock.now(), fetcher.stretch(), fetcher.policies_number());
        self.0.sweep(|question| {
            if question.asked.was_before(FORGET_AFTER, now) {
                return Kept::No;
            }
            match question.together().take_if(|together| !together.holds(now, stretch, policies)) {
                Some(_) => Kept::Changed,
                None => Kept::AsItIs,
            }
        });
    }

    /// Does the work that questions leave behind.
    pub(super) fn tidy(&self) {
        self.0.tidy();
    }
}

impl Weigh for Question {
    fn weight(&self) -> usize {
        const OVERHEAD: usize = 400;
        let queues = self.query.queues().iter().map(|queue| queue.as_str().len() + 64).sum::<usize>();
        let answer = self.together().as_ref().map_or(0, Weigh::weight);
        self.shape.weight() + queues + answer + OVERHEAD
    }
}
